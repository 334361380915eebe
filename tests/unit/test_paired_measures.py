"""PSNR, SSIM and MS-SSIM of metrics=paired, against loops over windows written from the papers' formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_lab.metrics.nearness import nearness
from gan_lab.metrics.paired import WEIGHTS, WINDOW, Paired, ms_ssim, scales_of

SIGMA = 1.5


def smooth(*shape: int, seed: int = 0) -> Tensor:
    """Images in [0, 1] with structure: noise that was made larger."""
    drawn = torch.rand(
        *shape[:2], shape[2] // 4, shape[3] // 4, generator=torch.Generator().manual_seed(seed)
    )
    return torch.nn.functional.interpolate(drawn, size=shape[2:], mode="bicubic").clamp(0, 1)


def parts_by_hand(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """SSIM, and its contrast-structure part inside the borders: Wang et al. (2004), eq. 12 and 13.

    A window stands at each pixel, over reflected borders, and the second mean leaves windows out that reach over them.
    """
    places = np.arange(WINDOW) - WINDOW // 2
    line = np.exp(-(places**2) / (2 * SIGMA**2))
    w = np.outer(line, line) / line.sum() ** 2
    c1, c2 = 0.01**2, 0.03**2
    whole, structure = [], []
    reach = WINDOW // 2
    height, width = x.shape
    x, y = (np.pad(z, reach, mode="reflect") for z in (x, y))
    for row in range(height):
        for column in range(width):
            a, b = (z[row : row + WINDOW, column : column + WINDOW] for z in (x, y))
            ma, mb = (w * a).sum(), (w * b).sum()
            va, vb = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum()
            cov = (w * (a - ma) * (b - mb)).sum()
            one = (2 * cov + c2) / (va + vb + c2)
            whole.append((2 * ma * mb + c1) / (ma**2 + mb**2 + c1) * one)
            if reach <= row < height - reach and reach <= column < width - reach:
                structure.append(one)
    return float(np.mean(whole)), float(np.mean(structure))


def halved(x: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels."""
    return (x[0::2, 0::2] + x[0::2, 1::2] + x[1::2, 0::2] + x[1::2, 1::2]) / 4


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    true = smooth(2, 1, 48, 48)
    noise = torch.randn(true.shape, generator=torch.Generator().manual_seed(1))
    return (true + 0.05 * noise).clamp(0, 1), true


def test_psnr_and_ssim_are_what_the_formulas_say(pair: tuple[Tensor, Tensor]) -> None:
    made, true = pair
    found = nearness(made, true)
    for at in range(2):
        x, y = made[at, 0].double().numpy(), true[at, 0].double().numpy()
        squared = sum((a - b) ** 2 for a, b in zip(x.flat, y.flat, strict=True)) / x.size
        assert float(found["psnr"][at]) == pytest.approx(-10 * math.log10(squared), rel=1e-5)
        assert float(found["l1"][at]) == pytest.approx(np.abs(x - y).mean(), rel=1e-5)
        assert float(found["ssim"][at]) == pytest.approx(parts_by_hand(x, y)[0], abs=1e-4)


def test_ms_ssim_is_a_product_over_scales(pair: tuple[Tensor, Tensor]) -> None:
    made, true = pair
    assert scales_of(48) == 3
    found = ms_ssim(made, true, 3)
    weights = np.array(WEIGHTS[:3]) / sum(WEIGHTS[:3])
    for at in range(2):
        x, y = made[at, 0].double().numpy(), true[at, 0].double().numpy()
        by_hand = 1.0
        for scale, weight in enumerate(weights):
            whole, structure = parts_by_hand(x, y)
            by_hand *= (whole if scale == 2 else structure) ** weight
            x, y = halved(x), halved(y)
        assert float(found[at]) == pytest.approx(by_hand, abs=1e-4)


@pytest.mark.parametrize(
    ("side", "scales"),
    [(8, 0), (11, 1), (21, 1), (22, 2), (64, 3), (98, 3), (99, 4), (175, 4), (176, 5), (512, 5)],
)
def test_as_many_scales_as_fit(side: int, scales: int) -> None:
    assert scales_of(side) == scales
    if scales:
        images = torch.rand(1, 3, side, side)
        assert float(ms_ssim(images, images, scales)) == pytest.approx(1, abs=1e-5)


def test_images_too_small_for_a_window_have_no_ms_ssim() -> None:
    metric = Paired()
    assert "metric/ms_ssim" in metric.keys
    metric.scales = scales_of(10)
    assert "metric/ms_ssim" not in metric.keys
