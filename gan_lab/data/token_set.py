"""A set of sequences of tokens, whatever they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from gan_lab.data.columns import Column
from gan_lab.data.table import Table


@dataclass(frozen=True, eq=False)
class TokenSet(Table):
    """One split of a language.

    Attributes:
        name: the data set, as in `data=oracle`.
        split: "train", "test", ...
        tokens: int64 (N, L), each in [0, vocab_size).
        vocab_size: tokens that exist.
        fingerprint: hash of the tokens, so the same have the same one wherever they are made.
        notes: sentences for the user.
        classes: none.
        records: what its rows are called in sentences.
    """

    name: str
    split: str
    tokens: Tensor
    vocab_size: int
    fingerprint: str
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    records: str = "sequences"

    @property
    def columns(self) -> Mapping[str, Column]:
        """The tokens, read as they are."""
        return {"tokens": Column(self.tokens)}

    def of_rows(self, rows: Tensor, fingerprint: str, notes: tuple[str, ...]) -> TokenSet:
        """The same language with these sequences alone, int64 (n,)."""
        return replace(self, tokens=self.tokens[rows], fingerprint=fingerprint, notes=notes)

    def sentences(self) -> list[str]:
        """Return what is to be said of the set at every start: number, length, vocabulary, notes."""
        told = (
            f"{self.name} ({self.split}): {len(self):,} sequences of {self.tokens.shape[1]} tokens, "
            f"{self.vocab_size:,} different ones"
        )
        return [told, *self.notes]
