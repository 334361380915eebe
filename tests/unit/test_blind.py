"""Degradations of pictures from anywhere: lost resolution, JPEG, and the chain of them all."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.degrade.blind import BEST, MILDEST_BLUR, Blind, Within
from gan_lab.degrade.jpeg import LIGHT, Jpeg, _steps
from gan_lab.degrade.noise import GaussianBlur, GaussianNoise, Ringing
from gan_lab.degrade.shrink import Shrink
from tests.unit.test_translation import Drawn, noise


class Named:
    """Random numbers that depend on their purpose alone, and a list of the purposes."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        return torch.rand(shape, generator=self._generator(purpose))

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator(purpose))

    def _generator(self, purpose: str) -> torch.Generator:
        self.asked.append(purpose)
        return torch.Generator().manual_seed(
            sum(ord(c) * 31**at for at, c in enumerate(purpose)) % 2**31
        )


def smooth(side: int, seed: int = 0) -> Tensor:
    """A coloured image in [-1, 1] with structure, on whole levels of 8 bits."""
    coarse = noise(1, 3, side // 8, side // 8, seed=seed)
    fine = F.interpolate(coarse, size=(side, side), mode="bicubic") + 0.1 * noise(
        1, 3, side, side, seed=9
    )
    return ((fine.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def levels(image: Tensor) -> np.ndarray:
    """One image (1, 3, H, W) as uint8 (H, W, 3)."""
    return ((image[0] + 1) * 127.5).round().permute(1, 2, 0).byte().numpy()


def by_pil(image: Tensor, quality: int, subsampling: int) -> np.ndarray:
    """What PIL's JPEG leaves of it."""
    file = io.BytesIO()
    Image.fromarray(levels(image)).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.array(Image.open(file)).astype(float)


@pytest.mark.parametrize("factor", [0.25, 0.4, 0.5, 0.77, 1.0])
def test_what_is_shrunk_is_what_two_resizings_leave(factor: float) -> None:
    images = noise(2, 3, 20, 31)
    found = Shrink(low=factor, high=factor)(images, Drawn())
    size = (round(factor * 20), round(factor * 31))
    small = F.interpolate(images, size=size, mode="bilinear", antialias=True)
    by_torch = F.interpolate(small, size=(20, 31), mode="bilinear")
    assert_close(found, by_torch, rtol=0, atol=1e-5)


def test_each_image_is_shrunk_by_its_own_factor() -> None:
    class Fixed:
        def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
            return torch.tensor([[0.0], [1.0]])

    images = noise(1, 3, 16, 16).repeat(2, 1, 1, 1)
    found = Shrink(low=0.25, high=1.0)(images, Fixed())
    assert_close(found[1], images[1], rtol=0, atol=1e-6)
    assert found[0].std() < 0.6 * images[0].std()


@pytest.mark.parametrize("quality", [10, 49, 50, 75, 95])
def test_jpeg_is_pils_but_for_its_rounding(quality: int) -> None:
    image = smooth(32)
    found = Jpeg(low=quality, high=quality, halve=False)(image, Drawn())
    difference = np.abs(levels(found).astype(float) - by_pil(image, quality, 0))
    assert difference.mean() < 0.9, "halves are rounded up here and down there"
    assert difference.max() <= 9
    assert np.abs(levels(image) - by_pil(image, quality, 0)).mean() > 2 * difference.mean()


@pytest.mark.parametrize("quality", [1, 30, 50, 95, 100])
def test_the_steps_are_those_that_pil_writes(quality: int) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, "JPEG", quality=quality)
    written = Image.open(file).quantization
    for at in range(2):
        steps = _steps(Jpeg().tables[at], torch.tensor([float(quality)]))
        assert steps.flatten().int().tolist() == list(written[at])


def test_halved_colours_are_nearer_to_pils_halved_ones() -> None:
    image, quality = smooth(48), 90
    wanted = by_pil(image, quality, 2)
    halved, whole = (
        np.abs(levels(Jpeg(low=quality, high=quality, halve=halve)(image, Drawn())) - wanted).mean()
        for halve in (True, False)
    )
    assert halved < 0.7 * whole
    grey = image[:, :1].expand(-1, 3, -1, -1)
    one, two = (Jpeg(low=50, high=50, halve=halve)(grey, Drawn()) for halve in (True, False))
    assert torch.equal(one, two), "grey has no colours to halve"


def test_a_block_of_light_is_rounded_to_steps_of_its_frequencies() -> None:
    image = noise(1, 1, 8, 8)
    found = Jpeg(low=50, high=50)(image, Drawn())
    block = ((image[0, 0].double() + 1) * 127.5).round().numpy() - 128
    back = np.zeros((8, 8))
    for u in range(8):
        for v in range(8):
            scale = (0.5**0.5 if u == 0 else 1) * (0.5**0.5 if v == 0 else 1) / 4
            wave = np.array(
                [
                    [
                        math.cos((2 * y + 1) * u * math.pi / 16)
                        * math.cos((2 * x + 1) * v * math.pi / 16)
                        for x in range(8)
                    ]
                    for y in range(8)
                ]
            )
            step = LIGHT[u][v]
            back += scale * wave * round(scale * float((wave * block).sum()) / step) * step
    by_hand = np.clip(np.round(back + 128), 0, 255)
    assert np.abs(((found[0, 0].numpy() + 1) * 127.5) - by_hand).max() <= 1.01


def test_jpeg_takes_any_side_and_other_channels() -> None:
    images = noise(2, 3, 13, 10)
    found = Jpeg()(images, Drawn())
    assert found.shape == images.shape
    assert found.abs().max() <= 1
    assert Jpeg()(noise(2, 1, 9, 9), Drawn()).shape == (2, 1, 9, 9)
    with pytest.raises(ConfigError, match="high=20: must lie in"):
        Jpeg(low=50, high=20)


class Fixed:
    """The same numbers, whatever they are for."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        return torch.tensor([self.values[: shape[1]]]).expand(shape)


def by_loops(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A plane filtered pixel by pixel, borders reflected."""
    reach = len(kernel) // 2
    padded = np.pad(image, reach, mode="reflect")
    return np.array(
        [
            [
                (padded[y : y + len(kernel), x : x + len(kernel)] * kernel).sum()
                for x in range(image.shape[1])
            ]
            for y in range(image.shape[0])
        ]
    )


def test_a_longish_blur_is_a_turned_gaussian() -> None:
    images, (turn, narrow) = noise(1, 1, 14, 17), (0.2, 0.5)
    found = GaussianBlur(low=1.5, high=1.5, radius=4, stretch=3.0)(images, Fixed(turn, narrow))
    kernel = np.zeros((9, 9))
    angle, ratio = math.pi * turn, 1 + 2 * narrow
    for y in range(-4, 5):
        for x in range(-4, 5):
            along = y * math.cos(angle) + x * math.sin(angle)
            across = x * math.cos(angle) - y * math.sin(angle)
            kernel[y + 4, x + 4] = math.exp(
                -(along**2) / (2 * 1.5**2) - across**2 / (2 * (1.5 / ratio) ** 2)
            )
    by_hand = by_loops(images[0, 0].double().numpy(), kernel / kernel.sum())
    assert np.abs(found[0, 0].numpy() - by_hand).max() < 1e-5


def test_ringing_leaves_low_frequencies_and_cuts_high_ones() -> None:
    side = 64
    x = torch.arange(side).float()
    waves = torch.stack([0.5 * torch.cos(math.pi * share * x) for share in (0.15, 0.8)])
    images = waves[:, None, None, :].expand(2, 1, side, side)
    found = Ringing(low=0.4, high=0.4)(images, Drawn())[:, :, 16:48, 16:48]
    low, high = (found[at].std() / images[at, :, 16:48, 16:48].std() for at in range(2))
    assert abs(float(low) - 1) < 0.15
    assert float(high) < 0.15
    flat = torch.full((1, 3, 30, 30), 0.3)
    assert_close(Ringing()(flat, Drawn()), flat, rtol=0, atol=1e-5)
    small = noise(2, 3, 8, 8)
    assert Ringing()(small, Drawn()).shape == small.shape


def test_the_chain_is_its_parts_twice_with_numbers_of_their_own() -> None:
    images, draw = noise(3, 3, 32, 32), Named()
    part = Blind(blur=1.0, shrink=0.5, noise=0.1, quality=40, ringing=0.6)
    found = part(images, draw)
    assert len(set(draw.asked)) == len(draw.asked) == 2 * 6 + 1
    by_hand, own = images, Named()
    for time in range(2):
        for name, one in {
            "blur": GaussianBlur(low=MILDEST_BLUR, high=1.0, stretch=3.0),
            "shrink": Shrink(low=0.5, high=1.0),
            "noise": GaussianNoise(low=0.0, high=0.1),
            "jpeg": Jpeg(low=40, high=BEST),
        }.items():
            by_hand = one(by_hand, Within(own, f"{time}/{name}"))
    by_hand = Ringing(low=0.6, high=1.0)(by_hand, Within(own, "ringing"))
    assert torch.equal(found, by_hand)
    assert torch.equal(found, part(images, Named())), "the same numbers, the same images"
    once = Blind(times=1, blur=1.0, shrink=0.5, noise=0.1, quality=40)(images, Named())
    assert (found - images).abs().mean() > (once - images).abs().mean()
