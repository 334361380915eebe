"""Penalties against closed forms of linear and quadratic critics, and weight clipping."""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from gan_lab.common.errors import ConfigError
from gan_lab.losses.adversarial import NonSaturating
from gan_lab.networks.dcgan import DcganDiscriminator
from gan_lab.networks.mlp import MlpDiscriminator
from gan_lab.networks.output import DiscriminatorOutput
from gan_lab.networks.resnet import ResnetDiscriminator
from gan_lab.penalties.gradient import (
    R1,
    R2,
    Dragan,
    GradientPenalty,
    GradientTerm,
    input_gradient,
    norm_centered,
    zero_centered,
)
from gan_lab.penalties.weights import WeightClipping

SHAPE = (3, 2, 4, 4)
TERMS = [GradientPenalty, R1, R2, Dragan]


class Play:
    """A discriminator step on fixed images, whose draws are kept."""

    def __init__(
        self,
        critic: Callable[[Tensor], Tensor],
        term: GradientTerm,
        shape: tuple[int, ...] = SHAPE,
    ) -> None:
        draw = torch.Generator().manual_seed(7)
        self.critic = critic
        self.real = torch.rand(shape, generator=draw) * 2 - 1
        self.fake = torch.rand(shape, generator=draw) * 2 - 1
        self.real.requires_grad_("real" in term.differentiates)
        self.fake.requires_grad_("fake" in term.differentiates)
        self.generator = draw
        self.draws: dict[str, Tensor] = {}

    @property
    def all_real(self) -> Tensor:
        return self.real

    @cached_property
    def on_real(self) -> DiscriminatorOutput:
        return self.discriminate(self.real)

    @cached_property
    def on_fake(self) -> DiscriminatorOutput:
        return self.discriminate(self.fake)

    def discriminate(self, images: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.critic(images), None)

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        assert shape[0] == SHAPE[0]
        assert purpose not in self.draws
        self.draws[purpose] = torch.rand(shape, generator=self.generator)
        return self.draws[purpose]


class Linear(NamedTuple):
    """D(x) = w . x with the gradient w everywhere."""

    w: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return (x * self.w).sum(dim=(1, 2, 3))


class Quadratic(NamedTuple):
    """D(x) = s/2 |x|^2 with the gradient s x."""

    s: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return 0.5 * self.s * x.square().sum(dim=(1, 2, 3))


def linear(norm: float) -> Linear:
    w = torch.randn(SHAPE[1:], generator=torch.Generator().manual_seed(3))
    return Linear((norm * w / w.norm()).requires_grad_(True))


def quadratic(s: float = 1.5) -> Quadratic:
    return Quadratic(torch.tensor(s, requires_grad=True))


def norms(x: Tensor) -> np.ndarray:
    return np.sqrt((x.detach().numpy().astype(np.float64) ** 2).reshape(len(x), -1).sum(axis=1))


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("kind", TERMS)
def test_of_a_linear_critic(kind: type[GradientTerm], norm: float) -> None:
    term, critic = kind(), linear(norm)
    play = Play(critic, term)
    value = term(play)
    assert value.shape == ()
    assert value.dtype == torch.float32
    half_square = kind in (R1, R2)
    expected = norm**2 / 2 if half_square else (norm - 1) ** 2
    assert_close(value.item(), expected, rtol=1e-5, atol=1e-6)
    # The gradient with respect to the critic's weights: w, or 2 (|w| - 1) w / |w|.
    value.backward()
    w = critic.w.detach()
    expected_gradient = w if half_square else 2 * (norm - 1) * w / norm
    assert_close(critic.w.grad, expected_gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "where"), [(R1, "real"), (R2, "fake")])
def test_r1_and_r2_of_a_quadratic_critic(kind: type[GradientTerm], where: str) -> None:
    term, critic = kind(), quadratic(1.5)
    play = Play(critic, term)
    value = term(play)
    mean_square = (norms(getattr(play, where)) ** 2).mean()
    assert_close(value.item(), 1.5**2 / 2 * mean_square, rtol=1e-5, atol=0)
    value.backward()
    assert_close(critic.s.grad.item(), 1.5 * mean_square, rtol=1e-5, atol=0)
    assert not play.draws


@pytest.mark.parametrize("target", [1.0, 0.0])
def test_gradient_penalty_of_a_quadratic_critic_lies_between_real_and_fake(target: float) -> None:
    term, critic = GradientPenalty(target=target), quadratic(1.5)
    play = Play(critic, term)
    value = term(play)
    (epsilon,) = play.draws.values()
    assert list(play.draws) == ["gradient_penalty/epsilon"]
    assert epsilon.shape == (SHAPE[0], 1, 1, 1)
    size = norms(epsilon * play.real + (1 - epsilon) * play.fake)
    assert_close(value.item(), ((1.5 * size - target) ** 2).mean(), rtol=1e-5, atol=0)
    value.backward()
    by_hand = (2 * (1.5 * size - target) * size).mean()
    assert_close(critic.s.grad.item(), by_hand, rtol=1e-5, atol=0)


def test_dragan_of_a_quadratic_critic_lies_near_the_reals() -> None:
    term, critic = Dragan(perturbation=0.8), quadratic(1.5)
    play = Play(critic, term)
    value = term(play)
    assert set(play.draws) == {"dragan/alpha", "dragan/noise"}
    alpha, noise = play.draws["dragan/alpha"], play.draws["dragan/noise"]
    assert alpha.shape == (SHAPE[0], 1, 1, 1)
    assert noise.shape == SHAPE
    std = play.real.numpy().astype(np.float64).std()
    size = norms(play.real + alpha * 0.8 * std * noise)
    assert_close(value.item(), ((1.5 * size - 1) ** 2).mean(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", TERMS)
def test_a_flat_critic_has_finite_gradients(kind: type[GradientTerm]) -> None:
    critic = linear(0.0)
    value = kind()(Play(critic, kind()))
    assert_close(value.item(), 0.0 if kind in (R1, R2) else 1.0, rtol=0, atol=0)
    value.backward()
    assert_close(critic.w.grad, torch.zeros_like(critic.w), rtol=0, atol=0)


@pytest.mark.parametrize("kind", TERMS)
def test_images_are_left_without_gradients_and_a_graph_unasked(kind: type[GradientTerm]) -> None:
    term = kind()
    play = Play(quadratic(), term)
    term(play)
    assert play.real.grad is None
    assert play.fake.grad is None
    assert play.real.requires_grad == ("real" in term.differentiates)
    assert play.fake.requires_grad == ("fake" in term.differentiates)


@pytest.mark.parametrize("function", [zero_centered, norm_centered])
def test_second_derivatives_are_right(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Central differences of the penalty in the weights of a small nonlinear critic."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(4, 1, 2, 2, generator=draw).requires_grad_(True)
    w = torch.randn(4, 3, generator=draw).requires_grad_(True)

    def penalty(weights: Tensor) -> Tensor:
        return function(torch.tanh(x.flatten(1) @ weights).sum(dim=1), x)

    (gradient,) = torch.autograd.grad(penalty(w), w)
    direction = torch.randn(4, 3, generator=draw)
    step = 1e-2
    slope = (penalty(w + step * direction) - penalty(w - step * direction)) / (2 * step)
    assert_close((gradient * direction).sum(), slope, rtol=5e-3, atol=1e-3)


@pytest.mark.parametrize("kind", TERMS)
def test_bfloat16_critics_give_float32_penalties(kind: type[GradientTerm]) -> None:
    layer = torch.nn.Linear(32, 1)
    values = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            values.append(kind()(Play(lambda x: layer(x.flatten(1)).squeeze(1), kind())))
    assert values[1].dtype == torch.float32
    assert_close(values[1], values[0], rtol=2e-2, atol=1e-3)


class Spy(TorchDispatchMode):
    """Collects the operators that wait for the device or make shapes depend on data."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", TERMS)
def test_a_step_never_waits_for_the_device(kind: type[GradientTerm]) -> None:
    for network in (
        DcganDiscriminator(resolution=16, channels=3, width=2, norm="layer"),
        ResnetDiscriminator(resolution=16, channels=3, width=2),
        MlpDiscriminator(resolution=16, channels=3, width=2),
    ):
        play = Play(lambda x, network=network: network(x).logits, kind(), (3, 3, 16, 16))
        with Spy() as spy:
            loss = NonSaturating(label_smoothing=0.1)
            value = loss.discriminator(play.on_real.logits, play.on_fake.logits)
            (value + kind()(play)).backward()
            WeightClipping().project(network.parameters())
        assert len(spy.seen) > 20
        assert not spy.seen & {"_local_scalar_dense", "nonzero", "masked_select"}


def test_logits_that_do_not_depend_on_the_images_are_refused() -> None:
    images, other = torch.zeros(SHAPE), torch.zeros(SHAPE).requires_grad_(True)
    for logits in (images.sum(dim=(1, 2, 3)), other.sum(dim=(1, 2, 3)), torch.zeros(3)):
        for points in (images, torch.zeros(SHAPE).requires_grad_(True)):
            with pytest.raises(ValueError, match="do not depend on the images"):
                input_gradient(logits, points)


@pytest.mark.parametrize("kind", TERMS)
def test_what_the_engine_reads_of_a_term(kind: type[GradientTerm]) -> None:
    schedule = {"from": 10.0, "to": 1.0}
    assert kind().player == "discriminator"
    assert (kind().weight, kind().every) == (10.0, 1)
    assert (kind(weight=schedule, every=16).weight, kind(every=16).every) == (schedule, 16)
    expected = {R1: {"real"}, R2: {"fake"}}.get(kind, set())
    assert kind().differentiates == expected


@pytest.mark.parametrize("kind", TERMS)
def test_ranges_are_named(kind: type[GradientTerm]) -> None:
    with pytest.raises(ConfigError, match=r"^weight=-1: must lie in \[0, inf\)\."):
        kind(weight=-1)
    with pytest.raises(ConfigError, match=r"^every=0: must lie in \[1, inf\)\."):
        kind(every=0)


def test_weight_clipping_clamps_every_parameter_in_place() -> None:
    parameters = [torch.tensor([-3.0, 0.005, 3.0], requires_grad=True), torch.tensor([[0.02]])]
    WeightClipping(bound=0.01).project(iter(parameters))
    assert_close(parameters[0].detach(), torch.tensor([-0.01, 0.005, 0.01]), rtol=0, atol=0)
    assert_close(parameters[1], torch.tensor([[0.01]]), rtol=0, atol=0)
    assert parameters[0].is_leaf
    WeightClipping().project([])
    with pytest.raises(ConfigError, match=r"^bound=0: must lie in \(0,"):
        WeightClipping(bound=0)
