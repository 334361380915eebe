"""VGG19 and LPIPS: what they compute of given weights, where weights are looked for, and what is refused."""

from __future__ import annotations

import json
import urllib.error
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchmetrics
from PIL import Image
from torch import Tensor, nn
from torch.testing import assert_close
from torchvision.models import squeezenet1_1
from torchvision.models.vgg import make_layers
from torchvision.transforms.functional import normalize

import gan_lab
from gan_lab.common.errors import ConfigError, WeightsError
from gan_lab.metrics.lpips import BACKBONES, Lpips
from gan_lab.perceptual import vgg19
from gan_lab.perceptual.distance import NETWORKS, PerceptualDistance
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.train import main
from tests.contracts.walk import built

# The channels of VGG19 are 64 to 512; these are as many layers in the same places.
NARROW = [3, 3, "M", 4, 4, "M", *[5] * 4, "M", *[6] * 4, "M", *[6] * 4, "M"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def images(seed: int, side: int = 32, channels: int = 3) -> Tensor:
    drawn = torch.Generator().manual_seed(seed)
    return torch.rand(2, channels, side, side, generator=drawn) * 2 - 1


@pytest.fixture(autouse=True)
def narrow_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A narrow VGG19, no weights anywhere, and a download that fails as it does without a network."""
    monkeypatch.setitem(vgg19.cfgs, "E", NARROW)
    monkeypatch.delenv("GAN_LAB_DATA", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def unreachable(*arguments: object, **options: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)


@pytest.fixture
def layers() -> nn.Sequential:
    """torchvision's own layers, with drawn weights."""
    torch.manual_seed(0)
    return make_layers(NARROW)


@pytest.fixture
def file(layers: nn.Sequential, tmp_path: Path) -> Path:
    """Their weights beside a classifier's, as torchvision's file has them."""
    state = {f"features.{key}": value for key, value in layers.state_dict().items()}
    path = tmp_path / "drawn.pth"
    torch.save({**state, "classifier.0.weight": torch.zeros(2)}, path)
    return path


def test_layers_are_those_of_torchvision_by_their_names(layers: nn.Sequential, file: Path) -> None:
    known = {"relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu5_1": 29}
    known |= {"conv5_4": 34, "relu5_4": 35}
    assert known.items() <= vgg19.PLACES.items()
    assert len(vgg19.PLACES) == 32
    network = vgg19.vgg19(str(file), "here", "rest")
    x = normalize((images(0) + 1) / 2, MEAN, STD)
    for (name, place), found in zip(known.items(), network(images(0), list(known)), strict=True):
        assert_close(found, layers[: place + 1](x.clone()), msg=name)


@pytest.mark.parametrize("kind", ["l1", "l2", "unit"])
def test_distances_are_weighted_means_over_layers(
    layers: nn.Sequential, file: Path, kind: str
) -> None:
    weights = {"relu1_1": 1 / 32, "conv5_4": 1.0, "pixels": 3.0}
    distance = PerceptualDistance(
        network="vgg19", layers=[*weights], layer_weights=[*weights.values()], distance=kind,
        network_weights=str(file),
    )  # fmt: skip
    one, other = images(0), images(1)
    total = torch.zeros(2)
    for name, weight in weights.items():
        seen = [one, other]
        if name != "pixels":
            seen = [normalize((x + 1) / 2, MEAN, STD) for x in seen]
            seen = [layers[: vgg19.PLACES[name] + 1](x) for x in seen]
            seen = [F.normalize(x, dim=1) for x in seen] if kind == "unit" else seen
        apart = seen[0] - seen[1]
        of_each = {"l1": apart.abs(), "l2": apart.square(), "unit": apart.square().sum(1)}[kind]
        total += weight * of_each.flatten(1).mean(1)
    assert_close(distance(one, other), total.detach())
    assert (
        distance.name == f"VGG19 of an unknown file, {kind} of 0.03125 relu1_1, conv5_4, 3 pixels"
    )
    assert PerceptualDistance(layers=["stage2"])(one, other).min() > 0


def test_weights_are_looked_for_in_the_stated_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: Path
) -> None:
    def opened(path: Path | None = None) -> str:
        return vgg19.vgg19(None if path is None else str(path), "here", "rest").sha256

    with pytest.raises(WeightsError) as caught:
        opened()
    told = ["VGG19", "GAN_LAB_DATA (not set)", str(tmp_path / "hub"), "or rest."]
    told.append("set here= to vgg19-dcbb9e9d.pth")
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in told)
    data, hub = tmp_path / "data", tmp_path / "hub" / "checkpoints"
    monkeypatch.setenv("GAN_LAB_DATA", str(data))
    state, hashes = torch.load(file), []
    for number, place in enumerate((hub, data)):
        place.mkdir(parents=True, exist_ok=True)
        torch.save({**state, "mark": torch.tensor(number)}, place / "vgg19-dcbb9e9d.pth")
        hashes.append(opened())
    assert len({*hashes, opened(file)}) == 3
    (data / "vgg19-dcbb9e9d.pth").unlink()
    assert opened() == hashes[0]

    def comes(url: str, target: str, *, hash_prefix: str, progress: bool) -> None:
        assert (hash_prefix, progress, url.startswith("https://")) == ("dcbb9e9d", False, True)
        torch.save(state, target)

    monkeypatch.setattr(torch.hub, "download_url_to_file", comes)
    (hub / "vgg19-dcbb9e9d.pth").unlink()
    assert opened() not in hashes


def test_what_is_wrong_ends_in_a_sentence(tmp_path: Path, file: Path) -> None:
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    refusals = {"absent": "no such file", "bad": "not a readable state", "other": "another network"}
    for name, words in refusals.items():
        with pytest.raises(WeightsError, match=words):
            vgg19.vgg19(str(tmp_path / f"{name}.pth"), "here", "rest")
    for options, words in (
        ({"network": "vgg16"}, r"network=vgg16: must be one of small, vgg19"),
        ({"network": "vgg19", "layers": ["relu5_5"]}, r"layers=relu5_5: must be one of .*; did you mean relu5_4"),
        ({"layers": ["relu5_4"]}, r"layers=relu5_4: must be one of stage1, stage2, stage3, stage4, pixels"),
        ({"layers": []}, "at least one layer"),
        ({"layers": ["stage1", "stage2"], "layer_weights": [1.0]}, r"there are 2 layers; give as many"),
        ({"layers": ["stage1"], "layer_weights": [-1.0]}, r"layer_weights=-1.0: must lie in"),
        ({"distance": "l3"}, r"distance=l3: must be one of"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=words):
            PerceptualDistance(**options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="see images of 16 pixels or more, and these have 8"):
        PerceptualDistance(network="vgg19").seen.require(8)
    assert NETWORKS["small"][0] == "stage1"


def test_a_frozen_network_is_in_no_optimizer_checkpoint_or_mode(file: Path) -> None:
    """A weight that is clipped with the discriminator's would be another network's."""
    game = built(
        "model=pix2pix", "data.resolution=32", "discriminator.layers=1", "auxiliary=[pixel,perceptual]",
        "penalty=[weight_clipping]", "auxiliary.perceptual.network=vgg19", "auxiliary.perceptual.layers=[conv1_1]",
        f"auxiliary.perceptual.network_weights={file}",
    ).game  # fmt: skip
    term = game.auxiliaries["perceptual"]
    term.prepare(
        SimpleNamespace(columns={"images": SimpleNamespace(values=torch.zeros(1, 3, 32, 32))})
    )
    held = term.distance.network.open()
    assert not any("perceptual" in name for name in game.state_dict())
    assert [*term.parameters()] == []
    assert {name for spec in game.players() for name in spec.networks} == {"discriminator", "generator"}  # fmt: skip
    game.train()
    assert not held.training
    old = {"heads.perceptual.distance.network.stages.0.0.weight": torch.zeros(1)}
    game.load_state_dict({**game.state_dict(), **old})
    game.double()
    assert next(held.parameters()).dtype == torch.float64


@pytest.mark.parametrize("channels", [1, 3])
def test_lpips_is_the_weighted_distance_of_unit_features(tmp_path: Path, channels: int) -> None:
    """By torchvision's layers and the heads that torchmetrics ships, version 0.1 of arXiv:1801.03924."""
    torch.manual_seed(0)
    features = squeezenet1_1(weights=None).features.eval()
    path = tmp_path / "squeeze.pth"
    torch.save({f"features.{key}": value for key, value in features.state_dict().items()}, path)
    heads = torch.load(
        Path(torchmetrics.__file__).parent / "functional/image/lpips_models/squeeze.pth", "cpu"
    )
    one, other = images(0, 24, channels), images(1, 24, channels)
    x, y = ((i.expand(-1, 3, -1, -1) - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
            / torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1) for i in (one, other))  # fmt: skip
    total, ends = torch.zeros(2), (1, 4, 7, 9, 10, 11, 12)
    for place, layer in enumerate(features):
        x, y = layer(x), layer(y)
        if place in ends:
            apart = (F.normalize(x, dim=1) - F.normalize(y, dim=1)).square().mean(dim=(2, 3))
            total += apart @ heads[f"lin{ends.index(place)}.model.1.weight"].flatten()
    metric = Lpips(network="squeeze", network_weights=str(path))
    reals = SimpleNamespace(images=SimpleNamespace(images=one), device=torch.device("cpu"))
    told = metric.open(reals)
    assert told["lpips_backbone"] == "SqueezeNet 1.1 of an unknown file"
    found = metric.compared((one + 1) / 2, (other + 1) / 2)[metric.key]
    assert_close(found, total.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", list(BACKBONES))
def test_lpips_without_weights_or_with_small_images_says_so(tmp_path: Path, network: str) -> None:
    def opened(side: int, path: Path | None = None) -> None:
        metric = Lpips(network=network, network_weights=None if path is None else str(path))
        shown = SimpleNamespace(images=torch.zeros(1, 3, side, side))
        metric.open(SimpleNamespace(images=shown, device=torch.device("cpu")))

    with pytest.raises(ConfigError, match=r"sees images of \d\d pixels or more, and these have 15"):
        opened(15)
    with pytest.raises(WeightsError, match=r"No weights of .*, or use metrics=paired\."):
        opened(32)
    if network == "squeeze":  # the others take seconds to make
        torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
        with pytest.raises(WeightsError, match="holds the weights of another network"):
            opened(32, tmp_path / "other.pth")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for split in ("train", "test"):
        (tmp_path / "pairs" / split).mkdir(parents=True)
        for number in range(4):
            pixels = draw.integers(0, 256, (32, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pairs" / split / f"{number}.png")
    return tmp_path / "pairs"


def test_a_run_names_the_network_beside_its_numbers_and_needs_it_for_no_samples(
    pairs: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [
        "model=pix2pix", f"data.root={pairs}", "debug=tiny", "logger=none", "strategy=cpu", "data.resolution=32",
        "discriminator.layers=1", "auxiliary=[pixel,perceptual]", "auxiliary.perceptual.network=vgg19",
        "auxiliary.perceptual.layers=[relu1_1,relu2_1]", "auxiliary.perceptual.layer_weights=[0.5,1]",
        "auxiliary.perceptual.distance=l1", "metrics=[paired]", "max_rounds=1", "metrics.paired.network=vgg19",
        f"hydra.run.dir={tmp_path / 'run'}",
    ]  # fmt: skip
    line.append(f"metrics.paired.network_weights={file}")
    assert main(line) == 1
    assert "auxiliary.perceptual.network=small" in capsys.readouterr().err
    line.append(f"auxiliary.perceptual.network_weights={file}")
    assert main([*line, f"hydra.run.dir={tmp_path / 'whole'}"]) == 0
    records = [
        json.loads(one) for one in (tmp_path / "whole/metrics.jsonl").read_text().splitlines()
    ]
    (last,) = [one["protocol"] for one in records if "metric/l1" in one][-1:]
    assert last["perceptual"] == "VGG19 of an unknown file, unit of relu5_4"
    assert len(last["perceptual_sha256"]) == 64
    assert any("loss/generator/perceptual" in one for one in records)
    assert "perceptual" not in " ".join(
        load_checkpoint(tmp_path / "whole/checkpoints/last.ckpt")["networks"]
    )
    file.unlink()
    assert gan_lab.load(tmp_path / "whole").sample(2).shape == (2, 3, 32, 32)
