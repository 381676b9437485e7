"""A small graph of every kind of reader: whole history, a slice, a slice of a slice, files, the other family."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.no_implicit_io import NoImplicitIO
from factory_assets.orchestration.outputs import Output, table_output
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.storage import Store
from factory_assets.vocabulary.errors import IntegrityError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import Column, TableSchema
from factory_assets.vocabulary.verdict import Verdict

FIRST_DAY = int(np.datetime64("2024-01-02", "D").astype(int))
END_DAY = FIRST_DAY + 2
"""Last session the study of this graph reads."""


def _schema(name: str, *, by_horizon: bool = False) -> TableSchema:
    return TableSchema(
        name=name,
        group="probes",
        by_horizon=by_horizon,
        columns=(Column("trade_date", pa.date32(), "Session"), Column("value", pa.float64(), "Points")),
        order_by=("trade_date",),
        session_column="trade_date",
    )


def _files(name: str, *, by_horizon: bool) -> Output:
    return Output(name=name, group="probes", description=f"Files of {name}.", by_horizon=by_horizon)


@dataclass
class Days:
    """What the raw file holds: one value a session; whether the bars' invariant holds; and who is champion."""

    values: list[float] = field(default_factory=lambda: [1.0, 2.0, 3.0, 4.0])
    holds: bool = True
    champion: str = "first"


DAYS = Days()
BARS, FEATURES = _schema("fresh_bars"), _schema("fresh_features")
LABELS = _schema("fresh_labels", by_horizon=True)
NAMES = ("fresh_raw", "fresh_bars", "fresh_features", "fresh_study", "fresh_labels", "fresh_model", "fresh_page")


def _frame(values: list[float]) -> pd.DataFrame:
    days = (FIRST_DAY + np.arange(len(values))).astype("datetime64[D]").astype("datetime64[ms]")
    return pd.DataFrame({"trade_date": days, "value": values})


@factory_asset(_files("fresh_raw", by_horizon=False))
def fresh_raw(part: Materialization) -> Iterable[Product]:
    """The raw file: no session column, so readers of slices do not look at it."""
    return [Product(name="fresh_raw", content={"raw.txt": repr(DAYS.values).encode()})]


@factory_asset(table_output(BARS, "Bars.", checks=("bars_hold",)), reads=["fresh_raw"], settings_sections=["market"])
def fresh_bars(part: Materialization) -> Iterable[Product]:
    """One row a session."""
    part.read_files("fresh_raw")
    verdict = Verdict(name="bars_hold", passed=DAYS.holds, summary="looked at")
    return [Product(name=BARS.name, content=_frame(DAYS.values), verdicts=[verdict])]


@factory_asset(table_output(FEATURES, "Features."), reads=[BARS.name], settings_sections=["features"])
def fresh_features(part: Materialization) -> Iterable[Product]:
    """Reads the whole history."""
    return [Product(name=FEATURES.name, content=part.read(BARS.name).drop(columns="contract"))]


@factory_asset(_files("fresh_study", by_horizon=False), reads=[BARS.name], settings_sections=["splits"])
def fresh_study(part: Materialization) -> Iterable[Product]:
    """Reads bars until the study's end."""
    rows = part.read(BARS.name, until_day=END_DAY)
    return [Product(name="fresh_study", content={"study.txt": str(len(rows)).encode()})]


@factory_asset(
    table_output(LABELS, "Labels."), reads=["fresh_study", BARS.name], settings_sections=["labels", "barriers"]
)
def fresh_labels(part: Materialization) -> Iterable[Product]:
    """Reads the study and bars until its end."""
    part.read_files("fresh_study")
    return [Product(name=LABELS.name, content=part.read(BARS.name, until_day=END_DAY).drop(columns="contract"))]


def champion_of(home: FactoryHome, _store: Store, key: PartitionKey) -> str:
    """An input outside the store; a champion named ``touched`` cannot be read."""
    if DAYS.champion == "touched":
        raise IntegrityError(f"{home.releases}: the registry of {key} was touched")
    return DAYS.champion


@factory_asset(
    _files("fresh_model", by_horizon=True),
    reads=[LABELS.name, FEATURES.name],
    settings_sections=["models"],
    outside={"champion": champion_of},
)
def fresh_model(part: Materialization) -> Iterable[Product]:
    """Reads labels, and features until the study's end."""
    total = part.read(LABELS.name)["value"].sum() + part.read(FEATURES.name, until_day=END_DAY)["value"].sum()
    return [Product(name="fresh_model", content={"model.txt": str(total).encode()})]


@factory_asset(_files("fresh_page", by_horizon=True), reads=["fresh_model"], settings_sections=["evaluation"])
def fresh_page(part: Materialization) -> Iterable[Product]:
    """Reads the model."""
    return [Product(name="fresh_page", content=dict(part.read_files("fresh_model").files))]


ASSETS = [fresh_raw, fresh_bars, fresh_features, fresh_study, fresh_labels, fresh_model, fresh_page]


def reset() -> None:
    """The raw file as it is at first."""
    for each in dataclasses.fields(Days):
        setattr(DAYS, each.name, getattr(Days(), each.name))


def definitions() -> dg.Definitions:
    """The graph as a code location."""
    return dg.Definitions(
        assets=ASSETS,
        resources={"factory": FactoryResource(), "io_manager": NoImplicitIO()},
        executor=dg.in_process_executor,
    )
