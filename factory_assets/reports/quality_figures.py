"""Plots of the quality page: missing bars, refused rows, jumps at rolls, and when the market trades."""

from typing import Any

import numpy as np
import pandas as pd

from factory_assets.reports.figure import Figure
from factory_assets.reports.style import ACCENT, DOWN, FLAT, INK, MUTED, SERIES, UP, canvas, drawn
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.timeframes import MINUTE_US

SHARE_BOUNDS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
EXPLANATIONS = (("unexplained", DOWN), ("quarantined", FLAT), ("other_expiries_silent", MUTED), ("calendar", ACCENT))

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKS_A_YEAR = 54
_ORDINARY = 0.95
_LENGTHS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 60, 80, 120, 240, 480, 960, 1440)
_LENGTHS_APART = (1, 2, 5, 10, 30, 60, 120, 240, 480, 1440)


def coverage_calendar(coverage: pd.DataFrame, *, simulated: bool) -> Figure:
    """Share of scheduled minutes that traded, one cell a session: a row of weekdays for each year.

    Parameters
    ----------
    coverage : DataFrame
        Table ``coverage``.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    from matplotlib.colors import BoundaryNorm, ListedColormap

    days = pd.DatetimeIndex(coverage["trade_date"])
    years = sorted(set(days.year))
    colours = ListedColormap(["#7f1d1d", "#c2412d", "#e08a4a", "#f2cf7e", "#cfe3c4", "#8fc3b0", "#2b7f8f"])
    norm = BoundaryNorm(SHARE_BOUNDS, colours.N, clip=True)
    with canvas(len(years), width=13.0, height=1.25 if len(years) > 1 else 1.6, simulated=simulated) as (figure, axes):
        for axis, year in zip(np.ravel(np.array(axes, dtype=object)), years, strict=True):
            of_year = days.year == year
            shares = coverage["share"].to_numpy(dtype=np.float64)[of_year]
            _year_of_cells(axis, days[of_year], shares, year, colours, norm)
        scale = figure.colorbar(
            _scale(norm, colours), ax=axes, ticks=SHARE_BOUNDS, spacing="uniform", fraction=0.02, pad=0.01
        )
        scale.ax.set_yticklabels([f"{bound:.0%}" for bound in SHARE_BOUNDS], fontsize=7)
        empty = int((coverage["traded_minutes"] == 0).sum())
        return drawn(
            figure,
            "Coverage calendar",
            "Each cell is a session, coloured by the share of its scheduled minutes in which the front month traded: "
            f"{len(coverage):,} in all. Black: no bar at all ({empty}). White: no session. A quiet market is pale for "
            "weeks; a pale or red cell among blue ones is a feed that failed, or where the files begin or end.",
            simulated=simulated,
        )


def _scale(norm: Any, colours: Any) -> Any:
    from matplotlib.cm import ScalarMappable

    return ScalarMappable(norm=norm, cmap=colours)


def _year_of_cells(axis: Any, days: pd.DatetimeIndex, shares: np.ndarray, year: int, colours: Any, norm: Any) -> None:
    first = pd.Timestamp(year, 1, 1)
    start = dates_days(pd.DatetimeIndex([first]))[0] - first.weekday()
    number = dates_days(days) - start
    cells = np.full((7, _WEEKS_A_YEAR), np.nan)
    cells[number % 7, number // 7] = shares
    axis.pcolormesh(
        np.arange(_WEEKS_A_YEAR + 1), np.arange(6), np.ma.masked_invalid(cells[:5]), cmap=colours, norm=norm,
        edgecolors="white", linewidth=0.6,
    )  # fmt: skip
    without = np.argwhere(cells[:5] == 0.0)
    if len(without):
        axis.scatter(without[:, 1] + 0.5, without[:, 0] + 0.5, marker="s", s=18, color="black", linewidth=0)
    axis.set_ylim(5, 0)
    axis.set_xlim(0, _WEEKS_A_YEAR)
    axis.set_yticks(np.arange(5) + 0.5, _WEEKDAYS, fontsize=6.5)
    starts = [(dates_days(pd.DatetimeIndex([pd.Timestamp(year, month, 1)]))[0] - start) / 7 for month in range(1, 13)]
    axis.set_xticks(starts, _MONTHS, fontsize=7, ha="left")
    axis.set_ylabel(str(year), fontsize=9, color=INK)
    axis.grid(visible=False)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def gap_timeline(gaps: pd.DataFrame, coverage: pd.DataFrame, *, simulated: bool) -> Figure:
    """Every listed gap by date and by hour of the session, its length and what explains it.

    Parameters
    ----------
    gaps, coverage : DataFrame
        The tables; ``gaps`` with at least one row.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    opened = pd.Series(times_us(coverage["open_time"]), index=dates_days(coverage["trade_date"]))
    since_open = times_us(gaps["start_time"]) - opened.reindex(dates_days(gaps["trade_date"])).to_numpy()
    hour = since_open / (60 * MINUTE_US)
    with canvas(1, 2, width=13.0, height=3.4, simulated=simulated) as (figure, axes):
        by_date, by_hour = axes.flat
        # The unexplained are drawn last, above the rest.
        for name, colour in reversed(EXPLANATIONS):
            chosen = (gaps["explanation"].astype(str) == name).to_numpy()
            if not chosen.any():
                continue
            style = {"s": 16, "color": colour, "alpha": 0.8, "linewidth": 0, "label": f"{name} ({chosen.sum():,})"}
            length = gaps["missing_minutes"].to_numpy()[chosen]
            by_date.scatter(pd.DatetimeIndex(gaps["trade_date"])[chosen], length, **style)
            by_hour.scatter(hour[chosen], length, **style)
        for axis in (by_date, by_hour):
            _minutes_on_log(axis, gaps["missing_minutes"].to_numpy())
        by_date.tick_params(axis="x", rotation=30)
        by_date.set_xlim(*pd.DatetimeIndex(coverage["trade_date"].iloc[[0, -1]]) + pd.to_timedelta([-2, 2], unit="D"))
        _hours(by_hour)
        figure.legend(
            *by_date.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8, frameon=False
        )
        return drawn(
            figure,
            "Gaps",
            f"Waits for a bar ({len(gaps):,}) that are longer than the 99.9th percentile of waits about that minute of "
            "the week in earlier sessions; left by date, right by time of day. Gaps one above the other at one hour "
            "are a habit of the market or of the feed; scattered ones are accidents.",
            simulated=simulated,
        )


def quarantine_timeline(quarantine: pd.DataFrame, *, simulated: bool) -> Figure:
    """Quarantined rows by month and reason.

    Parameters
    ----------
    quarantine : DataFrame
        Table ``quarantine`` with at least one row.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    month = pd.DatetimeIndex(quarantine["open_time"]).tz_localize(None).to_period("M")
    counts = pd.crosstab(month, quarantine["reason"].astype(str))
    months = pd.period_range(counts.index.min(), counts.index.max(), freq="M")
    # A corrupt stamp of 1970 would make a hundred years of empty bars.
    shown = counts.reindex(months, fill_value=0) if len(months) <= 240 else counts
    with canvas(width=13.0, height=2.8, simulated=simulated) as (figure, axis):
        below = np.zeros(len(shown))
        for position, reason in enumerate(counts.columns):
            colour = SERIES[position % len(SERIES)]
            axis.bar(np.arange(len(shown)), shown[reason], bottom=below, color=colour, width=0.8, label=reason)
            below += shown[reason].to_numpy()
        step = max(1, len(shown) // 18)
        axis.set_xticks(np.arange(0, len(shown), step), [str(each) for each in shown.index[::step]], rotation=30)
        axis.set_ylabel("rows", fontsize=8)
        axis.yaxis.get_major_locator().set_params(integer=True)
        figure.legend(loc="outside upper center", ncols=5, fontsize=8, frameon=False)
        return drawn(
            figure,
            "Quarantine by month",
            f"Raw rows of all delivery months that broke a rule ({len(quarantine):,}), by the month of their stamp. "
            "They are kept as they came, never repaired, never used.",
            simulated=simulated,
        )


def roll_figure(jumps: pd.DataFrame, gaps: pd.DataFrame, *, simulated: bool) -> Figure:
    """Jump at each roll before and after adjustment, beside what ordinary sessions show.

    Parameters
    ----------
    jumps, gaps : DataFrame
        As :func:`factory_assets.market.roll_jumps.roll_jumps` (at least one row) and ``session_gaps``.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    ordinary = gaps.loc[~gaps["rolled"], "adjusted_jump_ticks"].abs()
    limit = float(ordinary.quantile(_ORDINARY)) if len(ordinary) else 0.0
    places = np.arange(len(jumps))
    with canvas(width=13.0, height=3.4, simulated=simulated) as (figure, axis):
        axis.axhspan(-limit, limit, color=MUTED, alpha=0.18, linewidth=0, label=f"{_ORDINARY:.0%} of ordinary gaps")
        axis.bar(places - 0.2, jumps["traded_jump_ticks"], width=0.38, color=FLAT, label="traded")
        axis.bar(places + 0.2, jumps["adjusted_jump_ticks"], width=0.38, color=ACCENT, label="adjusted")
        axis.axhline(0, color=INK, linewidth=0.8)
        days = pd.DatetimeIndex(jumps["trade_date"]).strftime("%Y-%m-%d")
        names = [
            f"{row.from_expiry} → {row.to_expiry}\n{day}" for row, day in zip(jumps.itertuples(), days, strict=True)
        ]
        step = max(1, len(jumps) // 14)
        axis.set_xticks(places[::step], names[::step], fontsize=7, rotation=20, ha="right")
        axis.set_xlim(-0.7, len(jumps) - 0.3)
        axis.set_ylabel("last close to next open, ticks", fontsize=8)
        figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
        return drawn(
            figure,
            "Jumps at rolls",
            f"Move from the last close of the month left to the first open of the month entered at {len(jumps)} rolls. "
            "Traded prices jump by the distance between the two months; after adjustment only what the market moved "
            f"while closed may be left (band: {_ORDINARY:.0%} of the {len(ordinary):,} session gaps without a roll).",
            simulated=simulated,
        )


def volume_figure(profile: pd.DataFrame, *, volume_meaning: str, simulated: bool) -> Figure:
    """Contracts (or trades) in each minute of the session, and how often the minute trades at all.

    Parameters
    ----------
    profile : DataFrame
        As :func:`factory_assets.market.volume_profile.volume_profile`.
    volume_meaning : str
        ``contracts``, ``ticks`` (trades) or ``none``, as declared.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    hour = profile["minute"].to_numpy() / 60
    counted = bool(profile["median"].notna().any())
    unit = "trades" if volume_meaning == "ticks" else "contracts"
    with canvas(2 if counted else 1, width=13.0, height=2.3, simulated=simulated) as (figure, axes):
        panels = list(np.ravel(np.array(axes, dtype=object)))
        if counted:
            panels[0].fill_between(
                hour, profile["low"], profile["high"], color=ACCENT, alpha=0.25, linewidth=0, label="quartiles"
            )
            panels[0].plot(hour, profile["median"], color=ACCENT, linewidth=1.0, label="median")
            panels[0].yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            panels[0].set_ylabel(unit, fontsize=8)
            panels[0].legend(fontsize=8, frameon=False, loc="upper left")
        panels[-1].plot(hour, profile["traded_share"], color=UP, linewidth=1.0)
        panels[-1].set_ylim(min(0.95, float(profile["traded_share"].min())) - 0.01, 1.005)
        panels[-1].yaxis.get_major_locator().set_params(steps=[1, 2, 5, 10])
        panels[-1].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        panels[-1].set_ylabel("share of sessions\nwith a trade", fontsize=8)
        for panel in panels:
            _hours(panel)
        said = (
            f"{unit.capitalize()} of the front month in each minute since the session's open: median and quartiles "
            "over all sessions, a minute without a trade counting as none."
            if counted
            else "The series has no volume, so only trading itself can be shown."
        )
        return drawn(
            figure,
            "Volume by minute of the session",
            f"{said} Below: the share of sessions in which the minute traded. The steps at the opening of London and "
            "of New York stand at their hours only if clock and bar label are declared right.",
            simulated=simulated,
        )


def _minutes_on_log(axis: Any, minutes: np.ndarray) -> None:
    """Lengths from a minute to a session on a scale of ratios, written as plain numbers."""
    from matplotlib.ticker import NullFormatter

    low, high = max(0.5, minutes.min() / 2), minutes.max() * 2
    axis.set_yscale("log")
    axis.set_ylim(low, high)
    lengths = _LENGTHS if high < 30 * low else _LENGTHS_APART
    axis.set_yticks([each for each in lengths if low <= each <= high], minor=False)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_ylabel("missing minutes", fontsize=8)


def _hours(axis: Any) -> None:
    """Hours since the open, written as Chicago wall clock: every session opens at 17:00 there."""
    hours = np.arange(0, 24, 2)
    axis.set_xticks(hours, [f"{(17 + hour) % 24:02d}:00" for hour in hours])
    axis.set_xlim(0, 23)
    axis.set_xlabel("Chicago time", fontsize=8)
