"""A trained generator from its run folder: `gan_lab.load("outputs/<run>").sample(16)`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from gan_lab.assembly.build import build_game
from gan_lab.common.errors import CheckpointError, ConfigError, first_line
from gan_lab.common.paths import user_path
from gan_lab.config.stored import stored_command, stored_config
from gan_lab.engine.module import AdversarialModule
from gan_lab.generation.trained import Pretrained
from gan_lab.storage.checkpoint import load_checkpoint
from gan_lab.storage.run_folder import RunFolder

DEVICES = ("auto", "cpu", "cuda")


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
    run = _run_of(folder)
    path = checkpoint_path(run, checkpoint)
    config = {**stored_config(run), "allow_targets": list(allow_targets)}
    state = load_checkpoint(path)
    game, _ = build_game(config, (state.get("identity") or {}).get("facts"))
    try:
        game.load_state_dict(state["networks"])
        if ema:
            _take_average(game, state["players"])
        game.stand_at(game.stored_clock(state["clock"]))
    except (RuntimeError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: the checkpoint does not fit the model of {run.config} ({first_line(error)})."
        ) from error
    return Pretrained(
        run, path, config=config, game=game, device=torch_device(device),
        names=_names(run, config), ema=ema,
    )  # fmt: skip


def _run_of(folder: str | Path) -> RunFolder:
    """The run of a folder; not that of a checkpoint, since another option says which of a run's is meant."""
    given, run = user_path(folder, "run"), RunFolder.existing(folder)
    if given.suffix == ".ckpt":
        known = given.parent == run.checkpoints and given.stem in ("last", "best")
        elsewhere = given if given.is_file() else run.checkpoints / given.name
        which = given.stem if known else elsewhere
        raise CheckpointError(
            f"run={given}: names a checkpoint; write run={run.path} checkpoint={which} instead."
        )
    return run


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


def _names(run: RunFolder, config: Mapping[str, Any]) -> dict[str, str]:
    """Names of the model and the data set: those that were chosen, else of their classes."""
    chosen: Mapping[str, Any] = {}
    with suppress(ConfigError):  # a name is no reason to refuse weights
        chosen = stored_command(run)["choices"]
    classes = {part: str(config[part]["_target_"]).rpartition(".")[2] for part in ("model", "data")}
    return {part: str(chosen.get(part) or name) for part, name in classes.items()}


def _take_average(game: AdversarialModule, players: Mapping[str, Any]) -> None:
    for spec in game.players():
        if spec.averaged:
            for name, network in spec.networks.items():
                network.load_state_dict(players[spec.name]["ema"][name])
