"""Volume and VWAP: how much is traded against what is usual, on which side, and where the session's average price is.

Belongs here: contract counts and prices weighted by them. Does not: price impact and spreads
(:mod:`factory_assets.features.microstructure`).
"""

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import money_flow, ratio, same_slot_mean, session_vwap
from factory_assets.features.spec import Span
from factory_assets.indicators import rolling_mean, rolling_mean_std, rolling_sum, wilder_settle_bars

GROUP = "volume"
NORM_SESSIONS = 20
_ATR_BARS = wilder_settle_bars(14)


@family(
    group=GROUP,
    inputs=("volume",),
    outputs=[
        Output(name="volume_ratio_20", unit="log", scaling="robust", lookback=Span(bars=20)),
        Output(name="volume_ratio_5_60", unit="log", scaling="robust", lookback=Span(bars=60)),
        Output(name="volume_z_20", unit="sigma", scaling="robust", lookback=Span(bars=20)),
    ],
)
def relative_volume(bars: Bars) -> tuple[np.ndarray, ...]:
    """ln((1 + volume) / (1 + mean of 20 bars)); the same for means of 5 and of 60; and (volume - mean20) / sigma20.

    The one contract added keeps a bar without trades finite. z is 0 where the volume does not vary.

    References
    ----------
    Karpoff (1987), The Relation Between Price Changes and Trading Volume, JFQA 22, pp. 109-126.
    """
    mean, deviation = rolling_mean_std(bars.volume, 20, ddof=0)
    short, long = rolling_mean(bars.volume, 5), rolling_mean(bars.volume, 60)
    return (
        np.log((1.0 + bars.volume) / (1.0 + mean)),
        np.log((1.0 + short) / (1.0 + long)),
        ratio(bars.volume - mean, deviation, 0.0),
    )


@family(
    group=GROUP,
    inputs=("volume", "close_time", "trade_date"),
    outputs=[
        Output(
            name="volume_vs_same_minute_20s",
            unit="log",
            scaling="robust",
            lookback=Span(sessions=NORM_SESSIONS + 1),
        )
    ],
)
def seasonal_volume(bars: Bars) -> np.ndarray:
    """ln((1 + volume) / (1 + mean volume of the same bin of the 20 sessions before)); a bin without a bar counts 0.

    References
    ----------
    Bialkowski, Darolles and Le Fol (2008), Improving VWAP Strategies, Journal of Banking and Finance 32, pp. 1709-1722.
    """
    slots = int(bars.slot.max()) + 1
    usual = same_slot_mean(bars.volume, bars.slot, bars.session_number, slots, NORM_SESSIONS)
    return np.log((1.0 + bars.volume) / (1.0 + usual))


@family(
    group=GROUP,
    inputs=("high", "low", "close", "volume"),
    outputs=[
        Output(name="obv_slope_20", unit="share", scaling="minmax", lookback=Span(bars=21)),
        Output(name="chaikin_flow_20", unit="share", scaling="minmax", lookback=Span(bars=20)),
        Output(name="mfi_14", unit="0-100", scaling="minmax", lookback=Span(bars=15)),
    ],
)
def flow(bars: Bars) -> tuple[np.ndarray, ...]:
    """Which side the volume is on.

    obv_slope: volume signed by the close's move, over 20 bars, / volume. chaikin_flow: volume x (2 x close location
    - 1) over 20 bars / volume. mfi: 100 x rising / (rising + falling) typical price x volume over 14 bars (TA-Lib's MFI
    with ties within 1e-9 counted as neither). Where nothing was traded 0, 0 and 50.

    References
    ----------
    Granville (1963), New Key to Stock Market Profits (on-balance volume); Kaufman (2013), Trading Systems and Methods,
    5th ed., chapter 12 (Chaikin's accumulation); Quong and Soudack (1989), Volume-Weighted RSI: Money Flow, Technical
    Analysis of Stocks and Commodities 7(3).
    """
    traded = rolling_sum(bars.volume, 20)
    signed = rolling_sum(bars.move_sign * bars.volume, 20)
    located = rolling_sum((2.0 * bars.close_location - 1.0) * bars.volume, 20)
    money = money_flow((bars.high + bars.low + bars.close) / 3.0, bars.volume)
    return (
        ratio(signed, traded, 0.0),
        ratio(located, traded, 0.0),
        100.0 * ratio(rolling_sum(np.maximum(money, 0.0), 14), rolling_sum(np.abs(money), 14), 0.5),
    )


@family(
    group=GROUP,
    inputs=("high", "low", "close", "volume"),
    outputs=[
        Output(
            name="force_index_13_atr",
            unit="ATR",
            scaling="robust",
            lookback=Span(bars=_ATR_BARS + 13),
            warmup=Span(bars=31),
        )
    ],
)
def force(bars: Bars) -> np.ndarray:
    """13-bar mean of (close - previous close) / ATR14 x volume / mean volume of 20 bars (at least one contract).

    References
    ----------
    Elder (1993), Trading for a Living, chapter on the force index (simple mean and relative units here).
    """
    change = np.full(len(bars), np.nan)
    change[1:] = np.diff(bars.close)
    relative = bars.volume / np.maximum(rolling_mean(bars.volume, 20), 1.0)
    return rolling_mean(change / bars.yardstick * relative, 13)


@family(
    group=GROUP,
    inputs=("high", "low", "close", "volume", "trade_date"),
    outputs=[
        Output(name=name, unit=unit, scaling="robust", lookback=Span(bars=_ATR_BARS, sessions=1))
        for name, unit in (("vwap_distance_atr", "ATR"), ("vwap_z", "sigma"))
    ],
)
def session_average_price(bars: Bars) -> tuple[np.ndarray, ...]:
    """(close - VWAP) / ATR14, and / the volume-weighted deviation from VWAP (at least ATR14 / 4), since session open.

    VWAP weighs typical prices (high + low + close) / 3 by volume; the typical price itself while nothing has traded.

    References
    ----------
    Berkowitz, Logue and Noser (1988), The Total Cost of Transactions on the NYSE, Journal of Finance 43, pp. 97-112.
    """
    mean, deviation = session_vwap((bars.high + bars.low + bars.close) / 3.0, bars.volume, bars.session_number)
    away = bars.close - mean
    return away / bars.yardstick, away / np.maximum(deviation, 0.25 * bars.yardstick)


FAMILIES: tuple[FeatureFamily, ...] = (relative_volume, seasonal_volume, flow, force, session_average_price)
