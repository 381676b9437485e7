"""Phase 4, labels: outcomes of train and val; those of the test period are sealed in an asset of their own."""

from collections.abc import Iterable

import pandas as pd

from factory_assets.labels import label_decisions, label_invariants
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.labelled_record import LABELLED_WITHOUT_STUDY, LabelledRecord
from factory_assets.orchestration.ledger_files import LedgerFiles
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.open_test import LABEL_SECTIONS, require_label_settings
from factory_assets.orchestration.outputs import table_output
from factory_assets.reports.labels import label_figures
from factory_assets.splits.study import day_text
from factory_assets.vocabulary.errors import SealedPeriodError, TooLittleHistoryError
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.schemas import LABELS, SEALED_OUTCOMES
from factory_assets.vocabulary.timeframes import BASE_MINUTES, bars_name
from factory_assets.vocabulary.verdict import Scalar, Verdict

_MINUTES, _BASE = bars_name(1), bars_name(BASE_MINUTES)
_CHECKS = ("label_contract", "t1_complete", "costs_once", "random_walk_null")


def _labelled(part: Materialization, until_day: int) -> tuple[pd.DataFrame, list[Verdict]]:
    base, minutes = part.read(_BASE, until_day=until_day), part.read(_MINUTES, until_day=until_day)
    sessions = part.calendar.covering(times_us(minutes["open_time"]))
    arguments = (sessions, part.instrument, part.barriers, part.settings.labels, part.horizon)
    outcome = label_decisions(base, minutes, *arguments)
    return outcome, label_invariants(outcome, minutes, base, *arguments)


def _reach(part: Materialization) -> tuple[int, dict[str, Scalar]]:
    """Last trade day to label. Without a study it is recorded before any outcome is made: it never becomes test."""
    short = part.short_history
    if short is None:
        return part.study.val_last_day, {}
    if short.labels_until_day is None:
        raise TooLittleHistoryError(short.message)
    LabelledRecord(part.factory, part.key.contract).enter(short.labels_until_day)
    return short.labels_until_day, {LABELLED_WITHOUT_STUDY: day_text(short.labels_until_day)}


@factory_asset(
    table_output(
        LABELS,
        "Triple-barrier outcome of every decision of train and val, walked on 1-minute bars. A row is known at t1. "
        "Without a study: of the sessions that can only become train or val.",
        checks=_CHECKS,
        kinds=frozenset({"numba"}),
    ),
    reads=["study", _BASE, _MINUTES],
    settings_sections=LABEL_SECTIONS,
)
def labels(part: Materialization) -> Iterable[Product]:
    """Label up to the last val session, or as far as is allowed while there is no study; nothing later is read."""
    until, meta = _reach(part)
    outcome, verdicts = _labelled(part, until)
    sample = outcome[outcome["event"]]
    return [
        Product(
            name=LABELS.name,
            content=outcome,
            verdicts=verdicts,
            metadata={
                "decisions": len(outcome),
                "eligible": int(outcome["eligible"].sum()),
                "sample": len(sample),
                "average_uniqueness": float(sample["uniqueness"].mean()),
            },
            figures=label_figures(outcome, simulated=part.instrument.simulated),
            meta=meta,
        )
    ]


@factory_asset(
    table_output(
        SEALED_OUTCOMES,
        "Outcomes of the test period. In no job and behind no view; only an opening of the test period makes them.",
        kinds=frozenset({"numba"}),
    ),
    reads=["study", LABELS.name, _BASE, _MINUTES],
    settings_sections=LABEL_SECTIONS,
)
def sealed_outcomes(part: Materialization) -> Iterable[Product]:
    """Label the test sessions under an opening the ledger holds, by the settings of the labels; emit no figure."""
    LedgerFiles(part.factory, part.study).opening_of(part.key, part.tags)
    require_label_settings(part.factory, part.key)
    outcome, verdicts = _labelled(part, part.study.end_day)
    broken = [verdict.name for verdict in verdicts if verdict.blocking and not verdict.passed]
    if broken:
        raise SealedPeriodError(f"{part.key}: the sealed outcomes break {broken}; nothing was written.")
    inside = outcome[dates_days(outcome["trade_date"]) >= part.study.test_first_day]
    return [Product(name=SEALED_OUTCOMES.name, content=inside.reset_index(drop=True))]
