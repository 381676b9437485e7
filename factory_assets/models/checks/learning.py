"""Checks of what is learnt: capacity, signal, chance, weights, early stopping, determinism."""

import numpy as np

from factory_assets.models.checks.require import require
from factory_assets.models.checks.worlds import log_loss_rows, null, planted, sample_shape
from factory_assets.models.registry import create, entry

_STANDARD_ERRORS = 4.0


def check_memorises_64_rows(name: str) -> None:
    """With the entry's ``memorising`` parameters, 64 rows of arbitrary labels are reproduced."""
    rng = np.random.default_rng(8)
    features = rng.normal(size=(64, *sample_shape(name, 80))).astype(np.float32)
    labels = rng.integers(0, 3, size=64)
    model = create(name, **entry(name).memorising).fit(features, labels)
    wrong = int((model.predict(features) != labels).sum())
    require(wrong == 0, f"{name}: {wrong} of 64 rows are not reproduced under {dict(entry(name).memorising)}")


def check_learns_a_planted_signal(name: str) -> None:
    """On later samples of the planted world the log loss beats the class shares clearly."""
    world = planted(name)
    half = len(world.later_labels) // 2
    watched = (world.later_features[:half], world.later_labels[:half])
    model = create(name).fit(world.features, world.labels, eval_set=watched)
    gain = _gain(model.predict_proba(world.later_features[half:]), world.labels, world.later_labels[half:])
    error = float(gain.std() / np.sqrt(len(gain)))
    require(
        float(gain.mean()) > max(0.1, _STANDARD_ERRORS * error),
        f"{name}: gain of {gain.mean():.4f} nats over the class shares, expected more than 0.1",
    )


def check_chance_on_shuffled_labels(name: str) -> None:
    """On the null world nothing is gained over the class shares."""
    world = null(name)
    gain = _gain(
        create(name).fit(world.features, world.labels).predict_proba(world.later_features),
        world.labels,
        world.later_labels,
    )
    error = float(gain.std() / np.sqrt(len(gain)))
    require(
        float(gain.mean()) < _STANDARD_ERRORS * error,
        f"{name}: gain of {gain.mean():.4f} nats (standard error {error:.4f}) on labels that carry nothing",
    )


def check_probabilities_match_class_shares(name: str) -> None:
    """With rare classes the mean probability of each class is its weighted share: no class weights left in."""
    world = planted(name, classes=5)
    labels = np.where(world.labels <= 0, -1, np.where(world.labels <= 2, 0, 1))
    kept = (labels != 1) | (np.arange(len(labels)) % 3 == 0)
    features, labels, weights = world.features[kept], labels[kept], world.weights[kept]
    proba = create(name).fit(features, labels, sample_weight=weights).predict_proba(features)
    mean = np.average(proba, axis=0, weights=weights)
    shares = np.array([weights[labels == label].sum() for label in (-1, 0, 1)]) / weights.sum()
    require(
        bool(np.abs(mean - shares).max() < 0.03),
        f"{name}: mean probabilities {mean.round(3)} against class shares {shares.round(3)}",
    )


def check_weights_change_the_fit(name: str) -> None:
    """Weights move probabilities towards what weighs more; a row of weight 0 is an absent row, bit for bit."""
    world = planted(name, rows=600, later=200)
    heavy = np.where(world.labels == 1, 4.0, 1.0)
    plain = create(name).fit(world.features, world.labels).predict_proba(world.later_features)
    moved = create(name).fit(world.features, world.labels, sample_weight=heavy).predict_proba(world.later_features)
    require(
        float((moved - plain)[:, 2].mean()) > 0.05,
        f"{name}: four times the weight on class 1 moves its mean probability by {(moved - plain)[:, 2].mean():.4f}",
    )
    kept = np.arange(600) % 3 > 0
    absent = create(name).fit(world.features[kept], world.labels[kept]).predict_proba(world.later_features)
    zero = create(name).fit(world.features, world.labels, sample_weight=kept.astype(float))
    require(bool((zero.predict_proba(world.later_features) == absent).all()), f"{name}: rows of weight 0 take part")


def check_weight_k_equals_k_copies(name: str) -> None:
    """Where the entry declares it: integer weights fit like copies; where it does not, the two differ visibly."""
    world = planted(name, rows=400, later=200)
    copies = np.random.default_rng(4).integers(1, 4, size=400)
    repeated = create(name).fit(np.repeat(world.features, copies, axis=0), np.repeat(world.labels, copies))
    weighted = create(name).fit(world.features, world.labels, sample_weight=copies)
    difference = np.abs(
        repeated.predict_proba(world.later_features) - weighted.predict_proba(world.later_features)
    ).max()
    declared = entry(name).weights_equal_copies
    require((difference < 1e-4) == declared, f"{name}: declared {declared}, weights and copies differ by {difference}")


def check_early_stopping_watches_its_eval_set_only(name: str) -> None:
    """The evaluation set chooses the number of rounds and nothing else; prediction uses exactly the best one.

    A fit that watched equals, bit for bit, a fit of that many rounds that watched nothing. Models without rounds are
    not changed by an evaluation set at all.
    """
    world = planted(name)
    free = create(name).fit(world.features, world.labels)
    watched = create(name)
    watched.fit(world.features, world.labels, eval_set=(world.later_features, world.later_labels))
    rounds = entry(name).rounds_parameter
    if rounds is None:
        same = (watched.predict_proba(world.later_features) == free.predict_proba(world.later_features)).all()
        require(bool(same), f"{name}: declares no rounds but an evaluation set changes the fit")
        return
    bound = int(entry(name).defaults.as_dict()[rounds])
    best = int(watched.fit_report_["best_iteration"])
    require(
        int(free.fit_report_["best_iteration"]) == bound, f"{name}: without an evaluation set not all rounds are kept"
    )
    require(1 <= best < bound, f"{name}: never stopped: best round {best} of {bound}")
    exact = create(name, **{rounds: best}).fit(world.features, world.labels)
    difference = np.abs(exact.predict_proba(world.later_features) - watched.predict_proba(world.later_features)).max()
    require(difference == 0.0, f"{name}: differs by {difference} from a fit of the best {best} rounds")
    shuffled = np.random.default_rng(2).permutation(world.later_labels)
    other = create(name).fit(world.features, world.labels, eval_set=(world.later_features, shuffled))
    stopped = int(other.fit_report_["best_iteration"])
    require(stopped < best, f"{name}: watching shuffled labels stops at {stopped}, watching true ones at {best}")


def check_early_stopping_loss_is_weighted(name: str) -> None:
    """Weights of the evaluation set count in the loss it is watched by."""
    if not entry(name).stops_early:
        return
    world = planted(name)
    shuffled = world.later_labels.copy()
    shuffled[::2] = np.random.default_rng(2).permutation(shuffled[::2])
    true_rows = (np.arange(len(shuffled)) % 2).astype(float)
    best = {}
    for kind, weights in (("true", 0.01 + true_rows), ("shuffled", 1.01 - true_rows)):
        model = create(name).fit(world.features, world.labels, eval_set=(world.later_features, shuffled, weights))
        best[kind] = int(model.fit_report_["best_iteration"])
    require(best["true"] > best["shuffled"], f"{name}: rounds by which rows of the evaluation set weigh: {best}")


def check_same_data_same_bytes(name: str) -> None:
    """Declared ``bitwise``: the same rows in any order give the same files, whatever ran in between."""
    world = planted(name, rows=500, later=200)
    order = np.random.default_rng(6).permutation(500)
    back = np.random.default_rng(7).permutation(200)
    later_x, later_y = world.later_features, world.later_labels
    one = create(name).fit(world.features, world.labels, world.weights, eval_set=(later_x, later_y))
    two = create(name).fit(
        np.asfortranarray(world.features[order]),
        world.labels[order],
        world.weights[order],
        eval_set=(later_x[back], later_y[back]),
    )
    require(one.to_files() == two.to_files(), f"{name}: declared {entry(name).determinism}, the files differ")


def _gain(probabilities: np.ndarray, training_labels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    classes, counts = np.unique(training_labels, return_counts=True)
    shares = np.broadcast_to(counts / counts.sum(), probabilities.shape)
    return log_loss_rows(shares, labels, classes) - log_loss_rows(probabilities, labels, classes)
