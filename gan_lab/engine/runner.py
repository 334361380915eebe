"""How the device work of a step is run: as Python says it each time, or recorded once and replayed.

Small GANs keep a GPU waiting for Python: an eager round launches some hundred kernels of a few microseconds each. A
CUDA graph launches them all at once. What is recorded must be device work alone: no value read by the host, no branch
on data, the same tensors each time. Whatever changes between rounds reaches it through tensors that stay in place:
the batch (`hold`), the draws (randomness.py) and the dials (dials.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from gan_lab.common.errors import first_line
from gan_lab.engine.meter import Meter
from gan_lab.engine.state import Kinds, Snapshot
from gan_lab.engine.watching import Watch

Work = Callable[[], None]
WARM_UPS = 3  # eager runs of a step before it is recorded: libraries choose algorithms and allocate in them
TOLERANCE = (
    0.1  # of the change that an update makes; a wrong tensor or a stale number is off by all of it
)
ROUNDING = 1e-6  # of the values themselves


class Recording(Protocol):
    """Device work recorded in `capture`, without being done, and done again by each `replay`."""

    def capture(self, work: Work) -> None:
        """Record the work."""

    def replay(self) -> None:
        """Do it."""


class Runner(Protocol):
    """Runs the device work of steps."""

    def hold(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors of this round's batch that the work shall read."""

    def run(self, step: str, variant: Hashable, work: Work) -> None:
        """Do the work of a step; `variant` tells apart its forms, such as with and without a norm."""


class Eager:
    """Runs everything as it is."""

    def hold(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The batch itself."""
        return batch

    def run(self, step: str, variant: Hashable, work: Work) -> None:
        """Do the work."""
        del step, variant
        work()


class CudaGraph:
    """A recording by torch.cuda.CUDAGraph.

    Args:
        device: the GPU.
        pool: of memory, shared by recordings whose results do not outlive a replay.
    """

    def __init__(self, device: torch.device, pool: Any) -> None:
        self.device = device
        self.pool = pool
        self.graph = torch.cuda.CUDAGraph()

    def capture(self, work: Work) -> None:
        """Record the work."""
        with torch.cuda.device(self.device), torch.cuda.graph(self.graph, pool=self.pool):
            work()

    def replay(self) -> None:
        """Launch it."""
        self.graph.replay()


@dataclass
class Recorded:
    """A recording of one step, how often each meter value is added in it, and whether it was seen to be right."""

    recording: Recording
    added: Counter[str]
    proven: bool = False


class Captured:
    """Runs a step eagerly a few times, then records it, proves the recording, and replays it from there.

    The proof makes an update twice from the same state, by the recording and by Python, in a later round than the
    recording's own: other images, latents, rates. It compares everything that training changes, once for each step
    of a run, and keeps Python's result. Where a recording cannot be made or does something else, one sentence says
    so and everything stays eager; nothing of it ever reached the weights.

    Args:
        record: makes an empty recording, given a pool of memory.
        state: every tensor that a step may change, by kind.
        meter: whose counts replays must keep up.
        device: where it all lies.
        say: writes a line for the user.
        watch: finds what work changes and nobody registered; None where networks are compiled, which it would prevent.
    """

    def __init__(
        self,
        record: Callable[[Any], Recording],
        *,
        state: Callable[[], Kinds],
        meter: Meter,
        device: torch.device,
        say: Callable[[str], None],
        watch: Watch | None = None,
    ) -> None:
        self.watch = watch
        self.record = record
        self.state = state
        self.meter = meter
        self.device = device
        self.say = say
        self.trusted = True
        self.recorded: dict[tuple[str, Hashable], Recorded] = {}
        self.runs: Counter[str] = Counter()
        self.batch: dict[str, Tensor] = {}
        self.side = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.pool = self._new_pool()
        meter.accumulates = True

    def hold(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Copy the batch to where recordings read it."""
        if {k: v.shape for k, v in batch.items()} != {k: v.shape for k, v in self.batch.items()}:
            self.recorded.clear()
            self.pool = self._new_pool()  # torch refuses one whose graphs are gone
            self.batch = {name: torch.empty_like(tensor) for name, tensor in batch.items()}
        for name, tensor in batch.items():
            self.batch[name].copy_(tensor, non_blocking=True)
        return self.batch

    def _new_pool(self) -> Any:
        return torch.cuda.graph_pool_handle() if self.device.type == "cuda" else None

    def run(self, step: str, variant: Hashable, work: Work) -> None:
        """Do the work of a step, in one of four ways: as it is, then recorded beside, proven, replayed."""
        found = self.recorded.get((step, variant))
        if found is not None and found.proven:
            found.recording.replay()
            self.meter.counts.update(found.added)
            return
        if not self.trusted:
            work()
            return
        self.runs[step] += 1
        if found is not None:
            self._prove(step, found, work)
            return
        counts = self.meter.counts.copy()
        problem = self._watched(step, work)
        if problem is not None:
            self._give_up(step, problem)
        elif self.runs[step] > WARM_UPS:
            added = self.meter.counts - counts
            self._record(step, variant, work, added)

    def _watched(self, step: str, work: Work) -> str | None:
        """Run eagerly, and say what the work changes beside what it may."""
        if self.watch is None:
            self._beside(work)
            return None
        with self.watch.of(step) as found:
            self._beside(work)
        return found[0] if found else None

    def _beside(self, work: Work) -> None:
        """Run eagerly on a stream of its own, as torch asks for before a capture."""
        if self.side is None:
            work()
            return
        current = torch.cuda.current_stream(self.device)
        self.side.wait_stream(current)
        with torch.cuda.stream(self.side):
            work()
        current.wait_stream(self.side)

    def _record(self, step: str, variant: Hashable, work: Work, added: Counter[str]) -> None:
        counts, now = self.meter.counts.copy(), Snapshot(dict, self.device)
        recording = self.record(self.pool)
        try:
            recording.capture(work)
        except Exception as error:
            self._give_up(step, first_line(error))
        else:
            self.recorded[step, variant] = Recorded(recording, added)
        self.meter.counts = counts
        now.put_back_random()

    def _prove(self, step: str, found: Recorded, work: Work) -> None:
        before = Snapshot(self.state, self.device)
        try:
            found.recording.replay()
            replayed = Snapshot(self.state, self.device)
        except Exception as error:
            before.put_back()
            self._give_up(step, first_line(error))
            work()
            return
        before.put_back()
        unregistered = self._watched(step, work)
        problem = unregistered or difference(before.kinds, replayed.kinds, self.state())
        if problem is None:
            found.proven = True
        else:
            self._give_up(step, problem)

    def _give_up(self, step: str, problem: str) -> None:
        self.trusted = False
        self.recorded.clear()
        self.say(f"The step '{step}' is not captured ({problem}); all steps run eagerly.")


@torch.no_grad()
def difference(before: Kinds, replayed: Kinds, truth: Kinds) -> str | None:
    """What the replay did differently, in words; None where it is rounding.

    Kernels with atomic sums round differently each time, and Adam magnifies that where a gradient is nothing but
    rounding. So norms over all tensors of a kind are compared: a wrong tensor or a stale number is off by the whole
    change.
    """
    for kind, tensors in truth.items():
        change = error = size = 0.0
        for start, other, one in zip(before[kind], replayed[kind], tensors, strict=True):
            change += float((one.double() - start.double()).square().sum())
            error += float((other.double() - one.double()).square().sum())
            size += float(one.double().square().sum())
        rounding = ROUNDING**2 * size
        if not error <= max(TOLERANCE**2 * change, rounding):
            share = (error / change) ** 0.5 if change > 0 else float("inf")
            return f"its replay is off by {share:.2g} of the change in {kind}"
    return None
