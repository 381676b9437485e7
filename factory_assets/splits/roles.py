"""The role each row plays around one test block: train, test, purged or embargoed."""

import numpy as np
import pandas as pd

from factory_assets.splits.intervals import meets_any, window_after_us, window_before_us
from factory_assets.vocabulary.sample_roles import EMBARGOED, PURGED, ROLES, TEST, TRAIN


def role_names(codes: np.ndarray) -> pd.Categorical:
    """Role codes (positions in :data:`factory_assets.splits.ROLES`), shape (N,), as categorical text."""
    return pd.Categorical.from_codes(np.asarray(codes, dtype=np.int8), categories=list(ROLES))


def roles_around(
    t0_us: np.ndarray,
    t1_us: np.ndarray,
    in_test: np.ndarray,
    *,
    purge_bars: int,
    after_bars: int,
    clock_us: np.ndarray,
) -> np.ndarray:
    """Roles of all rows when one block of rows is the test.

    Parameters
    ----------
    t0_us, t1_us : ndarray of int64, shape (N,)
        Closed label intervals in any order.
    in_test : ndarray of bool, shape (N,)
        The block: rows contiguous in order of ``t0``, at least one.
    purge_bars : int
        Scheduled closes before the block's first ``t0`` at which no training row starts.
    after_bars : int
        Scheduled closes after the block's *latest* ``t1`` (not the last row's) at which no training row starts:
        embargo plus the length of the models' input window.
    clock_us : ndarray of int64, shape (C,)
        Scheduled base-bar closes; may be empty if both counts are 0.

    Returns
    -------
    ndarray of int8, shape (N,)
        Positions in :data:`factory_assets.splits.ROLES`. *Purged*: the interval meets a test interval, or starts in
        the purge window. *Embargoed*: the row starts after the latest end, within the counted bars.
    """
    first_us, latest_us = int(t0_us[in_test].min()), int(t1_us[in_test].max())
    roles = np.full(len(t0_us), TRAIN, dtype=np.int8)
    after_end_us = window_after_us(clock_us, latest_us, after_bars)
    roles[(t0_us > latest_us) & (t0_us <= after_end_us)] = EMBARGOED
    before_start_us = window_before_us(clock_us, first_us, purge_bars)
    roles[(t0_us >= before_start_us) & (t0_us < first_us)] = PURGED
    roles[meets_any(t0_us, t1_us, t0_us[in_test], t1_us[in_test])] = PURGED
    roles[in_test] = TEST
    return roles
