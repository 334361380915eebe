"""Which of several processes this one is, known before any of them has met the others."""

from __future__ import annotations

import os


def first_rank(ranks: int) -> bool:
    """Whether this process writes files and speaks: true of rank 0 and of a single process.

    A launcher sets the variables for single runs too (several of them under one srun), so they count only where the
    run itself has several ranks.
    """
    if ranks == 1:
        return True
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return True
