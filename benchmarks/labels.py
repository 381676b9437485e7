"""Triple barrier and average uniqueness over 714,840 minutes, beside plain numpy peers written here, in one run.

The peers do what a careful script would: one slice and a few masks a decision, one slice a label. Both sides get the
same arrays and have to give equal output before a time is printed; times are medians of CPU time. Run with
``python -m benchmarks.labels``.
"""

import statistics
from time import process_time

import numpy as np

from factory_assets.labels import average_uniqueness, triple_barrier, walk_to_barrier

MINUTES = 518 * 1_380  # whole sessions
SESSION_MINUTES = 1_380
MINUTE_US = 60_000_000
K, MAX_BARS, COST = 2.5, 50, 0.33


def make_minutes(seed=7):
    """Minutes of consecutive sessions, prices on a tick grid, ATR and flat time for a decision every 5 minutes."""
    rng = np.random.default_rng(seed)
    number = np.arange(MINUTES)
    session, minute = number // SESSION_MINUTES, number % SESSION_MINUTES
    open_us = (session * 1_440 + minute).astype(np.int64) * MINUTE_US
    sigma = 2.0 * (1.0 + 0.6 * np.sin(minute / 180.0)) * np.exp(0.3 * np.sin(session / 20.0))
    close = 18_000 + np.cumsum(np.round(rng.normal(0.0, sigma)))
    start = close - np.round(rng.normal(0.0, sigma))
    high = np.maximum(start, close) + rng.integers(0, 3, MINUTES)
    low = np.minimum(start, close) - rng.integers(0, 3, MINUTES)
    bars = {"open": start * 0.1, "high": high * 0.1, "low": low * 0.1, "close": close * 0.1}
    decision = np.flatnonzero(minute % 5 == 4)
    decision = decision[minute[decision] < SESSION_MINUTES - 70 - 100]
    flat_us = (session[decision] * 1_440 + SESSION_MINUTES - 70).astype(np.int64) * MINUTE_US
    atr = 0.1 * 4.0 * sigma[decision]
    return open_us, bars, open_us[decision] + MINUTE_US, flat_us, atr


def peer_triple_barrier(open_us, bars, decision_us, flat_us, atr):
    """Slice and mask, one decision at a time."""
    vertical_us = np.minimum(decision_us + MAX_BARS * 5 * MINUTE_US, flat_us)
    first = np.searchsorted(open_us, decision_us)
    past = np.searchsorted(open_us, vertical_us)
    label = np.zeros(len(decision_us), dtype=np.int8)
    t1_us, net_long, net_short = vertical_us.copy(), np.empty(len(label)), np.empty(len(label))
    for i in range(len(label)):
        window = slice(first[i], past[i])
        entry = bars["open"][first[i]]
        upper, lower = entry + K * atr[i], entry - K * atr[i]
        up, down = bars["high"][window] >= upper, bars["low"][window] <= lower
        touched = up | down
        at = int(touched.argmax())
        exit_long = exit_short = bars["close"][past[i] - 1]
        if touched[at]:
            start = bars["open"][first[i] + at]
            t1_us[i] = open_us[first[i] + at] + MINUTE_US
            if start >= upper or start <= lower:
                label[i], exit_long, exit_short = (1 if start >= upper else -1), start, start
            else:
                label[i] = int(up[at]) - int(down[at])
                exit_long, exit_short = (lower if down[at] else upper), (upper if up[at] else lower)
        net_long[i], net_short[i] = exit_long - entry - COST, entry - exit_short - COST
    return label, t1_us, net_long, net_short


def peer_uniqueness(t0_us, t1_us, clock_us):
    """Count by slices, then average 1 / count by slices."""
    first, past = np.searchsorted(clock_us, t0_us), np.searchsorted(clock_us, t1_us, side="right")
    alive = np.zeros(len(clock_us))
    for a, b in zip(first, past, strict=True):
        alive[a:b] += 1
    share = 1.0 / np.maximum(alive, 1)
    return np.array([share[a:b].mean() for a, b in zip(first, past, strict=True)])


def median_cpu_ms(call, repeats):
    call()
    times = []
    for _ in range(repeats):
        started = process_time()
        call()
        times.append(1e3 * (process_time() - started))
    return statistics.median(times)


def report(name, ours_ms, peer_ms):
    print(f"{name:<44} ours {ours_ms:9.2f} ms   peer {peer_ms:8.1f} ms   ratio {peer_ms / ours_ms:7.0f} x")


def main():
    open_us, bars, decision_us, flat_us, atr = make_minutes()
    columns = [np.ascontiguousarray(bars[name]) for name in ("open", "high", "low", "close")]
    vertical_us = np.minimum(decision_us + MAX_BARS * 5 * MINUTE_US, flat_us)

    def ours():
        given = (open_us, *columns, decision_us, atr)
        return triple_barrier(*given, k_up=K, k_down=K, max_bars=MAX_BARS, flat_time=flat_us, cost=COST)

    def kernel():
        return walk_to_barrier(open_us, *columns, decision_us, K * atr, K * atr, vertical_us)

    def peer():
        return peer_triple_barrier(open_us, bars, decision_us, flat_us, atr)

    out, expected = ours(), peer()
    for name, values in zip(("label", "t1_us", "net_long", "net_short"), expected, strict=True):
        if not np.array_equal(getattr(out, name), values):
            raise SystemExit(f"triple barrier: {name} differs from the peer's")
    print(f"{len(open_us):,} minutes, {len(decision_us):,} decisions, median minutes to touch ", end="")
    print(f"{np.nanmedian(out.minutes_to_touch):.0f}, untouched {np.isnan(out.minutes_to_touch).mean():.0%}")
    peer_ms = median_cpu_ms(peer, 3)
    report("triple barrier, checked public entry", median_cpu_ms(ours, 9), peer_ms)
    report("triple barrier, kernel alone", median_cpu_ms(kernel, 9), peer_ms)

    clock_us = open_us[4::5] + MINUTE_US
    if not np.allclose(
        average_uniqueness(out.t0_us, out.t1_us, clock_us),
        peer_uniqueness(out.t0_us, out.t1_us, clock_us),
        rtol=0,
        atol=1e-12,
    ):
        raise SystemExit("average uniqueness differs from the peer's")
    report(
        f"average uniqueness of {len(out):,} labels",
        median_cpu_ms(lambda: average_uniqueness(out.t0_us, out.t1_us, clock_us), 9),
        median_cpu_ms(lambda: peer_uniqueness(out.t0_us, out.t1_us, clock_us), 3),
    )
    every_t1 = open_us + 40 * MINUTE_US
    report(
        f"average uniqueness of {len(open_us):,} labels",
        median_cpu_ms(lambda: average_uniqueness(open_us, every_t1, open_us), 9),
        median_cpu_ms(lambda: peer_uniqueness(open_us, every_t1, open_us), 1),
    )


if __name__ == "__main__":
    main()
