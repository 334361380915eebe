"""Videos as images one after the other, read by PyAV."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from gan_lab.common.errors import ConfigError, first_line
from gan_lab.media.films import FASTEST

VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")


class Video:
    """The frames of a video.

    Attributes:
        fps: frames per second, at most as many as a film may have.
        count: how many, or None where the file does not say.

    Args:
        path: of the file.

    Raises:
        ConfigError: one sentence, where it cannot be read, or the package av is missing.
    """

    def __init__(self, path: Path) -> None:
        if importlib.util.find_spec("av") is None:
            raise ConfigError(
                f"input={path}: the package av, which reads videos, is not installed; install it "
                "(pip install 'gan-lab[video]') or give a folder of images."
            )
        self.path = path
        import av

        try:
            with av.open(str(path)) as film:
                stream = film.streams.video[0]
                self.fps = min(float(stream.average_rate or 25), FASTEST)
                self.count = stream.frames or None
        except (av.FFmpegError, IndexError) as error:
            raise ConfigError(
                f"input={path}: cannot be read as a video ({first_line(error)})."
            ) from error

    def __iter__(self) -> Iterator[Tensor]:
        """Bytes (3, H, W) of each frame, upright.

        Raises:
            ConfigError: where the file is damaged.
        """
        import av

        try:
            with av.open(str(self.path)) as film:
                for frame in film.decode(video=0):
                    pixels = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
                    yield torch.rot90(pixels, getattr(frame, "rotation", 0) // 90, (1, 2))
        except av.FFmpegError as error:
            raise ConfigError(
                f"input={self.path}: the video is damaged ({first_line(error)})."
            ) from error
