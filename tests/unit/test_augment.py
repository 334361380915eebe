"""Augmentations by themselves: each change against arithmetic of its own, nothing at strength 0, two derivatives."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gan_lab.augment.diffaugment import (
    KINDS,
    DiffAugment,
    brightened,
    contrasted,
    cut_out,
    saturated,
    translated,
)
from gan_lab.augment.noise import InstanceNoise
from gan_lab.common.errors import ConfigError


class Numbers:
    """Draws from a generator of torch's, and remembers what it was asked for."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.asked: list[str] = []

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        self.asked.append(purpose)
        return torch.rand(*shape, generator=self.generator)

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        self.asked.append(purpose)
        return torch.randn(*shape, generator=self.generator)


def images(n: int = 5, channels: int = 3, height: int = 8, width: int = 16) -> Tensor:
    draw = torch.Generator().manual_seed(3)
    return torch.rand(n, channels, height, width, generator=draw) * 2 - 1


def uniform(n: int, seed: int) -> Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(seed))


def test_a_translation_moves_whole_pixels_and_zeros_come_in() -> None:
    """Pixel by pixel: up to an eighth of 8 rows and of 16 columns, three and five moves, in equal parts of [0, 1)."""
    x = images(30)
    down, right = uniform(30, 1), uniform(30, 2)
    found, moves = translated(x, down, right, ratio=1 / 8), set()
    for n in range(30):
        dy = [-1, 0, 1][int(float(down[n]) * 3)]
        dx = [-2, -1, 0, 1, 2][int(float(right[n]) * 5)]
        moves.add((dy, dx))
        expected = torch.zeros(3, 8, 16)
        for row in range(8):
            for column in range(16):
                if 0 <= row - dy < 8 and 0 <= column - dx < 16:
                    expected[:, row, column] = x[n, :, row - dy, column - dx]
        assert torch.equal(found[n], expected)
    assert {dy for dy, _ in moves} == {-1, 0, 1}
    assert {dx for _, dx in moves} == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize("side", [3, 4])
def test_a_cutout_sets_a_rectangle_about_a_centre_within_the_image_to_zero(side: int) -> None:
    """The centre lies on a pixel of 8, or for an even side on one of the 9 lines between pixels and at the border."""
    x = torch.ones(200, 1, 8, 8)
    down, right = uniform(200, 1), uniform(200, 2)
    found, firsts = cut_out(x, down, right, ratio=side / 8), set()
    for n in range(200):
        expected = x[n].clone()
        places = 8 if side % 2 else 9
        top, left = (int(float(u[n]) * places) - side // 2 for u in (down, right))
        firsts.add(top)
        expected[:, max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0
        assert torch.equal(found[n], expected)
    assert firsts == set(range(-(side // 2), (8 if side % 2 else 9) - side // 2))


def test_colours_change_by_hand() -> None:
    x, amount = images(), torch.tensor([-0.5, 0.0, 0.2, 0.4, -1.0])
    for n, by in enumerate(amount.tolist()):
        assert_close(brightened(x, amount)[n], x[n] + by)
        grey = (x[n, 0] + x[n, 1] + x[n, 2]) / 3
        assert_close(
            saturated(x, amount)[n], torch.stack([grey + (c - grey) * (1 + by) for c in x[n]])
        )
        mean = x[n].sum() / x[n].numel()
        assert_close(contrasted(x, amount)[n], mean + (x[n] - mean) * (1 + by))


def test_colours_stay_within_the_papers_ranges() -> None:
    """One pixel per channel: its brightness shows alone, since its contrast and saturation have nothing to change."""
    flat = torch.zeros(4000, 3, 1, 1)
    found = DiffAugment(kinds=("color",))(flat, Numbers())[:, 0, 0, 0]
    assert -0.5 <= float(found.min()) < -0.49
    assert 0.49 < float(found.max()) <= 0.5
    assert abs(float(found.mean())) < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_images_and_nothing_at_strength_0(kind: str) -> None:
    x = images()
    assert not torch.equal(DiffAugment(kinds=(kind,))(x, Numbers()), x)
    assert torch.equal(DiffAugment(kinds=(kind,), strength=0)(x, Numbers()), x)


def test_kinds_are_used_in_their_order_and_draw_for_themselves() -> None:
    draw = Numbers()
    DiffAugment(kinds=("cutout", "color"))(images(), draw)
    assert draw.asked == ["cutout", "color"]


def test_instance_noise_adds_as_much_as_it_says() -> None:
    part, x = InstanceNoise(std=0.3), images()
    part.now["std"] = 0.3
    assert_close(part(x, Numbers(1)), x + 0.3 * Numbers(1).normal("noise", x.shape))
    part.now["std"] = 0.0
    assert torch.equal(part(x, Numbers(1)), x)


def test_second_derivatives_are_right() -> None:
    x = images(2, 3, 4, 4).double().requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda x: DiffAugment()(x, Numbers()).square(), x, fast_mode=True
    )


def test_half_precision_becomes_float32() -> None:
    assert DiffAugment()(images().bfloat16(), Numbers()).dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kinds": ("colour",)}, "^kinds=colour: must be one of .*did you mean color"),
        ({"kinds": ("color", "color")}, "^kinds=.*named once"),
        ({"strength": 1.5}, r"^strength=1\.5: "),
    ],
    ids=["unknown", "twice", "strength"],
)
def test_options_out_of_range_are_named(options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        DiffAugment(**options)


def test_noise_below_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^std=-1: "):
        InstanceNoise(std=-1)
