"""What a comparison can be written as: the suffix of a name decides."""

from __future__ import annotations

from pathlib import Path

from gan_lab.common.errors import ConfigError, nearest
from gan_lab.common.paths import user_path

FIGURES = (".png", ".pdf", ".svg")
TABLES = (".csv", ".tex", ".md", ".json")


def out_path(text: str | Path) -> Path:
    """The file that a person wants.

    Raises:
        ConfigError: where its suffix stands for neither a figure nor a table.
    """
    path = user_path(text, "out")
    suffix = path.suffix.lower()
    if path.is_dir() or suffix not in (*FIGURES, *TABLES):
        near = nearest(suffix, [*FIGURES, *TABLES]) if suffix else ""
        said = near or (
            f"; the suffix is one of {', '.join(FIGURES)} for a figure, {', '.join(TABLES)} for a table."
        )
        raise ConfigError(f"out={path}: cannot be written as {suffix or 'a folder'}{said}")
    return path


def is_figure(path: Path) -> bool:
    """Whether a path that `out_path` accepts is a figure's, not a table's."""
    return path.suffix.lower() in FIGURES
