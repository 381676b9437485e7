"""Each shared check catches the defect it is there for: a model is broken in one way, and the check has to say no."""

import dataclasses

import numpy as np
import pytest

from factory_assets.models import BaseModel, registry
from factory_assets.models.boosting.gradient_lightgbm import LightGbm, _State
from factory_assets.models.checks import CHECKS, resuming
from factory_assets.models.multinomial_model import MultinomialModel
from factory_assets.models.neural import trainer
from factory_assets.models.neural.torch_model import TorchModel
from factory_assets.models.samples import Samples
from factory_assets.vocabulary.errors import FitError, InvariantViolationError


def _caught(check, name):
    with pytest.raises(InvariantViolationError) as refusal:
        CHECKS[check](name)
    return str(refusal.value)


def _wrap_fit(monkeypatch, cls, change):
    original = cls._fit

    def _fit(self, train, evaluation, class_count):
        return original(self, *change(train, evaluation), class_count)

    monkeypatch.setattr(cls, "_fit", _fit)


def test_fit_that_ignores_weights(monkeypatch):
    _wrap_fit(monkeypatch, LightGbm, lambda t, e: (dataclasses.replace(t, weight=np.ones(len(t))), e))
    assert "weight on class 1" in _caught("check_weights_change_the_fit", "lightgbm")


def test_loss_of_the_eval_set_that_ignores_weights(monkeypatch):
    _wrap_fit(monkeypatch, LightGbm, lambda t, e: (t, e and dataclasses.replace(e, weight=np.ones(len(e)))))
    _caught("check_early_stopping_loss_is_weighted", "lightgbm")


def test_eval_set_that_is_trained_on(monkeypatch):
    def _merged(t, e):
        if e is None:
            return t, e
        joined = [np.concatenate([getattr(t, f), getattr(e, f)]) for f in ("features", "target", "weight")]
        return Samples(*joined), e

    _wrap_fit(monkeypatch, LightGbm, _merged)
    _caught("check_early_stopping_watches_its_eval_set_only", "lightgbm")


def test_tail_of_the_model_own_choice(monkeypatch):
    _wrap_fit(monkeypatch, LightGbm, lambda t, _e: (t, t))
    _caught("check_early_stopping_watches_its_eval_set_only", "lightgbm")


def test_prediction_with_all_trees(monkeypatch):
    original = LightGbm._fit

    def _fit(self, train, evaluation, class_count):
        best = original(self, train, evaluation, class_count)
        every = original(self, train, None, class_count)
        return _State(every.booster, best.text)

    monkeypatch.setattr(LightGbm, "_fit", _fit)
    monkeypatch.setattr(LightGbm, "_report", lambda _self, _state: {"best_iteration": 40})
    assert "never" not in _caught("check_early_stopping_watches_its_eval_set_only", "lightgbm")


def test_saved_bytes_of_another_fit(monkeypatch):
    monkeypatch.setattr(MultinomialModel, "_state_files", lambda _self, state: _rounded(state))
    assert "fresh process" in _caught("check_saved_equals_loaded_in_a_fresh_process", "logistic")


def _rounded(state):
    from factory_assets.models.multinomial import multinomial_files

    return multinomial_files(dataclasses.replace(state, coefficients=state.coefficients.round(6)))


def test_class_weights_left_in_the_probabilities(monkeypatch):
    original = MultinomialModel._fit

    def _uncorrected(self, *arguments):
        fitted = original(self, *arguments)
        return dataclasses.replace(fitted, log_prior=np.zeros_like(fitted.log_prior))

    monkeypatch.setattr(MultinomialModel, "_fit", _uncorrected)
    assert "class shares" in _caught("check_probabilities_match_class_shares", "logistic")


def test_columns_in_another_order(monkeypatch):
    original = MultinomialModel._predict
    monkeypatch.setattr(MultinomialModel, "_predict", lambda self, s, x: original(self, s, x)[:, ::-1])
    _caught("check_column_order_follows_the_classes", "logistic")
    _caught("check_learns_a_planted_signal", "logistic")


def test_rows_that_depend_on_their_batch(monkeypatch):
    original = MultinomialModel._predict
    monkeypatch.setattr(MultinomialModel, "_predict", lambda self, s, x: original(self, s, x - x.mean(axis=0)))
    assert "differs from its batch" in _caught("check_row_predicts_alone", "logistic")


def test_order_of_rows_that_matters(monkeypatch):
    monkeypatch.setattr("factory_assets.models.samples.canonical_order", lambda samples: np.arange(len(samples)))
    assert "bitwise" in _caught("check_same_data_same_bytes", "logistic")


def test_fit_that_keeps_what_came_before(monkeypatch):
    original = BaseModel.fit

    def _keeping(self, *arguments, **keywords):
        before = self._fitted
        try:
            return original(self, *arguments, **keywords)
        except KeyboardInterrupt:
            self._fitted = before
            raise

    monkeypatch.setattr(BaseModel, "fit", _keeping)
    assert "interrupted" in _caught("check_interrupted_fit_leaves_nothing", "logistic")


def test_declarations_are_held_to(monkeypatch):
    entry = registry.entry("lightgbm")
    claimed = dataclasses.replace(entry, weights_equal_copies=True, memorising={})
    monkeypatch.setattr(registry.REGISTRY, "_closed", {**registry.REGISTRY._closed, "lightgbm": claimed})
    assert "copies" in _caught("check_weight_k_equals_k_copies", "lightgbm")
    monkeypatch.setattr("factory_assets.models.checks.learning.entry", lambda _name: claimed)
    assert "of 64 rows" in _caught("check_memorises_64_rows", "lightgbm")


def test_network_that_looks_at_its_batch(monkeypatch):
    original = TorchModel._predict

    def _centred(self, state, windows):
        moved = windows.materialised()
        return original(self, state, type(windows).of_array(moved - moved.mean(axis=0)))

    monkeypatch.setattr(TorchModel, "_predict", _centred)
    assert "differs from its batch" in _caught("check_row_predicts_alone", "tcn")


def test_network_whose_last_bits_follow_the_place_in_a_batch(monkeypatch):
    """What kernels do that are chosen by shape: from the third window of a batch on, one bit more."""
    original = TorchModel._predict

    def _by_place(self, state, windows):
        proba = original(self, state, windows)
        proba[2:] = np.nextafter(proba[2:], 1.0)
        return proba

    monkeypatch.setattr(TorchModel, "_predict", _by_place)
    assert "differs from its batch" in _caught("check_row_of_a_small_model_predicts_alone", "tcn")


def test_fit_that_ends_before_it_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(resuming, "_CHILD", "")
    with pytest.raises(InvariantViolationError, match=r"ended by itself \(exit 0\)"):
        resuming.kill_when_checkpointed("tcn", tmp_path / "fit", begun=lambda _: False)


def test_network_whose_class_weights_are_left_in(monkeypatch):
    original = TorchModel._predict

    def _uncorrected(self, state, windows):
        prior = state.tensors["log_prior"]
        changed = {**state.tensors, "log_prior": prior * 0}
        return original(self, dataclasses.replace(state, tensors=changed), windows)

    monkeypatch.setattr(TorchModel, "_predict", _uncorrected)
    assert "class shares" in _caught("check_probabilities_match_class_shares", "tcn")


def test_network_that_sees_the_newest_row_only(monkeypatch):
    original = TorchModel._predict

    def _newest_only(self, state, windows):
        values = windows.materialised()
        values[:, :-1] = 0.0
        return original(self, state, type(windows).of_array(values))

    monkeypatch.setattr(TorchModel, "_predict", _newest_only)
    assert "gain of" in _caught("check_learns_a_planted_signal", "tcn")


def test_watched_loss_of_a_network_that_ignores_weights(monkeypatch):
    _wrap_fit(monkeypatch, TorchModel, lambda t, e: (t, e and dataclasses.replace(e, weight=np.ones(len(e)))))
    _caught("check_early_stopping_loss_is_weighted", "tcn")


def test_last_epoch_instead_of_the_best(monkeypatch):
    monkeypatch.setattr(trainer, "_best_epoch", lambda curves: len(curves["train_loss"]))
    _caught("check_early_stopping_watches_its_eval_set_only", "tcn")


def test_resumed_fit_that_forgets_the_moments(monkeypatch):
    original = trainer._restored

    def _forgetful(network, optimizer, found):
        best = original(network, optimizer, found)
        optimizer.state.clear()
        return best

    monkeypatch.setattr(trainer, "_restored", _forgetful)
    assert "other files" in _caught("check_killed_fit_goes_on", "tcn")


def test_order_of_windows_that_matters(monkeypatch):
    monkeypatch.setattr("factory_assets.models.samples._window_ranks", lambda windows: np.zeros((len(windows), 1)))
    assert "other files" in _caught("check_lazy_windows_equal_dense_arrays", "tcn")


def test_pad_that_is_not_looked_at(monkeypatch):
    monkeypatch.setattr("factory_assets.models.samples._refuse_holes_in_windows", lambda *_: None)
    with pytest.raises(FitError, match="not finite"):  # nothing stops the hole before the loss does
        CHECKS["check_holes_behind_windows_are_refused"]("tcn")


def test_curves_without_the_watched_loss(monkeypatch):
    monkeypatch.setattr(LightGbm, "_curves", lambda _self, _state: {})
    assert "watched_loss" in _caught("check_curves_tell_the_rounds", "lightgbm")
