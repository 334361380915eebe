"""The images that a run trains on, and the metrics that measure against them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch

from gan_lab.assembly.build import facts_of
from gan_lab.common.durations import refuse_endless
from gan_lab.common.errors import ConfigError, DataError
from gan_lab.common.paths import user_path
from gan_lab.config.lightning import processes
from gan_lab.data.decoding.masks import read_masks
from gan_lab.data.stream.labelled import few_labels
from gan_lab.data.stream.limited import few_rows
from gan_lab.data.stream.module import ImageData
from gan_lab.data.stream.sampler import fitting_batch
from gan_lab.data.table import SideBySide, Table
from gan_lab.engine.phases import Phases
from gan_lab.generation.sampling import Sampler
from gan_lab.process.progress import phase
from gan_lab.run.known_data import compare_images, identity_of

log = logging.getLogger(__name__)


def load_images(
    source: Any, config: Mapping[str, Any], identity: dict[str, Any], *, resumed: bool
) -> Table | SideBySide:
    """The data to train on, with what is to be said about it.

    Args:
        source: from `assembly/build.py`.
        config: resolved, plain containers.
        identity: what the run keeps of itself; the images' is written into it.
        resumed: whether it must be the one that is there already.

    Raises:
        ConfigError: if it is other data than the run was trained on.
        DataError: if it cannot be read.
    """
    options = config["data"]
    with phase(f"Reading the {getattr(source, 'records', 'images')}"):
        images: Table | SideBySide = source.load(source.splits[0])
    if options.get("limit"):
        images = few_rows(images, options["limit"], seed=config["seed"])
    if options.get("labelled"):
        if options.get("balance"):
            raise ConfigError(
                "data.balance=true: would leave out all images without a label, and data.labelled keeps few; set one."
            )
        images = few_labels(images, options["labelled"], seed=config["seed"])
    for sentence in images.sentences():
        log.info(sentence)
    if resumed:
        for note in compare_images(images, identity.get("data"), changed=options["changed"]):
            log.info(note)
    identity["data"] = identity_of(images)
    return images


def plain_facts(source: Any) -> dict[str, Any]:
    """What is known of the data, as plain values for a checkpoint, so that sampling needs no data."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in facts_of(source).items()
    }


def stream(
    images: Table | SideBySide, source: Any, config: Mapping[str, Any], phases: Phases
) -> ImageData:
    """The data in the order in which training sees them.

    Where there are fewer than a batch, batches are smaller; config.yaml keeps what was asked for.

    Raises:
        ConfigError: if the batch of a phase does not divide among processes and micro-batches.
        DataError: if there are fewer than processes and micro-batches.
    """
    options = config["data"]
    wanted, parts = options["batch_size"], processes(config) * config["accumulate"]
    size = fitting_batch(images, wanted, parts=parts)
    if size < wanted:
        log.info(
            f"There are only {len(images):,} {images.records}: a batch holds {size:,} instead of {wanted:,}."
        )
    fitting = {size: fitting_batch(images, size, parts=parts) for size in phases.batch_sizes()}
    for own in fitting.values():
        if own % parts:
            raise ConfigError(
                f"A phase of this model has batches of {own}, which do not divide among {parts} processes and "
                "micro-batches; choose other strategy.devices or accumulate."
            )

    def size_after(images_seen: int) -> int:
        own = phases.at(images_seen).batch_size
        return size if own is None else fitting[own]

    return ImageData(
        images,
        batch_size=size,
        seed=config["seed"],
        flip=source.flip,
        place=options["device"],
        balance=bool(options.get("balance")),
        sizes=size_after if fitting else None,
        jitter=getattr(source, "jitter", 1.0),
    )


def take_masks(game: Any, source: Any) -> None:
    """Give a new run's parts the masks that they were told to read; a resumed run has them in its checkpoint.

    Raises:
        ConfigError: where they cannot be read.
    """
    for part in game.modules():
        named = getattr(part, "masks_from", None)
        if named is None:
            continue
        try:
            masks = read_masks(user_path(named, "degrade.holes.masks"), source.facts["resolution"])
        except DataError as error:
            raise ConfigError(f"degrade.holes.masks={named}: {error}") from error
        part.take(masks)
        log.info(f"degrade.holes.masks: {len(masks):,} masks are drawn from.")


def prepare_metrics(game: Any, source: Any, metrics: Any, *, device: str) -> dict[str, float]:
    """Find weights, compute statistics of the reals, find how many seconds scoring by each metric will take.

    Raises:
        ConfigError: if a metric needs what the game or the data lacks, or an evaluation would take too long.
    """
    place = torch.device(device)
    metrics.prepare(source, place)
    about = metrics.about_reals if metrics.conditions.split != source.splits[0] else ()
    for note in (*about, *metrics.notes):
        log.info(note)
    sampler = Sampler(game.to(place), game.averaged_networks())
    seconds: dict[str, float] = metrics.estimate_seconds(sampler)
    whole = sum(seconds.values())
    refuse_endless(metrics.num_samples, seconds=whole, max_days=metrics.conditions.max_days)
    return seconds
