"""Every auxiliary term in a game: it builds, trains a round with its head, is logged, saved and resumed."""

from __future__ import annotations

import math

import pytest
import torch
from PIL import Image

from gan_lab.assembly.kinds import kind_of
from gan_lab.assembly.parts import load_target
from gan_lab.common.errors import ConfigError
from gan_lab.storage.checkpoint import load_checkpoint, save_checkpoint
from tests.conftest import batches, differing, play_rounds, weights
from tests.contracts.walk import built, content, files


def _of_pairs(file):
    """Whether a term compares with the true image: translations walk those."""
    part = load_target(file.stem, content(file), kind_of("auxiliary"))
    return "pairs" in getattr(part, "needs", ())


AUXILIARIES = [file.stem for file in files("auxiliary") if not _of_pairs(file)]
BASE = ("model=dcgan", "latent=codes")  # codes suit every term but these
# Terms that ask for a part that others do not fit.
OWN = {"transport": ("latent=pixels",), "cutmix": ("latent=codes", "discriminator=unet")}
BATCH = 8


def labelled(size=BATCH, classes=10, seed=0):
    """`batches` with a class for each image."""
    draw = torch.Generator().manual_seed(seed)
    for batch in batches(size, seed=seed):
        yield batch | {"labels": torch.randint(classes, (size,), generator=draw)}


def sides(game, name):
    """The players that a term is part of."""
    return [
        side for side in ("discriminator", "generator") if hasattr(game.auxiliaries[name], side)
    ]


@pytest.mark.parametrize(
    "options", [[], ["precision=bf16-mixed", "accumulate=2"]], ids=["fp32", "bf16 in two parts"]
)
@pytest.mark.parametrize("name", AUXILIARIES)
def test_a_term_trains_and_is_logged(name, options):
    base = ("model=dcgan", *OWN[name]) if name in OWN else BASE
    game = built(*base, f"auxiliary=[{name}]", *options).game
    before = {key: tensor.clone() for key, tensor in game.heads.state_dict().items()}
    parameters = {key for key, _ in game.heads.named_parameters()}
    play_rounds(game, labelled(), 1)
    values = game.read_meter()
    logged = {key for key in values if key.endswith(f"/{name}")}
    assert logged == {f"loss/{side}/{name}" for side in sides(game, name)}
    assert all(math.isfinite(value) and value != 0 for value in values.values()), values
    after = game.heads.state_dict()
    assert {key for key in parameters if torch.equal(before[key], after[key])} == set()


def test_terms_of_one_group_share_a_round_and_a_checkpoint(tmp_path):
    """All at once: what a run saves, a fresh build goes on from, bit for bit."""
    together = [name for name in AUXILIARIES if name not in OWN]
    overrides = [*BASE, f"auxiliary=[{','.join(together)}]"]
    game = built(*overrides).game
    stream = labelled()
    play_rounds(game, stream, 2)
    save_checkpoint(game.snapshot(), tmp_path / "last.ckpt")
    fresh = built(*overrides, "seed=1").game
    fresh.restore(load_checkpoint(tmp_path / "last.ckpt"))
    fresh.configure_optimizers()
    assert not differing(weights(game), weights(fresh))


def test_heads_rest_in_the_step_of_the_generator():
    game = play_rounds(built("model=dcgan", "auxiliary=[acgan]").game, labelled(), 1)
    step = next(step for step in game.phase.steps if step.player == "generator")
    before = {key: tensor.clone() for key, tensor in game.heads.state_dict().items()}
    game.update(step, game.playing["generator"], next(labelled()))
    assert all(torch.equal(before[key], tensor) for key, tensor in game.heads.state_dict().items())


def test_the_semi_supervised_head_gives_the_adversarial_loss_its_logits():
    """The discriminator's own last layer rests, and that of the classes moves."""
    game = built("model=dcgan", "auxiliary=[semi_supervised]").game
    own = game.discriminator.head.weight.clone()
    play_rounds(game, labelled(), 2)
    assert torch.equal(own, game.discriminator.head.weight)
    batch = next(labelled())
    step = game.phase.steps[0]
    play = game.Play(game, step, batch, draws=game.draws, start=0, whole=batch)
    game.draws.begin(step.name, 0, 0, 0)
    with torch.no_grad():
        classes = game.auxiliaries["semi_supervised"].classify(play.on_real)
    wanted = classes.double().exp().sum(dim=1).log()
    torch.testing.assert_close(play.on_real.logits.double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["auxiliary=[infomax]", "discriminator=perceptron"], "auxiliary.infomax: reads features of places"),
        (["auxiliary=[mutual_information]"], "auxiliary.mutual_information: reads codes"),
        (["auxiliary=[acgan]", "auxiliary.acgan.generator_weight=-1"], "auxiliary.acgan.generator_weight=-1"),
    ],
    ids=["places", "codes", "weight"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(overrides, said):
    with pytest.raises(ConfigError, match=f"^{said}".replace(".", r"\.")):
        built("model=dcgan", *overrides)


def test_data_without_labels_is_refused_in_words(tmp_path):
    for index in range(4):
        Image.new("L", (16, 16), 60 * index).save(tmp_path / f"{index}.png")
    data = ["data=image_folder", f"data.root={tmp_path}", "data.resolution=16"]
    with pytest.raises(
        ConfigError, match=r"auxiliary\.acgan: needs labels, and this data has none"
    ):
        built("model=dcgan", "auxiliary=[acgan]", *data)
