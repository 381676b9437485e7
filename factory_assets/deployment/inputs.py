"""Features of decisions as a release's members read them, out of feature tables: by the adapters' own functions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from factory_assets.adapters.feature_rows import FeatureRows
from factory_assets.adapters.sequence import window_index, windows_of
from factory_assets.adapters.tabular import tabular_values
from factory_assets.deployment.release import SEQUENCE, TABULAR, Inputs, Release
from factory_assets.deployment.sequence_input import SequenceInput
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import UnknownNameError
from factory_assets.vocabulary.timeframes import features_name
from factory_assets.vocabulary.windows import LazyWindows


def inputs_of(release: Release, decision_us: np.ndarray, features: Mapping[int, FeatureRows]) -> Inputs:
    """Rows and windows of the given decisions; batch, live and the sealed evaluation all call this.

    Parameters
    ----------
    release : Release
        Says what its members read.
    decision_us : ndarray of int64, shape (N,)
        Decision times, microseconds since 1970 UTC, strictly increasing; each the close of a base bar.
    features : mapping of int to FeatureRows
        Timeframe in minutes to rows of its features with the columns of :attr:`Release.reads`. Of
        each the rows up to a decision count: its last one for rows, as many as a window is long for windows.

    Returns
    -------
    mapping of str to ndarray or LazyWindows
        What :meth:`Release.probabilities` takes. ``tabular``: float32, shape (N, F). ``sequence``, if the release has
        such members: windows over the rows of ``features``, which is copied once as float32.

    Raises
    ------
    UnknownNameError, BadInputError
        As :func:`factory_assets.adapters.tabular.tabular_values` and
        :func:`factory_assets.adapters.sequence.window_index`.
    """
    tabular = tabular_values(decision_us, features, release.pool)
    if release.sequence is None:
        return {TABULAR: tabular}
    return {TABULAR: tabular, SEQUENCE: _windows(release, release.sequence, decision_us, features)}


def _windows(
    release: Release, sequence: SequenceInput, decision_us: np.ndarray, features: Mapping[int, FeatureRows]
) -> LazyWindows:
    if sequence.minutes not in features:
        raise UnknownNameError(
            f"windows: no {features_name(sequence.minutes)}; read the tables and columns of Release.reads"
        )
    held = features[sequence.minutes]
    last, first = window_index(
        decision_us,
        held.close_us,
        SessionCalendar.of(release.instrument).covering(held.close_us).base_clock_us(),
        window_bars=sequence.window_bars,
        outage_minutes_max=sequence.outage_minutes_max,
    )
    return windows_of(held.columns, sequence.names, last, first, window_bars=sequence.window_bars)


def feature_rows_of(features: Mapping[int, pd.DataFrame]) -> dict[int, FeatureRows]:
    """Rows of ``features_*`` tables by timeframe in minutes, as :func:`inputs_of` takes them.

    Raises
    ------
    BadInputError
        Times that do not increase.
    """
    return {minutes: FeatureRows.of(table, features_name(minutes)) for minutes, table in features.items()}
