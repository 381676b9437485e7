"""DBN files: known records, Databento's own decoder as oracle, and every way a file can be wrong."""

from datetime import date
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "OHLCV_1S"}, "schema ohlcv-1s, expected ohlcv-1m"),
        ({"stype_in": "CONTINUOUS"}, "does not name the delivery month"),
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
        "volume_meaning": "contracts",
    }
    assert found.sources["rows_read"].sum() == 1_255_201
    assert found.sources["sha256"].str.len().eq(64).all()
    assert found.sources["sha256"].nunique() == 25
