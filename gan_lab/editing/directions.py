"""Directions in a space along which images change in one way, found without labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import in_range, one_of
from gan_lab.editing.spaces import SEED, Latents, Space, Styles, reading_layers, sampled_points
from gan_lab.generation.latents import latent_of

METHODS = ("sefa", "pca")


def directions(space: Space, count: int, *, method: str = "sefa") -> Tensor:
    """Unit directions (count, dim), those that change most first.

    Args:
        space: of the points.
        count: how many, from 1 to the space's dim.
        method: `sefa` or `pca`, see below.

    Raises:
        ConfigError: at another method, or where the generator has no layer that SeFa could read.
    """
    one_of("method", method, METHODS)
    in_range("count", count, low=1, high=space.dim)
    return sefa(space, count) if method == "sefa" else pca(space, count)


def sefa(space: Space, count: int) -> Tensor:
    """Closed-form factorisation, arXiv:2007.06600, eq. 5: what the weights that read a point enlarge most.

    The directions are the eigenvectors of A^T A with the largest eigenvalues, where the rows of A are the weights of
    all layers that are given the point itself.
    """
    layers = _readers(space)
    rows = [weight for layer in layers if (weight := _rows(layer, space.dim)) is not None]
    if not rows:
        raise ConfigError(
            "method=sefa: no layer of this generator is given the whole latent, so there are no weights to read; "
            "set method=pca."
        )
    weights = torch.cat(rows).double()
    _, vectors = torch.linalg.eigh(weights.T @ weights)  # of rising eigenvalues
    return _signed(vectors.T.flip(0)[:count]).float()


def pca(space: Space, count: int) -> Tensor:
    """Principal directions, arXiv:2004.02546, section 2.

    Styles vary by themselves. Latents vary equally in all directions, so the principal components are those of the
    first layer's outputs, and a direction is the regression of the latents on one of them.
    """
    points = sampled_points(space)
    if isinstance(space, Styles):
        components = _components(points.double(), count)
        return _signed(components.T).float()
    features = _first_outputs(space, points).double()
    centred = features - features.mean(dim=0)
    components = _components(centred, count)
    coordinates = centred @ components
    found = torch.linalg.lstsq(coordinates, points.double()).solution
    return _signed(nn.functional.normalize(found, dim=1)).float()


def _components(rows: Tensor, count: int) -> Tensor:
    """The first principal components (dim, count) of rows (N, dim), the same each time."""
    with torch.random.fork_rng(devices=[]):  # torch's search for them begins at random
        torch.manual_seed(SEED)
        return torch.pca_lowrank(rows, q=count, niter=8)[2]


def _readers(space: Space) -> list[nn.Module]:
    """Layers that are given a point."""
    point = sampled_points(space, 2)
    network = nn.ModuleDict(dict(space.model.networks))
    given = point
    if isinstance(space, Latents):
        given = latent_of(space.model.game).from_normal(point)
    return reading_layers(network, lambda: space.draw(point), given)


def _rows(layer: nn.Module, dim: int) -> Tensor | None:
    """A layer's weight as rows over what it is given; None where it is of another kind."""
    weight: Tensor = layer.weight.detach()  # type: ignore[operator,union-attr,assignment]
    if isinstance(layer, nn.ConvTranspose2d):
        weight = weight.transpose(0, 1)
    rows = weight.movedim(1, -1).reshape(-1, weight.shape[1]) if weight.ndim > 1 else weight
    return rows if rows.ndim == 2 and rows.shape[1] == dim else None


def _first_outputs(space: Space, points: Tensor) -> Tensor:
    """What the first layer that reads the points makes of them, flat; the images themselves where there is none."""
    layers = _readers(space)
    seen: list[Tensor] = []
    hook = None
    if layers:
        hook = layers[0].register_forward_hook(lambda _, __, out: seen.append(out.flatten(1)))
    try:
        with torch.no_grad():
            drawn = [space.draw(part).flatten(1) for part in points.split(64)]
    finally:
        if hook is not None:
            hook.remove()
    return torch.cat(seen or drawn)


def _signed(found: Tensor) -> Tensor:
    """The same directions with their largest number positive: signs mean nothing, and shall not change by chance."""
    largest = found.gather(1, found.abs().argmax(dim=1, keepdim=True))
    return found * largest.sign()
