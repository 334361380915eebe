"""Filling holes and colouring: strokes, gated convolutions, L*a*b*, and the distance inside of holes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.degrade.colour import WIDEST, Grey
from gan_lab.degrade.holes import Holes
from gan_lab.degrade.lab import from_lab, to_lab
from gan_lab.degrade.strokes import PER_PIECE, PER_STROKE, THINNEST, TURN, brushed
from gan_lab.metrics.region import Region, inside_of
from gan_lab.metrics.views import Fakes
from gan_lab.networks.translation.gated import Enlarged, GatedConvolution, GatedGenerator
from gan_lab.perceptual.distance import PerceptualDistance
from tests.contracts.walk import built
from tests.unit.test_translation import Drawn, noise


def covered_by_hand(numbers: Tensor, side: int, pieces: int, length: float, brush: float) -> Tensor:
    """One stroke of arXiv:1806.03589, algorithm 1, by many discs along each of its pieces."""
    own = numbers.double().tolist()
    y, x = own[0] * side, own[1] * side
    radius = (THINNEST + (1 - THINNEST) * own[3]) * brush * side / 2
    inside = torch.zeros(side, side, dtype=torch.bool)
    for piece in range(1 + int(own[2] * pieces)):
        at = PER_STROKE + PER_PIECE * piece
        angle = own[at] * TURN
        if piece % 2 == 0:
            angle = 2 * math.pi - angle
        far = own[at + 1] * length * side
        for share in np.linspace(0, 1, 400):
            cy, cx = y + share * far * math.cos(angle), x + share * far * math.sin(angle)
            for row in range(side):
                for column in range(side):
                    if math.hypot(row + 0.5 - cy, column + 0.5 - cx) <= radius:
                        inside[row, column] = True
        y, x = y + far * math.cos(angle), x + far * math.sin(angle)
    if own[4] < 0.5:
        inside = inside.flip(0)
    return inside.flip(1) if own[5] < 0.5 else inside


def test_a_stroke_covers_what_a_disc_that_is_moved_along_it_covers() -> None:
    pieces, length, brush, side = 3, 0.5, 0.3, 16
    numbers = torch.rand(
        4, PER_STROKE + PER_PIECE * pieces, generator=torch.Generator().manual_seed(3)
    )
    found = brushed(numbers, (side, side), strokes=1, pieces=pieces, length=length, brush=brush)
    assert found.any(dim=2).any(dim=1).all()
    for own, mask in zip(numbers, found, strict=True):
        by_hand = covered_by_hand(own, side, pieces, length, brush)
        assert int((mask != by_hand).sum()) <= 1, "a pixel at the very rim may go either way"


def test_several_strokes_are_all_there_and_what_is_known_is_put_back() -> None:
    images = noise(20, 3, 32, 32)
    part = Holes(shape="strokes", count=3)
    source = part(images, Drawn())
    mask = part.region(source)
    shares = mask.mean(dim=(1, 2, 3))
    one = Holes(shape="strokes", count=1)(images, Drawn())[:, -1].mean()
    assert 1.5 * float(one) < float(shares.mean()) < 3.5 * float(one)
    made = part.put_back(torch.full_like(images, 0.7), source)
    holes = mask.bool().expand_as(made)
    assert torch.equal(made[~holes], images[~holes])
    assert (made[holes] == 0.7).all()
    with pytest.raises(ConfigError, match="shape=star: must be one of box, strokes, given"):
        Holes(shape="star")


def test_a_mask_is_told_to_the_networks_that_read_it() -> None:
    game = built("model=inpainting", "data=fashion_mini").game
    assert game.generator.encoder[0].both.in_channels == 2
    assert game.discriminator.features[0][0].in_channels == 3
    game = built("model=pix2pix", "data=cifar10", "degrade=[holes]", "discriminator.layers=1").game
    assert game.generator.down[0][0].in_channels == 4
    game = built("model=pix2pix", "data=cifar10", "degrade=[grey]", "discriminator.layers=1").game
    assert game.generator.down[0][0].in_channels == 3


def test_a_mask_that_the_next_part_would_change_is_refused() -> None:
    line = ["model=inpainting", "data=cifar10", "discriminator.layers=1"]
    with pytest.raises(ConfigError, match=r"put it last, as in degrade=\[noise,holes\]"):
        built(*line, "degrade=[holes,noise]")
    assert list(built(*line, "degrade=[noise,holes]").game.degrade) == ["noise", "holes"]


def test_a_gated_convolution_is_a_feature_times_how_far_it_is_let_through() -> None:
    torch.manual_seed(0)
    layer, x = GatedConvolution(2, 3, 3, stride=2, dilation=2), noise(1, 2, 8, 8)
    found = layer(x).detach()
    assert found.shape == (1, 3, 4, 4)
    torch.nn.init.normal_(layer.both.bias)
    found = layer(x).detach()
    weight, bias = layer.both.weight.detach().numpy(), layer.both.bias.detach().numpy()
    padded = np.pad(x[0].numpy(), ((0, 0), (2, 2), (2, 2)))
    for channel in range(3):
        for row in range(4):
            for column in range(4):
                window = padded[:, 2 * row : 2 * row + 5 : 2, 2 * column : 2 * column + 5 : 2]
                feature, gate = (
                    float((window * weight[at]).sum() + bias[at]) for at in (channel, 3 + channel)
                )
                elu = feature if feature > 0 else math.exp(feature) - 1
                by_hand = elu / (1 + math.exp(-gate))
                assert float(found[0, channel, row, column]) == pytest.approx(by_hand, abs=1e-5)


def test_gated_planes_keep_their_size_through_many_layers() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 32, 32, 32)
    for _ in range(15):
        x = GatedConvolution(32, 32)(x)
        assert 0.3 < float(x.detach().square().mean().sqrt()) < 3


def test_a_doubling_repeats_pixels_before_its_convolution() -> None:
    torch.manual_seed(0)
    layer, x = Enlarged(2, 3), noise(1, 2, 4, 4)
    large = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert torch.equal(layer(x), layer.layer(large))


def test_a_gated_generator_sees_as_far_as_its_dilated_middle_reaches() -> None:
    torch.manual_seed(0)
    reach = []
    for dilated in (0, 3):
        network = GatedGenerator(
            resolution=160, channels=1, source_channels=2, width=2, dilated=dilated
        )
        source = noise(1, 2, 160, 160).requires_grad_(True)
        network(source)[0, 0, 80, 80].backward()
        assert source.grad is not None
        rows = (source.grad[0].abs().amax(dim=(0, 2)) > 0).nonzero()
        reach.append(int(rows[-1] - rows[0]) + 1)
    # Each weight of the middle is 4 pixels from the next, times its dilation, to each side.
    assert reach[1] - reach[0] == 2 * 4 * (2 + 4 + 8)
    with pytest.raises(ConfigError, match=r"data\.resolution=30: this generator halves it twice"):
        GatedGenerator(resolution=30, channels=3)


def lab_by_hand(red: float, green: float, blue: float) -> tuple[float, float, float]:
    """One pixel, by the formulas of IEC 61966-2-1 and CIE 15:2004."""
    r, g, b = (
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (red, green, blue)
    )
    x = (0.412453 * r + 0.357580 * g + 0.180423 * b) / 0.95047
    y = 0.212671 * r + 0.715160 * g + 0.072169 * b
    z = (0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.08883
    fx, fy, fz = (
        v ** (1 / 3) if v > (6 / 29) ** 3 else v * (29 / 6) ** 2 / 3 + 4 / 29 for v in (x, y, z)
    )
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def test_lab_is_what_the_formulas_say_of_each_pixel_and_comes_back() -> None:
    images = noise(2, 3, 6, 6).double() / 2 + 0.5
    images[0, :, 0, :3] = torch.tensor(
        [0.0, 0.01, 1.0]
    )  # black, where the curves are straight, and white
    lab = to_lab(images)
    for at in range(2):
        for row in range(6):
            for column in range(6):
                by_hand = lab_by_hand(*images[at, :, row, column].tolist())
                assert lab[at, :, row, column].tolist() == pytest.approx(by_hand, abs=1e-8)
    assert_close(from_lab(lab), images, rtol=0, atol=1e-5)
    # Known values of sRGB's primaries (red, green, blue) in L*a*b*, to two decimals.
    primaries = to_lab(torch.eye(3).view(3, 3, 1, 1)).flatten(1)
    wanted = torch.tensor([[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]])
    assert_close(primaries, wanted, rtol=0, atol=0.05)


def test_a_generator_in_lab_makes_colours_and_the_lightness_is_the_sources() -> None:
    images = noise(2, 3, 8, 8)
    part = Grey(lab=True)
    source = part(images, Drawn())
    true = to_lab(images / 2 + 0.5)
    assert torch.equal(source[:, 0], source[:, 2])
    assert_close(to_lab(source / 2 + 0.5)[:, 0], true[:, 0], rtol=0, atol=1e-3)
    made = torch.cat([true[:, 1:] / WIDEST, torch.rand(2, 1, 8, 8)], dim=1).requires_grad_(True)
    found = part.put_back(made, source)
    assert_close(found, images, rtol=0, atol=1e-3)
    found.square().sum().backward()
    assert made.grad is not None
    assert made.grad.isfinite().all()
    assert made.grad[:, 2].abs().max() == 0
    assert made.grad[:, :2].abs().max() > 0
    assert torch.equal(Grey().put_back(made, source), made)
    one = noise(2, 1, 8, 8)
    assert torch.equal(part.put_back(one, part(one, Drawn())), one), "grey data has no colours"


def test_the_distance_inside_counts_the_pixels_of_the_hole_alone() -> None:
    made, true = torch.rand(2, 3, 5, 5), torch.rand(2, 3, 5, 5)
    inside = torch.zeros(2, 1, 5, 5)
    inside[0, 0, 1:3, 2:5] = 1
    inside[1, 0, 4, 4] = 1
    found = inside_of(inside, made, true)
    for at, (rows, columns) in enumerate([(slice(1, 3), slice(2, 5)), (slice(4, 5), slice(4, 5))]):
        difference = (made - true)[at, :, rows, columns].numpy()
        assert float(found[at, 0]) == pytest.approx(np.abs(difference).mean(), rel=1e-5)
        assert float(found[at, 1]) == pytest.approx(
            10 * math.log10(1 / (difference**2).mean()), rel=1e-5
        )
    assert F.l1_loss(made, true) != found[0, 0]


def test_features_are_those_of_the_image_with_its_holes_filled() -> None:
    torch.manual_seed(0)
    true = (torch.rand(2, 3, 16, 16) * 255).round()
    inside = torch.zeros(2, 1, 16, 16)
    inside[:, :, 4:9, 3:12] = 1
    metric = Region()
    metric.distance, metric.protocol = PerceptualDistance(), {}
    metric.reset()
    made = noise(2, 3, 16, 16)
    metric.add(Fakes(made, None, None, {"images": true.byte()}, lambda view: inside * 2 - 1))
    found = metric.compute()["metric/region_perceptual"]
    stored = ((made + 1) * 127.5).round() / 127.5 - 1
    filled = torch.where(inside > 0, stored, true / 127.5 - 1)
    wanted = metric.distance(filled, true / 127.5 - 1).mean()
    assert found == pytest.approx(float(wanted), rel=1e-4)
    known = (1 - inside).expand_as(true)
    plain = (true * known).sum(dim=(2, 3), keepdim=True) / known.sum(dim=(2, 3), keepdim=True)
    filled = torch.where(inside > 0, plain, true) / 127.5 - 1
    wanted = metric.distance(filled, true / 127.5 - 1).mean()
    of_mean = metric.protocol["region_perceptual_of_the_known_mean"]
    assert of_mean == pytest.approx(float(wanted), rel=1e-4)
