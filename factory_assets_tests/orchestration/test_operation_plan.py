"""The plan of a night: the calendar by table, the rules by example, and no order of events that loses or doubles."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration.operation.night import Night, last_night
from factory_assets.orchestration.operation.plan import (
    Attempt,
    ContractState,
    HorizonState,
    Plan,
    RunState,
    plan,
)
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import OperationSettings

MGC = PartitionKey("MGC")
CALENDAR = SessionCalendar.of(instrument("MGC"))
BOUNDS = OperationSettings(delay_minutes=15, late_minutes=60, attempts_max=3, backoff_minutes=10)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "trade_date"),
    [
        ("2022-12-30T22:14:59", "2022-12-29"),  # Friday's session closes at 16:00 Chicago = 22:00 UTC
        ("2022-12-30T22:15:00", "2022-12-30"),
        ("2023-01-01T12:00:00", "2022-12-30"),  # Sunday
        ("2023-01-01T23:30:00", "2022-12-30"),  # Sunday evening: a session has opened, none has closed
        ("2022-12-26T23:00:00", "2022-12-23"),  # Christmas, observed
        ("2022-04-15T23:00:00", "2022-04-14"),  # Good Friday
        ("2022-04-16T23:00:00", "2022-04-14"),
        ("2022-11-24T18:44:00", "2022-11-23"),  # Thanksgiving closes early: 12:30 or 13:30 Chicago, its own trade date
        ("2022-11-24T23:00:00", "2022-11-24"),
        ("2022-03-11T22:14:00", "2022-03-10"),  # Friday before the clocks change: close at 22:00 UTC
        ("2022-03-11T22:16:00", "2022-03-11"),
        ("2022-03-14T21:14:00", "2022-03-11"),  # Monday after: close at 21:00 UTC
        ("2022-03-14T21:16:00", "2022-03-14"),
    ],
)
def test_the_night_is_the_last_session_that_closed_by_the_calendar(now, trade_date):
    found = last_night(CALENDAR, at(now), delay_minutes=15)
    assert found is not None
    assert found.trade_date.isoformat() == trade_date
    assert found.flat_at < found.closed_at <= at(now) - timedelta(minutes=15)


def test_before_the_first_session_there_is_no_night():
    assert last_night(CALENDAR, at("1999-01-01T00:00:00"), 0) is None


NIGHT = last_night(CALENDAR, at("2022-12-30T22:30:00"), 15)
NOW = at("2022-12-30T22:30:00")
FRIDAY, THURSDAY = date(2022, 12, 30), date(2022, 12, 29)


def horizon(bars: int = 20, bundle: str = "fresh", *, champion: bool = True) -> HorizonState:
    return HorizonState(key=PartitionKey("MGC", bars), bundle=bundle, has_champion=champion)  # type: ignore[arg-type]


def state(**changes) -> ContractState:
    whole = ContractState(
        key=MGC, raw="b", stored_raw="a", is_current=True, data_day=THURSDAY, data_digest="d", horizons=[horizon()]
    )
    return replace(whole, **changes)


def run(
    stage: str,
    outcome: RunState,
    *,
    partition: str = "MGC",
    period: str = "2022-12-30",
    number: int = 1,
    inputs: str = "b",
    asked: datetime = NOW,
) -> Attempt:
    return Attempt(
        partition=partition, stage=stage, period=period, number=number, inputs=inputs, state=outcome, asked_at=asked
    )


def keys(made: Plan) -> list[str]:
    return [each.run_key for each in made.requests]


def test_missing_bars_and_changed_files_ask_for_the_night():
    assert keys(plan(state(), NIGHT, NOW, BOUNDS)) == ["MGC:2022-12-30:contract:1"]


def test_missing_bars_and_unchanged_files_ask_for_nothing_but_say_late_after_an_hour():
    early = plan(state(raw="a", data_until="2022-12-29T22:00+00:00"), NIGHT, NOW, BOUNDS)
    assert early.late == ""
    assert keys(early) == ["MGC|20:2022-12-29:night:1"], "what is stored is brought to its own night"
    late = plan(state(raw="a", data_until="2022-12-29T22:00+00:00"), NIGHT, at("2022-12-30T23:00:00"), BOUNDS)
    assert late.late == (
        "no bars for trade date 2022-12-30: the stored bars end at 2022-12-29T22:00+00:00, and the raw files have not "
        "changed"
    )


def test_the_first_ingestion_and_a_change_of_history_go_by_their_files():
    first = state(stored_raw=None, is_current=False, data_day=None)
    assert keys(plan(first, NIGHT, NOW, BOUNDS)) == ["MGC:raw-b:contract:1"]
    assert keys(plan(state(data_day=FRIDAY), NIGHT, NOW, BOUNDS)) == ["MGC:raw-b:contract:1"]


def test_files_that_do_not_hold_still_are_waited_for():
    made = plan(state(raw=None, raw_reason="still growing", is_current=False), NIGHT, at("2022-12-30T23:30:00"), BOUNDS)
    assert made.requests == ()
    assert "still growing" in made.late


def test_of_several_missed_nights_only_the_last_is_asked_for():
    monday = last_night(CALENDAR, at("2023-01-06T22:30:00"), 15)
    assert keys(plan(state(), monday, at("2023-01-06T22:30:00"), BOUNDS)) == ["MGC:2023-01-06:contract:1"]


def test_champions_nights_come_first_then_what_has_no_bundle_and_the_rest_awaits_promotion():
    partitions = [
        horizon(5, "fresh", champion=False),
        horizon(10, "missing", champion=False),
        horizon(15, "stale"),
        horizon(20),
    ]
    made = plan(state(raw="a", data_day=FRIDAY, horizons=partitions), NIGHT, NOW, BOUNDS)
    by_priority = [each.run_key for each in sorted(made.requests, key=lambda each: -each.priority)]
    assert by_priority == [
        "MGC|15:2022-12-30:night:1",
        "MGC|20:2022-12-30:night:1",
        "MGC|10:2022-12-30:horizon:1",
        "MGC|15:2022-12-30:horizon:1",
    ]
    assert any("MGC|5" in reason and "factory promote --contract MGC --horizon 5" in reason for reason in made.reasons)


def test_a_failed_attempt_is_followed_by_the_next_after_the_back_off_and_the_last_says_so():
    failed = [run("contract", "failed")]
    assert keys(plan(state(attempts=failed), NIGHT, NOW + timedelta(minutes=9), BOUNDS)) == []
    (second,) = plan(state(attempts=failed), NIGHT, NOW + timedelta(minutes=10), BOUNDS).requests
    assert (second.run_key, second.is_last) == ("MGC:2022-12-30:contract:2", False)
    failed.append(run("contract", "failed", number=2, asked=NOW + timedelta(minutes=10)))
    (third,) = plan(state(attempts=failed), NIGHT, NOW + timedelta(minutes=20), BOUNDS).requests
    assert (third.run_key, third.is_last) == ("MGC:2022-12-30:contract:3", True)
    failed.append(run("contract", "failed", number=3, asked=NOW + timedelta(minutes=20)))
    after = plan(state(attempts=failed), NIGHT, NOW + timedelta(days=1), BOUNDS)
    assert after.requests == ()
    assert "given up after 3 failed attempts" in after.reasons[0]
    assert after.late == "", "the failure has said it"


def test_corrected_files_begin_new_attempts_under_new_keys():
    failed = [run("contract", "failed", number=n, asked=NOW + timedelta(minutes=n)) for n in (1, 2, 3)]
    (asked,) = plan(state(raw="c", attempts=failed), NIGHT, NOW + timedelta(hours=1), BOUNDS).requests
    assert (asked.run_key, asked.is_last) == ("MGC:2022-12-30:contract:4", False)


def test_a_night_that_failed_after_its_bars_were_stored_is_still_that_night():
    half = state(stored_raw="b", is_current=False, data_day=FRIDAY, attempts=[run("contract", "failed")])
    assert keys(plan(half, NIGHT, NOW + timedelta(minutes=10), BOUNDS)) == ["MGC:2022-12-30:contract:2"]


def test_a_run_cancelled_by_hand_is_not_begun_again():
    made = plan(state(attempts=[run("contract", "cancelled")]), NIGHT, NOW + timedelta(hours=5), BOUNDS)
    assert (made.requests, made.late) == ((), "")
    assert "cancelled by hand" in made.reasons[0]


def test_what_succeeded_is_not_asked_for_again_though_the_store_says_otherwise():
    made = plan(state(attempts=[run("contract", "succeeded")]), NIGHT, NOW, BOUNDS)
    assert made.requests == ()
    again = state(
        raw="a", data_day=FRIDAY, horizons=[horizon(bundle="stale")],
        attempts=[run("horizon", "succeeded", partition="MGC|20", inputs="d")],
    )  # fmt: skip
    assert keys(plan(again, NIGHT, NOW, BOUNDS)) == ["MGC|20:2022-12-30:night:1"]


def test_a_refresh_waits_for_horizons_under_way_and_everything_for_a_run_by_hand():
    busy = state(attempts=[run("night", "active", partition="MGC|20", period="2022-12-29", inputs="d")])
    assert plan(busy, NIGHT, NOW, BOUNDS).requests == ()
    assert plan(state(foreign_runs=["run 1234 of MGC|5"]), NIGHT, NOW, BOUNDS).requests == ()


def test_restated_bars_bring_the_night_anew_and_appended_ones_do_not():
    done = [run("night", "succeeded", partition="MGC|20", inputs="d")]
    assert keys(plan(state(raw="a", data_day=FRIDAY, attempts=done), NIGHT, NOW, BOUNDS)) == []
    restated = state(raw="a", data_day=FRIDAY, data_digest="e", attempts=done)
    assert keys(plan(restated, NIGHT, NOW, BOUNDS)) == ["MGC|20:2022-12-30:night:2"]


@dataclass
class World:
    """A store, a vendor and an instance small enough to be driven through any order of events."""

    now: datetime = field(default_factory=lambda: at("2022-12-29T22:30:00"))
    raw_day: date = THURSDAY
    stored_day: date = THURSDAY
    broken_after_bars: bool = False
    runs: list[Attempt] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    last: dict[str, bool] = field(default_factory=dict)
    horizons: tuple[int, ...] = (5, 20)

    def look(self) -> ContractState:
        return ContractState(
            key=MGC,
            raw=f"until {self.raw_day}",
            stored_raw=f"until {self.stored_day}",
            is_current=not self.broken_after_bars,
            data_day=self.stored_day,
            data_digest=f"bars {self.stored_day}",
            horizons=[horizon(bars) for bars in self.horizons],
            attempts=self.runs,
        )

    def night(self) -> Night | None:
        return last_night(CALENDAR, self.now, BOUNDS.delay_minutes)

    def tick(self) -> None:
        night = self.night()
        made = plan(self.look(), night, self.now, BOUNDS)
        if made.late and night is not None and (told := f"late {night.trade_date}") not in self.alerts:
            self.alerts.append(told)
        for each in made.requests:
            assert each.run_key not in self.asked, "a run key is never asked for twice"
            self.asked.append(each.run_key)
            self.last[each.run_key] = each.is_last
            self.runs.append(
                Attempt(
                    partition=str(each.key),
                    stage=each.stage,
                    period=each.period,
                    number=each.number,
                    inputs=each.inputs,
                    state="active",
                    asked_at=self.now,
                )
            )

    def finish(self, *, well: bool, bars_first: bool) -> None:
        """End the run at the head of the queue; a contract run that fails may have stored its bars already."""
        for place, each in enumerate(self.runs):
            if each.state != "active":
                continue
            if each.stage == "contract" and (well or bars_first):
                self.stored_day = date.fromisoformat(each.inputs.removeprefix("until "))
                self.broken_after_bars = not well
            self.runs[place] = replace(each, state="succeeded" if well else "failed")
            key = f"{each.partition}:{each.period}:{each.stage}:{each.number}"
            if not well and self.last[key]:
                self.alerts.append(f"{each.partition} {each.period} {each.stage}")
            return

    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    def deliver(self) -> None:
        """The vendor's file of every session that has closed arrives."""
        found = self.night()
        assert found is not None
        self.raw_day = max(self.raw_day, found.trade_date)


EVENTS = st.lists(
    st.one_of(
        st.just(("tick",)),
        st.tuples(st.just("finish"), st.booleans(), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([1, 15, 60, 600, 1440, 4320])),
        st.just(("deliver",)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_no_order_of_ticks_failures_kills_and_files_loses_or_doubles_a_night(events):
    world = World()
    for name, *rest in events:
        if name == "tick":
            world.tick()
        elif name == "finish":
            world.finish(well=rest[0], bars_first=rest[1])
        elif name == "wait":
            world.wait(rest[0])
        else:
            world.deliver()
    # From here on nothing fails and every file comes: the last night has to come about, or to have been given up.
    for _ in range(40):
        world.deliver()
        world.tick()
        world.finish(well=True, bars_first=True)
        world.wait(11)

    successes = Counter((each.partition, each.stage, each.period) for each in world.runs if each.state == "succeeded")
    assert max(successes.values(), default=1) == 1, successes
    assert max(Counter(world.alerts).values(), default=1) == 1, world.alerts
    night = world.night()
    assert night is not None
    told = night.trade_date.isoformat()
    given_up = [alert for alert in world.alerts if told in alert and "late" not in alert]
    if not given_up and told != THURSDAY.isoformat():
        assert {key[0] for key in successes if key[2] == told} == {"MGC", "MGC|5", "MGC|20"}
    for partition in ("MGC|5", "MGC|20"):
        done = successes[partition, "night", world.stored_day.isoformat()]
        assert (
            done + any(alert.startswith(f"{partition} {world.stored_day}") for alert in world.alerts) == 1 or given_up
        )
    failures = Counter((each.partition, each.stage, each.inputs) for each in world.runs if each.state == "failed")
    assert max(failures.values(), default=0) <= BOUNDS.attempts_max


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 6), st.integers(0, 3))
def test_a_night_is_made_once_however_often_it_failed_or_is_given_up_with_one_alert(contract_failures, night_failures):
    world = World(horizons=(20,))
    world.now = at("2022-12-30T22:30:00")
    world.deliver()
    for _ in range(40):
        world.tick()
        active = next((each for each in world.runs if each.state == "active"), None)
        if active is not None:
            left = contract_failures if active.stage == "contract" else night_failures
            over = sum(each.state == "failed" and each.partition == active.partition for each in world.runs)
            world.finish(well=over >= left or active.period != "2022-12-30", bars_first=False)
        world.wait(11)
    tonight = [each for each in world.runs if each.period == "2022-12-30" and each.state == "succeeded"]
    if contract_failures >= BOUNDS.attempts_max:
        assert world.alerts == ["MGC 2022-12-30 contract"]
        assert tonight == []
    elif night_failures >= BOUNDS.attempts_max:
        assert world.alerts == ["MGC|20 2022-12-30 night"]
        assert [each.partition for each in tonight] == ["MGC"]
    else:
        assert world.alerts == []
        assert [each.partition for each in tonight] == ["MGC", "MGC|20"]
