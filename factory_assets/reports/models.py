"""Plots of one model: calibration of each class, confusion, and the loss of every round of its fits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.reports.figure import Figure
from factory_assets.reports.style import DOWN, FLAT, INK, MUTED, UP, canvas, drawn

_CLASSES = ((-1, "down", "p_down", DOWN), (0, "flat", "p_flat", FLAT), (1, "up", "p_up", UP))
_BINS = 12
_CURVES = {"train_loss": "rows fitted on", "watched_loss": "tail watched by early stopping"}


def model_figures(name: str, oof: pd.DataFrame, val: pd.DataFrame, *, simulated: bool) -> list[Figure]:
    """Plots of one model's predictions.

    Parameters
    ----------
    name : str
        Model, for the titles.
    oof, val : DataFrame
        Predictions with ``p_down``, ``p_flat``, ``p_up`` and ``label``: train rows out of fold, and val.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    with canvas(2, 2, width=9.0, height=3.4, simulated=simulated) as (figure, axes):
        for row, (frame, period) in enumerate(((oof, "train, out of fold"), (val, "val"))):
            _reliability(axes[row, 0], frame, period)
            _confusion(axes[row, 1], frame, period)
        return [
            drawn(
                figure,
                f"Calibration and confusion of {name}",
                f"Left: observed share against mean predicted probability in {_BINS} bins of equal mass; on the "
                f"diagonal a probability means what it says. Right: share of each true class by predicted class. "
                f"{len(oof):,} out-of-fold rows, {len(val):,} val rows.",
                simulated=simulated,
            )
        ]


def curve_figures(name: str, curves: Mapping[str, Mapping[str, Sequence[float]]], *, simulated: bool) -> list[Figure]:
    """Plots of the losses of a model's fits, round by round.

    Parameters
    ----------
    name : str
        Model, for the titles.
    curves : mapping of str to mapping of str to sequence of float
        By fit (``fold_0``, ..., ``train``) and curve (``train_loss``, ``watched_loss``), as the fit minimises it.
    simulated : bool
        Whether the page has to say SIMULATED.

    Returns
    -------
    list of Figure
        None for a model without rounds.
    """
    shown = [kind for kind in _CURVES if any(fit.get(kind) for fit in curves.values())]
    if not shown:
        return []
    with canvas(1, len(shown), width=9.0, height=3.2, simulated=simulated) as (figure, axes):
        for axis, kind in zip(np.ravel(np.array(axes, dtype=object)), shown, strict=True):
            for (fit, losses), shade in zip(curves.items(), np.linspace(0.35, 0.95, len(curves)), strict=True):
                values = np.asarray(losses.get(kind, ()), dtype=np.float64)
                rounds = np.arange(1, len(values) + 1)
                final = fit == "train"
                colour, width = (INK, 1.6) if final else (str(1 - shade), 1.0)
                axis.plot(rounds, values, color=colour, linewidth=width, label=fit)
                if kind == "watched_loss" and len(values):
                    axis.plot(rounds[values.argmin()], values.min(), marker="o", markersize=3, color=colour)
            axis.set_title(_CURVES[kind], fontsize=9, color=INK)
            axis.set_xlabel("round", fontsize=8, color=INK)
        axis.legend(fontsize=7, frameon=False)
        return [
            drawn(
                figure,
                f"Learning curves of {name}",
                "Loss as the fit minimises it (sample weights, and class weights where the model uses them), after "
                "every round of every fit. The tail is the last part of the fit's own training rows, purged, never the "
                "fold that is scored; the dot is the round that is kept. A tail loss that rises from the first round "
                "says there was nothing to learn, or too fast a rate.",
                simulated=simulated,
            )
        ]


def _reliability(axis: Any, frame: pd.DataFrame, period: str) -> None:
    label = frame["label"].to_numpy(dtype=np.int64)
    axis.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--")
    for value, name, column, colour in _CLASSES:
        predicted = frame[column].to_numpy()
        groups = np.array_split(np.argsort(predicted, kind="stable"), _BINS)
        means = [predicted[rows].mean() for rows in groups if len(rows)]
        shares = [(label[rows] == value).mean() for rows in groups if len(rows)]
        axis.plot(means, shares, marker="o", markersize=3, linewidth=1.0, color=colour, label=name)
    axis.set_title(f"calibration, {period}", fontsize=9, color=INK)
    axis.legend(fontsize=7, frameon=False)


def _confusion(axis: Any, frame: pd.DataFrame, period: str) -> None:
    predicted = frame[[column for _, _, column, _ in _CLASSES]].to_numpy().argmax(axis=1)
    true = frame["label"].to_numpy(dtype=np.int64) + 1
    counts = np.zeros((3, 3))
    np.add.at(counts, (true, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [name for _, name, _, _ in _CLASSES]
    axis.set_xticks(range(3), names)
    axis.set_yticks(range(3), names)
    axis.grid(visible=False)
    for row in range(3):
        for column in range(3):
            share = shares[row, column]
            colour = "white" if share > 0.5 else INK
            axis.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize=8, color=colour)
    axis.set_title(f"true (rows) by predicted, {period}", fontsize=9, color=INK)
