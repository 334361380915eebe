"""The engine's round against that of torch-mimicry, on torch-mimicry's own networks, in alternating blocks.

    uv venv --python 3.11 peer
    uv pip install --python peer -c constraints.txt -r pyproject.toml scipy scikit-image scikit-learn tensorboard
    uv pip install --python peer --no-deps torch-mimicry==0.1.16
    python scripts/bench/bench_peer.py --python peer/bin/python [--case sngan_32] [--out docs/data/peer.json]

The script starts itself again with `--python`, where both packages are: this checkout by PYTHONPATH. The peer trains
by its own Trainer.train with the settings of its README (Adam, linear decay, n_dis 5, 64 images), in fp32, as it
does on a CPU. The engine trains networks of the same classes with the same losses and settings inside Lightning's
trainer, with its EMA and its log, once for each of `--engine`. Neither writes checkpoints or pictures. A block is
one generator update of one side; seconds are per round: a discriminator update and a fifth of a generator's.
`speedup` is the peer's time over the engine's, the median of the pairs' ratios. FLOPs (matrix products and
convolutions) are counted: the peer also takes the discriminator's gradient in the generator's step, for nothing.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections import namedtuple
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import flop_registry

from gan_lab.callbacks.limits import Limits
from gan_lab.callbacks.run_state import RunState
from gan_lab.callbacks.status import Status
from gan_lab.data.image_set import ImageSet
from gan_lab.data.stream.sampler import Batches
from gan_lab.data.stream.stretch import Stretches
from gan_lab.engine.module import TrainingOptions
from gan_lab.engine.player import OptimizerOptions
from gan_lab.engine.schedule import schedule
from gan_lab.games.gan import GAN
from gan_lab.latents.distributions import Normal
from gan_lab.loggers.reporter import Reporter
from gan_lab.losses.adversarial import Hinge, NonSaturating, Wasserstein
from gan_lab.networks.output import DiscriminatorOutput
from gan_lab.penalties.gradient import GradientPenalty
from gan_lab.run.trainer import make_trainer
from gan_lab.storage.run_folder import RunFolder

N_DIS, ITERATIONS, RATE, BETAS = 5, 100_000, 2e-4, (0.0, 0.9)  # the peer's README
ENGINES = {
    "fp32": {"precision": "32-true", "channels_last": False},
    "fp32_channels_last": {"precision": "32-true", "channels_last": True},
    "bf16_channels_last": {"precision": "bf16-mixed", "channels_last": True},
}
# As conf/train.yaml has them.
CHOSEN = {
    "seed": 0,
    "accumulate": 1,
    "ema_half_life_kimg": 10.0,
    "ema_rampup": 0.05,
    "log_every_rounds": 50,
}
Case = namedtuple("Case", "family prefix size loss")  # the loss is the classes' own loss_type
CASES = {
    "dcgan_32": Case("dcgan", "DCGAN", 32, NonSaturating),
    "wgan_gp_32": Case("wgan_gp", "WGANGP", 32, Wasserstein),
    "sngan_32": Case("sngan", "SNGAN", 32, Hinge),
    "sngan_64": Case("sngan", "SNGAN", 64, Hinge),
}


def import_peer():
    """Import torch_mimicry 0.1.16 with two stand-ins for imports of parts that are not used here."""
    import_module("torch.utils.tensorboard")  # first: it looks for tensorflow, and would find this
    six = types.ModuleType("torch._six")  # gone from torch; for the download of ImageNet
    six.PY3 = True
    for module in (six, types.ModuleType("tensorflow")):  # tensorflow: for FID, KID and IS
        sys.modules.setdefault(module.__name__, module)
    return import_module("torch_mimicry")


def peer_networks(case: Case):
    family = getattr(import_peer().nets, case.family)
    generator = getattr(family, f"{case.prefix}Generator{case.size}")
    discriminator = getattr(family, f"{case.prefix}Discriminator{case.size}")
    torch.manual_seed(0)
    return generator(), discriminator()


def peer_trainer(case: Case, images: torch.Tensor, batch: int, folder: str):
    """Return the peer's trainer; `train` goes on where it stopped and writes no checkpoints."""

    class Trainer(import_peer().training.Trainer):
        done = 0

        def _restore_models_and_step(self):
            return self.done

        def _save_model_checkpoints(self, global_step):
            self.done = global_step

        def play(self):
            """One update of the generator."""
            self.num_steps = self.done + 1
            with redirect_stdout(io.StringIO()):  # it reports each, by default
                self.train()

    net_g, net_d = peer_networks(case)
    data = TensorDataset(images.float().div(127.5).sub(1), torch.zeros(len(images)).long())
    return Trainer(
        netD=net_d, netG=net_g, n_dis=N_DIS, num_steps=ITERATIONS, lr_decay="linear", log_dir=folder,
        optD=torch.optim.Adam(net_d.parameters(), RATE, betas=BETAS),
        optG=torch.optim.Adam(net_g.parameters(), RATE, betas=BETAS),
        dataloader=DataLoader(data, batch_size=batch, shuffle=True, drop_last=True),
        device=torch.device("cpu"),
    )  # fmt: skip


def game_of(case: Case, engine: str, batch: int) -> GAN:
    generator, discriminator = peer_networks(case)
    kimg = ITERATIONS * N_DIS * batch / 1e3
    decay = {"schedule": "linear", "start": RATE, "end": 0, "kimg": kimg}
    adam = OptimizerOptions(torch.optim.Adam, schedule(decay, "lr"), None, {"betas": BETAS})
    discriminator.register_forward_hook(lambda _, __, y: DiscriminatorOutput(y.squeeze(1), None))
    penalty = {"gradient_penalty": GradientPenalty()} if case.family == "wgan_gp" else {}
    game = GAN(
        generator=generator, discriminator=discriminator, latent=Normal(dim=generator.nz),
        loss=case.loss(), penalty=penalty, n_critic=N_DIS,
    )  # fmt: skip
    adams = {"generator": adam, "discriminator": adam}
    game.options = TrainingOptions(optimizers=adams, **CHOSEN, **ENGINES[engine])
    return game


class Flops(TorchDispatchMode):
    """Counts FLOPs; torch's own mode raises where a penalty differentiates with respect to a leaf."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if cost := flop_registry.get(function.overloadpacket):
            self.count += cost(*args, **(kwargs or {}), out_val=out)
        return out


def flops(case: Case, engine: str, few: int = 4) -> dict[str, float]:
    """Return GFLOPs per image and round of the peer and of the engine; they grow with the batch."""
    images = torch.randint(0, 256, (few * N_DIS, 3, case.size, case.size), dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder, Flops() as peer:
        peer_trainer(case, images, few, folder).play()
    game = game_of(case, engine, few)
    game.configure_optimizers()
    with Flops() as ours:
        for part in images.float().div(127.5).sub(1).split(few):
            game.play_round({"images": part})
    return {"peer": peer.count / few / N_DIS / 1e9, "engine": ours.count / few / N_DIS / 1e9}


class Alternate:
    """After each generator update of the engine, runs one of the peer's; keeps both sides' CPU and wall seconds."""

    def __init__(self, peer, alternations: int) -> None:
        self.peer, self.alternations = peer, alternations  # and a first that warms up
        self.pairs: list[tuple[list[float], list[float]]] = []
        self.since: tuple[float, float] | None = None

    def now(self) -> tuple[float, float]:
        return time.process_time(), time.perf_counter()

    def due(self, clock) -> bool:
        return clock.iteration % N_DIS == 0

    def after_round(self, module) -> None:
        begin = self.now()
        self.peer.play()
        end = self.now()
        if self.since is not None:
            spans = zip(begin, end), zip(self.since, begin)
            self.pairs.append(tuple([(b - a) / N_DIS for a, b in span] for span in spans))
        module.trainer.should_stop = len(self.pairs) >= self.alternations
        self.since = self.now()


def measure(name: str, engine: str, batch: int, alternations: int) -> dict:
    case = CASES[name]
    images = ImageSet(
        name="noise", split="train", labels=None, classes=(), fingerprint="noise",
        images=torch.randint(0, 256, (4096, 3, case.size, case.size), dtype=torch.uint8),
    )  # fmt: skip
    game = game_of(case, engine, batch)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        peer = peer_trainer(case, images.images, batch, folder + "/peer")
        alternate = Alternate(peer, alternations)
        files = RunFolder(folder)
        run = RunState(files, Reporter(files))
        limits, status = Limits(run=run), Status(run=run, every_rounds=50)
        game.round_callbacks = [status, limits, alternate]
        feed = Batches(images, batch_size=batch, seed=0, flip=False, device=torch.device("cpu"))
        strategy = {"accelerator": "cpu", "devices": 1}
        trainer = make_trainer({"strategy": strategy}, [status, limits], folder=files.path)
        trainer.fit(game, Stretches(feed))
        counts = {f"{k}_gflop": round(batch * n, 1) for k, n in flops(case, engine).items()}
    result = {"case": name, "engine": engine, "batch": batch, "alternations": alternations}
    for i, clock in enumerate(("cpu", "wall")):
        peers, ours = ([seconds[i] for seconds in side] for side in zip(*alternate.pairs))
        ratios = sorted(a / b for a, b in zip(peers, ours))
        result |= {
            f"peer_{clock}_s": round(statistics.median(peers), 4),
            f"engine_{clock}_s": round(statistics.median(ours), 4),
            f"speedup_{clock}": round(statistics.median(ratios), 3),
            f"speedup_{clock}_range": [round(ratios[0], 3), round(ratios[-1], 3)],
        }
    return {**result, **counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", help="of the environment with the peer")
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES)[:3])
    parser.add_argument("--engine", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    for name, default in ("alternations", 5), ("batch", 64), ("threads", torch.get_num_threads()):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.python and "BENCH_PEER" not in os.environ:
        here = {"PYTHONPATH": str(Path(__file__).absolute().parents[2]), "BENCH_PEER": "1"}
        command, env = [options.python, *sys.argv], {**os.environ, **here}
        sys.exit(subprocess.run(command, env=env, check=False).returncode)
    torch.set_num_threads(options.threads)
    results = []
    for case, engine in itertools.product(options.case, options.engine):
        results.append(measure(case, engine, options.batch, options.alternations))
        print(json.dumps(results[-1]), flush=True)
    if options.out:
        machine = {
            "processor": platform.machine(), "capability": torch.backends.cpu.get_cpu_capability(),
            "threads": options.threads, "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torch-mimicry", "lightning")},
        }  # fmt: skip
        command = f"python scripts/bench/bench_peer.py {' '.join(sys.argv[1:])}"
        report = {"command": command, "machine": machine, "results": results}
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
