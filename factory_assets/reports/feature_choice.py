"""What the page says of chosen columns: how steady the choice is from fit to fit, and what it is made of."""

from itertools import combinations

import numpy as np
import pandas as pd

from factory_assets.features.registry import registry
from factory_assets.reports.figure import Figure
from factory_assets.reports.style import INK, SERIES, canvas, drawn

_RELEASED = -1
_GONE = "no longer in the catalogue"


def stability_table(choice: pd.DataFrame) -> pd.DataFrame:
    """One row a base model: how many columns its fits read, and how many they share.

    Parameters
    ----------
    choice : DataFrame
        The ``feature_choice`` table.

    Returns
    -------
    DataFrame
        ``model``, ``feature_set``, ``candidates`` (of one fit), ``fits``, ``columns_min`` and ``columns_max`` (read by
        a fit), ``in_every_fit`` (columns all fits read), ``in_any_fit``, and ``overlap``: the mean over pairs of fits
        of shared columns as a share of those either reads (1 for a single fit).
    """
    rows = []
    for model, own in choice.groupby("model", observed=True, sort=True):
        read = [{*part.loc[part["chosen"], "column_name"].astype(str)} for _, part in own.groupby("fold")]
        shared = [len(one & two) / max(1, len(one | two)) for one, two in combinations(read, 2)]
        rows.append(
            {
                "model": str(model),
                "feature_set": str(own["feature_set"].iloc[0]),
                "candidates": int(own["column_name"].nunique()),
                "fits": len(read),
                "columns_min": min(map(len, read)),
                "columns_max": max(map(len, read)),
                "in_every_fit": len(set.intersection(*read)),
                "in_any_fit": len(set.union(*read)),
                "overlap": round(float(np.mean(shared)), 3) if shared else 1.0,
            }
        )
    return pd.DataFrame(rows)


def groups_table(choice: pd.DataFrame) -> pd.DataFrame:
    """Columns the released fits read, by group of the catalogue: ``chosen of candidates`` a base model.

    Parameters
    ----------
    choice : DataFrame
        The ``feature_choice`` table.

    Returns
    -------
    DataFrame
        ``group``, then one text column a model, in the catalogue's order; empty where a model has no candidate. Columns
        of features that left the catalogue since the choice stand last.
    """
    specs = registry().specs
    released = choice[choice["fold"] == _RELEASED]
    feature = released["column_name"].astype(str).str.replace(r"__\d+min$", "", regex=True)
    group = [specs[name].group if name in specs else _GONE for name in feature]
    counted = released.assign(group=group, model=released["model"].astype(str))
    sums = counted.groupby(["group", "model"])["chosen"].agg(["sum", "size"])
    text = sums["sum"].astype(str) + " of " + sums["size"].astype(str)
    every = dict.fromkeys([*(spec.group for spec in specs.values()), _GONE])
    order = [name for name in every if name in {*group}]
    return text.unstack("model").reindex(order).fillna("").rename_axis(columns=None).reset_index()


def choice_figures(choice: pd.DataFrame, *, simulated: bool) -> list[Figure]:
    """Plot of how many fits read each column that some fit reads.

    Parameters
    ----------
    choice : DataFrame
        The ``feature_choice`` table.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    with canvas(1, 1, width=9.0, height=3.0, simulated=simulated) as (figure, axis):
        for place, (model, own) in enumerate(choice.groupby("model", observed=True, sort=True)):
            fits = own["fold"].nunique()
            times = own[own["chosen"]].groupby(own["column_name"].astype(str))["fold"].nunique()
            shares = np.sort(times.to_numpy())[::-1] / fits
            colour = SERIES[place % len(SERIES)]
            axis.step(np.arange(1, len(shares) + 1), shares, where="mid", color=colour, linewidth=1.4, label=str(model))
        axis.set_ylim(0, 1.05)
        axis.set_xlabel("columns some fit reads, the steadiest first", fontsize=8, color=INK)
        axis.set_ylabel("share of the fits", fontsize=8, color=INK)
        axis.legend(fontsize=7, frameon=False)
        return [
            drawn(
                figure,
                "Stability of the chosen columns",
                "Share of a model's fits (folds and the released one) that read each column. A curve that falls at "
                "once behind a plateau at 1 means that all training parts choose alike; a long slope means that "
                "columns of one cluster take turns, which changes names more than content.",
                simulated=simulated,
            )
        ]
