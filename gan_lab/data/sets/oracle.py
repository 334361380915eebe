"""Sequences that an LSTM of known probabilities has written: the synthetic data of SeqGAN."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from gan_lab.common.ranges import in_range
from gan_lab.data.sets.options import check_split
from gan_lab.data.token_set import TokenSet
from gan_lab.networks.text.lstm import LstmGenerator
from gan_lab.networks.text.oracle import oracle_language

BLOCK = 1000  # sequences that are written at once
SPLITS = {"train": 0, "test": 1}


class Oracle:
    """A language of which every probability is known, so that samples can be judged exactly (arXiv:1609.05473).

    Args:
        vocab_size: tokens that exist, >= 2.
        length: tokens of a sequence, >= 2.
        width: hidden units of the language, >= 1.
        count: sequences to train on; as many others are held out as `test`.
        language_seed: of the language's weights; the seed of a run changes neither it nor the sequences.
    """

    name = "oracle"
    splits: tuple[str, ...] = tuple(SPLITS)
    records = "sequences"
    flip = False

    def __init__(
        self,
        *,
        vocab_size: int = 5000,
        length: int = 20,
        width: int = 32,
        count: int = 10_000,
        language_seed: int = 0,
    ) -> None:
        in_range("vocab_size", vocab_size, low=2)
        in_range("length", length, low=2)
        in_range("width", width, low=1)
        in_range("count", count, low=1)
        in_range("language_seed", language_seed, low=0, below=2**32)
        self.vocab_size = vocab_size
        self.length = length
        self.width = width
        self.count = count
        self.language_seed = language_seed

    @property
    def facts(self) -> Mapping[str, Any]:
        """What constructors may ask for by name: vocab_size, length and columns."""
        return {"vocab_size": self.vocab_size, "length": self.length, "columns": ("tokens",)}

    @functools.cached_property
    def language(self) -> LstmGenerator:
        """The network that writes, and that knows how likely a sequence is."""
        return oracle_language(
            vocab_size=self.vocab_size,
            length=self.length,
            width=self.width,
            seed=self.language_seed,
        )

    def load(self, split: str) -> TokenSet:
        """Write a split; it is the same each time."""
        check_split(self.name, split, self.splits)
        draw = torch.Generator().manual_seed(2 * self.language_seed + SPLITS[split])
        tokens = torch.cat(
            [
                self.language.sample(torch.rand(size, self.length, generator=draw))
                for size in _blocks(self.count)
            ]
        )
        digest = hashlib.sha256(repr((self.vocab_size, tuple(tokens.shape))).encode())
        digest.update(tokens.numpy().tobytes())
        return TokenSet(
            name=self.name,
            split=split,
            tokens=tokens,
            vocab_size=self.vocab_size,
            fingerprint=digest.hexdigest()[:16],
        )


def _blocks(count: int) -> list[int]:
    """Sizes of at most BLOCK that add up to `count`."""
    return [min(BLOCK, count - start) for start in range(0, count, BLOCK)]
