"""Families of GANs as people write them by hand: the same work as the engine's rounds, for `bench_round.py`.

Each loop plays with the networks of a built game and yields the losses of each round, the generator's being None
between its updates. `noise(iteration, step, purpose, shape, sampler)` draws the random tensors; `adam(player)` makes
the optimizer; `average(iteration)` moves the generator's average.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

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


def latents_of(game, noise, iteration, step, size):
    """The latents of a step, as the engine draws them."""
    shape = (size, game.latent.dim)
    return game.latent.from_normal(noise(iteration, step, "latent", shape, torch.randn))


def asked_fakes(game, noise, iteration, step, size):
    """Fakes of classes that are drawn for them: images, one-hot labels and classes."""
    drawn = noise(iteration, step, "label", (size,), torch.rand)
    classes, labels = classes_of(drawn, game.label_dim)
    return game.generator(latents_of(game, noise, iteration, step, size), labels), labels, classes


def unsaturated(on_real, on_fake):
    """The discriminator's side of the non-saturating loss."""
    return softplus(-on_real.logits.float()).mean() + softplus(on_fake.logits.float()).mean()


def acgan_loop(game, average, batches, noise, adam, *, autocast):
    """AC-GAN: the non-saturating loss, and a classifier on the discriminator's features."""
    discriminator, term = game.discriminator, game.auxiliaries["acgan"]
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")
    fakes = partial(asked_fakes, game, noise)

    for iteration, batch in enumerate(batches):
        real, size = batch["images"], len(batch["images"])
        with autocast():
            with torch.no_grad():
                fake, _, classes = fakes(iteration, "discriminator", size)
            on_real, on_fake = discriminator(real), discriminator(fake)
            loss = unsaturated(on_real, on_fake)
            loss = loss + F.cross_entropy(term.head(on_real.features).float(), batch["labels"])
            loss = loss + F.cross_entropy(term.head(on_fake.features).float(), classes)
        d_loss = descend(d_optimizer, loss)
        with frozen(discriminator, term):
            with autocast():
                fake, _, classes = fakes(iteration, "generator", size)
                on_fake = discriminator(fake)
                loss = softplus(-on_fake.logits.float()).mean()
                loss = loss + F.cross_entropy(term.head(on_fake.features).float(), classes)
            g_loss = descend(g_optimizer, loss)
        average(iteration)
        yield d_loss, g_loss


def infogan_loop(game, average, batches, noise, adam, *, autocast):
    """InfoGAN: the non-saturating loss, and a head that guesses the codes."""
    generator, discriminator, latent = game.generator, game.discriminator, game.latent
    term = game.auxiliaries["mutual_information"]
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")

    def information(on_fake, z):
        guesses, codes = term.guesses(on_fake.features), latent.codes(z)
        return torch.stack(
            [term._bound(name, guesses[name], codes[name]) for name in guesses]
        ).sum()

    for iteration, batch in enumerate(batches):
        real, size = batch["images"], len(batch["images"])
        with autocast():
            z = latents_of(game, noise, iteration, "discriminator", size)
            with torch.no_grad():
                fake = generator(z)
            on_real, on_fake = discriminator(real), discriminator(fake)
            loss = unsaturated(on_real, on_fake)
            loss = loss - information(on_fake, z)
        d_loss = descend(d_optimizer, loss)
        with frozen(discriminator, term):
            with autocast():
                z = latents_of(game, noise, iteration, "generator", size)
                on_fake = discriminator(generator(z))
                loss = softplus(-on_fake.logits.float()).mean() - information(on_fake, z)
            g_loss = descend(g_optimizer, loss)
        average(iteration)
        yield d_loss, g_loss


def biggan_loop(game, average, batches, noise, adam, *, autocast):
    """BigGAN: the hinge loss, labels in both networks, spectral norms once a step, orthogonal filters."""
    generator, discriminator, count = game.generator, game.discriminator, game.label_dim
    beta, every = game.penalties["orthogonal"].weight, game.n_critic.at(0)
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")
    fakes = partial(asked_fakes, game, noise)

    for iteration, batch in enumerate(batches):
        real, size = batch["images"], len(batch["images"])
        with weights_once(generator), autocast():
            with torch.no_grad():
                fake, labels, _ = fakes(iteration, "discriminator", size)
            on_real = discriminator(real, F.one_hot(batch["labels"], count).float()).logits.float()
            on_fake = discriminator(fake, labels).logits.float()
            loss = relu(1 - on_real).mean() + relu(1 + on_fake).mean()
        d_loss, g_loss = descend(d_optimizer, loss), None
        if (iteration + 1) % every == 0:
            with frozen(discriminator):
                with weights_once(discriminator), autocast():
                    fake, labels, _ = fakes(iteration, "generator", size)
                    loss = -discriminator(fake, labels).logits.float().mean()
                    loss = loss + beta * sum(off_diagonal(w) for w in filters_of(generator))
                g_loss = descend(g_optimizer, loss)
            average(iteration)
        yield d_loss, g_loss


def gradient_norms(logits, images):
    """Half the mean squared gradient norm of logits (N,) at images."""
    (slope,) = torch.autograd.grad(logits.sum(), [images], create_graph=True)
    return 0.5 * slope.float().square().sum(dim=(1, 2, 3)).mean()


def r3gan_loop(game, average, batches, noise, adam, *, autocast):
    """R3GAN: pairs of a real and a fake, and the gradient at both in each step of the discriminator."""
    generator, discriminator = game.generator, game.discriminator
    weights = [game.penalties[name].weight for name in ("r1", "r2")]
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")

    for iteration, batch in enumerate(batches):
        real, size = batch["images"], len(batch["images"])
        with autocast():
            with torch.no_grad():
                fake = generator(latents_of(game, noise, iteration, "discriminator", size))
            points = [images.detach().requires_grad_() for images in (real, fake)]
            on_real, on_fake = (discriminator(images).logits.float() for images in points)
            loss = softplus(on_fake - on_real).mean()
            for weight, logits, images in zip(weights, (on_real, on_fake), points, strict=True):
                loss = loss + weight * gradient_norms(logits, images)
        d_loss = descend(d_optimizer, loss)
        g_loss = paired_step(game, noise, iteration, real, g_optimizer, autocast)
        average(iteration)
        yield d_loss, g_loss


def paired_step(game, noise, iteration, real, optimizer, autocast):
    """The generator's side of pairs."""
    with frozen(game.discriminator):
        with autocast():
            fake = game.generator(latents_of(game, noise, iteration, "generator", len(real)))
            on_real, on_fake = (game.discriminator(images).logits for images in (real, fake))
            loss = softplus(on_real.float() - on_fake.float()).mean()
        return descend(optimizer, loss)


def gat_loop(game, average, batches, noise, adam, *, autocast):
    """GAT: pairs of a real and a fake, and the change of both logits under small noise."""
    generator, discriminator = game.generator, game.discriminator
    terms = [game.penalties[name] for name in ("r1_fd", "r2_fd")]
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")

    for iteration, batch in enumerate(batches):
        real, size = batch["images"], len(batch["images"])
        with autocast():
            with torch.no_grad():
                fake = generator(latents_of(game, noise, iteration, "discriminator", size))
            on_real, on_fake = (discriminator(images).logits.float() for images in (real, fake))
            loss = softplus(on_fake - on_real).mean()
            for term, kind, images, logits in zip(
                terms, ("real", "fake"), (real, fake), (on_real, on_fake), strict=True
            ):
                drawn = noise(
                    iteration, "discriminator", f"difference/{kind}", images.shape, torch.randn
                )
                moved = discriminator(images + term.sigma * drawn).logits.float()
                loss = loss + term.weight * 0.5 * ((moved - logits) / term.sigma).square().mean()
        d_loss = descend(d_optimizer, loss)
        g_loss = paired_step(game, noise, iteration, real, g_optimizer, autocast)
        average(iteration)
        yield d_loss, g_loss


def seqgan_loop(game, average, batches, noise, adam, *, autocast):
    """SeqGAN in its last phase: a judge of sequences, and the policy gradient by rollouts."""
    generator, discriminator, every = game.generator, game.discriminator, game.n_critic.at(0)
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")
    length = generator.length

    def values_of(iteration, tokens, size):
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

    for iteration, batch in enumerate(batches):
        real, size = batch["tokens"], len(batch["tokens"])
        with autocast():
            fake = generator.sample(
                noise(iteration, "discriminator", "tokens", (size, length), torch.rand)
            )
            loss = unsaturated(discriminator(real), discriminator(fake))
        d_loss, g_loss = descend(d_optimizer, loss), None
        if (iteration + 1) % every == 0:
            with frozen(discriminator):
                with autocast():
                    fake = generator.sample(
                        noise(iteration, "generator", "tokens", (size, length), torch.rand)
                    )
                    discriminator.eval()
                    with torch.no_grad():
                        values = values_of(iteration, fake, size)
                    discriminator.train()
                    likelihoods = generator.log_likelihoods(fake)
                    loss = -(likelihoods * values).sum(dim=1).mean()
                g_loss = descend(g_optimizer, loss)
            average(iteration)
        yield d_loss, g_loss


LOOPS = {
    "acgan_32": acgan_loop, "infogan_32": infogan_loop, "biggan_32": biggan_loop, "r3gan_32": r3gan_loop,
    "gat_32": gat_loop,     "seqgan": seqgan_loop,
}  # fmt: skip
