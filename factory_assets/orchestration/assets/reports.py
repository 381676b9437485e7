"""The report: one self-contained page a partition, from raw bars to the numbers and what they are worth."""

from collections.abc import Iterable

import pandas as pd

from factory_assets.evaluation.ledger import openings
from factory_assets.evaluation.targets import targets_table
from factory_assets.features import catalogue
from factory_assets.orchestration.assets.models import BASES, CURVED, curves_name, read_curves
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.ledger_files import LedgerFiles
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import CATALOGUE, Output
from factory_assets.orchestration.pages import page_path, place_page
from factory_assets.orchestration.series_volume import has_volume, volume_note
from factory_assets.reports.evaluation import evaluation_figures
from factory_assets.reports.feature_choice import choice_figures, groups_table, stability_table
from factory_assets.reports.headline import edge_sentences
from factory_assets.reports.labels import label_figures
from factory_assets.reports.market import price_figure
from factory_assets.reports.metric_table import METRIC_GROUPS, metric_table
from factory_assets.reports.models import curve_figures, model_figures
from factory_assets.reports.page import Section, render_page
from factory_assets.splits.study import day_text
from factory_assets.storage import InputRef
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.schemas import (
    CANONICAL_BARS,
    EVALUATION,
    FEATURE_CHOICE,
    LABELS,
    QUARANTINE,
    ROLLS,
    SPLITS,
    STACK,
    TRADES,
)
from factory_assets.vocabulary.timeframes import BASE_MINUTES, features_name

_QUALITY_LINK = "Are these bars fit for use? Coverage, gaps, quarantine and rolls of the contract: the quality page."
_FEATURES_LINK = (
    "Can these features be trusted, and what do they look like? Certificate, warm-up, distributions, correlations and "
    "each group over time: the feature page."
)
_FEATURES = features_name(BASE_MINUTES)
_READS = (
    CANONICAL_BARS.name,
    QUARANTINE.name,
    ROLLS.name,
    _FEATURES,
    "study",
    LABELS.name,
    SPLITS.name,
    *(f"{period}_{name}" for name in BASES for period in ("oof", "val")),
    *(curves_name(name) for name in CURVED),
    FEATURE_CHOICE.name,
    STACK.name,
    EVALUATION.name,
    TRADES.name,
    "bundle",
)


@factory_asset(
    Output(
        name="report",
        group="reports",
        description="Self-contained HTML page of the partition; the same plots stand beside the assets.",
        kinds=frozenset({"html"}),
        by_horizon=True,
    ),
    reads=_READS,
    settings_sections=["evaluation", "profile"],
)
def report(part: Materialization) -> Iterable[Product]:
    """Draw the page from verified tables and put it into FACTORY_HOME/reports."""
    simulated = part.instrument.simulated
    page = render_page(
        f"{part.instrument.name} ({part.key.contract}), horizon {part.horizon} base bars",
        f"Study of {day_text(part.study.train_first_day)} to {day_text(part.study.end_day)}, profile "
        f"{part.settings.profile}, made {part.factory.clock():%Y-%m-%d %H:%M} UTC. Every number is net of costs and "
        "free of the test period.",
        [*_results(part), *_inputs(part), _invariants(part)],
        simulated=simulated,
    ).encode()
    path = place_page(part.home, part.key, "report", page)
    return [
        Product(
            name="report",
            content={"report.html": page},
            metadata={"path": str(path), "bytes": len(page)},
            inputs=_made_of(part),
        )
    ]


def _results(part: Materialization) -> list[Section]:
    table, trades, stack = part.read(EVALUATION.name), part.read(TRADES.name), part.read(STACK.name)
    plain = table.drop(columns=["contract", "horizon"]).astype({"model": str, "period": str, "metric": str})
    simulated = part.instrument.simulated
    in_val = (stack["origin"] == "val").to_numpy()
    models = [
        figure
        for name in BASES
        for figure in model_figures(name, part.read(f"oof_{name}"), part.read(f"val_{name}"), simulated=simulated)
    ]
    curves = [figure for name in CURVED for figure in curve_figures(name, read_curves(part, name), simulated=simulated)]
    study = part.study
    opened = openings(LedgerFiles(part.factory, study).entries())
    return [
        Section(title="Is there an edge?", paragraphs=edge_sentences(plain, "stack")),
        Section(
            title="Evaluation",
            paragraphs=[
                "One row a model and metric; intervals from resampling whole sessions. oof: train decisions, each "
                "predicted by a fit that never saw it (thresholds are chosen here, so its P&L is flattered). val: "
                "later decisions under those thresholds, unchanged.",
            ],
            tables=[metric_table(plain, period, group) for period in ("oof", "val") for group in METRIC_GROUPS],
            figures=evaluation_figures(table, trades, simulated=simulated),
        ),
        Section(
            title="Targets",
            paragraphs=[
                "Reported, never tuned to; missing one is an honest result. Values are the stack's point estimates on "
                "val: read them with the intervals and the number of trades above, a few trades meet or miss anything.",
            ],
            tables=[
                targets_table(
                    plain[plain["period"] == "val"],
                    model="stack",
                    horizon=part.horizon,
                    account_dollars=part.settings.evaluation.account_dollars,
                )
            ],
        ),
        Section(
            title="Sealed test",
            paragraphs=[
                f"Sessions {day_text(study.test_first_day)} to {day_text(study.end_day)} ({study.test_sessions}) are "
                f"sealed for every horizon. They have been opened {opened} times; the ledger is intact.",
            ],
        ),
        _columns(part),
        Section(
            title="Models",
            figures=[*models, *curves, *model_figures("stack", stack[~in_val], stack[in_val], simulated=simulated)],
        ),
    ]


def _columns(part: Materialization) -> Section:
    """What the models read, and how steady that is."""
    choice = part.read(FEATURE_CHOICE.name)
    return Section(
        title="Columns chosen",
        paragraphs=[
            "Each fit chooses its columns on its own training part, from feature values alone: columns without "
            "variance go, the others are clustered by rank correlation, and one of each cluster is read. First table: "
            "all fits of a model. Second: what the released fit reads of each group. The table feature_choice has "
            "every column of every fit, with its cluster and the column that speaks for it.",
        ],
        tables=[stability_table(choice), groups_table(choice)],
        figures=choice_figures(choice, simulated=part.instrument.simulated),
    )


def _inputs(part: Materialization) -> list[Section]:
    simulated = part.instrument.simulated
    bars, quarantine, rolls = _market(part)
    labels, splits = part.read(LABELS.name), part.read(SPLITS.name)
    reasons = quarantine["reason"].astype(str).value_counts().rename_axis("reason").reset_index(name="rows")
    groups = pd.Series([spec.group for spec in catalogue()]).value_counts(sort=False)
    masked = labels["mask_reason"].astype(str).replace("", "eligible").value_counts()
    roles = splits.groupby(["scheme", "fold", "role"], observed=True).size().unstack("role", fill_value=0).reset_index()
    return [
        Section(
            title="Market",
            paragraphs=[
                f"Up to the end of val: {len(bars):,} minutes, {len(quarantine):,} rows in quarantine, "
                f"{len(rolls)} rolls.",
            ],
            tables=[
                _costs(part.instrument),
                rolls.drop(columns="contract").astype({"trade_date": str}),
                *([reasons] if len(reasons) else []),
            ],
            figures=[price_figure(bars, rolls, simulated=simulated)],
            pages={page_path(part.home, part.key.of_contract, "quality").name: _QUALITY_LINK},
        ),
        Section(
            title="Features",
            paragraphs=[
                "Every feature passed the causality certificate on the whole partition; its verdicts are below.",
                *volume_note(has_volume(part, _FEATURES), catalogue()).values(),
            ],
            tables=[groups.rename_axis("group").reset_index(name="features")],
            verdicts=part.verdicts_of(_FEATURES),
            pages={page_path(part.home, part.key.of_contract, "features").name: _FEATURES_LINK},
        ),
        Section(
            title="Labels and splits",
            tables=[masked.rename_axis("decision").reset_index(name="rows"), roles.astype({"scheme": str})],
            verdicts=part.verdicts_of(LABELS.name),
            figures=label_figures(labels, simulated=simulated),
        ),
    ]


def _costs(traded: Instrument) -> pd.DataFrame:
    """What every round trip of this page was charged, and where the figures come from."""
    slippage = {False: traded.slippage_low_ticks, True: traded.slippage_high_ticks}
    return pd.DataFrame(
        {
            "volatility": "high" if high else "low",
            "commission_ticks": traded.commission_ticks,
            "slippage_ticks_a_side": ticks,
            "cost_ticks": traded.cost_ticks(high_volatility=high),
            "cost_points": traded.cost_price(high_volatility=high),
            "as_of": traded.fees_as_of.isoformat(),
            "source": traded.fees_source,
        }
        for high, ticks in slippage.items()
    )


def _made_of(part: Materialization) -> list[InputRef]:
    """What the page depends on: quarantine, which has no sessions to be cut at, is shown until the end of val only.

    Rows that came later change nothing here. Those within the study go along with its bars, which are an input.
    """
    return [ref for ref in part.refs if ref.table != QUARANTINE.name]


def _market(part: Materialization) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Bars, quarantine and rolls up to the end of val: of the sealed sessions not even prices are shown."""
    until = part.study.val_last_day
    bars = part.read(CANONICAL_BARS.name, until_day=until)
    quarantine = part.read(QUARANTINE.name)
    seen = quarantine["open_time"] < bars["close_time"].iloc[-1]
    return bars, quarantine[seen].reset_index(drop=True), part.read(ROLLS.name, until_day=until)


def _invariants(part: Materialization) -> Section:
    shown = (_FEATURES, LABELS.name)
    verdicts = [
        verdict for name in _READS if name not in shown and CATALOGUE[name].checks for verdict in part.verdicts_of(name)
    ]
    return Section(
        title="Invariants",
        paragraphs=["Evaluated once by the producer, before anything was written; a broken one writes nothing."],
        verdicts=verdicts,
    )
