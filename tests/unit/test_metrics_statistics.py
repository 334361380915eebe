"""Statistics of reals: a fixed choice, streamed, cached by everything that decides them."""

import dataclasses
import random

import pytest
import torch

from gan_lab.common.errors import DataError
from gan_lab.data.image_set import ImageSet
from gan_lab.metrics.extractor import Extractor
from gan_lab.metrics.statistics import fixed_subset, statistics_of_reals
from gan_lab.storage.seals import sealed_file


class Means(Extractor):
    """Row means as features, counting its calls."""

    name, dim, resize, weights, sha256 = "means", 4, "none", "none", "0"

    def __init__(self):
        super().__init__(torch.device("cpu"))
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        return images.float().mean(dim=(1, 3))


@pytest.fixture
def reals():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (50, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return ImageSet("noise", "train", pixels, None, (), fingerprint="one")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_LAB_CACHE", str(tmp_path))
    return tmp_path / "statistics"


def compute(reals, extractor, **changes):
    options = {"num_reals": None, "keep": 10, "batch_size": 8, **changes}
    return statistics_of_reals(reals, extractor, **options)


def asked(reals, extractor, **changes):
    """Whether the extractor was asked, that is, nothing was found in the cache."""
    extractor.calls = 0
    compute(reals, extractor, **changes)
    return extractor.calls > 0


def test_sums_are_those_of_all_features(reals):
    found = compute(reals, Means())
    features = reals.images.double().mean(dim=(1, 3))
    torch.testing.assert_close(found.total, features.sum(0))
    torch.testing.assert_close(found.outer, features.T @ features)
    assert (found.count, found.rows.shape, found.rows.dtype) == (50, (10, 4), torch.float32)


def test_all_features_are_kept_where_they_are_at_most_as_many_as_they_are_long(reals):
    few = compute(reals, Means(), num_reals=4, keep=0)
    assert few.rows.shape == (4, 4)
    torch.testing.assert_close(few.rows.double().sum(0), few.total)
    assert compute(reals, Means(), num_reals=5, keep=0).rows.shape == (0, 4)


def test_a_second_run_reads_the_cache(reals):
    extractor = Means()
    first = compute(reals, extractor)
    assert not asked(reals, extractor)
    torch.testing.assert_close(vars(compute(reals, extractor)), vars(first), rtol=0, atol=0)


def test_everything_that_decides_the_statistics_is_in_the_key(reals):
    extractor = Means()
    compute(reals, extractor)
    assert not asked(reals, extractor, num_reals=50)  # all, said by number
    assert not asked(reals, extractor, batch_size=50)
    assert asked(reals, extractor, num_reals=20)
    assert asked(reals, extractor, keep=5)
    assert asked(dataclasses.replace(reals, fingerprint="two"), extractor)
    assert asked(dataclasses.replace(reals, split="test"), extractor)
    for name in ("resize", "sha256", "name"):
        other = Means()
        setattr(other, name, "other")
        assert asked(reals, other)


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_cache_is_computed_again(reals, cache, damage, caplog):
    caplog.set_level("INFO")
    extractor = Means()
    first = compute(reals, extractor)
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:200] if damage is None else damage)
    assert asked(reals, extractor)
    assert "damaged" in caplog.text
    assert not asked(reals, extractor)
    torch.testing.assert_close(compute(reals, extractor).total, first.total)


def test_a_cache_of_another_shape_or_not_finite_is_computed_again(reals, cache):
    extractor = Means()
    for name, value in (("total", torch.zeros(3)), ("outer", torch.full((4, 4), torch.nan))):
        compute(reals, extractor)
        (file,) = cache.iterdir()
        stored = torch.load(file, weights_only=True)
        with sealed_file(file) as whole:
            torch.save({**stored, name: value}, whole)
        assert asked(reals, extractor)


def test_any_flipped_bit_is_found(reals, cache, caplog):
    """A number that is still a number is the damage that nothing else would notice."""
    caplog.set_level("INFO")
    extractor = Means()
    first = vars(compute(reals, extractor))
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    for bit in random.Random(0).sample(range(8 * len(whole)), 40):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        caplog.clear()
        assert asked(reals, extractor)
        assert "damaged" in caplog.text
        torch.testing.assert_close(vars(compute(reals, extractor)), first, rtol=0, atol=0)


def test_a_cache_that_cannot_be_written_costs_no_run(reals, cache, caplog):
    caplog.set_level("INFO")
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file where the folder should be")
    assert compute(reals, Means()).count == 50
    assert "could not be cached" in caplog.text


def test_nothing_is_left_beside_the_cached_file(reals, cache):
    compute(reals, Means())
    assert [file.suffix for file in cache.iterdir()] == [".pt"]


def test_the_subset_is_fixed_distinct_and_not_the_first(reals):
    chosen = fixed_subset(1000, 100, purpose="reals")
    assert torch.equal(chosen, fixed_subset(1000, 100, purpose="reals"))
    assert not torch.equal(chosen, fixed_subset(1000, 100, purpose="rows"))
    assert len(chosen.unique()) == 100
    assert torch.equal(chosen, chosen.sort().values)
    assert int(chosen.max()) > 900
    assert compute(reals, Means(), num_reals=20).count == 20


def test_computing_leaves_the_random_state(reals):
    before = torch.get_rng_state()
    compute(reals, Means())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_single_image_is_refused(reals):
    one = dataclasses.replace(reals, images=reals.images[:1])
    with pytest.raises(DataError, match="has 1 images, too few"):
        compute(one, Means())


def test_a_long_way_is_announced(reals, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr("gan_lab.metrics.statistics.ANNOUNCED_SECONDS", 0.0)
    compute(reals, Means())
    assert "Statistics of 50 real images are computed once" in caplog.text
