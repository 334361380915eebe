"""What scripts/families.py measures of trained models beside their metrics, on images that no training saw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional as F

import gan_lab
from gan_lab.assembly.build import build_game, facts_of
from gan_lab.data.pixels import finished
from gan_lab.engine.randomness import seed_of
from gan_lab.generation.trained import Pretrained

BATCH = 500


def held_out(run: Pretrained) -> tuple[Tensor, Tensor, Any]:
    """Real images (N, C, H, W) in [-1, 1] and classes (N,) of the split `test`, and the data's source."""
    _, source = build_game(run.config)
    data = source.load("test")
    assert data.labels is not None
    return finished(data.images, None), data.labels, source


def matched(codes: Tensor, classes: Tensor, count: int) -> dict[str, Any]:
    """How often a code is its class, each code matched to one class so that most agree.

    Args:
        codes: int64 (N,), of real images.
        classes: int64 (N,), theirs.
        count: codes and classes that there are.
    """
    table = torch.zeros(count, count, dtype=torch.int64)
    table.index_put_((codes, classes), torch.tensor(1), accumulate=True)
    rows, columns = linear_sum_assignment(-table.numpy())
    agree = int(table[torch.from_numpy(rows), torch.from_numpy(columns)].sum())
    return {"right": agree / len(codes), "class_of_code": columns.tolist()}


@torch.no_grad()
def of_codes(folder: Path, term: str = "mutual_information") -> dict[str, Any]:
    """What digit the head's code is on held-out reals: it was trained on fakes, and saw no label ever."""
    run = gan_lab.load(folder, device="cpu", ema=False)
    images, classes, _ = held_out(run)
    head, discriminator = run.game.auxiliaries[term], run.game.discriminator
    for module in discriminator.modules():  # batch norm by the batch, as the head knows features
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    name = next(iter(head.categories))
    said = [head.guesses(discriminator(few).features)[name] for few in images.split(BATCH)]
    codes = torch.cat(said).argmax(dim=1)
    return {**matched(codes, classes, said[0].shape[1]), "images": len(images)}


def few_labels(folder: Path) -> dict[str, Any]:
    """The semi-supervised classifier on held-out reals, beside its twin that saw nothing but the labelled images.

    The twin has the same network, first weights, optimizer, size of batches and number of updates.
    """
    run = gan_lab.load(folder, device="cpu", ema=False)
    images, classes, source = held_out(run)
    term = run.game.auxiliaries["semi_supervised"]
    found = _right(run.game.discriminator, term, images, classes)
    twin, _ = build_game(run.config, facts_of(source))
    alone = twin.auxiliaries["semi_supervised"]
    _teach(twin.discriminator, alone, (term.pictures, term.answers), run)
    return {
        "right": found, "right_alone": _right(twin.discriminator, alone, images, classes),
        "labels": len(term.answers), "updates": run.iteration, "images": len(images),
    }  # fmt: skip


def _teach(network: nn.Module, term: Any, known: tuple[Tensor, Tensor], run: Pretrained) -> None:
    """Train a discriminator's classifier on labelled images (uint8) alone, as long as the run lasted."""
    pictures, answers = finished(known[0], None), known[1]
    options: Mapping[str, Any] = run.config["optimizer"]["discriminator"]
    batch = run.config["data"]["batch_size"]
    weights = [*network.parameters(), *term.parameters()]
    adam = torch.optim.Adam(weights, lr=options["lr"], betas=tuple(options["betas"]))
    draw = torch.Generator().manual_seed(seed_of(run.config["seed"], "alone"))
    torch.manual_seed(run.config["seed"])  # of dropout
    network.train()
    for _ in range(run.iteration):
        rows = torch.randint(len(answers), (batch,), generator=draw)
        loss = F.cross_entropy(term.classify(network(pictures[rows])), answers[rows])
        adam.zero_grad()
        loss.backward()
        adam.step()
    network.eval()


@torch.no_grad()
def _right(network: nn.Module, term: Any, images: Tensor, classes: Tensor) -> float:
    said = [term.classify(network(few)).argmax(dim=1) for few in images.split(BATCH)]
    return float((torch.cat(said) == classes).float().mean())
