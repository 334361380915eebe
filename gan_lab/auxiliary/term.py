"""What auxiliary terms share: what they read of a play, their weights, their heads.

An auxiliary term is a module with a method `discriminator(play)`, `generator(play)` or both: the unweighted term,
shape (), float32, of that player's main step. Its parameters move with the player that `head_player` names; the engine
freezes them in the other player's step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar


class Judgement(Protocol):
    """The part of a DiscriminatorOutput that auxiliary terms read."""

    @property
    def logits(self) -> Tensor:
        """Shape (N,)."""

    @property
    def features(self) -> Tensor | None:
        """Shape (N, F), in the network's precision; None where a network offers none."""

    @property
    def local(self) -> Tensor | None:
        """Features of places, shape (N, C, H, W); None where a network offers none."""

    @property
    def layers(self) -> tuple[tuple[Tensor, ...], ...]:
        """What each layer gives, (N, C_i, H_i, W_i), for each scale; empty where a network shows none."""


class Play(Protocol):
    """The part of a play that auxiliary terms read."""

    @property
    def real(self) -> Tensor:
        """Real images (N, C, H, W)."""

    @property
    def fake(self) -> Tensor:
        """Generated images (N, C, H, W)."""

    @property
    def on_real(self) -> Judgement:
        """The discriminator on `real`."""

    @property
    def on_fake(self) -> Judgement:
        """The discriminator on `fake`."""

    @property
    def real_labels(self) -> Tensor | None:
        """Labels of the reals as networks read them, float32 (N, label_dim); None where the game has none."""

    @property
    def fake_labels(self) -> Tensor | None:
        """Labels that the fakes were asked for, float32 (N, label_dim); None where the game has none."""

    @property
    def real_classes(self) -> Tensor:
        """Classes of the reals, int64 (N,), -1 where unknown; or attributes, float32 (N, label_dim) in {0, 1}."""

    @property
    def fake_classes(self) -> Tensor:
        """Classes that the fakes were asked for, int64 (N,); or attributes, float32 (N, label_dim)."""

    @property
    def codes(self) -> Mapping[str, Tensor]:
        """Codes of the fakes by name: categories int64 (N,) or one-hot (N, K), numbers float32 (N,) or (N, 1)."""

    def discriminate(self, images: Tensor, labels: Tensor | None = None, /) -> Judgement:
        """Judge any other images (N, C, H, W)."""

    def uniform(self, purpose: str, shape: tuple[int, ...], /) -> Tensor:
        """Draw from [0, 1)."""


class Auxiliary(nn.Module):
    """Base of the terms here: their weights.

    Attributes:
        head_player: whose optimizer moves the term's own parameters.
        needs: what the play must have: "labels", "classes" (one label an image), "features", "local", "codes",
            "layers", "pairs", "latents".

    Args:
        weights: each >= 0, or a schedule: `discriminator_weight` and `generator_weight`, or `weight` of a term with
            one side.
    """

    head_player: ClassVar[str] = "discriminator"
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    def __init__(self, **weights: Scalar) -> None:
        super().__init__()
        for name, weight in weights.items():
            if not isinstance(weight, Mapping):
                in_range(name, weight, low=0)
            setattr(self, name, weight)


class Head(nn.Linear):
    """A linear layer in float32, whatever the precision of the layers before."""

    @override
    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return F.linear(features.to(self.weight.dtype), self.weight, self.bias)


def features_of(output: Judgement) -> Tensor:
    """The features (N, F) of a judgement.

    Raises:
        ValueError: if the discriminator offers none.
    """
    if output.features is None:
        raise ValueError("this discriminator offers no features for an auxiliary term to read")
    return output.features


def one_class(classes: Tensor) -> Tensor:
    """Classes (N,), one for each image.

    Raises:
        ConfigError: if the labels are several attributes.
    """
    if classes.ndim != 1:
        raise ConfigError(
            f"auxiliary: these labels are {classes.shape[1]} attributes of each image, and this term takes one class; "
            "choose auxiliary=[acgan], or data with classes."
        )
    return classes


def products(one: Tensor, other: Tensor) -> Tensor:
    """All inner products (N, M) of vectors (N, D) and (M, D), in float32 whatever the precision around."""
    with torch.autocast(one.device.type, enabled=False):
        return one.float() @ other.float().T


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of the labels: over classes, or of each attribute by itself.

    Args:
        logits: shape (N, K).
        labels: classes, int64 (N,), where -1 is unknown and left out; or attributes, float32 (N, K) in {0, 1}.

    Returns:
        Shape (), float32: the mean over the images whose class is known, or over images and attributes.
    """
    if labels.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits.float(), labels.float())
    total = F.cross_entropy(logits.float(), labels, ignore_index=-1, reduction="sum")
    return total / (labels >= 0).sum().clamp(min=1)
