"""A multirun as its command line asks for it: how many jobs, what they differ in, and the folder that they fill."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

from gan_lab.config.groups import Groups
from gan_lab.config.line import override_key
from gan_lab.config.paths import quote

log = logging.getLogger(__name__)

# What a sweep writes of jobs that were refused before they had begun; every word of it was said on the terminal.
TRACES = ("multirun.yaml", "overrides.yaml", "status.json")
# Where the jobs, which may run in processes of their own, find what `CountJobs` has found out.
PLACE = "hydra.callbacks.sweep"


@dataclass(frozen=True)
class Sweep:
    """A multirun that this process has started.

    Attributes:
        folder: that holds the folders of its jobs.
        made: the folders that were not there before it, the deepest first.
        apart: whether a launcher may run its jobs in other processes.
    """

    folder: Path
    made: tuple[Path, ...]
    apart: bool

    def leave_nothing(self) -> None:
        """Take away again what it has made, where none of its jobs has begun."""
        if not self.made or not self.folder.is_dir():
            return
        inside = sorted(self.folder.rglob("*"), reverse=True)  # a folder comes behind what it holds
        if any(path.name not in TRACES for path in inside if not path.is_dir()):
            return
        with suppress(OSError):
            for path in inside:
                path.rmdir() if path.is_dir() else path.unlink()
            for path in self.made:
                path.rmdir()  # fails where somebody else has put something there


# The multirun of this process, if it is one.
begun: list[Sweep] = []


class Aside(Callback):
    """For commands whose results have places of their own: Hydra's notes of a multirun stay out of the working folder.

    They go into a folder that is taken away at the end, unless `hydra.sweep.dir` names one.
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Name the folder, to this process and to the jobs."""
        hydra = config.hydra
        if hydra.sweep.dir != ".":
            return
        folder = Path(tempfile.mkdtemp(prefix="gan_lab-"))
        begun.append(Sweep(folder, (folder,), apart=False))
        with open_dict(hydra):
            hydra.sweep.dir = str(folder)
            hydra.overrides.hydra.append(f"hydra.sweep.dir={quote(str(folder))}")


class CountJobs(Callback):
    """Finds out, before the first job, how many there are and what they differ in.

    Args:
        jobs: found out in the process that has started the sweep; None where its sweeper does not tell.
        swept: the keys in which the jobs differ.
    """

    def __init__(self, jobs: int | None = None, swept: Sequence[str] = ()) -> None:
        self.jobs = jobs
        self.swept = swept

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Note the sweep, and hand what its jobs must know to each of them."""
        hydra = config.hydra
        folder = Path(hydra.sweep.dir)
        made = tuple(place for place in (folder, *folder.parents) if not place.exists())
        begun.append(
            Sweep(folder, made, not str(hydra.launcher._target_).endswith("BasicLauncher"))
        )
        given = {**(hydra.sweeper.get("params") or {})}
        lines = [*(f"{key}={value}" for key, value in given.items()), *hydra.overrides.task]
        try:
            parsed = OverridesParser.create().parse_overrides(lines)
        except HydraException:  # said by the sweeper
            return
        swept = [one for one in parsed if one.is_sweep_override()]
        jobs = count_jobs(swept, hydra.sweeper, _groups(hydra))
        if jobs == 0:
            log.error("This sweep has no jobs: one of its ranges is empty.")
            raise SystemExit(2)  # exceptions of callbacks become warnings
        keys = ",".join(quote(override_key(one.get_key_element())) for one in swept)
        told = {f"{PLACE}.jobs": jobs or "null", f"{PLACE}.swept": f"[{keys}]"}
        with open_dict(hydra):
            hydra.overrides.hydra.extend([f"++{key}={value}" for key, value in told.items()])


def count_jobs(
    swept: Collection[Override], sweeper: Mapping[str, Any], groups: Groups
) -> int | None:
    """How many jobs a sweeper will run; None where it is none of those known here.

    Args:
        swept: the overrides that have several values.
        sweeper: the options of Hydra's sweeper.
        groups: for a pattern such as `glob(*)`, which means the choices of its group.
    """
    trials = sweeper.get("n_trials")  # Optuna's, that chooses the values itself
    grid = str((sweeper.get("sampler") or {}).get("_target_", "")).endswith("GridSampler")
    if isinstance(trials, int) and not grid:
        return trials
    if not grid and not str(sweeper.get("_target_")).endswith(".BasicSweeper"):
        return None
    if not all(one.is_discrete_sweep() for one in swept):
        return None
    product = math.prod(_values(one, groups) for one in swept)
    return min(product, trials) if isinstance(trials, int) else product


def _values(one: Override, groups: Groups) -> int:
    if isinstance(one._value, Glob):
        return len(matches(one, groups))
    return sum(1 for _ in one.sweep_string_iterator())


def matches(one: Override, groups: Groups) -> list[str]:
    """The choices of a group that a pattern such as `glob(*gan)` names."""
    pattern = one._value
    assert isinstance(pattern, Glob)
    return list(pattern.filter(groups.choices(one.key_or_group)))


def _groups(hydra: DictConfig) -> Groups:
    """The groups that the sweep's command line can choose from."""
    sources = [source for source in hydra.runtime.config_sources if source.schema == "file"]
    return Groups([f"file://{one.path}" for one in sources if one.provider != "main"])


@dataclass(frozen=True)
class Job:
    """One job's place in its sweep.

    Attributes:
        number: counted from 1.
        jobs: of the sweep; None where its sweeper does not tell.
        options: the overrides in which it differs from the others.
    """

    number: int
    jobs: int | None
    options: tuple[str, ...]

    @property
    def words(self) -> str:
        """What is said where it begins: `job 3 of 6: model=wgan_gp optimizer.generator.lr=0.0001`."""
        of = "" if self.jobs is None else f" of {self.jobs}"
        return f"job {self.number}{of}: {' '.join(self.options)}".rstrip(": ")


def job_of(hydra: Any) -> Job:
    """The job that runs now, in whatever process.

    Args:
        hydra: Hydra's own configuration.
    """
    told = OmegaConf.select(hydra, PLACE.removeprefix("hydra.")) or {}
    swept = set(told.get("swept") or ())
    options = [one for one in hydra.overrides.task if override_key(one) in swept]
    return Job(hydra.job.num + 1, told.get("jobs"), tuple(options or hydra.overrides.task))
