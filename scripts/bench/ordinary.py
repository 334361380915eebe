"""Networks as they stand in papers and tutorials: the library's fast layers exchanged for torch's usual ones."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized

from gan_lab.networks.layers.flatten import Flatten
from gan_lab.networks.layers.head import LogitHead
from gan_lab.networks.layers.pixels import FromPixels, ToPixels
from gan_lab.networks.layers.resample import ConvThenHalve, DoubleThenConv
from gan_lab.networks.layers.strided import DoublingConv, HalvingConv


class _Halved(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(super().forward(x), 2)


class _Head(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze(1)


class _Doubled(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))


USUAL: dict[type[nn.Module], type[nn.Module]] = {
    Flatten: nn.Flatten,
    FromPixels: nn.Conv2d,
    ToPixels: nn.ConvTranspose2d,
    ConvThenHalve: _Halved,
    DoubleThenConv: _Doubled,
    LogitHead: _Head,
    HalvingConv: nn.Conv2d,
    DoublingConv: nn.ConvTranspose2d,
}


def make_ordinary(network: nn.Module) -> nn.Module:
    """Exchange the layers in place; parameters and their names stay. Returns the network.

    Raises:
        TypeError: for spectrally normalised networks, whose layers have classes of their own.
    """
    for module in network.modules():
        if is_parametrized(module):
            raise TypeError(f"{type(module).__name__}: a normalised layer has no usual form here")
        if type(module) in USUAL:
            module.__class__ = USUAL[type(module)]
    return network
