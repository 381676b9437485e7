"""The splits table: one role for every sampled decision under every scheme and fold."""

import numpy as np
import pandas as pd

from factory_assets.splits.hold_out import development_rows, hold_out
from factory_assets.splits.purged_kfold import PurgedKFold
from factory_assets.splits.roles import role_names
from factory_assets.splits.study import Study
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, from_us, times_us
from factory_assets.vocabulary.settings import SplitSettings

SCHEMES: tuple[str, ...] = ("hold_out", "purged_kfold")


def split_table(
    labels: pd.DataFrame, study: Study, settings: SplitSettings, clock_us: np.ndarray, *, window_bars: int
) -> pd.DataFrame:
    """Assign every sampled decision of train and val.

    Parameters
    ----------
    labels : DataFrame
        Columns of the ``labels`` table; only rows that are ``event`` and ``eligible`` are assigned.
    study : Study
        Frozen cut dates.
    settings : SplitSettings
        Folds, purge and embargo.
    clock_us : ndarray of int64, shape (C,)
        Every scheduled base-bar close over the labels' span.
    window_bars : int
        Base bars the longest input window of any model shows, added to the embargo for all of them, so that every model
        is judged on the same rows after the same training rows. Like the embargo it is counted in scheduled closes: a
        window over missing bars reaches further back, so the windows are compared with the folds once they are made
        (:func:`factory_assets.adapters.fold_windows_verdict`). What the features of a bar look back on is not part of
        it. 0: no model looks at more than the bar of its decision.

    Returns
    -------
    DataFrame
        ``decision_time, scheme, fold, role`` in order of scheme, fold and decision. Scheme ``hold_out`` (fold 0) holds
        train and val rows (train, val, purged), ``purged_kfold`` the train rows once a fold (train, test, purged,
        embargoed).

    Raises
    ------
    BadInputError
        Decision times that repeat, rows before the study, or a sampled row without an interval.
    SealedPeriodError
        A row of the test or forward period.
    TooLittleHistoryError
        An empty fold.
    """
    development_rows(dates_days(labels["trade_date"]), study)
    sample = labels.loc[labels["event"].to_numpy(dtype=bool) & labels["eligible"].to_numpy(dtype=bool)]
    decision_us = times_us(sample["decision_time"], "decision_time")
    order = np.argsort(decision_us, kind="stable")
    sample, decision_us = sample.iloc[order], decision_us[order]
    if bool(np.any(np.diff(decision_us) == 0)):
        raise BadInputError(f"{study.contract}: decision times of the labels repeat; expected one row a decision")
    t0_us, t1_us = times_us(sample["t0"], "t0"), times_us(sample["t1"], "t1")
    trade_day = dates_days(sample["trade_date"])

    parts = [(0, 0, decision_us, hold_out(trade_day, t0_us, t1_us, study, purge=settings.purge_bars, clock=clock_us))]
    in_train, _ = development_rows(trade_day, study)
    folds = PurgedKFold(settings.folds, purge=settings.purge_bars, embargo=settings.embargo_bars, window=window_bars)
    for fold, roles in enumerate(folds.split_roles(t0_us[in_train], t1_us[in_train], clock_us)):
        parts.append((1, fold, decision_us[in_train], roles))

    counts = [len(keys) for _, _, keys, _ in parts]
    return pd.DataFrame(
        {
            "decision_time": from_us(np.concatenate([keys for _, _, keys, _ in parts])),
            "scheme": pd.Categorical.from_codes(np.repeat([scheme for scheme, *_ in parts], counts), list(SCHEMES)),
            "fold": np.repeat(np.asarray([fold for _, fold, *_ in parts], dtype=np.int64), counts),
            "role": role_names(np.concatenate([roles for *_, roles in parts])),
        }
    )
