"""What training frees stays the process's own: the next round's memory costs no page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource, sys, torch
from gan_lab.process.machine import Machine
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # no huge pages: they would hide the faults
if sys.argv[1] == "kept":
    Machine("cpu", "32-true", "contiguous", tf32=False, compile=False, cuda_graphs=False).apply()

def a_round():
    held = [torch.ones(10 * 2**20) for _ in range(3)]  # 40 MB each, freed at the end
    return sum(float(t[0]) for t in held)

for _ in range(5):  # until the heap has found its shape
    a_round()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    a_round()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 5)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library is not glibc")
def test_memory_that_was_freed_is_not_faulted_in_again() -> None:
    pages = 3 * 40 * 2**20 // 4096
    assert faults("given back") > pages / 2, "without it the system gives and takes whole tensors"
    assert faults("kept") < pages / 100
