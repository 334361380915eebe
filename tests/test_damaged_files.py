"""Damaged files of a run or of the cache, met through the commands: one sentence, or work that goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from gan_lab import compare, evaluate, sample
from gan_lab.train import main

TINY = [
    "debug=tiny", "logger=none", "strategy=cpu", "generator.width=4", "discriminator.width=4", "samples.num=4",
    "data=image_folder", "data.resolution=32", "data.batch_size=4", "metrics.num_samples=8", "metrics.num_reals=8",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run on eight pictures, and the cache that it has filled."""
    place = tmp_path_factory.mktemp("made")
    (place / "photos").mkdir()
    for number in range(8):
        Image.new("RGB", (40, 40), (30 * number, 90, 10)).save(place / "photos" / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_LAB_CACHE", str(place / "cache"))
        assert (
            main(
                [
                    *TINY,
                    f"data.root={place / 'photos'}",
                    "max_rounds=2",
                    f"hydra.run.dir={place / 'run'}",
                ]
            )
            == 0
        )
    return place


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """A copy that may be damaged."""
    shutil.copytree(made / "run", tmp_path / "run")
    shutil.copytree(made / "cache", tmp_path / "cache")
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path


COMMANDS = {
    "compare": lambda run: compare.main([str(run)]),
    "resume": lambda run: main([f"resume={run}", "max_rounds=3"]),
    "sample": lambda run: sample.main([f"run={run}", "num=2"]),
    "evaluate": lambda run: evaluate.main(
        [f"run={run}", "metrics.num_samples=8", "metrics.num_reals=8"]
    ),
}
RECORD = '{{"iteration": 1, "images_seen": 4, "metric/small_frechet": {}, "protocol": {}}}\n'
NO_LIST = ["[]", "[1, 2]", "null", '"text"', "5", "{", "\xff", ""]
# Content that each file may have, and the commands that read it.
DAMAGED = {
    "status.json": (NO_LIST, ("compare", "resume")),
    "overrides.yaml": (["- a\n- b\n", "5", "{", "overrides: 5\n", "overrides: [[1]]\n", "\xff"], ("compare", "resume")),
    "config.yaml": (["- a\n", "5", "{", "seed: [\n"], ("compare", "resume", "sample", "evaluate")),
    "environment.json": (NO_LIST, ("resume",)),
    "metrics.jsonl": (
        [RECORD.format(*each) for each in (('"x"', "{}"), ("[1]", "{}"), ("true", "{}"), ("1", "[]"), ("1", "5"),
         ("1", '{"num_samples": "many", "num_reals": [1]}'), ("1e999", "{}"))],
        ("compare", "resume"),
    ),
    "train.log": (["\xff\0"], ("resume",)),
}  # fmt: skip
CASES = [
    pytest.param(name, content, command, marks=[] if index == 0 else pytest.mark.slow)
    for name, (contents, commands) in DAMAGED.items()
    for index, content in enumerate(contents)
    for command in commands
]


def attempt(command: str, run: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code, and the last line; nothing is raised and no trace is shown."""
    capsys.readouterr()
    code = COMMANDS[command](run)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return code, said.strip().splitlines()[-1] if said.strip() else ""


@pytest.mark.parametrize(("name", "content", "command"), CASES)
def test_a_damaged_file_of_a_run(place, capsys, name, content, command):
    file = place / "run" / name
    file.write_bytes(content.encode("latin1"))
    code, last = attempt(command, place / "run", capsys)
    assert code in (0, 2), last
    if code:
        # Without its seal a run is a stranger's, which is said before its configuration is read.
        assert str(file) in last or "was made elsewhere" in last
        assert last.endswith((".", "?"))


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in ("{}", "5", '{"check": 5}', "{", "\xff")
        ),
    ],
)
def test_a_damaged_cache_is_made_again(place, capsys, content):
    (meta,) = (place / "cache" / "images").glob("*/meta.json")
    before = meta.read_bytes()
    meta.write_bytes(content.encode("latin1"))
    capsys.readouterr()
    assert COMMANDS["resume"](place / "run") == 0
    assert "cannot be used (" in capsys.readouterr().err
    assert meta.read_bytes() == before


def test_a_damaged_cache_without_room_for_another_is_one_sentence(place, capsys):
    (meta,) = (place / "cache" / "images").glob("*/meta.json")
    meta.write_bytes(b"[]")
    images = meta.parent.parent
    shutil.rmtree(images)
    images.write_text("a file where the folder was")
    code, last = attempt("resume", place / "run", capsys)
    assert code == 1
    assert last.startswith("data=image_folder: the decoded images cannot be kept in")
