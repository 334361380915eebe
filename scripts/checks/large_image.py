"""Sends an image of noise through a CycleGAN generator, tile by tile, and tells the peak memory of the process.

python scripts/checks/large_image.py --width 16 --blocks 4 --sides 3000 4000
"""

from __future__ import annotations

import argparse
import resource
import time
from types import SimpleNamespace

import torch

from gan_lab.games.translation import Translation
from gan_lab.generation.translating import Translator
from gan_lab.networks.fast.cpu import fast_cpu
from gan_lab.networks.translation.resnet import TranslationGenerator
from gan_lab.translating.written import bytes_of


class OneNetwork(Translation):
    """What a translator asks of a game, with first weights."""

    given_channels = 3

    def __init__(self) -> None:
        super().__init__()

    def sizes(self) -> tuple[int, int]:
        """As large as what is given, whose sides are multiples of 4."""
        return 1, 4

    def translation(self, networks, source, ask):
        """The network."""
        del ask
        return networks["generator"](source)


def main() -> None:
    """Translate, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=64, help="of the network; 64 is the paper's")
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--sides", type=int, nargs=2, default=[3000, 4000], help="height and width")
    given = parser.parse_args()
    network = TranslationGenerator(
        resolution=64, channels=3, width=given.width, blocks=given.blocks
    )
    fast_cpu(network.eval().requires_grad_(False))
    sampler = SimpleNamespace(
        module=OneNetwork(), networks={"generator": network}, device=torch.device("cpu")
    )
    pixels = torch.randint(0, 256, (1, 3, *given.sides), dtype=torch.uint8)
    begun = time.monotonic()
    made = bytes_of(Translator(sampler).strips(pixels.float() / 127.5 - 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{tuple(made.shape)}: {peak:.2f} GB at most, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
