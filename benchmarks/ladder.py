"""Ladder of ten years of minutes and the as-of index of its timeframes, each beside pandas: same rows, same run.

    python benchmarks/ladder.py

The ladder's peer is ``DataFrame.resample``, once a timeframe, of open, high, low, close and volume. Its bins cannot be
anchored to sessions, so it is given a time axis on which every session begins at a multiple of all timeframes; empty
bins are dropped after the timing. Three figures of the factory stand beside it: the bars alone, which is the same work
(``build_levels``); a copy of every byte that work has to touch; and the whole call (``build_ladder``), which also
checks every minute's place and puts nine tables of eleven columns together. The as-of index's peer is ``merge_asof``,
once a timeframe, on tables prepared before.

Equal output is asserted before anything is timed. Times are CPU seconds of this process (both sides run in one
thread), so that other work on the machine stays out; medians of the repeats, with their range.
"""

import statistics
import time
from datetime import date

import numpy as np
import pandas as pd

from factory_assets.market.as_of import as_of_index
from factory_assets.market.ladder import build_ladder, build_levels, minute_level, stride_minutes
from factory_assets.market.ladder_kernels import Level
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.vocabulary.frames import from_days, from_us, times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import BASE_MINUTES, MINUTE_US, TIMEFRAMES_MINUTES

MINUTES = 3_600_000
REPEATS = 7
HIGHER = TIMEFRAMES_MINUTES[1:]
COLUMNS = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def canonical_bars() -> tuple[pd.DataFrame, Sessions]:
    """Ten years of sessions, of whose minutes some two in a hundred did not trade, as in a liquid contract."""
    sessions = SessionCalendar.of(instrument("MES")).between(date(2010, 1, 4), date(2020, 6, 12))
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


def minutes_of(canonical: pd.DataFrame, sessions: Sessions, stride: int) -> Level:
    columns = {name: canonical[name].to_numpy() for name in COLUMNS}
    return minute_level(times_us(canonical["open_time"]), columns, sessions, stride)


def peer_input(canonical: pd.DataFrame, sessions: Sessions) -> pd.DataFrame:
    """The five columns on an axis where every session starts at a multiple of all timeframes."""
    opens = times_us(canonical["open_time"])
    index = sessions.locate(opens)
    minute = (opens - sessions.open_us[index]) // MINUTE_US + index * stride_minutes(sessions)
    return canonical[list(COLUMNS)].set_index(pd.DatetimeIndex((minute * MINUTE_US).view("M8[us]")))


def resampled(columns: pd.DataFrame) -> dict[int, pd.DataFrame]:
    return {minutes: columns.resample(f"{minutes}min").agg(COLUMNS) for minutes in HIGHER}


def copied(arrays: list[np.ndarray]) -> list[np.ndarray]:
    return [array.copy() for array in arrays]


def joined(decisions: pd.DataFrame, tables: list[pd.DataFrame]) -> list[pd.Series]:
    return [pd.merge_asof(decisions, table, on="moment")["row"] for table in tables]


def seconds(calls: dict) -> dict[str, list[float]]:
    """CPU seconds of each call, after one that warms it up."""
    timed: dict[str, list[float]] = {}
    for name, call in calls.items():
        call()
        timed[name] = []
        for _ in range(REPEATS):
            start = time.process_time()
            call()
            timed[name].append(time.process_time() - start)
    return timed


def tell(timed: dict[str, list[float]]) -> dict[str, float]:
    medians = {name: statistics.median(values) for name, values in timed.items()}
    for name, values in timed.items():
        print(f"  {name:34s} {medians[name] * 1e3:8.1f} ms   {min(values) * 1e3:.1f} to {max(values) * 1e3:.1f}")
    return medians


def ladder() -> dict[int, pd.DataFrame]:
    canonical, sessions = canonical_bars()
    stride = stride_minutes(sessions)
    base, columns = minutes_of(canonical, sessions, stride), peer_input(canonical, sessions)
    levels, theirs, frames = build_levels(base, HIGHER, stride), resampled(columns), build_ladder(canonical, sessions)
    for minutes, frame in theirs.items():
        expected = frame[frame["open"].notna()].to_numpy()
        np.testing.assert_array_equal(np.column_stack([getattr(levels[minutes], name) for name in COLUMNS]), expected)
        np.testing.assert_array_equal(frames[minutes][list(COLUMNS)].to_numpy(), expected)
    del theirs
    touched = [array for level in levels.values() for array in level]
    whole = sum(frame.memory_usage(index=False).sum() for frame in (canonical, *frames.values()))
    print(f"ladder of {MINUTES:,} minutes, {len(HIGHER)} longer timeframes, {REPEATS} repeats, equal output")
    medians = tell(
        seconds(
            {
                "factory, the bars": lambda: build_levels(base, HIGHER, stride),
                "copy of the bytes they touch": lambda: copied(touched),
                "pandas resample": lambda: resampled(columns),
                "factory, nine checked tables": lambda: build_ladder(canonical, sessions),
                "copy of those tables and the input": lambda: copied([np.empty(int(whole) // 8)]),
            }
        )
    )
    bars, tables = medians["factory, the bars"], medians["factory, nine checked tables"]
    size = sum(array.nbytes for array in touched) / 1e6
    print(f"  bars: {medians['pandas resample'] / bars:.1f} x pandas (limit 25)")
    print(f"  bars: {bars / medians['copy of the bytes they touch']:.2f} x a copy of {size:.0f} MB (limit 4)")
    print(
        f"  tables: {medians['pandas resample'] / tables:.1f} x pandas (which makes fewer), "
        f"{tables / medians['copy of those tables and the input']:.2f} x a copy of {whole / 1e6:.0f} MB"
    )
    return frames


def as_of(frames: dict[int, pd.DataFrame]) -> None:
    others = [minutes for minutes in TIMEFRAMES_MINUTES if minutes != BASE_MINUTES]
    decisions = pd.DataFrame({"moment": frames[BASE_MINUTES]["close_time"]})
    tables = [
        pd.DataFrame({"moment": frames[minutes]["close_time"], "row": np.arange(len(frames[minutes]))})
        for minutes in others
    ]
    decision_us = times_us(decisions["moment"])
    closes_us = [times_us(table["moment"]) for table in tables]
    for ours, theirs in zip(as_of_index(decision_us, closes_us), joined(decisions, tables), strict=True):
        np.testing.assert_array_equal(ours, theirs.fillna(-1).to_numpy())
    print(f"as-of index of {len(decision_us):,} decisions (base bars) into the other {len(others)} timeframes, equal")
    medians = tell(
        seconds(
            {
                "pandas merge_asof": lambda: joined(decisions, tables),
                "factory": lambda: as_of_index(decision_us, closes_us),
            }
        )
    )
    print(f"  {medians['pandas merge_asof'] / medians['factory']:.1f} x pandas (limit 10)")


def main() -> None:
    assert Level._fields[2:] == tuple(COLUMNS)
    as_of(ladder())


if __name__ == "__main__":
    main()
