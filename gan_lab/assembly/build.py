"""From a configuration to the objects of a run; the only file that does so."""

from __future__ import annotations

import typing
from collections import ChainMap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from gan_lab.assembly.kinds import KINDS, Kind, annotated, kind_of
from gan_lab.assembly.normalised import normalise_part, refuse_other_networks
from gan_lab.assembly.parts import Leftovers, build_part, constructor_options, load_target
from gan_lab.assembly.sizes import refuse_too_many
from gan_lab.common.errors import ConfigError, nearest
from gan_lab.common.ranges import in_range
from gan_lab.common.scalars import Scalar
from gan_lab.config.permission import allowed_targets
from gan_lab.config.schema import FIELDS, METRICS, SECTIONS
from gan_lab.config.types import check_type
from gan_lab.engine.module import AdversarialModule, TrainingOptions
from gan_lab.engine.player import OptimizerOptions
from gan_lab.engine.randomness import seed_of
from gan_lab.engine.schedule import Schedule, schedule
from gan_lab.networks.fast.cpu import fast_cpu
from gan_lab.process.machine import Machine, choose

RATE_KEYS = ("lr", "clip_norm")
OF_SEVERAL = (
    "penalty",
    "auxiliary",
    "augment",
    "degrade",
)  # groups of which several are chosen, for games that take them
OF_EACH = ("every_kimg", "num_samples")  # options that each metric has too


@dataclass
class Parts:
    """What a configuration describes, made; no data is read yet."""

    game: AdversarialModule
    source: Any
    metrics: Any | None
    machine: Machine
    dropped: list[str]


def build(config: Mapping[str, Any], user_keys: Collection[str] = ()) -> Parts:
    """Make the parts of a run.

    Args:
        config: resolved, plain containers.
        user_keys: dotted paths that the user set on the command line.

    Raises:
        ConfigError: at the first option that is unknown, wrong, out of range or not to be had on this machine.
    """
    machine = choose(config)
    builder = _Builder(config, user_keys)
    source = builder.source()
    facts = facts_of(source)
    game = builder.game(facts)
    _refuse_lacking(game, facts)
    metrics = builder.metrics()
    builder.refuse_unknown()
    if "resolution" in facts:
        shape = (facts["channels"], facts["resolution"], facts["resolution"])
        refuse_too_many("samples.num", config["samples"]["num"], shape=shape)
    machine = settle_graphs(machine, game, config, builder.leftovers.dropped)
    game.options = replace(
        game.options,
        precision=machine.precision,
        channels_last=machine.memory_format == "channels_last",
        compile=machine.compile,
        capture=machine.cuda_graphs,
    )
    if machine.device == "cpu" and not machine.compile:
        fast_cpu(game)
    return Parts(game, source, metrics, machine, builder.leftovers.dropped)


def _refuse_lacking(game: AdversarialModule, facts: Mapping[str, Any]) -> None:
    """Refuse data whose batches lack a column that the game's class says it reads."""
    columns = facts.get("columns")
    for name in getattr(game, "reads", ()):
        if columns is not None and name not in columns:
            raise ConfigError(
                f"model: reads {name}, and a batch of this data has {' and '.join(columns)}; "
                "choose other data, such as data=mnist, or a model that reads these."
            )


def _several(annotation: Any) -> bool:
    """Whether a constructor takes several parts of a group by name: Mapping[str, Any], or that or None."""
    return any(typing.get_origin(a) is Mapping for a in (annotation, *typing.get_args(annotation)))


def _late(name: str) -> int:
    """Which part is made when: each may ask for what those before it offer, as networks for the latent's size."""
    return {"latent": 0, "degrade": 0, "auxiliary": 2}.get(name, 1)


def settle_graphs(
    machine: Machine, game: AdversarialModule, config: Mapping[str, Any], dropped: list[str]
) -> Machine:
    """Give up CUDA graphs where the game's parts do not allow them; an error if the user asked for them."""
    obstacle = game.obstacle_to_capture() if machine.cuda_graphs else None
    if obstacle is None:
        return machine
    if config["engine"]["cuda_graphs"] is True:
        raise ConfigError(f"engine.cuda_graphs=true: {obstacle}; set auto or false.")
    dropped.append(f"CUDA graphs ({obstacle})")
    return replace(machine, cuda_graphs=False)


def build_game(
    config: Mapping[str, Any], facts: Mapping[str, Any] | None = None
) -> tuple[AdversarialModule, Any]:
    """Make only the game and its (unread) data source: what sampling needs.

    Args:
        config: resolved, plain containers.
        facts: of the data, as a checkpoint keeps them; None asks the source, which may need the data for some.
    """
    builder = _Builder(config, ())
    source = builder.source()
    return builder.game(facts_of(source) if facts is None else facts), source


def facts_of(source: Any) -> Mapping[str, Any]:
    """What is known of the data, by the names under which constructors ask for it (resolution, label_dim ...)."""
    facts: Mapping[str, Any] | None = getattr(source, "facts", None)
    if facts is None:
        return {"resolution": source.resolution, "channels": source.channels}
    return facts


def build_source(config: Mapping[str, Any]) -> Any:
    """Make only the (unread) data source."""
    return _Builder(config, ()).source()


def build_metrics(config: Mapping[str, Any], user_keys: Collection[str] = ()) -> Any | None:
    """Make only the metrics; None for metrics=none."""
    return _Builder(config, user_keys).metrics()


class _Builder:
    def __init__(self, config: Mapping[str, Any], user_keys: Collection[str]) -> None:
        self.config = config
        self.leftovers = Leftovers(user_keys)
        self.allowed = allowed_targets(config.get("allow_targets"))
        self.used: set[str] = set()

    def part(
        self,
        path: str,
        node: Mapping[str, Any],
        context: Mapping[str, Any],
        *,
        kind: Kind | None = None,
    ) -> Any:
        kind = kind or kind_of(path.partition(".")[0])
        # Each part draws its weights from a seed of its own: exchanging one leaves the others as they were.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self.config["seed"], "weights", path))
            return build_part(
                path,
                node,
                kind=kind,
                context=context,
                leftovers=self.leftovers,
                allowed=self.allowed,
            )

    def node(self, name: str) -> Mapping[str, Any]:
        node = self.config.get(name)
        if not isinstance(node, Mapping):
            raise ConfigError(f"{name}={node}: must be a choice of the group {name}, see --help.")
        return node

    def source(self) -> Any:
        options = {k: v for k, v in self.node("data").items() if f"data.{k}" not in FIELDS}
        return self.part("data", options, {})

    def metrics(self) -> Any | None:
        node = self.node("metrics")
        shared = {key: value for key, value in node.items() if f"metrics.{key}" in METRICS}
        ours = [key for key in OF_EACH if shared.pop(key, None) is not None]
        made = []
        for name, entry in node.items():
            if f"metrics.{name}" in METRICS:
                continue
            if not isinstance(entry, Mapping):
                known = [path.partition(".")[2] for path in METRICS]
                raise ConfigError(
                    f"metrics.{name}: no such option; an option of one metric stands below its name, such as "
                    f"metrics.fid.{name}; those of all are {', '.join(known)}."
                )
            if "_target_" not in entry:
                why = f"{name} is not among the chosen metrics"
                self.leftovers.drop(f"metrics.{name}", why, ())
            elif entry["_target_"] is not None:
                self.refuse_overruled(f"metrics.{name}", ours)
                options = {**entry, **{key: node[key] for key in ours}}
                made.append(self.part(f"metrics.{name}", options, {}))
        if not made:
            for path in sorted({*METRICS} & {*self.leftovers.user_keys}):
                self.leftovers.drop(path, "metrics=none has no options", ())
            return None
        from gan_lab.metrics.together import Metrics
        from gan_lab.metrics.views import Conditions

        monitor = self.config.get("checkpoint", {}).get("monitor")
        return Metrics(made, Conditions(**shared), monitor=monitor)

    def refuse_overruled(self, path: str, ours: Collection[str]) -> None:
        """Refuse an option that the user gave to one metric while that of all metrics has a value."""
        for key in ours:
            if f"{path}.{key}" in self.leftovers.user_keys:
                raise ConfigError(
                    f"{path}.{key}: metrics.{key}={self.config['metrics'][key]} holds for all metrics; "
                    f"add metrics.{key}=null to let each have its own."
                )

    def game(self, facts: Mapping[str, Any]) -> AdversarialModule:
        model = self.node("model")
        factory: Any = load_target("model", model, kind_of("model"), self.allowed)
        wanted = constructor_options(factory)
        offered: dict[str, Any] = {"label_law": self.config.get("labels", {}).get("law", "data")}
        # Facts of the data may be lazy: only those that a constructor asks for are looked up.
        context = ChainMap(offered, facts)  # type: ignore[arg-type]
        parts: dict[str, Any] = {}
        for name in sorted(wanted, key=_late):
            if name not in self.config or name in model or name in offered:
                continue
            self.used.add(name)
            if _several(wanted[name]):
                parts[name] = self.several(name, self.config[name], context)
                if (
                    name == "degrade" and parts[name]
                ):  # sources are made of the images, whatever the data has beside
                    more = sum(getattr(part, "adds", 0) for part in parts[name].values())
                    offered["source_channels"] = facts["channels"] + more
                continue
            node = self.node(name)
            kind = annotated(kind_of(name), wanted[name])
            own = context.new_child(factory.facts_for(name, model, facts))
            parts[name] = self.part(name, node, own, kind=kind)
            normalise_part(self.config, name, parts[name], ChainMap(parts, own))
            offered |= getattr(parts[name], "offers", {})
            if name == "latent":
                offered["latent_dim"] = parts[name].dim
        refuse_other_networks(self.config, parts)
        game: AdversarialModule = self.part("model", model, ChainMap(parts, offered, facts))  # type: ignore[arg-type]
        in_range("model.n_critic", min(game.n_critic.ends()), low=1)
        game.options = self.training_options(game)
        # Samples are drawn before the first round, and may depend on the phase.
        game.stand_at(game.clock)
        return game

    def several(self, group: str, node: Any, context: Mapping[str, Any]) -> dict[str, Any]:
        """A group of which several are chosen: every entry with a `_target_` is a part."""
        parts = {}
        for name, entry in (node or {}).items():
            if isinstance(entry, Mapping) and "_target_" in entry:
                parts[name] = self.part(f"{group}.{name}", entry, context)
            else:
                self.leftovers.drop(
                    f"{group}.{name}", f"{name} is not among the chosen {group} parts", ()
                )
        return parts

    def training_options(self, game: AdversarialModule) -> TrainingOptions:
        config, half_life = self.config, self.config["ema"]["half_life_kimg"]
        low = min(schedule(half_life, "ema.half_life_kimg").ends())
        in_range("ema.half_life_kimg", low, low=0)
        return TrainingOptions(
            optimizers=self.optimizers([spec.name for spec in game.players()]),
            seed=config["seed"],
            accumulate=config["accumulate"],
            ema_half_life_kimg=half_life,
            ema_rampup=config["ema"]["rampup"],
            log_every_rounds=config["log_every_rounds"],
        )

    def optimizers(self, players: Collection[str]) -> dict[str, OptimizerOptions]:
        nodes = self.node("optimizer")
        for name in nodes:
            if name not in players:
                self.leftovers.drop(
                    f"optimizer.{name}", f"no player of this model is called {name}", players
                )
        missing = [name for name in players if not isinstance(nodes.get(name), Mapping)]
        if missing:
            raise ConfigError(
                f"optimizer.{missing[0]}: this player has no optimizer; add "
                f"'/optimizer@optimizer.{missing[0]}: adam' to the model's defaults."
            )
        return {name: self.optimizer(f"optimizer.{name}", nodes[name]) for name in players}

    def optimizer(self, path: str, node: Mapping[str, Any]) -> OptimizerOptions:
        factory = load_target(path, node, kind_of("optimizer"), self.allowed)
        known = {
            k: v
            for k, v in constructor_options(factory).items()
            if k not in {"params", "foreach", "fused", "capturable", "differentiable", "maximize"}
        }
        options: dict[str, Any] = {}
        betas: list[Schedule] = []
        for key, value in node.items():
            if key in RATE_KEYS or key == "_target_":
                continue
            if key not in known:
                name = node["_target_"].rpartition(".")[2]
                self.leftovers.drop(
                    f"{path}.{key}", f"{name} has no such option", {*known, *RATE_KEYS}
                )
                continue
            if key == "betas":
                betas = betas_of(f"{path}.{key}", value)
                value = [beta.at(0) for beta in betas]
            elif key in {"nesterov", "amsgrad", "centered"}:
                check_type(f"{path}.{key}", value, bool)
            else:
                check_type(f"{path}.{key}", value, float)
                in_range(f"{path}.{key}", value, low=0)
            options[key] = value
        self.leftovers.refuse_taken_away(path, {*known, *RATE_KEYS} - set(node))
        if "lr" not in node:
            raise ConfigError(f"{path}.lr: this option must be given.")
        rate = schedule(node["lr"], f"{path}.lr")
        in_range(f"{path}.lr", max(rate.ends()), above=0)
        in_range(f"{path}.lr", min(rate.ends()), low=0)
        clip = node.get("clip_norm")
        check_type(f"{path}.clip_norm", clip, float | None)
        if clip is not None:
            in_range(f"{path}.clip_norm", clip, above=0)
        changing = betas if any(not beta.constant for beta in betas) else ()
        return OptimizerOptions(factory, rate, clip, options, changing)

    def refuse_unknown(self) -> None:
        """Refuse root keys that nothing reads (a `+typo`), and parts that this game does not use."""
        fields = {path.split(".")[0] for path in FIELDS}
        known = fields | set(SECTIONS) | self.used
        for name, node in self.config.items():
            if name in known:
                continue
            if name in OF_SEVERAL and isinstance(node, Mapping):
                for entry in node:
                    self.leftovers.drop(f"{name}.{entry}", f"this model takes no {name}", ())
                continue
            if isinstance(node, Mapping) and ("_target_" in node or name in KINDS):
                self.leftovers.drop(name, "this model has no such part", sorted(self.used))
                continue
            raise ConfigError(f"{name}: no such option{nearest(name, known) or '; see --help.'}")


def betas_of(path: str, value: Any) -> list[Schedule]:
    """Adam's two betas, each a number in [0, 1) or a schedule.

    Raises:
        ConfigError: if they are something else.
    """
    check_type(path, value, tuple[Scalar, Scalar])
    found = [schedule(beta, path) for beta in value]
    for beta in found:
        for end in beta.ends():
            in_range(path, end, low=0, below=1)
    return found


def build_trackers(config: Mapping[str, Any], **context: Any) -> list[Any]:
    """Make the chosen tracking services; none stays open where one of them refuses.

    Args:
        config: resolved; every entry of `logger` with a `_target_` is one.
        context: `folder`, `command`, `identity` and `resolved`, for trackers that ask for them.
    """
    node = dict(config.get("logger") or {})
    mode = node.pop("mode")
    builder = _Builder(config, context["command"].keys)
    made: list[Any] = []
    try:
        for name, entry in node.items():
            options = {**context, "mode": mode, "config": config}
            made += builder.several("logger", {name: entry}, options).values()
    except Exception:
        for tracker in made:
            tracker.close(1)
        raise
    return made
