"""Make the embedded text: clauses of Psalms, Proverbs and Ecclesiastes, one a line, in one compressed file.

    python scripts/make_proverbs.py verses.txt

The verses come one a line, each behind its place, as `bible -f "psa1:1-150:6"` of Debian's package bible-kjv prints
them. Always the same lines: nothing is drawn.
"""

from __future__ import annotations

import argparse
import lzma
import re
from pathlib import Path

from gan_lab.data.sets.text import ASSET


def clauses(verse: str) -> list[str]:
    """Divide "Prv1:7 The fear of the LORD ..." where a sentence or a half of one ends."""
    _, _, text = verse.partition(" ")
    parts = re.split(r"(?<=[.;:?!])\s+", re.sub(r"[\[\]()]", "", text).strip())
    return [part for part in parts if len(part) > 2]


def main() -> None:
    """Write the asset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verses", type=Path)
    verses = parser.parse_args().verses.read_text().splitlines()
    lines = dict.fromkeys(part for verse in verses if verse.strip() for part in clauses(verse))
    ASSET.write_bytes(lzma.compress("\n".join(lines).encode(), preset=9))
    print(f"{ASSET}: {len(lines):,} lines, {ASSET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
