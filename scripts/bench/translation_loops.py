"""pix2pix and CycleGAN as people write them by hand; family_loops.py says what loops are given and yield."""

from __future__ import annotations

import torch
from family_loops import descend, frozen, unsaturated
from torch.nn.functional import softplus


def pix2pix_loop(game, average, batches, noise, adam, *, autocast):
    """pix2pix: one translation a round, which both networks learn from; L1 beside the non-saturating loss."""
    del noise  # nothing is drawn but dropout
    generator, discriminator = game.generator, game.discriminator
    weight = game.auxiliaries["pixel"].weight
    d_optimizer, g_optimizer = adam("discriminator"), adam("generator")

    for iteration, batch in enumerate(batches):
        real, source = batch["images"], batch["partner"]
        with frozen(discriminator):
            with autocast():
                fake = generator(source)
                loss = softplus(-discriminator(fake, source=source).logits.float()).mean()
                loss = loss + weight * (fake.float() - real).abs().mean()
            g_loss = descend(g_optimizer, loss)
        with autocast():
            on_real = discriminator(real, source=source)
            on_fake = discriminator(fake.detach(), source=source)
            loss = unsaturated(on_real, on_fake)
        d_loss = descend(d_optimizer, loss)
        average(iteration)
        yield d_loss, g_loss


class Pool:
    """Earlier fakes in a list, as the paper's own code keeps them (arXiv:1703.10593, section 4)."""

    def __init__(self, size):
        self.size, self.images = size, []

    def exchange(self, fakes, chances):
        """For each fake itself or an old one: chances (N, 2) say which, and whether."""
        given = []
        for fake, (place, chance) in zip(fakes.detach().float(), chances.tolist(), strict=True):
            if len(self.images) < self.size:
                self.images.append(fake)
                given.append(fake)
            elif chance < 0.5:
                slot = int(place * self.size)
                given.append(self.images[slot])
                self.images[slot] = fake
            else:
                given.append(fake)
        return torch.stack(given)


def squared(output, target):
    """Half the mean squared distance of logits from their target."""
    return 0.5 * (output.logits.float() - target).square().mean()


def translators_loss(game, real_a, real_b):
    """What both generators descend, and what they made."""
    there, back = game.generator_ab, game.generator_ba
    fake_a, fake_b = back(real_b), there(real_a)
    fooled = squared(game.discriminator_a(fake_a), 1) + squared(game.discriminator_b(fake_b), 1)
    cycle = (back(fake_b) - real_a).abs().mean() + (there(fake_a) - real_b).abs().mean()
    same = (back(real_a) - real_a).abs().mean() + (there(real_b) - real_b).abs().mean()
    cycled, kept = (game.weights[name].at(0) for name in ("cycle", "identity"))
    return fooled + cycled * cycle + kept * same, (fake_a, fake_b)


def cyclegan_loop(game, average, batches, noise, adam, *, autocast):
    """CycleGAN: both translators in one step, then both judges in one, on fakes from the pools."""
    judges = game.discriminator_a, game.discriminator_b
    d_optimizer, g_optimizer = adam("discriminators"), adam("generators")
    pools = [Pool(game.pools[kind].size) for kind in "ab"]

    for iteration, batch in enumerate(batches):
        reals = batch["images_a"], batch["images_b"]
        with frozen(*judges):
            with autocast():
                loss, fakes = translators_loss(game, *reals)
            g_loss = descend(g_optimizer, loss)
        with autocast():
            losses = []
            for kind, judge, real, fake, pool in zip(
                "ab", judges, reals, fakes, pools, strict=True
            ):
                shape = len(real), 2
                chances = noise(iteration, "discriminators", f"pool_{kind}", shape, torch.rand)
                given = pool.exchange(fake, chances)
                losses.append(squared(judge(real), 1) + squared(judge(given), 0))
            loss = (losses[0] + losses[1]) / 2
        d_loss = descend(d_optimizer, loss)
        average(iteration)
        yield d_loss, g_loss


LOOPS = {"pix2pix_64": pix2pix_loop, "cyclegan_64": cyclegan_loop}
