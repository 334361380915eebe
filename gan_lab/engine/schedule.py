"""Any scalar option may be a number or a schedule over images seen.

optimizer.generator.lr=2e-4
optimizer.generator.lr='{schedule: linear, start: 2e-4, end: 0, kimg: 500}'
model.n_critic='{schedule: piecewise, values: [100, 5], kimg: [160]}'
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

from gan_lab.common.errors import ConfigError, nearest
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.engine.clock import KIMG

KINDS = ("constant", "linear", "cosine", "piecewise")
KEYS = {
    "constant": {"start"},
    "linear": {"start", "end", "kimg", "begin_kimg"},
    "cosine": {"start", "end", "kimg", "begin_kimg"},
    "piecewise": {"values", "kimg"},
}


@dataclass(frozen=True)
class Schedule:
    """A scalar as a function of images seen; `at` runs on the host and costs about a microsecond.

    constant: start. linear and cosine: from start to end over `kimg` thousand images after `begin_kimg`. piecewise:
    values[i] from kimg[i - 1] on. Each is multiplied by a linear warm-up from 0 over the first `warmup_kimg`.
    """

    kind: str = "constant"
    start: float = 0.0
    end: float = 0.0
    begin_kimg: float = 0.0
    kimg: float = 1.0
    warmup_kimg: float = 0.0
    values: tuple[float, ...] = ()
    knots: tuple[float, ...] = field(default=())

    @cached_property
    def constant(self) -> bool:
        """Whether the value never changes."""
        return self.kind == "constant" and self.warmup_kimg == 0

    def at(self, images: int) -> float:
        """The value after so many images."""
        if self.constant:
            return self.start
        kimg = images / KIMG
        if self.kind == "piecewise":
            value = self.values[bisect_right(self.knots, kimg)]
        elif self.kind == "constant":
            value = self.start
        else:
            done = min(max((kimg - self.begin_kimg) / self.kimg, 0.0), 1.0)
            if self.kind == "cosine":
                done = 0.5 - 0.5 * math.cos(math.pi * done)
            value = self.start + (self.end - self.start) * done
        if self.warmup_kimg > 0:
            value *= min(kimg / self.warmup_kimg, 1.0)
        return value

    def ends(self) -> tuple[float, ...]:
        """Values between which all others lie (warm-up, from 0, apart); for checks of range."""
        return self.values if self.kind == "piecewise" else (self.start, self.end)


def schedule(value: Scalar, name: str) -> Schedule:
    """Read a number or a schedule's mapping; `name` is the option's path for messages.

    Raises:
        ConfigError: if it is neither, or the mapping lacks or misspells a key.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Schedule(start=float(value), end=float(value))
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{name}={value}: must be a number or a schedule such as "
            "{schedule: linear, start: 2e-4, end: 0, kimg: 500}."
        )
    options = dict(value)
    kind = options.pop("schedule", "constant")
    if kind not in KINDS:
        raise ConfigError(
            f"{name}.schedule={kind}: must be one of {', '.join(KINDS)}{nearest(str(kind), KINDS)}"
        )
    warmup = _number(options.pop("warmup_kimg", 0.0), f"{name}.warmup_kimg")
    in_range(f"{name}.warmup_kimg", warmup, low=0)
    for key in options:
        if key not in KEYS[kind]:
            known = sorted(KEYS[kind] | {"warmup_kimg"})
            raise ConfigError(
                f"{name}.{key}: a {kind} schedule has the keys {', '.join(known)}"
                f"{nearest(str(key), known)}"
            )
    missing = KEYS[kind] - {"begin_kimg"} - set(options)
    if missing:
        raise ConfigError(f"{name}: a {kind} schedule needs {', '.join(sorted(missing))} too.")
    if kind == "piecewise":
        return _piecewise(options, name, warmup)
    numbers = {key: _number(number, f"{name}.{key}") for key, number in options.items()}
    numbers.setdefault("end", numbers["start"])
    if kind != "constant":
        in_range(f"{name}.kimg", numbers["kimg"], above=0)
    return replace(Schedule(kind=kind, warmup_kimg=warmup), **numbers)  # type: ignore[arg-type]


def _piecewise(options: dict[str, object], name: str, warmup: float) -> Schedule:
    values, knots = options["values"], options["kimg"]
    if not (isinstance(values, Sequence) and isinstance(knots, Sequence)):
        raise ConfigError(f"{name}: a piecewise schedule takes two lists, values and kimg.")
    if len(values) != len(knots) + 1:
        raise ConfigError(
            f"{name}: {len(values)} values need {len(values) - 1} changes in kimg, not {len(knots)}."
        )
    changes = tuple(_number(k, f"{name}.kimg") for k in knots)
    if any(one >= other for one, other in pairwise(changes)):
        raise ConfigError(f"{name}.kimg={list(knots)}: must rise from each change to the next.")
    return Schedule(
        kind="piecewise",
        warmup_kimg=warmup,
        values=tuple(_number(v, f"{name}.values") for v in values),
        knots=changes,
    )


def _number(value: object, name: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
            in_range(name, number, above=-math.inf, below=math.inf)
            return number
    raise ConfigError(f"{name}={value}: must be a number.")
