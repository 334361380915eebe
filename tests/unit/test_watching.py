"""What a step changes and nobody registered is found before its recording is trusted."""

from __future__ import annotations

import pytest
import torch

from gan_lab.engine.step import Step, Term
from gan_lab.engine.watching import Watch
from gan_lab.games.gan import GAN
from tests.conftest import batches, play_rounds
from tests.test_captured import taped
from tests.unit.test_players import encoded


class Hidden(GAN):
    """Carries the fakes of its first step in a plain dictionary, where only Python finds them."""

    def steps(self):
        judge, *others = super().steps()
        adversarial = judge.terms["adversarial"].function

        def keeping(play):
            self.hidden = {"fake": play.fake.detach().clone()}
            return adversarial(play)

        near = Step(
            "generator",
            {"near": Term(lambda play: (play.fake - self.hidden["fake"]).square().mean())},
        )
        return [Step("discriminator", {"adversarial": Term(keeping)}), *others[:-1], near]


class Counting(GAN):
    """Counts its updates in a tensor that is no buffer."""

    def _discriminator_loss(self, play):
        if not hasattr(self, "count"):
            self.count = [torch.zeros(())]
        self.count[0].add_(1)
        return super()._discriminator_loss(play)


def made(kind):
    game = encoded()
    parts = {
        "generator": game.generator, "discriminator": game.discriminator, "latent": game.latent,
        "loss": game.adversarial, "penalty": {},
    }  # fmt: skip
    found = kind(**parts)
    found.options = game.options
    return taped(found)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Hidden, "it reads a tensor that the step 'discriminator' made"),
        (Counting, "it writes to a tensor that is neither a buffer nor carried"),
    ],
    ids=["read", "written"],
)
def test_what_nobody_registered_is_found(kind, sentence):
    game = play_rounds(made(kind), batches(8, resolution=16), 10)
    assert len(game.said) == 1
    assert sentence in game.said[0]
    assert game.said[0].endswith("all steps run eagerly.")


def test_constants_that_a_first_run_makes_are_none_of_it():
    kernel = {}

    def work():
        kernel.setdefault("blur", torch.ones(3))
        return kernel["blur"] * 2

    watch = Watch(list)
    for _ in range(3):
        with watch.of("step") as found:
            work()
        assert found == []


def test_a_tensor_made_anew_each_time_is_found_by_who_reads_it():
    passed, watch = {}, Watch(list)
    for turn in range(3):
        with watch.of("first") as found:
            passed["value"] = torch.ones(3) * turn
        assert found == []
        with watch.of("second") as found:
            passed["value"].sum()
    assert found == [
        "it reads a tensor that the step 'first' made and that is neither a buffer nor carried"
    ]
