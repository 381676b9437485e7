"""What the predictor says at one decision."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

_PLAIN = (
    "expiry", "p_down", "p_flat", "p_up", "ev_long", "ev_short", "side", "eligible", "event", "late", "warm",
    "outdated", "cost_points", "atr_points", "traded_minutes",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Probabilities and side of one decision, all known at ``decision_time``.

    Attributes
    ----------
    decision_time : datetime
        Close of the base bar, UTC. A position is entered at the open of the next traded minute.
    expiry : str
        Front month: what a trade would be in.
    p_down, p_flat, p_up : float
        Probabilities that the lower barrier, neither, or the upper barrier is touched first.
    ev_long, ev_short : float
        Expected net outcome of one contract, points; NaN while there is no ATR.
    side : int
        +1 long, -1 short, 0 stay out. Always 0 unless the decision is an event, warm, not late and not outdated.
    eligible : bool
        Enough scheduled base bars remain to flat time, and there is an ATR.
    event : bool
        Eligible and, with CUSUM events, a bar at which the series moved enough.
    late : bool
        Known only a minute or more after ``decision_time`` because the base bar's last minute did not trade: the entry
        minute has passed, so it is not traded.
    warm : bool
        The predictor holds all the history its features look back on.
    outdated : str or None
        Why features are not what batch makes of the same bars: stored parameters of the release, estimated once a
        quarter, do not reach the session. Probabilities then are those of masked cells; a refit brings new parameters.
        None while they hold.
    cost_points : float
        Round-trip cost, points.
    atr_points : float
        ATR(14) of base bars in traded points; NaN while warming up.
    traded_minutes : int
        Minutes of the base bar that traded.
    features : ndarray of float32, shape (F,)
        Unscaled features in the release's column order.
    window : ndarray of float32, shape (T, F), or None
        Unscaled rows the sequence members saw, the newest last, NaN where there is none; None without such members.
    earlier : Prediction or None
        The late decision of the bar before, where one minute closed both.
    """

    decision_time: datetime
    expiry: str
    p_down: float
    p_flat: float
    p_up: float
    ev_long: float
    ev_short: float
    side: int
    eligible: bool
    event: bool
    late: bool
    warm: bool
    outdated: str | None
    cost_points: float
    atr_points: float
    traded_minutes: int
    features: np.ndarray = field(repr=False, compare=False)
    window: np.ndarray | None = field(default=None, repr=False, compare=False)
    earlier: "Prediction | None" = field(default=None, repr=False)

    def to_plain(self, *, features: bool = False) -> dict[str, Any]:
        """Values as JSON takes them: time as ISO text, missing numbers as None, ``window`` and ``earlier`` left out."""
        plain: dict[str, Any] = {"decision_time": self.decision_time.isoformat()}
        for name in _PLAIN:
            value = getattr(self, name)
            plain[name] = None if isinstance(value, float) and math.isnan(value) else value
        if features:
            plain["features"] = [None if np.isnan(value) else float(value) for value in self.features]
        return plain
