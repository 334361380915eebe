"""SPADE and feature matching by layers against loops by hand, and in games of label maps and of pictures."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from gan_lab.auxiliary.layer_matching import LayerMatching
from gan_lab.common.errors import ConfigError
from gan_lab.networks.fast.cpu import fast_cpu
from gan_lab.networks.translation.patch import PatchDiscriminator
from gan_lab.networks.translation.spade import Spade, SpadeGenerator
from tests.conftest import play_rounds
from tests.contracts.walk import built


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_the_layer_is_an_affine_map_of_each_place(norm):
    """Mean and deviation by hand, then y = normal * (1 + gain) + bias at each place of the map made small."""
    torch.manual_seed(0)
    layer = Spade(3, 4, hidden=5, norm=norm).double()
    x, source = torch.randn(2, 3, 4, 4).double(), torch.randn(2, 4, 8, 8).double()
    small = source[:, :, ::2, ::2]
    seen = F.relu(F.conv2d(small, layer.shared[0].weight, layer.shared[0].bias, padding=1))
    gain = F.conv2d(seen, layer.gain.weight, layer.gain.bias, padding=1)
    bias = F.conv2d(seen, layer.bias.weight, layer.bias.bias, padding=1)
    wanted = torch.empty_like(x)
    for image in range(2):
        for channel in range(3):
            among = x[:, channel] if norm == "batch" else x[image, channel]
            mean, deviation = among.mean(), (among.var(correction=0) + 1e-5).sqrt()
            if norm == "none":
                mean, deviation = torch.zeros(()), torch.ones(())
            for row in range(4):
                for column in range(4):
                    at = (image, channel, row, column)
                    wanted[at] = (x[at] - mean) / deviation * (1 + gain[at]) + bias[at]
    assert_close(layer(x, source), wanted, rtol=1e-9, atol=1e-9)


def test_the_generator_has_the_papers_blocks_and_takes_other_sizes():
    network = SpadeGenerator(resolution=256, channels=3, source_channels=2, width=4, hidden=2)
    assert [block.second.out_channels for block in network.blocks] == [64, 64, 64, 32, 16, 8, 4]
    assert network.multiple == 64
    assert [block.learned for block in network.blocks] == [
        False,
        False,
        False,
        True,
        True,
        True,
        True,
    ]
    small = SpadeGenerator(resolution=24, channels=3, source_channels=2, width=4, hidden=2).eval()
    assert small.multiple == 4, "24 becomes 6"
    source = torch.randn(2, 2, 12, 20)
    assert small(source).shape == (2, 3, 12, 20)
    assert small(source).abs().max() <= 1
    one, other = source.clone(), source.clone()
    other[:, :, :, 10:] += 1
    changed = (small(one) - small(other)).abs().mean(dim=(0, 1, 2))
    assert changed[-1] > 0, "a place of the source shows in the image"
    with pytest.raises(ConfigError, match=r"data.resolution=24: cannot be halved 4 times"):
        SpadeGenerator(resolution=24, channels=3, doublings=4)
    weight = network.blocks[3].first.weight
    assert float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2)) == pytest.approx(
        1, abs=0.15
    )


@pytest.mark.parametrize("layers", [0, 2])
@pytest.mark.parametrize("scales", [1, 2])
def test_features_of_each_layer_and_scale_are_matched(layers, scales):
    """The term against a walk through the network's own convolutions; truth has no gradient."""
    torch.manual_seed(0)
    judge = fast_cpu(
        PatchDiscriminator(resolution=32, channels=2, layers=layers, width=3, scales=scales)
    )
    fake, real, source = (torch.randn(2, 2, 32, 32) for _ in range(3))
    fake.requires_grad_()
    seen = {"on_fake": judge(fake, source=source), "on_real": judge(real, source=source)}
    term = LayerMatching(layer_count=judge.offers["layer_count"])
    found = term.generator(SimpleNamespace(**seen))
    total = 0.0
    for scale in range(scales):
        pair = [F.avg_pool2d(torch.cat([source, x], 1), 2**scale) for x in (fake, real)]
        for layer in judge.features[scale]:
            pair = [layer(x) for x in pair]
            if isinstance(layer, torch.nn.LeakyReLU):
                total = total + (pair[0] - pair[1]).abs().mean()
    assert term.layer_count == (layers + 1 if layers else 2)
    assert [len(one) for one in seen["on_real"].layers] == [term.layer_count] * scales
    assert_close(found, total / scales)
    found.backward()
    assert fake.grad.abs().sum() > 0
    logits = [
        decide(own[-1]) for decide, own in zip(judge.decisions, seen["on_real"].layers, strict=True)
    ]
    assert_close(seen["on_real"].logits[:, : logits[0][0].numel()], logits[0].flatten(1))


def test_terms_of_layers_are_refused_where_there_are_none():
    with pytest.raises(
        ConfigError, match=r"auxiliary.layer_matching: reads the layers of a discriminator"
    ):
        built(
            "model=pix2pix",
            "auxiliary=[layer_matching]",
            "discriminator=dcgan",
            "data.resolution=32",
        )
    with pytest.raises(
        ConfigError, match=r"auxiliary.layer_matching: compares an image with the one"
    ):
        built(
            "model=dcgan",
            "auxiliary=[layer_matching]",
            "discriminator=patch",
            "discriminator.conditional=false",
        )


@pytest.mark.parametrize("data", ["labels", "pairs"])
def test_the_model_learns_from_maps_and_from_pictures(data):
    """Every term of the paper is logged, and the generator's gains and biases move."""
    more = ["data.classes=4"] if data == "labels" else []
    game = built(
        "model=spade", f"data={data}", *more, "data.resolution=16", "discriminator.layers=1"
    ).game
    rates = {
        name: (one.lr.at(0), one.options["betas"]) for name, one in game.options.optimizers.items()
    }
    assert rates == {"generator": (1e-4, [0, 0.999]), "discriminator": (4e-4, [0, 0.999])}
    draw = torch.Generator().manual_seed(0)

    def rows():
        while True:
            images = torch.rand(4, 3, 16, 16, generator=draw) * 2 - 1
            maps = torch.randint(4, (4, 1, 16, 16), generator=draw).byte()
            yield {"images": images, "partner": maps if more else images.flip(2)}

    before = {name: value.clone() for name, value in game.generator.named_parameters()}
    play_rounds(game, rows(), 2)
    values = game.read_meter()
    assert {
        "loss/generator/layer_matching",
        "loss/generator/perceptual",
        "loss/generator/adversarial",
    } <= set(values)
    still = {
        name
        for name, value in game.generator.named_parameters()
        if torch.equal(value, before[name])
    }
    assert not still
