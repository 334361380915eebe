"""The perceptual distance that ships with the package."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab.data.sets.fashion_mini import FashionMini
from gan_lab.perceptual.distance import PerceptualDistance


@pytest.fixture(scope="module")
def distance() -> PerceptualDistance:
    return PerceptualDistance()


@pytest.fixture(scope="module")
def clothes() -> Tensor:
    images = FashionMini().load("test").images[:64].float() / 127.5 - 1
    return F.pad(images, (2, 2, 2, 2), value=-1.0)


def test_it_is_the_sum_over_stages_of_squared_distances_of_unit_vectors(
    distance: PerceptualDistance, clothes: Tensor
) -> None:
    one, other = clothes[:1], clothes[1:2]
    total = (one - other).square().mean() * 3
    for first, second in zip(
        *(distance.network(x.expand(-1, 3, -1, -1)) for x in (one, other)), strict=True
    ):
        maps = []
        for stage in (first, second):
            flat = stage[0].flatten(1).T  # places, channels
            maps.append(torch.stack([row / max(float(row.norm()), 1e-12) for row in flat]))
        total = total + (maps[0] - maps[1]).square().sum(dim=1).mean()
    assert float(distance(one, other)) == pytest.approx(float(total), rel=1e-4)


def test_equal_images_have_none_and_order_does_not_matter(
    distance: PerceptualDistance, clothes: Tensor
) -> None:
    assert distance(clothes, clothes).abs().max() == 0
    assert torch.allclose(distance(clothes, clothes.flip(0)), distance(clothes.flip(0), clothes))


def test_another_thing_is_further_than_the_same_thing_moved_by_a_pixel(
    distance: PerceptualDistance, clothes: Tensor
) -> None:
    moved = distance(clothes, clothes.roll(1, dims=3))
    other = distance(clothes, clothes.roll(1, dims=0))
    assert (moved < other).float().mean() > 0.9


def test_blur_and_noise_count_more_where_there_is_more_of_them(
    distance: PerceptualDistance, clothes: Tensor
) -> None:
    noise = torch.randn(clothes.shape, generator=torch.Generator().manual_seed(0))
    noisy = [distance(clothes, clothes + size * noise).mean() for size in (0.05, 0.1, 0.3)]
    blurred = [
        distance(clothes, F.avg_pool2d(clothes, k, stride=1, padding=k // 2)).mean()
        for k in (3, 5, 9)
    ]
    assert noisy == sorted(noisy)
    assert blurred == sorted(blurred)


def test_it_has_a_gradient_for_images_and_none_for_its_weights(
    distance: PerceptualDistance, clothes: Tensor
) -> None:
    moved = clothes[:4].clone().requires_grad_(True)
    distance(moved, clothes[4:8]).sum().backward()
    assert moved.grad is not None
    assert moved.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in distance.parameters())


def test_what_it_cannot_look_at_is_told(distance: PerceptualDistance) -> None:
    with pytest.raises(ValueError, match="expected images"):
        distance(torch.zeros(1, 2, 32, 32), torch.zeros(1, 2, 32, 32))
    with pytest.raises(ValueError, match="expected images"):
        distance(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))
