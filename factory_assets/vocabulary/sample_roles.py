"""What each sample may be used for: the period it lies in, and its role in the hold-out and in every purged fold.

Belongs here: the roles' names and codes, and a container's copy of them. Does not: giving roles to rows and the table
they are published in (:mod:`factory_assets.splits`).
"""

from dataclasses import dataclass

import numpy as np

from factory_assets.vocabulary.errors import BadInputError

ROLES: tuple[str, ...] = ("train", "test", "purged", "embargoed", "val")
TRAIN, TEST, PURGED, EMBARGOED, VAL = (np.int8(code) for code in range(len(ROLES)))
ABSENT = np.int8(-1)
_SPLITS: tuple[str, ...] = ("train", "val")
VAL_FOLD = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleRoles:
    """Roles of N samples in the hold-out and in K purged folds; codes are positions in :data:`ROLES`.

    Attributes
    ----------
    hold_out : ndarray of int8, shape (N,)
        ``train``, ``purged`` or ``val``. A purged row belongs to the train period, but nothing that is judged on val
        may have learnt from it.
    folds : ndarray of int8, shape (N, K)
        ``train``, ``test``, ``purged`` or ``embargoed``; :data:`ABSENT` for the rows of val, which no fold holds. Every
        row of the train period is ``test`` in exactly one fold.

    Raises
    ------
    BadInputError
        Shapes, types or codes that no splits table gives.
    """

    hold_out: np.ndarray
    folds: np.ndarray

    def __post_init__(self) -> None:
        """Refuse what is no assignment of every row."""
        if self.hold_out.ndim != 1 or self.folds.ndim != 2 or len(self.folds) != len(self.hold_out):
            raise BadInputError(
                f"roles: hold-out of shape {self.hold_out.shape}, folds of {self.folds.shape}; expected (N,) and (N, K)"
            )
        if self.hold_out.dtype != np.int8 or self.folds.dtype != np.int8 or not self.folds.shape[1]:
            raise BadInputError(
                f"roles: {self.folds.shape[1]} folds of {self.folds.dtype}, hold-out of {self.hold_out.dtype}; "
                "expected one fold or more, and int8"
            )
        val = self.hold_out == VAL
        strange = ~np.isin(self.hold_out, (TRAIN, PURGED, VAL))
        strange |= (self.folds != ABSENT).any(axis=1) & val
        strange |= ~np.isin(self.folds, (TRAIN, TEST, PURGED, EMBARGOED)).all(axis=1) & ~val
        strange |= (np.count_nonzero(self.folds == TEST, axis=1) != 1) & ~val
        if len(rows := np.flatnonzero(strange)):
            row = int(rows[0])
            raise BadInputError(
                f"roles: {len(rows)} of {len(val)} samples are not val outside every fold, or train or purged and the "
                f"test of exactly one; sample {row} has {int(self.hold_out[row])} and {self.folds[row].tolist()}"
            )

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.hold_out)

    @property
    def split(self) -> np.ndarray:
        """Period of each sample, text of shape (N,): ``train`` (purged rows among it) or ``val``."""
        return np.where(self.hold_out == VAL, "val", "train")

    @property
    def fold(self) -> np.ndarray:
        """Fold that tests each sample, int64 of shape (N,); :data:`VAL_FOLD` for val."""
        return np.where(self.hold_out == VAL, VAL_FOLD, np.argmax(self.folds == TEST, axis=1))

    def take(self, index: np.ndarray) -> "SampleRoles":
        """Roles of the samples at these positions."""
        return SampleRoles(hold_out=self.hold_out[index], folds=self.folds[index])

    def in_split(self, split: str) -> np.ndarray:
        """Which samples lie in a period, bool of shape (N,).

        Parameters
        ----------
        split : str
            ``train``: the whole train period, also the rows next to val whose outcomes reach into it; what folds cut
            up. To learn for val, take :meth:`in_hold_out` instead. ``val``: the val period.
        """
        return self.split == _known(split, _SPLITS, "split")

    def in_hold_out(self, role: str) -> np.ndarray:
        """Which samples have a role in the hold-out, bool of shape (N,).

        Parameters
        ----------
        role : str
            ``train``: what may be learnt from when val is judged. ``purged``: rows of the train period that may not.
            ``val``: what is judged.
        """
        return self.hold_out == ROLES.index(_known(role, ("train", "purged", "val"), "role of the hold-out"))

    def in_fold(self, fold: int, role: str) -> np.ndarray:
        """Which samples have a role in one purged fold, bool of shape (N,); samples of val have none.

        Parameters
        ----------
        fold : int
            0 to K - 1.
        role : str
            ``train``: what may be learnt from when the fold's test rows are judged. ``test``: those. ``purged`` and
            ``embargoed``: what lies too near to them for either.
        """
        folds = self.folds.shape[1]
        if not 0 <= fold < folds:
            raise BadInputError(f"fold {fold}: the samples have folds 0 to {folds - 1}")
        return self.folds[:, fold] == ROLES.index(_known(role, ROLES[:4], "role of a fold"))


def _known(name: str, names: tuple[str, ...], what: str) -> str:
    if name not in names:
        raise BadInputError(f"{what} {name!r}: expected one of {names}")
    return name
