"""BLEU against counts by hand, likelihoods against sums, and lines of text as files."""

import math

import pytest
import torch

from gan_lab.common.errors import ConfigError
from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.data.sets.oracle import Oracle
from gan_lab.data.sets.text import TextFile
from gan_lab.media.lines import lines_of, save_lines
from gan_lab.metrics.text.bleu import bleu, self_bleu
from gan_lab.metrics.text.likelihood import mean_negative_log_likelihood
from gan_lab.metrics.text.ngrams import Bleu, SelfBleu
from gan_lab.metrics.text.oracle_nll import OracleNll
from gan_lab.metrics.views import Conditions
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


# As metrics of a run --------------------------------------------------------------------------------

CPU = torch.device("cpu")
ORACLE = Oracle(vocab_size=12, length=5, width=6, count=60)


def scored(metric, tokens, source=ORACLE):
    """The value of a metric on these samples, seen in parts."""
    metric.prepare(source, CPU, Conditions(batch_size=7))
    return metric.score(lambda start, count: tokens[start : start + count])


def test_the_oracle_judges_samples_as_it_wrote_them():
    tokens = ORACLE.load("test").tokens
    score = scored(OracleNll(num_samples=50), tokens)
    expected = mean_negative_log_likelihood(ORACLE.language.log_likelihoods, tokens[:50])
    assert score.values == {"metric/oracle_nll": pytest.approx(expected, rel=1e-6)}
    assert score.protocol["data"] == "oracle"
    assert score.protocol["unit"] == "nats per token"


def test_ngrams_are_counted_over_all_samples():
    tokens, reals = (ORACLE.load(split).tokens for split in ("test", "train"))
    found = scored(Bleu(num_samples=20, num_references=30, n_gram=2), tokens)
    expected = bleu(tokens[:20].tolist(), reals[:30].tolist(), n_gram=2)
    assert found.values == {"metric/bleu": pytest.approx(expected)}
    assert found.protocol["num_references"] == 30
    alike = scored(SelfBleu(num_samples=20, n_gram=2), tokens)
    assert alike.values["metric/self_bleu"] == pytest.approx(
        self_bleu(tokens[:20].tolist(), n_gram=2)
    )
    assert (OracleNll.lower_is_better, Bleu.lower_is_better, SelfBleu.lower_is_better) == (
        True, False, True,
    )  # fmt: skip


def test_padding_says_nothing():
    source = TextFile(length=40)
    metric = Bleu(num_samples=2, num_references=1, n_gram=1)
    tokens = source.load("train").tokens
    only = torch.zeros(2, 40, dtype=torch.int64)
    only[:, :3] = tokens[0, 0]
    scored(metric, only, source)
    assert metric.rows == [[int(tokens[0, 0])] * 3] * 2


def test_what_lacks_text_or_an_oracle_is_told():
    with pytest.raises(ConfigError, match="oracle_nll needs a language whose probabilities"):
        OracleNll().prepare(FashionMini(), CPU)
    with pytest.raises(ConfigError, match="self_bleu needs text, and fashion_mini has none"):
        SelfBleu().prepare(FashionMini(), CPU)
