"""Phase 7: baselines under the same folds, and the cross-fitted stack over the base models."""

from collections.abc import Iterable
from dataclasses import replace

from factory_assets.evaluation import CLOCK_ATR_FEATURES, CLOCK_ATR_MODELS, clock_atr_features
from factory_assets.orchestration.assets.models import (
    BASES,
    MEMBER_CHECKS,
    OOF_CHECKS,
    VAL_CHECKS,
    fit_partition,
    model_products,
)
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output, table_output
from factory_assets.orchestration.partition_samples import read_samples
from factory_assets.reports.models import model_figures
from factory_assets.stacking import cross_fit_meta, stack_invariants
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
                checks=OOF_CHECKS,
            ),
            table_output(
                predictions_schema(f"val_{baseline}", _GROUP),
                "The same baseline for the val period, fitted on train only.",
                checks=VAL_CHECKS,
            ),
            Output(
                name=f"model_{baseline}",
                group=_GROUP,
                description="The same baseline fitted on train; scores the test period when it is opened.",
                checks=MEMBER_CHECKS,
                by_horizon=True,
            ),
        )
    ),
    reads=["study", _BASE, LABELS.name, SPLITS.name, TABULAR.name],
    settings_sections=["models", "splits", "adapters"],
)
def clock_atr_baselines(part: Materialization) -> Iterable[Product]:
    """Run the clock + ATR baselines through the same folds, fits and checks as the models."""
    samples = read_samples(part, "tabular", columns=())
    bars = part.read(_BASE, until_day=part.study.val_last_day)
    features = clock_atr_features(samples.development.decision_us, part.study_sessions, bars)
    seen = replace(samples.development, features=features, feature_names=CLOCK_ATR_FEATURES)
    timed = replace(samples, development=seen, kinds=("robust", "robust"))
    for baseline, model in _MODEL_OF.items():
        fits = fit_partition(part, timed, model=model, params={})
        yield from model_products(part, timed, baseline, model=model, fits=fits)


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
    seen = {name: [*part.verdicts_of(f"oof_{name}"), *part.verdicts_of(f"val_{name}")] for name in BASES}
    rows = stacked.rows
    in_val = (rows["origin"] == "val").to_numpy()
    return [
        Product(
            name=STACK.name,
            content=rows,
            verdicts=stack_invariants(rows, splits, labels, stacked.fit_decision_us, base_verdicts=seen),
            figures=model_figures("stack", rows[~in_val], rows[in_val], simulated=part.instrument.simulated),
        ),
        Product(name="meta", content=stacked.meta.to_files()),
    ]
