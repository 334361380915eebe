"""An LSTM that writes one token after the other.

SeqGAN: Sequence Generative Adversarial Nets with Policy Gradient, arXiv:1609.05473, "the generative model for
sequences"; initial weights N(0, 0.1) from the authors' recipe (LantaoYu/SeqGAN). Departure: the first input is a
vector of its own, not the one of token 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_lab.common.ranges import in_range
from gan_lab.networks.text.drawing import gumbel_softmax, inverse_cdf
from gan_lab.networks.text.writer import Writer

State = tuple[Tensor, Tensor]


class LstmGenerator(Writer):
    """Embedding, LSTM, and a distribution of the next token, from the start to `length` tokens.

    Args:
        vocab_size: tokens that exist.
        length: tokens of a sequence.
        width: hidden units, >= 1.
        embedding: numbers that stand for a token at the input, >= 1.
        std: standard deviation of the initial weights, > 0.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        length: int,
        width: int = 32,
        embedding: int = 32,
        std: float = 0.1,
    ) -> None:
        super().__init__()
        in_range("width", width, low=1)
        in_range("embedding", embedding, low=1)
        in_range("std", std, above=0)
        self.vocab_size = vocab_size
        self.length = length
        self.embedding = nn.Embedding(vocab_size + 1, embedding)  # the last one starts a sequence
        self.lstm = nn.LSTM(embedding, width, batch_first=True)
        self.head = nn.Linear(width, vocab_size)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=std)

    def forward(self, uniforms: Tensor) -> Tensor:
        """Tokens int64 (N, length) from uniform numbers (N, length) in [0, 1)."""
        return self.sample(uniforms)

    def log_probabilities(self, tokens: Tensor) -> Tensor:
        """Of every token at every place, where the tokens before it are the given ones.

        Args:
            tokens: int64 (N, L); the last one is not read.

        Returns:
            float32 (N, L, vocab_size): entry [n, t, v] is log G(v | tokens[n, :t]).
        """
        inputs = torch.cat([self._starts(len(tokens)), tokens[:, :-1]], dim=1)
        hidden, _ = self._read(self.embedding(inputs))
        return F.log_softmax(self.head(hidden).float(), dim=-1)

    @torch.no_grad()
    def sample(self, uniforms: Tensor, prefix: Tensor | None = None) -> Tensor:
        """Write as many tokens as there are numbers, behind a prefix if one is given.

        Args:
            uniforms: (N, M), in [0, 1): the tokens are a function of them alone.
            prefix: int64 (N, P), P >= 1.

        Returns:
            int64 (N, P + M), the prefix included.
        """
        read = self._starts(len(uniforms))
        if prefix is not None:
            read = torch.cat([read, prefix], dim=1)
        state: State | None = None
        written = [] if prefix is None else [prefix]
        for at in range(uniforms.shape[1]):
            logits, state = self._next(self.embedding(read), state)
            read = inverse_cdf(F.log_softmax(logits, dim=1), uniforms[:, at]).unsqueeze(1)
            written.append(read)
        return torch.cat(written, dim=1)

    def relaxed(
        self, uniforms: Tensor, *, temperature: float | Tensor, straight_through: bool = False
    ) -> Tensor:
        """Write relaxed tokens, each read again as the mean of the embeddings that it mixes.

        Args:
            uniforms: (N, M, vocab_size), in [0, 1).
            temperature: above 0.
            straight_through: exactly one-hot tokens with the relaxed gradient.

        Returns:
            float32 (N, M, vocab_size), each row a mixture of tokens that sums to 1.
        """
        read = self.embedding(self._starts(len(uniforms)))
        table = self.embedding.weight[: self.vocab_size]
        state: State | None = None
        written = []
        for at in range(uniforms.shape[1]):
            logits, state = self._next(read, state)
            token = gumbel_softmax(
                logits, uniforms[:, at], temperature=temperature, straight_through=straight_through
            )
            written.append(token)
            read = (token @ table).unsqueeze(1)
        return torch.stack(written, dim=1)

    def _starts(self, count: int) -> Tensor:
        """The token that starts a sequence, int64 (count, 1)."""
        device = self.embedding.weight.device
        return torch.full((count, 1), self.vocab_size, dtype=torch.int64, device=device)

    def _read(self, read: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The LSTM on embeddings (N, R, embedding): hidden (N, R, width), and the state behind them."""
        # Many CPUs have no LSTM in half precision: torch ends in an error there. On GPUs this changes nothing.
        with torch.autocast("cpu", enabled=False):
            hidden, behind = self.lstm(read.to(self.embedding.weight.dtype), state)
        return hidden, behind

    def _next(self, read: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Logits of the token after those read (N, R, embedding), float32 (N, vocab_size), and the state behind it."""
        hidden, state = self._read(read, state)
        return self.head(hidden[:, -1]).float(), state
