"""Train the small network of metrics=small; writes gan_lab/assets/small_features.pt.

    python scripts/train_small_features.py --root data/FashionMNIST/raw

It learns the ten classes of Fashion-MNIST from the official training images, without those that
ship as fashion_mini: a generator trained on fashion_mini is measured by a network that never saw
its reals. The last line names the accuracy on the 10,000 official test images, 0.9137 for the
shipped file; the weights are rounded to float16 before it is measured. Eight epochs take 2 to 3
minutes on two free cores, and gave the same file, byte for byte, when run again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab.data.decoding.idx import find_idx, read_idx
from gan_lab.data.sets.fashion_mini import fashion_mini_indices
from gan_lab.metrics.small_network import SmallNetwork, to_small

OUTPUT = Path(__file__).resolve().parents[1] / "gan_lab" / "assets" / "small_features.pt"
BATCH = 128


def load(root: Path, part: str) -> tuple[Tensor, Tensor]:
    """Return (images (N, 1, 28, 28) uint8, labels (N,) int64) of 'train' or 't10k'."""
    files = [find_idx(root, f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")]
    if None in files:
        raise SystemExit(f"--root {root}: no {part}-images-idx3-ubyte and labels, plain or .gz")
    images, labels = (torch.tensor(read_idx(file)) for file in files if file is not None)
    return images.unsqueeze(1), labels.long()


def without_mini(count: int) -> Tensor:
    """Return the indices of the official training images that do not ship as fashion_mini."""
    kept = torch.ones(count, dtype=torch.bool)
    kept[torch.from_numpy(fashion_mini_indices("train"))] = False
    return kept.nonzero().squeeze(1)


def moved(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Move a batch by up to 2 pixels in each direction."""
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
            pixels = moved(to_small(images[chosen]), generator)
            loss = F.cross_entropy(network(pixels), labels[chosen])
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
    parser.add_argument("--root", type=Path, required=True, help="folder of the IDX files")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--epochs", type=int, default=8)
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
