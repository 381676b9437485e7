"""The feature page of a contract: what its features look like and how far they are proven, drawn with the features."""

from collections.abc import Iterable

from factory_assets.features import catalogue
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import Output
from factory_assets.orchestration.pages import place_page
from factory_assets.orchestration.series_volume import has_volume, volume_note
from factory_assets.orchestration.train_sessions import day_number, train_sessions_now
from factory_assets.reports.features import FeatureInputs, feature_page
from factory_assets.vocabulary.schemas import FEATURE_CERTIFICATE, FEATURE_HEALTH
from factory_assets.vocabulary.timeframes import BASE_MINUTES, TIMEFRAMES_MINUTES, features_name

PAGE_KIND = "features"
_BASE = features_name(BASE_MINUTES)


@factory_asset(
    Output(
        name="feature_page",
        group="features",
        description="Self-contained HTML page: the causality certificate, warm-up, distributions, correlations and "
        "each group over time, of the train sessions alone.",
        kinds=frozenset({"html"}),
        by_horizon=False,
    ),
    reads=[*(features_name(minutes) for minutes in TIMEFRAMES_MINUTES), FEATURE_CERTIFICATE.name, FEATURE_HEALTH.name],
    outside={"train sessions": train_sessions_now},
)
def draw_features(part: Materialization) -> Iterable[Product]:
    """Draw the page from verified tables and put it into FACTORY_HOME/reports."""
    until = train_sessions_now(part.home, part.factory.store, part.key)
    inputs = page_inputs(part, day_number(until))
    made = feature_page(inputs)
    page = made.html.encode()
    path = place_page(part.home, part.key, PAGE_KIND, page)
    return [
        Product(
            name="feature_page",
            content={"features.html": page},
            metadata={
                "verdict": made.verdict,
                "path": str(path),
                "bytes": len(page),
                "train_sessions_until": until,
                **volume_note(inputs.has_volume, catalogue()),
            },
            figures=made.figures,
        )
    ]


def page_inputs(part: Materialization, until_day: int) -> FeatureInputs:
    """What the page is drawn from: values of no session after ``until_day``, days since 1970."""
    return FeatureInputs(
        instrument=part.instrument,
        specs=catalogue(),
        values=part.read(_BASE, until_day=until_day).drop(columns="contract"),
        certificate=part.read(FEATURE_CERTIFICATE.name),
        health=part.read(FEATURE_HEALTH.name),
        verdicts={minutes: part.verdicts_of(features_name(minutes)) for minutes in TIMEFRAMES_MINUTES},
        sessions=part.read(_BASE, columns=["trade_date"])["trade_date"].nunique(),
        has_volume=has_volume(part, _BASE),
    )
