"""Many fits of one container: in this process, or side by side in processes of their own."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from factory_assets.models.registry import entry
from factory_assets.stacking.fit_files import perform, read_result, write_tasks
from factory_assets.stacking.fit_processes import FitProcesses
from factory_assets.stacking.fit_request import FitRequest
from factory_assets.stacking.member_fit import MemberFit
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import FitError
from factory_assets.vocabulary.settings import SplitSettings


@dataclass(frozen=True, kw_only=True)
class FitWork:
    """Where long fits of one asset keep what a killed run goes on from.

    Attributes
    ----------
    folder : Path
        Absolute folder of this asset and partition alone. One process works in it at a time, and whoever owns it
        removes it when the outputs are made; :mod:`factory_assets.stacking.fit_files` says what lies in it. What lies
        there of other code or libraries is not used.
    processes : int
        Most child processes that fit at a time; 0 fits in this process. The result is the same bytes.
    children : FitProcesses, optional
        Children that several batches of fits share; without them every batch starts and ends its own.
    """

    folder: Path
    processes: int
    children: FitProcesses | None = None


def fit_members(
    requests: Sequence[FitRequest],
    data: TimeSeriesDataContainer,
    kinds: Sequence[str],
    *,
    settings: SplitSettings,
    clock_us: np.ndarray,
    work: FitWork | None = None,
) -> list[MemberFit]:
    """Fit what is asked for.

    Fits of models whose entry says so run in child processes (``own_process``) and survive a kill (``resumable``), if
    there is a folder for that; all others run here, one after the other.

    Parameters
    ----------
    requests : sequence of FitRequest
        Fits of one model, each of another name.
    data, kinds, settings, clock_us
        As for :func:`factory_assets.stacking.fit_recorded`.
    work : FitWork, optional
        Folder and number of processes; without it every fit runs here and begins anew.

    Returns
    -------
    list of MemberFit
        In the order of the requests.

    Raises
    ------
    BadInputError, TooLittleHistoryError
        As the fits raise.
    FitError
        A fit that did not converge, whose process was killed, or whose code or libraries changed on the way.
    """
    declared = [entry(request.model_name) for request in requests]
    if work is None or not any(one.own_process or one.resumable for one in declared):
        return [request.fit(data, kinds, settings=settings, clock_us=clock_us) for request in requests]
    tasks = write_tasks(work.folder, requests, data, kinds, settings=settings, clock_us=clock_us)
    apart = [task for task, one in zip(tasks, declared, strict=True) if one.own_process and work.processes > 0]
    with nullcontext(work.children) if work.children else FitProcesses(work.folder, work.processes) as children:
        children.perform(apart)
    for task in tasks:
        if task not in apart:
            perform(task)
    fits = [read_result(task) for task in tasks]
    if lost := [task.stem for task, fit in zip(tasks, fits, strict=True) if fit is None]:
        raise FitError(f"fits {lost}: finished, but their results in {work.folder} cannot be read back. Run it again.")
    return [fit for fit in fits if fit is not None]
