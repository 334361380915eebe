"""Weights of a whole network that are divided by their size: spectral and weight normalisation."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.nn.utils.parametrize import is_parametrized

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import one_of
from gan_lab.networks.layers.labels import LabelEmbedding

Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d


def normalise_spectrally(network: nn.Module) -> None:
    """Divide every convolution's and linear layer's weight by an estimate of its largest singular value.

    Spectral Normalization for Generative Adversarial Networks, arXiv:1802.05957, algorithm 1, with one power iteration
    each time the weight is computed; the engine computes it once per step. A convolution's weight is the matrix
    (outputs, inputs * height * width), section 2.1.
    """
    for layer in weighted(network):
        spectral_norm(layer)


def normalise_lengths(network: nn.Module) -> None:
    """Make every such weight a direction and a length for each output: arXiv:1602.07868, eq. 2.

    The lengths begin as those that were drawn, so that the network is at first what it was.
    """
    for layer in weighted(network):
        # A transposed convolution's outputs are the second dimension of its weight.
        weight_norm(layer, dim=1 if isinstance(layer, nn.ConvTranspose2d) else 0)


HOW = {"spectral": normalise_spectrally, "weight": normalise_lengths}


def normalise(name: str, network: nn.Module, how: str) -> None:
    """Normalise the weights of any network.

    Args:
        name: of the network in the configuration.
        network: that has no such weights yet.
        how: "spectral" or "weight".

    Raises:
        ConfigError: if there is no such way, or the network has normalised weights of its own, weights of 0, or weights
            in layers of other kinds.
    """
    one_of(f"normalise.{name}", how, [*HOW, "virtual"])  # of planes: see layers/virtual.py
    if any(is_parametrized(layer) for layer in network.modules()):
        raise ConfigError(
            f"normalise.{name}={how}: this network's weights are normalised already; leave it as it is, or set "
            f"{name}.spectral_norm=false if it has that option."
        )
    if others := [layer for layer in network.modules() if _has_others(layer)]:
        raise ConfigError(
            f"normalise.{name}={how}: the weights of {type(others[0]).__name__} are not those of a convolution or "
            "linear layer of torch, and would stay as they are; leave this network as it is."
        )
    if any(not bool(layer.weight.any()) for layer in weighted(network)):
        raise ConfigError(
            f"normalise.{name}={how}: some weights of this network begin at 0, and have no size to be divided by; "
            "leave it as it is."
        )
    HOW[how](network)


def _has_others(layer: nn.Module) -> bool:
    """Whether a layer has a matrix of weights that is not reached; vectors of labels are left alone on purpose."""
    if isinstance(layer, Weighted | LabelEmbedding):
        return False
    own = layer.named_parameters(recurse=False)
    return any(name.startswith("weight") and value.ndim > 1 for name, value in own)


def weighted(network: nn.Module) -> list[Weighted]:
    """All convolutions and linear layers of a network."""
    return [layer for layer in network.modules() if isinstance(layer, Weighted)]
