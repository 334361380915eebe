"""Projected GAN's discriminator: what is frozen stays frozen and out of sight, and features are mixed as told."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.networks.projected import ProjectedDiscriminator
from gan_lab.perceptual.small import small_network
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_features_flow_from_coarse_to_fine() -> None:
    torch.manual_seed(0)
    network = ProjectedDiscriminator(resolution=32, channels=1, width=4)
    images = noise(2, 1, 32, 32)
    maps = small_network().eval()(images.expand(-1, 3, -1, -1))
    coarser: Tensor | None = None
    wanted = []
    for stage in (3, 2, 1, 0):
        mixed = torch.einsum(
            "nchw,oc->nohw", maps[stage], network.channel_mixing[stage].weight[:, :, 0, 0]
        )
        if coarser is not None:
            mixed = mixed + F.interpolate(coarser, size=mixed.shape[2:], mode="bilinear")
        coarser = F.conv2d(mixed, network.scale_mixing[stage].weight, padding=1)
        wanted.insert(0, coarser)
    found = network.projected(images)
    assert [one.shape[-1] for one in found] == [32, 16, 8, 4]
    for own, other in zip(found, wanted, strict=True):
        assert_close(own, other)
    apart = ProjectedDiscriminator(resolution=32, channels=1, width=4, mix_scales=False)
    assert_close(apart.projected(images)[3], apart.channel_mixing[3](maps[3]))
    judged = network(images)
    assert (judged.logits.shape, judged.features.shape) == ((2, 4 * 4 * 4), (2, 4))


def test_an_image_moves_the_logits_of_all_stages() -> None:
    network = ProjectedDiscriminator(resolution=32, channels=3, width=4)
    images = noise(1, 3, 32, 32).requires_grad_()
    logits = network(images).logits.reshape(4, 16)
    for stage in range(4):
        (slope,) = torch.autograd.grad(logits[stage].sum(), images, retain_graph=True)
        assert slope.abs().sum() > 0, f"stage {stage}"


def test_only_the_judges_move() -> None:
    options = (
        "model=projected_gan",
        "precision=32-true",
        "discriminator.width=4",
        "generator.width=4",
    )
    game = built(*options).game
    names = {name.split(".")[0] for name, _ in game.discriminator.named_parameters()}
    assert names == {"judges", "decisions"}
    before = {name: value.clone() for name, value in game.discriminator.state_dict().items()}
    stage = game.discriminator.frozen.open().stages[0]
    held = stage[0].weight.clone(), stage[1].running_mean.clone()
    play_rounds(game, batches(8), 2)
    after = game.discriminator.state_dict()
    mixing = [name for name in after if "mixing" in name]
    assert len(mixing) == 8
    assert not any("frozen" in name for name in after), (
        "a checkpoint has no weights that the package has"
    )
    assert all(torch.equal(before[name], after[name]) for name in mixing)
    moved = "decisions.0.parametrizations.weight.original"
    assert not torch.equal(before[moved], after[moved])
    assert torch.equal(held[0], stage[0].weight)
    assert torch.equal(held[1], stage[1].running_mean), "statistics of images that are trained on"


def test_images_that_the_frozen_network_cannot_see() -> None:
    for resolution, channels in ((16, 3), (40, 3), (32, 4)):
        with pytest.raises(ConfigError, match="choose another discriminator"):
            ProjectedDiscriminator(resolution=resolution, channels=channels)
