"""Session bootstrap of the direction AUC: one sorted pass a resample beside the usual loop, on equal output.

The usual way is to rebuild the resampled rows and call ``roc_auc_score``. Run it with
``python -m benchmarks.evaluation``; the loop is timed on a part of the resamples and scaled up.
"""

import statistics
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from factory_assets.evaluation.bootstrap import SessionResampler, auc_samples

ROWS, SESSIONS, RESAMPLES, LOOP_RESAMPLES, REPEATS = 20_000, 500, 2_000, 20, 5


def usual_loop(score, positive, session, draws):
    """AUC of rows rebuilt for every resample."""
    rows_of = [np.flatnonzero(session == s) for s in range(SESSIONS)]
    out = []
    for draw in draws:
        rows = np.concatenate([rows_of[s] for s in draw])
        out.append(roc_auc_score(positive[rows], score[rows]))
    return np.array(out)


def seconds(call, repeats):
    """Median wall time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    rng = np.random.default_rng(0)
    session = np.sort(rng.integers(0, SESSIONS, ROWS))
    positive = rng.random(ROWS) < 0.5
    score = np.round(0.2 * positive + rng.normal(size=ROWS), 4)
    resampler = SessionResampler.of(SESSIONS, resamples=RESAMPLES, confidence=0.95, seed=0)
    arrays = (score, positive, session)
    ours = auc_samples(*arrays, resampler.counts)  # also compiles
    loop = usual_loop(*arrays, resampler.draws[:LOOP_RESAMPLES])
    worst = float(np.abs(ours[:LOOP_RESAMPLES] - loop).max())
    fast = seconds(lambda: auc_samples(*arrays, resampler.counts), REPEATS)
    slow = seconds(lambda: usual_loop(*arrays, resampler.draws[:LOOP_RESAMPLES]), 3) * RESAMPLES / LOOP_RESAMPLES
    print(f"{RESAMPLES:,} resamples of {SESSIONS} sessions, {ROWS:,} rows, one core, medians")
    print(f"  rebuild rows + scikit-learn   {slow:8.2f} s (scaled from {LOOP_RESAMPLES} resamples)")
    print(f"  one sorted pass a resample    {fast:8.2f} s   {slow / fast:,.0f} x")
    print(f"  largest difference            {worst:.1e}")
    if worst > 1e-12:
        raise SystemExit("the two disagree")


if __name__ == "__main__":
    main()
