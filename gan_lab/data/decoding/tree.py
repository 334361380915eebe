"""The image files of a folder or zip archive: names, stamps and contents."""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gan_lab.common.errors import DataError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


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
    and those of other kinds are left out; the latter are counted in `others` by suffix. Links to
    folders are followed, each folder once.
    """

    root: Path
    entries: list[Entry] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    archives: dict[Path, zipfile.ZipFile] = field(default_factory=dict)

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self.archives.values():
            archive.close()

    def read(self, entry: Entry) -> bytes:
        """Return a file's content; safe to call from several threads."""
        if entry.archive is None:
            with io.FileIO(entry.member) as file:  # a third of the time of Path.read_bytes
                return file.readall()
        return self.archives[entry.archive].read(entry.member)

    def shown(self, entry: Entry) -> str:
        """Return the path to show to people; names that are not UTF-8 are escaped."""
        path = self.root / entry.name
        return os.fsencode(path).decode(errors="backslashreplace")

    def left_out(self) -> tuple[str, ...]:
        """Return the sentence about files that are no images by their names, or nothing."""
        if not self.others:
            return ()
        kinds = ", ".join(suffix or "no suffix" for suffix, _ in self.others.most_common(4))
        count = sum(self.others.values())
        return (
            f"{count:,} other {'file was' if count == 1 else 'files were'} left out ({kinds}).",
        )


def scan(root: Path, wanted: Callable[[str], bool] = lambda _: True) -> Tree:
    """List the images below a folder or in a zip archive.

    Args:
        root: a folder or an archive.
        wanted: judges the name below the root; files that it refuses are not looked at.

    Raises:
        DataError: if the root or a folder below cannot be read, or an archive is damaged.
    """
    tree = Tree(root)
    try:
        if root.is_dir():
            _scan_folder(tree, wanted)
        else:
            _scan_archive(tree, root, prefix="", wanted=wanted)
    except OSError as error:
        tree.__exit__()
        raise DataError(f"{error.filename or root}: cannot be read ({error.strerror}).") from None
    tree.entries.sort(key=lambda entry: entry.name)
    return tree


def _scan_folder(tree: Tree, wanted: Callable[[str], bool]) -> None:
    for name, item in _walk(tree.root):
        suffix = _suffix(name)
        if suffix == ".zip" and not Path(item.path).with_suffix("").is_dir():
            _scan_archive(tree, Path(item.path), prefix=f"{name}/", wanted=wanted)
        elif suffix not in IMAGE_SUFFIXES:
            tree.others[suffix] += 1
        elif wanted(name):
            tree.entries.append(Entry(name, _stamp(item), None, item.path))


def _walk(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield every visible file with its name below the root."""
    folders: list[tuple[str, str]] = [("", str(root))]
    seen: set[tuple[int, int]] = set()  # a link to a folder above would never end
    while folders:
        prefix, path = folders.pop()
        status = Path(path).stat()
        if (status.st_dev, status.st_ino) in seen and status.st_ino:
            continue
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(path) as items:
            for item in items:
                if _hidden(item.name):
                    continue
                if item.is_dir():
                    folders.append((f"{prefix}{item.name}/", item.path))
                else:
                    yield f"{prefix}{item.name}", item


def _hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _suffix(name: str) -> str:
    """Return ".jpg" of "cats/1.JPG"; pathlib would take most of the time of a scan."""
    stem, dot, kind = name.rpartition("/")[2].rpartition(".")
    return f"{dot}{kind}".lower() if stem else ""


def _stamp(item: os.DirEntry[str]) -> str:
    try:
        status = item.stat()
    except OSError:  # a dangling link: reading it will say so
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def _scan_archive(tree: Tree, path: Path, *, prefix: str, wanted: Callable[[str], bool]) -> None:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        tree.__exit__()
        raise DataError(
            f"{path} is no zip archive, or a damaged one ({error}); get it again or remove it."
        ) from None
    tree.archives[path] = archive
    # An archive's own time is part of the stamp, so touching it rebuilds too.
    touched = path.stat().st_mtime_ns
    for info in archive.infolist():
        parts = PurePosixPath(info.filename).parts
        if info.is_dir() or any(_hidden(part) for part in parts):
            continue
        suffix = _suffix(info.filename)
        if suffix not in IMAGE_SUFFIXES:
            tree.others[suffix] += 1
        elif wanted(prefix + info.filename):
            stamp = f"{info.file_size} {info.CRC:08x} {touched}"
            tree.entries.append(Entry(prefix + info.filename, stamp, path, info.filename))
