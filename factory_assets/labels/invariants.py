"""Invariants of the ``labels`` table, evaluated once by its producer.

Nothing here calls the kernel, the label table, the events or the costs it checks: outcomes are recomputed from minutes
with array masks, ATR with TA-Lib, eligibility with clock arithmetic, costs from the instrument's row.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.labels.random_walk import random_walk_labels
from factory_assets.labels.recomputation import recomputed_outcomes
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import Barriers, LabelSettings
from factory_assets.vocabulary.timeframes import BASE_MINUTES, MINUTE_US
from factory_assets.vocabulary.verdict import Scalar, Verdict

INVARIANTS = ("label_contract", "t1_complete", "costs_once", "random_walk_null")
"""Names of the verdicts, in the order they come."""

SAMPLE_ROWS = 1_000
NULL_ROWS = 6_000
DIRECTION_BOUND = 0.10
"""Largest gap to the random walk in the share of touches that are up, beyond sampling error."""
FLAT_BOUND = 0.15
"""Largest gap in the share of class 0: trends and quiet markets move it, barriers in the wrong unit move it further."""

_OUTCOMES = ("t1", "label", "entry_time", "entry_price", "upper", "lower", "vertical_time", "exit_long", "exit_short")
_ALWAYS = (*_OUTCOMES, "net_long", "net_short", "mae", "mfe")
_TIMES = ("t1", "entry_time", "vertical_time")
_PRICE_TOLERANCE = 1e-9  # relative: sums of a handful of float64 prices


@dataclass(frozen=True, kw_only=True)
class _Partition:
    """What the table is checked against; ``history_5min`` ends with ``bars_5min``, the base bars of the rows."""

    labels: pd.DataFrame
    bars_1min: pd.DataFrame
    history_5min: pd.DataFrame
    sessions: Sessions
    instrument: Instrument
    barriers: Barriers
    settings: LabelSettings
    horizon: int
    seed: int

    @property
    def bars_5min(self) -> pd.DataFrame:
        return self.history_5min.iloc[len(self.history_5min) - len(self.labels) :]

    @property
    def eligible(self) -> pd.DataFrame:
        return self.labels[self.labels["eligible"].to_numpy()]

    @property
    def flat_us(self) -> np.ndarray:
        """Flat time of every row, found by trade date."""
        flat = pd.Series(self.sessions.flat_us, index=self.sessions.trade_day.astype("datetime64[D]"))
        return flat.reindex(self.labels["trade_date"].astype("datetime64[s]")).to_numpy()


def label_invariants(
    labels: pd.DataFrame,
    bars_1min: pd.DataFrame,
    bars_5min: pd.DataFrame,
    sessions: Sessions,
    instrument: Instrument,
    barriers: Barriers,
    settings: LabelSettings,
    horizon: int,
    *,
    from_day: int | None = None,
    seed: int = 5,
) -> list[Verdict]:
    """Check a finished ``labels`` table against the bars it was made from.

    Parameters
    ----------
    labels : DataFrame
        Output of :func:`factory_assets.labels.label_table.label_decisions`, every row of a run of whole sessions from
        the first (or from ``from_day``) on. Where a study has a test period, leave it out here and in the bars:
        verdicts state shares of outcomes, and no outcome of the sealed period may enter one.
    bars_1min, bars_5min : DataFrame
        The bars it was made from, cut at the same session; history before the first row included.
    sessions, instrument, barriers, settings, horizon
        What it was made with.
    from_day : int, optional
        As it was made with.
    seed : int
        Seed of the sampled rows and of the random walk.

    Returns
    -------
    list of Verdict
        ``label_contract`` (every base bar has its row; masks, ranges and ATR on all rows; outcomes recomputed on a
        sample that holds up to a quarter ties and outcomes settled at an open), ``t1_complete`` (every label ends
        inside its session and expiry, no later than its vertical time), ``costs_once`` (net = gross - one cost of the
        instrument's table) and ``random_walk_null`` (shares beside those of a driftless walk at the same barriers,
        wide bounds). All are blocking.
    """
    partition = _Partition(
        labels=labels,
        bars_1min=bars_1min,
        history_5min=bars_5min,
        sessions=sessions,
        instrument=instrument,
        barriers=barriers,
        settings=settings,
        horizon=horizon,
        seed=seed,
    )
    close_us = times_us(bars_5min["close_time"], "bars_5min.close_time")
    day = dates_days(bars_5min["trade_date"])
    first = 0 if from_day is None else int(np.searchsorted(day, from_day))
    aligned = bool(np.array_equal(_us(labels, "decision_time"), close_us[first:]))
    if not aligned or not bool(labels["eligible"].any()):
        summary = (
            f"none of {len(labels)} base bars has a label; too little history, or bars and sessions disagree"
            if aligned
            else f"{len(labels)} label rows do not stand one for one on {len(bars_5min)} base bars: nothing compared"
        )
        return [Verdict(name=name, passed=False, summary=summary) for name in INVARIANTS]
    return [_label_contract(partition), _t1_complete(partition), _costs_once(partition), _random_walk_null(partition)]


def _label_contract(p: _Partition) -> Verdict:
    broken = {**_mask_faults(p), **_range_faults(p)}
    sample, differing = _recomputed_faults(p)
    found = {name: count for name, count in {**broken, **differing}.items() if count}
    return Verdict(
        name="label_contract",
        passed=not found,
        summary=(
            f"{len(p.eligible)} of {len(p.labels)} rows labelled; ranges checked on all, {sample} outcomes recomputed "
            f"from minutes: " + (f"faults {found}" if found else "no fault")
        ),
        details={"rows": len(p.labels), "recomputed_rows": sample, **_mask_counts(p), **found},
    )


def _mask_counts(p: _Partition) -> dict[str, Scalar]:
    counts = p.labels["mask_reason"].astype(str).value_counts()
    return {f"masked_{reason}": int(count) for reason, count in counts.items() if reason}


def _mask_faults(p: _Partition) -> dict[str, int]:
    labels, eligible = p.labels, p.labels["eligible"].to_numpy()
    reason = labels["mask_reason"].astype(str).to_numpy()
    bars_left = (p.flat_us - _us(labels, "decision_time")) // (BASE_MINUTES * MINUTE_US)
    null = labels[list(_ALWAYS)].isna()
    last_us = int(times_us(p.bars_1min["close_time"], "close_time")[-1])
    open_end = np.minimum(p.flat_us, _us(labels, "t0") + p.barriers.max_bars * BASE_MINUTES * MINUTE_US) > last_us
    event = labels["event"].to_numpy()
    return {
        "eligible against reason": int(np.sum(eligible != (reason == ""))),
        "too_late against the clock": int(np.sum((reason == "too_late") != (bars_left < p.horizon))),
        "unfinished though the bars go on": int(np.sum((reason == "unfinished") & ~open_end)),
        "nulls in labelled rows": int(null[eligible].to_numpy().sum()),
        "outcomes in masked rows": int((~null[~eligible]).to_numpy().sum()),
        "events without a label": int(np.sum(event & ~eligible)),
        "uniqueness against event": int(np.sum(labels["uniqueness"].notna().to_numpy() != event)),
        "uniqueness out of (0, 1]": int(np.sum((labels["uniqueness"] <= 0) | (labels["uniqueness"] > 1 + 1e-9))),
    }


def _range_faults(p: _Partition) -> dict[str, int]:
    import talib

    rows = p.eligible
    entry, upper, lower, atr = (rows[name].to_numpy() for name in ("entry_price", "upper", "lower", "atr"))
    slack = _PRICE_TOLERANCE * entry
    label, tie = rows["label"].to_numpy(), rows["tie"].to_numpy()
    ratio = p.history_5min["adjustment_ratio"].to_numpy(np.float64)
    high, low, close = (p.history_5min[name].to_numpy(np.float64) * ratio for name in ("high", "low", "close"))
    history = len(p.history_5min) - len(p.labels)
    reference = (talib.ATR(high, low, close, timeperiod=14) / ratio)[history:][p.labels["eligible"].to_numpy()]
    exit_long, exit_short = rows["exit_long"].to_numpy(), rows["exit_short"].to_numpy()
    timed_out = rows["minutes_to_touch"].isna().to_numpy()
    took_us = _us(rows, "t1") - _us(rows, "entry_time")
    beyond = np.where(label > 0, exit_long >= upper, np.where(label < 0, exit_long <= lower, True))
    between = (exit_long > lower) & (exit_long < upper)
    return {
        "barriers off k x ATR": _count(
            (np.abs(upper - entry - p.barriers.k_up * atr) > slack)
            | (np.abs(entry - lower - p.barriers.k_down * atr) > slack)
        ),
        "ATR off TA-Lib": _count(~(np.abs(atr - reference) <= 1e-9 * reference)),
        "labels other than -1, 0, 1": _count(~np.isin(label, (-1.0, 0.0, 1.0))),
        "ties not booked at the stops": _count(tie & ((label != 0) | (exit_long != lower) | (exit_short != upper))),
        "exits differ without a tie": _count(~tie & (exit_long != exit_short)),
        "touch not at or beyond its barrier": _count(~beyond),
        "no touch but an exit at a barrier": _count(timed_out & ~between),
        "no touch but not class 0 at the vertical": _count(
            timed_out & ((label != 0) | (_us(rows, "t1") != _us(rows, "vertical_time")))
        ),
        "class 0 with a touch and no tie": _count(~timed_out & (label == 0) & ~tie),
        "minutes to touch off t1": _count(~timed_out & (rows["minutes_to_touch"].to_numpy() * MINUTE_US != took_us)),
        "negative excursions": _count((rows["mae"].to_numpy() < 0) | (rows["mfe"].to_numpy() < 0)),
    }


def _recomputed_faults(p: _Partition) -> tuple[int, dict[str, int]]:
    rng = np.random.default_rng(p.seed)
    rows = p.eligible
    gapped = (rows["label"] != 0) & (rows["exit_long"] != rows["upper"]) & (rows["exit_long"] != rows["lower"])
    rare = np.flatnonzero((rows["tie"] | gapped).to_numpy())
    chosen = {*rng.permutation(rare)[: SAMPLE_ROWS // 4].tolist(), *rng.permutation(len(rows))[:SAMPLE_ROWS].tolist()}
    sample = rows.iloc[sorted(chosen)]
    at = np.flatnonzero(p.labels["eligible"].to_numpy())[sorted(chosen)]
    expected = recomputed_outcomes(
        sample,
        p.bars_1min,
        expiry=p.bars_5min["expiry"].astype(str).to_numpy(dtype=object)[at],
        flat_us=p.flat_us[at],
        barriers=p.barriers,
    )
    differing = {}
    for name, values in expected.items():
        if name in _TIMES:
            differs = _us(sample, name) != values
        else:
            got = sample[name].to_numpy(np.float64)
            differs = ~(np.abs(got - values) <= _PRICE_TOLERANCE * (1.0 + np.abs(values)))
        differing[f"{name} differs when recomputed"] = _count(differs)
    return len(sample), differing


def _t1_complete(p: _Partition) -> Verdict:
    rows = p.eligible
    eligible = p.labels["eligible"].to_numpy()
    t0, t1, vertical = (_us(rows, name) for name in ("t0", "t1", "vertical_time"))
    open_us = times_us(p.bars_1min["open_time"], "open_time")
    codes, expiries = pd.factorize(p.bars_1min["expiry"])
    day = p.bars_1min["trade_date"].to_numpy().astype("datetime64[D]")
    first = np.searchsorted(open_us, _us(rows, "entry_time"))
    last = np.searchsorted(open_us, t1) - 1
    exists = first < len(open_us)
    first = np.minimum(first, len(open_us) - 1)
    expiry = p.bars_1min["expiry"].astype(str).to_numpy(dtype=object)
    bar_expiry = p.bars_5min["expiry"].astype(str).to_numpy(dtype=object)[eligible]
    faults = {
        "t0 not before t1": _count(~(t0 < t1)),
        "t1 after vertical": _count(t1 > vertical),
        "vertical after flat time": _count(vertical > p.flat_us[eligible]),
        "vertical after max_bars": _count(vertical - t0 > p.barriers.max_bars * BASE_MINUTES * MINUTE_US),
        "entry minute absent": _count(~exists | (open_us[first] != _us(rows, "entry_time"))),
        "label crosses sessions": _count((day[first] != day[last]) | (day[first] != _dates(rows))),
        "label crosses a roll": _count((codes[first] != codes[last]) | (expiry[first] != bar_expiry)),
    }
    found = {name: count for name, count in faults.items() if count}
    return Verdict(
        name="t1_complete",
        passed=not found,
        summary=(
            f"{len(rows)} label intervals over {len(expiries)} expiries end inside session, expiry and vertical time"
            if not found
            else f"{len(rows)} label intervals: faults {found}"
        ),
        details={"intervals": len(rows), **found},
    )


def _costs_once(p: _Partition) -> Verdict:
    rows, fees = p.eligible, p.instrument
    entry, cost = rows["entry_price"].to_numpy(), rows["cost"].to_numpy()
    low = (fees.commission_ticks + 2 * fees.slippage_low_ticks) * fees.tick_size
    high = (fees.commission_ticks + 2 * fees.slippage_high_ticks) * fees.tick_size
    expected = np.where(rows["high_volatility"].to_numpy(), high, low)
    slack = _PRICE_TOLERANCE * entry
    session = pd.factorize(p.history_5min["trade_date"])[0][len(p.history_5min) - len(p.labels) :]
    early = session < p.settings.cost_history_sessions
    faults = {
        "net_long": _count(np.abs(rows["exit_long"] - entry - expected - rows["net_long"]) > slack),
        "net_short": _count(np.abs(entry - rows["exit_short"] - expected - rows["net_short"]) > slack),
        "cost off the table": _count(np.abs(cost - expected) > 1e-12),
        "low cost without history": _count(early & ~p.labels["high_volatility"].to_numpy()),
    }
    found = {name: count for name, count in faults.items() if count}
    share = float(rows["high_volatility"].mean()) if len(rows) else 0.0
    return Verdict(
        name="costs_once",
        passed=not found,
        summary=(
            f"{len(rows)} rows net of one round trip of {low:g} or {high:g} points, the high one on {share:.0%}"
            if not found
            else f"{len(rows)} rows: faults {found}"
        ),
        details={"cost_low_points": low, "cost_high_points": high, "high_cost_share": share, **found},
    )


def _random_walk_null(p: _Partition) -> Verdict:
    rows = p.eligible
    if len(rows) > NULL_ROWS:
        rows = rows.iloc[np.sort(np.random.default_rng(p.seed).permutation(len(rows))[:NULL_ROWS])]
    walked, walked_tie = random_walk_labels(rows, p.bars_1min, seed=p.seed)
    label = rows["label"].to_numpy()
    session = pd.factorize(rows["trade_date"])[0]
    shares: dict[str, Scalar] = {}
    for name, values, ties in (("data", label, rows["tie"].to_numpy()), ("null", walked, walked_tie)):
        shares |= {f"{name}_up": float(np.mean(values > 0)), f"{name}_down": float(np.mean(values < 0))}
        shares |= {f"{name}_flat": float(np.mean(values == 0)), f"{name}_tie": float(np.mean(ties))}
    flat_gap, flat_error = _gap((label == 0) * 1.0, (walked == 0) * 1.0, np.ones((2, len(rows))), session)
    touches = np.stack([label != 0, walked != 0]) * 1.0
    up_gap, up_error = _gap((label > 0) * 1.0, (walked > 0) * 1.0, touches, session)
    passed = abs(up_gap) <= DIRECTION_BOUND + 4 * up_error and abs(flat_gap) <= FLAT_BOUND + 4 * flat_error
    return Verdict(
        name="random_walk_null",
        passed=bool(passed),
        summary=(
            f"up/down/flat {shares['data_up']:.1%}/{shares['data_down']:.1%}/{shares['data_flat']:.1%}, a driftless "
            f"walk at the same barriers {shares['null_up']:.1%}/{shares['null_down']:.1%}/{shares['null_flat']:.1%} "
            f"({len(rows)} rows); up given a touch differs by {up_gap:+.3f} +- {up_error:.3f}"
        ),
        details={**shares, "up_given_touch_gap": up_gap, "flat_gap": flat_gap, "rows": len(rows)},
    )


def _gap(data: np.ndarray, null: np.ndarray, weight: np.ndarray, session: np.ndarray) -> tuple[float, float]:
    """Difference of two weighted shares and its standard error, whole sessions being the independent unit."""
    totals = weight.sum(axis=1)
    if not len(data) or not bool(np.all(totals > 0)):
        return 0.0, 0.0
    means = np.array([(data * weight[0]).sum(), (null * weight[1]).sum()]) / totals
    pull = weight[0] * (data - means[0]) / totals[0] - weight[1] * (null - means[1]) / totals[1]
    return float(means[0] - means[1]), float(np.sqrt(np.sum(np.bincount(session, weights=pull) ** 2)))


def _us(frame: pd.DataFrame, name: str) -> np.ndarray:
    return times_us(frame[name], f"labels.{name}")


def _dates(frame: pd.DataFrame) -> np.ndarray:
    return frame["trade_date"].to_numpy().astype("datetime64[D]")


def _count(mask: np.ndarray | pd.Series) -> int:
    return int(np.sum(np.asarray(mask)))
