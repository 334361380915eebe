"""Auxiliary terms against loops, closed forms and a joint distribution whose information is known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.testing import assert_close

from gan_lab.auxiliary.acgan import AuxiliaryClassifier
from gan_lab.auxiliary.adcgan import DiscriminativeClassifier
from gan_lab.auxiliary.contragan import ConditionalContrast, conditional_contrast
from gan_lab.auxiliary.feature_matching import FeatureMatching
from gan_lab.auxiliary.infomax import InfoMax
from gan_lab.auxiliary.mutual_information import (
    LEAST_DEVIATION,
    MutualInformation,
    category_bound,
    number_bound,
)
from gan_lab.auxiliary.pulling_away import PullingAway
from gan_lab.auxiliary.reacgan import DataToDataCrossEntropy, data_to_data_cross_entropy
from gan_lab.auxiliary.rotation import Rotation, turned
from gan_lab.auxiliary.tacgan import TwinClassifiers
from gan_lab.auxiliary.term import Head, features_of, label_loss, one_class, products
from gan_lab.common.errors import ConfigError
from gan_lab.networks.output import DiscriminatorOutput

N, F, K = 8, 5, 3


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def value(tensor: Tensor) -> float:
    return float(tensor.detach())


def numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def surprise(logits: np.ndarray, classes) -> float:
    """Mean of -log p(class), one image after the other."""
    return float(np.mean([-np.log(softmax(row)[c]) for row, c in zip(logits, classes)]))


def linear(layer: nn.Linear, x: np.ndarray) -> np.ndarray:
    return x @ numpy(layer.weight).T + numpy(layer.bias)


def fake_play(seed: int = 0, **more) -> SimpleNamespace:
    """Images, features and classes of both kinds; the discriminator's features are the first F pixels, times three."""
    draw = torch.Generator().manual_seed(seed)
    play = SimpleNamespace(seen=[])
    for kind in ("real", "fake"):
        images = torch.randn(N, 2, 4, 4, generator=draw)
        features = torch.randn(N, F, generator=draw).requires_grad_()
        classes = torch.randint(K, (N,), generator=draw)
        setattr(play, kind, images)
        setattr(play, f"on_{kind}", DiscriminatorOutput(features.sum(1), features))
        setattr(play, f"{kind}_classes", classes)
        setattr(play, f"{kind}_labels", one_hot(classes, K).float())

    def discriminate(images, labels=None):
        play.seen.append((images, labels))
        return DiscriminatorOutput(images.sum((1, 2, 3)), 3 * images.flatten(1)[:, :F])

    play.discriminate = discriminate
    for name, value in more.items():
        setattr(play, name, value)
    return play


# What terms share --------------------------------------------------------------------------------


def test_a_head_and_products_are_in_float32_under_autocast():
    head, x = Head(F, K), torch.randn(N, F)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        said, inner = head(x.bfloat16()), products(x, x)
    assert said.dtype == inner.dtype == torch.float32
    assert_close(numpy(said), linear(head, numpy(x.bfloat16())), rtol=1e-5, atol=1e-5)
    assert_close(numpy(inner), numpy(x) @ numpy(x).T, rtol=1e-5, atol=1e-5)


def test_the_label_loss_leaves_unknown_classes_out():
    logits, classes = torch.randn(N, K), torch.tensor([0, -1, 2, 1, -1, -1, 0, 2])
    known = classes >= 0
    wanted = surprise(numpy(logits[known]), classes[known].tolist())
    assert float(label_loss(logits, classes)) == pytest.approx(wanted, rel=1e-5)
    assert float(label_loss(logits, torch.full((N,), -1))) == 0


def test_the_label_loss_of_attributes_judges_each_by_itself():
    logits, labels = torch.randn(N, K), torch.randint(2, (N, K)).float()
    chance = 1 / (1 + np.exp(-numpy(logits)))
    wanted = -np.mean(np.where(numpy(labels) == 1, np.log(chance), np.log(1 - chance)))
    assert float(label_loss(logits, labels)) == pytest.approx(wanted, rel=1e-5)


def test_what_is_missing_is_told():
    with pytest.raises(ValueError, match="offers no features"):
        features_of(DiscriminatorOutput(torch.zeros(N), None))
    with pytest.raises(ConfigError, match="3 attributes of each image"):
        one_class(torch.zeros(N, K))


@pytest.mark.parametrize("side", ["discriminator_weight", "generator_weight"])
def test_weights_are_numbers_above_zero_or_schedules(side):
    with pytest.raises(ConfigError, match=f"{side}=-1"):
        Rotation(feature_dim=F, **{side: -1.0})
    ramp = {"schedule": "linear", "start": 0, "end": 1, "kimg": 1}
    assert getattr(Rotation(feature_dim=F, **{side: ramp}), side) == ramp


# AC-GAN ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_fakes", [True, False])
def test_acgan_is_the_cross_entropy_of_both(on_fakes):
    play, term = fake_play(), AuxiliaryClassifier(feature_dim=F, label_dim=K, on_fakes=on_fakes)
    real = surprise(linear(term.head, numpy(play.on_real.features)), play.real_classes.tolist())
    fake = surprise(linear(term.head, numpy(play.on_fake.features)), play.fake_classes.tolist())
    wanted = real + fake if on_fakes else real
    assert value(term.discriminator(play)) == pytest.approx(wanted, rel=1e-5)
    assert value(term.generator(play)) == pytest.approx(fake, rel=1e-5)


def test_acgan_takes_attributes():
    labels = torch.randint(2, (N, K)).float()
    play = fake_play(real_classes=labels, fake_classes=1 - labels)
    term = AuxiliaryClassifier(feature_dim=F, label_dim=K)
    chance = 1 / (1 + np.exp(-linear(term.head, numpy(play.on_fake.features))))
    wanted = -np.mean(np.where(numpy(labels) == 0, np.log(chance), np.log(1 - chance)))
    assert value(term.generator(play)) == pytest.approx(wanted, rel=1e-5)


# ContraGAN ---------------------------------------------------------------------------------------


def contrast_by_loops(images, anchors, classes, temperature) -> float:
    """arXiv:2006.12681, eq. 8, word by word."""
    total = 0.0
    for i, image in enumerate(images):
        own = math.exp(image @ anchors[i] / temperature)
        above = below = own
        for k, other in enumerate(images):
            if k == i:
                continue
            force = math.exp(image @ other / temperature)
            below += force
            above += force if classes[k] == classes[i] else 0
        total -= math.log(above / below)
    return total / len(images)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_contragan_is_the_loop_of_the_paper(temperature):
    play = fake_play()
    term = ConditionalContrast(feature_dim=F, label_dim=K, dim=7, temperature=temperature)
    anchors = unit(numpy(term.anchors.weight))
    for kind, side in (("real", term.discriminator), ("fake", term.generator)):
        features, classes = getattr(play, f"on_{kind}").features, getattr(play, f"{kind}_classes")
        images = unit(linear(term.projection, numpy(features)))
        wanted = contrast_by_loops(images, anchors[classes], classes.tolist(), temperature)
        assert value(side(play)) == pytest.approx(wanted, rel=1e-5), kind


def test_the_contrast_of_one_class_is_zero_and_its_gradient_finite():
    images = nn.functional.normalize(torch.randn(N, 4), dim=1).requires_grad_()
    alone = conditional_contrast(images, images, torch.zeros(N, dtype=torch.long), temperature=1.0)
    assert float(alone.detach()) == pytest.approx(0, abs=1e-6)
    apart = conditional_contrast(images, images, torch.arange(N), temperature=0.01)
    (gradient,) = torch.autograd.grad(apart, [images])
    assert gradient.isfinite().all()


# InfoGAN -----------------------------------------------------------------------------------------


def test_the_bound_is_the_information_where_q_is_the_posterior():
    """A uniform code of three, seen through a channel: the bound at the true posterior is I, at others it is less."""
    channel = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])  # p(x | c)
    joint = channel / 3
    posterior = joint / joint.sum(axis=0)
    information = float(
        (joint * np.log(joint / (joint.sum(1, keepdims=True) * joint.sum(0)))).sum()
    )
    # Every pair as often as its probability, in thousandths.
    counts = np.rint(joint * 3000).astype(int)
    codes = np.repeat(np.repeat(np.arange(3), 3), counts.reshape(-1))
    images = np.repeat(np.tile(np.arange(3), 3), counts.reshape(-1))
    exact = torch.tensor(np.log(posterior.T)[images])
    bound = float(category_bound(exact, torch.tensor(codes)))
    assert bound == pytest.approx(information, rel=1e-5)
    assert information > 0.1
    off = torch.tensor(np.log(softmax(2 * np.log(posterior.T)))[images])
    assert float(category_bound(off, torch.tensor(codes))) < bound - 0.01
    blind = category_bound(torch.zeros(len(codes), 3), torch.tensor(codes))
    assert float(blind) == pytest.approx(0, abs=1e-5)


def test_the_bound_of_a_number_lies_just_below_the_information():
    """x = c + noise of deviation 0.05: I is ln 2 - h(noise), but for the edges."""
    draw, deviation = np.random.default_rng(0), 0.05
    code = draw.uniform(-1, 1, 200_000)
    image = torch.tensor(code + deviation * draw.normal(size=code.shape))
    noise_entropy = 0.5 * math.log(2 * math.pi * math.e * deviation**2)
    bound = float(number_bound(image, torch.full_like(image, deviation), torch.tensor(code)))
    assert bound == pytest.approx(math.log(2) - noise_entropy, abs=0.01)
    assert float(number_bound(image, torch.full_like(image, 0.2), torch.tensor(code))) < bound - 0.1


@pytest.mark.parametrize("one_hots", [True, False])
def test_infogan_adds_the_codes_up(one_hots):
    codes = {"digit": torch.randint(K, (N,)), "slant": torch.rand(N) * 2 - 1}
    written = {"digit": one_hot(codes["digit"], K).float(), "slant": codes["slant"][:, None]}
    play = fake_play(codes=written if one_hots else codes)
    term = MutualInformation(feature_dim=F, codes={"digit": K, "slant": 1}, numbers=0.3, width=6)
    hidden = linear(term.hidden, numpy(play.on_fake.features))
    said = linear(term.outputs, np.where(hidden > 0, hidden, 0.1 * hidden))
    assert said.shape == (N, K + 2)
    digit = math.log(K) - surprise(said[:, :K], codes["digit"].tolist())
    deviation = np.log1p(np.exp(said[:, 4] + math.log(math.e - 1))) + LEAST_DEVIATION
    density = np.exp(-0.5 * ((numpy(codes["slant"]) - said[:, 3]) / deviation) ** 2) / (
        deviation * math.sqrt(2 * math.pi)
    )
    slant = math.log(2) + np.log(density).mean()
    for side in (term.discriminator, term.generator):
        assert value(side(play)) == pytest.approx(-(digit + 0.3 * slant), rel=1e-5, abs=1e-6)


def test_q_learns_a_code_that_can_be_seen():
    """After some steps of Q alone the bound comes near ln K."""
    torch.manual_seed(0)
    term = MutualInformation(feature_dim=F, codes={"digit": K}, width=16)
    digit = torch.randint(K, (64,))
    features = torch.cat([one_hot(digit, K).float(), torch.randn(64, F - K)], dim=1)
    play = SimpleNamespace(on_fake=DiscriminatorOutput(digit, features), codes={"digit": digit})
    adam = torch.optim.Adam(term.parameters(), 0.02)
    for _ in range(150):
        adam.zero_grad()
        loss = term.discriminator(play)
        loss.backward()
        adam.step()
    assert math.log(K) - 0.05 < -float(loss.detach()) <= math.log(K)


# SSGAN -------------------------------------------------------------------------------------------


def test_images_are_turned_as_numpy_turns_them():
    images = torch.randn(2, 3, 4, 4)
    for turn, some in enumerate(turned(images).chunk(4)):
        assert_close(some.numpy(), np.rot90(images.numpy(), turn, (2, 3)).copy())


def test_rotation_asks_how_far_every_fourth_image_was_turned():
    play, term = fake_play(), Rotation(feature_dim=F)
    for kind, side in (("real", term.discriminator), ("fake", term.generator)):
        images = getattr(play, kind)
        logits, answers = [], []
        for turn in range(4):
            for image in numpy(images)[::4]:
                features = 3 * np.rot90(image, turn, (1, 2)).reshape(-1)[:F]
                logits.append(linear(term.head, features))
                answers.append(turn)
        assert value(side(play)) == pytest.approx(surprise(np.array(logits), answers), rel=1e-5)
        seen, labels = play.seen[-1]
        assert len(seen) == len(labels) == 8
        assert_close(labels[2:4], getattr(play, f"{kind}_labels")[::4])


def test_rotation_goes_without_labels():
    play = fake_play(real_labels=None, fake_labels=None)
    assert Rotation(feature_dim=F, every=1).generator(play).isfinite()
    assert play.seen[-1][1] is None


# Feature matching --------------------------------------------------------------------------------


def test_feature_matching_is_the_squared_distance_of_the_means():
    play, term = fake_play(), FeatureMatching()
    apart = numpy(play.on_real.features).mean(0) - numpy(play.on_fake.features).mean(0)
    loss = term.generator(play)
    assert float(loss.detach()) == pytest.approx(float(apart @ apart), rel=1e-5)
    loss.backward()
    assert play.on_real.features.grad is None
    assert_close(
        numpy(play.on_fake.features.grad), np.tile(-2 * apart / N, (N, 1)), rtol=1e-4, atol=1e-6
    )
    assert not hasattr(term, "discriminator")


# TAC-GAN and ADC-GAN -----------------------------------------------------------------------------


@pytest.mark.parametrize("on_fakes", [True, False])
def test_tacgan_sets_the_twin_against_the_first(on_fakes):
    play, term = fake_play(), TwinClassifiers(feature_dim=F, label_dim=K, on_fakes=on_fakes)
    real, fake = numpy(play.on_real.features), numpy(play.on_fake.features)
    classes = play.fake_classes.tolist()
    first, twin = (surprise(linear(h, fake), classes) for h in (term.head, term.twin))
    wanted = surprise(linear(term.head, real), play.real_classes.tolist()) + twin
    wanted += first if on_fakes else 0
    assert value(term.discriminator(play)) == pytest.approx(wanted, rel=1e-5)
    assert value(term.generator(play)) == pytest.approx(first - twin, rel=1e-4, abs=1e-6)


def test_a_generator_gains_nothing_where_the_twins_agree():
    play, term = fake_play(), TwinClassifiers(feature_dim=F, label_dim=K)
    term.twin.load_state_dict(term.head.state_dict())
    term.generator(play).backward()
    assert_close(play.on_fake.features.grad, torch.zeros(N, F))


def test_adcgan_tells_real_from_generated_by_class():
    play, term = fake_play(), DiscriminativeClassifier(feature_dim=F, label_dim=K)
    real, fake = (linear(term.head, numpy(p.features)) for p in (play.on_real, play.on_fake))
    assert real.shape == (N, 2 * K)
    asked = play.fake_classes.tolist()
    generated = surprise(fake, [c + K for c in asked])
    wanted = surprise(real, play.real_classes.tolist()) + generated
    assert value(term.discriminator(play)) == pytest.approx(wanted, rel=1e-5)
    wanted = surprise(fake, asked) - generated
    assert value(term.generator(play)) == pytest.approx(wanted, rel=1e-4, abs=1e-6)


# ReACGAN -----------------------------------------------------------------------------------------


def d2d_by_loops(images, proxies, classes, *, temperature, positive, negative) -> float:
    """arXiv:2111.01118, eq. 9, word by word."""
    total = 0.0
    for i, image in enumerate(images):
        near = math.exp(min(image @ proxies[i] - positive, 0) / temperature)
        apart = sum(
            math.exp(max(image @ other - negative, 0) / temperature)
            for j, other in enumerate(images)
            if classes[j] != classes[i]
        )
        total -= math.log(near / (near + apart))
    return total / len(images)


@pytest.mark.parametrize(
    "margins",
    [
        {"temperature": 0.5, "positive": 0.98, "negative": 0.02},
        {"temperature": 0.2, "positive": 0.1, "negative": -0.3},
    ],
    ids=["paper", "other"],
)
def test_reacgan_is_the_loop_of_the_paper(margins):
    play, term = fake_play(), DataToDataCrossEntropy(feature_dim=F, label_dim=K, dim=7, **margins)
    proxies = unit(numpy(term.anchors.weight))
    for kind, side in (("real", term.discriminator), ("fake", term.generator)):
        features, classes = getattr(play, f"on_{kind}").features, getattr(play, f"{kind}_classes")
        images = unit(linear(term.projection, numpy(features)))
        wanted = d2d_by_loops(images, proxies[classes], classes.tolist(), **margins)
        assert value(side(play)) == pytest.approx(wanted, rel=1e-5), kind


def test_reacgan_leaves_easy_images_alone():
    """Beyond both margins the gradient is zero."""
    images = torch.eye(3).requires_grad_()
    loss = data_to_data_cross_entropy(
        images, torch.eye(3), torch.arange(3), temperature=0.5, positive=0.9, negative=0.1
    )
    assert float(loss.detach()) == pytest.approx(math.log(3), rel=1e-6)
    loss.backward()
    assert_close(images.grad, torch.zeros(3, 3))


@pytest.mark.parametrize(
    "term", [TwinClassifiers, DiscriminativeClassifier, ConditionalContrast, DataToDataCrossEntropy]
)
def test_terms_of_one_class_refuse_attributes_in_words(term):
    play = fake_play(fake_classes=torch.zeros(N, K))
    with pytest.raises(ConfigError, match="takes one class"):
        term(feature_dim=F, label_dim=K).generator(play)


def test_pulling_away_is_the_mean_squared_cosine_of_pairs():
    play = fake_play()
    features = unit(numpy(play.on_fake.features))
    pairs = [(a @ b) ** 2 for i, a in enumerate(features) for j, b in enumerate(features) if i != j]
    assert value(PullingAway().generator(play)) == pytest.approx(np.mean(pairs), rel=1e-5)


# InfoMax-GAN -------------------------------------------------------------------------------------


def contrast_of_places(places, wholes) -> float:
    """Image by image, place by place."""
    surprises = []
    for i, whole in enumerate(wholes):
        others = sum(
            math.exp(whole @ place) for j, image in enumerate(places) if j != i for place in image
        )
        for place in places[i]:
            own = math.exp(whole @ place)
            surprises.append(-math.log(own / (own + others)))
    return float(np.mean(surprises))


def test_infomax_is_the_loop_over_places():
    term, play = InfoMax(feature_dim=F, local_dim=4, dim=6), fake_play()
    for kind, side in (("real", term.discriminator), ("fake", term.generator)):
        local, features = torch.randn(N, 4, 2, 3), torch.randn(N, F)
        setattr(play, f"on_{kind}", DiscriminatorOutput(features.sum(1), features, local))
        places = [linear(term.of_places, x.reshape(4, 6).T) for x in numpy(local)]
        wanted = contrast_of_places(places, linear(term.of_wholes, numpy(features)))
        assert value(side(play)) == pytest.approx(wanted, rel=1e-5), kind


def test_infomax_says_what_it_lacks():
    with pytest.raises(ValueError, match="no local features"):
        InfoMax(feature_dim=F, local_dim=4).generator(fake_play())
