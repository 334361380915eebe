"""Virtual batch norm against an explicit loop, in a run and its resume, and where it is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import gan_lab.train
from gan_lab.assembly.normalised import take_references
from gan_lab.common.errors import ConfigError
from gan_lab.networks.layers.virtual import ROWS, Reference, VirtualBatchNorm
from gan_lab.storage.checkpoint import load_checkpoint
from tests.contracts.walk import built
from tests.test_resume import assert_same_state


def data(count):
    """Noise that lies where a set's images do."""
    return SimpleNamespace(images=torch.randint(0, 256, (count, 1, 32, 32), dtype=torch.uint8))


BOTH = "normalise={generator: virtual, discriminator: virtual}"


@pytest.mark.parametrize("shape", [(3, 4, 5), (3,)])
def test_each_example_has_the_statistics_of_the_reference_and_itself(shape):
    torch.manual_seed(0)
    norm = (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(3).double()
    for value in norm.parameters():
        nn.init.normal_(value)
    reference, own = torch.randn(6, *shape).double(), 2 + 3 * torch.randn(4, *shape).double()
    found = VirtualBatchNorm(norm, rows=6)(torch.cat([reference, own]))
    assert_close(found[:6], norm.train()(reference))
    for one, made in zip(own, found[6:], strict=True):
        seven = torch.cat([reference, one[None]])
        assert_close(norm(seven)[6], made)


def test_no_image_depends_on_its_batch():
    game = built("model=dcgan", BOTH).game
    take_references(game, data(100))
    assert not [
        part for part in game.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)
    ]
    z, images = torch.randn(5, game.latent_dim), torch.rand(5, 1, 32, 32) * 2 - 1
    whole = game.generator(z)
    assert whole.shape == (5, 1, 32, 32)
    assert_close(game.generator(z[2:3]), whole[2:3])
    judged = game.discriminator(images)
    assert judged.logits.shape == (5,)
    assert_close(game.discriminator(images[1:3]).logits, judged.logits[1:3])
    assert_close(game.discriminator.eval()(images).features, judged.features)


def test_references_are_reals_and_latents():
    game = built("model=dcgan", "latent=uniform", BOTH).game
    take_references(game, split := data(100))
    images = split.images
    of_latents, of_reals = (getattr(game, n).reference for n in ("generator", "discriminator"))
    assert isinstance(of_reals, Reference)
    assert of_latents.rows.abs().max() <= 1  # by the law of the run's latents
    assert_close(of_reals.rows[-1], images[63 * 100 // 64].float() / 127.5 - 1)
    assert len(of_reals.rows) == len(of_latents.rows) == ROWS


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["model=gan", "normalise={generator: virtual}"], "no plain batch normalisation to exchange"),
        (["model=cgan", "generator=dcgan", "generator.labels=norm", BOTH], "takes more than its images"),
        (["model=pix2pix", "generator.norm=batch", "normalise={generator: virtual}"], "takes no latents"),
    ],
)  # fmt: skip
def test_where_it_cannot_be_is_said(options, said):
    with pytest.raises(ConfigError, match=said):
        built(*options)


def test_a_discriminator_of_several_images_is_refused_at_the_start():
    game = built("model=pacgan", "discriminator=dcgan", "normalise={discriminator: virtual}").game
    with pytest.raises(ConfigError, match="something else than single images"):
        take_references(game, data(9))


def test_a_discriminator_of_class_maps_is_refused_though_there_are_as_many_as_colours():
    options = [
        "model=segmentation",
        "data.classes=3",
        "discriminator.conditional=false",
        "discriminator.norm=batch",
    ]
    game = built(*options, "normalise={discriminator: virtual}").game
    shape = next(part for part in game.modules() if isinstance(part, Reference)).rows.shape[1:]
    photos = torch.zeros(9, *shape, dtype=torch.uint8)
    with pytest.raises(ConfigError, match="something else than single images"):
        take_references(game, SimpleNamespace(images=photos))


def test_a_run_goes_on_bit_for_bit_with_its_reference(tmp_path):
    options = ["debug=tiny", "logger=none", "metrics=none", "model=dcgan", BOTH]
    for name, rounds in (("straight", 4), ("parts", 2)):
        folder = f"hydra.run.dir={tmp_path / name}"
        assert gan_lab.train.main([*options, f"max_rounds={rounds}", folder]) == 0
    resume = [f"resume={tmp_path / 'parts'}", "max_rounds=4"]
    assert gan_lab.train.main([*resume, f"hydra.run.dir={tmp_path / 'parts'}"]) == 0
    files = [tmp_path / name / "checkpoints" / "last.ckpt" for name in ("straight", "parts")]
    found = [load_checkpoint(file) for file in files]
    assert_same_state(*found)
    rows = found[0]["networks"]["discriminator.reference.rows"]
    assert rows.shape[0] == ROWS
    assert rows.std() > 0.3
    assert gan_lab.load(tmp_path / "straight").sample(4, seed=1).isfinite().all()
