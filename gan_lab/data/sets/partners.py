"""Pairs of two folders: which file of one belongs to which of the other, and both as columns of one table."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gan_lab.common.errors import DataError
from gan_lab.data.cache.files import Files, Recipe, load_files
from gan_lab.data.columns import Column
from gan_lab.data.decoding.tree import Entry, Tree
from gan_lab.data.image_set import About, ImageSet
from gan_lab.data.sets.splits import TEST, TRAIN, role_of, without_shared

SHOWN = 3  # names in a sentence


@dataclass(frozen=True)
class Place:
    """Where a file lies: its split, its kind, and the name that its partner has too."""

    split: str
    kind: str
    name: str


@dataclass(frozen=True)
class Wanted:
    """Which folders are asked for.

    Attributes:
        owner: begins messages, "data=pairs".
        split: "train" or "test".
        images: kind of the images, as people write it.
        partner: kind of their partners; None is the only other one.
        option: that names the partners' kind, for messages.
        skip: leave out what has no partner.
        ends: what names of images and of their partners end in before the suffix: it is cut off, and files that end
            otherwise are left out.
    """

    owner: str
    split: str
    images: str
    partner: str | None
    option: str
    skip: bool
    ends: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Partners:
    """Files of two folders in the order of their names: each with the other of the same place.

    Attributes:
        images: the files that are learned.
        partners: as many.
        notes: sentences for the user.
    """

    images: list[Entry]
    partners: list[Entry]
    notes: tuple[str, ...] = ()


def without(owner: str, split: str, root: object) -> str:
    """The sentence for pairs that have no such split."""
    choice = "" if split == TRAIN else ", or set metrics.split=train to score what training sees"
    return (
        f"{owner}: there is no {split} split in '{root}'; move a share of the pairs into {TEST}/ beside {TRAIN}/"
        f"{choice}."
    )


def plain(name: str) -> str:
    """The name of a folder or archive without its separators, in small letters: "Train_A.zip" is "traina"."""
    stem = name[:-4] if name.lower().endswith(".zip") else name
    return re.sub(r"[-_. ]", "", stem).casefold()


def places_of(names: Sequence[str]) -> list[Place]:
    """Where files lie, told from their folders: trainA/, train_A/, train/A/ and A/train/ all say train and a.

    Without a word for a split all are for training. A file that lies in no folder of a kind has the kind "".
    """
    below, shared = without_shared(names)
    alone = TEST if any(role_of(part).split == TEST for part in shared) else TRAIN
    return [_place_of(name, alone) for name in below]


def _place_of(name: str, alone: str) -> Place:
    *folders, file = name.split("/")
    stem = file.rpartition(".")[0]
    roles = [role_of(folder) for folder in folders[:2]]
    if not roles:
        return Place(alone, "", stem)
    first, second = roles[0], roles[1] if len(roles) > 1 else None
    split, kind, used = first.split or alone, first.rest, 1
    if second is not None and first.plain:
        kind, used = plain(folders[1]), 2
    elif second is not None and second.plain and first.split is None:
        split, kind, used = second.split or alone, first.rest, 2
    rest = folders[used:]
    if rest and plain(rest[0]) in (plain(kind), plain(folders[used - 1])):
        rest = rest[1:]  # trainA.zip with a folder trainA/ in it
    return Place(split, plain(kind), "/".join([*rest, stem]))


def kinds_of(places: Iterable[Place]) -> list[str]:
    """The kinds of files that there are, sorted."""
    return sorted({place.kind for place in places if place.kind})


def look_like_pairs(places: Sequence[Place]) -> bool:
    """Whether there are two kinds of files and most names of one are names of the other."""
    kinds = kinds_of(places)
    if len(kinds) != 2:
        return False
    one, other = ({(p.split, p.name) for p in places if p.kind == kind} for kind in kinds)
    return 2 * len(one & other) > min(len(one), len(other))


def find_partners(tree: Tree, places: Sequence[Place], wanted: Wanted) -> Partners:
    """The files of a split of two kinds, each with its partner.

    Args:
        tree: of the files.
        places: of its entries.
        wanted: which.

    Raises:
        DataError: if a folder is missing, two files have one name, or, unless they are skipped, some have no partner.
    """
    kinds = kinds_of(places)
    images = _kind(wanted.images, kinds, tree, wanted, "data.images")
    partner = _partner_kind(images, kinds, tree, wanted)
    found = {}
    for kind, end in zip((images, partner), wanted.ends, strict=True):
        chosen = [
            (place.name.removesuffix(end), entry)
            for place, entry in zip(places, tree.entries, strict=True)
            if (place.split, place.kind) == (wanted.split, kind) and place.name.endswith(end)
        ]
        _refuse_twice([name for name, _ in chosen], kind, wanted)
        found[kind] = dict(chosen)
    if not any(found.values()):
        raise DataError(without(wanted.owner, wanted.split, tree.root))
    both = [name for name in found[images] if name in found[partner]]
    notes = _told(found, (images, partner), wanted)
    if not both:
        raise DataError(
            f"{wanted.owner}: no file of '{images}' has the name of one of '{partner}' in the {wanted.split} split of "
            f"'{tree.root}'; give partners the same names."
        )
    return Partners(
        [found[images][name] for name in both], [found[partner][name] for name in both], notes
    )


def _kind(name: str, kinds: Sequence[str], tree: Tree, wanted: Wanted, option: str) -> str:
    if plain(name) in kinds:
        return plain(name)
    shown = ", ".join(kinds) or "none"
    raise DataError(
        f"{wanted.owner}: {option}={name} names no folder of '{tree.root}', such as train{name.upper()}/ or "
        f"train/{name}/; kinds of files there: {shown}."
    )


def _partner_kind(images: str, kinds: Sequence[str], tree: Tree, wanted: Wanted) -> str:
    if wanted.partner is not None:
        return _kind(wanted.partner, kinds, tree, wanted, wanted.option)
    others = [kind for kind in kinds if kind != images]
    if len(others) == 1:
        return others[0]
    shown = ", ".join(others) or "none"
    raise DataError(
        f"{wanted.owner}: which files of '{tree.root}' are the partners of '{images}' is not clear (other kinds there: "
        f"{shown}); name them by {wanted.option}=<kind>."
    )


def _refuse_twice(names: Sequence[str], kind: str, wanted: Wanted) -> None:
    name, count = max(Counter(names).items(), key=lambda one: one[1], default=("", 0))
    if count > 1:
        raise DataError(
            f"{wanted.owner}: {count} files of '{kind}' ({wanted.split}) have the name '{name}', so partners are not "
            "clear; rename or remove one."
        )


def _told(
    found: dict[str, dict[str, Entry]], pair: tuple[str, str], wanted: Wanted
) -> tuple[str, ...]:
    """What is to be said of files without a partner.

    Raises:
        DataError: where they are not to be left out.
    """
    told = []
    for kind, other in (pair, pair[::-1]):
        alone = [name for name in found[kind] if name not in found[other]]
        if not alone:
            continue
        more = f" and {len(alone) - SHOWN:,} more" if len(alone) > SHOWN else ""
        named = ", ".join(f"'{name}'" for name in alone[:SHOWN])
        said = (
            f"{len(alone):,} of {len(found[kind]):,} files of '{kind}' ({wanted.split}) have no partner in '{other}': "
            f"{named}{more}"
        )
        if not wanted.skip:
            raise DataError(
                f"{wanted.owner}: {said}; add the missing ones, or set data.on_error=skip to leave these out."
            )
        told.append(f"{said}; left out.")
    return tuple(told)


def load_partners(
    about: About, tree: Tree, found: Partners, recipes: tuple[Recipe, Recipe], column: type[Column]
) -> ImageSet:
    """Both as columns of one set, `images` and `partner`, from the cache after the first time.

    Args:
        about: the set.
        tree: of the files.
        found: the pairs.
        recipes: what is done to images, and to their partners.
        column: of the partners, such as `Pixels`.

    Raises:
        DataError: naming the first bad file, unless bad ones are skipped: then their partners are left out too.
    """
    # Which rows came of files that could be read is known by their labels: their places among the pairs.
    numbers = torch.arange(len(found.images))
    images, partner = (
        load_files(about, Files(tree, entries, None, recipe, numbers))
        for entries, recipe in zip((found.images, found.partners), recipes, strict=True)
    )
    assert images.labels is not None, "they were given"
    assert partner.labels is not None, "they were given"
    digest = hashlib.sha256(f"{images.fingerprint} {partner.fingerprint}".encode())
    own, others = _shared(images, partner.labels), _shared(partner, images.labels)
    notes = tuple(dict.fromkeys((*found.notes, *images.notes, *partner.notes)))
    lost = len(numbers) - len(own)
    if lost:
        notes += (f"{lost:,} pairs were left out, since one file of each cannot be read.",)
    if not len(own):
        raise DataError(f"data={about.name}: of no pair can both files be read.")
    return replace(
        images,
        images=own,
        labels=None,
        beside={"partner": column(others)},
        fingerprint=digest.hexdigest()[:16],
        notes=notes,
    )


def _shared(images: ImageSet, numbers: Tensor) -> Tensor:
    """The images whose pair is among these numbers; where all are, the memory map itself."""
    assert images.labels is not None, "they were given"
    kept = torch.isin(images.labels, numbers)
    return images.images if bool(kept.all()) else images.images[kept]
