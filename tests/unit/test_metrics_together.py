"""Several metrics in one evaluation: one draw of samples, one pass of each extractor, one of them ranks."""

import pytest
import torch

from gan_lab.callbacks.scores import Scores
from gan_lab.common.errors import ConfigError
from gan_lab.config.older import renamed, with_named_metrics
from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.loggers.facts import standing
from gan_lab.metrics.score import Metric
from gan_lab.metrics.small import SmallFrechet
from gan_lab.metrics.small_features import SmallFeatures
from gan_lab.metrics.together import Metrics
from gan_lab.metrics.views import Conditions
from gan_lab.reports.panels import panels_of
from gan_lab.reports.standings import tables_of
from gan_lab.storage.run_folder import RunFolder
from tests.contracts.walk import built
from tests.run_records import counters

CPU = torch.device("cpu")
FEW = Conditions(num_reals=200)


class Brightness(Metric):
    """Mean of the images: higher is better; it shares the small network though it has no use for it."""

    key = "metric/brightness"
    lower_is_better = False
    extractor_key = SmallFeatures.key

    def __init__(self, *, num_samples=60, needs=()):
        super().__init__(every_kimg=1, num_samples=num_samples)
        self.needs = frozenset(needs)

    def make_extractor(self, device, conditions):
        del conditions
        return SmallFeatures(device)

    def look_at(self, reals):
        del reals
        self.protocol = {"num_samples": self.num_samples}

    def reset(self):
        self.seen = []

    def add(self, fakes):
        self.seen.append((fakes.images, fakes.features, fakes.labels))

    def compute(self):
        return {self.key: float(torch.cat([images for images, *_ in self.seen]).mean())}


def reals_as_fakes(start, count):
    return FashionMini().load("test").images[start : start + count].float() / 127.5 - 1


class Counting:
    """A sampler that counts what is drawn."""

    def __init__(self):
        self.drawn = 0

    def __call__(self, start, count):
        self.drawn += count
        return reals_as_fakes(start, count)

    def labels(self, start, count):
        return torch.arange(start, start + count) % 10


def prepared(*metrics, **options):
    found = Metrics(metrics, FEW, **options)
    found.prepare(FashionMini(), CPU)
    return found


def test_samples_are_drawn_once_and_an_extractor_sees_them_once(monkeypatch):
    passed = []
    monkeypatch.setattr(
        SmallFeatures,
        "forward",
        lambda self, images, run=SmallFeatures.forward: (
            passed.append(len(images)),
            run(self, images),
        )[1],
    )
    small, bright = SmallFrechet(num_samples=100), Brightness(num_samples=60)
    metrics, sampler = prepared(small, bright), Counting()
    passed.clear()
    found = metrics.score(sampler)
    assert sampler.drawn == sum(passed) == 100
    assert list(found) == ["metric/small_frechet", "metric/brightness"]
    assert sum(len(images) for images, *_ in bright.seen) == 60
    assert all(len(images) == len(features) for images, features, _ in bright.seen)


def test_a_metric_beside_others_gives_the_value_that_it_gives_alone():
    alone = prepared(SmallFrechet(num_samples=150)).score(reals_as_fakes)["metric/small_frechet"]
    beside = prepared(SmallFrechet(num_samples=150), Brightness(num_samples=300)).score(
        reals_as_fakes
    )
    assert beside["metric/small_frechet"].values == pytest.approx(alone.values, rel=1e-6)
    assert beside["metric/small_frechet"].protocol == alone.protocol
    assert beside["metric/brightness"].protocol["higher_is_better"] is True
    assert "higher_is_better" not in alone.protocol


def test_only_those_that_are_due_score_and_draw():
    metrics, sampler = (
        prepared(SmallFrechet(num_samples=200), Brightness(num_samples=20)),
        Counting(),
    )
    found = metrics.score(sampler, only=["metric/brightness"])
    assert list(found) == ["metric/brightness"]
    assert sampler.drawn == 20


def test_what_a_metric_needs_and_nobody_offers_is_refused():
    metrics = prepared(Brightness(needs=["labels"]))
    with pytest.raises(ConfigError, match=r"brightness needs images of a class .* takes no labels"):
        metrics.estimate_seconds(reals_as_fakes)
    sampler = Counting()
    metrics.estimate_seconds(sampler)
    assert metrics.score(sampler)["metric/brightness"].values
    labels = torch.cat([labels for *_, labels in metrics.metrics[0].seen])
    assert labels.tolist() == [i % 10 for i in range(60)]
    with pytest.raises(
        ConfigError, match="brightness needs pairs, which this model does not offer"
    ):
        prepared(Brightness(needs=["pairs"])).estimate_seconds(sampler)


def test_the_first_ranks_unless_another_is_named():
    metrics = (SmallFrechet(), Brightness())
    assert Metrics(metrics).key == "metric/small_frechet"
    assert Metrics(metrics, monitor="brightness").ranking is metrics[1]
    assert Metrics(metrics, monitor="metric/brightness").key == "metric/brightness"
    with pytest.raises(
        ConfigError, match=r"checkpoint.monitor=brihtness: .*did you mean brightness"
    ):
        Metrics(metrics, monitor="brihtness")
    with pytest.raises(ConfigError, match="small_frechet is measured twice"):
        Metrics([SmallFrechet(), SmallFrechet()])


@pytest.mark.parametrize(("lower", "best"), [(True, 1.0), (False, 3.0)])
def test_scores_know_the_better_direction(lower, best):
    scores = Scores("metric/x", lower_is_better=lower)
    for at, value in enumerate((2.0, 3.0, 1.0), 1):
        scores.note(value, at)
        better = scores.better(at)
        scores.best_value = better if better is not None else scores.best_value
    assert scores.best_value == best


def test_records_of_a_rising_metric_are_ranked_by_their_highest_value(tmp_path):
    for name, values in (("a", (0.1, 0.9, 0.2)), ("b", (0.1, 0.3, 0.4))):
        (tmp_path / name).mkdir()
        folder = RunFolder(tmp_path / name)
        for at, value in enumerate(values):
            protocol = {"num_samples": 5, "higher_is_better": True}
            folder.append({**counters(at), "metric/accuracy": value, "protocol": protocol})
            folder.append(
                {**counters(at), "metric/small_frechet": value, "protocol": {"num_samples": 5}}
            )
    runs = [RunFolder(tmp_path / name) for name in "ab"]
    rising, falling = tables_of(runs)
    assert [one.run for one in rising.results] == [1, 0]
    assert [one.best for one in rising.results] == [0.4, 0.9]
    assert [one.run for one in falling.results] == [0, 1]
    assert falling.results[0].best == 0.2
    told = standing(runs[0].records())
    assert told["best/accuracy"] == 0.9
    assert told["best/small_frechet"] == 0.2
    assert told["last/accuracy"] == told["last/small_frechet"] == 0.2


def test_panels_say_the_direction_and_leave_values_by_class_out():
    keys = ["metric/accuracy", "metric/accuracy/7", "metric/fid"]
    titles = [panel.title for panel in panels_of(["metric"], keys, ["metric/accuracy"])]
    assert titles == ["accuracy (higher is better)", "FID (lower is better)"]


def test_the_command_line_chooses_several():
    chosen = built(
        "metrics=[small,fid]", "checkpoint.monitor=kid", "metrics.num_samples=null"
    ).metrics
    assert [one.name for one in chosen.metrics] == ["small_frechet", "fid"]
    assert chosen.key == "metric/kid"
    assert [one.num_samples for one in chosen.metrics] == [2000, 50_000]
    shared = built("metrics=[small,fid]", "metrics.num_samples=32", "metrics.num_reals=64").metrics
    assert [one.num_samples for one in shared.metrics] == [32, 32]
    assert shared.conditions.num_reals == 64
    with pytest.raises(
        ConfigError, match=r"metrics.fid.num_samples: metrics.num_samples=64 holds for all"
    ):
        built("metrics=[small,fid]", "metrics.fid.num_samples=9")
    own = built("metrics=fid", "metrics.num_samples=null", "metrics.fid.num_samples=9").metrics
    assert own.num_samples == 9


def test_what_older_runs_stored_is_read_in_todays_words():
    old = {
        "seed": 1,
        "metrics": {"_target_": "gan_lab.metrics.fid.Fid", "num_samples": 5, "feature": 64},
    }
    assert with_named_metrics(old)["metrics"] == {
        "num_samples": 5, "fid": {"_target_": "gan_lab.metrics.fid.Fid", "feature": 64},
    }  # fmt: skip
    assert with_named_metrics({"metrics": {"_target_": None}})["metrics"] == {}
    assert with_named_metrics(with_named_metrics(old)) == with_named_metrics(old)
    assert renamed("metrics.feature=64") == "metrics.fid.feature=64"
    assert renamed("+metrics.resize=tf") == "+metrics.fid.resize=tf"
    assert renamed("metrics.num_samples=64") == "metrics.num_samples=64"
