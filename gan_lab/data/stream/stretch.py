"""Several rounds in one call of Lightning: its loop costs 0.3 ms a turn, as much as a small network's round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from torch import Tensor

Batch = Mapping[str, Tensor]
ROUNDS = 50


class Stretches:
    """What Lightning sees as its batches: endless stretches of an endless stream.

    A class only because Lightning iterates it anew; a stretch is an iterator of the next `rounds` batches, which are
    taken one by one as they are played. Lightning fetches one stretch ahead, which takes no batch from the stream.

    Args:
        batches: an endless stream.
        rounds: how many rounds Lightning shall not interrupt, >= 1.
    """

    def __init__(self, batches: Iterable[Batch], rounds: int = ROUNDS) -> None:
        self.batches = batches
        self.rounds = rounds

    def __iter__(self) -> Iterator[Iterator[Batch]]:
        """Yield stretches for ever."""
        stream = iter(self.batches)
        while True:
            yield islice(stream, self.rounds)
