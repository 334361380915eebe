"""Families written outside gan_lab, in tests/toy: each resumes exactly, accumulates, and is recorded as it plays."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.testing import assert_close

import gan_lab
from gan_lab.assembly.build import build
from gan_lab.evaluate import main as evaluate
from gan_lab.sample import main as sample
from gan_lab.train import main
from tests.conftest import REPOSITORY, batches, differing, play_rounds, weights
from tests.test_captured import same, steps_replayed, taped

CONF = REPOSITORY / "tests" / "toy" / "conf"
ALLOWED = "allow_targets=[tests.]"
TINY = (
    ALLOWED, "debug=tiny", "data.resolution=16", "logger=none", "strategy=cpu", "precision=32-true", "samples.num=4",
)  # fmt: skip
LAZY = ("penalty.toy_path_length.every=2", "penalty.r1.every=2")
TOYS = {"toy_projection": (), "toy_style": LAZY}
EACH = pytest.mark.parametrize("toy", list(TOYS))


def built(toy, *overrides):
    """The game of a toy, tiny."""
    import hydra
    from omegaconf import OmegaConf

    from gan_lab.config.groups import CONF as OURS

    with hydra.initialize_config_dir(version_base="1.3", config_dir=OURS):
        line = [f"model={toy}", *TINY, *TOYS[toy], *overrides, f"hydra.searchpath=[file://{CONF}]"]
        config = hydra.compose("train", line)
    return build(OmegaConf.to_container(config, resolve=True)).game


def reals():
    return batches(8, resolution=16)


@EACH
@pytest.mark.parametrize("cut", [2, 3])
def test_a_resume_is_exact(toy, cut):
    stream, whole = reals(), built(toy)
    play_rounds(whole, stream, 6)
    stream, first, second = reals(), built(toy), built(toy)
    play_rounds(first, stream, cut)
    second.restore(copy.deepcopy(first.snapshot()))
    play_rounds(second, stream, 6 - cut)
    assert differing(weights(whole), weights(second)) == set()


@EACH
def test_a_batch_in_parts_does_the_same(toy):
    one, two = built(toy), built(toy, "accumulate=2")
    for game in (one, two):
        play_rounds(game, reals(), 5)
    for name, value in weights(one).items():
        assert_close(weights(two)[name], value, rtol=2e-4, atol=2e-5, msg=name)


@EACH
def test_recorded_steps_do_the_same(toy):
    eager, captured = built(toy), taped(built(toy))
    for game in (eager, captured):
        play_rounds(game, reals(), 12)
    assert not any("not captured" in text for text in captured.said)
    steps = {step.name for step in eager.phase.steps}
    assert steps <= steps_replayed(captured)
    same(eager, captured)


@pytest.fixture(scope="module", params=list(TOYS))
def trained(request, tmp_path_factory):
    """A run of a few rounds from the command line."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    line = [f"--config-dir={CONF}", f"model={request.param}", *TINY, *TOYS[request.param]]
    assert main([*line, f"hydra.run.dir={folder}"]) == 0
    return folder


def test_it_runs_from_the_command_line(trained, tmp_path):
    how = [f"run={trained}", ALLOWED]
    assert sample([*how, "num=4", f"out={tmp_path}/samples.png"]) == 0
    assert evaluate([*how, "metrics.num_samples=64", "metrics.num_reals=64"]) == 0
    model = gan_lab.load(trained, allow_targets=["tests."])
    images = model.sample(5, batch_size=2)
    assert_close(images, model.sample(5), rtol=0, atol=1e-5)
    assert images.shape == (5, *model.shape)
    assert images.abs().max() <= 1
    assert "after 0.032 kimg" in repr(model)


def test_projection_compares_features_with_the_label_s_vector():
    game = built("toy_projection")
    images, labels = next(reals())["images"], torch.eye(10)[:8]
    judge = game.discriminator
    found = judge(images, labels)
    for index, feature in enumerate(found.features):
        plain = (feature * judge.plain.weight[0]).sum() + judge.plain.bias[0]
        vector = (feature * judge.vectors[index]).sum()
        assert_close(found.logits[index], plain + vector, rtol=1e-4, atol=1e-5)


def test_styles_are_mixed_from_the_cut_on_in_training_alone():
    generator = built("toy_style").generator
    z, other = torch.randn(3, 128), torch.randn(3, 128)
    cut, mix = torch.tensor([[0.0], [0.6], [0.6]]), torch.tensor([[0.5], [0.5], [0.95]])
    mixed = generator.styles(z, other=other, cut=cut, mix=mix)
    one, two = generator.styles(z), generator.styles(other)
    late = (mixed != one).any(dim=2)
    assert late.tolist() == [[False, True, True], [False, False, True], [False] * 3]
    assert torch.equal(mixed[late], two[late])
    samples = generator.eval()(z)
    assert torch.equal(samples, generator(z))
    generator.truncation = 0.0
    assert_close(generator(z)[0], generator(z)[1])


def test_the_mapping_learns_slowly_and_states_move_once_per_update():
    game, halves = built("toy_style"), built("toy_style", "accumulate=2")
    before = copy.deepcopy(game.generator.state_dict())
    for each in (game, halves):
        play_rounds(each, reals(), 1)
    after = game.generator.state_dict()
    moved = {name: (after[name] - before[name]).abs().max() for name in before}
    rate = game.options.optimizers["generator"].lr.at(0)
    # Two steps, the main one and the lazy one, of Adam's length; its first is as long as the rate.
    assert 0 < moved["mapping.layers.0.weight"] <= 0.0201 * rate < 0.9 * rate
    assert moved["layers.0.weight"] > 0.9 * rate
    path = game.penalties["toy_path_length"]
    assert path.mean > 0
    assert_close(halves.penalties["toy_path_length"].mean, path.mean, rtol=1e-4, atol=0)
    assert moved["mean"] > 0
