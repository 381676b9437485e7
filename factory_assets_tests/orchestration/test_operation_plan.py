"""The plan of a night: the calendar by table, the rules by example, and no order of events that loses or doubles."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration.operation.attempts import Attempt, RunState
from factory_assets.orchestration.operation.night import Night, last_night
from factory_assets.orchestration.operation.plan import ContractState, HorizonState, Plan, plan
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


def horizon(
    bars: int = 20, bundle: str = "fresh", *, champion: bool = True, made_from: str = "h", lost_registry: str = ""
) -> HorizonState:
    return HorizonState(
        key=PartitionKey("MGC", bars), bundle=bundle, champion="c" if champion else "",
        made_from=made_from, lost_registry=lost_registry,
    )  # type: ignore[arg-type]  # fmt: skip


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
    inputs: str = "b.",
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
        "MGC|20:2022-12-30:night:1",
        "MGC|10:2022-12-30:horizon:1",
        "MGC|15:2022-12-30:horizon:1",
    ]
    assert any("MGC|5" in reason and "factory promote --contract MGC --horizon 5" in reason for reason in made.reasons)
    assert "MGC|15 night 2022-12-30: after its horizon run, whose labels it needs" in made.reasons


def remade(outcome: RunState, *, minutes: int = 0, number: int = 1) -> Attempt:
    return run(
        "horizon", outcome, partition="MGC|20", inputs="h", number=number, asked=NOW + timedelta(minutes=minutes)
    )


@pytest.mark.parametrize(
    ("attempts", "minutes", "asked"),
    [
        ([], 0, ["MGC|20:2022-12-30:horizon:1"]),
        ([remade("active")], 0, []),
        ([remade("failed")], 9, []),  # in its back-off
        ([remade("failed")], 10, ["MGC|20:2022-12-30:horizon:2"]),
        ([remade("succeeded")], 0, ["MGC|20:2022-12-30:night:1"]),
        ([remade("cancelled")], 0, ["MGC|20:2022-12-30:night:1"]),
        ([remade("failed", number=n) for n in (1, 2, 3)], 60, ["MGC|20:2022-12-30:night:1"]),
    ],
)
def test_a_night_waits_for_the_run_that_remakes_the_labels_it_reads(attempts, minutes, asked):
    stale = state(raw="a", data_day=FRIDAY, horizons=[horizon(bundle="stale")], attempts=attempts)
    assert keys(plan(stale, NIGHT, NOW + timedelta(minutes=minutes), BOUNDS)) == asked


def test_a_champion_promoted_in_the_evening_gets_its_night_and_an_old_ones_failures_are_not_its_own():
    done = [run("night", "succeeded", partition="MGC|20", inputs="d.old")]
    assert keys(plan(state(raw="a", data_day=FRIDAY, attempts=done), NIGHT, NOW, BOUNDS)) == [
        "MGC|20:2022-12-30:night:2"
    ]
    given_up = [run("night", "failed", partition="MGC|20", inputs="d.old", number=n) for n in (1, 2, 3)]
    (asked,) = plan(state(raw="a", data_day=FRIDAY, attempts=given_up), NIGHT, NOW, BOUNDS).requests
    assert (asked.run_key, asked.inputs, asked.is_last) == ("MGC|20:2022-12-30:night:4", "d.c", False)


def test_what_cannot_be_made_is_given_up_for_all_nights_over_equal_inputs():
    """Appended sessions leave a study's slice as it is, so three failures are three, however many nights follow."""
    attempts: list[Attempt] = []
    for extra in range(5):
        for step in range(40):
            now = NOW + timedelta(days=extra, minutes=5 * step)
            blocked = state(
                raw="a", data_day=FRIDAY + timedelta(days=extra), data_digest=f"d{extra}", attempts=attempts,
                horizons=[horizon(bars, "blocked", champion=False) for bars in (5, 20)],
            )  # fmt: skip
            for each in plan(blocked, None, now, BOUNDS).requests:
                made = run(
                    each.stage, "failed", partition=str(each.key), period=each.period, number=each.number,
                    inputs=each.inputs, asked=now,
                )  # fmt: skip
                attempts.append(made)
    assert Counter(each.partition for each in attempts) == {"MGC|5": 3, "MGC|20": 3}
    changed = state(raw="a", data_day=FRIDAY, attempts=attempts, horizons=[horizon(5, "blocked", made_from="i")])
    assert keys(plan(changed, NIGHT, NOW, BOUNDS)) == ["MGC|5:2022-12-30:horizon:4"]


def test_without_a_study_no_horizon_is_asked_for_and_the_tick_says_what_is_lacking():
    short = state(
        raw="a", data_day=FRIDAY, horizons=[horizon(bundle="missing", champion=False)],
        short_history="20 sessions of 120",
    )  # fmt: skip
    made = plan(short, NIGHT, NOW, BOUNDS)
    assert made.requests == ()
    assert made.reasons == ("MGC|20: nothing past labels yet: 20 sessions of 120",)


def test_a_lost_registry_needs_a_person_and_is_not_called_awaiting_promotion():
    for bundle in ("fresh", "stale"):
        lost = horizon(bundle=bundle, champion=False, lost_registry="releases/MGC/20")
        made = plan(state(raw="a", data_day=FRIDAY, horizons=[lost]), NIGHT, NOW, BOUNDS)
        (problem,) = made.problems
        assert "bundles lie in releases/MGC/20, but no release registry" in problem
        assert "Restore registry.jsonl and registry.head.json from a backup" in problem
        assert not any("awaits promotion" in reason for reason in made.reasons)
    releasing = [run("horizon", "active", partition="MGC|20")]
    assert plan(state(raw="a", data_day=FRIDAY, horizons=[lost], attempts=releasing), NIGHT, NOW, BOUNDS).problems == ()


def test_a_change_of_settings_after_the_success_is_a_refresh_and_what_stays_stale_over_equal_inputs_is_told():
    done = [run("contract", "succeeded", inputs="b.s1")]
    half = state(stored_raw="b", is_current=False, data_day=FRIDAY, attempts=done, made_with="s2")
    (asked,) = plan(half, NIGHT, NOW, BOUNDS).requests
    assert (asked.run_key, asked.inputs) == ("MGC:raw-b:contract:1", "b.s2")
    same = plan(replace(half, made_with="s1"), NIGHT, NOW, BOUNDS)
    assert same.requests == ()
    assert "succeeded, and what it made is still not current" in same.problems[0]
    during = state(
        stored_raw="b", is_current=False, data_day=FRIDAY, attempts=[run("contract", "failed", inputs="b.s1")],
        made_with="s2",
    )  # fmt: skip
    assert keys(plan(during, NIGHT, NOW, BOUNDS)) == ["MGC:2022-12-30:contract:2"], "still that night"


def test_a_moment_of_asking_that_has_not_come_neither_blocks_nor_outranks_what_was_asked_since():
    ahead = at("2030-01-01T00:00:00")
    failed = [run("contract", "failed", asked=ahead)]
    assert keys(plan(state(attempts=failed), NIGHT, NOW, BOUNDS)) == ["MGC:2022-12-30:contract:2"]
    old = run("night", "succeeded", partition="MGC|20", inputs="old", period="2022-12-29", asked=ahead)
    new = run("night", "succeeded", partition="MGC|20", inputs="d.c")
    assert keys(plan(state(raw="a", data_day=FRIDAY, attempts=[old, new]), NIGHT, NOW, BOUNDS)) == []


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
        attempts=[run("horizon", "succeeded", partition="MGC|20", inputs="h")],
    )  # fmt: skip
    assert keys(plan(again, NIGHT, NOW, BOUNDS)) == ["MGC|20:2022-12-30:night:1"]


def test_a_refresh_waits_for_horizons_under_way_and_everything_for_a_run_by_hand():
    busy = state(attempts=[run("night", "active", partition="MGC|20", period="2022-12-29", inputs="d")])
    assert plan(busy, NIGHT, NOW, BOUNDS).requests == ()
    assert plan(state(foreign_runs=["run 1234 of MGC|5"]), NIGHT, NOW, BOUNDS).requests == ()


def test_a_late_night_is_told_whatever_it_waits_for_and_says_for_what():
    late = at("2022-12-30T23:00:00")
    by_hand = plan(state(foreign_runs=["run 1234 of MGC|5"]), NIGHT, late, BOUNDS)
    assert by_hand.late.endswith("and waiting for run 1234 of MGC|5, started by hand")
    begun = [run("horizon", "active", partition="MGC|20", period="2022-12-29", inputs="h")]
    behind = plan(state(attempts=begun), NIGHT, late, BOUNDS)
    assert behind.late.endswith("and waiting for the runs of MGC|20 horizon (asked for 2022-12-30 22:30 UTC)")
    for raw in ("a", "b"):  # nothing new came meanwhile, or something did
        own = state(raw=raw, attempts=[run("contract", "active")])
        young = NOW + timedelta(hours=BOUNDS.run_hours_max)
        assert plan(own, NIGHT, young, BOUNDS).late == "", "it may bring them yet"
        hung = plan(own, NIGHT, young + timedelta(minutes=1), BOUNDS)
        assert hung.late.endswith("and waiting for the runs of MGC contract (asked for 2022-12-30 22:30 UTC)")
        assert hung.requests == ()


def test_restated_bars_bring_the_night_anew_and_appended_ones_do_not():
    done = [run("night", "succeeded", partition="MGC|20", inputs="d.c")]
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
    restated: int = 0
    stored_restated: int = 0
    stale: set[int] = field(default_factory=set)
    brought: list[str] = field(default_factory=list)
    runs: list[Attempt] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    last: dict[str, bool] = field(default_factory=dict)
    priority: dict[str, int] = field(default_factory=dict)
    horizons: tuple[int, ...] = (5, 20)

    def look(self) -> ContractState:
        return ContractState(
            key=MGC,
            raw=f"until {self.raw_day} r{self.restated}",
            stored_raw=f"until {self.stored_day} r{self.stored_restated}",
            is_current=not self.broken_after_bars,
            data_day=self.stored_day,
            data_digest=f"bars {self.stored_day} r{self.stored_restated}",
            horizons=[
                horizon(bars, "stale" if bars in self.stale else "fresh", made_from=f"slice r{self.stored_restated}")
                for bars in self.horizons
            ],
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
            self.priority[each.run_key] = each.priority
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
        """End the run at the head of the queue; a contract run that fails may have stored its bars already.

        A night whose partition's labels are stale fails, whatever else: it reads them.
        """
        queued = [place for place, each in enumerate(self.runs) if each.state == "active"]
        if not queued:
            return
        place = min(queued, key=lambda place: -self.priority[self.key_of(self.runs[place])])
        each = self.runs[place]
        if each.stage == "contract" and (well or bars_first):
            _, day, restated = each.inputs.removesuffix(".").split()
            if date.fromisoformat(day) > self.stored_day:
                self.brought.append(day)
            self.stored_day = date.fromisoformat(day)
            if f"r{self.stored_restated}" != restated:
                self.stored_restated = int(restated[1:])
                self.stale = set(self.horizons)
            self.broken_after_bars = not well
        bars = int(each.partition.rpartition("|")[2]) if "|" in each.partition else 0
        if each.stage == "horizon" and well:
            self.stale.discard(bars)
        well = well and not (each.stage == "night" and bars in self.stale)
        self.runs[place] = replace(each, state="succeeded" if well else "failed")
        if not well and self.last[self.key_of(each)]:
            self.alerts.append(f"{each.partition} {each.period} {each.stage} {each.inputs}")

    @staticmethod
    def key_of(each: Attempt) -> str:
        return f"{each.partition}:{each.period}:{each.stage}:{each.number}"

    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    def leave_time_for(self, span: timedelta) -> None:
        """Move on past the next close if it lies within a span: a night begun at its end could not come about in it."""
        while last_night(CALENDAR, self.now + span, BOUNDS.delay_minutes) != self.night():
            self.wait(11)

    def deliver(self) -> None:
        """The vendor's file of every session that has closed arrives."""
        found = self.night()
        assert found is not None
        self.raw_day = max(self.raw_day, found.trade_date)

    def restate(self) -> None:
        """The vendor corrects a bar of the study's slice."""
        self.restated += 1


EVENTS = st.lists(
    st.one_of(
        st.just(("tick",)),
        st.tuples(st.just("finish"), st.booleans(), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([1, 15, 60, 600, 1440, 4320])),
        st.just(("deliver",)),
        st.just(("restate",)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@example([("wait", 4320), ("deliver",), ("wait", 4320), ("tick",)])  # files came, and do not reach the night
@example([("restate",)])  # labels of train are stale when the night is due
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
        elif name == "deliver":
            world.deliver()
        else:
            world.restate()
    # From here on nothing fails and every file comes: the last night has to come about, or to have been given up.
    world.leave_time_for(timedelta(minutes=60 * 11))
    for _ in range(60):
        world.deliver()
        world.tick()
        world.finish(well=True, bars_first=True)
        world.wait(11)

    good = [each for each in world.runs if each.state == "succeeded"]
    # What succeeded is never made again of the same inputs, and the bars of a trade date are brought by one run. A run
    # that was asked for under a date and read files that end before it brought nothing of that date.
    over_inputs = Counter((each.partition, each.stage, each.period, each.inputs) for each in good)
    assert max(over_inputs.values(), default=1) == 1, over_inputs
    assert max(Counter(world.brought).values(), default=1) == 1, world.brought
    assert max(Counter(world.alerts).values(), default=1) == 1, world.alerts
    if not any(name == "finish" and not rest[0] for name, *rest in events):
        assert [alert for alert in world.alerts if not alert.startswith("late")] == [], "nothing failed by itself"
    night = world.night()
    assert night is not None
    told, stored = night.trade_date.isoformat(), world.stored_day.isoformat()
    given_up = [alert for alert in world.alerts if told in alert and "contract" in alert]
    if not given_up and not any("contract" in alert for alert in world.alerts):
        assert stored == told
        assert world.stale <= {
            bars for bars in world.horizons if any(f"MGC|{bars} " in alert for alert in world.alerts)
        }
    inputs = world.look().data_digest + ".c"
    for partition in ("MGC|5", "MGC|20"):
        done = over_inputs[partition, "night", stored, inputs]
        lost = [alert for alert in world.alerts if alert.startswith(f"{partition} ") and alert.endswith(inputs)]
        assert done + len(lost) == 1 or world.look().raw != world.look().stored_raw or world.broken_after_bars
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
        assert world.alerts == ["MGC 2022-12-30 contract until 2022-12-30 r0."]
        assert tonight == []
    elif night_failures >= BOUNDS.attempts_max:
        assert world.alerts == ["MGC|20 2022-12-30 night bars 2022-12-30 r0.c"]
        assert [each.partition for each in tonight] == ["MGC"]
    else:
        assert world.alerts == []
        assert [each.partition for each in tonight] == ["MGC", "MGC|20"]
