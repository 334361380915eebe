"""Where the time of a round goes: `make profile ARGS='model=wgan_gp data.resolution=64'`.

    python scripts/bench/profile_rounds.py [options of gan_lab.train] [hydra.run.dir=outputs/profile]

Plays some rounds of the run that these options describe, then ten under torch.profiler. trace.json opens in
https://ui.perfetto.dev or chrome://tracing, with every round and step as a box; operations.txt is the whole table.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from torch.profiler import ProfilerActivity, profile, record_function

from gan_lab.assembly.build import Parts, build
from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.config.checks import check
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.groups import CONF
from gan_lab.config.line import CommandLine, override_key
from gan_lab.config.resume import command_of_resumed_run
from gan_lab.data.stream.sampler import Batches

ROUNDS = 10
SHOWN = 10
WARM_UP = 3  # rounds at least
RECORDED = 8  # updates after which a step has been run, recorded and proven, see engine/runner.py
LABELS = ("batch", "round", "step ")


def prepared(config: dict[str, Any], keys: Sequence[str]) -> tuple[Parts, Iterator[Any]]:
    """The parts of a run with their players made, and its stream of batches."""
    check(config)
    if config["strategy"]["devices"] > 1:
        raise ConfigError(
            f"strategy.devices={config['strategy']['devices']}: one process is profiled; leave it out."
        )
    parts = build(config, keys)
    parts.machine.apply()
    device = torch.device(parts.machine.device)
    images = parts.source.load(parts.source.splits[0])
    feed = Batches(
        images, batch_size=config["data"]["batch_size"], seed=config["seed"], flip=parts.source.flip, device=device
    )  # fmt: skip
    parts.game.to(device)
    parts.game.configure_optimizers()
    return parts, iter(feed)


def label(game: Any) -> None:
    """Name each step of a round for the profiler, from outside."""
    update = game.update

    def labelled(step, *arguments, **options):
        with record_function(f"step {step.name}"):
            return update(step, *arguments, **options)

    game.update = labelled


def play(game: Any, stream: Iterator[Any], rounds: int) -> None:
    for _ in range(rounds):
        with record_function("batch"):
            batch = next(stream)
        with record_function("round"):
            game.play_round(batch)


def profiled(game: Any, stream: Iterator[Any]) -> profile:
    """Ten rounds from one in which every step is due, or soon, after all have run; on a GPU as recordings."""
    cuda = game.device.type == "cuda"
    cycle = max(round(game.n_critic.at(0)), 1) * max(step.every for step in game.phase.steps)
    play(game, stream, cycle * (RECORDED if cuda else -(-WARM_UP // cycle)))
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities, record_shapes=True) as found:
        play(game, stream, ROUNDS)
        if cuda:
            torch.cuda.synchronize()
    return found


def costliest(found: profile, where: str) -> str:
    """The operations with most time of their own on the device, or on the CPU."""

    def own(event) -> float:
        return getattr(event, f"self_{where}_time_total") / 1e3

    events = sorted(found.key_averages(), key=own, reverse=True)
    total = sum(map(own, events))
    lines = [f"{'operation':50}{'calls':>8}{'ms a round':>12}{'share':>8}"]
    for event in [e for e in events if not e.key.startswith(LABELS)][:SHOWN]:
        calls, time = event.count / ROUNDS, own(event) / ROUNDS
        lines.append(
            f"{event.key[:48]:50}{calls:8.1f}{time:12.3f}{own(event) / max(total, 1e-9):8.1%}"
        )
    return "\n".join(lines)


def write(found: profile, where: str, folder: Path) -> None:
    table = found.key_averages().table(
        sort_by=f"self_{where}_time_total", row_limit=200, max_name_column_width=60
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "operations.txt").write_text(table + "\n")
        found.export_chrome_trace(str(folder / "trace.json"))
    except (OSError, RuntimeError) as error:
        raise GanLabError(
            f"hydra.run.dir={folder}: the profile cannot be written ({error})."
        ) from error


@hydra.main(version_base="1.3", config_path=CONF, config_name="train")
@around_hydra
def job(config: Any) -> None:
    context = HydraConfig.get()
    plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    parts, stream = prepared(plain, [override_key(one) for one in context.overrides.task])
    label(parts.game)
    print(parts.machine.words(), flush=True)
    found = profiled(parts.game, stream)
    where = "device" if parts.game.device.type == "cuda" else "cpu"
    folder = Path(context.runtime.output_dir)
    write(found, where, folder)
    print(costliest(found, where))
    print(f"operations  {folder / 'operations.txt'}")
    print(f"trace       {folder / 'trace.json'} (open it in https://ui.perfetto.dev)")


def prepare(line: CommandLine) -> CommandLine:
    """The whole command line of a run that is given by resume=, and a folder of our own."""
    whole = command_of_resumed_run(line)
    kept = [o for o in whole.overrides if override_key(o) != "hydra.run.dir"]
    given = [o for o in line.overrides if override_key(o) == "hydra.run.dir"]
    return CommandLine((*kept, *(given or ["hydra.run.dir=outputs/profile"])), whole.flags)


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it calls a missing GPU an error
    return run_command("profile_rounds", job, given, prepare=prepare)


if __name__ == "__main__":
    sys.exit(main())
