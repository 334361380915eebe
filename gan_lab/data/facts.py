"""Facts of a data set, by the names under which constructors ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any


class ImageFacts(Mapping[str, Any]):
    """Facts of a set of images: resolution, channels, columns, and where it has labels, classes and label_dim.

    The classes of a folder are known once it is listed, so they are looked for when somebody asks.

    Args:
        resolution: side of the images.
        channels: of the images.
        classes: gives the names of the classes or attributes; none where there are no labels.
        columns: what a batch has beside labels.
    """

    def __init__(
        self,
        *,
        resolution: int,
        channels: int,
        classes: Callable[[], tuple[str, ...]] = tuple,
        columns: tuple[str, ...] = ("images",),
    ) -> None:
        self.known = {"resolution": resolution, "channels": channels, "columns": columns}
        self.look = classes

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes or attributes."""
        return self.look()

    def __getitem__(self, name: str) -> Any:
        """A fact.

        Raises:
            KeyError: where the data lacks it.
        """
        if name in self.known:
            return self.known[name]
        if name not in ("classes", "label_dim") or not self.classes:
            raise KeyError(name)
        return self.classes if name == "classes" else len(self.classes)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        yield from self.known
        if self.classes:
            yield from ("classes", "label_dim")

    def __len__(self) -> int:
        """Return how many there are."""
        return len(list(iter(self)))
