"""The log of runs in MLflow: what was fitted and released, with which parameters, curves, metrics and data.

Belongs here: what a publication says for the log (``tracked_runs``), where the log lies and how it is opened
(``place``), and the writing of it (``run_log``, ``tracker``). MLflow is a log, never a loader: nothing of the factory
reads a model, a number or a decision back from it, so a log that is broken, locked or lost costs a warning and no run.
Bundles are copied into it as the opaque files they are.
"""

from factory_assets.orchestration.tracking.tracked_runs import Publication, Published, settings_made_under
from factory_assets.orchestration.tracking.tracker import Tracker

__all__ = ["Publication", "Published", "Tracker", "settings_made_under"]
