"""BEGAN's balance: k moves by the paper's rule, once for each update of the discriminator, and survives a resume."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gan_lab.losses.balance import OF_FAKES, OF_REALS, BoundaryEquilibrium
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from tests.conftest import batches, differing, play_rounds, weights
from tests.contracts.walk import built

# A discriminator without batch statistics, so that parts of a batch are judged as the whole.
GAME = (
    "model=wgan_gp",
    "penalty=[]",
    "loss=began",
    "loss.rate=0.02",
    "model.n_critic=1",
    "generator.norm=none",
)


def halfway():
    """The game, its k at a half, since this critic's energies have no lower bound and hold k at 0."""
    game = built(*GAME).game
    game.adversarial.balance.k.fill_(0.5)
    return game


def test_k_moves_by_the_rule_and_stays_within_its_bounds():
    loss = BoundaryEquilibrium(gamma=0.5, rate=0.1)
    k = 0.0
    for real, fake in ((2.0, 0.4), (1.0, 0.9), (0.2, 30.0), (50.0, 1.0), (50.0, 1.0)):
        loss.balance.commit({OF_REALS: torch.tensor(real), OF_FAKES: torch.tensor(fake)})
        k = min(max(k + 0.1 * (0.5 * real - fake), 0.0), 1.0)
        assert float(loss.balance.k) == pytest.approx(k, rel=1e-6)
    assert k == 1.0
    loss.balance.commit({"another": torch.tensor(3.0)})
    assert float(loss.balance.k) == 1.0


def test_fakes_count_as_much_as_k_says():
    loss = BoundaryEquilibrium()
    loss.balance.k.fill_(0.25)
    real, fake = torch.tensor([-1.0, -3.0]), torch.tensor([-4.0, -8.0])
    assert float(loss.discriminator(real, fake)) == pytest.approx(2 - 0.25 * 6)
    assert {k: float(v) for k, v in loss.notes(real, fake).items()} == {OF_REALS: 2, OF_FAKES: 6}


def test_the_convergence_is_logged_with_the_k_that_counted():
    """L(x) + |gamma L(x) - L(G(z))|, once by hand and once from a round's logged logits."""
    loss = BoundaryEquilibrium(gamma=0.5)
    real, fake = torch.tensor([-1.0, -3.0]), torch.tensor([-4.0, -8.0])
    assert float(loss.measures(real, fake)["convergence"]) == pytest.approx(2 + abs(0.5 * 2 - 6))
    game = play_rounds(built("model=began").game, batches(8), 1)
    values = game.read_meter()
    reals, fakes = -values["logits/real"], -values["logits/fake"]
    assert values["measure/convergence"] == pytest.approx(reals + abs(0.5 * reals - fakes))
    assert values["measure/k"] == 0
    game.adversarial.balance.k.fill_(0.25)
    play_rounds(game, batches(8), 1)
    assert game.read_meter()["measure/k"] == 0.25


def test_k_moves_once_for_each_update_of_the_discriminator_whatever_the_parts():
    """After two rounds k is the rule applied to what those rounds saw; in two parts it is the same."""
    found = {}
    for parts in (1, 2):
        game = halfway()
        game.options = replace(game.options, accumulate=parts)
        seen = []
        commit = game.adversarial.balance.commit
        game.adversarial.balance.commit = lambda notes, commit=commit, seen=seen: (
            seen.append({k: v.clone() for k, v in notes.items()}), commit(notes)
        )  # fmt: skip
        play_rounds(game, batches(8), 3)
        noted = [notes for notes in seen if OF_REALS in notes]
        assert len(noted) == 3
        k = 0.5
        for notes in noted:
            k = min(max(k + 0.02 * (0.5 * float(notes[OF_REALS]) - float(notes[OF_FAKES])), 0), 1)
        found[parts] = float(game.adversarial.balance.k)
        assert found[parts] == pytest.approx(k, abs=1e-6)
    assert 0 < found[1] < 1
    assert abs(found[1] - 0.5) > 1e-4
    assert found[1] == pytest.approx(found[2], rel=1e-3, abs=1e-5)


def test_k_survives_a_resume(tmp_path):
    straight = play_rounds(halfway(), batches(8), 4)
    first = play_rounds(halfway(), batches(8), 2)
    save_checkpoint(first.snapshot(), tmp_path / "last.ckpt")
    rest = built(*GAME, "seed=0").game
    rest.restore(load_checkpoint(tmp_path / "last.ckpt"))
    stream = batches(8)
    for _ in range(2):
        next(stream)
    play_rounds(rest, stream, 2)
    assert not differing(weights(straight), weights(rest))
    assert "loss_balance.k" in rest.state_dict()
    assert torch.equal(rest.adversarial.balance.k, straight.adversarial.balance.k)
