"""The oracle's sequences: repeatable, as likely as it says, each once in an epoch."""

import pytest
import torch
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.data.sets.oracle import Oracle
from gan_lab.data.stream.sampler import Batches
from gan_lab.metrics.text.likelihood import mean_negative_log_likelihood

SMALL = {"vocab_size": 12, "length": 5, "width": 6, "count": 40}


def oracle(**options):
    return Oracle(**{**SMALL, **options})


def test_the_oracle_writes_the_same_each_time_and_other_splits_other_sequences():
    first, again = oracle().load("train"), oracle().load("train")
    assert torch.equal(first.tokens, again.tokens)
    assert first.fingerprint == again.fingerprint
    assert first.tokens.shape == (40, 5)
    assert first.tokens.dtype == torch.int64
    assert int(first.tokens.max()) < 12
    assert not torch.equal(first.tokens, oracle().load("test").tokens)
    assert first.fingerprint != oracle(language_seed=1).load("train").fingerprint
    assert first.sentences() == ["oracle (train): 40 sequences of 5 tokens, 12 different ones"]


def test_more_sequences_begin_with_the_same_ones():
    more, fewer = (oracle(count=n).load("train").tokens for n in (1500, 1000))
    assert torch.equal(more[:1000], fewer)


def test_what_the_oracle_writes_is_as_likely_as_its_probabilities_say():
    """The mean of -log p over sequences is the mean of the entropies that the language has behind their prefixes."""
    source = oracle(count=4000)
    tokens = source.load("train").tokens
    found = mean_negative_log_likelihood(source.language.log_likelihoods, tokens)
    logs = source.language.log_probabilities(tokens)
    entropy = -(logs.exp() * logs).sum(2).mean()
    assert_close(torch.tensor(found), entropy, atol=0.03, rtol=0)


@pytest.mark.parametrize("option", [{"vocab_size": 1}, {"length": 1}, {"count": 0}])
def test_sizes_that_cannot_be_are_refused(option):
    with pytest.raises(ConfigError, match=f"{next(iter(option))}="):
        oracle(**option)


def test_batches_hold_tokens_as_they_are_each_sequence_once_in_an_epoch():
    train = oracle().load("train")
    stream = iter(Batches(train, batch_size=8, seed=0, flip=False, device=torch.device("cpu")))
    seen = torch.cat([next(stream)["tokens"] for _ in range(5)])
    assert seen.dtype == torch.int64
    assert sorted(seen.tolist()) == sorted(train.tokens.tolist())
    assert not torch.equal(seen, train.tokens)
