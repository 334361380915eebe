"""Families written outside gan_lab, in tests/toy: each resumes exactly, accumulates, and is recorded as it plays."""

from __future__ import annotations

import copy
import json
import re

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import gan_lab
from gan_lab.assembly.build import build
from gan_lab.common.errors import ConfigError
from gan_lab.evaluate import main as evaluate
from gan_lab.games.gan import GAN
from gan_lab.games.pool import ImagePool
from gan_lab.interpolate import main as interpolate
from gan_lab.sample import main as sample
from gan_lab.train import main
from tests.conftest import REPOSITORY, batches, differing, play_rounds, weights
from tests.test_captured import same, steps_replayed, taped
from tests.test_foreign_game import tensors

CONF = REPOSITORY / "tests" / "toy" / "conf"
ALLOWED = "allow_targets=[tests.]"
TINY = (
    ALLOWED, "debug=tiny", "data.resolution=16", "logger=none", "strategy=cpu", "precision=32-true", "samples.num=4",
)  # fmt: skip
LAZY = ("penalty.toy_path_length.every=2", "penalty.r1.every=2")
GROWING = ("model.phase_kimg=0.016", "model.fade_kimg=0.024")
ADAPTIVE = ("augment.toy_ada.start=0.4", "augment.toy_ada.step=0.03")
TOYS = {
    "toy_projection": (),
    "toy_style": LAZY,
    "toy_cycle": ("model.pool=12",),
    "toy_growing": GROWING,
    "toy_ada": ADAPTIVE,
    "toy_all": (*LAZY, *ADAPTIVE),
}
EACH = pytest.mark.parametrize("toy", list(TOYS))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of images that are not paired: dark ones and bright ones."""
    root = tmp_path_factory.mktemp("unpaired")
    for kind, count, shade in (
        ("trainA", 11, 0),
        ("trainB", 14, 128),
        ("testA", 9, 0),
        ("testB", 9, 128),
    ):
        (root / kind).mkdir()
        for index in range(count):
            pixels = (
                Image.linear_gradient("L")
                .resize((16, 16))
                .rotate(33 * index)
                .point(lambda x, s=shade: x // 2 + s)
            )
            pixels.convert("RGB").save(root / kind / f"{index}.png")
    return root


def line_of(toy, folders):
    """What the command line of a toy has beside the defaults."""
    return [
        f"model={toy}",
        *TINY,
        *TOYS[toy],
        *((f"data.root={folders}",) if toy == "toy_cycle" else ()),
    ]


def built(toy, *overrides):
    """The game of a toy, tiny."""
    import hydra
    from omegaconf import OmegaConf

    from gan_lab.config.groups import CONF as OURS

    with hydra.initialize_config_dir(version_base="1.3", config_dir=OURS):
        line = [f"model={toy}", *TINY, *TOYS[toy], *overrides, f"hydra.searchpath=[file://{CONF}]"]
        config = hydra.compose("train", line)
    return build(OmegaConf.to_container(config, resolve=True)).game


def reals(toy="toy_projection"):
    """Batches of noise as the data of a toy has them."""
    if toy != "toy_cycle":
        yield from batches(8, resolution=16)
    streams = (batches(8, channels=3, resolution=16, seed=seed) for seed in (0, 1))
    for a, b in zip(*streams, strict=True):
        yield {"images_a": a["images"], "images_b": b["images"]}


@pytest.mark.parametrize(("toy", "cut"), [*((toy, 3) for toy in TOYS), ("toy_growing", 2)])
def test_a_resume_is_exact(toy, cut):
    stream, whole = reals(toy), built(toy)
    play_rounds(whole, stream, 6)
    stream, first, second = reals(toy), built(toy), built(toy)
    play_rounds(first, stream, cut)
    second.restore(copy.deepcopy(first.snapshot()))
    play_rounds(second, stream, 6 - cut)
    assert differing(weights(whole), weights(second)) == set()


@EACH
def test_a_batch_in_parts_does_the_same(toy):
    one, two = built(toy), built(toy, "accumulate=2")
    for game in (one, two):
        play_rounds(game, reals(toy), 5)
    for name, value in weights(one).items():
        assert_close(weights(two)[name], value, rtol=2e-4, atol=2e-5, msg=name)


@EACH
def test_recorded_steps_do_the_same(toy):
    eager, captured = built(toy), taped(built(toy))
    for game in (eager, captured):
        play_rounds(game, reals(toy), 12)
    assert not any("not captured" in text for text in captured.said)
    steps = {step.name for step in eager.phase.steps}
    assert steps <= steps_replayed(captured)
    same(eager, captured)


@pytest.fixture(scope="module", params=list(TOYS))
def trained(request, tmp_path_factory, folders):
    """A run of a few rounds from the command line."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    line = line_of(request.param, folders)
    assert main([f"--config-dir={CONF}", *line, f"hydra.run.dir={folder}"]) == 0
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


@pytest.mark.parametrize("trained", ["toy_cycle"], indirect=True)
def test_what_is_for_latents_is_refused_where_samples_are_made_of_images(trained, capsys):
    how = [f"run={trained}", ALLOWED]
    assert sample([*how, "truncation=0.5"]) == 2
    assert (
        "truncation=0.5: is for latents, and this run's model makes its samples of images"
        in capsys.readouterr().err
    )
    assert interpolate([*how, "seeds=0,1"]) == 2
    assert "seeds: is for latents" in capsys.readouterr().err


@pytest.mark.parametrize("trained", ["toy_cycle"], indirect=True)
def test_a_translation_shows_what_it_was_made_of(trained, tmp_path, capsys):
    model = gan_lab.load(trained, allow_targets=["tests."])
    shown = model.game.picture(12)
    assert (shown.count, shown.columns) == (12, 2)
    rows = model.sample(12, **shown.ask).unflatten(0, (6, 2))
    kept = [getattr(model.game, f"kept_{kind}")[:2].float() / 127.5 - 1 for kind in ("a", "b")]
    assert kept[0].mean() < kept[1].mean(), "the first kind is dark"
    networks = [model.networks[way] for way in ("ab", "ba")]
    for half, first, second in ((rows[:3], *networks), (rows[3:], *networks[::-1])):
        source, translated, back = half
        assert torch.equal(source, kept[0 if first is networks[0] else 1])
        assert_close(translated, first(source))
        assert_close(back, second(translated), rtol=1e-4, atol=1e-5)
    assert torch.equal(model.sample(2, seed=3), model.sample(5)[3:])
    how = [f"run={trained}", ALLOWED, f"out={tmp_path}/all.png"]
    assert sample([*how, "ask.direction=b to a", "ask.view=all", "num=2"]) == 0
    with Image.open(tmp_path / "all.png") as picture:
        assert picture.size == (2 * 18 + 2, 3 * 18 + 2), (
            "a row of sources, translations, and these back"
        )
    assert sample([*how, "ask.viev=0", "overwrite=true"]) == 2
    assert "it may be asked for direction, view; did you mean view?" in capsys.readouterr().err


def test_a_pool_gives_back_half_of_its_images():
    pool = ImagePool(4, (1, 1, 1))
    images = torch.arange(1.0, 9.0).view(8, 1, 1, 1)
    first = pool(images[:4], torch.rand(4, 2))
    assert torch.equal(first, images[:4]), "a pool that fills gives back what it gets"
    chances = torch.tensor([[0.3, 0.4], [0.9, 0.6], [0.3, 0.1], [0.0, 0.0]])
    given = pool(images[4:], chances).flatten().tolist()
    assert given == [2, 6, 5, 1], "by turns: an old one, the new one, one of this batch, an old one"
    assert pool.images.flatten().tolist() == [8, 7, 3, 4]
    assert pool.held == 4


def test_two_streams_resume_from_the_command_line(folders, tmp_path):
    line = [*line_of("toy_cycle", folders), "metrics=none", "samples.num=1"]
    runs = {name: tmp_path / name for name in ("straight", "halves")}
    command = [f"--config-dir={CONF}", *line]
    assert main([*command, "max_rounds=5", f"hydra.run.dir={runs['straight']}"]) == 0
    assert main([*command, "max_rounds=2", f"hydra.run.dir={runs['halves']}"]) == 0
    assert main([f"resume={runs['halves']}", "max_rounds=5", ALLOWED]) == 0
    (state, straight), (other, halves) = (
        tensors(run / "checkpoints/last.ckpt") for run in runs.values()
    )
    assert state["clock"] == other["clock"]
    assert torch.equal(straight, halves)


def test_layers_whose_turn_has_not_come_rest():
    game = built("toy_growing")
    before = weights(play_rounds(game, reals(), 1))
    after = weights(play_rounds(game, reals(), 1))
    resting = [
        name
        for name in before
        if name.startswith("networks/") and torch.equal(before[name], after[name])
    ]
    newest = [
        name
        for name in before
        if name.startswith("networks/") and re.search(r"(layers|colours)\.1\.", name)
    ]
    # Wasserstein's gradient of the last bias is 0: what reals add, fakes take.
    assert set(resting) - {"networks/discriminator.last.bias"} == set(newest)
    assert newest
    grown = weights(play_rounds(game, reals(), 2))
    assert all(not torch.equal(grown[name], before[name]) for name in newest)


def test_reals_are_pooled_and_faded_as_the_images_grow():
    game = built("toy_growing")
    seen = []
    loss = game.discriminator.forward
    game.discriminator.forward = lambda images, **how: (
        seen.append((images, how)) or loss(images, **how)
    )
    stream = reals()
    for side, alpha in ((8, 1), (8, 1), (16, 0), (16, 1 / 3)):
        before, batch = len(seen), next(stream)
        play_rounds(game, iter([batch]), 1)
        images, how = seen[before]
        assert (images.shape[-1], how["alpha"]) == (side, pytest.approx(alpha))
        small = batch["images"].unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
        blocks = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
        expected = small if side == 8 else blocks * (1 - alpha) + batch["images"] * alpha
        assert_close(images, expected)


@pytest.mark.parametrize("trained", ["toy_growing"], indirect=True)
def test_a_loaded_run_samples_at_the_resolution_that_it_has_grown_to(trained, folders, tmp_path):
    model = gan_lab.load(trained, allow_targets=["tests."])
    assert model.shape == (1, 16, 16)
    assert model.game.alpha_at(model.images_seen) == pytest.approx(2 / 3)
    line = [
        f"--config-dir={CONF}",
        *line_of("toy_growing", folders),
        f"hydra.run.dir={tmp_path}/early",
        "metrics=none",
    ]
    # 4 images in each batch of the first phase: it lasts for 4 rounds.
    assert main([*line, "model.first_batch=4", "max_rounds=3"]) == 0
    early = gan_lab.load(tmp_path / "early", allow_targets=["tests."])
    assert (early.shape, early.images_seen) == ((1, 8, 8), 12)


def test_a_resolution_that_cannot_be_reached_by_doubling_is_told():
    with pytest.raises(ConfigError, match=r"data\.resolution=24: grows by doubling from 8"):
        built("toy_growing", "data.resolution=24")


def test_the_chance_of_augmentation_follows_the_sign_of_the_reals():
    whole, halves = built("toy_ada"), built("toy_ada", "accumulate=2")
    for game in (whole, halves):
        judge, signs = game.discriminator, []
        judge.register_forward_hook(lambda _, __, out, s=signs: s.append(out.logits.sign()))
        part = game.augment.parts["toy_ada"]
        play_rounds(game, reals(), 1)
        of_reals = torch.cat(signs[: 2 * game.options.accumulate : 2])
        assert len(of_reals) == 8
        up = 1 if of_reals.mean() > part.target else -1
        assert part.p.item() == pytest.approx(0.4 + 0.03 * up)
    images = torch.randn(64, 1, 16, 16)
    part.p.fill_(0.0)
    assert torch.equal(part(images, Uniform()), images)
    part.p.fill_(1.0)
    assert not (part(images, Uniform()) == images).all(dim=(1, 2, 3)).any()


class Uniform:
    """Draws as a play does."""

    def uniform(self, purpose, shape):
        return torch.rand(shape, generator=torch.Generator().manual_seed(len(purpose)))


def test_three_families_are_combined_by_configuration_alone():
    game = built("toy_all")
    assert type(game) is GAN
    parts = [
        game.generator,
        game.discriminator,
        game.penalties["toy_path_length"],
        game.augment.parts["toy_ada"],
    ]
    assert [type(part).__module__.rpartition(".")[2] for part in parts] == [
        "style",
        "projection",
        "style",
        "ada",
    ]
    play_rounds(game, reals(), 4)
    assert game.penalties["toy_path_length"].mean > 0
    assert game.augment.parts["toy_ada"].p != 0.4
    one, two = torch.eye(10)[:2]
    z = torch.randn(1, 128)
    images = [game.generator.eval()(z, label[None]) for label in (one, two)]
    assert not torch.equal(*images)


@pytest.mark.slow
def test_flowers_of_two_kinds_are_translated(shared_data, tmp_path):
    """Real images, in the folders of CycleGAN: what the translators lose in a cycle becomes less."""
    command = [
        f"--config-dir={CONF}", *line_of("toy_cycle", shared_data / "unpaired"), "data.batch_size=4", "max_rounds=100",
        "data.resolution=32", "log_every_rounds=10", f"hydra.run.dir={tmp_path}",
    ]  # fmt: skip
    assert main(command) == 0
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    cycles = [
        record["loss/generators/cycle"] for record in records if "loss/generators/cycle" in record
    ]
    assert cycles[-1] < 0.7 * cycles[0]
    shown = gan_lab.load(tmp_path, allow_targets=["tests."]).sample(2, view=[0, 2])
    assert shown.shape == (2, 3, 32, 32)
