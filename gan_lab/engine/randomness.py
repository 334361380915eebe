"""Random numbers as a pure function of (seed, iteration, purpose).

Every draw of a step has a purpose of its own, so that adding a penalty does not change the latents, and a resumed
run needs no stored generator state. Seeds are hashed because torch's CPU generator keeps only the low 32 bits of a
seed: packed or summed seeds collide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def seed_of(*words: object) -> int:
    """Hash any words (seed, iteration, purpose ...) into a seed in [0, 2**63)."""
    digest = hashlib.blake2b("/".join(map(str, words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def seed_default_generators(*words: object) -> None:
    """Seed the generators that torch's layers use (dropout), without the cost of torch.manual_seed."""
    seed = seed_of(*words)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(seed)


CHUNK = 64  # samples that are drawn from one seed


def numbers_of(
    indices: Sequence[int],
    width: int,
    *,
    seed: int,
    purpose: str = "sample",
    sampler: Callable[..., Tensor] = torch.randn,
) -> Tensor:
    """Random numbers (len(indices), width) of samples, a pure function of (seed, purpose, index).

    They are drawn on the CPU by chunks of 64, each from its own seed, so that any rank or batch size sees the same.

    Args:
        indices: of the samples, each >= 0.
        width: numbers per sample.
        seed: any integer.
        purpose: what they are for; two purposes share nothing.
        sampler: torch.randn (standard normal) or torch.rand (uniform in [0, 1)).
    """
    generator, rows = torch.Generator(), []
    chunks: dict[int, tuple[int, Tensor]] = {}
    for index in indices:
        chunk, row = divmod(index, CHUNK)
        if chunk not in chunks:
            generator.manual_seed(seed_of(seed, purpose, chunk))
            chunks[chunk] = (len(chunks), sampler(CHUNK, width, generator=generator))
        rows.append(chunks[chunk][0] * CHUNK + row)
    drawn = torch.cat([numbers for _, numbers in chunks.values()])
    return drawn[rows]


class Draws:
    """The random tensors of steps, each drawn once for the whole batch under its purpose.

    Ranks and micro-batches take slices of them, so neither several processes nor gradient accumulation changes a
    number. A step's tensors stay where they are and are filled anew each time the step begins, so that a captured step
    finds them.

    Args:
        device: where they lie.
        rank: of this process.
        ranks: processes that share the whole batch.
    """

    def __init__(self, device: torch.device, *, rank: int = 0, ranks: int = 1) -> None:
        self.rank = rank
        self.ranks = ranks
        self.generator = torch.Generator(device=device)
        self.device = device
        self.key: tuple[object, ...] = ()
        self.whole: dict[str, Tensor] = {}
        self._samplers: dict[tuple[str, str], Callable[..., Tensor]] = {}
        self._steps: dict[str, dict[str, Tensor]] = {}

    def begin(self, step: str, *key: object) -> None:
        """Draw the step's tensors anew; `key` tells when (seed, iteration)."""
        self.step, self.key = step, (*key, step)
        self.whole = self._steps.setdefault(step, {})
        for purpose, tensor in self.whole.items():
            self.generator.manual_seed(seed_of(*self.key, purpose))
            sampler = self._samplers[step, purpose]
            sampler(*tensor.shape, generator=self.generator, out=tensor)

    def tensors(self) -> list[Tensor]:
        """Those of all steps."""
        return [tensor for drawn in self._steps.values() for tensor in drawn.values()]

    def draw(
        self, purpose: str, shape: Sequence[int], sampler: Callable[..., Tensor] = torch.randn
    ) -> Tensor:
        """Return this rank's tensor for this purpose, drawn on first use or when its shape changes.

        Args:
            purpose: what it is for.
            shape: (samples of this rank, ...).
            sampler: torch.randn, torch.rand or their like.
        """
        mine = shape[0]
        shape = (mine * self.ranks, *shape[1:])
        tensor = self.whole.get(purpose)
        if tensor is None or tensor.shape != shape:
            self.generator.manual_seed(seed_of(*self.key, purpose))
            tensor = torch.empty(*shape, device=self.device, dtype=torch.float32)
            sampler(*shape, generator=self.generator, out=tensor)
            self.whole[purpose] = tensor
            self._samplers[self.step, purpose] = sampler
        return tensor if self.ranks == 1 else tensor[self.rank * mine : (self.rank + 1) * mine]
