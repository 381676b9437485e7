"""How many trailing bars of each timeframe a release looks back on."""

from collections.abc import Mapping

from factory_assets.deployment.latest_features import stretches_of
from factory_assets.deployment.release import Release
from factory_assets.features.spec import SESSION_MINUTES_MAX
from factory_assets.indicators.atr import PERIOD_BARS, wilder_settle_bars
from factory_assets.labels.events import cusum_settle_bars
from factory_assets.vocabulary.timeframes import BASE_MINUTES


def rows_read(release: Release, minutes: int) -> int:
    """Last rows of a timeframe's features a decision reads: a window's, or the one of the tabular row."""
    sequence = release.sequence
    return sequence.window_bars if sequence is not None and sequence.minutes == minutes else 1


def feature_rows(release: Release) -> Mapping[int, int]:
    """Bars of each timeframe read from which all rows read are the same as from all history."""
    return {
        minutes: max(part.bars for part in stretches_of(names, minutes, rows_read(release, minutes)))
        for minutes, names in release.reads.items()
    }


def event_rows(release: Release) -> int:
    """Base bars from which a CUSUM run fires on the same bars as one over all history; 1 if every bar is an event."""
    if release.labels.events == "all":
        return 1
    return cusum_settle_bars(release.labels.cusum_span_bars) + 1


def cost_rows(release: Release) -> int:
    """Base bars from which ATR and the volatility state behind the cost are the same as from all history.

    The cost ranks ATR% among the sessions before and the current one, however full they are; in front of the oldest
    the average needs bars to settle.
    """
    per_session = -(-SESSION_MINUTES_MAX // BASE_MINUTES)
    return (release.labels.cost_history_sessions + 1) * per_session + wilder_settle_bars(PERIOD_BARS)


def rows_needed(release: Release) -> Mapping[int, int]:
    """Trailing bars of every timeframe a live run keeps, base bars always among them."""
    rows = dict(feature_rows(release))
    rows[BASE_MINUTES] = max(rows.get(BASE_MINUTES, 0), event_rows(release), cost_rows(release))
    return dict(sorted(rows.items()))


def sessions_needed(release: Release) -> int:
    """Full sessions that fill every look-back; where sessions were cut short, more of them are needed."""
    return max(-(-rows * minutes // SESSION_MINUTES_MAX) for minutes, rows in rows_needed(release).items()) + 1
