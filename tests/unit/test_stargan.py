"""StarGAN: labels that reach the generator, its terms against arithmetic by other ways, what is asked of samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import gan_lab
from gan_lab.auxiliary.minibatch_discrimination import MinibatchDiscrimination
from gan_lab.common.errors import ConfigError
from gan_lab.config.groups import Groups
from gan_lab.generation.exporting import export
from gan_lab.generation.sampling import Sampler
from gan_lab.networks.output import DiscriminatorOutput
from gan_lab.networks.translation.domains import DomainGenerator
from gan_lab.networks.translation.patch import PatchDiscriminator
from gan_lab.train import main
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built
from tests.test_translation_runs import flat

SIDE, CLASSES = 32, 10
TINY = (
    "model=stargan", "data=cifar10", f"data.resolution={SIDE}", "precision=32-true", "data.batch_size=4",
    "generator.width=4", "generator.blocks=1", "discriminator.width=4", "discriminator.layers=1", "model.n_critic=1",
)  # fmt: skip


def made(*overrides: str):
    return built(*TINY, *overrides).game


def rows(attributes: int = 0):
    """Batches with a class for each image, or so many attributes."""
    draw = torch.Generator().manual_seed(1)
    for batch in batches(4, 3, SIDE):
        labels = torch.randint(CLASSES, (4,), generator=draw)
        if attributes:
            labels = (torch.rand(4, attributes, generator=draw) < 0.5).float()
        yield {"images": batch["images"], "labels": labels}


class Table:
    """A split of noise with labels."""

    def __init__(self, labels: Tensor) -> None:
        drawn = torch.Generator().manual_seed(5)
        images = torch.randint(
            256, (len(labels), 3, SIDE, SIDE), dtype=torch.uint8, generator=drawn
        )
        self.labels = labels
        self.columns = {
            name: type("Column", (), {"values": values})
            for name, values in (("images", images), ("labels", labels))
        }


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_labels_change_the_middle_of_a_picture_far_from_its_borders(norm: str) -> None:
    torch.manual_seed(0)
    network = DomainGenerator(resolution=64, channels=3, label_dim=4, width=8, blocks=1, norm=norm)
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    one, other = (network(images, torch.eye(4)[[n]]) for n in (0, 1))
    change = (one - other).abs()[:, :, 28:36, 28:36].mean()
    assert change > 0.02 * one.abs().mean()


def test_labels_are_planes_beside_the_image() -> None:
    network = DomainGenerator(resolution=8, channels=3, label_dim=2, width=4, blocks=1)
    seen: list[Tensor] = []
    network.translator.register_forward_hook(lambda module, given, result: seen.append(given[0]))
    images = torch.rand(2, 3, 8, 8)
    network(images, torch.tensor([[0.0, 1.0], [1.0, 1.0]]))
    assert torch.equal(seen[0][:, :3], images)
    assert (seen[0][0, 3] == 0).all()
    assert (seen[0][0, 4] == 1).all()
    assert (seen[0][1, 3:] == 1).all()


def test_a_judge_of_patches_says_how_many_features_it_offers() -> None:
    for layers in (0, 1, 3):
        judge = PatchDiscriminator(
            resolution=32, channels=3, layers=layers, width=4, conditional=False
        )
        found = judge(torch.rand(2, 3, 32, 32))
        assert found.features is not None
        assert judge.offers["feature_dim"] == found.features.shape[1]


def test_what_is_said_of_an_image_is_said_of_each_of_its_patches() -> None:
    torch.manual_seed(0)
    term = MinibatchDiscrimination(feature_dim=5, kernels=3, kernel_dim=2)
    features, logits = torch.randn(4, 5), torch.randn(4, 7)
    patches = term.judge(DiscriminatorOutput(logits, features))
    for patch in range(7):
        alone = term.judge(DiscriminatorOutput(logits[:, patch], features))
        assert_close(patches[:, patch], alone)


class Adding(nn.Module):
    """Adds a tenth of the label's number to images."""

    takes_labels = True

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        numbers = torch.arange(CLASSES, dtype=torch.float32)
        return images + 0.1 * (labels @ numbers)[:, None, None, None]


def test_reconstruction_goes_there_by_drawn_labels_and_back_by_its_own() -> None:
    game = made()
    plays = []
    kept = game.reconstruction
    game.reconstruction = lambda play: plays.append(play) or kept(play)
    play_rounds(game, rows(), 1)
    (play,) = plays
    wanted = play.fake_classes.tolist()
    own = play.batch["labels"].tolist()
    assert wanted != own, "labels are drawn"
    game.generator = Adding()
    again = type(play)(
        game, play.step, play.batch, draws=play._draws, start=play._start, whole=play.whole
    )
    assert again.fake_classes.tolist() == wanted
    expected = sum(0.1 * w + 0.1 * o for w, o in zip(wanted, own, strict=True)) / len(own)
    assert float(kept(again)) == pytest.approx(expected, rel=1e-4)


def test_drawn_labels_occur_as_often_as_in_the_data() -> None:
    game = made()
    labels = torch.tensor([2] * 30 + [7] * 10)
    game.prepare(Table(labels))
    found = game.labels_of(range(4000), seed=3)
    assert set(found.tolist()) == {2, 7}
    assert abs(float((found == 7).float().mean()) - 0.25) < 0.03
    assert torch.equal(found, game.labels_of(range(4000), seed=4)), "whatever the seed"


def test_the_class_that_is_asked_for_is_what_the_generator_is_told() -> None:
    game = made()
    game.prepare(Table(torch.arange(CLASSES)))
    game.keep_rows(Table(torch.arange(CLASSES)))
    inputs = game.inputs([0, 1, 2], seed=0, ask={"classes": [4, 4, 9]})
    assert torch.equal(inputs["labels"], torch.eye(CLASSES)[[4, 4, 9]])
    drawn = game.inputs(range(8), seed=0)["labels"]
    assert torch.equal(drawn.argmax(dim=1), game.labels_of(range(8), seed=0))


def test_samples_of_rows_show_the_labels_that_metrics_are_told() -> None:
    game = made()
    game.generator = Adding()
    table = Table(torch.arange(CLASSES))
    sampler = Sampler(game, {"generator": _with_a_weight(game.generator)}, seed=0x5EED)
    images = table.columns["images"].values[:6]
    made_of = sampler.of_rows({"images": images}, list(range(2, 8)))
    numbers = (made_of - (images.float() / 127.5 - 1)).mean(dim=(1, 2, 3)) * 10
    assert_close(numbers, sampler.labels(2, 6).float(), rtol=0, atol=1e-3)


def _with_a_weight(network: nn.Module) -> nn.Module:
    network.weight = nn.Parameter(torch.zeros(1))  # by which samplers find the device
    return network


def test_an_attribute_that_is_asked_for_is_changed_and_others_stay() -> None:
    game = made()
    labels = torch.zeros(16, CLASSES)
    labels[:, 1] = 1
    labels[::2, 3] = 1
    game.prepare(Table(labels))
    game.keep_rows(Table(labels))
    found = game.inputs([0, 1], seed=0, ask={"classes": [3, 3]})["labels"]
    assert found[0].nonzero().flatten().tolist() == [1], "it had 1 and 3"
    assert found[1].nonzero().flatten().tolist() == [1, 3], "it had 1"
    assert game.labels_of([0, 1], seed=0, ask={"classes": [3, 3]}) is None
    unknown = {"images": torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)}
    assert game.inputs_of(unknown, [0], ask={"classes": [3]})["labels"][0].nonzero().tolist() == [
        [3]
    ]


def test_attributes_train_and_are_classified() -> None:
    game = made()
    labels = (torch.rand(16, CLASSES) < 0.5).float()
    game.prepare(Table(labels))
    play_rounds(game, rows(attributes=CLASSES), 2)
    values = game.read_meter()
    assert {"loss/generator/acgan", "loss/generator/reconstruction"} <= values.keys()
    assert all(math.isfinite(value) for value in values.values())


def test_a_picture_has_a_line_for_each_source_and_a_column_for_each_class() -> None:
    game = made()
    table = Table(torch.arange(16) % CLASSES)
    game.prepare(table)
    game.keep_rows(table)
    shown = game.picture(22)
    assert (shown.count, shown.columns) == (22, 11)
    inputs = game.inputs(range(22), seed=0, ask=shown.ask)
    assert inputs["view"].tolist() == [0, *[1] * 10] * 2
    assert inputs["labels"].argmax(dim=1).tolist() == [0, *range(10)] * 2
    for line in range(2):
        own = inputs["images"][11 * line : 11 * line + 11]
        assert (own == own[0]).all(), "one source in a line"
    assert not torch.equal(inputs["images"][0], inputs["images"][11])


def test_labels_that_nothing_asks_for_are_warned_of() -> None:
    assert any("No auxiliary term classifies" in said for said in made("auxiliary=[]").warnings())
    assert made().warnings() == []


@pytest.mark.parametrize("augment", Groups().choices("augment"))
def test_every_augmentation_stands_before_the_discriminator(augment: str) -> None:
    game = made(f"augment=[{augment}]")
    play_rounds(game, rows(), 2)
    assert all(math.isfinite(value) for value in game.read_meter().values())


def test_what_does_not_fit_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="generator: takes no labels, by which this model says"):
        made("generator=translator")
    with pytest.raises(ConfigError, match=r"model\.reconstruction"):
        made("model.reconstruction=-1")


LINE = [
    "experiment=stargan_small", "debug=tiny", "logger=none", "strategy=cpu", "generator.blocks=1", "metrics.split=test",
    "metrics=accuracy", "metrics.accuracy.train_kimg=1", "max_kimg=null", "samples.num=11",
]  # fmt: skip


def test_a_run_is_scored_by_its_classes_and_goes_on_bit_for_bit(tmp_path, capsys) -> None:
    first, whole = tmp_path / "first", tmp_path / "whole"
    assert main([*LINE, "max_rounds=2", f"hydra.run.dir={first}"]) == 0
    assert "accuracy" in capsys.readouterr().err
    assert main([f"resume={first}", "max_rounds=3"]) == 0
    assert main([*LINE, "max_rounds=3", f"hydra.run.dir={whole}"]) == 0
    gone_on, at_once = flat(first), flat(whole)
    assert gone_on.keys() == at_once.keys()
    assert {name for name in gone_on if not torch.equal(gone_on[name], at_once[name])} == set()
    model = gan_lab.load(first)
    assert model.sample(3).shape == (3, 1, 32, 32)
    given = torch.rand(2, 1, 50, 36) * 2 - 1
    trousers, bags = (model.translate(given, classes=name) for name in ("Trouser", 8))
    assert trousers.shape == given.shape
    assert (trousers - bags).abs().max() > 0.01
    assert torch.equal(
        model.translate(given, classes=2), model.translate(given, classes="Pullover")
    )
    file = tmp_path / "bags.pt2"
    export(model.translation(classes="Bag"), file, format="torch")
    sources = torch.rand(3, 1, 32, 48) * 2 - 1
    assert_close(torch.export.load(file).module()(sources), model.translate(sources, classes="Bag"))


@pytest.mark.parametrize(
    ("metric", "said"),
    [("translation", "needs two kinds of images"), ("paired", "needs pairs")],
)
def test_metrics_of_other_games_are_refused(metric, said, tmp_path, capsys) -> None:
    assert main([*LINE[:5], f"metrics={metric}", f"hydra.run.dir={tmp_path / 'run'}"]) != 0
    assert said in capsys.readouterr().err
