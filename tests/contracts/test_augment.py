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
TOY = ("+augment.ada._target_=tests.toy.ada.ADA", "+augment.ada.target=0.6", "+augment.ada.step=0.05",
       "+augment.ada.start=0.5", "allow_targets=[tests.toy.]")  # fmt: skip


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


@pytest.mark.parametrize("name", AUGMENTS)
def test_reals_and_fakes_are_changed_by_numbers_of_their_own(name):
    """Also all that penalties ask about; the same image in three roles becomes three."""
    game = built(*PLAIN, f"augment=[{name}]").game
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
    "augment", [["augment=[diffaugment,instance_noise]"], TOY], ids=["shipped", "toy"]
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
    ],
    ids=["diffaugment", "noise that shrinks", "toy"],
)  # fmt: skip
def test_recorded_steps_do_the_same(augment):
    eager, captured = both(*PLAIN, "penalty=[r1]", *augment)
    assert captured.said == []
    assert "discriminator" in steps_replayed(captured)
    same(eager, captured)


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
