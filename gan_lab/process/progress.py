"""How far a long preparation is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


def say(line: str) -> None:
    """Write one line to the error stream, where it does not mix with results."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@contextmanager
def progress(total: int, title: str) -> Iterator[Callable[[int], object]]:
    """Show the progress of `total` images; yields a function to call with the number just done."""
    if sys.stderr.isatty():
        with tqdm(total=total, desc=title, unit="img", unit_scale=True, mininterval=0.2) as bar:
            yield bar.update
        return
    say(f"{title}: {total:,} images ...")
    begun = time.monotonic()
    yield lambda _: None
    say(f"{title}: done in {time.monotonic() - begun:.1f} s.")
