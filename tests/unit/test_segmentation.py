"""The segmenter: its losses and its metric by hand, with and without the adversarial term, and maps for a folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch.testing import assert_close

import gan_lab
from gan_lab.assembly.build import build_game
from gan_lab.common.errors import ConfigError
from gan_lab.export import main as main_of_export
from gan_lab.games.class_maps import coloured, palette, planes_of
from gan_lab.generation.exporting import CHECKED, TOLERANCE, export
from gan_lab.generation.generator import ImageTranslator, settle_weights
from gan_lab.generation.tiles import reflected
from gan_lab.train import main
from gan_lab.translate import main as translate
from gan_lab.translating.written import Places
from tests.conftest import play_rounds
from tests.contracts.walk import built, composed
from tests.unit.test_label_maps import CLASSES, save_labels

LINE = (
    "model=segmentation",
    f"data.classes={CLASSES}",
    "data.resolution=16",
    "discriminator.layers=1",
)


def rows(seed=0, size=4):
    """Batches whose maps have pixels without a class, the first map most of them."""
    draw = torch.Generator().manual_seed(seed)
    while True:
        maps = torch.randint(CLASSES + 1, (size, 1, 16, 16), generator=draw)
        maps[maps == CLASSES] = 255
        maps[0, :, 3:] = 255
        images = torch.rand(size, 3, 16, 16, generator=draw) * 2 - 1
        yield {"images": images, "partner": maps.byte()}


def play_of(game, player, part=slice(None)):
    """A play of this player's step on the first batch, or on a part of it that a rank sees."""
    if not game.playing:
        game.configure_optimizers()
    batch = {name: values[part] for name, values in next(rows()).items()}
    (step,) = [step for step in game.steps() if step.player == player]
    game.draws.begin(step.name, 0, 0, 0)
    return game.Play(game, step, batch, draws=game.draws, start=0, whole=batch)


def test_losses_are_those_of_the_paper():
    """Equation 1 by hand: the mean cross entropy of known pixels, and the judge's mistake about whole maps."""
    game = built(*LINE, "precision=32-true").game.eval()
    terms = {step.player: step.terms for step in game.steps()}
    assert set(terms["generator"]) == {"cross_entropy", "adversarial"}
    assert terms["generator"]["adversarial"].weight.at(0) == 0.1
    play = play_of(game, "generator")
    logits, truth = game.generator(play.source), play.truth[:, 0]
    chances = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    total, known = 0.0, 0
    for image in range(4):
        for row in range(16):
            for column in range(16):
                label = int(truth[image, row, column])
                if label != 255:
                    total -= chances[image, label, row, column].log()
                    known += 1
    assert_close(terms["generator"]["cross_entropy"].function(play), total / known)
    seen = chances * (truth != 255)[:, None]
    judged = game.discriminator(seen, source=play.source).logits
    assert_close(terms["generator"]["adversarial"].function(play), F.softplus(-judged).mean())
    assert torch.equal(play.real, planes_of(play.truth, CLASSES))
    assert torch.equal(play.real.sum(dim=1) == 0, truth == 255)
    assert_close(play.fake.sum(dim=1), (truth != 255).float())


def test_ranks_weigh_their_pixels_as_one_process_does(monkeypatch):
    """The mean of two ranks' losses is that of the whole batch, though one knows the classes of fewer pixels."""
    game = built(*LINE, "precision=32-true").game.eval()
    plays = [play_of(game, "generator", slice(2 * rank, 2 * rank + 2)) for rank in range(2)]
    known = [(play.truth != 255).sum().float() for play in plays]
    assert known[0] < 0.8 * known[1]
    whole = game._cross_entropy(play_of(game, "generator")).detach()

    def averaged(tensors, ranks):
        (mine,) = tensors
        assert float(mine) in [float(one) for one in known]
        mine.copy_(sum(known) / ranks)

    monkeypatch.setattr("gan_lab.games.segmentation.average", averaged)
    monkeypatch.setattr(type(game), "ranks", property(lambda self: 2))
    losses = [game._cross_entropy(play).detach() for play in plays]
    assert_close(sum(losses) / 2, whole)
    assert abs(float(losses[0] - whole)) > 0.1, "a rank's own mean would be near it"


def test_a_weight_of_zero_is_a_segmenter_alone():
    """The judge rests, and the segmenter moves as by cross entropy in a loop by hand."""
    game = built(*LINE, "model.adversarial=0", "precision=32-true", "optimizer@optimizer.generator=sgd",
                 "optimizer.generator.lr=0.1", "optimizer.generator.momentum=0").game  # fmt: skip
    assert {step.player for step in game.steps()} == {"generator"}
    judge = {name: value.clone() for name, value in game.discriminator.state_dict().items()}
    other = built(*LINE).game.generator.train()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    stream = rows()
    for _ in range(2):
        batch = next(stream)
        optimizer.zero_grad()
        F.cross_entropy(
            other(batch["images"]), batch["partner"][:, 0].long(), ignore_index=255
        ).backward()
        optimizer.step()
    play_rounds(game, rows(), 2)
    for name, value in other.state_dict().items():
        assert_close(game.generator.state_dict()[name], value, rtol=1e-4, atol=1e-6, msg=name)
    assert all(
        torch.equal(game.discriminator.state_dict()[name], value) for name, value in judge.items()
    )
    assert "loss/generator/cross_entropy" in game.read_meter()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["generator=unet"], "generator: makes images, and this model needs logits"),
        (
            ["data=pairs"],
            "model: learns maps of classes, and this data has none; choose data=labels",
        ),
        (["model.adversarial=-1"], "model.adversarial=-1"),
    ],
)
def test_what_cannot_be_is_refused(overrides, said):
    line = [one for one in LINE if overrides[0] != "data=pairs" or "classes" not in one]
    with pytest.raises(ConfigError, match=said):
        built(*line, *overrides)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on photographs whose colour is the class, which is soon learned; a class of them is in no test map."""
    place = tmp_path_factory.mktemp("segmentation")
    save_labels(place / "data", count=16)
    for path in (place / "data" / "test_label").glob("*.png"):
        numbers = np.array(Image.open(path))
        Image.fromarray(np.where(numbers == 2, 255, numbers).astype(np.uint8)).save(path)
    line = [
        *LINE, f"data.root={place / 'data'}", "debug=tiny", "logger=none", "strategy=cpu", "samples.num=6",
        "max_rounds=60", "optimizer.generator.lr=3e-3", "ema.half_life_kimg=0.05", "precision=32-true",
    ]  # fmt: skip
    assert main([*line, f"hydra.run.dir={place / 'run'}"]) == 0
    return place


def test_it_learns_and_is_scored_as_by_hand(trained):
    records = [
        json.loads(line) for line in (trained / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    scored = [record for record in records if "metric/miou" in record]
    assert scored[-1]["metric/pixel_accuracy"] > scored[0]["metric/pixel_accuracy"] + 0.2
    protocol = scored[-1]["protocol"]
    assert protocol["split"] == "test"
    assert protocol["num_samples"] == 4
    assert protocol["classes"] == CLASSES
    assert protocol["higher_is_better"]

    model = gan_lab.load(trained / "run")
    pairs = []
    for number in range(4):
        folders = (trained / "data" / f"test_{kind}" / f"{number}.png" for kind in ("img", "label"))
        photo, truth = (torch.from_numpy(np.array(Image.open(path))) for path in folders)
        made = model.translate(photo.movedim(-1, 0)[None].float() / 127.5 - 1, view="numbers")
        pairs.append((((made[0, 0] + 1) * 127.5).round().long(), truth.long()))
    answers, truths = (
        torch.cat([one.flatten() for one in each]) for each in zip(*pairs, strict=True)
    )
    answers, truths = answers[truths != 255], truths[truths != 255]
    shares = []
    for label in range(CLASSES):
        either = ((answers == label) | (truths == label)).sum()
        if either:
            shares.append(float(((answers == label) & (truths == label)).sum() / either))
    assert scored[-1]["metric/miou"] == pytest.approx(np.mean(shares), abs=1e-3)
    right = float((answers == truths).float().mean())
    assert scored[-1]["metric/pixel_accuracy"] == pytest.approx(right, abs=1e-3)
    counts = truths.bincount(minlength=CLASSES)
    assert protocol["pixel_accuracy_of_the_likeliest_class"] in [
        pytest.approx(float(count / counts.sum())) for count in counts
    ]


@pytest.mark.parametrize("metrics", ["small", "paired"])
def test_metrics_of_images_are_refused(metrics, trained, tmp_path, capsys):
    """Photographs and maps in colours have no distance that means something."""
    line = [
        *LINE,
        f"data.root={trained / 'data'}",
        "debug=tiny",
        "logger=none",
        f"metrics={metrics}",
    ]
    assert main([*line, f"hydra.run.dir={tmp_path / 'run'}"]) != 0
    assert "compares images, and this model makes class maps of them" in capsys.readouterr().err


def test_grids_show_photograph_answer_and_truth_in_fixed_colours(trained):
    game = gan_lab.load(trained / "run").game
    shown = game.picture(6)
    assert shown.ask["view"][:3] == [0, 1, 2]
    views = [gan_lab.load(trained / "run").sample(2, view=view) for view in range(4)]
    source, answer, truth, numbers = views
    assert torch.equal(source, game.kept_images[:2].float() / 127.5 - 1)
    assert torch.equal(truth, coloured(game.kept_partner[:2]))
    ids = ((numbers[:, :1] + 1) * 127.5).round().byte()
    assert torch.equal(coloured(ids), answer)
    colours = {tuple(one) for one in palette()[:CLASSES].tolist()}
    assert {
        tuple(one) for one in ((answer + 1) * 127.5).round().movedim(1, -1).reshape(-1, 3).tolist()
    } <= colours


def test_a_folder_becomes_maps_in_colours_or_of_numbers(trained, tmp_path, capsys):
    """Photographs of another size, in tiles; maps are PNG, whatever the photographs are."""
    photos, run = tmp_path / "photos", trained / "run"
    photos.mkdir()
    draw = np.random.default_rng(1)
    pixels = draw.integers(0, 5, (3, 5), dtype=np.uint8).repeat(8, 0).repeat(8, 1) * 40
    photo = np.stack([pixels] * 3, axis=-1)
    Image.fromarray(photo).save(photos / "a.jpg", quality=95)
    line = [f"run={run}", f"input={photos}"]
    assert translate([*line, f"out={tmp_path / 'colours'}"]) == 0
    assert translate([*line, f"out={tmp_path / 'ids'}", "ask.view=numbers", "tile=16"]) == 0
    with Image.open(tmp_path / "colours" / "a.png") as image:
        seen = {tuple(one) for one in np.array(image).reshape(-1, 3).tolist()}
        assert image.size == (40, 24)
    assert seen <= {tuple(one) for one in palette()[:CLASSES].int().tolist()}
    with Image.open(tmp_path / "ids" / "a.png") as image:
        assert image.mode == "L"
        assert np.array(image).max() < CLASSES
    capsys.readouterr()
    assert (
        translate([f"run={run}", f"input={photos / 'a.jpg'}", f"out={tmp_path / 'one.jpg'}"]) == 0
    )
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "colours" / "a.png").read_bytes()
    model = gan_lab.load(run)
    given = torch.from_numpy(photo).movedim(-1, 0)[None].float() / 127.5 - 1
    whole = reflected(given, 32, 48)
    chances = model.generator(whole)
    assert chances.shape == (1, CLASSES, 32, 48)
    assert_close(chances.sum(dim=1), torch.ones(1, 32, 48))
    assert torch.equal(
        coloured(chances.argmax(dim=1, keepdim=True).byte())[:, :, 4:28, 4:44],
        model.translate(given),
    )


def translator(*line):
    """A model as `export` gets it."""
    game, _ = build_game(composed(*line))
    settle_weights(game)
    return ImageTranslator(game.requires_grad_(False).eval(), game.averaged_networks())


def test_an_export_says_what_it_takes_and_gives_and_is_checked_with_class_numbers(trained):
    made = gan_lab.load(trained / "run").generator
    assert made.gives == "chances"
    assert made.made.startswith(f"float32 (N, {CLASSES}, H, W) in [0, 1]")
    assert made.given.startswith("float32 (N, 3, H, W) in [-1, 1], ")
    given = translator("model=spade", *LINE[1:], "generator.hidden=4", "generator.width=2")
    assert (given.gives, given.made) == ("images", "float32 in [-1, 1]")
    assert given.given.startswith(
        f"float32 (N, 1, H, W) of classes 0 to {CLASSES - 1} as number / 127.5 - 1, and 1 where"
    )
    (example,) = given.example(2)
    assert set(((example + 1) * 127.5).round().flatten().tolist()) == set(range(CLASSES))


def test_views_that_change_nothing_are_refused(trained, tmp_path, capsys):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (16, 16)).save(photo)
    line = [f"run={trained / 'run'}", f"out={tmp_path / 'made.png'}"]
    assert translate([*line, f"input={photo}", "ask.view=source"]) == 2
    said = "a translation of your own images is shown as translated or numbers only; leave it out."
    assert f"ask.view=source: {said}" in capsys.readouterr().err
    assert main_of_export([*line, "ask.view=numbers", "format=torch"]) == 2
    said = "the chances that the networks make are the same in every view; leave it out."
    assert f"ask.view=numbers: {said}" in capsys.readouterr().err
    assert not (tmp_path / "made.png").exists()


@pytest.mark.slow
def test_a_network_that_halves_down_to_one_place_is_exported_for_more(tmp_path):
    """At 64 pixels this one has one place inside, and more where images are larger, as those of the check are."""
    made = translator(*LINE, "data.resolution=64", "generator.width=2")
    sides = {tuple(made.example(count)[0].shape[2:]) for count in CHECKED}
    assert sides == {(64, 128), (192, 192)}
    assert export(made, tmp_path / "segmenter.pt2", format="torch") <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("model", ["segmentation", "spade"])
def test_models_of_class_maps_are_exported(model, tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra [export] is not installed")
    norm = [] if model == "segmentation" else ["generator.hidden=4"]
    made = translator(f"model={model}", *LINE[1:], *norm)
    assert export(made, tmp_path / "model.onnx", format="onnx") <= TOLERANCE
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [(one.name, one.doc_string) for one in graph.input] == [("sources", made.given)]
    assert [(one.name, one.doc_string) for one in graph.output] == [(made.gives, made.made)]


def test_a_photograph_is_never_replaced_by_its_map(trained, tmp_path, capsys):
    photo = tmp_path / "photo.png"
    Image.new("RGBA", (16, 16), (200, 10, 10, 128)).save(photo)
    before = photo.read_bytes()
    line = [f"run={trained / 'run'}", f"input={photo}", "overwrite=true"]
    assert translate([*line, f"out={tmp_path / 'photo.jpg'}"]) != 0
    assert "lies where the input is" in capsys.readouterr().err
    assert translate([*line, f"out={tmp_path / 'map.png'}", f"target={photo}"]) != 0
    assert "this model makes class maps" in capsys.readouterr().err
    assert photo.read_bytes() == before
    assert translate([*line, f"out={tmp_path / 'map.png'}", "ask.view=numbers"]) == 0
    with Image.open(tmp_path / "map.png") as found:
        assert found.mode == "L", "numbers without transparency, as data=labels reads them"


def test_a_translation_with_transparency_replaces_no_source(tmp_path):
    source = tmp_path / "photo.png"
    Image.new("RGBA", (4, 4)).save(source)
    places = Places(tmp_path / "photo.jpg", single=True, overwrite=True, given=source)
    image = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(1, 4, 4)
    with pytest.raises(ConfigError, match="would replace it"):
        places.save("photo.png", *image)
    (tmp_path / "other.png").touch()
    with pytest.raises(ConfigError, match="is there already"):
        Places(tmp_path / "other.jpg", single=True, overwrite=False).save("photo.png", *image)
