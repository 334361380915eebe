"""Feature matching by layers: what was made shall look to the discriminator as what it should be, layer by layer."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary, Play
from gan_lab.common.scalars import Scalar


class LayerMatching(Auxiliary):
    """The distance of the discriminator's features of pairs, a term of the generator: arXiv:1711.11585, eq. 4.

    Of each layer it is the mean absolute difference, 1/N_i |D_i(s, x) - D_i(s, G(s))|; layers are summed. Scales are
    averaged, as the adversarial loss of a discriminator of several scales is here, and as arXiv:1903.07291 has it in
    the authors' code; arXiv:1711.11585, eq. 5, sums them.

    Args:
        layer_count: layers that the discriminator shows at each scale.
        weight: the generator's factor, >= 0, or a schedule; 10 in both papers.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"pairs", "layers"})

    def __init__(self, *, layer_count: int, weight: Scalar = 10.0) -> None:
        super().__init__(weight=weight)
        self.layer_count = layer_count

    def generator(self, play: Play) -> Tensor:
        """The sum over layers of the mean distance, averaged over scales."""
        scales = [
            torch.stack(
                [
                    (made.float() - true.detach().float()).abs().mean()
                    for made, true in zip(own, others, strict=True)
                ]
            ).sum()
            for own, others in zip(play.on_fake.layers, play.on_real.layers, strict=True)
        ]
        return torch.stack(scales).mean()
