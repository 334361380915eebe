"""StyleGAN2 as people write it by hand, for `bench_round.py`; family_loops.py says what loops are given and yield.

Lazy terms have steps of their own. What a round yields is its main loss, with each lazy term as it was last measured.
"""

from __future__ import annotations

import math

import torch
from family_loops import descend, frozen, gradient_norms, latents_of, unsaturated
from torch.nn.functional import softplus

from gan_lab.penalties.path_length import path_lengths


def lazily(optimizer, every, slow=(), rate=1.0):
    """Adam for a main step each time and a lazy one each n-th: arXiv:1912.04958, appendix B.

    Some weights, those of the mapping network, learn at their own share of the rate.
    """
    (group,) = optimizer.param_groups
    share = every / (every + 1)
    group["lr"] *= share
    group["betas"] = tuple(beta**share for beta in group["betas"])
    apart = {id(parameter) for parameter in slow}
    if apart:
        group["params"] = [one for one in group["params"] if id(one) not in apart]
        optimizer.add_param_group({**group, "params": list(slow), "lr": group["lr"] * rate})
    return optimizer


def styled(game, noise, iteration, step, size):
    """Latents of a step, and what its generator draws: other latents and a cut for mixed styles, noise of layers."""
    other = noise(iteration, step, "network/other", (size, game.latent.dim), torch.randn)
    drawn = {
        name: noise(iteration, step, f"network/{name}", (size, 1), torch.rand)
        for name in ("cut", "mix")
    }
    numbers = game.generator.fixed_noise.numel()
    drawn["noise"] = noise(iteration, step, "network/noise", (size, numbers), torch.randn)
    z = latents_of(game, noise, iteration, step, size)
    return z, {"other": game.latent.from_normal(other), **drawn}


def made(game, noise, iteration, step, size):
    """Fakes; the mean style follows those of each main step."""
    z, drawn = styled(game, noise, iteration, step, size)
    fake = game.generator(z, **drawn)
    game.generator.mean_style.commit(game.generator.notes())
    return fake


def path_step(game, noise, iteration, size, optimizer, autocast):
    """Path lengths of half a batch against their running mean, which then moves."""
    generator, term, step = game.generator, game.penalties["path_length"], "generator/path_length"
    count = round(size * term.share)
    with autocast():
        z, drawn = styled(game, noise, iteration, step, count)
        images, styles = generator.with_styles(z, **drawn)
        y = noise(iteration, step, "path_length", tuple(images.shape), torch.randn)
        found = path_lengths(images, styles, y / math.sqrt(images[0, 0].numel()))
        loss = term.weight * (found - term.mean).square().mean()
    descend(optimizer, loss * term.every)
    with torch.no_grad():
        term.mean.lerp_(found.mean(), term.decay)
    return loss.detach()


def stylegan2_loop(game, average, batches, noise, adam, *, autocast):
    """StyleGAN2: styles are mixed, R1 and path lengths are lazy, and Adam is corrected for both."""
    generator, discriminator = game.generator, game.discriminator
    r1, lengths = game.penalties["r1"], game.penalties["path_length"]
    d_optimizer = lazily(adam("discriminator"), r1.every)
    slow = list(generator.mapping.parameters())
    g_optimizer = lazily(adam("generator"), lengths.every, slow, generator.rates["mapping"])

    for iteration, batch in enumerate(batches):
        real, size = batch["images"], len(batch["images"])
        with autocast():
            with torch.no_grad():
                fake = made(game, noise, iteration, "discriminator", size)
            loss = unsaturated(discriminator(real), discriminator(fake))
        d_loss = descend(d_optimizer, loss)
        if iteration % r1.every == 0:
            with autocast():
                points = real.detach().requires_grad_()
                loss = r1.weight * gradient_norms(discriminator(points).logits.float(), points)
            descend(d_optimizer, loss * r1.every)
            d_lazy = loss.detach()
        with frozen(discriminator):
            with autocast():
                fake = made(game, noise, iteration, "generator", size)
                loss = softplus(-discriminator(fake).logits.float()).mean()
            g_loss = descend(g_optimizer, loss)
            if iteration % lengths.every == 0:
                g_lazy = path_step(game, noise, iteration, size, g_optimizer, autocast)
        average(iteration)
        yield d_loss + d_lazy, g_loss + g_lazy


LOOPS = {"stylegan2_32": stylegan2_loop}
