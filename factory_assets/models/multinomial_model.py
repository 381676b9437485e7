"""The model class around :mod:`factory_assets.models.multinomial`; registered twice, with different defaults."""

from collections.abc import Mapping
from typing import cast

import numpy as np

from factory_assets.models.base import BaseModel
from factory_assets.models.multinomial import (
    Multinomial,
    MultinomialParameters,
    fit_multinomial,
    multinomial_files,
    multinomial_from,
    multinomial_probabilities,
)
from factory_assets.models.samples import Samples


class MultinomialModel(BaseModel[Multinomial]):
    """Penalised multinomial logistic regression; ``fit_report_`` names the iterations it took to converge."""

    def _fit(self, train: Samples, evaluation: Samples | None, class_count: int) -> Multinomial:  # noqa: ARG002
        return fit_multinomial(train, class_count, cast(MultinomialParameters, self.params), self._what)

    def _predict(self, state: Multinomial, features: np.ndarray) -> np.ndarray:
        return multinomial_probabilities(state, features)

    def _state_files(self, state: Multinomial) -> dict[str, bytes]:
        return multinomial_files(state)

    def _state_from(self, files: Mapping[str, bytes], class_count: int, shape: tuple[int, ...]) -> Multinomial:
        return multinomial_from(files, class_count, shape, self._what)

    def _report(self, state: Multinomial) -> Mapping[str, int]:
        return {"iterations": state.iterations}

    @property
    def _what(self) -> str:
        return f"model {self.entry.name!r}"
