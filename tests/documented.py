"""What README and docs show to be typed: shell commands, Python snippets, files; and stand-ins to run them with."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from tests.conftest import REPOSITORY

PAGES = [
    REPOSITORY / "README.md",
    *(p for p in sorted(REPOSITORY.glob("*.md")) if p.name not in ("README.md", "CHANGELOG.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
PROGRAMS = (
    "python", "gan-lab", "make", "pip", "wandb", "tensorboard", "mlflow", "comet", "source", "eval", "export", "git",
)  # fmt: skip
# What names a program, without anything to be done.
NAMED_ONLY = re.compile(
    r"\w+|gan-lab( [a-z]+)?( \.\.\.)?|python -[mc]|python -m gan_lab\.\w+( \.\.\.)?"
)

# Commands that no test runs, by how they begin, with the reason. Options of gan_lab in them are composed,
# scripts, targets, extras and subcommands looked up.
PARSED_ONLY = {
    "make": "makes an environment, or takes minutes; CI runs setup, lint, train and test",
    "pip install": "changes the environment that tests run in",
    "source .venv/bin/activate": "changes the shell it is typed in",
    "wandb login": "asks for an account",
    "wandb sync": "sends to a service",
    "wandb sweep": "needs an account; tests/test_wandb.py starts runs as its agent does",
    "wandb leet": "a program for the whole terminal; tests/test_wandb.py runs its `inspect`",
    "tensorboard": "a server that does not end",
    "mlflow ui": "a server that does not end",
    "comet login": "asks for an account",
    "python -m pytest": "the tests themselves",
    "python -m tests.contracts.test_surface": "renews files of the checkout; a test holds them",
    "python scripts/checks": "minutes; tests have shorter forms of it",
    "python scripts/first_gan.py": "renews pictures of the docs, in minutes",
    "python scripts/bench": "minutes to hours on idle cores",
    "python scripts/families.py": "trains two dozen models, in an hour",
    "python scripts/translations.py": "trains models from image to image, in an hour",
    "python scripts/few_images.py": "trains a dozen runs, in an hour",
    "python scripts/modes.py": "trains two dozen runs, in half an hour",
    "python scripts/photos.py": "trains seven runs, in a quarter of an hour, and needs weights of Inception",
    "python scripts/finite_differences.py": "measures for a minute",
    "python scripts/class_maps.py": "needs masks; tests/unit/test_class_maps_script.py runs it",
    "python scripts/cut_patches.py": "needs photographs; tests/unit/test_cut_patches.py runs it",
    "python scripts/draw_rooms.py": "renews a picture of the docs",
    "python scripts/seeds.py": "reads a dozen runs that took hours",
    "python scripts/wandb_workspace.py": "needs an account",
    "python -m gan_lab.train -m seed=0,1,2,3 hydra/launcher=joblib": "processes: tests/test_side_by_side.py",
}


@dataclass(frozen=True)
class Shown:
    """A block or a piece of inline code of a page."""

    where: str  # page and line
    kind: str  # shell, python, yaml, another language, or inline
    text: str

    @property
    def commands(self) -> list[str]:
        """The commands in it, without comments and without what a shell does around them."""
        if self.kind == "inline":
            lines = [self.text] if self.text.partition(" ")[0] in PROGRAMS else []
        elif self.kind == "shell":
            lines = self.text.replace("\\\n", " ").splitlines()
        else:
            return []
        return [found for line in lines if (found := _command(line))]


def shown_on(page) -> list[Shown]:
    """All of a page, in its order."""
    found, fence, began = [], None, 0
    lines: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            if fence is None:
                fence, began, lines = line.strip().strip("`") or "shell", number, []
            else:
                found.append(Shown(f"{page.name}:{began}", fence, "\n".join(lines)))
                fence = None
        elif fence is not None:
            lines.append(line)
        else:
            for text in re.findall(r"`([^`]+)`", line):
                found.append(Shown(f"{page.name}:{number}", "inline", text.replace(r"\|", "|")))
    return found


def _command(line: str) -> str | None:
    """The command of a line of shell, or None where it is prose, a comment, or names a program only."""
    line = re.sub(r"(^|\s+)#.*$", "", line).strip()
    if inner := re.search(r"\$\((gan-lab [^)]+)\)", line):
        line = inner[1]
    line = re.split(r"\s(?:\||&|&&)\s", line)[0].replace(".venv/bin/python", "python")
    if NAMED_ONLY.fullmatch(line) or not line:
        return None
    first = line.split()[0]
    return line if first in PROGRAMS or _is_option(first) else None


def _is_option(word: str) -> bool:
    """Whether a line of a block begins with an option of gan_lab.train, without the command before it."""
    return bool(re.match(r"[a-z_]+(\.[a-z_]+)+=.", word))


def parsed_only(command: str) -> str | None:
    """The beginning by which a command is in the list of those that no test runs."""
    return next((begin for begin in PARSED_ONLY if f"{command} ".startswith(begin)), None)


def words_of(command: str) -> list[str]:
    """A command as the shell splits it, without the dots that stand for more options."""
    return [word for word in shlex.split(command) if word != "..."]
