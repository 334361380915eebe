"""What a run says of itself before its first round and after its last."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.forecast import evaluations_by_metric
from gan_lab.callbacks.run_state import RunState
from gan_lab.common.commands import command
from gan_lab.common.durations import in_words, slow_evaluations
from gan_lab.engine.clock import Clock
from gan_lab.process.progress import phase
from gan_lab.storage.run_folder import RunFolder

Say = Callable[[str], None]


def introduce(game: Any, say: Say, *, ranks: int) -> None:
    """Say how large the networks are, whose numbers are shown, and what theory says against the choice of parts."""
    for name, network in game.named_children():
        count = sum(p.numel() for p in network.parameters())
        if count:  # the law of labels and other terms have none
            say(f"{name}: {count:,} parameters")
    if ranks > 1:
        say(
            f"{ranks} processes train together, each on its share of every batch. The log shows means over all of them."
        )
    for warning in [*game.warnings(), *accumulation_warning(game)]:
        say(f"Warning: {warning}")


def announce_evaluations(run: RunState, clock: Clock, say: Say, *, per_round: int) -> None:
    """Say what the evaluations will take, before the first round, and what would make that shorter.

    Args:
        run: with the metrics, and the seconds that scoring by each is estimated to take.
        clock: where the run begins or goes on.
        say: writes a sentence.
        per_round: images of a round.
    """
    metrics, costs = run.metrics, run.evaluation_seconds
    assert metrics is not None
    counts = dict.fromkeys(costs, int(clock.iteration == 0))
    if run.stop.max_seconds == math.inf:  # else nobody knows how far it gets
        for key, coming in evaluations_by_metric(run, clock, per_round=per_round).items():
            counts[key] += coming
    one, count = sum(costs.values()), max(counts.values())
    every = sum(seconds * max(counts[key], 1) for key, seconds in costs.items())
    known = f", all {count:,} of this run about {in_words(every)}" if count > 1 else ""
    say(f"An evaluation of {metrics.num_samples:,} samples will take about {in_words(one)}{known}.")
    dearest = max(costs, key=lambda key: costs[key])
    instead = (
        "metrics.every_kimg=0 evaluates at the ends only"
        if dearest.endswith("small_frechet")
        else "metrics=small takes seconds"
    )
    warning = slow_evaluations(every, num_samples=metrics.num_samples, instead=instead)
    if warning:
        say(f"Warning: {warning}")


def how_to_go_on(folder: RunFolder) -> str:
    """Where a run lies that was stopped, and the command that goes on with it."""
    if not folder.last.is_file():
        return f"The run in {folder.path} had not begun to train; start the command again."
    go_on = command("train", f"resume={folder.path}")
    return f"The run is saved in {folder.path}; to go on: {go_on}"


def nothing_to_train(run: RunState, callbacks: Iterable[AfterRound], clock: Clock) -> str:
    """What happens to a run whose stop is reached: what a signal or a kill has cut off at its end is made."""
    owed = [owed for callback in callbacks if (owed := callback.owed(clock))]
    if not run.folder.curves.is_file():
        owed.append("the curves")
    if owed:
        return (
            f"The stop is reached already; what was due at the end is made now: {', '.join(owed)}."
        )
    return "The stop is reached already; nothing to train. Raise max_kimg to go on."


def conclude(run: RunState, game: Any, say: Say) -> None:
    """Draw the curves and say where everything is."""
    folder = run.folder
    with phase("Drawing the curves"):
        from gan_lab.reports.curves import draw_curves

        draw_curves([folder], folder.curves)
    run.reporter.picture(game.clock, "curves", folder.curves)
    if run.scores.last_value is not None:
        say(f"{run.scores.key} at the end: {run.scores.last_value:.4g}")
    say(f"Results: {folder.path}")
    say(f"  samples       {newest(folder.samples)}")
    say(f"  curves        {folder.curves}")
    say(f"  more samples  {command('sample', f'run={folder.path}')}")


def accumulation_warning(game: Any) -> list[str]:
    """A sentence where micro-batches cannot equal the large batch."""
    if game.options.accumulate == 1:
        return []
    found = []
    for kind, what in (
        (_BatchNorm, "batch normalisation (its statistics are those of each micro-batch)"),
        (_DropoutNd, "dropout (its masks are drawn for each micro-batch)"),
    ):
        names = [
            name
            for name, network in game.named_children()
            if any(isinstance(m, kind) and getattr(m, "p", 1) > 0 for m in network.modules())
        ]
        if names:
            found.append(
                f"accumulate={game.options.accumulate} with {what} in {' and '.join(names)}: "
                "the result is not that of the large batch."
            )
    return found


def newest(folder: Path) -> Path:
    """The last file of samples of a folder by name."""
    return max(folder.glob("kimg-*"), default=folder)
