"""Nine-timeframe ladder of 715,000 minutes: the factory's kernel beside pandas, same rows, same run.

    python benchmarks/ladder.py

The peer is what one writes by hand: one pandas groupby a timeframe on precomputed bin numbers of the session (its bin
arithmetic is not timed, the factory's is). Equal output is asserted before anything is timed. Medians and the spread
of the repeats are printed; only their ratio carries over to another machine.
"""

import statistics
import time
from datetime import date

import numpy as np
import pandas as pd

from factory_assets.market.ladder import build_ladder
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.frames import from_days, from_us, times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import MINUTE_US, TIMEFRAMES_MINUTES

MINUTES = 715_000
REPEATS = 9
COLUMNS = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def canonical_bars() -> tuple[pd.DataFrame, Sessions]:
    sessions = SessionCalendar.of(instrument("MES")).between(date(2020, 1, 2), date(2022, 3, 31))
    spans = (sessions.close_us - sessions.open_us) // MINUTE_US
    number = np.concatenate([np.arange(span) for span in spans])
    index = np.repeat(np.arange(len(spans)), spans)
    rng = np.random.default_rng(0)
    kept = np.sort(rng.permutation(len(number))[:MINUTES])
    number, index = number[kept], index[kept]
    opens = sessions.open_us[index] + number * MINUTE_US
    close = 4000.0 + rng.normal(size=MINUTES).cumsum() * 0.5
    frame = pd.DataFrame(
        {
            "expiry": pd.Categorical.from_codes(np.zeros(MINUTES, dtype=np.int8), ["MESZ9"]),
            "open_time": from_us(opens),
            "close_time": from_us(opens + MINUTE_US),
            "trade_date": from_days(sessions.trade_day)[index],
            "open": np.roll(close, 1),
            "high": np.maximum(np.roll(close, 1), close) + 0.25,
            "low": np.minimum(np.roll(close, 1), close) - 0.25,
            "close": close,
            "volume": rng.poisson(200.0, MINUTES).astype(np.float64),
            "adjustment_ratio": 1.0,
        }
    )
    return frame, sessions


def peer(canonical: pd.DataFrame, bins: dict[int, np.ndarray]) -> dict[int, pd.DataFrame]:
    columns = canonical[list(COLUMNS)]
    return {minutes: columns.groupby(number, sort=False).agg(COLUMNS) for minutes, number in bins.items()}


def seconds(call) -> list[float]:
    out = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        out.append(time.perf_counter() - start)
    return out


def main() -> None:
    canonical, sessions = canonical_bars()
    opens = times_us(canonical["open_time"])
    index = sessions.locate(opens)
    minute = (opens - sessions.open_us[index]) // MINUTE_US
    bins = {m: index * 100_000 + minute // m for m in TIMEFRAMES_MINUTES[1:]}
    ours, theirs = build_ladder(canonical, sessions), peer(canonical, bins)
    for minutes, frame in theirs.items():
        np.testing.assert_array_equal(ours[minutes][list(COLUMNS)].to_numpy(), frame.to_numpy())
    timed = {
        "factory": seconds(lambda: build_ladder(canonical, sessions)),
        "pandas": seconds(lambda: peer(canonical, bins)),
    }
    medians = {name: statistics.median(values) for name, values in timed.items()}
    print(f"{MINUTES:,} minutes, {len(TIMEFRAMES_MINUTES)} timeframes, {REPEATS} repeats, equal output")
    for name, values in timed.items():
        print(f"{name:8s} median {medians[name] * 1e3:8.1f} ms   {min(values) * 1e3:.1f} to {max(values) * 1e3:.1f}")
    print(f"ratio {medians['pandas'] / medians['factory']:.1f}")


if __name__ == "__main__":
    main()
