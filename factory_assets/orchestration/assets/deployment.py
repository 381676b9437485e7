"""Deployment: the release bundle, kept only after a fresh process met the batch with nothing but it and bars."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from factory_assets.deployment import Release, batch_rows, write_bundle
from factory_assets.deployment.parity import prove_release
from factory_assets.features.pools import tabular_pool
from factory_assets.orchestration.assets.models import BASES
from factory_assets.orchestration.code_version import code_version
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output
from factory_assets.orchestration.releases import released_folder
from factory_assets.stacking import FittedMember, FittedMeta
from factory_assets.vocabulary.schemas import EVALUATION, LABELS, RAW_MINUTES
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, features_name

_HEADLINE = ("log_loss", "skill_log_loss", "direction_skill", "net_pnl_dollars", "sharpe_annual")


@factory_asset(
    Output(
        name="bundle",
        group="deployment",
        description="Release bundle: models, scalers, rule and manifest, no pickle; proven live against the batch.",
        checks=("bundle_verified", "parity"),
        kinds=frozenset({"json", "lightgbm"}),
        by_horizon=True,
    ),
    reads=[
        "study",
        RAW_MINUTES.name,
        LABELS.name,
        EVALUATION.name,
        "decision_rule",
        "meta",
        *(f"model_{name}" for name in BASES),
        *(features_name(minutes) for minutes in TIMEFRAMES_MINUTES),
    ],
    settings_sections=["deployment", "labels", "market", "barriers"],
)
def bundle(part: Materialization) -> Iterable[Product]:
    """Write the bundle aside, replay the last minutes of val through it, and move it into releases if both agree."""
    release = _release(part)
    until = part.study.val_last_day
    features = {
        minutes: part.read(features_name(minutes), columns=["close_time", *names], until_day=until)
        for minutes, names in release.pool.items()
    }
    rows = batch_rows(release, part.read(LABELS.name), features)
    staging = part.home.releases / ".staging" / part.key.contract / str(part.horizon)
    shutil.rmtree(staging, ignore_errors=True)
    folder, digest = write_bundle(release, staging, clock=part.factory.clock, code_version=code_version())
    verdicts = prove_release(
        folder,
        release,
        _minutes_until(part, until),
        rows,
        parity_minutes=part.settings.deployment.parity_minutes,
    )
    if all(verdict.passed for verdict in verdicts if verdict.blocking):
        _move(folder, released_folder(part.home, part.key, digest))
    shutil.rmtree(staging, ignore_errors=True)
    return [
        Product(
            name="bundle",
            content={"digest.txt": digest.encode()},
            verdicts=verdicts,
            metadata={"digest": digest, "folder": str(released_folder(part.home, part.key, digest))},
        )
    ]


def _release(part: Materialization) -> Release:
    settings = part.settings.adapters
    rule = json.loads(part.read_files("decision_rule").files["rule.json"])
    m0_long, m0_short = rule["m0"]["-1"]
    members = {name: FittedMember.from_files(part.read_files(f"model_{name}").files) for name in BASES}
    meta = FittedMeta.from_files(part.read_files("meta").files)
    table = part.read(EVALUATION.name)
    shown = table[(table["model"] == "stack") & table["metric"].isin(_HEADLINE)]
    return Release(
        contract=part.key.contract,
        horizon=part.horizon,
        barriers=part.barriers,
        labels=part.settings.labels,
        market=part.settings.market,
        pool=tabular_pool(settings.tabular_primary_minutes, settings.tabular_other_minutes),
        members=members,
        meta=meta,
        theta=float(rule["theta"]["stack"]),
        m0_long=float(m0_long),
        m0_short=float(m0_short),
        study=part.study.to_json(),
        inputs={f"{ref.table}|{ref.key}": ref.digest for ref in part.refs},
        metrics={f"{row.period}_{row.metric}": float(row.value) for row in shown.itertuples()},
        profile=part.settings.profile,
    )


def _minutes_until(part: Materialization, until_day: int) -> pd.DataFrame:
    """Raw minutes of every delivery month up to the end of val: what a feed would have sent."""
    raw = part.read(RAW_MINUTES.name)
    sessions = part.study_sessions
    end_us = sessions.close_us[sessions.trade_day <= until_day].max()
    last = pd.Timestamp(end_us, unit="us", tz="UTC")
    return raw[raw["open_time"] < last].drop(columns="contract").reset_index(drop=True)


def _move(folder: Path, target: Path) -> None:
    """Rename into releases; a release of the same digest has the same bytes and stays."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
