"""Tab completion of the console script: `gan-lab completion bash`, `zsh` or `fish` prints what the shell must read."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Sequence
from typing import Any

from gan_lab.process.console import speaking

log = logging.getLogger(__name__)

# How each shell reads the script that is printed for it, at its start.
SHELLS = {
    "bash": '~/.bashrc:  eval "$(gan-lab completion bash)"',
    "zsh": '~/.zshrc, behind compinit:  eval "$(gan-lab completion zsh)"',
    "fish": "~/.config/fish/config.fish:  gan-lab completion fish | source",
}
FLAGS = ("--help", "--list", "--multirun", "--cfg", "--config-dir")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the script of one shell; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with speaking():
        if "--help" in given or "-h" in given:
            lines = [f"  {name:<5} into {where}" for name, where in SHELLS.items()]
            sys.stdout.write("\n".join(["gan-lab completion <shell>", "", *lines, ""]))
            return 0
        if len(given) != 1 or given[0] not in SHELLS:
            log.error(f"completion: name one shell: {', '.join(SHELLS)}.")
            return 2
        from argcomplete.shell_integration import shellcode

        code = shellcode(["gan-lab"], shell="fish" if given[0] == "fish" else "bash")
        sys.stdout.write(code if code.endswith("\n") else f"{code}\n")
    return 0


def answer_shell(commands: Collection[str]) -> None:
    """Answer a shell that asks what could stand next, and end the process; elsewhere nothing happens.

    Args:
        commands: of the console script.
    """
    from argcomplete import autocomplete

    parser = ArgumentParser("gan-lab", add_help=False)
    parser.add_argument("command", choices=[*commands])
    for flag in FLAGS:
        parser.add_argument(flag, action="store_true")
    words: Any = parser.add_argument("words", nargs="*")
    words.completer = _words
    autocomplete(parser, always_complete_options=False)


def _words(prefix: str, parsed_args: Namespace, **_: Any) -> list[str]:
    from argcomplete.completers import FilesCompleter

    from gan_lab.config.candidates import candidates, is_path
    from gan_lab.config.groups import CONF

    if is_path(prefix):
        key, _equals, start = prefix.partition("=")
        return [f"{key}={one}" for one in FilesCompleter()(start)]
    from pathlib import Path

    root = parsed_args.command
    if not (Path(CONF) / f"{root}.yaml").is_file():  # such as compare, which takes folders
        return list(SHELLS) if root == "completion" else list(FilesCompleter()(prefix))
    return candidates(root, prefix)
