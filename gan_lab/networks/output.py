"""What every discriminator returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class DiscriminatorOutput(NamedTuple):
    """The judgement of a batch of images.

    Attributes:
        logits: shape (N,), unbounded; higher is more real.
        features: input of the last layer, shape (N, F), or None where a network offers none.
        local: features of places before they are joined, shape (N, C, H, W), or None where a network offers none.
        pixels: logits of each pixel, shape (N, H, W), or None where a network judges the whole image alone.
        layers: what each layer before the logits gives, (N, C_i, H_i, W_i), for each scale that judges; empty where a
            network does not show them. They are the inputs of the next layers, which a backward pass holds anyway.
    """

    logits: Tensor
    features: Tensor | None
    local: Tensor | None = None
    pixels: Tensor | None = None
    layers: tuple[tuple[Tensor, ...], ...] = ()
