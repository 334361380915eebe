"""Types of options: pydantic holds a value as YAML has it against the annotation of a constructor or a field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gan_lab.common.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# By what JSON Schema calls them.
WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
    "object": "a mapping",
    "array": "a list",
}


def check_type(path: str, value: Any, kind: Any) -> None:
    """Hold a value against an annotation: strictly, but an int passes for a float and a list for a tuple.

    Args:
        path: of the option, for the message.
        value: plain containers, texts, numbers, booleans or None.
        kind: an annotation; one that pydantic cannot read lets anything pass.

    Raises:
        ConfigError: saying what the value must be.
    """
    if kind is Any:
        return
    adapter = _adapter(kind)
    if adapter is None:
        return
    try:
        # As JSON, which has no tuples: there a strict tuple takes a list.
        text = json.dumps(value, ensure_ascii=False)
        # A path of the command line may hold bytes that are no UTF-8; it is a text all the same.
        adapter.validate_json(text.encode(errors="replace"), strict=True)
    except (TypeError, ValueError) as error:
        shown = "null" if value is None else value
        raise ConfigError(f"{path}={shown}: must be {_words_of(kind, adapter)}.") from error


def _adapter(kind: Any) -> TypeAdapter[Any] | None:
    # A fifth of a second, which --help and a mistyped name need not pay.
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter
    from pydantic_core import SchemaError

    try:
        return TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticUserError, SchemaError):
        return None


def _words_of(kind: Any, adapter: TypeAdapter[Any]) -> str:
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        return _words(adapter.json_schema())
    except PydanticInvalidForJsonSchema:
        return f"a {getattr(kind, '__name__', kind)}, which only code can give"


def _words(schema: Mapping[str, Any]) -> str:
    """An annotation's JSON Schema in words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_words(one) for one in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum") or [schema["const"]]
        return "one of " + ", ".join(map(str, choices))
    if fixed := schema.get("prefixItems"):
        return f"a list of {len(fixed)} values, each {_words(fixed[0])}"
    words = WORDS.get(schema.get("type", ""), "of another type")
    return f"{words}, each entry {_words(inner)}" if (inner := schema.get("items")) else words
