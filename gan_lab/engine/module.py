"""AdversarialModule, the only training loop: a round of any number of players."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from gan_lab.common.scalars import Scalar
from gan_lab.engine.clock import Clock
from gan_lab.engine.compiling import Compiled
from gan_lab.engine.declarations import Declarations
from gan_lab.engine.dials import Dials
from gan_lab.engine.meter import Meter
from gan_lab.engine.notes import Notes
from gan_lab.engine.phases import Phase, Phases
from gan_lab.engine.play import Play
from gan_lab.engine.player import GENERATOR, OptimizerOptions, Player, PlayerSpec
from gan_lab.engine.precision import Precision
from gan_lab.engine.randomness import Draws, seed_default_generators
from gan_lab.engine.reparametrized import Reparametrized
from gan_lab.engine.runner import Captured, CudaGraph, Eager, Recording, Runner
from gan_lab.engine.schedule import Schedule, schedule
from gan_lab.engine.step import Step, share_of
from gan_lab.engine.watching import Watch

EVERY_ROUND = Schedule(start=1.0, end=1.0)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What the engine needs to know beside the game; conf/train.yaml has the defaults of what people choose.

    Attributes:
        optimizers: by player.
        seed: of every random draw in training.
        accumulate: micro-batches per update; each update descends the whole batch's mean.
        ema_half_life_kimg: of averaged players, in thousands of images; a number or a schedule.
        ema_rampup: the half-life is at most this share of the images seen.
        log_every_rounds: gradient norms are computed in every so-many-th round only.
        precision: 32-true, bf16-mixed or 16-mixed.
        channels_last: the networks' memory format.
        compile: compile the networks; penalties on gradients run uncompiled.
        capture: record the device work of steps and replay it; needs optimizers that allow it.
    """

    optimizers: Mapping[str, OptimizerOptions]
    seed: int
    accumulate: int
    ema_half_life_kimg: Scalar
    ema_rampup: float
    log_every_rounds: int
    precision: str = "32-true"
    channels_last: bool = False
    compile: bool = False
    capture: bool = False


def say_nothing(text: str) -> None:
    """What a game says to before a run gives it ears; a function by name, so that a game can be pickled."""


class RoundCallback(Protocol):
    """Called after a round when it says it is due; the check runs every round and must be cheap."""

    def due(self, clock: Clock) -> bool:
        """Whether to call `after_round` now; host integers only, and asked more than once a round."""

    def after_round(self, module: AdversarialModule) -> None:
        """Do the work."""


class AdversarialModule(Declarations, LightningModule):
    """Base of all games: plays what a game declares (declarations.py), above all its `players` and `steps`.

    A round is one batch of fresh reals. Discriminators move in each, generators in every n_critic-th, players with an
    interval of their own by that. Inside a round nothing is read from the device, and all shapes are static.

    Args:
        n_critic: rounds per generator update; a number >= 1 or a schedule.
    """

    Play: type[Play] = Play  # what this game's terms read
    ranks: int = 1  # processes that train together; known once the players are made
    options: TrainingOptions  # set before the players are made

    def __init__(self, *, n_critic: Scalar = 1) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.n_critic = schedule(n_critic, "model.n_critic")
        self.clock = Clock()
        self.meter = Meter()
        self.playing: dict[str, Player] = {}
        self.timeline = Phases([Phase(())])
        self.phase = self.timeline.phases[0]
        self.carried: dict[str, Tensor] = {}
        self.moved: set[str] = set()  # players that have moved in the round of now
        self.round_callbacks: list[RoundCallback] = []
        self.runner: Runner = Eager()
        self.say: Callable[[str], None] = say_nothing
        self._state: Mapping[str, Any] | None = None

    # The round ------------------------------------------------------------------------------

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Make the players; the networks lie on their device by now."""
        options = self.options
        self.ranks = self._trainer.world_size if self._trainer is not None else 1
        if options.channels_last:
            self.to(memory_format=torch.channels_last)
        self.precision_of_step = Precision(options.precision, self.device)
        self.draws = Draws(self.device, rank=self.global_rank, ranks=self.ranks)
        self.dials = Dials(self.device if options.capture else None)
        self.stand_at(self.clock)
        self.notes = Notes(self.modules())
        self.carried = {}
        for spec in self.players():
            self.playing[spec.name] = Player(
                spec,
                options.optimizers[spec.name],
                intervals=self.timeline.lazy_intervals(spec.name),
                ema_half_life_kimg=options.ema_half_life_kimg,
                ema_rampup=options.ema_rampup,
                captured=options.capture,
            )
        networks = (network for spec in self.players() for network in spec.networks.values())
        self.reparametrized = Reparametrized(networks, self.device)
        if self._state is not None:
            for name, player in self.playing.items():
                player.load_state_dict(self._state["players"][name])
            self._state = None
        self.runner = self.make_runner()
        return [player.optimizer for player in self.playing.values()]

    def make_runner(self) -> Runner:
        """How the steps run: eagerly or recorded, with compiled networks or not."""
        runner: Runner = Eager()
        if self.options.capture:
            runner = Captured(
                self.recording,
                state=self.changing,
                meter=self.meter,
                device=self.device,
                say=self.say,
                watch=None if self.options.compile else Watch(self.registered),
            )
        if self.options.compile:
            networks = [n for spec in self.players() for n in spec.networks.values()]
            runner = Compiled(networks, runner)
        return runner

    def recording(self, pool: Any) -> Recording:
        """An empty recording for this device, in a pool of its memory."""
        return CudaGraph(self.device, pool)

    def obstacle_to_capture(self) -> str | None:
        """Why the steps of this game cannot be recorded, None where they can."""
        for name, optimizer in self.options.optimizers.items():
            if reason := optimizer.obstacle_to_capture():
                return f"optimizer.{name}{reason}"
        return None

    def changing(self) -> dict[str, Sequence[Tensor]]:
        """Every tensor that a round may change, by kind."""
        buffers = list(self.buffers())
        kinds: dict[str, Sequence[Tensor]] = {
            "weights": list(self.parameters()),
            "buffers": [b for b in buffers if b.is_floating_point()],
            "counters": [b for b in buffers if not b.is_floating_point()],
            "logged values": list(self.meter.sums.values()),
            "carried values": list(self.carried.values()),
        }
        for player in self.playing.values():
            kinds |= player.changing()
        return kinds

    def registered(self) -> list[Tensor]:
        """Every tensor that a round may change, or that is set for it."""
        changing = [tensor for kind in self.changing().values() for tensor in kind]
        return [*changing, *self.draws.tensors(), *self.dials.tensors.values()]

    def training_step(self, batches: Iterable[Mapping[str, Tensor]], _index: int = 0) -> None:
        """Play a stretch of rounds, each on a batch of fresh reals, until it ends or the trainer shall stop."""
        for batch in batches:
            self.play_round(batch)
            if self._trainer is not None and self._trainer.should_stop:
                return

    def play_round(self, batch: Mapping[str, Tensor]) -> None:
        """Play one round."""
        clock = self.clock
        seed_default_generators(self.options.seed, self.global_rank, clock.iteration)
        phase = self.enter_phase()
        due = self.players_due(phase)
        self.set_dials(clock.images_seen, self.dials)
        # Gradient norms cost operations: each player's is taken in its last update before the log.
        rounds_to_log = (
            self.options.log_every_rounds - clock.iteration % self.options.log_every_rounds
        )
        size = next(iter(batch.values())).shape[0]
        batch = self.runner.hold(batch)
        self.moved.clear()
        for step in phase.steps:
            interval = due.get(step.player)
            if interval is not None and clock.updates.get(step.player, 0) % step.every == 0:
                player = self.playing[step.player]
                self.update(step, player, batch, interval >= rounds_to_log)
                self.moved.add(step.player)
        self.average(size * self.ranks, due)
        clock.advance(size * self.ranks, due, generators_moved=not self.generators.isdisjoint(due))
        if rounds_to_log == 1:
            self.share_meter()
        for callback in self.round_callbacks:
            if callback.due(clock):
                callback.after_round(self)

    def stand_at(self, clock: Clock) -> None:
        """Take a clock's place in the run, and with it the phase."""
        self.clock = clock
        specs = self.players()
        self.generators = {spec.name for spec in specs if spec.role == GENERATOR}
        self.intervals = {spec.name: self.interval_of(spec) for spec in specs}
        for name in self.intervals:
            clock.waited.setdefault(name, 0)
        self.timeline = Phases(self.phases())
        self.phase = self.timeline.at(clock.images_seen)

    def interval_of(self, spec: PlayerSpec) -> Schedule:
        """Rounds from one update of a player to its next."""
        if spec.interval is not None:
            return spec.interval
        return self.n_critic if spec.role == GENERATOR else EVERY_ROUND

    def players_due(self, phase: Phase) -> dict[str, int]:
        """Who moves in the round that now begins, each with its interval."""
        clock, found = self.clock, {}
        for name in phase.players:
            interval = (phase.intervals.get(name) or self.intervals[name]).at(clock.images_seen)
            if clock.due(name, interval):
                found[name] = max(round(interval), 1)
        return found

    def enter_phase(self) -> Phase:
        """The phase that the next round belongs to."""
        phase = self.timeline.at(self.clock.images_seen)
        if phase is not self.phase:
            self.phase = phase
            self.say(
                f"kimg {self.clock.kimg:8.1f}  the phase {phase.name or 'that follows'} begins"
            )
        return phase

    def share_meter(self) -> None:
        """Average what the ranks have logged, so that records are the whole batch's; the first rank keeps it."""
        if self.ranks > 1 and self.meter:
            self.meter.average(self.ranks)
            if self.global_rank != 0:
                self.meter.clear()

    def average(self, images: int, moved: Collection[str]) -> None:
        """Move the averages of players that moved; `images` is the size of each round since they last did."""
        for name in moved:
            player = self.playing[name]
            if player.ema is not None:
                since = (self.clock.waited[name] + 1) * images
                decay = player.ema.decay(since, self.clock.images_seen + images)
                weight = self.dials.set(f"{player.name}/average", 1.0 - decay)
                self.runner.run(f"{player.name}/average", None, partial(player.ema.update, weight))

    def update(
        self, step: Step, player: Player, batch: Mapping[str, Tensor], want_norm: bool = False
    ) -> None:
        """One update of one player: the host's part, then the device's."""
        images = self.clock.images_seen
        want_norm = want_norm and step.every == 1
        # One process' numbers, whatever the rank: each takes its part of the whole batch's.
        self.draws.begin(step.name, self.options.seed, 0, self.clock.iteration)
        player.set_rate(images, self.dials, self.phase.rates.get(player.name, 1.0))
        weights = {
            name: term.weight.at(images)
            if term.weight.constant
            else self.dials.set(f"{step.name}/{name}", term.weight.at(images))
            for name, term in step.terms.items()
        }
        self.runner.run(
            step.name,
            (self.phase.name, want_norm, *step.behind(self.moved)),
            lambda: self.descend(step, player, batch, weights, want_norm),
        )

    def descend(
        self,
        step: Step,
        player: Player,
        batch: Mapping[str, Tensor],
        weights: Mapping[str, float | Tensor],
        want_norm: bool,
    ) -> None:
        """Pure device work with static shapes: forward, backward, the optimizer's step."""
        self.let_move(player)
        player.forget_gradients()
        parts = self.options.accumulate
        batch = share_of(batch, step.share, parts=parts)
        size = next(iter(batch.values())).shape[0]
        length = size // parts
        for start in range(0, size, length):
            end = start + length
            part = batch if parts == 1 else {name: rows[start:end] for name, rows in batch.items()}
            play = self.Play(self, step, part, draws=self.draws, start=start, whole=batch)
            with self.reparametrized.computed_once(first=start == 0):
                with self.precision_of_step.forward:
                    loss = self.loss(step, play, weights)
                factor = step.every / parts * self.precision_of_step.scale
                (loss if factor == 1 else loss * factor).backward()
            play.hand_on()
            for key, value in play.observe().items():
                self.meter.add(key, value)
            self.notes.take(play.noted, parts)
        self.notes.hand_out(self.ranks)
        if self.ranks > 1:
            player.average_gradients(self.ranks)
        norms = player.step(self.precision_of_step, want_norm=want_norm)
        player.forget_gradients()  # so that the next player's lie where these did, and both in the cache
        if norms:
            self.meter.add_norm(f"grad_norm/{player.name}", norms)

    def loss(self, step: Step, play: Any, weights: Mapping[str, float | Tensor]) -> Tensor:
        """The step's weighted terms added up, each noted in the meter under its name."""
        total: Tensor | None = None
        for name, term in step.terms.items():
            value = term.function(play)
            weight = weights[name]
            if isinstance(weight, Tensor) or weight != 1.0:
                value = value * weight
            self.meter.add(f"loss/{step.player}/{name}", value)
            total = value if total is None else total + value
        assert total is not None, f"step {step.name} has no terms"
        return total

    def let_move(self, player: Player) -> None:
        """Freeze every parameter but this player's: nothing else gets a gradient or a graph."""
        if not player.moving:
            for other in self.playing.values():
                other.move(other is player)

    # What others read -----------------------------------------------------------------------

    def averaged_networks(self) -> dict[str, nn.Module]:
        """The EMA networks of all averaged players by name (raw ones while no player is made)."""
        found: dict[str, nn.Module] = {}
        for spec in self.players():
            if spec.averaged:
                player = self.playing.get(spec.name)
                ema = player.ema if player is not None else None
                networks = ema.networks if ema is not None else spec.networks
                if twice := set(found) & set(networks):
                    raise ValueError(f"two averaged players have a network {twice.pop()!r}")
                found.update(networks)
        return found

    def rates(self) -> dict[str, float]:
        """The learning rates of now, as records name them."""
        images = self.clock.images_seen
        return {f"lr/{name}": player.rate(images) for name, player in self.playing.items()}

    def read_meter(self) -> dict[str, float]:
        """Means since the meter was last read: losses as sums of their terms, terms, logits, norms; and the rates."""
        values = self.meter.read()
        losses = {}
        for name in self.playing:
            terms = [value for key, value in values.items() if key.startswith(f"loss/{name}/")]
            if terms:
                losses[f"loss/{name}"] = sum(terms)
        return losses | values | self.rates()

    def stored_clock(self, state: Mapping[str, Any]) -> Clock:
        """The clock of a snapshot."""
        return Clock.restored(state, {spec.name: spec.role for spec in self.players()})

    def snapshot(self) -> dict[str, Any]:
        """Everything that training changes, as tensors and plain values."""
        return {
            "clock": self.clock.state_dict(),
            "networks": self.state_dict(),
            "players": {name: player.state_dict() for name, player in self.playing.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a snapshot; optimizers and averages follow when they are made."""
        self.clock = self.stored_clock(state["clock"])
        self.load_state_dict(state["networks"])
        self._state = state
