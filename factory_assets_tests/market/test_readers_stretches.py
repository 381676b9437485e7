"""Continuous series of Databento: declared months against the instrument ids, by hand-placed rows. All files are made.

MGC trades 17:00 to 16:00 Chicago, so in January the session of trade date D opens at 23:00 UTC of the day before.
"""

import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from factory_assets.market.readers import declaration_from, read_file, read_folder
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.detection import propose
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.market.dbn_files import dbn_bytes, write_dbn

MGC = instrument("MGC")
YEAR = (date(2021, 12, 1), date(2022, 3, 1))
SERIES = "MGC.v.0"
# Wednesday 2022-01-26: Databento moves to the April contract at midnight UTC, an hour into the session.
SWITCH = date(2022, 1, 26)
IDS = [(SERIES, YEAR[0], SWITCH, 70), (SERIES, SWITCH, YEAR[1], 81)]
STRETCHES = {"2021-11-29": "MGCG2", "2022-01-26": "MGCJ2"}


def bar(moment: str, number: int) -> tuple[int, int, tuple[float, float, float, float], int]:
    return (number, pd.Timestamp(moment, tz="UTC").value, (1820.0, 1820.5, 1819.5, 1820.0), 3)


ROWS = [
    bar("2022-01-24 15:00", 70),
    bar("2022-01-25 21:59", 70),  # last minute of trade date 01-25
    bar("2022-01-25 23:00", 70),  # first of trade date 01-26, still the old month
    bar("2022-01-25 23:59", 70),
    bar("2022-01-26 00:00", 81),
    bar("2022-01-27 15:00", 81),
]
# The session of 01-26 is the new month's alone: two rows of the month before are left out.
KEPT = [0, 1, 4, 5]
WANTED = ["MGCG2", "MGCG2", "", "", "MGCJ2", "MGCJ2"]


def wanted(places: Iterable[int]) -> list[str]:
    return [WANTED[place] for place in places if WANTED[place]]


def read(folder: Path, rows, mappings=None, *, stretches=STRETCHES, **form) -> pd.DataFrame:
    content = dbn_bytes(IDS if mappings is None else mappings, rows, stype_in="CONTINUOUS", **form)
    declaration = Declaration(format="databento_dbn", contract="MGC", expiry_from=stretches)
    return read_file(write_dbn(folder / "a.dbn.zst", content), MGC, declaration).minutes


@pytest.mark.parametrize("version", [1, 2, 3])
def test_each_row_is_the_month_its_id_traded_in(tmp_path: Path, version: int) -> None:
    minutes = read(tmp_path, ROWS, version=version)
    assert minutes["expiry"].astype(str).tolist() == wanted(range(6))
    assert minutes["open_time"].astype("int64").tolist() == [ROWS[place][1] // 1_000 for place in KEPT]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    content = dbn_bytes(IDS, ROWS, stype_in="CONTINUOUS")
    declaration = Declaration(format="databento_dbn", contract="MGC", expiry_from=STRETCHES)
    found = read_file(write_dbn(tmp_path / "a.dbn", content), MGC, declaration)
    assert (found.rows_read, found.spread_rows, found.superseded_rows, len(found.minutes)) == (6, 0, 2, 4)


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(ROWS))
        minutes = read(tmp_path, [ROWS[place] for place in order])
        assert minutes["expiry"].astype(str).tolist() == wanted(order)


def test_a_file_that_begins_inside_a_stretch_or_at_its_start(tmp_path: Path) -> None:
    assert read(tmp_path, ROWS[:2])["expiry"].astype(str).tolist() == ["MGCG2"] * 2
    assert read(tmp_path, ROWS[4:])["expiry"].astype(str).tolist() == ["MGCJ2"] * 2
    assert read(tmp_path, ROWS[5:])["expiry"].astype(str).tolist() == ["MGCJ2"]
    # Both ids on the one trade date the stretch begins with: the first of them is still the month before.
    assert read(tmp_path, ROWS[2:])["expiry"].tolist() == wanted(range(2, 6))
    # Files that end before the month changes within the session, as daily downloads do.
    assert read(tmp_path, ROWS[:3])["expiry"].tolist() == wanted(range(3))
    assert read(tmp_path, ROWS[1:4])["expiry"].tolist() == wanted(range(1, 4))
    assert len(read(tmp_path, [])) == 0


def test_an_hour_that_may_be_of_either_month_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"before midnight UTC of trade date 2022-01-26.*either month"):
        read(tmp_path, ROWS[2:4])


def test_a_switch_on_a_sunday_counts_to_mondays_session(tmp_path: Path) -> None:
    ids = [(SERIES, YEAR[0], date(2022, 1, 30), 70), (SERIES, date(2022, 1, 30), YEAR[1], 81)]
    rows = [bar("2022-01-28 21:59", 70), bar("2022-01-30 23:00", 81)]
    minutes = read(tmp_path, rows, ids, stretches={"2021-11-29": "MGCG2", "2022-01-31": "MGCJ2"})
    assert minutes["expiry"].astype(str).tolist() == ["MGCG2", "MGCJ2"]


def test_without_a_declaration_the_lines_to_write_are_shown(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        read(tmp_path, ROWS, stretches={})
    message = str(caught.value)
    assert "[expiry_from]" in message
    assert '"2022-01-24" = "..."   # instrument id 70' in message
    assert '"2022-01-26" = "..."   # instrument id 81' in message


@pytest.mark.parametrize(
    ("stretches", "message"),
    [
        ({"2021-11-29": "MGCG2"}, r"id changes from 70 to 81 on trade date 2022-01-26.*Add the month.*\"2022-01-26\""),
        ({"2021-11-29": "MGCG2", "2022-01-25": "MGCJ2"}, "changes from 70 to 81 on trade date 2022-01-26"),
        ({"2021-11-29": "MGCG2", "2022-01-27": "MGCJ2"}, "changes from 70 to 81 on trade date 2022-01-26"),
        (STRETCHES | {"2022-01-27": "MGCM2"}, r"new month from 2022-01-27.*changes on \['2022-01-26'\]"),
        ({"2022-01-26": "MGCJ2"}, "first row is of trade date 2022-01-24, .expiry_from. begins with 2022-01-26"),
        ({"2021-11-29": "MGCG2", "2022-01-26": "MGCG2"}, "instrument id 81 .*MGCG2, which id 70 is too"),
        ({"2021-11-29": "MESH2", "2022-01-26": "MESM2"}, "not MGC"),
    ],
)
def test_a_declaration_the_ids_contradict_is_refused(tmp_path: Path, stretches: dict[str, str], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read(tmp_path, ROWS, stretches=stretches)


def test_one_id_under_a_declared_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"does not change there \(one id, 81, from 2022-01-26 on"):
        read(tmp_path, ROWS[4:], stretches=STRETCHES | {"2022-01-27": "MGCM2"})


def test_an_id_that_comes_back_cannot_be_declared_as_another_month(tmp_path: Path) -> None:
    ids = [
        (SERIES, YEAR[0], SWITCH, 70),
        (SERIES, SWITCH, date(2022, 1, 27), 81),
        (SERIES, date(2022, 1, 27), YEAR[1], 70),
    ]
    rows = [*ROWS[:5], bar("2022-01-27 15:00", 70)]
    with pytest.raises(BadInputError, match=r"id 70 \(from trade date 2022-01-27\) both MGCG2 and MGCM2"):
        read(tmp_path, rows, ids, stretches=STRETCHES | {"2022-01-27": "MGCM2"})


def test_other_series_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ForeignContractError, match=r"MES\.v\.0.*not MGC"):
        read(tmp_path, ROWS, [(name.replace("MGC", "MES"), *rest) for name, *rest in IDS])
    both = [("MGC.c.0", *YEAR, 70), ("MGC.c.1", *YEAR, 81)]
    with pytest.raises(BadInputError, match="several continuous series"):
        read(tmp_path, ROWS, both)
    with pytest.raises(BadInputError, match="no continuous symbols"):
        read(tmp_path, ROWS, [("MGCG2", *YEAR, 70), ("MGCJ2", *YEAR, 81)])
    parent = dbn_bytes([("MGCG2", *YEAR, 70), ("MGCJ2", *YEAR, 81)], ROWS)
    declaration = Declaration(format="databento_dbn", contract="MGC", expiry_from=STRETCHES)
    with pytest.raises(BadInputError, match=r"names the month of each row itself. Remove \[expiry_from\]"):
        read_file(write_dbn(tmp_path / "p.dbn", parent), MGC, declaration)


def test_times_of_another_age_are_refused_with_the_file(tmp_path: Path) -> None:
    mappings = [(SERIES, date(1960, 1, 1), date(2500, 1, 1), 70)]
    for moment in ("1970-01-01 00:00", "2200-01-01 00:00"):
        with pytest.raises(BadInputError, match=r"a\.dbn\.zst"):
            read(tmp_path, [bar(moment, 70), *ROWS[:2]], mappings)


def test_a_folder_is_declared_by_contract_and_stretches(tmp_path: Path) -> None:
    write_dbn(tmp_path / "a.dbn", dbn_bytes(IDS, ROWS[:3], stype_in="CONTINUOUS"))
    write_dbn(tmp_path / "b.dbn", dbn_bytes(IDS, ROWS[3:], stype_in="CONTINUOUS"))
    with pytest.raises(BadInputError, match=r"\[expiry_from\]"):
        read_folder(tmp_path, MGC)
    declaration = declaration_from(
        {"format": "databento_dbn", "contract": "MGC", "expiry_from": dict(STRETCHES)}, "source.toml"
    )
    (tmp_path / "source.toml").write_text(declaration.to_toml())
    found = read_folder(tmp_path, MGC)
    assert found.declaration.is_continuous
    assert found.counts["series"] == "continuous"
    assert found.minutes["expiry"].astype(str).tolist() == wanted(range(6))
    assert (found.counts["rows_read"], found.counts["superseded_rows"], found.counts["raw_rows"]) == (6, 2, 4)
    assert found.sources["superseded_rows"].tolist() == [1, 1]


def test_a_proposal_leaves_the_months_to_the_user(tmp_path: Path) -> None:
    write_dbn(tmp_path / "a.dbn", dbn_bytes(IDS, ROWS, stype_in="CONTINUOUS"))
    proposal = propose(tmp_path, MGC)
    assert proposal.needed
    content = tomllib.loads(proposal.text)
    assert content == {"format": "databento_dbn", "contract": "MGC", "confirmed": False, "expiry_from": {}}
    write_dbn(tmp_path / "a.dbn", dbn_bytes([("MGCG2", *YEAR, 70), ("MGCJ2", *YEAR, 81)], ROWS))
    assert not propose(tmp_path, MGC).needed


def test_runs_equal_a_plain_walk_over_sorted_rows(tmp_path: Path) -> None:
    """A year with rolls every month, rows shuffled: compare with reading the rows one by one."""
    rng = np.random.default_rng(4)
    months = ["MGCG2", "MGCJ2", "MGCM2", "MGCQ2", "MGCV2", "MGCZ2"]
    switches = [date(2022, 1, 3), *sorted({date(2022, month, int(rng.integers(2, 27))) for month in (3, 5, 7, 9, 11)})]
    ids = [11, 22, 33, 44, 55, 66]
    ends = [*switches[1:], date(2023, 1, 1)]
    mappings = [(SERIES, *span, number) for number, *span in zip(ids, switches, ends, strict=True)]
    sessions = SessionCalendar.of(MGC).between(date(2022, 1, 4), date(2022, 12, 30))
    rows, day_of, run_of, first_day = [], [], [], {}
    for day, open_us in zip(sessions.trade_day, sessions.open_us, strict=True):
        for minute in sorted(rng.integers(0, 1300, 6)):
            moment = int(open_us) * 1_000 + int(minute) * 60_000_000_000
            utc_day = pd.Timestamp(moment, unit="ns").date()
            run = max(place for place, start in enumerate(switches) if start <= utc_day)
            rows.append((ids[run], moment, (1820.0,) * 4, int(minute)))
            run_of.append(run)
            day_of.append(str(np.datetime64(int(day), "D")))
            first_day.setdefault(run, day_of[-1])
    stretches = {first_day[run]: months[run] for run in range(len(ids))}
    late = [day == first_day.get(run + 1) for run, day in zip(run_of, day_of, strict=True)]
    order = rng.permutation(len(rows))
    minutes = read(tmp_path, [rows[place] for place in order], mappings, stretches=stretches)
    assert minutes["expiry"].astype(str).tolist() == [months[run_of[place]] for place in order if not late[place]]
    assert len(rows) > 1_400
    assert len(set(run_of)) == 6
    assert 0 < sum(late) < 12
