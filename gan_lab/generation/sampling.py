"""Samples from a generator, a pure function of (seed, index): the same for any batch size."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.engine.asking import NOTHING, Ask
from gan_lab.engine.randomness import CHUNK
from gan_lab.generation.latents import with_truncation
from gan_lab.networks.fast.cpu import fast_cpu

if TYPE_CHECKING:
    from gan_lab.engine.module import AdversarialModule

EVALUATION_SEED = 0x5EED  # of the latents that every evaluation scores


class Sampler:
    """Draws images from networks without touching them, their mode or any generator of random numbers.

    Args:
        module: the game, for its inputs and its `generate`.
        networks: the averaged player's networks, raw or averaged; copied, and made faster on a CPU as training does.
        seed: of the latents and of all else that is drawn.
        batch_norm: `running` uses the running statistics, `batch` those of each chunk of 64 samples.
        truncation: the largest absolute value of a latent's numbers, or of models with styles the share of the way
            from the mean style; None changes nothing.
        ask: what is asked of the samples, such as {"classes": [7]}; see the game's `questions`.

    Raises:
        ConfigError: where the game does not know what is asked.
    """

    def __init__(
        self,
        module: AdversarialModule,
        networks: Mapping[str, nn.Module],
        *,
        seed: int = 0,
        batch_norm: str = "running",
        truncation: float | None = None,
        ask: Ask = NOTHING,
    ) -> None:
        check_ask(module, ask)
        self.module = module
        self.seed = seed
        self.batch_norm = batch_norm
        self.truncation = truncation
        self.ask = ask
        self.networks = {name: _for_sampling(n, batch_norm) for name, n in networks.items()}
        self.device = next(next(iter(networks.values())).parameters()).device

    def __call__(self, start: int, count: int) -> Tensor:
        """Images (count, C, H, W) in [-1, 1], float32, of samples start .. start + count - 1."""
        if self.batch_norm == "running":
            return self._drawn(self.seed, range(start, start + count))
        first = start // CHUNK * CHUNK
        chunks = (range(at, at + CHUNK) for at in range(first, start + count, CHUNK))
        whole = [self._drawn(self.seed, chunk) for chunk in chunks]
        return torch.cat(whole)[start - first :][:count]

    def of_seeds(self, seeds: Sequence[int]) -> Tensor:
        """Images (N, C, H, W) of these seeds: the first sample of each."""
        if self.batch_norm == "running":
            firsts = [self.inputs(seed, [0]) for seed in seeds]
            return self.images({k: torch.cat([one[k] for one in firsts]) for k in firsts[0]})
        return torch.cat([self._drawn(seed, range(CHUNK))[:1] for seed in seeds])

    @property
    def made_of(self) -> tuple[str, ...]:
        """Columns of the data that samples are made of and compared with; none where they are made of numbers."""
        return tuple(dict.fromkeys((*self.module.sources, *self.module.targets)))

    @property
    def compared_with(self) -> tuple[str, ...]:
        """Columns of the data that samples should be equal to; none where no image is the right one."""
        return self.module.targets

    @property
    def questions(self) -> Mapping[str, Sequence[str]]:
        """What may be asked of the samples: by name, the names of the values 0, 1, 2, ..."""
        return self.module.questions()

    @property
    def offers(self) -> tuple[str, ...]:
        """What metrics may ask for: answers to the question `view`, the model's own classifier, and moved samples."""
        classifier = ("classifier",) if hasattr(self.module, "classify") else ()
        moved = ("translations",) if self.module.translates else ()
        return (*self.questions.get("view", ()), *classifier, *moved)

    def moved(self, start: int, count: int, shift: Tensor) -> Tensor:
        """The samples from `start` on, whose generator moves them by shares of a side (count, 2), right and down."""
        inputs = self.inputs(self.seed, range(start, start + count))
        return self.images({**inputs, "shift": shift})

    @torch.no_grad()
    def classify(self, images: Tensor) -> Tensor:
        """Logits (N, K) of the model's own classifier, float32, of images (N, C, H, W) in [-1, 1]."""
        with torch.autocast(self.device.type, enabled=False):
            return self.module.classify(self.networks, images.to(self.device))  # type: ignore[no-any-return, operator]

    def of_rows(self, rows: Mapping[str, Tensor], numbers: Sequence[int], **ask: int) -> Tensor:
        """Images (N, C, H, W) that are made of these rows of the data.

        Args:
            rows: stored values (N, ...) by column.
            numbers: of the rows (N,).
            ask: one answer to a question of the game, for all of them.
        """
        asked = {name: [value] for name, value in ask.items()}
        return self.images(self.module.inputs_of(rows, numbers, ask={**self.ask, **asked}))

    def labels(self, start: int, count: int) -> Tensor | None:
        """What the samples from `start` on shall show: classes (count,), or attributes (count, A), or None."""
        indices = range(start, start + count)
        return self.module.labels_of(indices, seed=self.seed, ask=self.ask)

    @torch.no_grad()
    def images(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], float32, of what the game's `inputs` returned."""
        there = {name: tensor.to(self.device) for name, tensor in inputs.items()}
        with torch.autocast(self.device.type, enabled=False):
            return self.module.generate(self.networks, there)

    def inputs(
        self, seed: int, indices: Sequence[int], *, latents: Tensor | None = None
    ) -> dict[str, Tensor]:
        """What the samples of these indices are made of, on the CPU; of other latents where some are given."""
        found = self.module.inputs(indices, seed=seed, ask=self.ask)
        if latents is not None:
            found["latents"] = latents
        return (
            found
            if self.truncation is None
            else with_truncation(self.module, found, self.truncation)
        )

    def _drawn(self, seed: int, indices: Sequence[int]) -> Tensor:
        return self.images(self.inputs(seed, indices))


def check_ask(module: AdversarialModule, ask: Ask) -> None:
    """Raise ConfigError where something is asked that the game does not know, or a value is out of range."""
    questions = module.questions()
    for name, values in ask.items():
        if name == "latents":
            continue
        if name not in questions:
            known = f"it may be asked for {', '.join(questions)}" if questions else "it takes none"
            raise ConfigError(f"{name}: this run's model cannot be asked for that; {known}.")
        for value in values:
            in_range(name, value, low=0, high=len(questions[name]) - 1)


def _for_sampling(network: nn.Module, batch_norm: str) -> nn.Module:
    copied = copy.deepcopy(network).eval()
    if next(copied.parameters()).is_cpu:
        fast_cpu(copied)
    if batch_norm == "batch":
        for module in copied.modules():
            if isinstance(module, _BatchNorm):
                module.train()
    return copied
