"""The Inception weights: where they are looked for, which they are, and what is refused."""

import io
import os
import pickle
import urllib.error

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torchmetrics.image.fid import NoTrainInceptionV3

from gan_lab.common.errors import WeightsError
from gan_lab.metrics.fid import Fid
from gan_lab.metrics.inception import FEATURES, InceptionFeatures
from gan_lab.metrics.inception_weights import (
    FULL_FILE,
    FULL_SHA256,
    find_weights,
)
from gan_lab.metrics.resize import tf_bilinear
from gan_lab.storage.weights import SILENCE_SECONDS

PARTIAL_FILE = "inception-2015-12-05-to-Mixed_6e.pth"


@pytest.fixture(autouse=True)
def empty_machine(monkeypatch, tmp_path):
    """No weights anywhere, and a download that fails as it does without a network."""
    monkeypatch.delenv("GAN_LAB_DATA", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def unreachable(*arguments, **options):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)


@pytest.fixture
def partial(shared_data):
    """The real weights up to Mixed_6e."""
    path = shared_data / "inception" / PARTIAL_FILE
    if not path.is_file():
        pytest.skip(f"no partial weights at {path}")
    return path


def put(path, value):
    """Write a state dict that tells which file it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"mark": torch.tensor(value)}, path)
    return path


def test_weights_are_looked_for_in_the_stated_order(monkeypatch, tmp_path):
    data, hub = tmp_path / "data", tmp_path / "hub" / "checkpoints"
    monkeypatch.setenv("GAN_LAB_DATA", str(data))
    places = [
        put(hub / FULL_FILE, 0),
        put(data / "inception" / FULL_FILE, 1),
        put(data / FULL_FILE, 2),
        put(tmp_path / "mine.pth", 3),
    ]
    assert int(find_weights(str(places[3])).state["mark"]) == 3
    for expected in (2, 1, 0):
        assert int(find_weights(None).state["mark"]) == expected
        places[expected].unlink()


def test_partial_weights_serve_only_earlier_layers(monkeypatch, tmp_path):
    data, hub = tmp_path / "data", tmp_path / "hub" / "checkpoints"
    monkeypatch.setenv("GAN_LAB_DATA", str(data))
    put(data / "inception" / PARTIAL_FILE, 1)
    assert int(find_weights(None, feature=768).state["mark"]) == 1
    assert int(find_weights(None, feature=2048).state["mark"]) == 1  # there are no others
    put(hub / FULL_FILE, 0)
    assert int(find_weights(None, feature=768).state["mark"]) == 1
    assert int(find_weights(None, feature=2048).state["mark"]) == 0


def test_a_download_goes_to_the_hub_cache_and_is_verified(monkeypatch, tmp_path):
    asked = {}

    def download(url, target, *, hash_prefix, progress):
        asked.update(url=url, hash_prefix=hash_prefix)
        torch.save({"mark": torch.tensor(7)}, target)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    found = find_weights(None)
    assert found.path == tmp_path / "hub" / "checkpoints" / FULL_FILE
    assert asked["url"].endswith(FULL_FILE)
    assert asked["hash_prefix"] == FULL_SHA256
    assert FULL_SHA256[:8] in FULL_FILE
    assert not found.known
    assert found.name == f"unknown ({FULL_FILE})"


@pytest.mark.parametrize(
    "failure", [urllib.error.URLError("no network"), RuntimeError("invalid hash value")]
)
def test_without_weights_and_network_one_sentence_says_what_to_do(monkeypatch, tmp_path, failure):
    monkeypatch.setenv("GAN_LAB_DATA", str(tmp_path / "data"))

    def fails(*arguments, **options):
        raise failure

    monkeypatch.setattr(torch.hub, "download_url_to_file", fails)
    with pytest.raises(WeightsError) as caught:
        find_weights(None)
    sentence = str(caught.value)
    assert "\n" not in sentence
    for word in (
        str(tmp_path / "data"),
        str(tmp_path / "hub"),
        "metrics.weights=",
        "GAN_LAB_DATA",
        "metrics=small",
        "metrics.fid.feature=768",
    ):
        assert word in sentence


def test_waiting_for_a_download_ends(monkeypatch):
    import socket

    seen = []

    def download(*arguments, **options):
        seen.append(socket.getdefaulttimeout())
        raise urllib.error.URLError("timed out")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(WeightsError):
        find_weights(None)
    assert seen == [SILENCE_SECONDS]
    assert socket.getdefaulttimeout() is None


def test_a_named_file_must_be_there(tmp_path):
    with pytest.raises(WeightsError, match=r"metrics.weights=.*: no such file"):
        find_weights(str(tmp_path / "absent.pth"))


class Evil:
    """A pickle that runs code when it is loaded."""

    def __reduce__(self):
        return os.mkdir, (os.environ["EVIL_FOLDER"],)


def saved(value):
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["torch", "pickle", "noise", "empty", "list"])
def test_files_that_are_no_state_dict_are_refused_and_run_nothing(monkeypatch, tmp_path, kind):
    monkeypatch.setenv("EVIL_FOLDER", str(tmp_path / "was_here"))
    content = {
        "torch": lambda: saved({"conv": Evil()}),
        "pickle": lambda: pickle.dumps({"conv": Evil()}, protocol=2),
        "noise": lambda: b"PK\x03\x04 noise",
        "empty": lambda: b"",
        "list": lambda: saved([torch.zeros(1)]),
    }[kind]()
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a readable state dict"):
        find_weights(str(path))
    assert not (tmp_path / "was_here").exists()


def test_weights_of_another_network_are_refused(tmp_path):
    path = put(tmp_path / "other.pth", 0)
    with pytest.raises(WeightsError, match="does not hold the Inception-v3 of 2015-12-05"):
        InceptionFeatures(find_weights(str(path)), feature=64)


def test_partial_weights_give_nan_at_2048_and_one_sentence_says_so(partial):
    weights = find_weights(str(partial))
    assert weights.name == f"unknown ({PARTIAL_FILE})"
    with pytest.raises(WeightsError) as caught:
        InceptionFeatures(weights, feature=2048)
    sentence = str(caught.value)
    assert "give NaN at feature 2048 (they end at Mixed_6e)" in sentence
    assert "metrics.fid.feature=768" in sentence
    assert "\n" not in sentence


def test_fid_says_so_before_any_image_is_read(monkeypatch, partial):
    class Unread:
        splits = ("train",)

        def load(self, split):
            raise AssertionError("the weights come first")

    monkeypatch.setenv("GAN_LAB_DATA", str(partial.parent.parent))
    with pytest.raises(WeightsError, match="give NaN at feature 2048"):
        Fid().prepare(Unread(), torch.device("cpu"))


def test_features_of_grey_images_resize_and_identity(partial):
    weights = find_weights(str(partial))
    before = torch.get_rng_state()
    standard = InceptionFeatures(weights, feature=64)
    assert torch.equal(torch.get_rng_state(), before)
    images = torch.randint(0, 256, (3, 1, 32, 32), dtype=torch.uint8)
    grey = standard.features(images)
    assert grey.shape == (3, 64)
    torch.testing.assert_close(standard.features(images.expand(-1, 3, -1, -1)), grey)
    antialias = InceptionFeatures(weights, feature=64, resize="antialias")
    difference = (antialias.features(images) - grey).abs().max() / grey.abs().max()
    assert float(difference) > 1e-3
    assert standard.identity()["weights"] == f"unknown ({PARTIAL_FILE})"
    assert standard.identity()["resize"].startswith("to 299 as TensorFlow 1 does")
    assert standard.identity() != antialias.identity()
    assert Fid().resize == "tf"


def test_where_antialias_widens_nothing_it_is_half_pixel_bilinear_not_tensorflow():
    images = torch.rand(1, 1, 32, 32)
    wide = F.interpolate(images, (299, 299), mode="bilinear", antialias=True)
    torch.testing.assert_close(wide, F.interpolate(images, (299, 299), mode="bilinear"))


@pytest.mark.parametrize(
    "shape", [(2, 3, 64, 64), (1, 1, 28, 28), (1, 3, 320, 301), (1, 1, 299, 1)]
)
def test_the_tensorflow_resize_has_torch_fidelitys_bits(shape):
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).float()
    expected = interpolate_bilinear_2d_like_tensorflow1x(
        images, size=(299, 299), align_corners=False
    )
    assert torch.equal(tf_bilinear(images, 299), expected)


class Drawn(FeatureExtractorInceptionV3):
    """The network with weights from a seed, and batch statistics that do something."""

    def load_state_dict(self, state):
        for name, value in self.state_dict().items():
            if value.dim() > 1:
                nn.init.kaiming_normal_(value)
            elif name.endswith(("running_var", "bn.weight")):
                nn.init.uniform_(value, 0.9, 1.1)
            elif name.endswith(("running_mean", "bn.bias")):
                nn.init.normal_(value, std=0.1)


@pytest.fixture(scope="module")
def any_weights(tmp_path_factory):
    """A complete file of weights that belongs to nobody."""
    path = tmp_path_factory.mktemp("weights") / "any.pth"
    torch.save({}, path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(Drawn("inception-v3-compat", ["2048"], str(path)).state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("feature", "resize"), [*((feature, "tf") for feature in FEATURES), (64, "antialias")]
)
def test_features_are_torchmetrics_own(any_weights, feature, resize):
    images = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8)
    standard = NoTrainInceptionV3(
        "inception-v3-compat", [str(feature)], str(any_weights), resize == "antialias"
    )
    with torch.no_grad():
        expected = standard(images)
    weights = find_weights(str(any_weights))
    ours = InceptionFeatures(weights, feature=feature, resize=resize).features(images)
    assert float((ours - expected).abs().max() / expected.abs().max()) < 2e-6


def test_bf16_features_are_near_and_called_so(any_weights):
    weights = find_weights(str(any_weights))
    images = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    exact = InceptionFeatures(weights, feature=768)
    quick = InceptionFeatures(weights, feature=768, precision="bf16")
    expected, found = exact.features(images), quick.features(images)
    assert found.dtype == torch.float32
    deviation = float((found - expected).abs().max() / expected.abs().max())
    assert 1e-4 < deviation < 0.05
    assert exact.identity()["features_precision"] == "32-true"
    assert quick.identity() == {**exact.identity(), "features_precision": "bf16"}


def test_a_batch_on_a_cpu_is_taken_in_parts_and_keeps_its_features(any_weights):
    extractor = InceptionFeatures(find_weights(str(any_weights)), feature=64)
    images = torch.randint(0, 256, (11, 3, 32, 32), dtype=torch.uint8)
    single = torch.cat([extractor.features(image[None]) for image in images])
    torch.testing.assert_close(extractor.features(images), single)
