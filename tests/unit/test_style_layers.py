"""Equalised rates, blurred changes of resolution, minibatch deviation: each against independent arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.signal import upfirdn
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.networks.layers.adain import AdaIN
from gan_lab.networks.layers.blur import Blur, BlurredDoubling, BlurredHalving
from gan_lab.networks.layers.equalised import (
    EqualisedConv2d,
    EqualisedHead,
    EqualisedLinear,
    PixelNorm,
)
from gan_lab.networks.layers.minibatch import MinibatchDeviation


def test_equalised_layers_are_plain_ones_with_scaled_weights():
    torch.manual_seed(0)
    x, gain = torch.randn(5, 12), math.sqrt(2)
    linear = EqualisedLinear(12, 7, bias=0.5, gain=gain)
    expected = x @ linear.weight.T * gain / math.sqrt(12) + gain * 0.5
    assert_close(linear(x), expected)
    images = torch.randn(2, 3, 8, 8)
    conv = EqualisedConv2d(3, 4, 3, stride=2, gain=gain)
    torch.nn.init.normal_(conv.bias)
    expected = F.conv2d(images, conv.weight * gain / math.sqrt(27), conv.bias * gain, stride=2)
    assert_close(conv(images), expected)
    assert EqualisedConv2d(3, 4, 3)(images).shape == (2, 4, 8, 8)


def test_equalised_layers_keep_the_variance_whatever_their_size():
    torch.manual_seed(0)
    for inputs in (16, 1024):
        x = torch.randn(256, inputs)
        assert EqualisedLinear(inputs, 256)(x).std().item() == pytest.approx(1, abs=0.03)
    wide = EqualisedConv2d(64, 64, 3)(torch.randn(4, 64, 16, 16))[..., 1:-1, 1:-1]
    assert wide.std().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("inputs", [16, 1024])
def test_an_update_changes_layers_of_any_size_by_the_same_share(inputs):
    """Adam's first step is as long as the rate for every weight, which is that share of a weight of N(0, 1)."""
    torch.manual_seed(0)
    layer = EqualisedLinear(inputs, 8)
    before = layer.weight.detach().clone()
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
    layer(torch.randn(4, inputs)).square().sum().backward()
    optimizer.step()
    moved = (layer.weight - before) * layer.scale
    assert_close(moved.abs(), torch.full_like(moved, 0.01 / math.sqrt(inputs)), rtol=1e-3, atol=0)


def test_the_head_projects_labels_and_divides_by_the_root_of_its_features():
    torch.manual_seed(0)
    head, features, labels = EqualisedHead(6, 3), torch.randn(4, 6), torch.eye(3)[[0, 2, 1, 1]]
    vectors = head.projection.weight.T[[0, 2, 1, 1]]
    expected = (features * (head.weight + vectors)).sum(1) / math.sqrt(6)
    assert_close(head(features, labels), expected)


def test_pixel_norm_gives_every_pixel_unit_size():
    x = torch.randn(2, 5, 3, 3) * 7
    found = PixelNorm()(x)
    assert_close(found.square().mean(1), torch.ones(2, 3, 3), rtol=1e-5, atol=1e-5)
    assert_close(F.cosine_similarity(found, x, dim=1), torch.ones(2, 3, 3))


def filtered(image, *, up, down, before, after, gain):
    """Zeros between pixels, zeros around, the filter, every n-th pixel, by scipy: first all columns, then all rows."""
    line = np.array([1, 3, 3, 1]) / 8 * math.sqrt(gain)

    def along(row):
        whole = np.pad(upfirdn(line, row, up=up), (0, up - 1))  # as with 3 zeros on both sides
        return whole[3 - before : len(whole) - 3 + after][::down]

    return np.apply_along_axis(along, 1, np.apply_along_axis(along, 0, image))


@pytest.mark.parametrize(
    ("layer", "how"),
    [
        (Blur(padding=1, gain=4.0), {"up": 1, "down": 1, "before": 1, "after": 1, "gain": 4}),
        (Blur(padding=2), {"up": 1, "down": 1, "before": 2, "after": 2, "gain": 1}),
        (BlurredHalving(), {"up": 1, "down": 2, "before": 1, "after": 1, "gain": 1}),
        (BlurredDoubling(), {"up": 2, "down": 1, "before": 2, "after": 1, "gain": 4}),
    ],
)
def test_blurs_are_upsampling_filter_and_downsampling(layer, how):
    image = torch.randn(2, 3, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = layer(image)
    for index in np.ndindex(2, 3):
        expected = torch.from_numpy(filtered(image[index].numpy(), **how))
        assert_close(found[index], expected, rtol=1e-6, atol=1e-6)


def test_doubling_and_halving_keep_brightness_away_from_edges():
    bright = torch.ones(1, 2, 8, 8)
    for layer in (BlurredDoubling(), BlurredHalving()):
        found = layer(bright)[..., 1:-1, 1:-1]
        assert_close(found, torch.ones_like(found))


@pytest.mark.parametrize(("images", "size"), [(8, 4), (6, 3), (5, 1), (2, 2)])
@pytest.mark.parametrize("planes", [1, 2])
def test_minibatch_deviation_is_that_of_each_group(images, size, planes):
    x = torch.randn(images, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    found = MinibatchDeviation(group=4 if size != 3 else 3, planes=planes)(x)
    assert torch.equal(found[:, :4], x)
    groups = images // size
    for image in range(images):
        members = x[image % groups :: groups]
        assert len(members) == size
        for plane, part in enumerate(members.split(4 // planes, dim=1)):
            expected = (part.numpy().std(axis=0) ** 2 + 1e-8) ** 0.5
            assert_close(found[image, 4 + plane], torch.full((3, 3), float(expected.mean())))


def test_adain_is_instance_norm_with_a_gain_and_a_bias_of_each_style():
    torch.manual_seed(0)
    layer, x, style = AdaIN(4, 6), torch.randn(3, 4, 5, 5) * 3 + 1, torch.randn(3, 6)
    found = layer(x, style)
    gain, bias = (style @ layer.affine.weight.T / math.sqrt(6) + layer.affine.bias).split(4, dim=1)
    for image in range(3):
        for channel in range(4):
            plane = x[image, channel]
            normal = (plane - plane.mean()) / plane.var(correction=0).sqrt()
            expected = normal * (1 + gain[image, channel]) + bias[image, channel]
            assert_close(found[image, channel], expected, rtol=1e-4, atol=1e-5)
    assert_close(found.mean((2, 3)), bias, rtol=1e-4, atol=1e-5)
