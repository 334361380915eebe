"""A walk between images: `python -m gan_lab.interpolate run=<folder> seeds=3,17,40 out=walk.mp4`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.process.interrupts import end_at_signals

if __name__ == "__main__":
    end_at_signals()  # before the slow imports; run_command takes over

import hydra
from omegaconf import DictConfig

from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.common.paths import refuse_taken, user_path
from gan_lab.config.after import plain_options
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.groups import CONF
from gan_lab.config.schema import Field
from gan_lab.config.seeds import seeds_of, short_name

if TYPE_CHECKING:
    from torch import Tensor

    from gan_lab.generation.trained import Pretrained

OPTIONS = {
    "run": Field(str),
    "checkpoint": Field(str),
    "seeds": Field(str | None),
    "frames": Field(int | None, low=1),
    "loop": Field(bool),
    "walks": Field(int, low=1),
    "fps": Field(float, above=0, high=60),
    "truncation": Field(float | None, above=0),
    "classes": Field(str | int | None),
    "scale": Field(int | None, low=1, high=64),
    "out": Field(str | None),
    "overwrite": Field(bool),
    "ema": Field(bool),
    "batch_size": Field(int, low=1),
    "device": Field(str),
    "allow_targets": Field(list[str]),
}

HEIGHT = 128  # pixels that an image has at least, where scale says nothing
IN_FILM, IN_PICTURE = 30, 8  # steps from one seed to the next
MOST = 100_000  # images of a walk


@hydra.main(version_base="1.3", config_path=CONF, config_name="interpolate")
@around_hydra
def job(config: DictConfig) -> None:
    """Walk, save, and say where."""
    sys.stdout.write(f"{save_walk(plain_options(config, OPTIONS))}\n")


def save_walk(options: Mapping[str, Any]) -> Path:
    """Draw a walk as conf/interpolate.yaml describes; return the film or the picture of its steps.

    Raises:
        GanLabError: one sentence; a file that was there before is untouched.
    """
    from gan_lab.generation.pretrained import load
    from gan_lab.process.progress import progress

    given, is_film = _target(options)
    frames = options["frames"] or (IN_FILM if is_film else IN_PICTURE)
    dealt = _dealt(options, frames)
    model = load(
        options["run"], options["checkpoint"], options["device"], ema=options["ema"],
        allow_targets=options.get("allow_targets", ()),
    )  # fmt: skip
    out = given or user_path(model.folder.path / "generated" / _name(options), "out")
    how = {"frames": frames, "loop": options["loop"]}
    of_latents = None if model.game.truncates else options["truncation"]
    ways = [model.walk(model.latents_of(seeds, truncation=of_latents), **how) for seeds in dealt]
    try:
        with progress(len(ways) * len(ways[0]), "Drawing") as done:
            steps = _steps(model, ways, options, done=done)
            _save(
                steps,
                out,
                scale=options["scale"] or -(-HEIGHT // model.shape[1]),
                fps=options["fps"],
            )
    except OSError as error:
        raise GanLabError(f"out={out}: the walk cannot be written ({error}).") from error
    return out


def _target(options: Mapping[str, Any]) -> tuple[Path | None, bool]:
    """Where the user wants the walk, and whether as a film."""
    from gan_lab.media.films import FILMS, check_film
    from gan_lab.media.pictures import picture_format

    if options["out"] is None:
        return None, True
    out = user_path(options["out"], "out")
    if out.suffix.lower() in FILMS:
        check_film(out)
    else:
        picture_format(out)
    refuse_taken(out, overwrite=options["overwrite"])
    return out, out.suffix.lower() in FILMS


def _dealt(options: Mapping[str, Any], frames: int) -> list[list[int]]:
    """The seeds of each walk, in their order.

    Raises:
        ConfigError: if they are too few, cannot be dealt out evenly, or lead to too many images.
    """
    if options["seeds"] is None:
        raise ConfigError("seeds=: say which images the walk passes, such as seeds=3,17,40.")
    seeds, walks = seeds_of(options["seeds"]), options["walks"]
    each, left = divmod(len(seeds), walks)
    if left or each < 2:
        raise ConfigError(
            f"seeds={options['seeds']} walks={walks}: {len(seeds)} seeds cannot be dealt out into {walks} walks of "
            f"equally many, at least two; give {max(each + bool(left), 2) * walks}."
        )
    if len(seeds) * frames > MOST:
        raise ConfigError(
            f"frames={frames}: {len(seeds)} seeds make {len(seeds) * frames:,} images, more than {MOST:,}; "
            "take fewer steps or seeds."
        )
    return [seeds[at : at + each] for at in range(0, len(seeds), each)]


def _steps(
    model: Pretrained,
    ways: Sequence[Tensor],
    options: Mapping[str, Any],
    *,
    done: Callable[[int], object],
) -> Iterator[Tensor]:
    """The images (walks, C, H, W) of one step after the other, on the CPU; a walk keeps its class."""
    import torch

    from gan_lab.generation.classes import classes_of

    batch_size, ask = options["batch_size"], {}
    if model.game.truncates:
        ask["truncation"] = options["truncation"]
    if options["classes"] is not None or model.classes:
        classes = classes_of(options["classes"] or "all", model.classes)
        ask["classes"] = [classes[index % len(classes)] for index in range(len(ways))]
    numbers = torch.stack(list(ways), dim=1)  # (steps, walks, dim)
    for part in numbers.split(max(1, batch_size // len(ways))):
        images = model.generate(part.flatten(0, 1), batch_size=batch_size, **ask).cpu()
        done(len(images))
        yield from images.unflatten(0, part.shape[:2])


def _save(steps: Iterator[Tensor], out: Path, *, scale: int, fps: float) -> None:
    """A film of the steps, or a picture with the steps of each walk in a row."""
    import torch

    from gan_lab.media.films import FILMS, save_film
    from gan_lab.media.grids import picture_of, save_grid

    if out.suffix.lower() in FILMS:
        save_film((picture_of(step, scale=scale) for step in steps), out, fps=fps)
        return
    images = torch.stack(list(steps), dim=1)  # (walks, steps, C, H, W)
    save_grid(images.flatten(0, 1), out, columns=images.shape[1], scale=scale)


def _name(options: Mapping[str, Any]) -> str:
    weights = Path(options["checkpoint"]).stem + ("" if options["ema"] else "-raw")
    drawn = [
        f"-{key}-{options[key]:g}"
        for key, default in (
            ("frames", None), ("walks", 1), ("fps", 24), ("truncation", None), ("scale", None),
        )
        if options[key] != default
    ]  # fmt: skip
    closed = "-loop" if options["loop"] else ""
    return f"{weights}-walk-{short_name(options['seeds'])}{closed}{''.join(drawn)}.gif"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_command("gan_lab.interpolate", job, given)


if __name__ == "__main__":
    sys.exit(main())
