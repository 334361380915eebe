"""How near translations come to given images of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.data.decoding.tree import Entry, Tree
from gan_lab.metrics.nearness import nearness
from gan_lab.perceptual.distance import PerceptualDistance
from gan_lab.translating.given import read


class Scores:
    """L1, PSNR, SSIM and the perceptual distance of translations, pair by pair.

    Args:
        targets: lists what should come out; a file belongs to the translation of the same name, whatever the suffixes.
        names: of the translations.

    Raises:
        ConfigError: naming the first image without a partner.
    """

    def __init__(self, targets: Tree, names: Sequence[str]) -> None:
        self.targets = targets
        self.entries: dict[str, Entry] = {_stem(one.name): one for one in targets.entries}
        if len(targets.entries) == len(names) == 1:
            self.entries = {_stem(names[0]): targets.entries[0]}
        for name in names:
            if _stem(name) not in self.entries:
                raise ConfigError(
                    f"target={targets.root}: there is no partner of '{name}'; give it the same name, or leave target "
                    "out."
                )
        self.distance = PerceptualDistance()
        self.seen: list[dict[str, float]] = []

    def add(self, name: str, pixels: Tensor) -> None:
        """Compare bytes (C, H, W) with the partner.

        Raises:
            BadImageError: if the partner cannot be read.
            ConfigError: if the partner has another size.
        """
        true = read(self.targets, self.entries[_stem(name)], channels=len(pixels)).pixels
        if true.shape != pixels.shape:
            (height, width), (tall, wide) = pixels.shape[1:], true.shape[1:]
            raise ConfigError(
                f"its partner has {wide} x {tall} pixels, but the translation {width} x {height}"
            )
        made, right = (one[None].float() / 255 for one in (pixels, true))
        measures = {
            **nearness(made, right),
            "perceptual": self.distance(made * 2 - 1, right * 2 - 1),
        }
        self.seen.append({key: float(value) for key, value in measures.items()})

    def lines(self) -> list[str]:
        """The mean of each over all pairs, as lines for people and scripts."""
        if not self.seen:
            return []
        return [
            f"{key} {sum(one[key] for one in self.seen) / len(self.seen):.6g}"
            for key in self.seen[0]
        ]


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
