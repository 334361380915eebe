"""One pass over any network that exchanges torch's layers for those that a CPU computes faster."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from gan_lab.networks.fast.flatten import FastFlatten
from gan_lab.networks.fast.pixels import FEW, FromPixels, ToPixels
from gan_lab.networks.fast.resample import FastConvMeanPool, FastUpsampleConv
from gan_lab.networks.fast.strided import DoublingConv, HalvingConv
from gan_lab.networks.layers.resample import ConvMeanPool, UpsampleConv

Network = TypeVar("Network", bound=nn.Module)

HALVING = {
    "kernel_size": (4, 4), "stride": (2, 2), "padding": (1, 1), "output_padding": (0, 0), "dilation": (1, 1),
    "groups": 1, "padding_mode": "zeros",
}  # fmt: skip


def fast_cpu(network: Network) -> Network:
    """Exchange layers in place: the same function up to rounding, in less time on a CPU.

    A module gets another class and nothing else, so parameters, buffers, hooks and names in state_dict stay, and
    copies, pickles and second derivatives work as before. Layers of a class of one's own are left alone, and so is
    everything that has no faster form. A second pass changes nothing. Runs apply it where they train on a CPU without
    compiling; what gan_lab.load returns has torch's layers, as exports and GPUs want them.

    Args:
        network: any module, one of the layers themselves included.

    Returns:
        The network.
    """
    for module in network.modules():
        fast = fast_form(module)
        if fast is not None:
            _become(module, fast)
    return network


def fast_form(module: nn.Module) -> type[nn.Module] | None:
    """The class that computes the same faster, None where there is none."""
    kind = _own_class(module)
    if kind is nn.Flatten:
        return FastFlatten
    if kind is ConvMeanPool:
        return FastConvMeanPool
    if kind is UpsampleConv:
        return FastUpsampleConv
    if kind not in (nn.Conv2d, nn.ConvTranspose2d) or not _is_halving(module):
        return None
    if kind is nn.Conv2d:
        return FromPixels if module.in_channels <= FEW else HalvingConv  # type: ignore[operator]
    return ToPixels if module.out_channels <= FEW else DoublingConv  # type: ignore[operator]


def _is_halving(module: nn.Module) -> bool:
    return all(getattr(module, name) == value for name, value in HALVING.items())


def _own_class(module: nn.Module) -> type[Any]:
    """Its class, below the one that torch makes for each module with a parametrization such as spectral norm."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def _become(module: nn.Module, fast: type[nn.Module]) -> None:
    if is_parametrized(module):
        # The class that torch made has the weight as a property; the same on top of another class.
        made = type(module)
        kept = {k: v for k, v in vars(made).items() if k not in {"__dict__", "__weakref__"}}
        fast = type(made.__name__, (fast,), kept)
    module.__class__ = fast
