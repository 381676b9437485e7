"""Plots of the label page: shares, the clock in class 0, holding times, outcomes."""

import numpy as np
import pandas as pd

from factory_assets.reports.figure import Figure
from factory_assets.reports.style import DOWN, FLAT, UP, canvas, drawn
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.timeframes import MINUTE_US

_CLASSES = ((1, "up", UP), (0, "flat", FLAT), (-1, "down", DOWN))


def label_figures(labels: pd.DataFrame, *, simulated: bool) -> list[Figure]:
    """Plots of one partition's labels.

    Parameters
    ----------
    labels : DataFrame
        The ``labels`` table; sealed outcomes never come here.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    sample = labels[labels["event"]]
    return [_shares_by_month(sample, simulated=simulated), _holding_times(sample, simulated=simulated)]


def _shares_by_month(sample: pd.DataFrame, *, simulated: bool) -> Figure:
    month = sample["decision_time"].dt.strftime("%Y-%m")
    shares = pd.crosstab(month, sample["label"].astype(int), normalize="index")
    with canvas(simulated=simulated) as (figure, axis):
        base = np.zeros(len(shares))
        for value, name, colour in _CLASSES:
            height = shares[value].to_numpy() if value in shares else np.zeros(len(shares))
            axis.bar(shares.index, height, bottom=base, color=colour, label=name, width=0.9)
            base = base + height
        axis.tick_params(axis="x", rotation=60)
        axis.set_ylim(0, 1)
        axis.legend(fontsize=8, ncols=3, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.16))
        overall = ", ".join(f"{name} {float((sample['label'] == value).mean()):.1%}" for value, name, _ in _CLASSES)
        return drawn(
            figure,
            "Label shares by month",
            f"{len(sample):,} sampled decisions of train and val: {overall}.",
            simulated=simulated,
        )


def _holding_times(sample: pd.DataFrame, *, simulated: bool) -> Figure:
    minutes = (times_us(sample["t1"]) - times_us(sample["t0"])) / MINUTE_US
    label = sample["label"].to_numpy(dtype=np.int64)
    bins = np.linspace(0, max(1.0, minutes.max()), 51)
    with canvas(simulated=simulated) as (figure, axis):
        axis.hist(
            [minutes[label == value] for value, _, _ in _CLASSES],
            bins=bins,
            stacked=True,
            color=[colour for _, _, colour in _CLASSES],
            label=[name for _, name, _ in _CLASSES],
        )
        axis.set_xlabel("minutes from decision to outcome", fontsize=8)
        axis.legend(fontsize=8, frameon=False)
        return drawn(
            figure,
            "Time to outcome",
            f"Median {np.median(minutes):.0f} minutes; average uniqueness {sample['uniqueness'].mean():.2f}. Class 0 "
            "is largely a clock: it gathers where the vertical barrier or the flat time ends the trade.",
            simulated=simulated,
        )
