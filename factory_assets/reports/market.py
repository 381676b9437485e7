"""Plots of the market page: the series and its rolls, volume by minute of the session, coverage by session."""

import numpy as np
import pandas as pd

from factory_assets.reports.figure import Figure
from factory_assets.reports.style import ACCENT, DOWN, MUTED, canvas, drawn
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.timeframes import MINUTE_US

_POINTS_MAX = 3000


def market_figures(
    bars: pd.DataFrame, quarantine: pd.DataFrame, rolls: pd.DataFrame, *, simulated: bool
) -> list[Figure]:
    """Plots of one contract's canonical bars.

    Parameters
    ----------
    bars, quarantine, rolls : DataFrame
        The three tables of phase 1.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    return [
        _series(bars, rolls, simulated=simulated),
        _volume_by_minute(bars, simulated=simulated),
        _coverage(bars, quarantine, simulated=simulated),
    ]


def _series(bars: pd.DataFrame, rolls: pd.DataFrame, *, simulated: bool) -> Figure:
    step = max(1, len(bars) // _POINTS_MAX)
    shown = bars.iloc[::step]
    with canvas(simulated=simulated) as (figure, axis):
        axis.plot(shown["close_time"], shown["close"], color=MUTED, linewidth=0.9, label="traded")
        adjusted = shown["close"] * shown["adjustment_ratio"]
        axis.plot(shown["close_time"], adjusted, color=ACCENT, linewidth=0.9, label="adjusted forward")
        for day in rolls["trade_date"]:
            axis.axvline(day, color=DOWN, linewidth=0.7, linestyle=":")
        axis.set_ylabel("points", fontsize=8)
        axis.legend(fontsize=8, frameon=False)
        return drawn(
            figure,
            "Price and rolls",
            f"Close of every {step}th minute, {len(bars):,} minutes in all; dotted lines are the {len(rolls)} rolls. "
            "Adjusted prices feed the features, traded prices the barriers and the P&L.",
            simulated=simulated,
        )


def _volume_by_minute(bars: pd.DataFrame, *, simulated: bool) -> Figure:
    minute = (times_us(bars["open_time"]) // MINUTE_US) % (24 * 60)
    total = np.bincount(minute, weights=bars["volume"].to_numpy(), minlength=24 * 60)
    sessions = bars["trade_date"].nunique()
    with canvas(simulated=simulated) as (figure, axis):
        axis.fill_between(np.arange(24 * 60) / 60, total / sessions, color=ACCENT, alpha=0.7, linewidth=0)
        axis.set_xlabel("hour of day, UTC", fontsize=8)
        axis.set_ylabel("contracts a session", fontsize=8)
        axis.set_xlim(0, 24)
        return drawn(
            figure,
            "Volume by minute",
            f"Mean contracts traded in each minute over {sessions} sessions (UTC, so both sides of a clock change "
            "are visible). The empty hour is the daily break.",
            simulated=simulated,
        )


def _coverage(bars: pd.DataFrame, quarantine: pd.DataFrame, *, simulated: bool) -> Figure:
    counts = bars.groupby("trade_date").size()
    with canvas(simulated=simulated) as (figure, axis):
        axis.bar(counts.index, counts.to_numpy(), width=1.0, color=ACCENT)
        axis.set_ylabel("traded minutes", fontsize=8)
        return drawn(
            figure,
            "Minutes by session",
            f"Traded minutes of each of {len(counts)} sessions; a full one has 1,380. Short bars are holidays and "
            f"early closes. {len(quarantine):,} raw rows are in quarantine.",
            simulated=simulated,
        )
