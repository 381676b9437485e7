"""The sealed test: the released bundle on outcomes no fit, choice or page has seen; recorded before it is shown."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from factory_assets.adapters import build_tabular
from factory_assets.deployment.bundle import load_bundle
from factory_assets.deployment.release import Release
from factory_assets.evaluation import CLOCK_ATR_MODELS, EvaluationResult, evaluate, minutes_to_flat
from factory_assets.evaluation.ledger import openings
from factory_assets.evaluation.test_report import TestReport
from factory_assets.evaluation.test_report import test_report as read_as_statistician
from factory_assets.indicators.atr import atr_percent
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.ledger_files import LedgerFiles
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.open_test import REASON_TAG
from factory_assets.orchestration.outputs import Output
from factory_assets.orchestration.pages import place_page
from factory_assets.orchestration.releases import released_folder
from factory_assets.reports.evaluation import evaluation_figures
from factory_assets.reports.metric_table import METRIC_GROUPS, metric_table
from factory_assets.reports.page import Section, render_page
from factory_assets.splits.study import day_text
from factory_assets.stacking import FittedMember, predictions_frame
from factory_assets.vocabulary.errors import SealedPeriodError
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.schemas import EVALUATION, LABELS, SEALED_OUTCOMES, SPLITS
from factory_assets.vocabulary.timeframes import BASE_MINUTES, TIMEFRAMES_MINUTES, bars_name, features_name
from factory_assets.vocabulary.verdict import Verdict

_MINUTES, _BASE = bars_name(1), bars_name(BASE_MINUTES)
_MODEL = "stack"


@factory_asset(
    Output(
        name="test_report",
        group="sealed",
        description="What the sealed period says of the released bundle, with its uncertainty. In no job.",
        checks=("opening_recorded",),
        kinds=frozenset({"html"}),
        by_horizon=True,
    ),
    reads=[
        "study",
        SEALED_OUTCOMES.name,
        LABELS.name,
        SPLITS.name,
        EVALUATION.name,
        "decision_rule",
        "bundle",
        _MINUTES,
        _BASE,
        *(f"model_{name}" for name in CLOCK_ATR_MODELS),
        *(features_name(minutes) for minutes in TIMEFRAMES_MINUTES),
    ],
    settings_sections=["evaluation"],
)
def test_report(part: Materialization) -> Iterable[Product]:
    """Score, record the opening in the ledger, and only then write the page."""
    reason = part.tags.get(REASON_TAG)
    if reason is None:
        raise SealedPeriodError(
            f"{part.key}: the test period is sealed. Open it with: factory evaluate --contract {part.key.contract} "
            f'--horizon {part.horizon} --open-test --reason "…"'
        )
    ledger = LedgerFiles(part.factory, part.study)
    before = openings(ledger.entries(), part.horizon)
    digest = part.read_files("bundle").files["digest.txt"].decode()
    release = load_bundle(released_folder(part.home, part.key, digest), expected_digest=digest)
    result = _evaluate(part, release)
    said = read_as_statistician(
        result,
        model=_MODEL,
        horizon=part.horizon,
        openings=before + 1,
        settings=part.settings.evaluation,
        val_skill=_val_skill(part),
    )
    metrics = result.table.to_csv(index=False).encode()
    entry = ledger.record_opening(
        part.key, reason=reason, spec_hash=digest, metric_digest=hashlib.sha256(metrics).hexdigest()
    )
    page = _page(part, result, said, reason).encode()
    path = place_page(part.home, part.key, "test", page)
    verdict = Verdict(
        name="opening_recorded",
        passed=openings(ledger.entries(), part.horizon) == before + 1,
        summary=f"opening {before + 1} of this horizon is entry {entry.seq} of the ledger, hash {entry.hash[:16]}",
        details={"openings": before + 1},
    )
    files = {"test.html": page, "evaluation.csv": metrics, "ledger_entry.json": json.dumps(asdict(entry)).encode()}
    return [Product(name="test_report", content=files, verdicts=[verdict], metadata={"path": str(path)})]


def _evaluate(part: Materialization, release: Release) -> EvaluationResult:
    study = part.study
    sealed, labels = part.read(SEALED_OUTCOMES.name), part.read(LABELS.name)
    sample = sealed[sealed["event"]].reset_index(drop=True)
    rule = json.loads(part.read_files("decision_rule").files["rule.json"])
    days = part.study_sessions.trade_day
    return evaluate(
        _predictions(part, release, sample),
        period="test",
        labels=pd.concat([labels, sealed], ignore_index=True).sort_values("decision_time", ignore_index=True),
        splits=part.read(SPLITS.name),
        bars_1min=part.read(_MINUTES, until_day=study.end_day),
        sessions=part.study_sessions.take((days >= study.test_first_day) & (days <= study.end_day)),
        instrument=part.instrument,
        barriers=part.barriers,
        settings=part.settings.evaluation,
        theta=rule["theta"],
        m0={int(fold): tuple(values) for fold, values in rule["m0"].items()},
    )


def _predictions(part: Materialization, release: Release, sample: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """The stack and its bases from the bundle, clock + ATR from its own fits; features only, no outcome."""
    end = part.study.end_day
    decisions = times_us(sample["decision_time"])
    features = {
        minutes: part.read(features_name(minutes), columns=["close_time", *names], until_day=end)
        for minutes, names in release.pool.items()
    }
    rows = build_tabular(decisions, dates_days(sample["trade_date"]), features, release.pool)
    matrix = rows[list(release.columns)].to_numpy(dtype=np.float32)
    bars = part.read(_BASE, until_day=end)
    atr = pd.Series(atr_percent(bars), index=times_us(bars["close_time"])).loc[decisions].to_numpy()
    clock = np.column_stack([minutes_to_flat(decisions, part.study_sessions), atr]).astype(np.float32)
    probabilities = {name: member.predict_proba(matrix) for name, member in release.members.items()}
    probabilities |= {
        name: FittedMember.from_files(part.read_files(f"model_{name}").files).predict_proba(clock)
        for name in CLOCK_ATR_MODELS
    }
    probabilities[_MODEL] = release.probabilities(matrix)
    return {
        name: predictions_frame(
            decision_us=decisions,
            fold=np.full(len(decisions), -1),
            probabilities=values,
            label=sample["label"].to_numpy(dtype=np.int8),
            weight=np.ones(len(decisions)),
        )
        for name, values in probabilities.items()
    }


def _val_skill(part: Materialization) -> float | None:
    table = part.read(EVALUATION.name)
    row = table[(table["model"] == _MODEL) & (table["period"] == "val") & (table["metric"] == "skill_log_loss")]
    return float(row["value"].iloc[0]) if len(row) else None


def _page(part: Materialization, result: EvaluationResult, said: TestReport, reason: str) -> str:
    simulated = part.instrument.simulated
    figures = evaluation_figures(result.table, result.trades, simulated=simulated)
    rows = pd.DataFrame(
        [
            ("sessions", f"{said.sessions}"),
            ("openings of this horizon, this one included", f"{said.openings}"),
            (
                "Sharpe of daily net P&L, annual",
                f"{said.sharpe_annual.value:.3g} [{said.sharpe_annual.low:.3g}, {said.sharpe_annual.high:.3g}]",
            ),
            ("probabilistic Sharpe (true Sharpe above 0)", f"{said.probabilistic_sharpe:.3g}"),
            ("the same after all openings (Sidak)", f"{said.probabilistic_sharpe_sidak:.3g}"),
            ("the same after all openings (Bonferroni)", f"{said.probabilistic_sharpe_bonferroni:.3g}"),
            ("minimum track record, sessions", f"{said.minimum_track_record_sessions:,.0f}"),
            ("power to find a true Sharpe of 1 here", f"{said.power_sharpe_1:.1%}"),
            ("sessions for 80 % power", f"{said.sessions_for_sharpe_1:,.0f}"),
        ],
        columns=["figure", "value"],
    )
    table = result.table.astype({"model": str, "period": str, "metric": str})
    study = part.study
    return render_page(
        f"Sealed test of {part.key.contract}, horizon {part.horizon}",
        f"{day_text(study.test_first_day)} to {day_text(study.end_day)}. Opened because: {reason}",
        [
            Section(title="What this can and cannot say", paragraphs=[said.sentence, said.explanation], tables=[rows]),
            Section(title="Targets", tables=[said.targets]),
            Section(
                title="Evaluation",
                tables=[metric_table(table, "test", group) for group in METRIC_GROUPS],
                figures=figures,
            ),
        ],
        simulated=simulated,
    )
