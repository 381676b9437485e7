"""Alerts: one line each in ``alerts.jsonl``, written once, and the record of what was sent of them.

``alerts.jsonl`` holds every failed run, every night without bars and, once a day while it lasts, whatever keeps the
nights from coming about: a configuration the sensors cannot read, damage in the store, a run that hangs.
``alerts_sent.jsonl`` beside it says which of them went out and by which channel. Belongs here: what an alert says and
whether it is due to be sent. Does not: how it is sent (:mod:`factory_assets.orchestration.operation.delivery`).
"""

import dataclasses
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from factory_assets.storage import AppendLog
from factory_assets.storage.files import LocalFiles
from factory_assets.storage.locks import file_lock
from factory_assets.vocabulary.errors import IntegrityError, StorageError
from factory_assets.vocabulary.home import FactoryHome

_log = logging.getLogger(__name__)
_LOCK_SECONDS = 30.0
SENT, GIVEN_UP = "sent", "given up"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing a person should know in the morning.

    Attributes
    ----------
    id : str
        What it is about; an alert of the same id is written once. The run's id for a failed run.
    time : str
        Moment it was written, ISO 8601 in UTC, by the factory's clock.
    kind : str
        ``failed run``, ``long run``, ``late bars``, ``problem``, ``damage``, ``failed look`` or ``configuration``.
    partition, trade_date, stage : str
        What did not come about; empty where it does not apply.
    attempt : int
        Which attempt failed; 0 for what is no attempt.
    is_final : bool
        No attempt is left, so a person is needed: it is sent.
    step, message, run_id : str
        What failed and what to do.
    """

    id: str
    time: str
    kind: str
    partition: str = ""
    trade_date: str = ""
    stage: str = ""
    attempt: int = 0
    is_final: bool
    step: str = ""
    message: str
    run_id: str = ""

    @property
    def headline(self) -> str:
        """One line: what, where, which night."""
        night = f", trade date {self.trade_date}" if self.trade_date else ""
        stage = f" {self.stage}" if self.stage else ""
        attempt = f", attempt {self.attempt}{' (the last)' if self.is_final else ''}" if self.attempt else ""
        return f"{self.partition or 'factory'}{stage}: {self.kind}{night}{attempt}"

    @property
    def text(self) -> str:
        """Headline, step, message and run: what a message shows."""
        step = f"\nstep {self.step}" if self.step else ""
        run = f"\nrun {self.run_id}" if self.run_id else ""
        return f"{self.headline}{step}\n{self.message}{run}"


class AlertBook:
    """Alerts of one home.

    Parameters
    ----------
    home : FactoryHome
        Home whose ``alerts.jsonl`` it is.
    """

    def __init__(self, home: FactoryHome) -> None:
        self._path, self._sent_path = home.root / "alerts.jsonl", home.root / "alerts_sent.jsonl"
        self._alerts, self._sent = AppendLog(self._path), AppendLog(self._sent_path)

    def alerts(self) -> list[Alert]:
        """Every alert so far, oldest first; lines that are none are logged and left where they are."""
        found, damaged = [], []
        for number, line in enumerate(_lines(self._alerts, self._path), start=1):
            alert = _alert_of(line)
            if alert is None:
                damaged.append(number)
            else:
                found.append(alert)
        if damaged:
            _log.error(
                "%s: lines %s are no alerts and are passed over; put them right or remove them", self._path, damaged
            )
        return found

    def write(self, alert: Alert) -> bool:
        """Write an alert and log it, unless one of its id is there; whether it was written.

        Never raises for the file: an alert that cannot be written is logged in full, and whoever tells it goes on.
        """
        if any(known.id == alert.id for known in self.alerts()):
            return False
        _log.error("%s", alert.text)
        return _append(self._alerts, self._path, json.dumps(dataclasses.asdict(alert), sort_keys=True))

    def unsent(self, channels: Iterable[str]) -> list[tuple[Alert, str]]:
        """Alerts that need a person, with each channel that has not had them, oldest first."""
        done, damaged = set(), []
        for number, line in enumerate(_lines(self._sent, self._sent_path), start=1):
            row = _object_of(line)
            if isinstance(row.get("id"), str) and isinstance(row.get("channel"), str):
                done.add((row["id"], row["channel"]))
            else:
                damaged.append(number)
        if damaged:
            _log.error("%s: lines %s say nothing of a sending and are passed over", self._sent_path, damaged)
        names = list(channels)
        return [
            (alert, channel)
            for alert in self.alerts()
            if alert.is_final
            for channel in names
            if (alert.id, channel) not in done
        ]

    def mark(self, alert: Alert, channel: str, outcome: str, now: datetime) -> bool:
        """Record that an alert was sent, or that sending it was given up; whether that could be written."""
        row = {"id": alert.id, "channel": channel, "outcome": outcome, "time": now.isoformat()}
        return _append(self._sent, self._sent_path, json.dumps(row, sort_keys=True))

    def has_expired(self, alert: Alert, now: datetime, retry_hours: int) -> bool:
        """Whether an alert is too old to be worth sending."""
        return now - datetime.fromisoformat(alert.time) > timedelta(hours=retry_hours)


def _lines(log: AppendLog, path: Path) -> list[str]:
    """Lines of a log; bytes that are no text make their own line unreadable and no other."""
    try:
        return log.lines()
    except IntegrityError:
        data = path.read_bytes()
        return data[: data.rfind(b"\n") + 1].decode("utf-8", "replace").split("\n")[:-1]
    except OSError as problem:
        _log.error("%s cannot be read: %s", path, problem)
        return []


def _append(log: AppendLog, path: Path, line: str) -> bool:
    """Add a line, setting bytes that are no text aside first; whether it is on disk."""
    try:
        try:
            log.append(line)
        except IntegrityError:
            _set_damage_aside(path)
            log.append(line)
    except (StorageError, OSError) as problem:
        _log.error("%s cannot be written: %s; the line is %s", path, problem, line)
        return False
    return True


def _set_damage_aside(path: Path) -> None:
    """Move lines that are no text to ``<name>.damaged``, so that new ones can follow the rest."""
    with file_lock(path.with_name(path.name + ".lock"), _LOCK_SECONDS):
        data, good, bad = path.read_bytes(), b"", b""
        for line in data.splitlines(keepends=True):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                bad += line
            else:
                good += line
        with path.with_name(path.name + ".damaged").open("ab") as file:
            file.write(bad)
        LocalFiles(path.parent).replace(path.name, good, data)
    _log.error("%s: %d bytes were no text; they lie in %s.damaged", path, len(bad), path.name)


def _object_of(line: str) -> dict[str, Any]:
    """The JSON object of a line; an empty one if it holds none."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _alert_of(line: str) -> Alert | None:
    """The alert of a line, whatever else another version wrote beside it; None if it is none."""
    row = _object_of(line)
    fields = {field.name: row[field.name] for field in dataclasses.fields(Alert) if field.name in row}
    try:
        alert = Alert(**fields)
        is_dated = datetime.fromisoformat(alert.time).tzinfo is not None
    except (TypeError, ValueError):
        return None
    kinds = {"is_final": bool, "attempt": int}
    return alert if is_dated and all(type(value) is kinds.get(name, str) for name, value in fields.items()) else None
