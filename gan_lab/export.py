"""A trained generator for other programs: `python -m gan_lab.export run=<folder> format=onnx out=<file>`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab.process.interrupts import end_at_signals

if __name__ == "__main__":
    end_at_signals()  # before the slow imports; run_command takes over

import hydra
from omegaconf import DictConfig

from gan_lab.common.errors import ConfigError
from gan_lab.common.paths import user_path
from gan_lab.config.after import plain_options
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.groups import CONF
from gan_lab.config.schema import Field
from gan_lab.process.progress import loading, phase

FOR_MODELS = ("ask",)

OPTIONS = {
    "run": Field(str),
    "checkpoint": Field(str),
    "format": Field(str, choices=("onnx", "torch")),
    "direction": Field(str | None),
    "out": Field(str | None),
    "overwrite": Field(bool),
    "ema": Field(bool),
    "allow_targets": Field(list[str]),
}


@hydra.main(version_base="1.3", config_path=CONF, config_name="export")
@around_hydra
def job(config: DictConfig) -> None:
    """Write, check, and say where the file is and what it takes."""
    options = plain_options(config, OPTIONS, groups=FOR_MODELS)
    out, words = export_generator(options)
    logging.getLogger("gan_lab.export").info(words)
    sys.stdout.write(f"{out}\n")


def export_generator(options: Mapping[str, Any]) -> tuple[Path, str]:
    """Export as conf/export.yaml describes.

    Returns:
        The file, and a sentence about its input, its output and the check.

    Raises:
        GanLabError: one sentence; a file that was there before is untouched.
    """
    with loading():
        from gan_lab.generation.exporting import FORMATS, export, require
        from gan_lab.generation.pretrained import load

    require(options["format"])
    allowed = options.get("allow_targets", ())
    model = load(
        options["run"], options["checkpoint"], "cpu", ema=options["ema"], allow_targets=allowed
    )
    model.require_images("export")
    name = model.checkpoint.stem + ("" if options["ema"] else "-raw") + FORMATS[options["format"]]
    default = model.folder.path / "exported" / name
    out = default if options["out"] is None else user_path(options["out"], "out")
    if out.is_dir():
        raise ConfigError(f"out={out}: this is a folder; name a file in it.")
    if out.exists() and not options["overwrite"]:
        raise ConfigError(
            f"out={out}: a file is there already; choose another name, or set overwrite=true."
        )
    asked = {"direction": options["direction"], **options.get("ask", {})}
    asked = {name: answer for name, answer in asked.items() if answer is not None}
    generator = model.translation(**asked) if asked else model.generator
    with phase("Writing and checking the file"):
        difference = export(generator, out, format=options["format"])
    words = (
        f"{generator.takes[0]}: {generator.given}; {generator.gives}: {generator.made}. "
        f"Checked against the checkpoint by running the file: differences up to {difference:.1g}."
    )
    return out, words


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    roots = tuple(f"{group}." for group in FOR_MODELS)
    given = [f"+{one}" if one.startswith(roots) else one for one in given]
    return run_command("gan_lab.export", job, given)


if __name__ == "__main__":
    sys.exit(main())
