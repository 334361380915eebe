"""Which of Lightning's hooks a run calls, and what a callback is told that waits for others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lightning.pytorch import Callback

from gan_lab.common.errors import ConfigError

# In the order in which they come; what Lightning calls a batch is a stretch of rounds.
CALLED = (
    "setup", "on_fit_start", "on_train_start", "on_train_epoch_start", "on_train_batch_start", "on_train_batch_end",
    "on_train_epoch_end", "on_train_end", "on_fit_end", "on_exception", "teardown",
)  # fmt: skip
NEVER_CALLED = (
    "on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step",
    "on_sanity_check_start", "on_sanity_check_end",
    *(f"on_{stage}_{when}" for stage in ("validation", "test", "predict")
      for when in ("start", "end", "epoch_start", "epoch_end", "batch_start", "batch_end")),
    "on_save_checkpoint", "on_load_checkpoint", "state_dict", "load_state_dict",
)  # fmt: skip


def refuse_deaf(path: str, kind: type[Callback]) -> None:
    """Refuse a callback that would never be called.

    Args:
        path: of its entry in the configuration.
        kind: its class.

    Raises:
        ConfigError: if all hooks that it has are of those that never come.
    """
    if _own(kind, CALLED):
        return
    waits = _own(kind, NEVER_CALLED)
    never = (
        f"waits for {', '.join(waits)} only, which a run never calls" if waits else "has no hooks"
    )
    raise ConfigError(
        f"{path}: {kind.__name__} {never}; the hooks that come are {', '.join(CALLED)}."
    )


def unheard(callbacks: Iterable[Callback]) -> list[str]:
    """A sentence for each callback of others with hooks that never come beside those that do."""
    found = []
    for kind in map(type, callbacks):
        # Lightning's own have such hooks for validation, and do their work without it.
        waits = [] if kind.__module__.startswith("lightning.") else _own(kind, NEVER_CALLED)
        if waits:
            found.append(
                f"{kind.__name__} has hooks that a run never calls: {', '.join(waits)}. Its others work."
            )
    return found


def _own(kind: type[Any], hooks: Iterable[str]) -> list[str]:
    return [hook for hook in hooks if getattr(kind, hook) is not getattr(Callback, hook)]
