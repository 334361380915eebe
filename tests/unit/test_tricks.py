"""Remedies against lost modes against loops by hand: minibatch discrimination, packing, unrolling."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.testing import assert_close

from gan_lab.auxiliary.minibatch_discrimination import MinibatchDiscrimination
from gan_lab.common.errors import ConfigError
from gan_lab.networks.output import DiscriminatorOutput
from tests.conftest import batches, differing, play_rounds, weights
from tests.contracts.test_augment import play_of
from tests.contracts.walk import built
from tests.test_captured import both, same, steps_replayed

PLAIN = ("generator.norm=none", "discriminator.norm=none", "precision=32-true")


def test_minibatch_discrimination_is_the_papers_by_loops() -> None:
    torch.manual_seed(0)
    part = MinibatchDiscrimination(feature_dim=6, kernels=3, kernel_dim=2)
    features, logits = torch.randn(5, 6), torch.randn(5)
    found = part.judge(DiscriminatorOutput(logits, features))
    rows = [[part.project.weight[2 * b : 2 * b + 2] @ f for b in range(3)] for f in features]
    for i in range(5):
        nearness = [
            sum(math.exp(-float((rows[i][b] - rows[j][b]).abs().sum())) for j in range(5) if j != i)
            for b in range(3)
        ]
        by_hand = logits[i] + sum(
            w * o for w, o in zip(part.head.weight[0].tolist(), nearness, strict=True)
        )
        assert float(found[i]) == pytest.approx(float(by_hand), rel=1e-4, abs=1e-5)


def test_minibatch_discrimination_judges_in_a_game_and_tells_a_batch_of_copies() -> None:
    game = built("model=dcgan", *PLAIN, "auxiliary=[minibatch_discrimination]").game
    part = game.auxiliaries["minibatch_discrimination"]
    copies = part.nearness(torch.ones(8, part.project.in_features))
    assert_close(copies, torch.full((8, 100), 7.0))
    before = part.project.weight.detach().clone()
    play_rounds(game, batches(8), 2)
    assert not torch.equal(part.project.weight, before)
    assert math.isfinite(game.read_meter()["loss/generator"])


def test_a_pack_is_judged_as_one_image_of_more_channels() -> None:
    game = built("model=pacgan", "model.pack=4", *PLAIN).game
    play = play_of(game)
    assert play.on_real.logits.shape == (2,)
    first = torch.cat([play.real[n] for n in range(4)])[None]
    assert_close(play.on_real.logits[:1], game.discriminator(first).logits)
    assert game.generator(play.z).shape == (8, 1, 32, 32)


@pytest.mark.parametrize(
    "options", [["penalty=[r1]"], ["loss=wasserstein", "penalty=[gradient_penalty]"]]
)
def test_packs_train_with_penalties(options: list[str]) -> None:
    game = play_rounds(built("model=pacgan", *PLAIN, *options, "accumulate=2").game, batches(8), 2)
    assert all(math.isfinite(value) for value in game.read_meter().values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["auxiliary=[feature_matching]"], r"pack=2: a pack has no label"),
        (["discriminator.labels=projection"], r"pack=2: a pack has no label"),
        (["loss.label_flipping=0.1"], r"pack=2: labels are flipped"),
    ],
)
def test_what_a_pack_has_not_is_refused(options: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        built("model=pacgan", *options)


def test_a_pack_that_does_not_divide_the_batch_is_refused() -> None:
    game = built("model=pacgan", "model.pack=3").game
    with pytest.raises(ConfigError, match=r"model\.pack=3: does not divide the 8 images"):
        play_rounds(game, batches(8), 1)


class Line(nn.Module):
    """D(x) = a x + b (x^2) on one number, whose steps can be written down."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(0.3)), nn.Parameter(torch.tensor(-0.2))

    def forward(self, x: torch.Tensor) -> DiscriminatorOutput:
        x = x.flatten(1).mean(dim=1)
        return DiscriminatorOutput(self.a * x + self.b * x.square(), None)


@pytest.mark.parametrize("unroll", [0, 1, 3])
def test_unrolling_is_descent_by_hand_and_its_gradient_passes_through(unroll: int) -> None:
    """The generator's gradient against central differences of the loss after the discriminator's steps."""
    game = built("model=unrolled_gan", *PLAIN, f"model.unroll={unroll}", "model.rate=0.5").game
    game.discriminator = Line()
    play = play_of(game, "generator")
    shift = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    real = play.real.double()
    fake = torch.randn(8, 1, 32, 32, generator=torch.Generator().manual_seed(1)).double() * 3
    play.real, play.fake = real, fake + shift
    game.discriminator.double()

    def ahead(shift: float) -> float:
        a, b = (torch.tensor(v).double().requires_grad_() for v in (0.3, -0.2))
        x, y = real.flatten(1).mean(dim=1), (fake + shift).flatten(1).mean(dim=1)
        for _ in range(unroll):
            loss = softplus(-(a * x + b * x**2)).mean() + softplus(a * y + b * y**2).mean()
            down = torch.autograd.grad(loss, [a, b])
            a, b = (
                (v - 0.5 * d).detach().requires_grad_() for v, d in zip((a, b), down, strict=True)
            )
        return softplus(-(a * y + b * y**2)).mean().item()

    with torch.no_grad():
        game.discriminator.a.fill_(0.3)
        game.discriminator.b.fill_(-0.2)
    loss = game._generator_loss(play)
    assert loss.item() == pytest.approx(ahead(0.1), rel=1e-5)
    (slope,) = torch.autograd.grad(loss, shift)
    assert float(slope) == pytest.approx((ahead(0.1001) - ahead(0.0999)) / 2e-4, rel=1e-3)


def test_unrolling_moves_the_generator_alone_and_nothing_else() -> None:
    game = built("model=unrolled_gan", *PLAIN, "model.unroll=2").game
    game.configure_optimizers()
    step = next(step for step in game.phase.steps if step.player == "generator")
    before = copy.deepcopy(game.discriminator.state_dict())
    game.update(step, game.playing["generator"], next(batches(8)))
    for name, value in game.discriminator.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in game.discriminator.parameters())


def test_no_steps_and_packs_of_one_are_the_ordinary_game() -> None:
    ordinary, *others = (
        weights(play_rounds(built(*options, "latent=normal", *PLAIN).game, batches(8), 2))
        for options in (
            ["model=dcgan"],
            ["model=unrolled_gan", "model.unroll=0"],
            ["model=pacgan", "model.pack=1"],
        )
    )
    for other in others:
        assert not differing(ordinary, other)


@pytest.mark.parametrize(
    "options",
    [
        ["model=unrolled_gan", "model.unroll=2"],
        ["model=pacgan"],
        ["model=dcgan", "auxiliary=[minibatch_discrimination]"],
    ],
    ids=["unrolled", "packed", "minibatch"],
)
def test_recorded_steps_do_the_same(options: list[str]) -> None:
    eager, captured = both(*options, *PLAIN)
    assert captured.said == []
    assert "generator" in steps_replayed(captured)
    same(eager, captured)


def test_weights_that_are_functions_cannot_be_unrolled() -> None:
    with pytest.raises(ConfigError, match=r"spectral norm, cannot be unrolled"):
        built("model=unrolled_gan", "discriminator.spectral_norm=true")
