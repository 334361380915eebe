"""Transformers' layers and GAT's networks against arithmetic of their own."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.networks.gat import GatDiscriminator, GatGenerator
from gan_lab.networks.layers.transformer import Attention, Patches, Pixels, TransformerBlock
from gan_lab.networks.transgan import (
    Stage,
    TransganDiscriminator,
    TransganGenerator,
    _doubled,
    in_grid,
    out_of_grid,
)
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def shaken(network):
    for number, parameter in enumerate(network.parameters()):
        parameter.data = 0.3 * noise(*parameter.shape, seed=number)
    return network


def test_attention_is_a_softmax_of_products_head_by_head():
    layer = shaken(Attention(6, 3))
    x = noise(2, 5, 6)
    queries, keys, values = (x @ layer.joint.weight.T).split(6, dim=2)
    heads = []
    for head in (slice(0, 3), slice(3, 6)):
        scores = queries[..., head] @ keys[..., head].transpose(1, 2) / math.sqrt(3)
        weights = scores.exp() / scores.exp().sum(dim=2, keepdim=True)
        heads.append(weights @ values[..., head])
    expected = torch.cat(heads, dim=2) @ layer.output.weight.T + layer.output.bias
    assert_close(layer(x), expected)


def test_attention_reads_from_tokens_in_any_order():
    layer, x, order = shaken(Attention(4, 2)), noise(1, 7, 4), torch.randperm(7)
    assert_close(layer(x)[:, order], layer(x[:, order]))


def test_a_style_sets_gain_bias_and_gate_of_both_branches():
    block = shaken(TransformerBlock(4, head_width=2, style_dim=3))
    x, style = noise(2, 5, 4), noise(2, 3, seed=1)
    parts = (style @ block.style.weight.T + block.style.bias).view(2, 6, 1, 4)
    gain1, bias1, gain2, bias2, gate1, gate2 = (parts[:, index] for index in range(6))
    h = x + gate1 * block.attention(F.layer_norm(x, (4,), eps=1e-6) * (1 + gain1) + bias1)
    expected = h + gate2 * block.layers(F.layer_norm(h, (4,), eps=1e-6) * (1 + gain2) + bias2)
    assert_close(block(x, style), expected)
    zero = TransformerBlock(4, head_width=2, style_dim=3, gate=0.0)
    assert torch.equal(zero(x, style), x), "adaLN-Zero begins as the identity"


def test_tokens_are_squares_row_by_row():
    images = noise(2, 3, 4, 4)
    patches = shaken(Patches(4, 3, 5, 2))
    tokens = patches(images)
    square = images[:, :, 2:4, 0:2]  # the third of four
    expected = square.flatten(1) @ patches.linear.weight.flatten(1).T + patches.linear.bias
    assert_close(tokens[:, 2], expected + patches.positions[2])


def test_pixels_lie_where_their_tokens_do():
    layer = shaken(Pixels(3, 6, 2, side=3))
    tokens = noise(1, 9, 6)
    image = layer(tokens)
    assert image.shape == (1, 3, 6, 6)
    own = layer.linear(layer.norm(tokens))[0, 5].view(3, 2, 2)  # row 1, column 2
    assert_close(image[0, :, 2:4, 4:6], own)


def test_rates_fall_with_the_width():
    game = built(
        "model=gat",
        "generator.width=96",
        "generator.head_width=32",
        "discriminator.rate_width=null",
    ).game
    game.configure_optimizers()
    rates = {name: player.optimizer.param_groups[0]["lr"] for name, player in game.playing.items()}
    assert rates == pytest.approx({"generator": 2e-4 * 8, "discriminator": 2e-4})


def test_penalties_differentiate_the_discriminator_twice():
    """Torch's fused attention cannot be; plays have it written out then."""
    game = built("model=gat", "penalty=[gradient_penalty]").game
    play_rounds(game, batches(8), 1)
    assert game.read_meter()["loss/discriminator/gradient_penalty"] > 0


def test_shapes_and_refusals():
    size = {"resolution": 24, "channels": 3, "width": 8, "depth": 2, "head_width": 4}
    images = GatGenerator(latent_dim=5, **size)(noise(2, 5))
    assert images.shape == (2, 3, 24, 24)
    judged = GatDiscriminator(**size)(images)
    assert (judged.logits.shape, judged.features.shape, judged.local.shape) == (
        (2,),
        (2, 8),
        (2, 8, 6, 6),
    )
    with pytest.raises(ConfigError, match="head_width=3: must divide width=8"):
        GatGenerator(latent_dim=5, **(size | {"head_width": 3}))
    with pytest.raises(ConfigError, match=r"patch=5: must divide data\.resolution=24"):
        GatDiscriminator(**size, patch=5)


def test_norms_are_without_gain_where_styles_set_it():
    block = TransformerBlock(4, head_width=4, style_dim=3)
    assert [m.weight for m in block.modules() if isinstance(m, nn.LayerNorm)] == [None, None]


def test_tokens_attend_within_their_square_of_the_grid():
    planes = noise(2, 3, 8, 8)
    tokens = in_grid(planes, 4)
    assert tokens.shape == (8, 16, 3)
    assert torch.equal(tokens[1, 6], planes[0, :, 1, 6])  # the right upper square, row 1, column 2
    assert torch.equal(out_of_grid(tokens, 4, 8), planes)
    stage = shaken(Stage(3, 8, 1, head_width=3, grid=4))
    changed = planes.clone()
    changed[:, 0, 0, 0] += 1
    moved = (stage(changed) - stage(planes)).abs().sum(dim=(0, 1)) > 0
    assert bool(moved[:4, :4].all())
    assert not bool(moved[4:].any() or moved[:, 4:].any())


def test_transgans_stages():
    generator = TransganGenerator(resolution=64, channels=3, latent_dim=5, width=2, depths=(1,))
    assert [stage.positions.shape[0] for stage in generator.stages] == [32, 32, 8, 2]
    assert generator(noise(2, 5)).shape == (2, 3, 64, 64)
    judge = TransganDiscriminator(resolution=32, channels=1, width=8, depths=(1,))
    assert [tuple(stage.positions.shape) for stage in judge.stages] == [
        (2, 16, 16),
        (4, 8, 8),
        (8, 4, 4),
    ]
    judged = judge(noise(2, 1, 32, 32))
    assert (judged.logits.shape, judged.features.shape, judged.local.shape) == (
        (2,),
        (2, 8),
        (2, 8, 4, 4),
    )
    # Each doubling by pixel shuffle keeps the numbers and lays four channels beside each other.
    planes = noise(1, 8, 2, 2)
    assert torch.equal(_doubled(planes, 2)[0, 1, 2:, 2:].flatten(), planes[0, 4:, 1, 1])


def test_transgan_refuses_what_does_not_divide():
    with pytest.raises(ConfigError, match="width=10: must be a multiple of 4"):
        TransganDiscriminator(resolution=16, channels=1, width=10)
    with pytest.raises(ConfigError, match="grid=3: must divide 8"):
        TransganGenerator(resolution=16, channels=1, latent_dim=2, grid=3)
