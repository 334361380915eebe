"""Images through a trained model: `python -m gan_lab.translate run=<folder> input=photos/ out=translated/`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.process.interrupts import end_at_signals

if __name__ == "__main__":
    end_at_signals()  # before the slow imports; run_command takes over

import hydra
from omegaconf import DictConfig

from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.common.paths import user_path
from gan_lab.config.after import plain_options
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.groups import CONF
from gan_lab.config.schema import Field
from gan_lab.process.progress import loading

if TYPE_CHECKING:
    from gan_lab.generation.trained import Pretrained

FOR_MODELS = ("ask",)

OPTIONS = {
    "run": Field(str),
    "checkpoint": Field(str),
    "input": Field(str | None),
    "out": Field(str | None),
    "target": Field(str | None),
    "style": Field(str | None),
    "direction": Field(str | None),
    "side": Field(int | None, low=1),
    "tile": Field(int | None, low=1),
    "overlap": Field(int | None, low=0),
    "overwrite": Field(bool),
    "ema": Field(bool),
    "device": Field(str),
    "allow_targets": Field(list[str]),
}


@hydra.main(version_base="1.3", config_path=CONF, config_name="translate")
@around_hydra
def job(config: DictConfig) -> None:
    """Translate, and say what was found and where it lies."""
    for line in translate(plain_options(config, OPTIONS, groups=FOR_MODELS)):
        sys.stdout.write(f"{line}\n")


def translate(options: Mapping[str, Any]) -> list[str]:
    """Translate what conf/translate.yaml describes.

    Returns:
        Lines for the reader: scores, then where the translations are.

    Raises:
        GanLabError: one sentence; what was there before is untouched, unless `overwrite` allows it.
    """
    if options["input"] is None:
        raise ConfigError(
            "input=: no image is given; set input= to an image, a folder, a zip archive or a video."
        )
    given = user_path(options["input"], "input")
    with loading():
        from gan_lab.common.class_maps import UNLABELLED
        from gan_lab.config.stored import stored_config
        from gan_lab.generation.pretrained import load
        from gan_lab.media.videos import VIDEOS
        from gan_lab.translating.given import take_style
        from gan_lab.translating.task import translate_images, translate_video

    film = given.suffix.lower() in VIDEOS
    model = load(
        options["run"], options["checkpoint"], options["device"], ema=options["ema"],
        allow_targets=options.get("allow_targets", ()),
    )  # fmt: skip
    how = {key: options[key] for key in ("direction", "tile", "overlap")} | options["ask"]
    translator = model.translator(**how)
    if options.get("style") is not None:
        take_style(model.game, user_path(options["style"], "style"))
    out, single = _target(options, given, model, film=film)
    unlabelled = stored_config(model.folder)["data"].get("unlabelled", UNLABELLED)
    target = _compared(options, model)
    told = {**options, "out": out, "single": single, "target": target, "unlabelled": unlabelled}
    try:
        return (translate_video if film else translate_images)(translator, given, told)
    except OSError as error:
        raise GanLabError(f"out={out}: cannot be written ({error.strerror or error}).") from error


def _compared(options: Mapping[str, Any], model: Pretrained) -> Path | None:
    """What translations are compared with.

    Raises:
        ConfigError: if the model makes class maps, which are no pictures.
    """
    if options["target"] is None:
        return None
    if model.game.exact:
        raise ConfigError(
            "target=: compares pictures, and this model makes class maps; score it by python -m gan_lab.evaluate."
        )
    return user_path(options["target"], "target")


def _target(
    options: Mapping[str, Any], given: Path, model: Pretrained, *, film: bool
) -> tuple[Path, bool]:
    """Where translations go, and whether that is a single file.

    Raises:
        ConfigError: if that is among what is given, or would replace it.
    """
    from gan_lab.common.paths import refuse_taken
    from gan_lab.media.pictures import names_a_picture, picture_format

    if options["out"] is None:
        name = f"{given.stem}.mp4" if film else "translated"
        out, single = user_path(model.folder.path / "generated" / name, "out"), film
    else:
        out = user_path(options["out"], "out")
        is_file = given.is_file() and given.suffix.lower() != ".zip"
        single = is_file and names_a_picture(options["out"])
        if single and model.game.exact:
            out = out.with_suffix(".png")
    if single:
        if not film:
            picture_format(out)
        refuse_taken(out, overwrite=options["overwrite"])
    mine, theirs = out.resolve(), given.resolve()
    if theirs == mine or (given.is_dir() and theirs in mine.parents) or mine / given.name == theirs:
        raise ConfigError(
            f"out={out}: lies where the input is, which would be replaced or translated once more; choose another."
        )
    return out, single


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    roots = tuple(f"{group}." for group in FOR_MODELS)
    given = [f"+{one}" if one.startswith(roots) else one for one in given]
    return run_command("gan_lab.translate", job, given)


if __name__ == "__main__":
    sys.exit(main())
