"""Finds tensors that the work of steps changes and nobody registered: a recorded step would leave them as they were.

A recording repeats device work and no Python. A tensor that one step puts into a dictionary and a later one takes out
again is a new one in each round of Python, and for ever the same in a recording. Nor does a resume know of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Watch:
    """Watches the work of steps, run after run.

    Args:
        registered: every tensor that work may change or that is set for it anew each time.
    """

    def __init__(self, registered: Callable[[], Iterable[Tensor]]) -> None:
        self.registered = registered
        self.runs: Counter[str] = Counter()
        self.made: dict[int, tuple[StorageWeakRef, str]] = {}  # alive, by the step that made them

    @contextmanager
    def of(self, step: str) -> Iterator[list[str]]:
        """Watch one run of a step's work; what is wrong is in the list afterwards, in words."""
        found: list[str] = []
        mode = _Watching()
        with mode:
            yield found
        known = {_storage(tensor).cdata for tensor in self.registered()}
        self.made = {cdata: made for cdata, made in self.made.items() if not made[0].expired()}
        written = [ref for key, ref in mode.written.items() if key not in mode.made]
        if any(ref.cdata not in known for ref in written):
            found.append("it writes to a tensor that is neither a buffer nor carried")
        sources = {self.made[key][1] for key in mode.read if key in self.made and key not in known}
        if sources:
            found.append(
                f"it reads a tensor that the step '{min(sources)}' made and that is neither a buffer nor carried"
            )
        self.runs[step] += 1
        if self.runs[step] > 1:  # in its first run a step may make constants, which stay
            alive = {key: ref for key, ref in mode.made.items() if not ref.expired()}
            self.made |= {key: (ref, step) for key, ref in alive.items() if key not in known}


class _Watching(TorchDispatchMode):
    """Notes which storages operations read, write and make."""

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[int, StorageWeakRef] = {}
        self.written: dict[int, StorageWeakRef] = {}
        self.made: dict[int, StorageWeakRef] = {}

    def __torch_dispatch__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        given = _storages((args, kwargs))
        for place, argument in enumerate(function._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                value = args[place] if place < len(args) else kwargs.get(argument.name)
                self.written |= _storages(value)
        self.read |= given
        out = function(*args, **kwargs)
        for key, ref in _storages(out).items():
            if key not in given:
                self.made[key] = ref
        return out


def _storage(tensor: Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())


def _storages(tree: Any) -> dict[int, StorageWeakRef]:
    refs = [_storage(leaf) for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
    return {ref.cdata: ref for ref in refs}
