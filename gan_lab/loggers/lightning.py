"""A Lightning logger that hands on to the reporter, for callbacks that log through Lightning."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from gan_lab.engine.clock import Clock
from gan_lab.loggers.reporter import Reporter


class ReporterLogger(Logger):
    """Records under the run's own clock; Lightning's step, which counts stretches of rounds, is left out.

    Args:
        reporter: where records go; None on ranks that record nothing.
        clock: gives the counters of now.
    """

    def __init__(self, reporter: Reporter | None, clock: Callable[[], Clock]) -> None:
        super().__init__()
        self.reporter = reporter
        self.clock = clock

    @property
    def name(self) -> str:
        """Of the logger."""
        return "gan_lab"

    @property
    def version(self) -> str:
        """None: the run folder tells runs apart."""
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record numbers; Lightning's `epoch`, which is always 0, and what is no number are left out."""
        del step
        values = {k: float(v) for k, v in metrics.items() if k != "epoch" and _is_number(v)}
        if self.reporter is not None and values:
            self.reporter.record(self.clock(), values)

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """The run folder and the trackers have the whole configuration already."""


def _is_number(value: Any) -> bool:
    try:
        return not math.isnan(float(value))
    except (TypeError, ValueError):
        return False
