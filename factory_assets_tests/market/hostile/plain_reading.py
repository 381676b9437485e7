"""A second reading of text formats, in plain Python: slow, strict, and sharing no line with the readers under test.

What a declaration and the bytes say literally, or :class:`~.rows.NoMeaningError` where they do not say one thing.
"""

# ruff: noqa: DTZ001, DTZ007 - wall times without a zone are what the files hold

import csv
import io
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from factory_assets_tests.market.hostile.rows import NoMeaningError, Row, is_outright, number_of

PRICES = ("open", "high", "low", "close")
_SIX = {name: number for number, name in enumerate(("time", *PRICES, "volume"), start=1)}
_RUN_TOGETHER = {"delimiter": ";", "header": False, "time_format": "%Y%m%d %H%M%S", "columns": _SIX}
SETTLED: Mapping[str, dict[str, Any]] = {
    "csv": {},
    "ninjatrader8": {**_RUN_TOGETHER, "bar_label": "close", "timezone": "UTC", "volume": "contracts"},
    "histdata": {**_RUN_TOGETHER, "bar_label": "open", "timezone": "EST", "volume": "none"},
    "firstrate": {
        "header": False,
        "time_format": "%Y-%m-%d %H:%M:%S",
        "columns": _SIX,
        "bar_label": "open",
        "timezone": "America/New_York",
        "volume": "contracts",
    },
    "tradestation": {
        "bar_label": "close",
        "columns": {name: name.title() for name in ("date", "time", *PRICES)},
        "volume_names": (("Up", "Down"), ("Vol",), ("Volume",)),
    },
    "tradingview": {
        "bar_label": "open",
        "columns": {name: name for name in ("time", *PRICES)},
        "volume_names": (("Volume",), ("volume",)),
    },
    "metatrader5": {
        "delimiter": "\t",
        "time_format": "%Y.%m.%d %H:%M:%S",
        "bar_label": "open",
        "columns": {name: f"<{name.upper()}>" for name in ("date", "time", *PRICES)},
    },
    "projectx": {"timezone": "", "bar_label": "open"},
}
_METATRADER_VOLUME = {"contracts": (("<VOL>",),), "ticks": (("<TICKVOL>",),)}
_USUAL = {"delimiter": ",", "header": True, "time_format": "iso8601", "timezone": "", "skip_lines": 0}
_FIRSTRATE_HEADER = ({"timestamp", "datetime", "date"}, *({name} for name in (*PRICES, "volume")))
_ISO = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})[T ]([0-9]{2}):?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]+))?)?\s*"
    r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_EPOCH_US = {"epoch_s": Decimal(1_000_000), "epoch_ms": Decimal(1_000), "epoch_us": Decimal(1)}
_EPOCH_US["epoch_ns"] = Decimal("0.001")
_SHIFT = re.compile(r"(.+)([+-])([01][0-9]):([0-5][0-9])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain_delimited(content: bytes, declared: Mapping[str, Any], product: str, file_name: str) -> list[Row]:
    """Rows of one delimited file in its order, combinations left out."""
    said = {**_USUAL, **declared, **SETTLED[declared["format"]]}
    if declared["format"] == "tradestation":
        said.setdefault("time_format", "%m/%d/%Y %H:%M")
        said["time_format"] = declared.get("time_format", "%m/%d/%Y %H:%M")
    if declared["format"] == "metatrader5":
        said["volume_names"] = _METATRADER_VOLUME.get(said["volume"], ())
    lines = _records(content, said)
    names: list[str] | None = None
    if declared["format"] == "firstrate" and lines and _is_firstrate_header(lines[0]):
        lines = lines[1:]
    if said["header"]:
        if not lines:
            raise NoMeaningError("no header")
        names, lines = lines[0], lines[1:]
    width = len(names) if names is not None else len(lines[0]) if lines else 0
    if not lines or any(len(line) != width for line in lines):
        raise NoMeaningError("no rows, or rows of several widths")
    places = _places(said, names, width)
    if declared["format"] == "tradingview" and re.fullmatch("[0-9]{9,10}", lines[0][places["time"][0]].strip()):
        said["time_format"] = "epoch_s"
    found = []
    for line in lines:
        stamp = " ".join(line[places[key][0]].strip() for key in ("date", "time") if key in places)
        open_us = open_time_us(stamp, said)
        values = [number_of(line[places[name][0]]) for name in PRICES]
        volume = sum(number_of(line[place]) for place in places.get("volume", [])) if "volume" in places else None
        expiry = line[places["expiry"][0]].strip() if "expiry" in places else expiry_of(said, file_name, open_us)
        if is_outright(expiry, product):
            found.append(Row(expiry, open_us, (*values, float("nan") if volume is None else float(volume))))
    return found


def plain_json(content: bytes, declared: Mapping[str, Any], product: str, file_name: str) -> list[Row]:
    """Bars of one ProjectX answer in its order."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise NoMeaningError("a key twice")
        return dict(pairs)

    def none(name: str) -> float:
        raise NoMeaningError(name)

    try:
        answer = json.loads(content.decode("utf-8-sig"), object_pairs_hook=once, parse_constant=none)
        bars = answer["bars"]
        if not isinstance(bars, list) or not bars:
            raise NoMeaningError("no bars")
        if answer.get("success", True) is not True:
            raise NoMeaningError("an error")
        said = {**_USUAL, "bar_label": "open", **declared, "time_format": "iso8601", "timezone": ""}
        found = []
        for bar in bars:
            if not isinstance(bar["t"], str) or any(type(bar[key]) not in (int, float) for key in "ohlcv"):
                raise NoMeaningError("a value of another kind")
            open_us = open_time_us(bar["t"].strip(), said)
            expiry = expiry_of(said, file_name, open_us)
            is_outright(expiry, product)
            found.append(Row(expiry, open_us, tuple(float(bar[key]) for key in "ohlcv")))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, AttributeError, IndexError) as problem:
        raise NoMeaningError(str(problem)) from problem
    return found


def plain_databento_csv(content: bytes, declared: Mapping[str, Any], product: str, file_name: str) -> list[Row]:
    """Rows of one Databento CSV in its order, combinations left out."""
    # Columns that mean no bar (publisher_id) are not looked at; what is, holds digits alone.
    lines = _records(content, {**_USUAL}, errors="surrogateescape")
    if len(lines) < 2 or any(len(line) != len(lines[0]) for line in lines):
        raise NoMeaningError("no rows, or rows of several widths")
    names = lines[0]
    wanted = ("ts_event", "rtype", "instrument_id", *PRICES, "volume")
    if any(names.count(name) != 1 for name in wanted) or names.count("symbol") > 1:
        raise NoMeaningError("columns absent or twice")
    found = []
    for line in lines[1:]:
        held = dict(zip(names, line, strict=True))
        if re.fullmatch("-?[0-9]+", held["ts_event"]):
            open_us = int(held["ts_event"]) // 1_000
        else:
            open_us = open_time_us(held["ts_event"].strip(), {**_USUAL, "bar_label": "open"})
        if held["rtype"].lstrip("0") != "33":
            raise NoMeaningError("another record type")
        values = [_databento_price(held[name]) for name in PRICES]
        volume = held["volume"]
        if re.fullmatch("-?[0-9]+", volume) is None:
            raise NoMeaningError("volume is no whole number")
        expiry = held.get("symbol")
        if expiry is None:
            table = declared.get("expiry_of_instrument", {})
            expiry = table.get(str(int(held["instrument_id"]))) if table else expiry_of(declared, file_name, open_us)
        if expiry is None:
            raise NoMeaningError("an id nobody declared")
        if is_outright(expiry, product):
            found.append(Row(expiry, open_us, (*values, float(int(volume)))))
    return found


def _databento_price(text: str) -> float:
    if text in ("", "nan", "NaN"):
        return float("nan")
    if re.fullmatch(r"-?[0-9]{1,19}", text):
        return float("nan") if int(text) == 2**63 - 1 else int(text) / 1e9
    if re.fullmatch(r"-?[0-9]{1,10}\.[0-9]{1,12}", text):
        return float(text)
    raise NoMeaningError(f"{text[:40]!a} is no price")


def _records(content: bytes, said: Mapping[str, Any], *, errors: str = "strict") -> list[list[str]]:
    """Fields of every line that is not empty."""
    try:
        text = content.decode("utf-8-sig", errors=errors)
    except UnicodeDecodeError as problem:
        raise NoMeaningError("no UTF-8") from problem
    for _ in range(said["skip_lines"]):
        found = re.search(r"\r\n|\n|\r", text)
        text = text[found.end() :] if found else ""
    try:
        csv.field_size_limit(1 << 27)
        return [line for line in csv.reader(io.StringIO(text, newline=""), delimiter=said["delimiter"]) if line]
    except csv.Error as problem:
        raise NoMeaningError(str(problem)) from problem


def _is_firstrate_header(names: list[str]) -> bool:
    plain = [name.strip().lower() for name in names]
    return len(plain) == 6 and all(name in known for name, known in zip(plain, _FIRSTRATE_HEADER, strict=True))


def _places(said: Mapping[str, Any], names: list[str] | None, width: int) -> dict[str, list[int]]:
    columns = dict(said["columns"])
    if said["volume"] == "none":
        columns.pop("volume", None)
    elif "volume_names" in said:
        choices = [group for group in said["volume_names"] if all(name in (names or ()) for name in group)]
        if len(choices) != 1:
            raise NoMeaningError("no volume, or several")
        columns["volume"] = choices[0]
    places: dict[str, list[int]] = {}
    for key, place in columns.items():
        for part in place if isinstance(place, (list, tuple)) else (place,):
            if names is None:
                if not 1 <= part <= width:
                    raise NoMeaningError(f"no column {part}")
                places.setdefault(key, []).append(part - 1)
            else:
                if names.count(part) != 1:
                    raise NoMeaningError(f"column {part} {names.count(part)} times")
                places.setdefault(key, []).append(names.index(part))
    return places


def expiry_of(said: Mapping[str, Any], file_name: str, open_us: int) -> str:
    """Month a declaration names for the rows of a file at a time."""
    if said.get("expiry"):
        return str(said["expiry"])
    if said.get("expiry_from"):
        # Good for rows of the daytime: the evening before a trade date is not asked.
        day = str((_EPOCH + timedelta(microseconds=open_us)).date())
        starts = [start for start in said["expiry_from"] if start <= day]
        if not starts:
            raise NoMeaningError("before the first stretch")
        return str(said["expiry_from"][max(starts)])
    try:
        return str(said["expiry_of_file"][file_name])
    except KeyError as problem:
        raise NoMeaningError("no month declared") from problem


def open_time_us(text: str, said: Mapping[str, Any]) -> int:
    """Open of a bar by its stamp as text, microseconds since 1970 UTC."""
    pattern = said["time_format"]
    if pattern in _EPOCH_US:
        number_of(text)
        if text.strip().lower().lstrip("+-").startswith(("n", "i")):
            raise NoMeaningError("no time")
        micros = int((Decimal(text.strip()) * _EPOCH_US[pattern]) // 1)
    else:
        micros = _iso(text, said) if pattern == "iso8601" else _by_pattern(text, pattern, said)
    return micros - 60_000_000 if said["bar_label"] == "close" else micros


def _iso(text: str, said: Mapping[str, Any]) -> int:
    found = _ISO.fullmatch(text)
    if found is None:
        raise NoMeaningError(f"{text[:40]!a} is no ISO time with a clock")
    year = int(found[1]) - (543 if said.get("calendar") == "buddhist" else 0)
    try:
        moment = datetime(year, *(int(found[part]) for part in (2, 3, 4, 5)), int(found[6] or 0))
    except ValueError as problem:
        raise NoMeaningError(str(problem)) from problem
    micros = int((found[7] or "").ljust(6, "0")[:6] or 0)
    if found[8] is None:
        return instant_us(moment, said["timezone"]) + micros
    digits = found[8].replace(":", "").replace("Z", "+00")
    sign = -1 if digits[0] == "-" else 1
    ahead = sign * timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5] or 0))
    return _micros(moment.replace(tzinfo=UTC)) - round(ahead.total_seconds()) * 1_000_000 + micros


def _by_pattern(text: str, pattern: str, said: Mapping[str, Any]) -> int:
    if re.search(r"%[YmdHIMSyj]%[YmdHIMSyj]", pattern) and not re.search("%[^YmdHIMSyj]", pattern):
        digits = {"Y": 4, "j": 3}
        whole = re.sub(r"%([YmdHIMSyj])", lambda part: f"[0-9]{{{digits.get(part[1], 2)}}}", pattern)
        if re.fullmatch(whole, text) is None:
            raise NoMeaningError(f"{text[:40]!a} is not {pattern}")
    try:
        moment = datetime.strptime(text, pattern)
        if said.get("calendar") == "buddhist":
            moment = moment.replace(year=moment.year - 543)
    except (ValueError, re.error) as problem:
        raise NoMeaningError(str(problem)) from problem
    if moment.tzinfo is not None:
        return _micros(moment)
    return instant_us(moment.replace(microsecond=0), said["timezone"]) + moment.microsecond


def instant_us(moment: datetime, timezone: str) -> int:
    """Microseconds since 1970 of a wall time that comes exactly once."""
    if not timezone:
        raise NoMeaningError("no zone")
    shift = _SHIFT.fullmatch(timezone)
    if shift:
        ahead = timedelta(hours=int(shift[3]), minutes=int(shift[4])) * (1 if shift[2] == "+" else -1)
        timezone = shift[1]
        try:
            moment -= ahead
        except OverflowError as problem:
            raise NoMeaningError(str(problem)) from problem
    zone = ZoneInfo(timezone)
    early, late = (moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if early != late:
        raise NoMeaningError("a wall time that comes twice or never")
    assert early is not None
    return _micros(moment.replace(tzinfo=UTC)) - round(early.total_seconds()) * 1_000_000


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
