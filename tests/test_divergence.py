"""A run with healthy weights and other numbers that are infinite has diverged: its last good checkpoint stays."""

from __future__ import annotations

import json

import pytest
import torch

from gan_lab.train import main

COMMAND = [
    "debug=tiny", "logger=none", "metrics=none", "max_kimg=null", "max_rounds=20", "data.batch_size=16",
    "log_every_rounds=1000", "checkpoint.every_kimg=0.064", "samples.every_kimg=0", "allow_targets=[tests.]",
    "precision=32-true",
]  # fmt: skip
CASES = {
    "discriminator.running": "discriminator._target_=tests.toy.diverging.InfiniteBuffer",
    "ema.generator.running": "generator._target_=tests.toy.diverging.InfiniteAverage",
    "optimizer.state": "discriminator._target_=tests.toy.diverging.InfiniteMoment",
}


def tensors(node):
    if isinstance(node, torch.Tensor):
        yield node
    elif isinstance(node, dict | list | tuple):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from tensors(inner)


@pytest.mark.parametrize("what", CASES)
def test_what_is_not_finite_is_divergence_wherever_it_is(tmp_path, capsys, what):
    folder = tmp_path / "run"
    assert main([*COMMAND, CASES[what], f"hydra.run.dir={folder}"]) == 1
    said = capsys.readouterr().err
    (sentence,) = [line for line in said.splitlines() if "training has diverged" in line]
    assert what in sentence
    assert "Traceback" not in said
    status = json.loads((folder / "status.json").read_text())
    assert status["state"] == "failed"
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert 0 < state["clock"]["iteration"] < 20
    assert all(bool(tensor.isfinite().all()) for tensor in tensors(state))
