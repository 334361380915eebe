"""What a discriminator of pixels learns beside the whole image: each pixel's side, and images glued of two."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


def boxes(numbers: Tensor, size: tuple[int, int]) -> Tensor:
    """A random box in each image: CutMix, arXiv:1905.04899, section 3.1.

    Args:
        numbers: uniform in [0, 1), (N, 3): the share of the image that lies outside of the box, and its centre.
        size: H and W.

    Returns:
        Masks (N, 1, H, W), 0 in the box and 1 around it.
    """
    height, width = size
    half = (1 - numbers[:, 0]).sqrt()[:, None] / 2
    inside = []
    for centre, length in ((numbers[:, 1:2], height), (numbers[:, 2:3], width)):
        places = (torch.arange(length, device=numbers.device) + 0.5) / length
        inside.append((places - centre).abs() < half)
    rows, columns = inside
    return 1 - (rows[:, :, None] & columns[:, None, :]).float()[:, None]


class CutMix(Auxiliary):
    """The adversarial loss of each pixel, and consistency under CutMix: arXiv:2002.12655, eqs. 3 to 7.

    Pixels are judged by the game's own loss. The discriminator's pixels on an image glued of a real and a fake shall be
    what they are on the two: the mean squared difference of the logits, which no graph of the generator enters.

    Args:
        judges_pixels: given by discriminators that do, such as discriminator=unet.
        discriminator_weight: of both, >= 0, or a schedule.
        generator_weight: of the pixels' loss, >= 0, or a schedule.
        consistency: factor of the second part in the first, >= 0; the paper has 1.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        *,
        judges_pixels: bool,
        discriminator_weight: Scalar = 1.0,
        generator_weight: Scalar = 1.0,
        consistency: float = 1.0,
    ) -> None:
        super().__init__(
            discriminator_weight=discriminator_weight, generator_weight=generator_weight
        )
        del judges_pixels  # being there is enough
        in_range("consistency", consistency, low=0)
        self.consistency = consistency

    def discriminator(self, play: Any) -> Tensor:
        """Return the pixels' loss plus the consistency, shape ()."""
        real, fake = play.on_real.pixels, play.on_fake.pixels
        loss: Tensor = play.game.adversarial.discriminator(real.flatten(), fake.flatten())
        numbers = play.uniform("cutmix", (play.size, 3))
        mask = boxes(numbers, real.shape[1:])
        glued = play.discriminate(mask * play.real.detach() + (1 - mask) * play.fake.detach())
        wanted = torch.where(mask[:, 0] > 0, real, fake)
        return loss + self.consistency * (glued.pixels - wanted).square().mean()

    def generator(self, play: Any) -> Tensor:
        """Return the pixels' loss of the fakes, shape ()."""
        adversarial = play.game.adversarial
        real = play.on_real.pixels.flatten() if adversarial.needs_real else None
        found: Tensor = adversarial.generator(play.on_fake.pixels.flatten(), real)
        return found
