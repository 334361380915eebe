"""Train the perceptual network that ships with the package; writes gan_lab/assets/perceptual.pt.

    python scripts/train_perceptual.py --root <root>       (<root> holds CIFAR-10, whole or a part of it)

It learns the ten classes of CIFAR-10's training images. Each batch is mirrored, moved, and changed in brightness,
contrast and saturation. A quarter of the batches is enlarged to 48 pixels, since distances are asked of larger images
too. The last line names the accuracy on test images. For the shipped file it is 0.7838: it learned 10,000 images of
CIFAR-10 and was asked for 1,300 others. The weights are rounded to float16 before it is measured.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab.data.image_set import ImageSet
from gan_lab.data.sets.cifar import Cifar10
from gan_lab.perceptual.small import WEIGHTS, PerceptualNetwork

BATCH, RATE, SMOOTHING = 100, 4e-3, 0.1
SIDES = (32, 32, 32, 48)


def changed(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """A batch (N, 3, H, W) in [-1, 1], each image mirrored, moved and tinted by its own chance."""
    count = len(pixels)

    def drawn(low: float, high: float) -> Tensor:
        return (torch.rand(count, 1, 1, 1, generator=generator) * (high - low)) + low

    pixels = torch.where(drawn(0, 1) < 0.5, pixels.flip(3), pixels)
    padded = F.pad(pixels, (4, 4, 4, 4), mode="reflect")
    down, right = torch.randint(0, 9, (2, count), generator=generator)
    side = pixels.shape[-1]
    rows = down[:, None] + torch.arange(side)
    columns = right[:, None] + torch.arange(side)
    moved = padded[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    pixels = moved.permute(0, 3, 1, 2)
    grey = pixels.mean(dim=1, keepdim=True)
    pixels = grey + (pixels - grey) * drawn(0.5, 1.5)
    middle = pixels.mean(dim=(1, 2, 3), keepdim=True)
    return middle + (pixels - middle) * drawn(0.7, 1.3) + drawn(-0.2, 0.2)


def train(network: PerceptualNetwork, images: ImageSet, *, epochs: int, seed: int) -> None:
    """Train by AdamW under a one-cycle learning rate."""
    assert images.labels is not None
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=5e-2, fused=True)
    steps = len(images) // BATCH
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=epochs * steps)
    network.train()
    for epoch in range(epochs):
        start, total = time.perf_counter(), 0.0
        order = torch.randperm(len(images), generator=generator)
        for at, chosen in enumerate(order[: steps * BATCH].view(steps, BATCH)):
            pixels = changed(floats(images.images[chosen]), generator)
            side = SIDES[at % len(SIDES)]
            if side != pixels.shape[-1]:
                pixels = F.interpolate(pixels, size=(side, side), mode="bicubic")
            logits = network.classify(pixels.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits, images.labels[chosen], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            cycle.step()
            total += loss.item()
        print(
            f"epoch {epoch + 1}/{epochs}  loss {total / steps:.4f}  {time.perf_counter() - start:.0f} s",
            flush=True,
        )


def floats(images: Tensor) -> Tensor:
    """Bytes as floats in [-1, 1]."""
    return images.float() / 127.5 - 1


@torch.no_grad()
def accuracy(network: PerceptualNetwork, images: ImageSet) -> float:
    """The share of images whose class the network names."""
    assert images.labels is not None
    network.eval()
    named = [network.classify(floats(part)).argmax(dim=1) for part in images.images.split(500)]
    return float((torch.cat(named) == images.labels).float().mean())


def main() -> None:
    """Train, round to float16, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of CIFAR-10")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    data = Cifar10(root=str(options.root))
    network = PerceptualNetwork().to(memory_format=torch.channels_last)
    train(network, data.load("train"), epochs=options.epochs, seed=options.seed)

    network.half().float()
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    torch.save(state, options.output)
    share = accuracy(network, data.load("test"))
    print(f"{options.output}: {options.output.stat().st_size} bytes, test accuracy {share:.4f}")


if __name__ == "__main__":
    main()
