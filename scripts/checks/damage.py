"""Damages last.ckpt in many ways and tries to load it, draw from it and go on with it; prints what happened.

python scripts/checks/damage.py

100 truncations, 200 single flipped bits at random places, 50 zeroed pages. Each must be refused in one sentence, or
everything that was loaded must equal what was saved. Going on with the folder must take the checkpoint before.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import timeit
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from damaging import damages, numbers
from states import equal

import gan_lab
from gan_lab.common.errors import GanLabError
from gan_lab.engine.module import AdversarialModule
from gan_lab.sample import main as sample
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from gan_lab.storage.run_folder import RunFolder
from gan_lab.storage.seals import sealed
from gan_lab.train import main as train

RUN = [
    "debug=tiny", "logger=none", "metrics=none", "max_rounds=6", "checkpoint.every_kimg=0.016", "samples.every_kimg=0",
]  # fmt: skip
USES = ("load", "sample", "resume the file", "resume the folder")


class Loaded(BaseException):
    """Ends a resumed run where its state was taken over."""


def main() -> None:
    """Train a small run, damage it, print the table; the exit code is 1 if any damage got through."""
    options = numbers(__doc__.splitlines()[0])
    with tempfile.TemporaryDirectory() as name:
        run = RunFolder(Path(name) / "run")
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            assert train([*RUN, f"hydra.run.dir={run.path}"]) == 0
        whole = run.last.read_bytes()
        shutil.copytree(run.path, run.path.with_name("kept"))
        uses = make_uses(run)
        draw = random.Random(options.seed)
        kinds = damages(whole, options, draw)
        print(
            f"last.ckpt of {len(whole):,} bytes, damaged at places drawn from seed {options.seed}.\n"
        )
        print("| damage | use | refused | equal | taken from the one before | wrong |")
        print("|---|---|---|---|---|---|")
        wrong = 0
        for kind, damaged in kinds.items():
            for use in USES:
                found = Counter(outcome(run, content, uses[use]) for content in damaged)
                shown = [found[word] for word in ("refused", "equal", "before", "wrong")]
                wrong += found["wrong"]
                print(
                    f"| {len(damaged)} {kind} | {use} | {' | '.join(map(str, shown))} |", flush=True
                )
        print(f"\n{speeds(Path(name) / 'large.ckpt')}")
    sys.exit(1 if wrong else 0)


def speeds(path: Path) -> str:
    """A sentence: how long a large checkpoint takes to check and to load, each the best of seven."""
    save_checkpoint({f"layer {i}": torch.randn(512, 512, 9) for i in range(20)}, path)

    def check() -> None:
        with path.open("rb", buffering=0) as file:
            assert sealed(file)

    times = [
        1e3 * min(timeit.repeat(function, number=1, repeat=7))
        for function in (check, lambda: torch.load(path, weights_only=True))
    ]
    return (
        f"A checkpoint of {path.stat().st_size / 1e6:.0f} MB: checking its checksum takes {times[0]:.0f} ms, "
        f"loading it with torch alone {times[1]:.0f} ms."
    )


def outcome(run: RunFolder, content: bytes, use: Callable[[], str]) -> str:
    """Put the content in the place of last.ckpt, use it, and put everything back."""
    run.last.write_bytes(content)
    try:
        return use()
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return "wrong"
    finally:
        shutil.rmtree(run.path)
        shutil.copytree(run.path.with_name("kept"), run.path)


def make_uses(run: RunFolder) -> dict[str, Callable[[], str]]:
    """What people do with a checkpoint; each says refused, equal, before or wrong."""
    last = load_checkpoint(run.last)
    before = load_checkpoint(run.checkpoints / "last-1.ckpt")
    picture = run.path.parent / "picture.png"
    drawing = [f"run={run.path}", "num=4", f"out={picture}"]
    assert quietly(sample, drawing) == 0
    pixels = picture.read_bytes()

    def load() -> str:
        try:
            found = gan_lab.load(run.path)
        except GanLabError:
            return "refused"
        truth = last["players"]["generator"]["ema"]
        networks = {name: network.state_dict() for name, network in found.networks.items()}
        return "equal" if equal(networks, truth) else "wrong"

    def draw() -> str:
        picture.unlink(missing_ok=True)
        code = quietly(sample, drawing)
        if code != 0:
            return "refused" if code == 1 and not picture.exists() else "wrong"
        return "equal" if picture.read_bytes() == pixels else "wrong"

    def resume(what: Path) -> str:
        taken: list[Any] = []

        def restore(_: Any, state: Any) -> None:
            taken.append(state)
            raise Loaded

        kept, AdversarialModule.restore = AdversarialModule.restore, restore  # type: ignore[method-assign]
        try:
            code = quietly(train, [f"resume={what}", "max_rounds=8"])
            return "refused" if code == 1 else "wrong"
        except Loaded:
            same = "equal" if equal(taken[0], last) else "wrong"
            return "before" if equal(taken[0], before) else same
        finally:
            AdversarialModule.restore = kept  # type: ignore[method-assign]

    return {
        "load": load,
        "sample": draw,
        "resume the file": lambda: resume(run.last),
        "resume the folder": lambda: resume(run.path),
    }


def quietly(command: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Run a command of gan_lab in this process; a traceback among what it says is an error of its own."""
    said = StringIO()
    with redirect_stderr(said), redirect_stdout(StringIO()):
        code = command(arguments)
    if "Traceback" in said.getvalue():
        raise AssertionError(said.getvalue())
    return code


if __name__ == "__main__":
    main()
