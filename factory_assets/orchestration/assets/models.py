"""Phase 6: one asset body a registered model of the tabular adapter, in its family's group."""

from collections.abc import Iterable

import dagster as dg

from factory_assets.adapters import FittedScaler, scaler_invariants
from factory_assets.models import registry
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output, table_output
from factory_assets.orchestration.samples import Samples, read_samples
from factory_assets.reports.models import model_figures
from factory_assets.stacking import fit_member, oof_invariants, out_of_fold, permuted_labels_verdict, predict_val
from factory_assets.stacking.invariants import probabilities_verdict
from factory_assets.vocabulary.schemas import LABELS, SPLITS, TABULAR, predictions_schema
from factory_assets.vocabulary.verdict import Verdict

_OOF_CHECKS = (
    "oof_once_per_row",
    "probabilities_valid",
    "labels_as_labelled",
    "oof_rows_unseen",
    "scaler_ignores_other_rows",
    "scaler_output_finite",
)
CANARY = "permuted_labels_at_chance"
BASES = tuple(name for name in registry.names() if registry.entry(name).adapter == "tabular")
"""Registered base models of the tabular adapter."""


def _model_asset(name: str, *, with_canary: bool) -> dg.AssetsDefinition:
    family = registry.entry(name).family
    out_of_fold_schema = predictions_schema(f"oof_{name}", family)
    val_schema = predictions_schema(f"val_{name}", family)

    def body(part: Materialization) -> Iterable[Product]:
        return _fit_and_predict(part, name, with_canary=with_canary)

    body.__name__ = name
    body.__doc__ = f"Fit {name} on each purged fold and on train; predict what each fit never saw."
    return factory_asset(
        table_output(
            out_of_fold_schema,
            f"Probabilities of {name} for every train decision, each from a fit that never saw it.",
            checks=(*_OOF_CHECKS, CANARY) if with_canary else _OOF_CHECKS,
            kinds=frozenset({name}),
        ),
        table_output(
            val_schema,
            f"Probabilities of {name} for the val period, fitted on train only.",
            checks=("probabilities_valid",),
            kinds=frozenset({name}),
        ),
        Output(
            name=f"model_{name}",
            group=family,
            description=f"{name} fitted on train: scaler and model in native, non-executable files.",
            kinds=frozenset({name}),
            by_horizon=True,
        ),
        reads=["study", LABELS.name, SPLITS.name, TABULAR.name],
        settings_sections=["models", "splits"],
    )(body)


def _fit_and_predict(part: Materialization, name: str, *, with_canary: bool) -> Iterable[Product]:
    samples = read_samples(part)
    params = part.settings.models.parameters.get(name, {})
    common = {"settings": part.settings.splits, "clock_us": part.clock_us, "seed": part.settings.models.seed}
    scored = out_of_fold(name, params, samples.train, samples.folds, samples.kinds, **common)
    member = fit_member(name, params, samples.train.take(samples.fit_rows), samples.kinds, **common)
    oof, val = scored.to_frame(), predict_val(member, samples.val)
    verdicts = [
        *oof_invariants(oof, samples.splits, samples.labels, scored.fit_decision_us),
        *_scaler_verdicts(samples),
    ]
    if with_canary:
        verdicts.append(permuted_labels_verdict(samples.train, samples.folds[:2], samples.kinds, **common))
    reports = [fold_member.model.fit_report_ for fold_member in scored.members]
    metadata = {f"fold_{fold}_{label}": value for fold, report in enumerate(reports) for label, value in report.items()}
    figures = model_figures(name, oof, val, simulated=part.instrument.simulated)
    return [
        Product(name=f"oof_{name}", content=oof, verdicts=verdicts, metadata=metadata, figures=figures),
        Product(name=f"val_{name}", content=val, verdicts=[probabilities_verdict(val)]),
        Product(name=f"model_{name}", content=member.to_files(), metadata=dict(member.model.fit_report_)),
    ]


def _scaler_verdicts(samples: Samples) -> list[Verdict]:
    """The first fold's scaler, refitted after every row outside its training part was replaced by noise."""
    rows, _ = samples.folds[0]
    names = samples.train.feature_names
    return scaler_invariants(
        lambda values: FittedScaler.fit(values[rows], samples.kinds, names), samples.train.features, rows
    )


MODEL_ASSETS = tuple(_model_asset(name, with_canary=name == BASES[0]) for name in BASES)
"""One body a base model; the first one of the adapter carries its canary."""
