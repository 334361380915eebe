"""BLEU and self-BLEU as metrics of a run."""

from __future__ import annotations

from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.text.bleu import bleu, self_bleu
from gan_lab.metrics.views import Fakes, Reals

PADDING = "<pad>"  # of a vocabulary


class _Ngrams(Metric):
    """Keeps the tokens of the samples.

    Args:
        every_kimg: evaluate when so many thousand training sequences were seen; 0 for the end only.
        num_samples: generated sequences; the time grows with its square.
        n_gram: longest n-grams that count, 1 to 4.
    """

    def __init__(self, *, every_kimg: float, num_samples: int, n_gram: int) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        in_range("n_gram", n_gram, low=1, high=4)
        self.n_gram = n_gram
        self.rows: list[list[int]] = []
        self.silent: int | None = None

    def look_at(self, reals: Reals) -> None:
        """Refuse data that is no text.

        Raises:
            ConfigError: where it has no tokens.
        """
        if "tokens" not in reals.images.columns:
            raise ConfigError(
                f"metrics: {self.name} needs text, and {reals.images.name} has none; choose metrics=small."
            )
        words = list(reals.source.facts.get("vocabulary", ()))
        self.silent = words.index(PADDING) if PADDING in words else None
        about = about_images(reals, len(reals.images))
        self.protocol = {**about, "num_samples": self.num_samples, "n_gram": self.n_gram}

    def reset(self) -> None:
        """Forget the fakes."""
        self.rows = []

    def add(self, fakes: Fakes) -> None:
        """See tokens int64 (n, L)."""
        self.rows += self.heard(fakes.images)

    def heard(self, tokens: Tensor) -> list[list[int]]:
        """Tokens of each row without padding, which says nothing."""
        return [[token for token in row if token != self.silent] for row in tokens.tolist()]


class Bleu(_Ngrams):
    """How many n-grams of the samples are found in reals; higher is better (BLEU, Papineni et al. 2002).

    Counted by torchmetrics over all samples at once, each against all references, as SeqGAN (arXiv:1609.05473) has it.

    Args:
        every_kimg: evaluate when so many thousand training sequences were seen; 0 for the end only.
        num_samples: generated sequences.
        num_references: reals against which each is held; the value grows with it.
        n_gram: longest n-grams that count, 1 to 4.
    """

    key = "metric/bleu"
    lower_is_better = False

    def __init__(
        self,
        *,
        every_kimg: float = 10,
        num_samples: int = 200,
        num_references: int = 200,
        n_gram: int = 4,
    ) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples, n_gram=n_gram)
        in_range("num_references", num_references, low=1)
        self.num_references = num_references

    def look_at(self, reals: Reals) -> None:
        """Take the first reals of the split as references."""
        super().look_at(reals)
        tokens = reals.images.columns["tokens"].values
        self.references = self.heard(tokens[: self.num_references])
        self.protocol["num_references"] = len(self.references)

    def compute(self) -> dict[str, float]:
        """BLEU of all samples seen."""
        return {self.key: bleu(self.rows, self.references, n_gram=self.n_gram)}


class SelfBleu(_Ngrams):
    """How many n-grams of each sample are found in the others; lower is more varied (arXiv:1802.01886).

    Args:
        every_kimg: evaluate when so many thousand training sequences were seen; 0 for the end only.
        num_samples: generated sequences; the time grows with its square.
        n_gram: longest n-grams that count, 1 to 4.
    """

    key = "metric/self_bleu"

    def __init__(self, *, every_kimg: float = 10, num_samples: int = 200, n_gram: int = 4) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples, n_gram=n_gram)

    def compute(self) -> dict[str, float]:
        """Self-BLEU of all samples seen."""
        return {self.key: self_bleu(self.rows, n_gram=self.n_gram)}
