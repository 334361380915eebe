"""What a generator's latents hold: `python -m gan_lab.latent run=<folder> do=directions`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.process.interrupts import end_at_signals

if __name__ == "__main__":
    end_at_signals()  # before the slow imports; run_command takes over

import hydra
from omegaconf import DictConfig

from gan_lab.common.errors import GanLabError
from gan_lab.common.paths import refuse_taken, user_path
from gan_lab.common.ranges import one_of
from gan_lab.config.after import plain_options
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.groups import CONF
from gan_lab.config.schema import Field
from gan_lab.config.seeds import seeds_of, short_name
from gan_lab.process.progress import loading

if TYPE_CHECKING:
    from gan_lab.editing.spaces import Space

TASKS = ("truncation", "mixing", "directions", "attributes", "projection", "walk")
FILMED = ("projection", "walk")

OPTIONS = {
    "run": Field(str),
    "do": Field(str | None),
    "checkpoint": Field(str),
    "space": Field(str | None),
    "seeds": Field(str),
    "mix_seeds": Field(str),
    "layers": Field(str | int | None),
    "truncations": Field(list[float] | None),
    "method": Field(str, choices=("sefa", "pca")),
    "count": Field(int, low=1),
    "strength": Field(float, above=0),
    "steps": Field(int, low=2, high=1000),
    "num_samples": Field(int, low=10),
    "train_kimg": Field(float, above=0),
    "data.root": Field(str | None),
    "images": Field(str | None),
    "iterations": Field(int, low=1),
    "points": Field(str | None),
    "frames": Field(int, low=1),
    "classes": Field(str | int | None),
    "fps": Field(float, above=0, high=60),
    "scale": Field(int | None, low=1, high=64),
    "out": Field(str | None),
    "overwrite": Field(bool),
    "ema": Field(bool),
    "batch_size": Field(int, low=1),
    "device": Field(str),
    "allow_targets": Field(list[str]),
}


@hydra.main(version_base="1.3", config_path=CONF, config_name="latent")
@around_hydra
def job(config: DictConfig) -> None:
    """Do it, and say what was found and where it lies."""
    options = plain_options(config, OPTIONS)
    for line in explore(options):
        sys.stdout.write(f"{line}\n")


def explore(options: Mapping[str, Any]) -> list[str]:
    """Do what conf/latent.yaml describes.

    Returns:
        Lines for the reader; the last is the path of the picture or film.

    Raises:
        GanLabError: one sentence; files that were there before are untouched.
    """
    one_of("do", options["do"], TASKS)
    seeds_of(options["seeds"])  # a mistake is told before anything is loaded
    seeds_of(options["mix_seeds"], "mix_seeds")
    with loading():
        from gan_lab.editing.spaces import space_of
        from gan_lab.editing.tasks import TASKS as WORK
        from gan_lab.generation.classes import wishes_of
        from gan_lab.generation.pretrained import load

    given = _target(options)
    model = load(
        options["run"], options["checkpoint"], options["device"], ema=options["ema"],
        allow_targets=options.get("allow_targets", ()),
    )  # fmt: skip
    space = space_of(
        model, options["space"], wishes_of(options["classes"], {}, model.game.questions())
    )
    out = given or user_path(model.folder.path / "generated" / _name(options, space), "out")
    work: Callable[..., list[str]] = WORK[options["do"]]
    try:
        said = work(space, options, out)
    except OSError as error:
        raise GanLabError(f"out={out}: the result cannot be written ({error}).") from error
    return [*said, str(out)]


def _target(options: Mapping[str, Any]) -> Path | None:
    """Where the user wants the picture or film; refuses what cannot be written or would replace another."""
    from gan_lab.media.films import FILMS, check_film
    from gan_lab.media.pictures import picture_format

    if options["out"] is None:
        return None
    out = user_path(options["out"], "out")
    if options["do"] in FILMED and out.suffix.lower() in FILMS:
        check_film(out)
    else:
        picture_format(out)
    refuse_taken(out, overwrite=options["overwrite"])
    return out


def _name(options: Mapping[str, Any], space: Space) -> str:
    """The default's name; it says what is in it, so that a file of this name may be renewed."""
    weights = Path(options["checkpoint"]).stem + ("" if options["ema"] else "-raw")
    about = {
        "truncation": f"seeds-{short_name(options['seeds'])}",
        "mixing": f"seeds-{short_name(options['seeds'])}-with-{short_name(options['mix_seeds'])}",
        "directions": f"{options['method']}-seeds-{short_name(options['seeds'])}",
        "attributes": f"seeds-{short_name(options['seeds'])}",
        "projection": Path(str(options["images"])).stem,
        "walk": Path(str(options["points"])).stem,
    }[options["do"]]
    suffix = "gif" if options["do"] == "walk" else "png"
    return f"{weights}-{options['do']}-{space.name}-{about}.{suffix}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_command("gan_lab.latent", job, given)


if __name__ == "__main__":
    sys.exit(main())
