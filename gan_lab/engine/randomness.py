"""Random numbers as a pure function of (seed, rank, iteration, purpose).

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


class Draws:
    """The random tensors of one step, each drawn once for the whole batch under its purpose.

    Micro-batches take slices of them, so gradient accumulation changes nothing.
    """

    def __init__(self, device: torch.device) -> None:
        self.generator = torch.Generator(device=device)
        self.device = device
        self.key: tuple[object, ...] = ()
        self.whole: dict[str, Tensor] = {}

    def begin(self, *key: object) -> None:
        """Forget the last step's draws; `key` names the new step (seed, rank, iteration, step)."""
        self.key = key
        self.whole = {}

    def draw(
        self, purpose: str, shape: Sequence[int], sampler: Callable[..., Tensor] = torch.randn
    ) -> Tensor:
        """Return the whole batch's tensor for this purpose, drawn on first use."""
        if purpose not in self.whole:
            self.generator.manual_seed(seed_of(*self.key, purpose))
            self.whole[purpose] = sampler(
                *shape, generator=self.generator, device=self.device, dtype=torch.float32
            )
        return self.whole[purpose]
