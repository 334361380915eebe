"""What a run is asked to do: what all of its stages know."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gan_lab.config.resume import Command
from gan_lab.process.interrupts import Interrupts
from gan_lab.process.ranks import Ranks
from gan_lab.process.threads import Party
from gan_lab.run.resuming import Resumed
from gan_lab.run.together import Following
from gan_lab.storage.run_folder import RunFolder


@dataclass(frozen=True)
class Asked:
    """A run that begins or goes on.

    Attributes:
        config: resolved, plain containers; of a resumed run, its own with what was set now.
        folder: in which it is trained.
        command: how it was asked for.
        interrupts: signals that came meanwhile.
        place: of this process among the ranks.
        first: whether this process writes files and speaks.
        following: set in a rank that another has started.
        found: the checkpoint that it goes on from; None where it begins, and in the ranks after the first.
    """

    config: dict[str, Any]
    folder: RunFolder
    command: Command
    interrupts: Interrupts
    place: Ranks
    first: bool
    following: Following | None = None
    found: Resumed | None = None

    @property
    def group(self) -> str | None:
        """The folder of the multirun that it is a job of."""
        return self.command.group and str(self.folder.path.parent.absolute())

    def party(self) -> Party:
        """What the choice of threads needs to know of this run."""
        return Party(
            self.folder.path,
            group=self.group,
            at_once=self.command.at_once,
            ranks=self.config["strategy"]["devices"],
        )

    def task(self) -> dict[str, Any]:
        """What the ranks that this process starts must know."""
        return {
            "config": self.config,
            "folder": str(self.folder.path.absolute()),
            "group": self.group,
            "command": asdict(self.command),
            "checkpoint": None if self.found is None else str(self.folder.last.absolute()),
        }
