"""Windows of rows that are never materialised as a whole: one row store, and which rows each window covers.

Belongs here: the lazy (N, T, F) view that sequence models are handed, and its cuts. Does not: which rows a decision may
look at (:mod:`factory_assets.adapters.sequence`), or what models do with them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from factory_assets.vocabulary.errors import BadInputError


@dataclass(frozen=True, kw_only=True, eq=False)
class LazyWindows:
    """N windows of T rows over one row store: behaves as an array of shape (N, T, F), holds R x F values.

    Cuts share the store, so a fold of windows costs two positions a window. Values are gathered by :meth:`materialised`
    (or ``numpy.asarray``), which is meant for one batch of a cut at a time.

    Attributes
    ----------
    store : ndarray of float32, shape (R, F)
        Rows in time order; NaN where a warm-up masks the cell. Rows contiguous in memory (C order) are gathered fast.
    last : ndarray of int64, shape (N,)
        Position in ``store`` of each window's last row: what is known at its decision.
    first : ndarray of int64, shape (N,)
        Position of the first row the window may show, ``last - length < first <= last``. Steps before it (history that
        does not exist, or lies behind an outage) show ``pad``.
    length : int
        T, rows of a window; the last one is the newest.
    pad : ndarray of float32, shape (F,)
        What stands where a window has no row.

    Raises
    ------
    BadInputError
        Shapes that do not fit, positions that are no integers, or windows that reach outside the store, begin after
        they end or show more than ``length`` rows.

    Examples
    --------
    >>> rows = np.arange(4, dtype=np.float32)[:, None]
    >>> windows = LazyWindows(
    ...     store=rows, last=np.array([1, 3]), first=np.array([0, 1]), length=3, pad=np.float32([np.nan])
    ... )
    >>> windows.shape
    (2, 3, 1)
    >>> np.asarray(windows)[:, :, 0].tolist()
    [[nan, 0.0, 1.0], [1.0, 2.0, 3.0]]
    """

    store: np.ndarray
    last: np.ndarray
    first: np.ndarray
    length: int
    pad: np.ndarray

    def __post_init__(self) -> None:
        """Refuse windows that reach outside the store or begin after they end."""
        if self.store.ndim != 2 or self.pad.shape != self.store.shape[1:] or self.length < 1:
            raise BadInputError(
                f"windows: store {self.store.shape}, pad {self.pad.shape}, length {self.length}; expected (R, F), (F,) "
                "and at least 1"
            )
        if self.last.shape != self.first.shape or self.last.ndim != 1:
            raise BadInputError(f"windows: {self.last.shape} last rows, {self.first.shape} first rows; expected (N,)")
        if self.last.dtype != np.int64 or self.first.dtype != np.int64:
            raise BadInputError(f"windows: positions of type {self.last.dtype} and {self.first.dtype}; expected int64")
        wrong = np.flatnonzero(
            (self.first < 0)
            | (self.last >= len(self.store))
            | (self.first > self.last)
            | (self.last - self.first >= self.length)
        )
        if len(wrong):
            place = int(wrong[0])
            raise BadInputError(
                f"windows of {self.length} rows over a store of {len(self.store)}: {len(wrong)} reach outside it, "
                f"begin after they end or are too long; window {place} shows rows {self.first[place]} to "
                f"{self.last[place]}"
            )

    @classmethod
    def of_array(cls, values: np.ndarray) -> "LazyWindows":
        """Windows of an array of shape (N, T, F), every row its own; an array in C order is not copied."""
        if values.ndim != 3:
            raise BadInputError(f"windows: expected an array of shape (N, T, F), got {values.shape}")
        windows, length, columns = values.shape
        last = np.arange(1, windows + 1, dtype=np.int64) * length - 1
        return cls(
            store=values.reshape(windows * length, columns),
            last=last,
            first=last - length + 1,
            length=length,
            pad=np.full(columns, np.nan, dtype=values.dtype),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, T, F)."""
        return len(self.last), self.length, self.store.shape[1]

    @property
    def ndim(self) -> int:
        """Always 3."""
        return 3

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.store.dtype

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.last)

    def __getitem__(self, rows: Any) -> "LazyWindows":
        """The windows at ``rows`` (slice, positions in any order, boolean mask) over the same store; no row is copied.

        One integer gives one window: the result is always of shape (N, T, F).
        """
        return replace(self, last=np.atleast_1d(self.last[rows]), first=np.atleast_1d(self.first[rows]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All windows, materialised: N x T x F values. Take a few at a time."""
        if copy is False:
            raise ValueError("lazy windows are materialised by copying")
        return self.materialised() if dtype is None else self.materialised().astype(dtype, copy=False)

    def positions(self) -> np.ndarray:
        """Row of the store each step shows, int64, shape (N, T); -1 where it shows ``pad``.

        With ``pad`` appended to the store as its last row, -1 points at it.
        """
        places = self.last[:, None] - np.arange(self.length - 1, -1, -1)
        return np.where(places >= self.first[:, None], places, -1)

    def materialised(self) -> np.ndarray:
        """The windows as an array of shape (N, T, F), a copy; nothing of it is kept."""
        places = self.positions()
        # clipped, -1 gathers row 0, which the pad then covers
        values = np.take(self.store, places, axis=0, mode="clip")
        absent = places < 0
        if bool(absent.any()):
            values[absent] = self.pad
        return values

    def newest(self) -> np.ndarray:
        """Last row of each window, shape (N, F): what a model of single rows would see of it."""
        return self.store[self.last]

    def used_rows(self) -> np.ndarray:
        """Which rows of the store any window shows, bool, shape (R,)."""
        rows = len(self.store)
        begun = np.bincount(self.first, minlength=rows + 1)
        ended = np.bincount(self.last + 1, minlength=rows + 1)
        return np.cumsum(begun - ended)[:rows] > 0

    def of_columns(self, places: np.ndarray) -> "LazyWindows":
        """The same windows over some columns of the store, in the order given: one copy of R x G values, no window's.

        Cut to rows first costs nothing; cuts of the result share the copy.
        """
        return replace(self, store=np.take(self.store, places, axis=1), pad=self.pad[places])

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> "LazyWindows":
        """The same windows over ``function(store)``: (R, F) to (R, G), row by row; ``pad`` goes through it as a row.

        The result's store is in C order whatever order the function returns.

        Raises
        ------
        BadInputError
            A function that returns another number of rows.
        """
        store = np.ascontiguousarray(function(self.store))
        if len(store) != len(self.store):
            raise BadInputError(
                f"windows: the mapping made {len(store)} rows of {len(self.store)}; expected row by row"
            )
        return replace(self, store=store, pad=function(self.pad[None])[0])

    def compacted(self) -> "LazyWindows":
        """The same windows over a store without the rows that none of them shows: what a child process is sent."""
        used = self.used_rows()
        moved = np.cumsum(used) - 1
        return replace(self, store=self.store[used], last=moved[self.last], first=moved[self.first])
