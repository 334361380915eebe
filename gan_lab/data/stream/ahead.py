"""Work done ahead of time: the next item is made in a thread, and sent without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

Request = TypeVar("Request")
Item = TypeVar("Item")


def ahead(make: Callable[[Request], Item], requests: Iterable[Request]) -> Iterator[Item]:
    """Yield make(request) for each request, one item ahead.

    While an item is in use, a thread makes the next one. What `make` raises is raised here, in its
    place in the sequence. The thread ends with the iterator, and with the interpreter at the
    latest once the item at work is done.

    Args:
        make: called in the thread, in order, one call at a time.
        requests: drawn by the caller of the iterator, not by the thread.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    waiting: Future[Item] | None = None
    try:
        for request in requests:
            upcoming = pool.submit(make, request)
            if waiting is not None:
                yield waiting.result()
            waiting = upcoming
        if waiting is not None:
            yield waiting.result()
    finally:
        pool.shutdown(cancel_futures=True)


class Sender:
    """Moves tensors to a device; to a GPU beside its computation, through pinned memory.

    Everything that talks to the GPU is called by the thread that trains: a second thread that
    allocates or asks for events would break a graph being captured.

    Args:
        device: where to.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.cuda = device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if self.cuda else None

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return host memory to fill and send; pinned memory comes from torch's own pool."""
        return torch.empty(shape, dtype=dtype, pin_memory=self.cuda)

    def send(self, tensors: list[Tensor]) -> list[Tensor]:
        """Return the tensors on the device, without waiting for the copy or for the GPU.

        The pinned memory is kept by torch until the copy is done; the current stream waits for it.
        """
        if self._stream is None:
            return [tensor.to(self.device) for tensor in tensors]
        with torch.cuda.stream(self._stream):
            sent = [tensor.to(self.device, non_blocking=True) for tensor in tensors]
        current = torch.cuda.current_stream(self.device)
        current.wait_stream(self._stream)
        for tensor in sent:  # made on the other stream, used and freed on this one
            tensor.record_stream(current)
        return sent
