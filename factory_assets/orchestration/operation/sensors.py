"""The four sensors: raw files, the night, horizons after their contract, failures.

A sensor looks, asks the plan, and hands the plan's requests to Dagster; it decides nothing by itself. All of them run
by default: with ``[operation] contracts`` empty the first three say so and ask for nothing. Settings are read at every
look, so a change of ``factory.toml`` counts from the next tick; only the interval is fixed when the code is loaded.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg

from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration.jobs import CONTRACT_JOB
from factory_assets.orchestration.operation.alerts import Alert, AlertBook
from factory_assets.orchestration.operation.delivery import deliver
from factory_assets.orchestration.operation.failed_runs import failed_looks, long_runs, new_failures, newest_run
from factory_assets.orchestration.operation.look import look_at_contract
from factory_assets.orchestration.operation.night import Night, last_night
from factory_assets.orchestration.operation.plan import CONTRACT_STAGE, RAW_PERIOD, Plan, Request, plan
from factory_assets.orchestration.operation.presence import bury_abandoned_runs, bury_dead_runs, sweep_locks
from factory_assets.orchestration.operation.raw_state import look_at_raw
from factory_assets.orchestration.operation.run_tags import tags_of
from factory_assets.orchestration.resources import FactoryResource, settings_in_force
from factory_assets.vocabulary.clock import system_clock
from factory_assets.vocabulary.errors import ConfigurationError, StorageError
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import FactorySettings, OperationSettings

Job = Any
SENSORS = ("raw_files", "nightly", "contract_succeeded", "failure_alert")
_RUNNING = dg.DefaultSensorStatus.RUNNING
_OFF = "[operation] contracts in factory.toml is empty: nothing is refreshed by itself"


@dataclass
class _Cursor:
    """What a sensor remembers from look to look.

    Attributes
    ----------
    outside : dict of str to str
        Raw folder of each contract as it looked from outside.
    wanted : list of str
        Run keys of first horizon attempts that nobody had asked for.
    absent : list of str
        Runs whose process was not to be seen.
    first_run : int or None
        Newest run when failures were first watched.
    """

    outside: dict[str, str] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    first_run: int | None = None

    @classmethod
    def of(cls, text: str | None) -> "_Cursor":
        """Read what was remembered; nothing if it was another version's."""
        try:
            return cls(**json.loads(text or "{}"))
        except (TypeError, ValueError):
            return cls()

    def text(self) -> str:
        """One spelling."""
        return json.dumps(vars(self), sort_keys=True)


@dataclass(frozen=True)
class _Look:
    """What a tick reads anew: settings, moment, store and alerts of the home."""

    factory: FactoryResource
    settings: FactorySettings
    now: datetime
    book: AlertBook

    @property
    def operation(self) -> OperationSettings:
        """Section ``[operation]``."""
        return self.settings.operation

    def plan(self, contract: str, instance: dg.DagsterInstance, cursor: _Cursor) -> tuple[Plan, Night | None]:
        """The plan of one contract; the cursor takes up how its raw folder looks."""
        product = instrument(contract)
        raw = look_at_raw(self.factory.place.raw / contract, product, cursor.outside.get(contract, ""))
        cursor.outside[contract] = raw.outside
        night = last_night(SessionCalendar.of(product), self.now, self.operation.delay_minutes)
        state = look_at_contract(
            contract,
            self.operation.horizons,
            raw,
            profile=self.operation.profile,
            home=self.factory.place,
            store=self.factory.store,
            instance=instance,
        )
        return plan(state, night, self.now, self.operation), night

    def run_request(self, asked: Request) -> dg.RunRequest:
        """A request of the plan as Dagster wants it."""
        profile = self.operation.profile
        return dg.RunRequest(
            run_key=asked.run_key,
            job_name=asked.stage,
            partition_key=str(asked.key),
            run_config={"resources": {"factory": {"config": {"profile": profile}}}},
            tags=tags_of(asked, now=self.now, profile=profile),
        )


def operation_sensors(jobs: Mapping[str, Job], factory: FactoryResource) -> list[dg.SensorDefinition]:
    """The factory's sensors.

    Parameters
    ----------
    jobs : mapping of str to job
        Jobs by name; a stage of the plan is the job of its name.
    factory : FactoryResource
        Home, clock and settings the sensors look with.
    """
    seconds = _tick_seconds(factory)
    everything = list(jobs.values())
    horizon_jobs = [job for name, job in jobs.items() if name != CONTRACT_JOB]

    @dg.sensor(
        name="raw_files",
        jobs=[jobs[CONTRACT_JOB]],
        minimum_interval_seconds=seconds,
        default_status=_RUNNING,
        description="Changed raw files that hold still, when no night is due: the contract is refreshed once for them.",
    )
    def raw_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _tick(
            context,
            factory,
            lambda asked, _: asked.stage == CONTRACT_STAGE and asked.period.startswith(RAW_PERIOD),
            tells_late=False,
        )

    @dg.sensor(
        name="nightly",
        jobs=everything,
        minimum_interval_seconds=seconds,
        default_status=_RUNNING,
        description="One refresh for each completed trade date of the calendar; further attempts, and horizons missed.",
    )
    def nightly(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        def is_mine(asked: Request, cursor: _Cursor) -> bool:
            if asked.stage == CONTRACT_STAGE:
                return not asked.period.startswith(RAW_PERIOD)
            # A first attempt is `contract_succeeded`'s to ask for; what it missed is still missing a look later.
            return asked.number > 1 or asked.run_key in cursor.wanted

        return _tick(context, factory, is_mine, tells_late=True)

    @dg.run_status_sensor(
        name="contract_succeeded",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[jobs[CONTRACT_JOB]],
        request_jobs=horizon_jobs,
        minimum_interval_seconds=seconds,
        default_status=_RUNNING,
        description="A contract's success asks for its horizons, ascending; a failing one stops only itself.",
    )
    def contract_succeeded(context: dg.RunStatusSensorContext) -> dg.SensorResult | dg.SkipReason:
        look, problem = _look(factory, context.instance)
        if look is None:
            return dg.SkipReason(problem)
        contract = context.dagster_run.tags.get("dagster/partition", "")
        if contract not in look.operation.contracts:
            return dg.SkipReason(f"{contract or 'the run'} is not among [operation] contracts: {problem or 'by hand'}")
        try:
            wanted, _ = look.plan(contract, context.instance, _Cursor())
        except StorageError as damaged:  # the looks of `nightly` go on, and take up what is missed here
            look.book.write(_day_alert("damage", contract, str(damaged), look.now))
            return dg.SkipReason(f"{contract}: {damaged}")
        asked = [each for each in wanted.requests if each.stage != CONTRACT_STAGE and each.number == 1]
        if not asked:
            return dg.SkipReason("; ".join(wanted.reasons) or f"{contract}: nothing to ask for")
        return dg.SensorResult(run_requests=[look.run_request(each) for each in asked])

    @dg.sensor(
        name="failure_alert",
        minimum_interval_seconds=seconds,
        default_status=_RUNNING,
        description="Ends runs whose process died, writes each failure to alerts.jsonl, sends what needs a person.",
    )
    def failure_alert(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _watch(context, factory)

    return [raw_files, nightly, contract_succeeded, failure_alert]


def _tick(
    context: dg.SensorEvaluationContext,
    factory: FactoryResource,
    is_mine: Callable[[Request, _Cursor], bool],
    *,
    tells_late: bool,
) -> dg.SensorResult:
    """One look at every contract: this sensor's share of what the plans ask for."""
    cursor = _Cursor.of(context.cursor)
    look, problem = _look(factory, context.instance)
    if look is None:
        return dg.SensorResult(skip_reason=problem, cursor=cursor.text())
    requests: list[dg.RunRequest] = []
    reasons: list[str] = []
    wanted: list[str] = []
    for contract in look.operation.contracts:
        try:
            made, night = look.plan(contract, context.instance, cursor)
        except StorageError as damaged:  # of this contract: the others are refreshed all the same
            reasons.append(f"{contract}: {damaged}")
            look.book.write(_day_alert("damage", contract, str(damaged), look.now))
            continue
        if tells_late:
            if made.late and night is not None:
                look.book.write(_late_alert(contract, night, made.late, look.now))
            for problem in made.problems:
                look.book.write(_day_alert("problem", contract, problem, look.now))
        requests += [look.run_request(each) for each in made.requests if is_mine(each, cursor)]
        wanted += [each.run_key for each in made.requests if each.stage != CONTRACT_STAGE]
        reasons += made.reasons
    cursor.wanted = wanted
    if not look.operation.contracts:
        reasons.append(_OFF)
    skip = None if requests else ("; ".join(reasons) or "nothing is due")
    return dg.SensorResult(run_requests=requests, skip_reason=skip, cursor=cursor.text())


def _watch(context: dg.SensorEvaluationContext, factory: FactoryResource) -> dg.SensorResult:
    """One look at runs: end the dead, write what failed, send what is final. The cursor is returned in any case."""
    cursor = _Cursor.of(context.cursor)
    buried, cursor.absent = bury_dead_runs(context.instance, factory.place, cursor.absent)
    look, problem = _look(factory, context.instance)
    now = look.now if look is not None else system_clock()
    hours = look.operation.run_hours_max if look is not None else OperationSettings().run_hours_max
    buried += bury_abandoned_runs(context.instance, factory.place, now=now, hours_max=hours)
    for run_id in buried:
        context.log.error("run %s: no process works on it; marked as failed", run_id)
    sweep_locks(context.instance, factory.place)
    if cursor.first_run is None:
        cursor.first_run = newest_run(context.instance)
    book = AlertBook(factory.place)
    known = {alert.id for alert in book.alerts()}
    fresh = new_failures(context.instance, known, older_than=cursor.first_run, now=now, ended=buried)
    fresh += failed_looks(context.instance, SENSORS, now=now)
    fresh += long_runs(context.instance, now=now, hours_max=hours)
    written = sum(book.write(alert) for alert in fresh)
    settings = look.settings if look is not None else _settings(factory)
    sent = deliver(book, settings.alerts, now) if settings is not None else 0
    told = problem or f"{written} new alerts, {sent} messages sent, {len(buried)} dead runs ended"
    return dg.SensorResult(skip_reason=told, cursor=cursor.text())


def _look(factory: FactoryResource, instance: dg.DagsterInstance) -> tuple[_Look | None, str]:
    """Settings, moment and alerts as they are now; or None and why, written as an alert once a day."""
    book = AlertBook(factory.place)
    now = None
    try:
        now = factory.clock()
        _require_one_at_a_time(instance)
        return _Look(factory, settings_in_force(factory.profile, factory.place.settings_file), now, book), ""
    except ConfigurationError as problem:
        message = f"nothing is refreshed until this is corrected: {problem}"
        book.write(_day_alert("configuration", "", message, now or system_clock()))
        return None, str(problem)


def _require_one_at_a_time(instance: dg.DagsterInstance) -> None:
    """Refuse sensors side by side: two looks at one run list would ask for the same work under two names."""
    if dict(instance.get_sensor_settings() or {}).get("use_threads"):
        raise ConfigurationError(
            "dagster.yaml: expected sensors: {use_threads: false}, got true. What one sensor asked for has to be in "
            "the run list before the next one looks; set it to false and start the daemon again."
        )


def _tick_seconds(factory: FactoryResource) -> int:
    """Interval of the sensors; the default if the settings cannot be read, which the first tick will tell."""
    settings = _settings(factory)
    return (OperationSettings() if settings is None else settings.operation).tick_seconds


def _settings(factory: FactoryResource) -> FactorySettings | None:
    """The settings in force; None if they cannot be read."""
    try:
        return settings_in_force(factory.profile, factory.place.settings_file)
    except ConfigurationError:
        return None


def _late_alert(contract: str, night: Night, message: str, now: datetime) -> Alert:
    date_text = night.trade_date.isoformat()
    return Alert(
        id=f"late:{contract}:{date_text}",
        time=now.isoformat(),
        kind="late bars",
        partition=contract,
        trade_date=date_text,
        stage=CONTRACT_STAGE,
        is_final=True,
        message=f"{message}. Bring the files into raw/{contract}, or see why the vendor has none.",
    )


def _day_alert(kind: str, contract: str, message: str, now: datetime) -> Alert:
    """What keeps a night from coming about: told once a day for as long as it lasts."""
    digest = hashlib.sha256(message.encode()).hexdigest()[:16]
    return Alert(
        id=":".join(filter(None, (kind, contract, now.date().isoformat(), digest))),
        time=now.isoformat(),
        kind=kind,
        partition=contract,
        is_final=True,
        message=message,
    )
