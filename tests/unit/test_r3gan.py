"""R3GAN's networks and schedules against arithmetic of their own."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.engine.ema import EMA
from gan_lab.networks.r3gan import (
    InvertedBlock,
    R3ganDiscriminator,
    R3ganGenerator,
    Resample,
    stage_widths,
)
from tests.conftest import batches, dcgan, play_rounds
from tests.contracts.walk import built


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_block_is_its_three_convolutions_group_by_group():
    block = InvertedBlock(6, expansion=2, group=4, blocks=5)
    for number, parameter in enumerate(block.parameters()):
        parameter.data = noise(*parameter.shape, seed=number)
    x = noise(2, 6, 5, 5, seed=9)
    h = torch.einsum("nchw,oc->nohw", x, block.expand.weight[:, :, 0, 0])
    h = h + block.expand.bias[:, None, None]
    h = torch.where(h > 0, h, 0.2 * h)
    mixed = []
    for group in range(3):
        channels = slice(4 * group, 4 * group + 4)
        own = F.conv2d(h[:, channels], block.mix.weight[channels], padding=1)
        mixed.append(own + block.mix.bias[channels, None, None])
    h = torch.cat(mixed, dim=1)
    h = torch.where(h > 0, h, 0.2 * h)
    expected = x + torch.einsum("nchw,oc->nohw", h, block.shrink.weight[:, :, 0, 0])
    assert_close(block(x), expected, rtol=1e-4, atol=1e-4)


def test_first_weights_are_fixups():
    torch.manual_seed(0)
    blocks = 16
    block = InvertedBlock(64, expansion=2, group=16, blocks=blocks)
    gain = math.sqrt(2 / 1.04) / blocks**0.25
    assert float(block.expand.weight.detach().std()) == pytest.approx(
        gain / math.sqrt(64), rel=0.05
    )
    assert float(block.mix.weight.detach().std()) == pytest.approx(
        gain / math.sqrt(16 * 9), rel=0.05
    )
    assert not block.shrink.weight.any()
    x = noise(2, 64, 4, 4)
    assert torch.equal(block(x), x), "a block begins as the identity"


def test_resampling_is_bilinear_and_changes_widths_at_the_smaller_size():
    up, down = Resample(3, 5, up=True), Resample(3, 5, up=False)
    x = noise(2, 3, 4, 4)
    planes = torch.einsum("nchw,oc->nohw", x, up.widths.weight[:, :, 0, 0])
    found = up(x)
    # Between the centres of four pixels: 9/16, 3/16, 3/16, 1/16 of them.
    expected = (
        9 * planes[:, :, 1, 1]
        + 3 * planes[:, :, 1, 2]
        + 3 * planes[:, :, 2, 1]
        + planes[:, :, 2, 2]
    ) / 16
    assert_close(found[:, :, 3, 3], expected)
    mean = (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4
    assert_close(down(x), torch.einsum("nchw,oc->nohw", mean, down.widths.weight[:, :, 0, 0]))


def test_shapes_widths_and_parameters():
    assert stage_widths(256, 768, 32) == [768, 768, 768, 768, 384, 192, 96]
    generator = R3ganGenerator(resolution=16, channels=3, latent_dim=6, width=16, group=8)
    discriminator = R3ganDiscriminator(resolution=16, channels=3, width=16, group=8)
    block = 16 * 32 + 32 + 32 * 8 * 9 + 32 + 32 * 16
    own = 16 * 16 + 6 * 16 + 3 * 16
    assert sum(p.numel() for p in generator.parameters()) == 6 * block + own
    own = 3 * 16 + 16 * 16 + 16 + 1
    assert sum(p.numel() for p in discriminator.parameters()) == 6 * block + own
    images = generator(noise(2, 6))
    assert images.shape == (2, 3, 16, 16)
    # While blocks are the identity, an image is planes of z times the basis, made larger.
    planes = generator.layers[0](noise(2, 6))
    for _ in range(2):
        planes = F.interpolate(planes, scale_factor=2, mode="bilinear")
    assert_close(images, generator.layers[-1](planes))
    judged = discriminator(images)
    assert (judged.logits.shape, judged.features.shape) == ((2,), (2, 16))
    assert judged.local.shape == (2, 16, 4, 4)


def test_a_group_that_does_not_divide_is_refused():
    with pytest.raises(ConfigError, match="group=5: must divide the 32 channels"):
        R3ganGenerator(resolution=16, channels=1, latent_dim=4, width=16, group=5)


def test_betas_follow_their_schedule_and_are_corrected_for_lazy_steps():
    beta = "{schedule: linear, start: 0.9, end: 0.99, kimg: 0.064}"
    game = built(
        "model=dcgan", "discriminator.norm=none", "penalty=[r1]", "penalty.r1.every=4", "data.batch_size=16",
        f"optimizer.discriminator.betas=[0.5, {beta}]",
    ).game  # fmt: skip
    stream = batches(16)
    play_rounds(game, stream, 1)
    group = game.playing["discriminator"].optimizer.param_groups[0]
    assert group["betas"] == pytest.approx((0.5**0.8, 0.9**0.8))
    play_rounds(game, stream, 4)  # the last after 64 images
    assert group["betas"] == pytest.approx((0.5**0.8, 0.99**0.8))
    assert game.playing["generator"].optimizer.param_groups[0]["betas"] == (0.5, 0.999)
    assert "betas" in game.obstacle_to_capture()


def test_a_half_life_follows_its_schedule():
    growing = {"schedule": "linear", "start": 0, "end": 2, "kimg": 4}
    ema = EMA({"n": torch.nn.Linear(1, 1)}, half_life_kimg=growing, rampup=0)
    assert [ema.decay(1000, seen) for seen in (0, 2000, 4000)] == [0, 0.5, 0.5**0.5]


def test_samples_are_clamped():
    game = dcgan()
    game.generator.register_forward_hook(lambda *_: _[-1] * 10)
    images = game.generate({"generator": game.generator}, {"latents": noise(4, 128)})
    assert float(images.abs().max()) == 1


@pytest.mark.parametrize(
    "bad", ["[0.5]", "[0.5, 1.0]", "[{schedule: linear, start: 0, end: 1, kimg: 1}, 0.9]"]
)
def test_betas_out_of_range_are_refused(bad):
    with pytest.raises(ConfigError, match=r"optimizer\.generator\.betas"):
        built("model=dcgan", f"optimizer.generator.betas={bad}")
