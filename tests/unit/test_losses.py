"""Every loss against NumPy in float64, its gradient's sign, smoothing and precision."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.losses import adversarial, energy
from gan_lab.losses.adversarial import (
    Hinge,
    LeastSquares,
    Loss,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
    flipped,
)
from gan_lab.losses.balance import BoundaryEquilibrium
from gan_lab.losses.energy import Energy
from tests.contracts.walk import built

REAL = np.array([2.0, -0.5, 0.25, 40.0])
FAKE = np.array([-1.5, 0.75, 3.0, -60.0])
LOSSES = [
    Minimax,
    NonSaturating,
    LeastSquares,
    Wasserstein,
    Hinge,
    Relativistic,
    Energy,
    BoundaryEquilibrium,
]


def logits(values: np.ndarray, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype).requires_grad_(True)


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0, -x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(log_sigmoid(x))


# Written from the papers: log D = log sigmoid(logit), log(1 - D) = log sigmoid(-logit).
CROSS_ENTROPY = -log_sigmoid(REAL).mean() - log_sigmoid(-FAKE).mean()
DISCRIMINATOR = {
    Minimax: CROSS_ENTROPY,
    NonSaturating: CROSS_ENTROPY,
    LeastSquares: 0.5 * ((REAL - 1) ** 2).mean() + 0.5 * (FAKE**2).mean(),
    Wasserstein: FAKE.mean() - REAL.mean(),
    Hinge: np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean(),
    Relativistic: -log_sigmoid(REAL - FAKE).mean(),
    Energy: -REAL.mean() + np.maximum(0, 1 + FAKE).mean(),
    BoundaryEquilibrium: -REAL.mean(),  # fakes do not count at first
}
GENERATOR = {
    Minimax: log_sigmoid(-FAKE).mean(),
    NonSaturating: -log_sigmoid(FAKE).mean(),
    LeastSquares: 0.5 * ((FAKE - 1) ** 2).mean(),
    Wasserstein: -FAKE.mean(),
    Hinge: -FAKE.mean(),
    Relativistic: -log_sigmoid(FAKE - REAL).mean(),
    Energy: -FAKE.mean(),
    BoundaryEquilibrium: -FAKE.mean(),
}
# d loss / d fake of the generator, per sample, by hand.
GENERATOR_GRADIENT = {
    Minimax: -sigmoid(FAKE) / 4,
    NonSaturating: -sigmoid(-FAKE) / 4,
    LeastSquares: (FAKE - 1) / 4,
    Wasserstein: np.full(4, -0.25),
    Hinge: np.full(4, -0.25),
    Energy: np.full(4, -0.25),
    BoundaryEquilibrium: np.full(4, -0.25),
    Relativistic: -sigmoid(REAL - FAKE) / 4,
}


@pytest.mark.parametrize("kind", LOSSES)
def test_values_are_those_of_the_papers(kind: type[Loss]) -> None:
    loss = kind()
    of_d = loss.discriminator(logits(REAL), logits(FAKE))
    of_g = loss.generator(logits(FAKE), logits(REAL))
    assert of_d.shape == of_g.shape == ()
    assert_close(of_d.item(), DISCRIMINATOR[kind], rtol=1e-6, atol=1e-6)
    assert_close(of_g.item(), GENERATOR[kind], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
def test_the_generators_gradient_is_the_one_by_hand(kind: type[Loss]) -> None:
    fake = logits(FAKE)
    kind().generator(fake, logits(REAL)).backward()
    expected = torch.tensor(GENERATOR_GRADIENT[kind], dtype=torch.float32)
    assert_close(fake.grad, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", LOSSES)
def test_players_pull_in_opposite_directions(kind: type[Loss]) -> None:
    loss = kind()
    real, fake = logits(np.array([0.3, -0.2])), logits(np.array([0.1, -0.4]))
    loss.discriminator(real, fake).backward()
    assert (real.grad < 0).all(), "descent must raise the logits of reals"
    if kind is LeastSquares:  # pulls towards its target 0, from both sides
        assert_close(fake.grad.sign(), fake.detach().sign(), rtol=0, atol=0)
    elif kind is BoundaryEquilibrium:
        assert (fake.grad == 0).all(), "k is 0 at first"
    else:
        assert (fake.grad > 0).all(), "descent must lower the logits of fakes"
    fake.grad = None
    loss.generator(fake, real.detach()).backward()
    assert (fake.grad < 0).all(), "the generator's descent must raise the logits of fakes"


def test_the_minimax_generator_is_flat_where_the_non_saturating_one_is_steep() -> None:
    for kind, slope in ((Minimax, 0.0), (NonSaturating, -1.0)):
        fake = logits(np.array([-30.0]))
        kind().generator(fake).backward()
        assert_close(fake.grad, torch.tensor([slope]), rtol=0, atol=1e-6)


def test_hinge_ignores_samples_beyond_the_margin() -> None:
    real, fake = logits(np.array([1.5, 0.5])), logits(np.array([-1.5, -0.5]))
    Hinge().discriminator(real, fake).backward()
    assert_close(real.grad, torch.tensor([0.0, -0.5]), rtol=0, atol=0)
    assert_close(fake.grad, torch.tensor([0.0, 0.5]), rtol=0, atol=0)


@pytest.mark.parametrize("kind", [Minimax, NonSaturating])
def test_label_smoothing_moves_only_the_target_of_reals(kind: type[Minimax]) -> None:
    s = 0.1
    expected = (
        -((1 - s) * log_sigmoid(REAL) + s * log_sigmoid(-REAL)).mean() - log_sigmoid(-FAKE).mean()
    )
    loss = kind(label_smoothing=s)
    value = loss.discriminator(logits(REAL), logits(FAKE))
    assert_close(value.item(), expected, rtol=1e-6, atol=1e-6)
    assert_close(loss.generator(logits(FAKE)), kind().generator(logits(FAKE)), rtol=0, atol=0)
    # The best logit for a real has sigmoid 1 - s.
    best = logits(np.log(np.array([(1 - s) / s])))
    loss.discriminator(best, logits(FAKE)).backward()
    assert_close(best.grad, torch.zeros(1), rtol=0, atol=1e-6)


def test_least_squares_takes_other_labels_and_smoothing() -> None:
    loss = LeastSquares(a=-1, b=1, c=0, label_smoothing=0.25)  # target 0.75 * 1 + 0.25 * -1
    expected = 0.5 * ((REAL - 0.5) ** 2).mean() + 0.5 * ((FAKE + 1) ** 2).mean()
    value = loss.discriminator(logits(REAL), logits(FAKE))
    assert_close(value.item(), expected, rtol=1e-6, atol=1e-6)
    value = loss.generator(logits(FAKE))
    assert_close(value.item(), 0.5 * (FAKE**2).mean(), rtol=1e-6, atol=1e-6)


def test_flipping_gives_each_image_the_others_label() -> None:
    flips = torch.tensor([True, False, False, True])
    real, fake = flipped(logits(REAL), logits(FAKE), flips)
    value = NonSaturating().discriminator(real, fake)
    told_real = [FAKE[0], REAL[1], REAL[2], FAKE[3]]
    told_fake = [REAL[0], FAKE[1], FAKE[2], REAL[3]]
    expected = -np.mean([log_sigmoid(x) for x in told_real])
    expected -= np.mean([log_sigmoid(-x) for x in told_fake])
    assert_close(value.item(), expected, rtol=1e-6, atol=1e-6)


def test_the_game_draws_the_flips_from_the_play() -> None:
    """As often as asked, each image by itself, from the play's own randomness."""
    play = built("model=dcgan", "loss.label_flipping=0.3").game
    asked = []

    class Fixed:
        on_real = SimpleNamespace(logits=torch.tensor(REAL))
        on_fake = SimpleNamespace(logits=torch.tensor(FAKE))
        size = 4

        def uniform(self, purpose, shape):
            asked.append((purpose, shape))
            return torch.tensor([0.29, 0.31, 0.99, 0.0])

    value = play._discriminator_loss(Fixed())
    flips = torch.tensor([True, False, False, True])
    wanted = play.adversarial.discriminator(*flipped(torch.tensor(REAL), torch.tensor(FAKE), flips))
    assert_close(value, wanted, rtol=0, atol=0)
    assert asked == [("label_flipping", (4,))]


def test_the_energy_pushes_fakes_up_to_the_margin() -> None:
    """The energy is minus the logit; the fake of energy 3 lies beyond the margin of 2."""
    real, fake = logits(np.array([-0.5, -4.0])), logits(np.array([-1.5, -3.0]))
    loss = Energy(margin=2.0).discriminator(real, fake)
    assert_close(loss.item(), (0.5 + 4.0) / 2 + 0.5 / 2, rtol=1e-6, atol=0)
    loss.backward()
    assert_close(fake.grad, torch.tensor([0.5, 0.0]), rtol=0, atol=0)
    with pytest.raises(ConfigError, match="margin=0"):
        Energy(margin=0.0)


def test_relativistic_pairs_by_index_and_needs_reals() -> None:
    loss = Relativistic()
    real, fake = np.array([0.0, 5.0]), np.array([0.0, 5.0])
    straight = loss.generator(logits(fake), logits(real))  # softplus(0), twice
    crossed = loss.generator(logits(fake), logits(real[::-1].copy()))  # softplus(5), softplus(-5)
    assert_close(straight.item(), np.log(2), rtol=1e-6, atol=0)
    assert_close(crossed.item(), np.log1p(np.exp(-5)) + 2.5, rtol=1e-6, atol=0)
    with pytest.raises(ValueError, match="pass real's logits"):
        loss.generator(logits(FAKE), None)


@pytest.mark.parametrize("kind", LOSSES)
def test_bfloat16_logits_are_reduced_in_float32(kind: type[Loss]) -> None:
    real, fake = logits(REAL, torch.bfloat16), logits(FAKE, torch.bfloat16)  # exact in bfloat16
    values = kind().discriminator(real, fake), kind().generator(fake, real)
    for value, table in zip(values, (DISCRIMINATOR, GENERATOR), strict=True):
        assert value.dtype == torch.float32
        assert_close(value.item(), table[kind], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
def test_extreme_logits_stay_finite(kind: type[Loss]) -> None:
    real, fake = logits(np.array([-1e4, 1e4])), logits(np.array([1e4, -1e4]))
    total = kind().discriminator(real, fake) + kind().generator(fake, real)
    total.backward()
    assert all(bool(x.isfinite().all()) for x in (total, real.grad, fake.grad))


def test_what_the_engine_reads_of_a_loss() -> None:
    assert [kind for kind in LOSSES if kind.needs_real] == [Relativistic]
    assert [kind for kind in LOSSES if kind.lipschitz] == [Wasserstein]
    assert [kind for kind in LOSSES if kind.energy] == [Energy, BoundaryEquilibrium]


@pytest.mark.parametrize("kind", [Minimax, NonSaturating, LeastSquares])
@pytest.mark.parametrize("value", [-0.1, 0.5])
def test_flipping_out_of_range_is_named(kind: type, value: float) -> None:
    with pytest.raises(ConfigError, match=r"^label_flipping=.*must lie in \[0, 0.5\)\."):
        kind(label_flipping=value)


@pytest.mark.parametrize("kind", [Minimax, NonSaturating, LeastSquares])
@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_smoothing_out_of_range_is_named(kind: type, value: float) -> None:
    with pytest.raises(ConfigError, match=r"^label_smoothing=.*must lie in \[0, 1\)\."):
        kind(label_smoothing=value)


def test_every_function_names_its_paper() -> None:
    functions = [
        getattr(module, name)
        for module in (adversarial, energy)
        for name, what in vars(module).items()
        if name.endswith(("_discriminator", "_generator")) and what.__module__ == module.__name__
    ]
    assert len(functions) == 11
    for function in functions:
        assert "arXiv" in function.__doc__ or "relativistic_discriminator" in function.__doc__
