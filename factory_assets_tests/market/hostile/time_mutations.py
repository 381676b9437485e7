"""Times no bar should have, in the manner a file writes its own: other years, clocks, offsets, digits and units."""

# ruff: noqa: DTZ001, RUF001 - wall times without a zone and digits of other scripts are the point

import random
import re
from datetime import UTC, datetime, timedelta, timezone

_TIME = re.compile(r"[0-9]{8,19}|.*[0-9][:/][0-9].*|[0-9]{4}[-.][0-9]{2}[-.][0-9]{2}.*|[0-9]{8} [0-9]{6}")
_YEARS = (
    "0001",
    "0000",
    "1600",
    "1677",
    "1900",
    "1969",
    "1970",
    "2038",
    "2106",
    "2262",
    "2263",
    "2566",
    "9999",
    "0023",
)
WHOLE_TIMES = (
    "", " ", "now", "today", "never", "NaT", "nan", "None", "0", "-1", "1", "1e9", "1.7e9", "1700491800",
    "1700491800000", "1700491800000000", "1700491800000000000", "99999999999999999999", "-9223372036854775808",
    "253402300800", "2023-11-20", "2023-11", "2023", "20231120", "20231120T143000Z", "2023-W47-1", "2023-324",
    "2023-11-20T14:30", "2023-11-20T14:30:00", "2023-11-20 14:30:00+00:00", "2023-11-20T14:30:00Z",
    "2023-11-20T14:30:00+05:30", "2023-11-20T14:30:00-99:99", "2023-11-20T14:30:00+00:00:30", "2023-11-20T14:30:60Z",
    "2016-12-31T23:59:60Z", "2023-11-20T24:00:00Z", "2023-11-20T14:30:00.123456789Z", "2023-11-20t14:30:00z",
    "2023-02-30T14:30:00Z", "2023-13-20T14:30:00Z", "2023-11-20T14:30:00 EST", "2023-11-20T14:30:00[UTC]",
    "20/11/2023 14:30", "11/20/2023", "11/20/23 14:30", "11/20/2023 2:30 PM", "2:30 PM", "14:30", "14:30:00", "143000",
    "20231120 143000", "20231120 1430", "20231120 143060", "2023.11.20 14:30:00", "Mon Nov 20 14:30:00 2023",
    "２０２３-11-20T14:30:00Z", "2023-11-20T14:30:00Z\x00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z",
)  # fmt: skip


def is_time(field: str) -> bool:
    """Whether a field looks like a time or a date rather than a price."""
    return _TIME.fullmatch(field) is not None


def bad_time(rng: random.Random, text: str) -> str:
    """Another time, mostly in the manner of the given one."""
    year = re.search(r"(?:19|20|25)[0-9]{2}", text)
    clock = re.search(r"([0-9]{1,2}):([0-9]{2})", text)
    numbers = [found.span() for found in re.finditer("[0-9]{2}", text)]
    what = rng.random()
    if what < 0.3:
        return rng.choice(WHOLE_TIMES)
    if what < 0.5 and year:
        return text[: year.start()] + rng.choice(_YEARS) + text[year.end() :]
    if what < 0.65 and clock:
        other = rng.choice(("24:00", "23:60", "25:61", "99:99", "0:00", "-1:30", "12:5", "00:00", "13:00"))
        return text[: clock.start()] + other + text[clock.end() :]
    if what < 0.85 and numbers:
        first, last = rng.choice(numbers)
        return text[:first] + rng.choice(("00", "13", "31", "60", "61", "99", "5", "")) + text[last:]
    ends = ("Z", "+00:00", "+05:30", "-0500", "+25:00", ".5", ".999999999", " ", "x", ":60", " AM", " PM", " CST", "0")
    if what < 0.95:
        return text.rstrip("Z") + rng.choice(ends)
    return rng.choice(("-", " ", "T", "0")) + text


def clock_change(rng: random.Random, rows: list[list[str]], places: list[int]) -> None:
    """Put all rows on the night of a clock change, around the hour that comes never or twice."""
    year, month, day = rng.choice(((2023, 3, 12), (2023, 11, 5), (2023, 3, 26), (2023, 10, 29)))
    start = datetime(year, month, day, rng.choice((0, 1, 2, 3, 7, 8, 9)), rng.randrange(60))
    for number, row in enumerate(rows):
        moment = start + timedelta(minutes=number)
        for place in places:
            row[place] = _in_manner(row[place], moment)


def mixed_offsets(rng: random.Random, rows: list[list[str]], place: int) -> None:
    """The same instants with an offset of their own in every row; or no offset in some."""
    strip = rng.random() < 0.3
    for row in rows:
        try:
            moment = datetime.fromisoformat(row[place])
        except ValueError:
            row[place] += rng.choice(("+00:00", "", "Z"))
            continue
        if moment.tzinfo is None:
            row[place] += rng.choice(("+00:00", "", "-05:00"))
            continue
        ahead = timezone(timedelta(minutes=rng.choice((0, -300, 330, 345, -720, 840, 60))))
        row[place] = moment.astimezone(ahead).isoformat()
        if strip and rng.random() < 0.5:
            row[place] = row[place][:19]


def _in_manner(text: str, moment: datetime) -> str:
    patterns = (
        (r"[0-9]{8} [0-9]{6}", "%Y%m%d %H%M%S"),
        (r"[0-9]{2}/[0-9]{2}/[0-9]{4}", "%m/%d/%Y"),
        (r"[0-9]{4}\.[0-9]{2}\.[0-9]{2}", "%Y.%m.%d"),
        (r"[0-9]{2}:[0-9]{2}:[0-9]{2}", "%H:%M:%S"),
        (r"[0-9]{2}:[0-9]{2} [AP]M", "%I:%M %p"),
        (r"[0-9]{2}:[0-9]{2}", "%H:%M"),
        (r"25[0-9]{2}-.*", "2566-%m-%d %H:%M:%S"),
        (r"[0-9-]{10} .*", "%Y-%m-%d %H:%M:%S"),
        (r"[0-9-]{10}T.*Z", "%Y-%m-%dT%H:%M:%SZ"),
        (r"[0-9-]{10}T.*", "%Y-%m-%dT%H:%M:%S-05:00"),
    )
    for shape, pattern in patterns:
        if re.fullmatch(shape, text):
            return moment.strftime(pattern)
    seconds = int(moment.replace(tzinfo=UTC).timestamp())
    return str(seconds * 10 ** max(0, len(text) - 10)) if text.isdigit() and len(text) >= 10 else text
