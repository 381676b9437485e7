"""Wavelet group of the catalogue on 715,000 bars, beside PyWavelets in the same run.

    python benchmarks/wavelets.py

Two peers. The usual way is a call of ``pywt.wavedec`` a window; it is timed on a sample of rows and scaled to all of
them. The strongest way PyWavelets offers is one call on a matrix of windows, made in chunks that fit the memory. Both
peers make the features from the coefficients exactly as the catalogue defines them; what it costs to make the input
(log returns, logarithms of volume) is on neither side for returns and on the factory's for volume.

Equal output within 1e-9 is asserted before anything is timed. Times are CPU seconds of this process (both sides run in
one thread), so that other work on the machine stays out; medians of the repeats, with their range. SIMULATED bars.
"""

import statistics
import time
from collections.abc import Callable
from datetime import date

import numpy as np
import pywt

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily
from factory_assets.features.wavelet_kernels import FIRST_A3, LAST, WINDOW_BARS
from factory_assets.features.wavelets import FAMILIES
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import MINUTE_US, TIMEFRAMES_MINUTES

ROWS = 715_000
REPEATS = 5
SAMPLE = 4_000
CHUNK = 20_000
LIMIT = 15.0


def simulated(rows: int) -> Bars:
    """One-minute bars of consecutive sessions: closes on a random walk, counts with a heavy tail."""
    product = instrument("MGC")
    sessions = SessionCalendar.of(product).between(date(2020, 1, 2), date(2023, 12, 29))
    spans = (sessions.close_us - sessions.open_us) // MINUTE_US
    number = np.concatenate([np.arange(span) for span in spans])[:rows]
    session = np.repeat(np.arange(len(spans)), spans)[:rows]
    opens = sessions.open_us[session] + number * MINUTE_US
    rng = np.random.default_rng(0)
    close = 1800.0 * np.exp(np.cumsum(rng.standard_t(4, rows) * 2e-4))
    return Bars(
        instrument=product,
        minutes=1,
        open_us=opens,
        close_us=opens + MINUTE_US,
        trade_day=sessions.trade_day[session],
        open=close,
        high=close,
        low=close,
        close=close,
        volume=rng.poisson(30.0 * np.exp(rng.standard_normal(rows))).astype(np.float64),
        traded_close=close,
        calendar=sessions,
    )


def from_coefficients(bands: list[np.ndarray], unit: float, centred: bool) -> np.ndarray:
    """The twelve features of windows along the last axis of D1, D2, D3, A3; shape (12, windows)."""
    energy = np.stack([np.einsum("...k,...k->...", band, band) for band in bands]) / WINDOW_BARS
    sigma = np.maximum(np.sqrt(energy.sum(axis=0)), 1e-6)
    a3 = bands[3][..., FIRST_A3 : LAST[3] + 1]
    steps = np.diff(a3[..., :-1]) if centred else a3
    return np.stack(
        [
            *(band[..., k] / sigma for band, k in zip(bands, LAST, strict=True)),
            *np.log1p(energy / unit**2),
            *(energy[:3] / sigma**2),
            steps.sum(axis=-1) / np.maximum(np.abs(steps).sum(axis=-1), 1e-3 * sigma),
        ]
    )


def by_window(values: np.ndarray, rows: np.ndarray, unit: float, centred: bool) -> np.ndarray:
    """One call of PyWavelets a window."""
    out = np.empty((12, len(rows)))
    for place, row in enumerate(rows):
        window = values[row - WINDOW_BARS + 1 : row + 1]
        if centred:
            window = window - window.mean()
        bands = pywt.wavedec(window, "db4", mode="zero", level=3)[::-1]
        out[:, place] = from_coefficients(bands, unit, centred)
    return out


def transforms_only(values: np.ndarray, rows: np.ndarray) -> None:
    """The calls alone, without making a feature of them: the least the usual way can cost."""
    for row in rows:
        pywt.wavedec(values[row - WINDOW_BARS + 1 : row + 1], "db4", mode="zero", level=3)


def batched(values: np.ndarray, first: int, unit: float, centred: bool) -> np.ndarray:
    """One call of PyWavelets a chunk of windows."""
    out = np.full((12, len(values)), np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW_BARS)
    for start in range(first, len(windows), CHUNK):
        chunk = windows[start : start + CHUNK]
        if centred:
            chunk = chunk - chunk.mean(axis=1, keepdims=True)
        bands = pywt.wavedec(chunk, "db4", mode="zero", level=3, axis=-1)[::-1]
        at = start + WINDOW_BARS - 1
        out[:, at : at + len(chunk)] = from_coefficients(bands, unit, centred)
    return out


def assert_equal(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference as a share of the value or of the feature's mean absolute value; at most 1e-9."""
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    size = np.nanmean(np.abs(theirs), axis=1, keepdims=True)
    worst = float(np.nanmax(np.abs(ours - theirs) / np.maximum(np.abs(theirs), size)))
    assert worst <= 1e-9, worst
    return worst


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """CPU seconds of each call, after one that warms it up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return times


def tell(what: str, times: list[float]) -> float:
    middle = statistics.median(times)
    print(f"  {what:36s} {middle:8.3f} s   {min(times):.3f} to {max(times):.3f}")
    return middle


def beside_pywavelets(bars: Bars, each: FeatureFamily, unit: float, centred: bool) -> np.ndarray:
    """Medians of the factory, a call a window, the calls alone, and the batched call, for one family."""
    values = np.log1p(bars.volume) if centred else bars.log_return
    first = 0 if centred else 1
    rows = np.sort(np.random.default_rng(1).choice(np.arange(WINDOW_BARS, ROWS), SAMPLE, replace=False))
    ours = np.stack(list(each.evaluate(bars).values()))
    worst = max(
        assert_equal(ours, batched(values, first, unit, centred)),
        assert_equal(ours[:, rows], by_window(values, rows, unit, centred)),
    )
    print(f"{each.function.__name__}: {len(each.specs)} features, equal (largest difference {worst:.0e})")
    scale = ROWS / SAMPLE
    return np.array(
        [
            tell("factory", seconds(lambda: each.evaluate(bars))),
            tell(
                "PyWavelets, a call a window (scaled)",
                [scale * t for t in seconds(lambda: by_window(values, rows, unit, centred))],
            ),
            tell(
                "those calls, no features (scaled)", [scale * t for t in seconds(lambda: transforms_only(values, rows))]
            ),
            tell("PyWavelets, batched", seconds(lambda: batched(values, first, unit, centred), 3)),
        ]
    )


def main() -> None:
    bars = simulated(ROWS)
    assert len(bars) == ROWS, "the calendar's span is too short for the rows"
    _ = bars.log_return
    print(f"SIMULATED: {ROWS:,} one-minute bars, medians of {REPEATS} (batched: 3), CPU seconds")
    returns, volume = FAMILIES
    ours, usual, calls, batch = beside_pywavelets(bars, returns, 1e-4, False) + beside_pywavelets(
        bars, volume, 1.0, True
    )
    print(f"group of {sum(len(each.specs) for each in FAMILIES)} features: {ours:.2f} s on 1-minute bars")
    print(f"  {usual / ours:.0f} x a PyWavelets call per window with the features made of it")
    print(f"  {calls / ours:.0f} x those calls alone (limit {LIMIT:.0f})")
    print(f"  {batch / ours:.1f} x PyWavelets on batches of {CHUNK:,} windows")
    share = sum(1.0 / minutes for minutes in TIMEFRAMES_MINUTES)
    print(f"  about {ours * share:.2f} s on all nine timeframes")


if __name__ == "__main__":
    main()
