"""The options that exist are a promise: they equal lists that are changed on purpose only.

There is one list for each command's root (train.txt) and one for each choice (loss-hinge.txt), so that a new choice
adds a file and touches none. After adding, renaming or removing an option, renew the lists and read the difference
before committing it:

    .venv/bin/python -m tests.contracts.test_surface
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gan_lab.config.groups import CONF, Groups
from tests.contracts.walk import content, files

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "options"
HYDRAS = ("defaults", "hydra")  # sections that Hydra reads


def leaves(node: Any, prefix: str = "") -> Iterator[str]:
    """Dotted paths of the values in nested mappings; a schedule counts as a value, and so does an empty mapping."""
    if isinstance(node, dict) and "schedule" not in node and (node or not prefix):
        for key, value in node.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix


def surface() -> dict[str, list[str]]:
    """The sorted options of each file of conf/, such as `width`, by the name of its list.

    A root's are its own, whatever the choices that it begins with.
    """
    roots = {root.stem: root for root in sorted(Path(CONF).glob("*.yaml"))}
    choices = {f"{file.parent.name}-{file.stem}": file for file in files(*Groups().names())}
    found = {}
    for name, file in (roots | choices).items():
        keys = content(file)
        ours = {key: value for key, value in keys.items() if key not in HYDRAS}
        found[name] = sorted(set(leaves(ours)) - {""})
    return found


def promised() -> dict[str, list[str]]:
    """What the lists hold, by their names."""
    return {file.stem: file.read_text().splitlines() for file in sorted(GOLDEN.glob("*.txt"))}


def renew() -> None:
    """Write the lists anew; those whose choice is gone go too."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    now = surface()
    for name in promised().keys() - now.keys():
        (GOLDEN / f"{name}.txt").unlink()
    for name, options in now.items():
        (GOLDEN / f"{name}.txt").write_text("".join(f"{option}\n" for option in options))


def difference(listed: dict[str, list[str]], now: dict[str, list[str]]) -> str:
    """One sentence about what is gone or new, empty where nothing is."""
    lists = {f"{name}: {path}" for name, paths in listed.items() for path in paths}
    paths = {f"{name}: {path}" for name, paths in now.items() for path in paths}
    gone = sorted(listed.keys() - now.keys()) + sorted(lists - paths)
    new = sorted(now.keys() - listed.keys()) + sorted(paths - lists)
    if gone:
        return (
            f"gone, a breaking change: {gone}; if meant, renew the lists (see the top of this file)"
        )
    return f"new: {new}; renew the lists (see the top of this file)" if new else ""


def test_the_options_are_the_promised_ones():
    listed, now = promised(), surface()
    assert not (found := difference(listed, now)), found
    assert listed == now, "each list is sorted, without doubles"


@pytest.mark.parametrize(
    ("listed", "now", "told"),
    [
        pytest.param({"loss-a": []}, {}, "gone, a breaking change: ['loss-a']", id="no choice"),
        pytest.param({}, {"loss-a": []}, "new: ['loss-a']", id="no list"),
        pytest.param({"loss-a": ["x"]}, {"loss-a": []}, "['loss-a: x']", id="option gone"),
        pytest.param({"loss-a": []}, {"loss-a": ["x"]}, "new: ['loss-a: x']", id="option new"),
    ],
)
def test_a_list_and_its_choice_come_and_go_together(listed, now, told):
    assert told in difference(listed, now)


def test_paths_are_at_most_three_deep():
    for name, paths in surface().items():
        for path in paths:
            assert path.count(".") <= 2, f"{name}: {path}"


if __name__ == "__main__":
    renew()
