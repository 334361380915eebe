"""The policy gradient of generators whose samples are discrete."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def policy_gradient(log_likelihoods: Tensor, values: Tensor) -> Tensor:
    """What a generator minimises so that tokens of high value become likely.

    SeqGAN, arXiv:1609.05473, eq. 7: its gradient is minus the mean over sequences of the sum over t of
    grad log G(y_t | Y_1:t-1) Q(Y_1:t-1, y_t). The values are targets: no gradient flows into them.

    Args:
        log_likelihoods: log G of the sampled tokens (N, L).
        values: of the tokens (N, L).

    Returns:
        Shape (), float32.
    """
    return -(log_likelihoods.float() * values.detach().float()).sum(dim=1).mean()


def negative_log_likelihood(log_likelihoods: Tensor) -> Tensor:
    """What a generator minimises to imitate tokens: minus the mean of log G over all of (N, L), in nats per token."""
    return -log_likelihoods.float().mean()


class Baseline(nn.Module):
    """What tokens of each place were worth lately: subtracted from values, it moves no gradient and calms it.

    Reinforcement baselines: Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning
    (Williams 1992). A running mean of earlier updates, so that it does not depend on the tokens that it is subtracted
    from; in the first update it is 0.

    Args:
        length: places of a sequence.
        decay: share of the mean that an update leaves, [0, 1).
    """

    mean: Tensor
    updates: Tensor

    def __init__(self, length: int, *, decay: float = 0.9) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("updates", torch.zeros(()))

    def commit(self, noted: Mapping[str, Tensor]) -> None:
        """Move once per update, by the mean of `token_values` (length,) over the whole batch."""
        if "token_values" not in noted:
            return
        self.updates.add_(1)
        # The first updates weigh alike: the mean begins at what is there, not at 0.
        share = (1 / self.updates).clamp_min(1 - self.decay)
        self.mean.lerp_(noted["token_values"], share)
