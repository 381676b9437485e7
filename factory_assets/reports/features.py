"""The feature page of a contract: whether its features can be trusted, and what they look like.

Belongs here: the page's parts in reading order and what is said in words. Pictures of values come from
:mod:`factory_assets.reports.feature_figures` and :mod:`factory_assets.reports.feature_correlations`, those of the
certificate from :mod:`factory_assets.reports.feature_proofs`. Equal input gives equal bytes: no time of making is on
the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from factory_assets.features.certificate import CONTROL_GROUP, WHOLE_PARTITION
from factory_assets.features.spec import FeatureSpec
from factory_assets.reports.feature_correlations import Correlations, correlations
from factory_assets.reports.feature_figures import Movement, by_group, distribution_figure, over_time_figure
from factory_assets.reports.feature_proofs import (
    aspect_table,
    complete_rows,
    control_table,
    error_figure,
    verdict_figure,
    warmup_figure,
    worst_table,
)
from factory_assets.reports.figure import Figure
from factory_assets.reports.page import Section, render_page
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.timeframes import BASE_MINUTES
from factory_assets.vocabulary.verdict import Verdict

_MOVEMENTS_LISTED = 12
_MOVED_FAR = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureInputs:
    """What the page is drawn from.

    Attributes
    ----------
    instrument : Instrument
        Product of the bars.
    specs : sequence of FeatureSpec
        The catalogue.
    values : DataFrame
        Rows of the base timeframe's features within the train sessions, and no later ones: ``trade_date`` and one
        column a feature.
    certificate, health : DataFrame
        Tables ``feature_certificate`` and ``feature_health``, all timeframes.
    verdicts : mapping of int to sequence of Verdict
        Verdicts of each timeframe's features.
    sessions : int
        Sessions the features cover in all.
    has_volume : bool
        Whether the series has volume.
    """

    instrument: Instrument
    specs: Sequence[FeatureSpec]
    values: pd.DataFrame
    certificate: pd.DataFrame
    health: pd.DataFrame
    verdicts: Mapping[int, Sequence[Verdict]]
    sessions: int
    has_volume: bool


@dataclass(frozen=True, kw_only=True)
class FeaturePage:
    """The finished page.

    Attributes
    ----------
    html : str
        Self-contained page.
    figures : sequence of Figure
        Its plots, for the web UI.
    verdict : str
        Whether the features can be trusted, in one sentence.
    known : sequence of str
        What a user has to know, a sentence each.
    """

    html: str
    figures: Sequence[Figure]
    verdict: str
    known: Sequence[str]


def feature_page(inputs: FeatureInputs) -> FeaturePage:
    """Draw the page."""
    simulated = inputs.instrument.simulated
    groups = {spec.name: spec.group for spec in inputs.specs}
    drawn = inputs.values[[name for name in groups if name in inputs.values and inputs.values[name].notna().any()]]
    days = pd.DatetimeIndex(inputs.values["trade_date"])
    alike = correlations(drawn, groups, simulated=simulated)
    over_time, moved = over_time_figure(drawn, days, groups, simulated=simulated)
    known = _known(inputs, drawn, alike, moved, groups)
    verdict = _verdict(inputs)
    sections = [
        Section(title="What was found", paragraphs=known, tables=[_facts(inputs, drawn, days, alike)]),
        _proofs(inputs, groups),
        Section(title="Warm-up", figures=[warmup_figure(drawn, inputs.health, groups, simulated=simulated)]),
        Section(title="Distributions", figures=[distribution_figure(drawn, groups, simulated=simulated)]),
        _correlated(alike),
        _moving(over_time, moved),
        _groups(inputs, groups),
        Section(
            title=f"Checks of the {BASE_MINUTES}-minute features",
            paragraphs=["Evaluated by the producer before anything was written; a broken one writes nothing."],
            verdicts=inputs.verdicts[BASE_MINUTES],
        ),
    ]
    html = render_page(
        f"Features of {inputs.instrument.name} ({inputs.instrument.symbol})", verdict, sections, simulated=simulated
    )
    figures = [figure for section in sections for figure in section.figures]
    return FeaturePage(html=html, figures=figures, verdict=verdict, known=known)


def _verdict(inputs: FeatureInputs) -> str:
    found = [verdict for of_timeframe in inputs.verdicts.values() for verdict in of_timeframe]
    broken = sum(not verdict.passed for verdict in found)
    counted = f"{len(inputs.specs)} features on {len(inputs.verdicts)} timeframes"
    if broken:
        said = f"Not fit for use: {broken} of {len(found)} verdicts on {counted} are broken."
    else:
        said = (
            f"{counted}: none reads the future, each keeps to its look-back and warm-up, and all {len(found)} verdicts "
            "hold on these bars."
        )
    if inputs.instrument.simulated:
        said = f"SIMULATED, not a market: good for testing the factory and for nothing else. As test data: {said}"
    return said


def _known(
    inputs: FeatureInputs,
    drawn: pd.DataFrame,
    alike: Correlations,
    moved: Sequence[Movement],
    groups: Mapping[str, str],
) -> list[str]:
    """What a reader has to know before looking at pictures."""
    first, last = inputs.values["trade_date"].iloc[0], inputs.values["trade_date"].iloc[-1]
    train = inputs.values["trade_date"].nunique()
    said = [
        f"Distributions, correlations, masked cells and groups over time look at the train sessions alone: {train} of "
        f"{inputs.sessions}, {first:%Y-%m-%d} to {last:%Y-%m-%d}. Whatever comes later is neither drawn nor counted "
        "there. The certificate is about all bars: it recomputes and compares values, and tells no more of what they "
        "are than whether they move and how alike the two most alike are."
    ]
    if not inputs.has_volume:
        reading = sum(spec.reads_volume for spec in inputs.specs)
        said.append(f"The series has no volume: {reading} features that read it are masked in every row.")
    absent = [name for name in groups if name not in drawn.columns]
    short = [spec.name for spec in inputs.specs if spec.name in absent and (inputs.has_volume or not spec.reads_volume)]
    if short:
        said.append(f"Still warming up through all train sessions, so not drawn: {', '.join(short)}.")
    said.append(
        f"{alike.above[0.95]} pairs of features correlate above 0.95 and {alike.above[0.99]} above 0.99; above 0.999 "
        f"would be a defect ({alike.above[0.999]} pairs). Feature sets keep one of a cluster within the training fold."
    )
    far = [each for each in moved if each.distance > _MOVED_FAR]
    if far:
        named = ", ".join(each.feature for each in far[:5]) + (f" and {len(far) - 5} more" if len(far) > 5 else "")
        said.append(
            f"Features whose level moves by more than {_MOVED_FAR:g} of their own spreads from one period to another "
            f"({len(far)}): {named}. What is learnt of them in one period may not hold in the next."
        )
    return said


def _facts(inputs: FeatureInputs, drawn: pd.DataFrame, days: pd.DatetimeIndex, alike: Correlations) -> pd.DataFrame:
    features = inputs.certificate[inputs.certificate["group"] != CONTROL_GROUP]
    whole = features["aspect"] == WHOLE_PARTITION
    cells = drawn.shape[0] * drawn.shape[1]
    masked = int(drawn.isna().to_numpy().sum())
    groups = len({spec.group for spec in inputs.specs})
    rows = inputs.health.groupby("minutes")["rows"].max()
    closest = (
        "none"
        if alike.pairs.empty
        else (f"{alike.pairs['feature'].iloc[0]} and {alike.pairs['and'].iloc[0]}, r {alike.pairs['r'].iloc[0]}")
    )
    return pd.DataFrame(
        [
            ("features", f"{len(inputs.specs)} in {groups} groups, on {len(rows)} timeframes"),
            ("bars", ", ".join(f"{count:,} of {minutes} min" for minutes, count in rows.items())),
            ("looked at here", f"{len(drawn):,} bars of {BASE_MINUTES} minutes in {days.nunique()} train sessions"),
            ("masked cells there", f"{masked:,} of {cells:,} ({masked / max(cells, 1):.2%}), warm-up alone"),
            (
                "comparisons of the certificate",
                f"{int(features.loc[~whole, 'comparisons'].sum()):,} at cuts, {int(whole.sum()):,} of all before one",
            ),
            ("values compared", f"{int(features['cells'].sum()):,}"),
            ("closest pair there", closest),
        ],
        columns=["what", "found"],
    )


def _proofs(inputs: FeatureInputs, groups: Mapping[str, str]) -> Section:
    simulated = inputs.instrument.simulated
    return Section(
        title="Causality certificate",
        paragraphs=[
            "Proven on this partition before anything was written. The tables: what was recomputed and how far it was "
            "off; the features that use most of their tolerance; and deliberately bad features that went through the "
            "same examination and had to be caught, or it would prove nothing.",
        ],
        figures=[
            verdict_figure(inputs.verdicts, simulated=simulated),
            error_figure(inputs.certificate, groups, simulated=simulated),
        ],
        tables=[
            aspect_table(inputs.certificate),
            worst_table(inputs.certificate),
            control_table(inputs.certificate, inputs.verdicts),
        ],
        figures_first=True,
    )


def _correlated(alike: Correlations) -> Section:
    counted = ", ".join(f"{count:,} above {limit:g}" for limit, count in alike.above.items())
    return Section(
        title="Correlations",
        paragraphs=[f"Pairs by |r|: {counted}. Below the map: the closest ones."],
        figures=[alike.figure],
        tables=[alike.pairs],
        figures_first=True,
    )


def _moving(figure: Figure, moved: Sequence[Movement]) -> Section:
    table = pd.DataFrame(
        {
            "feature": [each.feature for each in moved],
            "group": [each.group for each in moved],
            "distance, own spreads": [f"{each.distance:.2f}" for each in moved],
            "lowest in": [each.lowest for each in moved],
            "highest in": [each.highest for each in moved],
        }
    )
    return Section(
        title="Groups over time",
        paragraphs=["Below the plot: the features whose median moves furthest from one period to another."],
        figures=[figure],
        tables=[table.head(_MOVEMENTS_LISTED)],
        figures_first=True,
    )


def _groups(inputs: FeatureInputs, groups: Mapping[str, str]) -> Section:
    arranged = by_group(groups, list(groups))
    complete = complete_rows(inputs.health, arranged)
    rows = inputs.health.loc[inputs.health["minutes"] == BASE_MINUTES, "rows"].max()
    specs = {spec.name: spec for spec in inputs.specs}
    table = pd.DataFrame(
        {
            "group": list(arranged),
            "features": [len(names) for names in arranged.values()],
            "read volume": [sum(specs[name].reads_volume for name in names) for names in arranged.values()],
            f"longest look-back, {BASE_MINUTES}-minute bars": [
                max(specs[name].lookback_bars(BASE_MINUTES) for name in names) for names in arranged.values()
            ],
            "complete from bar": [f"{int(row):,}" if row < rows else "never" for row in complete[BASE_MINUTES]],
        }
    )
    return Section(
        title="Catalogue",
        paragraphs=[
            "Formula, reference, look-back, unit and scaling of each feature: FEATURES.md, or factory features. Every "
            'figure behind the certificate: factory sql "select * from feature_certificate", and feature_health.',
        ],
        tables=[table],
    )
