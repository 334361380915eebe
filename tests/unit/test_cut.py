"""PatchNCE, the features that it contrasts, and the game of CUT, against arithmetic by other ways."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.config.groups import Groups
from gan_lab.losses.contrast import patch_nce, sampled
from gan_lab.networks.translation.patch_heads import PatchHeads
from gan_lab.networks.translation.resnet import TranslationGenerator, blocks_shown
from gan_lab.networks.translation.unet import UNetGenerator
from tests.conftest import batches, play_rounds
from tests.contracts.walk import built

SIDE = 32
TINY = (
    f"data.resolution={SIDE}", "precision=32-true", "data.batch_size=2", "generator.width=4", "generator.blocks=1",
    "discriminator.width=4", "discriminator.layers=1", "model.patches=5", "model.head_width=8",
)  # fmt: skip


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rows(seed: int = 0):
    """Batches of two kinds of images."""
    streams = [batches(2, 3, SIDE, seed=seed + kind) for kind in range(2)]
    for a, b in zip(*streams, strict=True):
        yield {"images_a": a["images"], "images_b": b["images"]}


def made(model: str, *overrides: str):
    return built(f"model={model}", *TINY, *overrides).game


def test_patch_nce_is_the_cross_entropy_of_finding_the_own_place() -> None:
    queries, keys = F.normalize(drawn(3, 4, 6), dim=2), F.normalize(drawn(3, 4, 6, seed=1), dim=2)
    total = 0.0
    for image in range(3):
        for place in range(4):
            similar = [
                math.exp(
                    sum(
                        float(q) * float(k) for q, k in zip(queries[image, place], key, strict=True)
                    )
                    / 0.3
                )
                for key in keys[image]
            ]
            total -= math.log(similar[place] / sum(similar))
    assert float(patch_nce(queries, keys, temperature=0.3)) == pytest.approx(total / 12, rel=1e-5)


def test_negatives_are_places_of_the_same_image() -> None:
    queries, keys = F.normalize(drawn(2, 4, 6), dim=2), F.normalize(drawn(2, 4, 6, seed=1), dim=2)
    alone = [patch_nce(queries[n : n + 1], keys[n : n + 1], temperature=0.07) for n in range(2)]
    assert_close(patch_nce(queries, keys, temperature=0.07), sum(alone) / 2)


def test_places_are_counted_row_by_row() -> None:
    planes, places = drawn(2, 3, 4, 5), torch.tensor([[0, 7, 19], [6, 6, 3]])
    found = sampled(planes, places)
    for image in range(2):
        for number, place in enumerate(places[image].tolist()):
            assert torch.equal(found[image, number], planes[image, :, place // 5, place % 5])


def test_embedded_patches_have_length_1() -> None:
    heads = PatchHeads([3, 5], width=7)
    assert_close(heads(1, drawn(2, 4, 5)).norm(dim=2), torch.ones(2, 4))


@pytest.mark.parametrize(
    ("blocks", "shown"), [(0, ()), (1, (0,)), (2, (0, 1)), (5, (0, 4)), (9, (0, 4))]
)
def test_residual_blocks_shown_are_the_first_and_the_fifth_or_last(blocks, shown) -> None:
    assert blocks_shown(blocks) == shown


def test_features_of_the_translator_are_what_its_layers_give_when_it_runs() -> None:
    torch.manual_seed(0)
    network, images = (
        TranslationGenerator(resolution=20, channels=3, width=4, blocks=6),
        drawn(2, 3, 20, 20),
    )
    seen: list[Tensor] = []
    convolutions = [m for m in network.encoder if isinstance(m, torch.nn.Conv2d)]
    blocks = [m for m in network.encoder if hasattr(m, "layers")]
    for layer in (*convolutions[1:], blocks[0], blocks[4]):
        layer.register_forward_hook(lambda module, given, result: seen.append(result))
    network(images)
    expected, found = [images, *seen], network.features(images)
    assert len(found) == len(expected) == 5
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    assert [f.shape[1] for f in found] == list(network.feature_channels) == [3, 8, 16, 16, 16]
    assert [f.shape[2] for f in found] == [20, 10, 5, 5, 5]


def test_features_of_the_u_net_are_its_way_down_without_a_layer_of_one_place() -> None:
    network, images = (
        UNetGenerator(resolution=8, channels=3, width=4, dropout=0.0),
        drawn(2, 3, 8, 8),
    )
    found = network.features(images)
    assert [tuple(f.shape[1:]) for f in found] == [(3, 8, 8), (4, 4, 4), (8, 2, 2)]
    assert network.feature_channels == (3, 4, 8)
    assert torch.equal(found[2], network.down[1](network.down[0](images)))


def test_the_game_takes_the_nce_of_the_places_that_it_drew() -> None:
    game = made("cut")
    plays = []
    kept = game.nce
    game.nce = lambda play: plays.append(play) or kept(play)
    play_rounds(game, rows(), 1)
    (play,) = plays
    with torch.no_grad():
        expected = []
        source, translated = play.source, game.generator(play.source)
        for layer, (key, query) in enumerate(
            zip(game.generator.features(source), game.generator.features(translated), strict=True)
        ):
            chances = play.uniform(f"patches/nce/{layer}", (2, key.shape[2] * key.shape[3]))
            images = []
            for image in range(2):
                places = chances[image].argsort(descending=True)[:5].tolist()
                embedded = [
                    F.normalize(
                        game.patch_heads.heads[layer](planes[image].flatten(1).T[places]), dim=1
                    )
                    for planes in (query, key)
                ]
                images.append(F.cross_entropy(embedded[0] @ embedded[1].T / 0.07, torch.arange(5)))
            expected.append(sum(images) / 2)
        assert_close(kept(play_again(play)), sum(expected) / len(expected), rtol=1e-4, atol=1e-5)


def play_again(play):
    """The same play with nothing computed: the weights have moved since."""
    return type(play)(
        play.game, play.step, play.batch, draws=play._draws, start=play._start, whole=play.whole
    )


def test_mirrored_sources_are_contrasted_with_features_mirrored_back() -> None:
    game = made("fastcut")
    plays = []
    kept = game.nce
    game.nce = lambda play: plays.append(play) or kept(play)
    play_rounds(game, rows(), 1)
    (play,) = plays

    class Mirror(torch.nn.Module):
        """Gives images back, and features that no mirror changes but by mirroring them."""

        def forward(self, images: Tensor) -> Tensor:
            return images

        def features(self, images: Tensor) -> list[Tensor]:
            return [images]

    game.generator, game.patches = Mirror(), 20
    for which in ([True, True], [True, False], [False, False]):
        again = play_again(play)
        again.mirrored = torch.tensor(which).view(2, 1, 1, 1)
        expected = patch_nce(
            *(
                game.patch_heads(0, sampled(play.source, places))
                for places in [_places_of(again)] * 2
            ),
            temperature=0.07,
        )
        assert_close(kept(again), expected)
        assert torch.equal(again.fake[0], play.source[0].flip(2)) is which[0]


def _places_of(play):
    return play.uniform("patches/nce/0", (2, SIDE * SIDE)).topk(20, dim=1).indices


def test_half_of_the_sources_are_mirrored_in_fastcut_and_none_in_cut() -> None:
    shares = []
    game = made("fastcut", "data.batch_size=2")
    kept = game.nce
    game.nce = lambda play: shares.append(float(play.mirrored.float().mean())) or kept(play)
    play_rounds(game, rows(), 12)
    assert {0.0, 1.0} & set(shares), "each image is mirrored by itself, and now and then both are"
    assert 0.2 < sum(shares) / len(shares) < 0.8
    plain = made("cut")
    held = plain.nce
    seen = []
    plain.nce = lambda play: seen.append(play.mirrored) or held(play)
    play_rounds(plain, rows(), 1)
    assert seen == [None]


def test_translations_follow_sources_and_sources_follow_nothing() -> None:
    game = made("cut", "model.identity=0")
    source = drawn(2, 3, SIDE, SIDE).requires_grad_(True)
    translated = drawn(2, 3, SIDE, SIDE, seed=1).requires_grad_(True)

    class Draws:
        size = 2

        def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
            return torch.rand(shape, generator=torch.Generator().manual_seed(0))

    game._contrast(Draws(), "nce", source, translated, None).backward()
    assert source.grad is None
    assert translated.grad is not None
    assert translated.grad.abs().sum() > 0


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_identity_teaches_the_generator_and_its_heads(precision: str) -> None:
    """Without the adversarial loss, which would move the generator too; autocast must not lose a gradient."""
    game = made("cut", f"precision={precision}", "model.nce=0", "optimizer.generator.lr=0.01")
    game.adversarial.generator = lambda fake, real: (fake * 0).sum()
    before = {name: value.clone() for name, value in game.named_parameters()}
    play_rounds(game, rows(), 1)
    moved = {
        name for name, value in game.named_parameters() if not torch.equal(value, before[name])
    }
    assert any(name.startswith("generator.decoder") for name in moved)
    assert {n for n in before if n.startswith(("generator.encoder", "patch_heads"))} <= moved
    assert "loss/generator/identity" in game.read_meter()


def test_a_term_of_weight_0_is_not_played() -> None:
    game = made("fastcut")
    terms = {name for step in game.steps() if step.player == "generator" for name in step.terms}
    assert terms == {"adversarial", "nce"}


def test_the_heads_move_with_the_generator_and_are_saved() -> None:
    game = made("cut")
    play_rounds(game, rows(), 1)
    saved = game.snapshot()
    assert any(name.startswith("patch_heads.") for name in saved["networks"])
    count = len(list(game.generator.parameters())) + len(list(game.patch_heads.parameters()))
    assert len(saved["players"]["generator"]["optimizer"]["state"]) == count


@pytest.mark.parametrize("augment", Groups().choices("augment"))
def test_every_augmentation_stands_before_the_discriminator(augment: str) -> None:
    game = made("cut", f"augment=[{augment}]")
    play_rounds(game, rows(), 2)
    assert all(math.isfinite(value) for value in game.read_meter().values())


@pytest.mark.parametrize("generator", ["unet"])
def test_another_generator_with_features_will_do(generator: str) -> None:
    game = built(
        "model=cut", f"data.resolution={SIDE}", f"generator={generator}", "generator.width=4", "data.batch_size=2",
        "discriminator.layers=1", "precision=32-true",
    ).game  # fmt: skip
    play_rounds(game, rows(), 1)
    assert math.isfinite(game.read_meter()["loss/generator/nce"])


def test_what_does_not_fit_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="generator: gives no features of its layers"):
        built("model=cut", "generator=super_resolution", f"data.resolution={SIDE}")
    with pytest.raises(
        ConfigError, match=r"generator\.source_channels=4: this model's generator also"
    ):
        made("cut", "generator.source_channels=4")
    with pytest.raises(ConfigError, match=r"model\.temperature"):
        made("cut", "model.temperature=0")
    with pytest.raises(ConfigError, match=r"model\.patches"):
        made("cut", "model.patches=1")
    with pytest.raises(ConfigError, match=r"model\.nce"):
        made("cut", "model.nce=-1")
    with pytest.raises(ConfigError, match=r"discriminator\.conditional=false"):
        made("cut", "discriminator.conditional=true")
