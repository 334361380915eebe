"""Where a generator's images can be moved: the space of its latents, and that of its styles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import one_of
from gan_lab.generation.latents import latent_of, truncated
from gan_lab.generation.trained import Pretrained

SAMPLED = 4096  # points of which a space's mean and spread are taken
SEED = 0x57A7  # of these points


class Space(Protocol):
    """Points (N, dim) that become images; a walk from point to point changes the image steadily."""

    name: str
    dim: int
    model: Pretrained
    truncations: Sequence[float]  # worth a look

    def points(self, numbers: Tensor) -> Tensor:
        """Points (N, dim) of standard normal numbers (N, latent_dim)."""

    def draw(self, points: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], with gradients if the points have some."""

    def truncated(self, points: Tensor, truncation: float) -> Tensor:
        """Points (N, dim) nearer to what is usual, as truncation does it in this space."""


class Latents:
    """The space z: standard normal numbers, as `Pretrained.latents` gives them.

    Args:
        model: whose images are moved.
        ask: what its images shall show, such as {"classes": [7]}.
    """

    name = "z"
    truncations: Sequence[float] = (0.1, 0.3, 0.5, 0.7, 1.0, 2.0)

    def __init__(self, model: Pretrained, ask: Mapping[str, Sequence[int]]) -> None:
        model.require_latents("space=z")
        self.model, self.dim = model, model.latent_dim
        self.others = _others(model, ask)

    def points(self, numbers: Tensor) -> Tensor:
        """The numbers themselves."""
        return numbers.to(self.model.device)

    def draw(self, points: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] of points (N, dim)."""
        inputs = {"latents": points, **_as_many(self.others, len(points))}
        return self.model.game.generate(self.model.networks, inputs)

    def truncated(self, points: Tensor, truncation: float) -> Tensor:
        """Numbers within -truncation and truncation: arXiv:1809.11096, section 3.1.

        Raises:
            ConfigError: where the run's latents have no tails to cut off.
        """
        return truncated(self.model.game, points, truncation)


class Styles:
    """The space w of a generator with a mapping network: arXiv:1812.04948, section 2.

    Args:
        model: whose generator has `mapping` and `synthesis`.
        ask: what its images shall show, such as {"classes": [7]}.

    Raises:
        ConfigError: where it has none.
    """

    name = "w"
    truncations: Sequence[float] = (0.1, 0.3, 0.5, 0.7, 0.85, 1.0)

    def __init__(self, model: Pretrained, ask: Mapping[str, Sequence[int]]) -> None:
        found = styled(model)
        if found is None:
            raise ConfigError(
                "space=w: this run's generator has no mapping network; leave space out, or train a model that has "
                "one, such as model=stylegan2."
            )
        self.model, self.generator = model, found
        self.others = _others(model, ask)
        self.dim = self.points(torch.zeros(1, model.latent_dim)).shape[1]

    def points(self, numbers: Tensor) -> Tensor:
        """Styles (N, dim) that the mapping network makes of standard normal numbers (N, latent_dim)."""
        there = numbers.to(self.model.device)
        z = latent_of(self.model.game).from_normal(there)
        return self.generator.mapping(z, _as_many(self.others, len(z)).get("labels"))

    def draw(self, points: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] of styles (N, dim), the same in each layer, or (N, layers, dim)."""
        styles = points if points.ndim == 3 else points[:, None].expand(-1, self.layers, -1)
        return self.generator.synthesis(styles).float()

    @property
    def layers(self) -> int:
        """How many layers take a style."""
        return int(self.generator.styled_layers)

    def truncated(self, points: Tensor, truncation: float) -> Tensor:
        """From the mean style a share of the way: arXiv:1812.04948, appendix B."""
        return self.generator.mean_style.truncated(points, truncation)


def space_of(
    model: Pretrained, name: str | None = None, ask: Mapping[str, Sequence[int]] | None = None
) -> Space:
    """The space of this name; None takes w where the generator has one, else z.

    Args:
        model: as `gan_lab.load` returns it.
        name: z or w.
        ask: what its images shall show, one value of each question, such as {"classes": [7]}.

    Raises:
        ConfigError: where the model has no such space.
    """
    model.require_latents("latent")
    if name is None:
        name = "z" if styled(model) is None else "w"
    one_of("space", name, ("z", "w"))
    return Latents(model, ask or {}) if name == "z" else Styles(model, ask or {})


def styled(model: Pretrained) -> Any:
    """The generator's network that maps latents to styles, None where there is none."""
    for network in model.networks.values():
        if hasattr(network, "mapping") and hasattr(network, "synthesis"):
            return network
    return None


def sampled_points(space: Space, count: int = SAMPLED, *, seed: int = SEED) -> Tensor:
    """So many points (count, dim) as the model would draw them."""
    with torch.no_grad():
        return space.points(space.model.latents(count, seed=seed))


def spread_of(space: Space) -> float:
    """Standard deviation of a point's numbers, in the mean of squares over all of them."""
    points = sampled_points(space)
    return float((points - points.mean(dim=0)).square().mean().sqrt())


def _others(model: Pretrained, ask: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """What one image takes beside latents, such as labels (1, label_dim)."""
    inputs = model.sampler(**dict(ask)).inputs(0, [0])  # type: ignore[arg-type]
    return {name: one.to(model.device) for name, one in inputs.items() if name != "latents"}


def _as_many(others: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    return {name: one.expand(count, *one.shape[1:]) for name, one in others.items()}


def reading_layers(network: nn.Module, call: Any, point: Tensor) -> list[nn.Module]:
    """Layers with a weight that are given this very tensor, or a part of its rows, when `call` runs."""
    found: list[nn.Module] = []

    def look(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor) and _is_point(inputs[0], point):
            found.append(layer)

    hooks = [
        layer.register_forward_pre_hook(look)
        for layer in network.modules()
        if isinstance(getattr(layer, "weight", None), Tensor)
    ]
    try:
        with torch.no_grad():
            call()
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _is_point(given: Tensor, point: Tensor) -> bool:
    flat = given.flatten(1) if given.ndim > 1 else given
    return flat.shape == point.shape and bool((flat == point).all())
