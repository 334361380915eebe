"""What a `_target_` may name: parts of the group's kind, and nothing is called before that is known."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import gan_lab
from gan_lab.train import main

TINY = ["debug=tiny", "logger=none", "metrics=none", "samples.num=4", "max_rounds=1"]
GROUPS = ("model", "generator", "discriminator", "latent", "loss", "data", "metrics")
IMPORTED = (
    "mkdtemp",
    "run_module",
    "import_module",
    "Path",
    "Thread",
    "Popen",
    "deepcopy",
    "partial",
)


def imported_callables():
    """Callables that modules of the package have imported, such as mkdtemp, by the dotted name that reaches them."""
    found = []
    for info in pkgutil.walk_packages(gan_lab.__path__, "gan_lab."):
        module = importlib.import_module(info.name)
        for name in IMPORTED:
            if callable(getattr(module, name, None)):
                found.append(f"{info.name}.{name}")
    return found


def last_line(capsys) -> str:
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said
    return said.splitlines()[-1]


def test_what_a_module_has_imported_is_out_of_reach(tmp_path, monkeypatch, capsys):
    """mkdtemp, Path and their like, named through each of our modules, as data and as a network."""
    monkeypatch.chdir(tmp_path)
    targets = imported_callables()
    assert any(target.endswith(".mkdtemp") for target in targets)
    made = []
    monkeypatch.setattr("tempfile.mkdtemp", lambda *a, **k: made.append(a))
    for target in [t for t in targets if t.endswith(("mkdtemp", "import_module"))] + targets[:4]:
        for group in ("data", "generator"):
            assert main([*TINY, f"{group}._target_={target}"]) == 2, target
            assert f"{group}._target_={target}: " in last_line(capsys)
    assert not made


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    "target",
    [
        "gan_lab.train.main", "gan_lab.process.console.Console", "torch.optim.Adam", "os.system",
        "gan_lab.run.training.RunFolder", "torch.optim.adam.math.floor", "gan_lab.data.cache.store.os.system",
    ],
)  # fmt: skip
def test_no_group_makes_what_is_no_part(group, target, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # Several metrics have a place each.
    place, added = ("metrics.mine", "+") if group == "metrics" else (group, "")
    assert main([*TINY, f"{added}{place}._target_={target}", "hydra.run.dir=run"]) == 2
    assert f"{place}._target_={target}: " in last_line(capsys)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("generator._target_=gan_lab.losses.adversarial.Hinge", "must be a network"),
        ("loss._target_=gan_lab.losses.adversarial.hinge_discriminator", "is no class"),
        ("data._target_=gan_lab.data.sets.cifar_batches._BatchUnpickler", "must be a data set"),
        (
            "optimizer.generator._target_=torch.optim.lr_scheduler.StepLR",
            "must be a torch.optim.Optimizer",
        ),
        ("optimizer.generator._target_=torch.optim.Adamm", "cannot be imported"),
        (
            "penalty=[r1] penalty.r1._target_=gan_lab.networks.dcgan.DcganGenerator",
            "must be a penalty",
        ),
        ("logger=[csv] logger.csv._target_=gan_lab.losses.adversarial.Hinge", "must be a Tracker"),
    ],
)
def test_a_part_of_another_kind(line, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert (
        main(
            [
                *(t for t in TINY if t.partition("=")[0] not in line),
                *line.split(),
                "hydra.run.dir=run",
            ]
        )
        == 2
    )
    assert words in last_line(capsys)


def test_permission_is_for_whole_names(tmp_path, monkeypatch, capsys):
    """allow_targets=[my_lab.] must not allow my_lab_of_another."""
    monkeypatch.chdir(tmp_path)
    line = ["generator._target_=tests_of_another.X", "allow_targets=[tests]"]
    assert main([*TINY, *line]) == 2
    assert "allow it with allow_targets=[tests_of_another.]" in last_line(capsys)


def test_a_module_that_runs_code_is_not_imported_without_permission(tmp_path, monkeypatch, capsys):
    (tmp_path / "evil_module.py").write_text("open('imported', 'w')\nclass X: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main([*TINY, "generator._target_=evil_module.X"]) == 2
    assert not (tmp_path / "imported").exists()
    assert "allow_targets=[evil_module.]" in last_line(capsys)
    assert main([*TINY, "generator._target_=evil_module.X", "allow_targets=[evil_module.]"]) == 2
    assert "must be a network" in last_line(capsys), "allowed, and still of the wrong kind"


def test_an_error_names_the_option_where_its_part_lies(tmp_path, monkeypatch, capsys):
    """A part that says `width=0: ...` is told as generator_a.width where a game calls it generator_a."""
    (tmp_path / "bare_parts.py").write_text(
        inspect.cleandoc("""
            from torch import nn
            from gan_lab.common.ranges import in_range
            class Net(nn.Module):
                def __init__(self, *, width: int = 1):
                    in_range("width", width, low=1)
        """)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    line = ["generator._target_=bare_parts.Net", "generator.width=0", "allow_targets=[bare_parts.]"]
    assert main([*TINY, *line]) == 2
    assert last_line(capsys) == "generator.width=0: must lie in [1, inf)."
