"""A code location for rehearsed nights: the real market assets, sensors and job names over quick stand-ins.

What stands in for features, bundle and refit fails or holds on as files in ``FACTORY_HOME/faults`` say:
``fail-<asset>`` holds how many times it is to fail, ``hold-<asset>`` makes it wait until the file is gone, after it
wrote ``held-<asset>``.
"""

import time
from collections.abc import Iterable

import dagster as dg

from factory_assets.orchestration.assets import market
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.jobs import NIGHT_GROUP, family_jobs
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.no_implicit_io import NoImplicitIO
from factory_assets.orchestration.operation.sensors import operation_sensors
from factory_assets.orchestration.outputs import Output
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.schemas import table_schema

BARS = table_schema("bars_5min").name
HOLD_S_MAX = 120


def obey(part: Materialization, name: str) -> None:
    """Fail or hold on as the faults folder says."""
    folder = part.home.root / "faults"
    hold = folder / f"hold-{name}"
    if hold.exists():
        (folder / f"held-{name}").touch()
        begin = time.monotonic()
        while hold.exists() and time.monotonic() - begin < HOLD_S_MAX:
            time.sleep(0.1)
    fail = folder / f"fail-{name}"
    if fail.exists() and (left := int(fail.read_text())) > 0:
        fail.write_text(str(left - 1))
        raise BadInputError(f"{name} was told to fail")


def _stand_in(name: str, group: str, reads: tuple[str, ...], *, by_horizon: bool) -> dg.AssetsDefinition:
    def body(part: Materialization) -> Iterable[Product]:
        obey(part, name)
        days = [part.read(table)["trade_date"].max().isoformat() for table in reads]
        return [Product(name=name, content={"until.txt": " ".join(days).encode()})]

    body.__name__ = f"make_{name}"
    output = Output(name=name, group=group, description=f"Stand-in for {name}.", by_horizon=by_horizon)
    return factory_asset(output, reads=reads)(body)


stand_in_features = _stand_in("stand_in_features", "features", (BARS,), by_horizon=False)
bundle = _stand_in("bundle", "deployment", (), by_horizon=True)
stand_in_night = _stand_in("stand_in_night", NIGHT_GROUP, (BARS,), by_horizon=True)

_MARKET = [market.raw_minutes, market.canonical, market.continuity, market.ladder]
_ASSETS = [*_MARKET, stand_in_features, bundle, stand_in_night]
_JOBS = family_jobs(_ASSETS)
_RESOURCE = FactoryResource()

defs = dg.Definitions(
    assets=_ASSETS,
    jobs=_JOBS,
    sensors=operation_sensors({job.name: job for job in _JOBS}, _RESOURCE),
    resources={"factory": _RESOURCE, "io_manager": NoImplicitIO()},
    executor=dg.in_process_executor,
)
