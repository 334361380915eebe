"""The semi-supervised term against the K + 1 classes of the paper, and the labelled images that it keeps."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gan_lab.auxiliary.semi_supervised import SemiSupervised
from gan_lab.losses.adversarial import NonSaturating
from gan_lab.networks.output import DiscriminatorOutput

N, F, K = 6, 5, 3


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def with_generated(term: SemiSupervised, features: torch.Tensor) -> np.ndarray:
    """log p over K + 1 classes, the last of which, "generated", has the logit 0."""
    logits = term.classify(DiscriminatorOutput(features[:, 0], features)).detach().double().numpy()
    return log_softmax(np.concatenate([logits, np.zeros((len(logits), 1))], axis=1))


def test_both_halves_are_the_cross_entropy_of_k_plus_one_classes():
    """With every real labelled: -E log p(y, x real) on reals and -E log p(K + 1) on fakes."""
    torch.manual_seed(0)
    term = SemiSupervised(feature_dim=F, label_dim=K)
    real, fake, classes = torch.randn(N, F), torch.randn(N, F), torch.randint(K, (N,))
    on_real, on_fake = (DiscriminatorOutput(x[:, 0], x) for x in (real, fake))
    play = SimpleNamespace(real=real, on_real=on_real, real_classes=classes)
    logits = term.judge(on_real), term.judge(on_fake)
    loss = NonSaturating().discriminator(*logits) + term.discriminator(play)
    wanted = -with_generated(term, real)[np.arange(N), classes].mean()
    wanted -= with_generated(term, fake)[:, K].mean()
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


def test_a_batch_teaches_by_the_labels_that_it_has():
    torch.manual_seed(0)
    term = SemiSupervised(feature_dim=F, label_dim=K)
    features, classes = torch.randn(N, F), torch.tensor([-1, 2, -1, -1, 0, -1])
    play = SimpleNamespace(
        real=features, on_real=DiscriminatorOutput(features[:, 0], features), real_classes=classes
    )
    logits = term.classify(play.on_real).detach().double().numpy()
    wanted = -log_softmax(logits)[[1, 4], [2, 0]].mean()
    assert term.discriminator(play).item() == pytest.approx(wanted, rel=1e-5)


def split(labels) -> SimpleNamespace:
    images = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)
    return SimpleNamespace(images=images, labels=torch.tensor(labels))


def test_few_labelled_images_are_kept_and_drawn_from():
    term = SemiSupervised(feature_dim=4, label_dim=K)
    term.prepare(split([-1, 2, -1, 0, 1, -1]))
    assert term.answers.tolist() == [2, 0, 1]
    assert term.pictures[:, 0, 0, 0].tolist() == [1, 3, 4]
    seen = []

    def discriminate(images):
        seen.append(images)
        return DiscriminatorOutput(images.sum((1, 2, 3)), images.flatten(1))

    asked = []

    def uniform(purpose, shape):
        asked.append(shape)
        return torch.tensor([0.0, 0.5, 0.99, 0.34])

    play = SimpleNamespace(real=torch.zeros(4, 1, 2, 2), discriminate=discriminate, uniform=uniform)
    loss = term.discriminator(play)
    assert asked == [(4,)]
    chosen = [1, 3, 4, 3]  # bytes, of the classes 2, 0, 1, 0
    pixels = (torch.tensor(chosen) - 127.5) / 127.5
    assert_close(seen[0], pixels[:, None, None, None].expand(-1, 1, 2, 2))
    logits = term.head(seen[0].flatten(1)).detach().double().numpy()
    wanted = -log_softmax(logits)[np.arange(4), [2, 0, 1, 0]].mean()
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(("kept", "left"), [(2, 0), (3, 3), (0, 0)])
def test_many_labelled_images_are_not_kept(kept, left):
    term = SemiSupervised(feature_dim=F, label_dim=K, kept=kept)
    term.prepare(split([-1, 2, -1, 0, 1, -1]))
    assert len(term.answers) == left


def test_a_checkpoint_brings_the_images_that_were_kept():
    term = SemiSupervised(feature_dim=F, label_dim=K)
    term.prepare(split([0, 1, -1]))
    owner, fresh = nn.ModuleDict({"a": term}), SemiSupervised(feature_dim=F, label_dim=K)
    nn.ModuleDict({"a": fresh}).load_state_dict(owner.state_dict())
    assert_close(fresh.state_dict(), term.state_dict(), rtol=0, atol=0)
