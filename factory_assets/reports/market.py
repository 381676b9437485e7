"""The plot of the continuous series; what else is to be seen of bars is on the quality page."""

import pandas as pd

from factory_assets.reports.figure import Figure
from factory_assets.reports.style import ACCENT, DOWN, MUTED, canvas, drawn

_POINTS_MAX = 3000


def price_figure(bars: pd.DataFrame, rolls: pd.DataFrame, *, simulated: bool) -> Figure:
    """Close of the continuous series as traded and as adjusted, with its rolls.

    Parameters
    ----------
    bars, rolls : DataFrame
        Tables ``canonical_bars`` and ``rolls``.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
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
