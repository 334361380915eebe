"""A stand-in for CUDA graphs on the CPU: records the operations of a piece of work and does them again without Python.

It has the graph's semantics that matter: a replay runs no Python, writes to the tensors of the recording, and sees
only what lies in the tensors it read then. It refuses what a capture refuses: reading a value, or a shape that depends
on data, in Python.
"""

from __future__ import annotations

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from gan_lab.engine.state import Snapshot

HOST_READS = {
    "_local_scalar_dense",
    "item",
    "equal",
    "is_nonzero",
    "nonzero",
    "masked_select",
    "unique",
}
# On a CPU these dispatch no operation that the tape could see.
TO_THE_HOST = {
    "tolist",
    "numpy",
    "__array__",
    "cpu",
    "__bool__",
    "__float__",
    "__int__",
    "__index__",
}


class NoHostCopies(TorchFunctionMode):
    """Refuses the methods that hand values to Python."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__name__", "") in TO_THE_HOST:
            raise RuntimeError(
                f"{function.__name__} reads a value on the host while a step is recorded"
            )
        return function(*args, **(kwargs or {}))


class Tape(TorchDispatchMode):
    """A Recording of gan_lab.engine.runner.

    Args:
        state: what to put back after recording, which here, unlike on a GPU, does the work.
    """

    def __init__(self, state):
        super().__init__()
        self.state = state
        self.operations = []

    def capture(self, work):
        before = Snapshot(self.state, torch.device("cpu"))
        try:
            with NoHostCopies(), self:
                work()
        finally:
            before.put_back()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function.overloadpacket.__name__ in HOST_READS:
            raise RuntimeError(f"{function} reads a value on the host while a step is recorded")
        out = function(*args, **kwargs)
        self.operations.append((function, args, kwargs, out))
        return out

    def replay(self):
        with torch.no_grad():
            for function, args, kwargs, out in self.operations:
                again = function(*args, **kwargs)
                for old, new in zip(tree_flatten(out)[0], tree_flatten(again)[0], strict=True):
                    # Views and results of in-place operations are where they were already.
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)
