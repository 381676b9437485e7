"""The night: outcomes after the study's end, and the refit of the promoted recipe, tonight's challenger.

Everything here follows the champion, which only ``factory promote`` makes. No study asset is made again and no sealed
asset touched: the refit makes the outcomes it needs in memory, after the ledger was told (kind ``fit``), and lets
nothing of them out but the fitted members.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from factory_assets.deployment import Release, batch_rows, write_bundle
from factory_assets.deployment.batch import BatchRows
from factory_assets.deployment.bundle import verified_files
from factory_assets.deployment.parity import prove_release
from factory_assets.deployment.refit import SANITY_SESSIONS, latest_sessions, refit_release, refit_verdicts
from factory_assets.evaluation.forward_invariants import forward_only
from factory_assets.labels import label_decisions, label_invariants
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.jobs import NIGHT_GROUP
from factory_assets.orchestration.ledger_files import LedgerFiles
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.night import Night, champion_now, features_read_by, night_of
from factory_assets.orchestration.open_test import LABEL_SECTIONS, require_label_settings
from factory_assets.orchestration.outputs import Output, table_output
from factory_assets.orchestration.proving_folder import proving_folder
from factory_assets.orchestration.regimes import regimes_read_by
from factory_assets.orchestration.releases import released_folder
from factory_assets.splits.study import day_text
from factory_assets.storage.files import sync_folder
from factory_assets.vocabulary.code_version import code_version
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.schemas import FORWARD_OUTCOMES, LABELS, RAW_MINUTES, REGIME_PARAMETERS
from factory_assets.vocabulary.timeframes import BASE_MINUTES, TIMEFRAMES_MINUTES, bars_name, features_name
from factory_assets.vocabulary.verdict import Verdict

_MINUTES, _BASE = bars_name(1), bars_name(BASE_MINUTES)
_FEATURES = tuple(features_name(minutes) for minutes in TIMEFRAMES_MINUTES)
_LABEL_CHECKS = ("label_contract", "t1_complete", "costs_once", "random_walk_null")
_COMPARED = ("label", "t1", "net_long", "net_short", "uniqueness")


@factory_asset(
    table_output(
        FORWARD_OUTCOMES,
        "Triple-barrier outcome of every decision after the study's end, open to everybody. A row is known at t1.",
        checks=(*_LABEL_CHECKS, "forward_only"),
        kinds=frozenset({"numba"}),
    ),
    reads=["study", _BASE, _MINUTES],
    settings_sections=LABEL_SECTIONS,
)
def forward_outcomes(part: Materialization) -> Iterable[Product]:
    """Label from the first session after the study on, by the settings of train and val; no earlier outcome is made."""
    night_of(part)
    require_label_settings(part.factory, part.key)
    base, minutes, from_day = part.read(_BASE), part.read(_MINUTES), part.study.end_day + 1
    sessions = part.calendar.covering(times_us(minutes["open_time"]))
    arguments = (sessions, part.instrument, part.barriers, part.settings.labels, part.horizon)
    outcome = label_decisions(base, minutes, *arguments, from_day=from_day)
    days = dates_days(outcome["trade_date"])
    if outcome["eligible"].any() or len(np.unique(days)) > 1:
        found = label_invariants(outcome, minutes, base, *arguments, from_day=from_day)
        # A handful of sessions may well trend: far from a driftless walk is no fault of the labels there.
        verdicts = [replace(verdict, blocking=verdict.name != "random_walk_null") for verdict in found]
    else:
        nothing = f"{len(outcome)} base bars after the study's end, no outcome known yet: nothing to check"
        verdicts = [Verdict(name=name, passed=True, summary=nothing) for name in _LABEL_CHECKS]
    return [
        Product(
            name=FORWARD_OUTCOMES.name,
            content=outcome,
            verdicts=[*verdicts, forward_only(days, part.study.end_day)],
            metadata={"sessions": len(np.unique(days)), "sample": int(outcome["event"].sum())},
        )
    ]


@factory_asset(
    Output(
        name="refit",
        group=NIGHT_GROUP,
        description="The champion's recipe refitted on every decision whose outcome is known; tonight's challenger.",
        checks=(
            "refit_recipe_frozen",
            "refit_outcomes_agree",
            "refit_sane",
            "refit_near_champion",
            "bundle_verified",
            "parity",
        ),
        kinds=frozenset({"json", "lightgbm"}),
        by_horizon=True,
    ),
    reads=[
        "study",
        RAW_MINUTES.name,
        _BASE,
        _MINUTES,
        LABELS.name,
        FORWARD_OUTCOMES.name,
        REGIME_PARAMETERS.name,
        *_FEATURES,
    ],
    settings_sections=["labels", "barriers", "deployment", "splits"],
    outside={"champion": champion_now},
)
def refit(part: Materialization) -> Iterable[Product]:
    """Tell the ledger, fit in memory, prove the bundle on the latest minutes, and enter it as challenger."""
    night = night_of(part)
    base, minutes, raw = part.read(_BASE), part.read(_MINUTES), part.read(RAW_MINUTES.name)
    features, regimes = features_read_by(part, night.release), regimes_read_by(part, night.release.reads)
    tables = [part.read(LABELS.name), part.read(FORWARD_OUTCOMES.name)]
    open_outcomes = pd.concat([table for table in tables if len(table)], ignore_index=True)
    made_of = tuple(part.refs)
    part.factory.store.check_lineage(made_of)
    data_end = int(dates_days(base["trade_date"])[-1])
    LedgerFiles(part.factory, part.study).record_fit(
        part.key,
        reason=f"nightly refit of the champion on outcomes to {day_text(data_end)}",
        spec_hash=night.record.digest,
    )
    sessions = part.calendar.covering(times_us(minutes["open_time"]), pad_days=14)
    outcomes = label_decisions(
        base, minutes, sessions, part.instrument, night.release.barriers, night.release.labels, part.horizon
    )
    challenger = refit_release(
        night.release,
        outcomes[outcomes["event"]].reset_index(drop=True),
        features,
        regimes=regimes,
        champion_digest=night.record.digest,
        inputs={str(ref): ref.digest for ref in made_of},
        data_end_day=data_end,
        settings=part.settings.splits,
        clock_us=sessions.base_clock_us(),
    )
    agree = _outcomes_agree(outcomes, open_outcomes, part.study.test_first_day, part.study.end_day)
    rows = _latest_rows(challenger, outcomes, minutes, features, part.settings.deployment.parity_minutes)
    verdicts = [agree, *refit_verdicts(night.release, challenger, latest_sessions(rows))]
    digest, proven = _proven(part, night, challenger, raw, rows, data_end, verdicts)
    told = {"digest": digest, "champion": night.record.digest, "data_end": day_text(data_end)}
    return [
        Product(
            name="refit",
            content={"digest.txt": digest.encode(), "refit.json": json.dumps(told, sort_keys=True).encode()},
            verdicts=proven,
            metadata={**told, "folder": str(released_folder(part.home, part.key, digest))},
            inputs=made_of,
        )
    ]


def _proven(
    part: Materialization,
    night: Night,
    challenger: Release,
    raw: pd.DataFrame,
    rows: BatchRows,
    data_end: int,
    verdicts: list[Verdict],
) -> tuple[str, list[Verdict]]:
    """Write aside, replay the latest minutes in a fresh process, and release only if every verdict holds."""
    with proving_folder(part, "refit") as staging:
        folder, digest = write_bundle(challenger, staging, clock=part.factory.clock, code_version=code_version())
        found = prove_release(
            folder,
            challenger,
            raw.drop(columns="contract"),
            rows,
            parity_minutes=part.settings.deployment.parity_minutes,
            until_day=data_end,
        )
        everything = [*verdicts, *found]
        if all(verdict.passed for verdict in everything if verdict.blocking):
            target = released_folder(part.home, part.key, digest)
            if target.exists():
                verified_files(target, digest)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(target)
                sync_folder(target.parent)
            night.registry.record_refit(
                digest, parent=night.record.digest, data_end_day=data_end, clock=part.factory.clock
            )
    return digest, everything


def _latest_rows(
    release: Release,
    outcomes: pd.DataFrame,
    minutes: pd.DataFrame,
    features: Mapping[int, pd.DataFrame],
    parity_minutes: int,
) -> BatchRows:
    """Batch rows of the last sessions: those the parity replays, and those the sanity check looks at."""
    days = np.unique(dates_days(outcomes["trade_date"]))
    replayed = int(dates_days(minutes["trade_date"].iloc[[-min(parity_minutes, len(minutes))]])[0])
    first = min(replayed, int(days[-min(SANITY_SESSIONS, len(days))]))
    latest = outcomes[dates_days(outcomes["trade_date"]) >= first].reset_index(drop=True)
    return batch_rows(release, latest, features)


def _outcomes_agree(made: pd.DataFrame, stored: pd.DataFrame, sealed_from: int, sealed_until: int) -> Verdict:
    """What was fitted on is what the tables say, wherever a table may be looked at; the sealed period is left out."""
    days = dates_days(made["trade_date"])
    opened = made[(days < sealed_from) | (days > sealed_until)]
    joined = opened.merge(stored, on="decision_time", how="outer", suffixes=("", "_stored"), indicator=True)
    # Bars that a table did not have yet may have finished what it calls unfinished.
    joined = joined[joined["mask_reason_stored"].astype(str) != "unfinished"]
    alone = int((joined["_merge"] != "both").sum())
    off = {}
    for name in _COMPARED:
        mine, theirs = joined[name], joined[f"{name}_stored"]
        differ = ~((mine == theirs) | (mine.isna() & theirs.isna()))
        if name == "uniqueness":
            differ &= ~((mine - theirs).abs() <= 1e-12)
        off[name] = int(differ.sum())
    found = {name: count for name, count in off.items() if count}
    return Verdict(
        name="refit_outcomes_agree",
        passed=alone == 0 and not found,
        summary=f"{len(joined)} decisions of train, val and forward beside labels and forward_outcomes: {alone} in one "
        f"only, differing values {found}; the sealed period was not compared",
        details={"decisions": len(joined), "alone": alone, **found},
    )
