"""Memory that one round frees and the next asks for again."""

from __future__ import annotations

import ctypes

# Of glibc's malloc.h; options of mallopt.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
ABOVE = (1 << 30, 32 << 20)  # older versions take no threshold above the second


def keep_freed_memory() -> bool:
    """Let malloc keep what is freed instead of giving it back to the system.

    Every round allocates and frees the same activations. By default glibc maps the large ones anew each time and trims
    its heap, and the system clears them page by page: 19,000 page faults in a round of WGAN-GP, an eighth of
    its time, before its layers were fused (docs/performance.md). Other C libraries are left as they are.

    Returns:
        Whether it could be set.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    mapped = any(mallopt(M_MMAP_THRESHOLD, size) for size in ABOVE)
    return bool(mallopt(M_TRIM_THRESHOLD, -1)) and mapped
