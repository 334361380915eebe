"""Lists of seeds as people write them: `seeds=0-31,77`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from gan_lab.common.errors import ConfigError

MOST = 1_000_000  # more pictures than anybody looks at; a range is spelled out in memory

LONG = 40  # letters

_ENTRY = re.compile(r"([0-9]{1,18})(?:\s*-\s*([0-9]{1,18}))?")


def seeds_of(given: str | int | Sequence[int], option: str = "seeds") -> list[int]:
    """The seeds in a text such as `0-31,77`: whole numbers and ranges with both ends, in this order.

    Args:
        given: the text; a number or a list of numbers is taken as it is.
        option: its name, for messages.

    Raises:
        ConfigError: one sentence, where it is none.
    """
    text = ",".join(map(str, given)) if isinstance(given, list | tuple) else str(given)
    found: list[int] = []
    for entry in text.strip().removeprefix("[").removesuffix("]").split(","):
        match = _ENTRY.fullmatch(entry.strip())
        if match is None:
            raise ConfigError(
                f"{option}={text}: {entry.strip() or 'an empty entry'} is no seed; write whole numbers from 0 on and "
                "ranges, with commas between them, such as 0-31,77."
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ConfigError(
                f"{option}={text}: {entry.strip()} runs backwards; write {last}-{first}."
            )
        if len(found) + last - first >= MOST:
            raise ConfigError(f"{option}={text}: more than {MOST:,} seeds; ask for fewer at once.")
        found += range(first, last + 1)
    return found


def short_name(text: str) -> str:
    """The same list as part of a file's name; a long one ends in a sum that tells it from others."""
    written = re.sub(r"[\s\[\]]", "", text)
    if len(written) <= LONG:
        return written
    return f"{written[:LONG]}-{hashlib.blake2b(written.encode(), digest_size=4).hexdigest()}"
