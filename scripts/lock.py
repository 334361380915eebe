"""Remake constraints.txt: exact versions for all platforms, naming no package index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = (
    "# Exact versions of everything an environment holds: made by 'make lock' "
    "(uv pip compile --universal), used by 'make setup' with -c.\n"
)


def main() -> None:
    """Compile and write the file."""
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
        "--all-extras", "--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links",
        str(ROOT / "pyproject.toml"),
    ]  # fmt: skip
    pins = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "://" in pins:
        raise SystemExit("The pins name a host; pin released versions only.")
    (ROOT / "constraints.txt").write_text(HEADER + pins)


if __name__ == "__main__":
    main()
