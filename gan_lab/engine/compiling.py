"""Networks compiled in place."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from gan_lab.common.errors import GanLabError, first_line
from gan_lab.engine.runner import Runner, Work

BACKEND = "inductor"


class Compiled:
    """Runs steps with compiled networks; where these fail, the run ends with the reason.

    Args:
        networks: compiled in place, each at its first call; copies of them (averages) are not.
        runner: runs the steps.
    """

    def __init__(self, networks: Sequence[nn.Module], runner: Runner) -> None:
        self.runner = runner
        for network in networks:
            network.compile(dynamic=False, backend=BACKEND)

    def hold(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors of this round's batch that the work shall read."""
        return self.runner.hold(batch)

    def run(self, step: str, variant: Hashable, work: Work) -> None:
        """Do the work of a step.

        Raises:
            GanLabError: where torch cannot compile, or cannot run what it compiled.
        """
        try:
            self.runner.run(step, variant, work)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            cause = getattr(error, "inner_exception", error)  # of torch's BackendCompilerFailed
            raise GanLabError(
                f"compile=true: the step '{step}' fails with compiled networks ({first_line(cause)}); "
                "set compile=false."
            ) from error


def differentiable_twice(network: nn.Module, *inputs: Any, **others: Any) -> Any:
    """Call a network as Python, with attention written out, for penalties on gradients.

    Torch differentiates neither compiled code nor its fused attention twice.
    """
    with sdpa_kernel(SDPBackend.MATH):
        if network._compiled_call_impl is None:
            return network(*inputs, **others)
        with torch.compiler.set_stance("force_eager"):
            return network(*inputs, **others)
