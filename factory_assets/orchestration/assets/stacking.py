"""Phase 7: baselines under the same folds, and the cross-fitted stack over the base models."""

from collections.abc import Iterable

import pandas as pd

from factory_assets.evaluation import CLOCK_ATR_MODELS, clock_atr_container, minutes_to_flat
from factory_assets.indicators.atr import atr_percent
from factory_assets.orchestration.assets.models import BASES
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output, table_output
from factory_assets.orchestration.samples import read_samples
from factory_assets.reports.models import model_figures
from factory_assets.stacking import (
    cross_fit_meta,
    fit_member,
    oof_invariants,
    out_of_fold,
    predict_val,
    stack_invariants,
)
from factory_assets.stacking.invariants import probabilities_verdict
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.schemas import LABELS, SPLITS, STACK, TABULAR, predictions_schema
from factory_assets.vocabulary.timeframes import BASE_MINUTES, bars_name

_MODEL_OF = {baseline: baseline.removeprefix("clock_atr_") for baseline in CLOCK_ATR_MODELS}
_GROUP = "stacking"
_BASE = bars_name(BASE_MINUTES)


@factory_asset(
    *(
        output
        for baseline in CLOCK_ATR_MODELS
        for output in (
            table_output(
                predictions_schema(f"oof_{baseline}", _GROUP),
                "Baseline that sees the time to flat and ATR% only; class 0 is largely a clock.",
                checks=("oof_once_per_row", "probabilities_valid", "labels_as_labelled", "oof_rows_unseen"),
            ),
            table_output(
                predictions_schema(f"val_{baseline}", _GROUP),
                "The same baseline for the val period, fitted on train only.",
                checks=("probabilities_valid",),
            ),
            Output(
                name=f"model_{baseline}",
                group=_GROUP,
                description="The same baseline fitted on train; scores the test period when it is opened.",
                by_horizon=True,
            ),
        )
    ),
    reads=["study", _BASE, LABELS.name, SPLITS.name, TABULAR.name],
    settings_sections=["splits"],
)
def clock_atr_baselines(part: Materialization) -> Iterable[Product]:
    """Run the clock + ATR baselines through the same folds and fits as the models."""
    samples = read_samples(part)
    common = {"settings": part.settings.splits, "clock_us": part.clock_us, "seed": part.settings.models.seed}
    kinds = ("robust", "robust")
    until = part.study.val_last_day
    train, val = (clock_atr_of(part, samples.labels, data, until) for data in (samples.train, samples.val))
    for baseline, model in _MODEL_OF.items():
        scored = out_of_fold(model, {}, train, samples.folds, kinds, **common)
        member = fit_member(model, {}, train.take(samples.fit_rows), kinds, **common)
        frame, later = scored.to_frame(), predict_val(member, val)
        yield Product(
            name=f"oof_{baseline}",
            content=frame,
            verdicts=oof_invariants(frame, samples.splits, samples.labels, scored.fit_decision_us),
        )
        yield Product(name=f"val_{baseline}", content=later, verdicts=[probabilities_verdict(later)])
        yield Product(name=f"model_{baseline}", content=member.to_files())


def clock_atr_of(
    part: Materialization, labels: pd.DataFrame, data: TimeSeriesDataContainer, until_day: int
) -> TimeSeriesDataContainer:
    """Two-feature container of the same decisions, labels, intervals and weights as ``data``."""
    rows = labels.set_index(pd.Index(times_us(labels["decision_time"]))).loc[data.decision_us]
    bars = part.read(_BASE, until_day=until_day)
    atr = pd.Series(atr_percent(bars), index=times_us(bars["close_time"])).loc[data.decision_us]
    return clock_atr_container(
        rows.reset_index(drop=True),
        minutes_to_flat=minutes_to_flat(data.decision_us, part.study_sessions),
        atr_percent=atr.to_numpy(),
        weight=data.weight,
    )


@factory_asset(
    table_output(
        STACK,
        "Meta-learner over the base models: cross-fitted on train, fitted on all out-of-fold rows for val.",
        checks=("stack_rows_complete", "probabilities_valid", "labels_as_labelled", "stack_rows_cross_fitted"),
    ),
    Output(
        name="meta",
        group=_GROUP,
        description="The meta-learner fitted on every out-of-fold row the hold-out does not purge.",
        by_horizon=True,
    ),
    reads=[LABELS.name, SPLITS.name, *(f"oof_{name}" for name in BASES), *(f"val_{name}" for name in BASES)],
    settings_sections=["models"],
)
def stack(part: Materialization) -> Iterable[Product]:
    """Join the bases by decision time and fit the meta where it never scores."""
    labels, splits = part.read(LABELS.name), part.read(SPLITS.name)
    stacked = cross_fit_meta(
        {name: part.read(f"oof_{name}") for name in BASES},
        splits,
        val={name: part.read(f"val_{name}") for name in BASES},
        seed=part.settings.models.seed,
    )
    rows = stacked.rows
    in_val = (rows["origin"] == "val").to_numpy()
    return [
        Product(
            name=STACK.name,
            content=rows,
            verdicts=stack_invariants(rows, splits, labels, stacked.fit_decision_us),
            figures=model_figures("stack", rows[~in_val], rows[in_val], simulated=part.instrument.simulated),
        ),
        Product(name="meta", content=stacked.meta.to_files()),
    ]
