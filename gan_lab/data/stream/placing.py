"""Where a set lives while a run trains on it: on the host, or as bytes on the GPU."""

from __future__ import annotations

import torch

from gan_lab.common.errors import ConfigError
from gan_lab.common.ranges import one_of
from gan_lab.data.table import Table

PLACES = ("auto", "cpu", "cuda")
DEVICE_SHARE = 0.25  # of a GPU's free memory that a set may take unasked


def on_device(table: Table, device: torch.device, place: str) -> bool:
    """Tell whether a set moves to the GPU, once and as a whole.

    Args:
        table: the set.
        device: the one that trains.
        place: data.device. "cpu": never; "cuda": always; "auto": where the run is on a GPU of whose
            free memory the set takes at most `DEVICE_SHARE`.

    Raises:
        ConfigError: if "cuda" is asked for and the run is not on a GPU or the set is too large.
    """
    one_of("data.device", place, PLACES)
    if place == "cpu":
        return False
    if device.type != "cuda":
        if place == "auto":
            return False
        raise ConfigError(
            f"data.device=cuda: this run is on the {device.type}, which has no memory of its own "
            "to hold the data; set data.device=auto or strategy=gpu."
        )
    free, _ = torch.cuda.mem_get_info(device)
    if place == "auto":
        return table.nbytes <= DEVICE_SHARE * free
    if table.nbytes > free:
        raise ConfigError(
            f"data.device=cuda: data={table.name} takes {table.nbytes / 1e9:.1f} GB and "
            f"{free / 1e9:.1f} GB are free on the GPU; set data.device=cpu or a smaller "
            "data.resolution."
        )
    return True
