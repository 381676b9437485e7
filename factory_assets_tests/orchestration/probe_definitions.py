"""A small graph declared through ``factory_asset``: what its bodies make is set by each test in :data:`SCRIPT`.

Also a code location of its own, for Dagster's command line; ``PROBE_BREAKS`` in the environment then
names the contracts whose invariant is false.
"""

import os
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
from factory_assets.vocabulary.schemas import Column, TableSchema
from factory_assets.vocabulary.verdict import Verdict

SESSIONS = 4


def _schema(name: str, *, by_horizon: bool = False) -> TableSchema:
    return TableSchema(
        name=name,
        group="probes",
        by_horizon=by_horizon,
        columns=(
            Column("trade_date", pa.date32(), "Session"),
            Column("value", pa.float64(), "What the script says, points"),
        ),
        order_by=("trade_date",),
        session_column="trade_date",
    )


SOURCE = _schema("probe_source")
CONSUMED = _schema("probe_consumed")
LEFT, RIGHT, JOINED = _schema("probe_left"), _schema("probe_right"), _schema("probe_joined")
BY_HORIZON = _schema("probe_by_horizon", by_horizon=True)
SIDE = "probe_side"


@dataclass
class Script:
    """What the next run of ``probe_source`` makes."""

    value: float = 1.0
    broken: set[str] = field(default_factory=lambda: set(filter(None, os.environ.get("PROBE_BREAKS", "").split(","))))
    warned: bool = False
    verdict_names: tuple[str, ...] = ("probe_holds", "probe_warns")
    forget_side: bool = False
    defects: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)


SCRIPT = Script()


def table(value: float) -> pd.DataFrame:
    """Four sessions of one value."""
    days = np.arange("2024-01-02", "2024-01-06", dtype="datetime64[D]").astype("datetime64[ms]")
    return pd.DataFrame({"trade_date": days, "value": np.full(SESSIONS, value)})


@factory_asset(
    table_output(SOURCE, "Probe with two invariants.", checks=("probe_holds", "probe_warns")),
    Output(name=SIDE, group="probes", description="Second output of the same body.", by_horizon=False),
)
def probe_source(part: Materialization) -> Iterable[Product]:
    """One table with a blocking and a warning invariant, and a file beside it."""
    key = str(part.key)
    SCRIPT.calls.append(key)
    if key in SCRIPT.defects:
        raise ZeroDivisionError(f"a defect at {key}")
    verdicts = {
        "probe_holds": Verdict(
            name="probe_holds",
            passed=key not in SCRIPT.broken,
            summary=f"4 rows of {key} compared",
            details={"rows": 4},
        ),
        "probe_warns": Verdict(
            name="probe_warns", passed=not SCRIPT.warned, summary="looked odd", details={}, blocking=False
        ),
        "probe_surprise": Verdict(name="probe_surprise", passed=True, summary="nobody declared this"),
    }
    products = [
        Product(
            name=SOURCE.name,
            content=table(SCRIPT.value),
            verdicts=[verdicts[name] for name in SCRIPT.verdict_names],
        ),
        Product(name=SIDE, content={"side.txt": f"{SCRIPT.value}".encode()}),
    ]
    return products[:1] if SCRIPT.forget_side else products


def _copy(schema: TableSchema, *reads: str) -> dg.AssetsDefinition:
    def body(part: Materialization) -> Iterable[Product]:
        frames = [part.read(name) for name in reads]
        return [Product(name=schema.name, content=frames[0].drop(columns=["contract"]))]

    body.__name__ = f"make_{schema.name}"
    return factory_asset(table_output(schema, f"Copy of {', '.join(reads)}."), reads=reads)(body)


probe_consumed = _copy(CONSUMED, SOURCE.name)
probe_left, probe_right = _copy(LEFT, SOURCE.name), _copy(RIGHT, SOURCE.name)
probe_joined = _copy(JOINED, LEFT.name, RIGHT.name)
probe_by_horizon = _copy(BY_HORIZON, SOURCE.name)


@factory_asset(
    Output(name="probe_peeked", group="probes", description="Reads what it does not declare.", by_horizon=False),
    reads=[SOURCE.name],
)
def probe_peeking(part: Materialization) -> Iterable[Product]:
    """Read an output that is not among the declared ones."""
    return [Product(name="probe_peeked", content=dict(part.read_files(SIDE).files))]


ASSETS = [probe_source, probe_consumed, probe_left, probe_right, probe_joined, probe_by_horizon, probe_peeking]

defs = dg.Definitions(
    assets=ASSETS,
    jobs=[
        dg.define_asset_job(
            "probes",
            selection=dg.AssetSelection.assets(*(a for a in ASSETS if a is not probe_by_horizon)),
            op_retry_policy=dg.RetryPolicy(max_retries=2),
        )
    ],
    resources={"factory": FactoryResource(), "io_manager": NoImplicitIO()},
    executor=dg.in_process_executor,
)
