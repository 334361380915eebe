"""Imports point one way: docs/architecture.md's table, read from the sources."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "gan_lab"
MODULES = sorted(PACKAGE.rglob("*.py"))

CHECKS = {"gan_lab.errors", "gan_lab.ranges", "gan_lab.scalars"}
TYPING = {"typing_extensions"}
LIGHTNING = {"lightning"}
PARTS = {"gan_lab.networks", "gan_lab.losses", "gan_lab.penalties", "gan_lab.latents"}

# What each package may import beside the standard library and itself.
MAY = {
    "errors": set(),
    "ranges": CHECKS,
    "scalars": set(),
    "images": {"torch"},
    "allocator": set(),
    "machine": {"torch", "gan_lab.allocator"} | CHECKS,
    "interrupts": set(),
    "run_folder": CHECKS,
    "checkpoint": {"torch"} | CHECKS,
    "latents": {"torch"} | CHECKS,
    "networks": {"torch"} | CHECKS | TYPING,
    "losses": {"torch"} | CHECKS | TYPING,
    "penalties": {"torch"} | CHECKS | TYPING,
    "data": {"torch", "torchvision", "PIL", "numpy", "tqdm"} | LIGHTNING | CHECKS,
    "metrics": {
        "torch", "torchmetrics", "torch_fidelity", "numpy",
        "gan_lab.data.images", "gan_lab.data.cache", "gan_lab.data.progress", "gan_lab.images",
    } | CHECKS,
    "engine": {"torch"} | LIGHTNING | CHECKS,
    "games": {"torch", "gan_lab.engine"} | PARTS | CHECKS,
    "loggers": {
        "PIL", "numpy", "yaml", "tensorboard", "wandb", "gan_lab.engine.clock", "gan_lab.run_folder",
        "gan_lab.environment",
    } | LIGHTNING | CHECKS,
    "callbacks": {
        "torch", "torchvision", "gan_lab.engine", "gan_lab.metrics", "gan_lab.loggers.reporter", "gan_lab.images",
        "gan_lab.sampling", "gan_lab.checkpoint", "gan_lab.run_folder", "gan_lab.interrupts",
    } | LIGHTNING | CHECKS,
    "config": {
        "hydra", "omegaconf", "yaml", "torch", "gan_lab.engine", "gan_lab.interrupts", "gan_lab.run_folder",
        "gan_lab.machine",
    } | CHECKS,
}  # fmt: skip

# Libraries that only these files may name.
ONLY = {
    "wandb": {"loggers/wandb.py"},
    "tensorboard": {"loggers/tensorboard.py"},
    "hydra": {"config/", "train.py", "jobs.py", "sample.py", "evaluate.py", "compare.py", "cli.py"},
    "omegaconf": {"config/", "train.py", "jobs.py", "sample.py", "evaluate.py", "compare.py", "cli.py"},
    "lightning": {"engine/module.py", "engine/replicas.py", "data/module.py", "callbacks/", "loggers/", "trainer.py"},
    "torchmetrics": {"metrics/"},
    "torch_fidelity": {"metrics/"},
    "matplotlib": {"curves.py"},
    "torchvision": {"data/", "callbacks/samples.py"},
}  # fmt: skip

# Imported before torch is, so that --help and a wrong option answer at once.
LIGHT = [
    "errors.py", "ranges.py", "scalars.py", "interrupts.py", "run_folder.py", "train.py", "sample.py", "evaluate.py",
    "config/command.py", "config/resume.py", "config/schema.py", "config/parts.py", "config/checks.py",
    "config/after.py", "console.py",
]  # fmt: skip


def imported(file: Path, *, at_import: bool = False) -> set[str]:
    """Modules that a file imports; `at_import` leaves out those inside functions and for type checkers."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    if at_import:
        nodes = ast.parse(file.read_text()).body
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            assert node.module is not None
            # `from gan_lab import x` imports gan_lab.x
            names = {f"gan_lab.{alias.name}" for alias in node.names}
            found |= names if node.module == "gan_lab" else {node.module}
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names}


def below(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def place(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("package", sorted(MAY))
def test_a_package_imports_what_it_may(package):
    ours = [file for file in MODULES if re.split(r"[/.]", place(file))[0] == package]
    assert ours, f"gan_lab has no {package}"
    allowed = {*MAY[package], f"gan_lab.{package}"}
    for file in ours:
        wrong = {name for name in imported(file) if not below(name, allowed)}
        assert not wrong, f"{place(file)} imports {sorted(wrong)}"


def test_the_engine_knows_no_game_and_no_part():
    for file in MODULES:
        if place(file).startswith("engine/"):
            assert not [n for n in imported(file) if below(n, {"gan_lab.games", *PARTS})], place(
                file
            )


@pytest.mark.parametrize("library", sorted(ONLY))
def test_a_library_has_its_place(library):
    users = {place(file) for file in MODULES if any(below(n, {library}) for n in imported(file))}
    assert users, f"nothing imports {library} any more"
    strays = {
        user
        for user in users
        if not any(user == p or (p.endswith("/") and user.startswith(p)) for p in ONLY[library])
    }
    assert not strays  # fmt: skip


def test_no_import_is_circular_between_packages():
    """The graph of packages has no cycle: every edge goes one way."""
    edges = {}
    for file in MODULES:
        source = re.split(r"[/.]", place(file))[0]
        targets = {
            n.split(".")[1] for n in imported(file, at_import=True) if n.startswith("gan_lab.")
        }
        edges.setdefault(source, set()).update(targets - {source})

    def walk(package, trail):
        assert package not in trail, f"circular: {' -> '.join([*trail, package])}"
        for target in edges.get(package, ()):
            walk(target, [*trail, package])

    for package in edges:
        walk(package, [])


@pytest.mark.parametrize("name", LIGHT)
def test_light_modules_import_no_heavy_library(name):
    heavy = {"torch", "torchvision", "lightning", "torchmetrics", "wandb", "matplotlib", "numpy"}
    names = imported(PACKAGE / name, at_import=True)
    assert not [n for n in names if below(n, heavy)]
    files = {place(file) for file in MODULES}
    for module in names:
        if module.startswith("gan_lab."):
            path = module.removeprefix("gan_lab.").replace(".", "/") + ".py"
            assert path not in files or path in LIGHT, f"{name} imports {path}, which is not light"


def test_the_command_line_answers_without_torch():
    """--help, --cfg job and a wrong option in a real process: torch (seconds) is never imported."""
    script = """
import runpy, sys
sys.argv[0] = "x"
for module, arguments, wanted in (
    ("gan_lab.train", ["--help"], 0), ("gan_lab.train", ["--cfg", "job", "model=wgan_gp"], 0),
    ("gan_lab.train", ["modle=wgan"], 2), ("gan_lab.train", ["model=wgan_pg"], 2),
    ("gan_lab.sample", ["--help"], 0), ("gan_lab.evaluate", ["--help"], 0),
):
    sys.argv[1:] = arguments
    sys.modules.pop(module, None)
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as stop:
        assert (stop.code or 0) == wanted, (module, arguments, stop.code)
    loaded = {"torch", "lightning", "torchvision", "numpy", "wandb"} & set(sys.modules)
    assert not loaded, (module, arguments, loaded)
print("light")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.rstrip().endswith("light")
    assert "gan_lab.losses.adversarial.Wasserstein" in done.stdout, (
        "--cfg job shows the configuration"
    )
    assert "modle: no such option; did you mean model?" in done.stderr
