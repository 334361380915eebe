"""Growth: phases, fading, levels that rest, resuming anywhere, and samples of every resolution."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import gan_lab
from gan_lab.common.errors import ConfigError
from gan_lab.games.growing import sides_of
from gan_lab.generation.sampling import Sampler
from gan_lab.networks.progressive import ProgressiveDiscriminator, ProgressiveGenerator
from gan_lab.networks.stylegan import StyleGanGenerator
from gan_lab.sample import main as sample
from gan_lab.train import main
from tests.conftest import batches, differing, play_rounds, weights
from tests.contracts.walk import built, resting
from tests.test_captured import same, steps_replayed, taped

SIZE = {"resolution": 16, "channels": 3, "width": 4, "max_width": 8}
SHORT = (
    "data.resolution=16",
    "model.phase_kimg=0.016",
    "model.fade_kimg=0.024",
    "precision=32-true",
    "latent.dim=16",
    "generator.max_width=16",
    "discriminator.max_width=16",
)
# Batches of 8: two rounds of 4 px, three that fade 8 px in, two of 8 px, three that fade 16 px in, then 16 px.
PHASES = [4] * 2 + [8] * 5 + [16] * 4


def growing(*options, model="progressive"):
    return built(f"model={model}", *SHORT, *options).game


def reals():
    return batches(8, resolution=16)


@pytest.mark.parametrize("side", [4, 8, 16])
def test_networks_of_any_side(side):
    generator, judge = ProgressiveGenerator(latent_dim=6, **SIZE), ProgressiveDiscriminator(**SIZE)
    images = generator(torch.randn(4, 6), side=side)
    assert images.shape == (4, 3, side, side)
    logits, features, places, *_ = judge(images)
    assert (logits.shape, features.shape, places.shape) == ((4,), (4, 8), (4, 8, 4, 4))
    if side == 16:
        z = torch.randn(4, 6)
        assert torch.equal(generator(z), generator(z, side=16))


def test_fading_begins_at_the_smaller_network_and_ends_at_the_larger():
    torch.manual_seed(0)
    generator, judge = ProgressiveGenerator(latent_dim=6, **SIZE), ProgressiveDiscriminator(**SIZE)
    z = torch.randn(4, 6)
    for side in (8, 16):
        small, large = generator(z, side=side // 2), generator(z, side=side)
        blocks = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
        assert_close(generator(z, side=side, alpha=0.0), blocks)
        assert_close(generator(z, side=side, alpha=1.0), large)
        assert_close(generator(z, side=side, alpha=0.25), 0.75 * blocks + 0.25 * large)
        images = torch.randn(4, 3, side, side)
        halved = judge(F.avg_pool2d(images, 2)).logits
        assert_close(judge(images, alpha=0.0).logits, halved)
        assert_close(judge(images, alpha=1.0).logits, judge(images).logits)


def test_phases_follow_each_other_and_levels_rest_until_their_turn():
    game = growing()
    stream, sides = reals(), []
    for _ in PHASES:
        before = weights(game) if game.playing else None
        play_rounds(game, stream, 1)
        sides.append(game.phase.setting["side"])
        asleep = resting(game)
        if before is not None:
            after = weights(game)
            still = {
                n for n in before if n.startswith("networks/") and torch.equal(before[n], after[n])
            }
            assert {f"networks/{name}" for name in asleep} <= still
    assert sides == PHASES
    assert all("levels" not in name for name in resting(game)), "all levels have grown"
    moments = game.playing["generator"].optimizer.state
    colours = game.generator.colours
    assert moments[colours[0].weight]["step"] == 2 + 3, (
        "its own phase, and while the next level is faded in"
    )
    assert moments[colours[2].weight]["step"] == 4


def test_reals_are_those_of_the_phase():
    game, seen = growing(), []
    judge = game.discriminator.forward
    game.discriminator.forward = lambda images, **how: (
        seen.append((images, how["alpha"])) or judge(images, **how)
    )
    stream = reals()
    for side, alpha in ((4, None), (4, None), (8, 0), (8, 1 / 3), (8, 2 / 3), (8, None)):
        begin, batch = len(seen), next(stream)
        play_rounds(game, iter([batch]), 1)
        images, found = seen[begin]
        assert found == (alpha if alpha is None else pytest.approx(alpha))
        expected = F.avg_pool2d(batch["images"], 16 // side)
        if alpha is not None:
            blocks = F.avg_pool2d(expected, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
            expected = (1 - alpha) * blocks + alpha * expected
        assert_close(images, expected)


@pytest.mark.parametrize(
    "cut", [1, 3, 6, 8], ids=["first phase", "in a fade", "behind it", "in the last fade"]
)
def test_a_resume_is_exact_wherever_it_is(cut):
    stream, whole = reals(), growing()
    play_rounds(whole, stream, 11)
    stream, first, second = reals(), growing(), growing()
    play_rounds(first, stream, cut)
    second.restore(copy.deepcopy(first.snapshot()))
    play_rounds(second, stream, 11 - cut)
    assert differing(weights(whole), weights(second)) == set()


def test_recorded_steps_do_the_same_in_every_phase():
    options = ("model.phase_kimg=0.064", "model.fade_kimg=0.064", "model.first=8")
    eager, captured = growing(*options), taped(growing(*options))
    for game in (eager, captured):
        play_rounds(game, reals(), 24)
    assert not any("not captured" in text for text in captured.said)
    assert steps_replayed(captured) >= {"discriminator", "generator"}
    assert {variant[0] for _, variant in captured.runner.recorded if variant} == {
        "8 x 8", "16 x 16, faded in", "16 x 16"
    }  # fmt: skip
    same(eager, captured)


def test_samples_of_every_resolution_that_has_grown():
    game = growing()
    play_rounds(game, reals(), 6)  # 8 px, wholly faded in
    networks = game.averaged_networks()
    assert game.questions() == {"resolution": ["4", "8"]}
    now, small = (
        Sampler(game, networks)(0, 3),
        Sampler(game, networks, ask={"resolution": [0]})(0, 3),
    )
    assert now.shape == small.shape == (3, 1, 16, 16)
    for images, pixel in ((now, 2), (small, 4)):
        blocks = images[..., ::pixel, ::pixel]
        assert torch.equal(images, blocks.repeat_interleave(pixel, 2).repeat_interleave(pixel, 3))
    mixed = Sampler(game, networks, ask={"resolution": [0, 1]})(0, 3)
    assert_close(mixed, torch.stack([small[0], now[1], small[2]]))
    with pytest.raises(ConfigError, match="resolution"):
        Sampler(game, networks, ask={"resolution": [2]})


def test_runs_grow_with_batches_and_rates_of_their_own_and_resume_inside_a_fade(tmp_path, capsys):
    command = [
        "model=progressive", *SHORT, "debug=tiny", "logger=none", "metrics=none", "strategy=cpu", "model.first=8",
        "model.batches=[4, 8]", "model.rates=[1, 0.5]", "log_every_rounds=1", "samples.num=4",
    ]  # fmt: skip
    assert main([*command, "max_rounds=8", f"hydra.run.dir={tmp_path}/straight"]) == 0
    assert main([*command, "max_rounds=5", f"hydra.run.dir={tmp_path}/halves"]) == 0
    assert main([f"resume={tmp_path}/halves", "max_rounds=8"]) == 0
    straight, halves = (gan_lab.load(tmp_path / name) for name in ("straight", "halves"))
    assert straight.images_seen == halves.images_seen == 4 * 4 + 4 * 8
    for one, two in zip(straight.networks["generator"].parameters(),
                        halves.networks["generator"].parameters(), strict=True):  # fmt: skip
        assert torch.equal(one, two)
    records = (tmp_path / "straight" / "metrics.jsonl").read_text()
    assert '"lr/generator": 0.001' in records
    assert '"lr/generator": 0.0005' in records
    assert straight.shape == (1, 16, 16)
    assert (
        sample([f"run={tmp_path}/straight", "ask.resolution=all", f"out={tmp_path}/both.png"]) == 0
    )
    assert sample([f"run={tmp_path}/straight", "ask.resolution=64", f"out={tmp_path}/no.png"]) == 2
    assert "64 is none of the 2 that this model knows, which are 8, 16" in capsys.readouterr().err


def test_resolutions_and_networks_that_cannot_grow_are_told():
    assert sides_of(32, 8) == [8, 16, 32]
    assert sides_of(32, None) == [32]
    for first in (2, 6, 64):
        with pytest.raises(ConfigError, match=rf"first={first}: images grow by doubling"):
            sides_of(32, first)
    with pytest.raises(ConfigError, match="generator: is for one resolution"):
        built("model=progressive", "generator=dcgan")
    with pytest.raises(ConfigError, match=r"batches=\[1, 2, 3, 4\]: are more than the resolutions"):
        growing("model.batches=[1, 2, 3, 4]")


def test_styles_grow_too():
    """StyleGAN: its latents' mixing, noise, truncation and path lengths at any side."""
    torch.manual_seed(0)
    generator = StyleGanGenerator(latent_dim=6, style_dim=5, mapping_layers=2, **SIZE)
    z, drawn = torch.randn(4, 6), {}
    for name, (law, count) in generator.draws.items():
        drawn[name] = torch.rand(4, count) if law == "uniform" else torch.randn(4, count)
    for side in (4, 8, 16):
        images, styles = generator.with_styles(z, side=side, alpha=0.5, **drawn)
        assert images.shape == (4, 3, side, side)
        assert styles.shape == (4, 2 * (side // 4).bit_length(), 5)
    small, large = (generator.eval()(z, side=side) for side in (8, 16))
    blocks = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert_close(generator(z, side=16, alpha=0.0), blocks)
    assert_close(generator(z, side=16, alpha=1.0), large)
    stream, whole, second = reals(), growing(model="stylegan"), growing(model="stylegan")
    play_rounds(whole, stream, 7)
    assert whole.phase.setting["side"] == 16
    assert whole.generator.mean_style.mean.abs().max() > 0
    stream, first = reals(), growing(model="stylegan")
    play_rounds(first, stream, 3)
    second.restore(copy.deepcopy(first.snapshot()))
    play_rounds(second, stream, 4)
    assert differing(weights(whole), weights(second)) == set()
