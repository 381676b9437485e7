"""Cross-fit the meta-learner: each fold's rows are combined by a meta that never saw them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.models.registry import create
from factory_assets.stacking.meta import FittedMeta, meta_inputs
from factory_assets.stacking.probabilities import COLUMNS, VAL_FOLD, predictions_frame, probabilities_of
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_us, times_us

KFOLD, HOLD_OUT = "purged_kfold", "hold_out"


@dataclass(frozen=True, kw_only=True)
class CrossFittedStack:
    """Stack rows, the meta-learner to release, and the record of what each meta saw.

    Attributes
    ----------
    rows : DataFrame
        Rows of the ``stack`` table (``schemas.STACK``), by decision time.
    meta : FittedMeta
        Fitted on all out-of-fold rows but those purged against val; predicted val, and is what a bundle carries.
    fit_decision_us : mapping of int to ndarray of int64
        Decision times each fold's meta was fitted on; -1 is :attr:`meta`.
    """

    rows: pd.DataFrame
    meta: FittedMeta
    fit_decision_us: Mapping[int, np.ndarray]


@dataclass(frozen=True)
class _Joined:
    decision_us: np.ndarray
    bases: Mapping[str, np.ndarray]
    label: np.ndarray
    weight: np.ndarray
    fold: np.ndarray

    def probabilities(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values[rows] for name, values in self.bases.items()}


def cross_fit_meta(
    oof: Mapping[str, pd.DataFrame],
    splits_frame: pd.DataFrame,
    *,
    val: Mapping[str, pd.DataFrame] | None = None,
    seed: int,
) -> CrossFittedStack:
    """Combine base predictions joined by decision time.

    The meta of fold k is fitted on the out-of-fold rows whose role in fold k is ``train``: rows of other folds, purged
    and embargoed against fold k exactly like the bases' own training. Val rows are combined by the meta fitted on every
    out-of-fold row that the hold-out does not purge; their base predictions come from members fitted on the same rows.

    Parameters
    ----------
    oof : mapping of str to DataFrame
        ``oof_<model>`` by base, at least one.
    splits_frame : DataFrame
        The ``splits`` table; its scheme ``purged_kfold`` gives every row's role in every fold, ``hold_out`` the rows
        too close to val.
    val : mapping of str to DataFrame, optional
        ``val_<model>`` of the same bases.
    seed : int
        Seed of its fits.

    Raises
    ------
    BadInputError
        Bases that do not hold the same decisions, labels, weights and folds, or folds that differ from the splits'.
    """
    names = tuple(sorted(oof))
    if val is not None and tuple(sorted(val)) != names:
        raise BadInputError(f"stack: out-of-fold bases {list(names)}, val bases {sorted(val)}; expected the same")
    train = _joined(oof, names, "out-of-fold")
    roles = _fold_roles(splits_frame, train)

    def _fitted(rows: np.ndarray) -> FittedMeta:
        model = create("logistic_meta", seed=seed)
        inputs = meta_inputs(train.probabilities(rows), names)
        model.fit(inputs, train.label[rows], sample_weight=train.weight[rows])
        return FittedMeta(base_names=names, model=model)

    probabilities = np.empty((len(train.label), len(COLUMNS)))
    seen: dict[int, np.ndarray] = {}
    for fold in roles.columns:
        learnt, scored = (np.flatnonzero(roles[fold] == role) for role in ("train", "test"))
        probabilities[scored] = _fitted(learnt).predict_proba(train.probabilities(scored))
        seen[int(fold)] = train.decision_us[learnt]
    kept = _held_in(splits_frame, train)
    final = _fitted(kept)
    seen[VAL_FOLD] = train.decision_us[kept]
    parts = [_stack_rows(train, probabilities, "cross_fitted")]
    if val is not None:
        later = _joined(val, names, "val")
        if both := len(np.intersect1d(later.decision_us, train.decision_us)):
            raise BadInputError(f"stack: {both} decisions are both out-of-fold and val rows; expected none")
        parts.append(_stack_rows(later, final.predict_proba(dict(later.bases)), "val"))
    rows = pd.concat(parts, ignore_index=True).sort_values("decision_time", kind="stable", ignore_index=True)
    rows["origin"] = rows["origin"].astype("category")
    return CrossFittedStack(rows=rows, meta=final, fit_decision_us=seen)


def _joined(frames: Mapping[str, pd.DataFrame], names: tuple[str, ...], what: str) -> _Joined:
    """All bases on the first one's decisions, refused unless every base holds exactly those and agrees about them."""
    if not names:
        raise BadInputError(f"stack: no base has {what} predictions; expected at least one")
    keyed = {name: _keyed(frames[name], f"{what} predictions of {name}") for name in names}
    first = keyed[names[0]]
    problems = []
    for name in names[1:]:
        other = keyed[name]
        only_first, only_other = first.index.difference(other.index), other.index.difference(first.index)
        if len(only_first) or len(only_other):
            example = from_us(np.array([min([*only_first, *only_other])]))[0]
            problems.append(
                f"{names[0]} has {len(only_first)} decisions that {name} lacks, {name} {len(only_other)} that "
                f"{names[0]} lacks, the first at {example}"
            )
            continue
        aligned = other.loc[first.index]
        problems += [
            f"{names[0]} and {name} disagree on {column} in {int((aligned[column] != first[column]).sum())} rows"
            for column in ("label", "weight", "fold")
            if (aligned[column] != first[column]).any()
        ]
    if problems:
        raise BadInputError(f"stack, {what}: {'; '.join(problems)}. Make all bases from one splits table.")
    decision_us = first.index.to_numpy()
    return _Joined(
        decision_us=decision_us,
        bases={name: probabilities_of(keyed[name].loc[decision_us]) for name in names},
        label=first["label"].to_numpy(),
        weight=first["weight"].to_numpy(),
        fold=first["fold"].to_numpy(),
    )


def _keyed(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    keyed = frame.set_index(pd.Index(times_us(frame["decision_time"], what))).sort_index()
    if not keyed.index.is_unique:
        raise BadInputError(f"{what}: {int(keyed.index.duplicated().sum())} decisions repeat; expected each once")
    return keyed


def _scheme(splits_frame: pd.DataFrame, scheme: str) -> pd.DataFrame:
    """Roles under one scheme: decisions (index, microseconds) by fold (columns)."""
    chosen = splits_frame[splits_frame["scheme"].astype(str) == scheme]
    decision_us = times_us(chosen["decision_time"], "splits decision_time")
    table = pd.DataFrame(
        {"decision_us": decision_us, "fold": chosen["fold"].to_numpy(), "role": chosen["role"].astype(str).to_numpy()}
    )
    if table.duplicated(["decision_us", "fold"]).any():
        raise BadInputError(f"stack: the splits table repeats decisions within a fold of {scheme}; make it again")
    return table.set_index(["decision_us", "fold"])["role"].unstack("fold")


def _fold_roles(splits_frame: pd.DataFrame, train: _Joined) -> pd.DataFrame:
    """Role of each decision (rows, in the join's order) in each fold (columns), agreeing with the rows' own fold."""
    roles = _scheme(splits_frame, KFOLD)
    missing = np.setdiff1d(train.decision_us, roles.index.to_numpy())
    extra = np.setdiff1d(roles.index.to_numpy(), train.decision_us)
    if len(missing) or len(extra) or len(roles) == 0:
        raise BadInputError(
            f"stack: {len(missing)} out-of-fold decisions are not in the splits table, {len(extra)} of its decisions "
            "have no out-of-fold row; make both from one splits table"
        )
    roles = roles.loc[train.decision_us]
    tested = (roles == "test").to_numpy()
    other = roles.columns.to_numpy()[tested.argmax(axis=1)] != train.fold
    if roles.isna().to_numpy().any() or (tested.sum(axis=1) != 1).any() or other.any():
        raise BadInputError(
            f"stack: {int(other.sum())} out-of-fold rows name another fold than the splits table tests them in, "
            f"{int((tested.sum(axis=1) != 1).sum())} are not tested once; make both from one splits table"
        )
    return roles


def _held_in(splits_frame: pd.DataFrame, train: _Joined) -> np.ndarray:
    """Positions of the out-of-fold rows that the hold-out trains on; all of them if there is no hold-out."""
    roles = _scheme(splits_frame, HOLD_OUT)
    if len(roles) == 0:
        return np.arange(len(train.label))
    role = roles.iloc[:, 0].reindex(train.decision_us)
    if wrong := int((~role.isin(["train", "purged"])).sum()):
        raise BadInputError(f"stack: {wrong} out-of-fold rows are not train rows of the hold-out; make both again")
    return np.flatnonzero(role == "train")


def _stack_rows(joined: _Joined, probabilities: np.ndarray, origin: str) -> pd.DataFrame:
    rows = predictions_frame(
        decision_us=joined.decision_us,
        fold=joined.fold,
        probabilities=probabilities,
        label=joined.label,
        weight=joined.weight,
    )
    rows["origin"] = origin
    return rows[["decision_time", *COLUMNS.values(), "label", "origin", "fold"]]
