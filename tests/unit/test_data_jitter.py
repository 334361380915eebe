"""Jitter: images made larger and cut at places of the stream's own, the same for both sides of a pair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from gan_lab.common.errors import ConfigError
from gan_lab.data.sets.pairs import Pairs
from gan_lab.data.sets.unpaired import Unpaired
from gan_lab.data.stream.jitter import cut_out
from gan_lab.data.stream.together import batches_of

CPU = torch.device("cpu")
SETTINGS = {"batch_size": 4, "seed": 3, "flip": True, "device": CPU}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Pairs of the same image twice, and two kinds of images."""
    place, draw = tmp_path_factory.mktemp("jitter"), np.random.default_rng(0)
    for folder in ("pairs/train", "two/trainA", "two/trainB"):
        (place / folder).mkdir(parents=True)
        for number in range(10):
            pixels = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            twice = np.concatenate([pixels, pixels], axis=1)
            Image.fromarray(twice if "pairs" in folder else pixels).save(
                place / folder / f"{number}.png"
            )
    return place


def taken(data, count: int, **settings) -> list[dict[str, Tensor]]:
    return list(itertools.islice(batches_of(data, **SETTINGS, **settings), count))


def test_a_window_of_the_larger_image_is_cut_at_its_place() -> None:
    images = torch.randn(3, 2, 8, 10, generator=torch.Generator().manual_seed(0))
    places = torch.tensor([[0.0, 0.0], [0.5, 0.99], [0.999, 0.3]])
    found = cut_out(images, places, 1.5)
    large = F.interpolate(images, size=(12, 15), mode="bilinear")
    for at, (top, left) in enumerate([(0, 0), (2, 5), (4, 1)]):
        assert torch.equal(found[at], large[at, :, top : top + 8, left : left + 10])


def test_both_sides_of_a_pair_are_cut_alike_and_every_image_at_a_place_of_its_own(root) -> None:
    pairs = Pairs(root=str(root / "pairs"), resolution=16).load("train")
    plain, moved = taken(pairs, 6), taken(pairs, 6, jitter=1.5)
    for before, after in zip(plain, moved, strict=True):
        assert torch.equal(after["images"], after["partner"])
        assert after["images"].shape == before["images"].shape
        for one, other in zip(before["images"], after["images"], strict=True):
            large = F.interpolate(one[None], size=24, mode="bilinear")[0]
            windows = [
                (y, x)
                for y in range(9)
                for x in range(9)
                if torch.equal(large[:, y : y + 16, x : x + 16], other)
            ]
            assert len(windows) == 1, (
                "the row and its mirroring are those of the stream without jitter"
            )
    assert not torch.equal(moved[0]["images"], plain[0]["images"])


def test_a_stream_goes_on_at_the_same_places(root) -> None:
    two = Unpaired(root=str(root / "two"), resolution=16).load("train")
    whole = taken(two, 7, jitter=1.25)
    later = taken(two, 4, jitter=1.25, start=12)
    for one, other in zip(whole[3:], later, strict=True):
        assert one.keys() == other.keys() == {"images_a", "images_b"}
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_ranks_and_threads_cut_as_one_process_does(root) -> None:
    pairs = Pairs(root=str(root / "pairs"), resolution=16).load("train")
    whole = taken(pairs, 5, jitter=1.25)
    parts = [taken(pairs, 5, jitter=1.25, rank=rank, ranks=2) for rank in range(2)]
    sent = batches_of(pairs, **SETTINGS, jitter=1.25)
    sent._made = sent._sent
    resident = batches_of(pairs, **SETTINGS, jitter=1.25)
    resident._made = resident._from_device
    streams = zip(whole, *parts, sent, resident, strict=False)
    for at, (one, first, second, by_thread, on_device) in enumerate(streams):
        both = torch.cat([first["images"], second["images"]])
        for other in (both, by_thread["images"], on_device["images"]):
            assert_close(one["images"], other, rtol=0, atol=1e-6)
        if at == 4:
            break


@pytest.mark.parametrize("jitter", [0.9, 2.5])
def test_a_jitter_out_of_range_is_refused(jitter: float) -> None:
    with pytest.raises(ConfigError, match=r"data\.jitter="):
        Pairs(jitter=jitter)
    with pytest.raises(ConfigError, match=r"data\.jitter="):
        Unpaired(jitter=jitter)
