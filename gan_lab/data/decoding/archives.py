"""What a zip archive holds, read in place: nothing is unpacked to disk, whatever its entries are called."""

from __future__ import annotations

import zipfile
from typing import NamedTuple

from gan_lab.data.decoding.bad import BadImageError
from gan_lab.data.decoding.names import hidden, normal, system_folder

ENCRYPTED = 0x1  # of an entry's flags


class Contents(NamedTuple):
    """The visible files of an archive by their normal names, and what is left out.

    Attributes:
        files: name and entry.
        system: names of the system's folders.
        outside: names that lead out of the archive.
    """

    files: list[tuple[str, zipfile.ZipInfo]]
    system: set[str]
    outside: list[str]


def contents(archive: zipfile.ZipFile) -> Contents:
    """Sort the entries of an archive."""
    found = Contents([], set(), [])
    for info in archive.infolist():
        if info.is_dir() or info.filename.endswith("\\"):
            continue
        name = normal(info.filename)
        if name is None:
            found.outside.append(info.filename)
            continue
        parts = name.split("/")
        systems = {part for part in parts[:-1] if system_folder(part)}
        found.system.update(systems)
        if not systems and not any(map(hidden, parts)):
            found.files.append((name, info))
    return found


def unpacked(archive: zipfile.ZipFile, member: str) -> bytes:
    """Return an entry's content; safe to call from several threads.

    Raises:
        BadImageError: if it is encrypted, packed in an unknown way, or damaged.
        OSError: where the system does not give it.
    """
    info = archive.getinfo(member)
    if info.flag_bits & ENCRYPTED:
        raise BadImageError("is encrypted; unpack its archive with the password first")
    try:
        return archive.read(info)
    except NotImplementedError as error:
        method = f"method {info.compress_type}"
        raise BadImageError(
            f"is packed in a way that is not read here ({method}); unpack its archive first"
        ) from error
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a bad CRC, a header that is not there, zlib's own
        raise BadImageError(f"is truncated or damaged ({error})") from error
