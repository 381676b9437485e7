"""DBN files: known records, Databento's own decoder as oracle, and every way a file can be wrong."""

from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from factory_assets.market.readers import read_file, read_folder
from factory_assets.market.readers.declaration import Declaration
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError, UserError
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.market.dbn_files import UNDEFINED_PRICE, dbn_bytes, write_dbn

MES, MGC = instrument("MES"), instrument("MGC")
DBN = Declaration(format="databento_dbn", contract="MGC")
NS = 1_000_000_000
T0 = 1_642_000_000 // 60 * 60 * NS
JANUARY = (date(2022, 1, 1), date(2022, 2, 1))
ROWS = [
    (7, T0, (1820.1, 1820.5, 1819.9, 1820.2), 12),
    (9, T0, (3.2, 3.3, -3.1, 3.2), 4),
    (8, T0 + 60 * NS, (1825.0, 1825.0, 1825.0, 1825.0), 1),
    (7, T0 + 60 * NS, (1820.2, UNDEFINED_PRICE, 1820.0, 1820.1), 0),
]
NAMES = [("MGCG2", *JANUARY, 7), ("MGCJ2", *JANUARY, 8), ("MGCG2-MGCJ2", *JANUARY, 9)]


def read(path: Path, product=MGC):
    return read_file(path, product, DBN)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("name", ["a.dbn", "a.dbn.zst"])
def test_known_records(tmp_path: Path, version: int, name: str) -> None:
    found = read(write_dbn(tmp_path / name, dbn_bytes(NAMES, ROWS, version=version)))
    assert (found.rows_read, found.spread_rows) == (4, 1)
    minutes = found.minutes
    assert minutes["expiry"].astype(str).tolist() == ["MGCG2", "MGCJ2", "MGCG2"]
    assert minutes["source_file"].astype(str).unique().tolist() == [name]
    assert minutes["open_time"].tolist() == [pd.Timestamp(t, tz="UTC") for t in (T0, T0 + 60 * NS, T0 + 60 * NS)]
    assert minutes.loc[0, ["open", "high", "low", "close", "volume"]].tolist() == [1820.1, 1820.5, 1819.9, 1820.2, 12.0]
    assert np.isnan(minutes.loc[2, "high"]), "an undefined price is a missing value, not 9.2 billion"


def test_an_id_that_changes_its_symbol_is_resolved_by_date(tmp_path: Path) -> None:
    middle = date(2022, 1, 13)
    names = [("MGCG2", date(2022, 1, 1), middle, 7), ("MGCJ2", middle, date(2022, 2, 1), 7)]
    before, after = pd.Timestamp("2022-01-12 23:59").value, pd.Timestamp("2022-01-13 00:00").value
    rows = [(7, after, (1.0,) * 4, 1), (7, before, (2.0,) * 4, 1)]
    minutes = read(write_dbn(tmp_path / "a.dbn", dbn_bytes(names, rows))).minutes
    assert minutes["expiry"].astype(str).tolist() == ["MGCJ2", "MGCG2"]


def test_each_row_takes_the_name_its_id_had_that_day(tmp_path: Path) -> None:
    """Ids that pass through many names, and names through many ids: against looking up every row by itself."""
    rng = np.random.default_rng(12)
    months, days = ["MGCG2", "MGCJ2", "MGCM2", "MGCQ2"], [date(2022, 1, day) for day in range(1, 31)]
    names, wanted = [], {}
    for number in range(1, 9):
        cuts = [0, *sorted(rng.choice(np.arange(1, 29), rng.integers(0, 6), replace=False).tolist()), 29]
        for first, last in pairwise(cuts):
            month = months[rng.integers(4)]
            names.append((month, days[first], days[last], number))
            wanted |= {(number, day): month for day in range(first, last)}
    picks = [
        (int(number), int(day)) for number, day in zip(rng.integers(1, 9, 400), rng.integers(0, 29, 400), strict=True)
    ]
    rows = [
        (number, pd.Timestamp(days[day]).value + int(minute) * 60 * NS, (1.0,) * 4, int(minute))
        for (number, day), minute in zip(picks, rng.integers(0, 1440, 400), strict=True)
    ]
    order = rng.permutation(len(names))
    content = dbn_bytes([names[place] for place in order], rows, version=3)
    minutes = read(write_dbn(tmp_path / "a.dbn", content)).minutes
    assert minutes["expiry"].astype(str).tolist() == [wanted[pick] for pick in picks]


def test_a_header_that_states_too_much_is_refused(tmp_path: Path) -> None:
    content = dbn_bytes(NAMES, ROWS)
    write_dbn(tmp_path / "a.dbn", content[:4] + (2**31).to_bytes(4, "little") + content[8:])
    with pytest.raises(BadInputError, match=r"header: it states 2,147,483,656 bytes"):
        read(tmp_path / "a.dbn")
    days = [date.fromordinal(date(2020, 1, 1).toordinal() + number) for number in range(402)]
    turns = [(("MGCG2", "MGCJ2")[number % 2], days[number], days[number + 1], 7) for number in range(401)]
    with pytest.raises(BadInputError, match="id 7 has more than 400 symbols in turn"):
        read(write_dbn(tmp_path / "b.dbn", dbn_bytes(turns, [(7, pd.Timestamp(days[0]).value, (1.0,) * 4, 1)])))


def test_a_day_in_the_header_that_is_none_is_refused(tmp_path: Path) -> None:
    content = dbn_bytes(NAMES, ROWS)
    day = (20220101).to_bytes(4, "little")
    assert content.count(day) == 3
    for wrong in (101, 20221350, 0, 2**32 - 1):
        write_dbn(tmp_path / "a.dbn", content.replace(day, wrong.to_bytes(4, "little"), 1))
        with pytest.raises(BadInputError, match=r"a\.dbn: truncated or damaged DBN header"):
            read(tmp_path / "a.dbn")


def test_a_record_without_a_symbol_is_an_error(tmp_path: Path) -> None:
    late = pd.Timestamp("2022-02-01").value
    path = write_dbn(tmp_path / "a.dbn", dbn_bytes(NAMES, [*ROWS, (7, late, (1.0,) * 4, 1)]))
    with pytest.raises(BadInputError, match=r"1 records without a symbol.*instrument id 7 at 2022-02-01"):
        read(path)


def test_another_product_is_refused(tmp_path: Path) -> None:
    path = write_dbn(tmp_path / "a.dbn", dbn_bytes([*NAMES[1:], ("MESH2", *JANUARY, 7)], ROWS))
    with pytest.raises(ForeignContractError, match="MESH2"):
        read(path)
    whole = write_dbn(tmp_path / "b.dbn", dbn_bytes(NAMES, ROWS))
    with pytest.raises(ForeignContractError, match="not MES"):
        read(whole, MES)


def test_damage_is_named(tmp_path: Path) -> None:
    content = dbn_bytes(NAMES, ROWS)
    packed = pa.compress(content, codec="zstd", asbytes=True)
    for size in (10, len(packed) // 2, len(packed) - 1):
        (tmp_path / "cut.dbn.zst").write_bytes(packed[:size])
        with pytest.raises(BadInputError, match=r"cut\.dbn\.zst"):
            read(tmp_path / "cut.dbn.zst")
    write_dbn(tmp_path / "cut.dbn", content[:-1])
    with pytest.raises(BadInputError, match=r"truncated.*last whole record: 3"):
        read(tmp_path / "cut.dbn")
    for size in (0, 5, 9, 60):
        write_dbn(tmp_path / "cut.dbn", content[:size])
        with pytest.raises(BadInputError, match="DBN"):
            read(tmp_path / "cut.dbn")
    write_dbn(tmp_path / "new.dbn", content[:3] + b"\x09" + content[4:])
    with pytest.raises(BadInputError, match="version 9"):
        read(tmp_path / "new.dbn")


def test_any_damage_is_read_or_refused_in_words(tmp_path: Path) -> None:
    content, rng = dbn_bytes(NAMES, ROWS), np.random.default_rng(8)
    refused: list[str] = []
    for trial in range(600):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        path = write_dbn(
            tmp_path / "a.dbn", bytes(damaged[: rng.integers(len(content))] if trial % 3 == 0 else damaged)
        )
        try:
            found = read(path)
        except UserError as problem:
            refused.append(str(problem))
        else:
            assert found.rows_read == len(found.minutes) + found.spread_rows
    assert 300 < len(refused) < 600
    assert all("a.dbn" in message for message in refused)


def test_a_single_raw_symbol_is_read(tmp_path: Path) -> None:
    content = dbn_bytes([("MGCG2", *JANUARY, 7)], [ROWS[0], ROWS[3]], stype_in="RAW_SYMBOL", version=3)
    minutes = read(write_dbn(tmp_path / "a.dbn", content)).minutes
    assert minutes["expiry"].astype(str).tolist() == ["MGCG2", "MGCG2"]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_records_with_a_sending_time_hold_the_same_bars(tmp_path: Path, version: int) -> None:
    plain = read(write_dbn(tmp_path / "a.dbn", dbn_bytes(NAMES, ROWS, version=version)))
    sent = read(write_dbn(tmp_path / "b" / "a.dbn", dbn_bytes(NAMES, ROWS, version=version, ts_out=True)))
    assert sent.spread_rows == plain.spread_rows == 1
    pd.testing.assert_frame_equal(sent.minutes, plain.minutes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "OHLCV_1S"}, "schema ohlcv-1s, expected ohlcv-1m"),
        ({"schema": "OHLCV_1H"}, "schema ohlcv-1h, expected ohlcv-1m"),
        ({"schema": "TRADES"}, "schema trades, expected ohlcv-1m"),
        ({"stype_in": "INSTRUMENT_ID"}, "instrument_id to instrument_id: it does not name the delivery month"),
        ({"rtype": 32}, "record 1 is no one-minute bar"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = write_dbn(tmp_path / "a.dbn", dbn_bytes(NAMES, ROWS, **change))
    with pytest.raises(BadInputError, match=message):
        read(path)


def test_a_real_file_equals_databentos_own_decoder(real_data: Path) -> None:
    import databento_dbn

    path = real_data / "MGC_databento" / "glbx-mdp3-20201220-20201231.ohlcv-1m.dbn.zst"
    found = read(path)
    decoder = databento_dbn.DBNDecoder()
    decoder.write(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd").read())
    metadata, *records = decoder.decode()
    names = {int(i["symbol"]): name for name, spans in metadata.mappings.items() for i in spans}
    expected = [
        (names[r.instrument_id], r.ts_event, r.open, r.high, r.low, r.close, r.volume)
        for r in records
        if "-" not in names[r.instrument_id]
    ]
    assert (found.rows_read, found.spread_rows, len(expected)) == (16_444, 2_649, 13_795)
    minutes = found.minutes
    got = list(
        zip(
            minutes["expiry"].astype(str),
            minutes["open_time"].astype("int64") * 1_000,
            *((minutes[name] * 1e9).round().astype("int64") for name in ("open", "high", "low", "close")),
            minutes["volume"].astype("int64"),
            strict=True,
        )
    )
    assert got == expected


def test_the_real_folder_is_read_whole(real_data: Path) -> None:
    found = read_folder(real_data / "MGC_databento", MGC)
    assert found.counts == {
        "files_read": 25,
        "files_ignored": 0,
        "rows_read": 1_255_201,
        "spread_rows": 250_928,
        "raw_rows": 1_004_273,
        "superseded_rows": 0,
        "ignored_columns": 0,
        "volume_meaning": "contracts",
        "series": "months",
    }
    assert found.sources["rows_read"].sum() == 1_255_201
    assert found.sources["sha256"].str.len().eq(64).all()
    assert found.sources["sha256"].nunique() == 25
