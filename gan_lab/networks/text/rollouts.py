"""What a token is worth: the mean reward of sequences that go on from it by chance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gan_lab.networks.text.writer import Writer


def numbers_of(length: int) -> int:
    """Uniform numbers that the rollouts of one sequence take: length - t behind each prefix of t tokens."""
    return length * (length - 1) // 2


@torch.no_grad()
def action_values(
    generator: Writer,
    reward: Callable[[Tensor], Tensor],
    tokens: Tensor,
    *,
    uniforms: Tensor,
) -> Tensor:
    """The value of each token behind those before it, by Monte Carlo: SeqGAN, arXiv:1609.05473, eq. 4.

    Args:
        generator: goes on from prefixes (the paper's rollout policy).
        reward: maps tokens int64 (M, L) to rewards (M,), such as the judge's probability of a real.
        tokens: int64 (N, L).
        uniforms: (N, K, L (L - 1) / 2) in [0, 1) for K rollouts of each prefix, K >= 1.

    Returns:
        float32 (N, L): entry [n, t] is Q(tokens[n, :t], tokens[n, t]); the last is the reward of the sequence itself.
    """
    count, length = tokens.shape
    rollouts = uniforms.shape[1]
    values, start = [], 0
    for known in range(1, length):
        stop = start + length - known
        numbers = uniforms[:, :, start:stop].flatten(0, 1)
        prefixes = tokens[:, :known].repeat_interleave(rollouts, dim=0)
        rewards = reward(generator.sample(numbers, prefixes)).float()
        values.append(rewards.view(count, rollouts).mean(dim=1))
        start = stop
    values.append(reward(tokens).float())
    return torch.stack(values, dim=1)
