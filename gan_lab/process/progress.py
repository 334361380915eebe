"""What takes its time says so: `with phase("Reading images", total=n) as shown: ... shown.advance(k)`.

On a terminal a bar, drawn anew from the first half second on; elsewhere plain lines. Any number of phases may lie in
each other: the innermost is shown. Where nobody listens (`speaking` is not entered, other ranks) nothing is shown.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from importlib import import_module
from typing import TypeVar

from gan_lab.common.durations import clock_text
from gan_lab.process.display import display
from gan_lab.process.layout import Line, bar, number, packed, plain
from gan_lab.process.ranks import may_be_another

log = logging.getLogger(__name__)

Batch = TypeVar("Batch", bound=Sized)

# Each builds on those before it.
LIBRARIES = ("torch", "torchvision", "torchmetrics", "lightning.pytorch")
SHOWN_AFTER = 0.25  # seconds: what is quicker does not flash up
SAID_AFTER = 0.45  # seconds until a plain line


class Phase:
    """One piece of work, and how far it is; made by `phase`.

    Args:
        title: what is done, such as "Reading images".
        total: how many of them, or None where that is not known.
        unit: of what is counted, in the plural.
        at_once: whether it is shown from the first moment on, since it is known to take long.
        often: whether it comes again and again, so that only a long one is worth a plain line.
        leaves: whether a sentence remains, in train.log too, once it is done.
        even: whether its parts take about the same time, so that its pace says something.
    """

    def __init__(
        self,
        title: str,
        *,
        total: int | None = None,
        unit: str = "images",
        at_once: bool = False,
        often: bool = False,
        leaves: bool = False,
        even: bool = True,
    ) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.leaves = leaves
        self.even = even
        self.done = 0
        self._begun = time.monotonic()
        self._drawn_after = 0.0 if at_once else SHOWN_AFTER
        self._said_after = 10.0 if often else 0.0 if at_once else SAID_AFTER

    def advance(self, count: int = 1) -> None:
        """Note that so many more are done."""
        self.done += count

    @property
    def seconds(self) -> float:
        """How long it takes already."""
        return time.monotonic() - self._begun

    def numbers(self) -> list[str]:
        """What is known of its pace, in words."""
        taken = self.seconds
        if not self.done:
            return [clock_text(taken)] if self.total is None else [f"{self.total:,} {self.unit}"]
        speed = self.done / max(taken, 1e-9)
        if self.total is None:
            return [f"{self.done:,} {self.unit}", f"{number(speed)} {self.unit}/s"]
        if not self.even:
            return [f"{self.done:,} of {self.total:,} {self.unit}", clock_text(taken)]
        left = clock_text(max(self.total - self.done, 0) / speed)
        return [
            f"{self.done:,} of {self.total:,} {self.unit}",
            f"{number(speed)} {self.unit}/s",
            f"{left} left",
        ]

    def lines(self, columns: int, *, top: bool) -> list[Line]:
        """A bar over its numbers, or one line where its end is not known."""
        if not top or self.seconds < self._drawn_after:
            return []
        if self.total is None:
            return [[(f"{self.title} ... ", "bold"), (", ".join(self.numbers()), "")]]
        head = bar(self.title, self.done / max(self.total, 1), columns)
        return [head, *(plain(line, "dim") for line in packed(self.numbers(), columns))]

    def tick(self) -> str | None:
        """One line."""
        if self.seconds < self._said_after:
            return None
        if self.done:
            return f"{self.title}: {', '.join(self.numbers())}"
        long = f" ({clock_text(self.seconds)})" if self.seconds >= 1 else ""
        return f"{self.title} ...{long}"

    def result(self) -> str:
        """What is left to say at the end."""
        return f"{self.title}: {self.done:,} {self.unit} in {self.seconds:.1f} s."


@contextmanager
def phase(
    title: str,
    *,
    total: int | None = None,
    unit: str = "images",
    at_once: bool = False,
    often: bool = False,
    leaves: bool = False,
    even: bool = True,
) -> Iterator[Phase]:
    """Show meanwhile what is done, and how far it is.

    Args:
        title: what is done, such as "Reading images".
        total: how many of them, or None where that is not known.
        unit: of what is counted, in the plural.
        at_once: whether it is shown from the first moment on, since it is known to take long.
        often: whether it comes again and again, so that only a long one is worth a plain line.
        leaves: whether a sentence remains, in train.log too, once it is done.
        even: whether its parts take about the same time, so that its pace says something.

    Yields:
        What to tell how far it is, by `advance`.
    """
    shown = Phase(
        title, total=total, unit=unit, at_once=at_once, often=often, leaves=leaves, even=even
    )
    display.show(shown, at_once=at_once)
    try:
        yield shown
    finally:
        display.end(shown)
    if shown.leaves:
        log.info(shown.result())


def counted(batches: Iterable[Batch], shown: Phase) -> Iterator[Batch]:
    """Hand batches on, and note each as done once the next one is asked for."""
    for batch in batches:
        yield batch
        shown.advance(len(batch))


@contextmanager
def loading() -> Iterator[None]:
    """Import the libraries that take seconds the first time, under a bar that one rank shows; then the block's own.

    They come in the order of what builds on what, so each is a step of the bar.
    """
    if may_be_another():
        yield
        return
    new = LIBRARIES[0] not in sys.modules
    with phase(
        "Loading libraries",
        total=len(LIBRARIES),
        unit="libraries",
        at_once=new,
        often=not new,
        even=False,
    ) as shown:
        for name in LIBRARIES:
            import_module(name)
            shown.advance()
        yield


@contextmanager
def progress(total: int, title: str) -> Iterator[Callable[[int], object]]:
    """Show the progress of `total` images; yields a function to call with the number just done."""
    with phase(title, total=total, leaves=True) as shown:
        yield shown.advance
