"""Penalties on the gradient of the logits with respect to images, functions first.

Gradients are taken with their own graph, so that the penalty reaches the discriminator's
parameters, and their norms are reduced in float32. Norms are per sample, over channels and pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class Judgement(Protocol):
    """The part of a DiscriminatorOutput that penalties read."""

    @property
    def logits(self) -> Tensor:
        """Shape (N,)."""


class Play(Protocol):
    """The part of a play that penalties read; docs/architecture.md tells the whole."""

    @property
    def real(self) -> Tensor:
        """Real images (N, C, H, W)."""

    @property
    def all_real(self) -> Tensor:
        """Real images of the whole batch, of which `real` may be a part."""

    @property
    def fake(self) -> Tensor:
        """Generated images (N, C, H, W)."""

    @property
    def on_real(self) -> Judgement:
        """The discriminator on `real`."""

    @property
    def on_fake(self) -> Judgement:
        """The discriminator on `fake`."""

    def discriminate(self, images: Tensor, /) -> Judgement:
        """Judge any other images (N, C, H, W)."""

    def uniform(self, purpose: str, shape: tuple[int, ...], /) -> Tensor:
        """Draw from [0, 1)."""


def input_gradient(logits: Tensor, points: Tensor) -> Tensor:
    """Gradient of each sample's logit with respect to its image, itself differentiable.

    Args:
        logits: discriminator output on `points`, shape (N,), each of its own image only.
        points: images of shape (N, C, H, W), requiring grad.

    Returns:
        Shape (N, C, H, W), float32.

    Raises:
        ValueError: if `logits` does not depend on `points`.
    """
    if logits.requires_grad and points.requires_grad:
        (gradient,) = torch.autograd.grad(
            logits.float().sum(), [points], create_graph=True, allow_unused=True
        )
        if gradient is not None:
            return gradient.float()
    raise ValueError(
        "the logits do not depend on the images: let the images require grad before the "
        "discriminator sees them"
    )


def zero_centered(logits: Tensor, points: Tensor) -> Tensor:
    """Half the mean squared gradient norm: 1/2 E[ ||grad_x D(x)||^2 ].

    Which Training Methods for GANs do actually Converge?, arXiv:1801.04406, eq. 9 at reals (R1)
    and eq. 10 at fakes (R2), with the term's weight as gamma.

    Args:
        logits: discriminator output on `points`, shape (N,).
        points: images of shape (N, C, H, W), requiring grad.

    Returns:
        Shape (), float32, >= 0.

    Raises:
        ValueError: if `logits` does not depend on `points`.
    """
    return 0.5 * input_gradient(logits, points).square().sum(dim=(1, 2, 3)).mean()


def norm_centered(logits: Tensor, points: Tensor, *, target: float = 1.0) -> Tensor:
    """Mean squared distance of the gradient norms to a target: E[ (||grad_x D(x)|| - target)^2 ].

    Improved Training of Wasserstein GANs, arXiv:1704.00028, eq. 3.

    Args:
        logits: discriminator output on `points`, shape (N,).
        points: images of shape (N, C, H, W), requiring grad.
        target: the norm to hold, >= 0.

    Returns:
        Shape (), float32, >= 0.

    Raises:
        ValueError: if `logits` does not depend on `points`.
    """
    # vector_norm has the gradient 0 at 0, where the root of a sum of squares has NaN.
    norms = torch.linalg.vector_norm(input_gradient(logits, points), dim=(1, 2, 3))
    return (norms - target).square().mean()


class GradientTerm:
    """What the penalties of this file share: a weight and an interval.

    Args:
        weight: the term's factor, >= 0, or a schedule.
        every: the term is due at every n-th update of the discriminator, >= 1.
    """

    player: ClassVar[str] = "discriminator"
    differentiates: ClassVar[frozenset[str]] = frozenset()
    lipschitz: ClassVar[bool] = False  # whether it bounds the gradient away from the data too

    def __init__(self, *, weight: Scalar = 10.0, every: int = 1) -> None:
        if not isinstance(weight, Mapping):
            in_range("weight", weight, low=0)
        in_range("every", every, low=1)
        self.weight = weight
        self.every = every


class R1(GradientTerm):
    """`zero_centered` at real images; the weight is the paper's gamma."""

    differentiates = frozenset({"real"})

    def __call__(self, play: Play) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        return zero_centered(play.on_real.logits, play.real)


class R2(GradientTerm):
    """`zero_centered` at generated images; the weight is the paper's gamma."""

    differentiates = frozenset({"fake"})

    def __call__(self, play: Play) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        return zero_centered(play.on_fake.logits, play.fake)


class GradientPenalty(GradientTerm):
    """`norm_centered` between reals and fakes: arXiv:1704.00028, eq. 3 and algorithm 1.

    At eps x + (1 - eps) G(z), one eps of U[0, 1) per sample.

    Args:
        weight: the paper's lambda, >= 0, or a schedule.
        every: the term is due at every n-th update of the discriminator, >= 1.
        target: the gradient norm to hold, >= 0; the paper has 1.
    """

    lipschitz = True

    def __init__(self, *, weight: Scalar = 10.0, every: int = 1, target: float = 1.0) -> None:
        super().__init__(weight=weight, every=every)
        in_range("target", target, low=0)
        self.target = target

    def __call__(self, play: Play) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        real, fake = play.real.detach(), play.fake.detach()
        epsilon = play.uniform("gradient_penalty/epsilon", (real.shape[0], 1, 1, 1))
        points = torch.lerp(fake.float(), real, epsilon).requires_grad_(True)
        return norm_centered(play.discriminate(points).logits, points, target=self.target)


class Dragan(GradientTerm):
    """`norm_centered` near the reals: On Convergence and Stability of GANs, arXiv:1705.07215.

    As the authors' DRAGAN.ipynb has it, and not the paper's Gaussian noise: at
    x + alpha * perturbation * std(x) * u, with one alpha of U[0, 1) per sample, one u of U[0, 1)
    per pixel and channel, and one standard deviation (ddof 0) of all pixels of the whole batch.
    The gradient is the logit's, not the probability's.

    Args:
        weight: the paper's lambda, >= 0, or a schedule.
        every: the term is due at every n-th update of the discriminator, >= 1.
        perturbation: largest step away from a real in standard deviations, >= 0.
    """

    lipschitz = True

    def __init__(self, *, weight: Scalar = 10.0, every: int = 1, perturbation: float = 0.5) -> None:
        super().__init__(weight=weight, every=every)
        in_range("perturbation", perturbation, low=0)
        self.perturbation = perturbation

    def __call__(self, play: Play) -> Tensor:
        """Return the unweighted penalty, shape ()."""
        real = play.real.detach()
        scale = self.perturbation * play.all_real.detach().float().std(correction=0)
        alpha = play.uniform("dragan/alpha", (real.shape[0], 1, 1, 1))
        noise = play.uniform("dragan/noise", tuple(real.shape))
        points = (real + alpha * scale * noise).requires_grad_(True)
        return norm_centered(play.discriminate(points).logits, points)
