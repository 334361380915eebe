"""Samples of a trained generator: `python -m gan_lab.sample run=<folder> num=64`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.process.interrupts import end_at_signals

if __name__ == "__main__":
    end_at_signals()  # before the slow imports; run_command takes over

import hydra
from omegaconf import DictConfig

from gan_lab.common.errors import ConfigError, GanLabError
from gan_lab.common.paths import refuse_taken, user_path
from gan_lab.config.after import plain_options, user_keys
from gan_lab.config.command import around_hydra, run_command
from gan_lab.config.groups import CONF
from gan_lab.config.schema import Field
from gan_lab.config.seeds import seeds_of, short_name
from gan_lab.process.progress import counted, loading, phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from gan_lab.engine.asking import Shown
    from gan_lab.generation.trained import Pretrained

IN_A_ROW = 8  # images of each of several classes, where num is not given
LINES = ".txt"
# Groups whose names are the model's to say, so they stand in no configuration.
FOR_MODELS = ("codes", "ask")
MANY = 4096  # images at once that are counted before they are made

OPTIONS = {
    "run": Field(str),
    "checkpoint": Field(str),
    "num": Field(int, low=1),
    "seed": Field(int, low=0),
    "seeds": Field(str | None),
    "truncation": Field(float | None, above=0),
    "classes": Field(str | int | None),
    "columns": Field(int | None, low=1),
    "scale": Field(int, low=1, high=64),
    "out": Field(str | None),
    "overwrite": Field(bool),
    "ema": Field(bool),
    "batch_norm": Field(str, choices=("running", "batch")),
    "batch_size": Field(int, low=1),
    "device": Field(str),
    "allow_targets": Field(list[str]),
}


@hydra.main(version_base="1.3", config_path=CONF, config_name="sample")
@around_hydra
def job(config: DictConfig) -> None:
    """Draw, save, and say where."""
    options = plain_options(config, OPTIONS, groups=FOR_MODELS)
    _refuse_both(options, user_keys())
    sys.stdout.write(f"{save_samples(options)}\n")


def save_samples(options: Mapping[str, Any]) -> Path:
    """Draw samples as conf/sample.yaml describes; return the picture, the folder of them, or the file of lines.

    Raises:
        GanLabError: one sentence; samples that were there before are untouched.
    """
    with loading():
        from gan_lab.generation.pretrained import load
        from gan_lab.media.pictures import picture_format

    seeds = None if options["seeds"] is None else seeds_of(options["seeds"])
    given, single = _target(options)
    model = load(
        options["run"], options["checkpoint"], options["device"], ema=options["ema"],
        allow_targets=options.get("allow_targets", ()),
    )  # fmt: skip
    if model.game.makes == "text":
        return _save_lines(model, options, seeds)
    if given is not None and single:
        picture_format(given)
    # The name of the default says what is in it, so that a file of this name may be renewed.
    out = given or user_path(model.folder.path / "generated" / _name(options), "out")
    wanted = _wanted(options, model, seeds)
    _refuse_too_large(options, wanted.count, model, single=single)
    batches = _batches(model, options, seeds, wanted)
    try:
        with phase("Drawing samples", total=wanted.count) as shown:
            _write(counted(batches, shown), out, options, columns=wanted.columns, single=single)
    except OSError as error:
        raise GanLabError(f"out={out}: the samples cannot be written ({error}).") from error
    return out


def _write(
    batches: Iterator[Tensor],
    out: Path,
    options: Mapping[str, Any],
    *,
    columns: int | None,
    single: bool,
) -> None:
    """Images as one picture, or as a folder of pictures."""
    import torch

    from gan_lab.media.folders import write_folder
    from gan_lab.media.grids import save_grid
    from gan_lab.media.images import enlarged

    scale = options["scale"]
    if single:
        images = torch.cat([batch.cpu() for batch in batches])
        save_grid(images, out, columns=columns, scale=scale)
    else:
        large = (enlarged(batch, scale) for batch in batches)
        write_folder(large, out, overwrite=options["overwrite"])


def _save_lines(model: Pretrained, options: Mapping[str, Any], seeds: Sequence[int] | None) -> Path:
    """Text: a line for each sample."""
    import torch

    from gan_lab.engine.asking import Shown
    from gan_lab.media.lines import lines_of, save_lines

    for key in ("columns", "scale", "truncation", "classes"):
        if key in user_keys():
            raise ConfigError(
                f"{key}={options[key]}: this run's model writes text, which has no {key}; leave it out."
            )
    if options["out"] is None:
        out = model.folder.path / "generated" / f"{Path(_name(options)).stem}{LINES}"
    else:
        out = user_path(options["out"], "out")
        refuse_taken(out, overwrite=options["overwrite"])
    batches = _batches(model, options, seeds, Shown(options["num"]))
    try:
        tokens = torch.cat([batch.cpu() for batch in batches])
        out.parent.mkdir(parents=True, exist_ok=True)
        spelling: Any = model.game.spelling
        save_lines(lines_of(tokens, **spelling), out)
    except OSError as error:
        raise GanLabError(f"out={out}: the samples cannot be written ({error}).") from error
    return out


def _refuse_too_large(
    options: Mapping[str, Any], count: int, model: Pretrained, *, single: bool
) -> None:
    """Refuse images that do not fit into memory at the same time."""
    from gan_lab.assembly.sizes import refuse_too_many

    scale = options["scale"]
    at_once = count if single else min(count, options["batch_size"])
    if at_once * scale**2 > MANY:
        channels, height, width = model.shape
        option = ("num" if options["seeds"] is None else "seeds") if single else "batch_size"
        refuse_too_many(option, at_once, shape=(channels, height * scale, width * scale))


def _wanted(options: Mapping[str, Any], model: Pretrained, seeds: Sequence[int] | None) -> Shown:
    """How many samples are wanted, in how many columns, and of which classes: a row for each of several."""
    from gan_lab.engine.asking import Shown, rows_of
    from gan_lab.generation.classes import wishes_of

    count, columns = options["num"] if seeds is None else len(seeds), options["columns"]
    wishes = wishes_of(options["classes"], options["codes"], model.game.questions(), options["ask"])
    several = [name for name, values in wishes.items() if len(values) > 1]
    if not several:
        return Shown(count, columns, wishes)
    if len(several) > 1 or seeds is not None:
        other = several[1] if len(several) > 1 else "seeds"
        raise ConfigError(
            f"{several[0]}, {other}: each of several values has a row of its own; give several values to one of them."
        )
    each = count if "num" in user_keys() else IN_A_ROW
    rows = rows_of(several[0], wishes[several[0]], each)
    return Shown(rows.count, columns or each, {**wishes, **rows.ask})


def _batches(
    model: Pretrained, options: Mapping[str, Any], seeds: Sequence[int] | None, wanted: Shown
) -> Iterator[Tensor]:
    how = {key: options[key] for key in ("batch_size", "batch_norm", "truncation")} | dict(
        wanted.ask
    )
    if seeds is not None:
        return model.batches_of(seeds, **how)
    return model.batches(wanted.count, seed=options["seed"], **how)


def _refuse_both(options: Mapping[str, Any], keys: Collection[str]) -> None:
    """Refuse two answers to the question which images are wanted."""
    for key in ("seed", "num") if options["seeds"] is not None else ():
        if key in keys:
            raise ConfigError(
                f"seeds={options['seeds']} {key}={options[key]}: seeds says which images are wanted; leave {key} out."
            )


def _target(options: Mapping[str, Any]) -> tuple[Path | None, bool]:
    """Where the user wants the samples, and whether as one picture; refuses what would replace others, or mix."""
    from gan_lab.media.folders import check_free
    from gan_lab.media.pictures import names_a_picture, picture_format

    if options["out"] is None:
        return None, True
    out = user_path(options["out"], "out")
    if out.suffix.lower() == LINES:
        refuse_taken(out, overwrite=options["overwrite"])
        return out, True
    if names_a_picture(options["out"]):
        picture_format(out)
        refuse_taken(out, overwrite=options["overwrite"])
        return out, True
    if options["columns"] is not None:
        raise ConfigError(
            f"columns={options['columns']}: a folder of single files has no columns; "
            f"leave it out, or name a picture such as out={out}.png."
        )
    check_free(out, overwrite=options["overwrite"])
    return out, False


def _name(options: Mapping[str, Any]) -> str:
    weights = Path(options["checkpoint"]).stem + ("" if options["ema"] else "-raw")
    which = f"seed-{options['seed']}-num-{options['num']}"
    if options["seeds"] is not None:
        which = f"seeds-{short_name(options['seeds'])}"
    asked = {"classes": options["classes"], **options["codes"], **options["ask"]}
    for name, value in asked.items():
        which += "" if value is None else f"-{name}-{short_name(str(value))}"
    statistics = "" if options["batch_norm"] == "running" else "-batch-statistics"
    drawn = [
        f"-{key}-{options[key]:g}"
        for key, default in (("truncation", None), ("columns", None), ("scale", 1))
        if options[key] != default
    ]
    return f"{weights}-{which}{statistics}{''.join(drawn)}.png"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    roots = tuple(f"{group}." for group in FOR_MODELS)
    given = [f"+{one}" if one.startswith(roots) else one for one in given]
    return run_command("gan_lab.sample", job, given)


if __name__ == "__main__":
    sys.exit(main())
