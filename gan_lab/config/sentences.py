"""Errors of Hydra and OmegaConf as sentences: what is wrong, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gan_lab.common.errors import GanLabError, first_line, nearest, one_of_these
from gan_lab.config.groups import Groups
from gan_lab.config.lightning import refusal
from gan_lab.config.line import CommandLine, override_key
from gan_lab.config.paths import HYDRA_FOLDERS

# What Hydra and OmegaConf say, and the sentence for it; braces take the groups of the pattern.
SAID = {
    r"Could not append to config. An item is already at '([^']+)'": (
        "+{0}: this option exists already; leave out the +."
    ),
    r"Ambiguous value for argument '([^']+)'": (
        "{0}: several values are a sweep; add -m to run one job for each, "
        "or write a list in brackets, such as penalty=[r1,r2]."
    ),
    r"BasicSweeper does not support sweep type : INTERVAL": (
        "interval(...): every value between two is no list of jobs; write the values with commas, "
        "or let hydra/sweeper=optuna choose among them."
    ),
    r"Sweep parameters '(.+)' requires --multirun": "{0}: several values are a sweep; add -m.",
    # Of a section that is no mapping.
    r"Error trying to access ([\w.]+)": "{0}: this option is missing; give it a value again.",
    r"Could not delete '([^']+)'": (
        "~{0}: nothing of this name is chosen that could be taken away."
    ),
    r"Could not delete from config. The value of '(\S+)' is (.*) and": (
        "~{0}: its value is {1}, so this takes nothing away; leave it out."
    ),
    r"Interpolation key '(\S+)' not found\s+full_key: (\S+)": (
        "{0}: this option is missing, and {1} takes its value from it; give it a value again."
    ),
    r"LexerNoViableAltException: (.+)": (
        "{0}: cannot be understood; a value with such letters needs quotes of its own, as in \"seed='1'\"."
    ),
}

# Plugins of Hydra that come with an extra of ours.
PLUGINS = {"hydra/sweeper=optuna": "optuna", "hydra/launcher=joblib": "sweeps"}


def sentence(error: BaseException, line: CommandLine | None = None) -> str:
    """One sentence for an error of Hydra or OmegaConf: what is wrong and what to write instead.

    Args:
        error: what was raised.
        line: the command line that it came of; its --config-dir brings choices of its own.
    """
    if isinstance(error.__cause__, GanLabError):  # of a resolver of ours
        return str(error.__cause__)
    text = str(error)
    line = line or CommandLine()
    groups = Groups.of(line)
    if found := re.search(r"Could not (?:find|load) '([^']+)/([^'/]*)'", text):
        return _no_such_choice(found[1], found[2], groups)
    if found := re.search(r"Could not override '([^']+)'", text):
        inside = re.search(r"full_key: (\S+)", str(error.__cause__))  # the entry of a mapping
        below = inside is not None and inside[1].startswith(f"{found[1]}.")
        return _no_such_option(inside[1] if inside and below else found[1], groups, line.root)
    for pattern, words in SAID.items():
        if found := re.search(pattern, text):
            return words.format(*found.groups())
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
    if extra := PLUGINS.get(f"{group}={choice}"):
        return (
            f"{group}={choice}: this plugin of Hydra is not installed; "
            f"install it with pip install 'gan-lab[{extra}]'."
        )
    if group.startswith("hydra/"):
        near = nearest(f"{group}={choice}", PLUGINS)
        return f"{group}={choice}: no plugin of Hydra that is installed has it{near or '.'}"
    choices = groups.choices(group)
    listed = f"; choose {one_of_these(choices)}" if choices else "; there is no such group"
    return f"{group}={choice}: no such {group}{nearest(choice, choices) or listed + '.'}"


def _no_such_option(key: str, groups: Groups, root: str) -> str:
    """The sentence for an option that the composed configuration does not have."""
    if key.startswith("trainer."):
        return refusal(key.removeprefix("trainer."))
    owners = groups.options(root)
    if key == "optimizer":
        return (
            f"{key}: each player has its own; set optimizer@optimizer.generator= and "
            f"optimizer@optimizer.discriminator= to {one_of_these(groups.choices(key))}."
        )
    if owners.get(key):
        return f"{key}: not an option of the chosen parts; {', '.join(owners[key])} would have it."
    if owner := _metric_with(key, owners):
        return f"{key}: is an option of one metric; write {owner}."
    near = nearest(key, [name for name in owners if name != key])
    return f"{key}: no such option{near or '; --help lists the groups, --cfg job all options.'}"


def _metric_with(key: str, owners: Mapping[str, object]) -> str | None:
    """Where an option lies that was written directly below metrics: metrics.feature is metrics.fid.feature."""
    group, _, option = key.partition(".")
    found = [name for name in owners if name.startswith("metrics.") and name.endswith(f".{option}")]
    return " or ".join(found) if group == "metrics" and found else None


def no_choice(line: CommandLine) -> str:
    """The sentence for a group that was given what names no choice, such as null or a number."""
    groups = Groups.of(line)
    names = groups.names()
    wrong = [o for o in line.overrides if override_key(o).partition("@")[0] in names]
    wrong = [o for o in wrong if not _names_choices(o)] or wrong
    choices = groups.choices(override_key(wrong[0]).partition("@")[0]) if wrong else []
    hint = f"choose {one_of_these(choices)}, or leave it out" if choices else "leave it out"
    return f"{wrong[0] if wrong else 'A group'}: names no choice; {hint}."


def refused_by_hydra(error: BaseException, line: CommandLine) -> str:
    """The sentence for what made Hydra fail in its own code, before any of ours ran."""
    own = [o for o in line.overrides if override_key(o).startswith("hydra.")]
    own = [o for o in own if override_key(o) not in HYDRA_FOLDERS]
    what = first_line(error)
    if own:
        return f"{', '.join(own)}: Hydra cannot work with this ({what}); leave it out or change it."
    return f"The command line cannot be understood: {what}."


def _names_choices(override: str) -> bool:
    return re.fullmatch(r"[\w/@+]+=(\[[\w, ]*\]|(?!null$)[A-Za-z_]\w*)", override) is not None
