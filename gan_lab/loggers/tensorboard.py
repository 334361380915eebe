"""TensorBoard, through Lightning's logger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gan_lab.common.errors import ConfigError
from gan_lab.engine.clock import Clock
from gan_lab.storage.run_folder import RunFolder


class TensorboardTracker:
    """Event files in the run folder's `tensorboard/`; the step is images seen.

    Args:
        folder: the run folder.
        config: the composed configuration, shown as text.
    """

    def __init__(self, *, folder: RunFolder, config: Mapping[str, Any]) -> None:
        try:
            import tensorboard  # noqa: F401 - Lightning would take tensorboardX, which lacks purge_step
            from lightning.pytorch.loggers import TensorBoardLogger
        except ImportError as error:
            raise ConfigError(
                "logger=tensorboard: the package tensorboard is not installed; "
                "install it (pip install 'gan-lab[tensorboard]') or set logger=none."
            ) from error
        seen = max((record.get("images_seen", 0) for record in folder.records()), default=None)
        # TensorBoard hides what an interrupted run wrote past the checkpoint.
        purge = None if seen is None else seen + 1
        self.logger = TensorBoardLogger(
            folder.path, name="tensorboard", version="", purge_step=purge
        )
        text = yaml.safe_dump(dict(config), sort_keys=False)
        self.logger.experiment.add_text("config", f"```\n{text}```", seen or 0)

    def record(self, values: Mapping[str, float], clock: Clock) -> None:
        """Add a point to each curve."""
        self.logger.log_metrics(values, clock.images_seen)

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Add a PNG file."""
        import numpy as np
        from PIL import Image

        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        self.logger.experiment.add_image(key, pixels, clock.images_seen, dataformats="HWC")

    def close(self, exit_code: int) -> None:
        """Write what is left."""
        del exit_code
        self.logger.finalize("")
