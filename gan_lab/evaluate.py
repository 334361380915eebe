"""Scores of a trained generator: `python -m gan_lab.evaluate run=<folder> metrics=fid`."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.process.interrupts import end_at_signals

if __name__ == "__main__":
    end_at_signals()  # before the slow imports; run_command takes over

import hydra
from omegaconf import DictConfig

from gan_lab.common.durations import in_words, refuse_endless
from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.common.paths import user_path
from gan_lab.config.after import plain_options, user_keys
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.groups import CONF
from gan_lab.config.schema import METRICS, Field
from gan_lab.process.progress import loading, phase

if TYPE_CHECKING:
    from gan_lab.generation.trained import Pretrained

log = logging.getLogger(__name__)

OPTIONS = {
    "run": Field(str),
    "checkpoint": Field(str),
    "out": Field(str | None),
    "ema": Field(bool),
    "device": Field(str),
    "allow_targets": Field(list[str]),
    "data.root": Field(str | None),
    **METRICS,
    "metrics.split": Field(str | None),
}


@hydra.main(version_base="1.3", config_path=CONF, config_name="evaluate")
@around_hydra
def job(config: DictConfig) -> float:
    """Score, save, and say the values; returns the one that ranks."""
    options = plain_options(config, OPTIONS, groups=("metrics",))
    result, out = evaluate(options, user_keys())
    for key, value in result["values"].items():
        sys.stdout.write(f"{key} {value:.6g}\n")
    sys.stdout.write(f"{out}\n")
    return float(next(iter(result["values"].values())))


def evaluate(options: Mapping[str, Any], keys: Collection[str] = ()) -> tuple[dict[str, Any], Path]:
    """Score a checkpoint as conf/evaluate.yaml describes, on the latents of training's evaluations.

    Args:
        options: the composed options, plain.
        keys: dotted paths that the user set; an unknown one below metrics is an error.

    Returns:
        Values with everything they depend on, and the JSON file that holds the same.
    """
    with loading():
        from gan_lab.generation.pretrained import load
        from gan_lab.generation.source import source_of

    allowed = list(options.get("allow_targets", ()))
    model = load(
        options["run"], options["checkpoint"], options["device"], ema=options["ema"], allow_targets=allowed
    )  # fmt: skip
    metrics = _metrics(_on_its_split(options["metrics"], model.config), allowed, keys)
    source = source_of(model, options["data"]["root"])
    found = _score(model, metrics, source)
    result = {
        **_told(found, {"ema": options["ema"], "batch_norm": metrics.conditions.batch_norm}),
        "checkpoint": str(model.checkpoint),
        "iteration": model.iteration,
        "images_seen": model.images_seen,
        "seconds": next(iter(found.values())).seconds,
    }
    weights = model.checkpoint.stem + ("" if options["ema"] else "-raw")
    name = f"{weights}-{'+'.join(one.name for one in metrics.metrics)}-{metrics.num_samples}.json"
    default = model.folder.path / "eval" / name
    out = default if options["out"] is None else user_path(options["out"], "out")
    _write(out, result)
    return result, out


def _on_its_split(node: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Options of metrics with the split that the run was measured on, where none is chosen."""
    own = (config.get("metrics") or {}).get("split")
    return {**node, "split": node["split"] or own or "train"}


def _metrics(node: Mapping[str, Any], allowed: Sequence[str], keys: Collection[str]) -> Any:
    from gan_lab.assembly.build import build_metrics

    # They draw no weights.
    metrics = build_metrics({"metrics": node, "seed": 0, "allow_targets": allowed}, keys)
    if metrics is None:
        raise ConfigError(
            "metrics=none: there is nothing to evaluate; choose metrics=small or fid."
        )
    return metrics


def _score(model: Pretrained, metrics: Any, source: Any) -> Any:
    from gan_lab.generation.sampling import EVALUATION_SEED

    metrics.prepare(source, model.device)
    for note in (*metrics.about_reals, *metrics.notes):
        log.info(note)
    sample = model.sampler(seed=EVALUATION_SEED, batch_norm=metrics.conditions.batch_norm)
    seconds = sum(metrics.estimate_seconds(sample).values())
    refuse_endless(metrics.num_samples, seconds=seconds, max_days=metrics.conditions.max_days)
    log.info(f"This will take about {in_words(seconds)}.")
    with phase("Evaluation", total=metrics.num_samples) as shown:
        return metrics.score(sample, advance=shown.advance)


def _told(found: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """All values with the first metric's protocol, and with every metric's where there are several."""
    protocols = {key: {**score.protocol, **beside} for key, score in found.items()}
    told: dict[str, Any] = {
        "values": {key: value for score in found.values() for key, value in score.values.items()},
        "protocol": next(iter(protocols.values())),
    }
    return told if len(found) == 1 else {**told, "protocols": protocols}


def _write(out: Path, result: Mapping[str, Any]) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")
    except OSError as error:
        raise GanLabError(f"out={out}: the result cannot be written ({error.strerror}).") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_command("gan_lab.evaluate", job, given)


if __name__ == "__main__":
    sys.exit(main())
