"""Which options a resumed run takes from its folder, also from before some of them existed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.config.resume import merge
from gan_lab.config.schema import FIELDS, MISSING, lookup
from gan_lab.engine.player import OptimizerOptions, Player, PlayerSpec
from gan_lab.engine.schedule import schedule
from tests.contracts.walk import composed


def old_run(*overrides):
    """A configuration from before precision was chosen for the machine and networks had a spectral norm."""
    config = copy.deepcopy(composed(*overrides))
    for key in ("memory_format", "tf32", "compile", "engine"):
        del config[key]
    del config["data"]["device"]
    config["discriminator"].pop("spectral_norm", None)
    config["precision"] = "32-true"
    return config


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("model", ["dcgan", "wgan_gp"])
def test_an_old_run_goes_on_as_it_was(model, everything):
    new = composed(f"model={model}")
    merged = merge(
        old_run(f"model={model}"), new, ["model", "discriminator"], everything=everything
    )
    assert merged["precision"] == "32-true"
    assert merged["engine"] == new["engine"]
    assert merged["data"] == {**old_run(f"model={model}")["data"], "device": "auto"}
    assert not [path for path in FIELDS if lookup(merged, path) is MISSING]
    assert "spectral_norm" not in merged["discriminator"], "the part's own default applies"


def test_what_the_user_asks_for_by_name_is_still_refused():
    new = composed("discriminator.spectral_norm=true", "precision=bf16-mixed")
    for path in ("precision", "discriminator.spectral_norm"):
        with pytest.raises(ConfigError, match=path):
            merge(old_run(), new, [path], everything=False)


def test_on_what_it_runs_may_change():
    new = composed(
        "data.device=cpu", "memory_format=contiguous", "engine.cuda_graphs=false", "compile=true"
    )
    merged = merge(composed(), new, ["data.device", "engine.cuda_graphs"], everything=True)
    assert merged["data"]["device"] == "cpu"
    assert merged["engine"]["cuda_graphs"] is False
    assert (merged["memory_format"], merged["compile"]) == ("contiguous", True)


def test_moments_take_the_memory_format_of_this_runs_weights():
    """A checkpoint of a contiguous run resumed in channels_last: fused steps walk both by their own strides."""

    def player(network):
        spec = PlayerSpec("critic", "discriminator", {"critic": network})
        optimizer = OptimizerOptions(torch.optim.Adam, schedule(1e-3, "lr"))
        return Player(spec, optimizer, intervals=[1], ema_half_life_kimg=0, ema_rampup=0)

    network = torch.nn.Conv2d(3, 4, 3)
    first = player(network)
    images = torch.randn(2, 3, 8, 8)

    def step(moving, critic):
        moving.forget_gradients()
        critic(images).square().sum().backward()
        moving.optimizer.step()

    step(first, network)
    state = copy.deepcopy(first.state_dict())
    other = copy.deepcopy(network).to(memory_format=torch.channels_last)
    second = player(other)
    second.load_state_dict(state)
    for parameter, moments in second.optimizer.state.items():
        assert moments["exp_avg"].stride() == parameter.stride()
    step(first, network)
    step(second, other)
    assert_close(other.weight, network.weight)
