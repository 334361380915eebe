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
from gan_lab.process.progress import phase

FULL = "inception-2015-12-05"
FULL_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
KNOWN = {FULL_SHA256: FULL}
FULL_FILE = URL_INCEPTION_V3.rsplit("/", 1)[-1]
OTHER_FILES = "*inception*2015*12*05*.pth"  # parts of them, say
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

    def last_whole_layer(self) -> str | None:
        """Return the last layer before the first NaN; None where there is no NaN."""
        last = "none"
        for name, tensor in self.state.items():
            if bool(tensor.isnan().any()):
                return last
            last = name.partition(".")[0]
        return None


def find_weights(path: str | None, *, feature: int = 2048) -> InceptionWeights:
    """Look for the weights: `path`, then GAN_LAB_DATA, then the torch hub cache, then a download.

    A file of another name in GAN_LAB_DATA may hold a part of the layers: for the last ones (2048
    features) it is taken only if nothing else can be had, and refused later where it gives NaN.

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
    others = [path for folder in folders for path in sorted(folder.glob(OTHER_FILES))]
    order = [*complete, *([] if feature == 2048 else others), cached]
    for candidate in order:
        if candidate.is_file():
            return read_weights(candidate)
    try:
        return _download(cached)
    except WeightsError:
        if others:
            return read_weights(others[0])
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
        with phase("Downloading the Inception weights (91 MB)"), _no_endless_wait():
            torch.hub.download_url_to_file(
                URL_INCEPTION_V3, str(target), hash_prefix=FULL_SHA256, progress=False
            )
    except (OSError, RuntimeError) as error:  # URLError is an OSError, a wrong hash a RuntimeError
        data = os.environ.get("GAN_LAB_DATA") or "GAN_LAB_DATA (not set)"
        raise WeightsError(
            f"No Inception weights: not in {data}, not at {target}, and the download failed "
            f"({error}); set metrics.weights= to {FULL_FILE}, put it in the folder GAN_LAB_DATA, "
            "or use metrics=small (metrics.fid.feature=768 also takes a file of the earlier layers alone)."
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
