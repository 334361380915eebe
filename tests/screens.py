"""What a person sees on a terminal: the recorder of scripts/checks, and rows to compare with."""

from __future__ import annotations

import sys

from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts" / "checks"))
from record_terminal import Recording, record

__all__ = ["Recording", "record", "rows_of_sentences"]


def rows_of_sentences(sentences, columns):
    """The rows that sentences take on a terminal, which breaks them at its edge."""
    rows = []
    for sentence in sentences:
        parts = [sentence[at : at + columns] for at in range(0, max(len(sentence), 1), columns)]
        rows += [part.rstrip() for part in parts]
    return rows
