"""Traded: the two features that may depend on the price level, because costs and ticks are fixed in points."""

import numpy as np

from factory_assets.features.bars import PRICE_FLOOR_SHARE, Bars
from factory_assets.features.family import FeatureFamily, Output, family
from factory_assets.features.spec import Span
from factory_assets.indicators import high_volatility, wilder_settle_bars
from factory_assets.vocabulary.settings import LabelSettings

GROUP = "traded"
# The history the charged cost ranks by; the settings keep it fixed, so the feature cannot disagree with the charge.
COST_SESSIONS = LabelSettings().cost_history_sessions


@family(
    group=GROUP,
    inputs=("high", "low", "close", "trade_date"),
    outputs=[
        Output(
            name="tick_atr",
            unit="ATR",
            scaling="robust",
            lookback=Span(bars=wilder_settle_bars(14)),
            warmup=Span(bars=14),
        ),
        Output(
            name="cost_atr",
            unit="ATR",
            scaling="robust",
            lookback=Span(sessions=COST_SESSIONS + 2, settle_bars=wilder_settle_bars(14)),
            warmup=Span(bars=14, sessions=COST_SESSIONS + 1),
        ),
    ],
)
def against_costs(bars: Bars) -> tuple[np.ndarray, ...]:
    """One tick, and one round trip at the cost of the bar's volatility state, over ATR14 in traded points.

    ATR in traded points = ATR% of adjusted prices x traded close. The cost is the high one while ATR% ranks above the
    median of as many sessions as the charged cost looks back on.

    References
    ----------
    Specification of the factory, section 1 (costs).
    """
    share = bars.atr / bars.close
    points = np.maximum(share, PRICE_FLOOR_SHARE) * bars.traded_close
    low, high = (bars.instrument.cost_price(high_volatility=state) for state in (False, True))
    cost = np.where(high_volatility(share, bars.trade_day, COST_SESSIONS), high, low)
    # The sessions a rank is taken from have to be complete, and the first one seen may not be. An average that has
    # not settled at their beginning ranks elsewhere: the look-back holds the bars it needs in front of them.
    ranked = bars.session_number > COST_SESSIONS
    return bars.instrument.tick_size / points, np.where(ranked, cost / points, np.nan)


FAMILIES: tuple[FeatureFamily, ...] = (against_costs,)
