"""The policy gradient of generators whose samples are discrete."""

from __future__ import annotations

from torch import Tensor


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
