"""What cannot fit into this machine's memory is refused before any of it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.process.memory import memory_limit

SUSPICIOUS = 8192  # a whole number below it makes no layer that would not fit
COPIES = 4  # weights, gradients and an optimizer's two moments
GIB = 2**30


def refuse_too_large(path: str, factory: type, arguments: Mapping[str, Any]) -> None:
    """Make a network without memory (torch's meta device), and count what it would need.

    Args:
        path: where the part lies.
        factory: its class.
        arguments: of its constructor.

    Raises:
        ConfigError: if training it takes more memory than there is.
    """
    numbers = {k: v for k, v in arguments.items() if isinstance(v, int) and v >= SUSPICIOUS}
    if not numbers or not issubclass(factory, nn.Module):
        return
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            network = factory(**arguments)
        needed = COPIES * sum(p.numel() * p.element_size() for p in network.parameters())
    except GanLabError:  # told by the part itself, when it is made
        return
    except (RuntimeError, OverflowError, TypeError, MemoryError):  # too large to be counted
        needed = None
    limit = memory_limit()
    if needed is None or (limit is not None and needed > limit):
        name, number = max(numbers.items(), key=lambda pair: pair[1])
        option = "latent.dim" if name == "latent_dim" else f"{path}.{name}"
        raise ConfigError(f"{option}={number}: training this network {_too_much(needed, limit)}")


def refuse_too_many(option: str, count: int, *, shape: tuple[int, ...]) -> None:
    """Refuse more images at once than memory holds as floats and as bytes of a picture.

    Args:
        option: that sets the number.
        count: of the images.
        shape: of one, (C, H, W).

    Raises:
        ConfigError: with what they need.
    """
    limit, needed = memory_limit(), count * torch.Size(shape).numel() * 5
    if limit is not None and needed > limit:
        raise ConfigError(f"{option}={count}: so many images at once {_too_much(needed, limit)}")


def _too_much(needed: int | None, limit: int | None) -> str:
    if needed is None or limit is None:
        return "would take more memory than any machine has; make it smaller."
    return f"would take {needed / GIB:,.0f} GiB, and this machine has {limit / GIB:,.0f} GiB; make it smaller."
