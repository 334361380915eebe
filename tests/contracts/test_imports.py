"""Imports point one way: docs/architecture.md's table, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "gan_lab"
MODULES = sorted(PACKAGE.rglob("*.py"))

TYPING = {"typing_extensions"}
LIGHTNING = {"lightning"}
ONNX = {"onnxruntime"}
DATA = {"torch", "torchvision", "PIL", "numpy"}

# Each room with the libraries and the other rooms that it may import, lowest first: a room names only rooms above it
# in this list, so no two name each other. The commands lie at the top of gan_lab/ and may name any.
ROOMS = {
    "common": (set(), set()),
    "process": ({"torch", "rich", "filelock", "platformdirs"}, {"common"}),
    "storage": ({"torch", "filelock", "platformdirs", "xxhash"}, {"common"}),
    "config": ({"hydra", "omegaconf", "yaml", "pydantic", "pydantic_core"}, {"common", "process", "storage"}),
    "media": ({"torch", "torchvision", "PIL", "av"}, {"common", "storage"}),
    "latents": ({"torch"}, {"common"}),
    "perceptual": ({"torch", "torchvision"} | TYPING, {"common", "process", "storage"}),
    # A discriminator may judge the features of a frozen network, and a generator decode them.
    "networks": ({"torch"} | TYPING, {"common", "perceptual"}),
    "losses": ({"torch"} | TYPING, {"common"}),
    "penalties": ({"torch"} | TYPING, {"common"}),
    "auxiliary": ({"torch"} | TYPING, {"common", "perceptual"}),
    "augment": ({"torch"} | TYPING, {"common"}),
    "degrade": ({"torch"}, {"common"}),
    "data": ({"torch", "numpy"}, set()),
    "data.decoding": (DATA, {"common"}),
    "data.cache": (
        DATA | {"platformdirs", "xxhash"}, {"common", "process", "storage", "data", "data.decoding"},
    ),
    # The oracle's sequences are written by a network of known probabilities.
    "data.sets": (DATA, {"common", "process", "networks", "data", "data.decoding", "data.cache"}),
    "data.stream": (DATA | LIGHTNING, {"common", "data"}),
    "metrics": (
        {"torch", "torchvision", "torchmetrics", "torch_fidelity", "numpy"},
        {"common", "process", "storage", "media", "data", "data.cache", "perceptual"},
    ),
    "engine": ({"torch"} | LIGHTNING, {"common"}),
    "games": ({"torch"}, {"common", "engine", "networks", "losses", "penalties", "latents"}),
    "assembly": ({"torch"}, {"common", "process", "config", "networks", "metrics", "engine"}),
    "generation": (
        {"torch"} | ONNX,
        {"common", "process", "storage", "config", "latents", "networks", "engine", "assembly"},
    ),
    "editing": (
        {"torch", "numpy"},
        {
            "common", "process", "storage", "config", "media", "latents", "perceptual", "data.decoding", "metrics",
            "engine", "generation",
        },
    ),
    "translating": (
        {"torch", "PIL"},
        {"common", "process", "media", "data.decoding", "metrics", "perceptual", "generation"},
    ),
    "reports": ({"matplotlib"}, {"common", "storage", "config", "media", "engine"}),
    "loggers": (
        {"PIL", "numpy", "yaml", "torch", "tensorboard", "wandb", "aim"} | LIGHTNING,
        {"common", "storage", "engine"},
    ),
    "callbacks": (
        {"torch"} | LIGHTNING,
        {"common", "process", "storage", "media", "metrics", "engine", "generation", "loggers"},
    ),
    "run": (
        {"torch", "hydra", "omegaconf", "yaml"} | LIGHTNING,
        {
            "common", "process", "storage", "config", "data", "data.decoding", "data.stream", "engine", "assembly",
            "generation", "reports", "loggers", "callbacks",
        },
    ),
}  # fmt: skip

# Libraries that only these files may name.
COMMANDS = {
    "train.py", "sample.py", "interpolate.py", "timelapse.py", "translate.py", "evaluate.py", "export.py", "compare.py",
    "cli.py", "completion.py", "latent.py",
}  # fmt: skip
ONLY = {
    "wandb": {"loggers/wandb.py"},
    "aim": {"loggers/services.py"},
    "tensorboard": {"loggers/tensorboard.py"},
    "hydra": {"config/", "run/jobs.py", *COMMANDS},
    "omegaconf": {"config/", "run/jobs.py", *COMMANDS},
    "lightning": {
        "engine/module.py", "engine/replicas.py", "data/stream/module.py", "callbacks/", "loggers/", "run/trainer.py",
        "run/callbacks.py",
    },
    "onnxruntime": {"generation/exporting.py"},
    "pydantic": {"config/types.py"},
    "av": {"media/films.py", "media/videos.py"},
    "argcomplete": {"completion.py"},
    "torchmetrics": {"metrics/"},
    "torch_fidelity": {"metrics/"},
    "matplotlib": {"reports/curves.py", "reports/axes.py"},
    "torchvision": {"data/", "media/grids.py", "perceptual/vgg19.py", "metrics/lpips.py"},
}  # fmt: skip

# Imported before torch is, so that --help and a wrong option answer at once.
LIGHT = [
    "common/commands.py", "common/texts.py",
    "common/errors.py", "common/durations.py", "common/paths.py", "common/ranges.py", "common/scalars.py",
    "process/interrupts.py", "process/console.py", "process/streams.py", "process/threads.py",
    "process/display.py", "process/screen.py", "process/layout.py", "process/progress.py", "process/ranks.py",
    "process/cores.py", "process/neighbours.py", "process/memory.py", "storage/run_folder.py", "storage/files.py",
    "storage/locks.py", "storage/records.py", "train.py", "sample.py", "export.py", "evaluate.py",
    "config/command.py", "config/resume.py", "config/schema.py", "config/checks.py", "config/after.py",
    "config/paths.py", "config/line.py", "config/groups.py", "config/sentences.py", "config/stored.py",
    "config/permission.py", "config/choices.py", "config/types.py", "config/lightning.py", "storage/links.py",
    "storage/origin.py", "config/seeds.py", "config/composed.py", "config/help.py", "config/sweeps.py",
    "config/candidates.py", "config/older.py", "interpolate.py", "timelapse.py", "latent.py", "translate.py",
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


def room_of(module: str) -> str:
    """The room that a module of gan_lab lies in; empty for a command."""
    parts = module.removeprefix("gan_lab.").split(".")
    named = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in named if name in ROOMS), "")


def files_of(room: str) -> list[Path]:
    return [f for f in MODULES if room_of(".".join(Path(place(f)).with_suffix("").parts)) == room]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_it_may(room):
    files = files_of(room)
    assert files, f"gan_lab has no {room}"
    libraries, rooms = ROOMS[room]
    for file in files:
        for name in imported(file):
            if name.startswith("gan_lab"):
                assert room_of(name) in {room, *rooms}, f"{place(file)} imports {name}"
            else:
                assert below(name, libraries), f"{place(file)} imports {name}"


def test_every_file_has_a_room_and_the_top_holds_commands():
    loose = {place(f) for f in files_of("")}
    assert loose == COMMANDS | {"__init__.py"}


def test_no_arrow_goes_up():
    """Rooms are listed lowest first, and each names only rooms before it: there is no circle."""
    order = list(ROOMS)
    for room, (_, rooms) in ROOMS.items():
        up = [name for name in rooms if order.index(name) >= order.index(room)]
        assert not up, f"{room} names {up}, which lie above it"


def test_the_engine_knows_no_game_and_no_part():
    parts = {
        "games",
        "networks",
        "losses",
        "penalties",
        "auxiliary",
        "augment",
        "degrade",
        "latents",
    }
    for file in files_of("engine"):
        assert not [n for n in imported(file) if room_of(n) in parts], place(file)


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


@pytest.mark.parametrize("name", LIGHT)
def test_light_modules_import_no_heavy_library(name):
    heavy = {
        "rich",
        "torch",
        "torchvision",
        "lightning",
        "torchmetrics",
        "wandb",
        "matplotlib",
        "numpy",
        "pydantic",
    }
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
    ("gan_lab.export", ["--help"], 0), ("gan_lab.interpolate", ["--help"], 0), ("gan_lab.timelapse", ["--help"], 0),
    ("gan_lab.latent", ["--help"], 0), ("gan_lab.translate", ["--help"], 0),
    ("gan_lab.train", ["--list"], 0), ("gan_lab.train", ["-m", "modle=wgan"], 2),
):
    sys.argv[1:] = arguments
    sys.modules.pop(module, None)
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as stop:
        assert (stop.code or 0) == wanted, (module, arguments, stop.code)
    loaded = {"rich", "torch", "lightning", "torchvision", "numpy", "wandb", "pydantic"} & set(sys.modules)
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
