"""What ``factory status`` and the morning summary say of each partition: freshness, releases, data and the last run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from factory_assets.orchestration.freshness import AssetState, Reason, partition_freshness
from factory_assets.orchestration.inspect_store import open_store
from factory_assets.orchestration.instance import instance_folder
from factory_assets.orchestration.releases import PartitionReleases, partition_releases
from factory_assets.orchestration.series_volume import HAS_VOLUME
from factory_assets.splits.study import day_text
from factory_assets.vocabulary.errors import IntegrityError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import INSTRUMENTS
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.timeframes import HORIZONS_BARS

_PARTITION_TAG = "dagster/partition"
_SHOWN_CHARACTERS, _SHOWN_PLACES = 12, 3


def status_rows(
    home: FactoryHome, *, profile: str | None = None, instance: dg.DagsterInstance | None = None
) -> list[dict[str, Any]]:
    """One row a partition that holds anything, contracts before their horizons.

    Parameters
    ----------
    home : FactoryHome
        Whose store, releases and runs. Nothing in it is changed, no data file is read.
    profile : str, optional
        Budget the outputs are held against; ``FACTORY_PROFILE`` or ``fast`` by default.
    instance : DagsterInstance, optional
        Where runs are recorded; the home's by default, if it has one.

    Returns
    -------
    list of dict
        ``partition``; the names of its ``fresh``, ``stale``, ``other_code`` (stale for no other reason than the code),
        ``blocked``, ``missing`` and ``damaged`` outputs; ``reasons`` (cause, where it lies, what, and the outputs that
        have it); ``data_until`` (last session in its tables); ``has_volume`` (whether its series has volume, None if
        nothing says so yet); ``champion``, ``champion_since``, ``challenger``,
        ``challenger_data_end``; ``last_run`` (``state``, ``ended``, ``run_id``) or None.

    Raises
    ------
    ConfigurationError, RemoteStoreError
        As :func:`factory_assets.orchestration.freshness.partition_freshness`.
    """
    rows, store = [], open_store(home)
    for key in partitions():
        states = partition_freshness(home, key, profile=profile, store=store)
        if any(state.state != "missing" for state in states.values()):
            rows.append(_row(home, key, list(states.values())))
    runs = _last_runs(home, instance, [row["partition"] for row in rows]) if rows else {}
    return [{**row, "last_run": runs.get(row["partition"])} for row in rows]


def short_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same rows as counts and first digits, for a table of 100 columns; ``code`` is stale by other code only."""
    return [
        {
            "partition": row["partition"],
            **{name: len(row[name]) for name in ("fresh", "stale", "blocked", "missing")},
            "code": len(row["other_code"]),
            "data until": row["data_until"] or "",
            "champion": _release(row["champion"], row["champion_since"]),
            "challenger": _release(row["challenger"], row["challenger_data_end"]),
            "last run": _last_run(row["last_run"]),
        }
        for row in rows
    ]


def reason_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line a cause and detail of each partition, with where it lies and how many outputs were made of that.

    Contracts whose series has no volume are named too: their volume features are masked.

    Other code is one line for all of them.
    """
    for row in rows:
        if row["damaged"]:
            yield f"{row['partition']}: damaged: {', '.join(row['damaged'])}"
        if row["has_volume"] is False and PartitionKey.parse(row["partition"]).horizon is None:
            yield f"{row['partition']}: the series has no volume; features that read it are masked"
        places: dict[tuple[str, str], list[str]] = {}
        concerned: dict[tuple[str, str], set[str]] = {}
        for reason in row["reasons"]:
            if reason["cause"] != "code":
                places.setdefault((reason["cause"], reason["detail"]), []).append(reason["at"])
                concerned.setdefault((reason["cause"], reason["detail"]), set()).update(reason["outputs"])
        for (cause, detail), at in places.items():
            more = f" and {len(at) - _SHOWN_PLACES} more" if len(at) > _SHOWN_PLACES else ""
            others = len(concerned[cause, detail] - set(at))
            after = f" (outputs made of it: {others})" if others else ""
            yield f"{row['partition']}: {cause} at {', '.join(at[:_SHOWN_PLACES])}{more}: {detail}{after}"
    coded = sum(len(row["other_code"]) for row in rows)
    if coded:
        yield f"code: {coded} outputs were made by another version of the code, nothing else about them changed"


def partitions() -> list[PartitionKey]:
    """Every partition there can be, each contract followed by its horizons."""
    return [
        key
        for symbol in sorted(INSTRUMENTS)
        for key in (PartitionKey(symbol), *(PartitionKey(symbol, horizon) for horizon in HORIZONS_BARS))
    ]


def _row(home: FactoryHome, key: PartitionKey, states: Sequence[AssetState]) -> dict[str, Any]:
    by_state = {
        name: [s.name for s in states if s.state == name] for name in ("fresh", "blocked", "missing", "damaged")
    }
    stale = [state for state in states if state.state == "stale"]
    releases, damaged = PartitionReleases(), []
    if key.horizon is not None:
        try:
            releases = partition_releases(home, key)
        except IntegrityError as problem:
            damaged = [f"release registry: {problem}"]
    return {
        "partition": str(key),
        **by_state,
        "stale": [state.name for state in stale if not state.only_code],
        "other_code": [state.name for state in stale if state.only_code],
        "damaged": [*by_state["damaged"], *damaged],
        "reasons": _reasons(states),
        "data_until": _data_until(states),
        "has_volume": _has_volume(states),
        "champion": releases.champion,
        "champion_since": releases.champion_since,
        "challenger": releases.challenger,
        "challenger_data_end": releases.challenger_data_end,
    }


def _reasons(states: Sequence[AssetState]) -> list[dict[str, Any]]:
    """Each reason once, with the outputs that have it; the widest first within a cause."""
    concerned: dict[Reason, list[str]] = {}
    for state in states:
        for reason in state.reasons:
            concerned.setdefault(reason, []).append(state.name)
    order = Counter({reason: len(names) for reason, names in concerned.items()})
    return [
        {"cause": reason.cause, "at": reason.at, "detail": reason.detail, "outputs": concerned[reason]}
        for reason, _ in sorted(order.items(), key=lambda item: (item[0].cause, -item[1], item[0].at))
    ]


def _data_until(states: Sequence[AssetState]) -> str | None:
    days = [s.manifest.sessions[-1][0] for s in states if s.manifest is not None and s.manifest.sessions]
    return day_text(max(days)) if days else None


def _has_volume(states: Sequence[AssetState]) -> bool | None:
    metas = [state.manifest.meta for state in states if state.manifest is not None]
    found = [bool(meta[HAS_VOLUME]) for meta in metas if HAS_VOLUME in meta]
    return all(found) if found else None


def _last_runs(
    home: FactoryHome, instance: dg.DagsterInstance | None, names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """How the newest run of each partition ended; nothing if the home has no runs yet."""
    if instance is not None:
        return {name: run for name in names if (run := _newest_run(instance, name)) is not None}
    folder = instance_folder(home)
    if not (folder / "dagster.yaml").is_file():
        return {}
    with dg.DagsterInstance.from_config(str(folder)) as opened:
        return {name: run for name in names if (run := _newest_run(opened, name)) is not None}


def _newest_run(instance: dg.DagsterInstance, partition: str) -> dict[str, Any] | None:
    records = instance.get_run_records(filters=dg.RunsFilter(tags={_PARTITION_TAG: partition}), limit=1)
    if not records:
        return None
    record = records[0]
    ended = None if record.end_time is None else datetime.fromtimestamp(record.end_time, tz=UTC)
    return {
        "state": record.dagster_run.status.value.lower(),
        "ended": None if ended is None else ended.isoformat(timespec="seconds"),
        "run_id": record.dagster_run.run_id,
    }


def _release(digest: str | None, moment: str | None) -> str:
    return "" if digest is None else f"{digest[:_SHOWN_CHARACTERS]}\n{(moment or '')[:10]}"


def _last_run(run: Mapping[str, Any] | None) -> str:
    return "" if run is None else f"{run['state']}\n{(run['ended'] or '')[:16].replace('T', ' ')}"
