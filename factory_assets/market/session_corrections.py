"""Dated corrections of the exchange calendar, where data or an exchange notice proves the library wrong.

Belongs here: single dates, one row an asset class, each with its evidence. Does not: rules that hold every day (they
are in :mod:`factory_assets.market.sessions`). A row changes one session only; a session that is not listed is taken
from the calendar library, which closes every partial holiday at 12:00 Chicago for all products.
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


_MGC_LAST = "Databento GLBX.MDP3 ohlcv-1m of MGC.FUT, all months: trades after 12:00 Chicago that day, last minute "
_MGC_1330 = _MGC_LAST + "13:28 or 13:29, none until 17:00"
_MGC_1245 = _MGC_LAST + "12:44, none until 17:00"
_METALS_PATTERN = (
    "pattern proven by the MGC data from 2022-01-17 on; published schedules agree for 2024-07-04 (DTN holiday "
    "schedule) and 2026-01-19 (CME Globex schedule as relayed by Edge Clear)"
)
_METALS_1245_PATTERN = "pattern proven by the MGC data of 2020-12-24, 2021-11-26 and 2022-11-25"
_JUNETEENTH = (
    "CME halts equity index futures at 12:00 Chicago on Juneteenth from 2022 on (notices relayed by daytradetowin.com "
    "for 2022-06-20 and forexlive.com for 2024-06-19); the library does not know the holiday"
)
_EQUITY_1215 = (
    "FirstRateData NQ of 2023-11-24 trades until 12:14 Chicago; DTN holiday schedule gives 12:15 for 2024-07-03. "
    "Equity index futures follow the cash market's 12:00 Chicago close on the day after Thanksgiving, on Christmas "
    "Eve and on the trading day before Independence Day"
)
_GOOD_FRIDAY = (
    "CME opened equity index futures until 08:15 Chicago on Good Fridays with an employment report (schedule recorded "
    "by pandas_market_calendars); the library has no session"
)
_MOURNING = (
    "CME Group notice of 2024-12-30: National Day of Mourning, equity index until 08:30 Chicago, metals normal hours; "
    "the library has no session"
)

SESSION_CORRECTIONS: tuple[SessionCorrection, ...] = (
    *_rows("metals", time(12, 45), _MGC_1245, "2020-12-24", "2021-11-26", "2022-11-25"),
    *_rows("metals", time(13, 30), _MGC_1330, "2022-01-17", "2022-02-21", "2022-05-30", "2022-06-20", "2022-07-04"),
    *_rows("metals", time(13, 30), _MGC_1330, "2022-09-05", "2022-11-24"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2023-01-16", "2023-02-20", "2023-05-29", "2023-06-19"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2023-07-04", "2023-09-04", "2023-11-23"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2024-01-15", "2024-02-19", "2024-05-27", "2024-06-19"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2024-07-04", "2024-09-02", "2024-11-28"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2025-01-20", "2025-02-17", "2025-05-26", "2025-06-19"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2025-07-04", "2025-09-01", "2025-11-27"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2026-01-19", "2026-02-16", "2026-05-25", "2026-06-19"),
    *_rows("metals", time(13, 30), _METALS_PATTERN, "2026-07-03", "2026-09-07", "2026-11-26"),
    *_rows("metals", time(12, 45), _METALS_1245_PATTERN, "2023-11-24", "2024-11-29", "2024-12-24"),
    *_rows("metals", time(12, 45), _METALS_1245_PATTERN, "2025-11-28", "2025-12-24", "2026-11-27", "2026-12-24"),
    *_rows("metals", time(16), _MOURNING, "2025-01-09"),
    *_rows("equity_index", time(12), _JUNETEENTH, "2022-06-20", "2023-06-19", "2024-06-19", "2025-06-19", "2026-06-19"),
    *_rows("equity_index", time(12, 15), _EQUITY_1215, "2020-11-27", "2020-12-24", "2021-11-26", "2022-11-25"),
    *_rows("equity_index", time(12, 15), _EQUITY_1215, "2023-07-03", "2023-11-24", "2024-07-03", "2024-11-29"),
    *_rows("equity_index", time(12, 15), _EQUITY_1215, "2024-12-24", "2025-07-03", "2025-11-28", "2025-12-24"),
    *_rows("equity_index", time(12, 15), _EQUITY_1215, "2026-11-27", "2026-12-24"),
    *_rows("equity_index", time(8, 15), _GOOD_FRIDAY, "2021-04-02", "2023-04-07"),
    *_rows("equity_index", time(8, 30), _MOURNING, "2025-01-09"),
)
