"""Open interest on its way: taken in with raw files, hashed, stored as a table, and rolled by."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from factory_assets.market.canonical import build_canonical
from factory_assets.market.open_interest import HEADER, OPEN_INTEREST_FILE, read_open_interest
from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.inspect_store import open_store
from factory_assets.orchestration.launch import launch
from factory_assets.orchestration.operation.raw_state import look_at_raw, stored_raw
from factory_assets.orchestration.phases import PHASES, keys_of
from factory_assets.orchestration.provenance import ROLLED_BY
from factory_assets.orchestration.raw_folder import accept_raw
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import to_frame, to_table
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import CANONICAL_BARS, OPEN_INTEREST, RAW_MINUTES, ROLLS
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets_tests.end_to_end.sim_factory import environment_of
from factory_assets_tests.market.gold_worlds import MGC, gold_minutes

KEY = PartitionKey("MGC")
BY_OPEN_INTEREST = MarketSettings(roll_rule="open_interest")
LINES = [HEADER, "2022-01-21,MGCG2,900", "2022-01-21,MGCJ2,200", "2022-01-24,MGCG2,500", "2022-01-24,MGCJ2,600"]
DECLARATION = """format = "csv"
contract = "MGC"
bar_label = "open"
timezone = "UTC"
volume = "contracts"

[columns]
time = "open_time"
open = "open"
high = "high"
low = "low"
close = "close"
volume = "volume"
expiry = "expiry"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A vendor's folder: minutes of two months around a roll, and open interest that leads from Monday's close on."""
    raw = gold_minutes().drop(columns=["source_file", "source_row"])
    raw["volume"] += raw.groupby("expiry", observed=True).cumcount() % 7  # a feed's volume is never constant
    place = tmp_path / "vendor"
    place.mkdir()
    raw.to_csv(place / "2022-01.csv", index=False)
    (place / "source.toml").write_text(DECLARATION, encoding="utf-8")
    _write(place, LINES)
    return place


def _write(folder: Path, lines: list[str]) -> None:
    (folder / OPEN_INTEREST_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_it_comes_in_with_the_raw_files_and_may_only_grow(folder: Path, tmp_path: Path) -> None:
    home = FactoryHome(tmp_path / "home")
    read, copied = accept_raw(folder, "MGC", home, BY_OPEN_INTEREST)
    held = home.raw / "MGC" / OPEN_INTEREST_FILE
    assert (copied, read.counts["files_read"], held.is_file()) == (3, 1, True)
    assert accept_raw(folder, "MGC", home, BY_OPEN_INTEREST)[1] == 0
    _write(folder, [*LINES, "2022-01-25,MGCG2,100", "2022-01-25,MGCJ2,900"])
    assert accept_raw(folder, "MGC", home, BY_OPEN_INTEREST)[1] == 1
    grown = held.read_bytes()
    _write(folder, [line.replace("600", "400") for line in LINES])
    with pytest.raises(BadInputError, match="only add later trade dates"):
        accept_raw(folder, "MGC", home, BY_OPEN_INTEREST)
    _write(folder, [*LINES, "2022-01-26,MGCG2,many"])
    with pytest.raises(BadInputError, match="line 6: open_interest 'many'"):
        accept_raw(folder, "MGC", home, BY_OPEN_INTEREST)
    assert held.read_bytes() == grown


def test_nothing_is_copied_where_the_rule_lacks_its_file(folder: Path, tmp_path: Path) -> None:
    (folder / OPEN_INTEREST_FILE).unlink()
    home = FactoryHome(tmp_path / "home")
    with pytest.raises(BadInputError, match=r"needs open_interest\.csv"):
        accept_raw(folder, "MGC", home, BY_OPEN_INTEREST)
    assert not (home.raw / "MGC").exists()
    assert accept_raw(folder, "MGC", home, MarketSettings())[1] == 2


@pytest.mark.parametrize(
    ("rolled_by", "settings", "refused"),
    [
        ("open_interest", BY_OPEN_INTEREST, True),
        ("volume", BY_OPEN_INTEREST, False),
        ("open_interest", MarketSettings(), False),
    ],
)
def test_late_figures_are_refused_where_stored_bars_were_rolled_without_them(
    folder: Path, tmp_path: Path, rolled_by: str, settings: MarketSettings, refused: bool
) -> None:
    home = FactoryHome(tmp_path / "home")
    read, _ = accept_raw(folder, "MGC", home, BY_OPEN_INTEREST)
    figures = read_open_interest(folder, MGC)
    made = build_canonical(read.minutes, MGC, SessionCalendar.of(MGC), BY_OPEN_INTEREST, open_interest=figures)
    open_store(home).publish_table(
        CANONICAL_BARS,
        KEY,
        to_table(made.bars, CANONICAL_BARS),
        code_version="1",
        settings_digest="1",
        meta={ROLLED_BY: rolled_by},
    )
    # Bars reach to the 28th. Figures of the 26th are for the 28th, those of the 27th for the 31st.
    _write(folder, [*LINES, "2022-01-27,MGCG2,50", "2022-01-27,MGCJ2,950"])
    assert accept_raw(folder, "MGC", home, settings)[1] == 1
    held = home.raw / "MGC" / OPEN_INTEREST_FILE
    _write(home.raw / "MGC", LINES)
    _write(folder, [*LINES, "2022-01-26,MGCG2,100", "2022-01-26,MGCJ2,900"])
    before = held.read_bytes()
    if not refused:
        assert accept_raw(folder, "MGC", home, settings)[1] == 1
        return
    with pytest.raises(BadInputError, match=r"1 trade date, 2022-01-26, .*from session 2022-01-28 on"):
        accept_raw(folder, "MGC", home, settings)
    assert held.read_bytes() == before
    held.unlink()
    assert accept_raw(folder, "MGC", home, settings)[1] == 1  # the file is the first there


@pytest.mark.slow
def test_the_graph_stores_it_and_rolls_by_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = FactoryHome(tmp_path / "home")
    for name, value in environment_of(home.root).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FACTORY_STORE_URL", raising=False)
    accept_raw(folder, "MGC", home, BY_OPEN_INTEREST)
    definitions = build_definitions()
    chosen = keys_of(definitions, [phase for phase in PHASES if phase.name == "bars"], by_horizon=False)

    def rolled(settings: str) -> pd.DataFrame:
        home.settings_file.write_text(settings, encoding="utf-8")
        outcome = launch(definitions, chosen, KEY, home=home, profile="fast")
        assert outcome.succeeded, outcome.failures
        return to_frame(open_store(home).read_table(ROLLS, KEY).table)

    found = rolled('[market]\nroll_rule = "open_interest"\n')
    store = open_store(home)
    assert found["trade_date"].dt.strftime("%Y-%m-%d").tolist() == ["2022-01-26"]
    assert to_frame(store.read_table(OPEN_INTEREST, KEY).table)["open_interest"].tolist() == [900, 200, 500, 600]
    bars = to_frame(store.read_table(CANONICAL_BARS, KEY).table)
    assert bars["adjustment_difference"].unique().tolist() == [0.0, found["difference"].iloc[0]]
    manifest = store.manifest(RAW_MINUTES.name, RAW_MINUTES.group, KEY)
    raw = home.raw / "MGC"
    outside = look_at_raw(raw, MGC, "").outside
    assert look_at_raw(raw, MGC, outside).digest == stored_raw(manifest)
    _write(folder, [*LINES, "2022-01-25,MGCG2,100", "2022-01-25,MGCJ2,900"])
    with pytest.raises(BadInputError, match=r"1 trade date, 2022-01-25, .*stored bars to 2022-01-28"):
        accept_raw(folder, "MGC", home, BY_OPEN_INTEREST)
    shutil.copyfile(raw / OPEN_INTEREST_FILE, tmp_path / "kept.csv")
    _write(raw, [*LINES, "2022-01-25,MGCG2,100", "2022-01-25,MGCJ2,900"])
    outside = look_at_raw(raw, MGC, "").outside
    assert look_at_raw(raw, MGC, outside).digest != stored_raw(manifest)
    assert rolled("")["reason"].tolist() == ["volume share reached"]
    assert rolled('[market]\nroll_rule = "calendar"\nroll_calendar_sessions = 1\n')["trade_date"].dt.day.tolist() == [
        27
    ]
