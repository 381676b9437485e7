"""Scaling fitted on one training part and kept as JSON: the same numbers in research and live."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, overload

import numpy as np

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.windows import LazyWindows

KINDS: tuple[str, ...] = ("robust", "minmax", "none")
CLIP = 5.0
_QUARTILES = (0.25, 0.5, 0.75)
_CELLS_AT_ONCE = 65_536
"""Cells scaled together: all columns of a few rows (live), a column at a time of many (no copy of all in float64)."""
_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True)
class FittedScaler:
    """``(x - center) / scale`` a column, clipped to +-5, missing cells filled with the training median.

    Attributes
    ----------
    names : tuple of str
        Column names, length F.
    kinds : tuple of str
        ``robust`` (center = median, scale = interquartile range), ``minmax`` (the training range becomes [0, 1]) or
        ``none`` (as it is: flags; neither shifted nor clipped), a column.
    center, scale : tuple of float
        In the column's own unit; scale is above 0. A robust column whose quartiles coincide is scaled by its standard
        deviation, a constant one by 1.
    fill : tuple of float
        Training median, in the column's own unit: what a missing cell is taken to be (0 after robust scaling). A column
        without any training value is filled with 0.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    fill: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse lengths, kinds and numbers no fit produces."""
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) != 1:
            raise BadInputError(f"scaler: fields of different lengths {lengths}")
        if unknown := sorted(set(self.kinds) - set(KINDS)):
            raise BadInputError(f"scaler: unknown kinds {unknown}; expected {KINDS}")
        if len(set(self.names)) != len(self.names):
            raise BadInputError("scaler: a column name is repeated")
        numbers = (*self.center, *self.scale, *self.fill)
        if not all(math.isfinite(number) for number in numbers) or not all(scale > 0 for scale in self.scale):
            raise BadInputError("scaler: expected finite numbers and scales above 0")

    @classmethod
    def fit(cls, X: np.ndarray | LazyWindows, kinds: Sequence[str], names: Sequence[str]) -> "FittedScaler":  # noqa: N803
        """Fit on the rows of one training part, and on nothing else.

        Parameters
        ----------
        X : ndarray of float, shape (N, F), or LazyWindows, shape (N, T, F)
            Training rows; NaN and infinite cells are missing values. Of windows, the rows of their store that at least
            one of them shows, each counted once however many show it.
        kinds : sequence of str, length F
            Scaling kind a column.
        names : sequence of str, length F
            Column names.

        Raises
        ------
        BadInputError
            No row, or lengths and kinds that do not fit.
        """
        if isinstance(X, LazyWindows):
            X = X.store[X.used_rows()]  # noqa: N806
        if X.ndim != 2 or X.shape[0] == 0 or X.shape[1] != len(kinds) or X.shape[1] != len(names):
            raise BadInputError(
                f"scaler: X of shape {X.shape} with {len(kinds)} kinds and {len(names)} names; expected (N >= 1, F)"
            )
        columns = [_fit_column(np.asarray(X[:, place], dtype=np.float64), kind) for place, kind in enumerate(kinds)]
        center, scale, fill = zip(*columns, strict=True) if columns else ((), (), ())
        return cls(names=tuple(names), kinds=tuple(kinds), center=center, scale=scale, fill=fill)

    @overload
    def transform(self, X: np.ndarray) -> np.ndarray: ...  # noqa: N803

    @overload
    def transform(self, X: LazyWindows) -> LazyWindows: ...  # noqa: N803

    def transform(self, X: np.ndarray | LazyWindows) -> np.ndarray | LazyWindows:  # noqa: N803
        """Scaled rows, always finite.

        Parameters
        ----------
        X : ndarray of float, shape (N, F), or LazyWindows, shape (N, T, F)
            Any rows with the fitted columns; NaN and infinite cells are filled.

        Returns
        -------
        ndarray of float32, shape (N, F), or LazyWindows, shape (N, T, F)
            Robust and min-max columns within [-5, 5]. Windows come back as the same windows over a scaled store; where
            they have no row they show the scaled training median, as a row of missing cells would.

        Raises
        ------
        BadInputError
            Another number of columns.
        """
        if isinstance(X, LazyWindows):
            return X.mapped(self.transform)
        if X.ndim != 2 or X.shape[1] != len(self.names):
            raise BadInputError(f"scaler: X of shape {X.shape}, fitted on {len(self.names)} columns")
        scaled = np.empty(X.shape, dtype=np.float32, order="F")
        center, scale, fill, bound = self._by_column
        step = max(1, _CELLS_AT_ONCE // max(1, len(X)))
        for begin in range(0, X.shape[1], step):
            columns = slice(begin, begin + step)
            block = np.array(X[:, columns], dtype=np.float64)
            np.copyto(block, fill[columns], where=~np.isfinite(block))
            # a far outlier over a tiny scale overflows to infinity, which the clip brings back
            with np.errstate(over="ignore"):
                block -= center[columns]
                block /= scale[columns]
            scaled[:, columns] = np.clip(block, -bound[columns], bound[columns], out=block)
        return scaled

    @cached_property
    def _by_column(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Center, scale, fill and bound of every column, float64 of shape (F,).

        A column of kind ``none`` is taken minus 0 over 1, which changes no bit, and bounded by what float32 can hold.
        """
        plain = np.array([kind == "none" for kind in self.kinds], dtype=bool)
        return (
            np.where(plain, 0.0, self.center),
            np.where(plain, 1.0, self.scale),
            np.array(self.fill, dtype=np.float64),
            np.where(plain, _FLOAT32_MAX, CLIP),
        )

    def to_json(self) -> str:
        """One spelling of one scaler; floats keep every bit."""
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "FittedScaler":
        """Read a scaler.

        Raises
        ------
        BadInputError
            Not JSON, unknown or missing keys, wrong types, lengths or numbers.
        """
        try:
            plain = json.loads(text)
        except json.JSONDecodeError as problem:
            raise BadInputError(f"scaler: not JSON ({problem})") from problem
        expected = {field.name for field in fields(cls)}
        if not isinstance(plain, dict) or set(plain) != expected:
            raise BadInputError(f"scaler: expected an object with the keys {sorted(expected)}")
        wrong = [name for name in sorted(expected) if not _is_list_of(plain[name], str if name in _TEXTS else float)]
        if wrong:
            raise BadInputError(f"scaler: wrong types in {wrong}")
        return cls(**{name: tuple(values) for name, values in plain.items()})


_TEXTS = {"names", "kinds"}


def _is_list_of(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _fit_column(column: np.ndarray, kind: str) -> tuple[float, float, float]:
    """Center, scale and fill of one column from its finite values."""
    values = column[np.isfinite(column)]
    if len(values) == 0:
        return 0.0, 1.0, 0.0
    low, median, high = _quartiles(values)
    if kind == "robust":
        center, spread = median, high - low
        if not spread > 0:
            # values near the float64 limit overflow in the square; the check below then falls back to 1
            with np.errstate(over="ignore", invalid="ignore"):
                spread = float(values.std())
    elif kind == "minmax":
        center = float(values.min())
        spread = float(values.max()) - center
    else:
        center, spread = 0.0, 1.0
    # rounding leaves a constant column a standard deviation of about 1e-17 x its value: that is no spread
    if not (math.isfinite(spread) and spread > 1e-12 * max(abs(center), 1e-300)):
        spread = 1.0
    return center, spread, median


def _quartiles(values: np.ndarray) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of finite values, always finite.

    numpy interpolates by the difference of two neighbours, which overflows if it is beyond the float64 limit although
    the quartile between them is not. A quarter of the values has no such pair, and four times its quartile no overflow.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        quartiles = np.quantile(values, _QUARTILES)
    if not bool(np.isfinite(quartiles).all()):
        quartiles = 4.0 * np.quantile(0.25 * values, _QUARTILES)
    low, median, high = (float(value) for value in quartiles)
    return low, median, high
