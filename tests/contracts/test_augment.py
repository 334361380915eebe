"""Every augmentation in a game: it trains, for reals and fakes alike, whatever cuts the batch or records the step."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.config.groups import Groups
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from tests.conftest import batches, differing, play_rounds, weights
from tests.contracts.walk import built
from tests.test_captured import both, same, steps_replayed

AUGMENTS = Groups().choices("augment")
# Without batch statistics, so that parts of a batch are judged as the whole.
PLAIN = ("model=dcgan", "generator.norm=none", "discriminator.norm=none", "precision=32-true")
# Those whose changes have a chance that is 0 at first.
ADAPTIVE = ("ada", "apa", "diffusion")
CERTAIN = {"ada": ["augment.ada.start=1"], "diffusion": ["augment.diffusion.start=1"]}
TOY = ("+augment.ada._target_=tests.toy.ada.ADA", "+augment.ada.target=0.6", "+augment.ada.step=0.05",
       "+augment.ada.start=0.5", "allow_targets=[tests.toy.]")  # fmt: skip


def moving(name):
    """An adaptive augmentation whose chance is somewhere between, and moves at every update."""
    options = ("start=0.5", "every=1", "kimg=0.1")
    return [f"augment=[{name}]", *(f"augment.{name}.{option}" for option in options)]


def play_of(game, player="discriminator"):
    """A play of this player's main step on the first batch."""
    game.configure_optimizers()
    step = next(step for step in game.phase.steps if step.name == player)
    game.draws.begin(step.name, 0, 0, 0)
    game.let_move(game.playing[player])
    batch = next(batches(8))
    return game.Play(game, step, batch, draws=game.draws, start=0, whole=batch)


class Seen:
    """Remembers what a network is given."""

    def __init__(self, network):
        self.images = []
        network.register_forward_pre_hook(lambda _, given: self.images.append(given[0]))


@pytest.mark.parametrize(
    "options", [[], ["precision=bf16-mixed", "accumulate=2"]], ids=["fp32", "bf16 in two parts"]
)
@pytest.mark.parametrize("model", ["dcgan", "wgan_gp"])
@pytest.mark.parametrize("name", AUGMENTS)
def test_it_trains_and_its_numbers_are_finite(name, model, options):
    game = built(f"model={model}", "model.n_critic=1", f"augment=[{name}]", *options).game
    before = {name: value.detach().clone() for name, value in game.named_parameters()}
    play_rounds(game, batches(8), 1)
    assert all(math.isfinite(value) for value in game.read_meter().values())
    assert all(bool(p.isfinite().all()) for p in game.parameters())
    moved = {n for n, p in game.named_parameters() if not torch.equal(before[n], p)}
    assert before.keys() - moved <= {"discriminator.head.bias"}, "wasserstein's cancels"


@pytest.mark.parametrize("name", sorted({*AUGMENTS} - {"apa"}))
def test_reals_and_fakes_are_changed_by_numbers_of_their_own(name):
    """Also all that penalties ask about; the same image in three roles becomes three."""
    game = built(*PLAIN, f"augment=[{name}]", *CERTAIN.get(name, [])).game
    play = play_of(game)
    seen = Seen(game.discriminator)
    play.fake = play.real
    _ = (play.on_real, play.on_fake, play.discriminate(play.real), play.discriminate(play.real))
    assert len(seen.images) == 4
    for index, one in enumerate([play.real, *seen.images]):
        assert not any(torch.equal(one, other) for other in seen.images[index:])
    again = Seen(game.discriminator)
    del play.on_real
    assert torch.equal(play.on_real.logits, game.discriminator(seen.images[0]).logits)
    assert torch.equal(again.images[0], seen.images[0]), "a step's numbers are drawn once"


def test_any_number_of_images_can_be_judged_and_parts_of_a_batch_see_what_the_whole_does():
    game = built(*PLAIN, "augment=[diffaugment]").game
    whole, seen = play_of(game), Seen(game.discriminator)
    batch = whole.batch
    halves = [
        game.Play(
            game, whole.step, {k: v[start : start + 4] for k, v in batch.items()},
            draws=game.draws, start=start, whole=batch,
        )
        for start in (0, 4)
    ]  # fmt: skip
    whole.discriminate(whole.real)
    for play in halves:
        play.discriminate(play.real)
    assert torch.equal(seen.images[0], torch.cat(seen.images[1:3]))
    for count in (3, 20):
        whole.discriminate(whole.real.repeat(3, 1, 1, 1)[:count])
        assert seen.images[-1].shape[0] == count


def test_r1_differentiates_through_an_augmentation():
    """The slope at the reals is that of the discriminator behind the augmentation, by finite differences."""
    game = built(*PLAIN, "augment=[diffaugment]", "penalty=[r1]").game
    play = play_of(game)
    (slope,) = torch.autograd.grad(play.on_real.logits.sum(), play.real, create_graph=True)
    slope.square().sum().backward()
    assert all(
        p.grad is not None and p.grad.abs().max() > 0
        for name, p in game.discriminator.named_parameters()
        if name.endswith("0.weight")
    )
    direction = torch.randn(play.real.shape, generator=torch.Generator().manual_seed(0))
    direction /= direction.norm()
    step, ends = 1e-2, []
    for sign in (1, -1):
        images = play.real.detach() + sign * step * direction
        with torch.no_grad():
            ends.append(play.judge(images, of="real").logits.double().sum())
    assert float((slope.detach() * direction).sum()) == pytest.approx(
        float(ends[0] - ends[1]) / (2 * step), rel=2e-2
    )


@pytest.mark.parametrize(
    "augment",
    [["augment=[diffaugment,instance_noise]"], TOY, *(moving(name) for name in ADAPTIVE)],
    ids=["shipped", "toy", *ADAPTIVE],
)
def test_accumulation_and_a_resume_change_nothing(augment, tmp_path):
    straight = play_rounds(built(*PLAIN, *augment).game, batches(8), 4)
    parts = play_rounds(built(*PLAIN, *augment, "accumulate=2").game, batches(8), 4)
    first = play_rounds(built(*PLAIN, *augment).game, batches(8), 2)
    save_checkpoint(first.snapshot(), tmp_path / "last.ckpt")
    rest, stream = built(*PLAIN, *augment, "seed=0").game, batches(8)
    rest.restore(load_checkpoint(tmp_path / "last.ckpt"))
    for _ in range(2):
        next(stream)
    play_rounds(rest, stream, 2)
    assert not differing(weights(straight), weights(rest))
    found, others = straight.state_dict(), parts.state_dict()
    for name, value in found.items():
        assert torch.equal(value, rest.state_dict()[name]), name
        assert_close(others[name], value, rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_a_state_moves_once_for_each_update_by_the_sign_of_the_reals_logits():
    game = built(*PLAIN, *TOY, "model.n_critic=2", "accumulate=2").game
    signs = []
    part = game.augment.parts["ada"]
    commit = part.commit
    part.commit = lambda noted: (signs.append(dict(noted)), commit(noted))
    play_rounds(game, batches(8), 4)
    noted = [float(one["ada/sign"]) for one in signs if "ada/sign" in one]
    p = 0.5
    for sign in noted:
        p = min(max(p + 0.05 * (1 if sign > 0.6 else -1), 0), 1)
    assert len(noted) == 4
    assert float(part.p) == pytest.approx(p)
    assert p != 0.5
    assert "augment_ada.p" in game.state_dict()


@pytest.mark.parametrize(
    "augment",
    [
        ["augment=[diffaugment]"],
        ["augment=[instance_noise]",
         "augment.instance_noise.std={schedule: linear, start: 0.5, end: 0, kimg: 0.06}"],
        TOY,
        *(moving(name) for name in ADAPTIVE),
        ["augment=[ada]", "augment.ada.groups=[filter,noise,cutout]", "augment.ada.fixed=0.5"],
    ],
    ids=["diffaugment", "noise that shrinks", "toy", *ADAPTIVE, "ada's other groups"],
)  # fmt: skip
def test_recorded_steps_do_the_same(augment):
    eager, captured = both(*PLAIN, "penalty=[r1]", *augment)
    assert captured.said == []
    assert "discriminator" in steps_replayed(captured)
    same(eager, captured)


@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_chance_is_kept_and_logged(name):
    """After four updates of a batch of 8, at most 8 * 4 images of the 100 that it takes from 0 to 1."""
    game = play_rounds(built(*PLAIN, *moving(name)).game, batches(8), 4)
    p = game.state_dict()[f"augment_{name}.p"]
    assert float(p) in [pytest.approx(0.5 + sign * 0.08 * k) for sign in (-1, 1) for k in range(5)]
    assert float(p) != 0.5
    assert f"measure/{name}_p" in game.read_meter()


def test_a_chance_can_be_a_schedule():
    p = "{schedule: linear, start: 0, end: 0.5, kimg: 0.016}"
    game = built(*PLAIN, "augment=[ada]", f"augment.ada.fixed={p}").game
    found = []
    for _ in range(3):
        play_rounds(game, batches(8), 1)
        found.append(game.augment.parts["ada"].chance)
    assert found == pytest.approx([0, 0.25, 0.5])
    with pytest.raises(ConfigError, match=r"^augment\.ada\.fixed=2\.0: "):
        built("augment=[ada]", "augment.ada.fixed={schedule: linear, start: 0, end: 2, kimg: 1}")


def test_fakes_stand_for_reals_in_the_discriminators_steps_only_and_bring_their_labels():
    game = built(
        *PLAIN, "generator.labels=beside", "discriminator.labels=beside", "augment=[apa]",
        "augment.apa.start=0.5",
    ).game  # fmt: skip
    play = play_of(game)
    chosen = play.uniform("augment/apa/real/replaces", (8,)) < 0.5
    assert 0 < int(chosen.sum()) < 8
    for n, fake in enumerate(chosen.tolist()):
        assert torch.equal(play.real[n], play.fake[n] if fake else play.batch["images"][n])
        other = play.fake_classes if fake else play.batch["labels"]
        assert play.real_classes[n] == other[n]
        assert play.real_labels[n].argmax() == other[n]
    assert torch.equal(play_of(game, "generator").real, play.batch["images"])
    certain = built(*PLAIN, "augment=[apa]", "augment.apa.fixed=0").game
    assert torch.equal(play_of(certain).real, play.batch["images"])


@pytest.mark.parametrize(("memory", "rises"), [(True, True), (False, False)])
def test_the_chance_rises_on_a_discriminator_that_overfits_and_falls_on_one_that_does_not(
    memory, rises
):
    """One that learns eight images by heart is sure of them; one that sees noise as reals cannot be."""
    game = built(
        *PLAIN, "augment=[ada]", "augment.ada.start=0.3", "augment.ada.kimg=0.5",
        "augment.ada.every=1", "augment.ada.groups=[blit]", "model.n_critic=1000000",
    ).game  # fmt: skip
    stream = batches(8, seed=3)
    batch = next(stream)
    if not memory:
        play = play_of(game)
        fakes = play.fake.detach()
    p = [0.3]
    for _ in range(12):
        play_rounds(game, iter([batch if memory else {**batch, "images": fakes}]), 1)
        p.append(float(game.augment.parts["ada"].p))
    assert (p[-1] > p[4]) == rises
    assert rises or p[-1] < 0.3


def test_noise_follows_its_schedule():
    game = built(
        *PLAIN, "augment=[instance_noise]",
        "augment.instance_noise.std={schedule: linear, start: 0.5, end: 0, kimg: 0.032}",
    ).game  # fmt: skip
    part = game.augment.parts["instance_noise"]
    found = []
    for _ in range(6):
        play_rounds(game, batches(8), 1)
        found.append(part.now["std"])
    assert found == pytest.approx([0.5, 0.375, 0.25, 0.125, 0, 0])


@pytest.mark.parametrize(
    "order", [["diffaugment", "instance_noise"], ["instance_noise", "diffaugment"]], ids=",".join
)
def test_several_are_used_in_the_order_of_the_command_line(order):
    assert [*built(f"augment=[{','.join(order)}]").game.augment.parts] == order


def test_what_makes_no_sense_is_refused_in_words():
    with pytest.raises(ConfigError, match=r"^augment\.instance_noise\.std=-1\.0: "):
        built(
            "augment=[instance_noise]",
            "augment.instance_noise.std={schedule: linear, start: 0, end: -1, kimg: 1}",
        )
    with pytest.raises(ConfigError, match=r"^augment\.diffaugment\.kinds=colour: "):
        built("augment=[diffaugment]", "augment.diffaugment.kinds=[colour]")
    text = built("model=gumbel_gan", "data=text", "augment=[diffaugment]")
    assert "augment.diffaugment" in text.dropped, "told, as any part that a model does not take"
