"""The sealed test: the released bundle on outcomes no fit, choice or page has seen; recorded before it is shown.

Nothing of the test leaves but the page: verdicts on its numbers are looked at here, and only their names are told.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from factory_assets.deployment.bundle import load_bundle
from factory_assets.deployment.inputs import feature_rows_of, inputs_of
from factory_assets.deployment.release import Release
from factory_assets.evaluation import CLOCK_ATR_MODELS, EvaluationResult, clock_atr_features, evaluate
from factory_assets.evaluation.invariants import evaluation_invariants
from factory_assets.evaluation.ledger import LedgerEntry, openings, result_of
from factory_assets.evaluation.test_report import TestReport
from factory_assets.evaluation.test_report import test_report as read_as_statistician
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.ledger_files import LedgerFiles
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output
from factory_assets.orchestration.pages import place_page
from factory_assets.orchestration.releases import released_folder
from factory_assets.reports.evaluation import evaluation_figures
from factory_assets.reports.metric_table import METRIC_GROUPS, metric_table
from factory_assets.reports.page import Section, render_page
from factory_assets.splits.study import day_text
from factory_assets.stacking import FittedMember, predictions_frame
from factory_assets.vocabulary.errors import SealedPeriodError
from factory_assets.vocabulary.frames import times_us
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
    settings_sections=["evaluation", "barriers"],
)
def test_report(part: Materialization) -> Iterable[Product]:
    """Score the opened period, enter the numbers' digest in the ledger, and only then place the page."""
    ledger = LedgerFiles(part.factory, part.study)
    opening = ledger.opening_of(part.key, part.tags)
    digest = part.read_files("bundle").files["digest.txt"].decode()
    if digest != opening.spec_hash:
        raise SealedPeriodError(
            f"{part.key}: the period was opened for release {opening.spec_hash}, the current one is {digest}. Open the "
            "test period again for this one; that counts as a further opening."
        )
    result = _evaluate(part, load_bundle(released_folder(part.home, part.key, digest), expected_digest=digest))
    part.factory.store.check_lineage(part.refs)
    entries = ledger.entries()
    counts = openings(entries), openings(entries, part.horizon)
    said = read_as_statistician(
        result,
        model=_MODEL,
        horizon=part.horizon,
        openings=counts[0],
        settings=part.settings.evaluation,
        val_skill=_val_skill(part),
    )
    metrics = result.table.to_csv(index=False).encode()
    page = _page(part, result, said, opening.reason, counts[1]).encode()
    ledger.record_result(opening, metric_digest=hashlib.sha256(metrics).hexdigest())
    verdict, recorded = _recorded(ledger, opening, metrics)
    metadata = {"path": str(place_page(part.home, part.key, "test", page))} if verdict.passed else {}
    files = {"test.html": page, "evaluation.csv": metrics, "ledger_entries.json": recorded}
    return [Product(name="test_report", content=files, verdicts=[verdict], metadata=metadata)]


def _recorded(ledger: LedgerFiles, opening: LedgerEntry, metrics: bytes) -> tuple[Verdict, bytes]:
    """Whether the ledger, read again from disk, holds the opening and the digest of exactly these numbers."""
    result = result_of(ledger.entries(), opening.hash)
    lines = [asdict(entry) for entry in (opening, result) if entry is not None]
    verdict = Verdict(
        name="opening_recorded",
        passed=result is not None and result.metric_digest == hashlib.sha256(metrics).hexdigest(),
        summary=f"opening {opening.hash[:16]} is entry {opening.seq} of the ledger, its result entry "
        f"{'missing' if result is None else result.seq}",
        details={"opening": opening.hash},
    )
    return verdict, json.dumps(lines).encode()


def _evaluate(part: Materialization, release: Release) -> EvaluationResult:
    study = part.study
    sealed, labels = part.read(SEALED_OUTCOMES.name), part.read(LABELS.name)
    sample = sealed[sealed["event"]].reset_index(drop=True)
    outcomes = pd.concat([labels, sealed], ignore_index=True).sort_values("decision_time", ignore_index=True)
    rule = json.loads(part.read_files("decision_rule").files["rule.json"])
    days = part.study_sessions.trade_day
    predictions, splits = _predictions(part, release, sample), part.read(SPLITS.name)
    result = evaluate(
        predictions,
        period="test",
        labels=outcomes,
        splits=splits,
        bars_1min=part.read(_MINUTES, until_day=study.end_day),
        sessions=part.study_sessions.take((days >= study.test_first_day) & (days <= study.end_day)),
        instrument=part.instrument,
        barriers=part.barriers,
        settings=part.settings.evaluation,
        theta=rule["theta"],
        m0={int(fold): tuple(values) for fold, values in rule["m0"].items()},
    )
    verdicts = evaluation_invariants(
        result,
        predictions=predictions,
        labels=outcomes,
        splits=splits,
        instrument=part.instrument,
        barriers=part.barriers,
        settings=part.settings.evaluation,
        last_day=None,
    )
    # Summaries speak of test outcomes and stay here.
    broken = [verdict.name for verdict in verdicts if verdict.blocking and not verdict.passed]
    if broken:
        raise SealedPeriodError(
            f"{part.key}: the sealed evaluation breaks {broken}; nothing of it was written. The opening stays counted. "
            "Look for the cause on train and val, where the same invariants are shown."
        )
    return result


def _predictions(part: Materialization, release: Release, sample: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """The stack and its bases from the bundle, clock + ATR from its own fits; features only, no outcome."""
    end = part.study.end_day
    decisions = times_us(sample["decision_time"])
    features = {
        minutes: part.read(features_name(minutes), columns=["close_time", *names], until_day=end)
        for minutes, names in release.reads.items()
    }
    inputs = inputs_of(release, decisions, feature_rows_of(features))
    clock = clock_atr_features(decisions, part.study_sessions, part.read(_BASE, until_day=end))
    probabilities = release.member_probabilities(inputs)
    probabilities |= {
        name: FittedMember.from_files(part.read_files(f"model_{name}").files).predict_proba(clock)
        for name in CLOCK_ATR_MODELS
    }
    probabilities[_MODEL] = release.probabilities(inputs)
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


def _page(
    part: Materialization, result: EvaluationResult, said: TestReport, reason: str, openings_of_horizon: int
) -> str:
    simulated = part.instrument.simulated
    figures = evaluation_figures(result.table, result.trades, simulated=simulated)
    rows = pd.DataFrame(
        [
            ("sessions", f"{said.sessions}"),
            ("openings of this test period at any horizon, this one included", f"{said.openings}"),
            ("openings of this horizon, this one included", f"{openings_of_horizon}"),
            (
                "Sharpe of daily net P&L, annual",
                f"{said.sharpe_annual.value:.3g} [{said.sharpe_annual.low:.3g}, {said.sharpe_annual.high:.3g}]",
            ),
            ("probabilistic Sharpe (true Sharpe above 0)", f"{said.probabilistic_sharpe:.3g}"),
            ("the same after all openings of the test period (Sidak)", f"{said.probabilistic_sharpe_sidak:.3g}"),
            (
                "the same after all openings of the test period (Bonferroni)",
                f"{said.probabilistic_sharpe_bonferroni:.3g}",
            ),
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
            Section(title="What this can and cannot say", paragraphs=[said.explanation], tables=[rows]),
            Section(title="Targets", tables=[said.targets]),
            Section(
                title="Evaluation",
                tables=[metric_table(table, "test", group) for group in METRIC_GROUPS],
                figures=figures,
            ),
        ],
        simulated=simulated,
    )
