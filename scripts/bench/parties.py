"""Who plays the rounds that bench_round.py times: each in a process of its own, block by block, when it is its turn."""

from __future__ import annotations

import re
import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import family_loops
import plain_loop
import style_loops
import torch
import translation_loops
from cases import CASES, game_of, images_of, noise_of
from ordinary import make_ordinary

from gan_lab.callbacks.limits import Limits
from gan_lab.callbacks.run_state import RunState
from gan_lab.callbacks.status import Status
from gan_lab.data.stream.sampler import Batches
from gan_lab.data.stream.stretch import Stretches
from gan_lab.data.stream.together import Together, batches_of
from gan_lab.engine.ema import EMA
from gan_lab.engine.optimizers import CAPTURE_CHECKS
from gan_lab.loggers.reporter import Reporter
from gan_lab.networks.fast.cpu import fast_cpu
from gan_lab.process.allocator import keep_freed_memory
from gan_lab.run.trainer import make_trainer
from gan_lab.storage.run_folder import RunFolder

FIRST = 5  # rounds whose losses are compared
SELDOM = 50  # rounds between records
LOOPS = ("plain", "expert")
OF_FAMILIES = family_loops.LOOPS | style_loops.LOOPS | translation_loops.LOOPS


class Turns:
    """One party's side of the talk: it plays a block when told to, and tells what that took.

    Args:
        talk: receives True for a block and False for the end; sends CPU and wall seconds of a round.
        block: rounds of a block.
    """

    def __init__(self, talk: Connection, block: int) -> None:
        self.talk, self.block = talk, block
        self.since: tuple[float, float] | None = None

    def over(self, losses: list[float], taken: tuple[float, ...] | None = None) -> bool:
        """After a block: tell, wait, and say whether that was all. The first block warms up and tells losses."""
        self.talk.send(losses if self.since is None else taken or self.taken())
        if not self.talk.recv():
            self.talk.send(peak_mb())
            return True
        self.since = now()
        return False

    def taken(self) -> tuple[float, ...]:
        """CPU and wall seconds of a round since the block began."""
        return tuple((b - a) / self.block for a, b in zip(self.since or now(), now()))


class EngineTurns:
    """The engine's side, as a callback; keeps the critic's losses of the first rounds."""

    def __init__(self, turns: Turns, status: Status) -> None:
        self.turns = turns
        self.status = status
        self.losses: list[float] = []

    def due(self, clock) -> bool:
        return clock.iteration <= FIRST or clock.iteration % self.turns.block == 0

    def after_round(self, module) -> None:
        iteration = module.clock.iteration
        if iteration <= FIRST:
            terms = [
                v
                for k, v in module.meter.values.items()
                if k.startswith(("loss/discriminator/", "loss/discriminators/"))
            ]
            self.losses.append(sum(float(values[-1]) for values in terms))
        if iteration >= FIRST and iteration % self.turns.block == 0:
            module.trainer.should_stop = self.turns.over(self.losses)


class RecordingTurns(EngineTurns):
    """Turns of two blocks, the second recording every round; tells what that takes more, in seconds of a round.

    One process does both: two differ by ten microseconds a round through nothing but where their memory lies. Which of
    the blocks comes first changes from turn to turn, since the caches are cold at first.
    """

    def __init__(self, turns: Turns, status: Status) -> None:
        super().__init__(turns, status)
        self.taken: dict[int, tuple[float, ...]] = {}

    def due(self, clock) -> bool:
        return clock.iteration == FIRST or clock.iteration % self.turns.block == 0

    def after_round(self, module) -> None:
        if self.turns.since is None:
            self.turns.over([])
            return
        every = self.status.every_rounds
        self.taken[every] = self.turns.taken()
        if len(self.taken) == 1:
            self.let_record(module, SELDOM + 1 - every)
            self.turns.since = now()
        else:
            more = tuple(b - a for a, b in zip(self.taken[SELDOM], self.taken[1]))
            self.taken.clear()
            module.trainer.should_stop = self.turns.over([], more)

    def let_record(self, module, every: int) -> None:
        self.status.every_rounds = every
        module.options = replace(module.options, log_every_rounds=every)


def peak_mb() -> int:
    """This process's peak resident memory; rusage's would begin with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024


def now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def play(party: str, about: dict[str, Any], talk: Connection) -> None:
    """What a party's process runs."""
    if about["threads"]:
        torch.set_num_threads(about["threads"])
    turns = Turns(talk, CASES[about["case"]]["block"])
    if party not in LOOPS:
        keep_freed_memory()  # as its Machine does at the start of a run
        train(about, turns, party)
        return
    if about["no_gpu_search"]:
        without_search()
    if party == "expert":
        keep_freed_memory()
    loop = loop_of(about["case"], about["precision"], expert=party == "expert")
    losses = [float(next(loop)[0]) for _ in range(FIRST)]
    while not turns.over(losses):
        for _ in range(turns.block):
            next(loop)


def train(about: dict[str, Any], turns: Turns, party: str) -> None:
    """Run the engine until it was told that this was all: inside Lightning, or `alone`."""
    game = game_of(
        about["case"], precision=about["precision"], channels_last=True, log_every_rounds=SELDOM
    )
    fast_cpu(game)
    with tempfile.TemporaryDirectory() as folder:
        files = RunFolder(folder)
        run = RunState(files, Reporter(files))
        limits, status = Limits(run=run), Status(run=run, every_rounds=SELDOM)
        status.terminal = True  # the bar, wherever it goes
        kind = RecordingTurns if party == "recording" else EngineTurns
        game.round_callbacks = [kind(turns, status), status, limits]
        if party == "alone":
            play_alone(game, feed(about["case"]), status)
            return
        config = {"strategy": {"accelerator": "cpu", "devices": 1}}
        trainer = make_trainer(config, [status, limits], folder=files.path)
        trainer.fit(game, Stretches(feed(about["case"])))


def play_alone(game, batches: Batches, status: Status) -> None:
    """The same rounds without Lightning's trainer, to see what that costs."""
    game._trainer = SimpleNamespace(should_stop=False, world_size=1, global_rank=0)
    game.configure_optimizers()
    status.on_train_start(None, game)
    for batch in batches:
        game.play_round(batch)
        if game.trainer.should_stop:
            return


def loop_of(case: str, precision: str, *, expert: bool):
    """A hand-written loop over fresh copies of the case's networks."""
    game = game_of(case)
    players = game.players()
    for network in (one for spec in players for one in spec.networks.values()):
        if expert:
            fast_cpu(network).to(memory_format=torch.channels_last)
        else:
            make_ordinary(network)
    batch, every = CASES[case]["batch"], CASES[case]["n_critic"]
    half_life = game.options.ema_half_life_kimg
    averaged = {
        name: one for spec in players if spec.averaged for name, one in spec.networks.items()
    }
    ema = EMA(averaged, half_life_kimg=half_life, rampup=0.05)

    def foreach_average(iteration):
        ema.update(1 - ema.decay(batch * every, batch * (iteration + 1)))

    @torch.no_grad()
    def average_by_tensor(iteration):
        decay = ema.decay(batch * every, batch * (iteration + 1))
        for average, source in zip(ema.averages, ema.sources):
            average.mul_(decay).add_(source, alpha=1 - decay)

    autocast = nullcontext
    if expert and precision == "bf16-mixed":
        autocast = partial(torch.autocast, "cpu", torch.bfloat16, cache_enabled=False)
    average = foreach_average if expert else average_by_tensor
    if case in OF_FAMILIES:
        return OF_FAMILIES[case](
            game, average, iter(feed(case)), noise_of(torch.device("cpu")),
            partial(adam_by_hand, game, fused=True if expert else None), autocast=autocast,
        )  # fmt: skip
    loop = plain_loop.wgan_gp_loop if CASES[case]["wasserstein"] else plain_loop.dcgan_loop
    return loop(
        game.generator, game.discriminator, average, iter(feed(case)),
        noise_of(torch.device("cpu")), 10**9, autocast=autocast, fused=True if expert else None,
    )  # fmt: skip


def adam_by_hand(game, player: str, *, fused: bool | None):
    """Torch's Adam with the rate and betas that the game's options name."""
    (spec,) = [spec for spec in game.players() if spec.name == player]
    chosen = game.options.optimizers[player]
    parameters = [p for network in spec.networks.values() for p in network.parameters()]
    return torch.optim.Adam(parameters, lr=chosen.lr.at(0), fused=fused, **chosen.options)


def feed(case: str) -> Batches | Together:
    """The case's batches, the same for each party."""
    return batches_of(
        images_of(case), batch_size=CASES[case]["batch"], seed=0, flip=False, device=torch.device("cpu")
    )  # fmt: skip


def without_search() -> None:
    """Let the hand-written loops skip torch's search for a GPU in each optimizer step, as the engine does."""
    for name in CAPTURE_CHECKS:
        if hasattr(torch.optim.Optimizer, name):
            setattr(torch.optim.Optimizer, name, lambda _: None)
