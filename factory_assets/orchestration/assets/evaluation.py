"""Evaluation: every model and baseline on the same decisions, out of fold over train and on val."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import pandas as pd

from factory_assets.evaluation import CLOCK_ATR_MODELS, EvaluationResult, evaluate
from factory_assets.evaluation.invariants import evaluation_invariants
from factory_assets.orchestration.assets.models import BASES
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output, table_output
from factory_assets.reports.evaluation import evaluation_figures
from factory_assets.vocabulary.schemas import EVALUATION, LABELS, SPLITS, STACK, TRADES
from factory_assets.vocabulary.timeframes import bars_name
from factory_assets.vocabulary.verdict import Verdict

_MINUTES = bars_name(1)
_CHECKS = (
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
SCORED = (*BASES, *CLOCK_ATR_MODELS)


@factory_asset(
    table_output(
        EVALUATION,
        "Metrics of every model and baseline, net of costs, with session-bootstrap intervals; out of fold and val.",
        checks=_CHECKS,
    ),
    table_output(TRADES, "Every simulated trade, walked on 1-minute bars with the labels' rules."),
    Output(
        name="decision_rule",
        group="evaluation",
        description="Thresholds chosen on train out of fold, class-0 outcomes, and every threshold tried.",
        by_horizon=True,
    ),
    reads=[
        "study",
        _MINUTES,
        LABELS.name,
        SPLITS.name,
        STACK.name,
        *(f"oof_{name}" for name in SCORED),
        *(f"val_{name}" for name in SCORED),
    ],
    settings_sections=["evaluation", "barriers"],
)
def evaluation(part: Materialization) -> Iterable[Product]:
    """Choose thresholds on train out of fold, then apply them unchanged to val."""
    stack = part.read(STACK.name)
    in_val = stack["origin"] == "val"
    columns = ["decision_time", "fold", "p_down", "p_flat", "p_up", "label"]
    oof = {name: part.read(f"oof_{name}", columns=columns) for name in SCORED}
    val = {name: part.read(f"val_{name}", columns=columns) for name in SCORED}
    oof["stack"] = stack.loc[~in_val, columns].reset_index(drop=True)
    val["stack"] = stack.loc[in_val, columns].reset_index(drop=True)
    study = part.study
    first = _evaluate(part, oof, "oof", study.train_first_day, study.train_last_day)
    second = _evaluate(part, val, "val", study.val_first_day, study.val_last_day, chosen=first[0])
    table, trades = (
        pd.concat([getattr(result, name) for result, _ in (first, second)], ignore_index=True)
        for name in ("table", "trades")
    )
    order = list(EVALUATION.order_by), list(TRADES.order_by)
    table, trades = (
        frame.astype({"model": str}).sort_values(by, ignore_index=True)
        for frame, by in zip((table, trades), order, strict=True)
    )
    rule = {
        "theta": first[0].theta,
        "m0": {str(fold): list(values) for fold, values in second[0].m0.items()},
    }
    return [
        Product(
            name=EVALUATION.name,
            content=table,
            verdicts=_both(first[1], second[1]),
            metadata=_headline(table),
            figures=evaluation_figures(table, trades, simulated=part.instrument.simulated),
        ),
        Product(name=TRADES.name, content=trades),
        Product(
            name="decision_rule",
            content={
                "rule.json": json.dumps(rule, sort_keys=True).encode(),
                "trials.csv": first[0].trials.to_csv(index=False).encode(),
            },
        ),
    ]


def _evaluate(
    part: Materialization,
    predictions: Mapping[str, pd.DataFrame],
    period: str,
    first_day: int,
    last_day: int,
    *,
    chosen: EvaluationResult | None = None,
) -> tuple[EvaluationResult, list[Verdict]]:
    labels, splits = part.read(LABELS.name), part.read(SPLITS.name)
    days = part.study_sessions.trade_day
    result = evaluate(
        predictions,
        period=period,
        labels=labels,
        splits=splits,
        bars_1min=part.read(_MINUTES, until_day=last_day),
        sessions=part.study_sessions.take((days >= first_day) & (days <= last_day)),
        instrument=part.instrument,
        barriers=part.barriers,
        settings=part.settings.evaluation,
        theta=None if chosen is None else chosen.theta,
    )
    verdicts = evaluation_invariants(
        result,
        predictions=predictions,
        labels=labels,
        splits=splits,
        instrument=part.instrument,
        barriers=part.barriers,
        settings=part.settings.evaluation,
        last_day=date(1970, 1, 1) + timedelta(days=last_day),
    )
    return result, verdicts


def _both(first: Sequence[Verdict], second: Sequence[Verdict]) -> list[Verdict]:
    """One verdict a name over both periods."""
    return [
        Verdict(
            name=a.name,
            passed=a.passed and b.passed,
            summary=f"oof: {a.summary}; val: {b.summary}",
            details={f"oof {k}": v for k, v in a.details.items()} | {f"val {k}": v for k, v in b.details.items()},
            blocking=a.blocking or b.blocking,
        )
        for a, b in zip(first, second, strict=True)
    ]


def _headline(table: pd.DataFrame) -> dict[str, str]:
    """The two numbers that speak of an edge, with their intervals."""
    chosen = table[(table["model"] == "stack") & table["metric"].isin(["direction_skill", "net_pnl_dollars"])]
    return {
        f"stack {row.period} {row.metric}": f"{row.value:.4g} [{row.low:.4g}, {row.high:.4g}]"
        for row in chosen.itertuples()
    }
