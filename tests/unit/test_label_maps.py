"""Photographs with class maps: numbers stay numbers from the file to the networks, and what is no map is refused."""

from __future__ import annotations

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

import gan_lab
from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.columns import ClassMaps
from gan_lab.data.decoding.bad import BadImageError
from gan_lab.data.decoding.maps import MapRules, decode_map
from gan_lab.data.sets.labels import Labels
from gan_lab.data.stream.together import batches_of
from gan_lab.games.class_maps import as_images, coloured, from_images, maps_of, palette, planes_of
from gan_lab.train import main
from gan_lab.translate import main as translate
from gan_lab.translating.given import listed, read
from tests.contracts.walk import built

CPU = torch.device("cpu")
CLASSES = 5


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))


def bytes_of(image, kind="PNG"):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def in_palette(numbers):
    image = Image.fromarray(numbers)
    image.putpalette([(7 * n) % 256 for n in range(768)])
    assert image.mode == "P"
    return image


def save_labels(root, *, side=16, count=8, tests=4, unlabelled=True):
    """Photographs whose red is their class times 40, and their maps, every other one with a palette."""
    draw = np.random.default_rng(0)
    for split, many in (("train", count), ("test", tests)):
        for kind in ("img", "label"):
            (root / f"{split}_{kind}").mkdir(parents=True)
        for number in range(many):
            blocks = draw.integers(0, CLASSES, (4, 4), dtype=np.uint8)
            if unlabelled:
                blocks[0, 0] = 255
            numbers = blocks.repeat(side // 4, 0).repeat(side // 4, 1)
            photo = np.stack([numbers.astype(int) * 40 % 256] * 3, axis=-1).astype(np.uint8)
            Image.fromarray(photo).save(root / f"{split}_img" / f"{number}.png")
            image = in_palette(numbers) if number % 2 else Image.fromarray(numbers)
            image.save(root / f"{split}_label" / f"{number}.png")
    return root


@pytest.mark.parametrize("kind", ["grey", "palette", "16 bits", "two colours"])
def test_numbers_are_read_as_they_are(kind):
    numbers = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
    numbers[1, 2] = 255
    image = {
        "grey": lambda: Image.fromarray(numbers),
        "palette": lambda: in_palette(numbers),
        "16 bits": lambda: Image.fromarray(numbers.astype(np.uint16)),
        "two colours": lambda: Image.fromarray(numbers == 1),
    }[kind]()
    found = decode_map(bytes_of(image), MapRules(3))
    wanted = numbers == 1 if kind == "two colours" else numbers
    assert torch.equal(found, torch.from_numpy(wanted.astype(np.uint8))[None])


def test_another_number_may_stand_for_no_class():
    numbers = np.array([[0, 1], [9, 2]], np.uint8)
    data = bytes_of(Image.fromarray(numbers))
    assert decode_map(data, MapRules(3, 9)).tolist() == [[[0, 1], [255, 2]]]
    assert decode_map(data, MapRules(10, 0)).tolist() == [[[255, 1], [9, 2]]]


PICTURE = Image.fromarray(np.full((4, 4, 3), 9, np.uint8))
BAD = {
    "colours": (bytes_of(PICTURE), r"is a picture in colours or with transparency \(RGB\)"),
    "jpeg": (bytes_of(PICTURE.convert("L"), "JPEG"), "is no PNG"),
    "class": (bytes_of(PICTURE.convert("L")), r"holds the class 9, and data.classes=5 knows 0 to 4"),
    "empty": (b"", "is empty"),
    "cut": (bytes_of(PICTURE.convert("L"))[:-9], "truncated"),
    "large": (bytes_of(Image.new("L", (400, 400))), "more than data.max_pixels=90000 allows"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BAD))
def test_what_is_no_class_map_says_why(name):
    data, why = BAD[name]
    with pytest.raises(BadImageError, match=why):
        decode_map(data, MapRules(CLASSES), max_pixels=90_000)


def test_a_set_holds_photographs_and_numbers_that_stay_together(tmp_path):
    source = Labels(root=str(save_labels(tmp_path / "data")), resolution=16, classes=CLASSES)
    assert source.facts["classes"] == ("0", "1", "2", "3", "4")
    assert source.facts["map_classes"] == source.facts["source_channels"] == CLASSES
    assert "label_dim" not in source.facts
    images = source.load("train")
    maps = images.beside["partner"]
    assert isinstance(maps, ClassMaps)
    assert maps.values.dtype == torch.uint8
    assert maps.values.shape == (8, 1, 16, 16)
    assert set(maps.values.unique().tolist()) == {0, 1, 2, 3, 4, 255}
    settings = {"batch_size": 4, "seed": 0, "flip": True, "device": CPU}
    for jitter in (1.0, 1.25):
        for batch in itertools.islice(batches_of(images, jitter=jitter, **settings), 4):
            red = (batch["images"][:, :1] * 127.5 + 127.5) / 40
            known = (batch["partner"] != 255) & ((red - red.round()).abs() < 0.02)
            assert set(batch["partner"].unique().tolist()) <= {0, 1, 2, 3, 4, 255}
            assert known.float().mean() > (0.9 if jitter == 1 else 0.2)
            assert torch.equal(red.round()[known].to(torch.uint8), batch["partner"][known])
    other = Labels(root=source.root, resolution=8, classes=CLASSES, unlabelled=0).load
    with pytest.raises(
        DataError, match=r"train_label/0.png' holds the class 255, .*; mend or remove it"
    ):
        other("train")


def test_maps_are_resized_to_the_nearest_and_padded_with_no_class(tmp_path):
    root = tmp_path / "data"
    for kind in ("img", "label"):
        (root / kind).mkdir(parents=True)
    numbers = np.zeros((8, 16), np.uint8)
    numbers[:, 8:] = 4
    Image.fromarray(numbers).save(root / "label" / "1.png")
    Image.fromarray(np.stack([numbers * 40] * 3, axis=-1)).save(root / "img" / "1.jpg")
    seen = {
        crop: Labels(root=str(root), resolution=8, classes=CLASSES, crop=crop).load("train")
        for crop in ("none", "fit", "center")
    }
    maps = {crop: images.beside["partner"].values[0, 0].tolist() for crop, images in seen.items()}
    assert maps["none"] == maps["center"] == [[0] * 4 + [4] * 4] * 8
    assert maps["fit"] == [[255] * 8] * 2 + maps["none"][:4] + [[255] * 8] * 2


def test_planes_and_colours_of_maps():
    maps = torch.tensor([[[[0, 1], [255, 2]]]], dtype=torch.uint8)
    planes = planes_of(maps, 3)
    assert planes.tolist() == [[[[1, 0], [0, 0]], [[0, 1], [0, 0]], [[0, 0], [0, 1]]]]
    assert torch.equal(maps_of(planes), maps)
    assert torch.equal(from_images(as_images(maps)), maps)
    # The first colours of PASCAL VOC's development kit, and that of pixels without a class.
    assert palette()[[0, 1, 2, 3, 15, 255]].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [192, 128, 128], [224, 224, 192],
    ]  # fmt: skip
    assert len(palette().unique(dim=0)) == 256
    assert coloured(maps)[0, :, 1, 1].tolist() == pytest.approx([-1, 128 / 127.5 - 1, -1], abs=1e-6)


def test_a_run_makes_photographs_of_maps_and_translates_maps_of_others(tmp_path, capsys):
    """From the command line: trained, gone on with, and given a folder of maps of another size."""
    root = save_labels(tmp_path / "data")
    line = [
        "model=pix2pix", "data=labels", f"data.classes={CLASSES}", "debug=tiny", "logger=none", "strategy=cpu",
        "data.resolution=16", "discriminator.layers=1", "samples.num=6", "max_rounds=1", f"data.root={root}",
    ]  # fmt: skip
    run = tmp_path / "run"
    assert main([*line, f"hydra.run.dir={run}"]) == 0
    model = gan_lab.load(run)
    game = model.game
    assert game.discriminator.features[0][0].in_channels == 3 + CLASSES
    assert game.kept_partner.shape[1:] == (1, 16, 16)
    source = model.sample(1, view=0)[0]
    assert torch.equal(source, coloured(game.kept_partner[:1].cpu())[0])
    out = tmp_path / "out"
    (tmp_path / "maps").mkdir()
    in_palette(np.full((32, 48), 3, np.uint8)).save(tmp_path / "maps" / "a.png")
    PICTURE.save(tmp_path / "maps" / "b.png")
    assert translate([f"run={run}", f"input={tmp_path / 'maps'}", f"out={out}"]) != 0
    said = capsys.readouterr().err
    assert "'b.png' is a picture in colours" in said
    with Image.open(out / "a.png") as made:
        assert made.size == (48, 32)
        pixels = torch.from_numpy(np.array(made.convert("RGB"))).movedim(-1, 0)
    ids = torch.full((1, 1, 32, 48), 3, dtype=torch.uint8)
    again = model.translate(as_images(ids))
    assert ((again[0] * 127.5 + 127.5).round() - pixels).abs().max() <= 1


def test_what_models_and_maps_cannot_do_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"data=labels: data.classes is not set"):
        built("model=pix2pix", "data=labels")
    with pytest.raises(ConfigError, match=r"data.classes=256"):
        Labels(classes=256)
    with pytest.raises(ConfigError, match="two classes have the same name"):
        Labels(classes=("sky", "sky"))
    with pytest.raises(ConfigError, match="this data has no labels"):
        built("model=cgan", "data=labels", "data.classes=3")
    line = ["model=pix2pix", "data=labels", "data.classes=3", "data.resolution=32"]
    game = built(*line, "discriminator.layers=1", "degrade=[grey]").game
    assert game.given_maps == 0
    assert game.generator.down[0][0].in_channels == 3, "sources are made of the photographs"


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_values_of_few_bits_are_numbers_too(bits):
    """By the format's own words, since Pillow writes no such grey file."""
    side, most = 8, (1 << bits) - 1
    numbers = np.arange(side * side).reshape(side, side) % (most + 1)
    shifts = [8 - bits * (at % (8 // bits) + 1) for at in range(side)]
    rows = b""
    for row in numbers:
        packed = [0] * (side * bits // 8)
        for at, number in enumerate(row):
            packed[at * bits // 8] |= int(number) << shifts[at]
        rows += b"\0" + bytes(packed)

    def chunk(kind, content):
        checked = kind + content
        size = struct.pack(">I", len(content))
        return size + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", side, side, bits, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    found = decode_map(b"\x89PNG\r\n\x1a\n" + b"".join(parts), MapRules(most + 1))
    assert found[0].tolist() == numbers.tolist()


def test_the_number_without_a_class_is_the_datas_own(tmp_path):
    Image.fromarray(np.array([[0, 1], [9, 2]], np.uint8)).save(tmp_path / "a.png")
    with listed(tmp_path / "a.png", "input") as tree:
        found = read(tree, tree.entries[0], channels=1, maps=3, unlabelled=9)
        assert found.pixels.tolist() == [[[0, 1], [255, 2]]]
