"""The options that exist are a promise: they equal a list that is changed on purpose only.

After adding, renaming or removing an option, renew the list and read the difference before committing it:

    .venv/bin/python -m tests.contracts.test_surface
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
from omegaconf import OmegaConf

from gan_lab.config.groups import CONF, Groups
from tests.contracts.walk import content

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "options.txt"


def leaves(node: Any, prefix: str = "") -> Iterator[str]:
    """Dotted paths of the values in nested mappings; an empty mapping counts as a value."""
    if isinstance(node, dict) and (node or not prefix):
        for key, value in node.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix


def surface() -> list[str]:
    """Lines such as `train: data.batch_size` and `generator=mlp: width`, sorted.

    The first are the options of each command's default configuration, the second the keys of each group's choices.
    """
    lines = set()
    for root in sorted(Path(CONF).glob("*.yaml")):
        with hydra.initialize_config_dir(version_base="1.3", config_dir=CONF):
            config = OmegaConf.to_container(hydra.compose(config_name=root.stem))
        lines |= {f"{root.stem}: {path}" for path in leaves(config)}
    for group in Groups().names():
        for choice in Groups().choices(group):
            keys = content(Path(CONF) / group / f"{choice}.yaml")
            keys.pop("defaults", None)
            lines |= {f"{group}={choice}: {path}" for path in leaves(keys) if path}
    return sorted(lines)


def test_the_options_are_the_promised_ones():
    promised = GOLDEN.read_text().splitlines()
    now = surface()
    gone, new = sorted(set(promised) - set(now)), sorted(set(now) - set(promised))
    assert not gone, (
        f"gone, a breaking change: {gone}; if meant, renew {GOLDEN.name} (see the top of this file)"
    )
    assert not new, f"new: {new}; renew {GOLDEN.name} (see the top of this file)"
    assert promised == now, "the list is sorted, without doubles"


def test_paths_are_at_most_three_deep():
    for line in surface():
        assert line.partition(": ")[2].count(".") <= 2, line


if __name__ == "__main__":
    GOLDEN.write_text("\n".join(surface()) + "\n")
