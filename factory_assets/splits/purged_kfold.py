"""K contiguous test blocks with everything that could leak into them removed from training."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from factory_assets.splits.intervals import checked_clock, checked_intervals
from factory_assets.splits.roles import roles_around
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, TooLittleHistoryError
from factory_assets.vocabulary.sample_roles import EMBARGOED, PURGED, TEST, TRAIN


class PurgedKFold:
    """Purged K-fold cross-validation on label intervals.

    Rows in order of ``t0`` are cut into ``n_splits`` contiguous blocks of equal count (the first ``N % n_splits``
    blocks have one row more), wherever sessions begin and end. Each block is the test once. Whatever the counts, no
    training interval ``[t0, t1]`` meets a test interval ``[t0, t1]``, ends included.

    Parameters
    ----------
    n_splits : int, default 5
        Number of folds, at least 2.
    purge : int, default 0
        Base bars on the clock before the test's first ``t0`` at which no training row starts. 0: a row decided on the
        bar before the test begins may train, provided its trade is closed by then. 1: the last bar before the test is
        left out as well. Keep it at or above the longest label so that training rows share no market move with
        the test even if labels change.
    embargo : int, default 0
        Base bars on the clock after the test's *latest* ``t1`` at which no training row starts. 0: training resumes
        on the first bar after the last test trade is closed, whose features still look back into the test. 1: it
        resumes one bar later. Keep it at or above the look-back that matters.
    window : int, default 0
        Length of the models' input window in base bars, added to the embargo and, like it, counted in scheduled closes.
        While every scheduled bar trades, the window of a row that starts later shows no bar of the test; where bars are
        missing it reaches further back, and whoever has the bars has to look
        (:func:`factory_assets.adapters.fold_windows_verdict`). What features themselves look back on counts for the
        embargo, not here. 0 for models that see one row at a time.

    Raises
    ------
    ConfigurationError
        Fewer than 2 folds, or a count that is negative or no integer.

    References
    ----------
    Lopez de Prado, M. (2018). Advances in Financial Machine Learning, Wiley, section 7.4. Differs in that
    the embargo follows the latest end of the test labels and is counted in bars of scheduled time, not in rows.

    Examples
    --------
    >>> import numpy as np
    >>> t0 = np.arange(6) * 10
    >>> for train, test in PurgedKFold(3).split(t0, t0 + 10):
    ...     print(train, test)
    [3 4 5] [0 1]
    [0 5] [2 3]
    [0 1 2] [4 5]
    """

    def __init__(self, n_splits: int = 5, *, purge: int = 0, embargo: int = 0, window: int = 0) -> None:
        counts = {"n_splits": n_splits, "purge": purge, "embargo": embargo, "window": window}
        for name, value in counts.items():
            least = 2 if name == "n_splits" else 0
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ConfigurationError(f"PurgedKFold {name}: expected an integer of {least} or more, got {value!r}")
        self.n_splits, self.purge, self.embargo, self.window = (int(value) for value in counts.values())

    def __repr__(self) -> str:
        return f"PurgedKFold({self.n_splits}, purge={self.purge}, embargo={self.embargo}, window={self.window})"

    def split_roles(self, t0: Any, t1: Any, clock: Any = None) -> Iterator[np.ndarray]:
        """Role of every row, one array a fold.

        Parameters
        ----------
        t0, t1 : array_like, shape (N,)
            Closed label intervals, in any order and of any lengths: timezone-aware pandas times, numpy ``datetime64``
            (read as UTC) or int64 microseconds.
        clock : array_like, shape (C,), optional
            Every scheduled base-bar close over the rows' span, increasing. None only if every count is 0.

        Yields
        ------
        ndarray of int8, shape (N,)
            Positions in :data:`factory_assets.splits.ROLES`, in the order the rows were given.

        Raises
        ------
        ConfigurationError
            A count above 0 without a clock.
        BadInputError
            Missing times, intervals that end before they start, or a clock that does not cover the rows.
        TooLittleHistoryError
            A fold without a test or a training row; the message names the fold.
        """
        t0_us, t1_us = checked_intervals(t0, t1)
        clock_us = checked_clock(clock, t0_us, purge=self.purge, embargo=self.embargo, window=self.window)
        if len(t0_us) < self.n_splits:
            raise TooLittleHistoryError(
                f"fold {len(t0_us)}: no test row; {len(t0_us)} rows cannot fill {self.n_splits} folds"
            )
        return self._roles(t0_us, t1_us, clock_us)

    def split(self, t0: Any, t1: Any, clock: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Training and test rows, one pair a fold, in time order of the test blocks.

        Parameters are those of :meth:`split_roles`, and so are the errors.

        Yields
        ------
        train, test : ndarray of int64
            Increasing positions in the arrays as given.
        """
        return (
            (np.flatnonzero(roles == TRAIN), np.flatnonzero(roles == TEST)) for roles in self.split_roles(t0, t1, clock)
        )

    def for_sklearn(self, t0: Any, t1: Any, clock: Any = None) -> "BoundSplitter":
        """These folds as a scikit-learn splitter: ``cross_val_score(model, X, y, cv=folds.for_sklearn(t0, t1))``.

        The intervals are bound to the rows of X by position; X of another length is an error.
        """
        return BoundSplitter(tuple(self.split(t0, t1, clock)), rows=len(checked_intervals(t0, t1)[0]))

    def _roles(self, t0_us: np.ndarray, t1_us: np.ndarray, clock_us: np.ndarray) -> Iterator[np.ndarray]:
        order = np.lexsort((t1_us, t0_us))
        for fold, block in enumerate(np.array_split(order, self.n_splits)):
            in_test = np.zeros(len(t0_us), dtype=bool)
            in_test[block] = True
            roles = roles_around(
                t0_us,
                t1_us,
                in_test,
                purge_bars=self.purge,
                after_bars=self.embargo + self.window,
                clock_us=clock_us,
            )
            if not bool(np.any(roles == TRAIN)):
                purged, embargoed = np.count_nonzero(roles == PURGED), np.count_nonzero(roles == EMBARGOED)
                raise TooLittleHistoryError(
                    f"fold {fold}: no training row left of {len(t0_us)} ({len(block)} test, {purged} purged, "
                    f"{embargoed} embargoed) under {self!r}; give it more history or smaller counts"
                )
            yield roles


@dataclass(frozen=True)
class BoundSplitter:
    """Folds bound to rows by position, in the form scikit-learn asks for.

    Parameters
    ----------
    folds : tuple of (ndarray, ndarray)
        Training and test positions, one pair a fold.
    rows : int
        Number of rows the folds were made for.
    """

    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    rows: int

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # noqa: N803, ARG002
        """Training and test rows; ``y`` and ``groups`` are scikit-learn's and not looked at.

        Raises
        ------
        BadInputError
            X has another number of rows than the intervals.
        """
        rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if rows != self.rows:
            raise BadInputError(f"X has {rows} rows, but the folds were made for {self.rows} intervals")
        return iter(self.folds)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803, ARG002
        """Number of folds."""
        return len(self.folds)
