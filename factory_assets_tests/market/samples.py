"""A small valid sample of every vendor format, written as the vendor would write it.

One writer a format, and a test holds that every registered reader has one. The shared tests (known values, hostile
input) run over :data:`SAMPLE_WRITERS`. All samples are made here; none is a copy of a vendor's data.
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from factory_assets.market.expiry import delivery_index_of
from factory_assets.market.readers.declaration import toml_key, toml_value
from factory_assets.vocabulary.instruments import Instrument, instrument
from factory_assets_tests.market.dbn_files import dbn_bytes, write_dbn

PRICES = ("open", "high", "low", "close")
FIRST_MINUTE = "2023-11-20 14:30"
_EXPIRIES = {"MES": ("MESZ3", "MESH4"), "NQ": ("NQZ3", "NQH4"), "MGC": ("MGCZ3", "MGCG4"), "SIM": ("SIMZ3", "SIMH4")}


def sample_minutes(product: str = "MES", *, minutes: int = 30, months: int = 1, seed: int = 5) -> pd.DataFrame:
    """Minutes of one or two delivery months on 2023-11-20, in session, on tick, all values valid.

    Returns
    -------
    DataFrame
        ``expiry``, ``open_time`` (UTC), ``open``, ``high``, ``low``, ``close``, ``volume``; ``minutes`` rows a month,
        sorted by expiry and time.
    """
    tick = instrument(product).tick_size
    rng = np.random.default_rng(seed)
    frames = []
    for number, expiry in enumerate(_EXPIRIES[product][:months]):
        close = 18_000 + 400 * number + np.cumsum(rng.integers(-4, 5, minutes))
        open_ = close + rng.integers(-3, 4, minutes)
        high = np.maximum(open_, close) + rng.integers(0, 3, minutes)
        low = np.minimum(open_, close) - rng.integers(0, 3, minutes)
        frames.append(
            pd.DataFrame(
                {
                    "expiry": expiry,
                    "open_time": pd.date_range(FIRST_MINUTE, periods=minutes, freq="min", tz="UTC", unit="us"),
                    **{
                        name: np.round(values * tick, 2)
                        for name, values in zip(PRICES, (open_, high, low, close), strict=True)
                    },
                    "volume": rng.integers(1, 900, minutes).astype(float),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def write_sample(format_name: str, folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    """Write data files of one format into a folder, and return the text of the ``source.toml`` that declares them.

    Formats whose files name no delivery month get one file a month; volume is left out where the vendor has none.

    Parameters
    ----------
    format_name : str
        Key of ``registry.READERS``.
    folder : Path
        Existing folder; the declaration is *not* written.
    minutes : DataFrame
        As :func:`sample_minutes` makes it.
    product : Instrument
        Product of the minutes.
    """
    return SAMPLE_WRITERS[format_name](folder, minutes, product)


def write_sample_folder(format_name: str, folder: Path, minutes: pd.DataFrame, product: Instrument) -> Path:
    """Data files and their ``source.toml``: a raw folder that can be read. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.toml").write_text(write_sample(format_name, folder, minutes, product), encoding="utf-8")
    return folder


SampleWriter = Callable[[Path, pd.DataFrame, Instrument], str]


def declared(format_name: str, product: Instrument, **keys: object) -> str:
    """Text of a declaration; a mapping becomes a section."""
    plain = {"format": format_name, "contract": product.symbol}
    plain |= {name: value for name, value in keys.items() if not isinstance(value, Mapping)}
    lines = [f"{name} = {toml_value(value)}" for name, value in plain.items()]
    for name, rows in keys.items():
        if isinstance(rows, Mapping):
            lines += ["", f"[{name}]", *(f"{toml_key(key)} = {toml_value(value)}" for key, value in rows.items())]
    return "\n".join(lines) + "\n"


def one_file_a_month(
    folder: Path, minutes: pd.DataFrame, suffix: str, text_of: Callable[[pd.DataFrame], str]
) -> dict[str, str]:
    """Write one text file for each delivery month; returns the month of each file."""
    months = {}
    for expiry, rows in minutes.groupby("expiry", sort=True):
        name = f"{str(expiry).lower()}{suffix}"
        (folder / name).write_bytes(text_of(rows).encode())
        months[name] = str(expiry)
    return months


def _local(rows: pd.DataFrame, zone: str, pattern: str, *, minutes_later: int = 0) -> pd.Series:
    moved = rows["open_time"].dt.tz_convert(zone) + pd.Timedelta(minutes=minutes_later)
    return moved.dt.strftime(pattern)


def _fields(rows: pd.DataFrame, *names: str) -> list[pd.Series]:
    return [rows[name].map("{:.2f}".format) for name in names]


def _lines(parts: list[pd.Series], delimiter: str, header: str = "", end: str = "\n") -> str:
    body = [delimiter.join(row) for row in zip(*parts, strict=True)]
    return end.join([header, *body] if header else body) + end


def _whole(values: pd.Series) -> pd.Series:
    return values.map("{:.0f}".format)


def _csv(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    parts = [minutes["expiry"], _local(minutes, "UTC", "%Y-%m-%dT%H:%M:%SZ"), *_fields(minutes, *PRICES)]
    header = "symbol,time,open,high,low,close,volume"
    (folder / "bars.csv").write_text(_lines([*parts, _whole(minutes["volume"])], ",", header), encoding="utf-8")
    columns = {name: name for name in ("time", *PRICES, "volume")} | {"expiry": "symbol"}
    return declared("csv", product, bar_label="open", volume="contracts", columns=columns)


def _parquet(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    pq.write_table(pa.Table.from_pandas(minutes, preserve_index=False), folder / "bars.parquet")
    columns = {name: name for name in (*PRICES, "volume", "expiry")} | {"time": "open_time"}
    return declared("parquet", product, bar_label="open", volume="contracts", columns=columns)


def _databento_dbn(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    names = sorted(set(minutes["expiry"]))
    mappings = [(name, date(2023, 1, 1), date(2024, 1, 1), number) for number, name in enumerate(names, start=1)]
    open_ns = minutes["open_time"].astype("int64") * 1_000
    rows = [
        (names.index(row.expiry) + 1, stamp, (row.open, row.high, row.low, row.close), int(row.volume))
        for row, stamp in zip(minutes.itertuples(), open_ns, strict=True)
    ]
    write_dbn(folder / "bars.dbn.zst", dbn_bytes(mappings, rows))
    return declared("databento_dbn", product)


def _ninjatrader8(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    def text(rows: pd.DataFrame) -> str:
        stamps = _local(rows, "UTC", "%Y%m%d %H%M%S", minutes_later=1)
        return _lines([stamps, *_fields(rows, *PRICES), _whole(rows["volume"])], ";", end="\r\n")

    return declared("ninjatrader8", product, expiry_of_file=one_file_a_month(folder, minutes, ".txt", text))


def _histdata(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    def text(rows: pd.DataFrame) -> str:
        stamps = _local(rows, "EST", "%Y%m%d %H%M%S")
        return _lines([stamps, *_fields(rows, *PRICES), _whole(rows["volume"] * 0)], ";", end="\r\n")

    return declared("histdata", product, expiry_of_file=one_file_a_month(folder, minutes, ".csv", text))


def _firstrate(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    def text(rows: pd.DataFrame) -> str:
        stamps = _local(rows, "America/New_York", "%Y-%m-%d %H:%M:%S")
        return _lines([stamps, *_fields(rows, *PRICES), _whole(rows["volume"])], ",")

    return declared("firstrate", product, expiry_of_file=one_file_a_month(folder, minutes, ".txt", text))


def _tradestation(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    def text(rows: pd.DataFrame) -> str:
        stamps = [_local(rows, "America/Chicago", part, minutes_later=1) for part in ("%m/%d/%Y", "%H:%M")]
        up = (rows["volume"] // 3).astype(float)
        parts = [*stamps, *_fields(rows, *PRICES), _whole(up), _whole(rows["volume"] - up)]
        return _lines(parts, ",", '"Date","Time","Open","High","Low","Close","Up","Down"', "\r\n")

    months = one_file_a_month(folder, minutes, ".txt", text)
    return declared("tradestation", product, timezone="America/Chicago", volume="contracts", expiry_of_file=months)


def _tradingview(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    def text(rows: pd.DataFrame) -> str:
        seconds = (rows["open_time"].astype("int64") // 1_000_000).astype(str)
        plot = rows["close"].rolling(3).mean().map("{:.4f}".format).replace("nan", "")
        parts = [seconds, *_fields(rows, *PRICES), _whole(rows["volume"]), plot]
        return _lines(parts, ",", "time,open,high,low,close,Volume,Volume MA")

    months = one_file_a_month(folder, minutes, ".csv", text)
    return declared("tradingview", product, volume="contracts", expiry_of_file=months)


def _metatrader5(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    def text(rows: pd.DataFrame) -> str:
        local = rows["open_time"].dt.tz_convert("America/New_York").dt.tz_localize(None) + pd.Timedelta(hours=7)
        stamps = [local.dt.strftime(part) for part in ("%Y.%m.%d", "%H:%M:%S")]
        ticks = _whole(rows["volume"])
        parts = [*stamps, *_fields(rows, *PRICES), ticks, _whole(rows["volume"] * 0), _whole(rows["volume"] * 0 + 5)]
        names = ("DATE", "TIME", "OPEN", "HIGH", "LOW", "CLOSE", "TICKVOL", "VOL", "SPREAD")
        return _lines(parts, "\t", "\t".join(f"<{name}>" for name in names), "\r\n")

    months = one_file_a_month(folder, minutes, ".csv", text)
    zone = "America/New_York+07:00"
    return declared("metatrader5", product, timezone=zone, volume="ticks", expiry_of_file=months)


def _databento_csv(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    names = sorted(set(minutes["expiry"]))
    parts = [
        minutes["open_time"].dt.strftime("%Y-%m-%dT%H:%M:%S.000000000Z"),
        *(pd.Series(value, index=minutes.index) for value in ("33", "1")),
        minutes["expiry"].map(lambda name: str(names.index(name) + 1)),
        *(minutes[name].map("{:.9f}".format) for name in PRICES),
        _whole(minutes["volume"]),
        minutes["expiry"],
    ]
    header = "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol"
    (folder / "glbx-mdp3.ohlcv-1m.csv").write_text(_lines(parts, ",", header), encoding="utf-8")
    return declared("databento_csv", product)


def _lean(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    for day, rows in minutes.groupby(minutes["open_time"].dt.strftime("%Y%m%d"), sort=True):
        with zipfile.ZipFile(folder / f"{day}_trade.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for expiry, month_rows in rows.groupby("expiry", sort=True):
                month = delivery_index_of(str(expiry), date.fromisoformat(str(day)).toordinal() - _EPOCH_ORDINAL)
                entry = f"{day}_{product.symbol.lower()}_minute_trade_{month // 12}{month % 12 + 1:02d}.csv"
                midnight = month_rows["open_time"].dt.normalize()
                millis = ((month_rows["open_time"] - midnight).dt.total_seconds() * 1_000).astype(int).astype(str)
                text = _lines([millis, *_fields(month_rows, *PRICES), _whole(month_rows["volume"])], ",")
                archive.writestr(zipfile.ZipInfo(entry), text)
    return declared("lean", product, timezone="UTC")


def _projectx(folder: Path, minutes: pd.DataFrame, product: Instrument) -> str:
    def text(rows: pd.DataFrame) -> str:
        newest_first = rows.iloc[::-1]
        stamps = newest_first["open_time"].dt.strftime("%Y-%m-%dT%H:%M:%S+00:00")
        keys = dict(zip("ohlcv", (*PRICES, "volume"), strict=True))
        bars = [
            {"t": stamp, **{key: getattr(row, name) for key, name in keys.items()}}
            for stamp, row in zip(stamps, newest_first.itertuples(), strict=True)
        ]
        return json.dumps({"bars": bars, "success": True, "errorCode": 0, "errorMessage": None}, indent=1)

    months = one_file_a_month(folder, minutes, ".json", text)
    return declared("projectx", product, bar_label="open", expiry_of_file=months)


_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
SAMPLE_WRITERS: Mapping[str, SampleWriter] = MappingProxyType(
    {
        "csv": _csv,
        "databento_csv": _databento_csv,
        "databento_dbn": _databento_dbn,
        "firstrate": _firstrate,
        "histdata": _histdata,
        "lean": _lean,
        "metatrader5": _metatrader5,
        "ninjatrader8": _ninjatrader8,
        "parquet": _parquet,
        "projectx": _projectx,
        "tradestation": _tradestation,
        "tradingview": _tradingview,
    }
)
"""Writer of each format; further formats add theirs here and in ``registry.READERS``."""
