"""Names of files, as every system and packer writes them."""

from __future__ import annotations

# What file servers, desktops and file systems keep beside people's files; case does not matter.
SYSTEM = {
    "__macosx", "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin", "lost+found",
    "system volume information", "network trash folder", "temporary items",
}  # fmt: skip


def normal(name: str) -> str | None:
    """Return a name with plain slashes and no empty parts; None where it leads out of its place."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    return None if ".." in parts or not parts else "/".join(parts)


def hidden(part: str) -> bool:
    """Tell whether a file or folder is not for people: its name begins with a dot."""
    return part.startswith(".")


def system_folder(part: str) -> bool:
    """Tell whether a folder of this name is the system's own."""
    return part.casefold() in SYSTEM


def suffix_of(name: str) -> str:
    """Return ".jpg" of "cats/1.JPG"; pathlib would take most of the time of a scan."""
    stem, dot, kind = name.replace("\\", "/").rpartition("/")[2].rpartition(".")
    return f"{dot}{kind}".lower() if stem else ""
