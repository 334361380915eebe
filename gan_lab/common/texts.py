"""Texts of files that may come from anybody, on their way to a terminal."""

from __future__ import annotations

import re

# What moves the cursor, colours, erases or renames a window, what turns the direction of writing around, and halves
# of letters, but no ends of lines and no tabs.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""The text with all that would steer a terminal written out, such as an escape as `\x1b`."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
