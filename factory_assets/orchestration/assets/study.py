"""The study: cut dates of a contract, opened once and frozen; the ledger of its sealed period begins here."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from factory_assets.orchestration.closed_sessions import closed_sessions
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.labelled_record import LabelledRecord
from factory_assets.orchestration.ledger_files import LedgerFiles
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output
from factory_assets.orchestration.study_artifact import SHORT_HISTORY_FILE, STUDY_FILE
from factory_assets.splits.short_history import ShortHistory
from factory_assets.splits.study import Study, day_text, missing_history, open_study
from factory_assets.storage import StudyFiles
from factory_assets.vocabulary.frames import dates_days
from factory_assets.vocabulary.schemas import table_schema
from factory_assets.vocabulary.timeframes import BASE_MINUTES, bars_name
from factory_assets.vocabulary.verdict import Verdict

_BARS = table_schema(bars_name(BASE_MINUTES)).name


@factory_asset(
    Output(
        name="study",
        group="study",
        description="Cut dates train / val / test, frozen when first materialized; later bars are the forward period. "
        "While a contract has too few sessions: how many it lacks, and how far it may be labelled.",
        checks=("study_frozen", "ledger_intact"),
        by_horizon=False,
    ),
    reads=[_BARS],
    settings_sections=["splits", "adapters"],
)
def study(part: Materialization) -> Iterable[Product]:
    """Open a missing study as soon as there are sessions enough; never change an open one."""
    files, record = StudyFiles(part.home.studies), LabelledRecord(part.factory, part.key.contract)
    with record.held():
        text = files.read(part.key.contract)
        if text is None:
            days, counts = closed_sessions(part.read(_BARS, columns=["trade_date", "close_time"]), part.calendar)
            labelled_until = record.until_day()
            contract, splits = part.key.contract, part.settings.splits
            bounds: dict[str, Any] = {
                "session_bars": counts,
                "window_bars": part.settings.adapters.sequence_window_bars,
                "never_test_until_day": labelled_until,
            }
            short = missing_history(contract, days, splits, **bounds)
            if short is not None:
                return [_too_short(part, short, labelled_until)]
            opened = open_study(contract, days, splits, part.factory.clock, **bounds)
            files.write(part.key.contract, opened.to_json())
            part.refs.clear()
    frozen = Study.from_json(files.read(part.key.contract) or "")
    slice_days = dates_days(part.read(_BARS, columns=["trade_date"], until_day=frozen.end_day)["trade_date"])
    entries = LedgerFiles(part.factory, frozen).open_if_new()
    return [
        Product(
            name="study",
            content={STUDY_FILE: frozen.to_json().encode()},
            verdicts=[_frozen(frozen, slice_days, text), _ledger(len(entries))],
            metadata={
                "train": f"{day_text(frozen.train_first_day)} .. {day_text(frozen.train_last_day)}",
                "val": f"{day_text(frozen.val_first_day)} .. {day_text(frozen.val_last_day)}",
                "test": f"{day_text(frozen.test_first_day)} .. {day_text(frozen.test_last_day)}",
                "ledger_entries": len(entries),
            },
        )
    ]


def _too_short(part: Materialization, short: ShortHistory, labelled_until: int | None) -> Product:
    """The artifact of a contract that stops at labels; its checks say that nothing is frozen and nothing was opened."""
    begun = LedgerFiles.traces_of(part.factory, part.key)
    until = short.labels_until_day
    return Product(
        name="study",
        content={SHORT_HISTORY_FILE: short.to_json().encode()},
        verdicts=[
            Verdict(
                name="study_frozen",
                passed=not begun,
                summary=(
                    f"no study yet, nothing is frozen: {short.sessions} sessions of {short.sessions_needed}"
                    if not begun
                    else f"the study file is gone, but a study was opened: {', '.join(begun)} is there; restore "
                    f"{StudyFiles(part.home.studies).path(part.key.contract).name} from a backup"
                ),
                details={
                    "sessions": short.sessions,
                    "sessions_needed": short.sessions_needed,
                    "labelled_until": "" if labelled_until is None else day_text(labelled_until),
                },
            ),
            Verdict(
                name="ledger_intact",
                passed=not begun,
                summary="no study yet, so no ledger and no opening"
                if not begun
                else f"a ledger without its study: {', '.join(begun)}",
                details={"entries": 0},
            ),
        ],
        metadata={
            "sessions": short.sessions,
            "sessions_needed": short.sessions_needed,
            "sessions_lacking": short.sessions_lacking,
            "labels_until": "" if until is None else day_text(until),
            "message": short.message,
        },
    )


def _frozen(frozen: Study, days: np.ndarray, text: str | None) -> Verdict:
    """The sessions the study was opened with are still there, in each period."""
    found = tuple(
        len(np.unique(days[(days >= first) & (days <= last)]))
        for first, last in (
            (frozen.train_first_day, frozen.train_last_day),
            (frozen.val_first_day, frozen.val_last_day),
            (frozen.test_first_day, frozen.test_last_day),
        )
    )
    opened_with = (frozen.train_sessions, frozen.val_sessions, frozen.test_sessions)
    return Verdict(
        name="study_frozen",
        passed=found == opened_with,
        summary=f"{'kept as opened' if text is not None else 'opened'} with {opened_with} sessions of train, val and "
        f"test; the bars hold {found}",
        details={"sessions": len(np.unique(days))},
    )


def _ledger(entries: int) -> Verdict:
    return Verdict(
        name="ledger_intact",
        passed=entries > 0,
        summary=f"{entries} entries, chained by hash and equal to the head kept in the store",
        details={"entries": entries},
    )
