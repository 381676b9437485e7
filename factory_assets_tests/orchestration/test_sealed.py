"""The sealed period: what a crash, openings at once or a touched ledger leave, and that no test outcome gets out."""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from factory_assets.deployment.bundle import load_bundle
from factory_assets.deployment.golden import golden_file
from factory_assets.evaluation.ledger import from_line, openings, result_of
from factory_assets.labels import label_decisions
from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration import open_test as opening_module
from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.inspect_store import bundle_folder
from factory_assets.orchestration.launch import RunOutcome, launch
from factory_assets.orchestration.ledger_files import OPENING_TAG, LedgerFiles
from factory_assets.orchestration.open_test import open_test
from factory_assets.orchestration.pages import page_path
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.splits.study import Study
from factory_assets.storage.sql import run_select, view_schemas
from factory_assets.vocabulary.errors import FactoryError, SealedPeriodError
from factory_assets.vocabulary.frames import dates_days, times_us, to_frame
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import load_settings
from factory_assets.vocabulary.verdict import Verdict
from factory_assets_tests.end_to_end.sim_factory import SIM, SIM_20, SimFactory, environment_of, shared_factory

SPEC, METRICS = "a" * 64, "b" * 64
SIM_5 = PartitionKey("SIM", 5)
SEALED_KEYS = [dg.AssetKey(["sealed", name]) for name in ("sealed_outcomes", "test_report")]


def study_of(contract: str = "SIM", **changes) -> Study:
    days = {
        "train_first_day": 19_000,
        "train_last_day": 19_040,
        "val_first_day": 19_041,
        "val_last_day": 19_050,
        "test_first_day": 19_051,
        "test_last_day": 19_060,
    }
    sessions = {"train_sessions": 30, "val_sessions": 8, "test_sessions": 8}
    return Study(contract=contract, opened_at=datetime(2025, 3, 1, tzinfo=UTC), **{**days, **sessions, **changes})


class Desk:
    """A home with nothing but a study's ledger, read anew at every question."""

    def __init__(self, root: Path, study: Study | None = None) -> None:
        self.root, self.study = root, study or study_of()
        self.file = FactoryHome(root).studies / "SIM.ledger.jsonl"
        self.head_folder = root / "store" / "study" / "ledger_head"

    @property
    def files(self) -> LedgerFiles:
        return LedgerFiles(FactoryResource(home=str(self.root)), self.study)

    def open(self, key: PartitionKey = SIM_20, reason: str = "why"):
        return self.files.record_opening(key, reason=reason, spec_hash=SPEC)

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.files.entries()]

    def lines(self) -> list[str]:
        return self.file.read_text(encoding="utf-8").splitlines(keepends=True)

    def state(self) -> tuple[bytes, dict[str, bytes]]:
        heads = {str(path): path.read_bytes() for path in sorted(self.head_folder.rglob("*")) if path.is_file()}
        return self.file.read_bytes() if self.file.exists() else b"", heads

    def publish_study(self) -> None:
        FactoryResource(home=str(self.root)).store.publish_files(
            "study", "study", SIM, {"study.json": self.study.to_json().encode()}, code_version="1", settings_digest="1"
        )


@pytest.fixture
def desk(tmp_path) -> Desk:
    made = Desk(tmp_path / "home")
    assert [entry.kind for entry in made.files.open_if_new()] == ["genesis"]
    return made


# --- crashes -----------------------------------------------------------------------------------------------------


class CrashError(RuntimeError):
    """The process dies here."""


@contextlib.contextmanager
def dying_in(where: str):
    """The process dies where the ledger would do this."""

    def die(*_args, **_named):
        raise CrashError(where)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"factory_assets.orchestration.ledger_files.{where}", die)
        with pytest.raises(CrashError, match=where):
            yield


def test_a_crash_between_genesis_and_its_head(tmp_path):
    desk = Desk(tmp_path / "home")
    with dying_in("LedgerFiles._keep_head"):
        desk.files.open_if_new()
    assert (len(desk.lines()), desk.head_folder.exists()) == (1, False)
    with pytest.raises(SealedPeriodError, match="no head in the store"):
        desk.files.entries()
    (entry,) = desk.files.open_if_new()
    assert [entry] == [from_line(line) for line in desk.lines()]
    assert desk.kinds() == ["genesis"]


def test_a_genesis_without_head_is_taken_up_only_for_a_study_never_published(tmp_path):
    desk = Desk(tmp_path / "home")
    desk.files.open_if_new()
    desk.publish_study()
    shutil.rmtree(desk.head_folder)
    with pytest.raises(SealedPeriodError, match="no head in the store"):
        desk.files.open_if_new()
    FactoryResource(home=str(desk.root)).store.block(
        "study", "study", SIM, [Verdict(name="study_frozen", passed=False, summary="")], "bars of the study are gone"
    )
    desk.file.unlink()
    with pytest.raises(SealedPeriodError, match="no head in the store"):
        desk.files.open_if_new()
    assert not desk.file.exists(), "a blocked study does not get a second, empty ledger"


def test_a_genesis_of_another_study_is_not_taken_up(desk):
    shutil.rmtree(desk.head_folder)
    other = Desk(desk.root, study_of(test_last_day=19_061))
    with pytest.raises(SealedPeriodError, match="opened for study SIM"):
        other.files.open_if_new()
    assert not desk.head_folder.exists()


def test_more_than_a_genesis_without_head_is_refused(desk):
    desk.open()
    shutil.rmtree(desk.head_folder)
    with pytest.raises(SealedPeriodError, match="no head in the store"):
        desk.files.open_if_new()
    assert not desk.head_folder.exists()


@pytest.mark.parametrize("kind", ["opening", "result"])
def test_a_crash_between_a_line_and_its_head_loses_nothing(desk, kind):
    opening = desk.open() if kind == "result" else None
    before = desk.kinds()
    with dying_in("LedgerFiles._keep_head"):
        if opening is None:
            desk.open()
        else:
            desk.files.record_result(opening, metric_digest=METRICS)
    assert desk.kinds() == [*before, kind]
    assert openings(desk.files.entries()) == 1
    settled = desk.state()
    assert desk.kinds() == [*before, kind]
    assert desk.state() == settled
    desk.open(SIM_5)
    assert openings(desk.files.entries()) == 2


def test_an_opening_after_a_crash_takes_the_lost_line_up_first(desk):
    with dying_in("LedgerFiles._keep_head"):
        desk.open(reason="first")
    desk.open(reason="second")
    assert [entry.reason for entry in desk.files.entries()[1:]] == ["first", "second"]


def test_a_crash_before_the_line_is_whole_counts_nothing(desk):
    before = desk.state()
    with dying_in("AppendLog.append_after"):
        desk.open()
    assert desk.state() == before
    with desk.file.open("a", encoding="utf-8") as stream:
        stream.write('{"at": "2025-0')
    assert desk.kinds() == ["genesis"]
    desk.open()
    assert desk.kinds() == ["genesis", "opening"]
    assert "2025-0" in desk.file.with_name(desk.file.name + ".torn").read_text(encoding="utf-8")


# --- two at once -------------------------------------------------------------------------------------------------


def test_processes_that_open_at_once_are_each_counted(desk):
    times, children = 8, []
    go, ready = os.pipe()
    for number in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(ready)
                os.read(go, 1)
                for each in range(times):
                    desk.open(reason=f"{number}.{each}")
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.close(go)
    os.close(ready)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    entries = desk.files.entries()
    assert [entry.seq for entry in entries] == list(range(3 * times + 1))
    reasons = [entry.reason for entry in entries[1:]]
    assert sorted(reasons) == sorted(f"{number}.{each}" for number in range(3) for each in range(times))
    assert openings(entries, 20) == 3 * times


# --- touched ledgers ---------------------------------------------------------------------------------------------


def _write(desk: Desk, lines: list[str]) -> None:
    desk.file.write_text("".join(lines), encoding="utf-8")


def _forged(desk: Desk) -> None:
    """One line ahead of the head, but no entry that follows it."""
    last = desk.lines()[-1]
    _write(desk, [*desk.lines(), last.replace('"seq": 2', '"seq": 3')])


def _two_ahead(desk: Desk) -> None:
    head = {path: path.read_bytes() for path in desk.head_folder.rglob("*") if path.is_file()}
    desk.open(reason="third")
    desk.open(reason="fourth")
    shutil.rmtree(desk.head_folder)
    for path, content in head.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


TOUCHED = {
    "edited": lambda desk: _write(desk, [line.replace("first", "other") for line in desk.lines()]),
    "line deleted": lambda desk: _write(desk, [desk.lines()[0], *desk.lines()[2:]]),
    "truncated": lambda desk: _write(desk, desk.lines()[:-1]),
    "cut to its genesis": lambda desk: _write(desk, desk.lines()[:1]),
    "emptied": lambda desk: _write(desk, []),
    "deleted": lambda desk: desk.file.unlink(),
    "doubled": lambda desk: _write(desk, [*desk.lines(), desk.lines()[-1]]),
    "forged": _forged,
    "two ahead": _two_ahead,
    "head deleted": lambda desk: shutil.rmtree(desk.head_folder),
    "both deleted": lambda desk: (desk.file.unlink(), shutil.rmtree(desk.head_folder)),
}


@pytest.mark.parametrize("how", TOUCHED)
def test_a_touched_ledger_or_head_closes_the_test_period(desk, how):
    desk.publish_study()
    desk.open(reason="first")
    desk.open(reason="second")
    TOUCHED[how](desk)
    before = desk.state()
    for ask in (
        desk.files.entries,
        desk.files.open_if_new,
        desk.open,
        lambda: desk.files.opening_of(SIM_20, {OPENING_TAG: SPEC}),
    ):
        with pytest.raises(SealedPeriodError, match="stays closed"):
            ask()
    assert desk.state() == before


# --- the whole factory -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> SimFactory:
    return shared_factory(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def home(made, tmp_path_factory):
    """A copy of the finished factory for openings; its tests run in order."""
    root = tmp_path_factory.mktemp("sealed") / "home"
    shutil.copytree(made.home.root, root)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(root).items():
            patch.setenv(name, value)
        yield FactoryHome(root)


@pytest.fixture(scope="module")
def markers(made) -> np.ndarray:
    """Values only a test outcome has: net results, excursions and barriers that lie on no tick and in no label."""
    settings = load_settings("fast", made.home.settings_file)
    end, kind = made.study.end_day, instrument("SIM")
    base, minutes = (to_frame(made.store.read_table(name, SIM, until_day=end).table) for name in NEEDED_BARS)
    sessions = SessionCalendar.of(kind).covering(times_us(minutes["open_time"]))
    outcome = label_decisions(base, minutes, sessions, kind, settings.barriers_of("SIM", 20), settings.labels, 20)
    sealed = (dates_days(outcome["trade_date"]) >= made.study.test_first_day) & outcome["eligible"].to_numpy()
    columns = ["net_long", "net_short", "upper", "lower", "mae", "mfe"]
    values, seen = (np.unique(outcome.loc[rows, columns].to_numpy(dtype=float)) for rows in (sealed, ~sealed))
    off_tick = np.abs(values / kind.tick_size - np.round(values / kind.tick_size)) > 1e-6
    found = values[np.isfinite(values) & off_tick & ~np.isin(values, seen)]
    assert len(found) > 1000
    return found


NEEDED_BARS = ("bars_5min", "bars_1min")
NUMBER = re.compile(rb"-?\d+\.\d{5,}(?:e-?\d+)?")


def marked(text: bytes, markers: np.ndarray) -> list[float]:
    """Numbers of a text with nine digits or more that are a marker, or its negative, up to their rounding."""
    tokens = [token for token in NUMBER.findall(text) if sum(48 <= byte <= 57 for byte in token.partition(b"e")[0]) > 8]
    numbers = np.abs(np.array([float(token) for token in tokens]))
    known = np.sort(np.abs(markers))
    place = np.clip(np.searchsorted(known, numbers), 1, len(known) - 1)
    nearest = np.minimum(np.abs(known[place] - numbers), np.abs(known[place - 1] - numbers))
    return numbers[nearest <= 1e-8 * np.maximum(numbers, 1e-3)].tolist()


def texts_of(home: FactoryHome) -> dict[str, bytes]:
    """Every file that is no table and no vendor's: pages, manifests, models, releases, Dagster's stores, logs.

    Of golden rows only the outputs: their inputs are thousands of random numbers, some of which meet a marker by
    chance, and they are proven to be made of nothing that could tell.
    """
    found = {
        str(path.relative_to(home.root)): path.read_bytes()
        for path in home.root.rglob("*")
        if path.is_file() and path.suffix != ".parquet" and path.relative_to(home.root).parts[0] != "raw"
    }
    golden = golden_outputs(home)
    # Copies, as the run log keeps them, have to be a release's own file byte for byte.
    return {name: golden[text] if name.endswith("golden.json") else text for name, text in found.items()}


def golden_outputs(home: FactoryHome) -> dict[bytes, bytes]:
    """Golden files of all releases, and what is left of each without its inputs.

    Proof that the inputs hold no outcome: they are those of another release with the same scalers and columns, whose
    models, rule, inputs and figures were replaced, drawn from the seed in the code.
    """
    found = {}
    for path in home.releases.rglob("golden.json"):
        release = load_bundle(path.parent, expected_digest=path.parent.name)
        stripped = dataclasses.replace(release, inputs={}, metrics={}, theta=0.0, m0_long=0.0, m0_short=0.0)
        content = json.loads(path.read_bytes())
        again = json.loads(golden_file(stripped))
        assert content.pop("inputs") == again["inputs"], f"{path}: inputs are not those the scalers and the seed give"
        assert {*content} == {"members", "stack"}
        found[path.read_bytes()] = json.dumps(content).encode()
    return found


def views_with(home: FactoryHome, made: SimFactory, markers: np.ndarray) -> set[str]:
    """Views any column of which holds a marker."""
    store = dataclasses.replace(made, home=home).store
    found, held = set(), {table for _, table in store.tables()}
    for view in view_schemas(store):
        if view not in held:
            continue  # a view of nothing yet: the forward period before a night
        table = run_select(store, f"SELECT * FROM {view}")  # noqa: S608 - names of the store
        for column, field in zip(table.columns, table.schema, strict=True):
            if str(field.type) == "double" and np.isin(column.to_numpy(), markers).any():
                found.add(view)
    return found


def entries_of(home: FactoryHome):
    return [from_line(line) for line in (home.studies / "SIM.ledger.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_search_finds_a_marker_that_was_planted(made, home, markers):
    value = float(markers[len(markers) // 2])
    for text in (f'{{"net": {value!r}}}', f"<td>{-value:.10g}</td>", f"x{value:.9f}y"):
        assert marked(text.encode(), markers) == [pytest.approx(abs(value))], text
    assert marked(f"{value * 1.001!r} 12345.67 0.25".encode(), markers) == []
    known = made.store.read_table("labels", SIM_20, columns=["net_long"]).table["net_long"].to_numpy()
    assert views_with(home, made, known[np.isfinite(known)][-1:]) == {"labels"}


def test_a_marker_among_golden_inputs_is_found_out(made, tmp_path, markers):
    """Inputs are left out of the search only as what they are proven to be."""
    home = FactoryHome(tmp_path)
    (folder,) = [path.parent for path in made.home.releases.rglob("golden.json")]
    place = home.releases / "SIM" / "20" / folder.name
    shutil.copytree(folder, place)
    (left,) = golden_outputs(home).values()
    assert b"inputs" not in left
    path = place / "golden.json"
    content = json.loads(path.read_bytes())
    content["inputs"]["tabular"][2][0] = float(markers[0])
    path.write_text(json.dumps(content))
    with pytest.MonkeyPatch.context() as patch:
        honest = load_bundle(folder, expected_digest=folder.name)
        patch.setattr(f"{__name__}.load_bundle", lambda *_, **__: honest)
        with pytest.raises(AssertionError, match="inputs are not those"):
            golden_outputs(home)
    shutil.copy(folder / "golden.json", path)
    (home.root / "copy").mkdir()
    (home.root / "copy" / "golden.json").write_text(json.dumps(content))
    with pytest.raises(KeyError):
        texts_of(home)


def test_no_test_outcome_is_anywhere_before_an_opening(made, home, markers):
    texts = texts_of(home)
    assert {name.partition("/")[0] for name in texts} >= {"store", "reports", "releases", "dagster", "studies"}
    assert any(name.endswith(".db") and "runs" in name for name in texts), "metadata and check results are searched"
    assert {name: found for name, text in texts.items() if (found := marked(text, markers))} == {}
    assert views_with(home, made, markers) == set()
    assert not (home.root / "store" / "sealed").exists()


def sealed_run(home: FactoryHome, tags: dict[str, str]) -> str:
    outcome = launch(build_definitions(), SEALED_KEYS, SIM_20, home=home, profile="fast", tags=tags)
    assert not outcome.succeeded
    return outcome.failures[0].message


@pytest.mark.parametrize(
    ("tags", "told"), [({}, "--open-test --reason"), ({OPENING_TAG: SPEC}, "no opening of horizon 20 has the hash")]
)
def test_sealed_assets_refuse_a_run_without_a_recorded_opening(home, tags, told):
    assert told in sealed_run(home, tags)
    assert not (home.root / "store" / "sealed").exists()


def refused_opening(home: FactoryHome, told: str) -> None:
    before = entries_of(home)
    with pytest.raises(FactoryError, match=told):
        open_test(build_definitions(), SIM_20, reason="look", home=home)
    assert entries_of(home) == before
    assert not (home.root / "store" / "sealed").exists()


def test_other_label_settings_refuse_before_anything_is_recorded(home):
    kept = home.settings_file.read_text(encoding="utf-8")
    try:
        for changed in ("[labels]\nevents = 'all'\n", "[barriers.SIM.20]\nk_up = 2.6\n"):
            home.settings_file.write_text(kept + changed, encoding="utf-8")
            refused_opening(home, r"\[labels\]\[barriers\] of profile 'fast'")
            opening = LedgerFiles(FactoryResource(home=str(home.root)), study_in(home))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(LedgerFiles, "opening_of", lambda *_: None)
                assert "labels were made with" in sealed_run(home, {})
            assert openings(opening.entries()) == 0
    finally:
        home.settings_file.write_text(kept, encoding="utf-8")


def study_in(home: FactoryHome) -> Study:
    return Study.from_json((home.studies / "SIM.json").read_text(encoding="utf-8"))


def test_the_profile_is_the_bundles(home, monkeypatch):
    load, launched = opening_module.load_bundle, []

    def released_under(profile):
        monkeypatch.setattr(
            opening_module, "load_bundle", lambda *a, **k: dataclasses.replace(load(*a, **k), profile=profile)
        )

    def record(*_args, profile, tags, **_named):
        launched.append((profile, entries_of(home)[-1].hash == tags[OPENING_TAG]))
        return RunOutcome("run", succeeded=True, failures=())

    monkeypatch.setattr(opening_module, "launch", record)
    released_under("full")
    refused_opening(home, "of profile 'full'")
    assert launched == []
    released_under("standard")
    open_test(build_definitions(), SIM_20, reason="crashed before a label", home=home)
    assert launched == [("standard", True)], "the opening is on disk before the run begins"
    assert openings(entries_of(home)) == 1


def test_a_damaged_bundle_or_a_missing_input_is_refused_before_the_opening_counts(home, tmp_path):
    folder = bundle_folder(home, SIM_20)
    for path, told in ((folder, "release"), (home.root / "store" / "splits", "not ready: {'splits': 'missing'}")):
        aside = tmp_path / path.name
        path.rename(aside)
        try:
            refused_opening(home, re.escape(told))
        finally:
            aside.rename(path)
    refused_reason = entries_of(home)
    with pytest.raises(SealedPeriodError, match="no reason"):
        open_test(build_definitions(), SIM_20, reason="  ", home=home)
    assert entries_of(home) == refused_reason


def test_a_broken_invariant_of_the_sealed_numbers_stops_ahead_of_result_and_page(home, monkeypatch):
    from factory_assets.orchestration.assets import test_report

    hidden = "SECRET 0.123456789"
    asked = []

    def broken(result, *, last_day, **_named):
        asked.append((result.period, last_day))
        return [Verdict(name="profit_adds_up", passed=False, summary=hidden, details={"sum": hidden})]

    monkeypatch.setattr(test_report, "evaluation_invariants", broken)
    outcome = open_test(build_definitions(), SIM_20, reason="broken", home=home).outcome
    assert asked == [("test", None)]
    assert [failure.step for failure in outcome.failures] == ["test_report"]
    assert "breaks ['profit_adds_up']" in outcome.failures[0].message
    entries = entries_of(home)
    assert [entry.kind for entry in entries] == ["genesis", "opening", "opening"], "counted, and without a result"
    assert not page_path(home, SIM_20, "test").exists()
    assert not (home.root / "store" / "sealed" / "test_report").exists()
    assert [name for name, text in texts_of(home).items() if b"SECRET" in text] == []


def test_an_opening_is_recorded_with_reason_bundle_and_numbers_and_counts_all_horizons(made, home):
    ledger = LedgerFiles(FactoryResource(home=str(home.root)), study_in(home))
    ledger.record_opening(SIM_5, reason="another horizon", spec_hash=SPEC)
    outcome = open_test(build_definitions(), SIM_20, reason="a look of record", home=home).outcome
    assert outcome.succeeded, outcome.failures
    *_, opening, result = entries = entries_of(home)
    assert (opening.kind, opening.horizon, opening.reason) == ("opening", 20, "a look of record")
    assert opening.spec_hash == bundle_folder(home, SIM_20).name
    assert opening.metric_digest == ""
    assert result_of(entries, opening.hash) == result
    files = dataclasses.replace(made, home=home).store.read_files("test_report", "sealed", SIM_20).files
    assert result.metric_digest == hashlib.sha256(files["evaluation.csv"]).hexdigest()
    page = page_path(home, SIM_20, "test").read_text(encoding="utf-8")
    assert page.encode() == files["test.html"]
    assert "Opened because: a look of record" in page
    assert "opened 4 times" in page
    assert re.search(r"openings of this test period at any horizon, this one included</td><td[^>]*>4<", page)
    assert re.search(r"openings of this horizon, this one included</td><td[^>]*>3<", page)


def test_a_completed_opening_opens_nothing_again(home):
    opening = entries_of(home)[-2]
    before = entries_of(home), page_path(home, SIM_20, "test").read_bytes()
    assert "was completed by line" in sealed_run(home, {OPENING_TAG: opening.hash})
    assert "no opening of horizon 20" in sealed_run(home, {OPENING_TAG: entries_of(home)[3].hash})
    assert (entries_of(home), page_path(home, SIM_20, "test").read_bytes()) == before


def test_after_an_opening_nothing_of_it_is_outside_page_and_sealed_folder(made, home, markers):
    inside = ("store/sealed/", "reports/SIM_20_test.html")
    texts = {name: text for name, text in texts_of(home).items() if not name.startswith(inside)}
    assert {name: found for name, text in texts.items() if (found := marked(text, markers))} == {}
    assert views_with(home, made, markers) == set()
    numbers = dataclasses.replace(made, home=home).store.read_files("test_report", "sealed", SIM_20).files
    shown = {token for token in NUMBER.findall(numbers["evaluation.csv"]) if len(token) > 12}
    assert len(shown) > 100
    assert {name for name, text in texts.items() if shown & set(NUMBER.findall(text))} == set()
