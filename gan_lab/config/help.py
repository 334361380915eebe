"""What --help and --list print: options and choices, each with the comment that stands beside it in conf/."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_lab.config.groups import CONF, Groups
from gan_lab.config.line import CommandLine

# Sections of a file that are no options of a person: wiring of Hydra, and objects that options reach by other names.
WIRING = ("defaults", "hydra", "_target_", "callbacks")

FIRST = (
    "model",
    "data",
    "experiment",
    "loss",
    "penalty",
    "auxiliary",
    "augment",
    "degrade",
    "generator",
    "discriminator",
    "latent",
    "encoder",
)

FLAGS = {
    "-m, --multirun": "a sweep: one job for each value, such as -m seed=1,2,3",
    "--list": "print models, data sets, losses and the other choices, each with a line",
    "--cfg job": "print all options as they are composed, those of the chosen parts too, and stop",
    "--config-dir <folder>": "take choices of your own from this folder as well",
    "--help": "this page",
}
# Of every command; the others are those of training.
COMMON = ("--cfg job", "--help")


@dataclass(frozen=True)
class Option:
    """One option of a file of conf/."""

    path: str
    default: str
    comment: str


def answer(line: CommandLine, root: str) -> str | None:
    """What a command line asks to be told instead of being run; None where it wants to be run.

    Args:
        line: of the command.
        root: name of the command's own file in conf/.
    """
    if line.flags.get("help"):
        return page(root)
    return listing(Groups.of(line), chosen_in("train")) if line.flags.get("list") else None


def page(root: str) -> str:
    """The help of a command: how it is called, its options with their defaults, what can be chosen, its flags."""
    file, groups, defaults = Path(CONF) / f"{root}.yaml", Groups(), chosen_in(root)
    usage, what = head(file)
    options = list(options_of(file))
    if list(defaults) == ["metrics"]:  # a command with one kind of part shows its options too
        for name in defaults["metrics"]:
            own = options_of(Path(CONF) / "metrics" / f"{name}.yaml")
            options += [Option(f"metrics.{name}.{o.path}", o.default, o.comment) for o in own]
    parts = [f"{usage} [option=value ...]\n{what}\n", "Options, with their defaults:"]
    parts += columns([(f"{one.path}={one.default}", one.comment) for one in options])
    if defaults:
        parts += ["", "Choices, as <name>=<choice>; the first one is the default:"]
        parts += columns([(name, _first(name, defaults[name], groups)) for name in defaults])
    flags = FLAGS if root == "train" else {name: FLAGS[name] for name in COMMON}
    return "\n".join([*parts, "", "Flags:", *columns(list(flags.items())), ""])


def listing(groups: Groups, names: Collection[str]) -> str:
    """Every choice of these groups with the first sentence of its file."""
    said: list[str] = []
    for name in names:
        group = name.partition("@")[0]
        if group in said:  # one group that is mounted in two places
            continue
        rows = [(one, summary(groups.file(group, one))) for one in groups.choices(group)]
        said += [group, *columns(rows), ""]
    return "\n".join(said)


def chosen_in(root: str) -> dict[str, Any]:
    """The groups that a command's file chooses from, such as `optimizer@optimizer.generator`, with its choices.

    Those that people ask for first come first.
    """
    found: dict[str, Any] = {}
    for entry in _content(Path(CONF) / f"{root}.yaml").get("defaults") or ():
        for name, choice in entry.items() if isinstance(entry, dict) else ():
            if not name.startswith("override "):
                found[name] = choice
    last = len(FIRST)
    return dict(
        sorted(found.items(), key=lambda one: FIRST.index(one[0]) if one[0] in FIRST else last)
    )


def head(file: Path) -> tuple[str, str]:
    """How a command is called and what it does, from the comment that its file begins with."""
    said = _block(file)
    found = re.search(r"`([^`]+)`: (.*)", said)
    usage, what = found.groups() if found else (said, "")
    what = sentence_of(what)
    return usage, f"{what[:1].upper()}{what[1:]}."


def summary(file: Path | None) -> str:
    """The first sentence of the comment that a choice's file begins with."""
    return "" if file is None else sentence_of(_block(file))


def sentence_of(text: str) -> str:
    """The first sentence without its point; that of an abbreviation such as eq. 3 ends none."""
    return re.split(r"\.(?=\s+[A-Z(])", text)[0].rstrip(".")


def options_of(file: Path) -> Iterator[Option]:
    """The options of a file in its order, with the comments behind them."""
    import yaml

    text = file.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    yield from _leaves(root, "", text.splitlines())


def columns(rows: Collection[tuple[str, str]]) -> list[str]:
    """Lines of two columns; where the first is too wide, the second begins behind it."""
    width = min(max((len(left) for left, _ in rows), default=0), 34)
    return [f"  {left:<{width}}  {right}".rstrip() for left, right in rows]


def _leaves(node: Any, prefix: str, lines: list[str]) -> Iterator[Option]:
    for key, value in node.value if hasattr(node, "value") else ():
        if key.value in WIRING:
            continue
        if value.id == "mapping" and not _is_schedule(value):
            yield from _leaves(value, f"{prefix}{key.value}.", lines)
            continue
        comment = re.search(r"\s# (.*)$", lines[key.start_mark.line])
        yield Option(f"{prefix}{key.value}", _written(value), comment[1] if comment else "")


def _is_schedule(value: Any) -> bool:
    """Whether a mapping is a number that changes over a run, and no section."""
    return any(key.value == "schedule" for key, _ in value.value)


def _written(value: Any) -> str:
    """A value, a list or a mapping in one line, as a command line takes it."""
    if value.id == "scalar":
        return str(value.value)
    if value.id == "mapping":
        return f"{{{','.join(f'{key.value}:{_written(one)}' for key, one in value.value)}}}"
    return f"[{','.join(map(_written, value.value))}]"


def _first(name: str, default: Any, groups: Groups) -> str:
    """The choices of a group with the default in front, and whether several can be chosen at once."""
    first = default if isinstance(default, list) else [default] if default else []
    group = name.partition("@")[0]
    rest = [one for one in groups.choices(group) if one not in first]
    said = ", ".join([*(first or ["(nothing)"]), *rest])
    some = [one for one in rest if one != "none"][:2]
    return f"{said}; several as {group}=[{','.join(some)}]" if isinstance(default, list) else said


def _block(file: Path) -> str:
    """The comment at the top of a file as one line, without Hydra's own."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.lstrip("# "))
    return " ".join(lines)


def _content(file: Path) -> Any:
    import yaml

    return yaml.safe_load(file.read_text(encoding="utf-8"))
