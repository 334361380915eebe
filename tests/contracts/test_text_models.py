"""Every model over tokens with every loss: it composes, builds, trains all its phases, saves, loads and writes."""

from __future__ import annotations

import math

import pytest
import torch

from gan_lab.common.errors import ConfigError
from gan_lab.config.groups import Groups
from gan_lab.generation.sampling import Sampler
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from tests.conftest import differing, play_rounds, weights
from tests.contracts.walk import TEXT_MODELS, built

SMALL = (
    "data.vocab_size=9", "data.length=5", "data.width=4", "data.count=64",
    "model.likelihood_kimg=0.008", "model.discriminator_kimg=0.008", "model.n_critic=1",
)  # fmt: skip


def small(model, *overrides):
    fewer = ["model.rollouts=2"] if model == "seqgan" else []
    return built(f"model={model}", *SMALL, *fewer, *overrides)


def batches(source, size=8):
    tokens = source.load("train").tokens
    while True:
        yield from ({"tokens": part} for part in tokens.split(size))


@pytest.mark.parametrize("loss", Groups().choices("loss"))
@pytest.mark.parametrize("model", TEXT_MODELS)
def test_text_model_with_loss(model, loss, tmp_path):
    parts = small(model, f"loss={loss}")
    game = parts.game
    before = {name: value.detach().clone() for name, value in game.named_parameters()}
    play_rounds(game, batches(parts.source), 4)
    still = {name for name, p in game.named_parameters() if torch.equal(before[name], p)}
    # A constant cancels in losses that read differences of logits, or weighs alike on both sides at first.
    assert still <= {"discriminator.head.bias"}
    values = game.read_meter()
    terms = {
        f"loss/{s.player}/{term}"
        for phase in game.phases()
        for s in phase.steps
        for term in s.terms
    }
    assert terms <= values.keys()
    assert all(math.isfinite(value) for value in values.values()), values

    save_checkpoint(game.snapshot(), tmp_path / "last.ckpt")
    fresh = small(model, f"loss={loss}", "seed=1").game
    fresh.restore(load_checkpoint(tmp_path / "last.ckpt"))
    fresh.configure_optimizers()
    assert fresh.clock == game.clock
    assert not differing(weights(game), weights(fresh))

    tokens = Sampler(game, game.averaged_networks())(3, 5)
    assert tokens.shape == (5, 5)
    assert tokens.dtype == torch.int64
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < 9
    assert torch.equal(tokens, Sampler(fresh, fresh.averaged_networks())(3, 5))


@pytest.mark.parametrize("model", TEXT_MODELS)
@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data=fashion_mini", "^generator: needs text, and this data has none; choose data=text.$"),
        ("generator=mlp", "must be a network .torch.nn.Module., for this model a Writer.$"),
        ("discriminator=dcgan", "^discriminator: needs images, and this data has none"),
    ],
)  # fmt: skip
def test_what_a_text_model_cannot_take_is_told(model, override, words):
    with pytest.raises(ConfigError, match=words):
        built(f"model={model}", override)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data=oracle", "^generator: needs images, and this data has none"),
        ("generator=lstm", "^generator: needs text, and this data has none"),
        ("discriminator=text_cnn", "^discriminator: needs text, and this data has none"),
    ],
)
def test_what_an_image_model_cannot_take_is_told(override, words):
    with pytest.raises(ConfigError, match=words):
        built("model=dcgan", override)
