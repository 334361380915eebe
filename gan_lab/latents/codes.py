"""Latents of InfoGAN: noise beside codes that stand for something in the image, arXiv:1606.03657, section 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range
from gan_lab.latents.distributions import ROOT_HALF

GRID = 9  # values of a number code that can be asked for, evenly over [-1, 1]
CODES = {"category": 10, "first": 1, "second": 1}  # the paper's on MNIST
EDGE = 0.999  # the outermost of them: the normal number behind 1 is infinite


class Coded:
    """Standard normal noise, then the codes: a category as a one-hot vector, or a number uniform in [-1, 1].

    Every latent is a function of as many standard normal numbers. The category is the place of the largest of its
    numbers, so that all are equally likely; a number is the distribution function of its own.

    Args:
        noise: numbers of noise, >= 1.
        codes: by name the number of categories, >= 2, or 1 for a number.

    Raises:
        ConfigError: if there is no code, or one has no category.
    """

    def __init__(self, *, noise: int = 62, codes: Mapping[str, int] = CODES) -> None:
        in_range("noise", noise, low=1)
        if not codes:
            raise ConfigError("codes={}: give at least one code, such as codes={category: 10}.")
        for name, size in codes.items():
            in_range(f"codes.{name}", size, low=1)
        self.noise = noise
        self.sizes = dict(codes)
        self.dim = noise + sum(self.sizes.values())

    @property
    def offers(self) -> dict[str, Any]:
        """The codes, for the head that guesses them."""
        return {"codes": self.sizes}

    def from_normal(self, normal: Tensor) -> Tensor:
        """Latents (N, dim) from as many standard normal numbers."""
        parts = self._split(normal)
        found = [parts.pop("")]
        for name, numbers in parts.items():
            size = self.sizes[name]
            if size == 1:
                found.append(torch.erf(numbers * ROOT_HALF))
            else:
                places = torch.arange(size, device=normal.device)
                found.append((numbers.argmax(dim=1, keepdim=True) == places).to(normal.dtype))
        return torch.cat(found, dim=1)

    def codes(self, z: Tensor) -> dict[str, Tensor]:
        """The codes of latents (N, dim) by name: categories one-hot (N, K), numbers (N,)."""
        parts = self._split(z)
        del parts[""]
        return {name: part[:, 0] if self.sizes[name] == 1 else part for name, part in parts.items()}

    def questions(self) -> dict[str, list[str]]:
        """What may be asked: each category, and numbers from -1 to 1 in nine steps."""
        steps = [f"{value:g}" for value in torch.linspace(-1, 1, GRID).tolist()]
        return {
            f"codes.{name}": steps if size == 1 else [str(n) for n in range(size)]
            for name, size in self.sizes.items()
        }

    def with_code(self, normal: Tensor, name: str, values: Sequence[int]) -> Tensor:
        """Standard normal numbers (N, dim) with the N values of one code, and all else as it was.

        Args:
            normal: the numbers.
            name: of the code.
            values: places in the list of `questions`.
        """
        start, size = self._start(name), self.sizes[name]
        found, wanted = normal.clone(), torch.tensor(values)
        if size == 1:
            numbers = torch.linspace(-1, 1, GRID, dtype=torch.float64)[wanted].clamp(-EDGE, EDGE)
            found[:, start] = (torch.erfinv(numbers) / ROOT_HALF).to(normal.dtype)
            return found
        own = found[:, start : start + size]
        rows, largest = torch.arange(len(own)), own.argmax(dim=1)
        most, other = own[rows, largest].clone(), own[rows, wanted].clone()
        own[rows, largest] = other
        own[rows, wanted] = most
        return found

    def _start(self, name: str) -> int:
        names = list(self.sizes)
        return self.noise + sum(self.sizes[before] for before in names[: names.index(name)])

    def _split(self, rows: Tensor) -> dict[str, Tensor]:
        """The noise under an empty name, and the codes under theirs."""
        sizes = {"": self.noise, **self.sizes}
        return dict(zip(sizes, rows.split(list(sizes.values()), dim=1), strict=True))
