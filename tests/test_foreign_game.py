"""A player that the engine was not written for trains, resumes and samples without a change to gan_lab."""

from __future__ import annotations

import json

import pytest
import torch

import gan_lab
from gan_lab.assembly.build import build
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.train import main
from tests.conftest import REPOSITORY, batches, gradients_of, play_rounds

COMMAND = [
    f"--config-dir={REPOSITORY / 'tests' / 'toy' / 'conf'}", "model=twins", "allow_targets=[tests.]",
    "data.resolution=16", "data.batch_size=16", "logger=none", "metrics.num_samples=64", "metrics.num_reals=64",
    "metrics.every_kimg=0.05", "samples.num=4", "max_kimg=null", "log_every_rounds=1",
]  # fmt: skip


def tensors(path):
    state = load_checkpoint(path)
    return state, torch.cat(
        [v.double().flatten() for v in flat(state["networks"], state["players"])]
    )


def flat(*nodes):
    for node in nodes:
        if isinstance(node, dict):
            yield from flat(*node.values())
        elif isinstance(node, list | tuple):
            yield from flat(*node)
        elif isinstance(node, torch.Tensor):
            yield node


def test_it_trains_from_the_command_line_and_resumes_bit_for_bit(tmp_path):
    assert main([*COMMAND, "max_rounds=9", f"hydra.run.dir={tmp_path}/straight"]) == 0
    assert main([*COMMAND, "max_rounds=4", f"hydra.run.dir={tmp_path}/halves"]) == 0
    assert main([f"resume={tmp_path}/halves", "max_rounds=9"]) == 2, "permission lies in no folder"
    assert main([f"resume={tmp_path}/halves", "max_rounds=9", "allow_targets=[tests.]"]) == 0

    state, straight = tensors(tmp_path / "straight/checkpoints/last.ckpt")
    other, halves = tensors(tmp_path / "halves/checkpoints/last.ckpt")
    assert state["clock"] == other["clock"]
    assert state["clock"]["generator_updates"] == 4
    assert torch.equal(straight, halves)
    records = [
        json.loads(line) for line in (tmp_path / "halves/metrics.jsonl").read_text().splitlines()
    ]
    keys = set().union(*records)
    assert {"loss/generators/tie", "loss/discriminator_a", "loss/discriminator_b", "lr/generators",
            "grad_norm/discriminator_b", "metric/small_frechet"} <= keys  # fmt: skip
    rounds = [r["iteration"] for r in records if "loss/discriminator_a" in r]
    assert rounds == list(range(1, 10)), "a resumed run continues its records"

    model = gan_lab.load(tmp_path / "halves", allow_targets=["tests."])
    assert "twins on fashion_mini" in repr(model)
    stations = model.latents_of([3, 17], truncation=1.5)
    assert stations.abs().max() <= 1.5
    images = model.generate(model.walk(stations, 2))
    first = model.sample(1, seed=3, truncation=1.5)[0]
    torch.testing.assert_close(images[0], first, rtol=0, atol=1e-5)


@pytest.fixture
def twins():
    import hydra
    from omegaconf import OmegaConf

    from gan_lab.config.groups import CONF

    with hydra.initialize_config_dir(version_base="1.3", config_dir=CONF):
        toy = REPOSITORY / "tests" / "toy" / "conf"
        config = hydra.compose("train", [*COMMAND[1:], f"hydra.searchpath=[file://{toy}]"])
    return build(OmegaConf.to_container(config, resolve=True)).game


def test_the_tie_reaches_both_generators_and_no_discriminator(twins):
    twins.configure_optimizers()
    step = next(s for s in twins.phase.steps if s.player == "generators")
    only_tie = type(step)("generators", {"tie": step.terms["tie"]})
    batch = next(batches(resolution=16))
    player = twins.playing["generators"]
    gradients = gradients_of(twins, only_tie, player, batch)
    of_generators = [*twins.generator_a.parameters(), *twins.generator_b.parameters()]
    assert {id(p) for p in player.parameters} == {id(p) for p in of_generators}
    assert all(g is not None and g.abs().sum() > 0 for g in gradients)
    of_discriminators = [*twins.discriminator_a.parameters(), *twins.discriminator_b.parameters()]
    assert not any(p.requires_grad for p in of_discriminators)


def test_it_trains_by_the_public_api(twins):
    play_rounds(twins, batches(resolution=16), 4)
    assert twins.clock.generator_updates == 2
    values = twins.read_meter()
    assert values["loss/generators"] == pytest.approx(
        sum(v for k, v in values.items() if k.startswith("loss/generators/"))
    )


def test_an_option_out_of_range_is_named_where_its_part_lies(tmp_path, capfd):
    run = f"hydra.run.dir={tmp_path}/run"
    for wrong in ("generator_b.width=0", "discriminator_a.dropout=1.5", "latent.dim=0"):
        assert main([*COMMAND, wrong, "max_rounds=1", run]) == 2
        assert capfd.readouterr().err.startswith(f"{wrong}: must lie in ")
