"""Phase 6: one asset body a registered model of the tabular adapter, in its family's group."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from factory_assets.models import registry
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output, table_output
from factory_assets.orchestration.partition_samples import Samples, read_samples
from factory_assets.reports.models import model_figures
from factory_assets.stacking import (
    fit_recorded,
    member_scaler_verdicts,
    oof_invariants,
    out_of_fold,
    permuted_labels_verdict,
    predict_val,
    val_invariants,
)
from factory_assets.vocabulary.schemas import LABELS, SPLITS, TABULAR, predictions_schema

MEMBER_CHECKS = ("scaler_ignores_other_rows", "scaler_output_finite")
OOF_CHECKS = ("oof_once_per_row", "probabilities_valid", "labels_as_labelled", "oof_rows_unseen", *MEMBER_CHECKS)
VAL_CHECKS = ("val_once_per_row", "probabilities_valid", "labels_as_labelled", "val_rows_unseen")
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
            checks=(*OOF_CHECKS, CANARY) if with_canary else OOF_CHECKS,
            kinds=frozenset({name}),
        ),
        table_output(
            val_schema,
            f"Probabilities of {name} for the val period, fitted on train only.",
            checks=VAL_CHECKS,
            kinds=frozenset({name}),
        ),
        Output(
            name=f"model_{name}",
            group=family,
            description=f"{name} fitted on train: scaler and model in native, non-executable files.",
            checks=MEMBER_CHECKS,
            kinds=frozenset({name}),
            by_horizon=True,
        ),
        reads=["study", LABELS.name, SPLITS.name, TABULAR.name],
        settings_sections=["models", "splits", "adapters"],
    )(body)


def _fit_and_predict(part: Materialization, name: str, *, with_canary: bool) -> Iterable[Product]:
    samples = read_samples(part)
    oof, val, model = model_products(
        part, samples, name, model=name, params=part.settings.models.parameters.get(name, {})
    )
    verdicts = [*oof.verdicts]
    if with_canary:
        verdicts.append(
            permuted_labels_verdict(
                samples.train, samples.folds[:2], samples.kinds, seed=part.settings.models.seed, **_path_of(part)
            )
        )
    figures = model_figures(name, oof.content, val.content, simulated=part.instrument.simulated)
    return [replace(oof, verdicts=verdicts, figures=figures), val, model]


def model_products(
    part: Materialization, samples: Samples, name: str, *, model: str, params: Mapping[str, Any]
) -> tuple[Product, Product, Product]:
    """Fit a model on every purged fold and on train, predict, and check what each fit saw.

    Parameters
    ----------
    part : Materialization
        Partition being made.
    samples : Samples
        Its rows.
    name : str
        Outputs are ``oof_<name>``, ``val_<name>`` and ``model_<name>``.
    model : str
        Registry name.
    params : mapping
        Changes of the registry's defaults.

    Returns
    -------
    tuple of Product
        Out-of-fold rows with :data:`OOF_CHECKS`, val rows with :data:`VAL_CHECKS` and the member fitted on train with
        :data:`MEMBER_CHECKS`.
    """
    path, seed, kinds = _path_of(part), part.settings.models.seed, samples.kinds
    scored = out_of_fold(model, params, samples.train, samples.folds, kinds, seed=seed, **path)
    # Fitted from the container that holds val too, so that the checks would see a fit that strays into it.
    final = fit_recorded(model, params, samples.development, kinds, rows=samples.fit_rows, seed=seed, **path)
    oof, val = scored.to_frame(), predict_val(final.member, samples.val)
    fold_fits = [(rows, fit) for (rows, _), fit in zip(samples.folds, scored.fits, strict=True)]
    reports = [member.model.fit_report_ for member in scored.members]
    return (
        Product(
            name=f"oof_{name}",
            content=oof,
            verdicts=[
                *oof_invariants(oof, samples.splits, samples.labels, scored.seen_decision_us),
                *member_scaler_verdicts(model, samples.train, kinds, fold_fits, **path),
            ],
            metadata={
                f"fold_{fold}_{label}": value for fold, report in enumerate(reports) for label, value in report.items()
            },
        ),
        Product(
            name=f"val_{name}",
            content=val,
            verdicts=val_invariants(val, samples.splits, samples.labels, final.seen_decision_us),
        ),
        Product(
            name=f"model_{name}",
            content=final.member.to_files(),
            verdicts=member_scaler_verdicts(model, samples.development, kinds, [(samples.fit_rows, final)], **path),
            metadata=dict(final.member.model.fit_report_),
        ),
    )


def _path_of(part: Materialization) -> dict[str, Any]:
    """What chooses the rows of every fit beside the splits."""
    return {"settings": part.settings.splits, "clock_us": part.clock_us}


MODEL_ASSETS = tuple(_model_asset(name, with_canary=name == BASES[0]) for name in BASES)
"""One body a base model; the first one of the adapter carries its canary."""
