"""The nightly refit: the champion's recipe on every decision whose outcome is known.

Members are fitted again with the champion's columns (none is chosen anew), parameters and numbers of rounds, scalers
with them. ``theta``, ``m0`` and the meta-learner stay the champion's: ``m0`` would be a mean of outcomes of the sealed
period, and a new meta-learner needs out-of-fold predictions, whose scores would be statistics of it.

Outcomes of the sealed period are read for fitting only. They stay in the memory of this process (no child process, no
checkpoint, no array on disk), nothing is watched, no loss is kept, and what a fit says when it fails is not passed on.
What leaves are the fitted members, and each of their parameters is a function of all outcomes fitted on, sealed ones
among them: every tree and weight, and most plainly a logistic model's intercepts and ``log_prior``, the weighted class
shares of all rows together. Whoever holds the open rows can work out from those what the sealed ones add; fitting on
them means that, and the ledger's ``fit`` says that it happened. A member also tells the number of rows and, of a
solver, of iterations. What is not emitted is any number made of the sealed rows by themselves: no count, share, score,
loss, profit or check of their outcomes, in no table, log, page or message.

Belongs here: the fit and its verdicts. Does not: which outcomes may be read, the ledger, and where the release goes
(:mod:`factory_assets.orchestration.assets.nightly`).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd

from factory_assets.deployment.batch import BatchRows
from factory_assets.deployment.inputs import feature_rows_of, inputs_of
from factory_assets.deployment.release import TABULAR, Release
from factory_assets.features.regime_table import RegimeTable
from factory_assets.features.registry import registry
from factory_assets.labels import normalised
from factory_assets.stacking import FittedMember, fit_frozen
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.errors import BadInputError, FactoryError, FitError
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.verdict import Verdict

RECIPE_CHECK, SANE_CHECK, NEAR_CHECK = "refit_recipe_frozen", "refit_sane", "refit_near_champion"
DIFFERENCE_MAX = 0.10
"""Mean absolute difference of a class probability to the champion's beyond which the refit is called far from it."""
SANITY_SESSIONS = 20


def refit_release(
    champion: Release,
    sample: pd.DataFrame,
    features: Mapping[int, pd.DataFrame],
    *,
    regimes: Mapping[int, RegimeTable],
    champion_digest: str,
    inputs: Mapping[str, str],
    data_end_day: int,
    settings: SplitSettings,
    clock_us: np.ndarray,
) -> Release:
    """The champion's recipe on these rows; the same rows give the same release, bit for bit.

    Parameters
    ----------
    champion : Release
        Recipe: columns, parameters, rounds, and everything that is not fitted again.
    sample : DataFrame
        Rows of a ``labels`` table that make the sample, in time order: events with a finished outcome and their
        ``uniqueness``, which becomes the weight.
    features : mapping of int to DataFrame
        ``features_*`` tables with the columns of ``champion.reads``.
    regimes : mapping of int to RegimeTable
        Regime parameters those features rest on, to the last session of the rows or beyond: estimates of the market,
        which no recipe freezes.
    champion_digest : str
        Sha256 of the champion's manifest.
    inputs : mapping of str to str
        Sha256 of each input, by name.
    data_end_day : int
        Last session of the rows, days since 1970.
    settings, clock_us
        As :func:`factory_assets.stacking.fit_frozen` takes them.

    Raises
    ------
    BadInputError
        Rows without an outcome.
    FitError
        A member could not be fitted. What the fit said is withheld: it may count outcomes.
    """
    if masked := int(sample[["label", "t0", "t1", "uniqueness"]].isna().any(axis=1).sum()):
        raise BadInputError(f"refit: {masked} of {len(sample)} rows have no outcome yet; leave them out")
    data = _containers(champion, sample, features)
    members = {}
    for name, member in champion.members.items():
        adapter = member.model.entry.adapter
        kind_of = _kinds(champion, adapter)
        try:
            fit = fit_frozen(
                member.model.entry.name,
                member.model.params.as_dict(),
                data[adapter].of_columns(member.feature_names),
                [kind_of[column] for column in member.feature_names],
                rounds=member.rounds,
                settings=settings,
                clock_us=clock_us,
                seed=0,
            )
        except _speaking() as problem:
            raise FitError(
                f"refit of {name}: the fit failed with {type(problem).__name__}. Its message is withheld, since it may "
                "speak of sealed outcomes. Fit the model on train to look for the cause; the champion stays."
            ) from None
        members[name] = fit.member
    return replace(
        champion,
        members=members,
        regimes=regimes,
        inputs={**inputs, "champion": champion_digest},
        metrics={"data_end": (date(1970, 1, 1) + timedelta(days=int(data_end_day))).isoformat()},
    )


def _speaking() -> tuple[type[Exception], ...]:
    """What a fit may raise with outcomes in its text: the factory's errors, and those of the libraries it calls."""
    from lightgbm.basic import LightGBMError

    return FactoryError, ValueError, LookupError, RuntimeError, ArithmeticError, LightGBMError


def refit_verdicts(champion: Release, challenger: Release, latest: BatchRows) -> list[Verdict]:
    """Whether a refit is the champion's recipe, and whether it speaks sense of the latest sessions.

    Parameters
    ----------
    champion : Release
        As loaded from its bundle.
    challenger : Release
        The refit.
    latest : BatchRows
        Decisions of the last :data:`SANITY_SESSIONS` sessions; their features are read, their outcomes are not.

    Returns
    -------
    list of Verdict
        ``refit_recipe_frozen`` and ``refit_sane`` (finite probabilities of every class) block;
        ``refit_near_champion`` warns when class probabilities differ by more than :data:`DIFFERENCE_MAX` on average.
    """
    new = challenger.probabilities(latest.inputs)
    old = champion.probabilities(latest.inputs)
    valid = np.isfinite(new).all(axis=1) & (new > 0.0).all(axis=1) & (np.abs(new.sum(axis=1) - 1.0) <= 1e-9)
    gap = float(np.abs(new - old).mean()) if len(new) else float("nan")
    return [
        _recipe(champion, challenger),
        Verdict(
            name=SANE_CHECK,
            passed=len(new) > 0 and bool(valid.all()),
            summary=f"{int(valid.sum())} of {len(new)} latest decisions get finite probabilities of every class",
            details={"decisions": len(new)},
        ),
        Verdict(
            name=NEAR_CHECK,
            passed=gap <= DIFFERENCE_MAX,
            summary=f"class probabilities of the latest {SANITY_SESSIONS} sessions differ from the champion's by "
            f"{gap:.3f} on average (bound {DIFFERENCE_MAX:g})",
            details={"mean_absolute_difference": round(gap, 4)},
            blocking=False,
        ),
    ]


def _recipe(champion: Release, challenger: Release) -> Verdict:
    """Everything but scalers and fitted parameters is the champion's, compared part by part."""
    series = ("contract", "horizon", "barriers", "labels", "market", "has_volume", "joins_without_overlap")
    kept = (*series, "pool", "sequence", "theta")
    changed = [
        name
        for name in (*kept, "m0_long", "m0_short", "study", "profile")
        if getattr(champion, name) != getattr(challenger, name)
    ]
    if champion.meta.to_files() != challenger.meta.to_files():
        changed.append("meta")
    if {*champion.members} != {*challenger.members}:
        changed.append(f"members {sorted(challenger.members)}")
    for name, old in champion.members.items():
        new = challenger.members.get(name)
        changed += [] if new is None else [f"{name}: {what}" for what in _changed(old, new)]
    rounds = {name: member.rounds for name, member in champion.members.items() if member.rounds is not None}
    return Verdict(
        name=RECIPE_CHECK,
        passed=not changed,
        summary=f"{len(champion.members)} members of the champion's columns, parameters and rounds ({rounds}), its "
        "meta-learner, theta and m0" + (f"; changed: {changed}" if changed else ""),
        details={f"rounds_{name}": count for name, count in rounds.items()},
    )


def _changed(old: FittedMember, new: FittedMember) -> list[str]:
    declared = old.model.entry
    frozen = {} if declared.rounds_parameter is None else {declared.rounds_parameter: old.rounds}
    pairs = {
        "model": (declared.name, new.model.entry.name),
        "parameters": ({**old.model.params.as_dict(), **frozen}, new.model.params.as_dict()),
        "rounds": (old.rounds, new.rounds),
        "columns": (old.feature_names, new.feature_names),
    }
    return [name for name, (wanted, found) in pairs.items() if wanted != found]


def _containers(
    champion: Release, sample: pd.DataFrame, features: Mapping[int, pd.DataFrame]
) -> dict[str, TimeSeriesDataContainer]:
    """The same rows as each adapter of the recipe shapes them."""
    decision_us, trade_day = times_us(sample["decision_time"]), dates_days(sample["trade_date"])
    weight = normalised(sample["uniqueness"].to_numpy(dtype=np.float64))
    wanted = {member.model.entry.adapter for member in champion.members.values()}
    return {
        adapter: TimeSeriesDataContainer(
            decision_us=decision_us,
            features=values,
            feature_names=_names(champion, adapter),
            label=sample["label"].to_numpy().astype(np.int8),
            t0_us=times_us(sample["t0"]),
            t1_us=times_us(sample["t1"]),
            weight=weight,
            trade_day=trade_day,
        )
        for adapter, values in inputs_of(champion, decision_us, feature_rows_of(features)).items()
        if adapter in wanted
    }


def _names(champion: Release, adapter: str) -> tuple[str, ...]:
    if adapter == TABULAR:
        return champion.columns
    assert champion.sequence is not None, "a release checks that its members have their input"
    return champion.sequence.names


def _kinds(champion: Release, adapter: str) -> dict[str, str]:
    """Scaling kind of each column of an input, from the feature catalogue."""
    features = [name for chosen in champion.pool.values() for name in chosen]
    columns = _names(champion, adapter)
    specs = registry().specs
    return {
        column: specs[feature].scaling
        for column, feature in zip(columns, features if adapter == TABULAR else columns, strict=True)
    }


def latest_sessions(rows: BatchRows, sessions: int = SANITY_SESSIONS) -> BatchRows:
    """The sampled decisions of the last sessions of some batch rows."""
    days = np.unique(dates_days(rows.frame["trade_date"]))[-sessions:]
    event = rows.frame["event"].to_numpy(dtype=bool)
    return rows.take(event & np.isin(dates_days(rows.frame["trade_date"]), days))
