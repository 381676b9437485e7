"""What is due for one contract: a pure function of what the store, the raw folder and the run list say.

The contract is refreshed under a *period*: the trade date of the night if the stored bars do not reach it, else
``raw-<digest>`` of the raw files that changed. Both cannot be due at once, so a trade date is refreshed once. Horizons
follow under the last complete trade date of the stored bars. A stage is attempted again only when its last attempt is
over and failed, after a back-off, and ``attempts_max`` times at most over equal inputs; the attempt is part of the run
key, since Dagster never starts a run key twice. Nothing here knows Dagster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from factory_assets.orchestration.operation.night import Night
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import OperationSettings

CONTRACT_STAGE, HORIZON_STAGE, NIGHT_STAGE = "contract", "horizon", "night"
RAW_PERIOD = "raw-"
DIGEST_CHARACTERS = 16

RunState = Literal["active", "succeeded", "failed", "cancelled"]
BundleState = Literal["missing", "blocked", "stale", "fresh"]


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
        Digest of what it was to be made from: the raw files of a contract run, the bars of a horizon's.
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
class HorizonState:
    """One partition of the horizon family: what became of its bundle, and whether one of its releases is champion."""

    key: PartitionKey
    bundle: BundleState
    has_champion: bool


@dataclass(frozen=True, kw_only=True)
class ContractState:
    """What is known of one contract at one look.

    Attributes
    ----------
    key : PartitionKey
        The contract.
    raw : str or None
        Digest of the raw folder, once it holds still; None if there is nothing to read yet.
    raw_reason : str
        Why ``raw`` is None.
    stored_raw : str or None
        Digest of the raw files the stored bars were made from; None before the first ingestion.
    is_current : bool
        Every asset of the contract job is ready and made from what is stored now.
    data_day : date or None
        Last trade date whose stored bars reach its flat time.
    data_until : str
        Close of the last stored bar, for messages.
    data_digest : str
        Digest of all bars up to ``data_day``.
    horizons : sequence of HorizonState
        Partitions that follow, ascending.
    attempts : sequence of Attempt
        Runs asked for earlier, in any order.
    foreign_runs : sequence of str
        Runs of the contract's partitions that somebody else started and that are not over.
    """

    key: PartitionKey
    raw: str | None
    raw_reason: str = ""
    stored_raw: str | None
    is_current: bool
    data_day: date | None
    data_until: str = ""
    data_digest: str = ""
    horizons: Sequence[HorizonState] = ()
    attempts: Sequence[Attempt] = ()
    foreign_runs: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One run to ask for.

    Attributes
    ----------
    key : PartitionKey
        Partition.
    stage : str
        Job's name.
    period, number, inputs
        As of :class:`Attempt`.
    trade_date : str
        Trade date it is told under: the night's, or that of the last complete stored session.
    is_last : bool
        No further attempt follows if this one fails.
    priority : int
        Higher goes first in the queue.
    """

    key: PartitionKey
    stage: str
    period: str
    number: int
    inputs: str
    trade_date: str
    is_last: bool
    priority: int = 0

    @property
    def run_key(self) -> str:
        """Name under which Dagster starts it once: ``MGC:2022-12-30:contract:1``."""
        return f"{self.key}:{self.period}:{self.stage}:{self.number}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to ask for now, whether the night's bars are late, and why nothing else is asked for."""

    requests: tuple[Request, ...] = ()
    late: str = ""
    reasons: tuple[str, ...] = ()


def plan(state: ContractState, night: Night | None, now: datetime, settings: OperationSettings) -> Plan:
    """What is due for one contract.

    Parameters
    ----------
    state : ContractState
        What is known of it.
    night : Night or None
        Last completed session, the delay included.
    now : datetime
        Moment of the injected clock.
    settings : OperationSettings
        Bounds.

    Returns
    -------
    Plan
        At most one request a partition and stage; none while a run of the contract's own stage is under way.
    """
    if state.foreign_runs:
        return Plan(reasons=(f"{state.key}: waiting for {', '.join(state.foreign_runs)}, started by hand",))
    period = _contract_period(state, night)
    if period is None:
        requests, reasons = _horizons(state, now, settings)
        if any(each.stage == CONTRACT_STAGE and each.state == "active" for each in state.attempts):
            requests = []  # it started before its outputs were looked at: what it leaves behind is looked at next time
        return Plan(requests=tuple(requests), late=_late(state, night, now, settings), reasons=tuple(reasons))
    asked, reason = _contract(state, period, night, now, settings)
    if asked is not None:
        return Plan(requests=(asked,))
    return Plan(late=_late(state, night, now, settings), reasons=(reason,))


def _contract_period(state: ContractState, night: Night | None) -> str | None:
    """Period under which the contract is to be refreshed; None if nothing new can be made of it."""
    if state.raw is None or (state.raw == state.stored_raw and state.is_current):
        return None
    if night is not None and state.data_day is not None:
        # A night that brought its bars and failed after them is still that night, not a change of history.
        date_text = night.trade_date.isoformat()
        begun = any(
            each.stage == CONTRACT_STAGE and each.period == date_text and each.inputs == state.raw
            for each in state.attempts
        )
        if begun or state.data_day < night.trade_date:
            return date_text
    return RAW_PERIOD + state.raw


def _contract(
    state: ContractState, period: str, night: Night | None, now: datetime, settings: OperationSettings
) -> tuple[Request | None, str]:
    active = sorted({each.partition for each in state.attempts if each.state == "active"})
    if active:  # a horizon under way reads the bars that a refresh would replace
        return None, f"{state.key}: waiting for the runs of {', '.join(active)}"
    assert state.raw is not None
    number, is_last, reason = _next_attempt(state, state.key, CONTRACT_STAGE, period, state.raw, now, settings)
    if number is None:
        return None, reason
    told = period if not period.startswith(RAW_PERIOD) else _told_date(state, night)
    return (
        Request(
            key=state.key,
            stage=CONTRACT_STAGE,
            period=period,
            number=number,
            inputs=state.raw,
            trade_date=told,
            is_last=is_last,
            priority=100,
        ),
        "",
    )


def _told_date(state: ContractState, night: Night | None) -> str:
    if state.data_day is not None:
        return state.data_day.isoformat()
    return "" if night is None else night.trade_date.isoformat()


def _horizons(state: ContractState, now: datetime, settings: OperationSettings) -> tuple[list[Request], list[str]]:
    """Requests for the horizons of the last complete trade date, ascending; the nights of champions go first."""
    if state.data_day is None or not state.is_current:
        return [], [f"{state.key}: {state.raw_reason or 'no complete session is stored'}; nothing to refresh"]
    period, requests, reasons = state.data_day.isoformat(), [], []
    for place, horizon in enumerate(state.horizons):
        stages = [NIGHT_STAGE] if horizon.has_champion else []
        if horizon.bundle != "fresh":
            stages.append(HORIZON_STAGE)
        elif not horizon.has_champion:
            key = horizon.key
            reasons.append(
                f"{key}: its bundle is made and awaits promotion: "
                f"factory promote --contract {key.contract} --horizon {key.horizon}"
            )
        for stage in stages:
            number, is_last, reason = _next_attempt(state, horizon.key, stage, period, state.data_digest, now, settings)
            if number is None:
                reasons.append(reason)
                continue
            requests.append(
                Request(
                    key=horizon.key,
                    stage=stage,
                    period=period,
                    number=number,
                    inputs=state.data_digest,
                    trade_date=period,
                    is_last=is_last,
                    priority=(50 if stage == NIGHT_STAGE else 0) - place,
                )
            )
    return requests, reasons


def _next_attempt(
    state: ContractState,
    key: PartitionKey,
    stage: str,
    period: str,
    inputs: str,
    now: datetime,
    settings: OperationSettings,
) -> tuple[int | None, bool, str]:
    """Number of the attempt to ask for, whether it is the last one; or None, and why none is asked for."""
    where = f"{key} {stage} {period}"
    own = [each for each in state.attempts if each.partition == str(key) and each.stage == stage]
    if any(each.state == "active" for each in own):
        return None, False, f"{where}: asked for, not over"
    number = 1 + max((each.number for each in own if each.period == period), default=0)
    same = sorted((each for each in own if each.inputs == inputs), key=lambda each: (each.asked_at, each.number))
    newest = max(own, key=lambda each: (each.asked_at, each.number), default=None)
    if same and newest is same[-1]:
        if newest.state == "succeeded":
            return None, False, f"{where}: done"
        if newest.state == "cancelled":
            return None, False, f"{where}: cancelled by hand; the next change of its inputs is refreshed again"
    failures = _failures_in_a_row(same)
    if failures >= settings.attempts_max:
        return None, False, f"{where}: given up after {failures} failed attempts"
    if failures and now < (wait := same[-1].asked_at + timedelta(minutes=settings.backoff_minutes)):
        return None, False, f"{where}: attempt {number} not before {wait.isoformat(timespec='seconds')}"
    return number, failures + 1 >= settings.attempts_max, ""


def _failures_in_a_row(same: Sequence[Attempt]) -> int:
    """Failures over equal inputs since the last success over them: a success makes old failures history."""
    count = 0
    for each in reversed(same):
        if each.state != "failed":
            break
        count += 1
    return count


def _late(state: ContractState, night: Night | None, now: datetime, settings: OperationSettings) -> str:
    """What to say of a night whose bars did not come; empty if they did, may still, or a failure says it already."""
    if night is None or (state.data_day is not None and state.data_day >= night.trade_date):
        return ""
    if now < night.closed_at + timedelta(minutes=settings.late_minutes):
        return ""
    date_text = night.trade_date.isoformat()
    runs = [each for each in state.attempts if each.stage == CONTRACT_STAGE]
    newest = max(runs, key=lambda each: (each.asked_at, each.number), default=None)
    if newest is not None and (
        newest.state == "active" or (newest.period == date_text and newest.state in {"failed", "cancelled"})
    ):
        return ""
    there = f"the stored bars end at {state.data_until}" if state.data_until else "no bars are stored"
    why = state.raw_reason or "the raw files have not changed"
    return f"no bars for trade date {date_text}: {there}, and {why}"
