"""How near translations come to what they should be, pair by pair, on a held-out split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from gan_lab.media.images import to_uint8
from gan_lab.metrics.nearness import nearness
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals, Sample
from gan_lab.perceptual.distance import PerceptualDistance

BATCH = 32  # pairs at once, where the data is compared with itself
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales of MS-SSIM, from fine to coarse
WINDOW = 11  # pixels of SSIM's window, which must fit into the smallest scale


class Pairwise(Metric):
    """What metrics share that compare each translation with its true image.

    The protocol tells what two answers without any learning get: the source itself, which is enlarged by bicubic
    interpolation where it is smaller, and the mean of all true images of the training split. A model that learned
    something is nearer than both.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})
    source_view: int | None = None  # the answer to `view` that shows the source

    def meet(self, sample: Sample) -> None:
        """Learn how to ask for the source."""
        views = list(getattr(sample, "questions", {}).get("view", ()))
        self.source_view = views.index("source") if "source" in views else None

    def look_at(self, reals: Reals) -> None:
        """Open the networks, and measure the answers without learning."""
        self.device = reals.device
        opened = self.open(reals)
        self.protocol = {
            **about_images(reals, len(reals.images)),
            "num_samples": min(self.num_samples, len(reals.images)),
            "pixels": "uint8, rounded and clamped, as [0, 1]",
            **opened,
            **self._of_the("mean_image", [self._of_the_mean(reals)]),
        }

    def open(self, reals: Reals) -> dict[str, Any]:
        """Make ready what `compared` needs; what the protocol tells of it.

        Raises:
            ConfigError: if the images are too small for it.
            WeightsError: if the weights of a network cannot be had.
        """
        raise NotImplementedError

    def compared(self, made: Tensor, true: Tensor) -> dict[str, Tensor]:
        """Each of `keys` (N,) for images (N, C, H, W) in [0, 1] on the device."""
        raise NotImplementedError

    def _of_the_mean(self, reals: Reals) -> dict[str, Tensor]:
        """Each measure (N,) of the mean true image of the training split."""
        true = reals.images.images[: self.num_samples]
        train = reals.source.load(reals.source.splits[0]).images
        mean = torch.zeros(train.shape[1:], dtype=torch.float64)
        for part in train.split(BATCH):
            mean += part.double().sum(dim=0)
        answer = (mean / len(train)).round().byte().expand_as(true)
        found = [
            self._compared(own, other)
            for own, other in zip(answer.split(BATCH), true.split(BATCH), strict=True)
        ]
        return {key: torch.cat([part[key] for part in found]) for key in found[0]}

    def _of_the(self, answer: str, seen: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
        """Means of an answer without learning, by the names of the protocol."""
        return {
            f"{key.removeprefix('metric/')}_of_the_{answer}": _mean(seen, key) for key in self.keys
        }

    @torch.no_grad()
    def _compared(self, made: Tensor, true: Tensor) -> dict[str, Tensor]:
        """Each measure (N,) of bytes (N, C, H, W)."""
        own, other = (images.to(self.device).float() / 255 for images in (made, true))
        return self.compared(own, other)

    def reset(self) -> None:
        """Forget the fakes."""
        self.seen: list[dict[str, Tensor]] = []
        self.sources: list[dict[str, Tensor]] = []

    def add(self, fakes: Fakes) -> None:
        """Compare with the true images of the same rows; once their sources too, which stay the same."""
        true = fakes.rows["images"]
        self.seen.append(self._compared(to_uint8(fakes.images), true))
        if self.source_view is not None and f"{self.name}_of_the_source" not in self.protocol:
            assert fakes.view is not None
            self.sources.append(self._compared(to_uint8(fakes.view(view=self.source_view)), true))

    def compute(self) -> dict[str, float]:
        """Means over all pairs."""
        if self.sources:
            self.protocol |= self._of_the("source", self.sources)
        return {key: _mean(self.seen, key) for key in self.keys}


class Paired(Pairwise):
    """The mean distance of pixels from the true image; lower is better. PSNR, SSIM and a perceptual distance beside.

    SSIM is that of Wang et al. (2004) with windows at each pixel, the borders reflected.
    MS-SSIM is SSIM at several scales, each half of the one before (Wang, Simoncelli and Bovik, 2003). Its five scales
    need 176 pixels; smaller images have as many of the finest as fit, with weights that again sum to 1. The protocol
    tells how many. Below 11 pixels there is none.

    Args:
        every_kimg: evaluate when so many thousand training images were seen; 0 for the end only.
        num_samples: pairs of the split, at most.
        network: of the perceptual distance: small, which ships with the package, or vgg19, whose weights are looked
            for. The protocol names it.
        network_weights: path of vgg19's file; None looks for it.
    """

    key = "metric/l1"
    beside: ClassVar[tuple[str, ...]] = ("metric/psnr", "metric/ssim", "metric/perceptual")

    def __init__(
        self,
        *,
        every_kimg: float = 10,
        num_samples: int = 500,
        network: str = "small",
        network_weights: str | None = None,
    ) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        self.distance = PerceptualDistance(
            network=network,
            network_weights=network_weights,
            option="metrics.paired.network_weights",
        )
        self.scales = 1  # of MS-SSIM; the data tells

    @property
    def keys(self) -> tuple[str, ...]:
        """The distance of pixels, then what is measured beside."""
        return (self.key, *self.beside, *(["metric/ms_ssim"] if self.scales else []))

    def open(self, reals: Reals) -> dict[str, Any]:
        """Open the perceptual network."""
        side = min(reals.images.images.shape[2:])
        self.distance.seen.require(side)
        self.distance.to(reals.device)
        self.scales = scales_of(side)
        return {
            "ms_ssim_scales": self.scales,
            "perceptual": self.distance.name,
            "perceptual_sha256": self.distance.sha256,
        }

    def compared(self, made: Tensor, true: Tensor) -> dict[str, Tensor]:
        """Each measure (N,)."""
        found = {f"metric/{name}": value for name, value in nearness(made, true).items()}
        found["metric/perceptual"] = self.distance(made * 2 - 1, true * 2 - 1)
        if self.scales:
            found["metric/ms_ssim"] = ms_ssim(made, true, self.scales)
        return found


def _mean(seen: Sequence[Mapping[str, Tensor]], key: str) -> float:
    return float(torch.cat([one[key] for one in seen]).double().mean())


def scales_of(side: int) -> int:
    """How many scales of MS-SSIM fit into images whose shorter side has so many pixels; 0 to 5."""
    # The second condition is torchmetrics' own, which asks for more than fits where there are four scales.
    fits = (
        side >> scale >= WINDOW and side // max(1, scale) ** 2 >= WINDOW
        for scale in range(len(WEIGHTS))
    )
    return sum(fits)


def ms_ssim(made: Tensor, true: Tensor, scales: int) -> Tensor:
    """MS-SSIM (N,) of images (N, C, H, W) in [0, 1] over the finest scales, 1 to 5 of them."""
    weights = WEIGHTS[:scales]
    found = multiscale_structural_similarity_index_measure(
        made, true, data_range=1.0, reduction="none", kernel_size=WINDOW, normalize="relu",
        betas=tuple(weight / sum(weights) for weight in weights),
    )  # fmt: skip
    return torch.as_tensor(found).reshape(len(made))
