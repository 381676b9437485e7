"""Microstructure, from volume: who traded, how lopsided it was, how it persists and how fast it came.

Belongs here: volume classified into bought and sold, its memory and its pace. Does not: impact and spreads
(:mod:`factory_assets.features.microstructure`, the other half of the group), volume compared with its own usual size
(:mod:`factory_assets.features.volume`).
"""

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import lagged, ratio
from factory_assets.features.microstructure_kernels import bulk_imbalance, session_share
from factory_assets.features.spec import Span
from factory_assets.features.statistical_kernels import correlations
from factory_assets.indicators import rolling_covariance, rolling_sum
from factory_assets.vocabulary.timeframes import MINUTE_US

GROUP = "microstructure"
_DEVIATION_BARS = 20
_FLOW_BARS = (5, 20, 60)
_VPIN_BARS = 50
_LAGS = (1, 5)
_PAIRS = 60
_MEDIAN_BARS = 60


@family(
    group=GROUP,
    inputs=("close", "volume"),
    outputs=[
        Output(name=name, unit="share", scaling="minmax", lookback=Span(bars=window + _DEVIATION_BARS))
        for name, window in (*((f"flow_imbalance_{k}", k) for k in _FLOW_BARS), (f"vpin_{_VPIN_BARS}", _VPIN_BARS))
    ],
)
def order_flow(bars: Bars) -> tuple[np.ndarray, ...]:
    """Order flow by bulk classification: a bar's buy share is Phi(log return / root mean square return of 20 bars).

    flow_imbalance: bought - sold over k bars / volume. vpin: |bought - sold| over 50 bars / volume (a proxy: bars of
    time instead of equal volume). Each 0 where nothing was traded.

    References
    ----------
    Easley, Lopez de Prado and O'Hara (2012), Flow Toxicity and Liquidity, Review of Financial Studies 25,
    pp. 1457-1493 (bulk classification, VPIN); Chordia, Roll and Subrahmanyam (2002), Order Imbalance, Liquidity, and
    Market Returns, Journal of Financial Economics 65, pp. 111-130.
    """
    net = _net_volume(bars)
    imbalances = [ratio(rolling_sum(net, k), rolling_sum(bars.volume, k), 0.0) for k in _FLOW_BARS]
    unsigned = rolling_sum(np.abs(net), _VPIN_BARS)
    return *imbalances, ratio(unsigned, rolling_sum(bars.volume, _VPIN_BARS), 0.0)


@family(
    group=GROUP,
    inputs=("close", "volume", "trade_date"),
    outputs=[
        Output(
            name="session_flow_imbalance",
            unit="share",
            scaling="minmax",
            lookback=Span(sessions=1, settle_bars=_DEVIATION_BARS),
            warmup=Span(sessions=1, settle_bars=_DEVIATION_BARS),
        )
    ],
)
def session_flow(bars: Bars) -> np.ndarray:
    """Bought - sold since the session's open / the session's volume so far, by bulk classification; 0 before any trade.

    A bar's buy share is Phi(log return / root mean square return of 20 bars), which may reach into the session before.

    References
    ----------
    Chordia, Roll and Subrahmanyam (2002), Order Imbalance, Liquidity, and Market Returns, Journal of Financial
    Economics 65, pp. 111-130; Easley, Lopez de Prado and O'Hara (2012), Review of Financial Studies 25, pp. 1457-1493.
    """
    return session_share(_net_volume(bars), bars.volume, bars.session_number)


@family(
    group=GROUP,
    inputs=("close", "volume"),
    outputs=[
        Output(name=name, unit="1", scaling="minmax", lookback=Span(bars=_PAIRS + lag + _MEDIAN_BARS - 1))
        for name, lag in (
            *((f"signed_volume_autocorrelation_{lag}_60", lag) for lag in _LAGS),
            ("signed_volume_return_correlation_1_60", 1),
        )
    ],
)
def signed_volume(bars: Bars) -> tuple[np.ndarray, ...]:
    """Memory of order flow over 60 pairs of bars; signed volume = volume / median of 60 bars, signed by the move.

    autocorrelation: its correlation with the one k bars before: positive while large orders are worked. return
    correlation: that of the log return with the signed volume one bar before: positive while prices are still adjusting
    to the flow, negative while they bounce. 0 where either does not vary.

    References
    ----------
    Hasbrouck (1991), Measuring the Information Content of Stock Trades, Journal of Finance 46, pp. 179-207; Lillo and
    Farmer (2004), The Long Memory of the Efficient Market, Studies in Nonlinear Dynamics and Econometrics 8(3);
    Chordia and Subrahmanyam (2004), Order Imbalance and Individual Stock Returns, Journal of Financial
    Economics 72, pp. 485-518.
    """
    signed = bars.move_sign * bars.relative_volume
    memory = [correlations(*rolling_covariance(signed, lagged(signed, lag), _PAIRS, ddof=0)) for lag in _LAGS]
    response = correlations(*rolling_covariance(bars.log_return, lagged(signed, 1), _PAIRS, ddof=0))
    return *memory, response


@family(
    group=GROUP,
    inputs=("volume", "open_time", "close_time"),
    outputs=[Output(name="trade_intensity_60", unit="log", scaling="robust", lookback=Span(bars=_MEDIAN_BARS))],
)
def intensity(bars: Bars) -> np.ndarray:
    """ln((1 + pace) / (1 + median volume of 60 bars)), pace = contracts in a full bar's length.

    That is volume x timeframe / length of the bar, so that the short last bar of a session counts for what it is. The
    one contract added keeps a bar without trades finite.

    References
    ----------
    Dufour and Engle (2000), Time and the Price Impact of a Trade, Journal of Finance 55, pp. 2467-2498; Engle and
    Russell (1998), Autoregressive Conditional Duration, Econometrica 66, pp. 1127-1162.
    """
    share = (bars.close_us - bars.open_us) / (bars.minutes * MINUTE_US)
    return np.log((1.0 + bars.volume / share) / (1.0 + bars.median_volume_60))


def _net_volume(bars: Bars) -> np.ndarray:
    """Bought minus sold contracts of each bar; NaN in the first 20 rows."""
    deviation = np.sqrt(rolling_sum(bars.log_return**2, _DEVIATION_BARS) / _DEVIATION_BARS)
    return bulk_imbalance(bars.log_return, deviation, bars.volume)


FAMILIES: tuple[FeatureFamily, ...] = (order_flow, session_flow, signed_volume, intensity)
