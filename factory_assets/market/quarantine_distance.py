"""How far a quarantined row lies from the market it claims to be of: the furthest ones are looked at first."""

import numpy as np
import pandas as pd

_PRICES = ("open", "high", "low", "close")
_REFERENCE_MINUTES = 60


def quarantine_distance_ticks(quarantine: pd.DataFrame, bars: pd.DataFrame, tick_size: float) -> np.ndarray:
    """Distance of each quarantined row from the last canonical close of its delivery month before it, in ticks.

    Parameters
    ----------
    quarantine, bars : DataFrame
        Tables ``quarantine`` and ``canonical_bars``.
    tick_size : float
        Points a tick.

    Returns
    -------
    ndarray of float64, shape (N,)
        The largest distance of the row's four prices, in the order of ``quarantine``. NaN where nothing is near: a
        month that was not the front, no bar within the hour before, or a price that is no number.
    """
    rows = pd.DataFrame({"expiry": quarantine["expiry"].astype(str), "open_time": quarantine["open_time"]})
    rows["at"] = np.arange(len(rows))
    known = pd.DataFrame({"expiry": bars["expiry"].astype(str), "open_time": bars["open_time"], "close": bars["close"]})
    found = pd.merge_asof(
        rows.sort_values("open_time", kind="stable"),
        known,
        on="open_time",
        by="expiry",
        allow_exact_matches=False,
        tolerance=pd.Timedelta(minutes=_REFERENCE_MINUTES),
    ).sort_values("at")
    near = found["close"].to_numpy(dtype=np.float64)
    prices = np.vstack([quarantine[name].to_numpy(dtype=np.float64) for name in _PRICES])
    distance = np.abs(prices - near).max(axis=0, initial=0.0) / tick_size
    return np.where(np.isfinite(distance), distance, np.nan)
