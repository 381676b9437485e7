"""Mutations of ``source.toml``: other values, keys and types, damage, depth, and the words for another vendor."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from factory_assets_tests.market.hostile.bases import Base, Hostile
from factory_assets_tests.market.hostile.byte_mutations import BYTE_MUTATIONS

_VALUES = (
    '""', '" "', '"x"', "0", "1", "-1", "2", "7", "1000", "1001", "9" * 30, "9" * 5_000, "1.5", "nan", "inf", "true",
    "false", "[]", "{}", '["open", "close"]', "[1, 2]", '["Up", "Down"]', "2023-09-14", "1979-05-27T07:32:00Z",
    '"open"', '"close"', '"UTC"', '"America/New_York"', '"America"', '"EST"', '"America/New_York+07:00"',
    '"UTC+99:99"', '"GMT+5"', '"/etc/passwd"', '"../../etc/localtime"', '"right/UTC"', '"posixrules"', '"utc"',
    '"contracts"', '"ticks"', '"none"', '"buddhist"', '"iso8601"', '"epoch_s"', '"epoch_ms"', '"epoch_ns"',
    '"%Y-%m-%d %H:%M:%S"', '"%d/%m/%Y %H:%M"', '"%"', '"%Q"', '"%Y%Y"', '"%H:%M"', '"%s"', '"%Y%m%d %H%M%S%z"', '"%"',
    '"MES"', '"MGC"', '"mes"', '"MESZ3"', '"MESH4"', '"ESZ3"', '"MESZ3-MESH4"', '"MGCZ3"', '"\\u0000"', '"\\n"', '"é"',
    '";"', '"\\t"', '","', '"|"', '"\\""', "'''x'''", '"open_time"', '"time"', '"high"', '"symbol"', '"../x"',
    '"' + "x" * 100_000 + '"', "0x10", "1_000", "-0", "+1",
)  # fmt: skip
_FORMATS = (
    "csv", "parquet", "databento_dbn", "databento_csv", "ninjatrader8", "histdata", "firstrate", "tradestation",
    "tradingview", "metatrader5", "lean", "projectx", "CSV", "excel", "",
)  # fmt: skip
_LINES = (
    'timezone = "UTC"', 'bar_label = "close"', 'volume = "none"', 'volume = "ticks"', "header = false",
    "skip_lines = 1", 'calendar = "buddhist"', "confirmed = false", 'expiry = "MESZ3"', 'delimiter = ";"',
    'time_format = "epoch_s"', 'vendor = "x"', 'unknown = 1', 'expiry_from = 3',
    '[expiry_from]\n"2023-09-14" = "MESZ3"', '[expiry_from]\n"2023-11-21" = "MESZ3"',
    '[expiry_from]\n"2023-9-14" = "MESZ3"', '[expiry_of_instrument]\n"1" = "MESZ3"', '[expiry_of_file]\n"a" = "MESZ3"',
    '[columns]\ntime = "t"', "[columns.time]", "[[columns]]", "[other]", "format = 1", "\n" * 5_000,
    "# " + "x" * 200_000, "a = " + "[" * 3_000 + "]" * 3_000, "a = " + "{b=" * 2_000 + "1" + "}" * 2_000,
    "a." * 3_000 + "b = 1", "x = " + "9" * 6_000, "x = 1e999", "x = 0b" + "1" * 20_000, 'x = "\\ud800"',
)  # fmt: skip


def _with(base: Base, text: "str | bytes") -> Hostile:
    content = text if isinstance(text, bytes) else text.encode("utf-8", errors="surrogatepass")
    return Hostile(files=base.files, declaration=content, base=base)


def _value(rng: random.Random, base: Base) -> Hostile:
    lines = base.declaration.split("\n")
    place = rng.choice([number for number, line in enumerate(lines) if " = " in line])
    key = lines[place].partition(" = ")[0]
    lines[place] = f"{key} = {rng.choice(_VALUES)}"
    return _with(base, "\n".join(lines))


def _key(rng: random.Random, base: Base) -> Hostile:
    lines = base.declaration.split("\n")
    place = rng.choice([number for number, line in enumerate(lines) if " = " in line])
    key, _, value = lines[place].partition(" = ")
    what = rng.random()
    if what < 0.4:
        del lines[place]
    elif what < 0.6:
        lines.insert(place, lines[place])
    else:
        changes = (key.upper(), f" {key}", f'"{key}"', f"{key}.x", key[:-1], f"[{key}]", "", "__class__", "é", '""')
        lines[place] = f"{rng.choice(changes)} = {value}"
    return _with(base, "\n".join(lines))


def _line(rng: random.Random, base: Base) -> Hostile:
    lines = base.declaration.split("\n")
    added = rng.choice(_LINES)
    lines.insert(len(lines) if added.startswith("[") else rng.randint(0, 2), added)
    return _with(base, "\n".join(lines))


def _format(rng: random.Random, base: Base) -> Hostile:
    text = re.sub('^format = ".*"', f'format = "{rng.choice(_FORMATS)}"', base.declaration)
    return _with(base, text)


def _meaning(rng: random.Random, base: Base) -> Hostile:
    """The declaration stays well formed and says something else: read literally, or refused."""
    text, what = base.declaration, rng.random()
    if what < 0.3:
        places = re.findall(r'(?m)^(?:open|high|low|close|volume|time|date|expiry) = (?:".*"|[0-9]+)$', text)
        if len(places) > 1:
            first, second = rng.sample(places, 2)
            left, right = first.partition(" = ")[2], second.partition(" = ")[2]
            text = text.replace(first, first.replace(left, "@")).replace(second, second.replace(right, left))
            text = text.replace("@", right)
    elif what < 0.5:
        text = text.replace('bar_label = "open"', "@").replace('bar_label = "close"', 'bar_label = "open"')
        text = text.replace("@", 'bar_label = "close"')
    elif what < 0.7:
        zones = ("UTC", "Asia/Kathmandu", "America/Chicago", "Pacific/Apia", "UTC+13:59", "Etc/GMT+12", "Europe/London")
        text = re.sub('timezone = ".*"', f'timezone = "{rng.choice(zones)}"', text)
    elif what < 0.85:
        months = ("MESH4", "MESU6", "MGCZ2023", "MESZ23", "MESZ0", "NQM4", "MESF9", "MGCG99")
        text = re.sub('"(?:MES|MGC|NQ)[A-Z][0-9]"', f'"{rng.choice(months)}"', text)
    else:
        text = re.sub('volume = ".*"', f'volume = "{rng.choice(("contracts", "ticks", "none"))}"', text)
    return _with(base, text)


def _bytes(rng: random.Random, base: Base) -> Hostile:
    change = BYTE_MUTATIONS[rng.choice(sorted(BYTE_MUTATIONS))]
    return _with(base, change(rng, base.declaration.encode()))


def _encoded(rng: random.Random, base: Base) -> Hostile:
    codec = rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp037", "utf-7"))
    text = base.declaration + rng.choice(("", "# ü\n"))
    return replace(_with(base, text.encode(codec)))


DECLARATION_MUTATIONS: Mapping[str, Callable[[random.Random, Base], Hostile]] = MappingProxyType(
    {
        "toml_value": _value,
        "toml_key": _key,
        "toml_line": _line,
        "toml_format": _format,
        "toml_meaning": _meaning,
        "toml_bytes": _bytes,
        "toml_encoded": _encoded,
    }
)
"""By kind; each gives a folder whose data files are sound and whose declaration is not what it was."""
