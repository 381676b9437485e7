"""Two vendors' records of one contract, minute by minute and delivery month by delivery month.

Both are taken under the clock, bar label and volume meaning they are declared with; so the same market gives no
difference whatever the two formats look like, and whatever difference is left is either a declaration that is wrong
(:mod:`factory_assets.market.vendor_shift` finds it) or a vendor that recorded something else. Nothing is repaired and
neither is believed. Neighbour: :mod:`factory_assets.market.vendor_findings` puts it into sentences.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from factory_assets.market.finding import Finding
from factory_assets.market.readers.raw import RawRead
from factory_assets.market.sessions import SessionCalendar
from factory_assets.market.vendor_findings import vendor_findings
from factory_assets.market.vendor_minutes import VendorMinutes, month_name, vendor_minutes
from factory_assets.market.vendor_pairs import (
    by_column,
    by_month,
    by_session,
    by_size,
    furthest_apart,
    paired,
    volume_ratios,
)
from factory_assets.market.vendor_shift import sunday_of, weekly_shifts
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days
from factory_assets.vocabulary.instruments import Instrument


@dataclass(frozen=True, kw_only=True, eq=False)
class VendorComparison:
    """What two vendors recorded of one contract. Dates are ISO text, so that JSON holds the same thing.

    Attributes
    ----------
    contract : str
        Product compared.
    sides : mapping of str to mapping
        ``A`` and ``B``: ``folder``, ``source_digest`` (sha256 over the sorted sha256 of its files), ``vendor``,
        ``bar_label``, ``timezone``, ``volume``, and the counts of :class:`VendorMinutes`.
    minutes : mapping of str to int
        Within the span both hold of a month: ``both``, ``only_a``, ``only_b``, ``equal`` (all four prices) and
        ``equal_with_volume``; ``equal_shifted`` and ``both_shifted``: the same with each week of B moved back by its
        best shift.
    months : DataFrame
        One row a delivery month both hold: ``expiry``, ``first``, ``last`` (shared span), ``both``, ``only_a``,
        ``only_b``, ``equal``, ``close_offset_ticks`` (median of B - A), ``offset_spread_ticks`` (median distance from
        that median: 0 is a constant offset).
    differences : DataFrame
        One row a price column: ``column``, ``different`` (minutes), ``share`` (of both), ``mean_ticks`` (of B - A over
        the different ones), ``median_ticks`` and ``max_ticks`` (of their size).
    classes : DataFrame
        Minutes by size of the difference: ``ticks`` (``0``, ``1``, ``2``, ``3-5``, ...), one column a price.
    volume : mapping of str to float
        ``total_ratio`` (B / A over the shared minutes), ``equal_share``, ``ratio_p05``, ``ratio_p50``, ``ratio_p95``
        (by minute); empty if one of the two has no volume.
    sessions : DataFrame
        One row a session: ``trade_date``, ``scheduled``, ``minutes_a``, ``minutes_b``, ``both``, ``equal``.
    weeks : DataFrame
        Per :func:`weekly_shifts`, ``week`` as text.
    worst : DataFrame
        The 20 minutes furthest apart: ``open_time``, ``expiry``, the prices and volumes of both, ``ticks``.
    findings : tuple of Finding
        What it comes to, gravest first.
    """

    contract: str
    sides: Mapping[str, Mapping[str, str | int]]
    minutes: Mapping[str, int]
    months: pd.DataFrame
    differences: pd.DataFrame
    classes: pd.DataFrame
    volume: Mapping[str, float]
    sessions: pd.DataFrame
    weeks: pd.DataFrame
    worst: pd.DataFrame
    findings: tuple[Finding, ...]

    def to_json(self) -> str:
        """Text that :meth:`from_json` reads back to the same values; numbers that are not known are null."""
        plain: dict[str, object] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, pd.DataFrame):
                plain[field.name] = {
                    name: [None if item != item else item for item in value[name].tolist()]  # noqa: PLR0124 - NaN
                    for name in value.columns
                }
            elif field.name == "findings":
                plain[field.name] = [{"grave": each.grave, "text": each.text} for each in value]
            else:
                plain[field.name] = value
        return json.dumps(plain, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "VendorComparison":
        """Comparison from the text of :meth:`to_json`.

        Raises
        ------
        BadInputError
            Damaged text, or of a version that kept other things.
        """
        frames = {field.name for field in fields(cls) if field.type is pd.DataFrame}
        try:
            plain = json.loads(text)
            taken = {
                name: pd.DataFrame(value).fillna(np.nan).infer_objects() if name in frames else value
                for name, value in plain.items()
            }
            taken["findings"] = tuple(Finding(**each) for each in plain["findings"])
            return cls(**taken)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise BadInputError(
                f"the comparison of two vendors cannot be read: {str(problem)[:200]}. Run factory compare again, or "
                "remove the file."
            ) from problem


def compare_vendors(
    a: RawRead,
    b: RawRead,
    instrument: Instrument,
    calendar: SessionCalendar,
    *,
    folders: tuple[str, str] = ("A", "B"),
) -> VendorComparison:
    """Compare two raw folders of one contract.

    Parameters
    ----------
    a, b : RawRead
        The two folders, each read by its own declaration.
    instrument : Instrument
        Product both hold.
    calendar : SessionCalendar
        Its sessions.
    folders : tuple of str
        What to call the two in messages.

    Raises
    ------
    BadInputError
        No usable row in one of them, or no delivery month, or no span of time, that both hold.
    """
    sessions = calendar.sessions
    left = vendor_minutes(a.minutes, sessions, f"A ({folders[0]})")
    right = vendor_minutes(b.minutes, sessions, f"B ({folders[1]})")
    weeks = weekly_shifts(left, right)
    back = _moved_back(right, weeks)
    spans = _shared_spans(left, right, instrument, folders)
    left, right = _within(left, spans), _within(right, spans)
    tick = instrument.tick_size
    pairs, shifted = paired(left, right, tick), paired(left, back, tick)
    minutes = {
        "both": len(pairs),
        "only_a": len(left) - len(pairs),
        "only_b": len(right) - len(pairs),
        "equal": int(pairs.equal.sum()),
        "equal_with_volume": int((pairs.equal & (pairs.a.volume == pairs.b.volume)).sum()),
        "both_shifted": len(shifted),
        "equal_shifted": int(shifted.equal.sum()),
    }
    sides = {"A": _side(folders[0], a, left.counts), "B": _side(folders[1], b, right.counts)}
    months = by_month(pairs, left, right, instrument.symbol)
    weeks = weeks.assign(week=weeks["week"].dt.strftime("%Y-%m-%d"))
    volume = volume_ratios(pairs)
    return VendorComparison(
        contract=instrument.symbol,
        sides=sides,
        minutes=minutes,
        months=months,
        differences=by_column(pairs),
        classes=by_size(pairs),
        volume=volume,
        sessions=by_session(pairs, sessions, left, right),
        weeks=weeks,
        worst=furthest_apart(pairs, instrument.symbol),
        findings=vendor_findings(sides, minutes, months, weeks, volume),
    )


def _side(folder: str, read: RawRead, counts: Mapping[str, int]) -> dict[str, str | int]:
    declared = read.declaration
    return {
        "folder": folder,
        "source_digest": read.source_digest,
        "vendor": declared.vendor_name,
        "bar_label": declared.bar_label,
        "timezone": declared.clock,
        "volume": declared.volume,
        **counts,
    }


def _moved_back(b: VendorMinutes, weeks: pd.DataFrame) -> VendorMinutes:
    """B with every week moved back by its best shift; weeks without one stay where they are."""
    shifts = weeks["shift_minutes"].fillna(0.0).to_numpy(dtype=np.int64)
    names, place = np.unique(sunday_of(b.minute), return_inverse=True)
    known = dict(zip(dates_days(weeks["week"]).tolist(), shifts.tolist(), strict=True))
    moved = b.key - np.array([known.get(int(name), 0) for name in names], dtype=np.int64)[place]
    moved, kept = np.unique(moved, return_index=True)
    return VendorMinutes(moved, b.prices[:, kept], b.volume[kept], b.counts)


def _shared_spans(a: VendorMinutes, b: VendorMinutes, instrument: Instrument, folders: tuple[str, str]) -> pd.DataFrame:
    """Delivery months both hold: ``month``, and the keys of the first and the last minute of the span both hold."""
    held = [
        pd.DataFrame({"month": side.month, "key": side.key}).groupby("month")["key"].agg(["min", "max"])
        for side in (a, b)
    ]
    both = held[0].join(held[1], how="inner", lsuffix="_a", rsuffix="_b")
    first, last = both[["min_a", "min_b"]].max(axis=1), both[["max_a", "max_b"]].min(axis=1)
    spans = pd.DataFrame({"month": both.index, "first": first.to_numpy(), "last": last.to_numpy()})
    spans = spans[spans["first"] <= spans["last"]].reset_index(drop=True)
    if spans.empty:
        listed = [
            f"{letter} ({folder}) holds {', '.join(month_name(instrument.symbol, int(month)) for month in side.index)} "
            f"from {minutes.open_time.min():%Y-%m-%d} to {minutes.open_time.max():%Y-%m-%d}"
            for letter, folder, side, minutes in zip("AB", folders, held, (a, b), strict=True)
        ]
        raise BadInputError(
            f"{instrument.symbol}: no delivery month has a minute within the span of both: {'; '.join(listed)}. Give "
            "two folders that overlap; if they should, check expiry and timezone in their declarations."
        )
    return spans


def _within(minutes: VendorMinutes, spans: pd.DataFrame) -> VendorMinutes:
    first, last = spans["first"].to_numpy(), spans["last"].to_numpy()
    at = np.searchsorted(first, minutes.key, side="right") - 1
    return minutes.take((at >= 0) & (minutes.key <= last[np.maximum(at, 0)]))
