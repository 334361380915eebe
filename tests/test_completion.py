"""Tab completion: what is offered, and that the shells which are installed take it from a real key press."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
import time

import pytest

from gan_lab import completion
from gan_lab.config.candidates import candidates, is_path
from tests.conftest import REPOSITORY

# How a person sets it up, and how an empty shell of this kind is started.
SHELLS = {
    "bash": (["bash", "--norc", "-i"], 'eval "$(gan-lab completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit && compinit -u -D && eval "$(gan-lab completion zsh)"',
    ),
    "fish": (["fish", "--no-config", "-i"], "gan-lab completion fish | source"),
}


def test_names_of_options_and_of_choices():
    assert {"model.n_critic=", "model="} <= set(candidates("train", "mod"))
    assert candidates("train", "model=wg") == ["model=wgan", "model=wgan_gp"]
    assert candidates("train", "generator.wi") == ["generator.width="]
    assert candidates("train", "penalty.r1.") == ["penalty.r1.every=", "penalty.r1.weight="]
    assert candidates("train", "+penal")[-1] == "+penalty="
    assert candidates("train", "optimizer.generator.l") == ["optimizer.generator.lr="]
    assert candidates("train", "nonsense") == []
    # A command is offered its own options, not those of training.
    assert "num=" in candidates("sample", "")
    assert not [one for one in candidates("sample", "") if one.startswith(("model", "data"))]


def test_values_that_are_known():
    assert candidates("train", "tf32=") == ["tf32=false", "tf32=true"]
    assert candidates("train", "memory_format=c") == [
        "memory_format=channels_last",
        "memory_format=contiguous",
    ]
    assert candidates("sample", "device=") == ["device=auto", "device=cpu", "device=cuda"]
    assert candidates("train", "max_kimg=") == []
    assert is_path("run=outputs/a")
    assert not is_path("model=gan")


def test_the_script_is_for_a_shell_that_is_named(capsys):
    assert completion.main(["bsh"]) == 2
    assert "name one shell: bash, zsh, fish" in capsys.readouterr().err
    assert completion.main(["--help"]) == 0
    assert ".zshrc" in capsys.readouterr().out


@pytest.fixture
def script(tmp_path):
    """A folder for PATH with this checkout's console script."""
    place = tmp_path / "bin"
    place.mkdir()
    file = place / "gan-lab"
    file.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from gan_lab.cli import main\nsys.exit(main())\n"
    )
    file.chmod(0o755)
    return place


class Typist:
    """A shell on a terminal of its own, and what it shows."""

    def __init__(self, command, environment, folder):
        self.terminal, inner = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=inner, stdout=inner, stderr=inner, env=environment, cwd=folder,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(inner)

    def type(self, keys, until, seconds=60):
        """Press keys, and wait until the shell shows what is looked for; return all that it showed."""
        os.write(self.terminal, keys.encode())
        shown, end = "", time.monotonic() + seconds
        while not re.search(until, shown) and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.2)[0]:
                shown += os.read(self.terminal, 65536).decode(errors="replace")
        assert re.search(until, shown), f"{keys!r} has shown {shown!r}"
        return shown

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes_at_a_real_tab(shell, script, tmp_path):
    """A choice is completed as far as it is one, and both that are left are shown."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command, setting_up = SHELLS[shell]
    environment = {
        "PATH": f"{script}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "xterm", "PS1": "> ",
    }  # fmt: skip
    typist = Typist(command, environment, tmp_path)
    try:
        typist.type(f"{setting_up}; echo re''ady\r", "ready")
        typist.type("gan-lab train model=dcg\t", "dcgan")
        typist.type("\x15gan-lab train model=wg\t\t\t", "wgan_gp")
        typist.type("\x15gan-lab sample batch_n\t", "batch_norm=")
    finally:
        typist.close()
