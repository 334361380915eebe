"""Runs that are one line of a table and one curve of a figure: single ones, or all seeds of the same options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gan_lab.common.errors import ConfigError
from gan_lab.reports.distinctions import Options, distinctions, short, text
from gan_lab.storage.run_folder import RunFolder

MOST_DIFFERING, LONGEST = 4, 60  # options, and letters, that a label may have


@dataclass(frozen=True)
class Group:
    """What is averaged to one result.

    Attributes:
        runs: their places in the comparison.
        options: that tell this group from the others, by their full names.
        label: the same in short, or a name where they are many; never a path.
        shared: how the runs of the group are told apart in short, one text each; empty for a single run.
        repeats: runs with the same averaged options, such as the seed, as one of the group, which counts for them.
    """

    runs: tuple[int, ...]
    options: Options
    label: str
    shared: tuple[str, ...] = ()
    repeats: Mapping[int, int] = field(default_factory=dict)


def groups_of(runs: Sequence[RunFolder], over: Collection[str] = ()) -> list[Group]:
    """One group for each run, or for all runs that differ in nothing but the options `over`.

    Of runs that do not differ in those either, the one that saw most images counts, the last of equals: a seed that was
    run twice is no second sample.

    Args:
        runs: to be compared.
        over: options such as seed, in full or by their last words.

    Raises:
        ConfigError: at an option in which no two runs differ.
    """
    differing = distinctions(runs)
    keys = list(differing[0]) if differing else []
    averaged = [key for key in keys for name in over if key == name or key.endswith(f".{name}")]
    for name in over:
        if not any(key == name or key.endswith(f".{name}") for key in keys):
            others = f"; they differ in {', '.join(keys)}" if keys else ""
            raise ConfigError(f"over={name}: no two of these runs differ in {name}{others}.")
    members: dict[tuple[object, ...], list[int]] = {}
    for index, options in enumerate(differing):
        rest = tuple(pair for pair in options.items() if pair[0] not in averaged)
        members.setdefault(rest if over else (index,), []).append(index)
    rests = [_without(differing[indices[0]], averaged) for indices in members.values()]
    firsts = [runs[indices[0]] for indices in members.values()]
    called = labels(rests, firsts) if len(rests) > 1 or not over else ["all runs"]
    told = [text(one) for one in short([_only(options, averaged) for options in differing])]
    found = []
    for indices, own, label in zip(members.values(), rests, called, strict=True):
        counts = _counting(indices, told, runs) if over else {i: i for i in indices}
        kept = tuple(i for i in indices if counts[i] == i)
        shared = tuple(told[i] for i in kept) if over else ()
        repeats = {i: one for i, one in counts.items() if i != one}
        found.append(Group(kept, own, label, shared, repeats))
    return found


def _counting(
    indices: Sequence[int], told: Sequence[str], runs: Sequence[RunFolder]
) -> dict[int, int]:
    """For each run the one that counts: of those told by the same text the last that saw most images."""
    best: dict[str, int] = {}
    for index in indices:
        rival = best.get(told[index])
        if rival is None or _seen(runs[index]) >= _seen(runs[rival]):
            best[told[index]] = index
    return {index: best[told[index]] for index in indices}


def _seen(run: RunFolder) -> int:
    return max((record.get("images_seen", 0) for record in run.records()), default=0)


def labels(options: Sequence[Options], runs: Sequence[RunFolder]) -> list[str]:
    """One short text for each: its differing options, or its folder's name where they are many or the same."""
    texts = [text(one) for one in short(options)]
    many = any(len(one) > MOST_DIFFERING for one in options) or any(len(t) > LONGEST for t in texts)
    names = _names(runs)
    return [
        said if said and not many and texts.count(said) == 1 else name
        for said, name in zip(texts, names, strict=True)
    ]


def _names(runs: Sequence[RunFolder]) -> list[str]:
    """Folder names, with that above before those that are not unique; a job of a sweep is called by its number."""
    paths = [run.path.resolve() for run in runs]
    count = Counter(path.name for path in paths)
    names = [f"job {path.name}" if path.name.isdigit() else path.name for path in paths]
    return [
        name if count[path.name] == 1 else f"{path.parent.name} {name}"
        for name, path in zip(names, paths, strict=True)
    ]


def _without(options: Options, keys: Collection[str]) -> Options:
    return {key: value for key, value in options.items() if key not in keys}


def _only(options: Options, keys: Collection[str]) -> Options:
    return {key: value for key, value in options.items() if key in keys}
