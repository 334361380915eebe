"""Virtual batch normalisation: Improved Techniques for Training GANs, arXiv:1606.03498, section 3.5.

Each example is normalised by the statistics of a reference batch, which is chosen once and stays, and of itself. So an
image does not depend on the others of its batch. The reference goes through the network in front of every batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map

from gan_lab.common.errors import ConfigError

ROWS = 64  # of a reference batch
# What a network may ask for beside its first input, and a reference does not have.
BESIDE = ("takes_labels", "takes_latents", "takes_source", "draws", "grows")


class VirtualBatchNorm(nn.Module):
    """Batch normalisation of the reference rows by themselves, and of each other row by them and itself.

    Args:
        norm: whose gains, biases and epsilon it takes over.
        rows: of the reference, which come first.
    """

    def __init__(self, norm: _BatchNorm, rows: int = ROWS) -> None:
        super().__init__()
        self.weight, self.bias, self.eps, self.rows = norm.weight, norm.bias, norm.eps, rows

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows + N, C, ...) to the same shape."""
        planes = x.to(torch.promote_types(x.dtype, torch.float32)).reshape(*x.shape[:2], -1)
        reference, own = planes[: self.rows], planes[self.rows :]
        mean = reference.mean(dim=(0, 2))[:, None]
        var = reference.var(dim=(0, 2), unbiased=False)[:, None]
        # The mean and variance of so many rows and one more, from those of both.
        own_mean = own.mean(dim=2, keepdim=True)
        own_var = own.var(dim=2, unbiased=False, keepdim=True)
        share = 1 / (self.rows + 1)
        far = own_mean - mean
        both = mean + far * share
        spread = (1 - share) * var + share * own_var + share * (1 - share) * far.square()
        found = torch.cat(
            [
                (reference - mean) * (var + self.eps).rsqrt(),
                (own - both) * (spread + self.eps).rsqrt(),
            ]
        )
        if self.weight is not None:
            found = torch.addcmul(self.bias[:, None], found, self.weight[:, None])
        return found.reshape(x.shape).to(x.dtype)


class Reference(nn.Module):
    """Rows that go through a network in front of each batch.

    Attributes:
        rows: (ROWS, ...), saved with the network.
        of_reals: whether they are reals, which `take` fills in, or latents.

    Args:
        rows: the latents, or zeros of the reals' shape.
        of_reals: which of both they are.
    """

    rows: Tensor

    def __init__(self, rows: Tensor, *, of_reals: bool) -> None:
        super().__init__()
        self.of_reals = of_reals
        self.register_buffer("rows", rows)

    def take(self, images: Tensor | None) -> None:
        """Take evenly spread images of the data, uint8 (N, C, H, W), where these rows are reals.

        Raises:
            ConfigError: where the network sees something else than single images of the data.
        """
        if not self.of_reals:
            return
        fits = images is not None and images.dtype == torch.uint8
        if images is None or not fits or images.shape[1:] != self.rows.shape[1:]:
            raise ConfigError(
                "normalise.discriminator=virtual: this model shows its discriminator something else than single images "
                "of the data; leave it out."
            )
        chosen = torch.arange(len(self.rows)) * len(images) // len(self.rows)
        self.rows.copy_(images[chosen].float() / 127.5 - 1)


def normalise_virtually(name: str, network: nn.Module, facts: Mapping[str, Any]) -> None:
    """Exchange every batch normalisation of a network, and give it a reference.

    Args:
        name: generator or discriminator.
        network: whose first input is latents or images.
        facts: the latents' distribution by `latent`, and `resolution` and `channels` of the images.

    Raises:
        ConfigError: if the network has no batch normalisation, or takes more than one input.
    """
    said = f"normalise.{name}=virtual: "
    if name not in REFERENCES:
        raise ConfigError(
            f"{said}is for a generator of latents and a discriminator of images; leave it out."
        )
    if any(getattr(network, one, None) for one in BESIDE):
        raise ConfigError(
            f"{said}this network takes more than its images or latents; leave it out."
        )
    norms = {at: part for at, part in network.named_modules() if isinstance(part, _BatchNorm)}
    if not norms or any(
        type(part) not in (nn.BatchNorm1d, nn.BatchNorm2d) for part in norms.values()
    ):
        raise ConfigError(
            f"{said}this network has no plain batch normalisation to exchange; choose one that has, such as "
            f"{name}=dcgan with {name}.norm=batch."
        )
    reference = REFERENCES[name](facts)
    _exchange(network, norms)
    network.reference = reference
    network.register_forward_pre_hook(_in_front)
    network.register_forward_hook(_without)


def _of_latents(facts: Mapping[str, Any]) -> Reference:
    latent = facts.get("latent")
    if latent is None or not getattr(latent, "dim", 0):
        raise ConfigError(
            "normalise.generator=virtual: this model's generator takes no latents; leave it out."
        )
    return Reference(latent.from_normal(torch.randn(ROWS, latent.dim)), of_reals=False)


def _of_reals(facts: Mapping[str, Any]) -> Reference:
    shape = (ROWS, facts["channels"], facts["resolution"], facts["resolution"])
    return Reference(torch.zeros(shape), of_reals=True)


# By the part that takes them.
REFERENCES = {"generator": _of_latents, "discriminator": _of_reals}


def _exchange(network: nn.Module, norms: Mapping[str, _BatchNorm]) -> None:
    for at, part in norms.items():
        where, _, last = at.rpartition(".")
        setattr(network.get_submodule(where), last, VirtualBatchNorm(part))


def _in_front(network: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    first, *others = given
    return (torch.cat([network.reference.rows.to(first.dtype), first]), *others)


def _without(network: Any, given: Any, found: Any) -> Any:
    del given
    return tree_map(
        lambda one: one[len(network.reference.rows) :] if isinstance(one, Tensor) else one, found
    )
