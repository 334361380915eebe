"""Beginning with the weights of another run: `init=<run folder or checkpoint>`; all else of the run is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gan_lab.common.errors import CheckpointError, ConfigError, GanLabError
from gan_lab.common.paths import user_path
from gan_lab.config.resume import differences
from gan_lab.config.schema import MISSING, lookup
from gan_lab.config.stored import stored_config
from gan_lab.engine.clock import KIMG
from gan_lab.engine.module import AdversarialModule
from gan_lab.run.asked import Asked
from gan_lab.storage.checkpoint import load_with_checksum
from gan_lab.storage.run_folder import RunFolder

SHOWN = 4  # names in a sentence
SIZES = ("data.resolution", "data.channels")
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Beginning:
    """What another run's checkpoint holds, read as data: nothing that its configuration names is built.

    Attributes:
        path: of the checkpoint.
        state: its content.
        checksum: of the file, hexadecimal; None in one that has none.
        averaged: take the averaged weights (EMA) of networks that have them.
        options: that run's configuration, to say what differs; empty where it is not to be had.
    """

    path: Path
    state: Mapping[str, Any] = field(repr=False)
    checksum: str | None
    averaged: bool
    options: Mapping[str, Any] = field(repr=False)

    @property
    def kimg(self) -> float:
        """Thousands of images that the weights were trained on."""
        return float(self.state["clock"]["images_seen"] / KIMG)

    def origin(self) -> dict[str, Any]:
        """Where the weights are from, as plain values for config.yaml."""
        return {
            "checkpoint": str(self.path.absolute()),
            "kimg": self.kimg,
            "checksum": self.checksum,
        }

    def give(self, game: AdversarialModule, config: Mapping[str, Any]) -> list[str]:
        """Load what fits into the game's networks; returns sentences about what was taken and what not.

        Args:
            game: of the new run, before its players are made, so that its averages start from these weights.
            config: of the new run.

        Raises:
            ConfigError: where what makes images takes none.
        """
        networks = [pair for spec in game.players() for pair in spec.networks.items()]
        sampled = {name for spec in game.players() if spec.averaged for name in spec.networks}
        taken = [_Taken.by(network, name, self.weights_of(name)) for name, network in networks]
        differing = self._differing(config, [name for name, _ in networks])
        if not any(one.fitting for one in taken if one.name in sampled):
            raise ConfigError(
                f"init={config['init']}: none of its weights fit this run's generator{differing or '.'} "
                "Choose the same networks and sizes as that run, or leave init out."
            )
        kind = "averaged" if self.averaged else "raw"
        said = [
            f"Weights of another run: {self.path}, {self.kimg:.1f} kimg, {kind} where there are averages."
        ]
        said += [sentence for one in taken for sentence in one.sentences()]
        if differing and any(one.new for one in taken):
            said.append(f"Why they do not all fit{differing}")
        return said

    def weights_of(self, name: str) -> Weights:
        """The tensors of one network, by their names inside of it; none where that run had no such network."""
        for player in self.state["players"].values() if self.averaged else ():
            if name in (player.get("ema") or {}):
                return dict(player["ema"][name])
        prefix = f"{name}."
        networks = self.state["networks"].items()
        return {
            key.removeprefix(prefix): value for key, value in networks if key.startswith(prefix)
        }

    def _differing(self, config: Mapping[str, Any], networks: list[str]) -> str:
        """Which sizes and options of networks are others there, as the end of a sentence."""
        found = []
        for path in (*SIZES, *networks, "latent"):
            there, here = lookup(self.options, path), lookup(config, path)
            if MISSING not in (there, here):
                parts = differences({path: there}, {path: here})
                kinds = [one for one in parts if one[0].endswith("._target_")]
                found += (
                    kinds or parts
                )  # the options of two classes have little to do with each other
        shown = [
            f"{path.removesuffix('._target_')}={_plain(there)} (here {_plain(here)})"
            for path, there, here in found
        ]
        return f": that run has {_listed(shown)}." if shown else ""


@dataclass(frozen=True)
class _Taken:
    """What one network takes of the weights that were found for it."""

    name: str
    fitting: list[str]
    new: list[str]  # with both shapes, where there is one of this name
    unused: list[str]
    share: float

    @classmethod
    def by(cls, network: nn.Module, name: str, found: Weights) -> _Taken:
        own = network.state_dict()
        fits = {key: found[key] for key in own if key in found and _same(own[key], found[key])}
        if not any(value.dim() > 1 for value in fits.values()):
            fits = {}  # biases and counters fit by chance where no matrix does
        network.load_state_dict({**own, **fits})
        sizes = {key: value.numel() for key, value in own.items()}
        return cls(
            name,
            list(fits),
            [_shown(key, own, found) for key in own if key not in fits],
            [key for key in found if key not in own],
            sum(sizes[key] for key in fits) / max(sum(sizes.values()), 1),
        )

    def sentences(self) -> Iterator[str]:
        every = len(self.fitting) + len(self.new)
        if not self.fitting:
            yield f"{self.name}: none of its {every} tensors has weights that fit; it begins anew."
        elif not self.new:
            yield f"{self.name}: all {every} tensors are taken."
        else:
            yield (
                f"{self.name}: {len(self.fitting)} of {every} tensors are taken ({self.share:.0%} of its numbers); "
                f"these begin anew: {_listed(self.new)}."
            )
        if self.unused:
            count = len(self.unused)
            yield f"{self.name}: {count} tensors found no place here: {_listed(self.unused)}."


def begin(asked: Asked, game: AdversarialModule) -> tuple[Asked, list[str]]:
    """Give a new run's game the weights that `init` names, and its configuration their origin.

    Returns:
        The run that is asked for, and sentences for the user; none without `init`.

    Raises:
        CheckpointError: as `beginning`.
        ConfigError: as `Beginning.give`.
    """
    found = beginning(asked.config)
    origin = None if found is None else found.origin()
    said = [] if found is None else found.give(game, asked.config)
    return replace(asked, config={**asked.config, "init_origin": origin}), said


def beginning(config: Mapping[str, Any]) -> Beginning | None:
    """Read the checkpoint that `init` names; None where it names none.

    Raises:
        CheckpointError: if it is missing, damaged or changed since the first rank has read it.
        ConfigError: if `init` is no path.
    """
    if config["init"] is None:
        return None
    path = _checkpoint(user_path(config["init"], "init"))
    state, checksum = load_with_checksum(path)
    sound = all(isinstance(state.get(key), dict) for key in ("networks", "players", "clock"))
    if not sound or not isinstance(state["clock"].get("images_seen"), int):
        raise CheckpointError(f"{path}: holds no state of a run; use another file for init.")
    known = config["init_origin"] or {}
    if known.get("checksum", checksum) != checksum:
        raise CheckpointError(f"{path}: was changed while this run began; start it again.")
    averaged = config["init_weights"] == "ema"
    return Beginning(path, state, checksum, averaged, _options_of(path))


def _checkpoint(given: Path) -> Path:
    return given if given.suffix == ".ckpt" else RunFolder.existing(given).last


def _options_of(path: Path) -> Mapping[str, Any]:
    try:
        return stored_config(RunFolder.existing(path))
    except GanLabError:  # a checkpoint alone: its shapes tell enough
        return {}


def _same(mine: Tensor, other: Any) -> bool:
    return isinstance(other, Tensor) and mine.shape == other.shape


def _shown(key: str, own: Weights, found: Weights) -> str:
    if key not in found or _same(own[key], found[key]):
        return key
    return f"{key} ({_shape(own[key])} here, {_shape(found[key])} there)"


def _plain(value: Any) -> str:
    """A value of somebody's configuration in short: of a class its name."""
    text = "null" if value is None else str(value)
    return text.rpartition(".")[2][:40] if isinstance(value, str) else text[:40]


def _shape(value: Any) -> str:
    return "x".join(map(str, getattr(value, "shape", ()))) or "one number"


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
