"""What people write by hand: the same work as the engine's rounds, without an engine.

With `fused=True`, channels_last networks, an autocast and a foreach average it is the loop of an expert; the tests hold
the engine to it (same dispatched operations, same losses). With torch's defaults it is the loop of a tutorial.
`bench_round.py` times both. `noise(iteration, step, purpose, shape, sampler)` draws the random tensors.
"""

from __future__ import annotations

import torch
from torch.nn.functional import softplus


def dcgan_loop(generator, discriminator, average, batches, noise, rounds, *, autocast, fused=True):
    """DCGAN with the non-saturating loss; yields the losses of each round as tensors."""
    adam = {"lr": 2e-4, "betas": (0.5, 0.999), "fused": fused}
    d_optimizer = torch.optim.Adam(discriminator.parameters(), **adam)
    g_optimizer = torch.optim.Adam(generator.parameters(), **adam)
    for iteration in range(rounds):
        real = next(batches)["images"]
        shape = (real.shape[0], 128)

        d_optimizer.zero_grad(set_to_none=True)
        with autocast():
            with torch.no_grad():
                fake = generator(noise(iteration, "discriminator", "latent", shape, torch.randn))
            on_real = discriminator(real).logits.float()
            on_fake = discriminator(fake).logits.float()
            d_loss = softplus(-on_real).mean() + softplus(on_fake).mean()
        d_loss.backward()
        d_optimizer.step()

        discriminator.requires_grad_(False)
        g_optimizer.zero_grad(set_to_none=True)
        with autocast():
            fake = generator(noise(iteration, "generator", "latent", shape, torch.randn))
            g_loss = softplus(-discriminator(fake).logits.float()).mean()
        g_loss.backward()
        g_optimizer.step()
        discriminator.requires_grad_(True)
        average(iteration)
        yield d_loss.detach(), g_loss.detach()


def wgan_gp_loop(
    generator, critic, average, batches, noise, rounds, *, autocast, n_critic=5, fused=True
):
    """WGAN-GP; yields the losses of each round, the generator's being None between its updates."""
    adam = {"lr": 1e-4, "betas": (0.0, 0.9), "fused": fused}
    d_optimizer = torch.optim.Adam(critic.parameters(), **adam)
    g_optimizer = torch.optim.Adam(generator.parameters(), **adam)
    for iteration in range(rounds):
        real = next(batches)["images"]
        shape = (real.shape[0], 128)

        d_optimizer.zero_grad(set_to_none=True)
        with autocast():
            with torch.no_grad():
                fake = generator(noise(iteration, "discriminator", "latent", shape, torch.randn))
            d_loss = critic(fake).logits.float().mean() - critic(real).logits.float().mean()
            epsilon = noise(
                iteration, "discriminator", "epsilon", (real.shape[0], 1, 1, 1), torch.rand
            )
            point = torch.lerp(fake.float(), real, epsilon).requires_grad_()
            logits = critic(point).logits.float().sum()
            (gradient,) = torch.autograd.grad(logits, point, create_graph=True)
            norm = torch.linalg.vector_norm(gradient.float().flatten(1), dim=1)
            d_loss = d_loss + (norm - 1).square().mean() * 10
        d_loss.backward()
        d_optimizer.step()

        g_loss = None
        if (iteration + 1) % n_critic == 0:
            critic.requires_grad_(False)
            g_optimizer.zero_grad(set_to_none=True)
            with autocast():
                fake = generator(noise(iteration, "generator", "latent", shape, torch.randn))
                g_loss = -critic(fake).logits.float().mean()
            g_loss.backward()
            g_optimizer.step()
            critic.requires_grad_(True)
            average(iteration)
            g_loss = g_loss.detach()
        yield d_loss.detach(), g_loss
