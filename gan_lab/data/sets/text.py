"""A file of lines, as sequences of tokens."""

from __future__ import annotations

import hashlib
import lzma
from functools import cached_property
from pathlib import Path

from gan_lab.common.errors import DataError
from gan_lab.common.paths import user_path
from gan_lab.common.ranges import in_range, one_of
from gan_lab.data.facts import Facts
from gan_lab.data.sets.options import check_split
from gan_lab.data.token_set import TokenSet
from gan_lab.data.vocabulary import SEPARATORS, UNKNOWN, Vocabulary, pieces

ASSET = Path(__file__).resolve().parents[2] / "assets" / "proverbs_lines.txt.xz"


class TextFile:
    """The lines of a text file, as characters or words; each line that is not empty is a sequence.

    The embedded text is from the King James Version: 6,211 clauses of Psalms, Proverbs and Ecclesiastes.

    Args:
        root: the file, UTF-8; None is the embedded text.
        level: "char" or "word" (words and signs, in small letters).
        length: tokens of a sequence; longer lines are cut, shorter ones filled.
        max_words: of the vocabulary; rarer ones become one token.
        holdout: share of the lines kept for the split "test", in [0, 1), drawn by a hash of the line.
    """

    name = "text"
    splits: tuple[str, ...] = ("train", "test")
    records = "sequences"
    flip = False

    def __init__(
        self,
        *,
        root: str | None = None,
        level: str = "char",
        length: int = 48,
        max_words: int = 5000,
        holdout: float = 0.1,
    ) -> None:
        one_of("data.level", level, tuple(SEPARATORS))
        in_range("data.length", length, low=2)
        in_range("data.max_words", max_words, low=1)
        in_range("data.holdout", holdout, low=0.0, below=1.0)
        self.root = root
        self.level = level
        self.length = length
        self.max_words = max_words
        self.holdout = holdout

    @property
    def facts(self) -> Facts:
        """vocab_size, vocabulary, length, level and columns; the file is read when somebody asks for its words."""
        return Facts(
            {"length": self.length, "level": self.level, "columns": ("tokens",)},
            {
                "vocabulary": lambda: self.vocabulary.words,
                "vocab_size": lambda: len(self.vocabulary.words),
            },
        )

    @cached_property
    def lines(self) -> list[str]:
        """All lines that are not empty, without white space at their ends.

        Raises:
            DataError: if the file cannot be read or holds none.
        """
        path = ASSET if self.root is None else user_path(self.root, "data.root")
        try:
            content = path.read_bytes()
            text = (lzma.decompress(content) if self.root is None else content).decode()
        except (OSError, lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
            way = "install gan_lab again" if self.root is None else "give a text file of UTF-8"
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"data={self.name}: '{path}' cannot be read ({reason}); {way}."
            ) from None
        found = [line for line in map(str.strip, text.splitlines()) if line]
        if not found:
            raise DataError(f"data={self.name}: '{path}' holds no line of text.")
        return found

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Of all lines, so that both splits have the same tokens."""
        return Vocabulary.of(self.lines, self.level, limit=self.max_words)

    def load(self, split: str) -> TokenSet:
        """Read a split.

        Raises:
            DataError: if the file cannot be read or has no line for the split.
        """
        check_split(self.name, split, self.splits)
        lines = [line for line in self.lines if (_share(line) < self.holdout) == (split == "test")]
        if not lines:
            raise DataError(
                f"data={self.name}: no line is kept for the split {split}; set data.holdout=0.1."
            )
        tokens = self.vocabulary.encode(lines, self.length)
        digest = hashlib.sha256("\n".join(self.vocabulary.words).encode())
        digest.update(repr(tuple(tokens.shape)).encode() + tokens.numpy().tobytes())
        return TokenSet(
            name=self.name,
            split=split,
            tokens=tokens,
            vocab_size=len(self.vocabulary.words),
            fingerprint=digest.hexdigest()[:16],
            notes=self._notes(lines, int((tokens == self.vocabulary.words.index(UNKNOWN)).sum())),
        )

    def _notes(self, lines: list[str], unknown: int) -> tuple[str, ...]:
        cut = sum(len(pieces(line, self.level)) > self.length for line in lines)
        told = []
        if cut:
            told.append(
                f"{cut:,} of {len(lines):,} lines are longer and were cut (data.length={self.length})."
            )
        if unknown:
            told.append(
                f"{unknown:,} tokens are rarer words (data.max_words={self.max_words}), written {UNKNOWN}."
            )
        return tuple(told)


def _share(line: str) -> float:
    """A number in [0, 1) that depends on the line alone, so that adding a line moves no other."""
    return int.from_bytes(hashlib.sha256(line.encode()).digest()[:8], "big") / 2**64
