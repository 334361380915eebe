"""The image files of a folder or zip archive: names, stamps and contents. Nothing is unpacked."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gan_lab.common.errors import DataError
from gan_lab.data.decoding.archives import contents, unpacked
from gan_lab.data.decoding.bad import UnreadableError
from gan_lab.data.decoding.names import hidden, normal, suffix_of, system_folder

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp")
SHOWN = 3  # names in a sentence


@dataclass(frozen=True, slots=True)
class Entry:
    """One image file.

    Attributes:
        name: path below the tree's root, with slashes; "photos.zip/cats/1.jpg" lies in an archive.
        stamp: changes when the file is replaced or touched: size and time, in archives size and
            CRC.
        archive: the archive that holds it, or None.
        member: its path on disk, or its name in the archive.
    """

    name: str
    stamp: str
    archive: Path | None
    member: str


@dataclass
class Tree:
    """All images below a folder or in an archive, sorted by name; as a context, closes archives.

    Archives inside the folder count as folders, unless one lies unpacked beside it. Hidden files
    and folders that systems and file servers keep for themselves are no data. Links to folders are
    followed, each folder once.

    Attributes:
        root: the folder or archive.
        entries: the images.
        others: what is left out for its name, counted by suffix.
        system: names of the system's folders that were left out.
        outside: names in archives that lead out of them; their files are left out.
        faults: what could not be looked into, each as "'path' is ...".
        archives: the open ones.
    """

    root: Path
    entries: list[Entry] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    system: set[str] = field(default_factory=set)
    outside: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    archives: dict[Path, zipfile.ZipFile] = field(default_factory=dict)

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self.archives.values():
            archive.close()

    def read(self, entry: Entry) -> bytes:
        """Return a file's content; safe to call from several threads.

        Raises:
            UnreadableError: where the system does not give it.
            BadImageError: where an archive's entry is damaged, encrypted or packed in an unknown way.
        """
        try:
            if entry.archive is None:
                with io.FileIO(entry.member) as file:  # a third of the time of Path.read_bytes
                    return file.readall()
            return unpacked(self.archives[entry.archive], entry.member)
        except OSError as error:
            raise UnreadableError(f"cannot be read ({error.strerror or error})") from error

    def shown(self, entry: Entry) -> str:
        """Return the path to show to people; names that are not UTF-8 are escaped."""
        return _shown(entry.member if entry.archive is None else entry.archive / entry.member)

    def left_out(self) -> tuple[str, ...]:
        """Return the sentences about what is no image here, or nothing."""
        told = []
        if self.others:
            kinds = ", ".join(suffix or "no suffix" for suffix, _ in self.others.most_common(4))
            count = sum(self.others.values())
            told.append(f"{count:,} other {_files_were(count)} left out ({kinds}).")
        if self.system:
            names = ", ".join(sorted(self.system))
            told.append(f"Folders that belong to the system were left out ({names}).")
        if self.outside:
            count = len(self.outside)
            told.append(
                f"{count:,} {_files_were(count)} left out whose name leads out of its archive, "
                f"such as '{self.outside[0]}'."
            )
        if self.faults:
            more = len(self.faults) - SHOWN
            told.append(
                f"Left out, with all that lies there: {'; '.join(self.faults[:SHOWN])}"
                f"{f' and {more:,} more' if more > 0 else ''}."
            )
        return tuple(told)


def scan(
    root: Path, wanted: Callable[[str], bool] = lambda _: True, *, on_error: str = "raise"
) -> Tree:
    """List the images below a folder or in a zip archive.

    Args:
        root: a folder or an archive.
        wanted: judges the name below the root; files that it refuses are not looked at.
        on_error: "skip" leaves out folders and archives that cannot be looked into.

    Raises:
        DataError: if the root cannot be read, or, without "skip", anything below it.
    """
    tree = Tree(root)
    try:
        if root.is_dir():
            _scan_folder(tree, wanted)
        else:
            _scan_archive(tree, root, prefix="", wanted=wanted)
        if tree.faults and (on_error == "raise" or not root.is_dir()):
            way = ", or set data.on_error=skip" if root.is_dir() else ""
            raise DataError(f"{tree.faults[0]}; mend or remove it{way}.")
    except OSError as error:
        tree.__exit__()
        path = _shown(error.filename or root)
        raise DataError(f"'{path}' cannot be read ({error.strerror}).") from None
    except DataError:
        tree.__exit__()
        raise
    tree.entries.sort(key=lambda entry: entry.name)
    return tree


def _scan_folder(tree: Tree, wanted: Callable[[str], bool]) -> None:
    for written, item in _walk(tree):
        suffix, name = suffix_of(written), normal(written)
        if suffix == ".zip" and not Path(item.path).with_suffix("").is_dir():
            _scan_archive(tree, Path(item.path), prefix=f"{name}/", wanted=wanted)
        elif suffix not in IMAGE_SUFFIXES or name is None:
            tree.others[suffix] += 1
        elif wanted(name):
            stamp = _stamp(item)
            if stamp is None:  # reading a pipe would wait for ever
                tree.others["no plain file"] += 1
            else:
                tree.entries.append(Entry(name, stamp, None, item.path))


def _walk(tree: Tree) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield every visible file with its name below the root."""
    folders: list[tuple[str, str]] = [("", str(tree.root))]
    seen: set[tuple[int, int]] = set()  # a link to a folder above would never end
    while folders:
        prefix, path = folders.pop()
        try:
            status = Path(path).stat()
            with os.scandir(path) as listing:
                items = list(listing)
        except OSError as error:
            if not prefix:
                raise
            tree.faults.append(f"'{_shown(path)}' cannot be read ({error.strerror})")
            continue
        if (status.st_dev, status.st_ino) in seen and status.st_ino:
            continue
        seen.add((status.st_dev, status.st_ino))
        for item in items:
            if hidden(item.name):
                continue
            if not _is_folder(item):
                yield f"{prefix}{item.name}", item
            elif system_folder(item.name):
                tree.system.add(item.name)
            else:
                folders.append((f"{prefix}{item.name}/", item.path))


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link that leads to itself: as an image it is one that cannot be read
        return False


def _stamp(item: os.DirEntry[str]) -> str | None:
    """Return what changes with the file; None for a pipe, a device or a socket."""
    try:
        status = item.stat()
    except OSError:  # a dangling link: reading it will say so
        return "missing"
    if not stat.S_ISREG(status.st_mode):
        return None
    return f"{status.st_size} {status.st_mtime_ns}"


def _scan_archive(tree: Tree, path: Path, *, prefix: str, wanted: Callable[[str], bool]) -> None:
    try:
        # An archive's own time is part of the stamp, so touching it rebuilds too.
        touched = path.stat().st_mtime_ns
        tree.archives[path] = zipfile.ZipFile(path)
    except OSError as error:
        tree.faults.append(f"'{_shown(path)}' cannot be read ({error.strerror or error})")
        return
    except Exception as error:  # damaged lists of contents raise nearly anything
        tree.faults.append(f"'{_shown(path)}' is no zip archive, or a damaged one ({error})")
        return
    found = contents(tree.archives[path])
    tree.system |= found.system
    tree.outside += found.outside
    for name, info in found.files:
        suffix = suffix_of(name)
        if suffix not in IMAGE_SUFFIXES:
            tree.others[suffix] += 1
        elif wanted(prefix + name):
            stamp = f"{info.file_size} {info.CRC:08x} {touched}"
            tree.entries.append(Entry(prefix + name, stamp, path, info.filename))


def _files_were(count: int) -> str:
    return "file was" if count == 1 else "files were"


def _shown(path: str | Path) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")
