"""Images of any size through networks that take some only: mirrored borders and tiles, against the whole image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.generation.tiles import check_tile, padded, reflected, strips


def images(height, width, seed=0):
    return torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def near_sighted(scale=1):
    """A network that looks five pixels far, and enlarges."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 7, padding=3), nn.Tanh(), nn.Conv2d(4, 3 * scale**2, 5, padding=2)]
    return nn.Sequential(*layers, nn.PixelShuffle(scale)).eval().requires_grad_(False)


@pytest.mark.parametrize(("height", "width"), [(9, 17), (10, 11), (40, 8), (1, 1)])
def test_borders_are_numpys_reflection_over_and_over(height, width):
    given = images(height, width)
    found = (
        reflected(given, 41, 30) if width < 30 and height < 41 else reflected(given, height, width)
    )
    pads = [(0, 0), (0, 0)]
    for have, want in zip(given.shape[2:], found.shape[2:], strict=True):
        pads.append(((want - have) // 2, want - have - (want - have) // 2))
    assert np.array_equal(found.numpy(), np.pad(given.numpy(), pads, mode="reflect"))


@pytest.mark.parametrize("scale", [1, 2])
def test_the_added_border_is_cut_off_again(scale):
    def doubled(x):
        assert x.shape[2] % 8 == 0
        assert x.shape[3] % 8 == 0
        return x.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)

    given = images(13, 22)
    found = padded(doubled, given, multiple=8, enlarges=scale)
    wanted = given.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    ("height", "width"), [(64, 64), (65, 130), (200, 64), (129, 97), (300, 70)]
)
@pytest.mark.parametrize("scale", [1, 2])
def test_tiles_are_the_whole_image_where_a_quarter_of_the_overlap_is_seen_by_the_network(
    height, width, scale
):
    network, given = near_sighted(scale), images(height, width)
    rows = list(strips(network, given, tile=64, overlap=24, enlarges=scale, at_once=3))
    found, whole = torch.cat(rows, dim=2), network(given)
    assert found.shape == whole.shape
    assert_close(found, whole, rtol=0, atol=1e-5)


def test_tiles_that_share_too_little_show_their_borders():
    network, given = near_sighted(), images(128, 192)
    rows = list(strips(network, given, tile=64, overlap=0, enlarges=1))
    assert (torch.cat(rows, dim=2) - network(given)).abs().max() > 0.01


def test_from_tile_to_tile_it_changes_over_slowly():
    """Where each tile is of one colour, neighbours differ by a step of the ramp at most."""
    numbers = iter(range(100))

    def colours(x):
        return torch.cat([torch.full((1, 1, 64, 64), float(next(numbers) % 2)) for _ in x])

    found = torch.cat(list(strips(colours, images(64, 160), tile=64, overlap=32)), dim=2)[0, 0]
    steps = (found[:, 1:] - found[:, :-1]).abs()
    assert found.min() == 0
    assert found.max() == 1
    assert steps.max() <= 1 / 16 + 1e-6


@pytest.mark.parametrize(("tile", "overlap", "said"), [(30, 4, "tile=32"), (32, 20, "16 or less")])
def test_tiles_that_do_not_fit_are_refused(tile, overlap, said):
    with pytest.raises(ConfigError, match=said):
        check_tile(tile, overlap, multiple=8)
