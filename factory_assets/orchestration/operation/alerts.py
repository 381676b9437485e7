"""Alerts: one line each in ``alerts.jsonl``, written once, and the record of what was sent of them.

``alerts.jsonl`` holds every failed run, every night without bars and every configuration the sensors cannot read.
``alerts_sent.jsonl`` beside it says which of them went out and by which channel. Belongs here: what an alert says and
whether it is due to be sent. Does not: how it is sent (:mod:`factory_assets.orchestration.operation.delivery`).
"""

import dataclasses
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from factory_assets.storage import AppendLog
from factory_assets.vocabulary.errors import IntegrityError
from factory_assets.vocabulary.home import FactoryHome

_log = logging.getLogger(__name__)
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
        ``failed run``, ``late bars`` or ``configuration``.
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
        """Every alert so far, oldest first.

        Raises
        ------
        IntegrityError
            A line that is no alert.
        """
        found = []
        for number, line in enumerate(self._alerts.lines(), start=1):
            try:
                found.append(Alert(**json.loads(line)))
            except (ValueError, TypeError) as problem:
                raise IntegrityError(
                    f"{self._path} line {number}: not an alert ({problem}). Move the file away; a new one is begun."
                ) from problem
        return found

    def write(self, alert: Alert) -> bool:
        """Write an alert and log it, unless one of its id is there; whether it was written."""
        if any(known.id == alert.id for known in self.alerts()):
            return False
        self._alerts.append(json.dumps(dataclasses.asdict(alert), sort_keys=True))
        _log.error("%s", alert.text)
        return True

    def unsent(self, channels: Iterable[str]) -> list[tuple[Alert, str]]:
        """Alerts that need a person, with each channel that has not had them, oldest first."""
        done = {(row["id"], row["channel"]) for row in map(json.loads, self._sent.lines())}
        names = list(channels)
        return [
            (alert, channel)
            for alert in self.alerts()
            if alert.is_final
            for channel in names
            if (alert.id, channel) not in done
        ]

    def mark(self, alert: Alert, channel: str, outcome: str, now: datetime) -> None:
        """Record that an alert was sent, or that sending it was given up."""
        row = {"id": alert.id, "channel": channel, "outcome": outcome, "time": now.isoformat()}
        self._sent.append(json.dumps(row, sort_keys=True))

    def has_expired(self, alert: Alert, now: datetime, retry_hours: int) -> bool:
        """Whether an alert is too old to be worth sending."""
        return now - datetime.fromisoformat(alert.time) > timedelta(hours=retry_hours)
