"""Checks of the contract: parameters, shapes, classes, refusals, interruption."""

import contextlib
from functools import partial
from typing import Any

import numpy as np

from factory_assets.models.checks.require import require, require_refusal
from factory_assets.models.checks.worlds import planted
from factory_assets.models.registry import create, entry
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, NotFittedError


def check_unknown_parameter_is_an_error(name: str) -> None:
    """An unknown parameter is refused by name, and stored parameters cannot be changed."""
    require_refusal(lambda: create(name, no_such_parameter=1), ConfigurationError, "no_such_parameter", name)
    model = create(name)
    require(model.params == entry(name).defaults, f"{name}: a model without changes does not hold the defaults")
    try:
        model.params.seed = 1  # type: ignore[misc]
    except AttributeError:
        return
    require(False, f"{name}: parameters can be changed after construction")


def check_search_space_can_be_built(name: str) -> None:
    """Every end of the search space makes a model whose parameters hold it."""
    for parameter, span in entry(name).search_space.items():
        kind = type(getattr(entry(name).defaults, parameter))
        for end in (span.low, span.high):
            held = create(name, **{parameter: kind(end)}).params.as_dict()[parameter]
            require(held == kind(end), f"{name}: {parameter}={end} became {held}")


def check_probabilities_for_any_number_of_classes(name: str) -> None:
    """2 to 5 classes: one column each in sorted order, finite, within [0, 1], rows summing to one; predict agrees."""
    for count in (2, 3, 4, 5):
        world = planted(name, classes=count, rows=300, later=100)
        labels = 10 * world.labels[::-1] + 7  # neither contiguous nor starting at 0
        model = create(name).fit(world.features[::-1], labels)
        proba = model.predict_proba(world.later_features)
        require(model.classes_.tolist() == sorted(set(labels.tolist())), f"{name}: classes_ are {model.classes_}")
        require(proba.shape == (100, count) and proba.dtype == np.float64, f"{name}: {proba.dtype} of {proba.shape}")
        require(bool(np.isfinite(proba).all() and (proba >= 0).all() and (proba <= 1).all()), f"{name}: outside [0, 1]")
        worst = float(np.abs(proba.sum(axis=1) - 1).max())
        require(worst < 1e-9, f"{name}: rows sum to 1 but for {worst}")
        predicted = model.predict(world.later_features)
        require(bool((predicted == model.classes_[proba.argmax(axis=1)]).all()), f"{name}: predict is not the argmax")


def check_column_order_follows_the_classes(name: str) -> None:
    """Renaming the classes in reverse order reverses the columns of the learnt signal."""
    world = planted(name)
    strong = world.later_signal > 1.5
    up = create(name).fit(world.features, world.labels).predict_proba(world.later_features[strong])
    down = create(name).fit(world.features, -world.labels).predict_proba(world.later_features[strong])
    require(bool((up[:, 2] > up[:, 0]).mean() > 0.9), f"{name}: the high class is not in the last column")
    require(bool((down[:, 0] > down[:, 2]).mean() > 0.9), f"{name}: columns do not follow the sorted classes")


def check_row_predicts_alone(name: str) -> None:
    """One row gives the same bits alone, in a batch, and in a batch of another order and memory layout."""
    world = planted(name, rows=300, later=64)
    model = create(name).fit(world.features, world.labels)
    batch = model.predict_proba(world.later_features)
    alone = np.concatenate([model.predict_proba(world.later_features[row : row + 1]) for row in range(64)])
    turned = model.predict_proba(np.asfortranarray(world.later_features[::-1]))[::-1]
    require(
        bool((alone == batch).all()), f"{name}: a row alone differs from its batch by {np.abs(alone - batch).max()}"
    )
    require(bool((turned == batch).all()), f"{name}: a row depends on the rows beside it or on the memory layout")
    require(model.predict_proba(world.later_features[:0]).shape == (0, 3), f"{name}: no rows do not give (0, 3)")


def check_row_of_a_small_model_predicts_alone(name: str) -> None:
    """As above where kernels have edges: few columns, short windows, every tunable size at its low end."""
    spans = entry(name).search_space
    low = {key: type(getattr(entry(name).defaults, key))(span.low) for key, span in spans.items()}
    world = planted(name, rows=200, later=40, columns=5, steps=6)
    model = create(name, **low).fit(world.features, world.labels)
    batch = model.predict_proba(world.later_features)
    for row in range(40):
        for first in (row, max(0, row - 1), max(0, row - 5)):
            last = model.predict_proba(world.later_features[first : row + 1])[-1]
            require(
                bool((last == batch[row]).all()),
                f"{name}: row {row} after {row - first} others differs from its batch of 40 by "
                f"{np.abs(last - batch[row]).max()}",
            )


def check_bad_samples_are_refused(name: str) -> None:
    """Each wrong input is refused with a message that names it, at the fit and at the prediction."""
    world = planted(name, rows=120, later=20)
    x, y = world.features, world.labels
    holed = x.copy()
    holed.reshape(len(x), -1)[17, 2] = np.nan
    cases: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        "row 17, column 2": ((holed, y), {}),
        "dimensions": ((x[:, 0], y), {}),
        "labels": ((x, y[:-1]), {}),
        "integer classes": ((x, y.astype(float) + 0.5), {}),
        "two classes": ((x, np.zeros(len(y), dtype=int)), {}),
        "weights": ((x, y), {"sample_weight": -np.ones(len(y))}),
        "positive weight": ((x, y), {"sample_weight": np.zeros(len(y))}),
        "eval_set": ((x, y), {"eval_set": (x[:, 1:], y)}),
        "not among the training classes": ((x, y), {"eval_set": (x, y + 1)}),
    }
    for word, (arguments, keywords) in cases.items():
        model = create(name)
        require_refusal(partial(model.fit, *arguments, **keywords), BadInputError, word, name)
        require(not model.is_fitted, f"{name}: fitted although {word} was refused")
    model = create(name).fit(x, y)
    require_refusal(lambda: model.predict_proba(holed), BadInputError, "row 17, column 2", name)
    require_refusal(lambda: model.predict_proba(x[:, 1:]), BadInputError, "shape", name)


def check_class_missing_from_eval_set(name: str) -> None:
    """An evaluation set that lacks a class is no error; the class keeps its column."""
    world = planted(name, rows=400)
    kept = world.later_labels != 0
    model = create(name)
    model.fit(world.features, world.labels, eval_set=(world.later_features[kept], world.later_labels[kept]))
    require(model.classes_.tolist() == [-1, 0, 1], f"{name}: classes are {model.classes_}")


def check_interrupted_fit_leaves_nothing(name: str) -> None:
    """A fit broken off after an earlier one that finished: nothing of either can be predicted with or saved."""
    world = planted(name, rows=200, later=20)
    model = create(name)
    require_refusal(lambda: model.predict_proba(world.features), NotFittedError, "not fitted", name)
    model.fit(world.features, world.labels)
    finished = model._fit

    def _broken_off(*arguments: Any) -> None:
        finished(*arguments)
        raise KeyboardInterrupt

    model._fit = _broken_off  # type: ignore[method-assign, assignment]
    with contextlib.suppress(KeyboardInterrupt):
        model.fit(world.features, world.labels)
    require(not model.is_fitted, f"{name}: an interrupted fit counts as finished")
    require_refusal(lambda: model.predict_proba(world.features), NotFittedError, "not fitted", name)
    require_refusal(model.to_files, NotFittedError, "not fitted", name)
