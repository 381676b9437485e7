"""What was asked for earlier of one stage, and whether it is to be attempted again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import OperationSettings

RunState = Literal["active", "succeeded", "failed", "cancelled"]
Kind = Literal["due", "active", "waiting", "done", "cancelled", "given up"]
_PENDING: tuple[Kind, ...] = ("due", "active", "waiting")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One run the factory asked for earlier.

    Attributes
    ----------
    partition, stage, period : str
        What it was to make: ``MGC|20``, ``night``, ``2022-12-30``.
    number : int
        Attempt, from 1.
    inputs : str
        Digest of what it was to be made from: raw files and settings of a contract run, bars and champion of a night.
    state : str
        ``active`` (queued or under way), ``succeeded``, ``failed`` or ``cancelled`` (by hand).
    asked_at : datetime
        Moment it was asked for, by the factory's clock.
    """

    partition: str
    stage: str
    period: str
    number: int
    inputs: str
    state: RunState
    asked_at: datetime


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a stage is to be attempted.

    Attributes
    ----------
    kind : str
        ``due`` now; ``active``; ``waiting`` for its back-off; ``done``; ``cancelled`` by hand; ``given up``.
    number : int
        Number of the attempt that is due; 0 otherwise.
    is_last : bool
        No further attempt follows that one.
    reason : str
        Why none is due.
    """

    kind: Kind
    number: int = 0
    is_last: bool = False
    reason: str = ""

    @property
    def is_pending(self) -> bool:
        """Something is still to come of the stage by itself."""
        return self.kind in _PENDING


def next_attempt(
    attempts: Sequence[Attempt],
    key: PartitionKey,
    stage: str,
    period: str,
    inputs: str,
    *,
    now: datetime,
    settings: OperationSettings,
) -> Verdict:
    """Whether a stage is to be attempted over these inputs.

    Parameters
    ----------
    attempts : sequence of Attempt
        Runs asked for earlier, oldest first by the run list: clocks may have been set back since.
    key, stage, period, inputs
        What is to be made, under which name, from what.
    now : datetime
        Moment of the injected clock.
    settings : OperationSettings
        Bounds.
    """
    where = f"{key} {stage} {period}"
    own = [each for each in attempts if each.partition == str(key) and each.stage == stage]
    if any(each.state == "active" for each in own):
        return Verdict(kind="active", reason=f"{where}: asked for, not over")
    number = 1 + max((each.number for each in own if each.period == period), default=0)
    same = [each for each in own if each.inputs == inputs]
    if same and own[-1] is same[-1]:
        if same[-1].state == "succeeded":
            return Verdict(kind="done", reason=f"{where}: done")
        if same[-1].state == "cancelled":
            reason = f"{where}: cancelled by hand; the next change of its inputs is refreshed again"
            return Verdict(kind="cancelled", reason=reason)
    failures = _failures_in_a_row(same)
    if failures >= settings.attempts_max:
        return Verdict(kind="given up", reason=f"{where}: given up after {failures} failed attempts")
    if failures:
        asked = same[-1].asked_at
        wait = asked + timedelta(minutes=settings.backoff_minutes)
        if asked <= now < wait:  # a moment that has not come yet is of a clock set back since: no wait
            return Verdict(
                kind="waiting", reason=f"{where}: attempt {number} not before {wait.isoformat(timespec='seconds')}"
            )
    return Verdict(kind="due", number=number, is_last=failures + 1 >= settings.attempts_max)


def _failures_in_a_row(same: Sequence[Attempt]) -> int:
    """Failures over equal inputs since the last success over them: a success makes old failures history."""
    count = 0
    for each in reversed(same):
        if each.state != "failed":
            break
        count += 1
    return count
