"""What networks with labels have in common: the option, its check, and labels beside the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import one_of


class LabelledNetwork(nn.Module):
    """A network that may read labels, float32 (N, label_dim), one-hot for classes.

    Args:
        labels: how: "none", or one of the ways.
        ways: that this network has, such as "beside": more entries or planes of its input, arXiv:1411.1784.
        label_dim: number of the data's classes or attributes; None where it has none.

    Raises:
        ConfigError: if the way is unknown, or the data has no labels.
    """

    def __init__(self, labels: str, *, ways: Sequence[str], label_dim: int | None) -> None:
        super().__init__()
        one_of("labels", labels, ("none", *ways))
        if labels != "none" and label_dim is None:
            raise ConfigError(
                f"labels={labels}: this data has no labels; choose data with classes, such as data=mnist or a folder "
                "with one folder for each class."
            )
        self.labels = labels
        self.label_dim = label_dim

    @property
    def takes_labels(self) -> bool:
        """Whether the network is called with labels behind its input."""
        return self.labels != "none"

    def label_dim_if(self, way: str) -> int | None:
        """The number of labels where this is how they are read, else None."""
        return self.label_dim if self.labels == way else None

    @property
    def beside_dim(self) -> int:
        """Entries or planes that labels add to the input."""
        return self.label_dim_if("beside") or 0

    def beside(self, x: Tensor, labels: Tensor | None, *, flat: bool = False) -> Tensor:
        """Put labels behind x where this is how they are read.

        Args:
            x: vectors (N, D), or images (N, C, H, W), beside which every label becomes a plane.
            labels: (N, label_dim).
            flat: whether images become vectors, and labels entries.
        """
        if self.labels != "beside":
            return x
        assert labels is not None, "this network takes labels"
        if flat:
            x = x.flatten(1)
        if x.ndim == 4:
            labels = labels[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return torch.cat([x, labels.to(x.dtype)], dim=1)


class LabelledDiscriminator(LabelledNetwork):
    """A discriminator that may read labels.

    Args:
        labels: "none", "beside" or "projection".
        label_dim: as of `LabelledNetwork`.
        feature_dim: entries of its features, which parts made later may ask for.
        local_dim: channels of its local features; None where it offers none.
    """

    def __init__(
        self,
        labels: str,
        *,
        label_dim: int | None,
        feature_dim: int,
        local_dim: int | None = None,
    ) -> None:
        super().__init__(labels, ways=("beside", "projection"), label_dim=label_dim)
        self.feature_dim = feature_dim
        self.local_dim = local_dim

    @property
    def offers(self) -> Mapping[str, Any]:
        """What constructors of later parts may ask for by name."""
        local = {} if self.local_dim is None else {"local_dim": self.local_dim}
        return {"feature_dim": self.feature_dim, **local}
