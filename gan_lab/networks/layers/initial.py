"""Initial weights that several families share."""

from __future__ import annotations

from torch import nn

from gan_lab.networks.layers.labels import LabelEmbedding


def draw_orthogonal(network: nn.Module) -> None:
    """Draw every layer's weight as an orthogonal matrix (outputs, inputs * height * width), and make biases 0.

    Exact solutions to the nonlinear dynamics of learning in deep linear neural networks, arXiv:1312.6120, section 3;
    BigGAN has it, arXiv:1809.11096, appendix C.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.orthogonal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, LabelEmbedding):
            nn.init.orthogonal_(module.weight)
