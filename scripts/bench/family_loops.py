"""Families of GANs as people write them by hand: the same work as the engine's rounds, for `bench_round.py`.

Each loop plays with the networks of a built game and yields the losses of each round, the generator's being None
between its updates. `noise(iteration, step, purpose, shape, sampler)` draws the random tensors; `adam(player)` makes
the optimizer; `average(iteration)` moves the generator's average.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch.nn import functional as F
from torch.nn.functional import relu, softplus
from torch.nn.utils import parametrize

from gan_lab.penalties.orthogonal import filters_of, off_diagonal


@contextmanager
def frozen(*modules):
    """Modules whose parameters get no gradient meanwhile."""
    for module in modules:
        module.requires_grad_(False)
    yield
    for module in modules:
        module.requires_grad_(True)


@contextmanager
def weights_once(resting):
    """Spectral norms are computed once; the power iterations of the network that does not move rest."""
    found = [m.parametrizations for m in resting.modules() if parametrize.is_parametrized(m)]
    for functions in found:
        functions.train(False)
    with parametrize.cached():
        yield
    for functions in found:
        functions.train(True)


def descend(optimizer, loss):
    """One update."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach()


def classes_of(uniform, count):
    """Classes of fakes, equally likely, with their one-hot vectors."""
    classes = (uniform * count).long()
    return classes, F.one_hot(classes, count).float()


def acgan_loop(game, average, batches, noise, adam, *, autocast):
    """AC-GAN: the non-saturating loss, and a classifier on the discriminator's features."""
    generator, discriminator, term = game.generator, game.discriminator, game.auxiliaries["acgan"]
    count, latent = game.label_dim, game.latent
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")
    iteration = 0

    def fakes(step, size):
        z = latent.from_normal(noise(iteration, step, "latent", (size, latent.dim), torch.randn))
        classes, labels = classes_of(noise(iteration, step, "label", (size,), torch.rand), count)
        return generator(z, labels), classes

    for batch in batches:
        real, size = batch["images"], len(batch["images"])
        with autocast():
            with torch.no_grad():
                fake, classes = fakes("discriminator", size)
            on_real, on_fake = discriminator(real), discriminator(fake)
            loss = (
                softplus(-on_real.logits.float()).mean() + softplus(on_fake.logits.float()).mean()
            )
            loss = loss + F.cross_entropy(term.head(on_real.features).float(), batch["labels"])
            loss = loss + F.cross_entropy(term.head(on_fake.features).float(), classes)
        d_loss = descend(d_optimizer, loss)
        with frozen(discriminator, term):
            with autocast():
                fake, classes = fakes("generator", size)
                on_fake = discriminator(fake)
                loss = softplus(-on_fake.logits.float()).mean()
                loss = loss + F.cross_entropy(term.head(on_fake.features).float(), classes)
            g_loss = descend(g_optimizer, loss)
        average(iteration)
        iteration += 1
        yield d_loss, g_loss


def infogan_loop(game, average, batches, noise, adam, *, autocast):
    """InfoGAN: the non-saturating loss, and a head that guesses the codes."""
    generator, discriminator, latent = game.generator, game.discriminator, game.latent
    term = game.auxiliaries["mutual_information"]
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")
    iteration = 0

    def drawn(step, size):
        return latent.from_normal(noise(iteration, step, "latent", (size, latent.dim), torch.randn))

    def information(on_fake, z):
        guesses, codes = term.guesses(on_fake.features), latent.codes(z)
        return torch.stack(
            [term._bound(name, guesses[name], codes[name]) for name in guesses]
        ).sum()

    for batch in batches:
        real, size = batch["images"], len(batch["images"])
        with autocast():
            z = drawn("discriminator", size)
            with torch.no_grad():
                fake = generator(z)
            on_real, on_fake = discriminator(real), discriminator(fake)
            loss = (
                softplus(-on_real.logits.float()).mean() + softplus(on_fake.logits.float()).mean()
            )
            loss = loss - information(on_fake, z)
        d_loss = descend(d_optimizer, loss)
        with frozen(discriminator, term):
            with autocast():
                z = drawn("generator", size)
                on_fake = discriminator(generator(z))
                loss = softplus(-on_fake.logits.float()).mean() - information(on_fake, z)
            g_loss = descend(g_optimizer, loss)
        average(iteration)
        iteration += 1
        yield d_loss, g_loss


def biggan_loop(game, average, batches, noise, adam, *, autocast):
    """BigGAN: the hinge loss, labels in both networks, spectral norms once a step, orthogonal filters."""
    generator, discriminator, latent = game.generator, game.discriminator, game.latent
    count, beta, every = game.label_dim, game.penalties["orthogonal"].weight, game.n_critic.at(0)
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")
    iteration = 0

    def fakes(step, size):
        z = latent.from_normal(noise(iteration, step, "latent", (size, latent.dim), torch.randn))
        _, labels = classes_of(noise(iteration, step, "label", (size,), torch.rand), count)
        return generator(z, labels), labels

    for batch in batches:
        real, size = batch["images"], len(batch["images"])
        with weights_once(generator), autocast():
            with torch.no_grad():
                fake, labels = fakes("discriminator", size)
            on_real = discriminator(real, F.one_hot(batch["labels"], count).float()).logits.float()
            on_fake = discriminator(fake, labels).logits.float()
            loss = relu(1 - on_real).mean() + relu(1 + on_fake).mean()
        d_loss, g_loss = descend(d_optimizer, loss), None
        if (iteration + 1) % every == 0:
            with frozen(discriminator):
                with weights_once(discriminator), autocast():
                    loss = -discriminator(*fakes("generator", size)).logits.float().mean()
                    loss = loss + beta * sum(off_diagonal(w) for w in filters_of(generator))
                g_loss = descend(g_optimizer, loss)
            average(iteration)
        iteration += 1
        yield d_loss, g_loss


def seqgan_loop(game, average, batches, noise, adam, *, autocast):
    """SeqGAN in its last phase: a judge of sequences, and the policy gradient by rollouts."""
    generator, discriminator, every = game.generator, game.discriminator, game.n_critic.at(0)
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")
    length, iteration = generator.length, 0

    def values_of(tokens, size):
        rollouts, start = game.rollouts, 0
        numbers = noise(
            iteration, "generator", "rollouts", (size, rollouts, length * (length - 1) // 2), torch.rand
        )  # fmt: skip
        values = []
        for known in range(1, length):
            part = numbers[:, :, start : start + length - known].flatten(0, 1)
            start += length - known
            rolled = generator.sample(part, tokens[:, :known].repeat_interleave(rollouts, dim=0))
            reward = torch.sigmoid(discriminator(rolled).logits.float())
            values.append(reward.view(size, rollouts).mean(dim=1))
        values.append(torch.sigmoid(discriminator(tokens).logits.float()))
        return torch.stack(values, dim=1)

    for batch in batches:
        real, size = batch["tokens"], len(batch["tokens"])
        with autocast():
            fake = generator.sample(
                noise(iteration, "discriminator", "tokens", (size, length), torch.rand)
            )
            on_real, on_fake = discriminator(real).logits, discriminator(fake).logits
            loss = softplus(-on_real.float()).mean() + softplus(on_fake.float()).mean()
        d_loss, g_loss = descend(d_optimizer, loss), None
        if (iteration + 1) % every == 0:
            with frozen(discriminator):
                with autocast():
                    fake = generator.sample(
                        noise(iteration, "generator", "tokens", (size, length), torch.rand)
                    )
                    discriminator.eval()
                    with torch.no_grad():
                        values = values_of(fake, size)
                    discriminator.train()
                    likelihoods = generator.log_likelihoods(fake)
                    loss = -(likelihoods * values).sum(dim=1).mean()
                g_loss = descend(g_optimizer, loss)
            average(iteration)
        iteration += 1
        yield d_loss, g_loss


LOOPS = {
    "acgan_32": acgan_loop, "infogan_32": infogan_loop, "biggan_32": biggan_loop, "seqgan": seqgan_loop,
}  # fmt: skip
