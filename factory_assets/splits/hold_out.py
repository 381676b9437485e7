"""The hold-out of a study: fit on train, choose and calibrate on val; the test period is sealed elsewhere."""

from typing import Any

import numpy as np

from factory_assets.splits.intervals import checked_clock, checked_intervals
from factory_assets.splits.roles import roles_around
from factory_assets.splits.study import Study, day_text
from factory_assets.vocabulary.errors import BadInputError, SealedPeriodError, TooLittleHistoryError
from factory_assets.vocabulary.sample_roles import TEST, TRAIN, VAL


def hold_out(trade_day: np.ndarray, t0: Any, t1: Any, study: Study, *, purge: int = 0, clock: Any = None) -> np.ndarray:
    """Role of every row by the study's cut dates.

    Parameters
    ----------
    trade_day : ndarray of int32, shape (N,)
        Session of each decision, days since 1970.
    t0, t1 : array_like, shape (N,)
        Closed label intervals, as for :meth:`PurgedKFold.split`.
    study : Study
        Frozen cut dates.
    purge : int, default 0
        Base bars on the clock before val's first ``t0`` at which no training row starts. 0: the last decision of the
        train period may train. There is no embargo: no training row follows val.
    clock : array_like, optional
        Scheduled base-bar closes over the rows' span; None only if ``purge`` is 0.

    Returns
    -------
    ndarray of int8, shape (N,)
        Positions in :data:`factory_assets.splits.ROLES`: train, val or purged.

    Raises
    ------
    SealedPeriodError
        A row belongs to the test or the forward period: such outcomes live in their own tables.
    BadInputError
        A row lies before the study, or arrays differ in length.
    TooLittleHistoryError
        No row is left to train on, or none is in val.
    """
    t0_us, t1_us = checked_intervals(t0, t1)
    clock_us = checked_clock(clock, t0_us, purge=purge)
    if len(trade_day) != len(t0_us):
        raise BadInputError(f"trade_day has {len(trade_day)} rows, t0 has {len(t0_us)}")
    in_train, in_val = development_rows(trade_day, study)
    if not bool(in_val.any()) or not bool(in_train.any()):
        raise TooLittleHistoryError(
            f"{study.contract}: hold-out of {in_train.sum()} train and {in_val.sum()} val rows; both need at least one"
        )
    roles = roles_around(t0_us, t1_us, in_val, purge_bars=purge, after_bars=0, clock_us=clock_us)
    roles[roles == TEST] = VAL
    if not bool(np.any(roles == TRAIN)):
        raise TooLittleHistoryError(f"{study.contract}: hold-out leaves no training row after a purge of {purge} bars")
    return roles


def development_rows(trade_day: np.ndarray, study: Study) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the train and of the val rows; any other row is an error.

    Raises
    ------
    SealedPeriodError
        A row belongs to the test or the forward period.
    BadInputError
        A row lies before the study.
    """
    day = np.asarray(trade_day, dtype=np.int32)
    sealed = day >= study.test_first_day
    if bool(sealed.any()):
        raise SealedPeriodError(
            f"{study.contract}: {int(sealed.sum())} rows from {day_text(day[sealed].min())} on, but outcomes from "
            f"{day_text(study.test_first_day)} on are sealed; cut the labels at the study's val end"
        )
    before = day < study.train_first_day
    if bool(before.any()):
        raise BadInputError(
            f"{study.contract}: {int(before.sum())} rows before the study's first session "
            f"{day_text(study.train_first_day)}; cut the labels at the study's start"
        )
    return day < study.val_first_day, day >= study.val_first_day
