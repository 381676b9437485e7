"""The evaluation made a second time: trades replayed in plain Python, metrics in pandas and scikit-learn.

For :mod:`factory_assets.evaluation.invariants` only. Belongs here: what an evaluation should have said, from the stored
labels, splits and probabilities. Nothing of the trade rule, the simulator, the bootstrap or the metric functions may be
imported here: a fault in them would then be repeated instead of found. Shared are constants and the stored labels.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import numpy as np
import pandas as pd

from factory_assets.evaluation.metrics import PROBABILITY_FLOOR, SCORE_DECIMALS, SESSIONS_PER_YEAR
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.settings import Barriers

# An expected value this close to its hurdle, points, may fall on either side of it by rounding.
ROUNDING_POINTS = 1e-9
PROBABILITIES = ("p_down", "p_flat", "p_up")
PROBABILITY_METRICS = ("log_loss", "brier", "macro_f1", "direction_auc", "direction_skill")
TRADING_METRICS = ("net_pnl_dollars", "sharpe_annual", "max_drawdown_dollars", "trades")
_HOLD_OUT_FOLD = -1
_STORED = ("label", "t1", "atr", "cost", "net_long", "net_short")


@dataclass(frozen=True, kw_only=True)
class TrainingPart:
    """What the training part of one fold says; all of it known before the fold is scored.

    Attributes
    ----------
    shares : tuple of float
        Shares of the labels -1, 0 and +1.
    m0 : tuple of float
        Mean gross outcome of class 0 for a long and for a short, ATR; zeros without a row of class 0.
    """

    shares: tuple[float, float, float]
    m0: tuple[float, float]

    @property
    def up_share(self) -> float:
        """Share of up among the touched labels, one half if none touched."""
        down, _, up = self.shares
        return up / (up + down) if up + down > 0 else 0.5


def training_parts(outcomes: pd.DataFrame, splits: pd.DataFrame, folds: Iterable[int]) -> dict[int, TrainingPart]:
    """Training part of each fold, from prices rather than from the net outcomes the trade rule reads.

    Parameters
    ----------
    outcomes : DataFrame
        Eligible rows of schema ``labels``.
    splits : DataFrame
        Schema ``splits``.
    folds : iterable of int
        Folds scored; -1 is the whole training period.

    Returns
    -------
    dict of int to TrainingPart
        Folds whose training part is empty are absent.
    """
    parts = {}
    trained = splits[splits["role"] == "train"].merge(outcomes, on="decision_time")
    for fold in folds:
        hold_out = fold == _HOLD_OUT_FOLD
        rows = trained[trained["scheme"] == ("hold_out" if hold_out else "purged_kfold")]
        rows = rows if hold_out else rows[rows["fold"] == fold]
        if len(rows) == 0:
            continue
        flat = rows[rows["label"] == 0]
        long, short = flat["exit_long"] - flat["entry_price"], flat["entry_price"] - flat["exit_short"]
        m0 = (float((long / flat["atr"]).mean()), float((short / flat["atr"]).mean())) if len(flat) else (0.0, 0.0)
        down, nothing, up = (float((rows["label"] == outcome).mean()) for outcome in (-1, 0, 1))
        parts[int(fold)] = TrainingPart(shares=(down, nothing, up), m0=m0)
    return parts


def with_outcomes(frame: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Probabilities beside the stored outcome of each decision, in time order; NaN where there is none.

    Parameters
    ----------
    frame : DataFrame
        decision_time, fold, p_down, p_flat, p_up; a label it carries is not read.
    outcomes : DataFrame
        Eligible rows of schema ``labels``.
    """
    own = frame[["decision_time", "fold", *PROBABILITIES]].astype(dict.fromkeys(PROBABILITIES, np.float64))
    joined = own.merge(outcomes[["decision_time", *_STORED]], on="decision_time", how="left")
    return joined.sort_values("decision_time", ignore_index=True)


def of_prior(rows: pd.DataFrame, parts: Mapping[int, TrainingPart], *, certain: bool = False) -> pd.DataFrame:
    """The same decisions with the class shares of their training part as probabilities.

    Parameters
    ----------
    rows : DataFrame
        From :func:`with_outcomes`; every fold has a part.
    parts : mapping of int to TrainingPart
        From :func:`training_parts`.
    certain : bool
        All probability on the most frequent class instead; the lower class if two are as frequent.
    """
    shares = {fold: list(part.shares) for fold, part in parts.items()}
    if certain:
        first = {fold: values.index(max(values)) for fold, values in shares.items()}
        shares = {fold: [float(k == at) for k in range(3)] for fold, at in first.items()}
    columns = {
        name: rows["fold"].map({fold: v[k] for fold, v in shares.items()}) for k, name in enumerate(PROBABILITIES)
    }
    return rows.assign(**columns)


class Chance(NamedTuple):
    """One decision as the replay sees it; the last three are of its future."""

    decision_us: int
    cost: float
    ev_long: float
    ev_short: float
    exit_us: int
    net_long: float
    net_short: float


class Entry(NamedTuple):
    """One trade the rule takes: decision, side and stored net outcome in points."""

    decision_us: int
    side: int
    net_points: float


def chances(rows: pd.DataFrame, m0: Mapping[int, tuple[float, float]], barriers: Barriers) -> tuple[list[Chance], int]:
    """Expected values written out from the specification, and how many decisions have none.

    Parameters
    ----------
    rows : DataFrame
        From :func:`with_outcomes`.
    m0 : mapping of int to tuple of float
        (m0_long, m0_short) by fold, ATR.
    barriers : Barriers
        Distances in ATR.

    Returns
    -------
    list of Chance
        In time order.
    int
        Decisions without label, exit, finite probabilities or an m0 of their fold.
    """
    found, unusable = [], 0
    moments = zip(times_us(rows["decision_time"]).tolist(), times_us(rows["t1"]).tolist(), strict=True)
    for row, (decision_us, exit_us) in zip(rows.itertuples(index=False), moments, strict=True):
        for_long, for_short = m0.get(int(row.fold), (float("nan"), float("nan")))
        up, down = row.p_up * barriers.k_up * row.atr, row.p_down * barriers.k_down * row.atr
        ev_long = up - down + row.p_flat * for_long * row.atr - row.cost
        ev_short = down - up + row.p_flat * for_short * row.atr - row.cost
        if not isfinite(ev_long + ev_short + row.net_long + row.net_short) or exit_us <= decision_us:
            unusable += 1
            continue
        found.append(Chance(decision_us, row.cost, ev_long, ev_short, exit_us, row.net_long, row.net_short))
    return found, unusable


def replay(decisions: Sequence[Chance], theta: float, booked: Mapping[int, int] | None = None) -> list[Entry]:
    """Trades of one account: the larger expected value above theta x cost, one position at a time.

    A signal while a trade is open is ignored; a decision at or after its exit may enter.

    Parameters
    ----------
    decisions : sequence of Chance
        In time order.
    theta : float
        Threshold, in round-trip costs.
    booked : mapping of int to int, optional
        Side by decision time of the trades under test. Read only where rounding alone decides
        (:data:`ROUNDING_POINTS`).
    """
    entries: list[Entry] = []
    free_from: int | None = None
    for chance in decisions:
        if free_from is not None and chance.decision_us < free_from:
            continue
        side = _side(chance, theta * chance.cost, (booked or {}).get(chance.decision_us, 0))
        if side:
            entries.append(Entry(chance.decision_us, side, chance.net_long if side > 0 else chance.net_short))
            free_from = chance.exit_us
    return entries


def _side(chance: Chance, hurdle: float, booked: int) -> int:
    best, gap = max(chance.ev_long, chance.ev_short), chance.ev_long - chance.ev_short
    if best < hurdle - ROUNDING_POINTS:
        return 0
    clear = (1 if gap > 0 else -1) if gap != 0 and best > hurdle else 0
    if best > hurdle + ROUNDING_POINTS and abs(gap) > ROUNDING_POINTS:
        return clear
    near = {0, *((1,) if gap >= -ROUNDING_POINTS else ()), *((-1,) if gap <= ROUNDING_POINTS else ())}
    return booked if booked in near else clear


def earned_most(decisions: Sequence[Chance], theta: float, thetas: Sequence[float], slack_points: float) -> bool:
    """Whether no candidate earned more than ``theta``, and no larger one the same with the same trades.

    Parameters
    ----------
    decisions : sequence of Chance
        Of the training period, predicted out of fold.
    theta : float
        Threshold chosen.
    thetas : sequence of float
        Candidates; False if ``theta`` is none of them.
    slack_points : float
        Rounding allowed a decision.
    """
    books = {float(candidate): replay(decisions, float(candidate)) for candidate in thetas}
    if theta not in books:
        return False
    totals = {candidate: sum(entry.net_points for entry in book) for candidate, book in books.items()}
    larger_alike = any(candidate > theta and book == books[theta] for candidate, book in books.items())
    return not larger_alike and totals[theta] >= max(totals.values()) - slack_points * max(1, len(decisions))


@dataclass(frozen=True, kw_only=True, eq=False)
class SecondPath:
    """The evaluation made a second time; every mapping by model is by scored model, the prior included.

    Attributes
    ----------
    parts : dict of int to TrainingPart
        By fold.
    lacking : list of int
        Scored folds without training part.
    rows : dict of str to DataFrame
        Probabilities beside the stored outcomes (:func:`with_outcomes`).
    chances : dict of str to list of Chance
        Expected values by decision.
    entries : dict of str to list of Entry
        The trades that should have been taken.
    unusable : int
        Decisions that could not be replayed, over all models.
    """

    parts: dict[int, TrainingPart]
    lacking: list[int]
    rows: dict[str, pd.DataFrame]
    chances: dict[str, list[Chance]]
    entries: dict[str, list[Entry]]
    unusable: int

    @property
    def trades(self) -> int:
        """Number of trades that should have been taken."""
        return sum(len(entries) for entries in self.entries.values())

    @classmethod
    def of(
        cls,
        predictions: Mapping[str, pd.DataFrame],
        outcomes: pd.DataFrame,
        splits: pd.DataFrame,
        *,
        trades: pd.DataFrame,
        theta: Mapping[str, float],
        m0: Mapping[int, tuple[float, float]],
        barriers: Barriers,
        prior: str,
    ) -> "SecondPath":
        """Replay every model of one evaluation.

        Parameters
        ----------
        predictions : mapping of str to DataFrame
            Probabilities by model, at least one.
        outcomes : DataFrame
            Eligible rows of schema ``labels``.
        splits : DataFrame
            Schema ``splits``.
        trades : DataFrame
            Schema ``trades``, under test: read only where rounding decides.
        theta : mapping of str to float
            Thresholds claimed; a model without one takes no trade here.
        m0 : mapping of int to tuple of float
            Class-0 outcomes claimed.
        barriers : Barriers
            Distances in ATR.
        prior : str
            Name under which the prior is scored.
        """
        folds = sorted({int(fold) for frame in predictions.values() for fold in frame["fold"].unique()})
        parts = training_parts(outcomes, splits, folds)
        rows = {name: with_outcomes(frame, outcomes) for name, frame in predictions.items()}
        rows[prior] = of_prior(next(iter(rows.values())), parts)
        made: dict[str, list[Chance]] = {}
        entries: dict[str, list[Entry]] = {}
        unusable = 0
        for name, frame in rows.items():
            made[name], lost = chances(frame, m0, barriers)
            unusable += lost
            book = trades[trades["model"] == name]
            booked = dict(zip(times_us(book["decision_time"]).tolist(), book["side"].tolist(), strict=True))
            entries[name] = replay(made[name], theta[name], booked) if name in theta else []
        lacking = sorted(set(folds) - set(parts))
        return cls(parts=parts, lacking=lacking, rows=rows, chances=made, entries=entries, unusable=unusable)


def probability_values(rows: pd.DataFrame, parts: Mapping[int, TrainingPart]) -> dict[str, float]:
    """Log loss, Brier, macro F1 and direction of one model.

    Where a probability is 0 the metric's own definition holds: log loss floors it, direction reads no touch at all as
    one half and clips the share of up, so that no row is left out. All NaN if a row has no label or no probability.

    Parameters
    ----------
    rows : DataFrame
        From :func:`with_outcomes`.
    parts : mapping of int to TrainingPart
        Every fold's.
    """
    from sklearn.metrics import f1_score

    if not rows[[*PROBABILITIES, "label"]].notna().all(axis=None):
        return dict.fromkeys(PROBABILITY_METRICS, float("nan"))
    label, named = rows["label"], dict(zip(PROBABILITIES, (-1, 0, 1), strict=True))
    came_true = rows["p_flat"].where(label == 0, rows["p_up"].where(label == 1, rows["p_down"]))
    squares = sum((rows[name] - (label == outcome)) ** 2 for name, outcome in named.items())
    predicted = rows[list(PROBABILITIES)].idxmax(axis=1).map(named)
    f1 = f1_score(label.astype(int), predicted, labels=[-1, 0, 1], average="macro", zero_division=0.0)
    auc = _direction(rows[label != 0], parts)
    return {
        "log_loss": float(-np.log(came_true.clip(lower=PROBABILITY_FLOOR)).mean()),
        "brier": float(squares.mean()),
        "macro_f1": float(f1),
        "direction_auc": auc,
        "direction_skill": auc - 0.5,
    }


def _direction(touched: pd.DataFrame, parts: Mapping[int, TrainingPart]) -> float:
    """Mann-Whitney statistic from ranks of the odds of up over those of the training part; NaN without a pair."""
    up, ups = touched["label"] == 1, int((touched["label"] == 1).sum())
    pairs = ups * (len(touched) - ups)
    if not pairs:
        return float("nan")
    share = (touched["p_up"] / (touched["p_up"] + touched["p_down"])).fillna(0.5)
    base = touched["fold"].map({fold: part.up_share for fold, part in parts.items()})
    rank = (_log_odds(share) - _log_odds(base)).round(SCORE_DECIMALS).rank(method="average")
    return float((rank[up].sum() - ups * (ups + 1) / 2) / pairs)


def _log_odds(share: pd.Series) -> pd.Series:
    inside = share.clip(lower=PROBABILITY_FLOOR, upper=1.0 - 1e-12)
    return np.log(inside / (1.0 - inside))


def trading_values(trades: pd.DataFrame, days: pd.DatetimeIndex) -> dict[str, float]:
    """Net P&L, Sharpe, drawdown and number of trades of one account.

    Parameters
    ----------
    trades : DataFrame
        Schema ``trades``, one model; may be empty.
    days : DatetimeIndex
        Every session of the period; those without a trade are zeros.
    """
    daily = trades.groupby("trade_date")["net_dollars"].sum().reindex(days, fill_value=0.0).to_numpy(dtype=np.float64)
    equity = np.r_[0.0, trades.sort_values("exit_time")["net_dollars"].to_numpy(dtype=np.float64).cumsum()]
    # The table calls what rounding may have left of a constant no variation.
    varies = len(daily) > 1 and ((daily - daily.mean()) ** 2).sum() > 1e-12 * (daily**2).sum()
    return {
        "net_pnl_dollars": float(equity[-1]),
        "sharpe_annual": float(SESSIONS_PER_YEAR**0.5 * daily.mean() / daily.std(ddof=1)) if varies else float("nan"),
        "max_drawdown_dollars": float((np.maximum.accumulate(equity) - equity).max()),
        "trades": float(len(trades)),
    }
