"""MNIST of two looks, the game that teaches a classifier across them, and the measure of it, by other ways."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError, DataError
from gan_lab.data.sets.mnist import Mnist
from gan_lab.data.sets.mnist_shifted import MnistShifted, grounds, shifted
from gan_lab.data.stream.together import batches_of
from gan_lab.games.adaptation import with_planes
from gan_lab.metrics.adaptation import Adaptation
from gan_lab.metrics.views import Conditions, Fakes, Reals
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built
from tests.unit.test_data_sets import digits

CPU = torch.device("cpu")
TINY = (
    "model=adaptation", "data.resolution=16", "data.batch_size=8", "precision=32-true",
    "generator.width=4", "generator.blocks=1", "discriminator.width=4", "classifier.width=4",
)  # fmt: skip


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Eleven digits of each split, the number of each in its first pixel, and a cache of their own."""
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))
    digits(tmp_path / "data" / "MNIST" / "raw", count=11, level=40)
    return str(tmp_path / "data")


# --- the data


def test_even_rows_are_sources_with_labels_and_odd_ones_targets_without(root):
    source = MnistShifted(root=root, shift="inverted")
    train, test = source.load("train"), source.load("test")
    grey = Mnist(root=root).load("train").images
    assert set(train.columns) == {"images_a", "labels_a", "images_b"}
    assert train.columns["labels_a"].values.tolist() == [0, 2, 4, 6, 8, 0]
    assert torch.equal(train.columns["images_a"].values, grey[::2].expand(-1, 3, -1, -1))
    assert torch.equal(train.columns["images_b"].values, 255 - grey[1::2].expand(-1, 3, -1, -1))
    assert test.columns["labels_b"].values.tolist() == [1, 3, 5, 7, 9]
    assert len(train) == 5, "the smaller kind counts"
    said = train.sentences()
    assert sum("6 of MNIST's" in one or "11 of MNIST's" in one for one in said)
    assert said[-1] == "The second kind has no labels in training. No digit is in both kinds."


def test_batches_hold_both_kinds_in_orders_of_their_own(root):
    source = MnistShifted(root=root, resolution=28)
    batch = next(
        iter(batches_of(source.load("train"), batch_size=4, seed=0, flip=False, device=CPU))
    )
    assert batch["images_a"].shape == batch["images_b"].shape == (4, 3, 28, 28)
    numbers = ((batch["images_a"][:, 0, 0, 0] + 1) * 127.5).round().long()
    assert torch.equal(numbers % 10, batch["labels_a"]), "images and labels are of the same rows"
    assert all(number % 2 == 0 for number in numbers)


def test_colours_are_those_of_the_row_and_ink_is_the_opposite_of_its_ground():
    grey = torch.randint(256, (6, 1, 5, 5), dtype=torch.uint8)
    grey[:, 0, 0, 0], grey[:, 0, 4, 4] = 0, 255
    rows = torch.tensor([1, 3, 5, 40, 41, 42])
    found = shifted(grey, rows, "coloured")
    for number in range(6):
        for channel in range(3):
            ground = int(found[number, channel, 0, 0])
            assert ground < 64 or ground >= 192, "dark or bright"
            for y in range(5):
                for x in range(5):
                    share = int(grey[number, 0, y, x]) / 255
                    wanted = (1 - share) * ground + share * (255 - ground)
                    assert abs(int(found[number, channel, y, x]) - wanted) <= 0.5 + 1e-4
    alone = shifted(grey[4:5], rows[4:5], "coloured")
    assert torch.equal(alone, found[4:5]), "whatever other rows are asked for"
    many = grounds(torch.arange(3000))
    bright = (many >= 192).double().mean(dim=0)
    assert ((bright - 0.5).abs() < 0.04).all()
    assert sorted(set(many.flatten().tolist())) == [*range(64), *range(192, 256)]


def test_what_the_targets_look_like_is_part_of_the_fingerprint(root):
    found = {
        shift: MnistShifted(root=root, shift=shift).load("train").fingerprint
        for shift in ("inverted", "coloured")
    }
    assert len(set(found.values())) == 2
    assert found["coloured"] == MnistShifted(root=root).load("train").fingerprint
    with pytest.raises(ConfigError, match=r"data\.shift=blurred"):
        MnistShifted(shift="blurred")
    with pytest.raises(DataError, match="was not found"):
        MnistShifted(root=f"{root}/MNIST/nowhere").load("train")


# --- the game


def rows(seed: int = 0, size: int = 8):
    """Batches of noise of both kinds."""
    streams = zip(batches(size, 3, 16, seed=seed), batches(size, 3, 16, seed=seed + 9), strict=True)
    for a, b in streams:
        yield {"images_a": a["images"], "labels_a": a["labels"], "images_b": b["images"]}


def cross_entropy(logits: Tensor, classes: Tensor) -> float:
    """-log of the softmax at the class, in NumPy, the mean over images."""
    values = logits.detach().double().numpy()
    each = [
        math.log(np.exp(row - row.max()).sum()) + row.max() - row[label]
        for row, label in zip(values, classes.tolist(), strict=True)
    ]
    return float(np.mean(each))


class Played:
    """A play as terms of the classifier read it."""

    def __init__(self, batch: dict[str, Tensor], fake: Tensor) -> None:
        self.source, self.classes, self.fake = batch["images_a"], batch["labels_a"], fake


def test_the_classifier_learns_sources_and_their_translations_by_the_classes_of_the_sources():
    game = built(*TINY).game
    batch = next(rows())
    play = Played(batch, batch["images_a"].flip(3))
    terms = {step.player: step.terms for step in game.steps()}
    assert list(terms) == ["discriminator", "classifier", "generator"]
    source, translated = (terms["classifier"][name] for name in ("source", "translated"))
    assert float(source.function(play).detach()) == pytest.approx(
        cross_entropy(game.classifier(play.source), batch["labels_a"]), rel=1e-5
    )
    by_hand = cross_entropy(game.classifier(play.fake), batch["labels_a"])
    assert float(translated.function(play).detach()) == pytest.approx(by_hand, rel=1e-5)
    assert float(terms["generator"]["task"].function(play).detach()) == pytest.approx(
        by_hand, rel=1e-5
    )
    assert terms["generator"]["task"].weight.at(0) == 0.1


def test_without_translations_it_learns_as_if_there_were_no_targets():
    """The same classifier, whatever targets and discriminators are like."""
    found = []
    for more, seed in (("loss=non_saturating", 0), ("loss=hinge", 5)):
        game = built(*TINY, "model.translated=0", more).game
        stream = rows()
        others = rows(seed)
        play_rounds(
            game, ({**next(stream), "images_b": next(others)["images_b"]} for _ in range(3)), 3
        )
        found.append(game.classifier.state_dict())
    before = built(*TINY).game.classifier.state_dict()
    for name, value in found[0].items():
        assert torch.equal(found[1][name], value), name
        assert not torch.equal(before[name], value), name
    game = play_rounds(built(*TINY).game, rows(), 3)
    assert any(
        not torch.equal(value, found[0][k]) for k, value in game.classifier.state_dict().items()
    )


def test_noise_stands_in_planes_and_each_translation_has_its_own():
    images, chances = torch.rand(2, 3, 4, 5), torch.tensor([[0.0, 0.75], [0.5, 0.25]])
    found = with_planes(images, chances)
    assert torch.equal(found[:, :3], images)
    assert_close(found[0, 3], torch.full((4, 5), -1.0))
    assert_close(found[0, 4], torch.full((4, 5), 0.5))
    assert_close(found[1, 3], torch.zeros(4, 5))
    game = built(*TINY, "model.noise=2").game
    assert game.generator.encoder[1].in_channels == 5
    same = torch.rand(1, 3, 16, 16).expand(2, -1, -1, -1)
    made = game.generator(with_planes(same, chances))
    assert not torch.equal(made[0], made[1])
    quiet = built(*TINY, "model.noise=0").game
    play_rounds(quiet, rows(), 1)
    assert quiet.translation({"generator": quiet.generator}, same, {}).shape == (2, 3, 16, 16)


def test_what_needs_labels_of_targets_or_sources_is_refused():
    with pytest.raises(ConfigError, match=r"discriminator: takes labels, and the targets"):
        built(*TINY[:4], "discriminator=dcgan", "discriminator.labels=projection")
    with pytest.raises(ConfigError, match="learns the classes of one kind of images"):
        built(*TINY, "data=unpaired", "data.root=somewhere")
    with pytest.raises(ConfigError, match=r"model\.task=-1"):
        built(*TINY, "model.task=-1")


# --- the measure


def test_accuracies_are_shares_of_images_whose_largest_logit_is_their_class(root):
    metric = Adaptation(num_samples=5)
    data = MnistShifted(root=root, resolution=28)
    reals = Reals(data, CPU, Conditions(split="test"), batch_size=2)
    metric.look_at(reals)
    assert (metric.protocol["num_samples"], metric.protocol["split"]) == (5, "test")
    sources = reals.images.columns["images_a"].values
    targets = reals.images.columns["images_b"].values

    def classify(images: Tensor) -> Tensor:
        """Right on sources up to 4, wrong on later ones; on targets it says 7 of all."""
        logits = torch.zeros(len(images), 10)
        for number, image in enumerate(((images + 1) * 127.5).round().byte()):
            known = [row for row in range(6) if torch.equal(sources[row], image)]
            answer = min(2 * known[0], 4) if known else 7
            logits[number, answer] = 1
        return logits

    metric.reset()
    for start, stop in ((0, 2), (2, 4), (4, 5)):
        flipped = (4 - torch.arange(start, stop)).clamp(min=0)  # translated into another source
        fakes = sources[flipped].float() / 127.5 - 1
        metric.add(Fakes(fakes, None, None, classify=classify))
    values = metric.compute()
    assert not any(torch.equal(a, b) for a in sources for b in targets)
    assert values["metric/target_accuracy"] == pytest.approx(1 / 5)  # of 1, 3, 5, 7, 9
    assert values["metric/source_accuracy"] == pytest.approx(3 / 5)  # of 0, 2, 4, 6, 8
    # Sources 8, 6, 4, 2, 0 in their places: called 4, 4, 4, 2, 0 where 0, 2, 4, 6, 8 is right.
    assert values["metric/translated_accuracy"] == pytest.approx(1 / 5)
    assert list(values) == list(metric.keys)


def test_a_split_without_labels_of_targets_is_refused(root):
    data = MnistShifted(root=root, resolution=28)
    with pytest.raises(ConfigError, match=r"target_accuracy needs .* metrics\.split=test"):
        Adaptation().look_at(Reals(data, CPU, Conditions(split="train"), batch_size=2))
