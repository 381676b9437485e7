"""Volume and VWAP: how much is traded against what is usual, on which side, and where the session's average price is.

Belongs here: contract counts and prices weighted by them. Does not: price impact and spreads
(:mod:`factory_assets.features.microstructure`). Sessions and their bins are the contract's: counted from the session's
open, they keep to its exchange's clock through daylight saving, and end with an early close.
"""

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.kernels import money_flow, ratio, session_vwap
from factory_assets.features.spec import Span
from factory_assets.features.volume_kernels import accumulated_slope, change_since, session_totals, slot_norms
from factory_assets.indicators import (
    rolling_covariance,
    rolling_mean_std,
    rolling_regression,
    rolling_sum,
    wilder_settle_bars,
)
from factory_assets.vocabulary.timeframes import MINUTE_US

GROUP = "volume"
NORM_SESSIONS = 20
_ATR_BARS = wilder_settle_bars(14)
_UP_SHARE_BARS = (10, 60)


@family(
    group=GROUP,
    inputs=("volume",),
    outputs=[
        Output(name="volume_ratio_20", unit="log", scaling="robust", lookback=Span(bars=20)),
        Output(name="volume_ratio_5_60", unit="log", scaling="robust", lookback=Span(bars=60)),
        Output(name="volume_z_20", unit="sigma", scaling="robust", lookback=Span(bars=20)),
        Output(name="volume_trend_60", unit="share per bar", scaling="robust", lookback=Span(bars=60)),
        Output(name="volume_variation_60", unit="1", scaling="robust", lookback=Span(bars=60)),
    ],
)
def relative_volume(bars: Bars) -> tuple[np.ndarray, ...]:
    """ln((1 + volume) / (1 + mean of 20 bars)); the same for means of 5 and of 60; and (volume - mean20) / sigma20.

    The one contract added keeps a bar without trades finite. z is 0 where the volume does not vary. trend: slope of the
    least-squares line through the volumes of 60 bars / their mean; variation: their standard deviation / mean, low
    when trading is steady and high when it comes in bursts; both 0 where nothing was traded.

    References
    ----------
    Karpoff (1987), The Relation Between Price Changes and Trading Volume, JFQA 22, pp. 109-126.
    """
    mean, deviation = rolling_mean_std(bars.volume, 20, ddof=0)
    long, long_deviation = rolling_mean_std(bars.volume, 60, ddof=0)
    slope, _ = rolling_regression(bars.volume, 60)
    return (
        np.log((1.0 + bars.volume) / (1.0 + mean)),
        np.log((1.0 + rolling_sum(bars.volume, 5) / 5.0) / (1.0 + long)),
        ratio(bars.volume - mean, deviation, 0.0),
        ratio(slope, long, 0.0),
        ratio(long_deviation, long, 0.0),
    )


@family(
    group=GROUP,
    inputs=("volume", "close_time", "trade_date"),
    outputs=[
        Output(name=name, unit="log", scaling="robust", lookback=Span(sessions=NORM_SESSIONS + 1))
        for name in ("volume_vs_same_minute_20s", "session_volume_vs_norm_20s")
    ],
)
def seasonal_volume(bars: Bars) -> tuple[np.ndarray, ...]:
    """ln((1 + volume) / (1 + mean volume of the same bin of the 20 sessions before)); the same of the sums since open.

    Of the 20 only sessions whose schedule has the bin count: afternoons are not measured against half days. A scheduled
    bin without a bar counts 0. 0 where none of them has the bin.

    References
    ----------
    Bialkowski, Darolles and Le Fol (2008), Improving VWAP Strategies, Journal of Banking and Finance 32, pp. 1709-1722.
    """
    length_us = (bars.sessions.close_us - bars.sessions.open_us)[bars.session_index]
    scheduled = -(-length_us // (bars.minutes * MINUTE_US))
    usual, so_far, usual_so_far = slot_norms(bars.volume, bars.slot, bars.session_number, scheduled, NORM_SESSIONS)
    return np.log((1.0 + bars.volume) / (1.0 + usual)), np.log((1.0 + so_far) / (1.0 + usual_so_far))


@family(
    group=GROUP,
    inputs=("high", "low", "close", "volume", "trade_date"),
    outputs=[
        Output(
            name="dollar_volume_ratio_1s_20s",
            unit="log",
            scaling="robust",
            lookback=Span(sessions=NORM_SESSIONS + 2),
        )
    ],
)
def dollar_volume(bars: Bars) -> np.ndarray:
    """ln(dollar volume of the previous session / mean of the 20 sessions before it), known from the session's open on.

    Dollar volume = sum of typical price (high + low + close) / 3 x volume; one contract at the close is added to both.
    Of whole sessions, because within hours the price hardly moves: over bars it would be the volume ratio again.

    References
    ----------
    Chordia, Subrahmanyam and Anshuman (2001), Trading Activity and Expected Stock Returns, Journal of Financial
    Economics 59, pp. 3-32 (dollar volume).
    """
    last, usual = session_totals(_typical(bars) * bars.volume, bars.session_number, NORM_SESSIONS)
    return np.log((bars.close + last) / (bars.close + usual))


@family(
    group=GROUP,
    inputs=("high", "low", "close", "volume"),
    outputs=[
        Output(name="obv_slope_20", unit="share", scaling="minmax", lookback=Span(bars=21)),
        *(
            Output(name=f"up_volume_share_{k}", unit="share", scaling="minmax", lookback=Span(bars=k + 1))
            for k in _UP_SHARE_BARS
        ),
        Output(name="chaikin_flow_20", unit="share", scaling="minmax", lookback=Span(bars=20)),
        Output(name="ad_slope_60", unit="1", scaling="robust", lookback=Span(bars=60)),
        Output(name="mfi_14", unit="0-100", scaling="minmax", lookback=Span(bars=15)),
    ],
)
def flow(bars: Bars) -> tuple[np.ndarray, ...]:
    """Which side the volume is on.

    obv_slope: volume signed by the close's move, over 20 bars, / volume. up_volume_share: volume of rising / that of
    rising and falling bars. chaikin_flow: volume x (2 x close location - 1) over 20 bars / volume. ad_slope: slope a
    bar of the least-squares line through the sum of that (accumulation/distribution) over 60 bars / mean volume. mfi:
    100 x rising / (rising + falling) typical price x volume over 14 bars (TA-Lib's MFI with ties within 1e-9 counted as
    neither). Where nothing was traded 0, 0.5, 0, 0 and 50.

    References
    ----------
    Granville (1963), New Key to Stock Market Profits (on-balance volume, up and down volume); Kaufman (2013), Trading
    Systems and Methods, 5th ed., chapter 12 (Chaikin's accumulation); Quong and Soudack (1989), Volume-Weighted RSI:
    Money Flow, Technical Analysis of Stocks and Commodities 7(3).
    """
    traded = rolling_sum(bars.volume, 20)
    signed = bars.move_sign * bars.volume
    rising = np.maximum(signed, 0.0)
    located = (2.0 * bars.close_location - 1.0) * bars.volume
    money = money_flow(_typical(bars), bars.volume)
    moved = np.abs(signed)
    return (
        ratio(rolling_sum(signed, 20), traded, 0.0),
        *(ratio(rolling_sum(rising, k), rolling_sum(moved, k), 0.5) for k in _UP_SHARE_BARS),
        ratio(rolling_sum(located, 20), traded, 0.0),
        ratio(accumulated_slope(located, 60), rolling_sum(bars.volume, 60) / 60.0, 0.0),
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
        ),
        Output(
            name="ease_of_movement_14_atr",
            unit="squared ATR",
            scaling="robust",
            lookback=Span(bars=_ATR_BARS + 14),
            warmup=Span(bars=32),
        ),
        Output(
            name="vwma_distance_20_atr",
            unit="ATR",
            scaling="robust",
            lookback=Span(bars=_ATR_BARS),
            warmup=Span(bars=19),
        ),
    ],
)
def force(bars: Bars) -> tuple[np.ndarray, ...]:
    """Volume behind the moves, in ATR14 and relative to the mean volume of 20 bars.

    force_index: 13-bar mean of (close - previous close) / ATR14 x volume / mean volume (at least one contract).
    ease_of_movement: 14-bar mean of (middle - previous middle) / ATR14 x (high - low) / ATR14 / ((1 + volume) / (1 +
    mean volume)), middle = (high + low) / 2. vwma_distance: (volume-weighted - simple mean of 20 closes) / ATR14,
    positive when the volume was traded high; 0 where nothing was traded.

    References
    ----------
    Elder (1993), Trading for a Living, chapter on the force index (simple mean and relative units here); Arms (1996),
    Trading Without Fear (ease of movement); Kaufman (2013), Trading Systems and Methods, 5th ed., chapter 12
    (volume-weighted moving average).
    """
    usual = rolling_sum(bars.volume, 20) / 20.0
    change, lift = np.full(len(bars), np.nan), np.full(len(bars), np.nan)
    change[1:] = np.diff(bars.close)
    lift[1:] = np.diff(0.5 * (bars.high + bars.low))
    forces = change / bars.yardstick * (bars.volume / np.maximum(usual, 1.0))
    eases = lift / bars.yardstick * (bars.range / bars.yardstick) * ((1.0 + usual) / (1.0 + bars.volume))
    # The weighted mean exceeds the simple one by the covariance of price and weight over the mean weight.
    together, _, _ = rolling_covariance(bars.close, bars.volume, 20, ddof=0)
    return rolling_sum(forces, 13) / 13.0, rolling_sum(eases, 14) / 14.0, ratio(together, usual, 0.0) / bars.yardstick


@family(
    group=GROUP,
    inputs=("high", "low", "close", "volume", "trade_date"),
    outputs=[
        Output(name=name, unit=unit, scaling="robust", lookback=Span(bars=_ATR_BARS, sessions=1))
        for name, unit in (("vwap_distance_atr", "ATR"), ("vwap_z", "sigma"), ("vwap_slope_10_atr", "ATR"))
    ],
)
def session_average_price(bars: Bars) -> tuple[np.ndarray, ...]:
    """(close - VWAP) / ATR14, and / the volume-weighted deviation from VWAP (at least ATR14 / 4), since session open.

    VWAP weighs typical prices (high + low + close) / 3 by volume; the typical price itself while nothing has traded.
    vwap_slope: (VWAP - VWAP 10 bars before) / ATR14, from the session's first bar while it is younger.

    References
    ----------
    Berkowitz, Logue and Noser (1988), The Total Cost of Transactions on the NYSE, Journal of Finance 43, pp. 97-112.
    """
    mean, deviation = session_vwap(_typical(bars), bars.volume, bars.session_number)
    away = bars.close - mean
    return (
        away / bars.yardstick,
        away / np.maximum(deviation, 0.25 * bars.yardstick),
        change_since(mean, bars.session_number, 10) / bars.yardstick,
    )


def _typical(bars: Bars) -> np.ndarray:
    return (bars.high + bars.low + bars.close) / 3.0


FAMILIES: tuple[FeatureFamily, ...] = (
    relative_volume,
    seasonal_volume,
    dollar_volume,
    flow,
    force,
    session_average_price,
)
