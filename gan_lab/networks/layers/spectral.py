"""Spectral normalisation of a whole network."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


def normalise_spectrally(network: nn.Module) -> None:
    """Divide every convolution's and linear layer's weight by an estimate of its largest singular value.

    Spectral Normalization for Generative Adversarial Networks, arXiv:1802.05957, algorithm 1, with one power iteration
    each time the weight is computed; the engine computes it once per step. A convolution's weight is the matrix
    (outputs, inputs * height * width), section 2.1.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            spectral_norm(module)
