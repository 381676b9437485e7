"""How far a contract was labelled while it had no study: ``<folder>/<contract>.labelled.jsonl``, which only grows.

It lies beside the study files and outlives the store: outcomes that were seen stay seen, whatever is deleted there. A
line is written before the outcomes it speaks of are made.
"""

import json
from datetime import date, datetime, timedelta
from pathlib import Path

from factory_assets.storage.append_log import AppendLog
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets.vocabulary.partition import PartitionKey

_EPOCH = date(1970, 1, 1)
_KEYS = {"contract", "labelled_until", "recorded_at"}


class LabelledSessions:
    """The record of one contract.

    Parameters
    ----------
    folder : Path
        ``FactoryHome.studies``.
    contract : str
        Futures product; an unknown one is an UnknownNameError.
    """

    def __init__(self, folder: Path, contract: str) -> None:
        self._contract = PartitionKey(contract).contract
        self._path = folder / f"{self._contract}.labelled.jsonl"
        self._log = AppendLog(self._path)

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._path

    def until_day(self) -> int | None:
        """Last trade day that was labelled without a study, days since 1970; None if none was.

        Raises
        ------
        IntegrityError
            A line is not what :meth:`extend` writes, or the days do not increase.
        """
        last: int | None = None
        for number, line in enumerate(self._log.lines(), start=1):
            day = self._day_of(line, number)
            if last is not None and day <= last:
                raise IntegrityError(f"{self._path}, line {number}: days have to increase; restore it from a backup")
            last = day
        return last

    def extend(self, day: int, *, at: datetime) -> None:
        """Enter that sessions up to ``day`` are about to be labelled; durable on return. Earlier days change nothing.

        Raises
        ------
        BadInputError
            A moment without a time zone.
        IntegrityError
            The record is damaged.
        """
        if at.tzinfo is None:
            raise BadInputError(f"{self._path.name}: recorded_at {at} has no time zone")
        last = self.until_day()
        if last is None or day > last:
            entry = {
                "contract": self._contract,
                "labelled_until": (_EPOCH + timedelta(days=day)).isoformat(),
                "recorded_at": at.isoformat(),
            }
            self._log.append(json.dumps(entry, sort_keys=True))

    def _day_of(self, line: str, number: int) -> int:
        where = f"{self._path}, line {number}"
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict) or set(entry) != _KEYS or entry["contract"] != self._contract:
                raise IntegrityError(f"{where}: not an entry of {self._contract}; restore it from a backup")
            return (date.fromisoformat(entry["labelled_until"]) - _EPOCH).days
        except (json.JSONDecodeError, TypeError, ValueError) as problem:
            raise IntegrityError(f"{where}: damaged ({problem}); restore it from a backup") from problem
