"""A perceptual term: what was made shall have the features of what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from gan_lab.auxiliary.term import Auxiliary, Play
from gan_lab.common.scalars import Scalar
from gan_lab.perceptual.distance import PerceptualDistance


class Perceptual(Auxiliary):
    """The perceptual distance of pairs, a term of the generator: arXiv:1609.04802, eq. 5.

    SRGAN compares vgg19's relu5_4 by l2, ESRGAN conv5_4 by l1 (arXiv:1809.00219, section 3.2), pix2pixHD and SPADE five
    layers by l1 (arXiv:1711.11585, section 3.3; arXiv:1903.07291). The usual network is the small one that ships with
    the package, whose values compare with none of theirs.

    Args:
        weight: the generator's factor, >= 0, or a schedule.
        network: small, or vgg19, whose weights are looked for.
        layers: of the network, such as relu5_4; None takes its usual ones: every stage of small, relu5_4 of vgg19.
        layer_weights: of each layer; None counts all alike.
        distance: unit, l1 or l2, see `PerceptualDistance`.
        network_weights: path of vgg19's file; None looks for it.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})

    def __init__(
        self,
        *,
        weight: Scalar = 10.0,
        network: str = "small",
        layers: Sequence[str] | None = None,
        layer_weights: Sequence[float] | None = None,
        distance: str = "unit",
        network_weights: str | None = None,
    ) -> None:
        super().__init__(weight=weight)
        self.distance = PerceptualDistance(
            network=network,
            layers=layers,
            layer_weights=layer_weights,
            distance=distance,
            network_weights=network_weights,
            option="auxiliary.perceptual.network_weights",
        )

    def prepare(self, data: Any) -> None:
        """Open the network before the first round, so that weights that cannot be had are told there.

        Raises:
            ConfigError: if the images are too small for the layers.
            WeightsError: if there are no weights.
        """
        self.distance.seen.require(min(data.columns["images"].values.shape[2:]))
        self.distance.network.open()

    def generator(self, play: Play) -> Tensor:
        """The mean over images."""
        return self.distance(play.fake, play.real).mean()
