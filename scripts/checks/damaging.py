"""Ways to damage a file, as the checks of damage share them."""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Iterator

PAGE = 4096


def numbers(said: str) -> argparse.Namespace:
    """How much damage of each kind the command line asks for, and the seed of its places."""
    parser = argparse.ArgumentParser(description=said)
    parser.add_argument("--truncations", type=int, default=100)
    parser.add_argument("--bits", type=int, default=200)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    return parser.parse_args()


def damages(whole: bytes, asked: argparse.Namespace, draw: random.Random) -> dict[str, list[bytes]]:
    """Damaged copies of a file's content by kind."""
    return {
        "truncations": list(truncations(whole, asked.truncations, draw)),
        "flipped bits": list(flips(whole, asked.bits, draw)),
        "zeroed pages": list(zeroed(whole, asked.pages, draw)),
    }


def truncations(whole: bytes, count: int, draw: random.Random) -> Iterator[bytes]:
    """The file cut at random lengths."""
    for _ in range(count):
        yield whole[: draw.randrange(len(whole))]


def flips(whole: bytes, count: int, draw: random.Random) -> Iterator[bytes]:
    """The file with one bit turned."""
    for bit in draw.sample(range(8 * len(whole)), count):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        yield bytes(content)


def zeroed(whole: bytes, count: int, draw: random.Random) -> Iterator[bytes]:
    """The file with one page of zeros where there was something else."""
    pages = [
        start for start in range(0, len(whole), PAGE) if whole[start : start + PAGE].strip(b"\0")
    ]
    for start in draw.choices(pages, k=count):
        gap = len(whole[start : start + PAGE])
        yield whole[:start] + bytes(gap) + whole[start + gap :]
