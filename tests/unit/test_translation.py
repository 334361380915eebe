"""Networks, pools, degradations and metrics of games from image to image, against arithmetic by other ways."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.auxiliary.pixel import Pixel
from gan_lab.common.errors import ConfigError
from gan_lab.data.image_set import ImageSet
from gan_lab.data.table import SideBySide
from gan_lab.degrade.colour import Grey
from gan_lab.degrade.holes import Holes
from gan_lab.degrade.noise import GaussianBlur, GaussianNoise
from gan_lab.degrade.resolution import Bicubic
from gan_lab.games.pool import ImagePool
from gan_lab.metrics.inception import InceptionFeatures
from gan_lab.metrics.inception_weights import read_weights
from gan_lab.metrics.translation import Translation, kernel_distance
from gan_lab.metrics.views import Conditions, Fakes, Reals
from gan_lab.networks.layers.blur import Blur
from gan_lab.networks.translation.patch import PatchDiscriminator, receptive_field
from gan_lab.networks.translation.resnet import TranslationGenerator
from gan_lab.networks.translation.super_resolution import (
    DenseBlock,
    ResidualInResidual,
    SuperResolutionGenerator,
    doubled,
)
from gan_lab.networks.translation.unet import UNetGenerator


class Drawn:
    """Random numbers of a fixed seed."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        return torch.rand(shape, generator=self.generator)

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self.generator)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(("layers", "field"), [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_a_patch_is_as_large_as_the_pixels_that_move_its_logit(layers: int, field: int) -> None:
    assert receptive_field(layers) == field
    torch.manual_seed(0)
    judge = PatchDiscriminator(
        resolution=96, channels=1, layers=layers, width=2, norm="none", conditional=False
    )
    images = noise(1, 1, 96, 96).requires_grad_(True)
    logits = judge(images).logits
    side = int(len(logits[0]) ** 0.5)
    logits[0, side // 2 * side + side // 2].backward()
    assert images.grad is not None
    seen = images.grad[0, 0].abs() > 0
    rows, columns = seen.any(dim=1).nonzero(), seen.any(dim=0).nonzero()
    assert int(rows[-1] - rows[0]) + 1 == field
    assert int(columns[-1] - columns[0]) + 1 == field


def test_a_conditional_judge_sees_the_source_and_another_does_not() -> None:
    images, source, other = (noise(2, 3, 32, 32, seed=seed) for seed in range(3))
    judge = PatchDiscriminator(resolution=32, channels=3, layers=1, width=4)
    assert not torch.equal(judge(images, source=source).logits, judge(images, source=other).logits)
    small = F.interpolate(source, scale_factor=0.25, mode="nearest")
    large = F.interpolate(small, scale_factor=4, mode="nearest")
    assert torch.equal(judge(images, source=small).logits, judge(images, source=large).logits)
    plain = PatchDiscriminator(resolution=32, channels=3, layers=1, width=4, conditional=False)
    assert torch.equal(plain(images, source=source).logits, plain(images).logits)


def test_scales_count_equally_whatever_their_patches() -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(
        resolution=64, channels=1, layers=1, width=4, norm="none", conditional=False, scales=2
    )
    images = noise(2, 1, 64, 64)
    own = [judge.decisions[0](judge.features[0](images))]
    own.append(judge.decisions[1](judge.features[1](F.avg_pool2d(images, 2))))
    assert own[0].shape != own[1].shape
    found = judge(images).logits
    wide = F.interpolate(own[1], size=own[0].shape[2:], mode="nearest")
    assert_close(found, torch.cat([own[0].flatten(1), wide.flatten(1)], dim=1))


def test_a_u_net_keeps_what_it_saw_on_the_way_down() -> None:
    torch.manual_seed(0)
    network = UNetGenerator(resolution=32, channels=3, width=4, dropout=0.0, source_channels=4)
    assert network(noise(2, 4, 32, 32)).shape == (2, 3, 32, 32)
    widths = [
        layer[-2].out_channels if isinstance(layer[-2], nn.Conv2d) else 0 for layer in network.down
    ]
    assert widths == [4, 8, 16, 32, 32]
    # Without the innermost layers an image still arrives, by the skips alone.
    with torch.no_grad():
        network.up[0][1].weight.zero_()
    one, two = (network(noise(1, 4, 32, 32, seed=seed)) for seed in (1, 2))
    assert (one - two).abs().max() > 1e-4


def test_a_u_net_that_cannot_be_halved_so_often_says_so() -> None:
    with pytest.raises(ConfigError, match=r"data\.resolution=48: this U-Net halves it 5 times"):
        UNetGenerator(resolution=48, channels=3)
    assert (
        UNetGenerator(resolution=48, channels=3, width=2, depth=4)(noise(1, 3, 48, 48)).shape[-1]
        == 48
    )


def test_dense_blocks_add_a_fifth_of_what_they_find() -> None:
    torch.manual_seed(0)
    block, x = DenseBlock(4, 2), noise(1, 4, 6, 6)
    seen = x
    for layer in block.inner:
        seen = torch.cat([seen, F.leaky_relu(layer(seen), 0.2)], dim=1)
    assert_close(block(x), x + 0.2 * block.last(seen))
    three = ResidualInResidual(4, 2)
    inside = three.layers[2](three.layers[1](three.layers[0](x)))
    assert_close(three(x), x + 0.2 * (inside - x))


def test_doubling_makes_pixels_of_channels_in_their_order() -> None:
    torch.manual_seed(0)
    convolution, shuffle, _ = doubled(2)
    planes = convolution(noise(1, 2, 3, 3))
    by_hand = torch.zeros(1, 2, 6, 6)
    for channel in range(8):
        by_hand[:, channel // 4, channel % 4 // 2 :: 2, channel % 2 :: 2] = planes[:, channel]
    assert torch.equal(shuffle(planes), by_hand)


@pytest.mark.parametrize("kind", ["residual", "dense"])
def test_a_generator_enlarges_by_its_scale(kind: str) -> None:
    network = SuperResolutionGenerator(
        resolution=32, channels=3, kind=kind, blocks=1, width=4, growth=2
    )
    assert network(noise(2, 3, 5, 7)).shape == (2, 3, 20, 28)
    with pytest.raises(ConfigError, match="scale=3: enlarges by doubling"):
        SuperResolutionGenerator(resolution=32, channels=3, scale=3)


def test_a_generator_that_adds_to_the_interpolated_image_begins_near_it() -> None:
    torch.manual_seed(0)
    network = SuperResolutionGenerator(
        resolution=32, channels=3, blocks=1, width=4, norm="none", interpolated=True
    )
    images = 0.8 * noise(2, 3, 8, 8)
    plain = F.interpolate(images, scale_factor=4.0, mode="bicubic")
    made = network(images)
    assert 0 < (made - plain).abs().mean() < 0.05
    inside = network.last(network.first(images) + network.blocks(network.first(images)))
    assert_close(made, plain + inside)


def test_what_is_added_learns_beyond_the_range_too_and_is_cut_outside_of_training() -> None:
    """A pixel that is brighter than white passes a gradient, so that it can come back."""
    network = SuperResolutionGenerator(
        resolution=32, channels=3, blocks=1, width=4, norm="none", interpolated=True
    )
    last = network.last[-1]
    torch.nn.init.constant_(last.bias, 1.5)
    white = torch.ones(1, 3, 4, 4)
    made = network(white)
    assert float(made.min()) > 1
    made.mean().backward()
    assert_close(last.bias.grad, torch.full((3,), 1 / 3))
    assert torch.equal(network.eval()(white), torch.ones(1, 3, 16, 16))


def test_a_residual_translator_takes_any_size_that_halves() -> None:
    network = TranslationGenerator(resolution=20, channels=3, width=4, blocks=1)
    assert network(noise(1, 3, 20, 28)).shape == (1, 3, 20, 28)
    with pytest.raises(ConfigError, match=r"data\.resolution=30: cannot be halved 2 times"):
        TranslationGenerator(resolution=30, channels=3)
    with pytest.raises(ConfigError, match=r"discriminator\.layers=3: too many halvings"):
        PatchDiscriminator(resolution=28, channels=3)


@pytest.mark.parametrize("resampling", ["blurred", "strided"])
def test_only_strided_doublings_leave_a_grid_in_a_plain_colour(resampling: str) -> None:
    torch.manual_seed(0)
    shape = {"resolution": 64, "channels": 3, "width": 4, "blocks": 1}
    network = TranslationGenerator(**shape, norm="none", resampling=resampling)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    made = network.decoder[:-1](network.encoder(torch.full((1, 3, 64, 64), 0.5))).detach()
    assert made.shape == (1, 3, 64, 64)
    middle = made[:, :, 28:36, 28:36]  # no border reaches so far
    spread = float((middle - middle.mean(dim=(2, 3), keepdim=True)).abs().max() / made.abs().mean())
    assert spread < 1e-5 if resampling == "blurred" else spread > 0.01


def test_blurred_doublings_keep_a_plain_colour_up_to_its_edges() -> None:
    network = TranslationGenerator(resolution=8, channels=3, width=2, resampling="blurred")
    found = []
    for part in (network.encoder, network.decoder):
        for pad, blur in pairwise(part):
            if isinstance(blur, Blur):
                found.append(blur(pad(torch.ones(1, 2, 4, 4))))
    assert [made.shape[-1] for made in found] == [2, 2, 8, 8]
    for made in found:
        assert_close(made, torch.ones_like(made))


def test_the_pool_gives_each_fake_back_until_it_is_full_and_then_half_of_them() -> None:
    pool = ImagePool(20, (1, 1, 1))
    fakes = torch.arange(2020.0).view(-1, 1, 1, 1)
    chances = torch.rand(2020, 2, generator=torch.Generator().manual_seed(0))
    given = pool(fakes, chances).flatten()
    assert torch.equal(given[:20], fakes[:20].flatten())
    old = given[20:] < fakes[20:].flatten()
    assert abs(float(old.float().mean()) - 0.5) < 0.05
    later = given[20:].tolist()
    assert len(set(later)) == len(later), "an image of the pool is given once"


def test_degradations_against_arithmetic_by_hand() -> None:
    images = noise(3, 3, 16, 16)
    small = Bicubic(scale=4)(images, Drawn())
    assert small.shape == (3, 3, 4, 4)
    assert_close(
        Bicubic(scale=2)(torch.full((1, 3, 8, 8), 0.3), Drawn()), torch.full((1, 3, 4, 4), 0.3)
    )
    with pytest.raises(ConfigError, match=r"degrade\.bicubic\.scale=5"):
        Bicubic(scale=5)(images, Drawn())
    grey = Grey()(images, Drawn())
    assert_close(grey[:, 1], 0.299 * images[:, 0] + 0.587 * images[:, 1] + 0.114 * images[:, 2])
    assert torch.equal(grey[:, 0], grey[:, 2])
    noisy = GaussianNoise(low=0.1, high=0.1)(torch.zeros(4, 3, 64, 64), Drawn())
    assert abs(float(noisy.std()) - 0.1) < 0.003


def test_blur_is_a_convolution_with_a_gaussian_of_the_drawn_width() -> None:
    images, sigma, reach = noise(1, 1, 24, 24), 1.3, 4
    found = GaussianBlur(low=sigma, high=sigma, radius=reach)(images, Drawn())[0, 0]
    places = np.arange(-reach, reach + 1)
    line = np.exp(-(places**2) / (2 * sigma**2))
    kernel = np.outer(line, line) / line.sum() ** 2
    padded = np.pad(images[0, 0].numpy(), reach, mode="reflect")
    by_hand = [
        [(padded[y : y + 9, x : x + 9] * kernel).sum() for x in range(24)] for y in range(24)
    ]
    assert_close(found, torch.tensor(np.array(by_hand), dtype=torch.float32), rtol=1e-4, atol=1e-5)


def test_holes_are_rectangles_of_the_asked_size_and_what_is_known_is_put_back() -> None:
    images = noise(50, 3, 20, 20)
    part = Holes(count=1, low=0.25, high=0.5)
    source = part(images, Drawn())
    mask = source[:, -1]
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    for one in mask:
        rows, columns = one.any(dim=1).nonzero().flatten(), one.any(dim=0).nonzero().flatten()
        height, width = len(rows), len(columns)
        assert 5 <= height <= 10
        assert 5 <= width <= 10
        assert one.sum() == height * width, "a rectangle has no hole of its own"
    made = part.put_back(torch.full_like(images, 0.7), source)
    known = (mask == 0)[:, None].expand_as(images)
    assert torch.equal(made[known], images[known])
    assert (made[~known] == 0.7).all()


def test_pixel_terms_are_means_of_differences() -> None:
    play = type("Play", (), {"fake": noise(2, 3, 4, 4), "real": noise(2, 3, 4, 4, seed=1)})
    difference = (play.fake - play.real).numpy()
    assert float(Pixel().generator(play)) == pytest.approx(np.abs(difference).mean(), rel=1e-5)
    assert float(Pixel(norm="l2").generator(play)) == pytest.approx(
        (difference**2).mean(), rel=1e-5
    )


def test_the_kernel_distance_is_the_unbiased_mmd() -> None:
    x, y = (
        torch.randn(n, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
        for n in (6, 4)
    )

    def kernel(a: Tensor, b: Tensor) -> float:
        return float((a @ b / 5 + 1) ** 3)

    within = [
        np.mean([kernel(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j])
        for z in (x, y)
    ]
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(sum(within) - 2 * across)


def test_a_translation_is_measured_in_a_layer_of_inception_too(shared_data: Path) -> None:
    path = next((shared_data / "inception").glob("*.pth"))
    kinds = {
        kind: ImageSet(
            name=kind, split="train", labels=None, classes=(), fingerprint=kind,
            images=torch.randint(0, 200 + 50 * place, (4, 3, 16, 16), dtype=torch.uint8),
        )
        for place, kind in enumerate("ab")
    }  # fmt: skip
    data = SideBySide(name="two", split="train", tables=kinds)
    source, conditions = SimpleNamespace(load=lambda _: data), Conditions(weights=str(path))
    reals = Reals(source, torch.device("cpu"), conditions, batch_size=4)
    metric = Translation(feature=192)
    metric.meet(SimpleNamespace(made_of=("images_a",)))  # type: ignore[arg-type]
    metric.look_at(reals)
    metric.reset()
    made = kinds["a"].images.float() / 127.5 - 1
    metric.add(Fakes(made, None, None, view=lambda **_: made))
    network = InceptionFeatures(read_weights(path), feature=192)
    a, b = (network.features(kinds[kind].images).double() for kind in "ab")
    untouched = kernel_distance(a, b)
    assert metric.compute() == {"metric/translation_192": pytest.approx(untouched)}
    assert metric.protocol["translation_of_the_sources"] == pytest.approx(untouched)
    assert metric.protocol["feature"] == 192
    with pytest.raises(ConfigError, match="feature=100: must be one of 2048, 768, 192, 64"):
        Translation(feature=100)
