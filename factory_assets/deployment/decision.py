"""From finished bars to a prediction: the batch functions on the trailing look-back, one row at a time."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from factory_assets.adapters import build_tabular
from factory_assets.deployment.needs import cost_rows, event_rows, feature_rows
from factory_assets.deployment.prediction import Prediction
from factory_assets.deployment.release import Release
from factory_assets.deployment.trailing import TrailingBars
from factory_assets.evaluation.trade_rule import decide, expected_values
from factory_assets.features import compute
from factory_assets.indicators.atr import atr_percent
from factory_assets.labels.costs import decision_costs
from factory_assets.labels.events import cusum_events
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.frames import dates_days, from_us
from factory_assets.vocabulary.timeframes import BASE_MINUTES


class Decider:
    """Predicts at base-bar closes of one release.

    Parameters
    ----------
    release : Release
        What to predict with.
    """

    def __init__(self, release: Release) -> None:
        self._release = release
        self._feature_rows = feature_rows(release)
        self._event_rows = event_rows(release)
        self._cost_rows = cost_rows(release)
        # Last feature row of each timeframe; most timeframes have no new bar at a base-bar close.
        self._last: dict[int, tuple[int, pd.DataFrame]] = {}

    def decide(
        self,
        bars: Mapping[int, TrailingBars],
        decision_us: int,
        session: Sessions,
        *,
        expiry: str,
        late: bool,
        warm: bool,
        traded_minutes: int,
        earlier: Prediction | None,
    ) -> Prediction:
        """Prediction at the close of the last base bar.

        Parameters
        ----------
        bars : mapping of int to TrailingBars
            Bars of each timeframe that closed by ``decision_us``.
        decision_us : int
            Decision time: close of the last base bar, microseconds since 1970 UTC.
        session : Sessions
            The one session the decision lies in.
        expiry, late, warm, traded_minutes, earlier
            Handed through to :class:`factory_assets.deployment.prediction.Prediction`; ``late`` or not ``warm`` means
            side 0.
        """
        release = self._release
        row = self._row(bars, decision_us, session)
        probabilities = release.probabilities(row)
        atr, cost, event = self._market_state(bars[BASE_MINUTES])
        clock_us = session.base_clock_us()
        left = np.searchsorted(clock_us, session.flat_us[0], side="right") - np.searchsorted(
            clock_us, decision_us, side="right"
        )
        eligible = bool(atr > 0 and left >= release.horizon)
        event = event and eligible
        ev_long, ev_short = expected_values(
            probabilities,
            atr=np.array([atr]),
            cost=np.array([cost]),
            m0_long=release.m0_long,
            m0_short=release.m0_short,
            barriers=release.barriers,
        )
        side = 0
        if event and warm and not late:
            side = int(decide(ev_long, ev_short, cost=np.array([cost]), theta=release.theta)[0])
        p_down, p_flat, p_up = (float(value) for value in probabilities[0])
        return Prediction(
            decision_time=from_us(np.array([decision_us]))[0].to_pydatetime(),
            expiry=expiry,
            p_down=p_down,
            p_flat=p_flat,
            p_up=p_up,
            ev_long=float(ev_long[0]),
            ev_short=float(ev_short[0]),
            side=side,
            eligible=eligible,
            event=event,
            late=late,
            warm=warm,
            cost_points=cost,
            atr_points=atr,
            traded_minutes=traded_minutes,
            features=row[0],
            earlier=earlier,
        )

    def _row(self, bars: Mapping[int, TrailingBars], decision_us: int, session: Sessions) -> np.ndarray:
        """Feature row, float32, shape (1, F)."""
        pool = self._release.pool
        for minutes, names in pool.items():
            trailing = bars[minutes]
            known = self._last.get(minutes)
            if known is None or known[0] != trailing.last_close_us:
                values = compute(trailing.frame(self._feature_rows[minutes]), names, minutes=minutes)
                self._last[minutes] = (trailing.last_close_us, values.iloc[-1:])
        tables = {minutes: self._last[minutes][1] for minutes in pool}
        tabular = build_tabular(np.array([decision_us]), session.trade_day, tables, pool)
        # After decision_time and trade_date, the columns are the pool's in its order: the release's.
        return tabular.iloc[:, 2:].to_numpy(dtype=np.float32)

    def _market_state(self, base: TrailingBars) -> tuple[float, float, bool]:
        """ATR in traded points (NaN if there is none), cost in points, and whether the last bar is an event."""
        release = self._release
        frame = base.frame(max(self._cost_rows, self._event_rows))
        priced = frame.iloc[-self._cost_rows :]
        share = atr_percent(priced)
        cost, _ = decision_costs(
            share, dates_days(priced["trade_date"]), release.instrument, release.labels.cost_history_sessions
        )
        atr = share[-1] * base.last("close")
        event = True
        if release.labels.events == "cusum":
            moved = frame.iloc[-self._event_rows :]
            adjusted = moved["close"].to_numpy() * moved["adjustment_ratio"].to_numpy()
            event = bool(
                cusum_events(
                    adjusted,
                    sigma_multiple=release.labels.cusum_sigma_multiple,
                    span_bars=release.labels.cusum_span_bars,
                )[-1]
            )
        return float(atr) if atr > 0 else float("nan"), float(cost[-1]), event
