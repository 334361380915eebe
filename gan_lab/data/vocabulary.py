"""From lines of text to tokens and back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PAD, START, UNKNOWN = "<pad>", "<start>", "<unknown>"
SPECIAL = (PAD, START, UNKNOWN)
WORDS = re.compile(r"[\w'-]+|[^\w\s]")
SEPARATORS = {"char": "", "word": " "}


def pieces(line: str, level: str) -> list[str]:
    """The characters of a line, or its words and signs in small letters."""
    return list(line) if level == "char" else WORDS.findall(line.lower())


@dataclass(frozen=True)
class Vocabulary:
    """What each token stands for.

    Attributes:
        words: by token: PAD fills the end of a short line, START is for generators that begin with a token, UNKNOWN
            stands for what is too rare; then the words or characters, the most frequent first.
        level: "char" or "word".
    """

    words: tuple[str, ...]
    level: str

    @classmethod
    def of(cls, lines: Iterable[str], level: str, *, limit: int) -> Vocabulary:
        """The vocabulary of some lines, of at most `limit` words or characters beside the special ones."""
        counts = Counter(piece for line in lines for piece in pieces(line, level))
        ordered = sorted(counts, key=lambda piece: (-counts[piece], piece))
        return cls((*SPECIAL, *ordered[:limit]), level)

    def encode(self, lines: Sequence[str], length: int) -> Tensor:
        """Tokens int64 (N, length) of lines; longer ones are cut, shorter ones filled with PAD."""
        number = {word: index for index, word in enumerate(self.words)}
        unknown = number[UNKNOWN]
        tokens = torch.zeros(len(lines), length, dtype=torch.int64)
        for row, line in enumerate(lines):
            found = [number.get(piece, unknown) for piece in pieces(line, self.level)[:length]]
            tokens[row, : len(found)] = torch.tensor(found, dtype=torch.int64)
        return tokens

    def decode(self, tokens: Tensor) -> list[str]:
        """Lines of tokens (N, length); a line ends at its first PAD, START is left out."""
        separator = SEPARATORS[self.level]
        lines = []
        for row in tokens.tolist():
            words = [self.words[token] for token in row]
            ended = words[: words.index(PAD)] if PAD in words else words
            lines.append(separator.join(word for word in ended if word != START))
        return lines
