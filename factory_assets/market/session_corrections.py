"""Dated corrections of the exchange calendar, where data or an exchange notice proves the library wrong.

Belongs here: single dates, one row an asset class, each with its evidence. Does not: rules that hold every day (they
are in :mod:`factory_assets.market.sessions`). A row changes one session only; a session that is not listed is taken
from the calendar library, which closes every partial holiday at 12:00 Chicago for all products.

The rows reach from 2018 to 2027; before 2018 the library stands alone. Evidence comes in three grades, and each source
says which: *data* (bars end there), *notice* (a published schedule of that day) and *extended pattern* (the same
holiday in neighbouring years; nothing of the day itself was found). A wrong row shows: bars behind a close that is too
early are quarantined as ``outside_session``, and a close that is too late makes the check ``schedule_is_traded`` warn.
Metals close at 12:00, as the library says, on holidays that fall on a Friday (2020-07-03, 2025-07-04, 2026-07-03), and
closed at 12:00 on every holiday before 2022.
"""

from dataclasses import dataclass
from datetime import date, time


@dataclass(frozen=True, kw_only=True)
class SessionCorrection:
    """One trade date whose hours differ from the calendar library.

    Attributes
    ----------
    trade_date : date
        The session.
    asset_class : str
        Instruments it applies to (``Instrument.asset_class``).
    close : time
        Chicago wall time of the close on ``trade_date``; the session opens at 17:00 on the calendar day before.
    source : str
        Evidence: what was seen, and where.
    """

    trade_date: date
    asset_class: str
    close: time
    source: str


def _rows(asset_class: str, close: time, source: str, *dates: str) -> tuple[SessionCorrection, ...]:
    return tuple(
        SessionCorrection(trade_date=date.fromisoformat(day), asset_class=asset_class, close=close, source=source)
        for day in dates
    )


_MGC_LAST = "data: Databento GLBX.MDP3 ohlcv-1m of MGC.FUT, all months: last minute traded that day "
_MGC_1330 = _MGC_LAST + "13:28 or 13:29 Chicago, none until 17:00"
_MGC_1245 = _MGC_LAST + "12:44 Chicago, none until 17:00"
_METALS_PATTERN = (
    "extended pattern: 13:30 on holidays from Monday to Thursday in the MGC data of 2022 and in every notice"
)
_METALS_1245_PATTERN = (
    "extended pattern: 12:45 in the MGC data of 2020-12-24, 2021-11-26 and 2022-11-25, and in notices"
)
_PMC_464 = (
    "notice: CME's published 2026 hours, as compared cell by cell in pandas_market_calendars issues 464 and 465 (GC)"
)
_TRADE_XYZ = "notice: CME holiday hours of 2026 as relayed by docs.trade.xyz (metals until 14:30 New York)"
_FXOPEN_2023 = "notice: gold until 21:30 on the 23rd and 20:45 on the 24th, GMT+2 (FXOpen); 18:45 UTC (SimpleFX)"
_ONE_FINANCIAL = "notice: One Financial Markets, 2024-11-28 and 29, futures by symbol, GMT+2: "
_THUNDER = "notice: Thunder Markets, 2025-11-27 and 28, GMT+2: "
_IN_2018 = "notice: CFD hours of Capstone (fxcg) and Tickmill for 2018-11-23 and 2018-12-24: "
_NEXT_YEAR = "extended pattern of 2026 to 2027; CME's schedule was not out when the row was written"
_EQUITY_PATTERN = (
    "extended pattern: 12:15, 15 minutes behind the cash market, on the day after Thanksgiving, Christmas Eve and the "
    "trading day before Independence Day (also the rule of pandas_market_calendars)"
)
_JUNETEENTH = (
    "notice: CME halts equity index futures at 12:00 Chicago on Juneteenth from 2022 on (daytradetowin.com for "
    "2022-06-20, forexlive.com for 2024-06-19, QuantConnect Lean issue 9552 for 2026-06-19, exchange_calendars pull "
    "request 585); the library does not know the holiday"
)
_GOOD_FRIDAY = (
    "notice: CME opened equity index futures until 08:15 Chicago on Good Fridays with an employment report "
    "(pandas_market_calendars, pull requests 311 and 456; docs.trade.xyz for 2026); the library has no session"
)
_MOURNING = (
    "notice: CME Group of 2018-11-30 and 2024-12-30: National Day of Mourning, equity index until 08:30 Chicago, "
    "metals normal hours; the library has no session"
)

_METALS = (
    *_rows("metals", time(12, 45), _MGC_1245, "2020-12-24", "2021-11-26", "2022-11-25"),
    *_rows("metals", time(13, 30), _MGC_1330, "2022-01-17", "2022-02-21", "2022-05-30", "2022-06-20", "2022-07-04"),
    *_rows("metals", time(13, 30), _MGC_1330, "2022-09-05", "2022-11-24"),
    *_rows("metals", time(12, 45), _IN_2018 + "bullion and copper until 18:45 UTC", "2018-11-23", "2018-12-24"),
    *_rows("metals", time(12, 45), _FXOPEN_2023, "2023-11-24"),
    *_rows("metals", time(12, 45), "notice: gold until 20:45 GMT+2 on Christmas Eve 2024 (FXOpen)", "2024-12-24"),
    *_rows("metals", time(12, 45), _TRADE_XYZ + "; 13:45 on Christmas Eve", "2026-12-24"),
    *_rows("metals", time(12, 45), _METALS_1245_PATTERN, "2019-11-29", "2019-12-24", "2020-11-27", "2025-12-24"),
    *_rows(
        "metals",
        time(13, 45),
        _ONE_FINANCIAL + "copper, crude and gas until 21:44. A summary of Hafoo Securities says 12:45; of two "
        "contradicting notices the later close is taken, because a close too early would quarantine real bars",
        "2024-11-29",
    ),
    *_rows("metals", time(13, 45), _THUNDER + "gold, silver and crude until 21:45 on the 28th", "2025-11-28"),
    *_rows("metals", time(13, 45), _PMC_464 + ": 14:45 New York", "2026-11-27"),
    *_rows("metals", time(13, 30), _FXOPEN_2023, "2023-11-23"),
    *_rows("metals", time(13, 30), "notice: metals and copper until 21:30 GMT+3 (Gerchik & Co)", "2024-06-19"),
    *_rows("metals", time(13, 30), "notice: metals halt 13:30 Chicago (DTN holiday schedule 2024)", "2024-07-04"),
    *_rows("metals", time(13, 30), _ONE_FINANCIAL + "copper, crude and gas until 21:29", "2024-11-28"),
    *_rows("metals", time(13, 30), "notice: gold 21:15, crude 21:30 GMT+3 (zForex)", "2025-05-26", "2025-09-01"),
    *_rows("metals", time(13, 30), _THUNDER + "gold, silver and crude until 21:30 on the 27th", "2025-11-27"),
    *_rows("metals", time(13, 30), "notice: metals halt 13:30 Chicago (CME Globex via Edge Clear)", "2026-01-19"),
    *_rows("metals", time(13, 30), _TRADE_XYZ, "2026-02-16", "2026-05-25", "2026-11-26"),
    *_rows("metals", time(13, 30), _PMC_464 + ": 14:30 New York", "2026-09-07"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2023-01-16", "2023-02-20", "2023-05-29", "2023-06-19"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2023-07-04", "2023-09-04", "2024-01-15", "2024-02-19"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2024-05-27", "2024-09-02", "2025-01-20", "2025-02-17"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2025-06-19"),
    *_rows("metals", time(12), _PMC_464 + ": 13:00 New York, a Friday; the library has no Juneteenth", "2026-06-19"),
    *_rows("metals", time(13, 30), _NEXT_YEAR, "2027-01-18", "2027-02-15", "2027-05-31", "2027-07-05", "2027-09-06"),
    *_rows("metals", time(13, 30), _NEXT_YEAR, "2027-11-25"),
    *_rows("metals", time(13, 45), _NEXT_YEAR, "2027-11-26"),
    *_rows("metals", time(12), _NEXT_YEAR + "; a Friday", "2027-06-18"),
    *_rows("metals", time(16), _MOURNING, "2018-12-05", "2025-01-09"),
)
_EQUITY_INDEX = (
    *_rows("equity_index", time(12), _JUNETEENTH, "2022-06-20", "2023-06-19", "2024-06-19", "2025-06-19", "2026-06-19"),
    *_rows("equity_index", time(12), _NEXT_YEAR, "2027-06-18"),
    *_rows("equity_index", time(12, 15), "data: FirstRateData NQ trades until 12:14 Chicago that day", "2023-11-24"),
    *_rows("equity_index", time(12, 15), _IN_2018 + "S&P 500 until 18:15 UTC", "2018-11-23", "2018-12-24"),
    *_rows("equity_index", time(12, 15), "notice: equities close 12:15 Chicago (DTN schedule 2024)", "2024-07-03"),
    *_rows("equity_index", time(12, 15), _ONE_FINANCIAL + "S&P 500 until 20:14 on the 29th", "2024-11-29"),
    *_rows("equity_index", time(12, 15), "notice: S&P 500 until 20:15 GMT+2, Christmas Eve (FXOpen)", "2024-12-24"),
    *_rows("equity_index", time(12, 15), "notice: S&P 500 until 17:15 UTC (FunderPro, FXCL)", "2025-07-03"),
    *_rows("equity_index", time(12, 15), _THUNDER + "S&P 500 until 20:15 on the 28th", "2025-11-28"),
    *_rows("equity_index", time(12, 15), _PMC_464 + ", equity column: 13:15 New York", "2026-11-27", "2026-12-24"),
    *_rows("equity_index", time(12, 15), _EQUITY_PATTERN, "2018-07-03", "2019-07-03", "2019-11-29", "2019-12-24"),
    *_rows("equity_index", time(12, 15), _EQUITY_PATTERN, "2020-11-27", "2020-12-24", "2021-11-26", "2022-11-25"),
    *_rows("equity_index", time(12, 15), _EQUITY_PATTERN, "2023-07-03", "2025-12-24"),
    *_rows("equity_index", time(12, 15), _NEXT_YEAR, "2027-11-26"),
    *_rows("equity_index", time(8, 15), _GOOD_FRIDAY, "2021-04-02", "2023-04-07", "2026-04-03"),
    *_rows("equity_index", time(8, 30), _MOURNING, "2018-12-05", "2025-01-09"),
)

SESSION_CORRECTIONS: tuple[SessionCorrection, ...] = (*_METALS, *_EQUITY_INDEX)
