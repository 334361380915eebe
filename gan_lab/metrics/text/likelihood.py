"""Negative log-likelihood of tokens under a language whose probabilities are known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


@torch.no_grad()
def mean_negative_log_likelihood(
    log_likelihoods: Callable[[Tensor], Tensor], tokens: Tensor, *, batch_size: int = 256
) -> float:
    """Minus the mean log-probability of a token behind those before it.

    Under the oracle it judges samples (SeqGAN, arXiv:1609.05473, there summed over a sequence). Under the generator it
    judges how well held-out reals are expected.

    Args:
        log_likelihoods: maps tokens (N, L) to log-probabilities (N, L).
        tokens: int64 (N, L).
        batch_size: sequences at once; bounds memory.

    Returns:
        Nats per token.
    """
    parts = [log_likelihoods(part).double().sum() for part in tokens.split(batch_size)]
    return float(-torch.stack(parts).sum() / tokens.numel())
