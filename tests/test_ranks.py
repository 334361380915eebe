"""Two CPU processes train one model: equal weights on both, files from the first alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gan_lab.common.errors import ConfigError
from gan_lab.penalties.gradient import R1  # noqa: F401 - the games name it
from gan_lab.process import progress
from gan_lab.process.ranks import WORKER, Ranks, first_node, ranks_of, said_to_worker
from gan_lab.run.together import free_port
from tests.conftest import (  # noqa: F401
    REPOSITORY,
    batches,
    dcgan,
    gradients_of,
    now_and_slow,
    play_rounds,
    wgan_gp,
)
from tests.contracts.walk import built  # noqa: F401
from tests.test_signals import PHASES, iteration, reach, started, state
from tests.unit.test_segmentation import rows  # noqa: F401

REPLICA = """
import os, sys, torch
from tests.conftest import batches, dcgan, play_rounds, wgan_gp
from gan_lab.penalties.gradient import R1
from tests.contracts.walk import built
from tests.unit.test_segmentation import rows

rank, steps = int(os.environ["RANK"]), 3
torch.distributed.init_process_group("gloo")
game = GAME
type(game).ranks = property(lambda self: 2, lambda self, value: None)
type(game).global_rank = property(lambda self: rank)
stream = ({k: v[rank * 8 : rank * 8 + 8] for k, v in b.items()} for b in STREAM)
play_rounds(game, stream, steps)
flat = torch.cat([p.detach().flatten() for p in game.parameters()])
other = [torch.empty_like(flat) for _ in range(2)]
torch.distributed.all_gather(other, flat)
assert torch.equal(other[0], other[1]), "the ranks have drifted apart"
assert game.clock.images_seen == 16 * steps
game.share_meter()
if rank == 0:
    torch.save({"weights": flat, "logged": game.read_meter()}, sys.argv[1])
torch.distributed.destroy_process_group()
"""

GAMES = {
    "dcgan": 'dcgan(norm="none", penalty={"r1": R1(weight=1.0, every=2)})',
    "wgan_gp": "wgan_gp(n_critic=2, networks=(dcgan(norm='none').generator, dcgan(norm='none').discriminator))",
    # Adam's eps is large enough that gradients which are rounding alone do not move weights as far as others.
    "acgan": "built('model=acgan', 'generator.norm=none', 'discriminator.norm=none', 'discriminator.dropout=0',"
    "'precision=32-true', 'log_every_rounds=50', 'optimizer.generator.eps=1e-5',"
    "'optimizer.discriminator.eps=1e-5').game",
    "began": "built('model=began', 'precision=32-true', 'log_every_rounds=50').game",
    "segmentation": "built('model=segmentation', 'data.classes=5', 'data.resolution=16', 'discriminator.layers=1',"
    "'generator.norm=none', 'discriminator.norm=none', 'precision=32-true', 'log_every_rounds=50',"
    "'optimizer.generator.eps=1e-5', 'optimizer.discriminator.eps=1e-5').game",
}
STREAMS = {"segmentation": "rows(size=16)"}  # maps know the classes of more pixels or of fewer


@pytest.mark.parametrize("game", now_and_slow(GAMES, ["wgan_gp", "began"]))
def test_two_ranks_compute_the_numbers_of_one_process(tmp_path, game):
    """Weights and what is logged, to rounding: latents and mixing weights are drawn once, for the whole batch."""
    port, stream = free_port(), STREAMS.get(game, "batches()")
    program = REPLICA.replace("GAME", GAMES[game]).replace("STREAM", stream)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "two.pt")],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                 "MASTER_PORT": str(port)},
            stderr=subprocess.PIPE, text=True, cwd=REPOSITORY,
        )
        for rank in range(2)
    ]  # fmt: skip
    for worker in workers:
        _, errors = worker.communicate(timeout=240)
        assert worker.returncode == 0, errors
    two = torch.load(tmp_path / "two.pt", weights_only=True)

    one = play_rounds(eval(GAMES[game]), eval(stream), 3)
    start = eval(GAMES[game])
    flat = torch.cat([p.detach().flatten() for p in one.parameters()])
    moved = flat - torch.cat([p.detach().flatten() for p in start.parameters()])
    assert float((two["weights"] - flat).norm() / moved.norm()) < 1e-3
    assert two["logged"] == pytest.approx(one.read_meter(), rel=1e-4, abs=1e-6)


def test_the_mean_of_two_ranks_is_the_large_batch():
    """What average_gradients computes, without processes: the mean of equal parts' gradients."""
    game = dcgan(norm="none")
    game.configure_optimizers()
    player, step = game.playing["discriminator"], game.phase.steps[0]
    whole = next(batches())

    def gradients(accumulate):
        from dataclasses import replace

        game.options = replace(game.options, accumulate=accumulate)
        game.let_move(player)
        state = {k: v.clone() for k, v in game.state_dict().items()}
        found = gradients_of(game, step, player, whole)
        game.load_state_dict(state)
        return found

    for one, two in zip(gradients(1), gradients(2), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("program", [["-m", "gan_lab.train"], ["-m", "gan_lab.cli", "train"]])
def test_ddp_from_the_command_line(tmp_path, program):
    command = [
        sys.executable, *program, "debug=tiny", "strategy=ddp", "strategy.accelerator=cpu",
        "logger=none", f"hydra.run.dir={tmp_path}/run",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Run folder:") == 1
    records = [json.loads(x) for x in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [r["iteration"] for r in records] == [0, 2, 4, 4]
    assert records[-1]["images_seen"] == 32, "data.batch_size is the total over ranks"


DDP = ["debug=tiny", "strategy=ddp", "strategy.accelerator=cpu", "logger=none"]


@pytest.mark.parametrize(
    "how", ["python -c", pytest.param("standard input", marks=pytest.mark.slow)]
)
def test_ranks_start_from_anywhere(tmp_path, how):
    """Lightning would run the caller's program again, which these have not."""
    program = (
        "import sys; from gan_lab.train import main; print('once'); sys.exit(main(sys.argv[1:]))"
    )
    line = ["-c", program] if how == "python -c" else ["-"]
    done = subprocess.run(
        [sys.executable, *line, *DDP, f"hydra.run.dir={tmp_path}/run"],
        input=None if how == "python -c" else program, capture_output=True, text=True, timeout=240, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "once\n"
    assert done.stderr.count("Run folder:") == 1
    assert state(tmp_path / "run")["state"] == "finished"


def workers_of(process):
    """Process ids of the ranks that a run has started."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True
    )
    return [int(x.split()[0]) for x in listed.stdout.splitlines() if "gan_lab.run.worker" in x]


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


def training_on_two(folder):
    process = started(folder, [*DDP, *PHASES["training"], "checkpoint.every_kimg=0.05"])
    reach("training", folder, process)
    (other,) = workers_of(process)
    return process, other


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_signal_to_one_rank_stops_all(tmp_path, rank):
    process, other = training_on_two(tmp_path / "run")
    os.kill((process.pid, other)[rank], signal.SIGTERM)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 143, said
    assert said.splitlines()[-1] == "Stopped by SIGTERM."
    assert (state(tmp_path / "run")["state"], gone(other)) == ("interrupted", True)


def test_a_killed_rank_ends_the_run_in_a_sentence(tmp_path):
    folder = tmp_path / "run"
    process, other = training_on_two(folder)
    os.kill(other, signal.SIGKILL)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 1, said
    assert said.splitlines()[-1] == (
        "Rank 1 was killed by SIGKILL, so the run cannot go on; resume=auto goes on from the last checkpoint."
    )
    assert "Traceback" not in said
    assert "gloo" not in said
    assert state(folder)["state"] == "failed"
    rounds = iteration(folder) + 5
    stop = [f"max_rounds={rounds}", *PHASES["training"][1:]]
    again = started(folder, [*DDP, *stop, "checkpoint.every_kimg=0.05", "resume=auto"])
    _, said = again.communicate(timeout=240)
    assert again.returncode == 0, said
    assert "Resumed at iteration" in said
    assert (state(folder)["state"], iteration(folder)) == ("finished", rounds)


@pytest.mark.slow
def test_ranks_do_not_outlive_the_first(tmp_path):
    process, other = training_on_two(tmp_path / "run")
    process.kill()
    process.wait()
    process.stderr.close()
    end = time.monotonic() + 60
    while not gone(other):
        assert time.monotonic() < end, "rank 1 is still there"
        time.sleep(0.1)


def test_a_rank_that_fails_before_they_meet(tmp_path, monkeypatch):
    """Its own sentence is the run's."""
    place = tmp_path / "sitecustomize.py"
    place.write_text(
        "import os, sys\n"
        "if 'GAN_LAB_WORKER' in os.environ:\n"
        "    import gan_lab.process.machine as machine\n"
        "    from gan_lab.common.errors import DataError\n"
        "    def apply(self): raise DataError('The disk of this rank is gone.')\n"
        "    machine.Machine.apply = apply\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{REPOSITORY}")
    process = started(tmp_path / "run", DDP)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "Rank 1 failed: The disk of this rank is gone."
    assert "Traceback" not in said


def launched(folder, launcher, rank, port):
    """One of two processes, as a launcher starts them."""
    variables = {
        "torchrun": {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "GROUP_RANK": 0, "MASTER_ADDR": "127.0.0.1",
                     "MASTER_PORT": port},
        "srun": {"SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NODEID": 0, "SLURM_NTASKS": 2,
                 "SLURM_STEP_NUM_TASKS": 2, "SLURM_STEP_ID": 0, "SLURM_JOB_ID": port, "MASTER_PORT": port,
                 "SLURM_NODELIST": "127.0.0.1"},
    }[launcher]  # fmt: skip
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    return started(folder, DDP, env=environment)


def test_another_rank_is_silent_however_long_it_loads(monkeypatch):
    shown = []
    monkeypatch.setattr(progress.display, "show", lambda phase, **_: shown.append(phase.title))
    for rank, wanted in (("1", []), ("0", ["Loading libraries"])):
        monkeypatch.setenv("RANK", rank)
        with progress.loading():
            pass
        assert shown == wanted


@pytest.mark.parametrize("launcher", [pytest.param("torchrun", marks=pytest.mark.slow), "srun"])
def test_ranks_of_a_launcher(tmp_path, launcher):
    port = free_port()
    both = [launched(tmp_path / "run", launcher, rank, port) for rank in range(2)]
    said = [process.communicate(timeout=240)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert "2 processes train together" in said[0]
    assert said[1] == ""
    assert iteration(tmp_path / "run") == 4


STRAY = {
    "an earlier launch": {"LOCAL_RANK": "3", "RANK": "3", "WORLD_SIZE": "8"},
    "a batch script": {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"},
    "an interactive step": {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},
}  # fmt: skip


@pytest.mark.parametrize("where", STRAY)
def test_what_lies_in_the_environment_makes_no_rank(where):
    assert (
        ranks_of(1, environment={**STRAY[where], "MASTER_ADDR": "x", "MASTER_PORT": "1"}) == Ranks()
    )
    assert ranks_of(2, environment=STRAY[where]) == Ranks(size=2)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SLURM_STEP_ID": "0", "SLURM_NTASKS": "4", "SLURM_PROCID": "1"}, "srun has started 4 processes"),
        ({"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "x", "MASTER_PORT": "1"},
         "torchrun has started 4 processes"),
    ],
)  # fmt: skip
def test_another_number_of_processes_is_a_sentence(environment, said):
    with pytest.raises(ConfigError, match=said):
        ranks_of(2, environment=environment)


def test_several_machines():
    known = {"NODE_RANK": "1", "MASTER_ADDR": "node1", "MASTER_PORT": "12345"}
    mine = ranks_of(2, 2, environment=known)
    assert mine == Ranks(2, 4, 0, 1, "node1", 12345)
    assert ranks_of(2, 2, environment={WORKER: said_to_worker(mine.worker(1))}) == Ranks(
        3, 4, 1, 1, "node1", 12345
    )
    with pytest.raises(ConfigError, match="set NODE_RANK, MASTER_ADDR and MASTER_PORT"):
        ranks_of(2, 2, environment={})


@pytest.mark.parametrize(
    ("listed", "first"),
    [("node[03-07,9]", "node03"), ("a,b", "a"), ("one", "one"), ("a,n[1-2]", "a")],
)
def test_the_first_machine_of_a_list(listed, first):
    assert first_node(listed) == first


def test_tasks_of_slurm_beside_one_process(tmp_path):
    """As in a batch script with --ntasks=4, of which this run is one process."""
    process = started(tmp_path / "run", DDP[:1] + DDP[3:], env={
        **os.environ, "SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "many",
        "SLURM_STEP_ID": "0", "SLURM_LOCALID": "2", "SLURM_NODEID": "0",
    })  # fmt: skip
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "Run folder:" in said


@pytest.mark.slow
def test_each_job_of_a_sweep_has_its_ranks(tmp_path):
    options = [*DDP, "metrics=none", "-m", "seed=1,2", f"hydra.sweep.dir={tmp_path}/sweep"]
    done = subprocess.run(
        [sys.executable, "-m", "gan_lab.train", *options],
        capture_output=True, text=True, timeout=300, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    states = [json.loads(path.read_text()) for path in (tmp_path / "sweep").glob("*/status.json")]
    assert [one["state"] for one in states] == ["finished", "finished"]
