"""A play is one micro-batch of one step, with everything derived from it computed at most once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from gan_lab.engine.phases import Phase
from gan_lab.engine.randomness import Draws
from gan_lab.engine.step import Step

Value = TypeVar("Value")


class lazy(Generic[Value]):  # noqa: N801 - a decorator
    """A property of a play, computed at its first use; plays may use functools.cached_property as well.

    Python 3.11 has a lock around that one, which costs a microsecond for each of a round's dozen.
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        """Remember where the value goes."""
        self.name = name

    def __get__(self, play: Any, owner: type | None = None) -> Value:
        """Compute the value and put it in this descriptor's place."""
        if play is None:
            raise AttributeError(f"{self.name} is a property of a play, not of its class")
        value = play.__dict__[self.name] = self.compute(play)
        return value


class Game(Protocol):
    """What a play knows of its game: networks and parts, by the names that the game gave them."""

    def __getattr__(self, name: str) -> Any:
        """A network or part."""


class Play:
    """The memo that terms read. Games subclass it with cached properties (fake, on_real, ...).

    Args:
        game: the module, for its networks.
        step: the step being played.
        batch: this micro-batch's tensors by name, such as `images` (N, C, H, W) in [-1, 1] and `labels` (N,).
        draws: random tensors of this rank's batch.
        start: index of this micro-batch's first sample in the whole batch.
        whole: the whole batch, for statistics that micro-batches must share.
    """

    def __init__(
        self,
        game: Game,
        step: Step,
        batch: Mapping[str, Tensor],
        *,
        draws: Draws,
        start: int,
        whole: Mapping[str, Tensor],
    ) -> None:
        self.game = game
        self.step = step
        self.batch = batch
        self.size = next(iter(batch.values())).shape[0]
        self._draws = draws
        self._start = start
        self._whole = next(iter(whole.values())).shape[0]
        self.whole = whole
        self.noted: dict[str, Tensor] = {}

    @property
    def phase(self) -> Phase:
        """The phase of the run that this play belongs to."""
        found: Phase = self.game.phase
        return found

    def note(self, name: str, value: Tensor) -> None:
        """Note a number for parts with a state; their `commit` gets its mean over micro-batches and ranks."""
        self.noted[name] = value

    def carry(self, name: str, tensor: Tensor) -> None:
        """Keep a tensor (N, ...) of this micro-batch for later steps of the same round, without its graph."""
        kept = self.game.carried.get(name)
        if kept is None or kept.shape[0] != self._whole:
            kept = tensor.new_zeros((self._whole, *tensor.shape[1:]))
            self.game.carried[name] = kept
        kept[self._start : self._start + self.size].copy_(tensor.detach())

    @property
    def follows(self) -> bool:
        """Whether the player that this step stands behind (`Step.after`) has moved in this round."""
        found: bool = self.step.after in self.game.moved
        return found

    def hand_on(self) -> None:
        """Keep what the step says for later ones."""
        for name in self.step.carries:
            self.carry(name, getattr(self, name))

    def carried(self, name: str) -> Tensor:
        """What an earlier step of this round has kept under this name.

        Raises:
            KeyError: if none has.
        """
        kept: Tensor = self.game.carried[name]
        return kept[self._start : self._start + self.size]

    def normal(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers of this purpose; shape[0] is the play's number of samples."""
        return self._draw(purpose, shape, torch.randn)

    def uniform(self, purpose: str, shape: Sequence[int]) -> Tensor:
        """Numbers uniform in [0, 1) of this purpose; shape[0] is the play's number of samples."""
        return self._draw(purpose, shape, torch.rand)

    def _draw(self, purpose: str, shape: Sequence[int], sampler: Callable[..., Tensor]) -> Tensor:
        whole = self._draws.draw(purpose, (self._whole, *shape[1:]), sampler)
        return whole if shape[0] == self._whole else whole[self._start : self._start + shape[0]]

    def wants_gradient(self, name: str) -> bool:
        """Whether a term of this step differentiates with respect to the tensor of this name."""
        return name in self.step.differentiates

    def observe(self) -> Mapping[str, Tensor]:
        """Tensors already computed that are worth logging, by key (logits/real ...)."""
        return {}
