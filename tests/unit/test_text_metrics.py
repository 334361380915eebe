"""BLEU against counts by hand, likelihoods against sums, and lines of text as files."""

import math

import pytest
import torch

from gan_lab.media.lines import lines_of, save_lines
from gan_lab.metrics.text.bleu import bleu, self_bleu
from gan_lab.metrics.text.likelihood import mean_negative_log_likelihood
from gan_lab.networks.text.oracle import oracle_language


def test_bleu_is_what_counting_says():
    """One sample: 3 of 4 tokens are known and 2 of 3 pairs; it is as long as the reference, so nothing is taken off."""
    assert bleu([[1, 2, 3, 9]], [[1, 2, 3, 4]], n_gram=2) == pytest.approx(math.sqrt(3 / 4 * 2 / 3))
    assert bleu([[1, 2, 3, 4], [5, 6, 7, 8]], [[5, 6, 7, 8], [1, 2, 3, 4]], n_gram=4) == pytest.approx(1)  # fmt: skip
    assert bleu([[1, 2]], [[3, 4]], n_gram=2) == 0


def test_a_repeated_token_counts_as_often_as_a_reference_has_it():
    assert bleu([[7, 7, 7, 7]], [[7, 7, 1, 2], [7, 3, 4, 5]], n_gram=1) == pytest.approx(2 / 4)


def test_a_short_sample_is_taken_down_by_its_brevity():
    assert bleu([[1, 2]], [[1, 2, 3, 4]], n_gram=1) == pytest.approx(math.exp(1 - 4 / 2))


def test_tokens_of_two_digits_are_tokens():
    assert bleu([[1, 1]], [[11]], n_gram=1) == 0


def test_self_bleu_tells_the_same_again_and_again_from_variety():
    same, varied = [[1, 2, 3, 4]] * 3, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    assert self_bleu(same, n_gram=4) == pytest.approx(1)
    assert self_bleu(varied, n_gram=1) == 0
    # Two of three are the same: 8 of 12 tokens are found among the others, and 6 of 9 pairs.
    assert self_bleu([*same[:2], varied[1]], n_gram=2) == pytest.approx(2 / 3)


def test_the_negative_log_likelihood_is_the_mean_over_tokens_whatever_the_chunks():
    oracle = oracle_language(vocab_size=20, length=4, width=5)
    tokens = torch.randint(20, (7, 4), generator=torch.Generator().manual_seed(0))
    table = oracle.log_probabilities(tokens)
    terms = [table[n, t, tokens[n, t]].item() for n in range(7) for t in range(4)]
    for size in (3, 7, 100):
        found = mean_negative_log_likelihood(oracle.log_likelihoods, tokens, batch_size=size)
        assert found == pytest.approx(-sum(terms) / 28, rel=1e-6)


def test_the_oracle_likes_its_own_samples_best():
    oracle = oracle_language(vocab_size=20, length=4, width=5)
    draw = torch.Generator().manual_seed(0)
    own = oracle.sample(torch.rand(500, 4, generator=draw))
    others = torch.randint(20, (500, 4), generator=draw)
    own, others = (
        mean_negative_log_likelihood(oracle.log_likelihoods, tokens) for tokens in (own, others)
    )
    assert own < others - 1


# Lines ------------------------------------------------------------------------------------------

TOKENS = torch.tensor([[0, 1, 3], [2, 2, 3]])


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({}, ["0 1 3", "2 2 3"]),
        ({"vocabulary": ["ab", "cd", "e", ""], "silent": 3}, ["ab cd", "e e"]),
        ({"vocabulary": ("h", "i", "\n", "."), "joint": ""}, ["hi.", "\n\n."]),
    ],
    ids=["numbers", "words", "characters"],
)
def test_tokens_are_spelled(options, lines):
    assert lines_of(TOKENS, **options) == lines


def test_a_sample_is_one_line_of_a_file(tmp_path):
    save_lines(["a\nb", "c\\d", "", "ü"], tmp_path / "samples.txt")
    text = (tmp_path / "samples.txt").read_bytes().decode()
    assert text == "a\\nb\nc\\\\d\n\nü\n"
    assert [file.name for file in tmp_path.iterdir()] == ["samples.txt"]
