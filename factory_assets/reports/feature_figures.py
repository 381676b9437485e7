"""Plots of the feature page that are drawn from values: distributions, and each group over time.

Belongs here: pictures of what the features are. Does not: their correlations
(:mod:`factory_assets.reports.feature_correlations`), how far they can be trusted
(:mod:`factory_assets.reports.feature_proofs`). Whoever calls passes train sessions only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.reports.figure import Figure
from factory_assets.reports.style import INK, MUTED, SERIES, SHEET_DPI, canvas, drawn, sheet

GROUP_COLOURS = (*SERIES[:7], "#7a6a55", "#0f766e", "#9d174d", "#4d7c0f", "#475569", "#b45309", "#1e3a8a")
PAGE_WIDTH_PX = 1216
_COLUMNS = 8
_CELL_HEIGHT_PX, _HEADER_PX, _PLOT_PX = 72, 34, 38
_BINS = 48
_NAME_CHARACTERS = 25
_ROWS_DRAWN = 60_000
_OUTER = (0.005, 0.995)
_BANDS = (0.05, 0.25, 0.5, 0.75, 0.95)
_MONTHS_MIN = 9
_EDGE = 6.0
# Distance between the quartiles of a normal distribution, in standard deviations.
_NORMAL_QUARTILES = 1.349


@dataclass(frozen=True, kw_only=True)
class Movement:
    """How far a feature's level moves from period to period.

    Attributes
    ----------
    feature, group : str
        Which feature.
    lowest, highest : str
        Periods of its lowest and its highest median.
    distance : float
        Between the two, in the feature's own spread.
    """

    feature: str
    group: str
    lowest: str
    highest: str
    distance: float


def by_group(groups: Mapping[str, str], names: Sequence[str]) -> dict[str, list[str]]:
    """Names by group, groups and names in catalogue order.

    Parameters
    ----------
    groups : mapping of str to str
        Group of every feature of the catalogue, in its order.
    names : sequence of str
        Features to arrange.
    """
    chosen, found = set(names), dict[str, list[str]]()
    for name, group in groups.items():
        if name in chosen:
            found.setdefault(group, []).append(name)
    return found


def group_colours(groups: Mapping[str, str]) -> dict[str, str]:
    """The colour of each group, the same in every picture."""
    ordered = list(dict.fromkeys(groups.values()))
    return {group: GROUP_COLOURS[k % len(GROUP_COLOURS)] for k, group in enumerate(ordered)}


def distribution_figure(values: pd.DataFrame, groups: Mapping[str, str], *, simulated: bool) -> Figure:
    """A histogram of every feature, group by group.

    Parameters
    ----------
    values : DataFrame
        Train rows of one timeframe, one column a feature that has values.
    groups : mapping of str to str
        Group of every feature.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    arranged, colours = by_group(groups, list(values.columns)), group_colours(groups)
    height = sum(_HEADER_PX + -(-len(names) // _COLUMNS) * _CELL_HEIGHT_PX for names in arranged.values()) + 6
    with sheet(PAGE_WIDTH_PX, max(height, 160), simulated=simulated) as (figure, surface):
        top = 0
        for group, names in arranged.items():
            counted = f"{len(names)} feature{'' if len(names) == 1 else 's'}"
            surface.text(4, top + 22, group, fontsize=9, color=colours[group], weight="bold", va="baseline")
            surface.text(PAGE_WIDTH_PX - 4, top + 22, counted, fontsize=7, color=MUTED, ha="right", va="baseline")
            surface.plot([4, PAGE_WIDTH_PX - 4], [top + 27, top + 27], color="#e4e7eb", linewidth=0.8)
            top += _HEADER_PX
            for k, name in enumerate(names):
                left = 4 + (k % _COLUMNS) * (PAGE_WIDTH_PX - 8) / _COLUMNS
                column = values[name].to_numpy(dtype=np.float64)
                _histogram(surface, column, name, colours[group], left, top + k // _COLUMNS * _CELL_HEIGHT_PX)
            top += -(-len(names) // _COLUMNS) * _CELL_HEIGHT_PX
        return drawn(
            figure,
            "Distributions",
            f"{len(values.columns)} features over {len(values):,} bars, each between its 0.5 % and 99.5 % quantiles, "
            "which stand below its name; the grey line is zero. A needle beside a wide empty range is a heavy tail: "
            "scaling by quantiles, not by the extremes, is for those.",
            simulated=simulated,
            dpi=SHEET_DPI,
            colours=256,
        )


def _histogram(surface: Any, column: np.ndarray, name: str, colour: str, left: float, top: float) -> None:
    known = column[np.isfinite(column)]
    low, high = (float(each) for each in np.quantile(known, _OUTER)) if len(known) else (0.0, 0.0)
    width = (PAGE_WIDTH_PX - 8) / _COLUMNS - 16
    floor = top + _PLOT_PX
    counts, _ = np.histogram(known, bins=_BINS, range=(low, high if high > low else low + 1.0))
    heights = np.repeat(counts / max(int(counts.max()), 1), 2) * (_PLOT_PX - 4)
    across = left + width * np.repeat(np.arange(_BINS + 1), 2)[1:-1] / _BINS
    if low < 0.0 < high:
        zero = left + width * -low / (high - low)
        surface.plot([zero, zero], [top + 2, floor], color="#c5ccd4", linewidth=0.8)
    surface.fill_between(across, floor, floor - heights, color=colour, linewidth=0)
    surface.plot([left, left + width], [floor, floor], color=INK, linewidth=0.5)
    # Names run to thirty characters and more; the cell does not.
    surface.text(left, floor + 12, name, fontsize=min(6.4, 6.4 * _NAME_CHARACTERS / len(name)), color=INK)
    surface.text(left, floor + 23, f"{_short(low)} … {_short(high)}", fontsize=5.6, color=MUTED)


def _short(value: float) -> str:
    """A number in at most six characters or so."""
    return f"{value:.3g}" if abs(value) < 100_000 else f"{value:.1e}"


def over_time_figure(
    values: pd.DataFrame, days: pd.DatetimeIndex, groups: Mapping[str, str], *, simulated: bool
) -> tuple[Figure, list[Movement]]:
    """Each group by month: a line for the median of every feature, bands for all of them together.

    Parameters
    ----------
    values : DataFrame
        Train rows of one timeframe, one column a feature that has values.
    days : DatetimeIndex
        Trade date of each row.
    groups : mapping of str to str
        Group of every feature.
    simulated : bool
        Whether the page has to say SIMULATED.

    Returns
    -------
    Figure, list of Movement
        The picture, and how far each feature moves, furthest first.
    """
    step = max(1, len(values) // _ROWS_DRAWN)
    shown, dated = values.iloc[::step], days[::step]
    months = dated.to_period("M")
    monthly = months.nunique() >= _MONTHS_MIN
    period = months if monthly else dated.to_period("W")
    codes, periods = pd.factorize(period, sort=True)
    arranged, colours = by_group(groups, list(values.columns)), group_colours(groups)
    moved: list[Movement] = []
    rows = max(1, -(-len(arranged) // 3))
    with canvas(rows, 3, width=12.7, height=2.05, simulated=simulated) as (figure, axes):
        panels = list(np.ravel(np.array(axes, dtype=object)))
        reach = [0.0, 0.0]
        for axis, (group, names) in zip(panels, arranged.items(), strict=False):
            found, bands = _group_panel(axis, shown[names], codes, periods, group, colours[group])
            moved += found
            reach = [float(np.nanmin(bands, initial=reach[0])), float(np.nanmax(bands, initial=reach[1]))]
        for axis in panels:  # one scale for all, so that what moves can be told from what does not
            axis.set_ylim(max(reach[0], -_EDGE) - 0.25, min(reach[1], _EDGE) + 0.25)
        for axis in panels[len(arranged) :]:
            axis.set_visible(False)
        return (
            drawn(
                figure,
                "Groups over time",
                f"Every feature less its median, in its own spread (quartile distance / 1.349), by "
                f"{'month' if monthly else 'week'}: a thin line for the median of each feature, bands for the middle "
                "50 % and 90 % of all values of the group. Bands that stay put mean that the group says the same "
                "about one year as about the next; a line that leaves them is named in the table."
                + (f" Every {step}th bar." if step > 1 else ""),
                simulated=simulated,
                dpi=SHEET_DPI,
                colours=256,
            ),
            sorted(moved, key=lambda each: (-each.distance, each.feature)),
        )


def _group_panel(
    axis: Any, values: pd.DataFrame, codes: np.ndarray, periods: pd.PeriodIndex, group: str, colour: str
) -> tuple[list[Movement], np.ndarray]:
    """Draw one group; how far its features move, and the bands that were drawn."""
    standard = standardised(values.to_numpy(dtype=np.float32))
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(periods) + 1))
    bands = np.full((len(periods), len(_BANDS)), np.nan)
    medians = np.full((len(periods), len(values.columns)), np.nan)
    for k in range(len(periods)):
        of_period = standard[order[bounds[k] : bounds[k + 1]]]
        if np.isfinite(of_period).any():
            bands[k] = np.nanquantile(of_period, _BANDS)
        some = np.isfinite(of_period).any(axis=0)
        medians[k, some] = np.nanmedian(of_period[:, some], axis=0)
    at = np.arange(len(periods))
    axis.fill_between(at, bands[:, 0], bands[:, 4], color=colour, alpha=0.14, linewidth=0)
    axis.fill_between(at, bands[:, 1], bands[:, 3], color=colour, alpha=0.24, linewidth=0)
    axis.plot(at, medians, color=colour, linewidth=0.6, alpha=0.55)
    axis.plot(at, bands[:, 2], color=INK, linewidth=1.3)
    axis.set_title(f"{group}  ({len(values.columns)})", fontsize=8.5, color=colour, weight="bold", loc="left", pad=3)
    axis.set_xlim(-0.3, max(len(periods) - 0.7, 0.3))
    every = max(1, -(-len(periods) // 6))
    axis.set_xticks(at[::every], [str(each)[:10] for each in periods[::every]], fontsize=7)
    axis.tick_params(axis="y", labelsize=7)
    moved = [
        _movement(name, group, medians[:, k], periods)
        for k, name in enumerate(values.columns)
        if np.isfinite(medians[:, k]).any()
    ]
    return moved, bands


def _movement(name: str, group: str, medians: np.ndarray, periods: pd.PeriodIndex) -> Movement:
    low, high = int(np.nanargmin(medians)), int(np.nanargmax(medians))
    return Movement(
        feature=name,
        group=group,
        lowest=str(periods[low]),
        highest=str(periods[high]),
        distance=float(medians[high] - medians[low]),
    )


def standardised(values: np.ndarray) -> np.ndarray:
    """Columns less their median, in quartile distance / 1.349; in standard deviations where the quartiles coincide.

    Parameters
    ----------
    values : ndarray of float32, shape (N, F)
        NaN where masked.

    Returns
    -------
    ndarray of float32, shape (N, F)
        A column that never moves is 0.
    """
    low, middle, high = np.nanquantile(values, (0.25, 0.5, 0.75), axis=0)
    spread = (high - low) / _NORMAL_QUARTILES
    flat = spread <= 0.0
    if flat.any():
        spread[flat] = np.nanstd(values[:, flat].astype(np.float64), axis=0)
    spread[spread <= 0.0] = 1.0
    return ((values - middle) / spread).astype(np.float32)
