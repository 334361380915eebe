"""Directions, attributes and projections, against generators whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.editing.attributes import attribute_directions
from gan_lab.editing.directions import directions
from gan_lab.editing.grids import direction_grid, mixing_grid, truncation_grid
from gan_lab.editing.projection import project
from gan_lab.editing.spaces import Latents, Styles, sampled_points, spread_of
from gan_lab.latents.distributions import Normal, Uniform
from gan_lab.networks.layers.mapping import MeanStyle
from gan_lab.perceptual.distance import PerceptualDistance

DIM, SIDE = 6, 8


class Linear(nn.Module):
    """Images that are a linear function of latents."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.first = nn.Linear(DIM, len(weight), bias=False)
        self.first.weight.data = weight.clone()
        self.colour = nn.Linear(len(weight), 3 * SIDE * SIDE, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        return self.colour(self.first(z)).unflatten(1, (3, SIDE, SIDE)).tanh()


class StyledNetwork(nn.Module):
    """Styles are twice the latents plus one; image row i is the first number of layer i's style."""

    styled_layers = 4

    def __init__(self) -> None:
        super().__init__()
        self.mean_style = MeanStyle(DIM)
        self.mean_style.mean.fill_(1.0)
        self.affine = nn.Linear(DIM, DIM)

    def mapping(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return 2 * z + 1

    def synthesis(self, styles: Tensor) -> Tensor:
        return styles[:, :, None, :1].expand(-1, -1, 4, -1).squeeze(-1)[:, None]


def model_of(network: nn.Module, latent: Any = None) -> Any:
    """What `gan_lab.load` returns, as far as spaces read it."""

    def latents(count: int, *, seed: int = 0) -> Tensor:
        return torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))

    def generate(networks: Any, inputs: dict[str, Tensor]) -> Tensor:
        return networks["generator"](game.latent.from_normal(inputs["latents"]))

    game = SimpleNamespace(latent=latent or Normal(dim=DIM), latent_dim=DIM, generate=generate)
    return SimpleNamespace(
        networks={"generator": network.requires_grad_(False)}, game=game, latents=latents,
        latent_dim=DIM, device=torch.device("cpu"), require_latents=lambda what: None,
        sampler=lambda **ask: SimpleNamespace(inputs=lambda seed, at: {"latents": torch.zeros(1, DIM)}),
    )  # fmt: skip


def stretched(factors: Sequence[float]) -> Tensor:
    """A weight (9, DIM) that enlarges the rows of a random rotation by these factors, and the rotation."""
    drawn = torch.Generator().manual_seed(3)
    left = torch.linalg.qr(torch.randn(9, 9, generator=drawn)).Q[:, :DIM]
    right = torch.linalg.qr(torch.randn(DIM, DIM, generator=drawn)).Q
    return left @ torch.diag(torch.tensor(factors)) @ right, right


@pytest.mark.parametrize("method", ["sefa", "pca"])
def test_directions_are_those_that_the_first_layer_enlarges_most(method: str) -> None:
    weight, rotation = stretched([9.0, 5.0, 3.0, 1.0, 0.5, 0.2])
    found = directions(Latents(model_of(Linear(weight)), {}), 3, method=method)
    cosines = (found * rotation[:3]).sum(dim=1).abs()
    assert cosines.min() > (0.999 if method == "sefa" else 0.99)
    assert torch.allclose(found.norm(dim=1), torch.ones(3), atol=1e-5)


def test_sefa_reads_a_transposed_convolution_and_no_layer_behind_it() -> None:
    weight, rotation = stretched([9.0, 5.0, 3.0, 1.0, 0.5, 0.2])

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.ConvTranspose2d(DIM, 9, 1, bias=False)
            self.first.weight.data = weight.T[:, :, None, None].clone()
            self.second = nn.ConvTranspose2d(9, 3, SIDE, bias=False)

        def forward(self, z: Tensor) -> Tensor:
            return self.second(self.first(z[:, :, None, None]))

    found = directions(Latents(model_of(Network()), {}), 2)
    assert (found * rotation[:2]).sum(dim=1).abs().min() > 0.999


def test_sefa_without_a_layer_to_read_says_so() -> None:
    class Plain(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return z[:, :3, None, None].expand(-1, -1, SIDE, SIDE)

    with pytest.raises(ConfigError, match="set method=pca"):
        directions(Latents(model_of(Plain()), {}), 1)


def test_principal_styles_are_those_that_vary_most() -> None:
    class Mapped(StyledNetwork):
        def mapping(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
            return z * torch.tensor([1.0, 1, 7, 1, 1, 1])

    (found,) = directions(Styles(model_of(Mapped()), {}), 1, method="pca")
    assert found[2] > 0.99


def test_an_attribute_s_direction_is_the_one_that_the_score_follows() -> None:
    truth = torch.nn.functional.normalize(torch.arange(1.0, DIM + 1), dim=0)

    class Shown(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return (z @ truth)[:, None, None, None].expand(-1, 3, SIDE, SIDE)

    noise = torch.Generator().manual_seed(0)
    space = Latents(model_of(Shown()), {})

    def scores(images: Tensor) -> Tensor:
        first = images[:, 0, 0, 0]
        return torch.stack([first.tanh(), torch.randn(len(first), generator=noise)], dim=1)

    drawn: list[int] = []
    found, follows = attribute_directions(space, scores, count=1000, advance=drawn.append)
    assert float(found[0] @ truth) > 0.99
    assert follows[0] > 0.9 > 0.3 > abs(follows[1])
    assert sum(drawn) == 1000


def test_projection_finds_the_latent_of_an_image_that_the_generator_made() -> None:
    weight, _ = stretched([3.0, 3.0, 3.0, 3.0, 3.0, 3.0])
    torch.manual_seed(0)
    space = Latents(model_of(Linear(weight)), {})
    wanted = torch.randn(2, DIM, generator=torch.Generator().manual_seed(1))
    steps = list(project(space, space.draw(wanted), steps=120))
    first, last = steps[0], steps[-1]
    assert [one.step for one in steps] == list(range(1, 121))
    assert (last.distances < first.distances * 0.05).all()
    falling = torch.stack([one.distances for one in steps])
    assert (falling.diff(dim=0) <= 0).all(), "the best so far never grows"
    assert (last.points - wanted).norm() < 0.3 * wanted.norm()
    measured = PerceptualDistance()(space.draw(last.points), space.draw(wanted))
    assert torch.allclose(measured, last.distances, atol=1e-5)


def test_a_truncation_grid_cuts_latents_and_draws_styles_toward_their_mean() -> None:
    plain = Latents(model_of(Linear(stretched([1.0] * DIM)[0])), {})
    points = plain.points(torch.full((2, DIM), 3.0))
    assert plain.truncated(points, 0.5).abs().max() <= 0.5
    images, columns = truncation_grid(plain, points, [0.5, 1.0, 2.0])
    assert images.shape == (6, 3, SIDE, SIDE)
    assert columns == 3
    assert torch.allclose(images[4], plain.draw(plain.truncated(points, 1.0))[1], atol=1e-6)
    styles = Styles(model_of(StyledNetwork()), {})
    assert torch.allclose(
        styles.truncated(torch.full((1, DIM), 5.0), 0.25), torch.full((1, DIM), 2.0)
    )
    uniform = Latents(model_of(Linear(stretched([1.0] * DIM)[0]), Uniform(dim=DIM)), {})
    with pytest.raises(ConfigError, match="no tails to cut off"):
        truncation_grid(uniform, points, [0.5])


def test_mixing_takes_the_columns_styles_in_the_named_layers_only() -> None:
    space = Styles(model_of(StyledNetwork()), {})
    rows, columns = torch.full((2, DIM), 0.25), torch.full((3, DIM), 0.75)
    images, wide = mixing_grid(space, rows, columns, [0, 2])
    assert images.shape[0] == 3 * 4
    assert wide == 4
    assert images[5][0, :, 0].tolist() == [0.75, 0.25, 0.75, 0.25]
    assert images[1][0, :, 0].tolist() == [0.75] * 4, "the first row shows the columns' sources"
    assert images[4][0, :, 0].tolist() == [0.25] * 4, "the first column shows the rows' sources"
    with pytest.raises(ConfigError, match="layers=4: this generator has layers 0 to 3"):
        mixing_grid(space, rows, columns, [4])
    with pytest.raises(ConfigError, match="is for generators with styles"):
        mixing_grid(Latents(model_of(Linear(stretched([1.0] * DIM)[0])), {}), rows, columns, [0])


def test_a_direction_s_rows_go_from_one_side_to_the_other() -> None:
    class First(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return z[:, :1, None, None].expand(-1, 3, SIDE, SIDE)

    space = Latents(model_of(First()), {})
    found = torch.eye(DIM)[:2]
    images, columns = direction_grid(space, torch.zeros(1, DIM), found, strength=2.0, steps=5)
    shown = images[:, 0, 0, 0].view(2, 5)
    unit = spread_of(space)
    assert columns == 5
    assert torch.allclose(shown[0], torch.linspace(-2, 2, 5) * unit)
    assert torch.equal(shown[1], torch.zeros(5))
    assert abs(unit - float(sampled_points(space).std())) < 0.01
