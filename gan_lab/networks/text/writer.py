"""What a game asks of a network that writes tokens."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class Writer(nn.Module):
    """Base of generators over tokens.

    Attributes:
        vocab_size: tokens that exist.
        length: tokens of a sequence.
    """

    vocab_size: int
    length: int

    @abstractmethod
    def log_probabilities(self, tokens: Tensor) -> Tensor:
        """Of every token at every place, float32 (N, L, vocab_size), behind the given tokens int64 (N, L)."""

    @abstractmethod
    def sample(self, uniforms: Tensor, prefix: Tensor | None = None) -> Tensor:
        """Tokens int64 (N, P + M), behind a prefix (N, P) if one is given, from numbers (N, M) in [0, 1)."""

    @abstractmethod
    def relaxed(
        self, uniforms: Tensor, *, temperature: float | Tensor, straight_through: bool = False
    ) -> Tensor:
        """Relaxed tokens float32 (N, M, vocab_size) from numbers of that shape in [0, 1)."""

    def log_likelihoods(self, tokens: Tensor) -> Tensor:
        """Log G(tokens[n, t] | tokens[n, :t]), float32 (N, L), of tokens int64 (N, L)."""
        return self.log_probabilities(tokens).gather(2, tokens.unsqueeze(2)).squeeze(2)
