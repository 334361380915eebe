"""Options of parts that may be schedules: each part reads their values of now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gan_lab.common.ranges import in_range
from gan_lab.engine.dials import Dials
from gan_lab.engine.schedule import schedule


class Scheduled:
    """The options named in the attribute `scalars` of some parts, whose values stand in their attribute `now`.

    Args:
        group: of the parts in conf/.
        parts: by name; those without `scalars` are left alone.

    Raises:
        ConfigError: if a value is negative, or above what a part's `highest` says.
    """

    def __init__(self, group: str, parts: Mapping[str, Any]) -> None:
        self.group, self.parts = group, parts
        self.schedules = {}
        for name, part in parts.items():
            for option, value in getattr(part, "scalars", {}).items():
                path = f"{group}.{name}.{option}"
                found = schedule(value, path)
                in_range(path, min(found.ends()), low=0)
                in_range(
                    path, max(found.ends()), high=getattr(part, "highest", {}).get(option, math.inf)
                )
                self.schedules[name, option] = found
                part.now[option] = found.at(0)

    def set(self, images_seen: int, dials: Dials) -> None:
        """Set what schedules say after so many images; called between rounds."""
        for (name, option), found in self.schedules.items():
            value = found.at(images_seen)
            self.parts[name].now[option] = dials.set(f"{self.group}/{name}/{option}", value)
