"""A generator with the weights of a checkpoint, as `gan_lab.load` returns it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.engine.clock import KIMG
from gan_lab.engine.module import AdversarialModule
from gan_lab.engine.randomness import numbers_of
from gan_lab.generation.generator import ImageGenerator, ImageTranslator, settle_weights
from gan_lab.generation.latents import latent_of, refuse_without_latents, truncated, walk
from gan_lab.generation.sampling import Sampler
from gan_lab.generation.translating import Translator, answer_of, check_view, require_translation
from gan_lab.process.machine import allow_tf32
from gan_lab.storage.run_folder import RunFolder


class Pretrained:
    """A generator with the weights of a checkpoint.

    Attributes:
        folder: the run folder.
        checkpoint: the file that the weights are from.
        config: the run's composed configuration.
        names: of the model and the data set, as they were chosen.
        ema: whether the weights are the averaged ones.
        iteration: rounds trained.
        images_seen: reals seen in training.
        networks: the generator's networks by name, in eval mode, on `device`.
        generator: the same as one module, from standard normal numbers (N, latent_dim) or, where the model translates,
            from images to images.
    """

    def __init__(
        self,
        folder: RunFolder,
        checkpoint: Path,
        *,
        config: Mapping[str, Any],
        game: AdversarialModule,
        device: torch.device,
        names: Mapping[str, str],
        ema: bool = True,
    ) -> None:
        allow_tf32(
            config.get("tf32", False)
        )  # as in training, so that a value measured again is the same
        self.folder = folder
        self.checkpoint = checkpoint
        self.config = config
        self.names = names
        self.ema = ema
        settle_weights(game)
        self.game = game.to(device).eval().requires_grad_(False)
        self.iteration = game.clock.iteration
        self.images_seen = game.clock.images_seen
        self.device = device
        self.networks: Mapping[str, nn.Module] = game.averaged_networks()
        kind = ImageTranslator if hasattr(game, "translation") else ImageGenerator
        self.generator = kind(game, self.networks)

    def __repr__(self) -> str:
        if self.game.makes != "images":
            return (
                f"<generator: {self.names['model']} on {self.names['data']} after {self.kimg:,.5g} kimg, "
                f"{self.game.makes}, {'EMA' if self.ema else 'raw'} weights, {self.checkpoint}>"
            )
        channels, height, width = self.shape
        colours = {1: "grey", 3: "RGB"}.get(channels, f"of {channels} channels")
        return (
            f"<generator: {self.names['model']} on {self.names['data']} after {self.kimg:,.5g} kimg, "
            f"{width} x {height} {colours}, {'EMA' if self.ema else 'raw'} weights, "
            f"{self._made_of}, {self.checkpoint}>"
        )

    @property
    def _made_of(self) -> str:
        """What a sample takes, in words."""
        if not self.latent_dim:
            return f"from {' and '.join(self.generator.takes)}"
        return f"{self.latent_dim} {type(latent_of(self.game)).__name__.lower()} latents"

    def require_latents(self, what: str) -> None:
        """Refuse what can be done with latents of images only.

        Raises:
            ConfigError: where this model makes something else, or of something else.
        """
        self.require_images(what)
        refuse_without_latents(self.game, what)

    def require_images(self, what: str) -> None:
        """Refuse what can be done with images only.

        Raises:
            ConfigError: where this model makes something else.
        """
        if self.game.makes != "images":
            raise ConfigError(
                f"{what}: is for images, and this run's model makes {self.game.makes}; `sample` shows it."
            )

    @property
    def kimg(self) -> float:
        """Thousands of reals seen in training."""
        return self.images_seen / KIMG

    @property
    def latent_dim(self) -> int:
        """Numbers that one image takes."""
        return self.game.latent_dim

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: (C, H, W)."""
        inputs = self.game.inputs([0], seed=0)
        there = {name: tensor.to(self.device) for name, tensor in inputs.items()}
        channels, height, width = self.game.generate(self.networks, there).shape[1:]
        return channels, height, width

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that samples can be asked for; empty where the model knows none."""
        return tuple(self.game.questions().get("classes", ()))

    def latents(self, n: int, *, seed: int = 0, truncation: float | None = None) -> Tensor:
        """The numbers that `sample` makes its images of.

        Args:
            n: how many, >= 1.
            seed: of the numbers.
            truncation: the largest absolute value, > 0; smaller ones give likelier and less varied images. Models with
                styles have it in `sample` and `generate` only.

        Returns:
            Shape (n, latent_dim), float32, on `device`: standard normal, whatever the run's distribution of latents,
            as `generate` and an exported file take them.

        Raises:
            ConfigError: where the run's latents cannot be truncated.
        """
        self.require_latents("latents")
        in_range("num", n, low=1)
        return self._placed(numbers_of(range(n), self.latent_dim, seed=seed), truncation)

    def latents_of(self, seeds: Sequence[int], *, truncation: float | None = None) -> Tensor:
        """The numbers (N, latent_dim) of these seeds, each those of `latents(1, seed=...)`."""
        self.require_latents("seeds")
        in_range("seeds", len(seeds), low=1)
        firsts = [numbers_of([0], self.latent_dim, seed=seed) for seed in seeds]
        return self._placed(torch.cat(firsts), truncation)

    def walk(self, stations: Tensor, frames: int = 8, *, loop: bool = False) -> Tensor:
        """Numbers on the way from station to station, for `generate`.

        Args:
            stations: (N, latent_dim), N >= 2, such as `latents_of([3, 17])`.
            frames: steps from one station to the next, >= 1.
            loop: go on from the last to the first, and end one step before it.

        Returns:
            Shape ((N - 1) * frames + 1, latent_dim); with `loop` (N * frames, latent_dim). Each station is among them.
        """
        return walk(self.game, self._numbers(stations), frames=frames, loop=loop)

    def generate(self, z: Tensor, *, batch_size: int = 64, **ask: Any) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], float32, on `device`, of standard normal numbers (N, latent_dim).

        Args:
            z: numbers of `latents`, or your own.
            batch_size: images at once.
            ask: as for `sample`.

        Raises:
            ConfigError: if their shape is another.
        """
        self.require_latents("generate")
        in_range("batch_size", batch_size, low=1)
        numbers, sampler = self._numbers(z), self.sampler(**ask)
        images = []
        for start in range(0, len(numbers), batch_size):
            part = numbers[start : start + batch_size]
            inputs = sampler.inputs(0, range(start, start + len(part)), latents=part)
            images.append(sampler.images(inputs))
        return torch.cat(images)

    def encode(self, images: Tensor, *, batch_size: int = 64) -> Tensor:
        """Latents (N, dim) that the run's encoder finds for images, float32, on `device`.

        Args:
            images: (N, C, H, W) in [-1, 1].
            batch_size: images at once.

        Raises:
            ConfigError: if the run's model has no encoder, or the images have another shape.
        """
        return self._of_images("encode", images, batch_size)

    def reconstruct(self, images: Tensor, *, batch_size: int = 64) -> Tensor:
        """What the generator makes of the latents of images, as `encode`: (N, C, H, W) in [-1, 1]."""
        return self._of_images("reconstruct", images, batch_size)

    def translate(
        self,
        images: Tensor,
        *,
        direction: str | None = None,
        tile: int | None = None,
        overlap: int | None = None,
        alpha: Tensor | None = None,
        **ask: str | int,
    ) -> Tensor:
        """What a model from image to image makes of images of any size.

        Args:
            images: (N, C, H, W) in [-1, 1].
            direction: of a model that knows two kinds of images, such as "a to b" or AtoB.
            tile: side of the tiles that images are cut into; None cuts only those that are too large for memory.
            overlap: pixels that neighbouring tiles share, at most half of a tile; None is a quarter.
            alpha: (N, 1, H, W) in [0, 1], 0 where a model that fills holes shall do so.
            ask: whatever else the model may be asked for, by name: a number or a name.

        Returns:
            (N, C', H', W') in [-1, 1], float32, on `device`; H' is H, but for models that enlarge.

        Raises:
            ConfigError: if the run's model makes images of random numbers, or does not know what is asked.
        """
        return self.translator(direction=direction, tile=tile, overlap=overlap, **ask)(
            images, alpha
        )

    def translator(
        self,
        *,
        direction: str | None = None,
        tile: int | None = None,
        overlap: int | None = None,
        **ask: str | int,
    ) -> Translator:
        """What `translate` does, for one part of the images after another."""
        require_translation(self.game)
        sampler = Sampler(self.game, self.networks)
        if "view" in ask:
            seen: Sequence[str] = self.game.seen  # type: ignore[assignment]
            why = f"a translation of your own images is shown as {' or '.join(seen)} only"
            check_view(self.game, ask["view"], seen, why)
        answers = self._answers(direction, ask)
        return Translator(sampler, ask=answers, tile=tile, overlap=overlap)

    def translation(self, *, direction: str | None = None, **ask: str | int) -> ImageTranslator:
        """The `generator` of a model that translates, for one direction and other answers.

        Raises:
            ConfigError: if a view is asked for: it gives what the networks make, whatever is shown of that.
        """
        require_translation(self.game)
        if "view" in ask:
            why = f"the {self.game.gives} that the networks make are the same in every view"
            check_view(self.game, ask["view"], (), why)
        return ImageTranslator(self.game, self.networks, self._answers(direction, ask))

    def _answers(self, direction: str | None, ask: Mapping[str, str | int]) -> dict[str, int]:
        wanted = ask if direction is None else {**ask, "direction": direction}
        return {name: answer_of(self.game, name, value) for name, value in wanted.items()}

    def _of_images(self, what: str, images: Tensor, batch_size: int) -> Tensor:
        made = getattr(self.game, what, None)
        if made is None:
            raise ConfigError(
                f"{what}: this run's model has no encoder; train one that has, such as model=bigan or model=ali."
            )
        if images.ndim != 4 or tuple(images.shape[1:]) != self.shape or not len(images):
            wanted = ", ".join(map(str, self.shape))
            raise ConfigError(
                f"{what}: the images' shape is {tuple(images.shape)}; this model takes (N, {wanted}), N >= 1."
            )
        in_range("batch_size", batch_size, low=1)
        there = images.to(self.device, torch.float32).split(batch_size)
        return torch.cat([made(self.networks, part) for part in there])

    def sampler(
        self,
        *,
        seed: int = 0,
        batch_norm: str = "running",
        truncation: float | None = None,
        **ask: Any,
    ) -> Sampler:
        """Images by index, a pure function of (seed, index)."""
        one_of("batch_norm", batch_norm, ("running", "batch"))
        return Sampler(
            self.game, self.networks, seed=seed, batch_norm=batch_norm, truncation=truncation,
            ask={name: [value] if isinstance(value, int) else value for name, value in ask.items()},
        )  # fmt: skip

    def sample(
        self,
        n: int,
        seed: int = 0,
        batch_size: int = 64,
        *,
        batch_norm: str = "running",
        truncation: float | None = None,
        **ask: Any,
    ) -> Tensor:
        """Draw images; the first ones stay the same for a larger `n` or another `batch_size`.

        Args:
            n: how many, >= 1.
            seed: of the latents.
            batch_size: images at once; bounds memory and changes floats by rounding at most.
            batch_norm: `running` statistics, or those of each `batch` of 64 samples.
            truncation: as for `latents`; of models with styles the share of the way from the mean style.
            ask: what the model can be asked for, one value or one for each sample in turn, such as classes=7.

        Returns:
            Shape (n, C, H, W), range [-1, 1], float32, on `device`.
        """
        batches = self.batches(
            n, seed=seed, batch_size=batch_size, batch_norm=batch_norm, truncation=truncation, **ask
        )
        return torch.cat(list(batches))

    def batches(
        self,
        n: int,
        *,
        seed: int = 0,
        batch_size: int = 64,
        batch_norm: str = "running",
        truncation: float | None = None,
        **ask: Any,
    ) -> Iterator[Tensor]:
        """The images of `sample`, at most `batch_size` at a time."""
        in_range("num", n, low=1)
        in_range("batch_size", batch_size, low=1)
        sampler = self.sampler(seed=seed, batch_norm=batch_norm, truncation=truncation, **ask)
        for start in range(0, n, batch_size):
            yield sampler(start, min(batch_size, n - start))

    def batches_of(
        self,
        seeds: Sequence[int],
        *,
        batch_size: int = 64,
        batch_norm: str = "running",
        truncation: float | None = None,
        **ask: Any,
    ) -> Iterator[Tensor]:
        """One image of each seed, `sample(1, seed=...)`, at most `batch_size` at a time."""
        in_range("batch_size", batch_size, low=1)
        sampler = self.sampler(batch_norm=batch_norm, truncation=truncation, **ask)
        for start in range(0, len(seeds), batch_size):
            yield sampler.of_seeds(seeds[start : start + batch_size])

    def _placed(self, numbers: Tensor, truncation: float | None) -> Tensor:
        if truncation is not None:
            numbers = truncated(self.game, numbers, truncation)
        return numbers.to(self.device)

    def _numbers(self, z: Tensor) -> Tensor:
        numbers = torch.as_tensor(z, dtype=torch.float32, device=self.device)
        if numbers.ndim != 2 or numbers.shape[1] != self.latent_dim or not len(numbers):
            raise ConfigError(
                f"z: its shape is {tuple(numbers.shape)}; this generator takes (N, {self.latent_dim}), N >= 1."
            )
        return numbers
