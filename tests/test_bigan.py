"""BiGAN and ALI: who sees which latents, what each player descends, resume, grids, and what a loaded run offers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

import gan_lab
from gan_lab.common.errors import ConfigError
from gan_lab.engine.randomness import Draws
from gan_lab.games.bigan import KEPT, SHOWN
from gan_lab.generation.sampling import Sampler
from gan_lab.losses.adversarial import LeastSquares, NonSaturating, Relativistic
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from gan_lab.train import main
from tests.conftest import batches, differing, play_rounds, weights
from tests.contracts.walk import built

SMALL = (
    "data.resolution=16", "generator=perceptron", "encoder=perceptron", "discriminator=joint_perceptron",
    "encoder.width=8", "precision=32-true",
)  # fmt: skip
WITHOUT_STATISTICS = (
    "data.resolution=16", "generator.norm=none", "encoder.norm=none", "discriminator.norm=none",
    "discriminator.dropout=0", "discriminator.width=4", "generator.width=4", "precision=32-true",
)  # fmt: skip
TINY = [*SMALL, "debug=tiny", "logger=none", "metrics=none", "samples.num=16"]


def stream(seed: int = 0):
    return batches(8, 1, 16, seed=seed)


def play_of(game, player: str):
    """A play of this player's main step on the first batch."""
    game.configure_optimizers()
    game.draws = Draws(torch.device("cpu"))
    step = next(step for step in game.phase.steps if step.name == player)
    game.draws.begin(step.name, 0, 0, 0)
    game.let_move(game.playing[player])
    batch = next(stream())
    return game.Play(game, step, batch, draws=game.draws, start=0, whole=batch), step


@pytest.mark.parametrize("model", ["bigan", "ali"])
def test_pairs_are_a_real_with_its_latent_and_a_fake_with_its_own(model: str) -> None:
    game = built(f"model={model}", *SMALL).game
    play, _ = play_of(game, "discriminator")
    noise = play.normal("encoding", (8, game.latent.dim))
    mean = game.encoder(play.real)
    assert torch.equal(play.encoded, game.encoder(play.real, noise))
    assert torch.equal(play.encoded, mean) == (model == "bigan"), "ALI's latents are drawn"
    assert_close(play.on_real.logits, game.discriminator(play.real, z=play.encoded).logits)
    assert_close(play.on_fake.logits, game.discriminator(play.fake, z=play.z).logits)


def test_generator_and_encoder_descend_the_papers_value() -> None:
    """-log D(G(z), z) - log(1 - D(x, E(x))), by hand, with its gradients; both move in one step, D in none of it."""
    game = built("model=bigan", *SMALL).game
    play, step = play_of(game, "generator")
    loss = sum(term.function(play) for term in step.terms.values())
    found = torch.autograd.grad(loss, [*game.generator.parameters(), *game.encoder.parameters()])
    real = game.discriminator(play.batch["images"], z=game.encoder(play.batch["images"])).logits
    fake = game.discriminator(game.generator(play.z), z=play.z).logits
    by_hand = -F.logsigmoid(fake).mean() - torch.log(1 - torch.sigmoid(real)).mean()
    assert_close(loss, by_hand)
    parameters = [*game.generator.parameters(), *game.encoder.parameters()]
    for one, other in zip(found, torch.autograd.grad(by_hand, parameters), strict=True):
        assert_close(one, other, rtol=1e-4, atol=1e-7)
    assert not any(p.requires_grad for p in game.discriminator.parameters())


def test_the_discriminator_sees_latents_of_reals_as_given() -> None:
    """A gradient at the reals moves the image of a pair alone, not its latent."""
    game = built("model=bigan", "penalty=[r1]", *SMALL).game
    play, _ = play_of(game, "discriminator")
    z = game.encoder(play.batch["images"]).detach()
    x = play.batch["images"].clone().requires_grad_()
    (expected,) = torch.autograd.grad(game.discriminator(x, z=z).logits.sum(), x)
    (found,) = torch.autograd.grad(play.on_real.logits.sum(), play.real)
    assert_close(found, expected)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (NonSaturating(), lambda real: F.softplus(real).mean()),
        (LeastSquares(), lambda real: 0.5 * real.square().mean()),
        (LeastSquares(a=-1, b=1, c=0), lambda real: 0.5 * real.square().mean()),
    ],
    ids=["non_saturating", "least_squares", "pearson"],
)
def test_the_encoder_wants_reals_to_look_like_fakes(loss, expected) -> None:
    real = torch.tensor([-1.5, 0.3, 2.0])
    assert_close(loss.encoder(real), expected(real))


def test_a_relativistic_loss_has_the_encoders_wish_in_it() -> None:
    game = built("model=bigan", "loss=relativistic", *SMALL).game
    play, step = play_of(game, "generator")
    assert isinstance(game.adversarial, Relativistic)
    assert [*step.terms] == ["adversarial"]
    gradients = torch.autograd.grad(
        step.terms["adversarial"].function(play), [*game.encoder.parameters()]
    )
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_a_resume_and_a_batch_in_parts_change_nothing(tmp_path) -> None:
    def made(parts: int = 1):
        game = built("model=ali", *WITHOUT_STATISTICS).game
        game.options = replace(game.options, accumulate=parts)
        return game

    straight = play_rounds(made(), stream(), 4)
    in_parts = play_rounds(made(2), stream(), 4)
    for name, value in weights(straight).items():
        assert_close(weights(in_parts)[name], value, rtol=1e-4, atol=1e-5)
    first = play_rounds(made(), stream(), 2)
    save_checkpoint(first.snapshot(), tmp_path / "last.ckpt")
    rest = made()
    rest.restore(load_checkpoint(tmp_path / "last.ckpt"))
    later = stream()
    for _ in range(2):
        next(later)
    play_rounds(rest, later, 2)
    assert not differing(weights(straight), weights(rest))


def test_a_grid_has_samples_above_and_reals_beside_their_reconstructions() -> None:
    game = built("model=bigan", *SMALL).game

    class Data:
        images = torch.arange(3 * 256, dtype=torch.uint8).reshape(3, 1, 16, 16)
        labels = None

    game.prepare(Data())
    shown = game.picture(16)
    assert (shown.count, shown.columns) == (16, 4)
    networks = {name: n.eval() for name, n in game.averaged_networks().items()}
    images = Sampler(game, networks, seed=5, ask=shown.ask)(0, 16)
    assert_close(images[:8], Sampler(game, networks, seed=5)(0, 16)[:8])
    reals = game.kept[[0, 8, 16, 24]].float() / 127.5 - 1
    assert torch.equal(game.kept[0], Data.images[0])
    assert_close(images[8::2], reals, atol=1e-6, rtol=0)
    assert_close(images[9::2], networks["generator"](networks["encoder"](reals)))
    assert len(game.questions()[SHOWN]) == 2 * KEPT + 1


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "bigan"
    assert main(["model=bigan", *TINY, f"hydra.run.dir={folder}"]) == 0
    return folder


def test_a_loaded_run_encodes_reconstructs_and_samples(run) -> None:
    model = gan_lab.load(run, device="cpu")
    images = next(stream())["images"]
    latents = model.encode(images, batch_size=3)
    assert latents.shape == (8, 50)
    assert_close(model.reconstruct(images), model.networks["generator"](latents).float())
    assert model.sample(5).shape == (5, 1, 16, 16)
    assert torch.equal(model.sample(5), model.generate(model.latents(5)))
    with pytest.raises(ConfigError, match=r"^encode: the images' shape is \(8, 16, 16\)"):
        model.encode(images[:, 0])
    grid: Tensor = torch.as_tensor(np.array(Image.open(next((run / "samples").glob("kimg*")))))
    assert grid.float().std() > 0


def test_a_run_without_an_encoder_says_so(run, tmp_path) -> None:
    assert main(["model=dcgan", "debug=tiny", "max_rounds=1", "metrics=none", "logger=none",
                 f"hydra.run.dir={tmp_path / 'run'}"]) == 0  # fmt: skip
    model = gan_lab.load(tmp_path / "run", device="cpu")
    with pytest.raises(ConfigError, match=r"^encode: this run's model has no encoder; .*bigan"):
        model.encode(torch.zeros(1, 1, 32, 32))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["model=bigan", "discriminator=dcgan"],
            "discriminator: judges images alone.*=joint_dcgan",
        ),
        (
            ["model=dcgan", "discriminator=joint_dcgan"],
            "discriminator: judges images together.*=dcgan",
        ),
    ],
    ids=["images alone", "pairs"],
)
def test_a_discriminator_of_another_kind_is_refused(overrides, said) -> None:
    with pytest.raises(ConfigError, match=f"^{said}"):
        built(*overrides)


def test_an_encoder_for_a_model_without_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^encoder: this model has no such part"):
        built("model=dcgan", "encoder=dcgan")
