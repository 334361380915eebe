"""Every command and every Python snippet of README and docs runs, page by page and in its order.

Runs are made tiny, data sets and run folders that a page only names are stand-ins. What no test runs is
listed with its reason in tests/documented.py.
"""

from __future__ import annotations
import __future__

import ast
import importlib
import io
import re
import shutil
import subprocess
import sys
import tomllib
import types

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torchvision.models.vgg import make_layers

import gan_lab.train
from gan_lab import cli
from gan_lab.perceptual import vgg19
from tests.conftest import REPOSITORY, now_and_slow
from tests.documented import PAGES, parsed_only, shown_on, words_of
from tests.unit.test_data_sets import digits as save_digits
from tests.unit.test_perceptual_networks import NARROW

FIRST_TEST = 182_637  # CelebA's test images begin behind it
LONG = ("papers.md", "translation.md", "newer.md", "configuration.md", "tricks.md")
TINY = ["debug=tiny", "logger=none", "samples.num=4", "samples.every_kimg=0.001"]
SMALLER = {
    "num=10000": "num=20",
    "num_samples=1000": "num_samples=50",
    "data.limit=750": "data.limit=20",
    "hydra.sweeper.n_trials=20": "hydra.sweeper.n_trials=2",
}
# A page's own words for a folder, and what stands there in the tests.
RUNS = re.compile(
    r"<run folder(?: or checkpoint)?>|outputs/(?:\.\.\.|(?:<date>/)?<run>|<date>/<time>(?!-sweep)[\w<>-]*"
    r"|\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d-(?!sweep)[\w-]+)"
)
SWEEPS = re.compile(r"outputs/(?:<date>/<time>|\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d)-sweep")
# Pages whose Python is a sketch, with what it speaks of; {beginning of a snippet: why it does not run}.
SKETCHES = {
    "def play_round(self, batch):": "says in words what engine/module.py does",
    "class Fid:": "leaves options out",
    "class SomeGenerator(nn.Module):": "leaves options out",
}
TRAINED: set[str] = set()  # commands of all pages: each needs to train once only
SPOKEN_OF = (
    "from collections.abc import Iterable, Mapping\n"
    "from dataclasses import dataclass\nfrom typing import Any, NamedTuple\n"
    "import torch\nfrom torch import Tensor, nn\nfrom gan_lab.common.scalars import Scalar\n"
)
MY_LAB = '''
from lightning.pytorch import Callback
from gan_lab.games.gan import GAN


class Mine(GAN):
    """A game."""


class Watcher(Callback):
    """A callback."""

    def on_train_end(self, trainer, pl_module):
        print("watched")
'''


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """A finished run, a sweep of two, photos, a part of CelebA, and weights for Inception."""
    place = tmp_path_factory.mktemp("stand-ins")
    tiny = [*TINY, "model=dcgan", "latent=normal"]
    assert gan_lab.train.main([*tiny, f"hydra.run.dir={place / 'run'}"]) == 0
    assert gan_lab.train.main([*tiny, "-m", "seed=1,2", f"hydra.sweep.dir={place / 'sweep'}"]) == 0
    faces = place / "celeba" / "celeba" / "img_align_celeba"
    faces.mkdir(parents=True)
    (place / "photos").mkdir()
    (place / "masks").mkdir()
    Image.new("L", (32, 32), 255).save(place / "masks" / "all.png")
    draw = np.random.default_rng(0)
    for number in range(1, 25):
        picture = Image.fromarray(draw.integers(0, 256, (218, 178, 3), dtype=np.uint8))
        picture.save(faces / f"{number:06}.jpg")
        picture.save(faces / f"{FIRST_TEST + number:06}.jpg")
        picture.save(place / "photos" / f"{number}.png")
    _save_translations(place, draw)
    _save_labels(place, draw)
    save_digits(place / "digits" / "MNIST" / "raw", count=80)
    pairs = [*TINY, "model=pix2pix", "discriminator.layers=1", f"data.root={place / 'pairs'}"]
    assert (
        gan_lab.train.main([*pairs, "metrics=none", f"hydra.run.dir={place / 'translated'}"]) == 0
    )
    _save_drawn_inception(place / "inception.pth")
    drawn = {f"features.{name}": value for name, value in make_layers(NARROW).state_dict().items()}
    torch.save(drawn, place / vgg19.PUBLISHED.file)
    return place


def _save_translations(place, draw):
    """Pictures of pairs, and folders of two kinds of images."""
    folders = [place / "pairs" / split for split in ("train", "test")]
    folders += [
        place / "unpaired" / f"{split}{kind}" for split in ("train", "test") for kind in "AB"
    ]
    for folder in folders:
        folder.mkdir(parents=True)
        for number in range(6):
            pixels = draw.integers(0, 256, (32, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")


def _save_labels(place, draw):
    """Photographs with maps of their classes."""
    for split in ("train", "test"):
        for kind in ("img", "label"):
            (place / "labels" / f"{split}_{kind}").mkdir(parents=True)
        for number in range(6):
            classes = draw.integers(0, 5, (32, 32), dtype=np.uint8)
            for kind, pixels in (("label", classes), ("img", np.stack([classes * 40] * 3, -1))):
                Image.fromarray(pixels).save(place / "labels" / f"{split}_{kind}" / f"{number}.png")


def _save_drawn_inception(path):
    """Weights of Inception's shapes: what is scored with them means nothing."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Drawn(FeatureExtractorInceptionV3):
        def load_state_dict(self, *arguments, **options):
            """Keep what was drawn."""

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    torch.save(Drawn("inception-v3-compat", ["2048"], empty).state_dict(), path)


@pytest.mark.parametrize(
    "page", now_and_slow(PAGES, [page for page in PAGES if page.name not in LONG]), ids=lambda page: page.name
)  # fmt: skip
def test_what_a_page_shows_runs(page, stand_ins, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    reader = Reader(page, stand_ins, tmp_path, monkeypatch)
    for shown in shown_on(page):
        try:
            reader.follow(shown)
        except Exception as error:
            said = capsys.readouterr().err[-2000:]
            raise AssertionError(f"{shown.where}: {shown.text}\n{error}\n{said}") from error
    if page.name == "adding.md":
        logged = [path.read_text() for path in tmp_path.glob("*/metrics.jsonl")]
        assert any("loss/discriminator/logit_drift" in text for text in logged)


class Reader:
    """Somebody who types what a page shows, in a folder of their own."""

    def __init__(self, page, stand_ins, here, monkeypatch):
        self.page, self.stand_ins, self.here, self.monkeypatch = page, stand_ins, here, monkeypatch
        self.names = {"__name__": "__main__"}
        self.done = set()  # commands of this page, which may need what stands above them
        self.runs = 0
        if page.name == "architecture.md":
            exec(SPOKEN_OF, self.names)
        self._make_my_lab()

    def follow(self, shown):
        if shown.kind == "python":
            self.python(shown)
        elif shown.kind == "yaml":
            self.yaml(shown)
        elif "#SBATCH" in shown.text:
            subprocess.run(["bash", "-n"], input=shown.text, text=True, check=True)
        for command in shown.commands:
            if command not in (TRAINED if "gan_lab.train" in command else self.done):
                self.done.add(command)
                self.shell(command)
                TRAINED.add(command)

    def shell(self, command):
        words = words_of(self.placed(command))
        if parsed_only(command):
            look_up(command)
        elif words[0] == "export":
            name, _, value = words[1].partition("=")
            self.monkeypatch.setenv(name, value.replace("////data/", f"///{self.here}/"))
        else:
            self.gan_lab(words)

    def gan_lab(self, words):
        if words[0] == "gan-lab":
            main, arguments = cli.main, words[1:]
        elif words[:2] == ["python", "-m"]:
            module = importlib.import_module(words[2])
            main, arguments = module.main, words[3:]
        else:
            main, arguments = gan_lab.train.main, words
        arguments = [SMALLER.get(a, a) for a in arguments]
        if main is gan_lab.train.main or arguments[0] == "train":
            arguments = self.tiny(arguments)
        if "gan_lab.latent" in words:
            arguments += ["iterations=3", "train_kimg=1", "frames=2"]
        if "metrics=fid" in arguments:
            arguments = [a for a in arguments if "num_samples" not in a]
            arguments += [f"metrics.weights={self.stand_ins / 'inception.pth'}"]
            arguments += ["metrics.num_samples=8", "metrics.num_reals=8"]
        if any("vgg19" in word for word in arguments):
            self.monkeypatch.setitem(vgg19.cfgs, "E", NARROW)
            self.monkeypatch.setenv("GAN_LAB_DATA", str(self.stand_ins))
        code = main(arguments)
        assert code == 0, f"{' '.join(arguments)} ended with {code}"

    def placed(self, text):
        """The same text with the stand-ins in the place of what the page only names."""
        run = self.stand_ins / "run"
        if "resume=" in text or "timelapse" in text:  # they write into it
            run = self.here / "run"
            if not run.exists():
                shutil.copytree(self.stand_ins / "run", run)
        if "gan_lab.translate" in text or ".translate(" in text:
            run = self.stand_ins / "translated"
            text = text.replace("=my/photos", f"={self.stand_ins / 'photos'}")
        text = text.replace("images=my/photos", f"images={self.stand_ins / 'photos'}")
        text = text.replace("=my/masks", f"={self.stand_ins / 'masks'}")
        grid = next((run / "samples").glob("kimg-*.png")).name
        text = re.sub(r"kimg-\d{6}\.\d{3}\.png", grid, text)
        text = SWEEPS.sub(str(self.stand_ins / "sweep"), text)
        return RUNS.sub(str(run), text)

    def tiny(self, arguments):
        """A training command made small, in a folder of the test."""
        if any(a.startswith("--") and not a.startswith("--config-dir") for a in arguments):
            return arguments
        if any(re.match(r"resume=(?!auto)", a) for a in arguments):
            return [*arguments, "max_rounds=6"]
        self.runs += 1
        of_faces = ("faces", "faces_wgan", "stylegan2_small")
        faces = {"data=celeba", *(f"experiment={name}" for name in of_faces)} & set(arguments)
        photos = "celeba" if faces else "photos"
        for own in ("pairs", "unpaired", "labels"):
            photos = own if f"data.root=my/{own}" in arguments else photos
        arguments = [
            re.sub(r"^data\.root=.*", f"data.root={self.stand_ins / photos}", a) for a in arguments
        ]
        if "model=adaptation" in arguments:
            arguments += [f"data.root={self.stand_ins / 'digits'}"]
        if "model=cyclegan" in arguments:
            arguments += ["experiment=translate_small", "max_kimg=null"]
        if {"model=stargan", "experiment=stargan_small"} & set(arguments):
            arguments += ["metrics.accuracy.train_kimg=1"]
        if (self.here / "conf").exists() and not any("--config-dir" in a for a in arguments):
            arguments.append(f"--config-dir={self.here / 'conf'}")  # files that the page has shown
        tiny = [t for t in TINY if t != "logger=none" or not any("logger=" in a for a in arguments)]
        folder = "hydra.sweep.dir" if "-m" in arguments else "hydra.run.dir"
        if not any(a.startswith(folder) for a in arguments):
            tiny.append(f"{folder}={self.here / str(self.runs)}")
        return [*tiny[:1], *arguments, *tiny[1:]]

    def python(self, shown):
        if any(shown.text.startswith(begin) for begin in SKETCHES):
            return
        train = gan_lab.train.train
        small = {"debug": "tiny", "logger": "none"}
        self.monkeypatch.setattr(gan_lab.train, "train", lambda **more: train(**{**small, **more}))
        later = __future__.annotations.compiler_flag if self.page.name == "architecture.md" else 0
        code = compile(self.placed(shown.text), shown.where, "exec", later, dont_inherit=True)
        exec(code, self.names)
        self.monkeypatch.setattr(gan_lab.train, "train", train)
        if module := re.search(r"^# (gan_lab/[\w/]+)\.py$", shown.text, re.MULTILINE):
            self._place_module(module[1].replace("/", "."), shown.text)

    def yaml(self, shown):
        """A file of conf/ is put where its comment says; anything else has to be YAML."""
        assert yaml.safe_load(shown.text)
        if lies := re.search(r"^# (conf/\S+\.yaml)$", shown.text, re.MULTILINE):
            path = self.here / lies[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(shown.text)

    def _place_module(self, name, text):
        """What a page puts into a file of gan_lab, as if it were there."""
        module = types.ModuleType(name)
        exec(compile(text, name, "exec", dont_inherit=True), module.__dict__)
        self.monkeypatch.setitem(sys.modules, name, module)

    def _make_my_lab(self):
        """The reader's own package and conf/, as the pages call them."""
        (self.here / "my_lab.py").write_text(MY_LAB)
        conf = self.here / "my" / "conf" / "model"
        conf.mkdir(parents=True)
        model = {"defaults": ["_self_"], "model": {"_target_": "my_lab.Mine", "n_critic": 1}}
        (conf / "mine.yaml").write_text(f"# @package _global_\n{yaml.safe_dump(model)}")
        self.monkeypatch.delitem(sys.modules, "my_lab", raising=False)


def look_up(command):
    """Check what can be known of a command without running it."""
    words = words_of(command)
    if words[0] == "make":
        target = words[1]
        assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE), (
            target
        )
        for word in words[2:]:
            assert gan_lab.train.compose(word.removeprefix("ARGS=").split())
    elif words[:2] == ["pip", "install"]:
        extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"][
            "optional-dependencies"
        ]
        for extra in re.findall(r"gan-lab\[([\w,]+)\]", command):
            assert set(extra.split(",")) <= set(extras), extra
    elif words[0] == "python" and words[1].endswith(".py"):
        source = (REPOSITORY / words[1]).read_text()
        ast.parse(source)
        unknown = [w for w in words if w.startswith("--") and f'"{w}"' not in source]
        assert not unknown, unknown
    elif words[0] == "wandb":
        from wandb.cli.cli import cli as group

        assert words[1] in group.commands
