"""Samples of a trained generator: `python -m gan_lab.sample run=<folder> num=64`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab.process.interrupts import end_at_signals

if __name__ == "__main__":
    end_at_signals()  # before the slow imports; run_command takes over

import hydra
from omegaconf import DictConfig

from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.common.paths import user_path
from gan_lab.config.after import plain_options
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.groups import CONF
from gan_lab.config.schema import Field

MANY = 4096  # images at once that are counted before they are made

OPTIONS = {
    "run": Field(str),
    "checkpoint": Field(str),
    "num": Field(int, low=1),
    "seed": Field(int, low=0),
    "out": Field(str | None),
    "overwrite": Field(bool),
    "ema": Field(bool),
    "batch_norm": Field(str, choices=("running", "batch")),
    "batch_size": Field(int, low=1),
    "device": Field(str),
    "allow_targets": Field(list[str]),
}


@hydra.main(version_base="1.3", config_path=CONF, config_name="sample")
@around_hydra
def job(config: DictConfig) -> None:
    """Draw, save, and say where."""
    sys.stdout.write(f"{save_samples(plain_options(config, OPTIONS))}\n")


def save_samples(options: Mapping[str, Any]) -> Path:
    """Draw samples as conf/sample.yaml describes; return the PNG file or the folder of them.

    Raises:
        GanLabError: one sentence; samples that were there before are untouched.
    """
    import torch

    from gan_lab.assembly.sizes import refuse_too_many
    from gan_lab.generation.pretrained import load
    from gan_lab.media.folders import write_folder
    from gan_lab.media.grids import save_grid

    given = None if options["out"] is None else user_path(options["out"], "out")
    if given is not None:
        _check_free(given, overwrite=options["overwrite"])
    model = load(
        options["run"], options["checkpoint"], options["device"], ema=options["ema"],
        allow_targets=options.get("allow_targets", ()),
    )  # fmt: skip
    # The name of the default says what is in it, so that a file of this name may be renewed.
    out = given or user_path(model.folder.path / "generated" / _name(options), "out")
    drawing = {key: options[key] for key in ("seed", "batch_size", "batch_norm")}
    at_once = options["num"] if _is_grid(out) else min(options["num"], options["batch_size"])
    if at_once > MANY:
        option = "num" if _is_grid(out) else "batch_size"
        refuse_too_many(option, at_once, shape=tuple(model.sample(1).shape[1:]))
    batches = model.batches(options["num"], **drawing)
    try:
        if _is_grid(out):
            save_grid(torch.cat([batch.cpu() for batch in batches]), out)
        else:
            write_folder(batches, out, overwrite=options["overwrite"])
    except OSError as error:
        raise GanLabError(f"out={out}: the samples cannot be written ({error}).") from error
    return out


def _check_free(out: Path, *, overwrite: bool) -> None:
    """Refuse what would replace samples without a word, or mix with them, before anything is loaded."""
    from gan_lab.media.folders import check_free

    if not _is_grid(out):
        check_free(out, overwrite=overwrite)
    elif out.exists() and not overwrite:
        raise ConfigError(
            f"out={out}: it is there already; choose another name, or set overwrite=true."
        )


def _is_grid(out: Path) -> bool:
    return out.suffix.lower() == ".png"


def _name(options: Mapping[str, Any]) -> str:
    weights = Path(options["checkpoint"]).stem + ("" if options["ema"] else "-raw")
    statistics = "" if options["batch_norm"] == "running" else "-batch-statistics"
    return f"{weights}-seed-{options['seed']}-num-{options['num']}{statistics}.png"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_command("gan_lab.sample", job, given)


if __name__ == "__main__":
    sys.exit(main())
