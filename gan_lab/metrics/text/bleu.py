"""BLEU and self-BLEU of tokens, counted by torchmetrics."""

from __future__ import annotations

from collections.abc import Sequence

from torchmetrics.functional.text import bleu_score

Rows = Sequence[Sequence[int]]


def bleu(samples: Rows, references: Rows, *, n_gram: int) -> float:
    """How many of the samples' n-grams are found in real text: higher is better, blind to a lack of variety.

    BLEU (Papineni et al. 2002) over the whole set of samples, each against all references at once, as SeqGAN
    (arXiv:1609.05473) has it; it grows with the number of references.

    Args:
        samples: tokens of each sample, without padding; at least one.
        references: tokens of each real, likewise.
        n_gram: longest n-grams that count, 1 to 4.

    Returns:
        In [0, 1]; 0 where no n-gram of some length is found.
    """
    real = _lines(references)
    return float(bleu_score(_lines(samples), [real] * len(samples), n_gram=n_gram))


def self_bleu(samples: Rows, *, n_gram: int) -> float:
    """BLEU of each sample against all others: lower is more varied.

    Texygen: A Benchmarking Platform for Text Generation Models, arXiv:1802.01886, section 3.

    Args:
        samples: tokens of each sample, without padding; at least two.
        n_gram: longest n-grams that count, 1 to 4.

    Returns:
        In [0, 1].
    """
    lines = _lines(samples)
    others = [lines[:index] + lines[index + 1 :] for index in range(len(lines))]
    return float(bleu_score(lines, others, n_gram=n_gram))


def _lines(rows: Rows) -> list[str]:
    """Tokens as words apart, which is how torchmetrics reads: a token may itself be a space."""
    return [" ".join(map(str, row)) for row in rows]
