"""What raw files may look like without the canonical series changing: order, split, repetition, the host's zone."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.canonical import Canonical, build_canonical
from factory_assets.market.canonical_invariants import canonical_invariants
from factory_assets.market.readers import read_folder
from factory_assets_tests.market.gold_worlds import CALENDAR, MGC, SETTINGS, gold_minutes

VALUES = ["expiry", "open_time", "open", "high", "low", "close", "volume"]
DIRT = (
    {"close": 0.05},
    {"high": np.nan},
    {"low": -70.0},
    {"low": -5000.0},
    {"open": 0.1},
    {"volume": -1e6},
    {"high": np.inf},
)
SOURCE = """format = "csv"
contract = "MGC"
bar_label = "open"
timezone = "UTC"
volume = "contracts"

[columns]
time = "open_time"
expiry = "expiry"
open = "open"
high = "high"
low = "low"
close = "close"
volume = "volume"
"""


def build(raw: pd.DataFrame) -> Canonical:
    return build_canonical(raw, MGC, CALENDAR, SETTINGS)


def checked(raw: pd.DataFrame) -> Canonical:
    made = build(raw)
    verdicts = canonical_invariants(raw, made, MGC, CALENDAR, SETTINGS)
    assert all(verdict.passed for verdict in verdicts), [v.summary for v in verdicts if not v.passed]
    return made


@st.composite
def _dirty(draw: st.DrawFn) -> pd.DataFrame:
    """The small gold market with broken, conflicting and repeated rows."""
    raw = gold_minutes(minutes=25)
    for row, dirt in draw(st.dictionaries(st.integers(0, len(raw) - 1), st.sampled_from(DIRT), max_size=6)).items():
        for name, change in dirt.items():
            raw.loc[row, name] += change
    again = draw(st.lists(st.integers(0, len(raw) - 1), max_size=6))
    other = raw.iloc[draw(st.lists(st.integers(0, len(raw) - 1), max_size=3, unique=True))]
    return pd.concat([raw, raw.iloc[again], other.assign(volume=7.0)], ignore_index=True)


def _renumbered(raw: pd.DataFrame, files: np.ndarray) -> pd.DataFrame:
    """The rows as the given files would hold them."""
    split = raw.assign(source_file=pd.Categorical([f"{number:03d}.csv" for number in files]))
    return split.assign(source_row=split.groupby("source_file", observed=True).cumcount())


def same(left: Canonical, right: Canonical) -> None:
    """Equal but for the place a refused row was read from."""
    pd.testing.assert_frame_equal(left.bars, right.bars)
    pd.testing.assert_frame_equal(left.rolls, right.rolls)
    assert left.counts == right.counts
    columns = ["reason", *VALUES]
    both = [made.quarantine[columns].astype({"reason": str, "expiry": str}) for made in (left, right)]
    pd.testing.assert_frame_equal(*(frame.sort_values(columns, ignore_index=True) for frame in both))


@settings(max_examples=12, deadline=None)
@given(_dirty(), st.integers(1, 5), st.integers(0, 2**31))
def test_neither_order_nor_the_split_into_files_matters(raw: pd.DataFrame, files: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shuffled = raw.sample(frac=1.0, random_state=seed % 2**31).reset_index(drop=True)
    whole = build(_renumbered(raw, np.zeros(len(raw), dtype=int)))
    same(whole, build(_renumbered(shuffled, rng.integers(0, files, len(raw)))))


@settings(max_examples=10, deadline=None)
@given(_dirty(), st.integers(2, 3))
def test_ingested_again_is_ingested_once(raw: pd.DataFrame, times: int) -> None:
    once = build(_renumbered(raw, np.zeros(len(raw), dtype=int)))
    copies = pd.concat([raw] * times, ignore_index=True)
    again = build(_renumbered(copies, np.repeat(np.arange(times), len(raw))))
    pd.testing.assert_frame_equal(once.bars, again.bars)
    pd.testing.assert_frame_equal(once.rolls, again.rolls)
    assert again.counts["quarantined"] == once.counts["quarantined"]
    assert again.counts["quarantined_share"] == once.counts["quarantined_share"], "copies may not dilute the ceiling"
    assert again.counts["exact_duplicates"] == once.counts["exact_duplicates"] + (times - 1) * len(raw)
    # What came out goes in again, and comes out as it is.
    bars = once.bars[VALUES].assign(source_file="canonical", source_row=np.arange(len(once.bars)))
    rest = _renumbered(raw, np.zeros(len(raw), dtype=int))
    spare = rest.merge(bars[["expiry", "open_time"]].astype({"expiry": str}), how="left", indicator=True)
    others = rest[(spare["_merge"] == "left_only").to_numpy()]
    pd.testing.assert_frame_equal(build(pd.concat([others, bars], ignore_index=True)).bars, once.bars)


def test_files_are_joined_in_the_order_of_their_table_whatever_their_names(tmp_path: Path) -> None:
    raw = gold_minutes(minutes=40)
    (tmp_path / "source.toml").write_text(SOURCE, encoding="utf-8")
    for number, rows in enumerate(np.array_split(np.arange(len(raw)), 4)):  # the later the rows, the earlier the name
        part = raw.iloc[rows].drop(columns=["source_file", "source_row"])
        part.to_csv(tmp_path / f"{9 - number}.csv", index=False)
    found = read_folder(tmp_path, MGC).minutes.astype({"expiry": str, "source_file": str})
    keys = ["expiry", "open_time", "source_file", "source_row"]
    pd.testing.assert_frame_equal(found, found.sort_values(keys, ignore_index=True))
    assert found["source_file"].iloc[[0, -1]].tolist() == ["9.csv", "6.csv"]
    read = found[VALUES].sort_values(VALUES, ignore_index=True)
    given_rows = raw[VALUES].astype({"expiry": str}).sort_values(VALUES, ignore_index=True)
    pd.testing.assert_frame_equal(read, given_rows)


@pytest.mark.parametrize("host", ["Asia/Tokyo", "America/Chicago", "Pacific/Chatham"])
def test_from_files_to_bars_whatever_the_split_and_the_host(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = gold_minutes(minutes=40)
    raw.loc[11, "close"] += 0.05

    def ingested(split: np.ndarray) -> Canonical:
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "source.toml").write_text(SOURCE, encoding="utf-8")
            for number in np.unique(split):
                rows = raw[split == number].drop(columns=["source_file", "source_row"])
                rows.to_csv(folder / f"part {number}.csv", index=False)
            return checked(read_folder(folder, MGC).minutes)

    whole = ingested(np.zeros(len(raw), dtype=int))
    monkeypatch.setenv("TZ", host)
    time.tzset()
    try:
        same(whole, ingested(np.arange(len(raw)) // 170))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert whole.counts["quarantined_off_tick"] == 1
