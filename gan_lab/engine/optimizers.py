"""An optimizer for a player: the flavour that is fastest on the device, corrected for lazy steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

FUSED_DEVICES = {"cpu", "cuda"}
# Torch asks in each step whether a GPU is recording, and on a machine without one looks for the driver each time:
# 95 microseconds (measured), as much as the fused step itself.
CAPTURE_CHECKS = ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check")


def flavour(
    optimizer: Callable[..., Any], device: torch.device, *, captured: bool = False
) -> dict[str, bool]:
    """Keyword arguments that choose the fused, else the foreach implementation on this device.

    `captured`: its step will be recorded and replayed, so it must keep its counters on a GPU (capturable).
    """
    known = inspect.signature(optimizer).parameters
    chosen = {}
    if "fused" in known and device.type in FUSED_DEVICES:
        chosen["fused"] = True
    elif "foreach" in known:
        chosen["foreach"] = True
    if captured and "capturable" in known and device.type == "cuda":
        chosen["capturable"] = True
    return chosen


def can_be_captured(optimizer: Callable[..., Any], device: torch.device) -> bool:
    """Whether its step runs on the device alone: torch says so by `capturable`, or by a fused step without one."""
    known = inspect.signature(optimizer).parameters
    return "capturable" in known or ("fused" in known and device.type in FUSED_DEVICES)


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
    groups: Sequence[Mapping[str, Any]],
    *,
    options: Mapping[str, Any],
    correction: float,
    captured: bool = False,
) -> torch.optim.Optimizer:
    """Make the optimizer over these groups of parameters; they must lie on their final device."""
    device = groups[0]["params"][0].device
    extra = flavour(factory, device, captured=captured)
    optimizer = factory(
        [dict(group) for group in groups], **corrected(options, correction), **extra
    )
    if device.type == "cpu":
        for check in CAPTURE_CHECKS:
            if hasattr(optimizer, check):
                setattr(optimizer, check, lambda: None)
    return optimizer
