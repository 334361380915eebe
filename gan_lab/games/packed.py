"""PacGAN: the discriminator judges several images at once, all real or all generated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.games.gan import GAN
from gan_lab.games.images import ImagePlay
from gan_lab.networks.output import DiscriminatorOutput


class PackedPlay(ImagePlay):
    """Judges packs: logits (N / pack,)."""

    def judge(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        twice: bool = False,
        of: str = "",
        **beside: Tensor,
    ) -> DiscriminatorOutput:
        """The discriminator on packs of images (N, C, H, W), N a multiple of the pack; see `ImagePlay.judge`."""
        if len(images) % self.game.pack:
            raise ConfigError(
                f"model.pack={self.game.pack}: does not divide the {len(images)} images that are judged at once; "
                "choose data.batch_size and accumulate so that it does."
            )
        return super().judge(images, labels, twice=twice, of=of, **beside)

    def taken_in(self, images: Tensor) -> Tensor:
        """Neighbours of a batch as channels of one image: (N, C, H, W) to (N / pack, pack C, H, W)."""
        return images.reshape(-1, self.game.pack * images.shape[1], *images.shape[2:])


class PacGAN(GAN):
    """A GAN whose discriminator sees `pack` images at once as channels of one: PacGAN, arXiv:1712.04086, section 3.

    A generator that repeats itself gives itself away in a pack. Images are augmented before they are packed.

    Args:
        pack: images of a pack, >= 1; the paper's m.

    Raises:
        ConfigError: where the discriminator reads labels, or a term reads its features, which are those of a pack.
    """

    Play = PackedPlay

    def __init__(self, *, pack: int = 2, **parts: Any) -> None:
        super().__init__(**parts)
        in_range("pack", pack, low=1)
        self.pack = pack
        if pack > 1 and (self.label_law is not None or self.auxiliaries):
            raise ConfigError(
                f"pack={pack}: a pack has no label or features of one image; leave labels and auxiliary terms out."
            )
        if pack > 1 and self.adversarial.label_flipping:
            raise ConfigError(
                f"pack={pack}: labels are flipped for single images; set loss.label_flipping=0."
            )

    @classmethod
    def facts_for(
        cls, part: str, options: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The discriminator's images have the channels of all of a pack."""
        if part != "discriminator":
            return {}
        return {"channels": facts["channels"] * options.get("pack", 2)}
