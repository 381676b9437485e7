"""The evaluation of one partition and period: all models and baselines on the same decisions, in one table.

The only place where metrics, trade rule, simulator and baselines meet. Pages and plots are drawn from the result by
:mod:`factory_assets.reports`; :mod:`factory_assets.evaluation.invariants` recomputes what is claimed here another way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from factory_assets.evaluation.baselines import (
    CLOCK_ATR_MODELS,
    buy_and_hold,
    majority_probabilities,
    prior_probabilities,
    random_entry,
    up_shares,
)
from factory_assets.evaluation.bootstrap import Estimate, SessionResampler
from factory_assets.evaluation.metrics import (
    ScoredRows,
    SessionOutcomes,
    brier,
    macro_f1,
    probability_metrics,
    row_log_loss,
    skill,
    trading_metrics,
)
from factory_assets.evaluation.simulator import (
    TRADE_COLUMNS,
    PricedDecisions,
    price_decisions,
    rows_at,
    trades_table,
)
from factory_assets.evaluation.trade_rule import choose_theta, decide, expected_values, flat_outcomes
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import dates_days, from_days, times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.settings import Barriers, EvaluationSettings

PERIODS = ("oof", "val", "test", "forward")
PRIOR, MAJORITY, ALWAYS_FLAT, BUY_AND_HOLD, RANDOM_ENTRY = (
    "prior",
    "majority",
    "always_flat",
    "buy_and_hold",
    "random_entry",
)
_HOLD_OUT_FOLD = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationResult:
    """What one evaluation says, with what its plots need.

    Attributes
    ----------
    period : str
        ``oof``, ``val``, ``test`` or ``forward``.
    table : DataFrame
        Schema ``evaluation`` without partition columns: model, period, metric, value, low, high, rows.
    trades : DataFrame
        Schema ``trades`` without partition columns: every trade of every scored model and of the prior.
    theta : dict of str to float
        Threshold by model; chosen here on ``oof``, handed in for every later period.
    m0 : dict of int to tuple of float
        (m0_long, m0_short) by fold, from its training part; key -1 is the whole training period.
    trials : DataFrame
        Candidates tried for theta: model, theta, chosen, trade_date, trades, net_dollars, net_return; empty unless
        thresholds were chosen here.
    daily : DataFrame
        model, trade_date, net_dollars, equity_dollars (start balance plus running net P&L), every session.
    keys_us : ndarray of int64
        Decision times scored, the same for every model.
    """

    period: str
    table: pd.DataFrame
    trades: pd.DataFrame
    theta: dict[str, float]
    m0: dict[int, tuple[float, float]]
    trials: pd.DataFrame
    daily: pd.DataFrame
    keys_us: np.ndarray

    def value(self, model: str, metric: str) -> Estimate:
        """One number of the table.

        Raises
        ------
        BadInputError
            If the table has no such row.
        """
        row = self.table[(self.table["model"] == model) & (self.table["metric"] == metric)]
        if len(row) != 1:
            raise BadInputError(f"evaluation of {self.period}: no row for {model!r} and {metric!r}")
        first = row.iloc[0]
        return Estimate(value=first["value"], low=first["low"], high=first["high"], rows=int(first["rows"]))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    """What all models of one evaluation share; arrays aligned with the decisions."""

    period: str
    rows: pd.DataFrame
    fold: np.ndarray
    session: np.ndarray
    m0: np.ndarray
    priced: PricedDecisions
    sessions: Sessions
    instrument: Instrument
    barriers: Barriers
    settings: EvaluationSettings
    theta: Mapping[str, float] | None
    resampler: SessionResampler


@dataclass(kw_only=True)
class _Book:
    """What accumulates while models are evaluated one after the other."""

    estimates: list[tuple[str, str, Estimate]] = field(default_factory=list)
    trades: list[pd.DataFrame] = field(default_factory=list)
    trials: list[pd.DataFrame] = field(default_factory=list)
    daily: list[tuple[str, np.ndarray]] = field(default_factory=list)
    theta: dict[str, float] = field(default_factory=dict)

    def add(self, model: str, metrics: Mapping[str, Estimate]) -> None:
        self.estimates += [(model, metric, estimate) for metric, estimate in metrics.items()]


def evaluate(
    predictions: Mapping[str, pd.DataFrame],
    *,
    period: str,
    labels: pd.DataFrame,
    splits: pd.DataFrame,
    bars_1min: pd.DataFrame,
    sessions: Sessions,
    instrument: Instrument,
    barriers: Barriers,
    settings: EvaluationSettings,
    theta: Mapping[str, float] | None = None,
    m0: Mapping[int, tuple[float, float]] | None = None,
) -> EvaluationResult:
    """Score all models of a partition on one period.

    Parameters
    ----------
    predictions : mapping of str to DataFrame
        By model, schema ``oof_<model>`` (or ``stack``): decision_time, fold, p_down, p_flat, p_up, label. All models
        hold the same decisions. The two clock + ATR fits enter under :data:`CLOCK_ATR_MODELS`; with neither there is
        no skill.
    period : str
        ``oof`` (training decisions, each predicted by a fit that never saw it), ``val``, ``test`` or ``forward``.
    labels : DataFrame
        Schema ``labels`` (for ``test``: the opened outcomes with the training labels), increasing decision times.
    splits : DataFrame
        Schema ``splits``: whose training part each fold has. Needed for the prior and, without ``m0``, for m0.
    bars_1min : DataFrame
        Traded minutes of the period, schema ``bars_1min``.
    sessions : Sessions
        **Exactly the sessions of the period**: those without a trade count as zero in every daily figure.
    instrument, barriers : Instrument, Barriers
        Dollars, cost, geometry.
    settings : EvaluationSettings
        Candidates for theta, resamples, confidence, start balance, seed.
    theta : mapping of str to float, optional
        Thresholds chosen on ``oof``. Required for every other period, where choosing one would be peeking.
    m0 : mapping of int to tuple, optional
        (m0_long, m0_short) by fold; from the training parts if absent.

    Raises
    ------
    BadInputError
        Models on different decisions, decisions outside the sessions or without a label, labels that differ from the
        predictions' own, an unknown period, thresholds missing after ``oof``.
    """
    _check_request(predictions, period, theta)
    keys_us, fold = _shared_keys(predictions)
    rows = rows_at(labels, keys_us)
    train_rows = _train_rows(labels, splits, np.unique(fold))
    m0_of = {number: flat_outcomes(part) for number, part in train_rows.items()} if m0 is None else dict(m0)
    scene = _Scene(
        period=period,
        rows=rows,
        fold=fold,
        session=_session_of(rows, sessions, period),
        m0=_m0_by_row(m0_of, fold),
        priced=price_decisions(rows, bars_1min, barriers),
        sessions=sessions,
        instrument=instrument,
        barriers=barriers,
        settings=settings,
        theta=theta,
        resampler=SessionResampler.of(
            len(sessions), resamples=settings.resamples, confidence=settings.confidence, seed=settings.seed
        ),
    )
    train_labels = {number: part["label"].to_numpy(dtype=np.int8) for number, part in train_rows.items()}
    prior = prior_probabilities(fold, train_labels)
    scored = {name: _scored(frame, name, scene, up_shares(prior)) for name, frame in predictions.items()}
    scored[PRIOR] = replace(next(iter(scored.values())), probabilities=prior)
    book = _Book()
    for name, model_rows in scored.items():
        book.add(name, probability_metrics(model_rows, scene.resampler))
        trades = _trade(book, scene, name, model_rows)
        if name != PRIOR and name not in CLOCK_ATR_MODELS:
            _add_random_entry(book, scene, name, trades)
    _add_skill(book, scored, scene.resampler)
    _add_fixed_baselines(book, scene, scored[PRIOR], bars_1min)
    return EvaluationResult(
        period=period,
        table=_table(book, period),
        trades=_trades(book),
        theta=book.theta,
        m0=m0_of,
        trials=_trials(book),
        daily=_daily(book, sessions, settings.account_dollars),
        keys_us=keys_us,
    )


def _check_request(predictions: Mapping[str, pd.DataFrame], period: str, theta: Mapping[str, float] | None) -> None:
    if period not in PERIODS:
        raise BadInputError(f"evaluation period {period!r}: expected one of {PERIODS}")
    if period != "oof" and theta is None:
        raise BadInputError(f"evaluation of {period}: hand over the thresholds chosen on oof; none is chosen here")
    if not predictions:
        raise BadInputError("evaluation: no predictions; materialize at least one model")
    taken = {PRIOR, MAJORITY, ALWAYS_FLAT, BUY_AND_HOLD}
    clash = sorted(name for name in predictions if name in taken or name.startswith(RANDOM_ENTRY))
    if clash:
        raise BadInputError(f"evaluation: {clash} are names of baselines; register these models under others")


def _trade(book: _Book, scene: _Scene, name: str, rows: ScoredRows) -> pd.DataFrame:
    """Trades of one model under its threshold, which is chosen here if none was handed in."""
    values = expected_values(
        rows.probabilities,
        atr=scene.rows["atr"].to_numpy(dtype=np.float64),
        cost=scene.priced.cost,
        m0_long=scene.m0[:, 0],
        m0_short=scene.m0[:, 1],
        barriers=scene.barriers,
    )
    if scene.theta is None:
        choice = choose_theta(
            *values,
            scene.priced,
            thetas=scene.settings.thetas,
            trade_day=scene.sessions.trade_day,
            instrument=scene.instrument,
            account_dollars=scene.settings.account_dollars,
        )
        book.theta[name] = choice.theta
        choice.trials.insert(0, "model", name)
        book.trials.append(choice.trials)
    elif name in scene.theta:
        book.theta[name] = float(scene.theta[name])
    else:
        raise BadInputError(
            f"evaluation of {scene.period}: no threshold for {name!r}; oof chose for {sorted(scene.theta)}"
        )
    trades = trades_table(
        decide(*values, cost=scene.priced.cost, theta=book.theta[name]), scene.priced, scene.instrument
    )
    session = np.searchsorted(scene.sessions.trade_day, dates_days(trades["trade_date"]))
    outcomes = SessionOutcomes.of_trades(trades["net_dollars"].to_numpy(), session, len(scene.sessions))
    book.add(name, trading_metrics(outcomes, scene.resampler))
    book.daily.append((name, outcomes.net_dollars))
    trades.insert(0, "model", name)
    trades.insert(1, "period", scene.period)
    book.trades.append(trades)
    return trades


def _add_random_entry(book: _Book, scene: _Scene, name: str, trades: pd.DataFrame) -> None:
    random = random_entry(
        scene.priced,
        trades=len(trades),
        long_share=float((trades["side"] > 0).mean()) if len(trades) else 0.5,
        session=scene.session,
        instrument=scene.instrument,
        resampler=scene.resampler,
        seed=scene.settings.seed,
    )
    book.add(f"{RANDOM_ENTRY}_{name}", random.metrics)
    book.daily.append((f"{RANDOM_ENTRY}_{name}", random.daily_dollars))


def _shared_keys(predictions: Mapping[str, pd.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    names = list(predictions)
    keys = {name: times_us(predictions[name]["decision_time"], f"{name}.decision_time") for name in names}
    reference = keys[names[0]]
    if len(reference) == 0 or np.any(np.diff(reference) <= 0):
        raise BadInputError(f"evaluation: {names[0]} has to hold at least one decision, in increasing time order")
    other = {n: (len(np.setdiff1d(reference, k)), len(np.setdiff1d(k, reference))) for n, k in keys.items()}
    wrong = {n: counts for n, counts in other.items() if counts != (0, 0) or len(keys[n]) != len(reference)}
    if wrong:
        raise BadInputError(
            f"evaluation: all models have to score the same decisions as {names[0]} ({len(reference)}); "
            f"(lacking, extra) by model: {wrong}. Rematerialize the models from one splits table."
        )
    if any(np.any(np.diff(k) <= 0) for k in keys.values()):
        raise BadInputError("evaluation: predictions have to be in increasing time order, one row a decision")
    folds = {name: predictions[name]["fold"].to_numpy(dtype=np.int64) for name in names}
    odd = [name for name in names if not np.array_equal(folds[name], folds[names[0]])]
    if odd:
        raise BadInputError(f"evaluation: {odd} use other folds than {names[0]} for the same decisions")
    return reference, folds[names[0]]


def _scored(frame: pd.DataFrame, name: str, scene: _Scene, up_share: np.ndarray) -> ScoredRows:
    label = scene.rows["label"].to_numpy(dtype=np.int8)
    if "label" in frame.columns and not np.array_equal(frame["label"].to_numpy(dtype=np.int8), label):
        raise BadInputError(f"evaluation: {name} carries other labels than the labels table; rematerialize the model")
    probabilities = frame[["p_down", "p_flat", "p_up"]].to_numpy(dtype=np.float64)
    return ScoredRows(
        probabilities=probabilities, label=label, fold=scene.fold, session=scene.session, up_share=up_share
    )


def _session_of(rows: pd.DataFrame, sessions: Sessions, period: str) -> np.ndarray:
    day = dates_days(rows["trade_date"])
    index = np.searchsorted(sessions.trade_day, day)
    inside = index < len(sessions)
    inside &= sessions.trade_day[np.minimum(index, max(len(sessions) - 1, 0))] == day if len(sessions) else False
    if not inside.all():
        raise BadInputError(
            f"evaluation of {period}: {int((~inside).sum())} decisions outside the period's {len(sessions)} sessions, "
            f"first {rows['decision_time'].iloc[int(np.flatnonzero(~inside)[0])]}"
        )
    return index.astype(np.int64)


def _train_rows(labels: pd.DataFrame, splits: pd.DataFrame, folds: np.ndarray) -> dict[int, pd.DataFrame]:
    parts = {}
    for fold in folds.tolist():
        if fold == _HOLD_OUT_FOLD:
            chosen = splits[(splits["scheme"] == "hold_out") & (splits["role"] == "train")]
        else:
            chosen = splits[(splits["scheme"] == "purged_kfold") & (splits["fold"] == fold)]
            chosen = chosen[chosen["role"] == "train"]
        keys = np.sort(times_us(chosen["decision_time"], "splits.decision_time"))
        if len(keys) == 0:
            raise BadInputError(f"evaluation: splits hold no training part for fold {fold}")
        parts[fold] = rows_at(labels, keys)
    return parts


def _m0_by_row(m0: Mapping[int, tuple[float, float]], fold: np.ndarray) -> np.ndarray:
    missing = sorted(set(np.unique(fold).tolist()) - set(m0))
    if missing:
        raise BadInputError(f"evaluation: m0 lacks folds {missing}; it has {sorted(m0)}")
    out = np.empty((len(fold), 2))
    for number, pair in m0.items():
        out[fold == number] = pair
    return out


def _add_skill(book: _Book, scored: Mapping[str, ScoredRows], resampler: SessionResampler) -> None:
    baselines = {name: scored[name] for name in CLOCK_ATR_MODELS if name in scored}
    if not baselines:
        return
    # The better of the two on these very rows: the harder opponent, chosen before any model is looked at.
    best = min(baselines, key=lambda name: float(row_log_loss(baselines[name]).mean()))
    for name, rows in scored.items():
        book.add(name, {"skill_log_loss": skill(rows, baselines[best], resampler)})


def _add_fixed_baselines(book: _Book, scene: _Scene, prior: ScoredRows, bars_1min: pd.DataFrame) -> None:
    majority = replace(prior, probabilities=majority_probabilities(prior.probabilities))
    book.add(MAJORITY, {"macro_f1": macro_f1(majority, scene.resampler), "brier": brier(majority, scene.resampler)})
    held = buy_and_hold(bars_1min, scene.sessions.trade_day, scene.instrument)
    flat = SessionOutcomes.of_trades(np.zeros(0), np.zeros(0, dtype=np.int64), len(scene.sessions))
    for name, outcomes in ((ALWAYS_FLAT, flat), (BUY_AND_HOLD, held)):
        book.add(name, trading_metrics(outcomes, scene.resampler))
        book.daily.append((name, outcomes.net_dollars))


def _table(book: _Book, period: str) -> pd.DataFrame:
    columns = {
        "model": [model for model, _, _ in book.estimates],
        "period": period,
        "metric": [metric for _, metric, _ in book.estimates],
        "value": np.array([e.value for _, _, e in book.estimates], dtype=np.float64),
        "low": np.array([e.low for _, _, e in book.estimates], dtype=np.float64),
        "high": np.array([e.high for _, _, e in book.estimates], dtype=np.float64),
        "rows": np.array([e.rows for _, _, e in book.estimates], dtype=np.int64),
    }
    return pd.DataFrame(columns).sort_values(["model", "period", "metric"], ignore_index=True)


def _trades(book: _Book) -> pd.DataFrame:
    frames = [frame for frame in book.trades if len(frame)]
    if not frames:
        return book.trades[0][["model", "period", *TRADE_COLUMNS]]
    return pd.concat(frames, ignore_index=True).sort_values(["model", "period", "decision_time"], ignore_index=True)


def _trials(book: _Book) -> pd.DataFrame:
    if book.trials:
        return pd.concat(book.trials, ignore_index=True)
    names = ("model", "theta", "chosen", "trade_date", "trades", "net_dollars", "net_return")
    return pd.DataFrame({name: [] for name in names})


def _daily(book: _Book, sessions: Sessions, account_dollars: float) -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            {
                "model": name,
                "trade_date": from_days(sessions.trade_day),
                "net_dollars": net,
                "equity_dollars": account_dollars + np.cumsum(net),
            }
        )
        for name, net in book.daily
    ]
    return pd.concat(frames, ignore_index=True)
