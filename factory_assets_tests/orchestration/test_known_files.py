"""Raw files known and unknown, end to end: parsed once, judged once, restated on record, named on every partition."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.inspect_store import open_store
from factory_assets.orchestration.known_files import is_known, note_if_current
from factory_assets.orchestration.launch import launch
from factory_assets.orchestration.outputs import CATALOGUE
from factory_assets.orchestration.parsed_folder import ParsedFolder
from factory_assets.orchestration.phases import PHASES, keys_of
from factory_assets.orchestration.provenance import PROVENANCE, carried_on
from factory_assets.orchestration.raw_folder import accept_raw
from factory_assets.storage import Store
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import to_frame
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import CANONICAL_BARS, QUARANTINE, RAW_MINUTES, RESTATEMENTS
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, bars_name
from factory_assets_tests.market.gold_worlds import MGC, gold_minutes

KEY = PartitionKey("MGC")
SOURCE = """format = "csv"
contract = "MGC"
bar_label = "open"
timezone = "UTC"
volume = "contracts"
vendor = "Some Vendor"

[columns]
time = "open_time"
expiry = "expiry"
open = "open"
high = "high"
low = "low"
close = "close"
volume = "volume"
"""


@pytest.fixture(scope="module")
def gold() -> pd.DataFrame:
    return gold_minutes(minutes=90)


@pytest.fixture(scope="module")
def definitions():
    return build_definitions()


def vendor(folder: Path, raw: pd.DataFrame, *, files: int = 2, declaration: str = SOURCE) -> Path:
    """The rows split over so many files."""
    folder.mkdir(parents=True)
    (folder / "source.toml").write_text(declaration, encoding="utf-8")
    for number, rows in enumerate(np.array_split(np.arange(len(raw)), files)):
        raw.iloc[rows].drop(columns=["source_file", "source_row"]).to_csv(folder / f"{number}.csv", index=False)
    return folder


def ingest(source: Path, home: FactoryHome, definitions, *bodies: str) -> None:
    """Take the files and make all of the market, or what the named bodies make."""
    accept_raw(source, "MGC", home)
    make(home, definitions, *bodies)


def make(home: FactoryHome, definitions, *bodies: str) -> None:
    wanted = keys_of(definitions, PHASES[:1], by_horizon=False)
    chosen = [key for key in wanted if not bodies or CATALOGUE.body_of(key.path[-1]) in bodies]
    outcome = launch(definitions, chosen, KEY, home=home, profile="fast")
    assert outcome.succeeded, outcome.failures


def content(home: FactoryHome) -> dict[str, str]:
    """Digest of every market table."""
    store = open_store(home)
    names = [output.name for output in CATALOGUE.all() if output.group == "market" and output.schema is not None]
    return {name: store.manifest(name, "market", KEY).content_digest for name in names}


def table(home: FactoryHome, schema) -> pd.DataFrame:
    return to_frame(open_store(home).read_table(schema, KEY).table)


def known(source: Path, home: FactoryHome) -> bool:
    return is_known(source, "MGC", home, profile="fast")


@pytest.mark.slow
def test_known_files_change_nothing_and_whatever_changes_is_noticed(tmp_path, home, gold, definitions) -> None:
    source = vendor(tmp_path / "vendor", gold)
    assert not known(source, home)
    ingest(source, home, definitions)
    before = content(home)
    assert known(source, home), "judged by the graph"
    receipt = home.root / "store" / ".receipts" / "MGC.json"
    assert receipt.is_file()
    assert known(source, home), "judged by the receipt"
    other = tmp_path / "other.toml"
    other.write_text('format = "parquet"\n', encoding="utf-8")
    assert not is_known(source, "MGC", home, profile="fast", declaration=other), (
        "a second declaration is not passed over"
    )
    receipt.write_text("{}", encoding="utf-8")
    assert known(source, home), "a damaged receipt is no judgement"

    ingest(source, home, definitions)
    assert content(home) == before, "ingested twice is ingested once"
    assert note_if_current("MGC", home, profile="fast")

    held = home.raw / "MGC" / "0.csv"
    original = held.read_bytes()
    held.write_bytes(original + b"\n")
    assert not known(source, home), "the copy changed"
    held.write_bytes(original)
    assert known(source, home)
    (source / "2.csv").write_bytes(original)
    assert not known(source, home), "a further file"
    (source / "2.csv").unlink()
    home.settings_file.write_text("[market]\nroll_volume_share = 0.3\n", encoding="utf-8")
    assert not known(source, home), "other settings"
    home.settings_file.unlink()
    assert known(source, home)
    open_store(home).block(CANONICAL_BARS.name, "market", KEY, (), "tried in vain")
    assert not known(source, home), "blocked"


def test_a_file_is_parsed_once_and_a_damaged_memory_is_parsed_again(tmp_path, home, gold) -> None:
    source = vendor(tmp_path / "vendor", gold, files=3)

    def read() -> tuple[int, int, pd.DataFrame]:
        reader = ParsedFolder(open_store(home).parsed, MGC)
        found = reader.read(source)
        reader.keep()
        return reader.parsed_count, reader.known_count, found.minutes

    parsed, remembered, fresh = read()
    assert (parsed, remembered) == (3, 0)
    parsed, remembered, again = read()
    assert (parsed, remembered) == (0, 3)
    pd.testing.assert_frame_equal(again.astype({"expiry": str}), fresh.astype({"expiry": str}))
    part = next((home.root / "store" / ".parsed" / "MGC").glob("*.parquet"))
    damaged = bytearray(part.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    part.write_bytes(bytes(damaged))
    assert read()[:2] == (1, 2)
    assert read()[:2] == (0, 3)
    declaration = source / "source.toml"
    declaration.write_text(SOURCE.replace('bar_label = "open"', 'bar_label = "close"'), encoding="utf-8")
    parsed, _, shifted = read()
    assert parsed == 3
    assert ((fresh["open_time"] - shifted["open_time"]) == pd.Timedelta(minutes=1)).all()


def test_refused_files_leave_nothing_in_memory(tmp_path, home, gold) -> None:
    source = vendor(tmp_path / "vendor", gold.assign(high=0.05))
    with pytest.raises(BadInputError, match="Nothing was copied"):
        accept_raw(source, "MGC", home)
    assert not (home.root / "store").exists()


@pytest.mark.slow
def test_restated_minutes_are_on_record_for_good(tmp_path, home, gold, definitions) -> None:
    ingest(vendor(tmp_path / "first", gold, files=1), home, definitions, "raw_minutes", "canonical")
    assert table(home, RESTATEMENTS).empty
    changed = gold.iloc[[5, 7]].assign(volume=[777.0, 888.0])
    later = vendor(tmp_path / "second", pd.concat([changed, gold.iloc[[9]]]), files=1)
    (later / "0.csv").rename(later / "later.csv")
    ingest(later, home, definitions, "raw_minutes", "canonical")
    record = table(home, RESTATEMENTS)
    assert sorted(record["new_volume"]) == [777.0, 888.0]
    assert record["old_source_file"].astype(str).unique().tolist() == ["0.csv"]
    assert record["new_source_file"].astype(str).unique().tolist() == ["later.csv"]
    assert (record["seen_at"] > record["open_time"]).all()
    both = table(home, QUARANTINE)
    assert both["reason"].astype(str).tolist() == ["conflicting_duplicate"] * 4, "which one is true is not guessed"
    # The second telling goes: what stays was told before, so nothing is new, and the record stays.
    (home.raw / "MGC" / "later.csv").unlink()
    ingest(tmp_path / "first", home, definitions, "raw_minutes", "canonical")
    assert table(home, QUARANTINE).empty
    pd.testing.assert_frame_equal(table(home, RESTATEMENTS), record)
    # Another reading of the same bytes moves every row; that is no restatement.
    declared = SOURCE.replace('bar_label = "open"', 'bar_label = "close"')
    (home.raw / "MGC" / "source.toml").write_text(declared, encoding="utf-8")
    make(home, definitions, "raw_minutes")
    assert table(home, RAW_MINUTES)["open_time"].min() < gold["open_time"].min()
    pd.testing.assert_frame_equal(table(home, RESTATEMENTS), record)


@pytest.mark.slow
def test_a_kill_between_the_tables_loses_no_restatement(tmp_path, home, gold, definitions, monkeypatch) -> None:
    ingest(vendor(tmp_path / "first", gold, files=1), home, definitions, "raw_minutes")
    later = vendor(tmp_path / "second", gold.iloc[[5]].assign(volume=777.0), files=1)
    (later / "0.csv").rename(later / "later.csv")
    accept_raw(later, "MGC", home)
    publish, told = Store.publish_table, []

    def killed(store, schema, *rest, **more):
        if told:
            raise KeyboardInterrupt
        told.append(schema.name)
        return publish(store, schema, *rest, **more)

    monkeypatch.setattr(Store, "publish_table", killed)
    with pytest.raises((KeyboardInterrupt, AssertionError)):
        make(home, definitions, "raw_minutes")
    monkeypatch.setattr(Store, "publish_table", publish)
    make(home, definitions, "raw_minutes")
    assert told
    assert set(table(home, RESTATEMENTS)["new_volume"]) == {777.0}


@pytest.mark.slow
def test_every_market_partition_says_where_it_comes_from(tmp_path, home, gold, definitions) -> None:
    source = vendor(tmp_path / "vendor", gold)
    ingest(source, home, definitions)
    hashes = sorted(hashlib.sha256((source / name).read_bytes()).hexdigest() for name in ("0.csv", "1.csv"))
    expected = {
        "vendor": "Some Vendor",
        "bar_label": "open",
        "timezone": "UTC",
        "volume_meaning": "contracts",
        "series": "months",
        "source_digest": hashlib.sha256("".join(hashes).encode()).hexdigest(),
    }
    assert set(expected) == set(PROVENANCE)
    store, made = open_store(home), [output for output in CATALOGUE.all() if output.group == "market"]
    assert {bars_name(minutes) for minutes in TIMEFRAMES_MINUTES} < {output.name for output in made}
    for output in made:
        meta = store.manifest(output.name, output.group, KEY).meta
        assert {name: meta.get(name) for name in PROVENANCE} == expected, output.name


def test_inputs_that_disagree_leave_both_answers() -> None:
    first, second = {"vendor": "A", "source_digest": "1", "rows": 3}, {"vendor": "A", "source_digest": "2"}
    assert carried_on([first, second, {}]) == {"vendor": "A", "source_digest": "1 | 2"}
    assert carried_on([carried_on([first, second]), {"source_digest": "2"}])["source_digest"] == "1 | 2"
