"""Phase 6: one asset body a registered base model, in its family's group, reading the adapter it is declared for."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg
import numpy as np

from factory_assets.adapters import Candidates, FeatureChoice, columns_verdict
from factory_assets.models import registry
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.fit_folder import fit_folder
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.model_inputs import set_of_model
from factory_assets.orchestration.outputs import Output, table_output
from factory_assets.orchestration.partition_samples import ADAPTER_READS, Samples, candidates_in, pool_in, read_samples
from factory_assets.reports.models import curve_figures, model_figures
from factory_assets.stacking import (
    FitRequest,
    FitWork,
    MemberFit,
    fit_members,
    fold_requests,
    member_scaler_verdicts,
    oof_invariants,
    permuted_labels_verdict,
    predict_folds,
    predict_val,
    val_invariants,
)
from factory_assets.vocabulary.schemas import LABELS, SPLITS, predictions_schema
from factory_assets.vocabulary.verdict import Verdict

MEMBER_CHECKS = ("scaler_ignores_other_rows", "scaler_output_finite")
CHOICE_CHECKS = ("choice_ignores_other_rows", "columns_within_bounds")
"""Of fits that choose their columns: every base model's, and no baseline's."""
OOF_CHECKS = ("oof_once_per_row", "probabilities_valid", "labels_as_labelled", "oof_rows_unseen", *MEMBER_CHECKS)
VAL_CHECKS = ("val_once_per_row", "probabilities_valid", "labels_as_labelled", "val_rows_unseen")
CANARY = "permuted_labels_at_chance"
BASES = tuple(name for name in registry.names() if registry.entry(name).adapter in ADAPTER_READS)
"""Registered base models, of every adapter the factory has."""

CURVES_FILE = "curves.json"
"""The one file of an artifact ``curves_<model>``: loss of every round by fold (and ``train``) and curve."""


CHOICE_FILE = "choice.json"
"""The one file of an artifact ``choice_<model>``: the choice of columns of every fold and of ``train``."""


CURVED = tuple(name for name in BASES if registry.entry(name).stops_early)
"""Base models with rounds: they publish ``curves_<model>``."""


def curves_name(name: str) -> str:
    """Name of the artifact with a model's curves; only those of :data:`CURVED` have one."""
    return f"curves_{name}"


def read_curves(part: Materialization, name: str) -> dict[str, dict[str, list[float]]]:
    """Published curves of a model of :data:`CURVED`, by fit and curve."""
    return dict(json.loads(part.read_files(curves_name(name)).files[CURVES_FILE]))


def choice_name(name: str) -> str:
    """Name of the artifact with the columns each of a model's fits chose."""
    return f"choice_{name}"


def read_choices(part: Materialization, name: str) -> dict[str, FeatureChoice]:
    """Published choices of a base model, by fit."""
    plain = json.loads(part.read_files(choice_name(name)).files[CHOICE_FILE])
    return {fit: FeatureChoice.from_plain(choice) for fit, choice in plain.items()}


def _model_asset(name: str, *, with_canary: bool) -> dg.AssetsDefinition:
    declared = registry.entry(name)
    set_of_model(name, {})  # refuses an entry that names no set of its adapter, before its first run
    family, kinds = declared.family, frozenset({name})
    out_of_fold_schema = predictions_schema(f"oof_{name}", family)
    val_schema = predictions_schema(f"val_{name}", family)

    def body(part: Materialization) -> Iterable[Product]:
        return _fit_and_predict(part, name, with_canary=with_canary)

    body.__name__ = name
    body.__doc__ = f"Fit {name} on each purged fold and on train; predict what each fit never saw."
    curves = Output(
        name=curves_name(name),
        group=family,
        description=f"Loss of {name} in every round: on the rows fitted on and on the purged tail it watched.",
        kinds=kinds,
        by_horizon=True,
    )
    return factory_asset(
        table_output(
            out_of_fold_schema,
            f"Probabilities of {name} for every train decision, each from a fit that never saw it.",
            checks=(*OOF_CHECKS, *CHOICE_CHECKS, *([CANARY] if with_canary else [])),
            kinds=kinds,
        ),
        table_output(
            val_schema,
            f"Probabilities of {name} for the val period, fitted on train only.",
            checks=VAL_CHECKS,
            kinds=kinds,
        ),
        Output(
            name=f"model_{name}",
            group=family,
            description=f"{name} fitted on train: scaler and model in native, non-executable files.",
            checks=(*MEMBER_CHECKS, *CHOICE_CHECKS),
            kinds=kinds,
            by_horizon=True,
        ),
        Output(
            name=choice_name(name),
            group=family,
            description=f"Columns of {name} as chosen on each training part, with what every other column came to.",
            kinds=kinds,
            by_horizon=True,
        ),
        *([curves] if name in CURVED else []),
        reads=["study", LABELS.name, SPLITS.name, *ADAPTER_READS[declared.adapter]],
        settings_sections=["models", "splits", "adapters"],
    )(body)


def _fit_and_predict(part: Materialization, name: str, *, with_canary: bool) -> Iterable[Product]:
    wanted = set_of_model(name, part.settings.models.inputs)
    candidates = candidates_in(part, wanted)
    samples = read_samples(part, wanted.adapter, candidates.columns)
    params = part.settings.models.parameters.get(name, {})
    with fit_folder(part, name) as work:
        fits = fit_partition(part, samples, model=name, params=params, candidates=candidates, work=work)
        oof, val, model = model_products(part, samples, name, model=name, fits=fits, candidates=candidates)
        verdicts = [*oof.verdicts]
        if with_canary:
            verdicts.append(
                permuted_labels_verdict(
                    samples.train,
                    samples.folds[:2],
                    samples.kinds,
                    seed=part.settings.models.seed,
                    candidates=candidates,
                    work=work,
                    **_path_of(part),
                )
            )
    simulated = part.instrument.simulated
    choice, bounds = _choice(part, name, fits)
    oof = replace(
        oof,
        verdicts=[*verdicts, bounds],
        figures=model_figures(name, oof.content, val.content, simulated=simulated),
    )
    model = replace(model, verdicts=[*model.verdicts, bounds])
    if name not in CURVED:
        return [oof, val, model, choice]
    curves = {fit_name: dict(fit.curves) for fit_name, fit in fits.items()}
    text = json.dumps(curves, sort_keys=True, allow_nan=False)
    figures = curve_figures(name, curves, simulated=simulated)
    return [
        oof,
        val,
        replace(model, figures=figures),
        choice,
        Product(name=curves_name(name), content={CURVES_FILE: text.encode()}, figures=figures),
    ]


def _choice(part: Materialization, name: str, fits: Mapping[str, MemberFit]) -> tuple[Product, Verdict]:
    """The columns each fit chose, and the verdict on them."""
    wanted = set_of_model(name, part.settings.models.inputs)
    made = {fit_name: fit.choice for fit_name, fit in fits.items() if fit.choice is not None}
    read = {fit_name: fit.member.feature_names for fit_name, fit in fits.items()}
    bounds = columns_verdict(made, read, wanted, pool_in(part, wanted))
    text = json.dumps({fit_name: choice.to_plain() for fit_name, choice in made.items()}, sort_keys=True)
    metadata = {"feature_set": wanted.name, **bounds.details}
    return Product(name=choice_name(name), content={CHOICE_FILE: text.encode()}, metadata=metadata), bounds


def fit_partition(
    part: Materialization,
    samples: Samples,
    *,
    model: str,
    params: Mapping[str, Any],
    candidates: Candidates | None = None,
    work: FitWork | None = None,
) -> dict[str, MemberFit]:
    """Fit a model on every purged fold and on train.

    Every fit is made from the container that holds val too, so that the checks would see one that strays into it.

    Parameters
    ----------
    part : Materialization
        Partition being made.
    samples : Samples
        Its rows.
    model : str
        Registry name.
    params : mapping
        Changes of the registry's defaults.
    candidates : Candidates, optional
        Set each fit chooses its columns of; None reads all of the samples'.
    work : FitWork, optional
        As for :func:`factory_assets.stacking.fit_members`.

    Returns
    -------
    dict of str to MemberFit
        ``fold_0``, ``fold_1``, ..., then ``train``.
    """
    seed = part.settings.models.seed
    requests = [
        *fold_requests(model, params, samples.folds, samples.train_rows, seed=seed, candidates=candidates),
        FitRequest(
            name="train", model_name=model, params=params, seed=seed, rows=samples.fit_rows, candidates=candidates
        ),
    ]
    fits = fit_members(requests, samples.development, samples.kinds, work=work, **_path_of(part))
    return {request.name: fit for request, fit in zip(requests, fits, strict=True)}


def model_products(
    part: Materialization,
    samples: Samples,
    name: str,
    *,
    model: str,
    fits: Mapping[str, MemberFit],
    candidates: Candidates | None = None,
) -> tuple[Product, Product, Product]:
    """Predict what each fit of :func:`fit_partition` never saw, and check what each fit saw.

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
    fits : mapping of str to MemberFit
        The folds' fits in order, and last the one on train.
    candidates : Candidates, optional
        As for :func:`fit_partition`.

    Returns
    -------
    tuple of Product
        Out-of-fold rows with :data:`OOF_CHECKS`, val rows with :data:`VAL_CHECKS` and the member fitted on train with
        :data:`MEMBER_CHECKS`; with candidates the choice's verdict on other rows goes with both.
    """
    *folded, final = fits.values()
    scored = predict_folds(samples.train, samples.folds, folded)
    oof, val = scored.to_frame(), predict_val(final.member, samples.val)
    given = [samples.train_rows[rows] for rows, _ in samples.folds]

    def _scalers(of: list[tuple[np.ndarray, MemberFit]]) -> list[Verdict]:
        path = {"candidates": candidates, **_path_of(part)}
        return member_scaler_verdicts(model, samples.development, samples.kinds, of, **path)

    return (
        Product(
            name=f"oof_{name}",
            content=oof,
            verdicts=[
                *oof_invariants(oof, samples.splits, samples.labels, scored.seen_decision_us),
                *_scalers(list(zip(given, folded, strict=True))),
            ],
            metadata={
                f"{fit_name}_{label}": value
                for fit_name, fit in zip(fits, folded, strict=False)
                for label, value in fit.member.model.fit_report_.items()
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
            verdicts=_scalers([(samples.fit_rows, final)]),
            metadata=dict(final.member.model.fit_report_),
        ),
    )


def _path_of(part: Materialization) -> dict[str, Any]:
    """What chooses the rows of every fit beside the splits."""
    return {"settings": part.settings.splits, "clock_us": part.clock_us}


def _first_of_adapter(name: str) -> bool:
    adapter = registry.entry(name).adapter
    return name == next(base for base in BASES if registry.entry(base).adapter == adapter)


MODEL_ASSETS = tuple(_model_asset(name, with_canary=_first_of_adapter(name)) for name in BASES)
"""One body a base model; the first one of each adapter carries its canary."""
