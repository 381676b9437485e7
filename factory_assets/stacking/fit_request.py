"""One fit asked for: what to fit, on which rows, and whether its number of rounds is chosen or frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from factory_assets.adapters.feature_sets import Candidates
from factory_assets.stacking.member_fit import MemberFit, fit_frozen, fit_recorded
from factory_assets.vocabulary.container import TimeSeriesDataContainer
from factory_assets.vocabulary.settings import SplitSettings


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """Arguments of one fit that are its own.

    Attributes
    ----------
    name : str
        What the fit is for (``fold_0``, ``train``): lower-case letters, digits and ``_``, no other of the asset's.
    model_name : str
        Registry name.
    params : mapping
        Changes of the registry's defaults; JSON values.
    seed : int
        Seed of the fit.
    rows : ndarray of int or None
        Positions of the training part in the container; None takes all.
    frozen : bool
        Fit on every row for :attr:`rounds` rounds and report nothing
        (:func:`factory_assets.stacking.fit_frozen`), instead of watching a tail
        (:func:`factory_assets.stacking.fit_recorded`).
    rounds : int or None
        Rounds of a frozen fit; None for a model without rounds, or one that chooses them.
    candidates : Candidates or None
        Set the fit chooses its columns of; None reads all of the container's.
    """

    name: str
    model_name: str
    params: Mapping[str, Any]
    seed: int
    rows: np.ndarray | None = None
    frozen: bool = False
    rounds: int | None = None
    candidates: Candidates | None = None

    def fit(
        self,
        data: TimeSeriesDataContainer,
        kinds: Sequence[str],
        *,
        settings: SplitSettings,
        clock_us: np.ndarray,
        checkpoints: Path | None = None,
    ) -> MemberFit:
        """Do it, in this process.

        Parameters
        ----------
        data, kinds, settings, clock_us, checkpoints
            As for :func:`factory_assets.stacking.fit_recorded`.

        Raises
        ------
        BadInputError, TooLittleHistoryError
            As :func:`factory_assets.stacking.fit_recorded` and :func:`factory_assets.stacking.fit_frozen` do.
        """
        common: dict[str, Any] = {
            "rows": self.rows,
            "settings": settings,
            "clock_us": clock_us,
            "seed": self.seed,
            "candidates": self.candidates,
            "checkpoints": checkpoints,
        }
        if self.frozen:
            return fit_frozen(self.model_name, self.params, data, kinds, rounds=self.rounds, **common)
        return fit_recorded(self.model_name, self.params, data, kinds, **common)
