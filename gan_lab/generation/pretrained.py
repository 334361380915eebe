"""A trained generator from its run folder: `gan_lab.load("outputs/<run>").sample(16)`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.assembly.build import build_game
from gan_lab.common.errors import CheckpointError, ConfigError, first_line
from gan_lab.common.paths import user_path
from gan_lab.common.ranges import in_range, one_of
from gan_lab.config.stored import stored_config
from gan_lab.engine.clock import KIMG
from gan_lab.engine.module import AdversarialModule
from gan_lab.generation.generator import ImageGenerator, settle_weights
from gan_lab.generation.sampling import Sampler
from gan_lab.process.machine import allow_tf32
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.storage.run_folder import RunFolder

DEVICES = ("auto", "cpu", "cuda")


class Pretrained:
    """A generator with the weights of a checkpoint.

    Attributes:
        folder: the run folder.
        checkpoint: the file that the weights are from.
        config: the run's composed configuration.
        iteration: rounds trained.
        images_seen: reals seen in training.
        networks: the generator's networks by name, in eval mode, on `device`.
        generator: the same as one module, from standard normal numbers (N, latent_dim) to images.
    """

    def __init__(
        self,
        folder: RunFolder,
        checkpoint: Path,
        *,
        config: Mapping[str, Any],
        game: AdversarialModule,
        clock: Mapping[str, int],
        device: torch.device,
    ) -> None:
        allow_tf32(
            config.get("tf32", False)
        )  # as in training, so that a value measured again is the same
        self.folder = folder
        self.checkpoint = checkpoint
        self.config = config
        settle_weights(game)
        self.game = game.to(device).eval().requires_grad_(False)
        self.iteration = clock["iteration"]
        self.images_seen = clock["images_seen"]
        self.device = device
        self.networks: Mapping[str, nn.Module] = game.averaged_networks()
        self.generator = ImageGenerator(game, self.networks)

    @property
    def kimg(self) -> float:
        """Thousands of reals seen in training."""
        return self.images_seen / KIMG

    def sampler(self, *, seed: int = 0, batch_norm: str = "running") -> Sampler:
        """Images by index, a pure function of (seed, index)."""
        one_of("batch_norm", batch_norm, ("running", "batch"))
        return Sampler(self.game, self.networks, seed=seed, batch_norm=batch_norm)

    def sample(
        self, n: int, seed: int = 0, batch_size: int = 64, *, batch_norm: str = "running"
    ) -> Tensor:
        """Draw images; the first ones stay the same for a larger `n` or another `batch_size`.

        Args:
            n: how many, >= 1.
            seed: of the latents.
            batch_size: images at once; bounds memory and changes floats by rounding at most.
            batch_norm: `running` statistics, or those of each `batch` of 64 samples.

        Returns:
            Shape (n, C, H, W), range [-1, 1], float32, on `device`.
        """
        batches = self.batches(n, seed=seed, batch_size=batch_size, batch_norm=batch_norm)
        return torch.cat(list(batches))

    def batches(
        self, n: int, *, seed: int = 0, batch_size: int = 64, batch_norm: str = "running"
    ) -> Iterator[Tensor]:
        """The images of `sample`, at most `batch_size` at a time."""
        in_range("num", n, low=1)
        in_range("batch_size", batch_size, low=1)
        sampler = self.sampler(seed=seed, batch_norm=batch_norm)
        for start in range(0, n, batch_size):
            yield sampler(start, min(batch_size, n - start))


def load(
    folder: str | Path,
    checkpoint: str = "last",
    device: str | torch.device | None = None,
    *,
    ema: bool = True,
    allow_targets: Collection[str] = (),
) -> Pretrained:
    """Load a generator from a run folder, wherever that lies now; its data set is not needed.

    Args:
        folder: the run folder that training printed.
        checkpoint: `last`, `best`, or a .ckpt file.
        device: cpu, cuda, or None for a GPU where there is one.
        ema: take the averaged weights, which evaluation scores; False takes the raw ones.
        allow_targets: prefixes of your own classes that the run may name, such as `my_lab.`; what the run's own files
            allow does not count.

    Raises:
        CheckpointError: if there is no run or no checkpoint, or it is damaged or of another model.
        ConfigError: if the run's model cannot be built, or there is no such device.
    """
    run = RunFolder.existing(folder)
    path = checkpoint_path(run, checkpoint)
    config = {**stored_config(run), "allow_targets": list(allow_targets)}
    state = load_checkpoint(path)
    game, _ = build_game(config)
    try:
        game.load_state_dict(state["networks"])
        if ema:
            _take_average(game, state["players"])
        clock = {key: int(state["clock"][key]) for key in ("iteration", "images_seen")}
    except (RuntimeError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: the checkpoint does not fit the model of {run.config} ({first_line(error)})."
        ) from error
    return Pretrained(run, path, config=config, game=game, clock=clock, device=torch_device(device))


def checkpoint_path(run: RunFolder, checkpoint: str) -> Path:
    """The file that `last`, `best` or a path to a .ckpt file means.

    Raises:
        CheckpointError: if it means none, or the file is not there.
    """
    named = {"last": run.last, "best": run.best}
    if checkpoint not in named and not checkpoint.endswith(".ckpt"):
        raise CheckpointError(f"checkpoint={checkpoint}: must be last, best or a .ckpt file.")
    path = named[checkpoint] if checkpoint in named else user_path(checkpoint, "checkpoint")
    if not path.is_file():
        there = ", ".join(sorted(file.name for file in run.checkpoints.glob("*.ckpt")))
        has = f"it has {there}" if there else "it has no checkpoint yet"
        raise CheckpointError(f"{path}: there is no such checkpoint; the run is {run.path}, {has}.")
    return path


def torch_device(wish: str | torch.device | None) -> torch.device:
    """The device that is wished for; None and auto take a GPU where there is one.

    Raises:
        ConfigError: if the machine lacks it.
    """
    if wish is None or wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wish)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device={wish}: cannot be used here ({first_line(error)}).") from error
    return device


def _take_average(game: AdversarialModule, players: Mapping[str, Any]) -> None:
    for spec in game.players():
        if spec.averaged:
            for name, network in spec.networks.items():
                network.load_state_dict(players[spec.name]["ema"][name])
