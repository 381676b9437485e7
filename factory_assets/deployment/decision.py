"""From finished bars to a prediction: the batch functions on the trailing look-back, one row at a time."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from factory_assets.deployment.inputs import inputs_of
from factory_assets.deployment.needs import cost_rows, event_rows, rows_read, stretches
from factory_assets.deployment.prediction import Prediction
from factory_assets.deployment.release import SEQUENCE, TABULAR, Inputs, Release
from factory_assets.deployment.trailing import TrailingBars
from factory_assets.evaluation.trade_rule import decide, expected_values
from factory_assets.features.bars import Bars
from factory_assets.features.compute import evaluate
from factory_assets.features.registry import registry
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
        self._stretches = {minutes: stretches(release, minutes) for minutes in release.reads}
        self._event_rows = event_rows(release)
        self._cost_rows = cost_rows(release)
        # Last feature rows of each timeframe; most timeframes have no new bar at a base-bar close.
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
        inputs = self._inputs(bars, decision_us, session)
        probabilities = release.probabilities(inputs)
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
            features=np.asarray(inputs[TABULAR])[0],
            window=np.asarray(inputs[SEQUENCE])[0] if SEQUENCE in inputs else None,
            earlier=earlier,
        )

    def _inputs(self, bars: Mapping[int, TrailingBars], decision_us: int, session: Sessions) -> Inputs:
        """Row and window of one decision, by the batch functions on the last rows of each timeframe."""
        for minutes in self._stretches:
            trailing = bars[minutes]
            known = self._last.get(minutes)
            if known is None or known[0] != trailing.last_close_us:
                self._last[minutes] = (trailing.last_close_us, self._last_rows(trailing))
        tables = {minutes: table for minutes, (_, table) in self._last.items()}
        return inputs_of(self._release, np.array([decision_us]), session.trade_day, tables)

    def _last_rows(self, trailing: TrailingBars) -> pd.DataFrame:
        """The last feature rows of one timeframe that a decision reads.

        What :func:`factory_assets.features.compute` does, without the table of the rows that nobody reads.
        """
        parts = self._stretches[trailing.minutes]
        bars = Bars.from_frame(trailing.frame(max(part.bars for part in parts)), trailing.minutes)
        # every stretch ends with the same bar and holds all rows read, or all bars there are
        read = slice(-min(rows_read(self._release, trailing.minutes), len(bars)), None)
        columns: dict[str, np.ndarray] = {}
        for part in parts:
            values = evaluate(bars.rows(max(0, len(bars) - part.bars), len(bars)), registry().families, part.names)
            columns |= {name: values[name][read] for name in part.names}
        table = pd.DataFrame(np.column_stack([*columns.values()]), columns=[*columns], copy=False)
        table.insert(0, "close_time", from_us(bars.close_us[read]))
        return table

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
