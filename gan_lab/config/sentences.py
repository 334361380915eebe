"""Errors of Hydra and OmegaConf as sentences: what is wrong, and what to write instead."""

from __future__ import annotations

import re

from gan_lab.common.errors import GanLabError, nearest
from gan_lab.config.groups import Groups
from gan_lab.config.lightning import refusal
from gan_lab.config.line import CommandLine, override_key


def sentence(error: BaseException, line: CommandLine | None = None) -> str:
    """One sentence for an error of Hydra or OmegaConf: what is wrong and what to write instead.

    Args:
        error: what was raised.
        line: the command line that it came of; its --config-dir brings choices of its own.
    """
    if isinstance(error.__cause__, GanLabError):  # of a resolver of ours
        return str(error.__cause__)
    text = str(error)
    groups = Groups.of(line or CommandLine())
    if found := re.search(r"Could not (?:find|load) '([^']+)/([^'/]*)'", text):
        return _no_such_choice(found[1], found[2], groups)
    if found := re.search(r"Could not override '([^']+)'", text):
        return _no_such_option(found[1], groups)
    if found := re.search(r"Could not append to config. An item is already at '([^']+)'", text):
        return f"+{found[1]}: this option exists already; leave out the +."
    if found := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return (
            f"{found[1]}: several values are a sweep; add -m to run one job for each, "
            "or write a list in brackets, such as penalty=[r1,r2]."
        )
    if found := re.search(
        r"Error trying to access ([\w.]+)", text
    ):  # of a section that is no mapping
        return f"{found[1]}: this option is missing; give it a value again."
    if found := re.search(r"full_key: (\S+)", text):
        return f"{found[1]}: {text.splitlines()[0].rstrip('.')}."
    return _what_hydra_says(f"{text}\n{error.__cause__ or ''}")


def _what_hydra_says(text: str) -> str:
    """Hydra's own words without its advice and its places."""
    kept = []
    for said in map(str.strip, text.splitlines()):
        if said.startswith("Config search path"):
            break
        if said and not said.startswith(("full_key", "object_type", "See", "Set the", "^")):
            kept.append(said)
    words = " ".join(dict.fromkeys(kept)).rstrip(".")
    return f"The command line cannot be understood: {words}."


def _no_such_choice(group: str, choice: str, groups: Groups) -> str:
    choices = groups.choices(group)
    listed = f"; choose one of {', '.join(choices)}" if choices else "; there is no such group"
    return f"{group}={choice}: no such {group}{nearest(choice, choices) or listed + '.'}"


def _no_such_option(key: str, groups: Groups) -> str:
    """The sentence for an option that the composed configuration does not have."""
    if key.startswith("trainer."):
        return refusal(key.removeprefix("trainer."))
    owners = groups.options()
    if key == "optimizer":
        choices = ", ".join(groups.choices(key))
        return (
            f"{key}: each player has its own; set optimizer@optimizer.generator= and "
            f"optimizer@optimizer.discriminator= to one of {choices}."
        )
    if owners.get(key):
        return f"{key}: not an option of the chosen parts; {', '.join(owners[key])} would have it."
    near = nearest(key, [name for name in owners if name != key])
    return f"{key}: no such option{near or '; --help lists the groups, --cfg job all options.'}"


def no_choice(line: CommandLine) -> str:
    """The sentence for a group that was given what names no choice, such as null or a number."""
    groups = Groups.of(line)
    names = groups.names()
    wrong = [o for o in line.overrides if override_key(o).partition("@")[0] in names]
    wrong = [o for o in wrong if not _names_choices(o)] or wrong
    choices = ", ".join(groups.choices(override_key(wrong[0]).partition("@")[0])) if wrong else ""
    hint = f"choose one of {choices}, or leave it out" if choices else "leave it out"
    return f"{wrong[0] if wrong else 'A group'}: names no choice; {hint}."


def _names_choices(override: str) -> bool:
    return re.fullmatch(r"[\w/@+]+=(\[[\w, ]*\]|(?!null$)[A-Za-z_]\w*)", override) is not None
