"""Features of decisions as a release's members read them, out of feature tables: by the adapters' own functions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from factory_assets.adapters import build_tabular
from factory_assets.adapters.sequence import window_index, windows_of
from factory_assets.deployment.release import SEQUENCE, TABULAR, Inputs, Release
from factory_assets.deployment.sequence_input import SequenceInput
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import UnknownNameError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.timeframes import features_name
from factory_assets.vocabulary.windows import LazyWindows


def inputs_of(
    release: Release, decision_us: np.ndarray, trade_day: np.ndarray, features: Mapping[int, pd.DataFrame]
) -> Inputs:
    """Rows and windows of the given decisions; batch, live and the sealed evaluation all call this.

    Parameters
    ----------
    release : Release
        Says what its members read.
    decision_us : ndarray of int64, shape (N,)
        Decision times, microseconds since 1970 UTC, strictly increasing; each the close of a base bar.
    trade_day : ndarray of int32, shape (N,)
        Session of each decision, days since 1970.
    features : mapping of int to DataFrame
        Timeframe in minutes to its ``features_*`` table with the columns of :attr:`Release.reads`, in time order. Of
        each the rows up to a decision count: its last one for rows, as many as a window is long for windows.

    Returns
    -------
    mapping of str to ndarray or LazyWindows
        What :meth:`Release.probabilities` takes. ``tabular``: float32, shape (N, F). ``sequence``, if the release has
        such members: windows over the rows of ``features``, which is copied once as float32.

    Raises
    ------
    UnknownNameError, BadInputError
        As :func:`factory_assets.adapters.build_tabular` and :func:`factory_assets.adapters.sequence.window_index`.
    """
    # after decision_time and trade_date, the columns are the pool's in its order: the release's
    rows = build_tabular(decision_us, trade_day, features, release.pool).iloc[:, 2:]
    tabular = rows.to_numpy(dtype=np.float32)
    if release.sequence is None:
        return {TABULAR: tabular}
    return {TABULAR: tabular, SEQUENCE: _windows(release, release.sequence, decision_us, features)}


def _windows(
    release: Release, sequence: SequenceInput, decision_us: np.ndarray, features: Mapping[int, pd.DataFrame]
) -> LazyWindows:
    name = features_name(sequence.minutes)
    if sequence.minutes not in features:
        raise UnknownNameError(f"windows: no {name}; read the tables and columns of Release.reads")
    table = features[sequence.minutes]
    close_us = times_us(table["close_time"], f"{name} close_time")
    last, first = window_index(
        decision_us,
        close_us,
        SessionCalendar.of(release.instrument).covering(close_us).base_clock_us(),
        window_bars=sequence.window_bars,
        outage_minutes_max=sequence.outage_minutes_max,
    )
    return windows_of(table, sequence.names, last, first, window_bars=sequence.window_bars)
