"""Images of a user's own through trained models, from the command line and from Python."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import gan_lab
from gan_lab.common.errors import ConfigError
from gan_lab.export import main as export
from gan_lab.train import main as train
from gan_lab.translate import main

TINY = [
    "debug=tiny", "logger=none", "strategy=cpu", "data.resolution=32", "samples.num=6", "max_rounds=1",
    "metrics=none",
]  # fmt: skip
NARROW = [
    "generator_ab.width=4", "generator_ba.width=4", "generator_ab.blocks=1", "generator_ba.blocks=1",
    "discriminator_a.width=4", "discriminator_b.width=4", "discriminator_a.layers=1", "discriminator_b.layers=1",
]  # fmt: skip
HOLES = [
    "model=pix2pix",
    "degrade=[holes]",
    "generator.source_channels=4",
    "discriminator.source_channels=4",
]
MODELS = {
    "pairs": ["model=pix2pix", "discriminator.layers=1"],
    "cycle": ["model=cyclegan", *NARROW],
    "large": [
        "model=srgan",
        "generator.interpolated=true",
        "model.pixel_kimg=0.1",
        "data=image_folder",
    ],
    "holes": [*HOLES, "data=image_folder", "discriminator.layers=1"],
    "grey": ["model=pix2pix", "degrade=[grey]", "data=image_folder", "discriminator.layers=1"],
    "gan": ["model=dcgan", "data=image_folder"],
}
ORIENTATION = 274


def pixels(width, height, *more, seed=0):
    """Smooth noise: nothing that JPEG would change much."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, *more), dtype=np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    for name, size in (
        ("pairs/train", (64, 32)),
        ("cycle/trainA", (32, 32)),
        ("cycle/trainB", (32, 32)),
    ):
        for folder in (name, name.replace("train", "test")):
            (place / folder).mkdir(parents=True)
            for number in range(4):
                Image.fromarray(pixels(*size, 3, seed=number)).save(
                    place / folder / f"{number}.png"
                )
    return place


@pytest.fixture(scope="module")
def runs(tmp_path_factory, data):
    """Folders of tiny runs by name, trained when they are asked for."""
    place, made = tmp_path_factory.mktemp("runs"), {}

    def run(name):
        if name not in made:
            root = data / (name if name in ("pairs", "cycle") else "cycle/trainA")
            line = [*MODELS[name], *TINY, f"data.root={root}", f"hydra.run.dir={place / name}"]
            assert train(line) == 0
            made[name] = place / name
        return made[name]

    return run


@pytest.fixture
def photos(tmp_path):
    """What people have in a folder: odd sizes, grey, transparent, turned by EXIF, cut short, in an archive."""
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    Image.fromarray(pixels(51, 37, 3)).save(folder / "odd.png")
    Image.fromarray(pixels(40, 40)).save(folder / "grey.jpg")
    clear = Image.fromarray(pixels(33, 20, 3))
    clear.putalpha(Image.fromarray(pixels(33, 20, seed=5)))
    clear.save(folder / "clear.webp", lossless=True)
    turned = Image.new("RGB", (60, 20), "blue")
    exif = turned.getexif()
    exif[ORIENTATION] = 6
    turned.save(folder / "trip" / "turned.jpg", exif=exif)
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.write(folder / "odd.png", "inside.png")
    return folder


def opened(path):
    with Image.open(path) as picture:
        picture.load()
        return picture


def test_a_folder_as_people_have_it(runs, photos, tmp_path, capsys):
    whole = (photos / "odd.png").read_bytes()
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "scan.tif").write_bytes(b"of a kind that is not read")
    out = tmp_path / "out"
    assert main([f"run={runs('pairs')}", f"input={photos}", f"out={out}"]) != 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "1 of 6 images" in said
    assert "1 other file was left out (.tif)." in said
    assert "'cut.png'" in said
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*.*") if path.is_file())
    assert names == ["clear.webp", "grey.jpg", "more.zip/inside.png", "odd.png", "trip/turned.jpg"]
    assert opened(out / "odd.png").size == (51, 37)
    assert opened(out / "grey.jpg").mode == "RGB"
    assert opened(out / "trip" / "turned.jpg").size == (20, 60)
    assert np.array_equal(opened(out / "odd.png"), opened(out / "more.zip" / "inside.png"))
    clear = opened(out / "clear.webp")
    assert np.array_equal(np.array(clear)[..., 3], pixels(33, 20, seed=5)), "alpha is kept"


def test_a_file_an_archive_and_python_say_the_same(runs, photos, tmp_path):
    run, out = runs("pairs"), tmp_path / "one.png"
    assert main([f"run={run}", f"input={photos / 'odd.png'}", f"out={out}"]) == 0
    assert main([f"run={run}", f"input={photos / 'more.zip'}", f"out={tmp_path / 'zip'}"]) == 0
    assert np.array_equal(opened(out), opened(tmp_path / "zip" / "inside.png"))
    given = torch.from_numpy(pixels(51, 37, 3)).permute(2, 0, 1)[None].float() / 127.5 - 1
    made = gan_lab.load(run).translate(given)
    assert made.shape == given.shape
    shown = ((made + 1) * 127.5).round().clamp(0, 255).byte()[0].permute(1, 2, 0).cpu().numpy()
    assert np.array_equal(shown, opened(out))


def test_a_pair_is_translated_as_in_its_grids(runs, data):
    """What the run's own samples show is what `translate` makes of the same source."""
    model = gan_lab.load(runs("pairs"))
    kept = model.game.kept_partner.float() / 127.5 - 1
    assert_close(model.translate(kept), model.sample(len(kept)), rtol=0, atol=1e-5)


def test_each_direction_is_that_of_its_network(runs):
    model = gan_lab.load(runs("cycle"))
    given = torch.rand(2, 3, 32, 32) * 2 - 1
    there = model.translate(given, direction="AtoB")
    assert_close(there, model.networks["ab"](given), rtol=0, atol=1e-5)
    assert_close(model.translate(given), there, rtol=0, atol=0)
    back = model.translate(given, direction="b to a")
    assert_close(back, model.networks["ba"](given), rtol=0, atol=1e-5)
    with pytest.raises(ConfigError, match="a to b, b to a"):
        model.translate(given, direction="AtoC")
    with pytest.raises(ConfigError, match="not asked for that"):
        gan_lab.load(runs("pairs")).translate(given, direction="AtoB")


def test_enlarged_images_are_larger_and_score_against_targets(runs, photos, tmp_path, capsys):
    run, large = runs("large"), tmp_path / "true"
    for name, size in (("odd.png", (204, 148)), ("clear.webp", (132, 80))):
        large.mkdir(exist_ok=True)
        Image.fromarray(pixels(*size, 3)).save(large / name)
    (photos / "grey.jpg").unlink()
    (photos / "more.zip").unlink()
    (photos / "trip" / "turned.jpg").unlink()
    line = [f"run={run}", f"input={photos}", f"out={tmp_path / 'out'}", f"target={large}"]
    assert main(line) == 0
    assert opened(tmp_path / "out" / "clear.webp").size == (132, 80)
    said = dict(line.split(" ") for line in capsys.readouterr().out.splitlines() if " " in line)
    made = [
        np.array(opened(tmp_path / "out" / name).convert("RGB")).astype(float) / 255
        for name in ("clear.webp", "odd.png")
    ]
    true = [
        np.array(opened(large / name)).astype(float) / 255 for name in ("clear.webp", "odd.png")
    ]
    l1 = np.mean([abs(a - b).mean() for a, b in zip(made, true, strict=True)])
    psnr = np.mean([-10 * np.log10(((a - b) ** 2).mean()) for a, b in zip(made, true, strict=True)])
    assert float(said["l1"]) == pytest.approx(l1, rel=1e-4)
    assert float(said["psnr"]) == pytest.approx(psnr, rel=1e-4)
    assert {"ssim", "perceptual"} <= said.keys()


def test_holes_are_filled_where_an_image_is_transparent(runs, tmp_path, capsys):
    picture = Image.fromarray(pixels(40, 48, 3))
    alpha = np.full((48, 40), 255, dtype=np.uint8)
    alpha[10:20, 5:30] = 0
    picture.putalpha(Image.fromarray(alpha))
    (tmp_path / "in").mkdir()
    picture.save(tmp_path / "in" / "hole.png")
    Image.fromarray(pixels(40, 48, 3)).save(tmp_path / "in" / "whole.png")
    out = tmp_path / "out"
    assert main([f"run={runs('holes')}", f"input={tmp_path / 'in'}", f"out={out}"]) != 0
    assert "'whole.png': the model fills holes" in capsys.readouterr().err
    found, given = np.array(opened(out / "hole.png")), pixels(40, 48, 3)
    assert found.shape == (48, 40, 3), "what is filled is not transparent"
    assert np.array_equal(found[alpha == 255], given[alpha == 255])
    assert not np.array_equal(found[alpha == 0], given[alpha == 0])


def test_colours_are_taken_away_before_they_are_made(runs):
    model = gan_lab.load(runs("grey"))
    given = torch.rand(1, 3, 32, 32) * 2 - 1
    grey = (given * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    assert_close(
        model.translate(given), model.translate(grey.expand(-1, 3, -1, -1)), rtol=0, atol=1e-5
    )


def test_a_large_image_is_cut_and_a_side_scaled(runs, tmp_path):
    Image.fromarray(pixels(150, 90, 3)).save(tmp_path / "in.png")
    run, line = runs("cycle"), [f"run={runs('cycle')}", f"input={tmp_path / 'in.png'}"]
    assert main([*line, f"out={tmp_path / 'tiles.png'}", "tile=32", "overlap=8"]) == 0
    assert main([*line, f"out={tmp_path / 'whole.png'}"]) == 0
    tiles, whole = opened(tmp_path / "tiles.png"), opened(tmp_path / "whole.png")
    assert tiles.size == whole.size == (150, 90)
    assert not np.array_equal(tiles, whole), "instance norm looks at all of a tile"
    assert main([*line, f"out={tmp_path / 'small.png'}", "side=30"]) == 0
    assert opened(tmp_path / "small.png").size == (50, 30)
    assert run.is_dir()


def test_a_video_frame_by_frame(runs, tmp_path):
    av = pytest.importorskip("av", reason="the extra [video] is not installed")
    from gan_lab.media.films import save_film

    frames = [Image.fromarray(pixels(48, 32, 3, seed=number)) for number in range(5)]
    save_film(iter(frames), tmp_path / "in.mp4", fps=10)
    out = tmp_path / "out.mp4"
    assert main([f"run={runs('pairs')}", f"input={tmp_path / 'in.mp4'}", f"out={out}"]) == 0
    with av.open(str(out)) as film:
        stream = film.streams.video[0]
        assert (stream.width, stream.height, float(stream.average_rate)) == (48, 32, 10)
        assert len(list(film.decode(video=0))) == 5


@pytest.mark.parametrize(
    ("run", "more", "said"),
    [
        ("gan", [], "makes images of random numbers"),
        ("pairs", ["tile=33"], "multiples of 32"),
        ("pairs", ["tile=64", "overlap=40"], "32 or less"),
        ("pairs", ["target=nowhere"], "target=nowhere"),
        ("pairs", ["ask.colour=red"], "colour=red"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(runs, photos, tmp_path, capsys, run, more, said):
    line = [f"run={runs(run)}", f"input={photos}", f"out={tmp_path / 'out'}"]
    assert main([*line, *more]) != 0
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert said in told
    assert not (tmp_path / "out").exists()


def test_nothing_is_replaced_without_a_word(runs, photos, tmp_path, capsys):
    run = f"run={runs('pairs')}"
    assert main([run]) != 0
    assert main([run, f"input={tmp_path / 'nothing'}"]) != 0
    for out in (photos, photos / "trip"):
        assert main([run, f"input={photos}", f"out={out}", "overwrite=true"]) != 0
    assert main([run, f"input={photos / 'odd.png'}", f"out={photos}", "overwrite=true"]) != 0
    line = [run, f"input={photos}", f"out={tmp_path / 'out'}"]
    assert main(line) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.png")}
    capsys.readouterr()
    assert main(line) != 0
    assert "is there already" in capsys.readouterr().err
    assert main([*line, "overwrite=true"]) == 0
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("run", "format", "more"),
    [
        ("pairs", "onnx", []),
        ("cycle", "torch", ["direction=BtoA"]),
        ("large", "onnx", []),
        ("holes", "torch", []),
    ],
)
def test_an_exported_file_translates_images_of_any_size(runs, tmp_path, run, format, more):
    if format == "onnx":
        onnxruntime = pytest.importorskip(
            "onnxruntime", reason="the extra [export] is not installed"
        )
    out = tmp_path / "file"
    assert export([f"run={runs(run)}", f"format={format}", f"out={out}", *more]) == 0
    model = gan_lab.load(runs(run))
    module = model.translation(direction="BtoA") if more else model.generator
    given = torch.rand(3, module.channels, 96, 160) * 2 - 1
    if format == "onnx":
        session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
        (name,) = (one.name for one in session.get_inputs())
        made = torch.from_numpy(session.run(None, {name: given.numpy()})[0])
    else:
        made = torch.export.load(out).module()(given)
    assert_close(made, module(given), rtol=0, atol=1e-4)
