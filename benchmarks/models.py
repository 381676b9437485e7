"""Out-of-fold predictions of both tabular models on 20,000 x 120, and epochs of the TCN, beside the plain libraries.

The plain side does what a notebook does with the same folds, rows and parameters: scale, fit, predict. Ours adds
validation, the canonical order of rows and a record of what each fit saw. The plain TCN is the paper's drawing in torch
(``conv1d`` with padding, all steps of all levels) in a plain loop over a materialised array, one thread both. Run with
``python -m benchmarks.models``, or ``python -m benchmarks.models tcn`` for the TCN alone.
"""

import statistics
import sys
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
from factory_assets.vocabulary.windows import LazyWindows

SESSIONS, BARS_A_SESSION, COLUMNS, FOLDS, REPEATS = 200, 100, 120, 5, 3
WINDOWS, STEPS, WINDOW_COLUMNS, BATCH = 4_096, 60, 150, 256
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


def make_windows(seed=3):
    """Windows that overlap as decisions some bars apart do, over one row store."""
    rng = np.random.default_rng(seed)
    last = STEPS - 1 + np.arange(WINDOWS, dtype=np.int64) * 6
    store = rng.normal(size=(last[-1] + 1, WINDOW_COLUMNS)).astype(np.float32)
    lazy = LazyWindows(
        store=store, last=last, first=last - STEPS + 1, length=STEPS, pad=np.zeros(WINDOW_COLUMNS, dtype=np.float32)
    )
    return lazy, rng.integers(-1, 2, WINDOWS), rng.uniform(0.3, 1.7, WINDOWS)


def plain_tcn(values, labels, weights, epochs, channels, levels=4):
    """The textbook network trained by a textbook loop."""
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.nn.utils.parametrizations import weight_norm

    class Block(nn.Module):
        def __init__(self, inputs, dilation):
            super().__init__()
            self.reach = 2 * dilation
            self.first = weight_norm(nn.Conv1d(inputs, channels, 3, dilation=dilation))
            self.second = weight_norm(nn.Conv1d(channels, channels, 3, dilation=dilation))
            self.shortcut = nn.Conv1d(inputs, channels, 1) if inputs != channels else nn.Identity()

        def forward(self, x):
            deep = functional.dropout1d(self.first(functional.pad(x, (self.reach, 0))).relu(), 0.2, self.training)
            deep = functional.dropout1d(self.second(functional.pad(deep, (self.reach, 0))).relu(), 0.2, self.training)
            return functional.relu(deep + self.shortcut(x))

    torch.manual_seed(0)
    blocks = nn.Sequential(*[Block(values.shape[2] if i == 0 else channels, 2**i) for i in range(levels)])
    head = nn.Linear(channels, 3)
    network = nn.ModuleList([blocks, head])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    x, y, w = torch.from_numpy(values), torch.from_numpy(labels + 1), torch.from_numpy(weights.astype(np.float32))
    for _ in range(epochs):
        for part in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad()
            logits = head(blocks(x[part].transpose(1, 2))[:, :, -1])
            (functional.cross_entropy(logits, y[part], reduction="none") * w[part]).mean().backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()


def report_tcn():
    """Samples of forward and backward a CPU second, plain and ours, alternating; then predictions."""
    import torch

    torch.set_num_threads(1)
    lazy, labels, weights = make_windows()
    dense, channels = lazy.materialised(), create("tcn").params.channels
    rates = {"plain": [], "ours": []}
    for _ in range(REPEATS):
        rates["plain"].append(WINDOWS / cpu_seconds(lambda: plain_tcn(dense, labels, weights, 1, channels)))
        model = create("tcn", epochs_max=1)
        rates["ours"].append(WINDOWS / cpu_seconds(lambda m=model: m.fit(lazy, labels, weights)))
    plain, own = (statistics.median(rates[side]) for side in ("plain", "ours"))
    print(f"tcn, one epoch of {WINDOWS:,} windows {STEPS} x {WINDOW_COLUMNS}, {channels} channels, batches of {BATCH}")
    print(f"samples a CPU second: plain {plain:,.0f}   ours {own:,.0f}   ratio {own / plain:.2f}")
    print(f"predictions a CPU second: {WINDOWS / cpu_seconds(lambda: model.predict_proba(lazy)):,.0f}")
    times = [seconds(lambda: model.predict_proba(lazy[:1]))[0] for _ in range(200)]
    print(f"one live window, tcn: median {statistics.median(times) * 1e3:.2f} ms")


def cpu_seconds(call):
    """CPU time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def seconds(call):
    """Wall time of a call and what it returned."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def log_loss(probabilities, label):
    return float(-np.log(probabilities[np.arange(len(label)), label + 1]).mean())


def report_tabular():
    """Whole out-of-fold runs, alternating; then one live row."""
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


def main():
    if sys.argv[1:] != ["tcn"]:
        report_tabular()
    report_tcn()


if __name__ == "__main__":
    main()
