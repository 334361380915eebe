"""Path length regularisation: equal steps in the space of styles shall change images equally far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class PathLength(nn.Module):
    """E[(|J^T y| - a)^2] of the Jacobian J of images by styles, at normal noise y: arXiv:1912.04958, eq. 4.

    a is the running mean of the lengths and this term's state: an update measures against the mean of those before it.
    Lengths are taken over the numbers of a style, and their squares averaged over layers, as in the authors' code.
    A generator without styles has its Jacobian by latents taken.

    Args:
        weight: the term's factor, >= 0, or a schedule; 2 in the authors' code.
        every: the term is due at every n-th update of the generator, >= 1.
        share: of the batch that a lazy term takes, > 0.
        decay: share of the newest lengths in their running mean, (0, 1].
    """

    player: ClassVar[str] = "generator"
    differentiates: ClassVar[frozenset[str]] = frozenset({"z"})
    mean: Tensor

    def __init__(
        self, *, weight: Scalar = 2.0, every: int = 4, share: float = 0.5, decay: float = 0.01
    ) -> None:
        super().__init__()
        if not isinstance(weight, Mapping):
            in_range("weight", weight, low=0)
        in_range("every", every, low=1)
        in_range("share", share, above=0)
        in_range("decay", decay, above=0, high=1)
        self.weight, self.every, self.share, self.decay = weight, every, share, decay
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, play: Any) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        images, points = self._made(play)
        # So that a length does not depend on the number of pixels.
        noise = play.normal("path_length", tuple(images.shape)) / math.sqrt(images[0, 0].numel())
        found = path_lengths(images, points, noise)
        play.note("path_length", found.mean())
        return (found - self.mean).square().mean()

    def _made(self, play: Any) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W), and the styles (N, layers, D) or latents (N, 1, D) that they hang on."""
        generator = play.game.generator
        if not hasattr(generator, "with_styles"):
            return play.fake, play.z
        labels = play.fake_labels if generator.takes_labels else None
        images, styles = generator.with_styles(play.z, labels, **play.drawn_for(generator))
        return images, styles

    def commit(self, noted: Mapping[str, Tensor]) -> None:
        """Move the mean length, once for each update."""
        if "path_length" in noted:
            self.mean.lerp_(noted["path_length"], self.decay)


def path_lengths(images: Tensor, points: Tensor, noise: Tensor) -> Tensor:
    """|J^T y| of each image: the root of the mean over layers of the squared lengths of its gradients.

    Args:
        images: (N, C, H, W), a differentiable function of `points`, each of its own.
        points: styles (N, layers, D), or latents (N, D) as those of one layer.
        noise: y, shape of the images.

    Returns:
        Shape (N,), float32.
    """
    (slope,) = torch.autograd.grad((images.float() * noise).sum(), points, create_graph=True)
    slope = slope.float() if slope.ndim == 3 else slope.float()[:, None]
    squares = slope.square().sum(dim=2)
    # The root of 0 has no derivative.
    return squares.mean(dim=1).add(1e-12).sqrt()
