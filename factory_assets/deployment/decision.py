"""From finished bars to a prediction: the batch functions on the trailing look-back, one row at a time."""

from collections.abc import Mapping

import numpy as np

from factory_assets.deployment.inputs import inputs_of
from factory_assets.deployment.latest_features import LatestFeatures
from factory_assets.deployment.needs import cost_rows, event_rows, rows_read
from factory_assets.deployment.prediction import Prediction
from factory_assets.deployment.release import SEQUENCE, TABULAR, Release
from factory_assets.deployment.trailing import TrailingBars
from factory_assets.evaluation.trade_rule import decide, expected_values
from factory_assets.features.regime_table import RegimeTable
from factory_assets.labels.costs import decision_costs
from factory_assets.labels.events import cusum_events
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.frames import from_us
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
        rows = {minutes: rows_read(release, minutes) for minutes in release.reads}
        self._features = LatestFeatures(release.contract, release.reads, rows, release.regimes)
        self._event_rows = event_rows(release)
        self._cost_rows = cost_rows(release)

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
            side 0, as do parameters of the release that have run out.
        """
        release = self._release
        outdated = release.outdated(int(session.trade_day[0]))
        inputs = inputs_of(release, np.array([decision_us]), self._features.at(bars))
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
        if event and warm and not late and outdated is None:
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
            outdated=outdated,
            cost_points=cost,
            atr_points=atr,
            traded_minutes=traded_minutes,
            features=np.asarray(inputs[TABULAR])[0],
            window=np.asarray(inputs[SEQUENCE])[0] if SEQUENCE in inputs else None,
            earlier=earlier,
        )

    def _market_state(self, base: TrailingBars) -> tuple[float, float, bool]:
        """ATR in traded points (NaN if there is none), cost in points, and whether the last bar is an event."""
        release = self._release
        nothing = RegimeTable(contract=release.contract, minutes=BASE_MINUTES, quarters=())
        priced = base.bars(self._cost_rows, nothing)
        # what atr_percent is, without the table
        share = priced.atr / priced.close
        cost, _ = decision_costs(share, priced.trade_day, release.instrument, release.labels.cost_history_sessions)
        atr = share[-1] * priced.traded_close[-1]
        event = True
        if release.labels.events == "cusum":
            event = bool(
                cusum_events(
                    base.bars(self._event_rows, nothing).close,
                    sigma_multiple=release.labels.cusum_sigma_multiple,
                    span_bars=release.labels.cusum_span_bars,
                )[-1]
            )
        return float(atr) if atr > 0 else float("nan"), float(cost[-1]), event
