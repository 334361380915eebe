"""Optimal transport: of all maps that make the fakes look real, the one that moves its latents least."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary
from gan_lab.common.errors import ConfigError
from gan_lab.common.scalars import Scalar


class Play(Protocol):
    """The part of a play that the term reads."""

    @property
    def z(self) -> Tensor:
        """Latents (N, C H W)."""

    @property
    def fake(self) -> Tensor:
        """Generated images (N, C, H, W)."""


class Transport(Auxiliary):
    """E[ (G(z) - z)^2 ], the mean over an image's values: Adversarial Flow Models, arXiv:2511.22475, section 3.

    A term of the generator, for latents of an image's size. Its weight falls in the paper, from 0.2 to 0.005.

    Args:
        weight: the generator's factor, >= 0, or a schedule.
        latent_dim: numbers of a latent.
        resolution: side of the images.
        channels: of the images.

    Raises:
        ConfigError: if latents and images differ in size.
    """

    def __init__(
        self, *, latent_dim: int, resolution: int, channels: int, weight: Scalar = 0.2
    ) -> None:
        super().__init__(weight=weight)
        if latent_dim != channels * resolution**2:
            raise ConfigError(
                f"latent.dim={latent_dim}: the transport term compares latents with images of "
                f"{channels * resolution**2} values; choose latent=pixels."
            )

    def generator(self, play: Play) -> Tensor:
        """Return the unweighted term, shape ()."""
        return (play.fake.float() - play.z.float().view_as(play.fake)).square().mean()
