"""The U-Net discriminator and what its pixels learn, against arithmetic of their own."""

import pytest
import torch
from torch.testing import assert_close

from gan_lab.auxiliary.cutmix import boxes
from gan_lab.common.errors import ConfigError
from gan_lab.networks.unet import UNetDiscriminator
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built


def test_every_pixel_is_judged_and_sees_its_surroundings():
    network = UNetDiscriminator(resolution=16, channels=3, width=4, spectral_norm=False)
    images = torch.randn(2, 3, 16, 16, requires_grad=True)
    judged = network(images)
    assert judged.logits.shape == (2,)
    assert (judged.pixels.shape, judged.features.shape, judged.local.shape) == (
        (2, 16, 16),
        (2, 8),
        (2, 8, 4, 4),
    )
    (slope,) = torch.autograd.grad(judged.pixels[0, 3, 3], images)
    assert slope[0, :, 3, 3].abs().sum() > 0
    assert not slope[1].any()


def test_boxes_have_the_area_that_was_drawn():
    numbers = torch.tensor([[0.75, 0.5, 0.5], [0.0, 0.5, 0.5], [0.75, 0.0, 1.0]])
    masks = boxes(numbers, (8, 16))
    assert masks.shape == (3, 1, 8, 16)
    expected = torch.ones(8, 16)
    expected[2:6, 4:12] = 0  # half of each side: a quarter of the area
    assert torch.equal(masks[0, 0], expected)
    assert not masks[1].any(), "the whole image"
    corner = torch.ones(8, 16)
    corner[:2, 12:] = 0  # what lies outside is cut off
    assert torch.equal(masks[2, 0], corner)


def test_the_term_is_the_pixels_loss_and_the_consistency():
    chosen = (
        "model=dcgan",
        "discriminator=unet",
        "discriminator.spectral_norm=false",
        "auxiliary=[cutmix]",
    )
    game = built(*chosen, "precision=32-true", "loss=hinge").game
    game.configure_optimizers()
    batch, step = next(batches(4)), game.phase.steps[0]
    game.draws.begin(step.name, 0, 0, 0)
    play = game.Play(game, step, batch, draws=game.draws, start=0, whole=batch)
    value = game.auxiliaries["cutmix"].discriminator(play)
    real, fake = play.on_real.pixels, play.on_fake.pixels
    loss = (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()
    mask = boxes(play.uniform("cutmix", (4, 3)), (32, 32))
    total = 0.0
    for n in range(4):
        glued = play.real[n] * mask[n] + play.fake[n] * (1 - mask[n])
        pixels = game.discriminator(glued[None]).pixels[0]
        wanted = real[n] * mask[n, 0] + fake[n] * (1 - mask[n, 0])
        total += float((pixels - wanted).square().mean().detach()) / 4
    assert_close(float(value.detach()), float(loss.detach()) + total, rtol=1e-4, atol=1e-5)
    play_rounds(game, batches(4), 2)


def test_other_discriminators_are_refused_in_words():
    with pytest.raises(ConfigError, match=r"auxiliary\.cutmix: .* choose discriminator=unet"):
        built("model=dcgan", "auxiliary=[cutmix]")
