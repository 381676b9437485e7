"""Publications as the graph makes them, small: a model with its predictions and curves, an evaluation, a release."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from factory_assets.orchestration.releases import released_folder
from factory_assets.orchestration.tracking import Publication, Published
from factory_assets.storage import InputRef, Manifest, Store
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey

KEY = PartitionKey("MGC", 20)
SETTINGS = {"splits.folds": 5, "models.seed": 11}


class Maker:
    """Publishes into the store of a home and says what was published."""

    def __init__(self, home: FactoryHome, key: PartitionKey = KEY) -> None:
        self.home, self.key = home, key
        self.store = Store(home.store_url, clock=lambda: datetime(2026, 3, 2, 4, 5, tzinfo=UTC), locks_folder=home.root)

    def model(
        self,
        name: str = "lightgbm",
        *,
        predictions: str = "a",
        parameters: Mapping[str, Any] | None = None,
        curves: Mapping[str, Any] | None = None,
    ) -> Published:
        """A fitted model, its predictions and, if given, its curves."""
        labels = self._publish("labels", {"labels.txt": b"labels"}).manifest.ref()
        header = json.dumps({"model": name, "parameters": parameters or {"num_leaves": 31, "balanced": True}})
        outputs = {
            f"oof_{name}": self._publish(
                f"oof_{name}", {"oof.txt": predictions.encode()}, [labels], fold_0_best_iteration=17, note="text"
            ),
            f"val_{name}": self._publish(f"val_{name}", {"val.txt": predictions.encode()}, [labels]),
            f"model_{name}": self._publish(
                f"model_{name}", {"model.json": header.encode(), "trees.txt": b"t"}, [labels], best_iteration=21
            ),
        }
        if curves is not None:
            content = {"curves.json": json.dumps(curves).encode()}
            outputs[f"curves_{name}"] = self._publish(f"curves_{name}", content, [labels])
        return self._published(outputs)

    def evaluation(self, fitted: Published, rows: list[tuple[str, str, str, float, float, float]]) -> Published:
        """Metrics of the predictions that were published with ``fitted``."""
        refs = [made.manifest.ref() for name, made in fitted.outputs.items() if name.startswith(("oof_", "val_"))]
        table = pd.DataFrame(rows, columns=["model", "period", "metric", "value", "low", "high"])
        manifest = self._publish("evaluation", {"rows.csv": table.to_csv().encode()}, refs).manifest
        return self._published({"evaluation": Publication(manifest=manifest, content=table, figures={})})

    def release(self, files: Mapping[str, bytes], digest: str = "d" * 64) -> Published:
        """A release bundle lying in the home's releases."""
        folder = released_folder(self.home, self.key, digest)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return self._published({"bundle": self._publish("bundle", {"digest.txt": digest.encode()})})

    def _publish(
        self, name: str, files: Mapping[str, bytes], inputs: Sequence[InputRef] = (), **figures: Any
    ) -> Publication:
        manifest: Manifest = self.store.publish_files(
            name, "probes", self.key, files, inputs=inputs, code_version="c" * 16, settings_digest="s" * 64
        )
        return Publication(manifest=manifest, content=files, figures=figures)

    def _published(self, outputs: Mapping[str, Publication]) -> Published:
        return Published(key=self.key, run_id="dagster-run", profile="fast", settings=SETTINGS, outputs=outputs)


def runs(home: FactoryHome, experiment: str) -> list[Any]:
    """Every run of an experiment of the home's own log, oldest first."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{home.mlflow / 'mlflow.db'}")
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else list(reversed(client.search_runs([found.experiment_id])))


def files_of(run: Any) -> dict[str, bytes]:
    """Artifacts of a run as they lie on disk."""
    root = Path(run.info.artifact_uri.removeprefix("file://"))
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
