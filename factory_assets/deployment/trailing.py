"""Finished bars of one timeframe, as many as its features look back on."""

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.regime_table import RegimeTable
from factory_assets.market.ladder import SessionBars
from factory_assets.vocabulary.instruments import instrument

_FIELDS = ("open", "high", "low", "close", "volume", "adjustment_ratio")


class TrailingBars:
    """The last bars of one timeframe; older ones are forgotten, so the memory is bounded.

    Parameters
    ----------
    contract : str
        Product of the bars.
    minutes : int
        Timeframe.
    rows_needed : int
        Bars that have to be at hand; a result never depends on more of them.
    """

    def __init__(self, contract: str, minutes: int, rows_needed: int) -> None:
        self.minutes = minutes
        self.rows_needed = rows_needed
        self._instrument = instrument(contract)
        # Twice what is needed, so that moving the bars down is rare.
        self._times = np.zeros((3, 2 * rows_needed), dtype=np.int64)
        self._values = np.zeros((len(_FIELDS), 2 * rows_needed))
        self._count = 0

    def __len__(self) -> int:
        """Bars that count: never more than ``rows_needed``."""
        return min(self._count, self.rows_needed)

    @property
    def warm(self) -> bool:
        """Whether every bar needed is there."""
        return self._count >= self.rows_needed

    @property
    def last_close_us(self) -> int:
        """Close time of the last bar, microseconds since 1970 UTC; -1 without bars."""
        return int(self._times[1, self._count - 1]) if self._count else -1

    def extend(self, made: SessionBars, first: int, stop: int, *, trade_day: int, ratio: float) -> None:
        """Add finished bars that follow those held.

        Parameters
        ----------
        made : SessionBars
            Bars of one session.
        first, stop : int
            Those of them to add.
        trade_day : int
            Their session, days since 1970.
        ratio : float
            Their factor from traded to adjusted prices.
        """
        for start in range(first, stop, self.rows_needed):
            part = slice(start, min(start + self.rows_needed, stop))
            open_us, close_us = made.open_us[part], made.close_us[part]
            columns = [getattr(made.level, name)[part] for name in _FIELDS[:-1]]
            self._add(
                np.vstack([open_us, close_us, np.full(len(open_us), trade_day)]),
                np.vstack([*columns, np.full(len(open_us), ratio)]),
            )

    def _add(self, times: np.ndarray, values: np.ndarray) -> None:
        added = times.shape[1]
        if self._count + added > self._times.shape[1]:
            kept = slice(self._count - self.rows_needed, self._count)
            self._times[:, : self.rows_needed] = self._times[:, kept].copy()
            self._values[:, : self.rows_needed] = self._values[:, kept].copy()
            self._count = self.rows_needed
        self._times[:, self._count : self._count + added] = times
        self._values[:, self._count : self._count + added] = values
        self._count += added

    def bars(self, rows: int, regimes: RegimeTable) -> Bars:
        """The last ``rows`` bars (fewer if fewer are held) as features read them.

        Parameters
        ----------
        rows : int
            Bars wanted.
        regimes : RegimeTable
            Parameters of the hidden Markov model in force: trailing bars are no history to estimate them from.
        """
        part = slice(max(0, self._count - min(rows, self.rows_needed)), self._count)
        open_us, close_us, day = self._times[:, part].copy()
        open_, high, low, close, volume, factor = self._values[:, part].copy()
        return Bars(
            instrument=self._instrument,
            minutes=self.minutes,
            open_us=open_us,
            close_us=close_us,
            trade_day=day.astype(np.int32),
            open=open_ * factor,
            high=high * factor,
            low=low * factor,
            close=close * factor,
            volume=volume,
            traded_close=close,
            regimes=regimes,
        )
