"""Label shares of a driftless random walk at the same barriers: what barrier geometry alone earns.

The walk is made of the data's own minutes with the direction of each minute drawn anew. Ranges, gaps, volatility
clustering, missing minutes and time to flat stay as they were; drift, momentum and reversal are gone. Does not call
the walk of :mod:`factory_assets.labels.path`, so a mistake there shows as a difference.
"""

import numpy as np
import pandas as pd

from factory_assets.vocabulary.frames import times_us

_CHUNK_ROWS = 2_000  # windows of up to some hundred minutes each: keeps the matrices below 100 MB


def random_walk_labels(labels: pd.DataFrame, bars_1min: pd.DataFrame, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels the given decisions would have had on sign-randomised minutes.

    Parameters
    ----------
    labels : DataFrame
        Eligible rows of the ``labels`` table (entry_time, vertical_time, entry_price, upper, lower).
    bars_1min : DataFrame
        The minutes they were labelled on.
    seed : int
        Seed of the directions.

    Returns
    -------
    label : ndarray of int8, shape (N,)
        +1, 0 or -1 as the random walk would have been labelled.
    tie : ndarray of bool, shape (N,)
        One minute touched both barriers.
    """
    rng = np.random.default_rng(seed)
    open_us = times_us(bars_1min["open_time"], "bars_1min.open_time")
    first = np.searchsorted(open_us, times_us(labels["entry_time"], "labels.entry_time"))
    count = np.searchsorted(open_us, times_us(labels["vertical_time"], "labels.vertical_time")) - first
    prices = {name: bars_1min[name].to_numpy(np.float64) for name in ("open", "high", "low", "close")}
    barriers = {name: labels[name].to_numpy(np.float64) for name in ("entry_price", "upper", "lower")}
    label, tie = np.zeros(len(labels), dtype=np.int8), np.zeros(len(labels), dtype=bool)
    for start in range(0, len(labels), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        geometry = {name: values[part] for name, values in barriers.items()}
        label[part], tie[part] = _walk_chunk(first[part], count[part], prices, geometry, rng)
    return label, tie


def _walk_chunk(
    first: np.ndarray,
    count: np.ndarray,
    prices: dict[str, np.ndarray],
    geometry: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.arange(int(count.max(initial=1)))
    inside = offsets < count[:, None]
    at = np.minimum(first[:, None] + offsets, len(prices["open"]) - 1)
    entry = geometry["entry_price"][:, None]
    start, close = prices["open"][at], prices["close"][at]
    before = np.hstack([entry, close[:, :-1]])
    sign = rng.integers(0, 2, size=at.shape) * 2.0 - 1.0
    walked_close = entry + np.cumsum(sign * (close - before), axis=1)
    walked_open = np.hstack([entry, walked_close[:, :-1]]) + sign * (start - before)
    above, below = prices["high"][at] - start, start - prices["low"][at]
    walked_high = walked_open + np.where(sign > 0, above, below)
    walked_low = walked_open - np.where(sign > 0, below, above)
    upper, lower = geometry["upper"][:, None], geometry["lower"][:, None]
    up, down = (walked_high >= upper) & inside, (walked_low <= lower) & inside
    touched = up | down
    rows, where = np.arange(len(first)), touched.argmax(axis=1)
    up, down, opened = up[rows, where], down[rows, where], walked_open[rows, where]
    up_first = up & (~down | (opened >= geometry["upper"]))
    down_first = down & (~up | (opened <= geometry["lower"]))
    return up_first.astype(np.int8) - down_first.astype(np.int8), up & down & ~up_first & ~down_first
