"""Which images are for training and which for testing, told from the names of folders; never guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_lab.common.errors import DataError

TRAIN, TEST = "train", "test"
WORDS = {
    **dict.fromkeys(("train", "training", "trainset"), TRAIN),
    **dict.fromkeys(("test", "testing", "testset", "val", "valid", "validation", "valset"), TEST),
    **dict.fromkeys(("eval", "evaluation", "holdout", "heldout"), TEST),
}
PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
LOOSE = ""  # the folder of an image that lies beside the folders


@dataclass(frozen=True)
class Role:
    """What the name of a folder or archive says: "trainA" is train of A, "cats" nothing."""

    split: str | None
    rest: str

    @property
    def plain(self) -> bool:
        """Whether the name says the split and nothing else."""
        return self.split is not None and not self.rest


@dataclass(frozen=True)
class Arrangement:
    """Each image's split, None where it is left out, and its name below the folder of its split."""

    splits: list[str | None]
    below: list[str]
    sentences: tuple[str, ...]
    divided: bool


def role_of(name: str) -> Role:
    """Read the name of a folder, or of an archive, in any case: "Test", "val.zip", "images_TRAIN"."""
    stem = name[:-4] if name.lower().endswith(".zip") else name
    found = [piece for piece in PIECES.finditer(stem) if piece[0].casefold() in WORDS]
    if len(found) != 1:
        return Role(None, stem)
    start, end = found[0].span()
    rest = re.sub(r"[-_. ]", "", stem[:start] + stem[end:]).casefold()
    return Role(WORDS[found[0][0].casefold()], rest)


def by_folders(
    names: Sequence[str], *, root: Path, wanted: str, owner: str, may_merge: bool = False
) -> Arrangement:
    """Divide the images of a tree by its folders train/ and test/, where it has them.

    Args:
        names: of the images below the root, with slashes; archives count as folders.
        root: where they lie, for messages; a root that is itself called test is taken as it is.
        wanted: the split asked for: test images alone are refused for training.
        owner: begins messages, "data=image_folder".
        may_merge: whether this set has the option data.splits, which messages then name.

    Raises:
        DataError: where folders look like splits but do not divide the images clearly; says the choices.
    """
    below, shared = without_shared(names)
    refuse = _Refusal(names, root, owner, shared, may_merge)
    tops = Counter(name.split("/")[0] if "/" in name else LOOSE for name in below)
    roles = {top: role_of(top) for top in tops}
    if any(role_of(part).split == TEST and role_of(part).plain for part in shared):
        if wanted == TEST:
            return _only_test(below, shared)
        if role_of(root.absolute().name).split != TEST:
            raise refuse("holds test images only")
    if not _divide(roles):
        if _look_like_splits(roles) or _plain_test_below(below):
            raise refuse("has folders that look like splits but do not divide its images clearly")
        return Arrangement([TRAIN] * len(below), below, (), divided=False)
    return _divided(below, roles, refuse)


def without_shared(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take off the folders that all names begin with, and return these too."""
    folders = [name.split("/")[:-1] for name in names]
    depth = 0
    for first, last in zip(min(folders), max(folders)):  # what these two share, all share
        if first != last:
            break
        depth += 1
    return [name.split("/", depth)[-1] for name in names], folders[0][:depth]


def _divide(roles: dict[str, Role]) -> bool:
    """Whether every folder is a split, of one and the same thing, and both splits are there."""
    folders = [role for top, role in roles.items() if top != LOOSE]
    same = len({role.rest for role in folders}) == 1
    return same and {role.split for role in folders} == {TRAIN, TEST}


def _look_like_splits(roles: dict[str, Role]) -> bool:
    """Whether a folder says test and nothing else, or two say train and test of the same thing."""
    rests = {
        split: {role.rest for role in roles.values() if role.split == split}
        for split in (TRAIN, TEST)
    }
    return "" in rests[TEST] or bool(rests[TRAIN] & rests[TEST])


def _plain_test_below(below: Sequence[str]) -> bool:
    """Whether a folder further down says test and nothing else."""
    folders = {part for name in below for part in name.split("/")[1:-1]}
    return any(role.split == TEST and role.plain for role in map(role_of, folders))


def _only_test(below: list[str], shared: Sequence[str]) -> Arrangement:
    told = f"All {len(below):,} images are of the test split ('{'/'.join(shared)}/')."
    return Arrangement([TEST] * len(below), below, (told,), divided=True)


def _divided(below: Sequence[str], roles: dict[str, Role], refuse: _Refusal) -> Arrangement:
    splits: list[str | None] = []
    rest: list[str] = []
    for name in below:
        top, slash, inside = name.partition("/")
        split = roles[top].split if slash else None
        again, _, deeper = inside.partition("/")
        if deeper and role_of(again).plain and role_of(again).split == split:
            inside = deeper  # train.zip with a folder train/ in it
        splits.append(split)
        rest.append(inside if slash else name)
    inner = [f"/{name}" for name, split in zip(rest, splits, strict=True) if split]
    if _plain_test_below(inner):
        raise refuse("has a folder of test images inside of a split")
    found = [name for name, split in zip(rest, splits, strict=True) if split]
    shorter = iter(without_shared(found)[0])
    rest = [next(shorter) if split else name for name, split in zip(rest, splits, strict=True)]
    return Arrangement(splits, rest, _told(below, roles), divided=True)


def _told(below: Sequence[str], roles: dict[str, Role]) -> tuple[str, ...]:
    counts = Counter(name.split("/")[0] if "/" in name else LOOSE for name in below)
    parts = []
    for split in (TRAIN, TEST):
        tops = sorted(top for top, role in roles.items() if top != LOOSE and role.split == split)
        parts.append(f"{split} from {_listed(tops, counts)}")
    sentences = [f"Splits by folders: {', '.join(parts)}."]
    loose = [name for name in below if "/" not in name]
    if loose:
        images = "image lies" if len(loose) == 1 else "images lie"
        was = "was" if len(loose) == 1 else "were"
        sentences.append(
            f"{len(loose):,} {images} outside of these folders and {was} left out "
            f"(such as '{loose[0]}')."
        )
    return tuple(sentences)


def _listed(tops: Sequence[str], counts: Counter[str]) -> str:
    return " and ".join(f"'{top}' ({counts[top]:,} images)" for top in tops)


@dataclass(frozen=True)
class _Refusal:
    """Makes the error for a tree that is not clear, with what its reader can choose."""

    names: Sequence[str]
    root: Path
    owner: str
    shared: Sequence[str]
    may_merge: bool

    def __call__(self, what: str) -> DataError:
        counts: Counter[str] = Counter()
        for name in self.names:
            folders = name.split("/")[: len(self.shared) + 2][:-1]
            counts["/".join(folders) or "beside the folders"] += 1
        shown = [f"'{top}' ({count:,})" for top, count in sorted(counts.items())[:6]]
        more = f" and {len(counts) - 6:,} more" if len(counts) > 6 else ""
        train = next(
            (top for top in sorted(counts) if role_of(top.split("/")[-1]).split == TRAIN), None
        )
        place = self.root / (train or sorted(counts)[0])
        choices = [f"choose data.root={place} for one folder alone"] if place.exists() else []
        if self.may_merge:
            choices.append(f"set data.splits=none for all {len(self.names):,} images")
        choices.append("sort them into folders train/ and test/")
        return DataError(
            f"{self.owner}: '{self.root}' {what}: {', '.join(shown)}{more}; {', or '.join(choices)}."
        )
