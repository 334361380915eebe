"""Style transfer: its planes, losses and samples by arithmetic of another way, and its commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.testing import assert_close

import gan_lab
from gan_lab.common.errors import ConfigError
from gan_lab.export import main as export
from gan_lab.networks.layers.adain import moments, restyled
from gan_lab.networks.translation.frozen_encoder import FrozenEncoder
from gan_lab.perceptual import vgg19
from gan_lab.train import main
from gan_lab.translate import main as translate
from tests.contracts.walk import built

SIDE = 32
TINY = (
    f"data.resolution={SIDE}", "precision=32-true", "data.batch_size=2", "generator.width=4", "discriminator.width=4",
    "discriminator.layers=1",
)  # fmt: skip


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def made(*overrides: str):
    return built("model=style", *TINY, *overrides).game


def played(game):
    """A play of the generator's step."""
    game.configure_optimizers()
    (step,) = [step for step in game.steps() if step.player == "generator"]
    game.draws.begin(step.name, 0, 0, 0)
    batch = {
        f"images_{kind}": drawn(2, 3, SIDE, SIDE, seed=n).clamp(-1, 1)
        for n, kind in enumerate("ab")
    }
    return game.Play(game, step, batch, draws=game.draws, start=0, whole=batch), batch


def test_planes_take_the_moments_of_others_and_keep_their_places() -> None:
    planes, style = drawn(2, 3, 4, 5) * 3 + 1, drawn(2, 3, 6, 2, seed=1) * 0.5 - 2
    found = restyled(planes, style).double()
    x, y = planes.double().numpy(), style.double().numpy()
    for image in range(2):
        for channel in range(3):
            own, other = x[image, channel], y[image, channel]
            spread = [np.sqrt(one.var() + 1e-5) for one in (own, other)]
            wanted = (own - own.mean()) / spread[0] * spread[1] + other.mean()
            assert_close(found[image, channel], torch.tensor(wanted), rtol=1e-4, atol=1e-4)
    assert_close(restyled(planes, planes), planes, rtol=1e-4, atol=1e-4)


def test_losses_are_those_of_the_paper_as_means_of_squares() -> None:
    game = made("model.content=2", "model.style=3")
    play, batch = played(game)
    fake = game.generator(
        restyled(game.encoder(batch["images_a"])[-1], game.encoder(batch["images_b"])[-1])
    )
    assert torch.equal(play.fake, fake)
    seen, styles = game.encoder(fake), game.encoder(batch["images_b"])
    target = restyled(game.encoder(batch["images_a"])[-1], styles[-1])
    losses = {name: term for name, term in play.step.terms.items() if name != "adversarial"}
    content = (seen[-1] - target).square().mean()
    style = sum(
        (of(a.flatten(2)) - of(b.flatten(2))).square().mean()
        for a, b in zip(seen, styles, strict=True)
        for of in (lambda x: x.mean(2), lambda x: (x.var(2, unbiased=False) + 1e-5).sqrt())
    )
    for name, wanted, weight in (("content", content, 2), ("style", style, 3)):
        assert_close(losses[name].function(play), wanted, rtol=1e-4, atol=1e-6)
        assert losses[name].weight.at(0) == weight
    assert len(seen) == 3, "pixels and two stages of the small network"
    assert seen[0].shape == fake.shape


def test_the_paper_itself_has_no_judge() -> None:
    game = made("model.adversarial=0", "model.content=0")
    assert {step.player: {*step.terms} for step in game.steps()} == {"generator": {"style"}}
    assert [one.name for one in game.players()] == ["generator"]
    with pytest.raises(ConfigError, match="the generator has nothing to learn from"):
        made("model.adversarial=0", "model.content=0", "model.style=0")


def test_samples_have_the_style_and_the_strength_that_are_asked_for() -> None:
    game = made("model.kept=3")
    images = torch.randint(
        256, (3, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    game.kept_images_a.copy_(images)
    game.kept_images_b.copy_(images.flip(0))
    networks, source = game.averaged_networks(), images.float() / 127.5 - 1

    def shown(numbers, **ask) -> Tensor:
        return game.generate(networks, game.inputs(numbers, seed=0, ask=ask))

    with torch.no_grad():
        own, styles = game.encoder(source)[-1], game.encoder(source.flip(0))[-1]
        whole = restyled(own, styles)
        assert_close(shown([0, 1, 2]), networks["generator"](whole).clamp(-1, 1))
        assert_close(
            shown([0, 1, 2], style=[2]), networks["generator"](restyled(own, styles[2:])).clamp(-1, 1)
        )  # fmt: skip
        mixed = networks["generator"](0.3 * whole + 0.7 * own).clamp(-1, 1)
        assert_close(shown([0, 1, 2], strength=[3]), mixed, rtol=1e-4, atol=1e-5)
        assert_close(shown([0, 1, 2], strength=[0]), networks["generator"](own).clamp(-1, 1))
        assert_close(shown([0], view=[1]), source[2:])
        given = game.translation(networks, source, {"style": 1, "strength": 3})
        assert_close(given[1], mixed[1], rtol=1e-4, atol=1e-5)
        game.take_style(source[:1])
        assert_close(
            game.translation(networks, source, {"style": 1})[2],
            networks["generator"](whole).clamp(-1, 1)[2],
        )


def test_an_encoder_tells_its_decoder_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FrozenEncoder(resolution=32).offers == {"encoded_channels": 32, "encoded_halvings": 1}
    assert FrozenEncoder(resolution=32, layers=["stage4"]).offers == {
        "encoded_channels": 128,
        "encoded_halvings": 3,
    }
    assert FrozenEncoder(resolution=32, network="vgg19").offers == {
        "encoded_channels": 512,
        "encoded_halvings": 3,
    }
    game = made("encoder.layers=[stage1,stage4]", "generator.width=8")
    assert game.sizes() == (1, 8)
    assert len(moments(game.encoder(drawn(1, 3, SIDE, SIDE))[0])) == 2
    wrong = {
        "encoder.layers=[stage1,pixels]": r"encoder.layers=pixels: must be one of",
        "encoder.layers=[stage5]": r"encoder.layers=stage5: must be one of",
        "encoder=dcgan": r"encoder: is for latents, and this model has none",
        "generator=translator": r"generator: makes images of something else",
        "data.resolution=33": r"data.resolution=33: the encoder halves it 1 times",
        "model.style=-1": r"model.style",
    }
    for option, words in wrong.items():
        with pytest.raises(ConfigError, match=words):
            built("model=style", option)
    for model in ("bigan", "adaptation"):
        place = "encoder@classifier" if model == "adaptation" else "encoder"
        with pytest.raises(ConfigError, match="shows planes, and this model wants numbers"):
            built(f"model={model}", f"{place}=perceptual")
    with pytest.raises(ConfigError, match=r"generator: decodes what an encoder sees"):
        built("model=dcgan", "generator=style_decoder")
    assert vgg19.halvings_of("relu4_1") == 3


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place, draw = tmp_path_factory.mktemp("style"), np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        (place / "data" / split).mkdir(parents=True)
        for number in range(3):
            pixels = draw.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / "data" / split / f"{number}.png")
    line = [
        "model=style", "debug=tiny", "logger=none", "strategy=cpu", f"data.root={place / 'data'}", *TINY,
        "max_rounds=1", "samples.num=6",
    ]  # fmt: skip
    assert main([*line, f"hydra.run.dir={place / 'run'}"]) == 0
    return place / "run"


def test_a_photograph_gets_the_style_of_a_file(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = run.parent / "data"
    large = Image.open(data / "testA" / "0.png").resize((51, 40))
    large.save(tmp_path / "large.png")
    found = {}
    for name, more in {
        "kept": ["ask.style=1"],
        "weak": ["ask.style=1", "ask.strength=0.2"],
        "file": [f"style={data / 'testB' / '1.png'}"],
        "other": [f"style={data / 'testB' / '2.png'}"],
    }.items():
        out = tmp_path / f"{name}.png"
        assert (
            translate([f"run={run}", f"input={tmp_path / 'large.png'}", f"out={out}", *more]) == 0
        )
        found[name] = np.array(Image.open(out)).astype(int)
        assert found[name].shape == (40, 51, 3)
    model = gan_lab.load(run)
    kept = model.game.kept_images_b
    rows = [torch.from_numpy(np.array(Image.open(data / "testB" / f"{n}.png"))) for n in (1, 2)]
    which = [int(n) for n in range(len(kept)) if torch.equal(kept[n], rows[0].permute(2, 0, 1))]
    same = tmp_path / "same.png"
    line = [f"run={run}", f"input={tmp_path / 'large.png'}", f"out={same}"]
    assert translate([*line, f"ask.style={which[0]}"]) == 0
    assert abs(np.array(Image.open(same)).astype(int) - found["file"]).max() <= 1
    assert abs(found["file"] - found["other"]).max() > 3
    assert abs(found["kept"] - found["weak"]).max() > 3
    capsys.readouterr()
    line.append("overwrite=true")
    for more, words in (
        (f"style={tmp_path / 'none.png'}", "there is no such file"),
        (f"style={data / 'testB'}", "there are 3 images, and one is wanted"),
        ("ask.strength=1.5", "strength=1.5"),
    ):
        assert translate([*line, more]) != 0
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("format", ["torch", pytest.param("onnx", marks=pytest.mark.slow)])
def test_a_style_is_exported(run: Path, tmp_path: Path, format: str) -> None:
    if format == "onnx":
        pytest.importorskip("onnxruntime", reason="the extra [export] is not installed")
    line = [f"run={run}", f"format={format}", f"out={tmp_path / 'file'}", "ask.style=15"]
    assert export(line) == 0
    if format == "torch":
        given = drawn(1, 3, 48, 64).clamp(-1, 1)
        found = torch.export.load(tmp_path / "file").module()(given)
        model = gan_lab.load(run)
        assert_close(found, model.translation(style=15)(given), rtol=0, atol=1e-4)
        assert (found - model.translation(style=0)(given)).abs().max() > 1e-3
