"""Contracts traded in each minute of the session: the market's daily shape, by which a shifted clock shows at once."""

import numpy as np
import pandas as pd

from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.timeframes import MINUTE_US

_QUANTILES = (0.25, 0.5, 0.75)


def volume_profile(bars: pd.DataFrame, sessions: Sessions) -> pd.DataFrame:
    """Quartiles of volume by minute since the session's open, over all sessions with bars.

    A scheduled minute in which nothing traded counts as no contracts; minutes after an early close are not scheduled
    and do not count, nor do those before the first bar and after the last.

    Parameters
    ----------
    bars : DataFrame
        Table ``canonical_bars``: minutes of the front month, in time order.
    sessions : Sessions
        Sessions covering the bars.

    Returns
    -------
    DataFrame
        One row a minute of the longest session: ``minute`` (0 at the open), ``low``, ``median`` and ``high`` (quartiles
        of contracts; NaN for a series without volume), ``traded_share`` (share of sessions with a trade in that
        minute), ``sessions`` (in how many the minute is scheduled).
    """
    open_us = times_us(bars["open_time"])
    located = sessions.locate(open_us)
    inside = located >= 0
    seen, session = np.unique(located[inside], return_inverse=True)
    minute = (open_us[inside] - sessions.open_us[located[inside]]) // MINUTE_US
    spans = (sessions.close_us[seen] - sessions.open_us[seen]) // MINUTE_US
    shape = (len(seen), int(spans.max(initial=0)))
    scheduled = np.arange(shape[1]) < spans[:, None]
    if len(seen):
        # Raw files begin and end within a session: what lies before and after was not silent.
        scheduled[0, : minute[0]] = False
        scheduled[-1, minute[-1] + 1 :] = False
    traded = np.zeros(shape, dtype=bool)
    traded[session, minute] = True
    volume = np.where(scheduled, 0.0, np.nan)
    volume[session, minute] = bars["volume"].to_numpy(dtype=np.float64)[inside]
    known = bool(np.isfinite(bars["volume"].to_numpy(dtype=np.float64)).all())
    counts = scheduled.sum(axis=0)
    low, median, high = quartiles = np.full((len(_QUANTILES), shape[1]), np.nan)
    if known:
        # A minute that no session schedules, as before the first bar of a short file, has no quartiles.
        quartiles[:, counts > 0] = np.nanquantile(volume[:, counts > 0], _QUANTILES, axis=0)
    return pd.DataFrame(
        {
            "minute": np.arange(shape[1]),
            "low": low,
            "median": median,
            "high": high,
            "traded_share": (traded & scheduled).sum(axis=0) / np.maximum(counts, 1),
            "sessions": counts,
        }
    )
