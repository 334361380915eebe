"""A player: networks that move together, their optimizer, constraints and average."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gan_lab.common.scalars import Scalar
from gan_lab.engine.dials import Dials
from gan_lab.engine.ema import EMA
from gan_lab.engine.exchange import average
from gan_lab.engine.optimizers import build_optimizer, can_be_captured, lazy_correction
from gan_lab.engine.precision import Precision
from gan_lab.engine.schedule import Schedule

GENERATOR = "generator"  # the role of players whose updates a run counts


class Constraint(Protocol):
    """A projection of parameters after each update, such as weight clipping."""

    def project(self, parameters: Iterable[Tensor]) -> None:
        """Change the parameters in place; called without grad."""


@dataclass(frozen=True)
class PlayerSpec:
    """What a game declares of a player.

    Attributes:
        name: its name in configuration and logs, such as `generator`.
        role: what it is: generator, discriminator, encoder, classifier. A run counts the updates of generators.
        networks: its networks by name.
        constraints: projections after each update.
        averaged: whether an EMA follows it.
        interval: rounds from one of its updates to the next; None is the game's n_critic for generators, 1 for others.
        rates: factors of its learning rate for some of its weights, by the beginning of their names, such as
            {"generator.mapping": 0.01}. They win over those that a network brings in an attribute `rates` of its own,
            such as {"mapping": 0.01}.
        half_life_kimg: of its EMA; None is that of the run.
        resting: names of weights that do not move, such as "discriminator.body.0.weight".
    """

    name: str
    role: str
    networks: Mapping[str, nn.Module]
    constraints: Sequence[Constraint] = ()
    averaged: bool = False
    interval: Schedule | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    half_life_kimg: float | None = None
    resting: Collection[str] = ()

    def moving(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The weights that move, by the name of their network and their own in it."""
        for network, module in self.networks.items():
            for name, parameter in module.named_parameters():
                if f"{network}.{name}" not in self.resting:
                    yield f"{network}.{name}", parameter


@dataclass(frozen=True)
class OptimizerOptions:
    """An optimizer's class, its rate as a schedule, and its other options.

    Attributes:
        factory: such as torch.optim.Adam.
        lr: learning rate over images seen; logged as given, before the correction for lazy steps.
        clip_norm: gradients are scaled down to this total norm; None never.
        options: the factory's other keyword arguments.
        betas: where they change over images seen, which a recorded step would not see; else they are in the options.
    """

    factory: Callable[..., torch.optim.Optimizer]
    lr: Schedule
    clip_norm: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    betas: Sequence[Schedule] = ()

    def obstacle_to_capture(self) -> str | None:
        """Why its steps cannot be recorded on a GPU, to be read behind its name; None where they can."""
        if not can_be_captured(self.factory, torch.device("cuda")):
            kind = getattr(self.factory, "__name__", str(self.factory))
            return f": {kind} keeps numbers on the host in each step"
        return ".betas: optimizers read a schedule of them on the host" if self.betas else None


class Player:
    """A player at work: made from its spec once the networks lie on their device."""

    def __init__(
        self,
        spec: PlayerSpec,
        optimizer: OptimizerOptions,
        *,
        intervals: Sequence[int],
        ema_half_life_kimg: Scalar,
        ema_rampup: float,
        captured: bool = False,
    ) -> None:
        self.name = spec.name
        self.moving = False
        self.parameters = [parameter for _, parameter in spec.moving()]
        for name, network in spec.networks.items():
            for key in spec.resting:
                if key.startswith(f"{name}."):
                    network.get_parameter(key.removeprefix(f"{name}.")).requires_grad_(False)
        self.constraints = spec.constraints
        self.lr = optimizer.lr
        self.betas = optimizer.betas
        self.clip_norm = optimizer.clip_norm
        self.correction = lazy_correction(intervals)
        self.factor = 1.0  # of its learning rate, in the phase of now
        groups = rate_groups(spec)
        self.shares = list(groups)
        rate = self.lr.at(0) * self.correction
        self.optimizer = build_optimizer(
            optimizer.factory,
            [{"params": found, "lr": rate * share} for share, found in groups.items()],
            options={**optimizer.options, "lr": rate},
            correction=self.correction,
            captured=captured,
        )
        half_life = ema_half_life_kimg if spec.half_life_kimg is None else spec.half_life_kimg
        self.ema = (
            EMA(spec.networks, half_life_kimg=half_life, rampup=ema_rampup)
            if spec.averaged
            else None
        )

    def move(self, allowed: bool) -> None:
        """Let gradients reach its parameters, or freeze them: freezing replaces detaching."""
        self.moving = allowed
        for parameter in self.parameters:
            parameter.requires_grad_(allowed)

    def forget_gradients(self) -> None:
        """Drop the gradients; torch's zero_grad does the same and 15 microseconds of bookkeeping."""
        for parameter in self.parameters:
            parameter.grad = None

    def set_rate(self, images_seen: int, dials: Dials, factor: float = 1.0) -> None:
        """Set the learning rate due after so many images, times a factor of the phase, and betas that change."""
        if self.betas:
            betas = tuple(beta.at(images_seen) ** self.correction for beta in self.betas)
            for group in self.optimizer.param_groups:
                group["betas"] = betas
        if self.lr.constant and factor == self.factor:
            return
        self.factor = factor
        rate = self.lr.at(images_seen) * self.correction * factor
        for share, group in zip(self.shares, self.optimizer.param_groups, strict=True):
            group["lr"] = dials.set(f"{self.name}/lr*{share}", rate * share)

    def rate(self, images_seen: int) -> float:
        """The learning rate after so many images, before the correction for lazy steps."""
        return self.lr.at(images_seen) * self.factor

    def average_gradients(self, ranks: int) -> None:
        """Average the gradients over ranks with one all-reduce."""
        average([p.grad for p in self.parameters if p.grad is not None], ranks)

    def step(self, precision: Precision, *, want_norm: bool) -> Sequence[Tensor]:
        """Unscale, clip, update and project; return norms of the gradients' parts before clipping if wanted."""
        if precision.scale != 1.0:
            precision.unscale(p.grad for p in self.parameters if p.grad is not None)
        norms: Sequence[Tensor] = ()
        if self.clip_norm is not None:
            norms = [nn.utils.clip_grad_norm_(self.parameters, self.clip_norm, foreach=True)]
        elif want_norm:
            norms = torch._foreach_norm([p.grad for p in self.parameters if p.grad is not None])
        self.optimizer.step()
        if self.constraints:
            with torch.no_grad():
                for constraint in self.constraints:
                    constraint.project(self.parameters)
        return norms if want_norm else ()

    def changing(self) -> dict[str, list[Tensor]]:
        """Every tensor beside the weights that its updates change, by kind."""
        kinds: dict[str, list[Tensor]] = {}
        for state in self.optimizer.state.values():
            for key, value in state.items():
                if isinstance(value, Tensor):
                    kinds.setdefault(f"{key} of {self.name}'s optimizer", []).append(value)
        if self.ema is not None:
            kinds[f"{self.name}'s average"] = self.ema.averages
            kinds[f"counters of {self.name}'s average"] = [copy for copy, _ in self.ema.copies]
        return kinds

    def state_dict(self) -> dict[str, Any]:
        """Optimizer and EMA state, tensors and plain values only."""
        state: dict[str, Any] = {"optimizer": self.optimizer.state_dict()}
        if self.ema is not None:
            state["ema"] = self.ema.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore state_dict; the options of this run's optimizer stay, its moments are taken."""
        groups = [dict(group) for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(dict(state["optimizer"]))
        options = self.optimizer.defaults
        on_device = options.get("capturable") or options.get("fused")
        for parameter, moments in self.optimizer.state.items():
            for key, value in moments.items():
                if not isinstance(value, Tensor):
                    continue
                if key == "step":
                    # Where this run's optimizer counts; torch puts it where the checkpoint's did.
                    moments[key] = value.to(parameter.device if on_device else "cpu")
                elif value.shape == parameter.shape:
                    # In the weights' memory format: the checkpoint may be from a run in another one.
                    moments[key] = torch.empty_like(parameter).copy_(value)
        for group, mine in zip(self.optimizer.param_groups, groups, strict=True):
            group.update({key: value for key, value in mine.items() if key != "params"})
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])


def rate_groups(spec: PlayerSpec) -> dict[float, list[nn.Parameter]]:
    """A player's weights by the factor of their learning rate, in their order.

    Raises:
        ValueError: if a name in its rates, or in those of a network, begins no weight's name.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    rates = {
        f"{network}.{key}": factor
        for network, module in spec.networks.items()
        for key, factor in getattr(module, "rates", {}).items()
    } | dict(spec.rates)
    unused = set(rates)
    for name, parameter in spec.moving():
        fitting = [key for key in rates if name.startswith(key)]
        unused -= set(fitting)
        factor = rates[max(fitting, key=len)] if fitting else 1.0
        groups.setdefault(factor, []).append(parameter)
    if unused:
        raise ValueError(f"{spec.name}: rates name {sorted(unused)}, and no weight is called so")
    return groups
