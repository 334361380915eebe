"""Games over tokens as the engine plays them: who moves when, and what accumulation, resuming and recording change."""

from __future__ import annotations

import copy
import types

import pytest
import torch
from torch.testing import assert_close

from gan_lab.engine.module import TrainingOptions
from gan_lab.games.gumbel_gan import GumbelGAN
from gan_lab.games.seqgan import SeqGAN
from gan_lab.losses.adversarial import NonSaturating
from gan_lab.losses.policy_gradient import Baseline
from gan_lab.networks.text.cnn import TextCnnDiscriminator
from gan_lab.networks.text.lstm import LstmGenerator
from tests.conftest import CHOSEN, adam, differing, play_rounds, weights
from tests.test_captured import same, taped

VOCABULARY, LENGTH, BATCH = 6, 4, 16
PHASES = {"likelihood_kimg": 2 * BATCH / 1000, "discriminator_kimg": BATCH / 1000}
FALLING = {"schedule": "linear", "start": 2.0, "end": 0.5, "kimg": 0.1}


def game_of(kind, *, dropout=0.0, training=None, **options):
    torch.manual_seed(0)
    sizes = {"vocab_size": VOCABULARY, "length": LENGTH}
    game = kind(
        generator=LstmGenerator(**sizes, width=4, embedding=3, std=1.0),
        discriminator=TextCnnDiscriminator(**sizes, width=2, embedding=4, dropout=dropout),
        loss=NonSaturating(),
        **options,
    )
    players = {"generator": adam(1e-2), "discriminator": adam(1e-2)}
    game.options = TrainingOptions(**{**CHOSEN, **(training or {})}, optimizers=players)
    return game


def seqgan(**options):
    return game_of(SeqGAN, **{"rollouts": 2, **options})


def gumbel_gan(**options):
    return game_of(GumbelGAN, **options)


GAMES = {
    "seqgan": lambda **o: seqgan(baseline=True, **o),
    "gumbel_gan": lambda **o: gumbel_gan(temperature=FALLING, **o),
    "straight_through": lambda **o: gumbel_gan(straight_through=True, **o),
}


def tokens(seed=0, size=BATCH):
    """An endless stream of reals."""
    draw = torch.Generator().manual_seed(seed)
    while True:
        yield {"tokens": torch.randint(VOCABULARY, (size, LENGTH), generator=draw)}


def play_of(game, player, batch):
    """The play of a player's step in the game itself."""
    if not game.playing:
        game.configure_optimizers()
    step = next(step for step in game.steps() if step.player == player)
    game.draws.begin(step.name, 0, 0, 0)
    return game.Play(game, step, batch, draws=game.draws, start=0, whole=batch)


def moved(game, stream, rounds=1):
    before = {name: value.detach().clone() for name, value in game.named_parameters()}
    play_rounds(game, stream, rounds)
    return {name for name, value in game.named_parameters() if not torch.equal(before[name], value)}


@pytest.mark.parametrize("kind", GAMES)
def test_a_round_moves_both_players_and_logs_what_it_did(kind):
    game = GAMES[kind]()
    assert moved(game, tokens()) == {name for name, _ in game.named_parameters()}
    values = game.read_meter()
    terms = {"loss/discriminator/adversarial", "logits/real", "logits/fake"}
    if kind == "seqgan":
        assert 0 < values["reward"] < 1
        terms.add("loss/generator/policy")
    assert terms <= values.keys()


def test_likelihood_comes_first_then_the_discriminator_then_the_game():
    game, stream, said = seqgan(n_critic=2, **PHASES), tokens(), []
    game.say = said.append
    one = {name for name, _ in game.named_parameters() if name.startswith("generator")}
    other = {name for name, _ in game.named_parameters() if name.startswith("discriminator")}
    assert moved(game, stream, 1) == one
    assert "loss/generator/likelihood" in game.read_meter()
    assert moved(game, stream, 1) == one, "in every round, whatever n_critic is"
    assert moved(game, stream, 1) == other
    assert moved(game, stream, 2) == one | other
    assert [text.partition("the phase ")[2] for text in said] == [
        "discriminator begins", "game begins"
    ]  # fmt: skip


@pytest.mark.parametrize("kind", GAMES)
def test_accumulation_changes_nothing(kind):
    one, four = (
        weights(play_rounds(GAMES[kind](training={"accumulate": n}), tokens(), 3)) for n in (1, 4)
    )
    for name, value in one.items():
        assert_close(four[name], value, rtol=1e-3, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", GAMES)
def test_a_resumed_run_goes_on_bit_for_bit(kind, cut):
    options = {"dropout": 0.25, "training": {"precision": "bf16-mixed"}, **PHASES}
    stream, whole = tokens(), GAMES[kind](**options)
    play_rounds(whole, stream, 5)
    stream, first, second = tokens(), GAMES[kind](**options), GAMES[kind](**options)
    play_rounds(first, stream, cut)
    second.restore(copy.deepcopy(first.snapshot()))
    play_rounds(second, stream, 5 - cut)
    assert not differing(weights(whole), weights(second))


@pytest.mark.parametrize("kind", GAMES)
def test_steps_are_captured(kind):
    # oneDNN's LSTM asks whether gradients are wanted, which the stand-in's replay denies; GPUs do not have it.
    with torch.backends.mkldnn.flags(enabled=False, allow_tf32=None):
        eager, captured = GAMES[kind](**PHASES), taped(GAMES[kind](**PHASES))
        for game in (eager, captured):
            play_rounds(game, tokens(), 14)
    assert not [text for text in captured.said if "not captured" in text]
    assert captured.runner.recorded
    same(eager, captured)


def test_a_sample_is_a_function_of_its_index():
    game = seqgan()
    numbers = game.inputs(range(100, 108), seed=3)["uniforms"]
    assert torch.equal(game.inputs([103], seed=3)["uniforms"][0], numbers[3])
    written = game.generate({"generator": game.generator}, {"uniforms": numbers})
    assert written.shape == (8, LENGTH)
    assert torch.equal(written[3:5], game.generator(numbers[3:5]))


# Rewards ----------------------------------------------------------------------------------------


def test_rewards_are_judged_without_dropout_which_training_has():
    game, batch = seqgan(dropout=0.5), next(tokens())
    plays = [play_of(game, "generator", batch) for _ in range(2)]
    assert torch.equal(plays[0].values, plays[1].values)
    assert not torch.equal(plays[0].on_fake.logits, plays[1].on_fake.logits)
    assert game.discriminator.training


def test_the_baseline_is_a_running_mean_of_what_tokens_were_worth():
    game, stream = seqgan(baseline=True), tokens()
    worth = []
    for _ in range(12):
        batch = next(stream)
        seen = copy.deepcopy(game)
        step = next(step for step in game.steps() if step.player == "discriminator")
        if not game.playing:
            game.configure_optimizers()
            seen.configure_optimizers()
        seen.update(step, seen.playing["discriminator"], batch)  # the policy sees the new judge
        policy = next(step for step in game.steps() if step.player == "generator")
        seen.draws.begin(policy.name, 0, 0, game.clock.iteration)
        play = seen.Play(seen, policy, batch, draws=seen.draws, start=0, whole=batch)
        worth.append(play.values.mean(0))
        game.play_round(batch)
    expected = worth[0]
    for n, value in enumerate(worth[1:], 2):
        expected = expected + (value - expected) * max(1 / n, 0.1)
    assert_close(game.baseline.mean, expected, atol=1e-5, rtol=1e-4)


def test_a_baseline_begins_at_what_is_there():
    baseline = Baseline(2)
    baseline.commit({"something_else": torch.ones(2)})
    assert baseline.mean.tolist() == [0, 0]
    baseline.commit({"token_values": torch.tensor([0.5, 1.0])})
    assert baseline.mean.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(("baseline", "rounds"), [(False, 200), (True, 60)])
def test_the_generator_learns_what_the_judge_rewards(baseline, rounds):
    """A judge that never changes and likes token 3: the policy gradient makes it frequent, sooner with a baseline."""
    game = seqgan(rollouts=4, baseline=baseline)
    game.discriminator = Likes(3)
    game.players = lambda: [spec for spec in SeqGAN.players(game) if spec.name == "generator"]
    game.steps = lambda: [step for step in SeqGAN.steps(game) if step.player == "generator"]

    def share():
        numbers = torch.rand(500, LENGTH, generator=torch.Generator().manual_seed(1))
        return float((game.generator(numbers) == 3).float().mean())

    before = share()
    play_rounds(game, tokens(), rounds)
    assert before < 0.4
    assert share() > 0.8


class Likes(torch.nn.Module):
    """Rewards the share of one token."""

    def __init__(self, token):
        super().__init__()
        self.token = token

    def forward(self, tokens):
        share = (tokens == self.token).float().mean(1)
        return types.SimpleNamespace(logits=4 * share - 2)
