"""The options of metrics: each in its YAML with its default, ranges refused in one sentence."""

import inspect
from pathlib import Path

import pytest
import torch
import yaml

from gan_lab.common.errors import ConfigError
from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.metrics.fid import Fid
from gan_lab.metrics.small import SmallFrechet
from gan_lab.metrics.views import Conditions

CONF = Path(__file__).resolve().parents[2] / "conf" / "metrics"


@pytest.mark.parametrize(("file", "kind"), [("fid", Fid), ("small", SmallFrechet)])
def test_the_yaml_lists_every_option_with_its_default(file, kind):
    stored = yaml.safe_load((CONF / f"{file}.yaml").read_text())
    assert stored.pop("_target_") == f"{kind.__module__}.{kind.__qualname__}"
    parameters = inspect.signature(kind.__init__).parameters.values()
    assert stored == {p.name: p.default for p in parameters if p.name != "self"}


def test_none_chooses_nothing():
    assert yaml.safe_load((CONF / "none.yaml").read_text()) is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"num_samples": 1}, r"num_samples=1: must lie in \[2, inf\)"),
        ({"every_kimg": -1}, r"every_kimg=-1: must lie in"),
        ({"feature": 512}, r"feature=512: must be one of 2048, 768, 192, 64"),
        ({"resize": "pil"}, r"resize=pil: must be one of tf, antialias"),
        ({"features_precision": "fp16"}, r"features_precision=fp16: must be one of 32-true, bf16"),
    ],
)
def test_what_cannot_be_is_refused(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Fid(**options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"num_reals": 1}, r"metrics.num_reals=1: must lie in"),
        ({"batch_size": 0}, r"metrics.batch_size=0: must lie in"),
        ({"max_days": 0}, r"metrics.max_days=0: must lie in"),
        ({"batch_norm": "standing"}, r"metrics.batch_norm=standing: must be one of running, batch"),
    ],
)
def test_what_cannot_be_for_all_metrics_is_refused(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Conditions(**options)


def test_an_unknown_split_is_named_before_anything_is_loaded():
    with pytest.raises(ConfigError, match=r"metrics.split=tset: .* train, test; did you mean test"):
        SmallFrechet().prepare(FashionMini(), torch.device("cpu"), Conditions(split="tset"))


def test_only_2048_features_make_an_fid():
    assert (Fid().key, Fid().kernel_key) == ("metric/fid", "metric/kid")
    assert Fid(feature=768).key == "metric/fid_768"
    assert Fid(feature=64).kernel_key == "metric/kid_64"
    assert SmallFrechet.key == "metric/small_frechet"


def test_bf16_features_have_a_label_of_their_own():
    quick = Fid(features_precision="bf16")
    assert (quick.key, quick.kernel_key) == ("metric/fid_bf16", "metric/kid_bf16")
    earlier = Fid(feature=768, features_precision="bf16")
    assert (earlier.key, earlier.kernel_key) == ("metric/fid_768_bf16", "metric/kid_768_bf16")
    assert Fid().features_precision == "32-true"
