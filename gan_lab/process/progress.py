"""How far a long preparation is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from gan_lab.process.console import is_terminal

log = logging.getLogger(__name__)


@contextmanager
def progress(total: int, title: str) -> Iterator[Callable[[int], object]]:
    """Show the progress of `total` images; yields a function to call with the number just done."""
    if is_terminal():
        with tqdm(
            total=total, desc=title, file=sys.stderr, unit="img", unit_scale=True, mininterval=0.2
        ) as bar:
            yield bar.update
        return
    log.info(f"{title}: {total:,} images ...")
    begun = time.monotonic()
    yield lambda _: None
    log.info(f"{title}: done in {time.monotonic() - begun:.1f} s.")
