"""Plots of the feature page: distributions, and how much of each feature a warm-up masks."""

import numpy as np
import pandas as pd

from factory_assets.reports.figure import Figure
from factory_assets.reports.style import ACCENT, canvas, drawn

_KEYS = ("close_time", "trade_date")
_COLUMNS = 8


def feature_figures(features: pd.DataFrame, *, simulated: bool) -> list[Figure]:
    """Plots of one timeframe's features.

    Parameters
    ----------
    features : DataFrame
        Table of features, one column a feature.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    names = [name for name in features.columns if name not in _KEYS]
    absent = [name for name in names if features[name].isna().all()]
    shown = [name for name in names if name not in absent]
    return [_distributions(features, shown, absent, simulated=simulated)]


def _left_out(absent: list[str]) -> str:
    if not absent:
        return ""
    return (
        f" {len(absent)} of them have no value here, because the series has no volume or is too short for them: "
        f"{', '.join(absent)}."
    )


def _distributions(features: pd.DataFrame, names: list[str], absent: list[str], *, simulated: bool) -> Figure:
    rows = max(1, -(-len(names) // _COLUMNS))
    masked = float(features[names].isna().to_numpy().mean()) if names and len(features) else 0.0
    with canvas(rows, _COLUMNS, width=12.0, height=1.1, simulated=simulated) as (figure, axes):
        for axis, name in zip(axes.flat, names, strict=False):
            values = features[name].to_numpy(dtype=np.float64)
            values = values[np.isfinite(values)]
            low, high = np.quantile(values, [0.005, 0.995]) if len(values) else (0.0, 1.0)
            axis.hist(values, bins=40, range=(low, high if high > low else low + 1.0), color=ACCENT)
            axis.set_title(name, fontsize=5.5, pad=2)
            axis.set_xticks([])
            axis.set_yticks([])
        for axis in axes.flat[len(names) :]:
            axis.set_visible(False)
        return drawn(
            figure,
            "Feature distributions",
            f"{len(names) + len(absent)} features of {len(features):,} bars between their 0.5 % and 99.5 % quantiles; "
            f"{masked:.2%} of the cells drawn are masked by warm-up.{_left_out(absent)}",
            simulated=simulated,
        )
