"""Several processes, each with a replica of the networks; gradients are averaged by the players."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy

from gan_lab.engine.exchange import exchange, take_from_first


class Place(Protocol):
    """Where a process stands among those that train together; process/ranks.py finds it."""

    @property
    def rank(self) -> int:
        """Of this process among all."""

    @property
    def size(self) -> int:
        """How many processes there are."""

    @property
    def local(self) -> int:
        """Its number on its machine."""

    @property
    def node(self) -> int:
        """Its machine's number."""

    @property
    def address(self) -> str:
        """Of rank 0's machine."""

    @property
    def port(self) -> int:
        """Where rank 0 is found."""


class KnownPlace(ClusterEnvironment):
    """Tells Lightning which process this is, so that it asks no scheduler and no variable of the environment.

    Args:
        place: of this process.
    """

    creates_processes_externally = True

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place

    @property
    def main_address(self) -> str:
        """Where rank 0 is."""
        return self.place.address

    @property
    def main_port(self) -> int:
        """Where rank 0 listens."""
        return self.place.port

    @staticmethod
    def detect() -> bool:
        """It is never found, only given."""
        return False

    def world_size(self) -> int:
        """All processes."""
        return self.place.size

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def global_rank(self) -> int:
        """Of all processes."""
        return self.place.rank

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def local_rank(self) -> int:
        """On its machine."""
        return self.place.local

    def node_rank(self) -> int:
        """Of its machine."""
        return self.place.node


class Replicas(DDPStrategy):
    """DDP without the wrapper and without Lightning's launcher.

    DistributedDataParallel wants every parameter in every backward pass, and a step here moves one player only. So
    nothing is wrapped: the start is broadcast once, and Player.average_gradients does the rest, once per update.
    Lightning's launcher would run the caller's program again, which only a script survives.

    Args:
        meet: called before the processes connect; waits until all are there.
    """

    def __init__(self, meet: Callable[[], None] = lambda: None, **options: Any) -> None:
        super().__init__(**options)
        self.meet = meet

    def _configure_launcher(self) -> None:
        self._launcher = None

    def setup_distributed(self) -> None:
        """Connect the processes."""
        self.meet()
        with exchange():
            super().setup_distributed()

    def configure_ddp(self) -> None:
        """Give every rank the networks of rank 0."""
        module = self.lightning_module
        assert module is not None
        take_from_first([t.detach() for t in (*module.parameters(), *module.buffers())])

    def barrier(self, *arguments: Any, **keywords: Any) -> None:
        """Wait for the others."""
        with exchange():
            super().barrier(*arguments, **keywords)

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        """One rank's value for all."""
        with exchange():
            return super().broadcast(obj, src)

    def reduce(self, *arguments: Any, **keywords: Any) -> Any:
        """One value of all ranks'."""
        with exchange():
            return super().reduce(*arguments, **keywords)

    def teardown(self) -> None:
        """Part, so that the next run of this process meets ranks of its own."""
        super().teardown()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
