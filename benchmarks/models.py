"""Out-of-fold predictions of both base models on 20,000 x 120, beside the plain libraries, in one run.

The plain side does what a notebook does with the same folds, rows and parameters: scale, fit, predict. Ours adds
validation, the canonical order of rows and a record of what each fit saw. Run with ``python -m benchmarks.models``.
"""

import statistics
import time

import lightgbm
import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from factory_assets.models import create
from factory_assets.splits.early_stop import early_stop_tail
from factory_assets.splits.purged_kfold import PurgedKFold
from factory_assets.stacking import out_of_fold
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.settings import SplitSettings

SESSIONS, BARS_A_SESSION, COLUMNS, FOLDS, REPEATS = 200, 100, 120, 5, 3
MINUTE_US = 60_000_000
SETTINGS = SplitSettings(folds=FOLDS)


def make_data(seed=3):
    """Sessions of base bars with overlapping labels; a weak signal, as bars have."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(19_000, 19_000 + SESSIONS, dtype=np.int32), BARS_A_SESSION)
    clock_us = day.astype(np.int64) * 1_440 * MINUTE_US + np.tile(np.arange(BARS_A_SESSION), SESSIONS) * 5 * MINUTE_US
    rows = len(day)
    features = rng.normal(size=(rows, COLUMNS)).astype(np.float32)
    score = 0.3 * features[:, 0] + 0.2 * features[:, 1] * features[:, 2] + rng.normal(size=rows)
    data = TimeSeriesDataContainer(
        decision_us=clock_us,
        features=features,
        feature_names=tuple(f"column_{i}" for i in range(COLUMNS)),
        label=np.clip(np.round(score), -1, 1).astype(np.int8),
        t0_us=clock_us,
        t1_us=clock_us + rng.integers(1, 50, rows) * 5 * MINUTE_US,
        weight=rng.uniform(0.3, 1.7, rows),
        trade_day=day,
    )
    folds = PurgedKFold(FOLDS, purge=SETTINGS.purge_bars, embargo=SETTINGS.embargo_bars)
    return data, clock_us, list(folds.split(data.t0_us, data.t1_us, clock_us))


def ours(name, data, clock_us, folds):
    kinds = ("robust",) * COLUMNS
    return out_of_fold(name, {}, data, folds, kinds, settings=SETTINGS, clock_us=clock_us, seed=1).probabilities


def plain_lightgbm(data, clock_us, folds):
    chosen = create("lightgbm").params.as_dict() | {
        "objective": "multiclass",
        "num_class": 3,
        "verbosity": -1,
        "seed": 1,
    }
    stopping, rounds = chosen.pop("early_stopping_round"), chosen.pop("num_iterations")
    out = np.empty((len(data), 3))
    for train, test in folds:
        fit, tail = early_stop_tail(
            data.t0_us[train],
            data.t1_us[train],
            share=SETTINGS.early_stop_tail_share,
            purge=SETTINGS.purge_bars,
            clock=clock_us,
        )
        sets = [(data.features[rows], data.label[rows] + 1, data.weight[rows]) for rows in (train[fit], train[tail])]
        dataset = lightgbm.Dataset(sets[0][0], sets[0][1], weight=sets[0][2], params=dict(chosen))
        watched = lightgbm.Dataset(sets[1][0], sets[1][1], weight=sets[1][2], reference=dataset)
        stop = lightgbm.early_stopping(stopping, verbose=False)
        booster = lightgbm.train(chosen, dataset, rounds, valid_sets=[watched], callbacks=[stop])
        out[test] = booster.predict(data.features[test], num_threads=chosen["num_threads"])
    return out


def plain_logistic(data, _clock_us, folds):
    out = np.empty((len(data), 3))
    for train, test in folds:
        low, mid, high = np.quantile(data.features[train], [0.25, 0.5, 0.75], axis=0)
        scaled = np.clip((data.features - mid) / (high - low), -5, 5)
        model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000, tol=1e-6)
        model.fit(scaled[train], data.label[train], sample_weight=data.weight[train])
        out[test] = model.predict_proba(scaled[test])
    return out


def seconds(call):
    """Wall time of a call and what it returned."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def log_loss(probabilities, label):
    return float(-np.log(probabilities[np.arange(len(label)), label + 1]).mean())


def main():
    arguments = make_data()
    data = arguments[0]
    print(f"{len(data):,} rows x {COLUMNS} columns, {FOLDS} purged folds, medians of {REPEATS} alternating runs")
    print("model       plain (s)   ours (s)   ratio   log loss plain   ours")
    for name, plain in (("lightgbm", plain_lightgbm), ("logistic", plain_logistic)):
        times = {"plain": [], "ours": []}
        for _ in range(REPEATS):
            took, theirs = seconds(lambda p=plain: p(*arguments))
            times["plain"].append(took)
            took, own = seconds(lambda n=name: ours(n, *arguments))
            times["ours"].append(took)
        a, b = statistics.median(times["plain"]), statistics.median(times["ours"])
        losses = f"{log_loss(theirs, data.label):14.4f} {log_loss(own, data.label):8.4f}"
        print(f"{name:10} {a:9.2f} {b:10.2f} {b / a:8.2f} {losses}")
    with threadpool_limits(limits=1):
        row = data.features[:1]
        for name in ("lightgbm", "logistic"):
            model = create(name).fit(data.features, data.label)
            times = [seconds(lambda m=model: m.predict_proba(row))[0] for _ in range(300)]
            print(f"one live row, {name}: median {statistics.median(times) * 1e6:.0f} us")


if __name__ == "__main__":
    main()
