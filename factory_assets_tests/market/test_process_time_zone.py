"""The time zone of the process changes no byte, from vendor file to coverage: in this process, and in fresh ones."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from factory_assets.market.canonical import build_canonical
from factory_assets.market.continuity_invariants import coverage_invariants, gap_invariants
from factory_assets.market.coverage import session_coverage
from factory_assets.market.gaps import find_gaps
from factory_assets.market.ladder import build_ladder
from factory_assets.market.readers import read_folder
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings

MES = instrument("MES")
ZONES = ("UTC", "Asia/Kolkata", "America/Chicago")
# Eastern wall times around the change of clocks of 2024-03-10, an early close, and the evening that opens a session.
DECLARATION = """format = "csv"
contract = "MES"
bar_label = "close"
timezone = "America/New_York"
volume = "contracts"
time_format = "%Y-%m-%d %H:%M:%S"
expiry = "MESU4"
[columns]
time = "time"
open = "open"
high = "high"
low = "low"
close = "close"
volume = "volume"
"""
SPANS = (("2024-03-07 18:01", 180), ("2024-03-08 16:00", 60), ("2024-03-10 18:01", 300), ("2024-07-03 12:50", 60))


def write_folder(folder: Path) -> Path:
    """A folder with Eastern wall times; every seventh minute is silent."""
    folder.mkdir(parents=True)
    stamps = [pd.date_range(start, periods=minutes, freq="min") for start, minutes in SPANS]
    moments = pd.DatetimeIndex(np.concatenate([span.to_numpy() for span in stamps]))
    price = 5000.0 + 0.25 * (np.arange(len(moments)) % 40)
    prices = {"open": price, "high": price + 0.25, "low": price - 0.25, "close": price}
    volume = 10 + np.arange(len(moments)) % 5
    frame = pd.DataFrame({"time": moments.strftime("%Y-%m-%d %H:%M:%S"), **prices, "volume": volume})
    frame[frame.index % 7 != 3].to_csv(folder / "mes.csv", index=False)
    (folder / "source.toml").write_text(DECLARATION, encoding="utf-8")
    return folder


def digest_of(folder: Path) -> str:
    """Sha256 of raw minutes, bars, quarantine, ladder, gaps and coverage of a folder, verdicts included."""
    calendar = SessionCalendar.of(MES)
    raw = read_folder(folder, MES).minutes
    made = build_canonical(raw, MES, calendar, MarketSettings())
    ladder = build_ladder(made.bars, calendar.sessions)
    gaps = find_gaps(made.bars, raw, made.quarantine, calendar).table
    coverage = session_coverage(made.bars, raw, made.quarantine, gaps, calendar)
    verdicts = [
        *coverage_invariants(made.bars, made.quarantine, gaps, coverage, MES, calendar),
        *gap_invariants(made.bars, raw, made.quarantine, gaps, coverage),
    ]
    failed = [verdict.name for verdict in verdicts if verdict.blocking and not verdict.passed]
    assert failed == []
    digest = hashlib.sha256()
    for frame in (raw, made.bars, made.quarantine, *ladder.values(), gaps, coverage):
        table = pa.Table.from_pandas(frame, preserve_index=False)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        digest.update(sink.getvalue())
    digest.update(repr([(verdict.name, verdict.summary) for verdict in verdicts]).encode())
    return f"{len(made.bars)} {made.bars['open_time'].iloc[0]} {digest.hexdigest()}"


@pytest.fixture
def zone():
    """Set the process's zone; the old one comes back."""
    before = os.environ.get("TZ")

    def into(name: str) -> None:
        os.environ["TZ"] = name
        time.tzset()

    yield into
    if before is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_the_zone_of_the_process_changes_no_byte(tmp_path, zone):
    folder = write_folder(tmp_path / "MES")
    found = {}
    for name in ZONES:
        zone(name)
        assert time.tzname[0] == {"UTC": "UTC", "Asia/Kolkata": "IST", "America/Chicago": "CST"}[name]
        found[name] = digest_of(folder)
    assert len(set(found.values())) == 1, found
    # Stamped at the close: 540 minutes before July and 26 until 13:15 Eastern; every seventh from the fourth on lacks.
    assert found["UTC"].split()[:3] == [str(566 - 81), "2024-03-07", "23:00:00+00:00"]


@pytest.mark.slow
def test_fresh_processes_of_other_zones_write_the_same(tmp_path):
    """Modules are imported and the calendar is built under the other zone too."""
    folder = write_folder(tmp_path / "MES")
    code = (
        "import sys; from pathlib import Path; "
        "from factory_assets_tests.market.test_process_time_zone import digest_of; "
        "sys.stdout.write(digest_of(Path(sys.argv[1])))"
    )
    found = {}
    for name in ZONES[1:3]:
        run = subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            env={**os.environ, "TZ": name},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        )
        found[name] = run.stdout.decode()
    assert set(found.values()) == {digest_of(folder)}
