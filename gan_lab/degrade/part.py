"""What degradations share: a chain of them makes the input of a translation from its target.

A degradation is a module with `forward(images, draw)`, images (N, C, H, W) in [-1, 1] to what is left of them. It runs
inside of steps, which may be recorded: it reads no value on the host, and all its random numbers come from `draw`. It
computes in single precision, whatever the networks do.
One that leaves a part of the image as it is may have `put_back(made, source)`, and `region(source)`, a mask of what it
took away. One that adds channels to the image says how many: `adds`. One that an image of a user's own lacks something
of has `of_given(images, alpha)`; the others are left out there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Draw(Protocol):
    """Random numbers of one degradation, a row for each image."""

    def uniform(self, purpose: str, shape: Sequence[int], /) -> Tensor:
        """Numbers uniform in [0, 1), float32; shape[0] is the number of images."""

    def normal(self, purpose: str, shape: Sequence[int], /) -> Tensor:
        """Standard normal numbers, float32; shape[0] is the number of images."""
