"""Keep evaluation apart from training: random states, autocast and reduced precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def untouched_randomness(device: torch.device) -> Iterator[None]:
    """Give the default generators of the CPU and of `device` back as they were found."""
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        yield


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """No gradients, no autocast, no TF32 and no bfloat16 inside float32 products.

    Under autocast the features would be off by 1.5 % (measured), under TF32 by less, and neither
    would be the published FID.
    """
    cudnn: Any = torch.backends.cudnn  # whose stubs lack conv and matmul
    mkldnn: Any = torch.backends.mkldnn
    backends = (torch.backends.cuda.matmul, cudnn.conv, mkldnn.matmul, mkldnn.conv)
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one CPU thread.

    The eigenvalues of a symmetric 2048 x 2048 matrix take 0.6 s so, and 0.9 s on a busy machine of
    two cores; with two threads 0.3 s on a free one and 5 s on a busy one, where they wait for each
    other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
