"""What ranks tell each other: means of tensors, the largest number, the first rank's values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from gan_lab.common.errors import RankError


@contextmanager
def exchange() -> Iterator[None]:
    """Say in a sentence that another rank is gone, which torch's backends each say in their own words.

    Raises:
        RankError: where they fail.
    """
    try:
        yield
    except RuntimeError as error:
        raise RankError(
            "Another rank of this run has ended or cannot be reached, so the run cannot go on; "
            "resume=auto goes on from the last checkpoint."
        ) from error


def average(tensors: Sequence[Tensor], ranks: int) -> None:
    """Put the means over ranks into these tensors, with one all-reduce."""
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    with exchange():
        torch.distributed.all_reduce(flat)
    flat /= ranks
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def largest(number: int, device: torch.device) -> int:
    """The largest of all ranks' numbers."""
    told = torch.tensor([number], device=device)
    with exchange():
        torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
    return int(told.item())


def take_from_first(tensors: Sequence[Tensor]) -> None:
    """Overwrite these tensors with rank 0's."""
    with exchange():
        for tensor in tensors:
            torch.distributed.broadcast(tensor, src=0)
