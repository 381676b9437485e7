"""Writes runs into MLflow: found by identity, resumed if there, finished when written."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from factory_assets.orchestration.tracking.place import TrackingPlace
from factory_assets.orchestration.tracking.tracked_runs import TrackedRun

IDENTITY, PREDICTIONS = "factory.identity", "factory.predictions"
_CURVES, _FILES = "factory.curves", "factory.files"
_METRICS_A_CALL, _PARAMETERS_A_CALL, _VALUE_CHARACTERS = 900, 100, 5000


class RunLog:
    """Runs of one tracking store.

    Parameters
    ----------
    place : TrackingPlace
        The store; prepared at the first write.
    curve_points_max : int
        Most points of a curve that become metrics; the file ``curves.json`` beside them has all.
    """

    def __init__(self, place: TrackingPlace, *, curve_points_max: int) -> None:
        self._place, self._points_max = place, curve_points_max
        self._experiments: dict[str, str] = {}

    def write(self, run: TrackedRun) -> str:
        """Write a run, or update the one of the same identity; returns MLflow's id of it.

        Values that are there stay what they are: parameters are part of the identity, metrics get a further entry,
        curves and files are written once.
        """
        client = self._client
        with self._place.lock():
            run_id, known = self._run_of(run)
            self._describe(run_id, run)
            for batch in _batches([*run.metrics.items()], _METRICS_A_CALL):
                client.log_batch(run_id, metrics=[_metric(name, value, run.at_ms) for name, value in batch])
            self._draw(run_id, run, known)
            if run.folder is not None and known.get(_FILES) != run.folder.name:
                client.log_artifacts(run_id, str(run.folder), artifact_path="release")
                client.set_tag(run_id, _FILES, run.folder.name)
            client.set_terminated(run_id, "FINISHED", end_time=run.at_ms)
        return run_id

    @cached_property
    def _client(self) -> Any:
        self._place.prepare()
        return self._place.client()

    def _run_of(self, run: TrackedRun) -> tuple[str, Mapping[str, str]]:
        """Id and tags of the run to write to; a new one if none has the identity."""
        if run.experiment not in self._experiments:
            self._experiments[run.experiment] = self._place.experiment(self._client, run.experiment)
        experiment = self._experiments[run.experiment]
        searched = PREDICTIONS if run.additional else IDENTITY
        found = self._tagged(experiment, searched, run.identity)
        if found:
            return found[0].info.run_id, found[0].data.tags
        # An evaluation may have come first, when the model's own publication was not logged: that is the model's run.
        for begun in self._tagged(experiment, PREDICTIONS, run.tags[PREDICTIONS]) if PREDICTIONS in run.tags else []:
            if IDENTITY not in begun.data.tags:
                self._client.set_tag(begun.info.run_id, IDENTITY, run.identity)
                return begun.info.run_id, begun.data.tags
        made = self._client.create_run(
            experiment, start_time=run.at_ms, run_name=run.name, tags={searched: run.identity}
        )
        return made.info.run_id, {}

    def _tagged(self, experiment: str, tag: str, value: str) -> list[Any]:
        """Runs of an experiment with a tag, the newest first."""
        newest = "attributes.start_time DESC"
        found = self._client.search_runs([experiment], filter_string=f"tags.`{tag}` = '{value}'", order_by=[newest])
        return list(found)

    def _describe(self, run_id: str, run: TrackedRun) -> None:
        from mlflow.entities import Dataset, DatasetInput, Param, RunTag

        tags = [RunTag(name, value) for name, value in run.tags.items()]
        # An evaluation adds to a model's run; what made the model stays said by the model's own publication.
        if run.additional:
            tags = [tag for tag in tags if tag.key == "factory.evaluation"]
        self._client.log_batch(run_id, tags=tags)
        for batch in _batches([*run.parameters.items()], _PARAMETERS_A_CALL):
            parameters = [Param(name, value[:_VALUE_CHARACTERS]) for name, value in batch]
            self._client.log_batch(run_id, params=parameters)
        if run.data:
            datasets = [
                DatasetInput(Dataset(name=name, digest=digest, source_type="factory", source=json.dumps(name)), tags=[])
                for name, digest in run.data.items()
            ]
            self._client.log_inputs(run_id, datasets=datasets)

    def _draw(self, run_id: str, run: TrackedRun, known: Mapping[str, str]) -> None:
        if not run.curves:
            return
        text = json.dumps(run.curves, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if known.get(_CURVES) == digest:
            return
        points = [
            _metric(f"{fit}.{curve}", values[step], run.at_ms, step + 1)
            for fit, curves in run.curves.items()
            for curve, values in curves.items()
            for step in _chosen(len(values), self._points_max)
        ]
        for batch in _batches(points, _METRICS_A_CALL):
            self._client.log_batch(run_id, metrics=batch)
        self._client.log_text(run_id, text, "curves.json")
        self._client.set_tag(run_id, _CURVES, digest)


def _metric(name: str, value: float, at_ms: int, step: int = 0) -> Any:
    from mlflow.entities import Metric

    return Metric(name, float(value), at_ms, step)


def _chosen(rounds: int, points_max: int) -> list[int]:
    """Positions of at most ``points_max`` rounds, evenly spread, the first and the last among them."""
    if rounds <= points_max:
        return list(range(rounds))
    return sorted({round(point * (rounds - 1) / (points_max - 1)) for point in range(points_max)})


def _batches(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))
