"""The night: nothing without a champion, no sealed outcome outside, each session by who stood before it."""

import dataclasses
import json
import shutil
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import numpy as np
import pytest

from factory_assets.deployment.bundle import load_bundle
from factory_assets.deployment.refit import refit_release
from factory_assets.deployment.release_registry import ReleaseRegistry
from factory_assets.evaluation.ledger import openings
from factory_assets.labels import label_decisions
from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.freshness import partition_freshness
from factory_assets.orchestration.inspect_store import bundle_folder
from factory_assets.orchestration.jobs import NIGHT_JOB, SEALED
from factory_assets.orchestration.launch import RunOutcome, launch
from factory_assets.orchestration.night import champion_now, speakers_now
from factory_assets.orchestration.pages import page_path
from factory_assets.orchestration.releases import partition_releases, released_folder
from factory_assets.orchestration.run_contract import run_contract
from factory_assets.storage.sql import run_select
from factory_assets.vocabulary.errors import MissingPartitionError
from factory_assets.vocabulary.frames import dates_days, to_frame
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.schemas import FORWARD_OUTCOMES, FORWARD_PREDICTIONS, FORWARD_REPORT
from factory_assets.vocabulary.verdict import Verdict
from factory_assets_tests.end_to_end.command_line import factory, snapshot
from factory_assets_tests.end_to_end.sim_factory import (
    SIM_20,
    SimFactory,
    checks_of,
    environment_of,
    failures,
    shared_factory,
)
from factory_assets_tests.orchestration.test_sealed import entries_of, marked, markers, texts_of, views_with

__all__ = ["markers"]

NIGHTLY = "factory_assets.orchestration.assets.nightly"
ASKED = ("--contract", "SIM", "--horizon", "20")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> SimFactory:
    return shared_factory(tmp_path_factory.getbasetemp())


def copied(made: SimFactory, root) -> FactoryHome:
    shutil.copytree(made.home.root, root)
    return FactoryHome(root)


@pytest.fixture(scope="module")
def home(made, tmp_path_factory):
    """A copy of the finished factory for nights; the tests of the module run in order."""
    root = tmp_path_factory.mktemp("nights") / "home"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(root).items():
            patch.setenv(name, value)
        patch.setenv("FACTORY_CLOCK_FILE", str(root.parent / "clock"))
        # Champions are promoted in the evening after the last session the raw files hold: later ones are forward.
        after_session(root, made, made.study.end_day)
        yield copied(made, root)


@pytest.fixture
def champion(home) -> None:
    """A champion, also where the slow tests run without the one that promotes it."""
    if registry_of(home).champion() is None:
        assert factory("promote", *ASKED, "--reason", "first of all").code == 0


def after_session(root, made: SimFactory, day: int) -> None:
    """Let the factory's clock stand 20 minutes after the close of a session."""
    sessions = SessionCalendar.of(instrument("SIM")).between(*(as_date(day + add) for add in (0, 1)))
    (close_us,) = sessions.close_us[sessions.trade_day == day]
    moment = datetime.fromtimestamp(int(close_us) / 1e6, tz=UTC) + timedelta(minutes=20)
    (root.parent / "clock").write_text(moment.isoformat(), encoding="utf-8")


def as_date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=int(day))


def night(home: FactoryHome) -> RunOutcome:
    definitions = build_definitions()
    keys = definitions.resolve_job_def(NIGHT_JOB).asset_layer.selected_asset_keys
    return launch(definitions, sorted(keys), SIM_20, home=home, profile="fast")


def registry_of(home: FactoryHome) -> ReleaseRegistry:
    return ReleaseRegistry(home.releases, SIM_20)


def table_of(home: FactoryHome, made: SimFactory, schema):
    return to_frame(dataclasses.replace(made, home=home).store.read_table(schema, SIM_20).table)


# --- before a champion -------------------------------------------------------------------------------------------


def test_the_night_makes_the_nightly_assets_and_no_other(made):
    definitions = build_definitions()
    night_keys = definitions.resolve_job_def(NIGHT_JOB).asset_layer.selected_asset_keys
    names = {"forward_outcomes", "refit", "forward_predictions", "forward_report", "forward_page"}
    assert night_keys == {dg.AssetKey(["nightly", name]) for name in names}
    assert not {key.path[-1] for key in night_keys} & {*SEALED}
    others = definitions.resolve_job_def("horizon").asset_layer.selected_asset_keys
    assert not night_keys & others


def test_a_night_without_a_champion_fails_with_one_message_and_leaves_nothing(home):
    before = snapshot(home.root, without=["dagster", "locks"])
    outcome = night(home)
    assert [failure.step for failure in outcome.failures] == ["forward_outcomes"]
    assert "SIM|20 has no champion" in outcome.failures[0].message
    assert "factory promote --contract SIM --horizon 20" in outcome.failures[0].message
    assert outcome.failures[0].exit_code == 2
    assert snapshot(home.root, without=["dagster", "locks"]) == before
    assert partition_releases(home, SIM_20).champion is None


# --- promotion ---------------------------------------------------------------------------------------------------


def refused(home: FactoryHome, *arguments: str, code: int = 2) -> str:
    before = snapshot(home.root, without=["dagster", "locks"])
    answer = factory("promote", *ASKED, *arguments)
    assert answer.code == code, answer.err
    assert snapshot(home.root, without=["dagster", "locks"]) == before
    return answer.message


def test_a_promotion_needs_a_reason_and_a_release_that_is_known(home):
    assert "needs --reason" in refused(home)
    assert "no release 'dddd" in refused(home, "--reason", "x", "--release", "d" * 64)
    assert "no release '../20'" in refused(home, "--reason", "x", "--release", "../20")


def test_a_damaged_bundle_is_not_promoted(home):
    path = bundle_folder(home, SIM_20) / "config.json"
    kept = path.read_bytes()
    path.write_bytes(kept.replace(b"SIM", b"MES"))
    try:
        assert "changed ['config.json']" in refused(home, "--reason", "x", code=1)
    finally:
        path.write_bytes(kept)


def test_a_blocked_bundle_is_not_promoted(made, home):
    store = dataclasses.replace(made, home=home).store
    folder = home.root / "store" / "deployment"
    kept = home.root.parent / "kept"
    shutil.copytree(folder, kept)
    try:
        store.block(
            "bundle", "deployment", SIM_20, [Verdict(name="parity", passed=False, summary="off")], "parity: off"
        )
        assert "bundle is blocked: parity: off" in refused(home, "--reason", "x", code=1)
    finally:
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)


def test_the_newest_bundle_is_promoted_and_told(home):
    answer = factory("promote", *ASKED, "--reason", "first of all")
    assert answer.code == 0, answer.err
    digest = bundle_folder(home, SIM_20).name
    assert f"SIM|20 champion {digest}" in answer.out
    assert "there was none before" in answer.out
    record = registry_of(home).champion()
    assert (record.digest, record.reason, record.parent) == (digest, "first of all", "")
    assert [r.kind for r in registry_of(home).records()] == ["candidate", "promoted"]
    assert record.data_end_day == load_study(home).val_last_day
    again = factory("promote", *ASKED, "--reason", "again")
    assert "champion already" in again.out
    assert partition_releases(home, SIM_20) == dataclasses.replace(
        partition_releases(home, SIM_20), champion=digest, champion_since=record.at, challenger=None
    )


def load_study(home: FactoryHome):
    from factory_assets.splits.study import Study

    return Study.from_json((home.studies / "SIM.json").read_text(encoding="utf-8"))


def test_a_touched_registry_closes_the_night(home):
    path = registry_of(home).path
    kept = path.read_text(encoding="utf-8")
    path.write_text(kept.replace("first of all", "first of none"), encoding="utf-8")
    try:
        outcome = night(home)
        assert [failure.step for failure in outcome.failures] == ["forward_outcomes"]
        assert "registry.jsonl line 2" in outcome.failures[0].message
        assert "restored from a backup" in refused_plain("--reason", "x")
    finally:
        path.write_text(kept, encoding="utf-8")


def refused_plain(*arguments: str) -> str:
    answer = factory("promote", *ASKED, *arguments)
    assert answer.code == 1
    return answer.message


# --- the ledger first --------------------------------------------------------------------------------------------


class ReachedError(RuntimeError):
    """Sealed outcomes would be made here."""


def guard(home, monkeypatch) -> list[str]:
    """Instead of making sealed outcomes, note what the ledger says by then."""
    seen: list[str] = []

    def make(*arguments, from_day=None, **named):
        if from_day is not None:
            assert from_day == load_study(home).end_day + 1
            return label_decisions(*arguments, from_day=from_day, **named)
        seen.extend(entry.kind for entry in entries_of(home))
        raise ReachedError

    monkeypatch.setattr(f"{NIGHTLY}.label_decisions", make)
    return seen


def test_without_its_ledger_nothing_is_refitted(home, monkeypatch, tmp_path):
    ledger = home.studies / "SIM.ledger.jsonl"
    seen = guard(home, monkeypatch)
    shutil.move(ledger, tmp_path / "kept")
    try:
        outcome = night(home)
    finally:
        shutil.move(tmp_path / "kept", ledger)
    assert "refit" in [failure.step for failure in outcome.failures]
    assert "stays closed" in next(f.message for f in outcome.failures if f.step == "refit")
    assert seen == [], "no outcome was made"
    assert registry_of(home).refits() == ()


def test_the_ledger_holds_the_fit_before_an_outcome_is_made(home, monkeypatch):
    seen = guard(home, monkeypatch)
    night(home)
    assert seen == ["genesis", "fit"]
    entry = entries_of(home)[-1]
    assert entry.spec_hash == registry_of(home).champion().digest
    assert "outcomes to 2023-" in entry.reason
    assert entry.horizon == 20
    assert openings(entries_of(home)) == 0


# --- who speaks of which session ---------------------------------------------------------------------------------


def test_each_session_is_scored_by_the_newest_refit_that_ended_before_it(tmp_path):
    build_definitions()
    from factory_assets.orchestration.assets.forward import _speakers

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    registry = ReleaseRegistry(tmp_path, SIM_20)
    registry.record_candidate("a" * 64, data_end_day=90, clock=lambda: moment)
    registry.record_candidate("e" * 64, data_end_day=90, clock=lambda: moment)
    champion = registry.promote("a" * 64, reason="x", by="y", clock=lambda: moment)
    for digest, parent, day in (("b", "a", 101), ("c", "a", 99), ("f", "e", 103), ("d", "a", 101), ("9", "a", 104)):
        registry.record_refit(digest * 64, parent=parent * 64, data_end_day=day, clock=lambda: moment)
    night = SimpleNamespace(registry=registry, record=champion)
    spoke = _speakers(night, np.array([90, 91, 99, 100, 101, 102, 104, 105]))
    told = {role: {day: record.digest[0] for day, record in days.items()} for role, days in spoke.items()}
    assert told["champion"] == dict.fromkeys([91, 99, 100, 101, 102, 104, 105], "a"), "it was judged on session 90"
    assert told["challenger"] == {100: "c", 101: "c", 102: "d", 104: "d", 105: "9"}


class _Bars:
    """A store that holds bars up to a session."""

    def __init__(self, last_day: int | None) -> None:
        self.last_day = last_day

    def manifest(self, table, group, key):
        assert (table, group, str(key)) == ("bars_5min", "market", "SIM")
        if self.last_day is None:
            raise MissingPartitionError("no bars")
        return SimpleNamespace(sessions=((1, "a"), (self.last_day, "b")))


def test_what_a_night_asks_of_the_registry_changes_with_the_champion_and_with_who_speaks(tmp_path):
    build_definitions()
    home, moments = FactoryHome(tmp_path), iter(range(1, 60))
    registry = ReleaseRegistry(home.releases, SIM_20)

    def clock() -> datetime:
        return datetime(2026, 1, 1, minute=next(moments), tzinfo=UTC)

    def asked(last_day=103):
        return champion_now(home, None, SIM_20), speakers_now(home, _Bars(last_day), SIM_20)

    for digest in "ae":
        registry.record_candidate(digest * 64, data_end_day=90, clock=clock)
    assert asked() == ("", "")
    registry.promote("a" * 64, reason="x", by="y", clock=clock)
    first = asked()
    assert first[0] == "a" * 64
    registry.record_refit("b" * 64, parent="a" * 64, data_end_day=103, clock=clock)
    registry.record_refit("c" * 64, parent="e" * 64, data_end_day=99, clock=clock)
    assert asked() == first, "tonight's refit speaks of no session yet, and another recipe's never"
    assert asked(None) == asked(103)
    assert asked(104)[1] != first[1], "of the next one it does"
    assert asked(104)[0] == first[0]
    registry.promote("e" * 64, reason="x", by="y", clock=clock)
    assert asked()[0] == "e" * 64
    registry.promote("a" * 64, reason="back", by="y", clock=clock)
    assert asked()[0] == first[0], "the same recipe again"
    assert asked()[1] != first[1], "but promoted at another moment"


# --- a night right after the study -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("champion")
def test_a_night_before_any_forward_session(made, home, markers):
    outcome = night(home)
    assert outcome.succeeded, outcome.failures
    (challenger,) = registry_of(home).refits()
    champion = registry_of(home).champion()
    assert (challenger.parent, challenger.data_end_day) == (champion.digest, load_study(home).end_day)
    for schema in (FORWARD_OUTCOMES, FORWARD_PREDICTIONS, FORWARD_REPORT):
        assert len(table_of(home, made, schema)) == 0
    page = page_path(home, SIM_20, "forward").read_text(encoding="utf-8")
    assert "nothing to compare" in page
    assert "SIMULATED" in page.partition("<h1>")[0]
    checks = checks_of(home, outcome.run_id)
    assert {check.check_name for check in checks if not check.passed} <= {"refit_near_champion"}
    assert len(checks) == 17
    assert stale_after_promotion(home) == {}
    assert json.loads(factory("sql", "--json", "select * from forward_report").out) == []


@pytest.mark.slow
@pytest.mark.usefixtures("champion")
def test_the_refit_is_the_champions_recipe_on_more_rows(home):
    (record,) = registry_of(home).refits()
    old, new = (
        load_bundle(released_folder(home, SIM_20, digest), expected_digest=digest)
        for digest in (record.parent, record.digest)
    )
    assert {name: m.rounds for name, m in new.members.items()} == {name: m.rounds for name, m in old.members.items()}
    for name, member in old.members.items():
        assert new.members[name].model.fit_report_["rows"] > member.model.fit_report_["rows"]
    assert (new.theta, new.m0_long, new.m0_short) == (old.theta, old.m0_long, old.m0_short)
    assert new.meta.to_files() == old.meta.to_files()
    assert new.inputs["champion"] == record.parent


@pytest.mark.slow
@pytest.mark.usefixtures("champion")
def test_no_sealed_outcome_is_anywhere_after_a_refit(made, home, markers):
    texts = texts_of(home)
    assert any("refit" in name for name in texts), "manifests of the refit are searched"
    assert {name.partition("/")[0] for name in texts} >= {"store", "reports", "releases", "dagster", "studies"}
    assert {name: found for name, text in texts.items() if (found := marked(text, markers))} == {}
    assert views_with(home, made, markers) == set()
    assert not (home.root / "store" / "sealed").exists()
    assert not (home.root / "work").exists()
    kinds = [entry.kind for entry in entries_of(home)]
    assert kinds[0] == "genesis"
    assert set(kinds[1:]) == {"fit"}, "fits are told, nothing was opened"
    assert openings(entries_of(home)) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("champion")
def test_the_same_night_again_is_the_same_release(home):
    before = registry_of(home).records()
    folders = sorted(path.name for path in registry_of(home).path.parent.iterdir())
    told = len(entries_of(home))
    assert night(home).succeeded
    assert registry_of(home).records() == before
    assert sorted(path.name for path in registry_of(home).path.parent.iterdir()) == folders
    assert [entry.kind for entry in entries_of(home)[told:]] == ["fit"], "each reading is told"


@pytest.mark.slow
@pytest.mark.usefixtures("champion")
def test_a_refit_that_breaks_its_recipe_is_neither_released_nor_entered(home, monkeypatch):
    before = registry_of(home).records()
    folders = sorted(path.name for path in registry_of(home).path.parent.iterdir())
    other = lambda *a, **k: dataclasses.replace(refit_release(*a, **k), theta=9.0)  # noqa: E731
    monkeypatch.setattr(f"{NIGHTLY}.refit_release", other)
    outcome = night(home)
    assert [failure.step for failure in outcome.failures] == ["refit"]
    assert "refit_recipe_frozen" in outcome.failures[0].message
    assert registry_of(home).records() == before
    assert sorted(path.name for path in registry_of(home).path.parent.iterdir()) == folders


# --- forward sessions --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("champion")
def test_forward_sessions_are_scored_by_who_stood_before_them(made, home, markers):
    for name, content in made.later_rows.items():
        (home.raw / "SIM" / name).write_bytes(content)
    outcomes = tuple(run_contract(build_definitions(), "SIM", [], home=home, profile="fast", until="features"))
    assert failures(outcomes) == []
    outcome = night(home)
    assert outcome.succeeded, outcome.failures
    first, second = registry_of(home).refits()
    assert second.data_end_day > first.data_end_day
    rows = table_of(home, made, FORWARD_PREDICTIONS)
    days = np.unique(dates_days(rows["trade_date"]))
    assert len(days) == 4
    assert days.min() > load_study(home).end_day
    assert set(rows["role"].astype(str)) == {"champion", "challenger"}
    champion = registry_of(home).champion().digest
    spoke = rows.groupby("role", observed=True)["release"].unique()
    assert list(spoke["champion"]) == [champion]
    assert list(spoke["challenger"]) == [first.digest], "tonight's refit has seen every session scored"
    event = table_of(home, made, FORWARD_OUTCOMES)
    assert len(rows) == 2 * int(event["event"].sum()) > 20
    assert views_with(home, made, markers) == set()
    texts = {
        name: text for name, text in texts_of(home).items() if name.startswith(("reports/", "store/", "releases/"))
    }
    assert {name: found for name, text in texts.items() if (found := marked(text, markers))} == {}


@pytest.mark.slow
@pytest.mark.usefixtures("champion")
def test_the_report_says_how_little_four_sessions_tell(made, home):
    table = table_of(home, made, FORWARD_REPORT)
    assert {(row.scope, row.role) for row in table.itertuples()} == {
        ("all", "champion"),
        ("all", "challenger"),
        ("paired", "champion"),
        ("paired", "challenger"),
        ("paired", "difference"),
    }
    assert set(table["sessions"]) == {4}
    assert table[["low", "high"]].isna().all().all()
    page = page_path(home, SIM_20, "forward").read_text(encoding="utf-8")
    assert "4 compared sessions are too few" in page
    assert "80 % would take" in page
    shown = json.loads(factory("sql", "--json", "select role, value from forward_report where metric = 'log_loss'").out)
    assert len(shown) == 5


def stale_after_promotion(home: FactoryHome) -> dict[str, set[str]]:
    """Nightly outputs that are not fresh, and what they say changed."""
    states = partition_freshness(home, SIM_20, profile="fast")
    return {
        name: {reason.detail for reason in state.reasons}
        for name, state in states.items()
        if state.group == "nightly" and state.state != "fresh"
    }


@pytest.mark.slow
@pytest.mark.usefixtures("champion")
def test_a_promoted_refit_starts_a_forward_period_of_its_own(made, home):
    newest = registry_of(home).refits()[-1]
    told = factory("promote", *ASKED, "--release", newest.digest, "--reason", "fresher")
    assert told.code == 0, told.err
    assert f"before it: {newest.parent}" in told.out
    state = partition_releases(home, SIM_20)
    assert (state.champion, state.challenger) == (newest.digest, None)
    both = {"champion and its refits changed"}
    stale = dict.fromkeys(("forward_predictions", "forward_report", "forward_page"), both)
    assert stale_after_promotion(home) == {"refit": {"champion changed"}, **stale}
    assert night(home).succeeded
    assert stale_after_promotion(home) == {}
    assert len(table_of(home, made, FORWARD_PREDICTIONS)) == 0, "it was fitted on every session there is"
    after_session(home.root, made, newest.data_end_day)
    assert factory("promote", *ASKED, "--release", newest.parent, "--reason", "back again").code == 0
    assert registry_of(home).champion().digest == newest.parent
    assert night(home).succeeded
    table = table_of(home, made, FORWARD_REPORT)
    assert set(table["scope"].astype(str)) == {"before_promotion"}, "its sessions were known when it was chosen again"
    assert set(table["sessions"]) == {4}
    page = page_path(home, SIM_20, "forward").read_text(encoding="utf-8")
    assert "Known before the promotion: no forward evidence" in page
    assert "4 more sessions had opened before the champion was promoted" in page
    assert "Session by session" not in page
    assert (
        run_select(dataclasses.replace(made, home=home).store, "SELECT count(*) AS n FROM labels")["n"][0].as_py() > 0
    )
