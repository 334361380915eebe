"""An independent classifier of a data set, trained once on its real labels and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab.data.cache.store import cache_root
from gan_lab.data.image_set import ImageSet
from gan_lab.metrics.isolation import exact_float32, untouched_randomness
from gan_lab.metrics.small_network import SmallNetwork, to_size
from gan_lab.metrics.statistics import fixed_subset
from gan_lab.metrics.views import Reals
from gan_lab.process.progress import phase
from gan_lab.storage.seals import DamagedFileError, sealed, sealed_file

log = logging.getLogger(__name__)

FORMAT = 1  # part of the key; raise it when the network or its training changes
SEED = 0
BATCH = 128
RATE = 3e-3  # the highest of a cycle
HELD_OUT = 0.1  # of the split, where the data has no other


@dataclass(frozen=True)
class Classifier:
    """A trained network and how far it can be trusted.

    Attributes:
        network: maps float images (N, C, 32, 32) to logits (N, classes or attributes).
        several: whether its labels are several attributes at once.
        accuracy: share of right answers on reals that it was not trained on.
        judged_on: which those are, in words.
        sha256: of its weights.
    """

    network: SmallNetwork
    several: bool
    accuracy: float
    judged_on: str
    sha256: str

    def right(self, images: Tensor, labels: Tensor) -> Tensor:
        """Whether uint8 images (N, C, H, W) show their labels: float (N,), the share of attributes where several."""
        device = next(self.network.parameters()).device
        with exact_float32(device):
            logits = self.network(to_size(images.to(device).float()))
        return _right(logits, labels.to(device), several=self.several)


def _right(logits: Tensor, labels: Tensor, *, several: bool) -> Tensor:
    if several:
        return ((logits > 0) == (labels > 0.5)).float().mean(dim=1)
    return (logits.argmax(dim=1) == labels).float()


def classifier_of(reals: Reals, *, train_kimg: float) -> Classifier:
    """Open the classifier of this data from the cache, or train it, which takes a minute or two on a CPU.

    Args:
        reals: with labels; it learns the images of their split.
        train_kimg: thousands of images that it sees in training.
    """
    images, held_out, judged_on = _parts(reals)
    path = cache_root() / "classifiers" / f"{_key(images[0], train_kimg)}.pt"
    found = _read(path)
    if found is None:
        found = _trained(images, held_out, train_kimg=train_kimg, device=reals.device)
        _write(path, found)
    data = images[0]
    network = _new(data)
    network.load_state_dict(found["network"])
    network.requires_grad_(False).eval().to(reals.device)
    several = bool(data.labels is not None and data.labels.dim() > 1)
    return Classifier(network, several, found["accuracy"], judged_on, _sha256(found["network"]))


Part = tuple[ImageSet, Tensor]  # a set and the indices of it that count


def _parts(reals: Reals) -> tuple[Part, Part, str]:
    """What it learns, what it is judged on, and that in words."""
    images, split = reals.images, reals.conditions.split
    other = next((one for one in reals.source.splits if one != split), None)
    if other is not None:
        judges = reals.source.load(other)
        if judges.labels is not None:
            every = torch.arange(len(judges))
            return (images, torch.arange(len(images))), (judges, every), f"split '{other}'"
    kept = torch.zeros(len(images), dtype=torch.bool)
    kept[fixed_subset(len(images), max(1, int(len(images) * HELD_OUT)), purpose="held out")] = True
    words = f"a fixed tenth of split '{split}' that it did not see"
    return (images, (~kept).nonzero().flatten()), (images, kept.nonzero().flatten()), words


def _new(images: ImageSet) -> SmallNetwork:
    labels = images.labels
    assert labels is not None
    count = labels.shape[1] if labels.dim() > 1 else max(len(images.classes), int(labels.max()) + 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return SmallNetwork(classes=count, channels=images.images.shape[1])


def _trained(
    part: Part, held_out: Part, *, train_kimg: float, device: torch.device
) -> dict[str, Any]:
    """Train with Adam under one cycle of the rate; the images' order is drawn from a fixed seed."""
    images, indices = part
    assert images.labels is not None
    rounds = max(1, round(train_kimg * 1000 / BATCH))
    log.info(
        f"A classifier of {images.name} is trained once on {len(indices):,} real images and kept."
    )
    generator = torch.Generator().manual_seed(SEED)
    with (
        untouched_randomness(device),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
    ):
        network = _new(images).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=rounds)
        with phase("Training the classifier", total=rounds * BATCH) as shown:
            for _ in range(rounds):
                drawn = indices[torch.randint(len(indices), (BATCH,), generator=generator)]
                pixels = images.images.index_select(0, drawn).to(device).float()
                labels = images.labels.index_select(0, drawn).to(device)
                logits = network(to_size(pixels))
                loss = _loss(logits, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                cycle.step()
                shown.advance(BATCH)
        accuracy = _accuracy(network.eval(), held_out, device)
    return {
        "network": {name: value.cpu() for name, value in network.state_dict().items()},
        "accuracy": accuracy,
    }


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    if labels.dim() > 1:
        return F.binary_cross_entropy_with_logits(logits, labels.float())
    return F.cross_entropy(logits, labels)


@torch.no_grad()
def _accuracy(network: SmallNetwork, part: Part, device: torch.device) -> float:
    images, indices = part
    assert images.labels is not None
    right = []
    for few in indices.split(BATCH * 4):
        logits = network(to_size(images.images.index_select(0, few).to(device).float()))
        labels = images.labels.index_select(0, few).to(device)
        right.append(_right(logits, labels, several=labels.dim() > 1))
    return float(torch.cat(right).mean())


def _key(images: ImageSet, train_kimg: float) -> str:
    parts = {
        "format": FORMAT,
        "fingerprint": images.fingerprint,
        "split": images.split,
        "train_kimg": train_kimg,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _sha256(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    """What is stored, or None where it is absent or damaged."""
    try:
        with path.open("rb", buffering=0) as file:
            if not sealed(file):
                raise DamagedFileError("its checksum is missing")
            found: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        return found
    except FileNotFoundError:
        return None
    except Exception:  # a damaged file can raise nearly anything
        log.info(f"The cached classifier {path} is damaged and will be trained again.")
        return None


def _write(path: Path, found: dict[str, Any]) -> None:
    """Write aside and rename; a full or read-only disk costs the next run time, not this one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with sealed_file(path) as file:
            torch.save(found, file)
    except (OSError, RuntimeError, DamagedFileError) as error:
        log.info(f"The classifier could not be cached at {path}: {error}")
