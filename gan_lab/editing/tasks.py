"""The tasks of `python -m gan_lab.latent`, each from options to a picture or film."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError
from gan_lab.common.paths import user_path
from gan_lab.config.seeds import seeds_of
from gan_lab.editing.attributes import attribute_directions
from gan_lab.editing.directions import directions
from gan_lab.editing.grids import direction_grid, mixing_grid, truncation_grid, walk_between
from gan_lab.editing.projection import Projected, project
from gan_lab.editing.spaces import Space, Styles
from gan_lab.editing.targets import read_targets
from gan_lab.media.films import FILMS, save_film
from gan_lab.media.grids import picture_of, save_grid
from gan_lab.perceptual.distance import PerceptualDistance
from gan_lab.process.progress import counted, phase
from gan_lab.storage.files import whole_file

Options = Mapping[str, Any]
HEIGHT = 64  # pixels that an image has at least, where scale says nothing


def truncation(space: Space, options: Options, out: Path) -> list[str]:
    """A row for each seed, a column for each value."""
    values = options["truncations"] or list(space.truncations)
    images, columns = truncation_grid(space, _points(space, options["seeds"]), values)
    _save(images, columns, options, out)
    return [f"Columns, from the left: truncation {', '.join(f'{value:g}' for value in values)}."]


def mixing(space: Space, options: Options, out: Path) -> list[str]:
    """Images with the styles of two seeds."""
    given = options["layers"]
    if given is None:
        layers = list(range(space.layers // 2)) if isinstance(space, Styles) else []
    else:
        layers = seeds_of(given, "layers")
    rows, columns = (_points(space, options[name], name) for name in ("seeds", "mix_seeds"))
    images, wide = mixing_grid(space, rows, columns, layers)
    _save(images, wide, options, out)
    return [f"Layers {', '.join(map(str, layers))} have the styles of the columns' seeds."]


def unnamed(space: Space, options: Options, out: Path) -> list[str]:
    """Directions that were found without labels, and what they change."""
    found = directions(space, options["count"], method=options["method"])
    images, columns = direction_grid(
        space, _points(space, options["seeds"]), found,
        strength=options["strength"], steps=options["steps"],
    )  # fmt: skip
    _save(images, columns, options, out)
    _keep(out, space, directions=found)
    return [f"{len(found)} directions of {options['method']}; each has a row for each seed."]


def attributes(space: Space, options: Options, out: Path) -> list[str]:
    """Directions toward the classes or attributes of the run's data."""
    from gan_lab.editing.labels import scores_of

    names, scores = scores_of(space.model, options)
    count = options["num_samples"]
    with phase("Drawing samples", total=count) as shown:
        found, follows = attribute_directions(
            space, scores, count=count, batch_size=options["batch_size"], advance=shown.advance
        )
    images, columns = direction_grid(
        space, _points(space, options["seeds"]), found,
        strength=options["strength"], steps=options["steps"],
    )  # fmt: skip
    _save(images, columns, options, out)
    _keep(out, space, directions=found)
    return [
        f"{name}: correlation {value:.2f} of the classifier's score with the direction"
        for name, value in zip(names, follows.tolist(), strict=True)
    ]


def projection(space: Space, options: Options, out: Path) -> list[str]:
    """Points for real images: a row of targets above a row of what was found, and the points as a file."""
    if options["images"] is None:
        raise ConfigError("images=: say which image to look for, a file or a folder.")
    targets, names = read_targets(options["images"], space.model.shape)
    distance = PerceptualDistance()
    search = project(
        space, targets.to(space.model.device), steps=options["iterations"], distance=distance
    )
    seen: list[Projected] = []

    def pictures() -> Iterator[Tensor]:
        for found in search:
            seen[:] = [found]
            yield torch.cat([targets, found.images.cpu()])

    with phase("Searching", total=options["iterations"], unit="steps") as shown:
        frames = counted(([frame] for frame in pictures()), shown)
        if out.suffix.lower() in FILMS:
            drawn = (_picture(frame[0], len(targets), options) for frame in frames)
            save_film(drawn, out, fps=options["fps"], hold=1.0)
        else:
            *_, (last,) = frames
            _save(last, len(targets), options, out)
    found = seen[0]
    _keep(out, space, points=found.points, distances=found.distances)
    return [
        f"{name}: distance {value:.3f} ({distance.name})"
        for name, value in zip(names, found.distances.tolist(), strict=True)
    ]


def walk(space: Space, options: Options, out: Path) -> list[str]:
    """From projected image to projected image."""
    points = _kept(options["points"], space)
    frames = walk_between(space, points, options["frames"])
    total = (len(points) - 1) * options["frames"] + 1
    with phase("Drawing", total=total) as shown:
        images = counted(frames, shown)
        if out.suffix.lower() in FILMS:
            save_film((_picture(one, 1, options) for one in images), out, fps=options["fps"])
        else:
            _save(torch.cat(list(images)), total, options, out)
    return []


TASKS: Mapping[str, Callable[[Space, Options, Path], list[str]]] = {
    "truncation": truncation, "mixing": mixing, "directions": unnamed, "attributes": attributes,
    "projection": projection, "walk": walk,
}  # fmt: skip


def _points(space: Space, seeds: str, option: str = "seeds") -> Tensor:
    with torch.no_grad():
        return space.points(space.model.latents_of(seeds_of(seeds, option)))


def _scale(images: Tensor, options: Options) -> int:
    return options["scale"] or -(-HEIGHT // images.shape[-2])


def _picture(images: Tensor, columns: int, options: Options) -> Any:
    return picture_of(images, columns=columns, scale=_scale(images, options))


def _save(images: Tensor, columns: int, options: Options, out: Path) -> None:
    save_grid(images, out, columns=columns, scale=_scale(images, options))


def _keep(out: Path, space: Space, **found: Tensor) -> None:
    """The numbers beside the picture, for walks and for Python."""
    arrays: dict[str, Any] = {name: tensor.cpu().numpy() for name, tensor in found.items()}
    with whole_file(out.with_suffix(".npz")) as file:
        np.savez(file, space=np.array(space.name), **arrays)


def _kept(points: str | None, space: Space) -> Tensor:
    """Points (N, dim) that a projection into this space wrote.

    Raises:
        ConfigError: if they are of another space or too few, or the file is none of ours.
    """
    if points is None:
        raise ConfigError("points=: name the .npz file that do=projection wrote.")
    path = user_path(points, "points")
    try:
        with np.load(path, allow_pickle=False) as file:
            of, found = str(file["space"]), torch.from_numpy(file["points"])
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError(
            f"points={points}: is no file of points that do=projection wrote."
        ) from error
    if of != space.name or found.ndim != 2 or found.shape[1] != space.dim:
        raise ConfigError(
            f"points={points}: has points of space {of} and shape {tuple(found.shape)}; this run's space "
            f"{space.name} has {space.dim} numbers a point."
        )
    if len(found) < 2:
        raise ConfigError(
            f"points={points}: has one point; a walk takes two, so project a folder of images."
        )
    return found.to(space.model.device)
