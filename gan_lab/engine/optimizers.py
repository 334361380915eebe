"""An optimizer for a player: the flavour that is fastest on the device, corrected for lazy steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

FUSED_DEVICES = {"cpu", "cuda"}


def flavour(optimizer: Callable[..., Any], device: torch.device) -> dict[str, bool]:
    """Keyword arguments that choose the fused, else the foreach implementation on this device."""
    known = inspect.signature(optimizer).parameters
    if "fused" in known and device.type in FUSED_DEVICES:
        return {"fused": True}
    return {"foreach": True} if "foreach" in known else {}


def lazy_correction(intervals: Iterable[int]) -> float:
    """C = 1 / sum(1 / every): how an optimizer's rate and betas shrink when lazy steps share it.

    Analyzing and Improving the Image Quality of StyleGAN, arXiv:1912.04958, appendix B: with a main step each time
    and one lazy step each n-th, c = n / (n + 1).
    """
    return 1.0 / sum(1.0 / every for every in intervals)


def corrected(options: Mapping[str, Any], correction: float) -> dict[str, Any]:
    """Betas to the power of the correction; the rate is corrected where it is set (Player.step)."""
    result = dict(options)
    if correction != 1.0 and "betas" in result:
        result["betas"] = tuple(beta**correction for beta in result["betas"])
    return result


def build_optimizer(
    factory: Callable[..., torch.optim.Optimizer],
    parameters: Sequence[nn.Parameter],
    *,
    options: Mapping[str, Any],
    correction: float,
) -> torch.optim.Optimizer:
    """Make the optimizer over these parameters; they must lie on their final device."""
    extra = flavour(factory, parameters[0].device)
    return factory(parameters, **corrected(options, correction), **extra)
