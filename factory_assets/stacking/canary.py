"""The canary: with labels that carry nothing, the same pipeline has to score at chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from factory_assets.adapters.feature_sets import Candidates
from factory_assets.stacking.fit_members import FitWork, fit_members
from factory_assets.stacking.fit_request import FitRequest
from factory_assets.stacking.oof import Folds
from factory_assets.stacking.probabilities import LABELS
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.verdict import Verdict
from factory_assets.vocabulary.windows import LazyWindows


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A model that is meant to memorise whatever it is wrongly shown: no early stopping holds it back.

    Attributes
    ----------
    model_name : str
        Registry name.
    params : mapping
        Changes of the registry's defaults, towards less regularisation.
    rounds : int or None
        Rounds it is fitted for; None for a model without rounds.
    """

    model_name: str
    params: Mapping[str, Any]
    rounds: int | None


ROW_CANARY = Canary(model_name="logistic", params=MappingProxyType({"inverse_l2": 0.1, "tolerance": 1e-4}), rounds=None)
"""For features of single rows (the adapter ``tabular``)."""

WINDOW_CANARY = Canary(
    model_name="tcn",
    params=MappingProxyType({"channels": 32, "dropout": 0.0, "weight_decay": 0.0, "learning_rate": 3e-3}),
    rounds=6,
)
"""For features that are windows (the adapter ``sequence``).

Enough to memorise shown rows by far: with all scored rows among 2,400 rows to fit on it gains .54 nats. More width or
rounds only make its honest losses larger, and those have to be outweighed before a partial leak shows.
"""

_FLOOR = 1e-12


def permuted_labels_verdict(
    data: TimeSeriesDataContainer,
    folds: Folds,
    kinds: Sequence[str],
    *,
    settings: SplitSettings,
    clock_us: np.ndarray,
    seed: int,
    canary: Canary | None = None,
    candidates: Candidates | None = None,
    work: FitWork | None = None,
    resamples: int = 2000,
    confidence: float = 0.999,
) -> Verdict:
    """Refit a canary on labels permuted by whole session and ask that it does not beat the class shares.

    Labels are moved session by session (:func:`permute_by_session`); features, intervals, weights and folds stay. What
    is left to learn is what the pipeline leaks: a fit that saw rows it is scored on beats the shares at once.

    Parameters
    ----------
    data, folds, kinds, settings, clock_us, seed
        As for :func:`factory_assets.stacking.out_of_fold`; the folds need not cover every row (two are enough).
    canary : Canary, optional
        What is refitted; by default :data:`WINDOW_CANARY` for windows and :data:`ROW_CANARY` for rows.
    candidates : Candidates, optional
        Set its columns are chosen of, as those of the models it stands for.
    work : FitWork, optional
        As for :func:`factory_assets.stacking.fit_members`.
    resamples : int
        Bootstrap resamples of whole sessions behind the bound.
    confidence : float
        One-sided confidence at which a gain over the shares is called real. An honest pipeline fails with a
        probability of at most about ``1 - confidence``.

    Returns
    -------
    Verdict
        ``permuted_labels_at_chance``: passes unless the lower bound of the mean gain (log loss of the training
        shares minus the canary's, nats a decision) lies above 0.

    Raises
    ------
    BadInputError
        Fewer than two sessions, or no folds.
    """
    if not folds:
        raise BadInputError("canary: no folds were given")
    rng = np.random.default_rng(seed)
    shuffled = replace(data, label=permute_by_session(data.label, data.trade_day, rng))
    canary = canary or (WINDOW_CANARY if isinstance(data.features, LazyWindows) else ROW_CANARY)
    requests = [
        FitRequest(
            name=f"canary_{fold}",
            model_name=canary.model_name,
            params=canary.params,
            seed=seed,
            rows=train_rows,
            frozen=True,
            rounds=canary.rounds,
            candidates=candidates,
        )
        for fold, (train_rows, _) in enumerate(folds)
    ]
    fits = fit_members(requests, shuffled, kinds, settings=settings, clock_us=clock_us, work=work)
    gains, days = [], []
    for (train_rows, test_rows), fit in zip(folds, fits, strict=True):
        train, test = shuffled.take(train_rows), shuffled.take(test_rows)
        target = np.searchsorted(LABELS, test.label)
        shares = np.bincount(np.searchsorted(LABELS, train.label), weights=train.weight, minlength=len(LABELS))
        chosen = fit.member.predict_samples(test)[np.arange(len(test)), target]
        gains.append(np.log(np.maximum(chosen, _FLOOR)) - np.log(np.maximum(shares / shares.sum(), _FLOOR))[target])
        days.append(test.trade_day)
    gain, day = np.concatenate(gains), np.concatenate(days)
    bound = _lower_bound(gain, day, resamples=resamples, confidence=confidence, rng=rng)
    return Verdict(
        name="permuted_labels_at_chance",
        passed=bool(bound <= 0.0),
        summary=f"{canary.model_name} on labels permuted by session, {len(folds)} folds, {len(gain)} rows: gain over "
        f"the class shares {gain.mean():.5f} nats a decision, lower {confidence:.1%} bound {bound:.5f} (expected <= 0)",
        details={
            "gain_nats": float(gain.mean()),
            "lower_bound_nats": bound,
            "rows": len(gain),
            "sessions": len(np.unique(day)),
            "folds": len(folds),
        },
    )


def permute_by_session(label: np.ndarray, trade_day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels moved in whole sessions, each rotated within itself, laid end to end; the counts of classes stay.

    Moving sessions keeps the runs that overlapping labels make. Without the rotation, sessions of equal length would
    keep every label at its time of day, and class 0 is largely a clock: an honest model would rightly beat the shares.

    Parameters
    ----------
    label : ndarray of int8, shape (N,)
        In decision order.
    trade_day : ndarray of int32, shape (N,)
        Session of each row, non-decreasing.
    rng : numpy Generator
        Source of the permutation and the rotations.

    Raises
    ------
    BadInputError
        Fewer than two sessions: nothing can be permuted.
    """
    starts = np.flatnonzero(np.diff(trade_day, prepend=trade_day[:1] - 1))
    if len(starts) < 2:
        raise BadInputError(f"canary: expected at least two sessions of labels, got {len(starts)}")
    sessions = np.split(label, starts[1:])
    moved = [sessions[place] for place in rng.permutation(len(sessions))]
    return np.concatenate([np.roll(session, int(rng.integers(len(session)))) for session in moved])


def _lower_bound(
    gain: np.ndarray, day: np.ndarray, *, resamples: int, confidence: float, rng: np.random.Generator
) -> float:
    """Lower one-sided bound of the mean gain from resampling whole sessions."""
    _, place = np.unique(day, return_inverse=True)
    totals, counts = np.bincount(place, weights=gain), np.bincount(place)
    drawn = rng.multinomial(len(counts), np.full(len(counts), 1.0 / len(counts)), size=resamples)
    return float(np.quantile((drawn @ totals) / (drawn @ counts), 1.0 - confidence))
