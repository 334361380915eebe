"""Counts dispatched operations and FLOPs of whatever runs inside it."""

from __future__ import annotations

from collections import Counter

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

# Views and bookkeeping that launch nothing.
FREE = {
    "detach", "view", "_unsafe_view", "t", "transpose", "alias", "expand", "as_strided", "slice", "select",
    "unsqueeze", "squeeze", "permute", "reshape", "split", "split_with_sizes", "unbind", "lift_fresh", "is_same_size",
    "_record_function_enter_new", "_record_function_exit",
}  # fmt: skip


class Spy(TorchDispatchMode):
    """Counts operations by name, and their FLOPs (a multiply-add is two).

    torch's own FlopCounterMode raises where a penalty differentiates with respect to a leaf.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.flops = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.counts[function.overloadpacket.__name__] += 1
        out = function(*args, **(kwargs or {}))
        if function.overloadpacket in flop_registry:
            count = flop_registry[function.overloadpacket]
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        return out

    @property
    def work(self) -> dict[str, int]:
        """Operations that do something, by name."""
        return {name: n for name, n in self.counts.items() if name not in FREE}
