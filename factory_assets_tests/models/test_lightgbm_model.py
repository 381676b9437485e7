"""LightGBM behind the contract, against the plain library and at its edges."""

import lightgbm
import numpy as np
import pytest

from factory_assets.models import create, model_from_files
from factory_assets.models.files import seal, unseal
from factory_assets.models.samples import Samples, canonical_order
from factory_assets.vocabulary.errors import IntegrityError


def _world(rows=2000, seed=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 8)).astype(np.float32)
    y = np.clip(np.round(0.7 * x[:, 0] * np.sign(x[:, 1]) + rng.normal(scale=0.6, size=rows)), -1, 1).astype(int)
    return x, y, rng.uniform(0.2, 2.0, rows)


def test_equals_the_plain_library_with_the_documented_parameters():
    x, y, w = _world()
    ex, ey, ew = _world(700, seed=3)
    ours = create("lightgbm", seed=4).fit(x, y, w, eval_set=(ex, ey, ew))
    order, later = (canonical_order(Samples(a, b + 1, c)) for a, b, c in ((x, y, w), (ex, ey, ew)))
    native = {
        "objective": "multiclass", "num_class": 3, "metric": "multi_logloss", "max_depth": 6, "num_leaves": 31,
        "min_data_in_leaf": 100, "learning_rate": 0.05, "max_bin": 63, "lambda_l2": 1.0, "feature_fraction": 0.5,
        "deterministic": True, "force_col_wise": True, "num_threads": 1, "verbosity": -1, "feature_pre_filter": False,
        "seed": 4,
    }  # fmt: skip
    train = lightgbm.Dataset(x[order], y[order] + 1, weight=w[order], params=native)
    watched = lightgbm.Dataset(ex[later], ey[later] + 1, weight=ew[later], reference=train)
    plain = lightgbm.train(
        native, train, 500, valid_sets=[watched], callbacks=[lightgbm.early_stopping(50, verbose=False)]
    )
    assert ours.fit_report_["best_iteration"] == plain.best_iteration
    assert np.array_equal(ours.predict_proba(ex), plain.predict(ex, num_iteration=plain.best_iteration, num_threads=1))


def test_best_round_has_the_smallest_weighted_loss_of_all_rounds():
    x, y, w = _world()
    ex, ey, ew = _world(700, seed=3)
    watched = create("lightgbm", num_iterations=200).fit(x, y, w, eval_set=(ex, ey, ew))
    every = create("lightgbm", num_iterations=200).fit(x, y, w)
    text = unseal(every.to_files())[1]["booster.txt"].decode()
    booster, losses = lightgbm.Booster(model_str=text), []
    for rounds in range(1, 201):
        proba = booster.predict(ex, num_iteration=rounds, num_threads=1)
        losses.append(np.average(-np.log(proba[np.arange(len(ey)), ey + 1]), weights=ew))
    ran = len(watched.fit_curves_["watched_loss"])
    assert ran == watched.fit_report_["best_iteration"] + 50
    assert np.allclose(watched.fit_curves_["watched_loss"], losses[:ran], rtol=1e-6)
    for rounds in (1, 2, 30):
        proba = booster.predict(x, num_iteration=rounds, num_threads=1)
        by_hand = np.average(-np.log(proba[np.arange(len(y)), y + 1]), weights=w)
        assert np.isclose(watched.fit_curves_["train_loss"][rounds - 1], by_hand, rtol=1e-6)
    assert every.fit_curves_.keys() == {"train_loss"}
    assert watched.fit_report_["best_iteration"] == int(np.argmin(losses)) + 1


def test_number_of_threads_does_not_change_a_probability(monkeypatch):
    monkeypatch.setattr("factory_assets.models.boosting.gradient_lightgbm._PARALLEL_CELLS_MIN", 1)
    x, y, w = _world(40_000)
    one, two = (create("lightgbm", num_threads=n, num_iterations=5).fit(x, y, w).predict_proba(x) for n in (1, 2))
    assert np.array_equal(one, two)


def test_too_few_rows_to_split_give_the_class_shares():
    x, y = np.arange(60.0).reshape(30, 2), np.repeat([0, 1, 2], [15, 10, 5])
    for eval_set in (None, (x, y)):
        model = create("lightgbm").fit(x, y, eval_set=eval_set)
        assert np.allclose(model.predict_proba(x), [[0.5, 1 / 3, 1 / 6]], atol=1e-6)
        again = model_from_files(model.to_files())
        assert np.array_equal(again.predict_proba(x), model.predict_proba(x))


def test_seed_matters_where_columns_are_drawn():
    x, y, _ = _world()
    first, second = (create("lightgbm", seed=s, num_iterations=20).fit(x, y).predict_proba(x) for s in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("text", [b"", b"tree\nversion=v4\n", b"\xff\xfe"])
def test_text_that_hashes_but_is_no_booster(text):
    x, y, _ = _world(400)
    header, _ = unseal(create("lightgbm", num_iterations=3).fit(x, y).to_files())
    kept = {key: value for key, value in header.items() if key not in {"files", "digest", "format"}}
    with pytest.raises(IntegrityError):
        model_from_files(seal(kept, {"booster.txt": text}))


def test_booster_of_other_columns_or_classes_is_refused():
    x, y, _ = _world(400)
    files = create("lightgbm", num_iterations=3).fit(x, y).to_files()
    other = create("lightgbm", num_iterations=3).fit(x[:, 1:], y).to_files()
    header, _ = unseal(files)
    kept = {key: value for key, value in header.items() if key not in {"files", "digest", "format"}}
    with pytest.raises(IntegrityError, match="features and classes"):
        model_from_files(seal(kept, {"booster.txt": other["booster.txt"]}))
