"""The market's bad-print rule on a live feed: the batch function on each month's last bars."""

from collections import OrderedDict, deque

import numpy as np

from factory_assets.deployment.minute import Minute
from factory_assets.market.expiry import delivery_index_of
from factory_assets.market.quality import SPIKE_SCALE_MIN_TICKS, SPIKE_WINDOW_BARS, MinuteArrays, spikes
from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.timeframes import DAY_US

MONTHS_MAX = 64
# The window before the bar, the bar before the window (its close is part of the first true range), and the bar.
_BARS_KEPT = SPIKE_WINDOW_BARS + 2


class BadPrints:
    """Remembers each month's last valid bars, bad prints among them, as the batch rule sees them.

    Parameters
    ----------
    instrument : Instrument
        Gives the tick size.
    sessions : Sessions
        All sessions of the calendar.
    scale_multiple : float
        Limit of the rule, in robust scales.
    """

    def __init__(self, instrument: Instrument, sessions: Sessions, scale_multiple: float) -> None:
        self._instrument = instrument
        self._sessions = sessions
        self._scale_multiple = scale_multiple
        self._bars: OrderedDict[str, deque[tuple[float, ...]]] = OrderedDict()

    def suspects(self, minute: Minute, open_us: int) -> bool:
        """Whether the bar is a bad print, judged from bars up to and including its minute."""
        bars = self._bars.get(minute.expiry)
        if not bars:
            return False
        # A bad print stands beyond the bar before it by more than the rule's limit, which is never below this one.
        before = bars[-1][4]
        least = self._scale_multiple * SPIKE_SCALE_MIN_TICKS * self._instrument.tick_size
        if max(minute.high - before, before - minute.low) <= least:
            return False
        return self._judged(minute, open_us)

    def remember(self, minute: Minute, open_us: int) -> None:
        """Add a valid bar that follows those of its month."""
        bars = self._bars.setdefault(minute.expiry, deque(maxlen=_BARS_KEPT))
        bars.append(_row(minute, open_us))
        self._bars.move_to_end(minute.expiry)
        if len(self._bars) > MONTHS_MAX:
            self._bars.popitem(last=False)

    def _judged(self, minute: Minute, open_us: int) -> bool:
        blocks = []
        for expiry, bars in self._bars.items():
            rows = [*bars, _row(minute, open_us)] if expiry == minute.expiry else list(bars)
            index = delivery_index_of(expiry, int(rows[-1][0] // DAY_US))
            blocks.append((index, expiry == minute.expiry, rows))
        blocks.sort(key=lambda block: block[0])
        delivery = np.repeat([index for index, _, _ in blocks], [len(rows) for _, _, rows in blocks]).astype(np.int64)
        values = np.array([row for _, _, rows in blocks for row in rows])
        open_times = values[:, 0].astype(np.int64)
        arrays = MinuteArrays(delivery, open_times, np.ascontiguousarray(values[:, 1:5].T), values[:, 5].copy())
        judged = np.cumsum([len(rows) for _, _, rows in blocks])[[own for _, own, _ in blocks].index(True)] - 1
        found = spikes(arrays, self._sessions.locate(open_times), self._instrument, self._scale_multiple)
        return bool(found[judged])


def _row(minute: Minute, open_us: int) -> tuple[float, ...]:
    # Microseconds of this era are below 2**53, so a float holds them exactly.
    return float(open_us), minute.open, minute.high, minute.low, minute.close, minute.volume
