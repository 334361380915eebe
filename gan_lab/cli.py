"""The console script: `gan-lab train ...` is `python -m gan_lab.train ...`, and so on."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from gan_lab import __version__
from gan_lab.common.errors import nearest
from gan_lab.process.console import speaking
from gan_lab.process.interrupts import end_at_signals

log = logging.getLogger(__name__)

COMMANDS = {
    "train": "train a GAN: gan-lab train model=wgan_gp data=celeba",
    "sample": "images from a trained generator: gan-lab sample run=<folder> num=64",
    "interpolate": "a film between images: gan-lab interpolate run=<folder> seeds=3,17,40 out=walk.mp4",
    "latent": "directions, projections and more: gan-lab latent run=<folder> do=directions",
    "translate": "images through a model that translates: gan-lab translate run=<folder> input=photos/ out=translated/",
    "timelapse": "a film of training: gan-lab timelapse run=<folder> out=training.mp4",
    "evaluate": "scores of a trained generator: gan-lab evaluate run=<folder> metrics=fid",
    "export": "a trained generator as ONNX: gan-lab export run=<folder> format=onnx",
    "compare": "a table and a picture of several runs: gan-lab compare <folders>",
    "completion": "tab completion for a shell: gan-lab completion bash",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand the rest of the command line to one command, importing nothing of the others."""
    if arguments is None:
        end_at_signals()
        find_own_packages()
        if "_ARGCOMPLETE" in os.environ:  # a shell asks what could stand next
            from gan_lab.completion import answer_shell

            answer_shell(COMMANDS)
    with speaking():
        return _run(list(sys.argv[1:] if arguments is None else arguments))


def _run(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0 if given else 2
    command, *rest = given
    if command == "--version":
        sys.stdout.write(f"gan-lab {__version__}\n")
        return 0
    if command not in COMMANDS:
        near = nearest(command, COMMANDS) or f"; choose one of {', '.join(COMMANDS)}."
        log.error(f"gan-lab {command}: no such command{near}")
        return 2
    return int(import_module(f"gan_lab.{command}").main(rest))


def find_own_packages() -> None:
    """Look for the user's own packages in the working folder first, as `python -m` does."""
    here = str(Path.cwd())
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.insert(0, here)


def usage() -> str:
    """What --help prints."""
    lines = [f"  {name:<13}{what}" for name, what in COMMANDS.items()]
    return "\n".join(
        ["gan-lab <command> [options]", "", *lines, "", "gan-lab <command> --help says more.", ""]
    )


if __name__ == "__main__":
    sys.exit(main())
