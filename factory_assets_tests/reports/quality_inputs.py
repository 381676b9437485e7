"""Small tables of a made contract for the tests of the quality page: a roll, gaps of each kind, refused rows."""

import hashlib
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from factory_assets.market.sessions import SessionCalendar
from factory_assets.reports.quality import QualityInputs
from factory_assets.vocabulary.frames import from_days, from_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import MINUTE_US
from factory_assets.vocabulary.verdict import Verdict

PROVENANCE = {
    "vendor": "ninjatrader8",
    "bar_label": "close",
    "timezone": "UTC",
    "volume_meaning": "contracts",
    "series": "months",
    "source_digest": hashlib.sha256(b"ours").hexdigest(),
}


def quality_inputs(symbol: str = "MES", **changes: object) -> QualityInputs:
    """Thirteen sessions of January 2024 with a roll in the middle; every table can be replaced."""
    product = instrument(symbol)
    calendar = SessionCalendar.of(product)
    sessions = calendar.between(date(2024, 1, 2), date(2024, 1, 18))
    bars = _bars(sessions)
    made = QualityInputs(
        instrument=product,
        bars=bars,
        quarantine=_quarantine(bars),
        rolls=_roll(sessions),
        gaps=gaps_of(
            [("unexplained", 40), ("calendar", 90), ("other_expiries_silent", 12), ("unexplained", 7)], sessions
        ),
        coverage=_coverage(sessions, bars),
        restatements=restatements_of(bars.iloc[:0]),
        sessions=sessions,
        provenance=PROVENANCE,
        verdicts=[
            Verdict(
                name="quarantine_ceiling", passed=True, summary="fine", details={"share": 0.0004, "share_max": 0.01}
            )
        ],
        comparison=None,
    )
    return replace(made, **changes)


def _bars(sessions) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    opens = np.concatenate(
        [np.arange(a, b, 7 * MINUTE_US) for a, b in zip(sessions.open_us, sessions.close_us, strict=True)]
    )
    session = sessions.locate(opens)
    later = session >= 6
    close = 4000.0 + 0.25 * np.cumsum(rng.integers(-2, 3, len(opens))) + np.where(later, 50.0, 0.0)
    return pd.DataFrame(
        {
            "expiry": pd.Categorical(np.where(later, "MESM4", "MESH4")),
            "open_time": from_us(opens),
            "close_time": from_us(opens + MINUTE_US),
            "trade_date": from_days(sessions.trade_day[session]),
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume": rng.integers(1, 90, len(opens)).astype(float),
            "adjustment_ratio": np.where(later, 4000 / 4050, 1.0),
        }
    )


def _roll(sessions) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trade_date": from_days(sessions.trade_day[[6]]),
            "from_expiry": ["MESH4"],
            "to_expiry": ["MESM4"],
            "ratio": [4000 / 4050],
            "difference": [50.0],
            "paired_minutes": [400],
            "reason": ["volume share reached"],
        }
    )


def _quarantine(bars: pd.DataFrame) -> pd.DataFrame:
    rows = bars.iloc[[30, 60, 90]][["expiry", "open_time", "open", "high", "low", "close", "volume"]].copy()
    rows["high"] += [400.0, 10.0, 0.0]
    rows["reason"] = pd.Categorical(["spike", "spike", "off_tick"])
    return rows.assign(source_file="<b>raw</b>.txt", source_row=[30, 60, 90]).reset_index(drop=True)


def gaps_of(rows: list[tuple[str, int]], sessions) -> pd.DataFrame:
    """One gap a session, of the given explanation and length."""
    start = sessions.open_us[: len(rows)] + 60 * MINUTE_US
    minutes = np.array([minutes for _, minutes in rows], dtype=np.int64)
    return pd.DataFrame(
        {
            "expiry": pd.Categorical(["MESH4"] * len(rows)),
            "trade_date": from_days(sessions.trade_day[: len(rows)]),
            "start_time": from_us(start),
            "end_time": from_us(start + minutes * MINUTE_US),
            "missing_minutes": minutes,
            "usual_minutes": 6,
            "explanation": pd.Categorical([name for name, _ in rows]),
            "evidence": "because <i>so</i>",
        }
    )


def _coverage(sessions, bars: pd.DataFrame) -> pd.DataFrame:
    scheduled = (sessions.close_us - sessions.open_us) // MINUTE_US
    traded = np.bincount(sessions.locate(bars["open_time"].astype("int64").to_numpy()), minlength=len(sessions))
    return pd.DataFrame(
        {
            "trade_date": from_days(sessions.trade_day),
            "expiry": pd.Categorical(["MESH4"] * len(sessions)),
            "open_time": from_us(sessions.open_us),
            "close_time": from_us(sessions.close_us),
            "scheduled_minutes": scheduled,
            "traded_minutes": traded * 7,
            "zero_volume_minutes": 0,
            "share": np.minimum(1.0, traded * 7 / scheduled),
            "listed_gaps": 1,
            "calendar_note": np.where(scheduled < 1380, "early close", ""),
        }
    )


def restatements_of(bars: pd.DataFrame) -> pd.DataFrame:
    """Each of the bars restated: its close a point higher."""
    old = {f"old_{name}": bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    new = {f"new_{name}": bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    new["new_close"] = new["new_close"] + 1.0
    return pd.DataFrame(
        {
            "expiry": bars["expiry"].to_numpy(),
            "open_time": bars["open_time"].reset_index(drop=True),
            **old,
            **new,
            "old_source_file": pd.Categorical(["first.csv"] * len(bars)),
            "new_source_file": pd.Categorical(["second.csv"] * len(bars)),
            "seen_at": pd.Series([pd.Timestamp("2024-02-01", tz="UTC")] * len(bars), dtype="datetime64[us, UTC]"),
        }
    )
