"""Shared by all tests: small games, batches, isolated caches, and no network."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
import torch

from gan_lab.engine.module import TrainingOptions
from gan_lab.engine.player import OptimizerOptions
from gan_lab.engine.schedule import schedule
from gan_lab.games.gan import GAN
from gan_lab.latents.distributions import Normal
from gan_lab.losses.adversarial import NonSaturating, Wasserstein
from gan_lab.networks.dcgan import DcganDiscriminator, DcganGenerator
from gan_lab.penalties.gradient import GradientPenalty

REPOSITORY = Path(__file__).resolve().parent.parent

# One thread per process, also in the commands that tests start: two workers share the cores, and threads that
# wait for each other on a busy machine cost minutes.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("WANDB_SILENT", "true")
# A shell starts background jobs with SIGINT ignored and nohup with SIGHUP, which runs respect and the commands that
# tests start inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for ignored in (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.SIG_DFL)


def now_and_slow(values, now):
    """Values of a parameter, those of `now` in every suite and the others in the slow one."""
    rows = [(one, one if isinstance(one, tuple) else (one,)) for one in values]
    return [pytest.param(*row, marks=() if one in now else pytest.mark.slow) for one, row in rows]


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory):
    """Caches of data and statistics live in the test session, not in the user's folder."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["GAN_LAB_CACHE"] = str(folder)
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    for name in ("GAN_LAB_DATA", "GAN_LAB_ALLOW_TARGETS"):
        os.environ.pop(name, None)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Only this machine may be reached: W&B's service and gloo live there."""
    connect = socket.socket.connect

    def guarded(self, address):
        local = self.family == socket.AF_UNIX or str(address[0]) in {
            "127.0.0.1",
            "::1",
            "localhost",
        }
        if not local:
            raise OSError(f"tests have no network, but {address} was asked for")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data that is not part of the project; skips with the reason without it."""
    folder = Path(os.environ.get("GAN_LAB_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set GAN_LAB_TEST_DATA to the folder that holds it")
    return folder


CHOSEN = {
    "seed": 0,
    "accumulate": 1,
    "ema_half_life_kimg": 10.0,
    "ema_rampup": 0.05,
    "log_every_rounds": 50,
}


def adam(lr=2e-4, betas=(0.5, 0.999)):
    return OptimizerOptions(torch.optim.Adam, schedule(lr, "lr"), None, {"betas": betas})


def dcgan(*, width=8, resolution=32, penalty=None, norm="batch", dropout=0.0, **options):
    """A DCGAN of this width with its weights drawn from seed 0."""
    torch.manual_seed(0)
    game = GAN(
        generator=DcganGenerator(
            resolution=resolution,
            channels=1,
            latent_dim=128,
            width=width,
            dropout=dropout,
            norm=norm,
        ),
        discriminator=DcganDiscriminator(resolution=resolution, channels=1, width=width, norm=norm),
        latent=Normal(dim=128),
        loss=NonSaturating(),
        penalty=penalty or {},
    )
    game.options = TrainingOptions(
        **{**CHOSEN, **options}, optimizers={"generator": adam(), "discriminator": adam()}
    )
    return game


def wgan_gp(*, width=8, networks=None, n_critic=5, **options):
    """A WGAN-GP, DCGAN-sized unless other networks are given."""
    torch.manual_seed(0)
    generator, discriminator = networks or (
        DcganGenerator(resolution=32, channels=1, latent_dim=128, width=width),
        DcganDiscriminator(resolution=32, channels=1, width=width, norm="none"),
    )
    game = GAN(
        generator=generator,
        discriminator=discriminator,
        latent=Normal(dim=128),
        loss=Wasserstein(),
        penalty={"gradient_penalty": GradientPenalty()},
        n_critic=n_critic,
    )
    rates = adam(1e-4, (0.0, 0.9))
    game.options = TrainingOptions(
        **{**CHOSEN, **options}, optimizers={"generator": rates, "discriminator": rates}
    )
    return game


def batches(size=16, channels=1, resolution=32, seed=0):
    """An endless stream of noise images in [-1, 1] of ten classes, a pure function of the seed."""
    generator, labels = (torch.Generator().manual_seed(seed) for _ in range(2))
    while True:
        shape = (size, channels, resolution, resolution)
        yield {
            "images": torch.rand(shape, generator=generator) * 2 - 1,
            "labels": torch.randint(10, (size,), generator=labels),
        }


def play_rounds(game, stream, rounds):
    """Play rounds without a trainer, making the players first if needed."""
    if not game.playing:
        game.configure_optimizers()
    for _ in range(rounds):
        game.play_round(next(stream))
    return game


def gradients_of(game, step, player, batch, **options):
    """Make one update and return its gradients by parameter, None where there is none."""
    found, step_of_optimizer = [], player.step

    def keep(*arguments, **keywords):
        found.extend(parameter.grad for parameter in player.parameters)
        return step_of_optimizer(*arguments, **keywords)

    player.step = keep
    game.update(step, player, batch, **options)
    player.step = step_of_optimizer
    assert all(p.grad is None for p in game.parameters()), "gradients outlive their update"
    return found


def weights(game):
    """Every tensor that training changes, by name, cloned."""
    found = {f"networks/{k}": v.clone() for k, v in game.state_dict().items()}
    for name, player in game.playing.items():
        for index, state in player.optimizer.state_dict()["state"].items():
            for key, value in state.items():
                found[f"{name}/{index}/{key}"] = torch.as_tensor(value).clone()
        if player.ema is not None:
            for network, tensors in player.ema.state_dict().items():
                found.update({f"{name}/ema/{network}/{k}": v.clone() for k, v in tensors.items()})
    return found


def differing(before, after):
    """Names of tensors that are not bit-identical."""
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}
