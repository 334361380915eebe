"""Whether a resumed run goes on with the images that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_lab.common.errors import ConfigError
from gan_lab.data.table import SideBySide, Table

ACCEPT = "data.changed=accept goes on with what is here"


def identity_of(images: Table | SideBySide) -> dict[str, Any]:
    """What a checkpoint keeps of the images, as plain values."""
    return {
        "name": images.name,
        "split": images.split,
        "count": len(images),
        "classes": list(images.classes),
        "fingerprint": images.fingerprint,
    }


def compare_images(images: Table | SideBySide, known: Any, *, changed: str) -> list[str]:
    """Sentences for the user, where the images differ or it is not known whether they do.

    Args:
        images: loaded now.
        known: `identity_of` the images before, from the checkpoint; None in one that holds none.
        changed: the option data.changed.

    Raises:
        ConfigError: where they differ, unless `changed` is accept.
    """
    if not isinstance(known, Mapping):
        return [
            "The checkpoint does not say on which images it was trained; "
            "whether these are the same is not checked."
        ]
    difference = _difference(identity_of(images), known, records=images.records)
    if difference is None:
        return []
    if changed != "accept":
        raise ConfigError(
            f"data={images.name}: {difference} Give the {images.records} back, or {ACCEPT}."
        )
    return [
        f"Warning: {difference} The run goes on with what is here, as data.changed=accept says."
    ]


def _difference(now: Mapping[str, Any], known: Mapping[str, Any], *, records: str) -> str | None:
    if now == known:
        return None
    here = f"here are {now['count']:,} of {now['name']} ({now['split']})"
    count, name, split = (known.get(key) for key in ("count", "name", "split"))
    shown = f"{count:,}" if isinstance(count, int) else count
    trained = f"The run was trained on {shown} {records} of {name} ({split})"
    if (now["count"], now["name"], now["split"]) != (count, name, split):
        return f"{trained}, and {here}."
    classes = known.get("classes") or []
    if now["classes"] != classes:
        before, after = (", ".join(map(str, each)) or "none" for each in (classes, now["classes"]))
        return f"{trained}, and {here}, but the classes were {before} and are {after}."
    return f"{trained}, and {here}, but not the same ones in the same order."
