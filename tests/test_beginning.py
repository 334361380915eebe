"""A run that begins with another's weights: what it takes, what it says, and that it stands on its own afterwards."""

from __future__ import annotations

import shutil

import pytest
import torch
import yaml
from PIL import Image

from gan_lab.assembly.build import build_game
from gan_lab.common.errors import CheckpointError, ConfigError
from gan_lab.run.beginning import beginning
from gan_lab.storage.checkpoint import load_checkpoint, load_with_checksum
from gan_lab.storage.run_folder import RunFolder
from gan_lab.train import main
from tests.contracts.walk import composed

TINY = ["debug=tiny", "logger=none", "metrics=none", "samples.num=4"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A trained run: four rounds of narrow networks."""
    folder = tmp_path_factory.mktemp("source") / "run"
    assert main([*TINY, f"hydra.run.dir={folder}"]) == 0
    return RunFolder(folder)


def game_of(*overrides):
    config = {**composed(*TINY, *overrides), "init_origin": None}
    return build_game(config)[0], config


def given(*overrides):
    """A new run's game after it has begun, and what was said."""
    game, config = game_of(*overrides)
    found = beginning(config)
    return game, found.give(game, config)


def lower_half(grid):
    """The samples of a grid, without what is written above them."""
    picture = Image.open(grid)
    return picture.crop((0, picture.height // 2, picture.width, picture.height)).tobytes()


def test_averaged_or_raw_weights_are_taken_and_all_else_is_new(source):
    state = load_checkpoint(source.last)
    average = state["players"]["generator"]["ema"]["generator"]
    for overrides, raw in (([], False), (["init_weights=raw"], True)):
        game, said = given(f"init={source.path}", *overrides)
        for name, value in game.generator.state_dict().items():
            assert torch.equal(
                value, state["networks"][f"generator.{name}"] if raw else average[name]
            )
        for name, value in game.discriminator.state_dict().items():
            assert torch.equal(value, state["networks"][f"discriminator.{name}"])
        assert game.clock.images_seen == 0
        assert said[0].endswith(f"{'raw' if raw else 'averaged'} where there are averages.")
        assert said[1:] == [
            f"discriminator: all {len(game.discriminator.state_dict())} tensors are taken.",
            f"generator: all {len(average)} tensors are taken.",
        ]


def test_the_first_grid_is_the_other_runs_last_one_and_the_origin_is_kept(
    source, tmp_path, monkeypatch
):
    monkeypatch.chdir(source.path.parent)
    folder = RunFolder(tmp_path / "tuned")
    line = [
        *TINY,
        "init=run",
        "optimizer.generator.lr=1e-3",
        "seed=1",
        f"hydra.run.dir={folder.path}",
    ]
    assert main(line) == 0
    grids = sorted(folder.samples.glob("kimg-*.png"))
    assert lower_half(grids[0]) == lower_half(max(source.samples.glob("kimg-*.png")))
    assert lower_half(grids[0]) != lower_half(grids[-1])
    assert load_checkpoint(folder.last)["clock"]["iteration"] == 4
    config = yaml.safe_load(folder.config.read_text())
    assert config["init"] == str(source.path)
    assert config["init_origin"] == {
        "checkpoint": str(source.last), "kimg": 0.032, "checksum": load_with_checksum(source.last)[1],
    }  # fmt: skip
    assert "all" in folder.log.read_text().partition("Weights of another run: ")[2]


@pytest.mark.parametrize("sealed", [True, False])
def test_a_resume_does_not_need_the_other_run_any_more(source, tmp_path, monkeypatch, sealed):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(source.path, "old")
    line = [*TINY, "init=old", "hydra.run.dir=tuned", "max_rounds=2"]
    assert main(line) == 0
    shutil.rmtree("old")
    tuned = RunFolder(tmp_path / "tuned")
    before = yaml.safe_load(tuned.config.read_text())
    if not sealed:  # as if it came from elsewhere
        tuned.seal.unlink()
    assert main(["resume=tuned", "max_rounds=3"]) == 0
    if sealed:  # else hydra.run.dir would be a stranger's too
        assert main([*line, "resume=auto", "max_rounds=4"]) == 0
    after = yaml.safe_load(tuned.config.read_text())
    assert [after[key] for key in ("init", "init_weights", "init_origin")] == [
        before[key] for key in ("init", "init_weights", "init_origin")
    ]
    assert before["init"] == str(tmp_path / "old")


def test_another_beginning_is_refused_on_resuming(source, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(source.path, folder)
    assert main([f"resume={folder}", f"init={source.path}"]) == 2
    assert f"init={source.path}: the run that is resumed has init=None" in capsys.readouterr().err


def test_partly_matching_weights_are_told_by_name_and_count(source):
    game, said = given(f"init={source.path}", "discriminator.norm=none", "latent.dim=60")
    state = load_checkpoint(source.last)["networks"]
    words = "\n".join(said)
    assert "generator: 19 of 20 tensors are taken (" in words
    assert "these begin anew: layers.0.weight (512x60 here, 512x100 there)." in words
    assert "tensors found no place here: body.3.weight" in words
    assert "Why they do not all fit: that run has " in said[-1]
    assert "discriminator.norm=batch (here none)" in said[-1]
    assert "latent.dim=100 (here 60)" in said[-1]
    assert torch.equal(game.discriminator.body[2].weight, state["discriminator.body.2.weight"])
    assert game.generator.state_dict()["layers.0.weight"].shape == (512, 60)


def test_a_network_that_takes_nothing_begins_anew(source):
    game, said = given(f"init={source.path}", "discriminator=resnet")
    fresh, _ = game_of("discriminator=resnet")
    assert any(line.startswith("discriminator: none of its") for line in said)
    for name, value in fresh.discriminator.state_dict().items():
        assert torch.equal(game.discriminator.state_dict()[name], value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (["generator.width=16", "discriminator.width=16"], "generator.width=8 (here 16)"),
        (["data.resolution=64"], "data.resolution=32 (here 64)"),
        (
            ["generator=mlp", "discriminator=mlp"],
            "generator=DcganGenerator (here MlpGenerator)",
        ),
    ],
)
def test_sizes_that_nothing_fits_are_refused_in_a_sentence(source, change, why):
    with pytest.raises(
        ConfigError, match=r"none of its weights fit this run's generator: "
    ) as error:
        given(f"init={source.path}", *change)
    assert why in str(error.value)


def test_a_checkpoint_alone_will_do(source, tmp_path):
    file = tmp_path / "face.ckpt"
    shutil.copy(source.last, file)
    _, said = given(f"init={file}")
    assert said[0].startswith(f"Weights of another run: {file}, 0.0 kimg")


def test_damage_is_found_before_anything_is_taken(source, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(source.path, folder)
    content = bytearray(RunFolder(folder).last.read_bytes())
    content[len(content) // 2] ^= 1
    RunFolder(folder).last.write_bytes(content)
    assert main([*TINY, f"init={folder}", f"hydra.run.dir={tmp_path}/new"]) == 1
    assert "is damaged or not one of gan_lab's" in capsys.readouterr().err
    assert not list((tmp_path / "new").glob("*"))


@pytest.mark.parametrize("wrong", ["{tmp}", "{tmp}/none.ckpt", "''"])
def test_what_is_no_run_is_refused(tmp_path, wrong, capsys):
    line = [*TINY, f"init={wrong.format(tmp=tmp_path)}", f"hydra.run.dir={tmp_path}/new"]
    assert main(line) in (1, 2)
    said = capsys.readouterr().err.strip()
    assert said.startswith(("init=", str(tmp_path)))
    assert "\n" not in said
    assert not list((tmp_path / "new").glob("*"))


def test_nothing_that_the_other_runs_files_name_is_built(source, tmp_path):
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(source.path, folder.path)
    config = yaml.safe_load(folder.config.read_text())
    config["generator"] = {"_target_": "os.mkdir", "path": str(tmp_path / "made")}
    config["init"] = "/etc"
    folder.config.write_text(yaml.safe_dump(config))
    _, said = given(f"init={folder.path}")
    assert "generator: all 20 tensors are taken." in said
    assert not (tmp_path / "made").exists()
    folder.config.write_text("]broken")
    given(f"init={folder.path}")


def test_ranks_take_the_same_file(source):
    _, config = game_of(f"init={source.path}")
    origin = beginning(config).origin()
    assert beginning({**config, "init_origin": origin}).origin() == origin
    with pytest.raises(CheckpointError, match="was changed while this run began"):
        beginning({**config, "init_origin": {**origin, "checksum": "0"}})


def test_a_resumed_run_may_change_how_often_it_samples_saves_and_logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*TINY, "hydra.run.dir=run", "max_rounds=2"]) == 0
    asked = [
        "samples.every_kimg=0.008",
        "samples.num=9",
        "checkpoint.every_kimg=1",
        "checkpoint.keep=2",
    ]
    assert main(["resume=run", "max_rounds=5", "log_every_rounds=1", *asked]) == 0
    run = RunFolder("run")
    config = yaml.safe_load(run.config.read_text())
    assert config["samples"] == {"every_kimg": 0.008, "num": 9}
    assert config["callbacks"]["samples"]["num"] == 9
    assert config["log_every_rounds"] == 1
    assert len(list(run.samples.glob("kimg-*.png"))) == 5  # at 0 and 2 rounds, then after each
    assert [r["iteration"] for r in run.records() if "loss/generator" in r][-3:] == [3, 4, 5]
