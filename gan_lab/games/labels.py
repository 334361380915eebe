"""Labels of samples: how classes and attributes are written for networks, and by which law fakes get theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.common.ranges import one_of

LAWS = ("data", "uniform")


def written(labels: Tensor, label_dim: int) -> Tensor:
    """Labels as networks read them: float32 (N, label_dim), one-hot for classes; attributes as they are.

    Args:
        labels: classes, int64 (N,), where -1 is unknown and becomes a row of zeros; or attributes (N, label_dim).
        label_dim: number of classes or attributes.
    """
    if labels.ndim == 2:
        return labels.float()
    # Not torch's one_hot, which reads values on the host: a recorded step may not.
    return (labels[:, None] == torch.arange(label_dim, device=labels.device)).float()


class LabelLaw(nn.Module):
    """How often each label occurs, as buffers that a checkpoint keeps.

    Before `learn` all classes are equally likely. Attributes occur in the combinations that the data has.

    Args:
        label_dim: number of classes or attributes.
        law: `data` draws labels as often as the training split has them, `uniform` all of its labels equally often.

    Raises:
        ConfigError: if the law is another.
    """

    rows: Tensor
    edges: Tensor

    def __init__(self, label_dim: int, law: str) -> None:
        super().__init__()
        one_of("labels.law", law, LAWS)
        self.law = law
        self.register_buffer("rows", torch.eye(label_dim))
        self.register_buffer("edges", torch.arange(1, label_dim + 1) / label_dim)

    def learn(self, labels: Tensor) -> None:
        """Take the law from a split's labels: int64 (N,), those below 0 left out, or float (N, label_dim)."""
        known = labels if labels.ndim == 2 else labels[labels >= 0]
        found, counts = known.unique(dim=0, return_counts=True)
        shares = counts.double() if self.law == "data" else torch.ones(len(found)).double()
        device = self.rows.device
        self.rows = written(found, self.rows.shape[1]).to(device)
        self.edges = (shares.cumsum(0) / shares.sum()).float().to(device)

    @property
    def exclusive(self) -> bool:
        """Whether every label is one class, rather than any number of attributes."""
        return bool((self.rows.sum(dim=1) == 1).all())

    def draw(self, uniform: Tensor) -> Tensor:
        """Labels (N, label_dim) of numbers (N,) uniform in [0, 1)."""
        index = torch.searchsorted(self.edges, uniform, right=True)
        return self.rows[index.clamp(max=len(self.rows) - 1)]

    def of_classes(self, classes: Sequence[int]) -> Tensor:
        """Labels (N, label_dim) of these classes; of attributes, those with the one of this number alone."""
        return torch.eye(self.rows.shape[1])[list(classes)]

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *others: Any) -> None:
        """The number of combinations is the data's, and the checkpoint knows it."""
        for name in ("rows", "edges"):
            if f"{prefix}{name}" in state:
                setattr(
                    self, name, torch.empty_like(state[f"{prefix}{name}"], device=self.rows.device)
                )
        super()._load_from_state_dict(state, prefix, *others)  # type: ignore[no-untyped-call]
