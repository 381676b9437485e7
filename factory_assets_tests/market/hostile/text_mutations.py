"""Mutations of tables written as text: rows, columns, numbers, quotes, encodings and line ends."""

# ruff: noqa: RUF001 - digits of other scripts are the point

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from factory_assets_tests.market.hostile.bases import Base, Hostile
from factory_assets_tests.market.hostile.packing import with_inner
from factory_assets_tests.market.hostile.time_mutations import bad_time, clock_change, is_time, mixed_offsets

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
ODD_NUMBERS = (
    "nan", "NaN", "inf", "-inf", "Infinity", "1e308", "1e309", "-1e400", "5e-324", "2.2e-308", "-0", "0", "0.0", "-1",
    "-4512.25", "0.01", "4512.26", "4512.2500000001", "1e3", "4.5E3", "+4512.25", "1,234.5", "1.234,5", "1234,5",
    "0x1F4", "0b1", "1_000", "1 000", "१२३", "４５１２", "−5", "5%", "$4512.25", "null", "NULL", "None", "N/A", "#N/A",
    "-", "--", ".", "..", "1.2.3", "1e", "e5", "true", "", " ", " 4512.25 ", "\t4512.25", "4512.25f", "9" * 400,
    "0." + "0" * 400 + "1", "00004512.25", "4512.", ".25", "1e-5", "18446744073709551616", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "4512\u00a0250", "\u200b4512.25", "4512.25\u0000",
)  # fmt: skip


@dataclass
class Table:
    """Fields of a text file of our own making, in which no field holds the delimiter."""

    delimiter: str
    before: list[str]
    header: list[str]
    rows: list[list[str]]
    end: str

    def text(self) -> str:
        """The file again."""
        lines = [*self.before, *([self.delimiter.join(self.header)] if self.header else [])]
        lines += [self.delimiter.join(row) for row in self.rows]
        return self.end.join(lines) + self.end

    def columns(self, fits: Callable[[str], object]) -> list[int]:
        """Columns whose first field fits."""
        return [place for place, field in enumerate(self.rows[0]) if fits(field)] or [0]


def _table(base: Base, content: bytes) -> Table:
    text = content.decode()
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.removesuffix(end).split(end)
    fields = [line.split(base.delimiter) for line in lines[base.skip :]]
    has_header = base.header and base.family == "text"
    header = fields[0] if has_header or not any(_NUMBER.fullmatch(field) for field in fields[0]) else []
    return Table(base.delimiter, lines[: base.skip], header, fields[1:] if header else fields, end)


TableMutation = Callable[[random.Random, Table], "str | bytes | None"]


def _apply(change: TableMutation, must: str, rng: random.Random, base: Base) -> Hostile:
    def changed(content: bytes) -> bytes:
        table = _table(base, content)
        made = change(rng, table)
        made = table.text() if made is None else made
        return made if isinstance(made, bytes) else made.encode("utf-8", errors="surrogatepass")

    return with_inner(rng, base, changed, must=must)


def _permuted_rows(rng: random.Random, table: Table) -> None:
    rng.shuffle(table.rows)


def _doubled_rows(rng: random.Random, table: Table) -> None:
    for row in rng.sample(table.rows, rng.randint(1, 4)):
        table.rows.insert(rng.randrange(len(table.rows) + 1), list(row))


def _conflicting_rows(rng: random.Random, table: Table) -> None:
    row = list(rng.choice(table.rows))
    place = rng.choice(table.columns(_NUMBER.fullmatch))
    row[place] = rng.choice(table.rows)[place]
    table.rows.insert(rng.randrange(len(table.rows) + 1), row)


def _dropped_rows(rng: random.Random, table: Table) -> None:
    table.rows[:] = rng.sample(table.rows, rng.randint(1, len(table.rows)))


def _lines(table: Table) -> list[list[str]]:
    return [*([table.header] if table.header else []), *table.rows]


def _dropped_column(rng: random.Random, table: Table) -> None:
    place = rng.randrange(len(table.rows[0]))
    for line in _lines(table):
        del line[place]


def _permuted_columns(rng: random.Random, table: Table) -> None:
    order = rng.sample(range(len(table.rows[0])), len(table.rows[0]))
    for line in _lines(table):
        line[:] = [line[place] for place in order]


def _swapped_columns(rng: random.Random, table: Table) -> None:
    """Two columns change places below the header, which stays as it is."""
    first, second = rng.sample(range(len(table.rows[0])), 2)
    for row in table.rows if rng.random() < 0.7 else [rng.choice(table.rows)]:
        row[first], row[second] = row[second], row[first]


def _added_column(rng: random.Random, table: Table) -> None:
    place = rng.randrange(len(table.rows[0]) + 1)
    name, value = rng.choice((("", ""), ("plot", "1.5"), ("open", "1"), ("", "1"), ("x" * 300, "a b"), ("Close", "0")))
    for number, line in enumerate(_lines(table)):
        line.insert(place, name if table.header and number == 0 else value)


def _ragged(rng: random.Random, table: Table) -> None:
    line = rng.choice(_lines(table))
    if rng.random() < 0.5:
        del line[rng.randrange(len(line))]
    else:
        line.insert(rng.randrange(len(line) + 1), rng.choice(("", "1", "x", "4512.25")))


def _odd_header(rng: random.Random, table: Table) -> "str | None":
    header = table.header or list(rng.choice(table.rows))
    place = rng.randrange(len(header))
    name = header[place]
    changes = (name.upper(), name.lower(), f" {name}", f"{name} ", f'"{name}"', f'"{name}', "", header[place - 1])
    changed = [*header]
    changed[place] = rng.choice((*changes, name[::-1], name + "\u200b", "\ufeff" + name, name + "\0", "0", "nan"))
    what = rng.random()
    if what < 0.6 and table.header:
        table.header = changed
    elif what < 0.75:
        table.header = []
    elif what < 0.9:
        table.rows.insert(rng.randrange(len(table.rows) + 1), header)
    else:
        table.header = changed if not table.header else table.header[:-1]
    return None


def _bad_number(rng: random.Random, table: Table) -> None:
    for _ in range(rng.choice((1, 1, 2))):
        rng.choice(table.rows)[rng.choice(table.columns(_NUMBER.fullmatch))] = rng.choice(ODD_NUMBERS)


def _bad_column(rng: random.Random, table: Table) -> None:
    """A whole column of one value."""
    place, value = rng.choice(table.columns(_NUMBER.fullmatch)), rng.choice(ODD_NUMBERS)
    for row in table.rows:
        row[place] = value


def _scaled(rng: random.Random, table: Table) -> None:
    """Prices off the tick, or in other units."""
    factor = rng.choice((1.0001, 0.5, 1e-9, 1e9, -1.0, 100.0))
    for row in table.rows:
        for place in table.columns(lambda field: re.fullmatch(r"[0-9]+\.[0-9]+", field)):
            if _NUMBER.fullmatch(row[place]):
                row[place] = repr(float(row[place]) * factor)


def _emptied(rng: random.Random, table: Table) -> None:
    for _ in range(rng.choice((1, 1, 3))):
        row = rng.choice(table.rows)
        row[rng.randrange(len(row))] = rng.choice(("", "", " ", '""', "\t"))


def _bad_time(rng: random.Random, table: Table) -> None:
    for row in table.rows if rng.random() < 0.3 else [rng.choice(table.rows)]:
        place = rng.choice(table.columns(is_time))
        row[place] = bad_time(rng, row[place])


def _clock_change(rng: random.Random, table: Table) -> None:
    clock_change(rng, table.rows, table.columns(is_time))


def _mixed_offsets(rng: random.Random, table: Table) -> None:
    mixed_offsets(rng, table.rows, table.columns(is_time)[0])


def _quotes(rng: random.Random, table: Table) -> "str | None":
    lines = _lines(table)
    line = rng.choice(lines)
    place = rng.randrange(len(line))
    field = line[place]
    if rng.random() < 0.2:
        for row in lines:
            row[:] = [f'"{one}"' for one in row]
        return None
    changes = (f'"{field}"', f'"{field}', f'{field}"', f'""{field}""', f'"{field}""', f"'{field}'", f'"{field}"x')
    changes += (f'"{field}{table.delimiter}"', f'{field[:2]}"{field[2:]}', '"', '""', '"""', f'"{field}\n"')
    line[place] = rng.choice(changes)
    return None


def _stray(rng: random.Random, table: Table) -> None:
    """Characters that some programs take for the end of a line, or for nothing."""
    line = rng.choice(_lines(table))
    place = rng.randrange(len(line))
    marks = "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x1a", "\ufeff", "\u200b", "\u202e"
    mark, at = rng.choice(marks), rng.randrange(len(line[place]) + 1)
    line[place] = line[place][:at] + mark + line[place][at:]


def _long_line(rng: random.Random, table: Table) -> None:
    row = rng.choice(table.rows)
    size = rng.choice((70_000, 1_200_000, 3_000_000))
    row[rng.randrange(len(row))] = rng.choice(("9", "x", '"', " ", "0")) * size


def _wide(rng: random.Random, table: Table) -> None:
    del table.rows[3:]
    for number, line in enumerate(_lines(table)):
        if number < rng.choice((1, 3, 99)):
            line.extend(f"c{k}" if number == 0 else "1" for k in range(100_000))


def _encoded(rng: random.Random, table: Table) -> bytes:
    codec = rng.choice(
        ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-7", "cp037", "shift_jis")
    )
    if codec in ("latin-1", "cp1252"):
        line = rng.choice(_lines(table))
        line[rng.randrange(len(line))] += "ü€"[codec == "cp1252"]
    return table.text().encode(codec)


def _invalid_utf8(rng: random.Random, table: Table) -> bytes:
    content = table.text().encode()
    at = rng.randrange(len(content))
    bad = rng.choice((b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xe2\x82"))
    return content[:at] + bad + content[at:]


def _byte_order_mark(rng: random.Random, table: Table) -> bytes:
    return b"\xef\xbb\xbf" + table.text().encode()


def _delimiter(rng: random.Random, table: Table) -> None:
    mark = rng.choice([mark for mark in (";", ",", "\t", "|", " ", ":", ", ") if mark != table.delimiter])
    if rng.random() < 0.7:
        table.delimiter = mark
    else:
        row = rng.choice(table.rows)
        row[:] = [mark.join(row)]


def _line_ends(rng: random.Random, table: Table) -> str:
    marks = ("\n", "\r\n", "\r", "\n\r", "\r\r\n")
    end = rng.choice(marks)
    table.end, text = "\n", ""
    for one in table.text().splitlines():
        text += one + (rng.choice(marks[:3]) if rng.random() < 0.1 else end)
    return text


def _usual_line_ends(rng: random.Random, table: Table) -> "str | None":
    table.end = rng.choice(("\n", "\r\n"))
    return table.text().removesuffix(table.end) if rng.random() < 0.5 else None


def _blank_lines(rng: random.Random, table: Table) -> None:
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(table.rows) + 1)
        table.rows.insert(place, [rng.choice(("", "", " ", "#", "# note", "//", table.delimiter, "--", "Total"))])


def _only_header(rng: random.Random, table: Table) -> None:
    table.rows = table.rows[: rng.randint(0, 1)]


_MUTATIONS: Mapping[str, tuple[TableMutation, str]] = MappingProxyType(
    {
        "permuted_rows": (_permuted_rows, "accept"),
        "doubled_rows": (_doubled_rows, "accept"),
        "conflicting_rows": (_conflicting_rows, ""),
        "dropped_rows": (_dropped_rows, ""),
        "dropped_column": (_dropped_column, ""),
        "permuted_columns": (_permuted_columns, ""),
        "swapped_columns": (_swapped_columns, ""),
        "added_column": (_added_column, ""),
        "ragged": (_ragged, "refuse"),
        "odd_header": (_odd_header, ""),
        "bad_number": (_bad_number, ""),
        "bad_column": (_bad_column, ""),
        "scaled": (_scaled, ""),
        "emptied": (_emptied, ""),
        "bad_time": (_bad_time, ""),
        "clock_change": (_clock_change, ""),
        "mixed_offsets": (_mixed_offsets, ""),
        "quotes": (_quotes, ""),
        "stray": (_stray, ""),
        "long_line": (_long_line, ""),
        "wide": (_wide, ""),
        "encoded": (_encoded, ""),
        "invalid_utf8": (_invalid_utf8, ""),
        "byte_order_mark": (_byte_order_mark, "accept"),
        "delimiter": (_delimiter, ""),
        "line_ends": (_line_ends, ""),
        "usual_line_ends": (_usual_line_ends, "accept"),
        "blank_lines": (_blank_lines, ""),
        "only_header": (_only_header, ""),
    }
)
TEXT_MUTATIONS: Mapping[str, Callable[[random.Random, Base], Hostile]] = MappingProxyType(
    {name: partial(_apply, change, must) for name, (change, must) in _MUTATIONS.items()}
)
"""By kind; each gives a folder from a base of family text or lean."""
