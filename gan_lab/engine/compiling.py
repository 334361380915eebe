"""Networks compiled in place, with a way back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.common.errors import first_line
from gan_lab.engine.meter import Meter
from gan_lab.engine.runner import Runner, Work
from gan_lab.engine.state import Kinds, Snapshot

BACKEND = "inductor"


class Compiling:
    """Compiles networks; where the first update of a step fails with that, undoes it and goes on without.

    Args:
        networks: compiled in place; copies of them (averages) are not.
        runner: runs the steps.
        state: every tensor that a step may change, by kind.
        meter: whose values of a failed update are taken back.
        device: where they lie.
        say: writes a line for the user.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        runner: Runner,
        *,
        state: Callable[[], Kinds],
        meter: Meter,
        device: torch.device,
        say: Callable[[str], None],
    ) -> None:
        self.networks = networks
        self.runner = runner
        self.state = state
        self.meter = meter
        self.device = device
        self.say = say
        self.compiled = True
        self.sound: set[tuple[str, Hashable]] = set()
        for network in networks:
            network.compile(dynamic=False, backend=BACKEND)

    def hold(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors of this round's batch that the work shall read."""
        return self.runner.hold(batch)

    def run(self, step: str, variant: Hashable, work: Work) -> None:
        """Do the work of a step; the first time with a copy of everything at hand."""
        if not self.compiled or (step, variant) in self.sound:
            self.runner.run(step, variant, work)
            return
        before, noted = Snapshot(self.state, self.device), self.meter.mark()
        try:
            self.runner.run(step, variant, work)
        except RuntimeError as error:
            before.put_back()
            self.meter.back_to(noted)
            self.give_up(step, error)
            self.runner.run(step, variant, work)
        self.sound.add((step, variant))

    def give_up(self, step: str, error: Exception) -> None:
        """Back to the networks as they are."""
        self.compiled = False
        for network in self.networks:
            network._compiled_call_impl = None  # what Module.compile sets
        reason = first_line(
            getattr(error, "inner_exception", error)
        )  # of torch's BackendCompilerFailed
        self.say(
            f"compile=true: step '{step}' does not compile ({reason}); all steps run uncompiled."
        )


def uncompiled(network: nn.Module, *inputs: Any) -> Any:
    """Call a network as Python: torch cannot differentiate compiled code twice, as penalties on gradients do."""
    if network._compiled_call_impl is None:
        return network(*inputs)
    with torch.compiler.set_stance("force_eager"):
        return network(*inputs)
