"""Two CPU processes train one model: equal weights on both, files from the first alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
import torch

from gan_lab.penalties.gradient import R1  # noqa: F401 - the games name it
from gan_lab.train import main
from tests.conftest import REPOSITORY, batches, dcgan, gradients_of, play_rounds, wgan_gp  # noqa: F401

WORKER = """
import os, sys, torch
from tests.conftest import batches, dcgan, play_rounds, wgan_gp
from gan_lab.penalties.gradient import R1

rank, steps = int(os.environ["RANK"]), 3
torch.distributed.init_process_group("gloo")
game = GAME
type(game).ranks = property(lambda self: 2)
type(game).global_rank = property(lambda self: rank)
stream = ({"images": b["images"][rank * 8 : rank * 8 + 8]} for b in batches())
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
}


@pytest.mark.parametrize("game", GAMES)
def test_two_ranks_compute_the_numbers_of_one_process(tmp_path, game):
    """Weights and what is logged, to rounding: latents and mixing weights are drawn once, for the whole batch."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER.replace("GAME", GAMES[game]), str(tmp_path / "two.pt")],
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

    one = play_rounds(eval(GAMES[game]), batches(), 3)
    start = eval(GAMES[game])
    flat = torch.cat([p.detach().flatten() for p in one.parameters()])
    moved = flat - torch.cat([p.detach().flatten() for p in start.parameters()])
    assert float((two["weights"] - flat).norm() / moved.norm()) < 1e-3
    assert two["logged"] == pytest.approx(one.read_meter(), rel=1e-4, abs=1e-6)


def test_the_mean_of_two_ranks_is_the_large_batch():
    """What average_gradients computes, without processes: the mean of equal parts' gradients."""
    game = dcgan(norm="none")
    game.configure_optimizers()
    player, step = game.playing["discriminator"], game.script[0]
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


def test_a_sweep_over_several_ranks_is_refused(tmp_path, capsys):
    code = main(
        [
            "-m",
            "debug=tiny",
            "strategy=ddp",
            "seed=1,2",
            "logger=none",
            f"hydra.sweep.dir={tmp_path}",
        ]
    )
    assert code == 1
    assert "each rank would start the whole sweep" in capsys.readouterr().err
