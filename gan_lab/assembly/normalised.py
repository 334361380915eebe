"""Networks whose weights or planes are normalised because the run asks for it, whatever they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from gan_lab.common.errors import ConfigError, nearest
from gan_lab.engine.randomness import seed_of
from gan_lab.networks.layers.spectral import normalise, weighted
from gan_lab.networks.layers.virtual import Reference, normalise_virtually


def normalise_part(
    config: Mapping[str, Any], name: str, part: Any, facts: Mapping[str, Any]
) -> None:
    """Normalise the weights or planes of a network, if `normalise` names it.

    Args:
        config: of the run; older ones have no such option.
        name: of the part.
        part: a network, or something else, which is left as it is.
        facts: of the data, and parts made before.

    Raises:
        ConfigError: if that cannot be done.
    """
    how = (config.get("normalise") or {}).get(name)
    if how is None or not isinstance(part, nn.Module):
        return
    # Estimates of singular values and reference latents are drawn, and must not move what others draw.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(config["seed"], "normalise", name))
        if how == "virtual":
            normalise_virtually(name, part, facts)
        else:
            normalise(name, part, how)


def refuse_other_networks(config: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
    """Refuse names of `normalise` that are no networks of the model.

    Raises:
        ConfigError: at the first.
    """
    modules = {name: part for name, part in parts.items() if isinstance(part, nn.Module)}
    networks = [name for name, module in modules.items() if weighted(module)]
    for name in config.get("normalise") or {}:
        if name not in networks:
            raise ConfigError(
                f"normalise.{name}: no network of this model that learns is called so; those are {', '.join(networks)}"
                f"{nearest(name, networks) or '.'}"
            )


def take_references(module: nn.Module, data: Any) -> None:
    """Fill in the references of a new run's networks from the training split, which may have `images`."""
    play = getattr(module, "Play", None)
    shown = getattr(play, "reals", "images") == "images"
    images = getattr(data, "images", None) if shown else None
    for part in module.modules():
        if isinstance(part, Reference):
            part.take(images)
