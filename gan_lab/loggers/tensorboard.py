"""TensorBoard's event files."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gan_lab.common.errors import ConfigError
from gan_lab.engine.clock import Clock
from gan_lab.storage.files import append_whole
from gan_lab.storage.run_folder import RunFolder


class TensorboardTracker:
    """Event files in the run folder's `tensorboard/`; the step is images seen.

    Events are written at once. TensorBoard's own writer has a thread for that: a full disk ends it for good, with a
    stack trace, and its file does not say what is missing. Lightning's logger is silent where a variable such as
    LOCAL_RANK is left in the environment.

    Args:
        folder: the run folder.
        config: the composed configuration, shown as text.
    """

    def __init__(self, *, folder: RunFolder, config: Mapping[str, Any]) -> None:
        try:
            import tensorboard  # noqa: F401 - by name, so that a missing one is noticed
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from torch.utils.tensorboard import summary
        except ImportError as error:
            raise ConfigError(
                "logger=tensorboard: the package tensorboard is not installed; "
                "install it (pip install 'gan-lab[tensorboard]') or set logger=none."
            ) from error
        self._event = Event
        self._summary = summary
        seen = max((record.get("images_seen", 0) for record in folder.records()), default=None)
        (folder.path / "tensorboard").mkdir(parents=True, exist_ok=True)
        # TensorBoard reads files in the order of their names: a resumed run's come later.
        name = f"events.out.tfevents.{time.time_ns():020}.{os.getpid()}"
        self.path = folder.path / "tensorboard" / name
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if seen is not None:  # hides what an interrupted run wrote past the checkpoint
            start = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=seen + 1, session_log=start))
        text = yaml.safe_dump(dict(config), sort_keys=False)
        self._add(summary.text("config", f"```\n{text}```"), seen or 0)

    def record(self, values: Mapping[str, float], clock: Clock) -> None:
        """Add a point to each curve; they are in the file when this returns, or none of them.

        Raises:
            OSError: if the disk refuses.
        """
        found = self._event(wall_time=time.time(), step=clock.images_seen)
        for key, value in values.items():
            found.summary.MergeFrom(self._summary.scalar(key, value))
        self._write(found)

    def received(self, values: Mapping[str, float], clock: Clock) -> bool:
        """Whether the file has a point of each curve at this step, by TensorBoard's reader."""
        from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

        found = {
            value.tag
            for event in LegacyEventFileLoader(str(self.path)).Load()
            for value in event.summary.value
            if event.step == clock.images_seen
        }
        return values.keys() <= found

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Add a PNG file."""
        import numpy as np
        from PIL import Image

        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._add(self._summary.image(key, pixels, dataformats="HWC"), clock.images_seen)

    def close(self, exit_code: int) -> None:
        """Everything is written."""

    def _add(self, summary: Any, step: int) -> None:
        self._write(self._event(wall_time=time.time(), step=step, summary=summary))

    def _write(self, event: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        framed = io.BytesIO()
        RecordWriter(framed).write(event.SerializeToString())
        append_whole(self.path, framed.getvalue())
