"""What has to be true of an evaluation before it is written, recomputed on another path than the one that made it.

Trades are replayed in plain Python and metrics recomputed with pandas and scikit-learn
(:mod:`factory_assets.evaluation.recomputation`), both ways: what should be there is, and nothing else is.

What this cannot see: exits and outcomes come from the stored labels, and labels and simulator call the same walk,
:mod:`factory_assets.labels.path`. That both agree shows that neither altered the other's numbers, not that the walk is
right. The independent oracle of the walk is in the tests (``labels/oracle.py``), and the labels' own invariant
``label_contract`` recomputes outcomes from the minutes.
"""

from collections.abc import Mapping
from datetime import date
from math import isnan

import numpy as np
import pandas as pd

from factory_assets.evaluation.baselines import CLOCK_ATR_MODELS
from factory_assets.evaluation.recomputation import (
    PROBABILITY_METRICS,
    TRADING_METRICS,
    SecondPath,
    earned_most,
    of_prior,
    probability_values,
    trading_values,
)
from factory_assets.evaluation.report_table import (
    ALWAYS_FLAT,
    BUY_AND_HOLD,
    MAJORITY,
    PERIODS,
    PRIOR,
    RANDOM_ENTRY,
    EvaluationResult,
)
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import Barriers, EvaluationSettings
from factory_assets.vocabulary.verdict import Verdict

POINTS_TOLERANCE = 1e-9
DOLLARS_TOLERANCE = 1e-6
M0_TOLERANCE_ATR = 1e-9
# Relative to the larger of the value and 1. Scores within rounding of a tie may tie on one path and not on the other.
METRIC_TOLERANCE = 1e-6
# Neither can be said without a touched pair, or without variation from day to day.
MAYBE_UNDEFINED = ("direction_auc", "direction_skill", "sharpe_annual")
SURE_METRICS = len({*PROBABILITY_METRICS, *TRADING_METRICS} - {*MAYBE_UNDEFINED})
INVARIANTS = (
    "trades_never_overlap",
    "trades_equal_labels",
    "trades_follow_rule",
    "profit_adds_up",
    "models_share_keys",
    "metrics_recomputed",
    "intervals_contain_values",
    "baselines_present",
    "no_sealed_decision",
)
_OPENED = ("test", "forward")


def evaluation_invariants(
    result: EvaluationResult,
    *,
    predictions: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    splits: pd.DataFrame,
    instrument: Instrument,
    barriers: Barriers,
    settings: EvaluationSettings,
    last_day: date | None,
) -> list[Verdict]:
    """Every invariant of one evaluation; all of them fail if there is nothing to be checked.

    Parameters
    ----------
    result : EvaluationResult
        What is about to be written.
    predictions : mapping of str to DataFrame
        What was handed to :func:`factory_assets.evaluation.report_table.evaluate`.
    labels : DataFrame
        The stored labels, made by another package.
    splits : DataFrame
        The stored splits.
    instrument, barriers, settings : Instrument, Barriers, EvaluationSettings
        What the evaluation ran with.
    last_day : date or None
        Last trade date this **period** may touch: the end of train for ``oof``, of val for ``val``. None only for an
        opened ``test`` or ``forward``.
    """
    outcomes = labels.loc[labels["eligible"].astype(bool)] if "eligible" in labels.columns else labels
    given = {"predictions": predictions, "labels": outcomes, "splits": splits, "scored decisions": result.keys_us}
    given |= {f"predictions of {name}": frame for name, frame in predictions.items()}
    given |= {"metrics": result.table, "days": result.daily}
    empty = sorted(name for name, content in given.items() if len(content) == 0)
    if empty:
        return [Verdict(name=name, passed=False, summary=f"nothing to check: no {empty}") for name in INVARIANTS]
    second = SecondPath.of(
        predictions,
        outcomes,
        splits,
        trades=result.trades,
        theta=result.theta,
        m0=result.m0,
        barriers=barriers,
        prior=PRIOR,
    )
    return [
        _never_overlap(result.trades, second.trades),
        _equal_to_labels(result.trades, outcomes, instrument, second.trades),
        _rule_followed(result, second, settings, instrument),
        _adds_up(result, settings.account_dollars),
        _same_keys(result, predictions),
        _metrics_agree(result, second),
        _intervals_contain(result.table),
        _baselines_present(result, predictions),
        _nothing_later(result, outcomes, splits, last_day),
    ]


def _never_overlap(trades: pd.DataFrame, expected: int) -> Verdict:
    overlaps = backwards = 0
    for _, book in trades.groupby("model", observed=True):
        ordered = book.sort_values("entry_time")
        overlaps += int((~(ordered["decision_time"].iloc[1:].array >= ordered["exit_time"].iloc[:-1].array)).sum())
        backwards += int((~(ordered["entry_time"] >= ordered["decision_time"])).sum())
        backwards += int((~(ordered["exit_time"] > ordered["entry_time"])).sum())
    return Verdict(
        name="trades_never_overlap",
        passed=overlaps + backwards == 0 and (len(trades) > 0 or expected == 0),
        summary=f"{len(trades)} trades of {expected} expected: {overlaps} decided before the previous one of the model "
        f"was closed, {backwards} not ordered as decision <= entry < exit",
        details={"trades": len(trades), "expected": expected, "overlaps": overlaps, "backwards": backwards},
    )


def _equal_to_labels(trades: pd.DataFrame, labels: pd.DataFrame, instrument: Instrument, expected: int) -> Verdict:
    shared = ["entry_time", "entry_price", "cost", "trade_date"]
    columns = ["decision_time", "t1", "net_long", "net_short", "exit_long", "exit_short", *shared]
    joined = trades.merge(labels[columns], on="decision_time", how="left", suffixes=("", "_label"))
    long = joined["side"] == 1
    net = joined["net_long"].where(long, joined["net_short"])
    wanted = {
        "net_points": net,
        "net_dollars": net * instrument.tick_dollars / instrument.tick_size,
        "exit_price": joined["exit_long"].where(long, joined["exit_short"]),
        "entry_price": joined["entry_price_label"],
        "cost": joined["cost_label"],
    }
    missing = int(net.isna().sum())
    off = {name: (joined[name] - value).abs() for name, value in wanted.items()}
    limits = {name: DOLLARS_TOLERANCE if name == "net_dollars" else POINTS_TOLERANCE for name in off}
    other = {name: int((~(values <= limits[name])).sum()) for name, values in off.items()}
    for name, label_name in (
        ("exit_time", "t1"),
        ("entry_time", "entry_time_label"),
        ("trade_date", "trade_date_label"),
    ):
        other[name] = int((joined[name] != joined[label_name]).sum())
    other["side"] = int((~joined["side"].isin((-1, 1))).sum())
    found = {name: count for name, count in other.items() if count}
    worst = float(off["net_points"].max()) if off["net_points"].notna().any() else 0.0
    return Verdict(
        name="trades_equal_labels",
        passed=missing == 0 and not found and len(joined) == len(trades) and (len(trades) > 0 or expected == 0),
        summary=f"{len(trades)} trades joined with their labels: largest difference {worst:.3g} points, "
        f"{missing} without a label, other values by column: {found}",
        details={"trades": len(trades), "worst_points": worst, "missing": missing, **found},
    )


def _rule_followed(
    result: EvaluationResult, second: SecondPath, settings: EvaluationSettings, instrument: Instrument
) -> Verdict:
    """Exactly the trades of the replay, m0 of the training parts, and on oof the threshold that earned most."""
    wanted = {(name, entry.decision_us, entry.side) for name, book in second.entries.items() for entry in book}
    trades = result.trades
    keys = zip(trades["model"].astype(str), times_us(trades["decision_time"]).tolist(), trades["side"], strict=True)
    have = [(name, decision_us, int(side)) for name, decision_us, side in keys]
    faults = {
        "missing trades": len(wanted - set(have)),
        "unexpected trades": len(set(have) - wanted),
        "doubled trades": len(have) - len(set(have)),
        "decisions not replayed": second.unusable,
        "folds without training part": len(second.lacking),
        "models without threshold": len(set(second.rows) ^ set(result.theta)),
        "m0 off the training part": sum(
            not np.allclose(result.m0.get(fold, (np.nan, np.nan)), part.m0, rtol=0.0, atol=M0_TOLERANCE_ATR)
            for fold, part in second.parts.items()
        ),
    }
    if result.period == "oof":
        points = instrument.tick_dollars / instrument.tick_size
        faults["thresholds that did not earn most"] = sum(
            not earned_most(made, result.theta.get(name, float("nan")), settings.thetas, DOLLARS_TOLERANCE / points)
            for name, made in second.chances.items()
        )
    found = {name: count for name, count in faults.items() if count}
    return Verdict(
        name="trades_follow_rule",
        passed=not found and sum(len(made) for made in second.chances.values()) > 0,
        summary=f"{len(second.chances)} models replayed in plain Python: {len(wanted)} trades expected, {len(have)} in "
        "the table; " + (f"faults {found}" if found else "the same on both sides"),
        details={"models": len(second.chances), "expected": len(wanted), "trades": len(have), **found},
    )


def _adds_up(result: EvaluationResult, account_dollars: float) -> Verdict:
    days = pd.DatetimeIndex(np.unique(result.daily["trade_date"]))
    table = result.table.set_index(["model", "metric"])["value"].to_dict()
    worst, miscounted = 0.0, []
    names = sorted({*result.theta, *result.daily["model"]})
    for name in names:
        daily = result.daily[result.daily["model"] == name].sort_values("trade_date")
        net = daily["net_dollars"].to_numpy(dtype=np.float64)
        total = table.get((name, "net_pnl_dollars"), np.nan)
        ends = [daily["equity_dollars"].to_numpy(dtype=np.float64) - account_dollars - net.cumsum(), net.sum() - total]
        whole = len(daily) == len(days) and bool((daily["trade_date"].to_numpy() == days.to_numpy()).all())
        if name in result.theta:
            book = result.trades[result.trades["model"] == name]
            whole &= table.get((name, "trades"), np.nan) == len(book) and bool(book["trade_date"].isin(days).all())
            by_day = book.groupby("trade_date")["net_dollars"].sum()
            ends.append(by_day.reindex(daily["trade_date"], fill_value=0.0).to_numpy(dtype=np.float64) - net)
            ends.append(book["net_dollars"].sum() - total)
        off = np.abs(np.concatenate([np.atleast_1d(end) for end in ends]))
        if not whole or not np.isfinite(off).all():
            miscounted.append(name)
        worst = max(worst, float(np.max(off, where=np.isfinite(off), initial=0.0)))
    return Verdict(
        name="profit_adds_up",
        passed=bool(result.theta) and worst <= DOLLARS_TOLERANCE * max(1, len(result.trades)) and not miscounted,
        summary=f"{len(names)} accounts on {len(days)} days: trades, days, equity and table differ by at most "
        f"{worst:.3g} dollars; {len(miscounted)} with other trades or days, or a missing figure {miscounted}",
        details={"models": len(names), "worst_dollars": worst, "miscounted": len(miscounted)},
    )


def _same_keys(result: EvaluationResult, predictions: Mapping[str, pd.DataFrame]) -> Verdict:
    sets = {name: frozenset(times_us(frame["decision_time"]).tolist()) for name, frame in predictions.items()}
    first = frozenset(result.keys_us.tolist())
    other = sorted(name for name, keys in sets.items() if keys != first or len(predictions[name]) != len(keys))
    scored = result.table[result.table["metric"] == "log_loss"]
    rows = {name: scored.loc[scored["model"] == name, "rows"].tolist() for name in [*sets, PRIOR]}
    short = sorted(name for name, counts in rows.items() if counts != [len(first)])
    outside = len(set(times_us(result.trades["decision_time"]).tolist()) - first)
    return Verdict(
        name="models_share_keys",
        passed=len(first) > 0 and not other and not short and outside == 0,
        summary=f"{len(sets)} models on {len(first)} decisions; other keys or doubled rows: {other}; scored on another "
        f"number: {short}; trades at other decisions: {outside}",
        details={"models": len(sets), "decisions": len(first), "other": len(other), "outside": outside},
    )


def _metrics_agree(result: EvaluationResult, second: SecondPath) -> Verdict:
    """Every metric of every scored model that has a second definition, the table's and this one within rounding."""
    wanted = _second_values(result, second)
    pairs = list(zip(result.table["model"].astype(str), result.table["metric"].astype(str), strict=True))
    table = dict(zip(pairs, result.table["value"].tolist(), strict=True))
    doubled = len(pairs) - len(table)
    missing = sorted(f"{model}.{metric}" for model, metric in wanted.keys() - table.keys())
    worst, undefined, differing = 0.0, 0, []
    for key in sorted(wanted.keys() & table.keys()):
        value = wanted[key]
        if isnan(value) and isnan(table[key]) and key[1] in MAYBE_UNDEFINED:
            undefined += 1
            continue
        off = abs(value - table[key]) / max(1.0, abs(value))
        if not off <= METRIC_TOLERANCE:
            differing.append(".".join(key))
        worst = max(worst, off if np.isfinite(off) else 0.0)
    compared, least = len(wanted) - len(missing) - undefined, SURE_METRICS * len(second.rows)
    return Verdict(
        name="metrics_recomputed",
        passed=not differing and not missing and doubled == 0 and compared >= least,
        summary=f"{compared} values of {len(second.rows)} models (at least {least} have to be) recomputed another way "
        f"differ by at most {worst:.3g}; off: {differing[:5]}, missing: {missing[:5]}, doubled: {doubled}, undefined "
        f"on both paths: {undefined}",
        details={
            "compared": compared,
            "undefined": undefined,
            "missing": len(missing),
            "differing": len(differing),
            "worst": worst,
        },
    )


def _second_values(result: EvaluationResult, second: SecondPath) -> dict[tuple[str, str], float]:
    days = pd.DatetimeIndex(np.unique(result.daily["trade_date"]))
    values: dict[tuple[str, str], float] = {}
    for name, rows in second.rows.items():
        made = probability_values(rows, second.parts)
        made |= trading_values(result.trades[result.trades["model"] == name], days)
        values |= {(name, metric): made[metric] for metric in (*PROBABILITY_METRICS, *TRADING_METRICS)}
    majority = probability_values(of_prior(second.rows[PRIOR], second.parts, certain=True), second.parts)
    values |= {(MAJORITY, metric): majority[metric] for metric in ("macro_f1", "brier")}
    flat = trading_values(result.trades.iloc[:0], days)
    values |= {(ALWAYS_FLAT, metric): flat[metric] for metric in TRADING_METRICS}
    clocks = [values[name, "log_loss"] for name in CLOCK_ATR_MODELS if name in second.rows]
    if clocks:
        values |= {(name, "skill_log_loss"): min(clocks) - values[name, "log_loss"] for name in second.rows}
    return values


def _intervals_contain(table: pd.DataFrame) -> Verdict:
    bounded = table.dropna(subset=["low", "high"])
    outside = bounded[~((bounded["low"] <= bounded["value"]) & (bounded["value"] <= bounded["high"]))]
    half = int((table["low"].isna() != table["high"].isna()).sum())
    named = [f"{row.model}.{row.metric}" for row in outside.head(5).itertuples(index=False)]
    return Verdict(
        name="intervals_contain_values",
        passed=len(bounded) > 0 and len(outside) == 0 and half == 0,
        summary=f"{len(bounded)} of {len(table)} values have an interval; {len(outside)} lie outside theirs {named}, "
        f"{half} have one end only",
        details={"intervals": len(bounded), "outside": len(outside), "half": half},
    )


def _baselines_present(result: EvaluationResult, predictions: Mapping[str, pd.DataFrame]) -> Verdict:
    have = set(result.table["model"])
    models = [name for name in predictions if name not in CLOCK_ATR_MODELS]
    wanted = {PRIOR, MAJORITY, ALWAYS_FLAT, BUY_AND_HOLD, *CLOCK_ATR_MODELS, *(f"{RANDOM_ENTRY}_{m}" for m in models)}
    missing = sorted(wanted - have)
    return Verdict(
        name="baselines_present",
        passed=not missing,
        summary=f"{len(wanted) - len(missing)} of {len(wanted)} baselines in the table; missing: {missing}",
        details={"wanted": len(wanted), "missing": len(missing)},
    )


def _nothing_later(
    result: EvaluationResult, labels: pd.DataFrame, splits: pd.DataFrame, last_day: date | None
) -> Verdict:
    """Nothing after the period's last day, and every scored decision of the part of the splits the period is named for.

    The splits are asked as well, so that a day too late from the caller does not let val into ``oof``.
    """
    opened = result.period in _OPENED
    if result.period not in PERIODS or (last_day is None and not opened):
        return Verdict(
            name="no_sealed_decision",
            passed=False,
            summary=f"period {result.period} with last day {last_day}: only an opened test or forward period may leave "
            f"the end day out, and only {PERIODS} are known",
        )
    keys = pd.DatetimeIndex(result.keys_us.view("M8[us]"), tz="UTC")
    scored = labels[labels["decision_time"].isin(keys)]
    dates = [scored["trade_date"], result.trades["trade_date"], result.daily["trade_date"]]
    limit = pd.Timestamp.max if last_day is None else pd.Timestamp(last_day)
    later = sum(int((~(days <= limit)).sum()) for days in dates)
    assigned = splits[splits["scheme"] == "hold_out"]
    val = assigned.loc[assigned["role"] == "val", "decision_time"]
    if result.period == "oof":
        tested = (splits["scheme"] == "purged_kfold") & (splits["role"] == "test")
        strange = int((~keys.isin(splits.loc[tested, "decision_time"]) | keys.isin(val)).sum())
        from_val = labels.loc[labels["decision_time"].isin(val), "trade_date"].min()
        later += 0 if pd.isna(from_val) else sum(int((days >= from_val).sum()) for days in dates)
    elif result.period == "val":
        strange = int((~keys.isin(val)).sum())
    else:
        strange = int(keys.isin(splits["decision_time"]).sum())
    return Verdict(
        name="no_sealed_decision",
        passed=later == 0 and strange == 0 and len(scored) == len(keys) > 0,
        summary=f"{len(scored)} of {len(keys)} scored decisions of period {result.period} have a label, "
        f"{len(result.trades)} trades: {later} rows after {last_day}, {strange} decisions of another part of "
        "the splits",
        details={"decisions": len(scored), "later": later, "another_part": strange},
    )
