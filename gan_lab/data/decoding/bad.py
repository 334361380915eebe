"""Why a file gives no image; the messages complete "<path> ..."."""

from __future__ import annotations


class BadImageError(ValueError):
    """A file holds no image that can be taken, and will not until somebody changes it."""


class UnreadableError(BadImageError):
    """The system did not give a file's content; the same file may be readable at the next start."""
