"""ADA's changes against torchvision's, scipy's and arithmetic by hand; diffusion's noise and times."""

import math

import pytest
import scipy.ndimage
import scipy.signal
import torch
import torchvision.transforms.functional as vision
from torch.testing import assert_close

from gan_lab.augment.ada import ADA, GROUPS
from gan_lab.augment.bands import SYMLET2, Bands, band_filters
from gan_lab.augment.colours import (
    brightening,
    coloured,
    contrasting,
    flipping,
    saturating,
    turning,
)
from gan_lab.augment.diffusion import Diffusion
from gan_lab.augment.geometry import (
    SYMLET6,
    Warp,
    copied,
    reflected,
    rotation,
    scaling,
    translation,
)
from gan_lab.common.errors import ConfigError
from tests.unit.test_augment import Numbers, images, uniform


def smooth(n: int = 3, size: int = 32) -> torch.Tensor:
    """Waves of several pixels, which an interpolation can follow."""
    at = torch.linspace(-3, 3, size)
    waves = [torch.outer(torch.sin(at * k + k), torch.cos(at * (1.3 - k / 5))) for k in (1, 2, 3)]
    return torch.stack(waves).repeat(n, 1, 1, 1)


def test_quarter_turns_and_mirrors_are_exact_as_torchvisions() -> None:
    x = images(2, 3, 16, 16)
    for quarters in range(4):
        turn = rotation(torch.full((2,), quarters * math.pi / 2))
        assert torch.equal(copied(x, turn), x.rot90(quarters, (2, 3)))
    one = torch.ones(2)
    assert torch.equal(copied(x, scaling(-one, one)), vision.hflip(x))
    assert torch.equal(copied(x, scaling(one, -one)), vision.vflip(x))


def test_moves_by_whole_pixels_go_on_with_mirrored_pixels() -> None:
    """As torchvision's padding by reflection, and further than that reaches."""
    x = images(1, 3, 8, 8)
    padded = vision.pad(x, 7, padding_mode="reflect")
    for down, right in ((3, -2), (-7, 7), (0, 1)):
        found = copied(x, translation(torch.tensor([-float(right)]), torch.tensor([-float(down)])))
        assert torch.equal(found, padded[:, :, 7 - down : 15 - down, 7 - right : 15 - right])
    assert torch.equal(reflected(x, 7), padded)
    assert torch.equal(reflected(x, 20)[:, :, 13:-13, 13:-13], padded)


def test_the_identity_changes_nothing_through_the_wavelet() -> None:
    x = images(3, 3, 16, 16)
    assert_close(Warp()(x, torch.eye(3).expand(3, 3, 3)), x, atol=3e-6, rtol=0)
    taps = torch.tensor(SYMLET6, dtype=torch.float64)
    for lag in range(0, 12, 2):
        product = float((taps[lag:] * taps[: 12 - lag]).sum())
        assert product == pytest.approx(float(lag == 0), abs=1e-9)


@pytest.mark.parametrize(
    ("angle", "scale", "right", "down"),
    [(30, 1.0, 0, 0), (0, 1.3, 0, 0), (0, 1.0, 4, -3), (-50, 0.8, 2, 1)],
    ids=["turn", "scale", "move", "all"],
)
def test_warps_are_torchvisions_affine_maps(
    angle: float, scale: float, right: int, down: int
) -> None:
    """Of smooth images, away from the border, up to what its bilinear samples are off."""
    x = smooth(1, 64)
    expected = vision.affine(
        x, angle=angle, translate=[right, down], scale=scale, shear=[0.0],
        interpolation=vision.InterpolationMode.BILINEAR,
    )  # fmt: skip
    one = torch.ones(1)
    inverse = (
        scaling(one / scale, one / scale)
        @ rotation(one * math.radians(-angle))
        @ translation(-one * right, -one * down)
    )
    inner = (slice(None), slice(None), slice(20, 44), slice(20, 44))
    assert_close(Warp()(x, inverse)[inner], expected[inner], atol=0.02, rtol=0)
    assert (x - expected)[inner].abs().max() > 0.3


def test_colours_by_hand() -> None:
    x, amount = images(3, 3, 4, 4), torch.tensor([-0.3, 0.1, 0.8])
    grey = x.mean(dim=1, keepdim=True)
    by = amount[:, None, None, None]
    assert_close(coloured(x, brightening(amount)), x + by)
    # On pixels in [0, 1], torchvision's brightness is a factor, as contrast about 0 is here.
    half = x[2:].abs() / 2
    assert_close(coloured(half, contrasting(amount[2:])), vision.adjust_brightness(half, 0.8))
    assert_close(coloured(x, saturating(amount)), grey + by * (x - grey))
    assert_close(coloured(x, flipping(torch.tensor([1.0, 0.0, 1.0])))[::2], (x - 2 * grey)[::2])
    third = torch.full((3,), 2 * math.pi / 3)
    assert_close(coloured(x, turning(third)), x[:, [2, 0, 1]])
    pure = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1)
    assert_close(coloured(pure, turning(third[:1])), vision.adjust_hue(pure, 1 / 3))
    for matrices in (brightening(amount), saturating(amount), turning(amount)):
        colours = torch.cat([x, torch.ones_like(grey)], dim=1)
        expected = torch.einsum("nij,njhw->nihw", matrices, colours)[:, :3]
        assert_close(coloured(x, matrices), expected)


def test_grey_images_have_the_colours_of_three_equal_channels() -> None:
    grey, draw = images(6, 1, 4, 4), Numbers()
    part = ADA(channels=1, groups=("color",), start=1)
    found = part(grey, draw)
    three = ADA(channels=3, groups=("color",), start=1)(grey.repeat(1, 3, 1, 1), Numbers())
    assert_close(found, three.mean(dim=1, keepdim=True))
    assert not torch.allclose(found, grey)


def test_bands_are_scipys_convolutions_and_add_up() -> None:
    filters = band_filters()
    low = scipy.signal.convolve(SYMLET2, SYMLET2[::-1]) / 2
    wide = [0.0] * 13
    wide[::2] = low
    wider = [0.0] * 25
    wider[::4] = low
    lowest = scipy.signal.convolve(scipy.signal.convolve(low, wide), wider)
    assert_close(filters[0], torch.tensor(lowest).float())
    centre = torch.zeros(43)
    centre[21] = 1
    assert_close(filters.sum(dim=0), centre)
    x, gains = images(2, 3, 16, 16), torch.tensor([[1.0, 2.0, 0.5, 0.0], [0.3, 1.0, 1.0, 2.0]])
    found = Bands()(x, gains)
    for n in range(2):
        taps = (gains[n] @ filters).numpy()
        for c in range(3):
            rows = scipy.ndimage.convolve1d(x[n, c].numpy(), taps, axis=0, mode="mirror")
            both = scipy.ndimage.convolve1d(rows, taps, axis=1, mode="mirror")
            assert_close(found[n, c], torch.tensor(both), atol=1e-5, rtol=1e-4)
    assert_close(Bands()(x, torch.ones(2, 4)), x)


def test_gains_keep_the_expected_power() -> None:
    gains = ADA(channels=3, start=1)._gains(images(50), Numbers())
    power = (gains.square() * torch.tensor([10, 1, 1, 1]) / 13).sum(dim=1)
    assert_close(power.mean(), torch.tensor(1.0), atol=0.75, rtol=0)
    assert gains.std(dim=0).min() > 0.1


def test_a_cutout_hides_a_rectangle_of_half_the_size() -> None:
    x, draw = torch.ones(200, 1, 8, 8), Numbers()
    found = ADA(channels=1, groups=("cutout",), start=1)(x, draw)
    again = Numbers()
    again.uniform("whether", (200, 1))
    centres = again.uniform("centre", (200, 2))
    for n in range(200):
        for row in range(8):
            for column in range(8):
                hidden = all(
                    abs((at + 0.5) / 8 - float(c)) < 0.25
                    for at, c in zip((row, column), centres[n], strict=True)
                )
                assert float(found[n, 0, row, column]) == (0 if hidden else 1)


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_changes_as_many_images_as_the_chance_says(group: str) -> None:
    x = images(400, 3, 8, 8)
    for p in (0.0, 0.4, 1.0):
        found = ADA(channels=3, groups=(group,), start=p)(x, Numbers())
        changed = ((found - x).abs().amax(dim=(1, 2, 3)) > 1e-4).float().mean()
        # Of a group's changes any may happen; a mirror, a flip and a quarter turn do nothing in some cases.
        count = {"blit": 3, "geometric": 4, "color": 5, "filter": 4, "noise": 1, "cutout": 1}[group]
        likely = 1 - (1 - p) ** count
        assert likely - 0.25 <= float(changed) <= likely + 0.08
        assert p > 0 or float(changed) == 0


def test_second_derivatives_of_ada_are_right() -> None:
    x = images(2, 3, 6, 6).double().requires_grad_()
    part = ADA(channels=3, groups=GROUPS, start=1)

    def changed(x: torch.Tensor) -> torch.Tensor:
        return part(x, Numbers()).square()

    assert torch.autograd.gradcheck(changed, x, fast_mode=True)
    assert torch.autograd.gradgradcheck(changed, x, fast_mode=True)


def test_p_moves_at_every_fourth_update_by_the_sign_of_the_mean() -> None:
    part = ADA(channels=3, kimg=1, start=0.5)
    signs = [1.0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0.5, 0.1]
    found = []
    for sign in signs:
        part.commit({"ada/sign": torch.tensor(sign), "ada/images": torch.tensor(32.0)})
        found.append(round(float(part.p), 4))
    step = 32 * 4 / 1000
    up, down = 0.5 + step, 0.5
    assert found == pytest.approx([0.5] * 3 + [up] * 4 + [down] * 4 + [up], abs=1e-4)


def test_p_stays_a_chance() -> None:
    for start, sign in ((0.0, -1.0), (1.0, 1.0)):
        part = ADA(channels=3, kimg=0.1, every=1, start=start)
        part.commit({"ada/sign": torch.tensor(sign), "ada/images": torch.tensor(64.0)})
        assert float(part.p) == start


def test_diffusion_keeps_what_is_left_of_the_image_and_adds_the_rest_as_noise() -> None:
    part, x = Diffusion(start=1), images(300)
    draw = Numbers(1)
    found = part(x, draw)
    again = Numbers(1)
    whether, time = again.uniform("time", (300, 2)).unbind(dim=1)
    noise = again.normal("noise", x.shape)
    betas = [1e-4 + (2e-2 - 1e-4) * k / 999 for k in range(1000)]
    for n in range(300):
        u, k = float(time[n]), 0
        # The first k of which all up to it are likelier than u: sum of 2 t / (T (T + 1)).
        while k * (k + 1) / (1000 * 1001) <= u:
            k += 1
        k = 0 if float(whether[n]) < 0.5 else k
        kept = math.prod(1 - b for b in betas[:k])
        expected = math.sqrt(kept) * x[n] + math.sqrt(1 - kept) * 0.05 * noise[n]
        assert_close(found[n], expected, atol=3e-4, rtol=0)


def test_the_longest_time_follows_p() -> None:
    part = Diffusion(times="uniform", t_min=10, t_max=110)
    for p, most in ((0.0, 10), (0.5, 60), (1.0, 110)):
        part.p.fill_(p)
        steps = part.steps(uniform(4000, 1))
        assert steps.min() == 1
        assert steps.max() == most
        assert abs(float(steps.float().mean()) - (most + 1) / 2) < 1.5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ADA(channels=3, groups=("colour",)), "^groups=colour: must be one of"),
        (lambda: ADA(channels=2), "^groups=color: .* not of 2"),
        (lambda: ADA(channels=3, fixed=2.0), r"^fixed=2\.0: "),
        (lambda: Diffusion(t_max=5), "^t_max=5: must be at least t_min=10"),
    ],
    ids=["unknown", "channels", "fixed", "times"],
)
def test_options_out_of_range_are_named(make, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()
