"""Train the small network of metrics=small; writes gan_lab/assets/small_features.pt.

    python scripts/train_small_features.py --root data/FashionMNIST/raw

It learns the ten classes of Fashion-MNIST from the official training images, without those that
ship as fashion_mini: a generator trained on fashion_mini is measured by a network that never saw
its reals. The last line names the accuracy on the 10,000 official test images; the weights are
rounded to float16 before it is measured. The same seed, thread count and torch version give the
same file.
"""

from __future__ import annotations

import argparse
import gzip
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab.metrics.small_network import SmallNetwork, to_small

OUTPUT = Path(__file__).resolve().parents[1] / "gan_lab" / "assets" / "small_features.pt"
BATCH = 128


def read_idx(path: Path) -> Tensor:
    """Read one gzipped IDX file of unsigned bytes: its shape, then its bytes."""
    raw = gzip.decompress(path.read_bytes())
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">u4", count=dimensions, offset=4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(tuple(int(size) for size in shape)).copy())


def load(root: Path, part: str) -> tuple[Tensor, Tensor]:
    """Return (images (N, 1, 28, 28) uint8, labels (N,) int64) of 'train' or 't10k'."""
    images = read_idx(root / f"{part}-images-idx3-ubyte.gz").unsqueeze(1)
    return images, read_idx(root / f"{part}-labels-idx1-ubyte.gz").long()


def without_mini(count: int) -> Tensor:
    """Return the indices of the official training images that do not ship as fashion_mini."""
    return torch.arange(count)


def augmented(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images and move all by up to 2 pixels, the same for a whole batch."""
    mirrored = torch.rand(len(pixels), 1, 1, 1, generator=generator) < 0.5
    pixels = torch.where(mirrored, pixels.flip(3), pixels)
    down, right = torch.randint(-2, 3, (2,), generator=generator).tolist()
    return pixels.roll((down, right), dims=(2, 3))  # the border is black: what wraps round is too


def train(network: SmallNetwork, images: Tensor, labels: Tensor, *, epochs: int, seed: int) -> None:
    """Train by Adam under a one-cycle learning rate."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-3, fused=True)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=6e-3, total_steps=epochs * steps
    )
    network.train()
    for epoch in range(epochs):
        start, total = time.perf_counter(), torch.zeros(())
        order = torch.randperm(len(images), generator=generator)
        for chosen in order[: steps * BATCH].view(steps, BATCH):
            pixels = augmented(to_small(images[chosen]), generator)
            loss = F.cross_entropy(network(pixels), labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        seconds = time.perf_counter() - start
        print(f"epoch {epoch + 1}/{epochs}  loss {float(total) / steps:.4f}  {seconds:.0f} s")


@torch.no_grad()
def accuracy(network: SmallNetwork, images: Tensor, labels: Tensor) -> float:
    """Return the share of images whose class the network names."""
    network.eval()
    named = torch.cat([network(to_small(part)).argmax(dim=1) for part in images.split(500)])
    return float((named == labels).float().mean())


def main() -> None:
    """Train, round to float16, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of the four .gz files")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    network = SmallNetwork()
    images, labels = load(options.root, "train")
    kept = without_mini(len(images))
    train(network, images[kept], labels[kept], epochs=options.epochs, seed=options.seed)

    network.half().float()
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, options.output)
    share = accuracy(network, *load(options.root, "t10k"))
    print(f"{options.output}: {options.output.stat().st_size} bytes, {len(kept)} training images")
    print(f"test accuracy {share:.4f}")


if __name__ == "__main__":
    main()
