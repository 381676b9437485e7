"""The correlation map of the feature page: which features say the same, group by group."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.features.correlation import correlation_matrix
from factory_assets.reports.feature_figures import PAGE_WIDTH_PX, by_group, group_colours
from factory_assets.reports.figure import Figure
from factory_assets.reports.style import INK, MUTED, SHEET_DPI, drawn, sheet

_MAP_PX = 960
_CELL_PX_MAX = 12
_GROUPS_PX, _SCALE_PX = 96, 62
_PAIRS_LISTED = 25
_LEVELS = 21
_NAME_CHARACTERS = 30
# Below this height of a row names stand alternately left and right, at twice the distance.
_NAME_PX_MIN = 8


@dataclass(frozen=True, kw_only=True)
class Correlations:
    """The map and what to read from it.

    Attributes
    ----------
    figure : Figure
        The picture.
    pairs : DataFrame
        The closest pairs, closest first.
    above : mapping of float to int
        Number of pairs whose ``|r|`` is above 0.9, 0.95, 0.99 and 0.999.
    """

    figure: Figure
    pairs: pd.DataFrame
    above: Mapping[float, int]


def correlations(values: pd.DataFrame, groups: Mapping[str, str], *, simulated: bool) -> Correlations:
    """Draw the correlation of every two features and list the closest pairs.

    Parameters
    ----------
    values : DataFrame
        Train rows of one timeframe, one column a feature that has values; NaN at its start while it warms up.
    groups : mapping of str to str
        Group of every feature.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    columns = {name: values[name].to_numpy() for name in values.columns}
    starts = {name: _first_row(column) for name, column in columns.items()}
    arranged = by_group(groups, list(columns))
    names = [name for of_group in arranged.values() for name in of_group]
    matrix = correlation_matrix([columns[name] for name in names], [starts[name] for name in names])
    order, at = [], 0
    for of_group in arranged.values():
        inside = slice(at, at + len(of_group))
        order += [at + k for k in _alike_together(matrix[inside, inside])]
        at += len(of_group)
    matrix = matrix[np.ix_(order, order)]
    names = [names[k] for k in order]
    rows, columns_of = np.triu_indices(len(names), 1)
    size = np.abs(matrix[rows, columns_of])
    closest = np.argsort(-size, kind="stable")[:_PAIRS_LISTED]
    pairs = pd.DataFrame(
        {
            "r": [f"{matrix[rows[k], columns_of[k]]:+.4f}" for k in closest],
            "feature": [names[rows[k]] for k in closest],
            "and": [names[columns_of[k]] for k in closest],
            "groups": [
                " · ".join(dict.fromkeys((groups[names[rows[k]]], groups[names[columns_of[k]]]))) for k in closest
            ],
        }
    )
    return Correlations(
        figure=_map(matrix, names, arranged, groups, len(values), simulated=simulated),
        pairs=pairs,
        above={limit: int((size > limit).sum()) for limit in (0.9, 0.95, 0.99, 0.999)},
    )


def _first_row(column: np.ndarray) -> int:
    """First row from which on no value is missing."""
    missing = np.isnan(column)
    return int(np.flatnonzero(missing)[-1]) + 1 if missing.any() else 0


def _alike_together(matrix: np.ndarray) -> list[int]:
    """Order in which neighbours are alike: leaves of an average-linkage tree on 1 - ``|r|``."""
    if len(matrix) < 3:
        return list(range(len(matrix)))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    apart = 1.0 - np.abs(np.nan_to_num(matrix))
    np.fill_diagonal(apart, 0.0)
    tree = linkage(squareform((apart + apart.T) / 2, checks=False), method="average", optimal_ordering=True)
    return [int(k) for k in leaves_list(tree)]


def _map(
    matrix: np.ndarray,
    names: list[str],
    arranged: Mapping[str, list[str]],
    groups: Mapping[str, str],
    rows: int,
    *,
    simulated: bool,
) -> Figure:
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

    cell = min(_CELL_PX_MAX, max(_MAP_PX // len(names), 2))
    side = cell * len(names)
    left = (PAGE_WIDTH_PX - side) // 2
    palette = colormaps["RdBu_r"].resampled(_LEVELS)
    norm = BoundaryNorm(np.linspace(-1.0, 1.0, _LEVELS + 1), palette.N)
    with sheet(PAGE_WIDTH_PX, side + _GROUPS_PX + _SCALE_PX, simulated=simulated) as (figure, surface):
        surface.imshow(
            np.nan_to_num(matrix),
            cmap=palette,
            norm=norm,
            extent=(left, left + side, _GROUPS_PX + side, _GROUPS_PX),
            interpolation="nearest",
            aspect="auto",
        )
        surface.set_xlim(0, PAGE_WIDTH_PX)
        surface.set_ylim(side + _GROUPS_PX + _SCALE_PX, 0)
        colours = group_colours(groups)
        _name_rows(surface, names, [colours[groups[name]] for name in names], left, cell)
        at = 0
        for group, of_group in arranged.items():
            first, last = left + at * cell, left + (at + len(of_group)) * cell
            _frame(surface, (first, last), (left, left + side), _GROUPS_PX - left)
            surface.plot([first + 1, last - 1], [_GROUPS_PX - 4] * 2, color=colours[group], linewidth=3)
            surface.text(
                (first + last) / 2, _GROUPS_PX - 10, group, fontsize=7.5, color=colours[group], weight="bold",
                rotation=45 if last - first < 9 * len(group) else 0,
                ha="left" if last - first < 9 * len(group) else "center", va="bottom",
            )  # fmt: skip
            at += len(of_group)
        _scale(surface, palette, left, side, _GROUPS_PX + side + 16)
        return drawn(
            figure,
            "Correlation map",
            f"Pearson r of every two of {len(names)} features over {rows:,} bars, those of a group side by side and "
            "within it the alike next to each other; the columns stand in the order of the rows. A saturated block is "
            "one opinion counted several times: feature sets keep one of each within the training fold.",
            simulated=simulated,
            dpi=SHEET_DPI,
            colours=256,
        )


def _name_rows(surface: Any, names: list[str], colours: list[str], left: float, cell: int) -> None:
    """Names beside their rows: all on the left, or in turn left and right where rows are low."""
    side = left + cell * len(names)
    both = cell < _NAME_PX_MIN
    size = min(7.5, (2 if both else 1) * cell * 0.62)
    for k, name in enumerate(names):
        on_left = not both or k % 2 == 0
        surface.text(
            left - 4 if on_left else side + 4, _GROUPS_PX + (k + 0.5) * cell, name,
            fontsize=min(size, size * _NAME_CHARACTERS / len(name)), color=colours[k],
            ha="right" if on_left else "left", va="center_baseline",
        )  # fmt: skip


def _frame(surface: Any, own: tuple[float, float], whole: tuple[float, float], shift: float) -> None:
    """Lines before and after a group, across the whole map, in both directions."""
    for edge in own:
        surface.plot([edge, edge], [whole[0] + shift, whole[1] + shift], color="white", linewidth=1.0)
        surface.plot([whole[0], whole[1]], [edge + shift, edge + shift], color="white", linewidth=1.0)


def _scale(surface: Any, palette: Any, left: float, side: float, top: float) -> None:
    width = min(420.0, side)
    step = width / _LEVELS
    for k in range(_LEVELS):
        surface.fill_between([left + k * step, left + (k + 1) * step], top, top + 12, color=palette(k), linewidth=0)
    for value in (-1.0, -0.5, 0.0, 0.5, 1.0):
        text = f"{value:+.1f}" if value else "0"
        surface.text(left + width * (value + 1) / 2, top + 26, text, fontsize=7, color=INK, ha="center")
    surface.text(left + width + 16, top + 10, "Pearson r", fontsize=7, color=MUTED)
