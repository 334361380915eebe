"""LeCam, consistency, neighbours in the latent space, top-k and historical averaging against arithmetic by hand."""

import pytest
import torch
from torch.testing import assert_close

from gan_lab.auxiliary.top_k import TopK
from gan_lab.common.errors import ConfigError
from gan_lab.losses.adversarial import NonSaturating, Relativistic
from gan_lab.penalties.consistency import Consistency, mirrored_and_moved
from gan_lab.penalties.lecam import LeCam
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from tests.conftest import batches, differing, play_rounds, weights
from tests.contracts.test_augment import play_of
from tests.contracts.walk import built
from tests.test_captured import both, same, steps_replayed

PLAIN = ("model=dcgan", "generator.norm=none", "discriminator.norm=none", "precision=32-true")
ALL = (
    *PLAIN, "penalty=[lecam,consistency,historical_averaging]", "penalty.lecam.start=1",
    "penalty.historical_averaging.player=generator", "auxiliary=[latent_consistency,top_k]",
    "auxiliary.top_k.kimg=0.05",
)  # fmt: skip


def test_lecam_holds_logits_at_the_running_means_of_the_other_kind() -> None:
    game = built(*PLAIN, "penalty=[lecam]", "penalty.lecam.start=2", "penalty.lecam.decay=0.5").game
    part, play = game.penalties["lecam"], play_of(game)
    assert isinstance(part, LeCam)
    for real, fake, seen in ((1.0, -1.0, 1), (2.0, -3.0, 2), (4.0, -5.0, 3)):
        part.commit({"lecam/real": torch.tensor(real), "lecam/fake": torch.tensor(fake)})
        assert float(part.seen) == seen
        if seen < 3:
            assert (float(part.real), float(part.fake)) == (real, fake), "copied until it counts"
            assert (part(play).item() > 0) == (seen >= 2)
    assert (float(part.real), float(part.fake)) == (3.0, -4.0)
    on_real, on_fake = play.on_real.logits, play.on_fake.logits
    by_hand = sum((r.item() + 4) ** 2 for r in on_real) + sum((f.item() - 3) ** 2 for f in on_fake)
    assert part(play).item() == pytest.approx(by_hand / 8, rel=1e-5)


def test_images_are_mirrored_and_moved_with_edges_reflected() -> None:
    x = torch.rand(20, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    numbers = torch.rand(20, 3, generator=torch.Generator().manual_seed(1))
    found = mirrored_and_moved(x, numbers, shift=0.25)
    for n, (flip, down, right) in enumerate(numbers.tolist()):
        image = x[n].flip(2) if flip < 0.5 else x[n]
        dy, dx = int(down * 5) - 2, int(right * 5) - 2
        for row in range(8):
            for column in range(8):
                at = [min(abs(i), 14 - abs(i)) for i in (row - dy, column - dx)]
                assert torch.equal(found[n, :, row, column], image[:, at[0], at[1]])
    assert torch.equal(mirrored_and_moved(x, torch.full((20, 3), 0.5), shift=0.25), x)


@pytest.mark.parametrize("of", [["real"], ["real", "fake"]])
def test_consistency_is_the_squared_change_of_logits(of: list[str]) -> None:
    game = built(*PLAIN, "penalty=[consistency]", f"penalty.consistency.of=[{','.join(of)}]").game
    play, total = play_of(game), 0.0
    for kind in of:
        images = getattr(play, kind)
        numbers = play.uniform(f"consistency/{kind}", (8, 3))
        moved = mirrored_and_moved(images, numbers, shift=0.125)
        change = game.discriminator(images).logits - game.discriminator(moved).logits
        total += sum(float(c) ** 2 for c in change.detach()) / 8
    assert game.penalties["consistency"](play).item() == pytest.approx(total, rel=1e-3)


def test_neighbours_look_as_real_and_look_different() -> None:
    game = built(
        *PLAIN, "auxiliary=[latent_consistency]", "auxiliary.latent_consistency.radius=0.3"
    ).game
    part = game.auxiliaries["latent_consistency"]
    play = play_of(game)
    near = play.z + 0.3 * play.normal("latent_consistency", tuple(play.z.shape))
    one, other = game.generator(play.z), game.generator(near)
    change = game.discriminator(one).logits - game.discriminator(other).logits
    assert part.discriminator(play).item() == pytest.approx(change.square().mean().item(), rel=1e-4)
    play = play_of(game, "generator")
    near = play.z + 0.3 * play.normal("latent_consistency", tuple(play.z.shape))
    distance = (game.generator(play.z) - game.generator(near)).square().mean()
    assert part.generator(play).item() == pytest.approx(-distance.item(), rel=1e-4)


@pytest.mark.parametrize("loss", [NonSaturating(), Relativistic()])
def test_top_k_has_the_gradient_of_the_mean_over_the_best(loss) -> None:
    part = TopK(share=0.5, kimg=0)
    part.now["share"] = 0.5
    draw = torch.Generator().manual_seed(0)
    fake = torch.randn(6, generator=draw).requires_grad_()
    real = torch.randn(6, generator=draw)
    picked = part.pick(fake)
    assert_close(picked, fake)
    (found,) = torch.autograd.grad(loss.generator(picked, real), fake)
    best = sorted(range(6), key=lambda n: -fake[n].item())[:3]
    (expected,) = torch.autograd.grad(loss.generator(fake[best], real[best]), fake)
    assert_close(found, expected)
    assert int((found != 0).sum()) == 3


def test_top_k_falls_on_a_line() -> None:
    game = built(*PLAIN, "auxiliary=[top_k]", "auxiliary.top_k.kimg=0.016").game
    found = []
    for _ in range(4):
        play_rounds(game, batches(8), 1)
        found.append(game.auxiliaries["top_k"].now["share"])
    assert found == pytest.approx([1, 0.75, 0.5, 0.5])


def test_weights_are_held_near_their_mean_so_far() -> None:
    game = built(*PLAIN, "penalty=[historical_averaging]").game
    part, stream, past = game.penalties["historical_averaging"], batches(8), []
    for _ in range(3):
        past.append([p.detach().clone() for p in game.discriminator.parameters()])
        play_rounds(game, stream, 1)
    means = [sum(values) / 3 for values in zip(*past, strict=True)]
    for mean, expected in zip(part.means(), means, strict=True):
        assert_close(mean, expected)
    by_hand = sum(
        ((p.detach() - m) ** 2).sum()
        for p, m in zip(game.discriminator.parameters(), means, strict=True)
    )
    assert part(play_of(game)).item() == pytest.approx(float(by_hand), rel=1e-3)


def test_a_resume_is_exact_and_a_batch_in_parts_moves_states_as_a_whole_one(tmp_path) -> None:
    straight = play_rounds(built(*ALL).game, batches(8), 4)
    first = play_rounds(built(*ALL).game, batches(8), 2)
    save_checkpoint(first.snapshot(), tmp_path / "last.ckpt")
    rest, stream = built(*ALL).game, batches(8)
    rest.restore(load_checkpoint(tmp_path / "last.ckpt"))
    for _ in range(2):
        next(stream)
    play_rounds(rest, stream, 2)
    assert not differing(weights(straight), weights(rest))
    for name, value in straight.state_dict().items():
        assert torch.equal(value, rest.state_dict()[name]), name
    parts = play_rounds(
        built(*PLAIN, "penalty=[lecam,consistency]", "accumulate=2").game, batches(8), 2
    )
    whole = play_rounds(built(*PLAIN, "penalty=[lecam,consistency]").game, batches(8), 2)
    for name in ("penalty_lecam.real", "penalty_lecam.fake", "penalty_lecam.seen"):
        assert_close(parts.state_dict()[name], whole.state_dict()[name], rtol=1e-3, atol=2e-5)


def test_recorded_steps_do_the_same() -> None:
    eager, captured = both(*ALL)
    assert captured.said == []
    assert {"discriminator", "generator"} <= {*steps_replayed(captured)}
    same(eager, captured)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Consistency(of=()), r"^of=\[\]: must name real, fake or both"),
        (lambda: Consistency(of=("reals",)), r"^of=reals: must be one of"),
        (lambda: TopK(share=0), r"^share=0: "),
        (lambda: LeCam(decay=1), r"^decay=1: "),
    ],
)
def test_options_out_of_range_are_named(make, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()
