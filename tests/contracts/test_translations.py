"""Every model from image to image: with every loss it trains, it resumes, is recorded, and makes its samples."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.testing import assert_close

from gan_lab.assembly.kinds import kind_of
from gan_lab.assembly.parts import constructor_options, load_target
from gan_lab.common.errors import ConfigError
from gan_lab.config.groups import Groups
from gan_lab.games.class_maps import coloured
from gan_lab.games.cyclegan import CycleGAN
from gan_lab.generation.sampling import Sampler
from tests.conftest import batches, differing, play_rounds, weights
from tests.contracts.walk import PENALTIES, TRANSLATIONS, built, composed, content, files
from tests.test_captured import same, steps_replayed, taped

SIDE, BATCH = 32, 4
TINY = (f"data.resolution={SIDE}", "samples.num=6", "precision=32-true", f"data.batch_size={BATCH}")
TINY_SR = (
    "data=cifar10",
    "generator.blocks=1",
    "discriminator.layers=1",
    "model.pixel_kimg=0",
    "generator.norm=none",
)
TINY_CUT = (
    "generator.width=4", "generator.blocks=2", "discriminator.width=4", "discriminator.layers=1",
    "model.patches=24", "model.head_width=8",
)  # fmt: skip
SMALL = {
    "adaptation": ("generator.width=4", "discriminator.width=4", "classifier.width=4"),
    "srgan": (*TINY_SR, "degrade=[blind,bicubic]"),
    "esrgan": (*TINY_SR, "generator.growth=4"),
    "pix2pix": ("discriminator.layers=1", "generator.dropout=0.5"),
    # Behind a norm some biases do nothing, and Adam moves them by rounding.
    "spade": ("data.classes=4", "discriminator.layers=1", "generator.norm=none", "generator.hidden=4"),
    # Likewise.
    "segmentation": ("data.classes=4", "discriminator.layers=1", "generator.norm=none"),
    "cut": TINY_CUT,
    "fastcut": TINY_CUT,
    "stargan": (
        "data=cifar10", "generator.width=4", "generator.blocks=1", "discriminator.width=4", "discriminator.layers=1",
        "model.n_critic=1",
    ),
    "style": ("generator.width=4", "discriminator.width=4", "discriminator.layers=1"),
    "colorization": ("data=cifar10", "discriminator.layers=1", "generator.dropout=0"),
    "inpainting": (
        "data=cifar10",
        "discriminator.layers=1",
        "generator.dilated=1",
        "degrade.holes.shape=strokes",
    ),
    "cyclegan": (
        "generator_ab.width=4", "generator_ba.width=4", "generator_ab.blocks=1", "generator_ba.blocks=1",
        "discriminator_a.width=4", "discriminator_b.width=4", "discriminator_a.layers=1", "discriminator_b.layers=1",
        "model.pool=6",
    ),
}  # fmt: skip
# Without terms that translate more than the sources.
ONCE = (
    ("pix2pix",),
    ("pix2pix", "data=cifar10", "degrade=[noise]"),
    ("cut", "model.nce=0", "model.identity=0"),
    ("style",),
    ("cyclegan", "model.cycle=0", "model.identity=0", "model.pool=0"),
)
EACH = pytest.mark.parametrize("model", TRANSLATIONS)
# One model of each game.
GAMES = {
    load_target("model", content(file)["model"], kind_of("model")): file.stem
    for file in files("model")
    if file.stem in TRANSLATIONS
}
LOSSES = [
    loss for loss in Groups().choices("loss") if loss not in ("began", "energy")
]  # of autoencoders


def made(model, *overrides):
    """The game, tiny."""
    return built(f"model={model}", *TINY, *SMALL.get(model, ()), *overrides).game


def rows(game):
    """Batches of noise with the columns that a game reads, and classes where it has labels."""
    drawn = torch.Generator().manual_seed(0)
    law = getattr(game, "label_law", None)
    streams = [batches(BATCH, 3, SIDE, seed=seed) for seed in range(len(game.reads))]
    maps = getattr(game, "class_maps", {})
    for several in zip(*streams, strict=True):
        found = {
            name: one[name.partition("_")[0] if "labels" in name else "images"]
            for name, one in zip(game.reads, several, strict=True)
        }
        found |= {name: unevenly_known(class_maps(BATCH, maps[name], drawn)) for name in maps}
        if law is not None:
            found["labels"] = torch.randint(game.label_dim, (BATCH,), generator=drawn)
        yield found


def class_maps(count, classes, drawn):
    """Maps of noise."""
    shape = (count, 1, SIDE, SIDE)
    return torch.randint(classes, shape, dtype=torch.uint8, generator=drawn)


def unevenly_known(maps):
    """Maps of which the first has hardly a pixel whose class is known, the second half of them, and the others all."""
    maps[0, :, 1:], maps[1, :, ::2] = 255, 255
    return maps


class Table:
    """A split of noise, as games keep rows of it."""

    def __init__(self, game):
        drawn = torch.Generator().manual_seed(5)
        shape = (9, 3, SIDE, SIDE)
        self.columns = {
            name: type(
                "Column",
                (),
                {"values": torch.randint(256, shape, dtype=torch.uint8, generator=drawn)},
            )
            for name in {*game.reads, *game.sources, *game.targets}
        }
        for name, classes in getattr(game, "class_maps", {}).items():
            self.columns[name].values = class_maps(9, classes, drawn)
        self.columns["labels"] = type("Column", (), {"values": torch.arange(9)})


def shared(models, choices, every):
    """Pairs of models and choices: every so manieth of them each time, all in the slow suite."""
    for place, model in enumerate(models):
        for index, choice in enumerate(choices):
            now = (place + index) % every == 0 and model != "esrgan"
            yield pytest.param(model, choice, marks=() if now else pytest.mark.slow)


@pytest.mark.parametrize(("model", "loss"), shared(TRANSLATIONS, LOSSES, 3))
def test_it_trains_and_logs_with_every_loss(model, loss):
    game = made(model, f"loss={loss}")
    before = {name: value.clone() for name, value in game.named_parameters()}
    play_rounds(game, rows(game), 2)
    still = {name for name, value in game.named_parameters() if torch.equal(value, before[name])}
    assert not any(name.startswith(("generator", "patch_heads")) for name in still)
    values = game.read_meter()
    assert {
        f"loss/{step.player}/{term}" for step in game.steps() for term in step.terms
    } <= values.keys()
    assert all(math.isfinite(value) for value in values.values()), values


def of_one_network(penalty):
    """Whether a penalty is of a generator, or of the weights of one network: CycleGAN has two of each."""
    game = built("model=dcgan", "discriminator.norm=none", f"penalty=[{penalty}]").game
    (part,) = {**game.penalties, **game.constraints}.values() or [None]
    follows = any(hasattr(part, own) for own in ("follow", "resting", "commit"))
    return part is None or part.player != "discriminator" or follows


@pytest.mark.parametrize(("model", "penalty"), shared(TRANSLATIONS, PENALTIES, 6))
def test_it_trains_with_every_penalty_of_a_discriminator(model, penalty):
    if of_one_network(penalty):
        if model == "cyclegan":
            with pytest.raises(ConfigError, match="but this model's players are"):
                made(model, f"penalty=[{penalty}]")
        return
    game = made(model, f"penalty=[{penalty}]")
    play_rounds(game, rows(game), 2)
    assert all(math.isfinite(value) for value in game.read_meter().values())


@pytest.mark.parametrize(
    ("model", "auxiliary"), shared(("cut", "pix2pix", "stargan"), Groups().choices("auxiliary"), 3)
)
def test_every_auxiliary_term_trains_or_is_refused_in_words(model, auxiliary):
    game, refused = None, ""
    try:
        game = made(model, f"auxiliary=[{auxiliary}]")
    except ConfigError as error:
        refused = str(error)
    if game is None:
        assert refused.startswith(f"auxiliary.{auxiliary}")
        return
    play_rounds(game, rows(game), 1)
    values = game.read_meter()
    assert all(math.isfinite(value) for value in values.values()), values


@pytest.mark.parametrize("part", ["penalty.path_length", "auxiliary.latent_consistency"])
@pytest.mark.parametrize("game", GAMES)
def test_parts_that_look_at_latents_are_refused_in_words(game, part):
    group, _, name = part.partition(".")
    if group in constructor_options(game):
        said = "but this model's players are" if game is CycleGAN else f"{part}: .* takes none"
        with pytest.raises(ConfigError, match=said):
            made(GAMES[game], f"{group}=[{name}]")


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("chosen", ONCE, ids=" ".join)
def test_a_translation_is_made_once_in_a_round_and_judged_with_its_own_source(chosen, accumulate):
    """Also where the generator rests in a round, and where sources are drawn at random."""
    game = made(*chosen, "model.n_critic=2", f"accumulate={accumulate}")
    makers = [one for name, one in game.named_children() if name.startswith("generator")]
    calls, judged = [], []
    for one in makers:
        one.register_forward_hook(lambda _, given, made: calls.append((given[0], made)))
    for name, one in game.named_children():
        if name.startswith("discriminator"):
            one.register_forward_hook(lambda *about: judged.append(about[1:3]), with_kwargs=True)
    stream = rows(game)
    for generators_move in (False, True):
        calls.clear(), judged.clear()
        play_rounds(game, stream, 1)
        assert len(calls) == accumulate * len(makers)
        judgements = accumulate * len(makers) * (3 if generators_move else 2)
        assert len(judged) == judgements
        fakes = [made for _, made in calls]
        beside = [told["source"] for _, told in judged if "source" in told]
        assert all(any(torch.equal(s, given) for given, _ in calls) for s in beside)
        seen = sum(any(torch.equal(images, f) for f in fakes) for (images,), _ in judged)
        assert seen == accumulate * len(makers) * (2 if generators_move else 1)


def test_tiny_makes_narrow_whatever_networks_a_game_has():
    for model in TRANSLATIONS:
        config = composed(f"model={model}")
        widths = {
            name: node["width"]
            for name, node in config.items()
            if isinstance(node, dict)
            and "width" in node
            and str(node.get("_target_")).startswith("gan_lab.networks.")
        }
        assert len(widths) >= 2, model
        assert max(widths.values()) <= 16, (model, widths)


@EACH
def test_a_resume_is_exact(model):
    whole = made(model)
    stream = rows(whole)
    play_rounds(whole, stream, 6)
    first, second = made(model), made(model)
    stream = rows(first)
    play_rounds(first, stream, 3)
    second.restore(copy.deepcopy(first.snapshot()))
    play_rounds(second, stream, 3)
    assert differing(weights(whole), weights(second)) == set()


@EACH
def test_a_batch_in_parts_does_the_same(model):
    # With seed=0 a place of fastcut lies on the kink of a ReLU, where rounding decides; in float64 both are equal.
    quiet = {"pix2pix": ("generator.dropout=0",), "fastcut": ("seed=1",)}.get(model, ())
    one, two = made(model, *quiet), made(model, "accumulate=2", *quiet)
    for game in (one, two):
        play_rounds(game, rows(game), 3)
    for name, value in weights(one).items():
        assert_close(weights(two)[name], value, rtol=5e-3, atol=2e-4, msg=name)


@EACH
def test_recorded_steps_do_the_same(model):
    quiet = ("generator.dropout=0",) if model == "pix2pix" else ()
    eager, captured = made(model, *quiet), taped(made(model, *quiet))
    for game in (eager, captured):
        play_rounds(game, rows(game), 10)
    assert not any("not captured" in text for text in captured.said)
    assert {step.name for step in eager.phase.steps} <= steps_replayed(captured)
    same(eager, captured)


@EACH
def test_samples_are_made_of_kept_rows_and_of_any_others(model):
    game = made(model)
    table = Table(game)
    game.keep_rows(table)
    shown = game.picture(12)
    sampler = Sampler(game, game.averaged_networks(), ask=shown.ask)
    images = sampler(0, shown.count)
    assert images.shape == (shown.count, 3, SIDE, SIDE)
    assert images.abs().max() <= 1
    assert_close(torch.cat([sampler(0, 2), sampler(2, 3)]), images[:5], rtol=0, atol=1e-5)
    first = getattr(game, f"kept_{next(iter(game.sources))}")[:1]
    kept = (coloured(first) if getattr(game, "given_maps", 0) else first.float() / 127.5 - 1)[0]
    if not getattr(game, "degrade", {}):  # which changes a row before it is shown
        assert_close(images[0], kept, rtol=0, atol=1e-6)

    plain = Sampler(game, game.averaged_networks())
    numbers = list(range(4))
    others = {name: table.columns[name].values[:4] for name in plain.made_of}
    whole = plain.of_rows(others, numbers)
    parts = [
        plain.of_rows(
            {name: values[at : at + 2] for name, values in others.items()}, numbers[at : at + 2]
        )
        for at in (0, 2)
    ]
    assert_close(torch.cat(parts), whole, rtol=0, atol=1e-5)
    assert (whole - images[: len(whole)]).abs().max() > 0.01


@pytest.mark.parametrize("chain", ["grey", "holes", "blur,noise", "blind"])
def test_pairs_are_made_of_images_by_a_chain_of_degradations(chain):
    game = made("pix2pix", "data=cifar10", f"degrade=[{chain}]")
    assert game.reads == ("images",)
    play_rounds(game, rows(game), 2)
    game.keep_rows(Table(game))
    found = Sampler(game, game.averaged_networks(), ask=game.picture(6).ask)(0, 6)
    assert found.shape == (6, 3, SIDE, SIDE)


@pytest.mark.parametrize("chain", ["holes", "grey", "blind"])
def test_sources_are_made_in_single_precision_whatever_the_networks_compute_in(chain):
    given = [f"degrade=[{chain}]", *(["degrade.grey.lab=true"] if chain == "grey" else [])]
    seen = []
    for precision in ("32-true", "bf16-mixed"):
        game = made("pix2pix", "data=cifar10", *given, f"precision={precision}")
        translated = game.translated
        game.translated = lambda g, source, t=translated: seen.append(source) or t(g, source)
        play_rounds(game, rows(game), 1)
    half = len(seen) // 2
    assert half
    assert all(one.dtype == torch.float32 for one in seen)
    assert all(torch.equal(a, b) for a, b in zip(seen[:half], seen[half:], strict=True))


def test_a_filled_image_tells_where_it_was_filled():
    game = made("inpainting")
    game.keep_rows(Table(game))
    assert game.questions()["view"] == ("source", "translated", "target", "region")
    assert max(game.picture(12).ask["view"]) == 2, "grids show the hole in the source"
    views = [
        Sampler(game, game.averaged_networks(), ask={"view": [view]})(0, 4) for view in range(4)
    ]
    source, made_of_it, true, region = views
    inside = region > 0
    assert inside.any()
    assert_close(made_of_it[~inside], true[~inside], rtol=0, atol=1e-6)
    assert (source[inside] == 0).all()
    assert (made_of_it - true)[inside].abs().max() > 0.01


def test_pixels_alone_come_before_the_game():
    game = made("srgan", "model.pixel_kimg=0.008")
    stream = rows(game)
    discriminator = {name: value.clone() for name, value in game.discriminator.named_parameters()}
    play_rounds(game, stream, 2)
    values = game.read_meter()
    assert {"loss/generator/pixel", "loss/generator/perceptual"} <= values.keys()
    assert "loss/generator/adversarial" not in values
    assert all(
        torch.equal(value, discriminator[name])
        for name, value in game.discriminator.named_parameters()
    )
    play_rounds(game, stream, 1)
    assert "loss/generator/adversarial" in game.read_meter()


def test_a_term_of_pairs_without_pairs_says_so():
    with pytest.raises(ConfigError, match=r"auxiliary\.pixel: compares an image with the one"):
        built("model=dcgan", "auxiliary=[pixel]")
