"""Weights & Biases; the only file that imports wandb."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab.common.errors import ConfigError, first_line
from gan_lab.engine.clock import Clock
from gan_lab.loggers.facts import METRIC, named_choices, protocols_of, standing
from gan_lab.loggers.wandb_choices import VARIABLES, Choice, check_choices, choose, heard, reason_of
from gan_lab.storage.environment import git_commit
from gan_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)

X_AXIS = "images_seen"
SECONDS_TO_CONNECT = 30.0
SECONDS_TO_FLUSH = 0.5  # from a record to W&B's file; its own are 15
SECONDS_TO_ARRIVE = 20.0  # of a first record, where W&B keeps to its own
SPARE = 1 << 20  # bytes that must be free for a record
# What an agent of `wandb sweep` decides.
OF_A_SWEEP = ("project", "entity", "id")


class WandbTracker:
    """Curves over images seen, sample grids, the composed configuration and the commit.

    Host name, console output, package list, code and the checkout's remote are not recorded. Lightning's logger is not
    used: it is silent where a variable such as LOCAL_RANK is left in the environment, and would define its step
    counter, which counts batches, as the x-axis of everything.

    Args:
        folder: the run folder; W&B's files go to its wandb/.
        identity: plain values kept in checkpoints; a resumed run finds its id there.
        config: the composed configuration, plain.
        mode: offline, online, or auto: WANDB_MODE, else online where the user is logged in.
        command: how the run was asked for; in a multirun it has a group and a name.
        resolved: what every `auto` has become on this machine, such as the precision.
        project: of W&B; None is WANDB_PROJECT, or gan_lab.
        entity: user or team of W&B; None is WANDB_ENTITY, or the login's default.
        name: of the run; None is WANDB_NAME, or the folder's name, or the overrides in a multirun.
        group: of runs; None is WANDB_RUN_GROUP, or the multirun's folder.
        tags: of the run; none is WANDB_TAGS.
    """

    def __init__(
        self,
        *,
        folder: RunFolder,
        identity: MutableMapping[str, Any],
        config: Mapping[str, Any],
        mode: str = "auto",
        command: Any = None,
        resolved: Mapping[str, Any] | None = None,
        project: str | None = None,
        entity: str | None = None,
        name: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        wandb = _imported()
        self.folder = folder
        given = {"project": project, "entity": entity, "name": name, "group": group}
        chosen = _chosen(
            wandb,
            {**given, "tags": list(tags)},
            folder,
            command,
            stored_id=identity.get("wandb_id"),
        )
        facts = {
            "chosen": named_choices(config, getattr(command, "choices", None)),
            "resolved": dict(resolved or {}),
            "commit": git_commit(),
            "run_folder": str(Path(*folder.path.resolve().parts[-3:])),
        }
        asked = {key: one.value for key, one in chosen.items()}
        place = {"dir": str(folder.path), "settings": _settings(wandb)}
        self.run = _start(wandb, mode, {**asked, **place, "config": {**config, **facts}})
        self.disabled = bool(getattr(self.run, "disabled", False))
        if not self.disabled:
            _keep_id(identity, self.run.id)
        self.run.define_metric(X_AXIS)
        self.run.define_metric("*", step_metric=X_AXIS)

    def record(self, values: Mapping[str, float], clock: Clock) -> None:
        """Log values with the counters, never with W&B's own step, which drops late records.

        Raises:
            OSError: if the disk has no room for W&B's file.
        """
        self._look_for_room()
        self.run.log({**values, **clock.counters()})
        if any(key.startswith(METRIC) for key in values):
            self._summarize()

    def received(self, values: Mapping[str, float], clock: Clock) -> bool:
        """Whether W&B's own process has this record as its last, and its file has the keys.

        A run that is disabled by WANDB_MODE records nothing, as its user wants.
        """
        if self.disabled:
            return True
        summary = self.run.summary
        if summary.get(X_AXIS) != clock.images_seen or not values.keys() <= set(summary.keys()):
            return False
        until = time.monotonic() + SECONDS_TO_ARRIVE
        while not (arrived := self._file_has(values)) and time.monotonic() < until:
            time.sleep(SECONDS_TO_FLUSH / 5)
        return arrived

    def _file_has(self, keys: Iterable[str]) -> bool:
        """Whether W&B's file, which it writes now and then, names these keys; they stand in it as they are."""
        file = Path(self.run.settings.sync_file)
        content = file.read_bytes() if file.is_file() else b""
        return all(key.encode() in content for key in keys)

    def _look_for_room(self) -> None:
        """Raise OSError on a full disk: W&B's process would drop the record and say nothing."""
        if not self.disabled and shutil.disk_usage(self.folder.path).free < SPARE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder.path / "wandb"))

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Log a PNG file: bytes, since W&B would cut floats in [-1, 1] to black."""
        import wandb
        from PIL import Image

        with Image.open(path) as image:
            picture = wandb.Image(image, file_type="png")
        self.run.log({key: picture, **clock.counters()})

    def close(self, exit_code: int) -> None:
        """Finish the run, so that the next job of a multirun gets its own."""
        self._summarize()
        self.run.finish(exit_code=exit_code)

    def _summarize(self) -> None:
        """Keep the last and the best metric in the run's summary, with the protocol under which they hold."""
        records = self.folder.records()
        protocols = protocols_of(records)
        if protocols:
            told = next(iter(protocols.values())) if len(protocols) == 1 else protocols
            self.run.summary.update({**standing(records), "protocol": told})


def _imported() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise ConfigError(
            "logger=wandb: the package wandb is not installed; install it or set logger=none."
        ) from error
    return wandb


def _chosen(
    wandb: Any,
    options: Mapping[str, Any],
    folder: RunFolder,
    command: Any,
    *,
    stored_id: str | None,
) -> dict[str, Choice]:
    """What wandb.init is asked for, checked; without what an agent of a sweep decides."""
    group = getattr(command, "group", None)
    defaults = {
        "project": "gan_lab",
        "name": getattr(command, "name", None) or folder.path.resolve().name,
        "group": group,
        "job_type": "train",
        "resume": "allow",
    }
    chosen = choose(options, defaults)
    chosen["id"] = _run_id(stored_id, several=group is not None)
    check_choices(wandb, chosen)
    left_out = (*(OF_A_SWEEP if _in_a_sweep(wandb) else ()), "mode")
    return {key: one for key, one in chosen.items() if key not in left_out}


def _run_id(stored: str | None, *, several: bool) -> Choice:
    """The id to ask for: WANDB_RUN_ID, else that of the run that is resumed, else a new one."""
    wish = heard("id")
    if wish is not None and not several:
        return wish
    if wish is not None:
        log.info("WANDB_RUN_ID is not used: each job of a multirun is a W&B run of its own.")
    return Choice(stored or secrets.token_hex(4))


def _keep_id(identity: MutableMapping[str, Any], used: str) -> None:
    """Note the id that W&B really uses, for checkpoints."""
    before = identity.get("wandb_id")
    if before not in (None, used):
        log.info(f"This resumed run goes on as {used} at W&B; its earlier records are in {before}.")
    identity["wandb_id"] = used


def _in_a_sweep(wandb: Any) -> bool:
    """Begin W&B's session, which reads the environment; an agent of `wandb sweep` is told by it.

    Raises:
        ConfigError: if one of W&B's variables is wrong.
    """
    if mode := heard("mode"):  # W&B itself knows small letters only
        os.environ[VARIABLES["mode"]] = str(mode.value)
    try:
        return bool(wandb.setup(wandb.Settings(silent=True)).settings.sweep_id)
    except (wandb.errors.Error, ValueError) as error:
        raise ConfigError(
            f"logger=wandb: W&B refuses its environment ({reason_of(error)}); "
            "mend the variable whose name begins with WANDB_, or set logger=none."
        ) from error


def _settings(wandb: Any) -> Any:
    """Quiet, and without what would tell about the machine or other code on it."""
    flush = "x_transaction_log_flush_interval"
    return wandb.Settings(
        silent=True,
        console="off",
        reinit="create_new",  # by default a second run in this process would be the first again
        host="-",
        save_code=False,
        disable_code=True,
        disable_git=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        init_timeout=SECONDS_TO_CONNECT,
        **({flush: SECONDS_TO_FLUSH} if flush in wandb.Settings.model_fields else {}),
    )


def _start(wandb: Any, mode: str, options: Mapping[str, Any]) -> Any:
    """Start the run; WANDB_MODE is heard in mode auto.

    Raises:
        ConfigError: with mode=online, if the user is not logged in or the service is out of reach; if W&B refuses the
            run's settings.
    """
    variable = heard("mode") if mode == "auto" else None
    wish = mode if variable is None else str(variable.value)
    try:
        if wish in ("offline", "dryrun", "disabled"):
            return wandb.init(**options, mode="offline" if wish == "dryrun" else wish)
        return _start_online(wandb, wish, options)
    except (wandb.errors.UsageError, ValueError) as error:
        raise ConfigError(
            f"logger=wandb: W&B refuses the run ({reason_of(error)}); mend logger.wandb or set logger=none."
        ) from error


def _start_online(wandb: Any, wish: str, options: Mapping[str, Any]) -> Any:
    """Start the run at the service; with `auto` offline where that cannot be."""
    try:
        if wandb.login(prompt=False, verify=False):
            return wandb.init(**options, mode="shared" if wish == "shared" else "online")
        problem, remedy = "you are not logged in to W&B", "run `wandb login` once, or "
    except wandb.errors.UsageError:
        raise
    except wandb.errors.Error as error:
        problem, remedy = f"W&B cannot be reached ({first_line(error)})", ""
        if wish == "auto":
            log.info(f"{problem}; this run is recorded offline.")
    if wish == "auto":
        return wandb.init(**options, mode="offline")
    raise ConfigError(f"logger.mode=online: {problem}; {remedy}set logger.mode=offline.")
