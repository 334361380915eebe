"""On what a run was made: versions, commit, device and command."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "gan-lab", "torch", "torchvision", "lightning", "torchmetrics", "torch-fidelity", "hydra-core",
    "omegaconf", "wandb", "numpy", "pillow",
)  # fmt: skip


def describe_environment(machine: Mapping[str, Any]) -> dict[str, Any]:
    """Versions, commit, machine and command as plain values; `machine` says what the run does with it."""
    import torch

    gpu = torch.cuda.get_device_name() if machine["device"] == "cuda" else None
    return {
        "versions": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "commit": git_commit(),
        **machine,
        "gpu": gpu,
        "cores": os.cpu_count(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def other_threads(path: Path, count: int) -> list[str]:
    """A sentence where the stored environment of a resumed run tells of another number of threads than `count`."""
    try:
        before = json.loads(path.read_text())["threads"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if before == count:
        return []
    return [
        f"The run had {before} thread{'s' if before != 1 else ''} before and has {count} now: "
        f"its numbers may differ in their last bits; OMP_NUM_THREADS={before} keeps them."
    ]


def git_commit() -> str | None:
    """The commit of the checkout that this package lies in, `+` behind it if files differ; None outside one."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    try:
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
