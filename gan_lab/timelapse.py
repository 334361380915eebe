"""A film of training: `python -m gan_lab.timelapse run=<folder> out=training.mp4`."""

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

from gan_lab.common.errors import CheckpointError, GanLabError
from gan_lab.common.paths import refuse_taken, user_path
from gan_lab.config.after import plain_options
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.groups import CONF
from gan_lab.config.schema import Field
from gan_lab.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from PIL import Image

OPTIONS = {
    "run": Field(str),
    "out": Field(str | None),
    "fps": Field(float, above=0, high=60),
    "hold": Field(float, low=0, high=3600),
    "frames": Field(int | None, low=2),
    "scale": Field(int | None, low=1, high=64),
    "overwrite": Field(bool),
}

# Where frames says nothing: each of a GIF takes about 70 kB.
MOST_IN_VIDEO, MOST = 300, 100
HEIGHT = 256  # pixels that a grid has at least, where scale says nothing


@hydra.main(version_base="1.3", config_path=CONF, config_name="timelapse")
@around_hydra
def job(config: DictConfig) -> None:
    """Make the film, and say where it is."""
    sys.stdout.write(f"{save_timelapse(plain_options(config, OPTIONS))}\n")


def save_timelapse(options: Mapping[str, Any]) -> Path:
    """Make a film of a run's grids as conf/timelapse.yaml describes.

    Raises:
        GanLabError: one sentence; a file that was there before is untouched.
    """
    from gan_lab.media.films import VIDEO, check_film, save_film
    from gan_lab.process.progress import progress

    given = None if options["out"] is None else user_path(options["out"], "out")
    if given is not None:
        check_film(given)
        refuse_taken(given, overwrite=options["overwrite"])
    run = RunFolder.existing(options["run"])
    grids = sorted(run.samples.glob("kimg-*.png"))
    if not grids:
        raise CheckpointError(
            f"{run.samples}: no grid is there yet; training saves one each samples.every_kimg."
        )
    out = given or run.path / "generated" / "timelapse.gif"
    most = MOST_IN_VIDEO if out.suffix.lower() == VIDEO else MOST
    chosen = _chosen(grids, options["frames"] or most)
    try:
        with progress(len(chosen), "Drawing") as done:
            frames = _frames(chosen, options["scale"], done)
            save_film(frames, out, fps=options["fps"], hold=options["hold"])
    except OSError as error:
        raise GanLabError(f"out={out}: the film cannot be written ({error}).") from error
    return out


def _chosen(grids: Sequence[Path], most: int) -> list[Path]:
    """At most so many, evenly, with the first and the last."""
    count = min(most, len(grids))
    return [grids[round(index * (len(grids) - 1) / max(count - 1, 1))] for index in range(count)]


def _frames(
    grids: Sequence[Path], scale: int | None, done: Callable[[int], object]
) -> Iterator[Image.Image]:
    """The grids' samples in their own pixels, enlarged, with their kimg above them, all of one size."""
    from gan_lab.media.frames import captioned, enlarged_picture, on_white

    sizes = [picture.size for picture in map(_opened, grids)]
    width, height = (max(side) for side in zip(*sizes, strict=True))
    times = scale or -(-HEIGHT // height)
    for grid in grids:
        whole = on_white(_opened(grid), (width, height))
        yield captioned(enlarged_picture(whole, times), f"{_kimg(grid)} kimg")
        done(1)


def _opened(grid: Path) -> Image.Image:
    from gan_lab.media.grid_facts import corner, read_samples

    try:
        return corner(*read_samples(grid))
    except OSError as error:
        raise CheckpointError(f"{grid}: cannot be read as a picture; remove it.") from error


def _kimg(grid: Path) -> str:
    """Thousands of images seen, from a name such as kimg-000012.500.png."""
    number = grid.stem.partition("-")[2]
    try:
        return f"{float(number):,.3f}".rstrip("0").rstrip(".")
    except ValueError:
        return number


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_command("gan_lab.timelapse", job, given)


if __name__ == "__main__":
    sys.exit(main())
