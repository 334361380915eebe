"""Facts of a data set, by the names under which constructors ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Facts(Mapping[str, Any]):
    """Facts that are known at once, and others that are looked for when somebody asks.

    Args:
        known: by name.
        later: by name what finds a fact, such as the classes of a folder, which must be listed for them; what it
            finds to be empty the data does not have.
        untold: by name the error that says why a fact of the data cannot be told yet; who asks for it gets it.
    """

    def __init__(
        self,
        known: Mapping[str, Any],
        later: Mapping[str, Callable[[], Any]] | None = None,
        untold: Mapping[str, Exception] | None = None,
    ) -> None:
        self.known = dict(known)
        self.later = dict(later or {})
        self.untold = dict(untold or {})

    def __getitem__(self, name: str) -> Any:
        """A fact.

        Raises:
            KeyError: where the data lacks it.
            Exception: the one that says why it cannot be told yet.
        """
        if name in self.untold:
            raise self.untold[name]
        if name not in self.known:
            self.known[name] = self.later[name]()
        found = self.known[name]
        if name in self.later and not found:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of what the data has."""
        return (name for name in dict.fromkeys((*self.known, *self.later)) if name in self)

    def __len__(self) -> int:
        """Return how many there are."""
        return sum(1 for _ in self)


def image_facts(
    *,
    resolution: int,
    channels: int,
    classes: Callable[[], tuple[str, ...]] = tuple,
    columns: tuple[str, ...] = ("images",),
) -> Facts:
    """Facts of a set of images: resolution, channels, columns, and where it has labels, classes and label_dim.

    Args:
        resolution: side of the images.
        channels: of the images.
        classes: gives the names of the classes or attributes; none where there are no labels.
        columns: what a batch has beside labels.
    """
    known = {"resolution": resolution, "channels": channels, "columns": columns}
    facts = Facts(known, {"classes": classes})
    # The number is of the names that are found once.
    facts.later["label_dim"] = lambda: len(facts.get("classes", ()))
    return facts
