"""The callbacks of a run as its configuration lists them: gan_lab's own, and any of Lightning's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lightning.pytorch import Callback

from gan_lab.assembly.kinds import Kind, subclass_of
from gan_lab.assembly.parts import Leftovers, build_part, load_target
from gan_lab.callbacks.base import AfterRound
from gan_lab.callbacks.checkpoints import Checkpoints
from gan_lab.callbacks.hooks import refuse_deaf
from gan_lab.callbacks.run_state import RunState
from gan_lab.common.errors import ConfigError

KIND = Kind(
    "a Callback of Lightning",
    ("gan_lab.callbacks.", "lightning.pytorch.callbacks."),
    subclass_of(Callback),
)

_STOP = "max_kimg, max_rounds or max_time ends a run"
_WHOLE = "each player moves all of its networks"
_AVERAGE = "the generator's average is kept by ema.half_life_kimg"
# Lightning's callbacks that would work against the engine, with what does their work.
INSTEAD = {
    "Checkpoint": "callbacks.checkpoints saves; set checkpoint.every_kimg",
    "ProgressBar": "callbacks.status shows how training stands",
    "EarlyStopping": f"{_STOP}, and best.ckpt keeps the best weights",
    "Timer": "set max_time",
    "GradientAccumulationScheduler": "set accumulate",
    "BatchSizeFinder": "set data.batch_size",
    "LearningRateFinder": "set a schedule for optimizer.<player>.lr",
    "StochasticWeightAveraging": _AVERAGE,
    "WeightAveraging": _AVERAGE,
    "BasePredictionWriter": "python -m gan_lab.sample writes images",
    "BaseFinetuning": _WHOLE,
    "ModelPruning": _WHOLE,
    "ThroughputMonitor": "records have speed/images_per_s already",
    "SpikeDetection": "a loss that is no number ends the run by itself",
    "LambdaCallback": "write a class of your own and name it with allow_targets",
}


class NoLeftovers(Leftovers):
    """An option that a callback lacks is an error, whoever gave it: no model sets any."""

    def drop(self, path: str, why: str, known: Collection[str]) -> None:
        """Refuse the key."""
        self.user_keys = [path]
        super().drop(path, why, known)


def make_callbacks(
    config: Mapping[str, Any], run: RunState, user_keys: Collection[str]
) -> list[Callback]:
    """Make the configured callbacks; checkpoints last, so that they keep what others found in the same round.

    Args:
        config: resolved; every entry of `callbacks` with a `_target_` is one, null leaves one out.
        run: given to those that ask for it.
        user_keys: dotted paths that the user set.

    Raises:
        ConfigError: naming the entry that is no callback, works against the engine or cannot be made.
    """
    allowed = config.get("allow_targets") or []
    leftovers = NoLeftovers(user_keys)
    made: list[Callback] = []
    for path, node in _entries(config):
        try:
            one = build_part(
                path, node, kind=KIND, context={"run": run}, leftovers=leftovers, allowed=allowed
            )
        except (ImportError, RuntimeError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise ConfigError(
                f"{path}: {node['_target_']} cannot be made here ({reason})."
            ) from error
        made.append(one)
    return sorted(made, key=lambda callback: isinstance(callback, Checkpoints))


def ours(callbacks: Collection[Callback]) -> list[AfterRound]:
    """Those that the engine calls after rounds."""
    return [callback for callback in callbacks if isinstance(callback, AfterRound)]


def foreign(callbacks: Collection[Callback]) -> list[Callback]:
    """Those that know Lightning alone."""
    return [callback for callback in callbacks if not isinstance(callback, AfterRound)]


def _entries(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and node of every entry, checked."""
    for name, node in (config.get("callbacks") or {}).items():
        path = f"callbacks.{name}"
        if node is None:
            continue
        if not isinstance(node, Mapping):
            raise ConfigError(
                f"{path}={node}: must be a mapping with a _target_, or null to leave it out."
            )
        factory: Any = load_target(path, node, KIND, config.get("allow_targets") or [])
        for base in factory.__mro__:
            if base.__module__.startswith("lightning.") and base.__name__ in INSTEAD:
                raise ConfigError(
                    f"{path}: {factory.__name__} works against the engine; {INSTEAD[base.__name__]}."
                )
        if not issubclass(factory, AfterRound):
            refuse_deaf(path, factory)
        yield path, node
