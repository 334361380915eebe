"""Where the weights of the Inception-v3 of 2015-12-05 are found, and which they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

from gan_lab.common.errors import WeightsError
from gan_lab.common.paths import user_path
from gan_lab.process.progress import phase
from gan_lab.storage.weights import Published, data_folders, data_words, read

FULL = "inception-2015-12-05"
FULL_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
KNOWN = {FULL_SHA256: FULL}
PUBLISHED = Published("Inception", URL_INCEPTION_V3, FULL_SHA256)
FULL_FILE = PUBLISHED.file
OTHER_FILES = "*inception*2015*12*05*.pth"  # parts of them, say
OPTION = "metrics.weights"


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
        chosen = user_path(path, OPTION)
        if not chosen.is_file():
            raise WeightsError(
                f"metrics.weights={path}: no such file; point it to {FULL_FILE}, "
                f"or leave it null to look in GAN_LAB_DATA and the torch hub cache."
            )
        return read_weights(chosen)
    folders = data_folders("inception")
    cached = PUBLISHED.cached
    complete = [folder / FULL_FILE for folder in folders]
    others = [path for folder in folders for path in sorted(folder.glob(OTHER_FILES))]
    order = [*complete, *([] if feature == 2048 else others), cached]
    for candidate in order:
        if candidate.is_file():
            return read_weights(candidate)
    try:
        return _download()
    except WeightsError:
        if others:
            return read_weights(others[0])
        raise


def read_weights(path: Path) -> InceptionWeights:
    """Read a state dict without running code from it, and name it by its SHA-256.

    Raises:
        WeightsError: if the file is unreadable or is no state dict of tensors.
    """
    found = read(path, option=OPTION, file=FULL_FILE)
    name = KNOWN.get(found.sha256, f"unknown ({path.name})")
    return InceptionWeights(path=path, name=name, sha256=found.sha256, state=found.state)


def _download() -> InceptionWeights:
    try:
        with phase("Downloading the Inception weights (91 MB)"):
            return read_weights(PUBLISHED.download())
    except (OSError, RuntimeError) as error:  # URLError is an OSError, a wrong hash a RuntimeError
        raise WeightsError(
            f"No Inception weights: not in {data_words()}, not at {PUBLISHED.cached}, and the download failed "
            f"({error}); set metrics.weights= to {FULL_FILE}, put it in the folder GAN_LAB_DATA, "
            "or use metrics=small (early layers, as of metrics.fid.feature=768, may also come in a file of their own)."
        ) from error
