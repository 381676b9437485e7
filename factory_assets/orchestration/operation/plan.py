"""What is due for one contract: a pure function of what the store, the raw folder and the run list say.

The contract is refreshed under a *period*: the trade date of the night if the stored bars do not reach it, else
``raw-<digest>`` of the raw files that changed. Both cannot be due at once, so the bars of a trade date are brought
once; files that came and do not reach the date are a refresh of that night too, since only reading them tells. Horizons
follow under the last complete trade date of the stored bars: first what remakes a partition's labels and bundle, then
its champion's night, which needs them. A stage is attempted again only when its last attempt is over and failed, after
a back-off, and ``attempts_max`` times at most over equal inputs; the attempt is part of the run key, since Dagster
never starts a run key twice. Nothing here knows Dagster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from factory_assets.orchestration.operation.attempts import Attempt, Verdict, next_attempt
from factory_assets.orchestration.operation.night import Night
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import OperationSettings

CONTRACT_STAGE, HORIZON_STAGE, NIGHT_STAGE = "contract", "horizon", "night"
RAW_PERIOD = "raw-"
DIGEST_CHARACTERS = 16

BundleState = Literal["missing", "blocked", "stale", "fresh"]


@dataclass(frozen=True, kw_only=True)
class HorizonState:
    """One partition of the horizon family.

    Attributes
    ----------
    key : PartitionKey
        The partition.
    bundle : str
        What became of its bundle.
    champion : str
        Digest of the release promoted last; empty if there is none.
    made_from : str
        Digest of all that its bundle depends on: the history up to the study's end, settings and code.
    lost_registry : str
        Folder in which bundles lie without a release registry; empty where all is well.
    """

    key: PartitionKey
    bundle: BundleState
    champion: str = ""
    made_from: str = ""
    lost_registry: str = ""


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
    made_with : str
        Digest of the settings and code a contract run would work with.
    short_history : str
        What the contract lacks for a study; empty if it has one. Nothing past labels can be made without.
    horizons : sequence of HorizonState
        Partitions that follow, ascending.
    attempts : sequence of Attempt
        Runs asked for earlier, oldest first.
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
    made_with: str = ""
    short_history: str = ""
    horizons: Sequence[HorizonState] = ()
    attempts: Sequence[Attempt] = ()
    foreign_runs: Sequence[str] = ()

    @property
    def inputs(self) -> str:
        """What a contract run would be made from: the raw files, then settings and code."""
        return f"{self.raw}.{self.made_with}"


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
    """What to ask for now, whether the night's bars are late, why nothing else is, and what needs a person."""

    requests: tuple[Request, ...] = ()
    late: str = ""
    reasons: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


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
        why = f"waiting for {', '.join(state.foreign_runs)}, started by hand"
        late = _late(state, night, now, settings, why=why, is_told=False)
        return Plan(late=late, reasons=(f"{state.key}: {why}",))
    own = [each for each in state.attempts if each.stage == CONTRACT_STAGE]
    newest = own[-1] if own else None
    period = _contract_period(state, night)
    if period is None:
        made = _horizons(state, now, settings)
        why, is_told = state.raw_reason or "the raw files have not changed", _is_told(newest, night, now, settings)
        under_way = newest is not None and newest.state == "active"
        if newest is not None and under_way:
            why = _waiting([newest])
        late = _late(state, night, now, settings, why=why, is_told=is_told)
        # A run under way started before its outputs were looked at: what it leaves behind is looked at next time.
        return Plan(
            requests=() if under_way else made.requests, late=late, reasons=made.reasons, problems=made.problems
        )
    return _contract(state, period, night, now, settings, is_told=_is_told(newest, night, now, settings))


def _contract_period(state: ContractState, night: Night | None) -> str | None:
    """Period under which the contract is to be refreshed; None if nothing new can be made of it."""
    if state.raw is None or (state.raw == state.stored_raw and state.is_current):
        return None
    if night is not None and state.data_day is not None:
        # A night that brought its bars and failed after them is still that night, not a change of history.
        date_text = night.trade_date.isoformat()
        begun = [
            each
            for each in state.attempts
            if each.stage == CONTRACT_STAGE and each.period == date_text and each.inputs.startswith(f"{state.raw}.")
        ]
        if (begun and begun[-1].state != "succeeded") or state.data_day < night.trade_date:
            return date_text
    return RAW_PERIOD + state.raw


def _contract(
    state: ContractState,
    period: str,
    night: Night | None,
    now: datetime,
    settings: OperationSettings,
    *,
    is_told: bool,
) -> Plan:
    """The contract's refresh, or why it has to wait."""
    active = [each for each in state.attempts if each.state == "active"]
    if active:  # a horizon under way reads the bars that a refresh would replace
        why = _waiting(active)
        return Plan(late=_late(state, night, now, settings, why=why, is_told=is_told), reasons=(f"{state.key}: {why}",))
    verdict = next_attempt(state.attempts, state.key, CONTRACT_STAGE, period, state.inputs, now=now, settings=settings)
    if verdict.kind == "due":
        told = period if not period.startswith(RAW_PERIOD) else _told_date(state, night)
        return Plan(requests=(_request(state.key, CONTRACT_STAGE, period, state.inputs, verdict, told, priority=100),))
    problems: tuple[str, ...] = ()
    if verdict.kind == "done":
        problems = (
            f"{state.key}: the refresh of {period} succeeded, and what it made is still not current. Nothing is asked "
            f"for until files or settings change: see factory status --assets, then factory run --contract {state.key}",
        )
    late = _late(state, night, now, settings, why=verdict.reason, is_told=is_told)
    return Plan(late=late, reasons=(verdict.reason,), problems=problems)


def _request(
    key: PartitionKey, stage: str, period: str, inputs: str, verdict: Verdict, trade_date: str, *, priority: int
) -> Request:
    return Request(
        key=key,
        stage=stage,
        period=period,
        number=verdict.number,
        inputs=inputs,
        trade_date=trade_date,
        is_last=verdict.is_last,
        priority=priority,
    )


def _told_date(state: ContractState, night: Night | None) -> str:
    if state.data_day is not None:
        return state.data_day.isoformat()
    return "" if night is None else night.trade_date.isoformat()


def _horizons(state: ContractState, now: datetime, settings: OperationSettings) -> Plan:
    """Requests for the horizons of the last complete trade date, ascending; the nights of champions go first."""
    if state.data_day is None or not state.is_current:
        why = state.raw_reason or "no complete session is stored"
        return Plan(reasons=(f"{state.key}: {why}; nothing to refresh",))
    period = state.data_day.isoformat()
    requests: list[Request] = []
    reasons: list[str] = []
    problems: list[str] = []
    for place, horizon in enumerate(state.horizons):
        key = horizon.key
        remake = _remake(state, horizon, period, now, settings)
        verdicts = [(HORIZON_STAGE, horizon.made_from, remake)] if remake is not None else []
        if horizon.champion and remake is not None and remake.is_pending:
            reasons.append(f"{key} {NIGHT_STAGE} {period}: after its {HORIZON_STAGE} run, whose labels it needs")
        elif horizon.champion:
            inputs = f"{state.data_digest}.{horizon.champion[:DIGEST_CHARACTERS]}"
            asked = next_attempt(state.attempts, key, NIGHT_STAGE, period, inputs, now=now, settings=settings)
            verdicts.append((NIGHT_STAGE, inputs, asked))
        for stage, inputs, verdict in verdicts:
            if verdict.kind != "due":
                reasons.append(verdict.reason)
                continue
            priority = (50 if stage == NIGHT_STAGE else 0) - place
            requests.append(_request(key, stage, period, inputs, verdict, period, priority=priority))
        problem, reason = _without_champion(state, horizon)
        problems += [problem] if problem else []
        reasons += [reason] if reason else []
    return Plan(requests=tuple(requests), reasons=tuple(reasons), problems=tuple(problems))


def _remake(
    state: ContractState, horizon: HorizonState, period: str, now: datetime, settings: OperationSettings
) -> Verdict | None:
    """Whether the partition is to be made anew; None if its bundle is what a run would make."""
    if horizon.bundle == "fresh":
        return None
    if state.short_history:
        return Verdict(kind="given up", reason=f"{horizon.key}: nothing past labels yet: {state.short_history}")
    return next_attempt(
        state.attempts, horizon.key, HORIZON_STAGE, period, horizon.made_from, now=now, settings=settings
    )


def _without_champion(state: ContractState, horizon: HorizonState) -> tuple[str, str]:
    """What needs a person, and what is to be said, of a partition that has no champion; empty where neither applies."""
    key = horizon.key
    if horizon.champion or any(each.partition == str(key) and each.state == "active" for each in state.attempts):
        return "", ""
    if horizon.lost_registry:
        problem = (
            f"{key}: bundles lie in {horizon.lost_registry}, but no release registry: whether one of them is champion "
            "cannot be known, and no night is made. Restore registry.jsonl and registry.head.json from a backup, or "
            f"promote anew: factory promote --contract {key.contract} --horizon {key.horizon}"
        )
        return problem, problem
    if horizon.bundle == "fresh":
        return "", (
            f"{key}: its bundle is made and awaits promotion: "
            f"factory promote --contract {key.contract} --horizon {key.horizon}"
        )
    return "", ""


def _waiting(active: Sequence[Attempt]) -> str:
    """What is under way, since when."""
    runs = [f"{each.partition} {each.stage} (asked for {each.asked_at:%Y-%m-%d %H:%M} UTC)" for each in active]
    return f"waiting for the runs of {', '.join(sorted(runs))}"


def _is_told(newest: Attempt | None, night: Night | None, now: datetime, settings: OperationSettings) -> bool:
    """Whether the contract's newest run says enough of a late night: it failed, or it is under way and not for long."""
    if newest is None or night is None:
        return False
    if newest.state == "active":
        return now - newest.asked_at <= timedelta(hours=settings.run_hours_max)
    return newest.period == night.trade_date.isoformat() and newest.state in {"failed", "cancelled"}


def _late(
    state: ContractState, night: Night | None, now: datetime, settings: OperationSettings, *, why: str, is_told: bool
) -> str:
    """What to say of a night whose bars did not come; empty if they did, may still, or a failure says it already."""
    if night is None or is_told or (state.data_day is not None and state.data_day >= night.trade_date):
        return ""
    if now < night.closed_at + timedelta(minutes=settings.late_minutes):
        return ""
    there = f"the stored bars end at {state.data_until}" if state.data_until else "no bars are stored"
    return f"no bars for trade date {night.trade_date.isoformat()}: {there}, and {why}"
