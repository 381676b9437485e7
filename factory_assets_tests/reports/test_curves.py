"""Learning curves as one picture: what is drawn, and that it stays small enough for the web UI."""

import numpy as np
import pytest

from factory_assets.reports import models as module
from factory_assets.reports.models import curve_figures

ROUNDS = np.linspace(1.1, 0.9, 60)
CURVES = {
    name: {"train_loss": (ROUNDS + shift).tolist(), "watched_loss": (ROUNDS[::-1] + shift).tolist()}
    for shift, name in enumerate((*(f"fold_{k}" for k in range(5)), "train"))
}


@pytest.fixture
def lines(monkeypatch):
    """Every line drawn, by axis title."""
    seen, honest = {}, module.drawn

    def _spy(figure, *rest, **named):
        for axis in figure.axes:
            seen[axis.get_title()] = [(line.get_label(), line.get_xdata(), line.get_ydata()) for line in axis.lines]
        return honest(figure, *rest, **named)

    monkeypatch.setattr(module, "drawn", _spy)
    return seen


def test_every_fit_is_drawn_round_by_round_and_its_best_round_marked(lines):
    (figure,) = curve_figures("tcn", CURVES, simulated=True)
    assert figure.title == "Learning curves of tcn"
    assert figure.caption.startswith("SIMULATED")
    fitted, watched = lines["rows fitted on"], lines["tail watched by early stopping"]
    assert [label for label, *_ in fitted] == list(CURVES)
    for (_, x, y), losses in zip(fitted, CURVES.values(), strict=True):
        assert np.array_equal(x, np.arange(1, 61))
        assert np.array_equal(y, losses["train_loss"])
    dots = [(x, y) for _, x, y in watched if len(x) == 1]
    assert [float(x[0]) for x, _ in dots] == [1.0] * len(CURVES)  # the tail's loss rises from the first round on
    assert len(figure.png) < 200_000


def test_models_without_a_watched_tail_or_without_rounds(lines):
    (figure,) = curve_figures("tcn", {"train": {"train_loss": [1.0]}}, simulated=False)
    assert list(lines) == ["rows fitted on"]
    assert not figure.caption.startswith("SIMULATED")
    assert curve_figures("logistic", {"fold_0": {}, "train": {}}, simulated=False) == []
