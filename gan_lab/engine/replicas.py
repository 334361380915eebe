"""Several processes, each with a replica of the networks; gradients are averaged by the players."""

from __future__ import annotations

import torch
from lightning.pytorch.strategies import DDPStrategy


class Replicas(DDPStrategy):
    """DDP without the wrapper.

    DistributedDataParallel wants every parameter in every backward pass, and a step here moves one player only. So
    nothing is wrapped: the start is broadcast once, and Player.average_gradients does the rest, once per update.
    """

    def configure_ddp(self) -> None:
        """Give every rank the networks of rank 0."""
        module = self.lightning_module
        assert module is not None
        for tensor in [*module.parameters(), *module.buffers()]:
            torch.distributed.broadcast(tensor.detach(), src=0)
