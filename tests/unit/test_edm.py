"""EDM's preconditioning, its solver and its network against arithmetic of their own."""

import math

import pytest
import torch
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.games.edm import heun
from gan_lab.generation.sampling import Sampler
from gan_lab.networks.edm import EdmGenerator
from gan_lab.run.beginning import beginning
from gan_lab.storage.checkpoint import save_checkpoint
from tests.conftest import batches, differing, play_rounds, weights
from tests.contracts.walk import built
from tests.test_captured import same, taped

SIZE = {"resolution": 8, "channels": 2, "latent_dim": 128, "width": 4, "sizes": 2, "blocks": 1}


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_step_of_heun_by_hand_on_a_linear_denoiser():
    """D(x) = a x: dx/ds = (1 - a) x / s, so Euler and its correction are powers of the ratio of levels."""
    x, a = noise(3, 2, 4, 4), 0.3

    def denoise(x, sigma):
        assert sigma.shape == (3,)
        return a * x

    slope = (1 - a) * x / 10
    ahead = x - 6 * slope
    expected = x - 6 * 0.5 * (slope + (1 - a) * ahead / 4)
    assert_close(heun(denoise, x, [10.0, 4.0]), expected)
    # The last step, to 0, is Euler's: all noise goes, and the denoised stays.
    assert_close(heun(denoise, x, [10.0, 0.0]), a * x)


def test_many_steps_solve_the_flow():
    x = noise(2, 1, 2, 2)
    levels = [10 * 0.9**step for step in range(41)]
    exact = x * (levels[-1] / levels[0]) ** 0.7
    assert_close(heun(lambda x, sigma: 0.3 * x, x, levels), exact, rtol=5e-3, atol=1e-6)


def test_levels_are_the_papers():
    game = built("model=edm", "model.sampling_steps=3").game
    rho, first, last = 7, 80 ** (1 / 7), 0.002 ** (1 / 7)
    expected = [80.0, ((first + last) / 2) ** rho, 0.002, 0.0]
    assert game.levels() == pytest.approx(expected)


def test_the_preconditioning_is_eq_7():
    network = EdmGenerator(**SIZE)
    x, sigma = noise(2, 2, 8, 8), torch.tensor([0.1, 5.0])
    found = network.denoise(x, sigma)
    for index, level in enumerate((0.1, 5.0)):
        skip = 0.25 / (level**2 + 0.25)
        out = level * 0.5 / math.sqrt(level**2 + 0.25)
        inside = 1 / math.sqrt(level**2 + 0.25)
        seen = network.network(inside * x[index : index + 1], torch.tensor([math.log(level) / 4]))
        assert_close(found[index : index + 1], skip * x[index : index + 1] + out * seen)


def test_the_loss_is_weighted_as_in_eq_8():
    game = built("model=edm", "precision=32-true").game
    game.configure_optimizers()
    batch = next(batches(8))
    step = game.phase.steps[0]
    game.draws.begin(step.name, 0, 0, 0)
    play = game.Play(game, step, batch, draws=game.draws, start=0, whole=batch)
    loss = game.denoising(play)
    total = 0.0
    for index, level in enumerate(play.sigma.tolist()):
        weight = (level**2 + 0.25) / (level * 0.5) ** 2
        error = (play.denoised[index] - batch["images"][index]).square().mean()
        total += weight * float(error.detach()) / 8
    assert float(loss.detach()) == pytest.approx(total, rel=1e-4)
    assert play.sigma.log().std() > 0.3


def test_a_teacher_becomes_a_student(tmp_path):
    teacher = play_rounds(built("model=edm", "seed=3").game, batches(8), 2)
    save_checkpoint(teacher.snapshot(), tmp_path / "last.ckpt")

    parts = built("model=distill")

    found = beginning(
        {"init": str(tmp_path / "last.ckpt"), "init_weights": "ema", "init_origin": None}
    )
    found.give(parts.game, {"init": "x"})
    own = teacher.averaged_networks()["generator"]
    z = noise(2, 1024)
    assert_close(parts.game.generator(z), own(z))
    one = own.denoise(80 * z.view(2, 1, 32, 32), torch.full((2,), 80.0))
    assert_close(own(z), one)


def test_a_diffusion_model_is_captured_resumes_and_samples(tmp_path):
    eager, captured = (
        built("model=edm", "precision=32-true").game,
        taped(built("model=edm", "precision=32-true").game),
    )
    for game in (eager, captured):
        play_rounds(game, batches(8), 6)
    assert captured.said == []
    same(eager, captured)
    fresh = built("model=edm", "seed=1").game
    fresh.restore(eager.snapshot())
    fresh.configure_optimizers()
    assert not differing(weights(eager), weights(fresh))
    images = Sampler(fresh, fresh.averaged_networks())(3, 2)
    assert torch.equal(images, Sampler(eager, eager.averaged_networks())(3, 2))
    assert float(images.abs().max()) <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"latent_dim": 127}, r"latent\.dim=127: .* choose latent=pixels"),
        ({"sizes": 5}, "sizes=5: 8 px cannot be halved"),
    ],
)
def test_what_does_not_fit_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        EdmGenerator(**(SIZE | options))
