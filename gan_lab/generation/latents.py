"""What can be done with a game's latents before an image is made of them: cut off their tails, walk between them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.engine.module import AdversarialModule
from gan_lab.latents.distributions import Normal


def truncated(game: AdversarialModule, numbers: Tensor, bound: float) -> Tensor:
    """Numbers (N, latent_dim) whose latents lie within -bound and bound, from standard normal ones.

    Raises:
        ConfigError: where the game's latents have no tails to cut off or it truncates styles instead, or the bound is
            not above 0.
    """
    if getattr(game, "truncates", False):
        raise ConfigError(
            f"truncation={bound}: this run's model truncates its styles and not its latents; give truncation to what "
            "makes images, such as sample or generate."
        )
    latent = latent_of(game)
    if not hasattr(latent, "truncated"):
        name = type(latent).__name__.lower()
        raise ConfigError(
            f"truncation={bound}: the run draws its latents from a distribution ({name}) that has no tails to cut off; "
            "leave truncation out, or train with latent=normal."
        )
    found: Tensor = latent.truncated(numbers, bound)
    return found


def with_truncation(
    game: AdversarialModule, inputs: Mapping[str, Tensor], bound: float
) -> dict[str, Tensor]:
    """What likelier and less varied samples are made of.

    Args:
        game: whose latents are cut off; one that truncates by itself is told what share of the way from its mean style
            samples go.
        inputs: what samples are made of, with `latents` of standard normal numbers (N, latent_dim).
        bound: the largest absolute value of latents, or the share, > 0.

    Raises:
        ConfigError: as `truncated`, and where samples take no latents.
    """
    refuse_without_latents(game, f"truncation={bound}")
    numbers = inputs["latents"]
    if not game.truncates:
        return {**inputs, "latents": truncated(game, numbers, bound)}
    in_range("truncation", bound, above=0)
    return {**inputs, "truncation": numbers.new_full((len(numbers), 1), bound)}


def walk(game: AdversarialModule, stations: Tensor, *, frames: int, loop: bool = False) -> Tensor:
    """Numbers (M, latent_dim) on the way from station to station.

    Args:
        game: whose latents say which way leads from one to the next.
        stations: standard normal numbers (N, latent_dim), N >= 2, each of which is passed exactly.
        frames: steps from one station to the next, >= 1.
        loop: go on from the last to the first, and end one step before it, so that the walk can be repeated.

    Returns:
        (N - 1) * frames + 1 rows; with `loop` N * frames.

    Raises:
        ConfigError: with fewer than two stations or fewer than one step.
    """
    in_range("frames", frames, low=1)
    if len(stations) < 2:
        raise ConfigError("seeds: a walk needs at least two of them, such as seeds=3,17.")
    latent = latent_of(game)
    between = getattr(latent, "between", Normal(dim=game.latent_dim).between)
    ends = torch.cat([stations, stations[:1]]) if loop else stations
    shares = torch.arange(frames, dtype=torch.float64) / frames
    ways = [between(start, end, shares) for start, end in pairwise(ends)]
    return torch.cat([*ways, ends[-1:]] if not loop else ways)


def refuse_without_latents(game: AdversarialModule, what: str) -> None:
    """Refuse what is for latents where samples are made of something else, such as source images.

    Raises:
        ConfigError: where the game's samples take none.
    """
    if game.latent_dim == 0:
        made_of = " and ".join(game.inputs([0], seed=0))
        raise ConfigError(
            f"{what}: is for latents, and this run's model makes its samples of {made_of}; `sample` shows them."
        )


def latent_of(game: AdversarialModule) -> Any:
    """The game's distribution; a game without one takes standard normal numbers as they are."""
    return getattr(game, "latent", None) or Normal(dim=game.latent_dim)
