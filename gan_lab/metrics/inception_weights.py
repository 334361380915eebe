"""Where the weights of the Inception-v3 of 2015-12-05 are found, and which they are."""

from __future__ import annotations

import hashlib
import io
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

from gan_lab.common.errors import WeightsError
from gan_lab.common.paths import user_path

FULL = "inception-2015-12-05"
PARTIAL = "inception-2015-12-05, partial, to Mixed_6e"
FULL_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
PARTIAL_SHA256 = "8efbd57cc9c775450d847a522e891136140fd2ad4275fa9364a1cc646e0f5e86"
KNOWN = {FULL_SHA256: FULL, PARTIAL_SHA256: PARTIAL}
FULL_FILE = URL_INCEPTION_V3.rsplit("/", 1)[-1]
PARTIAL_FILE = "inception-2015-12-05-to-Mixed_6e.pth"
SILENCE_SECONDS = 20.0


@dataclass(frozen=True)
class InceptionWeights:
    """A state dict and where it came from."""

    path: Path
    name: str
    sha256: str
    state: dict[str, Tensor] = field(repr=False)

    @property
    def known(self) -> bool:
        """Whether the file is one whose hash is on record."""
        return self.sha256 in KNOWN


def find_weights(path: str | None, *, feature: int = 2048) -> InceptionWeights:
    """Look for the weights: `path`, then GAN_LAB_DATA, then the torch hub cache, then a download.

    The partial weights in GAN_LAB_DATA end before the layer of 2048 features: for that one they
    are taken only if no others can be had, and refused later for giving NaN.

    Raises:
        WeightsError: if there are none, with where they were looked for and what to do.
    """
    if path is not None:
        chosen = user_path(path, "metrics.weights")
        if not chosen.is_file():
            raise WeightsError(
                f"metrics.weights={path}: no such file; point it to {FULL_FILE}, "
                f"or leave it null to look in GAN_LAB_DATA and the torch hub cache."
            )
        return read_weights(chosen)
    folders = _data_folders()
    cached = Path(torch.hub.get_dir()) / "checkpoints" / FULL_FILE
    complete = [folder / FULL_FILE for folder in folders]
    partial = [folder / PARTIAL_FILE for folder in folders]
    order = [*complete, *([] if feature == 2048 else partial), cached]
    for candidate in order:
        if candidate.is_file():
            return read_weights(candidate)
    try:
        return _download(cached)
    except WeightsError:
        for candidate in partial:
            if candidate.is_file():
                return read_weights(candidate)
        raise


def read_weights(path: Path) -> InceptionWeights:
    """Read a state dict without running code from it, and name it by its SHA-256.

    Raises:
        WeightsError: if the file is unreadable or is no state dict of tensors.
    """
    try:
        raw = path.read_bytes()
        state = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise nearly anything
        raise _unreadable(path) from error
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise _unreadable(path)
    digest = hashlib.sha256(raw).hexdigest()
    return InceptionWeights(
        path=path, name=KNOWN.get(digest, f"unknown ({path.name})"), sha256=digest, state=state
    )


def _unreadable(path: Path) -> WeightsError:
    return WeightsError(
        f"{path} is not a readable state dict of tensors; remove it, or set metrics.weights= to "
        f"a good copy of {FULL_FILE}."
    )


def _data_folders() -> list[Path]:
    root = os.environ.get("GAN_LAB_DATA")
    if not root:
        return []
    folder = user_path(root, "GAN_LAB_DATA")
    return [folder, folder / "inception"]


def _download(target: Path) -> InceptionWeights:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _no_endless_wait():
            torch.hub.download_url_to_file(
                URL_INCEPTION_V3, str(target), hash_prefix=FULL_SHA256, progress=False
            )
    except (OSError, RuntimeError) as error:  # URLError is an OSError, a wrong hash a RuntimeError
        data = os.environ.get("GAN_LAB_DATA") or "GAN_LAB_DATA (not set)"
        raise WeightsError(
            f"No Inception weights: not in {data}, not at {target}, and the download failed "
            f"({error}); set metrics.weights= to {FULL_FILE}, put it in the folder GAN_LAB_DATA, "
            f"or use metrics=small (metrics.feature=768 also takes {PARTIAL_FILE})."
        ) from error
    return read_weights(target)


@contextmanager
def _no_endless_wait() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
