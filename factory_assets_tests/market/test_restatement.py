"""What counts as a restatement: by hand, and against a loop over dictionaries."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.restatement import find_restatements
from factory_assets.vocabulary.frames import from_us, to_table
from factory_assets.vocabulary.schemas import RESTATEMENTS
from factory_assets.vocabulary.timeframes import MINUTE_US

SEEN = datetime(2022, 2, 1, 12, tzinfo=UTC)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["MGCG2", "MGCJ2"]),
        st.integers(0, 4),
        st.sampled_from([1.0, 2.0, float("nan")]),
        st.integers(0, 2),
    ),
    max_size=12,
    unique_by=lambda row: (row[0], row[1], str(row[2]), row[3]),
)


def _raw(rows) -> pd.DataFrame:
    """Raw minutes of (expiry, minute, close, file), in the order of their table."""
    rows = sorted(rows, key=lambda row: (row[0], row[1], row[3]))
    close = np.array([row[2] for row in rows], dtype=np.float64)
    return pd.DataFrame(
        {
            "source_file": pd.Categorical([f"{row[3]}.csv" for row in rows]),
            "source_row": np.arange(len(rows)),
            "expiry": pd.Categorical([row[0] for row in rows]),
            "open_time": from_us(np.array([row[1] for row in rows], dtype=np.int64) * MINUTE_US),
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume": np.ones(len(rows)),
        }
    )


def test_by_hand() -> None:
    old = _raw([("MGCG2", 0, 1.0, 0), ("MGCG2", 1, 2.0, 0), ("MGCJ2", 0, 3.0, 0)])
    new = _raw([("MGCG2", 0, 1.0, 1), ("MGCG2", 1, 2.5, 1), ("MGCG2", 2, 9.0, 1), ("MGCM2", 0, 4.0, 1)])
    (row,) = find_restatements(old, new, SEEN).to_dict("records")
    assert (row["expiry"], row["open_time"]) == ("MGCG2", pd.Timestamp("1970-01-01 00:01", tz="UTC"))
    assert (row["old_close"], row["new_close"]) == (2.0, 2.5)
    assert (row["old_source_file"], row["new_source_file"], row["seen_at"]) == ("0.csv", "1.csv", pd.Timestamp(SEEN))
    assert to_table(find_restatements(old, new, SEEN).assign(contract="MGC"), RESTATEMENTS).num_rows == 1
    assert to_table(find_restatements(old.iloc[:0], new, SEEN).assign(contract="MGC"), RESTATEMENTS).num_rows == 0


def test_the_same_rows_from_other_files_and_new_or_vanished_minutes_are_none() -> None:
    old = _raw([("MGCG2", 0, float("nan"), 0), ("MGCG2", 1, 2.0, 0)])
    assert find_restatements(old, _raw([("MGCG2", 0, float("nan"), 7), ("MGCG2", 3, 2.0, 7)]), SEEN).empty


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS)
def test_equals_a_loop(before, now) -> None:
    old, new = _raw(before), _raw(now)
    told: dict[tuple[str, int], set[str]] = {}
    for expiry, minute, close, _ in before:
        told.setdefault((expiry, minute), set()).add(str(close))
    expected = sorted(
        (expiry, minute, str(close), f"{file}.csv")
        for expiry, minute, close, file in now
        if (expiry, minute) in told and str(close) not in told[expiry, minute]
    )
    found = find_restatements(old, new, SEEN)
    minutes = (found["open_time"].astype("int64") // MINUTE_US).tolist()
    rows = zip(found["expiry"], minutes, found["new_close"].astype(str), found["new_source_file"], strict=True)
    assert sorted(rows) == expected
    for row in found.itertuples():
        first = old[(old["expiry"] == row.expiry) & (old["open_time"] == row.open_time)].iloc[0]
        assert (first["source_file"], first["source_row"]) == (row.old_source_file, row.old_source_row)
