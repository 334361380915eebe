"""R1 and R2 by finite differences against closed forms and against double backward, in games of any kind."""

import pytest
import torch
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.penalties.differences import R1Difference, squared_change
from gan_lab.penalties.gradient import zero_centered
from tests.conftest import batches, play_rounds
from tests.contracts.test_augment import play_of
from tests.contracts.walk import built
from tests.test_captured import both, same, steps_replayed

PLAIN = ("model=dcgan", "generator.norm=none", "discriminator.norm=none")


def test_of_a_linear_critic_it_is_the_slope_along_the_noise() -> None:
    """(w n)^2 / 2 of each image, whose mean over n is |w|^2 / 2: the exact penalty."""
    draw = torch.Generator().manual_seed(0)
    w = torch.randn(2, 4, 4, generator=draw).double()
    x = torch.randn(3, 2, 4, 4, generator=draw).double().requires_grad_()
    noise = torch.randn(4000, 3, 2, 4, 4, generator=draw).double()

    def critic(images: torch.Tensor) -> torch.Tensor:
        return (images * w).sum(dim=(-1, -2, -3)) + 5

    one = squared_change(critic(x), critic(x + 0.01 * noise[0]), 0.01)
    by_hand = sum(float((w * n).sum()) ** 2 for n in noise[0]) / 6
    assert one.item() == pytest.approx(by_hand, rel=1e-3)
    many = torch.stack([squared_change(critic(x), critic(x + 0.01 * n), 0.01) for n in noise])
    exact = zero_centered(critic(x), x).item()
    assert exact == pytest.approx(float(w.square().sum()) / 2)
    # Each is half the square of a normal number of deviation |w|, of which 3 make a mean.
    assert many.mean().item() == pytest.approx(exact, rel=4 * (2 / 3 / 4000) ** 0.5)


def test_its_gradient_is_that_of_double_backward_on_average() -> None:
    """Over many draws of the noise: the gradient of the weights of a critic of four numbers."""
    draw = torch.Generator().manual_seed(0)
    first, last = (torch.randn(8, 4, generator=draw).double().requires_grad_() for _ in range(2))
    x = torch.randn(5, 1, 2, 2, generator=draw).double().requires_grad_()
    noise = torch.randn(20_000, 5, 1, 2, 2, generator=draw).double()

    def critic(images: torch.Tensor) -> torch.Tensor:
        return (images.flatten(-3) @ first.T).tanh() @ last.sum(dim=1)

    exact = zero_centered(critic(x), x)
    (expected,) = torch.autograd.grad(exact, first)
    sigma = 1e-3
    changes = (critic(x + sigma * noise) - critic(x)) / sigma
    (found,) = torch.autograd.grad(0.5 * changes.square().mean(), first)
    assert_close(found, expected.double(), rtol=0.05, atol=0.03 * float(expected.abs().max()))


@pytest.mark.parametrize("which", ["r1", "r2"])
def test_a_game_has_the_exact_penalty_on_average(which: str) -> None:
    game = built(*PLAIN, "precision=32-true", f"penalty=[{which},{which}_fd]").game
    play = play_of(game)
    # A generator's first fakes are nearly 0, where a network of LeakyReLUs has its kinks.
    play.fake = play.batch["images"].flip(3).requires_grad_()
    exact, term = game.penalties[which](play).item(), game.penalties[f"{which}_fd"]
    values = []
    for n in range(60):
        game.draws.begin("other", 0, 0, n)
        values.append(term(play).item())
    # Of 60 times 8 halves of squares of normal numbers.
    assert sum(values) / 60 == pytest.approx(exact, rel=4 * (2 / 480) ** 0.5)


def test_both_passes_have_one_augmentation() -> None:
    """Else the change of the augmentation would be divided by sigma."""
    augment = ["augment=[ada]", "augment.ada.start=1"]
    game = built(*PLAIN, "precision=32-true", *augment, "penalty=[r1,r1_fd]").game
    play = play_of(game)
    exact = game.penalties["r1"](play).item()
    assert 0.1 * exact < game.penalties["r1_fd"](play).item() < 10 * exact


def test_half_precision_judges_in_float32_unless_told_otherwise() -> None:
    values = {}
    for precision, precise in (("32-true", True), ("bf16-mixed", True), ("bf16-mixed", False)):
        game = built(
            *PLAIN, f"precision={precision}", "penalty=[r1_fd]", f"penalty.r1_fd.precise={precise}"
        ).game
        play = play_of(game)
        with game.precision_of_step.forward:
            values[precision, precise] = game.penalties["r1_fd"](play).item()
    assert values["bf16-mixed", True] == pytest.approx(values["32-true", True], rel=1e-3)
    assert values["bf16-mixed", False] != pytest.approx(values["32-true", True], rel=0.05)


def test_accumulation_changes_nothing_and_steps_can_be_recorded() -> None:
    options = (*PLAIN, "precision=32-true", "penalty=[r1_fd,r2_fd]")
    whole, parts = (
        play_rounds(built(*options, f"accumulate={n}").game, batches(8), 1) for n in (1, 2)
    )
    for name, value in whole.discriminator.state_dict().items():
        assert_close(parts.discriminator.state_dict()[name], value, rtol=1e-3, atol=1e-4)
    eager, captured = both(*options)
    assert captured.said == []
    assert "discriminator" in steps_replayed(captured)
    same(eager, captured)


def test_pairs_keep_their_latents() -> None:
    game = built("model=bigan", "discriminator.norm=none", "penalty=[r1_fd,r2_fd]").game
    play_rounds(game, batches(8), 1)
    values = game.read_meter()
    assert values["loss/discriminator/r1_fd"] > 0
    assert values["loss/discriminator/r2_fd"] > 0


def test_no_step_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^sigma=0: "):
        R1Difference(sigma=0)
