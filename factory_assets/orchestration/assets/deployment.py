"""Deployment: the release bundle, kept only after a fresh process met the batch with nothing but it and bars."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from factory_assets.deployment import Release, batch_rows, write_bundle
from factory_assets.deployment.bundle import verified_files
from factory_assets.deployment.parity import prove_release
from factory_assets.features.pools import tabular_pool
from factory_assets.orchestration.assets.models import BASES
from factory_assets.orchestration.code_version import code_version
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output
from factory_assets.orchestration.releases import released_folder
from factory_assets.stacking import FittedMember, FittedMeta
from factory_assets.storage.files import sync_folder
from factory_assets.vocabulary.schemas import EVALUATION, LABELS, RAW_MINUTES, STACK
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, features_name
from factory_assets.vocabulary.verdict import Verdict

_PROBABILITY_BOUND = 1e-12
_HEADLINE = ("log_loss", "skill_log_loss", "direction_skill", "net_pnl_dollars", "sharpe_annual")


@factory_asset(
    Output(
        name="bundle",
        group="deployment",
        description="Release bundle: models, scalers, rule and manifest, no pickle; proven live against the batch.",
        checks=("bundle_verified", "parity", "bundle_equals_stack"),
        kinds=frozenset({"json", "lightgbm"}),
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
    ],
    settings_sections=["deployment", "labels", "market", "barriers", "adapters", "profile"],
)
def bundle(part: Materialization) -> Iterable[Product]:
    """Write the bundle aside, replay the last minutes of val through it, and move it into releases if both agree."""
    until = part.study.val_last_day
    pool = tabular_pool(part.settings.adapters.tabular_primary_minutes, part.settings.adapters.tabular_other_minutes)
    features = {
        minutes: part.read(features_name(minutes), columns=["close_time", *names], until_day=until)
        for minutes, names in pool.items()
    }
    labels, stack = part.read(LABELS.name), part.read(STACK.name)
    val = {name: part.read(f"val_{name}") for name in BASES}
    for name in BASES:
        part.read(f"oof_{name}", columns=["decision_time"])
    release = _release(part, pool)
    made_of = tuple(part.refs)
    rows = batch_rows(release, labels, features)
    part.home.releases.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".proving-", dir=part.home.releases) as staging:
        folder, digest = write_bundle(release, Path(staging), clock=part.factory.clock, code_version=code_version())
        verdicts = prove_release(
            folder,
            release,
            _minutes_until(part, until),
            rows,
            parity_minutes=part.settings.deployment.parity_minutes,
        )
        verdicts.append(_equals_stack(release, rows, stack, val))
        target = released_folder(part.home, part.key, digest)
        part.factory.store.check_lineage(made_of)
        if all(verdict.passed for verdict in verdicts if verdict.blocking):
            _move(folder, target, digest)
    return [
        Product(
            name="bundle",
            content={"digest.txt": digest.encode()},
            verdicts=verdicts,
            metadata={"digest": digest, "folder": str(target)},
            inputs=made_of,
        )
    ]


def _release(part: Materialization, pool: Mapping[int, tuple[str, ...]]) -> Release:
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
        pool=pool,
        members=members,
        meta=meta,
        theta=float(rule["theta"]["stack"]),
        m0_long=float(m0_long),
        m0_short=float(m0_short),
        study=part.study.to_json(),
        inputs={str(ref): ref.digest for ref in part.refs},
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


def _equals_stack(
    release: Release, rows: pd.DataFrame, stack: pd.DataFrame, val: Mapping[str, pd.DataFrame]
) -> Verdict:
    """The parts of the bundle belong together: over val they give the stored predictions of stack and bases.

    Parity sets the bundle beside itself, live and in batch; only this sets it beside what was evaluated.
    """
    columns = ["p_down", "p_flat", "p_up"]
    matrix = rows.set_index("decision_time")[list(release.columns)]
    kept = {"stack": stack[stack["origin"] == "val"], **val}
    compared, worst = 0, 0.0
    for name, stored in kept.items():
        features = matrix.loc[stored["decision_time"]].to_numpy(dtype=np.float32)
        member = release.probabilities if name == "stack" else release.members[name].predict_proba
        worst = max(worst, float(np.abs(member(features) - stored[columns].to_numpy()).max()))
        compared += len(stored)
    return Verdict(
        name="bundle_equals_stack",
        passed=compared > 0 and worst <= _PROBABILITY_BOUND,
        summary=f"{compared} stored val predictions of {', '.join(kept)} recomputed by the bundle, largest difference "
        f"{worst:.2g} (bound {_PROBABILITY_BOUND:g})",
        details={"rows": compared, "largest_difference": worst},
    )


def _move(folder: Path, target: Path, digest: str) -> None:
    """Rename into releases, durably; a release of the same digest is verified and stays."""
    if target.exists():
        verified_files(target, digest)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
    sync_folder(target.parent)
