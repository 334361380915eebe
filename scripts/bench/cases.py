"""The games that the benches play, and the machine they play on."""

from __future__ import annotations

import platform
import time
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import OmegaConf
from torch import nn

from gan_lab.assembly.build import Parts, build
from gan_lab.data.columns import Pixels
from gan_lab.data.image_set import ImageSet
from gan_lab.data.table import SideBySide, Table
from gan_lab.engine.module import TrainingOptions
from gan_lab.engine.player import OptimizerOptions
from gan_lab.engine.randomness import Draws
from gan_lab.engine.schedule import schedule
from gan_lab.games.gan import GAN
from gan_lab.latents.distributions import Normal
from gan_lab.losses.adversarial import NonSaturating, Wasserstein
from gan_lab.networks.dcgan import DcganDiscriminator, DcganGenerator
from gan_lab.networks.mlp import MlpDiscriminator, MlpGenerator
from gan_lab.networks.output import DiscriminatorOutput
from gan_lab.networks.perceptron import PerceptronDiscriminator, PerceptronGenerator
from gan_lab.networks.resnet import ResnetDiscriminator, ResnetGenerator
from gan_lab.penalties.gradient import GradientPenalty
from gan_lab.storage.environment import git_commit
from gan_lab.train import compose

LATENT = 128
# As conf/train.yaml has them.
CHOSEN = {
    "seed": 0,
    "accumulate": 1,
    "ema_half_life_kimg": 10.0,
    "ema_rampup": 0.05,
    "log_every_rounds": 50,
}


class OneWeightGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, z):
        return (z[:, :1] * self.weight)[:, :, None, None]


class OneWeightDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        return DiscriminatorOutput((images[:, 0, 0, 0] * self.weight), None)


def _case(size, block, *, wasserstein=False, batch=64, channels=1):
    return {
        "size": size, "block": block, "batch": batch, "channels": channels, "wasserstein": wasserstein,
        "n_critic": 5 if wasserstein else 1,
    }  # fmt: skip


CASES = {
    "nothing": _case(1, 400),
    "mlp_28": _case(28, 40),
    "maxout_28": _case(28, 20),
    "dcgan_32": _case(32, 4),
    "dcgan_64": _case(64, 2, channels=3),
    "wgan_gp_32": _case(32, 5, wasserstein=True),
}


# Families that are built from conf/ and play on the embedded clothes or on the synthetic language.
_SMALL = ["generator.width=32", "discriminator.width=32", "data.batch_size=64"]
# One rate for all weights and Adam, as the loops by hand have them.
_GAT = [
    option
    for player in ("generator", "discriminator")
    for option in (f"optimizer@optimizer.{player}=adam", f"optimizer.{player}.clip_norm=null",
                   f"{player}.rate_width=null", f"{player}.width=64", f"{player}.depth=4", f"{player}.head_width=32")
]  # fmt: skip
FAMILIES = {
    "acgan_32": ["model=acgan", *_SMALL, "discriminator.dropout=0"],
    "infogan_32": ["model=infogan", *_SMALL],
    "biggan_32": ["model=biggan", *_SMALL],
    "r3gan_32": ["model=r3gan", "generator.width=64", "discriminator.width=64", "data.batch_size=64"],
    "stylegan2_32": ["model=stylegan2", "generator.width=16", "generator.max_width=64", "generator.style_dim=64",
                     "latent.dim=64", "discriminator.width=16", "discriminator.max_width=64", "data.batch_size=32"],
    "gat_32": ["model=gat", "augment=[]", *_GAT, "data.batch_size=64"],
    "seqgan": ["model=seqgan", "model.likelihood_kimg=0", "model.discriminator_kimg=0", "data.batch_size=64",
               "discriminator.dropout=0"],
    "pix2pix_64": ["model=pix2pix", "generator.width=16", "generator.dropout=0", "discriminator.width=16",
                   "discriminator.layers=2", "data.resolution=64", "data.batch_size=8"],
    "cyclegan_64": ["experiment=translate_small"],
}  # fmt: skip
CASES |= {
    "acgan_32": _case(32, 10),
    "infogan_32": _case(32, 10),
    "biggan_32": {**_case(32, 2), "n_critic": 2},
    "r3gan_32": _case(32, 2),
    # Blocks have a whole number of the cycles in which lazy terms come.
    "stylegan2_32": {**_case(32, 16, batch=32), "cycle": 16},
    "gat_32": _case(32, 2),
    "seqgan": {**_case(20, 5), "n_critic": 5},
    "pix2pix_64": _case(64, 5, batch=8, channels=3),
    "cyclegan_64": _case(64, 2, batch=4, channels=3),
}


def family_of(case: str) -> Parts:
    """The parts of a family, with the same first weights each time."""
    torch.manual_seed(0)
    chosen = [*FAMILIES[case], "logger=none", "metrics=none", "strategy=cpu", "precision=32-true"]
    return build(OmegaConf.to_container(compose(chosen), resolve=True))


def networks_of(case: str) -> tuple[nn.Module, nn.Module]:
    size, channels = CASES[case]["size"], CASES[case]["channels"]
    image = {"resolution": size, "channels": channels}
    if case == "nothing":
        return OneWeightGenerator(), OneWeightDiscriminator()
    if case == "mlp_28":
        return PerceptronGenerator(**image, latent_dim=LATENT), PerceptronDiscriminator(**image)
    if case == "maxout_28":
        # Without dropout, whose masks come from the process's generator: losses could not be compared.
        return (
            MlpGenerator(**image, latent_dim=LATENT),
            MlpDiscriminator(**image, dropout=0.0, input_dropout=0.0),
        )
    if case == "wgan_gp_32":
        return ResnetGenerator(**image, latent_dim=LATENT, width=64), ResnetDiscriminator(
            **image, width=64
        )
    return DcganGenerator(**image, latent_dim=LATENT, width=64), DcganDiscriminator(
        **image, width=64
    )


def game_of(case: str, **options) -> GAN:
    """The case's game, with the same first weights each time."""
    if case in FAMILIES:
        game = family_of(case).game
        game.options = replace(game.options, **options)
        return game
    torch.manual_seed(0)
    generator, discriminator = networks_of(case)
    wasserstein = CASES[case]["wasserstein"]
    rate, betas = (1e-4, (0.0, 0.9)) if wasserstein else (2e-4, (0.5, 0.999))
    adam = OptimizerOptions(torch.optim.Adam, schedule(rate, "lr"), None, {"betas": betas})
    game = GAN(
        generator=generator,
        discriminator=discriminator,
        latent=Normal(dim=LATENT),
        loss=Wasserstein() if wasserstein else NonSaturating(),
        penalty={"gradient_penalty": GradientPenalty()} if wasserstein else {},
        n_critic=CASES[case]["n_critic"],
    )
    game.options = TrainingOptions(
        optimizers={"generator": adam, "discriminator": adam}, **{**CHOSEN, **options}
    )
    return game


def images_of(case: str, count: int = 4096) -> Table | SideBySide:
    """Noise of the case's size; a family's own data, where it ships with the package."""
    if case not in FAMILIES:
        return noise_set(case, count)
    parts = family_of(case)
    reads = parts.game.reads
    if reads == ("images",):
        return parts.source.load(parts.source.splits[0])
    sets = [noise_set(case, 512, seed) for seed in range(2)]
    if "partner" in reads:
        return replace(sets[0], beside={"partner": Pixels(sets[1].images)})
    return SideBySide("noise", "train", dict(zip("ab", sets, strict=True)))


def noise_set(case: str, count: int, seed: int = 0) -> ImageSet:
    """Images of the case's size that show nothing."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, CASES[case]["channels"], CASES[case]["size"], CASES[case]["size"])
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return ImageSet(
        name="noise", split="train", images=pixels, labels=None, classes=(), fingerprint="noise"
    )


def noise_of(device: torch.device):
    """The engine's own draws, for a hand-written loop."""
    own, begun = Draws(device), [None]

    def noise(iteration, step, purpose, shape, sampler):
        if begun[0] != (iteration, step):
            own.begin(step, 0, 0, iteration)
            begun[0] = iteration, step
        name = "gradient_penalty/epsilon" if purpose == "epsilon" else purpose
        return own.draw(name, shape, sampler)

    return noise


def matrix_rate(precision: str, size: int = 1024, device: torch.device | None = None) -> float:
    """FLOP per second of a matrix product on all threads or the GPU: what the floor is made of."""
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    taken = []
    for _ in range(40):
        start = time.perf_counter()
        a @ b
        if a.is_cuda:
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return 2 * size**3 / min(taken)  # a rate that other work slowed is no floor


def machine() -> dict:
    """What the figures were measured on, and of which commit."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":")[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        name = f"{len(names)} cores of {names[0]}" if names else name
    return {
        "processor": name, "threads": torch.get_num_threads(), "torch": torch.__version__,
        "python": platform.python_version(), "commit": git_commit(),
    }  # fmt: skip
