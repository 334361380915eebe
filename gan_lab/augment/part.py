"""What augmentations share: differentiable changes of images in front of the discriminator, for reals and fakes alike.

An augmentation is a module with `forward(images, draw)`, images (N, C, H, W) to images of the same shape. It runs
inside of steps, which may be recorded: it reads no value on the host, and all its random numbers come from `draw`.
One with a state, such as a probability that moves, has buffers. It notes numbers of each play by `notes(play)`, and
moves its buffers in `commit(noted)`, which is called once for each update with the means over the whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class Draw(Protocol):
    """Random numbers of one augmentation for one set of images; reals and fakes of a step have other numbers."""

    def uniform(self, purpose: str, shape: Sequence[int], /) -> Tensor:
        """Numbers uniform in [0, 1), float32; shape[0] is the number of images."""

    def normal(self, purpose: str, shape: Sequence[int], /) -> Tensor:
        """Standard normal numbers, float32; shape[0] is the number of images."""


class Augmentation(nn.Module):
    """Base of the augmentations here.

    Attributes:
        scalars: options that may be schedules, by name.
        now: their values of now, which the game sets before each round: a float, or a tensor () where steps are
            recorded.
        highest: the largest value that such an option may have, where there is one.

    Args:
        scalars: each >= 0, or a schedule.
    """

    highest: ClassVar[Mapping[str, float]] = {}

    def __init__(self, **scalars: Scalar) -> None:
        super().__init__()
        for name, value in scalars.items():
            if not isinstance(value, Mapping):
                in_range(name, value, low=0)
        self.scalars = scalars
        self.now: dict[str, float | Tensor] = {}

    def notes(self, play: Any) -> Mapping[str, Tensor]:
        """Numbers () of a play of the discriminator's main step for `commit`, by names that no other part uses."""
        del play
        return {}
