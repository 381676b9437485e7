"""Rows of one timeframe's features, column by column: what adapters gather from, in batch and live.

A live run holds a row or a window and makes it anew at every close, where building a table would cost more than
the features themselves; a batch run looks at its tables through this without copying them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """Features of bars in time order.

    Attributes
    ----------
    close_us : ndarray of int64, shape (N,)
        When each row is known, microseconds since 1970 UTC, strictly increasing.
    columns : mapping of str to ndarray of float, shape (N,)
        Values by feature.
    """

    close_us: np.ndarray
    columns: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, table: pd.DataFrame, what: str) -> "FeatureRows":
        """Rows of a ``features_*`` table.

        Parameters
        ----------
        table : DataFrame
            ``close_time`` and features.
        what : str
            Name of the table, for messages.

        Raises
        ------
        BadInputError
            Times that do not increase.
        """
        close_us = times_us(table["close_time"], f"{what} close_time")
        stuck = np.flatnonzero(np.diff(close_us) <= 0)
        if len(stuck):
            raise BadInputError(f"{what} close_time has to increase strictly; row {stuck[0] + 1} does not")
        names = [name for name in table.columns if name not in {"close_time", "trade_date", "contract"}]
        return cls(close_us, {name: table[name].to_numpy() for name in names})

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.close_us)
