"""Plots of the evaluation: what the numbers are and how uncertain they are, and equity net of costs."""

from typing import Any

import numpy as np
import pandas as pd

from factory_assets.reports.figure import Figure
from factory_assets.reports.style import MUTED, SERIES, canvas, drawn

_SHOWN = (
    ("direction_skill", "direction skill (AUC given a touch - 0.5)"),
    ("skill_log_loss", "skill: log loss gained over clock + ATR"),
    ("net_pnl_dollars", "net P&L, dollars"),
    ("sharpe_annual", "Sharpe of daily net P&L"),
)


def evaluation_figures(table: pd.DataFrame, trades: pd.DataFrame, *, simulated: bool) -> list[Figure]:
    """Plots of one partition's evaluation.

    Parameters
    ----------
    table, trades : DataFrame
        The ``evaluation`` and ``trades`` tables.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    periods = [str(period) for period in pd.unique(table["period"])]
    figures = [_intervals(table[table["period"] == period], period, simulated=simulated) for period in periods]
    figures += [_equity(trades[trades["period"] == period], period, simulated=simulated) for period in periods]
    return figures


def _intervals(table: pd.DataFrame, period: str, *, simulated: bool) -> Figure:
    with canvas(2, 2, width=11.0, height=3.6, simulated=simulated) as (figure, axes):
        for axis, (metric, title) in zip(axes.flat, _SHOWN, strict=True):
            rows = table[(table["metric"] == metric) & table["value"].notna()].sort_values("model")
            _interval_axis(axis, rows)
            axis.set_title(title, fontsize=9)
        return drawn(
            figure,
            f"Metrics with intervals, {period}",
            "Point and session-bootstrap interval of every model and baseline. Only direction skill and net P&L speak "
            "of an edge, and only where the whole interval lies on one side of zero.",
            simulated=simulated,
        )


def _interval_axis(axis: Any, rows: pd.DataFrame) -> None:
    places = np.arange(len(rows))
    value = rows["value"].to_numpy(dtype=np.float64)
    low, high = rows["low"].to_numpy(dtype=np.float64), rows["high"].to_numpy(dtype=np.float64)
    axis.hlines(places, low, high, color=SERIES[0], linewidth=2)
    axis.plot(value, places, "o", color=SERIES[0], markersize=4)
    axis.axvline(0, color=MUTED, linewidth=0.8)
    axis.set_yticks(places, rows["model"].astype(str), fontsize=7)


def _equity(trades: pd.DataFrame, period: str, *, simulated: bool) -> Figure:
    with canvas(width=11.0, simulated=simulated) as (figure, axis):
        totals = []
        for position, (model, rows) in enumerate(trades.groupby("model", observed=True, sort=True)):
            ordered = rows.sort_values("exit_time")
            colour = SERIES[position % len(SERIES)]
            axis.step(ordered["exit_time"], ordered["net_dollars"].cumsum(), where="post", color=colour, label=model)
            totals.append(f"{model}: {len(rows):,} trades, {ordered['net_dollars'].sum():+,.0f} $")
        axis.axhline(0, color=MUTED, linewidth=0.8)
        axis.set_ylabel("net P&L, dollars", fontsize=8)
        if totals:
            axis.legend(fontsize=8, frameon=False)
        return drawn(
            figure,
            f"Equity of one contract, {period}",
            f"Running net P&L after costs. {'; '.join(totals) if totals else 'No model traded.'}",
            simulated=simulated,
        )
