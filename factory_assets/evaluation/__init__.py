"""What a model's numbers are worth: from probabilities to trades, metrics with intervals, baselines, significance.

Belongs here: the trade rule, the simulator, session-bootstrap intervals, metrics, baselines, the evaluation table,
Sharpe significance, the sealed test's values and its ledger. Does not: fitting anything (the clock + ATR baseline is
fitted by :mod:`factory_assets.stacking`), the walk of prices to a barrier (:mod:`factory_assets.labels.path`), pages
and plots (:mod:`factory_assets.reports`).
"""

from factory_assets.evaluation.baselines import (
    CLOCK_ATR_FEATURES,
    CLOCK_ATR_MODELS,
    clock_atr_features,
    minutes_to_flat,
)
from factory_assets.evaluation.bootstrap import Estimate, SessionResampler
from factory_assets.evaluation.report_table import EvaluationResult, evaluate
from factory_assets.evaluation.simulator import simulate
from factory_assets.evaluation.trade_rule import choose_theta, decide, expected_values, flat_outcomes

__all__ = [
    "CLOCK_ATR_FEATURES",
    "CLOCK_ATR_MODELS",
    "Estimate",
    "EvaluationResult",
    "SessionResampler",
    "choose_theta",
    "clock_atr_features",
    "decide",
    "evaluate",
    "expected_values",
    "flat_outcomes",
    "minutes_to_flat",
    "simulate",
]
