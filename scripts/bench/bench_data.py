"""The data path: batches per second, the cache's building against torchvision's loader, and the memory it takes.

    python scripts/bench/bench_data.py [--case batches build memory] [--root <of torchvision>] [--out <file>]

`batches` reads a memory-mapped file of random bytes of the size of half of CelebA at 64 px, on one thread. `build`
decodes the CelebA images below --root, whole or in part, by our cache and by torchvision's own CelebA class with
Pillow in a DataLoader, on the same cores, in turns; it also compares the pixels. `memory` is RssAnon of a process that
draws batches from a set of 10,000 and of 200,000 images.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from cases import machine

from gan_lab.data.image_set import ImageSet
from gan_lab.data.sets.celeba import Celeba
from gan_lab.data.stream.sampler import Batches
from gan_lab.process.allocator import keep_freed_memory

CASES = ("batches", "build", "memory")
SHAPE = (3, 64, 64)
LISTS = ("list_eval_partition.txt", "identity_CelebA.txt", "list_attr_celeba.txt")
CPU = torch.device("cpu")


def measure(
    cases: tuple[str, ...] = CASES,
    *,
    root: Path,
    images: int = 100_000,
    alternations: int = 9,
    cores: tuple[int, ...] = (1, 2),
) -> list[dict]:
    """Return one record per measurement; `build` is left out where there is no CelebA below root."""
    results: list[dict] = []
    if "batches" in cases:
        results += batches(images, alternations)
    if "build" in cases and (root / "celeba" / "img_align_celeba").is_dir():
        available = sorted(os.sched_getaffinity(0))
        for number in cores:
            if number <= len(available):
                results.append(build(root, available[:number], alternations))
        os.sched_setaffinity(0, available)
    if "memory" in cases:
        results += [memory(count) for count in (10_000, 200_000)]
    return results


# --- batches


def batches(images: int, alternations: int) -> list[dict]:
    """Images per second and core of shuffled float batches; the variants take turns."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory()  # as a run's Machine does at its start
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "images.npy"
            noise = np.lib.format.open_memmap(path, "w+", np.uint8, (images, *SHAPE))
            random = np.random.default_rng(0)
            for start in range(0, images, 4096):  # a sparse file would be read from one page
                part = noise[start : start + 4096]
                part[:] = random.integers(0, 256, part.shape, dtype=np.uint8)
            del noise
            mapped = mapped_set(path)
            mapped.images.view(-1)[::4096].sum()  # into the page cache and the page table
            return batch_variants(mapped, alternations)
    finally:
        torch.set_num_threads(threads)


def batch_variants(images: ImageSet, alternations: int) -> list[dict]:
    sizes = [(size, flip) for size in (64, 128) for flip in (False, True)]
    streams = {
        (size, flip): iter(Batches(images, batch_size=size, seed=0, flip=flip, device=CPU))
        for size, flip in sizes
    }
    spent: dict[tuple[int, bool], list[tuple[float, float]]] = {variant: [] for variant in sizes}
    for _ in range(alternations + 1):
        for (size, flip), stream in streams.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(8192 // size):
                next(stream)
            elapsed = time.process_time() - cpu, time.perf_counter() - wall
            spent[size, flip].append(elapsed)
    return [
        {
            "case": "batches", "images": len(images), "resolution": SHAPE[-1], "batch": size, "flip": flip,
            "images_per_second_cpu": round(8192 / statistics.median(cpu for cpu, _ in times[1:])),
            "images_per_second_wall": round(8192 / statistics.median(wall for _, wall in times[1:])),
            "best_wall": round(8192 / min(wall for _, wall in times[1:])),
        }
        for (size, flip), times in spent.items()
    ]  # fmt: skip


def mapped_set(path: Path) -> ImageSet:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the map is read-only
        images = torch.from_numpy(np.load(path, mmap_mode="r"))
    return ImageSet("noise", "train", images, None, (), "noise")


# --- the cache


def build(root: Path, cores: list[int], alternations: int) -> dict:
    """Our cache against torchvision's CelebA and DataLoader, both on these cores alone."""
    os.sched_setaffinity(0, cores)  # threads and workers started from here on inherit it
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        loader = torchvision_loader(root.resolve(), place, workers=len(cores))
        kept = os.environ.get("GAN_LAB_CACHE")
        os.environ["GAN_LAB_CACHE"] = str(place / "cache")
        ours, theirs = [], []
        try:
            read_all(loader)  # starts the workers, which stay, and warms the files
            for _ in range(alternations):
                theirs.append(timed(lambda: read_all(loader)))
                shutil.rmtree(place / "cache", ignore_errors=True)
                ours.append(timed(lambda: cached(root)))
            difference = (cached(root).int() - read_all(loader).int()).abs()
        finally:
            os.environ.pop("GAN_LAB_CACHE")
            if kept is not None:
                os.environ["GAN_LAB_CACHE"] = kept
    count = len(difference)
    ratios = sorted(b / a for a, b in zip(ours, theirs))
    return {
        "case": "build", "cores": len(cores), "images": count, "alternations": alternations,
        "images_per_second": round(count / statistics.median(ours)),
        "torchvision_images_per_second": round(count / statistics.median(theirs)),
        "ratio": round(statistics.median(ratios), 2), "ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
        "largest_difference": int(difference.max()), "mean_difference": round(float(difference.float().mean()), 4),
    }  # fmt: skip


def torchvision_loader(root: Path, place: Path, *, workers: int):
    """The class of torchvision over links to the images; it refuses a part and wants five lists."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    class Part(datasets.CelebA):
        def _check_integrity(self) -> bool:
            return True

    folder = place / "celeba"
    folder.mkdir()
    (folder / "img_align_celeba").symlink_to(root / "celeba" / "img_align_celeba")
    for name in LISTS:
        (folder / name).symlink_to(root / "celeba" / name)
    lines = (folder / LISTS[0]).read_text().splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    for name, columns in (("list_bbox_celeba.txt", 4), ("list_landmarks_align_celeba.txt", 10)):
        head = " ".join(f"column_{index}" for index in range(columns))
        rows = "\n".join(f"{image}{' 1' * columns}" for image in names)
        (folder / name).write_text(f"{len(names)}\n{head}\n{rows}\n")
    steps = [
        transforms.CenterCrop(178),
        transforms.Resize(SHAPE[-1], antialias=True),
        transforms.PILToTensor(),
    ]
    pictures = Part(str(place), split="train", transform=transforms.Compose(steps))
    return DataLoader(pictures, batch_size=64, num_workers=workers, persistent_workers=True)


def read_all(loader) -> torch.Tensor:
    images = torch.empty((len(loader.dataset), *SHAPE), dtype=torch.uint8)
    at = 0
    for pixels, _ in loader:
        images[at : at + len(pixels)] = pixels
        at += len(pixels)
    return images


def cached(root: Path) -> torch.Tensor:
    with contextlib.redirect_stderr(io.StringIO()):
        return Celeba(root=str(root), resolution=SHAPE[-1]).load("train").images


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


# --- memory


def memory(count: int) -> dict:
    """RssAnon of a fresh process that draws flipped, labelled batches from `count` images."""
    with tempfile.TemporaryDirectory() as folder:
        for name, kind, shape in (("images", np.uint8, SHAPE), ("labels", np.int64, ())):
            path = Path(folder) / f"{name}.npy"
            np.lib.format.open_memmap(path, "w+", kind, (count, *shape)).flush()  # sparse
        command = [sys.executable, str(Path(__file__).resolve()), "--draw", folder]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"case": "memory", "images": count, **json.loads(output)}


def draw(folder: Path) -> dict:
    """Draw one epoch's first and last batches, and those that cross into the next."""
    torch.set_num_threads(1)
    images = mapped_set(folder / "images.npy")
    labels = mapped_set(folder / "labels.npy").images
    images = ImageSet("zeros", "train", images.images, labels, (), "zeros")
    before = anonymous()
    start = len(images) - 10 * 64 - 32
    stream = iter(Batches(images, batch_size=64, seed=0, flip=True, start=start, device=CPU))
    for _ in range(100):
        next(stream)
    return {"rss_anon_mb_before": before, "rss_anon_mb": anonymous()}


def anonymous() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssAnon"))
    return round(int(kilobytes) / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--alternations", type=int, default=9)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--draw", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.draw:
        print(json.dumps(draw(options.draw)))
        return
    results = []
    for case in options.case:
        found = measure(
            (case,), root=options.root, images=options.images, alternations=options.alternations
        )
        results += found
        for record in found:
            print(json.dumps(record), flush=True)
    if options.out:
        command = f"python scripts/bench/bench_data.py {' '.join(sys.argv[1:])}"
        text = json.dumps({"command": command, "machine": machine(), "results": results}, indent=1)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
