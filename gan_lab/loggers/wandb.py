"""Weights & Biases through Lightning's logger; the only file that imports wandb."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab.common.errors import ConfigError
from gan_lab.engine.clock import Clock
from gan_lab.storage.environment import git_commit
from gan_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)

X_AXIS = "images_seen"
LONGEST_NAME = 128  # W&B refuses longer names of runs and groups
SECONDS_TO_CONNECT = 30.0


class WandbTracker:
    """Curves over images seen, sample grids, the composed configuration and the commit.

    Host name, console output, package list, code and the checkout's remote are not recorded.

    Args:
        folder: the run folder; W&B's files go to its wandb/.
        identity: plain values kept in checkpoints; a resumed run finds its id there.
        config: the composed configuration, plain.
        mode: offline, online, or auto: online where the user is logged in.
        command: how the run was asked for; in a multirun it has a group and a name.
        project: of W&B.
        entity: user or team of W&B; None for the login's default.
        name: of the run; None for the folder's name, or the overrides in a multirun.
        group: of runs; None for the multirun's folder.
        tags: of the run.
    """

    def __init__(
        self,
        *,
        folder: RunFolder,
        identity: MutableMapping[str, Any],
        config: Mapping[str, Any],
        mode: str = "auto",
        command: Any = None,
        project: str = "gan_lab",
        entity: str | None = None,
        name: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        try:
            import wandb
            from lightning.pytorch.loggers import WandbLogger
        except ImportError as error:
            raise ConfigError(
                "logger=wandb: the package wandb is not installed; install it or set logger=none."
            ) from error
        self.folder = folder
        wandb.setup(wandb.Settings(silent=True))
        identity.setdefault("wandb_id", secrets.token_hex(4))
        name = name or getattr(command, "name", None) or folder.path.resolve().name
        group = group or getattr(command, "group", None)
        place = str(Path(*folder.path.resolve().parts[-3:]))
        options = {
            "dir": str(folder.path),
            "project": project,
            "entity": entity,
            "id": identity["wandb_id"],
            "resume": "allow",
            "name": name[:LONGEST_NAME],
            "group": group[:LONGEST_NAME] if group else None,
            "job_type": "train",
            "tags": list(tags) or None,
            "config": {**config, "commit": git_commit(), "run_folder": place},
            "settings": _settings(wandb),
        }
        run = _start(wandb, mode, options)
        # The run is made here and not by Lightning, which would define its step counter (it counts
        # optimizer steps, of all players together) as the x-axis of everything.
        run.define_metric(X_AXIS)
        run.define_metric("*", step_metric=X_AXIS)
        self.logger = WandbLogger(experiment=run, log_model=False, save_dir=str(folder.path))

    def record(self, values: Mapping[str, float], clock: Clock) -> None:
        """Log values with the counters, never with W&B's own step, which drops late records."""
        self.logger.log_metrics({**values, **clock.counters()})

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Log a PNG file: bytes, since W&B would cut floats in [-1, 1] to black."""
        import wandb
        from PIL import Image

        with Image.open(path) as image:
            picture = wandb.Image(image, file_type="png")
        self.logger.experiment.log({key: picture, **clock.counters()})

    def close(self, exit_code: int) -> None:
        """Finish the run, so that the next job of a multirun gets its own."""
        run = self.logger.experiment
        protocols = [r["protocol"] for r in self.folder.records() if r.get("protocol")]
        if protocols:
            run.summary["protocol"] = protocols[-1]
        run.finish(exit_code=exit_code)


def _settings(wandb: Any) -> Any:
    """Quiet, and without what would tell about the machine or other code on it."""
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
    )


def _start(wandb: Any, mode: str, options: Mapping[str, Any]) -> Any:
    """Start the run; WANDB_MODE is heard in mode auto.

    Raises:
        ConfigError: with mode=online, if the user is not logged in or the service is out of reach.
    """
    wish = os.environ.get("WANDB_MODE", "auto") if mode == "auto" else mode
    if wish in ("offline", "dryrun", "disabled"):
        return wandb.init(**options, mode="offline" if wish == "dryrun" else wish)
    try:
        if wandb.login(prompt=False, verify=False):
            return wandb.init(**options, mode="online")
        problem, remedy = "you are not logged in to W&B", "run `wandb login` once, or "
    except wandb.errors.Error as error:
        reason = str(error).strip().splitlines()[0]
        problem, remedy = f"W&B cannot be reached ({reason})", ""
        if wish == "auto":
            log.info(f"{problem}; this run is recorded offline.")
    if wish == "auto":
        return wandb.init(**options, mode="offline")
    raise ConfigError(f"logger.mode=online: {problem}; {remedy}set logger.mode=offline.")
