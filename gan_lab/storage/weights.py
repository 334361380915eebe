"""Files of trained weights that somebody has published: where they are looked for, and how they are read."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from gan_lab.common.errors import WeightsError
from gan_lab.common.paths import user_path

SILENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Published:
    """A file of weights as its authors published it.

    Attributes:
        what: the network, for sentences.
        url: where it is downloaded from; its last part is the file's name.
        sha256: of the file, whole or its beginning.
    """

    what: str
    url: str
    sha256: str

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def cached(self) -> Path:
        """Where a download goes, and torch's own downloads go."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.file

    def download(self) -> Path:
        """Fetch it into torch's cache.

        Raises:
            OSError: if it cannot be fetched.
            RuntimeError: if what came is not the file.
        """
        self.cached.parent.mkdir(parents=True, exist_ok=True)
        with no_endless_wait():
            torch.hub.download_url_to_file(
                self.url, str(self.cached), hash_prefix=self.sha256, progress=False
            )
        return self.cached


@dataclass(frozen=True)
class Weights:
    """A state dict and the file that it came from."""

    path: Path
    sha256: str
    state: dict[str, Tensor] = field(repr=False)


def find(wanted: Published, path: str | None, *, option: str, instead: str) -> Weights:
    """Look for weights: `path`, then the folder GAN_LAB_DATA, then torch's cache, then a download.

    Args:
        wanted: the file.
        path: where a person says that it lies.
        option: the name of that, for sentences.
        instead: what would do without these weights.

    Raises:
        WeightsError: if there are none, with where they were looked for and what to do.
    """
    if path is not None:
        chosen = user_path(path, option)
        if not chosen.is_file():
            raise WeightsError(
                f"{option}={path}: no such file; point it to {wanted.file}, or leave it null to look in GAN_LAB_DATA "
                "and the torch hub cache."
            )
        return read(chosen, option=option, file=wanted.file)
    for place in [*(folder / wanted.file for folder in data_folders()), wanted.cached]:
        if place.is_file():
            return read(place, option=option, file=wanted.file)
    try:
        return read(wanted.download(), option=option, file=wanted.file)
    except (OSError, RuntimeError) as error:  # URLError is an OSError, a wrong hash a RuntimeError
        raise WeightsError(
            f"No weights of {wanted.what}: not in {data_words()}, not at {wanted.cached}, and the download failed "
            f"({error}); set {option}= to {wanted.file}, put it in the folder GAN_LAB_DATA, or {instead}."
        ) from error


def read(path: Path, *, option: str, file: str) -> Weights:
    """Read a state dict without running code from it.

    Raises:
        WeightsError: if the file is unreadable or is no state dict of tensors.
    """
    try:
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
            opened.seek(0)
            state = torch.load(opened, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise nearly anything
        raise unreadable(path, option=option, file=file) from error
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise unreadable(path, option=option, file=file)
    return Weights(path, digest, state)


def unreadable(path: Path, *, option: str, file: str) -> WeightsError:
    """What to say of a file that holds no weights."""
    return WeightsError(
        f"{path} is not a readable state dict of tensors; remove it, or set {option}= to a good copy of {file}."
    )


def data_folders(below: str = "") -> list[Path]:
    """The folder that GAN_LAB_DATA names, and one below it; none where it is not set."""
    root = os.environ.get("GAN_LAB_DATA")
    if not root:
        return []
    folder = user_path(root, "GAN_LAB_DATA")
    return [folder, folder / below] if below else [folder]


def data_words() -> str:
    """That folder, for sentences."""
    return os.environ.get("GAN_LAB_DATA") or "GAN_LAB_DATA (not set)"


@contextmanager
def no_endless_wait() -> Iterator[None]:
    """A download that falls silent ends."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
