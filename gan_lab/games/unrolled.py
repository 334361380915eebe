"""Unrolled GAN: the generator looks some steps of the discriminator ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrize

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.games.gan import GAN
from gan_lab.games.images import ImagePlay
from gan_lab.networks.output import DiscriminatorOutput


class UnrolledPlay(ImagePlay):
    """Judges by the discriminator's weights, or by others in their place.

    Attributes:
        weights: of the discriminator by name; None where they are its own.
    """

    weights: Mapping[str, Tensor] | None = None

    def call(self, network: nn.Module, *given: Tensor, twice: bool, **beside: Tensor) -> Any:
        """The network, with other weights where these are set."""
        if self.weights is None or network is not self.game.discriminator:
            return super().call(network, *given, twice=twice, **beside)
        return functional_call(network, dict(self.weights), given, dict(beside))

    def judged_by(self, weights: Mapping[str, Tensor] | None) -> tuple[DiscriminatorOutput, ...]:
        """Reals and fakes, judged by these weights."""
        self.weights = weights
        try:
            return self.judge_as("real", self.real), self.judge_as("fake", self.fake)
        finally:
            self.weights = None


class Unrolled(GAN):
    """A GAN whose generator descends the loss that it would have after `unroll` steps of the discriminator.

    Unrolled Generative Adversarial Networks, arXiv:1611.02163, eqs. 7 to 11: the steps are plain gradient descent on
    this batch, and the generator's gradient passes through them. The discriminator itself moves by its own optimizer as
    ever. Auxiliary terms and penalties are no part of the steps looked ahead.

    Args:
        unroll: steps, >= 0; 0 is the ordinary GAN.
        rate: of these steps, > 0; the paper's eta.

    Raises:
        ConfigError: where the discriminator's weights are functions of others, as with spectral norm.
    """

    Play = UnrolledPlay

    def __init__(self, *, unroll: int = 5, rate: float = 0.01, **parts: Any) -> None:
        super().__init__(**parts)
        in_range("unroll", unroll, low=0)
        in_range("rate", rate, above=0)
        self.unroll, self.rate = unroll, rate
        if any(parametrize.is_parametrized(module) for module in self.discriminator.modules()):
            raise ConfigError(
                "discriminator: weights that are normalised, as by spectral norm, cannot be unrolled; choose another, "
                "such as discriminator=dcgan."
            )

    def _generator_loss(self, play: ImagePlay) -> Tensor:
        """The generator's side, judged by the discriminator that it will be."""
        assert isinstance(play, UnrolledPlay)
        if not self.unroll:
            return super()._generator_loss(play)
        own = self.discriminator.named_parameters()
        weights = {name: value.detach().requires_grad_() for name, value in own}
        for _ in range(self.unroll):
            real, fake = play.judged_by(weights)
            loss = self.adversarial.discriminator(real.logits, fake.logits)
            slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {
                name: value - self.rate * slope
                for (name, value), slope in zip(weights.items(), slopes, strict=True)
            }
        real, fake = play.judged_by(weights)
        return self.generator_side(play, fake.logits, real.logits)
