"""Two vendors side by side: the section of a comparison, on its own page and on the quality page."""

from typing import Any

import numpy as np
import pandas as pd

from factory_assets.market.vendor_comparison import VendorComparison
from factory_assets.reports.figure import Figure
from factory_assets.reports.page import Section
from factory_assets.reports.style import ACCENT, DOWN, FLAT, INK, MUTED, SERIES, UP, canvas, drawn

_MONTHS_SHOWN = 36
_KINDS = (("equal", UP), ("different", DOWN), ("only A", FLAT), ("only B", ACCENT))


def vendor_sections(compared: VendorComparison, *, simulated: bool) -> list[Section]:
    """What was found, then the counts and plots behind it.

    Parameters
    ----------
    compared : VendorComparison
        Two folders of one contract.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    rows = {name: pd.Series(dict(side)) for name, side in compared.sides.items()}
    sides = pd.DataFrame(rows).rename_axis("declared and counted").reset_index().astype(str)
    minutes = compared.minutes
    everything = minutes["both"] + minutes["only_a"] + minutes["only_b"]
    counted = pd.DataFrame(
        [
            ("minutes in both", minutes["both"], minutes["both"] / everything),
            ("of these with four equal prices", minutes["equal"], minutes["equal"] / max(1, minutes["both"])),
            (
                "and equal volume",
                minutes["equal_with_volume"],
                minutes["equal_with_volume"] / max(1, minutes["both"]),
            ),
            ("only in A", minutes["only_a"], minutes["only_a"] / everything),
            ("only in B", minutes["only_b"], minutes["only_b"] / everything),
            (
                "equal prices once each week of B is moved by its shift",
                minutes["equal_shifted"],
                minutes["equal_shifted"] / max(1, minutes["both_shifted"]),
            ),
        ],
        columns=["within the span both hold of a month", "minutes", "share"],
    )
    counted = counted.assign(share=counted["share"].map("{:.3%}".format), minutes=counted["minutes"].map("{:,}".format))
    months = compared.months.tail(_MONTHS_SHOWN)
    differences = compared.differences.assign(share=compared.differences["share"].map("{:.3%}".format))
    volume = [pd.DataFrame([dict(compared.volume)]).add_prefix("volume ")] if compared.volume else []
    return [
        Section(
            title="Vendor difference",
            paragraphs=[
                f"A: {compared.sides['A']['folder']}. B: {compared.sides['B']['folder']}. Each under the clock, bar "
                "label and volume meaning it is declared with; neither is believed.",
                *(each.text for each in compared.findings),
            ],
            tables=[sides, counted, differences, compared.classes, *volume, months],
            figures=vendor_figures(compared, simulated=simulated),
            figures_first=True,
        ),
        *(
            [Section(title="Minutes furthest apart", tables=[_plain_prices(compared.worst)])]
            if len(compared.worst)
            else []
        ),
    ]


def vendor_verdict(compared: VendorComparison) -> str:
    """What the comparison comes to, in one sentence."""
    first = compared.findings[0]
    if first.grave or len(compared.findings) == 1:
        return first.text
    minutes = compared.minutes
    return (
        f"One clock in all {len(compared.weeks)} weeks; {minutes['equal']:,} of {minutes['both']:,} minutes both "
        f"hold have equal prices. {len(compared.findings)} things to know, below."
    )


def _plain_prices(rows: pd.DataFrame) -> pd.DataFrame:
    """Prices as they are quoted: the page shortens numbers to four digits."""
    prices = [name for name in rows.columns if name.endswith(("_a", "_b"))]
    return rows.assign(**{name: [f"{value:,.10g}" for value in rows[name]] for name in prices})


def vendor_figures(compared: VendorComparison, *, simulated: bool) -> list[Figure]:
    """Clock by week, coverage by session, and how far prices differ.

    Parameters
    ----------
    compared, simulated
        As for :func:`vendor_sections`.
    """
    return [
        _clock_and_sessions(compared, simulated=simulated),
        *([_sizes(compared, simulated=simulated)] if compared.differences["different"].any() else []),
    ]


def _clock_and_sessions(compared: VendorComparison, *, simulated: bool) -> Figure:
    weeks, sessions = compared.weeks, compared.sessions
    with canvas(2, width=13.0, height=2.3, simulated=simulated) as (figure, axes):
        clock, share = axes.flat
        days = pd.DatetimeIndex(weeks["week"])
        shifts = weeks["shift_minutes"].to_numpy(dtype=np.float64)
        clock.axhline(0, color=MUTED, linewidth=0.8)
        clock.scatter(days, shifts, c=np.where(shifts == 0, ACCENT, DOWN), s=14, linewidth=0)
        reach = max(2.0, float(np.nanmax(np.abs(shifts), initial=0.0))) * 1.15
        clock.set_ylim(-reach, reach)
        clock.set_ylabel("B later by, minutes", fontsize=8)
        _stacked(share, sessions)
        clock.set_xlim(share.get_xlim())
        share.set_ylabel("share of minutes", fontsize=8)
        figure.legend(*share.get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=8, frameon=False)
        unknown = int(np.isnan(shifts).sum())
        return drawn(
            figure,
            "Clock by week and minutes by session",
            f"Above: the shift at which the moves of B's minutes agree best with A's, in each of {len(weeks)} weeks "
            f"({unknown} not known); anything but a line at zero is a declaration to correct. Below: of the minutes "
            "that either holds in a session (all delivery months together) the shares that are equal, different, or in "
            "one of them only.",
            simulated=simulated,
        )


def _stacked(axis: Any, sessions: pd.DataFrame) -> None:
    """Shares of each session at its place in time; weekends belong half to the session on either side."""
    days = pd.DatetimeIndex(sessions["trade_date"])
    parts = {
        "equal": sessions["equal"],
        "different": sessions["both"] - sessions["equal"],
        "only A": sessions["minutes_a"] - sessions["both"],
        "only B": sessions["minutes_b"] - sessions["both"],
    }
    total = sum(part.to_numpy(dtype=np.float64) for part in parts.values())
    below = np.zeros(len(days))
    for name, colour in _KINDS:
        above = below + parts[name].to_numpy(dtype=np.float64) / np.maximum(total, 1.0)
        axis.fill_between(days, below, above, step="mid", color=colour, linewidth=0, label=name)
        below = above
    axis.set_ylim(0, 1)


def _sizes(compared: VendorComparison, *, simulated: bool) -> Figure:
    classes = compared.classes
    with canvas(width=13.0, height=2.6, simulated=simulated) as (figure, axis):
        places = np.arange(len(classes))
        names = [name for name in classes.columns if name != "ticks"]
        width = 0.8 / len(names)
        for position, name in enumerate(names):
            at = places + (position - (len(names) - 1) / 2) * width
            axis.bar(at, classes[name], width=width * 0.92, color=SERIES[position], label=name)
        axis.set_yscale("symlog", linthresh=1.0)
        axis.set_ylim(bottom=0)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.set_xticks(places, classes["ticks"], color=INK)
        axis.set_xlabel("|B - A|, ticks", fontsize=8)
        axis.set_ylabel("minutes", fontsize=8)
        figure.legend(loc="outside upper right", ncols=4, fontsize=8, frameon=False)
        different = int(compared.differences["different"].max())
        return drawn(
            figure,
            "How far prices differ",
            f"Minutes by size of the difference, each price by itself, on a scale of ratios; up to {different:,} of "
            f"{compared.minutes['both']:,} shared minutes differ in one price. Differences of many ticks all over are "
            "a shifted clock or an adjusted series, not a bad print.",
            simulated=simulated,
        )
