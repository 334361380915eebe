"""Several rounds in one call of Lightning: its loop costs 0.3 ms a turn, as much as a small network's round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from torch import Tensor

Batch = Mapping[str, Tensor]
ROUNDS = 50


class Stretch:
    """The next `rounds` batches of a stream, taken one by one as they are played."""

    def __init__(self, stream: Iterator[Batch], rounds: int) -> None:
        self.stream = stream
        self.rounds = rounds

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        return islice(self.stream, self.rounds)


class Stretches:
    """What Lightning sees as its batches: endless stretches of an endless stream.

    Args:
        batches: an endless stream.
        rounds: how many rounds Lightning shall not interrupt, >= 1.
    """

    def __init__(self, batches: Iterable[Batch], rounds: int = ROUNDS) -> None:
        self.batches = batches
        self.rounds = rounds

    def __iter__(self) -> Iterator[Stretch]:
        """Yield stretches for ever; fetching one ahead takes no batch from the stream."""
        stream = iter(self.batches)
        while True:
            yield Stretch(stream, self.rounds)
