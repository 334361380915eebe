"""FID equals torch-fidelity's, and a computation by hand, on real PNG files."""

from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image, ImageOps
from torch_fidelity import calculate_metrics

from gan_lab.common.errors import WeightsError
from gan_lab.data.image_set import ImageSet
from gan_lab.metrics.fid import Fid
from gan_lab.metrics.inception_weights import FULL, find_weights
from gan_lab.metrics.views import Conditions

CPU = torch.device("cpu")
FEW = 12
PARTIAL_FILE = "inception-2015-12-05-to-Mixed_6e.pth"


def write_pngs(files, folder, size):
    """Centre-crop and resize photographs; PNG keeps every pixel."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        with Image.open(file) as image:
            picture = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.LANCZOS)
        picture.save(folder / f"{file.stem}.png", compress_level=1)
    return folder


def read_pngs(folder):
    return torch.stack(
        [
            torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
            for file in sorted(folder.glob("*.png"))
        ]
    )


class Folder:
    """A data set of one split, for a metric to read."""

    splits = ("train",)

    def __init__(self, folder):
        self.folder = folder

    def load(self, split):
        images = read_pngs(self.folder)
        return ImageSet("pngs", split, images, None, (), fingerprint=str(self.folder))


def ours(real, fake, **options):
    images = read_pngs(fake)
    conditions = Conditions(batch_size=16, weights=options.pop("weights"))
    metric = Fid(num_samples=len(images), **options)
    metric.prepare(Folder(real), CPU, conditions)
    score = metric.score(lambda start, count: images[start : start + count].float() / 127.5 - 1)
    return score, metric


def theirs(real, fake, *, feature, weights, **options):
    return calculate_metrics(
        input1=str(fake),
        input2=str(real),
        fid=True,
        feature_extractor="inception-v3-compat",
        feature_layer_fid=str(feature),
        feature_extractor_weights_path=str(weights),
        batch_size=16,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        **options,
    )


def by_hand(real, fake):
    """Frechet distance of two feature matrices, in NumPy and SciPy."""
    real, fake = real.double().numpy(), fake.double().numpy()
    difference = real.mean(0) - fake.mean(0)
    c1, c2 = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = scipy.linalg.sqrtm(c1 @ c2).real
    return float(difference @ difference + np.trace(c1) + np.trace(c2) - 2 * np.trace(root))


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """Make folders of PNGs: few faces of 64 pixels, few roses of 256."""
    made = {}

    def make(shared_data):
        if not made:
            root = tmp_path_factory.mktemp("pngs")
            faces = sorted((shared_data / "celeba" / "img_align_celeba").glob("*.jpg"))[:FEW]
            roses = sorted((shared_data / "unpaired" / "trainA").glob("*.jpg"))[:FEW]
            if len(faces) < FEW or len(roses) < FEW:
                pytest.skip(f"fewer than {FEW} photographs of each kind in {shared_data}")
            made["faces"] = write_pngs(faces, root / "faces", 64)
            made["roses"] = write_pngs(roses, root / "roses", 256)
        return made["faces"], made["roses"]

    return make


@pytest.fixture
def partial(shared_data):
    path = shared_data / "inception" / PARTIAL_FILE
    if not path.is_file():
        pytest.skip(f"no partial Inception weights at {path}")
    return path


@pytest.fixture(scope="session")
def completed(tmp_path_factory):
    """The partial weights with the missing layers drawn from a fixed seed.

    Only the pipeline is tested with them; a number from them means nothing.
    """

    def complete(partial):
        path = tmp_path_factory.getbasetemp() / "completed.pth"
        if not path.exists():
            generator = torch.Generator().manual_seed(0)
            state = torch.load(partial, weights_only=True)
            for name, value in state.items():
                if value.is_floating_point() and value.isnan().any():
                    state[name] = drawn(name, value.shape, generator)
            torch.save(state, path)
        return path

    return complete


def drawn(name, shape, generator):
    if len(shape) > 1:
        fan_in = int(np.prod(shape[1:]))
        return torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
    return torch.ones(shape) if name.endswith(("bn.weight", "running_var")) else torch.zeros(shape)


def test_768_features_of_the_real_weights(shared_data, photographs, partial):
    real, fake = photographs(shared_data)
    score, metric = ours(real, fake, feature=768, weights=str(partial))
    expected = theirs(
        real, fake, feature=768, weights=partial, kid=True, feature_layer_kid="768",
        kid_subset_size=FEW, kid_subsets=1,
    )  # fmt: skip
    value = score.values["metric/fid_768"]
    assert value == pytest.approx(expected["frechet_inception_distance"], rel=1e-3)
    assert score.values["metric/kid_768"] == pytest.approx(
        expected["kernel_inception_distance_mean"], rel=1e-3
    )
    kept = metric.kernel.metric
    features = torch.cat(kept.real_features), torch.cat(kept.fake_features)
    assert value == pytest.approx(by_hand(*features), rel=1e-3)
    assert sorted(score.values) == ["metric/fid_768", "metric/kid_768"]
    assert score.protocol["num_reals"] == score.protocol["num_samples"] == FEW


def test_bf16_features_are_near_and_never_called_fid(shared_data, photographs, partial):
    real, fake = photographs(shared_data)
    options = {"feature": 768, "weights": str(partial)}
    exact, _ = ours(real, fake, **options)
    quick, _ = ours(real, fake, features_precision="bf16", **options)
    assert sorted(quick.values) == ["metric/fid_768_bf16", "metric/kid_768_bf16"]
    value = quick.values["metric/fid_768_bf16"]
    assert value == pytest.approx(exact.values["metric/fid_768"], rel=0.05)
    assert quick.protocol == {**exact.protocol, "features_precision": "bf16"}


def test_2048_features_of_a_complete_state_dict(shared_data, photographs, partial, completed):
    real, fake = photographs(shared_data)
    weights = completed(partial)
    score, metric = ours(real, fake, weights=str(weights))
    expected = theirs(real, fake, feature=2048, weights=weights)
    assert score.values["metric/fid"] == pytest.approx(
        expected["frechet_inception_distance"], rel=1e-3
    )
    assert score.protocol["weights"] == "unknown (completed.pth)"
    assert any("not a known one" in note for note in metric.notes)


def test_2048_features_of_the_published_weights(shared_data, photographs, monkeypatch):
    def no_download(*arguments, **options):
        raise OSError("not in a test")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_download)
    monkeypatch.setenv("GAN_LAB_DATA", str(shared_data))
    try:
        weights = find_weights(None)
    except WeightsError as error:
        pytest.skip(str(error))
    if weights.name != FULL:
        pytest.skip(f"no complete Inception weights here, only {weights.path.name}")
    real, fake = photographs(shared_data)
    score, _ = ours(real, fake, weights=str(weights.path))
    expected = theirs(real, fake, feature=2048, weights=weights.path)
    assert score.protocol["weights"] == FULL
    assert score.values["metric/fid"] == pytest.approx(
        expected["frechet_inception_distance"], rel=1e-3
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_1000_images_of_each_kind(shared_data, partial, tmp_path):
    faces = sorted((shared_data / "celeba" / "img_align_celeba").glob("*.jpg"))[:2000]
    if len(faces) < 2000:
        pytest.skip(f"fewer than 2,000 faces in {shared_data}")
    real = write_pngs(faces[:1000], tmp_path / "real", 64)
    fake: Path = write_pngs(faces[1000:], tmp_path / "fake", 32)  # blurred, as fakes may be
    score, _ = ours(real, fake, feature=768, weights=str(partial))
    expected = theirs(real, fake, feature=768, weights=partial)
    assert score.values["metric/fid_768"] == pytest.approx(
        expected["frechet_inception_distance"], rel=1e-3
    )
