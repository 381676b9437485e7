"""Batches of 256 windows (60 bars x 99 features): lazy, from a materialised array, and from a strided view, in one run.

First an epoch over 350,000 decisions, with the peak memory of the process by then: their windows as one array would
take 8.3 GB. Then 20,000 decisions, few enough for the peers: the array of all windows, and numpy's
``sliding_window_view`` (which knows neither outages nor the beginning of history, so its windows are all whole). All
give equal batches before a time is printed; times are medians of CPU time over shuffled batches. Run with
``python -m benchmarks.windows``.
"""

import resource
import statistics
from time import process_time

import numpy as np

from factory_assets.adapters import window_index
from factory_assets.vocabulary.torch_samples import TorchSamples
from factory_assets.vocabulary.windows import LazyWindows

WINDOW_BARS, COLUMNS, BATCH = 60, 99, 256
DECISIONS_ALL, DECISIONS_PEERS = 350_000, 20_000
SESSION_BARS = 276
STEP_US = 5 * 60_000_000


def make_windows(decisions, seed=5):
    """A decision at every bar, bars in sessions with a daily break, one outage in two thousand bars."""
    rng = np.random.default_rng(seed)
    number = np.arange(decisions + decisions // 20)
    clock_us = (number + number // SESSION_BARS * 12) * STEP_US
    present = np.ones(len(clock_us), dtype=bool)
    for start in rng.integers(0, len(clock_us), len(clock_us) // 2_000):
        present[start : start + 12] = False
    close_us = clock_us[present][:decisions]
    last, first = window_index(close_us, close_us, clock_us, window_bars=WINDOW_BARS, outage_minutes_max=30)
    store = rng.standard_normal((decisions, COLUMNS), dtype=np.float32)
    pad = np.zeros(COLUMNS, dtype=np.float32)
    return LazyWindows(store=store, last=last, first=first, length=WINDOW_BARS, pad=pad)


def median_cpu_ms(gather, batches):
    """Median over batches; what the process did before is not in it."""
    gather(batches[0])
    times = []
    for rows in batches:
        started = process_time()
        gather(rows)
        times.append(1e3 * (process_time() - started))
    return statistics.median(times)


def peak_gb():
    """Most memory the process has held so far (kB on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def shuffled_batches(decisions, seed=9):
    """An epoch's positions in batches."""
    order = np.random.default_rng(seed).permutation(decisions)
    return [order[start : start + BATCH] for start in range(0, decisions - BATCH + 1, BATCH)]


def epoch():
    """All decisions once, lazily."""
    windows = make_windows(DECISIONS_ALL)
    batches = shuffled_batches(DECISIONS_ALL)
    started = process_time()
    for rows in batches:
        windows[rows].materialised()
    spent = process_time() - started
    padded = np.mean(windows.last - windows.first + 1 < WINDOW_BARS)
    print(f"epoch of {DECISIONS_ALL:,} windows: {spent:.1f} CPU s in {len(batches):,} batches, {padded:.1%} cut short")
    shape = " x ".join(f"{size:,}" for size in windows.shape)
    whole_gb = np.prod(windows.shape, dtype=np.int64) * 4 / 1e9
    print(f"  peak memory {peak_gb():.2f} GB (allowed: 2); the array {shape} would be {whole_gb:.1f} GB")


def beside_peers():
    """The same batches from all of them."""
    windows = make_windows(DECISIONS_PEERS)
    batches = shuffled_batches(DECISIONS_PEERS)
    array = windows.materialised()
    view = np.lib.stride_tricks.sliding_window_view(windows.store, WINDOW_BARS, axis=0).transpose(0, 2, 1)
    label, weight = np.zeros(DECISIONS_PEERS, dtype=np.int8), np.ones(DECISIONS_PEERS)
    samples = TorchSamples(windows, label, weight)
    whole = np.flatnonzero(windows.last - windows.first + 1 == WINDOW_BARS)
    for rows in batches:
        lazy = windows[rows].materialised()
        assert np.array_equal(lazy, array[rows])
        assert np.array_equal(samples[rows][0].numpy(), lazy)
        kept = np.isin(rows, whole)
        assert np.array_equal(lazy[kept], view[rows[kept] - WINDOW_BARS + 1])
    lazy_ms = median_cpu_ms(lambda rows: windows[rows].materialised(), batches)
    inside = [np.maximum(rows, WINDOW_BARS - 1) for rows in batches]
    times = {
        "lazy windows": lazy_ms,
        "lazy windows as torch tensors": median_cpu_ms(samples.__getitem__, batches),
        "materialised array": median_cpu_ms(lambda rows: array[rows], batches),
        "strided view (no outages)": median_cpu_ms(
            lambda rows: np.ascontiguousarray(view[rows - WINDOW_BARS + 1]), inside
        ),
    }
    held_mb = {
        "lazy windows": windows.store.nbytes + windows.last.nbytes + windows.first.nbytes,
        "materialised array": array.nbytes,
        "strided view (no outages)": windows.store.nbytes,
    }
    print(f"a batch of {BATCH} of {DECISIONS_PEERS:,} windows, {len(batches)} batches:")
    for name, milliseconds in times.items():
        held = f"{held_mb[name] / 1e6:7.0f} MB held" if name in held_mb else ""
        print(f"  {name:<32} {milliseconds:7.2f} ms   x {milliseconds / lazy_ms:4.2f} of lazy   {held}")


if __name__ == "__main__":
    epoch()
    beside_peers()
