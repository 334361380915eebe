"""Films as files: mp4 by PyAV, and the moving pictures that Pillow writes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from fractions import Fraction
from io import BytesIO
from itertools import repeat
from pathlib import Path
from typing import Any

from PIL import Image

from gan_lab.common.errors import ConfigError, GanLabError, first_line
from gan_lab.media.frames import on_white
from gan_lab.storage.files import whole_file

VIDEO = ".mp4"
MOVING = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}
FILMS = (VIDEO, *MOVING)

FASTEST = 60.0  # frames per second; browsers slow a GIF down from 50 on
SMPTE_170M = 6  # H.273's number of the matrix that is also called BT.601
_H264 = {"crf": "16", "preset": "medium"}  # small pixels need more than the usual quality


def check_film(path: Path, option: str = "out") -> None:
    """Refuse a name whose film cannot be written here.

    Args:
        path: of the film.
        option: its name, for messages.

    Raises:
        ConfigError: at a suffix of no film, or at mp4 without its package.
    """
    suffix = path.suffix.lower()
    if suffix not in FILMS:
        raise ConfigError(
            f"{option}={path}: {suffix or 'a name without a suffix'} is no film; use one of {', '.join(FILMS)}."
        )
    if suffix == VIDEO and importlib.util.find_spec("av") is None:
        raise ConfigError(
            f"{option}={path}: the package av, which writes mp4, is not installed; install it "
            "(pip install 'gan-lab[video]') or choose another suffix, such as .gif."
        )


def save_film(frames: Iterable[Image.Image], path: Path, *, fps: float, hold: float = 0.0) -> None:
    """Save frames of one size as a film, whole or not at all; all but mp4 begin again at their end.

    Args:
        frames: in colours; an mp4 takes them one by one, the others need all in memory.
        path: a name that `check_film` accepts; its folder is made.
        fps: frames per second, in (0, 60].
        hold: seconds for which the last frame stays longer.

    Raises:
        ConfigError: as `check_film`.
        GanLabError: if the format cannot hold these frames.
        OSError: where the disk refuses.
    """
    check_film(path)
    content = BytesIO()
    if path.suffix.lower() == VIDEO:
        _write_video(frames, content, path, fps=fps, hold=hold)
    else:
        _write_moving(list(frames), content, path, fps=fps, hold=hold)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(content.getbuffer())


def _write_moving(
    frames: list[Image.Image], content: BytesIO, path: Path, *, fps: float, hold: float
) -> None:
    kind, times = MOVING[path.suffix.lower()], _milliseconds(len(frames), fps=fps, hold=hold)
    how = {"duration": times, "loop": 0} | ({"lossless": True} if kind == "WEBP" else {})
    try:
        frames[0].save(content, kind, save_all=True, append_images=frames[1:], **how)
    except (OSError, ValueError, OverflowError) as error:
        raise GanLabError(f"{path}: {kind} cannot hold this film ({first_line(error)}).") from error


def _milliseconds(count: int, *, fps: float, hold: float) -> list[int]:
    """How long each frame stays, in the hundredths that a GIF knows; their sum keeps the pace."""
    ends = [round((index + 1) * 100 / fps) for index in range(count)]
    times = [10 * (end - begin) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    times[-1] += 10 * round(hold * 100)
    return times


def _write_video(
    frames: Iterable[Image.Image], content: BytesIO, path: Path, *, fps: float, hold: float
) -> None:
    """H.264 in its most widely played form: even sides, half the colour's resolution."""
    import av

    try:
        with av.open(content, "w", format="mp4") as film:
            rate = Fraction(fps).limit_denominator(1000)
            stream = film.add_stream("libx264", rate=rate, options=_H264)
            stream.pix_fmt = "yuv420p"
            # As the frames are converted: without it players take the colours of large films for those of HDTV.
            stream.codec_context.colorspace = SMPTE_170M
            for packet in _packets(stream, _held(frames, round(hold * fps))):
                film.mux(packet)
    except av.FFmpegError as error:
        raise GanLabError(f"{path}: mp4 cannot hold this film ({first_line(error)}).") from error


def _packets(stream: Any, frames: Iterable[Image.Image]) -> Iterator[Any]:
    """The frames encoded; the first one tells their size."""
    import av

    for index, frame in enumerate(frames):
        even = _even(frame)
        if index == 0:
            stream.width, stream.height = even.size
        yield from stream.encode(av.VideoFrame.from_image(even))
    yield from stream.encode()


def _held(frames: Iterable[Image.Image], more: int) -> Iterator[Image.Image]:
    last = None
    for frame in frames:
        yield (last := frame)
    if last is not None:
        yield from repeat(last, more)


def _even(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return on_white(picture, (width + width % 2, height + height % 2))
