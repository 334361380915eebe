"""MLflow, Comet and Aim, each through the logger that Lightning or the service itself has for it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from lightning.fabric.utilities import rank_zero_only

from gan_lab.common.errors import ConfigError, GanLabError, first_line
from gan_lab.common.paths import user_path
from gan_lab.engine.clock import Clock
from gan_lab.loggers.facts import named_choices
from gan_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)

STORE = "MLFLOW_TRACKING_URI"


@dataclass(kw_only=True, eq=False, repr=False)
class Service:
    """What these trackers have in common. The step is images seen; a resumed run goes on under its id.

    Args:
        folder: the run folder.
        identity: plain values kept in checkpoints; the id is among them.
        config: the composed configuration, plain.
        command: how the run was asked for.
        resolved: what every `auto` has become on this machine.
        name: of the run; None is the folder's name, or the job's options.

    Raises:
        ConfigError: where the package is missing, or the service refuses.
    """

    choice: ClassVar[str]  # the tracker's name, as in `logger=mlflow`
    package: ClassVar[str]  # to install for it

    folder: RunFolder
    identity: MutableMapping[str, Any]
    config: Mapping[str, Any]
    command: Any = None
    resolved: Mapping[str, Any] | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        """Begin the run at the service, and tell it what the run is."""
        self.logger: Any = None
        # Lightning's loggers are silent where a variable such as LOCAL_RANK is left in the environment.
        vars(rank_zero_only)["rank"] = 0
        resumed = self.known_id is not None
        with self._told():
            self.logger = self.make()
            self.identity[f"{self.choice}_id"] = self.logger.version
            if not resumed:  # a service may refuse to change what it was told
                self.logger.log_hyperparams(self.facts)

    def make(self) -> Any:
        """The service's logger for Lightning."""
        raise NotImplementedError

    @property
    def known_id(self) -> str | None:
        """The id of the run that is resumed."""
        return self.identity.get(f"{self.choice}_id")

    @property
    def facts(self) -> dict[str, Any]:
        """The composed configuration with the names of what was chosen, and what every `auto` has become."""
        chosen = named_choices(self.config, getattr(self.command, "choices", None))
        return {**self.config, "chosen": chosen, "resolved": dict(self.resolved or {})}

    @property
    def shown_name(self) -> str:
        """The name that was given; else in a multirun the job's options, else the folder's name."""
        return self.name or getattr(self.command, "name", None) or self.folder.path.resolve().name

    def record(self, values: Mapping[str, float], clock: Clock) -> None:
        """Log values with the counters."""
        self.logger.log_metrics({**values, **clock.counters()}, step=clock.images_seen)

    def close(self, exit_code: int) -> None:
        """Finish the run."""
        if self.logger is not None:
            self.logger.finalize("failed" if exit_code else "success")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the service raises into one sentence."""
        try:
            yield
        except ImportError as error:
            raise ConfigError(
                f"logger={self.choice}: the package {self.package} is not installed; "
                f"install it (pip install {self.package}) or set logger=none."
            ) from error
        except GanLabError:
            raise
        except Exception as error:  # each service has kinds of its own
            raise ConfigError(
                f"logger={self.choice}: the service refuses the run ({first_line(error)}); "
                f"mend logger.{self.choice} or set logger=none."
            ) from error


@contextmanager
def _unchanged(variable: str) -> Iterator[None]:
    """Give a variable back its value: MLflow sets its own, which the next run of a sweep would take for the user's."""
    before = os.environ.get(variable)
    try:
        yield
    finally:
        os.environ.pop(variable, None)
        if before is not None:
            os.environ[variable] = before


@dataclass(kw_only=True, eq=False, repr=False)
class MlflowTracker(Service):
    """MLflow: curves, the configuration as parameters, grids and curves as artifacts.

    Args:
        experiment: of MLflow, which groups runs.
        uri: of the store; None is MLFLOW_TRACKING_URI, or `mlflow.db` in the run folder.
        tags: of the run.
    """

    choice = package = "mlflow"

    experiment: str = "gan_lab"
    uri: str | None = None
    tags: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        """Begin the run; the environment stays as it was."""
        with _unchanged(STORE):
            super().__post_init__()

    def make(self) -> Any:
        """Lightning's logger, with a store."""
        from lightning.pytorch.loggers import MLFlowLogger

        place = self.folder.path.resolve()
        given = self.uri or os.environ.get(STORE)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        log.info("MLflow opens its store; a new one takes some seconds to make.")
        return MLFlowLogger(
            experiment_name=self.experiment,
            run_name=self.shown_name,
            tracking_uri=given or f"sqlite:///{place / 'mlflow.db'}",
            tags=dict(self.tags or {}),
            artifact_location=None if given else (place / "mlflow-artifacts").as_uri(),
            run_id=self.known_id,
        )

    def received(self, values: Mapping[str, float], clock: Clock) -> bool:
        """Whether the store has this record, read back from it."""
        found = self.logger.experiment.get_run(self.logger.run_id).data.metrics
        return values.keys() <= found.keys() and found["images_seen"] == clock.images_seen

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Log a PNG file as an artifact; its name tells when it was made."""
        del clock
        self.logger.experiment.log_artifact(self.logger.run_id, str(path), key)


@dataclass(kw_only=True, eq=False, repr=False)
class CometTracker(Service):
    """Comet: curves, the configuration, grids. It needs an account: COMET_API_KEY, or `comet login`.

    Args:
        project: of Comet.
        workspace: of Comet; None is the account's own.
    """

    choice = "comet"
    package = "comet-ml"

    project: str = "gan_lab"
    workspace: str | None = None

    def make(self) -> Any:
        """Lightning's logger, of a new run or the resumed one."""
        from lightning.pytorch.loggers import CometLogger

        return CometLogger(
            project=self.project,
            workspace=self.workspace,
            name=self.shown_name,
            experiment_key=self.known_id,
            mode="get_or_create",
        )

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Log a PNG file."""
        self.logger.experiment.log_image(str(path), name=key, step=clock.images_seen)

    def close(self, exit_code: int) -> None:
        """Finish the run, so that the next job of a multirun gets its own; Lightning leaves it open."""
        super().close(exit_code)
        self.logger.experiment.end()


@dataclass(kw_only=True, eq=False, repr=False)
class AimTracker(Service):
    """Aim, whose package brings its own logger for Lightning: curves, the configuration, grids.

    Args:
        repo: folder of Aim's records; None is the run folder.
        experiment: of Aim, which groups runs.
    """

    choice = package = "aim"

    repo: str | None = None
    experiment: str = "gan_lab"

    def make(self) -> Any:
        """Aim's logger, without what it would watch by itself."""
        from aim.pytorch_lightning import AimLogger

        place = self.folder.path.resolve()
        if self.repo is not None:
            place = user_path(self.repo, "logger.aim.repo")
        return AimLogger(
            repo=str(place),
            experiment=self.experiment,
            run_name=self.shown_name,
            run_hash=self.known_id,
            system_tracking_interval=None,
            log_system_params=False,
            capture_terminal_logs=False,
        )

    def picture(self, key: str, path: Path, clock: Clock) -> None:
        """Log a PNG file."""
        from aim import Image

        self.logger.experiment.track(Image(str(path)), name=key, step=clock.images_seen)
