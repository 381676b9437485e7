"""The study: cut dates of a contract, opened once and frozen; the ledger of its sealed period begins here."""

from collections.abc import Iterable

import numpy as np

from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.ledger_files import LedgerFiles
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output
from factory_assets.splits.study import Study, day_text, open_study
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
        description="Cut dates train / val / test, frozen when first materialized; later bars are the forward period.",
        checks=("study_frozen", "ledger_intact"),
        by_horizon=False,
    ),
    reads=[_BARS],
    settings_sections=["splits"],
)
def study(part: Materialization) -> Iterable[Product]:
    """Open a missing study; never change an open one."""
    files = StudyFiles(part.home.studies)
    text = files.read(part.key.contract)
    if text is None:
        days, counts = np.unique(dates_days(part.read(_BARS, columns=["trade_date"])["trade_date"]), return_counts=True)
        opened = open_study(part.key.contract, days, part.settings.splits, part.factory.clock, session_bars=counts)
        files.write(part.key.contract, opened.to_json())
        part.refs.clear()
    frozen = Study.from_json(files.read(part.key.contract) or "")
    slice_days = dates_days(part.read(_BARS, columns=["trade_date"], until_day=frozen.end_day)["trade_date"])
    entries = LedgerFiles(part.factory, frozen).open_if_new()
    return [
        Product(
            name="study",
            content={"study.json": frozen.to_json().encode()},
            verdicts=[_frozen(frozen, slice_days, text), _ledger(len(entries))],
            metadata={
                "train": f"{day_text(frozen.train_first_day)} .. {day_text(frozen.train_last_day)}",
                "val": f"{day_text(frozen.val_first_day)} .. {day_text(frozen.val_last_day)}",
                "test": f"{day_text(frozen.test_first_day)} .. {day_text(frozen.test_last_day)}",
                "ledger_entries": len(entries),
            },
        )
    ]


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
