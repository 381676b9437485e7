"""The whole catalogue on nine timeframes of 715,000 synthetic minutes, and rolling statistics beside pandas.

    python benchmarks/features.py [--minutes 715000]

Every figure is the median of five runs after one that compiles, in CPU seconds of this process: other work stays
out. Outputs are asserted equal before any ratio is printed. What the catalogue takes of one pass (mean and deviation,
skewness and kurtosis) is one row. Memory is the peak of a process of its own that reads the bars and computes one
timeframe after the other, as the asset does. SIMULATED bars.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from factory_assets.features import catalogue, certify, compute
from factory_assets.features.bars import Bars, log_change
from factory_assets.features.kernels import trailing_median
from factory_assets.indicators import (
    rolling_max,
    rolling_mean_std,
    rolling_min,
    rolling_skew_kurtosis,
    rolling_sum,
)
from factory_assets.market.canonical import build_canonical
from factory_assets.market.ladder import build_ladder
from factory_assets.market.sessions import SessionCalendar
from factory_assets.market.synthetic import simulate
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES

MINUTES = 715_000
RUNS = 5
CPU_S_MAX = 8.0


def ladder_of(rows: int) -> dict[int, pd.DataFrame]:
    product = instrument("SIM")
    calendar = SessionCalendar.of(product)
    raw = simulate("null", 1, rows // 1_300 + 12)
    minutes = build_canonical(raw, product, calendar, MarketSettings()).bars.iloc[:rows]
    ladder = build_ladder(minutes, calendar.covering(times_us(minutes["open_time"])))
    return {width: frame.assign(contract="SIM") for width, frame in ladder.items()}


def median_ms(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def whole_catalogue(ladder: dict[int, pd.DataFrame]) -> None:
    print(f"{len(catalogue())} features, medians of {RUNS}")
    total, cells = 0.0, 0
    for width, frame in ladder.items():
        spent = median_ms(lambda frame=frame, width=width: compute(frame, minutes=width))
        total, cells = total + spent, cells + len(frame) * len(catalogue())
        print(f"  {width:>2} min {len(frame):>8,} bars {spent:9.1f} ms")
    print(f"  all nine {total:20.1f} ms, {total * 1e6 / cells:.1f} ns a value (limit {CPU_S_MAX:.0f} s)")
    with tempfile.TemporaryDirectory() as folder:
        for width, frame in ladder.items():
            frame.to_parquet(Path(folder, f"{width}.parquet"))
        subprocess.run([sys.executable, __file__, "--whole", folder], check=True)


def whole_alone(folder: Path) -> None:
    """Compute every timeframe of a folder's bars, and say how much memory the process has had."""
    for width in TIMEFRAMES_MINUTES:
        compute(pd.read_parquet(folder / f"{width}.parquet"), minutes=width)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"  peak memory of a process that computes them one after the other: {peak:.2f} GB (limit 3)")


def live_row(ladder: dict[int, pd.DataFrame]) -> None:
    print("one live row: the whole catalogue on the trailing look-back")
    for width, frame in ladder.items():
        needed = max(spec.lookback_bars(width) for spec in catalogue())
        tail = frame.iloc[-needed:]
        print(
            f"  {width:>2} min {len(tail):>8,} bars {median_ms(lambda t=tail, w=width: compute(t, minutes=w)):9.1f} ms"
        )


def beside_pandas(frame: pd.DataFrame) -> None:
    bars = Bars.from_frame(frame, 1)
    change, close, volume = bars.log_return, bars.close, bars.volume
    series = {"change": pd.Series(change), "close": pd.Series(close), "volume": pd.Series(volume)}

    def both(name: str, window: int, *statistics_: str) -> tuple[np.ndarray, ...]:
        return tuple(getattr(series[name].rolling(window), each)().to_numpy() for each in statistics_)

    pairs: dict[str, tuple[Callable[[], tuple[np.ndarray, ...]], Callable[[], tuple[np.ndarray, ...]]]] = {
        "mean and std of 20 closes": (lambda: rolling_mean_std(close, 20), lambda: both("close", 20, "mean", "std")),
        "sum of 20 volumes": (lambda: (rolling_sum(volume, 20),), lambda: both("volume", 20, "sum")),
        "max of 120 closes": (lambda: (rolling_max(close, 120),), lambda: both("close", 120, "max")),
        "min of 120 closes": (lambda: (rolling_min(close, 120),), lambda: both("close", 120, "min")),
        "skew, kurtosis of 60": (
            lambda: rolling_skew_kurtosis(change, 60),
            lambda: both("change", 60, "skew", "kurt"),
        ),
        "median of 60 volumes": (lambda: (trailing_median(volume, 60),), lambda: both("volume", 60, "median")),
        "log return over 20": (
            lambda: (log_change(close, 20),),
            lambda: (np.log(series["close"] / series["close"].shift(20)).to_numpy(),),
        ),
    }
    print(f"rolling statistics of {len(frame):,} bars, ms: ours, pandas, ratio (largest difference, in column sizes)")
    ours_total, theirs_total = 0.0, 0.0
    for name, (ours, theirs) in pairs.items():
        worst = 0.0
        for mine, peer in zip(ours(), theirs(), strict=True):
            assert np.array_equal(np.isnan(mine), np.isnan(peer)), name
            known = ~np.isnan(mine)
            worst = max(worst, float(np.max(np.abs(mine[known] - peer[known])) / np.mean(np.abs(peer[known]))))
        # pandas adds and subtracts along the whole series, which costs it digits where the spread is small.
        assert worst < 1e-5, (name, worst)
        a, b = median_ms(ours), median_ms(theirs)
        ours_total, theirs_total = ours_total + a, theirs_total + b
        print(f"  {name:<26}{a:9.1f}{b:9.1f}{b / a:8.1f} x   ({worst:.0e})")
    print(f"  {'all':<26}{ours_total:9.1f}{theirs_total:9.1f}{theirs_total / ours_total:8.1f} x (limit 4)")


def certificate(ladder: dict[int, pd.DataFrame]) -> None:
    print("causality certificate, 50 cut points, CPU s")
    total = 0.0
    for width, frame in ladder.items():
        values = compute(frame, minutes=width)
        start = time.process_time()
        verdicts = certify(frame, width, cut_points=50, seed=7, values=values)
        total += time.process_time() - start
        red = [verdict.name for verdict in verdicts if not verdict.passed]
        print(f"  {width:>2} min {'all green' if not red else 'RED ' + ', '.join(red)}")
    print(f"  all nine {total:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=MINUTES, help="one-minute bars to simulate")
    parser.add_argument("--whole", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.whole:
        whole_alone(options.whole)
        return
    ladder = ladder_of(options.minutes)
    print(f"SIMULATED: {len(ladder[1]):,} one-minute bars")
    whole_catalogue(ladder)
    live_row(ladder)
    beside_pandas(ladder[1])
    certificate(ladder)


if __name__ == "__main__":
    main()
