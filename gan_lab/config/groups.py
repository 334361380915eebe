"""What a command line can choose: groups, their choices and their options, as Hydra finds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.config_repository import ConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.default_element import GroupDefault
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import OmegaConf

from gan_lab.config.line import CommandLine

_HERE = Path(__file__).resolve().parent.parent
# conf/ lies beside the package in a checkout and inside it in a wheel.
CONF = str(_HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parent / "conf")

# Choices that write into the root: their options are always there, whatever is chosen.
ROOT = "_global_"


class Groups:
    """The groups of conf/ and of further places.

    Args:
        places: addresses of folders with groups as Hydra writes them, such as `file:///my/conf`.
    """

    def __init__(self, places: Sequence[str] = ()) -> None:
        Plugins.instance()  # registers what reads files
        self._folders = [CONF, *(place.removeprefix("file://") for place in places)]
        path = ConfigSearchPathImpl()
        path.append("main", f"file://{CONF}")
        for place in places:
            path.append("command-line", place)
        self._repository = ConfigRepository(path)

    @classmethod
    def of(cls, line: CommandLine) -> Groups:
        """The groups that a command line can choose from: --config-dir and hydra.searchpath add theirs."""
        places = [f"file://{line.flags['config_dir']}"] if "config_dir" in line.flags else []
        try:
            for one in OverridesParser.create().parse_overrides(list(line.overrides)):
                value = one.value() if one.key_or_group == "hydra.searchpath" else None
                places += (
                    [place for place in value if isinstance(place, str)]
                    if isinstance(value, list)
                    else []
                )
        except HydraException:  # said elsewhere, in a better sentence
            pass
        return cls(places)

    def names(self) -> list[str]:
        """Names of the groups."""
        return self._repository.get_group_options("", results_filter=ObjectType.GROUP)

    def choices(self, group: str) -> list[str]:
        """Names of a group's choices; none where there is no such group."""
        if not group or not self._repository.group_exists(group):
            return []
        return self._repository.get_group_options(group, results_filter=ObjectType.CONFIG)

    def file(self, group: str, choice: str) -> Path | None:
        """The file of a choice, or None where it is in no folder."""
        files = (Path(folder) / group / f"{choice}.yaml" for folder in self._folders)
        return next((file for file in files if file.is_file()), None)

    def takes_several(self, group: str) -> bool:
        """Whether a list of choices has a place for each, as penalty=[r1,r2] has."""
        packages = [self._load(f"{group}/{choice}")[1] for choice in self.choices(group)]
        return any(package.startswith(f"{group}.") for package in packages)

    def unchosen(self, root: str) -> list[str]:
        """Groups in which a command's own file chooses nothing."""
        loaded = self._repository.load_config(root)
        defaults = [] if loaded is None else loaded.defaults_list or []
        return [
            one.group if one.package is None else f"{one.group}@{one.package}"
            for one in defaults
            if isinstance(one, GroupDefault) and one.group is not None and one.value in (None, [])
        ]

    def options(self, root: str = "train") -> dict[str, list[str]]:
        """Dotted names of all options of a command, each with the choices that bring it.

        An option of the root, a model or an experiment has an empty list: it is always there.
        """
        owners: dict[str, list[str]] = {group: [] for group in self.names()}
        self._add(owners, root, places=[""], choices=[""])
        for group in self.names():
            for choice in self.choices(group):
                places, choices = self._places(group, choice)
                self._add(owners, f"{group}/{choice}", places=places, choices=choices)
        return owners

    def _places(self, group: str, choice: str) -> tuple[list[str], list[str]]:
        """Where the options of a choice lie, and how to choose it there."""
        if group == "optimizer":  # the root mounts one for each player
            players = ("generator", "discriminator")
            return [f"optimizer.{p}." for p in players], [
                f"optimizer@optimizer.{p}={choice}" for p in players
            ]
        package = self._load(f"{group}/{choice}")[1]
        if package == ROOT:
            return [""], [""]
        several = package.startswith(f"{group}.")
        return [f"{package}."], [f"{group}=[{choice}]" if several else f"{group}={choice}"]

    def _add(
        self, owners: dict[str, list[str]], config: str, *, places: list[str], choices: list[str]
    ) -> None:
        content = self._load(config)[0]
        for place, choice in zip(places, choices, strict=True):
            for name in _walk(place, content):
                owners.setdefault(name, []).extend([choice] if choice else [])

    def _load(self, config: str) -> tuple[Any, str]:
        """A file's content and the package that it asks for."""
        loaded = self._repository.load_config(config)
        if loaded is None:
            return {}, ""
        package = loaded.header.get("package") or config.partition("/")[0]
        return OmegaConf.to_container(loaded.config, resolve=False), package


def _walk(prefix: str, node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        if key not in {"defaults", "_target_", "hydra"}:
            yield f"{prefix}{key}"
            yield from _walk(f"{prefix}{key}.", value)
