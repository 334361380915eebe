"""Numeric precision of the networks' forward passes; losses and penalties reduce in float32 themselves.

Lightning's 16-bit plugin is not used: its gradient scaler is shared by all optimizers, so an overflow in the
discriminator would halve the generator's scale, and it synchronises host and device in every step. Here `16-mixed`
means a constant loss scale, and non-finite gradients set to zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

LOSS_SCALE = 1024.0
DTYPES = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class Precision:
    """The context of forward passes and the treatment of gradients for one precision.

    Args:
        name: 32-true, bf16-mixed or 16-mixed.
        device: where the networks lie.

    Attributes:
        forward: the context of forward passes, one object for all: it can be entered again, but not inside itself.
        scale: the loss is multiplied by it.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.name = name
        self.dtype = DTYPES[name]
        self.scale = LOSS_SCALE if name == "16-mixed" else 1.0
        # Without autocast's weight cache: with it the second update of a round sees old weights.
        self.forward: AbstractContextManager[object] = (
            nullcontext()
            if self.dtype is None
            else torch.autocast(device.type, dtype=self.dtype, cache_enabled=False)
        )

    def unscale(self, gradients: Iterable[Tensor]) -> None:
        """Undo the loss scale in place and zero what overflowed; no host synchronisation."""
        if self.scale == 1.0:
            return
        gradients = list(gradients)
        torch._foreach_mul_(gradients, 1.0 / self.scale)
        for gradient in gradients:
            torch.nan_to_num_(gradient, nan=0.0, posinf=0.0, neginf=0.0)
