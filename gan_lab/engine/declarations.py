"""What a game declares: who plays in which order, and what its samples are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_lab.engine.asking import NOTHING, Ask, Shown, asked
from gan_lab.engine.dials import Dials
from gan_lab.engine.phases import Phase
from gan_lab.engine.player import PlayerSpec
from gan_lab.engine.randomness import numbers_of
from gan_lab.engine.step import Step


class Declarations(nn.Module):
    """What the engine, the sampler and the commands ask a game for; a game overrides what it has to say."""

    makes: ClassVar[str] = (
        "images"  # what samples are, which says how files show them: images or text
    )

    # Columns that samples are made of, and that they are compared with: then metrics look at what is made of a split.
    sources: ClassVar[tuple[str, ...]] = ()
    targets: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def facts_for(
        cls, part: str, options: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Facts of the data that one of its parts sees otherwise than they are, by name; here none.

        Args:
            part: the name of its node, such as `discriminator`.
            options: of the game, as they are written.
            facts: of the data.
        """
        del part, options, facts
        return {}

    def players(self) -> Sequence[PlayerSpec]:
        """Who plays."""
        raise NotImplementedError(f"{type(self).__name__} must declare its players")

    def steps(self) -> Sequence[Step]:
        """Which updates a round is made of, in order; those of generators wait for n_critic."""
        raise NotImplementedError(f"{type(self).__name__} must declare its steps")

    def phases(self) -> Sequence[Phase]:
        """The parts of a run, by images seen; by default one, made of `steps`."""
        return [Phase(self.steps())]

    def set_dials(self, images_seen: int, dials: Dials) -> None:
        """Set what plays read of numbers that change by images seen, before a round; recorded steps read the dials."""

    def warnings(self) -> list[str]:
        """Sentences about choices of parts that theory advises against."""
        return []

    @property
    def latent_dim(self) -> int:
        """Standard normal numbers that one sample takes; 0 where it is made of something else, see `inputs`."""
        raise NotImplementedError(f"{type(self).__name__} must say how many numbers a sample takes")

    @property
    def truncates(self) -> bool:
        """Whether `generate` takes a `truncation` (N, 1) beside what `inputs` returns; else latents may be cut off."""
        return False

    @property
    def translates(self) -> bool:
        """Whether `generate` takes a `shift` (N, 2), in sides of an image to the right and down."""
        return False

    def questions(self) -> Mapping[str, Sequence[str]]:
        """What may be asked of samples beside their number: by name, the names of the values 0, 1, 2, ..."""
        return {}

    def picture(self, count: int) -> Shown:
        """What the grids of a run show of about so many samples."""
        return Shown(count)

    def keep_rows(self, data: Any) -> None:
        """Keep rows that grids show, from the split that metrics look at; for games with `sources`."""

    def inputs_of(
        self, rows: Mapping[str, Tensor], numbers: Sequence[int], **how: Any
    ) -> dict[str, Tensor]:
        """As `inputs`, of samples that are made of these rows of the data; for games with `sources`.

        Args:
            rows: stored values (N, ...) of the columns in `sources` and `targets`.
            numbers: of the rows (N,), on which everything that is drawn for them depends.
            how: `ask`, as for `inputs`.
        """
        raise NotImplementedError(f"{type(self).__name__} makes its samples of no rows")

    def prepare(self, data: Any) -> None:
        """Take from the training split what the game needs of it, before a new run's first round; nothing here."""

    def inputs(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> dict[str, Tensor]:
        """What samples are made of, on the CPU: a pure function of seed, index and what is asked.

        Args:
            indices: of the samples; each is what it is, whatever the others are.
            seed: of everything that is drawn.
            ask: values by name of `questions`, for the samples 0, 1, 2, ... in turn; `latents` are the indices whose
                latents they take, so that several samples can share one.

        Returns:
            Tensors (N, ...) by name; here `latents`, standard normal numbers (N, latent_dim).
        """
        rows = asked(ask, "latents", indices) or indices
        return {"latents": numbers_of(rows, self.latent_dim, seed=seed)}

    def labels_of(self, indices: Sequence[int], *, seed: int, ask: Ask = NOTHING) -> Tensor | None:
        """What samples shall show, as data writes it: classes int64 (N,), or attributes float32 (N, A); None here.

        Args:
            indices: of the samples, as for `inputs`.
            seed: as for `inputs`.
            ask: as for `inputs`.
        """
        del indices, seed, ask
        return None

    @torch.no_grad()
    def generate(self, networks: Mapping[str, nn.Module], inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], float32, from what `inputs` returns, on the networks' device.

        `networks` are those of the averaged players (raw or averaged), by the names in their specs.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it generates")

    def keep(self, parts: Mapping[str, Any]) -> None:
        """Own the modules of parts that are no networks of players, such as penalties and losses.

        A part is a module, or has modules as attributes. Their buffers are placed, saved and restored with the game;
        their parameters rest, since no player moves them.

        Args:
            parts: by name; those without modules are left as they are.
        """
        known = set(self.modules())
        for name, part in parts.items():
            inner = vars(part) if hasattr(part, "__dict__") else {}
            found = {"": part} if isinstance(part, nn.Module) else inner
            for key, module in found.items():
                if isinstance(module, nn.Module) and module not in known:
                    known.add(module)
                    self.add_module(f"{name}_{key}" if key else name, module.requires_grad_(False))
