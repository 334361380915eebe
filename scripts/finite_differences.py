"""How far R1 by finite differences is from R1 by double backward, as a table for docs/tricks.md.

python scripts/finite_differences.py

The discriminator is dcgan's without normalisation, after 300 updates of a small GAN with R1 on the embedded clothes.
The noise makes the penalty of a batch scatter about its mean, so both are said: the mean of 100 batches' noise, and how
far one is off. The rows of bfloat16 are those of precise=false.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Adam

from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.networks.dcgan import DcganDiscriminator, DcganGenerator
from gan_lab.penalties.differences import squared_change
from gan_lab.penalties.gradient import zero_centered

BATCH, DRAWS, UPDATES, WIDTH = 64, 100, 300, 8
SIGMAS = (0.1, 0.03, 0.01, 0.003, 0.001)


def trained(images: Tensor) -> nn.Module:
    """The discriminator of a small GAN with R1."""
    network = DcganDiscriminator(resolution=32, channels=1, width=WIDTH, norm="none")
    generator = DcganGenerator(resolution=32, channels=1, latent_dim=64, width=WIDTH)
    players = [Adam(part.parameters(), lr=1e-3, betas=(0.5, 0.99)) for part in (network, generator)]
    for _ in range(UPDATES):
        real = images[torch.randint(len(images), (BATCH,))].requires_grad_()
        fake = generator(torch.randn(BATCH, 64))
        logits = network(real).logits
        players[0].zero_grad()
        loss = softplus(-logits).mean() + softplus(network(fake.detach()).logits).mean()
        (loss + zero_centered(logits, real)).backward()
        players[0].step()
        players[1].zero_grad()
        softplus(-network(fake).logits).mean().backward()
        players[1].step()
    return network


def main() -> None:
    """Print the table."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images = FashionMini().load("train").images.float() / 127.5 - 1
    network = trained(images)
    real = images[:BATCH].requires_grad_()
    exact = zero_centered(network(real).logits, real).item()
    print(f"double backward in float32: {exact:.4f}\n")
    print("| sigma | precision | mean / exact | deviation of one batch / exact |")
    print("| --- | --- | --- | --- |")
    for half in (False, True):
        for sigma in SIGMAS:
            found = []
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
                logits = network(real).logits
                for _ in range(DRAWS):
                    moved = network(real + sigma * torch.randn_like(real)).logits
                    found.append(squared_change(logits, moved, sigma))
            values = torch.stack(found) / exact
            kind = "bfloat16" if half else "float32"
            print(f"| {sigma:g} | {kind} | {values.mean():.2f} | {values.std():.2f} |")


if __name__ == "__main__":
    main()
