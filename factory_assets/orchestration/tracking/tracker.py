"""The one writer of the log: takes what was published, never fails, and gives up at once when the log is broken."""

import logging
import sqlite3
import sys
from functools import cached_property

from factory_assets.orchestration.tracking.place import TrackingPlace
from factory_assets.orchestration.tracking.run_log import RunLog
from factory_assets.orchestration.tracking.tracked_runs import Published, tracked_runs
from factory_assets.vocabulary.errors import BadInputError, LockTimeoutError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.settings import TrackingSettings

_log = logging.getLogger(__name__)


class Tracker:
    """Logs publications of one run of the graph.

    Parameters
    ----------
    home : FactoryHome
        Where the log lies unless the settings or the environment name another store.
    settings : TrackingSettings
        Whether and where to log.

    Attributes
    ----------
    logged, skipped : int
        Runs written, and runs left out since the log broke.
    """

    def __init__(self, home: FactoryHome, settings: TrackingSettings) -> None:
        self._home, self._settings = home, settings
        self._broken = False
        self.logged = self.skipped = 0

    def take(self, published: Published) -> str | None:
        """Log what one body published; the message of a log that broke right now, None otherwise.

        Nothing is raised: MLflow's errors, the database's, the disk's and the network's cost one warning, and from then
        on runs are only counted in :attr:`skipped`, so that a dead server is not waited for again and again.
        """
        if not self._settings.enabled:
            return None
        runs = list(tracked_runs(published, self._home))
        if self._broken or not runs:
            self.skipped += len(runs)
            return None
        before = self.logged
        try:
            for run in runs:
                self._runs.write(run)
                self.logged += 1
        except _trouble() as problem:
            self._broken = True
            self.skipped += len(runs) - (self.logged - before)
            message = (
                f"{published.key}: the run log (MLflow) could not be written: {type(problem).__name__}: {problem}. The "
                "run itself is not touched; nothing more of it is logged. Correct [tracking] uri or "
                "MLFLOW_TRACKING_URI, make the store writable, or set [tracking] enabled = false."
            )
            _log.warning(message)
            return message
        return None

    @cached_property
    def _runs(self) -> RunLog:
        return RunLog(TrackingPlace.of(self._home, self._settings), curve_points_max=self._settings.curve_points_max)


def _trouble() -> tuple[type[Exception], ...]:
    """What a log may break with; asked for when something was raised, so MLflow is not imported for it."""
    # ValueError: what URL parsers and MLflow's own checks raise.
    known: list[type[Exception]] = [OSError, ValueError, ImportError, sqlite3.Error, LockTimeoutError, BadInputError]
    if "mlflow" in sys.modules:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        known += [MlflowException, SQLAlchemyError]
    return tuple(known)
