"""What has to be true of an evaluation before it is written, recomputed on another path than the one that made it.

Joins and pandas group sums stand in for the kernels of :mod:`factory_assets.evaluation.report_table`, the stored
labels for the simulator's walk, ranks for the sorted pass of the bootstrap.
"""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

from factory_assets.evaluation.baselines import CLOCK_ATR_MODELS
from factory_assets.evaluation.metrics import SCORE_DECIMALS
from factory_assets.evaluation.report_table import (
    ALWAYS_FLAT,
    BUY_AND_HOLD,
    MAJORITY,
    PRIOR,
    RANDOM_ENTRY,
    EvaluationResult,
)
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import Barriers, EvaluationSettings
from factory_assets.vocabulary.verdict import Verdict

POINTS_TOLERANCE = 1e-9
DOLLARS_TOLERANCE = 1e-6
# Scores within rounding of a tie may tie on one path and not on the other.
METRIC_TOLERANCE = 1e-6


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
    """Every invariant of one evaluation.

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
        Last trade date the evaluation may touch: the study's end of ``val``. None for an opened test.
    """
    outcomes = labels.loc[labels["eligible"]] if "eligible" in labels.columns else labels
    return [
        _never_overlap(result.trades),
        _equal_to_labels(result.trades, outcomes, instrument),
        _rule_followed(result, predictions, outcomes, barriers),
        _adds_up(result, settings.account_dollars),
        _same_keys(result, predictions),
        _metrics_agree(result, predictions, outcomes, splits),
        _intervals_contain(result.table),
        _baselines_present(result, predictions),
        _nothing_later(result, outcomes, last_day),
    ]


def _never_overlap(trades: pd.DataFrame) -> Verdict:
    overlaps = backwards = 0
    for _, book in trades.groupby("model", observed=True):
        ordered = book.sort_values("entry_time")
        overlaps += int((ordered["decision_time"].iloc[1:].array < ordered["exit_time"].iloc[:-1].array).sum())
        backwards += int((ordered["entry_time"] < ordered["decision_time"]).sum())
        backwards += int((ordered["exit_time"] <= ordered["entry_time"]).sum())
    return Verdict(
        name="trades_never_overlap",
        passed=overlaps + backwards == 0,
        summary=f"{len(trades)} trades: {overlaps} decided before the previous one of the model was closed, "
        f"{backwards} not ordered as decision <= entry < exit",
        details={"trades": len(trades), "overlaps": overlaps, "backwards": backwards},
    )


def _equal_to_labels(trades: pd.DataFrame, labels: pd.DataFrame, instrument: Instrument) -> Verdict:
    columns = ["decision_time", "net_long", "net_short", "t1", "entry_time"]
    joined = trades.merge(labels[columns], on="decision_time", how="left", suffixes=("", "_label"))
    wanted = joined["net_long"].where(joined["side"] == 1, joined["net_short"])
    worst = float((joined["net_points"] - wanted).abs().max()) if len(joined) else 0.0
    missing = int(wanted.isna().sum())
    times = int(
        (joined["exit_time"] != joined["t1"]).sum() + (joined["entry_time"] != joined["entry_time_label"]).sum()
    )
    dollars = (joined["net_dollars"] - wanted * instrument.tick_dollars / instrument.tick_size).abs()
    money = int((dollars > DOLLARS_TOLERANCE).sum())
    passed = missing + times + money == 0 and worst <= POINTS_TOLERANCE and len(joined) == len(trades)
    return Verdict(
        name="trades_equal_labels",
        passed=passed,
        summary=f"{len(trades)} trades joined with their labels: largest difference {worst:.3g} points, "
        f"{missing} without a label, {times} entries or exits at another time, {money} with other dollars",
        details={"worst_points": worst, "missing": missing, "other_times": times, "other_dollars": money},
    )


def _rule_followed(
    result: EvaluationResult, predictions: Mapping[str, pd.DataFrame], labels: pd.DataFrame, barriers: Barriers
) -> Verdict:
    """Each trade's expected value, written out again; the prior's own probabilities are no input and are left out."""
    checked = broken = 0
    for name, frame in predictions.items():
        book = result.trades[result.trades["model"] == name]
        wide = book[["decision_time", "side"]].merge(frame, on="decision_time")
        wide = wide.merge(labels[["decision_time", "atr", "cost"]], on="decision_time")
        for row in wide.itertuples(index=False):
            m0 = result.m0[int(row.fold)]
            up, down = row.p_up * barriers.k_up, row.p_down * barriers.k_down
            gain = up - down if row.side == 1 else down - up
            expected = row.atr * (gain + row.p_flat * m0[0 if row.side == 1 else 1]) - row.cost
            broken += not expected > result.theta[name] * row.cost - POINTS_TOLERANCE
        checked += len(wide)
    lost = sum(int((result.trades["model"] == name).sum()) for name in predictions) - checked
    return Verdict(
        name="trades_follow_rule",
        passed=broken == 0 and lost == 0,
        summary=f"{checked} trades: {broken} whose expected value is not above theta x cost, {lost} without prediction",
        details={"checked": checked, "broken": broken, "without_prediction": lost},
    )


def _adds_up(result: EvaluationResult, account_dollars: float) -> Verdict:
    worst, models = 0.0, 0
    table = result.table[result.table["metric"] == "net_pnl_dollars"].set_index("model")["value"]
    counts = result.table[result.table["metric"] == "trades"].set_index("model")["value"]
    miscounted = []
    for name in result.theta:
        book = result.trades[result.trades["model"] == name]
        daily = result.daily[result.daily["model"] == name].set_index("trade_date")
        by_day = book.groupby("trade_date")["net_dollars"].sum().reindex(daily.index, fill_value=0.0)
        total = float(book["net_dollars"].sum())
        ends = (
            float(daily["net_dollars"].sum()),
            float(daily["equity_dollars"].iloc[-1]) - account_dollars,
            table[name],
        )
        worst = max(worst, float((by_day - daily["net_dollars"]).abs().max()), *(abs(total - end) for end in ends))
        if int(counts[name]) != len(book) or not book["trade_date"].isin(daily.index).all():
            miscounted.append(name)
        models += 1
    return Verdict(
        name="profit_adds_up",
        passed=worst <= DOLLARS_TOLERANCE * max(1.0, len(result.trades)) and not miscounted,
        summary=f"{models} models: trades, days, equity and table differ by at most {worst:.3g} dollars; "
        f"{len(miscounted)} with another number of trades {miscounted}",
        details={"models": models, "worst_dollars": worst, "miscounted": len(miscounted)},
    )


def _same_keys(result: EvaluationResult, predictions: Mapping[str, pd.DataFrame]) -> Verdict:
    sets = {name: frozenset(frame["decision_time"]) for name, frame in predictions.items()}
    first = next(iter(sets.values()))
    other = sorted(name for name, keys in sets.items() if keys != first or len(predictions[name]) != len(keys))
    rows = result.table[result.table["metric"] == "log_loss"].set_index("model")["rows"]
    short = sorted(name for name in [*sets, PRIOR] if int(rows.get(name, -1)) != len(first))
    outside = int((~result.trades["decision_time"].isin(first)).sum())
    return Verdict(
        name="models_share_keys",
        passed=not other and not short and outside == 0,
        summary=f"{len(sets)} models on {len(first)} decisions; other keys or doubled rows: {other}; scored on another "
        f"number: {short}; trades at other decisions: {outside}",
        details={"models": len(sets), "decisions": len(first), "other": len(other), "outside": outside},
    )


def _metrics_agree(
    result: EvaluationResult, predictions: Mapping[str, pd.DataFrame], labels: pd.DataFrame, splits: pd.DataFrame
) -> Verdict:
    """Log loss row by row; direction by ranks (Mann-Whitney) of odds over those of the training part."""
    trained = splits[splits["role"] == "train"].merge(labels[["decision_time", "label"]], on="decision_time")
    trained = trained[trained["label"] != 0]
    number = trained["fold"].where(trained["scheme"] == "purged_kfold", -1)
    ups_by_fold = (trained["label"] == 1).groupby(number).agg(["sum", "size"])
    base_odds = ups_by_fold["sum"] / (ups_by_fold["size"] - ups_by_fold["sum"])
    worst, compared = 0.0, 0
    wide = result.table.pivot_table(index="model", columns="metric", values="value", observed=True)
    for name, frame in predictions.items():
        touched = frame["p_up"].where(frame["label"] == 1, frame["p_down"])
        came_true = frame["p_flat"].where(frame["label"] == 0, touched)
        loss = -np.log(came_true.clip(lower=1e-15)).mean()
        worst, compared = max(worst, abs(float(loss) - wide.loc[name, "log_loss"])), compared + 1
        part = frame[(frame["label"] != 0)]
        # Where odds are 0 or infinite the table clips them; ranks cannot follow, and such rows are rare enough to skip.
        if len(part) == 0 or not ((part["p_up"] > 0) & (part["p_down"] > 0)).all():
            continue
        odds = np.log(part["p_up"] / part["p_down"]) - np.log(part["fold"].map(base_odds))
        rank, ups = odds.round(SCORE_DECIMALS).rank(method="average"), int((part["label"] == 1).sum())
        pairs = ups * (len(part) - ups)
        if pairs:
            skill = (float(rank[part["label"] == 1].sum()) - ups * (ups + 1) / 2) / pairs - 0.5
            worst, compared = max(worst, abs(skill - wide.loc[name, "direction_skill"])), compared + 1
    return Verdict(
        name="metrics_recomputed",
        passed=worst <= METRIC_TOLERANCE,
        summary=f"{compared} values (log loss, direction skill) recomputed another way differ by at most {worst:.3g}",
        details={"compared": compared, "worst": worst},
    )


def _intervals_contain(table: pd.DataFrame) -> Verdict:
    bounded = table.dropna(subset=["low", "high"])
    outside = bounded[~((bounded["low"] <= bounded["value"]) & (bounded["value"] <= bounded["high"]))]
    half = int((table["low"].isna() != table["high"].isna()).sum())
    named = [f"{row.model}.{row.metric}" for row in outside.head(5).itertuples(index=False)]
    return Verdict(
        name="intervals_contain_values",
        passed=len(outside) == 0 and half == 0,
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


def _nothing_later(result: EvaluationResult, labels: pd.DataFrame, last_day: date | None) -> Verdict:
    if last_day is None:
        opened = result.period in {"test", "forward"}
        return Verdict(
            name="no_sealed_decision",
            passed=opened,
            summary=f"period {result.period}: no end day was given, which only an opened test or forward period may do",
        )
    limit = pd.Timestamp(last_day)
    keys = labels["decision_time"].isin(pd.DatetimeIndex(result.keys_us.view("M8[us]"), tz="UTC"))
    scored = int((labels.loc[keys, "trade_date"] > limit).sum())
    later = scored + int((result.trades["trade_date"] > limit).sum()) + int((result.daily["trade_date"] > limit).sum())
    return Verdict(
        name="no_sealed_decision",
        passed=later == 0 and int(keys.sum()) == len(result.keys_us),
        summary=f"{int(keys.sum())} scored decisions, {len(result.trades)} trades: {later} rows after {last_day}, the "
        "last day of val",
        details={"decisions": int(keys.sum()), "later": later},
    )
