"""Which pairs of axes a figure has, and the keys that each shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gan_lab.common.errors import ConfigError, nearest
from gan_lab.reports.standings import title_of

METRIC = "metric/"


@dataclass(frozen=True)
class Panel:
    """One pair of axes and the keys that it shows: `prefix` and one more word."""

    title: str
    prefix: str
    scale: str = "linear"  # or log, or zero: linear from 0
    only: str | None = None

    def shows(self, key: str) -> bool:
        """Whether a key belongs here: loss/generator does, its terms loss/generator/... do not."""
        word = key.removeprefix(self.prefix)
        return word != key and "/" not in word and self.only in (None, word.partition(" ")[0])


PANELS = {
    "metric": Panel("metric", METRIC, "log"),
    "losses": Panel("losses", "loss/"),
    "logits": Panel("logits", "logits/"),
    "gradients": Panel("gradient norms", "grad_norm/", "log"),
    "rates": Panel("learning rates", "lr/", "zero"),
    "speed": Panel("images per second", "speed/", "zero", only="images_per_s"),
}


def panels_of(
    names: Sequence[str], keys: Collection[str], higher: Collection[str] = ()
) -> list[Panel]:
    """The panels that are wished for, all by default; each metric has axes of its own, since their units differ.

    Args:
        names: of PANELS, a metric's own name such as fid, or a key of metrics.jsonl such as logits/real.
        keys: that the runs have recorded.
        higher: those of metrics of which the highest value is the best.

    Raises:
        ConfigError: at a name that is none of these.
    """
    rising = {_metric(key) for key in higher}
    return [panel for name in names or PANELS for panel in _panels(name, keys, rising)]


def _panels(name: str, keys: Collection[str], rising: Collection[str]) -> list[Panel]:
    found = dict.fromkeys(_metric(key) for key in keys if key.startswith(METRIC))
    metrics = [metric for metric in found if "/" not in metric]  # others are values by class
    if name == "metric" and metrics:
        return [_of_metric(metric, metric in rising) for metric in metrics]
    if name in PANELS:
        return [PANELS[name]]
    if name in metrics:
        return [_of_metric(name, name in rising)]
    if name in keys:
        prefix, _, word = name.rpartition("/")
        return [Panel(name, f"{prefix}/", only=word)]
    known = [*PANELS, *metrics]
    near = (
        nearest(name, [*known, *keys])
        or f"; there are {', '.join(known)}, and keys of metrics.jsonl."
    )
    raise ConfigError(f"panels={name}: no such panel{near}")


def _of_metric(metric: str, rises: bool) -> Panel:
    better = "higher" if rises else "lower"
    return Panel(f"{title_of(metric)} ({better} is better)", METRIC, "log", only=metric)


def _metric(key: str) -> str:
    """The name of a metric, without the number of its protocol."""
    return key.removeprefix(METRIC).partition(" ")[0]


def first_words(keys: Iterable[str], panel: Panel) -> list[str]:
    """What a legend calls the keys of a panel."""
    return [key.removeprefix(panel.prefix) for key in keys]
