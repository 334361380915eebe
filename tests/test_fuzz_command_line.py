"""Five hundred mutated command lines, always the same: each ends in a sentence or would train, none in a traceback."""

from __future__ import annotations

import random
import re

import pytest

from gan_lab import evaluate, sample
from gan_lab.common.errors import GanLabError
from gan_lab.run import training
from gan_lab.train import main

LINES = 500
SEED = 16

OPTIONS = [
    "seed=1", "model=wgan", "generator=mlp", "discriminator=resnet", "generator.width=16", "discriminator.norm=none",
    "loss=hinge", "penalty=[r1]", "penalty.r1.weight=3", "latent.dim=32", "optimizer.generator.lr=1e-3",
    "optimizer.discriminator.betas=[0.0,0.9]", "optimizer@optimizer.generator=rmsprop", "data=fashion_mini",
    "data.resolution=32", "data.batch_size=16", "data.root=photos", "metrics=small", "metrics.num_samples=32",
    "logger=[csv]", "logger.mode=offline", "callbacks=[model_summary]", "trainer.detect_anomaly=true",
    "strategy=cpu", "strategy.devices=1", "precision=32-true", "memory_format=auto", "compile=false", "tf32=true",
    "accumulate=2", "max_kimg=1", "max_rounds=2", "max_time=1", "resume=auto", "log_every_rounds=1",
    "samples.num=4", "samples.every_kimg=1", "ema.half_life_kimg=1", "checkpoint.every_kimg=1", "experiment=first_run",
    "debug=tiny", "sweep.on_error=stop", "allow_targets=[tests.]", "engine.cuda_graphs=false", "hydra.verbose=false",
    "hydra.run.dir=run", "model.n_critic=2", "model._target_=gan_lab.games.gan.GAN", "--cfg=job", "--config-dir=.",
]  # fmt: skip
VALUES = [
    "", "null", "-1", "0", "1_000", "1e400", "nan", "inf", "true", "abc", "[1,2]", "[0.5]", "[]", "{}", "{a:1}",
    "[[1]]", "[null]", "{a:{b:c}}", "'", "\"x", "${seed}", "${oc.env:HOME}", "${nothing}", "~", "~nobody_here/x", "..",
    "é", "a b", "1,2", "{schedule:linear,start:1,end:nan,kimg:1}", "{schedule:piecewise,values:[1,2],kimg:[3,2]}",
    "1000000000000",
    "[dcgan,wgan]", "[r1,r1]", "choice(1,2)", "$", "\\", "(", "=", "auto", "none", "{_target_:os.system}", "???",
]  # fmt: skip
# Not the command line's fault: which files there are (it may be right on another day), and jobs that a sweep counts.
FAILED = re.compile("no run folder is there|there is no checkpoint here|of the jobs failed")
FLAGS = [
    "-m", "--multirun", "--cfg", "--cfg=x", "--resolve", "--info", "--experimental-rerun", "--sede", "-1", "-", "--",
    "--package", "--run",
]  # fmt: skip


def mutated(line: list[str], chance: random.Random) -> list[str]:
    """The line with one to three changes of the kinds that fingers make, and some that only a cat makes."""
    line = list(line)
    for _ in range(chance.randint(1, 3)):
        index = chance.randrange(len(line))
        key, _, value = line[index].partition("=")
        kind = chance.randrange(9)
        if kind <= 2:
            line[index] = f"{key}={chance.choice(VALUES)}"
        elif kind == 3:
            line[index] = chance.choice(["+", "++", "~", "~~", "@"]) + chance.choice(
                [line[index], key]
            )
        elif kind == 4:
            at = chance.randrange(len(line[index]) + 1)
            line[index] = line[index][:at] + chance.choice("=.,[]{}~+@/'\"$ x0") + line[index][at:]
        elif kind == 5 and len(line[index]) > 1:
            at = chance.randrange(len(line[index]))
            line[index] = line[index][:at] + line[index][at + 1 :]
        elif kind == 6:
            line.insert(index, chance.choice(FLAGS))
        elif kind == 7:
            line[index] = f"{key}.{chance.choice(['x', '0', 'width', '_target_'])}={value}"
        else:
            line.append(line[index])
    return line


def lines() -> list[list[str]]:
    chance = random.Random(SEED)
    return [mutated(chance.sample(OPTIONS, chance.randint(1, 4)), chance) for _ in range(LINES)]


class WouldTrain(GanLabError):
    """Everything was checked and built."""

    exit_code = 0


def refuse(*_: object) -> None:
    raise WouldTrain("It would train.")


@pytest.fixture
def before_training(monkeypatch, tmp_path):
    """Runs end where they would open their folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAN_LAB_DATA", str(tmp_path / "none"))
    monkeypatch.setattr(training, "open_folder", refuse)


def check(command, line, capsys) -> None:
    try:
        code = command(line)
    except BaseException as error:
        pytest.fail(f"{line}: {type(error).__name__}: {error}")
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said, (line, said)
    last = said.splitlines()[-1] if said else ""
    assert code in ((1,) if FAILED.search(last) else (0, 2)), (line, said)
    if code:
        assert last.endswith((".", "?")), (line, said)
        assert len(last) > 8, (line, said)


def test_forty_of_them(before_training, capsys):
    for line in lines()[:40]:
        check(main, line, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_no_line_ends_in_a_traceback(part, before_training, capsys):
    for line in lines()[part::10]:
        check(main, line, capsys)


@pytest.mark.parametrize("command", [sample.main, evaluate.main])
def test_nor_after_training(command, before_training, capsys):
    chance = random.Random(SEED)
    for _ in range(15):
        line = mutated(
            [
                "run=nowhere",
                *chance.sample(["num=4", "seed=1", "device=cpu", "out=x.png", "ema=true"], 2),
            ],
            chance,
        )
        check(command, line, capsys)
