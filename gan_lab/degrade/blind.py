"""Pictures from anywhere: blur, lost resolution, noise and JPEG, once and again (Real-ESRGAN, arXiv:2107.10833)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gan_lab.common.ranges import in_range
from gan_lab.degrade.jpeg import Jpeg
from gan_lab.degrade.noise import GaussianBlur, GaussianNoise, Ringing
from gan_lab.degrade.part import Draw
from gan_lab.degrade.shrink import Shrink

MILDEST_BLUR = 0.2  # pixels: hardly a blur
BEST = 95.0  # quality of JPEG, the highest of the paper


class Within:
    """Random numbers of one part inside of another: the other's, under a name of its own.

    Args:
        draw: of the outer part.
        name: of the inner.
    """

    def __init__(self, draw: Draw, name: str) -> None:
        self.draw, self.name = draw, name

    def uniform(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Numbers uniform in [0, 1), a row for each image."""
        return self.draw.uniform(f"{self.name}/{purpose}", shape)

    def normal(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers, a row for each image."""
        return self.draw.normal(f"{self.name}/{purpose}", shape)


class Blind(nn.Module):
    """Blur, lost resolution, noise and JPEG several times, ringing at last: arXiv:2107.10833, sections 3.2 and 3.3.

    How hard each is gets drawn anew for each image and each time. The small images of super-resolution are another
    part's: `degrade=[blind,bicubic]`. Filters are Gaussians and noise is Gaussian; the paper has filters with other
    flanks and Poisson noise beside, and images that change their size in between.

    Args:
        times: how often, >= 1; 2 in the paper.
        blur: largest standard deviation of a blur in pixels, > 0.2; 3 for the paper's 256 pixels.
        stretch: how many times narrower a blur is at most across its longer direction, >= 1.
        shrink: smallest factor of the side, in (0, 1]; 0.15 in the paper.
        noise: largest standard deviation of noise, of pixels in [-1, 1], >= 0; 0.24 in the paper.
        quality: smallest quality of JPEG, in [1, 95]; 30 in the paper.
        ringing: smallest share of the frequencies that is left at last, in (0, 1]; a third in the paper.
    """

    def __init__(
        self,
        *,
        times: int = 2,
        blur: float = 1.5,
        stretch: float = 3.0,
        shrink: float = 0.4,
        noise: float = 0.15,
        quality: float = 30.0,
        ringing: float = 0.5,
    ) -> None:
        super().__init__()
        in_range("times", times, low=1)
        in_range("blur", blur, above=MILDEST_BLUR)
        in_range("stretch", stretch, low=1)
        in_range("shrink", shrink, above=0, high=1)
        in_range("noise", noise, low=0)
        in_range("quality", quality, low=1, high=BEST)
        in_range("ringing", ringing, above=0, high=1)
        self.times = times
        self.parts = nn.ModuleDict(
            {
                "blur": GaussianBlur(low=MILDEST_BLUR, high=blur, stretch=stretch),
                "shrink": Shrink(low=shrink, high=1.0),
                "noise": GaussianNoise(low=0.0, high=noise),
                "jpeg": Jpeg(low=quality, high=BEST),
            }
        )
        self.last = Ringing(low=ringing, high=1.0)

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to images of the same shape and range."""
        for time in range(self.times):
            for name, part in self.parts.items():
                images = part(images, Within(draw, f"{time}/{name}"))
        return self.last(images, Within(draw, "ringing"))
