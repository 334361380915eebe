"""Walks between images and time lapses, each opened again by a reader that did not write it."""

from __future__ import annotations

import contextlib
import importlib.util
import re

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import gan_lab
from gan_lab import interpolate, timelapse
from gan_lab.common.errors import GanLabError
from gan_lab.media.films import save_film
from gan_lab.media.grid_facts import read_samples
from gan_lab.media.images import to_uint8
from gan_lab.train import main

TINY = ["debug=tiny", "logger=none", "metrics=none"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with normal latents and a grid for each round."""
    folder = tmp_path_factory.mktemp("runs") / "normal"
    options = ["model=wgan_gp", "max_rounds=4", "samples.every_kimg=0.001", "samples.num=4"]
    assert main([*TINY, *options, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def uniform(tmp_path_factory):
    """A finished run with uniform latents."""
    folder = tmp_path_factory.mktemp("runs") / "uniform"
    assert main([*TINY, "model=dcgan", "max_rounds=1", f"hydra.run.dir={folder}"]) == 0
    return folder


def video(path):
    """Frames (N, H, W, 3), frames per second and seconds, read by ffmpeg as a program; PyAV is a library."""
    reader = pytest.importorskip("imageio_ffmpeg").read_frames(str(path))
    about = next(reader)
    width, height = about["size"]
    frames = [np.frombuffer(one, np.uint8).reshape(height, width, 3) for one in reader]
    return np.stack(frames).astype(int), about


def moving(path):
    """Frames (N, H, W, 3) and milliseconds of each, read by Pillow."""
    frames, times = [], []
    with Image.open(path) as film:
        assert film.info.get("loop") == 0, "it begins again"
        for frame in ImageSequence.Iterator(film):
            frames.append(np.asarray(frame.convert("RGB")).astype(int))
            times.append(film.info["duration"])
    return np.stack(frames), times


def own_pixels(grid):
    """A grid's samples without their enlargement, cut out by hand, with a white line between them."""
    picture, facts = read_samples(grid)
    assert (facts.columns, facts.rows, facts.tile, facts.scale) == (2, 2, (32, 32), 3)
    pixels = np.asarray(picture)
    found = np.full((65, 65, 3), 255, np.uint8)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        top, left = (2 + at * (96 + 2) + 1 for at in (row, column))
        found[33 * row : 33 * row + 32, 33 * column : 33 * column + 32] = pixels[
            top : top + 96 : 3, left : left + 96 : 3
        ]
    return Image.fromarray(found)


def grey(images):
    return to_uint8(images[:, 0]).numpy().astype(int)


def seen_at(model, seed):
    return grey(model.sample(1, seed=seed))[0]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_a_film_passes_its_seeds(run, tmp_path, suffix, capsys):
    out = tmp_path / f"walk{suffix}"
    command = [f"run={run}", "seeds=3,17,40", "frames=5", "fps=8", "scale=2", f"out={out}"]
    assert interpolate.main(command) == 0
    assert capsys.readouterr().out == f"{out}\n"
    frames, times = moving(out)
    assert frames.shape == (11, 64, 64, 3)
    assert sum(times) == pytest.approx(11 / 8 * 1000, abs=10)
    model = gan_lab.load(run)
    for at, seed in ((0, 3), (5, 17), (10, 40)):
        expected = np.kron(seen_at(model, seed), np.ones((2, 2)))
        assert np.abs(frames[at, :, :, 0] - expected).max() <= 1
    # Halfway is what the textbook's formula gives, drawn without the command.
    a, b = model.latents_of([3, 17]).double().numpy()
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    turned = np.sin(0.6 * angle) * a / np.linalg.norm(a) + np.sin(0.4 * angle) * b / np.linalg.norm(
        b
    )
    z = turned / np.sin(angle) * (0.6 * np.linalg.norm(a) + 0.4 * np.linalg.norm(b))
    halfway = grey(model.generate(torch.from_numpy(z)[None].float()))[0]
    assert np.abs(frames[2, ::2, ::2, 0] - halfway).max() <= 1


def test_a_video_is_read_by_another_library(run, tmp_path):
    pytest.importorskip("av")
    out = tmp_path / "walk.mp4"
    command = [
        f"run={run}",
        "seeds=3,17,40",
        "frames=5",
        "fps=8",
        "loop=true",
        "scale=4",
        f"out={out}",
    ]
    assert interpolate.main(command) == 0
    frames, about = video(out)
    assert about["fps"] == 8
    assert about["codec"] == "h264"
    assert about["pix_fmt"].startswith("yuv420p")
    assert frames.shape == (15, 128, 128, 3), "a loop ends one step before its beginning"
    model = gan_lab.load(run)
    for at, seed in ((0, 3), (5, 17), (10, 40)):
        expected = np.kron(seen_at(model, seed), np.ones((4, 4)))
        assert np.abs(frames[at, :, :, 0] - expected).mean() < 3
        assert np.abs(frames[at - 2, :, :, 0] - expected).mean() > 3 or at == 0
    assert [file.name for file in tmp_path.iterdir()] == ["walk.mp4"]


def test_colours_of_a_video(tmp_path):
    pytest.importorskip("av")
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 60), (30, 60, 90), (255, 255, 255)]
    frame = np.zeros((64, 33 * len(colours), 3), np.uint8)
    for index, colour in enumerate(colours):
        frame[:, 33 * index : 33 * index + 33] = colour
    save_film([Image.fromarray(frame)] * 3, tmp_path / "x.mp4", fps=12.5)
    frames, about = video(tmp_path / "x.mp4")
    assert about["fps"] == 12.5
    assert "smpte170m" in about["pix_fmt"], "players are told how the colours were converted"
    for index, colour in enumerate(colours):
        assert np.abs(frames[2, 32, 33 * index + 16] - colour).max() <= 4


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_film_that_finds_no_room_leaves_what_was_there(
    run, tmp_path, monkeypatch, capsys, suffix
):
    out = tmp_path / f"walk{suffix}"
    out.write_bytes(b"mine")

    @contextlib.contextmanager
    def full(path):
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr("gan_lab.media.films.whole_file", full)
    command = [f"run={run}", "seeds=1,2", "frames=2", f"out={out}", "overwrite=true"]
    assert interpolate.main(command) == 1
    assert f"out={out}: the walk cannot be written ([Errno 28]" in capsys.readouterr().err
    assert out.read_bytes() == b"mine"


def test_a_film_that_an_encoder_refuses_is_a_sentence(tmp_path):
    pytest.importorskip("av")
    wide = Image.new("RGB", (20_000, 2))
    with pytest.raises(GanLabError, match=r"x.mp4: mp4 cannot hold this film"):
        save_film([wide, wide], tmp_path / "x.mp4", fps=5)
    assert not list(tmp_path.iterdir())


def test_a_picture_shows_all_steps_of_each_walk(uniform, tmp_path):
    out = tmp_path / "walk.png"
    command = [f"run={uniform}", "seeds=0-3", "walks=2", "frames=3", "scale=1", f"out={out}"]
    assert interpolate.main(command) == 0
    strip = np.asarray(Image.open(out).convert("L")).astype(int)
    assert strip.shape == (2 * 34 + 2, 4 * 34 + 2)
    model = gan_lab.load(uniform)
    for row, column, seed in ((0, 0, 0), (0, 3, 1), (1, 0, 2), (1, 3, 3)):
        found = strip[2 + row * 34 :, 2 + column * 34 :][:32, :32]
        assert np.abs(found - seen_at(model, seed)).max() <= 1
    # A third of the way between two uniform latents, by numpy alone.
    z = torch.erf(model.latents_of([0, 1]).double() * 0.5**0.5)
    third = torch.erfinv(z[0] * 2 / 3 + z[1] / 3)[None] * 2**0.5
    expected = grey(model.generate(third.float()))[0]
    assert np.abs(strip[2:34, 36:68] - expected).max() <= 1


def test_walks_lie_side_by_side_in_a_film(run, tmp_path, capsys):
    command = [f"run={run}", "seeds=0-7", "walks=4", "frames=2", "scale=1", "truncation=0.5"]
    assert interpolate.main(command) == 0
    out = run / "generated" / "last-walk-0-7-frames-2-walks-4-truncation-0.5-scale-1.gif"
    assert capsys.readouterr().out == f"{out}\n"
    frames, _ = moving(out)
    assert frames.shape == (3, 70, 70, 3)
    model = gan_lab.load(run)
    expected = grey(model.sample(1, seed=7, truncation=0.5))[0]
    assert np.abs(frames[2, 36:68, 36:68, 0] - expected).max() <= 1


def test_a_film_is_large_enough_to_be_seen(run, tmp_path):
    assert (
        interpolate.main([f"run={run}", "seeds=1,2", "frames=1", f"out={tmp_path / 'x.gif'}"]) == 0
    )
    assert Image.open(tmp_path / "x.gif").size == (128, 128)


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        (interpolate, [], "seeds=: say which images the walk passes, such as seeds=3,17,40."),
        (interpolate, ["seeds=3"], "1 seeds cannot be dealt out into 1 walks of equally many"),
        (interpolate, ["seeds=0-4", "walks=2"], "at least two; give 6."),
        (interpolate, ["seeds=1,2", "frames=0"], "frames=0: must lie in [1, inf)."),
        (interpolate, ["seeds=1,2", "frames=1000000"], "more than 100,000; take fewer steps"),
        (interpolate, ["seeds=1,2", "fps=0"], "fps=0: must lie in (0, 60]."),
        (interpolate, ["seeds=1,2", "out=walk.mov"], "pictures with the suffix .mov cannot be"),
        (interpolate, ["seeds=1,2", "out=there.png"], "there.png: it is there already; choose"),
        (timelapse, ["out=film.png"], "out=film.png: .png is no film; use one of .mp4, .gif, .webp"),
        (timelapse, ["out=film"], "out=film: a name without a suffix is no film"),
        (timelapse, ["out=there.gif"], "there.gif: it is there already"),
        (timelapse, ["out=x.gif", "frames=1"], "frames=1: must lie in [2, inf)."),
        (timelapse, ["sacle=2"], "sacle: no such option; did you mean scale?"),
    ],
)  # fmt: skip
def test_errors_are_one_sentence(run, tmp_path, monkeypatch, command, options, said, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("there.png", "there.gif"):
        (tmp_path / name).write_bytes(b"mine")
    assert command.main([f"run={run}", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {b"mine"}


def test_a_video_without_its_package_is_a_sentence(run, tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "av" else find(name, *a)
    )
    for command, options in ((interpolate, ["seeds=1,2"]), (timelapse, [])):
        assert command.main([f"run={run}", *options, f"out={tmp_path / 'x.mp4'}"]) == 2
        said = capsys.readouterr().err
        assert "the package av, which writes mp4, is not installed; install it" in said
        assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_time_lapse_shows_every_grid(run, tmp_path, capsys):
    grids = sorted((run / "samples").glob("kimg-*.png"))
    assert len(grids) == 5
    assert timelapse.main([f"run={run}", "fps=4", "hold=1.5", "scale=2"]) == 0
    out = run / "generated" / "timelapse.gif"
    assert capsys.readouterr().out == f"{out}\n"
    frames, times = moving(out)
    assert times == [250, 250, 250, 250, 1750], "the last one is held"
    side = 2 * (
        2 * 32 + 1
    )  # two samples of 32 pixels, whatever the grid's own scale, and a line between them
    above = frames.shape[1] - side
    assert frames.shape == (5, side + above, side, 3)
    for frame, grid in zip(frames, grids, strict=True):
        expected = np.asarray(own_pixels(grid)).astype(int)
        assert np.abs(frame[above::2, ::2] - expected).max() <= 2
        assert frame[:above].min() < 100, "its kimg stands above"
    assert np.abs(frames[1, :above] - frames[0, :above]).max() > 100, "and changes"


def test_a_time_lapse_as_video_of_some_grids(run, tmp_path):
    pytest.importorskip("av")
    out = tmp_path / "training.mp4"
    assert timelapse.main([f"run={run}", "fps=5", "hold=1", "frames=3", f"out={out}"]) == 0
    frames, about = video(out)
    assert about["fps"] == 5
    assert len(frames) == 3 + 5
    assert np.abs(frames[-1] - frames[2]).mean() < 2, "the last grid stays"
    grids = sorted((run / "samples").glob("kimg-*.png"))
    last = np.asarray(own_pixels(grids[-1]).resize((260, 260), 0)).astype(int)
    assert np.abs(frames[-1][-260:, :260] - last).mean() < 6


def test_a_moving_picture_of_many_grids_stays_small(tmp_path):
    (tmp_path / "config.yaml").write_text("{}")
    (tmp_path / "samples").mkdir()
    for kimg in range(110):
        Image.new("L", (16, 16), 2 * kimg).save(tmp_path / "samples" / f"kimg-{kimg:06}.000.png")
    assert timelapse.main([f"run={tmp_path}", "scale=1"]) == 0
    frames, _ = moving(tmp_path / "generated" / "timelapse.gif")
    shown = frames[:, -16:, :16].mean(axis=(1, 2, 3))
    assert len(shown) == 100
    assert (shown[0], shown[-1]) == pytest.approx((0, 218), abs=2)
    options = [f"run={tmp_path}", "scale=1", "frames=105", "overwrite=true"]
    assert timelapse.main([*options, f"out={tmp_path / 'long.gif'}"]) == 0
    assert len(moving(tmp_path / "long.gif")[0]) == 105


def test_grids_of_several_sizes_and_broken_ones(run, tmp_path, capsys):
    for name in ("config.yaml", "samples"):
        (tmp_path / name).mkdir() if name == "samples" else (tmp_path / name).write_text("{}")
    assert timelapse.main([f"run={tmp_path}"]) == 1
    assert (
        "no grid is there yet; training saves one each samples.every_kimg"
        in capsys.readouterr().err
    )
    Image.new("L", (70, 70)).save(tmp_path / "samples" / "kimg-000000.000.png")
    Image.new("L", (104, 104)).save(tmp_path / "samples" / "kimg-000001.500.png")
    assert timelapse.main([f"run={tmp_path}", "scale=1"]) == 0
    frames, _ = moving(tmp_path / "generated" / "timelapse.gif")
    assert frames.shape[2] == 104
    assert frames[0, -104:, 80:].min() == 255, "white beside the smaller one"
    assert frames[1, -104:].max() == 0
    (tmp_path / "samples" / "kimg-000002.000.png").write_bytes(b"no picture")
    assert timelapse.main([f"run={tmp_path}"]) == 1
    said = capsys.readouterr().err
    assert re.search(r"kimg-000002\.000\.png: cannot be read as a picture; remove it\.\n$", said)
    assert "Traceback" not in said
