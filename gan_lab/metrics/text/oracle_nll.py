"""How likely samples are in a language whose probabilities are known."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.metrics.score import Metric, about_images
from gan_lab.metrics.views import Fakes, Reals


class OracleNll(Metric):
    """Negative log-likelihood of samples under the oracle that wrote the reals, in nats per token.

    SeqGAN, arXiv:1609.05473, the synthetic data experiments; there summed over a sequence. It falls where samples are
    likely, and is blind to a lack of variety: look at self-BLEU beside it.

    Args:
        every_kimg: evaluate when so many thousand training sequences were seen; 0 for the end only.
        num_samples: generated sequences.
    """

    key = "metric/oracle_nll"

    def __init__(self, *, every_kimg: float = 10, num_samples: int = 2000) -> None:
        super().__init__(every_kimg=every_kimg, num_samples=num_samples)
        self.sums: list[Tensor] = []
        self.tokens = 0

    def look_at(self, reals: Reals) -> None:
        """Take the language from the data.

        Raises:
            ConfigError: where its probabilities are not known.
        """
        language = getattr(reals.source, "language", None)
        if language is None:
            raise ConfigError(
                "metrics: oracle_nll needs a language whose probabilities are known; "
                "choose data=oracle or metrics=bleu."
            )
        self.language = copy.deepcopy(language).to(reals.device)
        about = about_images(reals, len(reals.images))
        self.protocol = {**about, "num_samples": self.num_samples, "unit": "nats per token"}

    def reset(self) -> None:
        """Forget the fakes."""
        self.sums, self.tokens = [], 0

    def add(self, fakes: Fakes) -> None:
        """See tokens int64 (n, L)."""
        self.sums.append(self.language.log_likelihoods(fakes.images).double().sum())
        self.tokens += fakes.images.numel()

    def compute(self) -> dict[str, float]:
        """The mean over all tokens seen."""
        return {self.key: float(-torch.stack(self.sums).sum() / self.tokens)}
