"""What the feature page shows of the certificate: verdicts by timeframe, rounding errors, controls, and warm-up.

Belongs here: pictures and tables of ``feature_certificate`` and ``feature_health``. Does not: pictures of the values
(:mod:`factory_assets.reports.feature_figures`), the proof itself (:mod:`factory_assets.features`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.features.certificate import CONTROL_GROUP, WITHIN_TOLERANCE
from factory_assets.features.spec import SESSION_MINUTES_MAX
from factory_assets.reports.feature_figures import by_group, group_colours
from factory_assets.reports.figure import Figure
from factory_assets.reports.style import ACCENT, DOWN, FLAT, INK, MUTED, SHEET_DPI, UP, canvas, drawn
from factory_assets.vocabulary.verdict import Verdict

WORDS: Mapping[str, str] = {
    "truncation_invariant": "unchanged without later bars",
    "future_perturbation_invariant": "unchanged by wild later bars",
    "lookback_honoured": "declared look-back suffices",
    "scale_invariant": "blind to the price level",
    "finite_after_warmup": "values missing after warm-up",
    "no_constant_feature": "features that never change",
    "no_duplicate_features": "largest |r| of two",
    "volume_use_declared": "features that read volume",
    "regimes_from_earlier_sessions": "regime estimates repeated",
    "positive_controls_caught": "bad features caught",
}
ASPECT_WORDS: Mapping[str, str] = {
    "truncation": "later bars cut off",
    "perturbation": "later bars made wild",
    "whole_partition": "everything after one cut made wild",
    "lookback": "declared look-back alone",
    "scale": "prices x 1.37 and x 0.731",
}
# Errors of exactly zero have no logarithm; they are drawn at the left edge.
_ZERO_ERROR = 1e-18
_LISTED = 12
_CONTROLS_VERDICT = "positive_controls_caught"


def verdict_figure(verdicts: Mapping[int, Sequence[Verdict]], *, simulated: bool) -> Figure:
    """A row a verdict, a column a timeframe: green where it holds, with the count it rests on.

    Parameters
    ----------
    verdicts : mapping of int to sequence of Verdict
        Verdicts of each timeframe's features.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    timeframes = sorted(verdicts)
    names = [verdict.name for verdict in verdicts[timeframes[0]]]
    found = {(minutes, verdict.name): verdict for minutes in timeframes for verdict in verdicts[minutes]}
    with canvas(width=12.7, height=0.5 + 0.36 * len(names), simulated=simulated) as (figure, axis):
        for row, name in enumerate(names):
            for column, minutes in enumerate(timeframes):
                verdict = found[minutes, name]
                colour = UP if verdict.passed else DOWN
                axis.fill_between([column + 0.02, column + 0.98], row + 0.06, row + 0.94, color=colour, alpha=0.16)
                axis.text(
                    column + 0.5, row + 0.5, _rests_on(verdict), fontsize=8, color=colour, ha="center", va="center",
                    weight="normal" if verdict.passed else "bold",
                )  # fmt: skip
        axis.set_xlim(0, len(timeframes))
        axis.set_ylim(len(names), 0)
        axis.xaxis.tick_top()
        axis.set_xticks(np.arange(len(timeframes)) + 0.5, [f"{minutes} min" for minutes in timeframes], fontsize=8)
        axis.set_yticks(np.arange(len(names)) + 0.5, [WORDS.get(name, name) for name in names], fontsize=8)
        _bare(axis)
        broken = sum(not verdict.passed for verdict in found.values())
        comparisons = sum(int(verdict.details.get("comparisons", 0)) for verdict in found.values())
        return drawn(
            figure,
            "Verdicts by timeframe",
            f"{len(found) - broken} of {len(found)} verdicts hold on these bars. The first four rows count comparisons "
            f"({comparisons:,} in all), each of a feature at a cut: recomputed without the later bars, with wild ones, "
            "from the declared look-back alone, and under other price levels.",
            simulated=simulated,
            dpi=SHEET_DPI,
            colours=256,
        )


def _rests_on(verdict: Verdict) -> str:
    """The number a verdict rests on, short enough for a cell."""
    said = verdict.details
    if "comparisons" in said:
        return f"{int(said['comparisons']):,}"
    if "largest_correlation" in said:
        return f"{float(said['largest_correlation']):.4f}"
    if "reads_volume" in said:
        return f"{int(said['reads_volume']):,}"
    if "estimates_compared" in said:
        return f"{int(said['estimates_compared']):,}"
    if "values" in said:
        return f"{int(said['values']):,}"
    # "7 of 7 deliberately bad features were caught", "0 of 99 features never change"
    words = verdict.summary.split()
    return " ".join(words[:3]) if words[1:2] == ["of"] else ("holds" if verdict.passed else "broken")


def error_figure(certificate: pd.DataFrame, groups: Mapping[str, str], *, simulated: bool) -> Figure:
    """Worst relative error of every feature on every timeframe, against what is allowed.

    Parameters
    ----------
    certificate : DataFrame
        Table ``feature_certificate``.
    groups : mapping of str to str
        Group of every feature.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    shown = certificate[certificate["aspect"].isin(list(WITHIN_TOLERANCE)) & (certificate["group"] != CONTROL_GROUP)]
    arranged = by_group(groups, shown["feature"].unique().tolist())
    place = {group: k for k, group in enumerate(arranged)}
    timeframes = {minutes: k for k, minutes in enumerate(sorted(shown["minutes"].unique()))}
    spread = np.array([(timeframes[m] + 0.5) / max(len(timeframes), 1) - 0.5 for m in shown["minutes"]])
    with canvas(width=12.7, height=0.7 + 0.3 * len(arranged), simulated=simulated) as (figure, axis):
        for aspect, colour, shift in (("lookback", ACCENT, -0.2), ("scale", FLAT, 0.2)):
            chosen = (shown["aspect"] == aspect).to_numpy()
            error = np.maximum(shown["worst_error"].to_numpy(dtype=np.float64)[chosen], _ZERO_ERROR)
            row = shown["group"].map(place).to_numpy(dtype=np.float64)[chosen] + shift + 0.34 * spread[chosen]
            axis.scatter(error, row, s=5, color=colour, alpha=0.55, linewidth=0, label=ASPECT_WORDS[aspect])
        tolerance = float(shown["tolerance"].max())
        axis.axvline(tolerance, color=DOWN, linewidth=1.0)
        axis.text(tolerance, len(arranged) - 0.55, f" tolerance {tolerance:g}", fontsize=7.5, color=DOWN, va="bottom")
        axis.set_xscale("log")
        axis.set_xlim(_ZERO_ERROR / 2, max(tolerance * 12, float(shown["worst_error"].replace(np.inf, 0).max()) * 3))
        axis.set_ylim(len(arranged) - 0.4, -0.6)
        ticks = [10.0**power for power in range(-18, -6, 2)]
        axis.set_xticks(ticks, ["exact", *(f"1e-{power}" for power in range(16, 6, -2))], fontsize=8)
        axis.minorticks_off()
        axis.set_yticks(np.arange(len(arranged)), list(arranged), fontsize=8)
        for label, colour in zip(axis.get_yticklabels(), group_colours(groups).values(), strict=False):
            label.set_color(colour)
        axis.set_xlabel("worst relative error", fontsize=8)
        figure.legend(loc="outside upper center", ncols=2, fontsize=8, frameon=False, markerscale=3)
        worst = shown.loc[shown["worst_error"].idxmax()] if len(shown) else None
        said = (
            ""
            if worst is None
            else (f" The worst is {worst['feature']} on {worst['minutes']}-minute bars, {worst['worst_error']:.2g}.")
        )
        return drawn(
            figure,
            "Rounding against tolerance",
            "One dot a feature, timeframe and test: the largest difference between the published value and the one "
            "recomputed, as a share of the value or of the column's mean size. Dots left of the red line are rounding; "
            f"a dot right of it would block the partition.{said}",
            simulated=simulated,
            dpi=SHEET_DPI,
            colours=256,
        )


def warmup_figure(values: pd.DataFrame, health: pd.DataFrame, groups: Mapping[str, str], *, simulated: bool) -> Figure:
    """Masked cells by group, and how long each group takes to be complete on each timeframe.

    Parameters
    ----------
    values : DataFrame
        Train rows of the base timeframe, one column a feature that has values.
    health : DataFrame
        Table ``feature_health``.
    groups : mapping of str to str
        Group of every feature.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    arranged, colours = by_group(groups, list(values.columns)), group_colours(groups)
    share = {group: float(values[names].isna().to_numpy().mean()) for group, names in arranged.items()}
    complete = complete_rows(health, arranged)
    with canvas(1, 2, width=12.7, height=0.8 + 0.27 * len(arranged), simulated=simulated) as (figure, axes):
        bars, table = axes.flat
        bars.get_subplotspec().get_gridspec().set_width_ratios((1, 2.1))
        at = np.arange(len(arranged))
        bars.barh(at, [100 * each for each in share.values()], color=[colours[g] for g in arranged], height=0.62)
        for k, each in enumerate(share.values()):
            bars.text(100 * each, k, f" {each:.2%}", fontsize=7.5, va="center", color=INK)
        bars.set_xlim(0, 100 * max(max(share.values(), default=0.0), 1e-4) * 1.25)
        bars.set_ylim(len(arranged) - 0.4, -0.6)
        bars.set_yticks(at, list(arranged), fontsize=8)
        bars.set_title("masked cells, % of the train rows", fontsize=8, loc="left", color=MUTED)
        _table_of_rows(table, complete)
        return drawn(
            figure,
            "Warm-up by group",
            f"Left: cells of {len(values):,} train bars that have no value yet. Right: bars until every feature of the "
            "group has one, by timeframe; the deeper the colour, the more sessions that is. A feature that "
            "answers with a neutral value and a flag while it cannot know, like the regime model, is not masked.",
            simulated=simulated,
            dpi=SHEET_DPI,
            colours=256,
        )


def complete_rows(health: pd.DataFrame, arranged: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Bars until every feature of a group has a value: a row a group, a column a timeframe.

    Parameters
    ----------
    health : DataFrame
        Table ``feature_health``.
    arranged : mapping of str to sequence of str
        Features by group; others (masked throughout) do not count.
    """
    counted = health[health["feature"].isin([name for names in arranged.values() for name in names])]
    found = counted.pivot_table(
        index="group", columns="minutes", values="complete_from_row", aggfunc="max", observed=True
    )
    return found.reindex(list(arranged))


def _table_of_rows(axis: Any, complete: pd.DataFrame) -> None:
    from matplotlib import colormaps

    sessions = complete.to_numpy(dtype=np.float64) * complete.columns.to_numpy()[None, :] / SESSION_MINUTES_MAX
    deepest = max(float(np.nanmax(sessions, initial=0.0)), 1.0)
    palette = colormaps["YlGnBu"]
    for row in range(sessions.shape[0]):
        for column in range(sessions.shape[1]):
            depth = np.sqrt(sessions[row, column] / deepest) * 0.85
            axis.fill_between([column + 0.02, column + 0.98], row - 0.45, row + 0.45, color=palette(depth), linewidth=0)
            axis.text(
                column + 0.5, row, f"{int(complete.iat[row, column]):,}", fontsize=7.5, ha="center", va="center",
                color="white" if depth > 0.55 else INK,
            )  # fmt: skip
    axis.set_xlim(0, sessions.shape[1])
    axis.set_ylim(sessions.shape[0] - 0.4, -0.6)
    axis.set_xticks(np.arange(sessions.shape[1]) + 0.5, [f"{m} min" for m in complete.columns], fontsize=8)
    axis.set_yticks([])
    axis.set_title(
        f"bars until the group is complete (deepest: {deepest:.0f} sessions)", fontsize=8, loc="left", color=MUTED
    )
    _bare(axis)


def _bare(axis: Any) -> None:
    axis.grid(visible=False)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def aspect_table(certificate: pd.DataFrame) -> pd.DataFrame:
    """One row a test of the examination, over all timeframes; positive controls are left out."""
    rows = []
    features = certificate[certificate["group"] != CONTROL_GROUP]
    for aspect, words in ASPECT_WORDS.items():
        chosen = features[features["aspect"] == aspect]
        if chosen.empty:
            continue
        worst = chosen.loc[chosen["worst_error"].idxmax()]
        exact = aspect not in WITHIN_TOLERANCE
        rows.append(
            {
                "recomputed with": words,
                "features": chosen["feature"].nunique(),
                "timeframes": chosen["minutes"].nunique(),
                "comparisons": int(chosen["comparisons"].sum()),
                "values compared": int(chosen["cells"].sum()),
                "failed": int((~chosen["passed"]).sum()),
                "allowed": "bit-identical" if exact else f"{float(chosen['tolerance'].max()):g}",
                "worst error": _error(float(worst["worst_error"])),
                "of": f"{worst['feature']}, {worst['minutes']} min" if worst["worst_error"] > 0 else "",
            }
        )
    return pd.DataFrame(rows)


def worst_table(certificate: pd.DataFrame) -> pd.DataFrame:
    """The features that come closest to their tolerance, one row each."""
    shown = certificate[certificate["aspect"].isin(list(WITHIN_TOLERANCE)) & (certificate["group"] != CONTROL_GROUP)]
    used = (shown["worst_error"] / shown["tolerance"]).rename("used")
    table = pd.concat([shown, used], axis=1).sort_values(["used", "feature", "minutes"], ascending=[False, True, True])
    table = table.drop_duplicates("feature").head(_LISTED)
    return pd.DataFrame(
        {
            "feature": table["feature"].astype(str),
            "group": table["group"].astype(str),
            "timeframe": [f"{minutes} min" for minutes in table["minutes"]],
            "recomputed with": [ASPECT_WORDS[str(aspect)] for aspect in table["aspect"]],
            "worst error": [_error(value) for value in table["worst_error"]],
            "share of the tolerance": [f"{value:.2%}" if value >= 1e-4 else f"{value:.1e}" for value in table["used"]],
        }
    )


def control_table(certificate: pd.DataFrame, verdicts: Mapping[int, Sequence[Verdict]]) -> pd.DataFrame:
    """Positive controls: what each does wrong, and on how many timeframes which test caught it.

    Parameters
    ----------
    certificate : DataFrame
        Table ``feature_certificate``.
    verdicts : mapping of int to sequence of Verdict
        Verdicts of each timeframe's features; those about estimators say what caught the controls among them.
    """
    from factory_assets.features.controls import CONTROLS, ESTIMATOR_CONTROLS

    controls = certificate[certificate["group"] == CONTROL_GROUP]
    timeframes = controls["minutes"].nunique()
    rows = []
    for name, (family, aspects) in CONTROLS.items():
        of_control = controls[controls["feature"] == name]
        caught = of_control[~of_control["passed"]]
        by_aspect = {aspect: int((caught["aspect"] == aspect).sum()) for aspect in ASPECT_WORDS}
        required = caught[caught["must_fail"]]["minutes"].nunique()
        seen = ", ".join(f"{aspect} {count}" for aspect, count in by_aspect.items() if count)
        rows.append((name, family.specs[0].formula, " or ".join(aspects), required, timeframes, seen))
    said = [verdict.details for each in verdicts.values() for verdict in each if verdict.name == _CONTROLS_VERDICT]
    for name, estimator in ESTIMATOR_CONTROLS.items():
        told = [str(details[name]) for details in said if name in details]
        if told:  # a series too short for an estimate has nothing to leak
            caught_on = sum(each.startswith("caught") for each in told)
            does = " ".join((estimator.__doc__ or "").split())
            rows.append((name, does, "estimating again", caught_on, len(told), f"estimating again {caught_on}"))
    columns = ["deliberately bad feature", "what it does", "must be caught by", "caught", "of", "tests that saw it"]
    table = pd.DataFrame(rows, columns=columns)
    table["caught"] = [
        f"on {caught} of {of} timeframes" for caught, of in zip(table["caught"], table["of"], strict=True)
    ]
    return table.drop(columns="of")


def _error(value: float) -> str:
    return "0" if value == 0.0 else f"{value:.1e}"
