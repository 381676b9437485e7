"""Deployment: the release bundle, kept only after a fresh process met the batch with nothing but it and bars."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from factory_assets.adapters import column_name
from factory_assets.deployment import Release, SequenceInput, batch_rows, write_bundle
from factory_assets.deployment.bundle import verified_files
from factory_assets.deployment.parity import BUNDLE_CHECK, PARITY_CHECK, prove_release
from factory_assets.deployment.release import SEQUENCE, TABULAR, features_read
from factory_assets.deployment.release_registry import ReleaseRegistry
from factory_assets.deployment.stored import STACK_CHECK, stack_verdict
from factory_assets.features.pools import sequence_pool, tabular_columns
from factory_assets.orchestration.assets.models import BASES
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output
from factory_assets.orchestration.proving_folder import proving_folder
from factory_assets.orchestration.regimes import regimes_read_by
from factory_assets.orchestration.releases import released_folder
from factory_assets.orchestration.series_volume import has_volume
from factory_assets.stacking import FittedMember, FittedMeta
from factory_assets.storage.files import sync_folder
from factory_assets.vocabulary.code_version import code_version
from factory_assets.vocabulary.frames import dates_days
from factory_assets.vocabulary.schemas import EVALUATION, LABELS, RAW_MINUTES, REGIME_PARAMETERS, STACK
from factory_assets.vocabulary.settings import AdapterSettings
from factory_assets.vocabulary.timeframes import BASE_MINUTES, TIMEFRAMES_MINUTES, features_name

_HEADLINE = ("log_loss", "skill_log_loss", "direction_skill", "net_pnl_dollars", "sharpe_annual")


@factory_asset(
    Output(
        name="bundle",
        group="deployment",
        description="Release bundle: models, scalers, rule and manifest, no pickle; proven live against the batch.",
        checks=(BUNDLE_CHECK, PARITY_CHECK, STACK_CHECK),
        kinds=frozenset({"json", "safetensors", "lightgbm"}),
        by_horizon=True,
    ),
    reads=[
        "study",
        RAW_MINUTES.name,
        LABELS.name,
        STACK.name,
        EVALUATION.name,
        "decision_rule",
        "meta",
        *(f"{kind}_{name}" for name in BASES for kind in ("oof", "val", "model")),
        *(features_name(minutes) for minutes in TIMEFRAMES_MINUTES),
        REGIME_PARAMETERS.name,
    ],
    settings_sections=["deployment", "labels", "market", "barriers", "adapters", "profile"],
)
def bundle(part: Materialization) -> Iterable[Product]:
    """Write the bundle aside, replay the last minutes of val through it, and move it into releases if both agree."""
    until = part.study.val_last_day
    val = {name: part.read(f"val_{name}") for name in BASES}
    for name in BASES:
        part.read(f"oof_{name}", columns=["decision_time"])
    labels, stack = _proven_labels(part), part.read(STACK.name)
    release = _release(part)
    features = {
        minutes: part.read(features_name(minutes), columns=["close_time", *names], until_day=until)
        for minutes, names in release.reads.items()
    }
    made_of = tuple(part.refs)
    release = replace(release, inputs={str(ref): ref.digest for ref in made_of})
    rows = batch_rows(release, labels, features)
    with proving_folder(part, "bundle") as staging:
        folder, digest = write_bundle(release, staging, clock=part.factory.clock, code_version=code_version())
        verdicts = prove_release(
            folder,
            release,
            _minutes_until(part, until),
            rows,
            parity_minutes=part.settings.deployment.parity_minutes,
        )
        verdicts.append(stack_verdict(release, rows, stack, val))
        target = released_folder(part.home, part.key, digest)
        part.factory.store.check_lineage(made_of)
        if all(verdict.passed for verdict in verdicts if verdict.blocking):
            _move(folder, target, digest)
            ReleaseRegistry(part.home.releases, part.key).record_candidate(
                digest, data_end_day=until, clock=part.factory.clock
            )
    return [
        Product(
            name="bundle",
            content={"digest.txt": digest.encode()},
            verdicts=verdicts,
            metadata={"digest": digest, "folder": str(target)},
            inputs=made_of,
        )
    ]


def _proven_labels(part: Materialization) -> pd.DataFrame:
    """Base bars that something is compared at: those of val, and the last ones, enough for the minutes of parity."""
    labels = part.read(LABELS.name).sort_values("decision_time", ignore_index=True)
    in_val = dates_days(labels["trade_date"]) > part.study.train_last_day
    # a base bar holds at least one traded minute
    last = np.arange(len(labels)) >= len(labels) - part.settings.deployment.parity_minutes
    return labels[in_val | last].reset_index(drop=True)


def _release(part: Materialization) -> Release:
    """The fitted parts together; ``inputs`` is filled in when all of them are read."""
    settings, in_series = part.settings.adapters, has_volume(part, features_name(BASE_MINUTES))
    rule = json.loads(part.read_files("decision_rule").files["rule.json"])
    m0_long, m0_short = rule["m0"]["-1"]
    members = {name: FittedMember.from_files(part.read_files(f"model_{name}").files) for name in BASES}
    meta = FittedMeta.from_files(part.read_files("meta").files)
    table = part.read(EVALUATION.name)
    shown = table[(table["model"] == "stack") & table["metric"].isin(_HEADLINE)]
    pool = _pool(settings, members, in_series=in_series)
    sequence = _sequence(settings, members, in_series=in_series)
    return Release(
        contract=part.key.contract,
        horizon=part.horizon,
        barriers=part.barriers,
        labels=part.settings.labels,
        market=part.settings.market,
        has_volume=in_series,
        joins_without_overlap=part.meta_of(RAW_MINUTES.name).get("series") == "continuous",
        pool=pool,
        sequence=sequence,
        regimes=regimes_read_by(part, features_read(pool, sequence), until_day=part.study.val_last_day),
        members=members,
        meta=meta,
        theta=float(rule["theta"]["stack"]),
        m0_long=float(m0_long),
        m0_short=float(m0_short),
        study=part.study.to_json(),
        inputs={},
        metrics={f"{row.period}_{row.metric}": float(row.value) for row in shown.itertuples()},
        profile=part.settings.profile,
    )


def _pool(
    settings: AdapterSettings, members: Mapping[str, FittedMember], *, in_series: bool
) -> dict[int, tuple[str, ...]]:
    """Features of each timeframe that some tabular member reads, in the order of the adapter's table."""
    read = _read_by(members, TABULAR)
    columns = tabular_columns(settings, has_volume=in_series)
    kept = {
        minutes: tuple(name for name in names if column_name(name, minutes) in read)
        for minutes, names in columns.items()
    }
    return {minutes: names for minutes, names in kept.items() if names}


def _read_by(members: Mapping[str, FittedMember], adapter: str) -> set[str]:
    """Columns of an input that some member reads."""
    readers = (member for member in members.values() if member.model.entry.adapter == adapter)
    return {name for member in readers for name in member.feature_names}


def _sequence(
    settings: AdapterSettings, members: Mapping[str, FittedMember], *, in_series: bool
) -> SequenceInput | None:
    """What the sequence members read; None if there is none."""
    read = _read_by(members, SEQUENCE)
    if not read:
        return None
    return SequenceInput(
        minutes=BASE_MINUTES,
        names=tuple(name for name in sequence_pool(has_volume=in_series) if name in read),
        window_bars=settings.sequence_window_bars,
        outage_minutes_max=settings.sequence_outage_minutes_max,
    )


def _minutes_until(part: Materialization, until_day: int) -> pd.DataFrame:
    """Raw minutes of every delivery month up to the end of val: what a feed would have sent."""
    raw = part.read(RAW_MINUTES.name)
    sessions = part.study_sessions
    end_us = sessions.close_us[sessions.trade_day <= until_day].max()
    last = pd.Timestamp(end_us, unit="us", tz="UTC")
    return raw[raw["open_time"] < last].drop(columns="contract").reset_index(drop=True)


def _move(folder: Path, target: Path, digest: str) -> None:
    """Rename into releases, durably; a release of the same digest is verified and stays."""
    if target.exists():
        verified_files(target, digest)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
    sync_folder(target.parent)
