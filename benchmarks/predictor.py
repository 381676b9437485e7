"""Time of one live minute: p50, p99 and the slowest of ``Predictor.update``, of all minutes and of the heavy ones.

Heavy are minutes with a decision in them, and among those the ones in which an hour closes, and with it eight or all
nine of the timeframes.

A release of the demo's size (the columns LightGBM and logistic choose of nine timeframes, windows of 60 rows of those
the TCN of its real width chooses) is fitted on a simulated market, written, loaded, warmed up, and fed four
sessions minute by minute. CPU time of each call (all threads, garbage
collection on), so that neighbours on the machine do not count; load and warm-up are wall time. Run with
``python benchmarks/predictor.py``.
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from factory_assets.deployment import Predictor, write_bundle
from factory_assets_tests.deployment.release_world import release_world

FIRST, LAST = pd.Timestamp("2023-03-06T23:00Z"), pd.Timestamp("2023-03-10T22:00Z")
TARGET_MS = 20.0


def clocked(predictor, bars):
    """Milliseconds of each call, whether it made a decision, and whether that stands at a full hour."""
    taken_ms, decided, hourly = [], [], []
    for bar in bars:
        start = process_time()
        prediction = predictor.update(bar)
        taken_ms.append((process_time() - start) * 1e3)
        decided.append(prediction is not None)
        hourly.append(prediction is not None and prediction.decision_time.minute == 0)
    return np.array(taken_ms), np.array(decided), np.array(hourly)


def main():
    world = release_world(window_bars=60, channels=64)
    raw = world.raw
    with tempfile.TemporaryDirectory() as place:
        folder, _ = write_bundle(world.release, Path(place), clock=lambda: datetime.now(tz=UTC), code_version="bench")  # noqa: TID251
        start = perf_counter()
        predictor = Predictor.load(folder)
        print(f"load             {perf_counter() - start:8.2f} s")
    start = perf_counter()
    history = raw[raw["open_time"] < FIRST]
    predictor.warm_up(history)
    taken = perf_counter() - start
    print(f"warm_up          {taken:8.2f} s   {len(history):,} minutes, {taken / len(history) * 1e6:.0f} us each")
    live = raw[(raw["open_time"] >= FIRST) & (raw["open_time"] < LAST)]
    live = live.astype({"expiry": str}).sort_values(["open_time", "expiry"], ascending=[True, False])
    bars = live[["expiry", "open_time", "open", "high", "low", "close", "volume"]].to_dict("records")
    clocked(predictor, bars[:200])  # compiled and cached from here on
    taken_ms, decided, hourly = clocked(predictor, bars[200:])
    every = np.ones(len(bars) - 200, dtype=bool)
    for name, chosen in (("minute", every), ("decision", decided), ("hour closes", hourly), ("no decision", ~decided)):
        p50, p99 = np.percentile(taken_ms[chosen], [50, 99])
        verdict = f"{'within' if p99 <= TARGET_MS else 'OVER'} {TARGET_MS:g} ms at p99"
        most = taken_ms[chosen].max()
        print(f"{name:<12} {p50:8.2f} ms p50 {p99:8.2f} p99 {most:8.2f} max  {chosen.sum():>7,} of them, {verdict}")


if __name__ == "__main__":
    main()
