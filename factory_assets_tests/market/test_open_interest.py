"""The file of open interest: read as written or refused with its line; known only once it was published."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.expiry import delivery_index_of
from factory_assets.market.open_interest import (
    BYTES_MAX,
    HEADER,
    OPEN_INTEREST_FILE,
    PublishedOpenInterest,
    read_open_interest,
    require_extension,
)
from factory_assets.market.readers import data_files
from factory_assets.vocabulary import schemas
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
from factory_assets.vocabulary.frames import to_table
from factory_assets_tests.market.gold_worlds import MGC

GOOD = f"{HEADER}\n2022-01-26,MGCG2,35120\n2022-01-26,MGCJ2,60000\n2022-01-27,MGCG2,12000\n2022-01-27,MGCJ2,80500\n"


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def read(folder: Path, content: str | bytes) -> pd.DataFrame:
    data = content.encode() if isinstance(content, str) else content
    (folder / OPEN_INTEREST_FILE).write_bytes(data)
    return read_open_interest(folder, MGC)


def test_a_good_file_and_when_it_is_known(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    assert found["open_interest"].tolist() == [35120, 60000, 12000, 80500]
    assert found["expiry"].tolist() == ["MGCG2", "MGCJ2"] * 2
    # Wednesday's figures come out on Thursday morning, within Thursday's session: Friday's open is the first to know.
    # Thursday's wait for Monday.
    assert found["usable_from"].dt.strftime("%a %d").tolist() == ["Fri 28"] * 2 + ["Mon 31"] * 2
    table = to_table(found.assign(contract=pd.Categorical(["MGC"] * 4)), schemas.OPEN_INTEREST)
    assert table.num_rows == 4


def test_a_holiday_session_publishes_nothing(tmp_path: Path) -> None:
    # Martin Luther King's day 2022-01-17 trades until 13:30, but nothing is cleared: Friday's figures come out on
    # Tuesday morning, within Tuesday's session. The same before Thanksgiving, whose Friday is a short one too.
    days = ["2022-01-13", "2022-01-14", "2022-01-17", "2022-01-18", "2022-11-23", "2022-11-24", "2022-11-25"]
    found = read(tmp_path, "\n".join([HEADER, *(f"{text},MGCZ2,{number}" for number, text in enumerate(days))]))
    usable = ["01-17", "01-19", "01-19", "01-20", "11-29", "11-29", "11-29"]
    assert found["usable_from"].dt.strftime("%m-%d").tolist() == usable
    known = PublishedOpenInterest(found, MGC)
    december = delivery_index_of("MGCZ2", day("2022-01-13"))
    assert [known.known_at(day(text)) for text in ("2022-01-18", "2022-01-19", "2022-11-29")] == [
        {december: 0},
        {december: 2},
        {december: 6},
    ]


def test_spelling_that_means_the_same(tmp_path: Path) -> None:
    shuffled = HEADER.upper() + "\r\n" + "\r\n".join(reversed(GOOD.splitlines()[1:])) + "\r\n\r\n"
    pd.testing.assert_frame_equal(read(tmp_path, GOOD), read(tmp_path, b"\xef\xbb\xbf" + shuffled.encode()))
    assert len(read(tmp_path, HEADER)) == 0


def test_no_file_is_no_open_interest(tmp_path: Path) -> None:
    assert read_open_interest(tmp_path, MGC).empty


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: expected the header"),
        (GOOD.replace("trade_date", "date"), "line 1: expected the header"),
        (GOOD + "2022-01-28,MGCG2\n", "line 6: 2 fields"),
        (GOOD + "2022-01-28,MGCG2,1,2\n", "line 6: 4 fields"),
        (GOOD + "2022-01-29,MGCG2,1\n", "line 6: trade_date '2022-01-29'"),
        (GOOD + "20220128,MGCG2,1\n", "line 6: trade_date"),
        (GOOD + "2565-01-28,MGCG2,1\n", "line 6: trade_date"),
        (GOOD + "1970-01-01,MGCG2,1\n", "line 6: trade_date"),
        (GOOD + "2022-02-30,MGCG2,1\n", "line 6: trade_date"),
        (GOOD + "\u0662022-01-28,MGCG2,1\n", "line 6: trade_date"),
        (GOOD + "2022-01-28,MGCG2-MGCJ2,1\n", "line 6: expiry 'MGCG2-MGCJ2'"),
        (GOOD + "2022-01-28,MGCG2,-1\n", "line 6: open_interest '-1'"),
        (GOOD + "2022-01-28,MGCG2,1.5\n", "line 6: open_interest"),
        (GOOD + "2022-01-28,MGCG2,nan\n", "line 6: open_interest"),
        (GOOD + "2022-01-28,MGCG2,inf\n", "line 6: open_interest"),
        (GOOD + "2022-01-28,MGCG2,²\n", "line 6: open_interest"),
        (GOOD + "2022-01-28,MGCG2,99999999999\n", "line 6: open_interest"),
        (GOOD + "2022-01-26,MGCG2,35120\n", "line 6: MGCG2 of 2022-01-26 again, first in line 2"),
        (GOOD + "2022-01-26,MGCG22,1\n", "line 6: MGCG22 of 2022-01-26 again, first in line 2"),
        (GOOD.encode() + b"2022-01-28,MGC\xff2,1\n", "line 6: not UTF-8"),
        (GOOD.encode("utf-16"), "line 1: not UTF-8"),
        (GOOD + "x\n" * 9, "and 4 more"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read(tmp_path, content)


def test_other_products_folders_and_sizes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ForeignContractError, match="line 6: open interest of MESH2"):
        read(tmp_path, GOOD + "2022-01-28,MESH2,1\n")
    monkeypatch.setattr("factory_assets.market.open_interest.BYTES_MAX", 100)
    with pytest.raises(BadInputError, match="at most 100"):
        read(tmp_path, GOOD)
    assert BYTES_MAX > 100 * 366 * 12 * 30  # a century of a dozen months
    path = tmp_path / OPEN_INTEREST_FILE
    path.unlink()
    path.mkdir()
    with pytest.raises(BadInputError, match="found a folder"):
        read_open_interest(tmp_path, MGC)
    path.rmdir()
    path.symlink_to(tmp_path / "nothing")
    with pytest.raises(BadInputError, match="no plain file"):
        read_open_interest(tmp_path, MGC)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(GOOD.splitlines()),
            st.text(max_size=30),
            st.tuples(
                st.sampled_from(["2022-01-26", "2022-01-30", "9999-99-99", ""]),
                st.sampled_from(["MGCG2", "MGCZ99", "MGC", "MGCG2026"]),
                st.one_of(st.integers(-(10**12), 10**12).map(str), st.floats().map(str)),
            ).map(",".join),
        ),
        max_size=8,
    ),
    st.binary(max_size=6),
    st.booleans(),
)
def test_any_bytes_are_rows_or_one_typed_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], noise: bytes, headed: bool
) -> None:
    data = "\n".join([HEADER] * headed + lines).encode("utf-8", "surrogatepass") + noise
    try:
        found = read(tmp_path_factory.mktemp("oi"), data)
    except BadInputError:
        return
    assert not found.duplicated(["trade_date", "expiry"]).any()
    assert (found["open_interest"] >= 0).all()
    assert (found["usable_from"] > found["trade_date"]).all()


def test_it_is_no_file_of_minutes(tmp_path: Path) -> None:
    read(tmp_path, GOOD)
    (tmp_path / "a.dbn.zst").write_bytes(b"")
    assert data_files(tmp_path) == ("databento_dbn", [tmp_path / "a.dbn.zst"])


def test_each_session_knows_what_was_published_before_its_open(tmp_path: Path) -> None:
    known = PublishedOpenInterest(read(tmp_path, GOOD), MGC)
    february, april = (delivery_index_of(name, day("2022-01-26")) for name in ("MGCG2", "MGCJ2"))
    assert known.known_at(day("2022-01-27")) is None
    assert known.known_at(day("2022-01-28")) == {february: 35120, april: 60000}
    assert known.known_at(day("2022-01-31")) == {february: 12000, april: 80500}
    assert known.known_at(day("2022-02-07")) == {february: 12000, april: 80500}
    with pytest.raises(BadInputError, match=r"session 2022-02-08 is of 2022-01-27, 8 sessions before; at most 7"):
        known.known_at(day("2022-02-08"))


def test_nothing_to_go_by_is_said() -> None:
    with pytest.raises(BadInputError, match=r"needs open_interest\.csv"):
        PublishedOpenInterest(None, MGC)


def test_a_file_may_grow_and_never_take_back(tmp_path: Path) -> None:
    held = read(tmp_path, GOOD)
    require_extension(held, read(tmp_path, GOOD + "2022-01-28,MGCJ2,90000\n"), "new")
    require_extension(held.iloc[:0], held, "new")
    for content in (
        GOOD.replace("80500", "80501"),
        GOOD.replace("2022-01-26,MGCG2,35120\n", ""),
        GOOD + "2022-01-26,MGCM2,5\n",
        HEADER,
    ):
        with pytest.raises(BadInputError, match="only add later trade dates"):
            require_extension(held, read(tmp_path, content), "new")
    assert np.array_equal(held["open_interest"], [35120, 60000, 12000, 80500])


def test_late_figures_may_not_move_rolls_that_stored_bars_made(tmp_path: Path) -> None:
    """Bars of 10 to 14 January by the figures of the 7th hold G2; the 10th's, added, would roll to J2 on the 12th."""
    first = f"{HEADER}\n2022-01-07,MGCG2,900\n2022-01-07,MGCJ2,200\n"
    tenth = "2022-01-10,MGCG2,100\n2022-01-10,MGCJ2,900\n"
    held, late = read(tmp_path, first), read(tmp_path, first + tenth)
    assert late["usable_from"].iloc[-1] == pd.Timestamp("2022-01-12")
    stored = day("2022-01-14")
    with pytest.raises(BadInputError, match=r"1 trade date, 2022-01-10, .*2022-01-12.* to 2022-01-14.*take .* away"):
        require_extension(held, late, "new", rolled_until_day=stored)
    more = read(tmp_path, first + tenth + "2022-01-12,MGCJ2,900\n2022-01-13,MGCJ2,900\n")  # the 13th's are for the 17th
    with pytest.raises(BadInputError, match="of 2 trade dates, 2022-01-10 to 2022-01-12, "):
        require_extension(held, more, "new", rolled_until_day=stored)
    with pytest.raises(BadInputError, match="2022-01-10"):
        require_extension(held, late, "new", rolled_until_day=day("2022-01-12"))  # the very session they are for
    require_extension(held, late, "new", rolled_until_day=day("2022-01-11"))
    require_extension(held, late, "new")
    require_extension(held, read(tmp_path, first + "2022-01-13,MGCJ2,900\n"), "new", rolled_until_day=stored)
    require_extension(held.iloc[:0], late, "new", rolled_until_day=stored)
    require_extension(late, late, "new", rolled_until_day=stored)
