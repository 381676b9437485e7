"""What a publication says for the log: one run a fitted model, its metrics once evaluated, one run a release.

Runs are named by what they are, not by when they ran: a model's run by the partition and the digests of the predictions
and files it published, a release's by its digest. Materializing a partition again with equal content therefore updates
the run that is there, other content makes a new one beside it, and an evaluation finds the runs of exactly the
predictions it scored.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from factory_assets.models.files import HEADER
from factory_assets.orchestration.releases import released_folder
from factory_assets.storage import Manifest
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import EVALUATION, STACK
from factory_assets.vocabulary.settings import FactorySettings

_CURVES_FILE, _RELEASE_FILE, _META = "curves.json", "digest.txt", "meta"
_DIGEST_CHARACTERS = 32


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One published output.

    Attributes
    ----------
    manifest : Manifest
        Under which it was published: digests, inputs, lineage, code and settings.
    content : DataFrame or mapping of str to bytes
        What was published.
    figures : mapping
        The producer's figures; numbers among them become metrics.
    """

    manifest: Manifest
    content: pd.DataFrame | Mapping[str, bytes]
    figures: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Published:
    """Everything one body published for one partition in one attempt.

    Attributes
    ----------
    key : PartitionKey
        Partition.
    run_id : str
        Dagster's run.
    profile : str
        Budget of the run.
    settings : mapping of str to scalar
        Values of the sections the body declared, as ``splits.folds``.
    outputs : mapping of str to Publication
        By output name.
    """

    key: PartitionKey
    run_id: str
    profile: str
    settings: Mapping[str, Any]
    outputs: Mapping[str, Publication]


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """One run of the log, or what is to be added to one.

    Attributes
    ----------
    experiment : str
        One a partition: within it models are comparable, across it they are not.
    name : str
        Name of the run: the model's, or ``release`` with the digest's first digits.
    identity : str
        What the run is the run of; an equal identity is the same run.
    additional : bool
        Whether this only adds to a run that has to be there (metrics of an evaluation).
    parameters, tags : mapping of str to str
        What it was made with; what it is searched by.
    metrics : mapping of str to float
        Finite numbers.
    curves : mapping of str to mapping of str to list of float
        Fit (``fold_0`` … ``train``) to curve (``train_loss``, ``watched_loss``), one value a round.
    data : mapping of str to str
        Every input partition and ancestor slice (``bars_5min|MGC|19500``) and its digest.
    folder : Path or None
        Files to keep beside it, as they are.
    at_ms : int
        Moment of publication, milliseconds since 1970.
    """

    experiment: str
    name: str
    identity: str
    additional: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, list[float]]] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    at_ms: int


def settings_made_under(settings: FactorySettings, key: PartitionKey, sections: Collection[str]) -> dict[str, Any]:
    """Values of the declared sections by dotted name; each model's own parameters are told by its files."""
    chosen = settings.of_partition(key)
    found: dict[str, Any] = {}
    for section in sorted(sections):
        value = getattr(chosen, section)
        found |= _flat(section, {"seed": value.seed} if section == "models" else value)
    return found


def _flat(name: str, value: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if not isinstance(value, Mapping):
        return {name: value}
    return {path: leaf for key, item in value.items() for path, leaf in _flat(f"{name}.{key}", item).items()}


def experiment_of(key: PartitionKey) -> str:
    """Name of a partition's experiment; of a simulated contract it says so."""
    return f"{key} SIMULATED" if instrument(key.contract).simulated else str(key)


def tracked_runs(published: Published, home: FactoryHome) -> Iterator[TrackedRun]:
    """Runs of one publication; none for outputs that are neither model, evaluation nor release."""
    outputs = published.outputs
    for name, made in outputs.items():
        files = made.content if isinstance(made.content, Mapping) else {}
        if name.startswith("model_"):
            yield _model_run(published, name.removeprefix("model_"), made)
        elif name == _META:
            yield _model_run(published, STACK.name, made)
        elif name == EVALUATION.name:
            yield from _evaluations(published, made)
        elif _RELEASE_FILE in files:
            yield from _release_run(published, made, home)


def _model_run(published: Published, model: str, fitted: Publication) -> TrackedRun:
    outputs = published.outputs
    predictions = {name: outputs[name].manifest.content_digest for name in _predictions_of(model) if name in outputs}
    files = fitted.content if isinstance(fitted.content, Mapping) else {}
    parameters = _parameters(files, published.settings)
    curves = outputs[f"curves_{model}"].content if f"curves_{model}" in outputs else {}
    told = [fitted, *(outputs[name] for name in predictions)]
    identity = _digest(published.key, model, *predictions.values(), fitted.manifest.content_digest, parameters)
    return _run(
        published,
        fitted.manifest,
        name=model,
        identity=identity,
        parameters=parameters,
        tags={"factory.model": model, "factory.predictions": _digest(published.key, model, *predictions.values())},
        metrics={name: value for each in told for name, value in _numbers(each.figures).items()},
        curves=json.loads(curves[_CURVES_FILE]) if isinstance(curves, Mapping) and _CURVES_FILE in curves else {},
        data={name: digest for each in told for name, digest in each.manifest.lineage.items()},
    )


def _evaluations(published: Published, evaluated: Publication) -> Iterator[TrackedRun]:
    table = evaluated.content
    assert isinstance(table, pd.DataFrame), "evaluation is declared as a table"
    read = {ref.table: ref.digest for ref in evaluated.manifest.inputs}
    for model, rows in table.groupby("model", observed=True, sort=False):
        digests = [read[name] for name in _predictions_of(str(model)) if name in read]
        if not digests:
            continue  # a baseline that nothing was fitted for
        metrics = {
            f"{row.period}.{row.metric}{suffix}": float(value)
            for row in rows.itertuples()
            for suffix, value in (("", row.value), (".low", row.low), (".high", row.high))
            if pd.notna(value) and math.isfinite(value)
        }
        yield _run(
            published,
            evaluated.manifest,
            name=str(model),
            identity=_digest(published.key, str(model), *digests),
            additional=True,
            tags={"factory.evaluation": evaluated.manifest.content_digest},
            metrics=metrics,
            data=evaluated.manifest.lineage,
        )


def _release_run(published: Published, made: Publication, home: FactoryHome) -> Iterator[TrackedRun]:
    assert isinstance(made.content, Mapping), "a release's digest is a file"
    digest = made.content[_RELEASE_FILE].decode()
    folder, parameters = released_folder(home, published.key, digest), _parameters({}, published.settings)
    if folder.is_dir():
        yield _run(
            published,
            made.manifest,
            name=f"{made.manifest.table} {digest[:12]}",
            identity=_digest(published.key, digest, parameters),
            parameters=parameters,
            tags={"factory.release": digest},
            metrics=_numbers(made.figures),
            data=made.manifest.lineage,
            folder=folder,
        )


def _run(published: Published, manifest: Manifest, *, tags: Mapping[str, str], **said: Any) -> TrackedRun:
    key = published.key
    return TrackedRun(
        experiment=experiment_of(key),
        at_ms=int(manifest.created_at.timestamp() * 1000),
        tags={
            "factory.contract": key.contract,
            "factory.horizon": str(key.horizon),
            "factory.profile": published.profile,
            "factory.code_version": manifest.code_version,
            "factory.settings_digest": manifest.settings_digest,
            "factory.dagster_run": published.run_id,
            "factory.simulated": str(instrument(key.contract).simulated).lower(),
            **tags,
        },
        **said,
    )


def _predictions_of(model: str) -> tuple[str, ...]:
    return (STACK.name,) if model == STACK.name else (f"oof_{model}", f"val_{model}")


def _parameters(files: Mapping[str, bytes], settings: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of the saved model, then the settings it was made under."""
    own = json.loads(files[HEADER]).get("parameters", {}) if HEADER in files else {}
    return {name: str(value) for name, value in (own | dict(settings)).items()}


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    found = {name: value.item() if hasattr(value, "item") else value for name, value in figures.items()}
    return {
        name.replace(" ", "_"): float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _digest(*values: Any) -> str:
    spelled = json.dumps([value if isinstance(value, dict) else str(value) for value in values], sort_keys=True)
    return hashlib.sha256(spelled.encode()).hexdigest()[:_DIGEST_CHARACTERS]
