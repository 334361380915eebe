"""First layers of a discriminator that keep their weights."""

import pytest
import torch

from gan_lab.common.errors import ConfigError
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built


@pytest.mark.parametrize("spectral", ["false", "true"])
def test_frozen_layers_keep_their_weights_and_the_others_move(spectral):
    game = built("model=dcgan", "penalty=[freeze]", f"discriminator.spectral_norm={spectral}").game
    own = game.discriminator
    before = {name: value.detach().clone() for name, value in own.named_parameters()}
    play_rounds(game, batches(8), 2)
    unmoved = {n for n, value in own.named_parameters() if torch.equal(before[n], value)}
    assert {f"discriminator.{name}" for name in unmoved} == game.resting
    matrices = [n for n, value in before.items() if value.dim() > 1]
    assert [n for n in matrices if n in unmoved] == matrices[:2]
    optimized = {
        id(p) for g in game.playing["discriminator"].optimizer.param_groups for p in g["params"]
    }
    assert not optimized & {id(value) for n, value in own.named_parameters() if n in unmoved}
    # The generator learns through them as ever.
    assert game.read_meter()["loss/generator"] != 0


def test_none_is_frozen_unless_asked_and_not_all_can_be():
    assert not built("model=dcgan").game.resting
    with pytest.raises(ConfigError, match=r"layers=9: must lie in \[0, 3\]"):
        built("model=dcgan", "penalty=[freeze]", "penalty.freeze.layers=9")
