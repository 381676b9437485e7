"""LightGBM on tabular rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_assets.models.base import BaseModel
from factory_assets.models.model_entry import SearchRange
from factory_assets.models.parameters import ModelParameters, parameter
from factory_assets.models.registry import register
from factory_assets.models.samples import Samples
from factory_assets.vocabulary.errors import IntegrityError

if TYPE_CHECKING:
    import lightgbm

_FILE = "booster.txt"
_PARALLEL_CELLS_MIN = 5_000_000
"""Rows x columns below which one thread is no slower than two; the result is the same.

Threads meet several times a tree and wait spinning: on a machine that does anything else, two took 2 to 8 times as
long as one at 0.4 to 2 million cells, and at best as long at 4 million.
"""


@dataclass(frozen=True, kw_only=True)
class LightGbmParameters(ModelParameters):
    """Parameters under LightGBM's own names.

    Attributes
    ----------
    num_iterations : int
        Boosting rounds, one tree a class each; an upper bound where an evaluation set is given.
    max_depth, num_leaves, min_data_in_leaf : int
        Size of a tree. A leaf of 100 decisions keeps a tree from isolating one volatile session.
    learning_rate : float
        Shrinkage of every tree.
    early_stopping_round : int
        Rounds without a better evaluation loss before the fit stops and falls back to the best round.
    max_bin : int
        Histogram bins a feature; 63 cost at most .002 of accuracy and save about 40 % of the time against 255.
    lambda_l2 : float
        L2 penalty on leaf values.
    feature_fraction : float
        Share of the columns each tree may use.
    num_threads : int
        Most cores used, on large inputs; the result does not depend on it.
    """

    num_iterations: int = parameter(500, low=1, high=100_000)
    max_depth: int = parameter(6, low=1, high=64)
    num_leaves: int = parameter(31, low=2, high=131_072)
    min_data_in_leaf: int = parameter(100, low=1)
    learning_rate: float = parameter(0.05, low=1e-5, high=1.0)
    early_stopping_round: int = parameter(50, low=1)
    max_bin: int = parameter(63, low=3, high=255)
    lambda_l2: float = parameter(1.0, low=0.0)
    feature_fraction: float = parameter(0.5, low=0.01, high=1.0)
    num_threads: int = parameter(2, low=1, high=1024)


@dataclass(frozen=True)
class _State:
    booster: "lightgbm.Booster"
    text: str
    curves: Mapping[str, list[float]] = field(default_factory=dict)


@register(
    name="lightgbm",
    family="boosting",
    adapter="tabular",
    primary_minutes=15,
    feature_set="boosting_optimal",
    scaling="none",
    window=None,
    defaults=LightGbmParameters(),
    search_space={
        "num_leaves": SearchRange(low=7, high=63, log=True),
        "min_data_in_leaf": SearchRange(low=20, high=500, log=True),
        "learning_rate": SearchRange(low=0.01, high=0.2, log=True),
        "lambda_l2": SearchRange(low=0.01, high=100.0, log=True),
        "feature_fraction": SearchRange(low=0.2, high=1.0),
    },
    determinism="bitwise",
    file_format="lightgbm_text",
    # Leaf sizes and histogram bins count rows, not weight; the losses are weighted.
    weights_equal_copies=False,
    rounds_parameter="num_iterations",
    has_thresholds=True,
    memorising={"min_data_in_leaf": 1, "lambda_l2": 0.0, "feature_fraction": 1.0},
)
class LightGbm(BaseModel[_State]):
    """Gradient-boosted trees, multiclass log loss in training and in early stopping, both weighted.

    Deterministic bit for bit: rows arrive in canonical order, histograms are built by column, and LightGBM's
    ``deterministic`` mode removes the dependence on the number of threads. Only the trees up to the best round are
    kept, so prediction cannot use more.

    References
    ----------
    Ke et al. (2017), LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NeurIPS 30, pp. 3146-3154.
    """

    def _fit(self, train: Samples, evaluation: Samples | None, class_count: int) -> _State:
        import lightgbm

        settings = self._native(class_count) | {"num_threads": self._threads(train.table)}
        dataset = _dataset(train, settings)
        stopping = settings.pop("early_stopping_round")
        rounds = settings.pop("num_iterations")
        watched = [] if evaluation is None else [_dataset(evaluation, settings, reference=dataset)]
        losses: dict[str, dict[str, list[float]]] = {}
        recording = lightgbm.record_evaluation(losses)
        booster = lightgbm.train(
            settings,
            dataset,
            num_boost_round=rounds,
            valid_sets=[dataset, *watched],  # early stopping never looks at the training set
            valid_names=["train_loss", "watched_loss"][: 1 + len(watched)],
            callbacks=[recording, *([lightgbm.early_stopping(stopping, verbose=False)] if watched else [])],
        )
        best = booster.best_iteration if watched else booster.current_iteration()
        text = booster.model_to_string(num_iteration=best)
        curves = {name: list(loss["multi_logloss"]) for name, loss in losses.items()}
        return _State(lightgbm.Booster(model_str=text), text, curves)

    def _native(self, class_count: int) -> dict[str, Any]:
        return {
            **self.params.as_dict(),
            "objective": "multiclass",
            "num_class": class_count,
            "metric": "multi_logloss",
            "deterministic": True,
            "force_col_wise": True,
            "feature_pre_filter": False,
            "verbosity": -1,
        }

    def _predict(self, state: _State, features: np.ndarray) -> np.ndarray:
        return np.asarray(state.booster.predict(features, num_threads=self._threads(features)), dtype=np.float64)

    def _threads(self, features: np.ndarray) -> int:
        return int(self.params.as_dict()["num_threads"]) if features.size >= _PARALLEL_CELLS_MIN else 1

    def _state_files(self, state: _State) -> dict[str, bytes]:
        return {_FILE: state.text.encode()}

    def _state_from(self, files: Mapping[str, bytes], class_count: int, shape: tuple[int, ...]) -> _State:
        import lightgbm

        try:
            text = files[_FILE].decode()
            booster = lightgbm.Booster(model_str=text)
        except (KeyError, ValueError, lightgbm.basic.LightGBMError) as problem:
            raise IntegrityError(f"saved model {self.entry.name!r}: cannot be read: {problem}") from problem
        found = (booster.num_feature(), booster.num_model_per_iteration())
        if found != (shape[0], class_count):
            raise IntegrityError(
                f"saved model {self.entry.name!r}: features and classes are {found}, not {shape[0], class_count}"
            )
        return _State(booster, text)

    def _report(self, state: _State) -> Mapping[str, int]:
        return {"best_iteration": state.booster.current_iteration()}

    def _curves(self, state: _State) -> Mapping[str, list[float]]:
        return state.curves


def _dataset(
    samples: Samples, settings: Mapping[str, Any], reference: "lightgbm.Dataset | None" = None
) -> "lightgbm.Dataset":
    import lightgbm

    # Column-major input is read in place; row-major would be copied.
    return lightgbm.Dataset(
        np.asfortranarray(samples.table),
        label=samples.target,
        weight=samples.weight,
        params=dict(settings),
        reference=reference,
    )
