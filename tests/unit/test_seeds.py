"""Lists of seeds as people write them, and how they come through Hydra."""

from __future__ import annotations

import pytest

from gan_lab.common.errors import ConfigError
from gan_lab.config.paths import quote_paths
from gan_lab.config.seeds import seeds_of, short_name


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        ("7", [7]), (7, [7]), ("0-3,77", [0, 1, 2, 3, 77]), ("[3, 17,40]", [3, 17, 40]), ([3, 17], [3, 17]),
        (" 5 , 5 ", [5, 5]), ("2 - 2", [2]),
    ],
)  # fmt: skip
def test_seeds_are_read(given, seeds):
    assert seeds_of(given) == seeds


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("3-1", "runs backwards; write 1-3"),
        ("", "an empty entry is no seed"),
        ("1,,2", "an empty entry is no seed"),
        ("-4", "-4 is no seed"),
        ("1.5", "1.5 is no seed"),
        ("a-b", "a-b is no seed; write whole numbers from 0 on"),
        ("0-99999999999", "more than 1,000,000 seeds"),
        ("9" * 5000, "is no seed"),
    ],
)
def test_what_is_no_seed_is_a_sentence(given, said):
    with pytest.raises(ConfigError) as error:
        seeds_of(given)
    assert said in str(error.value)
    assert str(error.value).startswith("seeds=")


def test_hydra_takes_a_list_as_one_text():
    assert quote_paths(["seeds=0-31,77"], sweep=False) == ["seeds='0-31,77'"]
    assert quote_paths(["seeds=[3,17]", "seeds=null"], sweep=False) == [
        "seeds='[3,17]'",
        "seeds=null",
    ]
    assert quote_paths(["seeds=1,2"], sweep=True) == ["seeds='1','2'"]


def test_a_long_list_has_a_short_name_of_its_own():
    assert short_name("[0-31, 77]") == "0-31,77"
    long = ",".join(map(str, range(200)))
    assert len(short_name(long)) < 60
    assert short_name(long) != short_name(f"{long},200")
