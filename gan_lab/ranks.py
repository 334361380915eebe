"""Which of several processes this one is, known before any of them has met the others."""

from __future__ import annotations

import os


def first_rank() -> bool:
    """Whether this process writes files and speaks: true of rank 0 and of a single process."""
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return True
