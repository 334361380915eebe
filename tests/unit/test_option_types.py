"""Types of options: strict, with the two exceptions that YAML needs, and said in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, TypeVar

import pytest

from gan_lab.common.errors import ConfigError
from gan_lab.common.scalars import Scalar
from gan_lab.config.types import check_type

NOT_UTF8 = b"run\xff".decode(errors="surrogateescape")


class Thing:
    """No YAML can write one."""


class Shape(Protocol):
    """Not one to ask whether an object has it."""

    def area(self) -> float: ...


RIGHT = [
    (int, 3), (int, -1), (float, 3), (float, 2.5), (float, float("nan")), (float, float("inf")), (float, 10**30),
    (str, ""), (str, NOT_UTF8), (bool, False), (None, None), (int | None, None), (list[str], []), (list[str], ["a"]),
    (list[str], ("a",)), (Sequence[str], ["a"]), (tuple[float, float], [0, 0.9]), (tuple[float, float], (0.0, 0.9)),
    (tuple[int, ...], []), (list[list[int]], [[1], []]), (Mapping, {"a": [1]}), (Mapping[str, Any] | None, None),
    (Scalar, 1), (Scalar, {"schedule": "linear", "start": 1}), (Literal["a", "b"], "b"),
    (bool | Literal["warn"], "warn"),
    (Any, Thing), (TypeVar("T"), 5), (Annotated[int, "a size"], 3), (Shape, 5),
]  # fmt: skip

WRONG = [
    (int, True, "a whole number"), (int, "5", "a whole number"), (int, 1.0, "a whole number"),
    (int, None, "a whole number"), (int, [1], "a whole number"), (float, "5", "a number"), (float, True, "a number"),
    (str, 5, "a text"), (str, True, "a text"), (bool, 1, "true or false"), (bool, "true", "true or false"),
    (None, 0, "null"), (int | None, "none", "a whole number or null"), (list[str], "abc", "a list, each entry a text"),
    (list[str], [1], "a list, each entry a text"), (Sequence[int], [[1]], "a list, each entry a whole number"),
    (Sequence[str], "abc", "a list, each entry a text"), (list, {}, "a list"), (Mapping, [1], "a mapping"),
    (tuple[float, float], [0.5], "a list of 2 values, each a number"),
    (tuple[float, float], [0.5, True], "a list of 2 values, each a number"),
    (tuple[int, ...], [0.5], "a list, each entry a whole number"), (Scalar, "fast", "a number or a mapping"),
    (Scalar | None, True, "a number or a mapping or null"), (Literal["a", "b"], "c", "one of a, b"),
    (Literal["a", "b"] | None, 1, "one of a, b or null"),
    (bool | Literal["warn"], "no", "true or false or one of warn"), (Thing, 5, "a Thing, which only code can give"),
    (Callable[[], None], "os.system", "a Callable, which only code can give"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), RIGHT, ids=str)
def test_a_value_of_the_type_passes(kind, value):
    check_type("a.b", value, kind)


@pytest.mark.parametrize(("kind", "value", "words"), WRONG, ids=str)
def test_another_is_refused_in_words(kind, value, words):
    with pytest.raises(ConfigError) as caught:
        check_type("a.b", value, kind)
    shown = "null" if value is None else value
    assert str(caught.value) == f"a.b={shown}: must be {words}."
