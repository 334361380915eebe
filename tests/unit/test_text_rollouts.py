"""Rollouts and the policy gradient against enumeration of every sequence of a two-token language."""

from itertools import product

import pytest
import torch
from torch.testing import assert_close

from gan_lab.losses.policy_gradient import negative_log_likelihood, policy_gradient
from gan_lab.networks.text.lstm import LstmGenerator
from gan_lab.networks.text.rollouts import action_values, numbers_of

LENGTHS = [3, 4]


def language(length):
    torch.manual_seed(1)
    return LstmGenerator(vocab_size=2, length=length, width=3, embedding=3, std=1.5).double()


def all_sequences(length):
    return torch.tensor(list(product([0, 1], repeat=length)))


def reward(tokens):
    """Uneven over the sequences: sin of the number that the bits make, in [0, 1]."""
    bits = 2 ** torch.arange(tokens.shape[1])
    return (torch.sin((tokens * bits).sum(1) * 1.7) + 1) / 2


def exact_values(generator, tokens):
    """Q by enumeration: the mean reward over all sequences that share the first t + 1 tokens."""
    every = all_sequences(tokens.shape[1])
    with torch.no_grad():
        chances = generator.log_likelihoods(every).double().sum(1).exp()
    values = torch.zeros(tokens.shape, dtype=torch.float64)
    for n, row in enumerate(tokens):
        for t in range(tokens.shape[1]):
            shares = chances * (every[:, : t + 1] == row[: t + 1]).all(1)
            values[n, t] = (shares * reward(every)).sum() / shares.sum()
    return values


def gradients(generator, loss):
    generator.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten().double() for p in generator.parameters()])


def expected_reward(generator, length):
    every = all_sequences(length)
    return (generator.log_likelihoods(every).sum(1).exp() * reward(every)).sum()


@pytest.mark.parametrize("length", LENGTHS)
def test_the_chances_of_all_sequences_add_up(length):
    generator = language(length)
    chances = generator.log_likelihoods(all_sequences(length)).sum(1).exp()
    assert chances.sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("length", LENGTHS)
def test_rollouts_reward_is_the_enumerated_one(length):
    generator, tokens = language(length), all_sequences(length)
    rollouts = 4000
    numbers = torch.rand(
        len(tokens), rollouts, numbers_of(length), generator=torch.Generator().manual_seed(0)
    )
    values = action_values(generator, reward, tokens, uniforms=numbers).double()
    exact = exact_values(generator, tokens)
    # A reward lies in [0, 1], so a mean of K has a standard error of at most 1 / (2 sqrt K).
    assert float((values - exact).abs().max()) < 4 * 0.5 / rollouts**0.5
    assert_close(values[:, -1], reward(tokens).double(), atol=1e-6, rtol=0)
    assert float(exact[:, 0].unique().diff().abs().max()) > 0.05, "there is something to tell apart"


@pytest.mark.parametrize("length", LENGTHS)
def test_the_policy_gradient_is_that_of_the_expected_reward(length):
    """Exactly, where every sequence is weighed by its chance and values are enumerated."""
    generator, every = language(length), all_sequences(length)
    expected = gradients(generator, expected_reward(generator, length))
    values = exact_values(generator, every)
    chances = generator.log_likelihoods(every).detach().sum(1).exp()
    likelihoods = generator.log_likelihoods(every)
    losses = [policy_gradient(likelihoods[n : n + 1], values[n : n + 1]) for n in range(len(every))]
    found = gradients(generator, (torch.stack(losses) * chances).sum())
    assert_close(found, -expected, atol=1e-5, rtol=1e-3)
    assert float(expected.abs().max()) > 0.01


def test_the_sampled_policy_gradient_is_near_the_expected_one():
    """The whole chain as training has it: sampled tokens, one rollout of each prefix."""
    length, count = 3, 20_000
    generator = language(length)
    draw = torch.Generator().manual_seed(2)
    expected = gradients(generator, expected_reward(generator, length))
    tokens = generator.sample(torch.rand(count, length, generator=draw))
    numbers = torch.rand(count, 1, numbers_of(length), generator=draw)
    values = action_values(generator, reward, tokens, uniforms=numbers)
    found = -gradients(generator, policy_gradient(generator.log_likelihoods(tokens), values))
    assert float((found - expected).norm() / expected.norm()) < 0.1


def test_values_are_targets():
    likelihoods = torch.zeros(2, 3, requires_grad=True)
    values = torch.ones(2, 3, requires_grad=True)
    policy_gradient(likelihoods, values).backward()
    assert values.grad is None
    assert_close(likelihoods.grad, torch.full((2, 3), -0.5))


def test_the_negative_log_likelihood_is_a_mean_per_token():
    assert float(negative_log_likelihood(torch.tensor([[-1.0, -2.0], [-3.0, -6.0]]))) == 3.0
