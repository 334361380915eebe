"""Tokens from probabilities: exactly by the inverse of the distribution function, or relaxed by Gumbel noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST = torch.finfo(torch.float32).tiny


def inverse_cdf(log_probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """The tokens that uniform numbers stand for: the first whose cumulated probability exceeds the number.

    Args:
        log_probabilities: (N, V).
        uniforms: (N,), in [0, 1).

    Returns:
        int64 (N,), in [0, V).
    """
    cumulated = log_probabilities.float().exp().cumsum(dim=1)
    found = torch.searchsorted(
        cumulated, uniforms.float().unsqueeze(1).contiguous(), right=True
    ).squeeze(1)
    # Rounding may leave the sum below a number that is nearly 1.
    return found.clamp_(max=log_probabilities.shape[1] - 1)


def gumbel(uniforms: Tensor) -> Tensor:
    """Standard Gumbel numbers, -log(-log u), from uniform ones in [0, 1); any shape, float32."""
    return -(-uniforms.float().clamp_min(SMALLEST).log()).log()


def gumbel_softmax(
    logits: Tensor, uniforms: Tensor, *, temperature: float | Tensor, straight_through: bool = False
) -> Tensor:
    """Relaxed one-hot tokens: softmax((logits + Gumbel noise) / temperature).

    GANs for Sequences of Discrete Elements with the Gumbel-softmax Distribution, arXiv:1611.04051, section 3. The
    place of the largest entry is an exact draw at any temperature.

    Args:
        logits: (..., V), or logarithms of probabilities.
        uniforms: the same shape, in [0, 1).
        temperature: above 0; towards 0 the entries become one-hot and the gradients large.
        straight_through: exactly one-hot forward, the relaxed gradient backward.

    Returns:
        float32 (..., V); each row sums to 1.
    """
    soft = F.softmax((logits.float() + gumbel(uniforms)) / temperature, dim=-1)
    if not straight_through:
        return soft
    hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(dim=-1, keepdim=True), 1.0)
    # In this order the value is exactly the one-hot: hard - soft + soft would be rounded.
    return hard + (soft - soft.detach())
