"""Every part against every model's own choice: it composes, builds, and what no longer fits is dropped and told."""

from __future__ import annotations

import re
from itertools import combinations, product

import pytest
import torch

from gan_lab.assembly.build import build_trackers
from gan_lab.common.errors import ConfigError
from gan_lab.config.groups import Groups
from gan_lab.config.resume import Command
from gan_lab.metrics.together import Metrics
from gan_lab.storage.run_folder import RunFolder
from tests.contracts.walk import (
    MODELS,
    PENALTIES,
    PLAYERS,
    built,
    composed,
    for_images,
    holds_images,
)

PARTS = [
    *(f"generator={name}" for name in for_images("generator")),
    *(f"discriminator={name}" for name in for_images("discriminator")),
    *(f"loss={name}" for name in Groups().choices("loss")),
    "penalty=[]",
    *(f"penalty=[{name}]" for name in PENALTIES),
]
PAIRS = [f"penalty=[{one},{other}]" for one, other in combinations(PENALTIES, 2)]

# Groups that share no option with each other: they are walked side by side, every choice with every model.
BESIDE = {
    "latent": Groups().choices("latent"),
    "optimizer@optimizer.generator": Groups().choices("optimizer"),
    "optimizer@optimizer.discriminator": Groups().choices("optimizer")[::-1],
    "data": [name for name in Groups().choices("data") if holds_images(name)],
    "metrics": Groups().choices("metrics"),
    "logger": Groups().choices("logger"),
    "strategy": [name for name in Groups().choices("strategy") if name != "gpu"],
}
# Models without labels and second tasks; of the others two are walked each time, and all in the slow suite. Each time a
# part meets three of these models, and a row one of them: there are too many of both to try all.
PLAIN = ("gan", "dcgan", "lsgan", "wgan", "wgan_gp", "sngan")
FIRST = (*PLAIN, "projection", "infogan")
PART_EVERY, ROW_EVERY = 3, len(FIRST)
ROWS = max(map(len, [*BESIDE.values(), PAIRS]))


def spread(choices, every):
    """Pairs of models and choices: a share of those with the first models each time, all in the slow suite."""
    for model, (index, choice) in product(MODELS, enumerate(choices)):
        now = model in FIRST and (index + FIRST.index(model)) % every == 0
        yield pytest.param(model, choice, marks=() if now else pytest.mark.slow)


def row(index):
    """The index-th choice of every group of BESIDE, and a pair of penalties."""
    chosen = [f"{group}={choices[index % len(choices)]}" for group, choices in BESIDE.items()]
    return [*chosen, PAIRS[index % len(PAIRS)]]


def check_built(parts, overrides):
    """The choices of the command line are what was built."""
    chosen = dict(override.split("=", 1) for override in overrides)
    game = parts.game
    if "penalty" in chosen:
        names = set(chosen["penalty"].strip("[]").split(",")) - {""}
        assert set(game.penalties) | set(game.constraints) == names
    players = {spec.name for spec in game.players()}
    assert set(game.options.optimizers) == players == set(PLAYERS)
    assert (parts.metrics is None) == (chosen.get("metrics", "none") == "none")
    if parts.metrics is not None:
        assert isinstance(parts.metrics, Metrics)
    assert parts.source.splits
    assert parts.source.resolution >= 8
    assert parts.source.channels in (1, 3)
    # Only numbers of the model (or of debug) for a part that was swapped out may be dropped.
    swapped = {key.partition("@")[2] or key for key in chosen} | {"metrics"}
    assert all(any(path.startswith(f"{one}.") for one in swapped) for path in parts.dropped)


# What a refusal may be about: a model with labels on data without, or a part that offers less than another reads.
WANTS = (
    "labels",
    "features",
    "autoencoder",
    "codes",
    "reconstruct",
    "places",
    "must be one of none",
    "reads images",
    "latents",
    "grows",
    "of an image's size",
)


def check_fits(model, overrides):
    """It is built as chosen, or refused in one sentence that says what is missing; a plain model takes all but few."""
    try:
        parts = built(f"model={model}", *overrides)
    except ConfigError as error:
        said = str(error)
        assert re.match(r"[a-z_.]+[:=]", said), said
        assert "\n" not in said
        assert any(word in said for word in WANTS), said
        assert model not in PLAIN or any(w in said for w in WANTS[3:]), said
        return
    check_built(parts, overrides)


@pytest.mark.parametrize(("model", "part"), spread(PARTS, PART_EVERY))
def test_a_part_against_the_models_choice(model, part):
    check_fits(model, [part])


@pytest.mark.parametrize(("model", "index"), spread(range(ROWS), ROW_EVERY))
def test_the_other_groups_side_by_side(model, index):
    check_fits(model, row(index))


def test_the_rows_hold_every_choice():
    rows = [override for index in range(ROWS) for override in row(index)]
    wanted = [f"{group}={choice}" for group, choices in BESIDE.items() for choice in choices]
    assert {*wanted, *PAIRS} <= set(rows)


def test_every_group_is_walked():
    walked = {"generator", "discriminator", "loss", "penalty", *BESIDE} - {
        "optimizer@optimizer.generator", "optimizer@optimizer.discriminator"
    }  # fmt: skip
    from gan_lab.config.groups import Groups

    elsewhere = {
        "auxiliary",
        "augment",
        "degrade",
        "encoder",
        "optimizer",
        "model",
        "debug",
        "experiment",
        "callbacks",
    }
    assert walked | elsewhere >= set(Groups().names())


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_networks_with_losses_and_penalties_in_all_combinations(model):
    groups = [
        for_images("generator"),
        for_images("discriminator"),
        Groups().choices("loss"),
        ["", *PENALTIES],
    ]
    for generator, discriminator, loss, penalty in product(*groups):
        overrides = [
            f"generator={generator}", f"discriminator={discriminator}", f"loss={loss}", f"penalty=[{penalty}]"
        ]  # fmt: skip
        check_fits(model, overrides)


@pytest.mark.parametrize("strategy", Groups().choices("strategy"))
def test_strategies_compose(strategy):
    config = composed(f"strategy={strategy}")
    assert set(config["strategy"]) == {"accelerator", "devices"}
    if strategy == "gpu" and not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="sees no GPU"):
            built("strategy=gpu")
    else:
        assert built(f"strategy={strategy}").game is not None


@pytest.mark.parametrize("logger", [name for name in Groups().choices("logger") if name != "wandb"])
def test_loggers_are_made_for_a_run(logger, tmp_path):
    """Made and closed again, nothing logged; wandb starts a service and has tests of its own."""
    packages = {"comet": "comet_ml"}
    if logger in ("tensorboard", "mlflow", "comet", "aim"):
        pytest.importorskip(packages.get(logger, logger))
    config = composed(f"logger={logger}")
    trackers = build_trackers(config, folder=RunFolder(tmp_path), command=Command(), identity={})
    assert len(trackers) == (0 if logger == "none" else 1)
    for tracker in trackers:
        tracker.close(0)


# Leftovers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "dropped"),
    [
        (["model=wgan_gp", "discriminator=mlp"], {"discriminator.norm"}),
        (["model=wgan_gp", "optimizer@optimizer.discriminator=sgd"], {"optimizer.discriminator.betas"}),
        (["model=wgan_gp", "penalty=[r1]"], set()),
        (["model=wgan_gp", "penalty=[]"], set()),
        (["model=wgan", "penalty=[gradient_penalty]"], set()),
        (["model=dcgan"], set()),
    ],
)  # fmt: skip
def test_a_models_numbers_for_a_part_swapped_out_are_dropped_and_named(overrides, dropped):
    assert set(built(*overrides).dropped) == dropped


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        (["model=wgan_gp", "discriminator=mlp", "discriminator.norm=none"], "discriminator.norm"),
        (["optimizer@optimizer.generator=sgd", "+optimizer.generator.betas=[0,0.9]"], "optimizer.generator.betas"),
        (["+penalty.r1.weight=3"], "penalty.r1"),
        (["generator=mlp", "+generator.dropout=0.1"], "generator.dropout"),
        (["loss=hinge", "+loss.label_smoothing=0.1"], "loss.label_smoothing"),
        (["metrics=small", "+metrics.feature=64"], "metrics.feature"),
        (["+optimizer.critic.lr=1"], "optimizer.critic"),
        (["data=fashion_mini", "+data.root=x"], "data.root"),
        (["+model.n_crtic=2"], "model.n_crtic"),
        (["+strategie.devices=2"], "strategie"),
    ],
)  # fmt: skip
def test_what_the_user_gave_for_no_part_is_an_error(overrides, path):
    """`+key` is how Hydra lets a typo through; here it must not pass silently."""
    with pytest.raises(ConfigError, match=f"^{path}: "):
        built(*overrides)


# Theory -----------------------------------------------------------------------------------------

BATCH_NORM, LIPSCHITZ, ENERGY = "batch normalisation", "Lipschitz", "energy >= 0"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        *(([f"model={model}"], []) for model in MODELS),
        (["penalty=[gradient_penalty]"], [BATCH_NORM]),
        (["penalty=[r1]"], [BATCH_NORM]),
        (["penalty=[r1]", "discriminator.norm=layer"], []),
        (["penalty=[r1]", "discriminator.norm=instance"], []),
        (["penalty=[dragan]", "discriminator=mlp"], []),
        (["penalty=[weight_clipping]"], []),
        (["loss=wasserstein"], [LIPSCHITZ]),
        (["loss=energy"], [ENERGY]),
        (["loss=began"], [ENERGY]),
        (["loss=wasserstein", "penalty=[weight_clipping]"], []),
        (["loss=wasserstein", "penalty=[gradient_penalty]"], [BATCH_NORM]),
        (["model=wgan_gp", "penalty=[]"], [LIPSCHITZ]),
        (["model=wgan_gp", "discriminator=dcgan"], []),
        (["model=wgan_gp", "discriminator.norm=batch"], [BATCH_NORM]),
        (["model=wgan", "loss=hinge", "penalty=[]"], []),
    ],
)
def test_theory_warnings_appear_where_they_should(overrides, words):
    warnings = built(*overrides).game.warnings()
    assert len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))
    assert all("arXiv:" in warning for warning in warnings), "a warning cites the paper"
