"""Samples of a trained generator: `python -m gan_lab.sample run=<folder> num=64`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from gan_lab.common.errors import GanLabError
from gan_lab.common.paths import user_path
from gan_lab.config.after import plain_options
from gan_lab.config.command import CONF, around_hydra, run_command
from gan_lab.config.schema import Field

OPTIONS = {
    "run": Field(str),
    "checkpoint": Field(str),
    "num": Field(int, low=1),
    "seed": Field(int, low=0),
    "out": Field(str | None),
    "ema": Field(bool),
    "batch_norm": Field(str, choices=("running", "batch")),
    "batch_size": Field(int, low=1),
    "device": Field(str),
}


@hydra.main(version_base="1.3", config_path=CONF, config_name="sample")
@around_hydra
def job(config: DictConfig) -> None:
    """Draw, save, and say where."""
    sys.stdout.write(f"{save_samples(plain_options(config, OPTIONS))}\n")


def save_samples(options: Mapping[str, Any]) -> Path:
    """Draw samples as conf/sample.yaml describes; return the PNG file or the folder of them."""
    import torch

    from gan_lab.generation.pretrained import load
    from gan_lab.media.grids import save_grid, write_png
    from gan_lab.media.images import to_uint8

    model = load(options["run"], options["checkpoint"], options["device"], ema=options["ema"])
    out = user_path(_out(options, model.folder.path), "out")
    drawing = {key: options[key] for key in ("seed", "batch_size", "batch_norm")}
    batches = model.batches(options["num"], **drawing)
    try:
        if out.suffix.lower() == ".png":
            save_grid(torch.cat([batch.cpu() for batch in batches]), out)
            return out
        out.mkdir(parents=True, exist_ok=True)
        index = 0
        for batch in batches:
            for image in batch:
                write_png(to_uint8(image), out / f"{index:06}.png")
                index += 1
    except OSError as error:
        raise GanLabError(f"out={out}: the samples cannot be written ({error}).") from error
    return out


def _out(options: Mapping[str, Any], run: Path) -> str | Path:
    if options["out"] is not None:
        return str(options["out"])
    weights = Path(options["checkpoint"]).stem + ("" if options["ema"] else "-raw")
    statistics = "" if options["batch_norm"] == "running" else "-batch-statistics"
    name = f"{weights}-seed-{options['seed']}-num-{options['num']}{statistics}.png"
    return run / "generated" / name


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_command("gan_lab.sample", job, given)


if __name__ == "__main__":
    sys.exit(main())
