"""Which of several processes this one is, known before any of them has met the others.

Decided by what a launcher says about runs of several ranks, and by nothing else: variables that lie about in the
environment (of a scheduler's job, of an earlier launch) neither silence a run nor give it others to wait for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gan_lab.common.errors import ConfigError

WORKER = "GAN_LAB_WORKER"  # set for the processes that workers.py starts
HERE = "127.0.0.1"
LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those that train together.

    Attributes:
        rank: of this process, in [0, size).
        size: how many there are.
        local: its number on this machine, which is its device's.
        node: its machine's number.
        address: of the machine of rank 0.
        port: at which rank 0 is found; 0 where it is still to be chosen.
        own: whether the ranks of this machine are processes that the first of them starts.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    node: int = 0
    address: str = HERE
    port: int = 0
    own: bool = True

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def worker(self, local: int) -> Ranks:
        """The place of a process that this one starts on its machine."""
        return replace(self, rank=self.rank + local, local=local)


def may_be_another(environment: Mapping[str, str] | None = None) -> bool:
    """Whether a launcher may have started this process as another rank than the first; asked before that is known."""
    known = os.environ if environment is None else environment
    return any(known.get(name, "") not in ("", "0") for name in ("RANK", "SLURM_PROCID"))


def ranks_of(devices: int, nodes: int = 1, environment: Mapping[str, str] | None = None) -> Ranks:
    """Find this process' place.

    A single process is rank 0 whatever the environment says. Several ranks are those of torchrun, of srun, or of any
    launcher that sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT; else this process starts the others.

    Args:
        devices: processes on each machine, >= 1.
        nodes: machines, >= 1.
        environment: variables; None for this process'.

    Raises:
        ConfigError: where a launcher has started another number of processes than the options ask for.
    """
    size = devices * nodes
    known = os.environ if environment is None else environment
    if size == 1:
        return Ranks()
    if WORKER in known:
        return _worker(known[WORKER])
    if "SLURM_STEP_ID" in known or "SLURM_STEPID" in known:
        tasks = int(known.get("SLURM_STEP_NUM_TASKS") or known.get("SLURM_NTASKS") or 1)
        if tasks > 1:
            _agree(tasks, devices, nodes, launcher="srun", count="--ntasks")
            return _of_srun(size, known)
    if all(known.get(name) for name in LAUNCHED):
        _agree(int(known["WORLD_SIZE"]), devices, nodes, launcher="torchrun", count="the processes")
        return _of_torchrun(size, devices, known)
    if nodes == 1:
        return Ranks(size=size)
    return _one_of_several_machines(devices, nodes, known)


def _of_srun(size: int, known: Mapping[str, str]) -> Ranks:
    return Ranks(
        rank=int(known["SLURM_PROCID"]),
        size=size,
        local=int(known["SLURM_LOCALID"]),
        node=int(known["SLURM_NODEID"]),
        address=known.get("MASTER_ADDR") or first_node(known.get("SLURM_NODELIST", HERE)),
        # Any port that all tasks find alike, and two jobs on one machine do not share.
        port=int(known.get("MASTER_PORT") or 15000 + int(known["SLURM_JOB_ID"]) % 10000),
        own=False,
    )


def _of_torchrun(size: int, devices: int, known: Mapping[str, str]) -> Ranks:
    return Ranks(
        rank=int(known["RANK"]),
        size=size,
        local=int(known["LOCAL_RANK"]),
        node=int(known.get("GROUP_RANK") or int(known["RANK"]) // devices),
        address=known["MASTER_ADDR"],
        port=int(known["MASTER_PORT"]),
        own=False,
    )


def _worker(said: str) -> Ranks:
    rank, size, local, node, address, port = said.split(",")
    return Ranks(int(rank), int(size), int(local), int(node), address, int(port))


def said_to_worker(ranks: Ranks) -> str:
    """The value of the variable WORKER for a process of this place."""
    place = (ranks.rank, ranks.size, ranks.local, ranks.node, ranks.address, ranks.port)
    return ",".join(map(str, place))


def _agree(started: int, devices: int, nodes: int, *, launcher: str, count: str) -> None:
    if started != devices * nodes:
        raise ConfigError(
            f"strategy.devices={devices}: {launcher} has started {started} processes, but the options ask for "
            f"{devices * nodes}; set strategy.devices or {count} so that both are the same."
        )


def _one_of_several_machines(devices: int, nodes: int, known: Mapping[str, str]) -> Ranks:
    """Started by hand on each machine: each starts the ranks of its own."""
    try:
        node, port = int(known["NODE_RANK"]), int(known["MASTER_PORT"])
        address = known["MASTER_ADDR"]
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"trainer.num_nodes={nodes}: start the run with torchrun or srun, or set NODE_RANK, MASTER_ADDR and "
            "MASTER_PORT on each machine."
        ) from error
    return Ranks(node * devices, devices * nodes, 0, node, address, port)


def first_node(listed: str) -> str:
    """The first name of SLURM's list: node[03-07,9] is node03, and a,b is a."""
    name, bracket, rest = listed.partition("[")
    if not bracket or "," in name:
        return listed.partition(",")[0]
    first = rest.replace("-", ",").replace("]", ",").partition(",")[0]
    return name + first


def place_of(config: Mapping[str, Any]) -> Ranks:
    """This process' place in the run of a composed configuration."""
    devices = (config.get("strategy") or {}).get("devices", 1)
    nodes = (config.get("trainer") or {}).get("num_nodes", 1)
    if not (
        isinstance(devices, int) and isinstance(nodes, int)
    ):  # the check of types says it better
        return Ranks()
    return ranks_of(max(devices, 1), max(nodes, 1))
