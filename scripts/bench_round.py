"""The engine's round against the hand-written loop: CPU time of alternating blocks, as a ratio with its interval.

    python scripts/bench_round.py [--case dcgan_32 wgan_gp_32 nothing] [--alternations 15] [--out docs/data/round.json]

The engine runs inside Lightning's trainer, with its log every 50 rounds and the status line on; the loop of
`plain_loop.py` runs in between, on networks of its own, fed by the same sampler. `nothing` are networks of one
weight each: what is left is the framework's overhead.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import plain_loop
import torch
from torch import nn

from gan_lab.callbacks.limits import Limits
from gan_lab.callbacks.status import Status
from gan_lab.data.images import ImageSet
from gan_lab.data.sampler import Batches
from gan_lab.engine.ema import EMA
from gan_lab.engine.module import TrainingOptions
from gan_lab.engine.player import OptimizerOptions
from gan_lab.engine.schedule import schedule
from gan_lab.data.stretch import Stretches
from gan_lab.games.gan import GAN
from gan_lab.interrupts import Interrupts
from gan_lab.latents import Normal
from gan_lab.loggers.reporter import Reporter
from gan_lab.losses.adversarial import NonSaturating, Wasserstein
from gan_lab.networks.dcgan import DcganDiscriminator, DcganGenerator
from gan_lab.networks.output import DiscriminatorOutput
from gan_lab.networks.resnet import ResnetDiscriminator, ResnetGenerator
from gan_lab.penalties.gradient import GradientPenalty
from gan_lab.run_folder import RunFolder
from gan_lab.trainer import make_trainer


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


def networks(case: str, width: int):
    if case == "nothing":
        return OneWeightGenerator(), OneWeightDiscriminator()
    size = {"resolution": 32, "channels": 1}
    if case == "dcgan_32":
        return (
            DcganGenerator(**size, latent_dim=128, width=width),
            DcganDiscriminator(**size, width=width),
        )
    return ResnetGenerator(**size, latent_dim=128, width=width), ResnetDiscriminator(
        **size, width=width
    )


def game_of(case: str, width: int) -> GAN:
    generator, discriminator = networks(case, width)
    wasserstein = case == "wgan_gp_32"
    rate, betas = (1e-4, (0.0, 0.9)) if wasserstein else (2e-4, (0.5, 0.999))
    adam = OptimizerOptions(torch.optim.Adam, schedule(rate, "lr"), None, {"betas": betas})
    game = GAN(
        generator=generator,
        discriminator=discriminator,
        latent=Normal(dim=128),
        loss=Wasserstein() if wasserstein else NonSaturating(),
        penalty={"gradient_penalty": GradientPenalty()} if wasserstein else {},
        n_critic=5 if wasserstein else 1,
    )
    game.options = TrainingOptions(optimizers={"generator": adam, "discriminator": adam})
    return game


class Alternate:
    """After each block of the engine's rounds, runs and times a block of the loop's."""

    def __init__(self, loop, block: int, alternations: int) -> None:
        self.loop, self.block, self.left = loop, block, alternations + 1  # the first warms up
        self.engine: list[float] = []
        self.plain: list[float] = []

    def due(self, clock) -> bool:
        return clock.iteration % self.block == 0

    def after_round(self, module) -> None:
        now = time.process_time()
        if hasattr(self, "since"):
            self.engine.append((now - self.since) / self.block)
        before = time.process_time()
        for _ in range(self.block):
            next(self.loop)
        self.plain.append((time.process_time() - before) / self.block)
        self.left -= 1
        module.trainer.should_stop = self.left < 0
        self.since = time.process_time()


def measure(case: str, *, width: int, batch: int, block: int, alternations: int) -> dict:
    torch.manual_seed(0)
    size = 1 if case == "nothing" else 32
    images = ImageSet(
        name="noise", split="train", labels=None, classes=(), fingerprint="noise",
        images=torch.randint(0, 256, (4096, 1, size, size), dtype=torch.uint8),
    )  # fmt: skip
    feed = {"batch_size": batch, "seed": 0, "flip": False, "device": torch.device("cpu")}
    game = game_of(case, width)
    generator, discriminator = networks(case, width)
    ema = EMA({"generator": generator}, half_life_kimg=10, rampup=0.05)
    every = 5 if case == "wgan_gp_32" else 1
    source = torch.Generator()

    def noise(iteration, _step, _purpose, shape, sampler):
        source.manual_seed(iteration)
        return sampler(*shape, generator=source)

    loop = (plain_loop.wgan_gp_loop if case == "wgan_gp_32" else plain_loop.dcgan_loop)(
        generator, discriminator, lambda i: ema.update(1 - ema.decay(batch * every, batch * (i + 1))),
        iter(Batches(images, **feed)), noise, 10**9, autocast=nullcontext,
    )  # fmt: skip
    alternate = Alternate(loop, block, alternations)
    with tempfile.TemporaryDirectory() as folder:
        limits = Limits(max_kimg=None, max_rounds=None, max_time=None, interrupts=Interrupts())
        status = Status(Reporter(RunFolder(folder)), every_rounds=50, limits=limits, board={})
        game.round_callbacks = [status, limits, alternate]
        config = {"strategy": {"accelerator": "cpu", "devices": 1}}
        make_trainer(config, [status, limits]).fit(game, Stretches(Batches(images, **feed)))
    pairs = list(zip(alternate.engine[1:], alternate.plain[1:]))
    ratios = sorted(a / b for a, b in pairs)
    over = sorted((a - b) * 1e6 for a, b in pairs)
    # The interval of the median by order statistics: 95 % or more for 15 pairs and up.
    cut = max(0, int(len(ratios) / 2 - 0.98 * len(ratios) ** 0.5))
    return {
        "case": case, "width": width, "batch": batch, "alternations": len(pairs), "rounds_per_block": block,
        "engine_ms": statistics.median(a for a, _ in pairs) * 1e3,
        "plain_ms": statistics.median(b for _, b in pairs) * 1e3,
        "ratio": statistics.median(ratios), "ratio_interval": [ratios[cut], ratios[-1 - cut]],
        "overhead_us": statistics.median(over), "overhead_us_interval": [over[cut], over[-1 - cut]],
    }  # fmt: skip


CASES = {
    "dcgan_32": {"width": 64, "batch": 64, "block": 8},
    "wgan_gp_32": {"width": 64, "batch": 64, "block": 5},
    "nothing": {"width": 1, "batch": 64, "block": 400},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--alternations", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = []
    for case in options.case:
        results.append(measure(case, **CASES[case], alternations=options.alternations))
        print(json.dumps(results[-1]))
    if options.out:
        machine = {
            "processor": platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__,
            "python": platform.python_version(),
        }  # fmt: skip
        command = f"python scripts/bench_round.py {' '.join(sys.argv[1:])}"
        text = json.dumps({"command": command, "machine": machine, "results": results}, indent=1)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
