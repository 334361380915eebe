"""Several processes, each with a replica of the networks; gradients are averaged by the players."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy

from gan_lab.engine.exchange import exchange, take_from_first


class KnownPlace(ClusterEnvironment):
    """Tells Lightning which process this is, so that it asks no scheduler and no variable of the environment.

    Args:
        rank: of this process among all.
        size: how many processes there are.
        local: its number on its machine.
        node: its machine's number.
        address: of rank 0's machine.
        port: where rank 0 is found.
    """

    creates_processes_externally = True

    def __init__(
        self, *, rank: int, size: int, local: int, node: int, address: str, port: int
    ) -> None:
        super().__init__()
        self._rank, self._size, self._local, self._node = rank, size, local, node
        self._address, self._port = address, port

    @property
    def main_address(self) -> str:
        """Where rank 0 is."""
        return self._address

    @property
    def main_port(self) -> int:
        """Where rank 0 listens."""
        return self._port

    @staticmethod
    def detect() -> bool:
        """It is never found, only given."""
        return False

    def world_size(self) -> int:
        """All processes."""
        return self._size

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def global_rank(self) -> int:
        """Of all processes."""
        return self._rank

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def local_rank(self) -> int:
        """On its machine."""
        return self._local

    def node_rank(self) -> int:
        """Of its machine."""
        return self._node


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
