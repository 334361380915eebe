"""Resume is exact: after a stop, after kills at random moments, and whatever evaluation does meanwhile."""

from __future__ import annotations

import csv
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from gan_lab.common.errors import ConfigError
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.train import compose, main, train
from scripts.checks.states import leaves, same
from tests.conftest import now_and_slow

SMALL = [
    "logger=none", "generator.width=8", "discriminator.width=8", "data.batch_size=16", "samples.num=4",
    "metrics.num_samples=32", "metrics.num_reals=32", "max_kimg=null", "log_every_rounds=1",
]  # fmt: skip
MODELS = {
    "dcgan": ["model=dcgan"],
    "wgan_gp": ["model=wgan_gp", "generator=dcgan", "discriminator=dcgan", "model.n_critic=3"],
    "biggan": ["model=biggan", "generator.attention=16", "discriminator.attention=16"],
    "began": ["model=began"],
    "infogan": ["model=infogan"],
    "stylegan2": [
        "model=stylegan2",
        "generator.style_dim=16",
        "generator.mapping_layers=2",
        "latent.dim=16",
        "penalty.r1.every=3",
        "penalty.path_length.every=2",
    ],
    "stylegan3": [
        "model=stylegan3",
        "generator.layers=3",
        "generator.margin=2",
        "generator.max_width=16",
        "generator.style_dim=16",
        "latent.dim=16",
        "penalty.r1.every=3",
    ],
}  # fmt: skip - with batch statistics, labels, a state of the loss, codes, mean styles, path lengths and magnitudes


def assert_same_state(one, other):
    """Clock, networks, optimizers and averages are bit-identical."""
    keys = ("clock", "networks", "players")
    a, b = ({k: v for key in keys for k, v in leaves(s[key], key)} for s in (one, other))
    assert a.keys() == b.keys()
    wrong = [key for key in a if not same(a[key], b[key])]
    assert not wrong, f"{len(wrong)} of {len(a)} differ, such as {wrong[:3]}"


def last(folder):
    return load_checkpoint(folder / "checkpoints" / "last.ckpt")


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", now_and_slow(MODELS, ["dcgan", "wgan_gp", "biggan", "stylegan2"]))
def test_n_and_resume_and_n_are_2n(tmp_path, name):
    command = [*MODELS[name], *SMALL, "metrics.every_kimg=0.05"]
    assert main([*command, "max_rounds=14", f"hydra.run.dir={tmp_path}/straight"]) == 0
    assert main([*command, "max_rounds=7", f"hydra.run.dir={tmp_path}/halves"]) == 0
    assert main([f"resume={tmp_path}/halves/checkpoints/last.ckpt", "max_rounds=14"]) == 0
    assert_same_state(last(tmp_path / "straight"), last(tmp_path / "halves"))

    def values(folder):
        # The half run evaluates at its own end too; everything else must agree.
        return [
            {k: v for k, v in r.items() if not k.startswith(("speed/", "metric/", "memory/"))}
            for r in records(folder)
            if "loss/generator" in r
        ]

    assert values(tmp_path / "halves") == values(tmp_path / "straight")
    straight, halves = (grids(tmp_path / folder) for folder in ("straight", "halves"))
    assert straight.items() <= halves.items()  # the half run drew one at its own end
    assert len(straight) == 3


def grids(folder):
    """Every picture of samples/, to the byte."""
    return {path.name: path.read_bytes() for path in (folder / "samples").iterdir()}


def test_evaluation_does_not_disturb_training(tmp_path):
    """A generator with batch norm and dropout, with three evaluations and more, and with none."""
    command = ["model=dcgan", "generator.dropout=0.3", *SMALL, "max_rounds=20"]
    often = [
        *command,
        "metrics.every_kimg=0.06",
        "samples.every_kimg=0.05",
        "checkpoint.every_kimg=0.03",
    ]
    never = [*command, "metrics=none", "samples.every_kimg=0"]
    never = [option for option in never if not option.startswith("metrics.num")]
    assert main([*often, f"hydra.run.dir={tmp_path}/often"]) == 0
    assert main([*never, f"hydra.run.dir={tmp_path}/never"]) == 0
    scores = [r for r in records(tmp_path / "often") if "metric/small_frechet" in r]
    assert len(scores) >= 3 + 2
    assert_same_state(last(tmp_path / "often"), last(tmp_path / "never"))


def test_python_resumes_as_the_command_line_does(tmp_path):
    command = [*MODELS["dcgan"], *SMALL, "metrics.every_kimg=0.05"]
    assert main([*command, "max_rounds=10", f"hydra.run.dir={tmp_path}/straight"]) == 0
    train(compose([*command, "max_rounds=5"]), f"{tmp_path}/halves")
    train(compose([f"resume={tmp_path}/halves", *command, "max_rounds=10"]))
    assert_same_state(last(tmp_path / "straight"), last(tmp_path / "halves"))
    with pytest.raises(ConfigError, match="only the stop"):
        train(compose([f"resume={tmp_path}/halves", *command, "data.batch_size=8"]))


def test_an_older_checkpoint_drops_what_came_after_it_everywhere(tmp_path):
    folder = tmp_path / "run"
    command = [
        *MODELS["dcgan"],
        *SMALL,
        "logger=[csv]",
        "samples.every_kimg=0.03",
        "metrics.every_kimg=0",
    ]
    assert main([*command, "max_rounds=4", f"hydra.run.dir={folder}"]) == 0
    old = folder / "checkpoints" / "old.ckpt"
    old.write_bytes((folder / "checkpoints" / "last.ckpt").read_bytes())
    assert main([f"resume={folder}", "max_rounds=8"]) == 0
    assert (folder / "samples" / "kimg-000000.128.png").exists()
    assert main([f"resume={old}", "max_rounds=6"]) == 0
    rounds = [r["iteration"] for r in records(folder) if "loss/generator" in r]
    assert rounds == list(range(1, 7))
    with (folder / "csv" / "metrics.csv").open() as file:
        rows = [int(r["iteration"]) for r in csv.DictReader(file) if r["loss/generator"]]
    assert rows == rounds
    assert max(p.name for p in (folder / "samples").glob("kimg-*")) == "kimg-000000.096.png"


def test_values_of_another_protocol_are_no_best_to_beat(tmp_path):
    folder = tmp_path / "run"
    assert main([*MODELS["dcgan"], *SMALL, "max_rounds=4", f"hydra.run.dir={folder}"]) == 0
    before = last(folder)["evaluation"]
    # Fewer samples of other reals give a larger value, which must become the best all the same.
    other = ["metrics.num_samples=4", "metrics.split=test", "metrics.every_kimg=0"]
    assert main([f"resume={folder}", "max_rounds=6", *other]) == 0
    after = last(folder)["evaluation"]
    assert after["best_value"] == after["last_value"] != before["best_value"]
    best = load_checkpoint(folder / "checkpoints" / "best.ckpt")
    assert best["clock"]["iteration"] == 6


def test_a_diverged_model_does_not_replace_the_last_checkpoint(tmp_path, capsys):
    folder = tmp_path / "run"
    command = [
        *MODELS["dcgan"],
        *SMALL,
        "metrics=none",
        "log_every_rounds=1000",
        "checkpoint.every_kimg=0.1",
    ]
    command = [c for c in command if not c.startswith("metrics.num") and c != "log_every_rounds=1"]
    rate = "optimizer.discriminator.lr={schedule:piecewise,values:[2e-4,1e30],kimg:[0.15]}"
    assert main([*command, rate, "max_rounds=40", f"hydra.run.dir={folder}"]) == 1
    assert "training has diverged" in capsys.readouterr().err
    state = last(folder)
    assert state["clock"]["images_seen"] < 200
    assert all(t.isfinite().all() for t in state["networks"].values())


def test_a_folder_in_use_is_refused(tmp_path, capsys):
    from gan_lab.storage.run_folder import RunFolder

    with RunFolder(tmp_path / "run").held():
        assert main([*SMALL, "max_rounds=1", f"hydra.run.dir={tmp_path}/run"]) == 2
    assert "another process is training in this folder" in capsys.readouterr().err


KILLER = """
import os, signal, sys, torch
from gan_lab.common.errors import ConfigError
from gan_lab.train import compose, main, train

saves, save = int(sys.argv[1]), torch.save

def torn(state, file):
    global saves
    saves -= 1
    if saves:
        return save(state, file)
    import io
    whole = io.BytesIO()
    save(state, whole)
    file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

torch.save = torn
main(sys.argv[2:])
"""


def test_records_that_waited_at_the_last_checkpoint_are_not_lost(tmp_path, monkeypatch):
    """There is no room for records from some moment to the end, but for checkpoints."""
    folder = tmp_path / "run"
    opened, orders = os.open, iter(range(1000))

    def full(path, flags, *others, **more):
        if str(path) == str(folder / "metrics.jsonl") and flags & os.O_APPEND and next(orders) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, flags, *others, **more)

    command = [*MODELS["dcgan"], *SMALL, f"hydra.run.dir={folder}"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        assert main([*command, "max_rounds=7"]) == 1, "the records were never written"
    before = [record["iteration"] for record in records(folder)]
    assert before == [0, 1, 2, 3]
    assert main([f"resume={folder}", "max_rounds=10"]) == 0
    trained = [r["iteration"] for r in records(folder) if "loss/generator" in r]
    assert trained == list(range(1, 11))


def start(*arguments, code=("-m", "gan_lab.train")):
    return subprocess.Popen(
        [sys.executable, *code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kills(folder, command, moments):
    """Run, kill -9 at the moments (None: during a checkpoint's write), go on with resume=auto."""
    for moment in moments:
        if moment is None:
            process = start("4", *command, code=("-c", KILLER))
            process.wait(timeout=120)
            torn = list((folder / "checkpoints").glob("*.ckpt.tmp-*"))
            assert torn, "the kill must have met a checkpoint being written"
        else:
            process = start(*command)
            path = folder / "metrics.jsonl"
            before = len(path.read_bytes().splitlines()) if path.exists() else 0
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                if path.exists() and len(path.read_bytes().splitlines()) > before:
                    break
                time.sleep(0.02)
            time.sleep(moment)
            process.kill()
            process.wait(timeout=60)
        assert process.returncode == -signal.SIGKILL, process.stdout.read()
    process = start(*command)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "Resumed at iteration" in output
    assert not list((folder / "checkpoints").glob("*.tmp-*")), "leftovers are removed"


def killed_equals_straight(tmp_path, name, rounds, moments):
    command = [
        *MODELS[name], *SMALL, f"max_rounds={rounds}", "checkpoint.every_kimg=0.15", "metrics.every_kimg=0.8",
    ]  # fmt: skip
    assert main([*command, f"hydra.run.dir={tmp_path}/straight"]) == 0
    folder = tmp_path / "killed"
    kills(folder, [*command, "resume=auto", f"hydra.run.dir={folder}"], moments)
    assert_same_state(last(tmp_path / "straight"), last(folder))
    iterations = [r["iteration"] for r in records(folder) if "loss/discriminator" in r]
    assert iterations == list(range(1, rounds + 1)), "records are neither lost nor doubled"


def test_killed_during_a_checkpoint_and_once_more(tmp_path):
    killed_equals_straight(tmp_path, "dcgan", 150, [0.2, None])


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_killed_five_times_at_random_moments(tmp_path, name):
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"moments are drawn from seed {seed}")
    draw = random.Random(seed)
    moments = [draw.uniform(0, 1.5) for _ in range(4)]
    moments.insert(draw.randrange(5), None)
    killed_equals_straight(tmp_path, name, 1500, moments)
