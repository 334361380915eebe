"""Numbers that the host sets between rounds and the device work of a step reads."""

from __future__ import annotations

import torch
from torch import Tensor


class Dials:
    """Plain floats, or tensors of shape () on the device where steps are captured.

    A captured step repeats its device work without running Python, so a float would stay what it was at the capture:
    learning rates, scheduled weights and the average's decay go through here.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device
        self.tensors: dict[str, Tensor] = {}
        self._shown: dict[str, float] = {}

    def set(self, name: str, value: float) -> float | Tensor:
        """Set a number and return what the device work is to read: the float, or always the same tensor."""
        if self.device is None:
            return value
        tensor = self.tensors.get(name)
        if tensor is None:
            tensor = torch.full((), value, dtype=torch.float32, device=self.device)
            self.tensors[name] = tensor
        elif self._shown[name] != value:
            tensor.fill_(value)
        self._shown[name] = value
        return tensor
