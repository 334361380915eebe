"""The type of a weight that may change with time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Scalar: TypeAlias = float | Mapping[str, Any]
"""A number, or the mapping of a schedule (engine/schedule.py)."""
