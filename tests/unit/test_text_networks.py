"""Networks over tokens, against arithmetic by hand, counts and torch's own draws."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.networks.text.cnn import Highway, TextCnnDiscriminator
from gan_lab.networks.text.drawing import gumbel_softmax, inverse_cdf
from gan_lab.networks.text.lstm import LstmGenerator
from gan_lab.networks.text.oracle import oracle_language

LENGTH, VOCABULARY = 5, 7


def generator(std=1.0, **options):
    torch.manual_seed(0)
    return LstmGenerator(
        vocab_size=VOCABULARY, length=LENGTH, width=4, embedding=3, std=std, **options
    )


def uniforms(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def sequences(count, length=LENGTH, vocabulary=VOCABULARY):
    draw = torch.Generator().manual_seed(3)
    return torch.randint(vocabulary, (count, length), generator=draw)


def by_hand(network, tokens):
    """log G of one sequence, from the equations of the LSTM (Hochreiter and Schmidhuber 1997, as torch orders them)."""
    state, cell = torch.zeros(4), torch.zeros(4)
    read, found = VOCABULARY, []
    for token in tokens.tolist():
        x = network.embedding.weight[read]
        sums = (
            network.lstm.weight_ih_l0 @ x + network.lstm.bias_ih_l0
            + network.lstm.weight_hh_l0 @ state + network.lstm.bias_hh_l0
        )  # fmt: skip
        inward, forget, new, outward = sums.split(4)
        cell = forget.sigmoid() * cell + inward.sigmoid() * new.tanh()
        state = outward.sigmoid() * cell.tanh()
        scores = network.head.weight @ state + network.head.bias
        found.append(scores - scores.exp().sum().log())
        read = token
    return torch.stack(found)


# The generator ----------------------------------------------------------------------------------


def test_log_probabilities_are_those_of_the_equations():
    network, tokens = generator(), sequences(3)
    with torch.no_grad():
        given = network.log_probabilities(tokens)
        expected = torch.stack([by_hand(network, row) for row in tokens])
    assert_close(given, expected, atol=1e-5, rtol=1e-5)
    assert_close(given.exp().sum(2), torch.ones(3, LENGTH))
    picked = torch.stack([expected[n, t, tokens[n, t]] for n in range(3) for t in range(LENGTH)])
    assert_close(network.log_likelihoods(tokens).detach().flatten(), picked, atol=1e-5, rtol=1e-5)


def test_a_sequence_is_a_function_of_its_numbers_and_follows_the_probabilities():
    """Each token is the one whose stretch of the cumulated probabilities holds the number."""
    network, numbers = generator(), uniforms(6, LENGTH)
    tokens = network(numbers)
    assert tokens.dtype == torch.int64
    probabilities = network.log_probabilities(tokens).exp().detach()
    below = torch.cat([torch.zeros(6, LENGTH, 1), probabilities.cumsum(2)], dim=2)
    at = tokens.unsqueeze(2)
    assert bool((below.gather(2, at).squeeze(2) <= numbers + 1e-5).all())
    assert bool((numbers <= below.gather(2, at + 1).squeeze(2) + 1e-5).all())
    assert torch.equal(tokens[2:4], network(numbers[2:4])), "the same whatever the chunking"
    assert len({tuple(row) for row in tokens.tolist()}) > 1


def test_a_prefix_is_continued_as_if_it_had_been_written():
    network, numbers = generator(), uniforms(6, LENGTH)
    whole = network.sample(numbers)
    for known in range(1, LENGTH):
        assert torch.equal(network.sample(numbers[:, known:], whole[:, :known]), whole)


def test_samples_come_as_often_as_their_probability_says():
    network = generator(std=0.7)
    first = network.sample(uniforms(20_000, 1)).flatten().bincount(minlength=VOCABULARY) / 20_000
    expected = network.log_probabilities(torch.zeros(1, 1, dtype=torch.int64))[0, 0].exp().detach()
    spread = (expected * (1 - expected) / 20_000).sqrt()
    assert bool(((first - expected).abs() < 4 * spread).all())


def test_the_largest_numbers_stand_for_a_token_that_exists():
    rows = torch.full((3, VOCABULARY), -math.log(VOCABULARY))
    numbers = torch.tensor([0.0, 0.5, 1 - 2**-24])
    assert inverse_cdf(rows, numbers).tolist() == [0, 3, VOCABULARY - 1]
    assert inverse_cdf(rows - 1e-3, numbers).tolist() == [0, 3, VOCABULARY - 1], "sum below 1"


# Relaxed tokens ---------------------------------------------------------------------------------


def test_gumbel_softmax_is_torchs_on_the_same_numbers():
    logits = torch.randn(4, VOCABULARY, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(5)
    expected = F.gumbel_softmax(logits, tau=0.7)
    torch.manual_seed(5)  # torch's noise is -log of these exponential numbers
    numbers = (-torch.empty_like(logits).exponential_()).exp()
    assert_close(gumbel_softmax(logits, numbers, temperature=0.7), expected, atol=1e-5, rtol=1e-4)


def test_straight_through_is_one_hot_with_the_relaxed_gradient():
    numbers, weights = uniforms(4, VOCABULARY), uniforms(4, VOCABULARY, seed=2)
    gradients = []
    for straight in (False, True):
        logits = torch.zeros(4, VOCABULARY, requires_grad=True)
        token = gumbel_softmax(logits, numbers, temperature=0.5, straight_through=straight)
        (token * weights).sum().backward()
        gradients.append(logits.grad)
    assert sorted(token.unique().tolist()) == [0.0, 1.0]
    assert token.sum(1).tolist() == [1.0] * 4
    assert_close(gradients[0], gradients[1])
    assert float(gradients[0].abs().sum()) > 0


def test_a_number_of_zero_makes_no_nan():
    logits = torch.zeros(1, 3, requires_grad=True)
    token = gumbel_softmax(logits, torch.tensor([[0.0, 0.5, 0.5]]), temperature=0.1)
    token[0, 1].backward()
    assert bool(token.isfinite().all())
    assert bool(logits.grad.isfinite().all())


def test_relaxed_tokens_at_a_low_temperature_are_those_that_the_generator_would_write():
    """Forward they are one-hot: feeding them back is feeding the tokens back, so likelihoods agree."""
    network, numbers = generator(), uniforms(8, LENGTH, VOCABULARY)
    hard = network.relaxed(numbers, temperature=1.0, straight_through=True)
    soft = network.relaxed(numbers, temperature=1e-4)
    assert_close(soft, hard, atol=1e-3, rtol=0)
    tokens = hard.argmax(2)
    noise = -(-numbers.log()).log()
    again = (network.log_probabilities(tokens) + noise).argmax(2)
    assert torch.equal(again, tokens)


def test_gradients_reach_the_generator_through_relaxed_tokens_and_the_judge():
    network, judge = (
        generator(),
        TextCnnDiscriminator(vocab_size=VOCABULARY, length=LENGTH, width=2),
    )
    soft = network.relaxed(uniforms(4, LENGTH, VOCABULARY), temperature=1.0)
    judge(soft).logits.sum().backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in network.parameters())


# The judge --------------------------------------------------------------------------------------


def test_one_hot_tokens_are_judged_as_tokens():
    judge = TextCnnDiscriminator(vocab_size=VOCABULARY, length=LENGTH, width=3).eval()
    tokens = sequences(4)
    logits, features, *_ = judge(tokens)
    assert logits.shape == (4,)
    assert features.shape == (4, judge.feature_dim)
    assert_close(judge(F.one_hot(tokens, VOCABULARY).float()).logits, logits, atol=1e-5, rtol=1e-5)


def test_the_judge_of_the_paper_has_its_windows():
    """100, 200, 200, 200, 200, 100, 100, 100, 100, 100, 160, 160 feature maps, 1,720 in all."""
    judge = TextCnnDiscriminator(vocab_size=5000, length=20)
    maps = {layer.kernel_size[0]: layer.out_channels for layer in judge.convolutions}
    assert maps == {
        1: 100, 2: 200, 3: 200, 4: 200, 5: 200, 6: 100, 7: 100, 8: 100, 9: 100, 10: 100, 15: 160, 20: 160
    }  # fmt: skip
    assert judge.feature_dim == 1720
    assert [
        layer.kernel_size[0]
        for layer in TextCnnDiscriminator(vocab_size=9, length=3, width=1).convolutions
    ] == [1, 2, 3]


def test_a_convolution_sees_what_it_should():
    """The first feature of a window of two, by hand: its largest answer over time, and the gate shut."""
    judge = TextCnnDiscriminator(vocab_size=9, length=4, width=1, windows=(2,), shares=(1,)).eval()
    with torch.no_grad():
        judge.highway.gate.bias.fill_(-1e9)
    tokens = torch.tensor([[1, 5, 0, 8]])
    weight = judge.convolutions[0].weight[0].detach()
    bias = judge.convolutions[0].bias[0].detach()
    table = judge.embedding.weight.detach()
    answers = [
        float((weight[:, 0] * table[tokens[0, t]]).sum() + (weight[:, 1] * table[tokens[0, t + 1]]).sum() + bias)
        for t in range(3)
    ]  # fmt: skip
    assert judge(tokens).features.item() == pytest.approx(max(0.0, *answers), abs=1e-5)


def test_the_highway_mixes_its_layer_with_its_input():
    gate = Highway(3)
    x = torch.tensor([[1.0, -2.0, 3.0]])
    share = torch.sigmoid(x @ gate.gate.weight.T - 2)
    new = (x @ gate.layer.weight.T + gate.layer.bias).clamp_min(0)
    assert_close(gate(x), share * new + (1 - share) * x)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"windows": (9,), "shares": (1,)}, "longer than a sequence of 5 tokens"),
        ({"windows": (1, 2), "shares": (1,)}, "one for each of the 1 shares"),
        ({"windows": (2, 2), "shares": (1, 1)}, "different lengths"),
        ({"windows": (0,), "shares": (1,)}, "windows=0"),
        ({"width": 0}, "width=0"),
    ],
)
def test_windows_that_cannot_be_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        TextCnnDiscriminator(vocab_size=VOCABULARY, length=LENGTH, **options)


# The oracle -------------------------------------------------------------------------------------


def test_the_oracle_is_the_same_for_a_seed_and_leaves_random_numbers_alone():
    torch.manual_seed(11)
    state = torch.get_rng_state()
    one = oracle_language(vocab_size=50, length=6, width=8, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    again = oracle_language(vocab_size=50, length=6, width=8, seed=1)
    other = oracle_language(vocab_size=50, length=6, width=8, seed=2)
    assert torch.equal(one.head.weight, again.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_the_oracles_weights_are_standard_normal():
    oracle = oracle_language(vocab_size=500, length=6, seed=0)
    weights = torch.cat([p.flatten() for p in oracle.parameters()])
    assert abs(float(weights.mean())) < 0.02
    assert abs(float(weights.std()) - 1) < 0.02
    assert not any(p.requires_grad for p in oracle.parameters())
