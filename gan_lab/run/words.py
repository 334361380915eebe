"""What a run says of itself before its first round and after its last."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.run_state import RunState
from gan_lab.common.commands import command
from gan_lab.engine.clock import Clock

Say = Callable[[str], None]


def introduce(game: Any, say: Say, *, ranks: int) -> None:
    """Say how large the networks are, whose numbers are shown, and what theory says against the choice of parts."""
    for name, network in game.named_children():
        count = sum(p.numel() for p in network.parameters())
        say(f"{name}: {count:,} parameters")
    if ranks > 1:
        say(
            f"{ranks} processes train together, each on its share of every batch. The log shows means over all of them."
        )
    for warning in [*game.warnings(), *accumulation_warning(game)]:
        say(f"Warning: {warning}")


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
    from gan_lab.reports.curves import draw_curves

    folder = run.folder
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
    """The last grid of a folder by name."""
    return max(folder.glob("kimg-*.png"), default=folder)
