"""Parquet: every type a time or a price may come in, and files that lie, hide or break. All files are made."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factory_assets.market.readers import parquet, read_file
from factory_assets.market.readers.declaration import Declaration
from factory_assets.vocabulary.errors import BadInputError, NaiveTimestampError, UserError
from factory_assets.vocabulary.instruments import instrument

MES = instrument("MES")
NAMES = {name: name for name in ("time", "open", "high", "low", "close", "volume")}
# Sunday 2026-03-08 is the first day of summer time in New York: 18:00 there is 22:00 UTC, a day before 23:00.
TIMES = pd.DatetimeIndex(["2026-03-06 23:00", "2026-03-08 22:00", "2026-03-08 22:01"], tz="UTC")
PRICES = [6900.25, 6901.0, 6900.75]


def table(**columns: object) -> pa.Table:
    plain = {"time": pa.array(TIMES.as_unit("us"))} | {
        name: pa.array(PRICES) for name in ("open", "high", "low", "close")
    }
    plain |= {"volume": pa.array([1, 2, 3])}
    return pa.table({**plain, **columns})


def read(folder: Path, content: pa.Table, **declared: object) -> pd.DataFrame:
    pq.write_table(content, folder / "a.parquet")
    form = {"contract": "MES", "expiry": "MESH6", "timezone": "UTC", "columns": NAMES} | declared
    return read_file(folder / "a.parquet", MES, Declaration(format="parquet", **form)).minutes


@pytest.mark.parametrize(
    "kind",
    [
        pa.timestamp("us", "UTC"),
        pa.timestamp("ns", "UTC"),
        pa.timestamp("ms", "America/New_York"),
        pa.timestamp("s", "+05:30"),
        pa.timestamp("us", "Mars/Phobos"),
    ],
)
def test_times_with_a_zone_are_instants_in_any_unit(tmp_path: Path, kind: pa.DataType) -> None:
    stamps = pa.array(TIMES.as_unit("us")).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    scale = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}[kind.unit]
    values = np.asarray(stamps) // scale * (1_000 if kind.unit == "ns" else 1)
    minutes = read(tmp_path, table(time=pa.array(values).cast(kind)), timezone="")
    assert minutes["open_time"].tolist() == list(TIMES)


def test_times_without_a_zone_take_the_declared_one(tmp_path: Path) -> None:
    local = pa.array(TIMES.tz_convert("America/New_York").tz_localize(None).as_unit("ms"))
    for column in (local, local.cast(pa.string()), local.dictionary_encode()):
        minutes = read(tmp_path, table(time=column), timezone="America/New_York")
        assert minutes["open_time"].tolist() == list(TIMES)
        with pytest.raises(NaiveTimestampError):
            read(tmp_path, table(time=column), timezone="")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_times_and_months_as_text(tmp_path: Path, kind: pa.DataType) -> None:
    texts = pa.array([stamp.isoformat() for stamp in TIMES]).cast(kind)
    months = pa.array(["MESH6", "MESM6", "MESH6"]).cast(kind)
    columns = NAMES | {"expiry": "month"}
    minutes = read(tmp_path, table(time=texts, month=months), timezone="", columns=columns, expiry="")
    assert minutes["open_time"].tolist() == list(TIMES)
    assert minutes["expiry"].astype(str).tolist() == ["MESH6", "MESM6", "MESH6"]


def test_epoch_times_and_a_separate_date(tmp_path: Path) -> None:
    seconds = pa.array(TIMES.as_unit("us").asi8 // 1_000_000)
    assert read(tmp_path, table(time=seconds), time_format="epoch_s")["open_time"].tolist() == list(TIMES)
    clock = [stamp.time() for stamp in TIMES]
    split = table(time=pa.array(clock, pa.time32("s")), date=pa.array([stamp.date() for stamp in TIMES]))
    assert read(tmp_path, split, columns=NAMES | {"date": "date"})["open_time"].tolist() == list(TIMES)


@pytest.mark.parametrize(
    "kind",
    [pa.float32(), pa.decimal128(10, 2), pa.decimal256(40, 4), pa.dictionary(pa.int8(), pa.float64()), pa.float16()],
)
def test_prices_in_any_type_of_number(tmp_path: Path, kind: pa.DataType) -> None:
    values = (
        [Decimal("1900.25"), Decimal("1900.5"), Decimal("1900.75")] if pa.types.is_decimal(kind) else [1.25, 1.5, 1.75]
    )
    column = (
        pa.array([1.25, 1.5, 1.75]).dictionary_encode()
        if pa.types.is_dictionary(kind)
        else pa.array(np.array(values, np.float16) if kind == pa.float16() else values, kind)
    )
    assert read(tmp_path, table(high=column))["high"].tolist() == [float(value) for value in values]


def test_a_null_price_is_missing_and_volumes_add_up(tmp_path: Path) -> None:
    content = table(
        high=pa.array([6900.25, None, 6900.75]), up=pa.array([1, 2, 3]), down=pa.array([10, 20, 30], pa.uint8())
    )
    minutes = read(tmp_path, content, columns=NAMES | {"volume": ("up", "down")})
    assert np.isnan(minutes["high"]).tolist() == [False, True, False]
    assert minutes["volume"].tolist() == [11.0, 22.0, 33.0]
    without = {name: place for name, place in NAMES.items() if name != "volume"}
    assert read(tmp_path, content, columns=without, volume="none")["volume"].isna().all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"high": pa.array([[1.0], [2.0], [3.0]])}, "high = 'high' has type list.*expected a number"),
        ({"high": pa.array([{"a": 1.0}] * 3)}, "high = 'high' has type struct"),
        ({"high": pa.array([[("a", 1.0)]] * 3, pa.map_(pa.string(), pa.float64()))}, "has type map"),
        ({"high": pa.array(["1", "2", "3"])}, "has type string, expected a number"),
        ({"high": pa.array(["1", "2", "3"]).dictionary_encode()}, "expected a number"),
        ({"high": pa.array([True, False, True])}, "has type bool, expected a number"),
        ({"time": pa.array([[1], [2], [3]])}, "time = 'time' has type list"),
        ({"time": pa.array([b"a", b"b", b"c"])}, "time = 'time' has type binary"),
        ({"time": pa.array([1, 2, 3], pa.duration("s"))}, "time = 'time' has type duration"),
        ({"time": pa.array([1.5e9] * 3)}, "expected a timestamp, text, or a number of an epoch"),
        (
            {"time": pa.array([0, 1, 2**52], pa.timestamp("s", "UTC"))},
            r"row 3: a time of 4503599627370496000 ms since 1970",
        ),
        ({"time": pa.array([-(2**62), 1, 2], pa.timestamp("ns", "UTC"))}, "row 1: a time of -4611686018427387904 ns"),
        ({"time": pa.array([None, TIMES[0], TIMES[1]], pa.timestamp("us", "UTC"))}, "line 1"),
        ({"time": pa.array(["2026-03-06 23:00", None, "x"])}, "line 2|line 3"),
        ({"time": pa.array(["2026-03-06 23:00" + " " * 1_000_000] * 3)}, "a text of 1,000,016 characters"),
        ({"volume": pa.array([1, 2, 2**60 + 1])}, "column 'volume': Integer value 1152921504606846977 not in range"),
        ({"open": pa.nulls(3)}, "has type null, expected a number"),
    ],
)
def test_other_types_and_times_are_refused(tmp_path: Path, columns: dict[str, pa.Array], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, table(**columns))
    assert "a.parquet" in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_text_that_is_no_text_is_refused(tmp_path: Path) -> None:
    months = pa.array(["MESH6", "MESM6", "MESH6"])
    pq.write_table(table(month=months), tmp_path / "a.parquet", compression="none", store_schema=False)
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content.replace(b"MESM6", b"M\xe9\xffM6"))
    declaration = Declaration(format="parquet", contract="MES", columns=NAMES | {"expiry": "month"})
    with pytest.raises(BadInputError, match=r"a\.parquet: not a whole Parquet file.*(?i:utf-?8)"):
        read_file(tmp_path / "a.parquet", MES, declaration)


def test_what_a_file_states_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS_MAX", 2)
    with pytest.raises(BadInputError, match="it states 3 rows, at most 2 are read"):
        read(tmp_path, table())
    monkeypatch.setattr(parquet, "ROWS_MAX", 3)
    assert len(read(tmp_path, table())) == 3
    monkeypatch.setattr(parquet, "COLUMNS_MAX", 6)
    with pytest.raises(BadInputError, match="it states 7 columns"):
        read(tmp_path, table(more=pa.array([1, 2, 3])))
    monkeypatch.setattr(parquet, "UNPACKED_BYTES_MAX", 100)
    with pytest.raises(BadInputError, match=r"it states [\d,]+ unpacked bytes, at most 100"):
        read(tmp_path, table())


def test_a_text_repeated_a_million_times_is_kept_once(tmp_path: Path) -> None:
    """Sixty characters in each of half a million rows: as text 30 MB and more, as dictionary 2."""
    rows = 500_000
    month = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["M" * 60]))
    columns = {name: pa.array(np.ones(rows, np.int8)) for name in ("open", "high", "low", "close", "volume")}
    stamps = pa.array(np.full(rows, TIMES[0].value // 1_000)).cast(pa.timestamp("us", "UTC"))
    before = pa.total_allocated_bytes()
    with pytest.raises(BadInputError, match="no expiry names"):
        read(
            tmp_path,
            pa.table({"time": stamps, **columns, "month": month}),
            columns=NAMES | {"expiry": "month"},
            expiry="",
        )
    assert pa.total_allocated_bytes() - before < 15_000_000
    assert (tmp_path / "a.parquet").stat().st_size < 100_000


def test_encrypted_files_are_refused(tmp_path: Path) -> None:
    encryption = pytest.importorskip("pyarrow.parquet.encryption")

    class InMemory(encryption.KmsClient):
        def __init__(self, _: object) -> None:
            encryption.KmsClient.__init__(self)

        def wrap_key(self, key: bytes, _: str) -> bytes:
            return key.hex().encode()

        def unwrap_key(self, key: bytes, _: str) -> bytes:
            return bytes.fromhex(key.decode())

    factory = encryption.CryptoFactory(lambda config: InMemory(config))
    for plain_footer in (False, True):
        config = encryption.EncryptionConfiguration(
            footer_key="key", column_keys={"key": ["high"]}, plaintext_footer=plain_footer
        )
        properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), config)
        pq.write_table(table(), tmp_path / "a.parquet", encryption_properties=properties)
        declaration = Declaration(format="parquet", contract="MES", expiry="MESH6", columns=NAMES)
        with pytest.raises(BadInputError, match="not encrypted"):
            read_file(tmp_path / "a.parquet", MES, declaration)


def test_any_damage_is_read_or_refused_in_words(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.parquet", np.random.default_rng(6)
    columns = NAMES | {"expiry": "month"}
    declaration = Declaration(format="parquet", contract="MES", columns=columns)
    pq.write_table(table(month=pa.array(["MESH6", "MESM6", "MESH6"])), path, write_page_checksum=True)
    content, refused = path.read_bytes(), []
    for trial in range(200):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        path.write_bytes(bytes(damaged[: rng.integers(len(content))] if trial % 4 == 0 else damaged))
        try:
            read_file(path, MES, declaration)
        except UserError as problem:
            refused.append(str(problem))
    assert len(refused) > 100
    assert all("a.parquet" in message for message in refused)
