"""Every feature stays finite where markets are least like themselves: no volume, no movement, one trade, after a gap.

Each situation is put into an ordinary market behind the longest warm-up of the catalogue and the first quarter with
regime parameters, so that every feature has values of its own before it, in it and after it; and once more it is all
the history there is.
"""

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest

from factory_assets.features import catalogue, compute
from factory_assets.features.description import span_text
from factory_assets.features.spec import Span
from factory_assets.vocabulary.frames import dates_days, times_us
from factory_assets.vocabulary.timeframes import MINUTE_US

from .feature_worlds import frame_of, sessions_of

SPECS = catalogue()
WIDTHS = (5, 60)
# Longer than every window in bars, so that windows lie in a stretch whole.
STRETCH_BARS = 320
TICK = 0.1
# Regime parameters need 120 sessions before a quarter; the second half of 2023 is the first to have them.
WARMUP_SESSIONS = max(132, *(-(-spec.warmup_bars(60) // 23) for spec in SPECS))


@cache
def ordinary(width):
    """A market without incident, all its bars there, and the row the incident begins at."""
    before = WARMUP_SESSIONS + 1
    after = -(-2 * STRETCH_BARS * width // 1380) + 8
    calendar = sessions_of("MGC", before + after)
    times = [np.arange(a, b, width * MINUTE_US) for a, b in zip(calendar.open_us, calendar.close_us, strict=True)]
    day = np.repeat(calendar.trade_day, [len(each) for each in times]).astype(np.int32)
    opened = np.concatenate(times)
    closed = np.minimum(opened + width * MINUTE_US, np.repeat(calendar.close_us, [len(each) for each in times]))
    rng = np.random.default_rng(width)
    size = 2e-4 * np.sqrt(width) * np.exp(0.4 * np.sin(np.arange(len(opened)) / 300.0))
    close = 1900.0 * np.exp(np.cumsum(rng.standard_t(4, len(opened)) * size * 0.6))
    first = np.r_[1900.0, close[:-1]]
    high = np.maximum(first, close) * (1.0 + np.abs(rng.standard_normal(len(opened))) * size * 0.4)
    low = np.minimum(first, close) * (1.0 - np.abs(rng.standard_normal(len(opened))) * size * 0.4)
    prices = {
        name: np.round(each / TICK) * TICK
        for name, each in {"open": first, "high": high, "low": low, "close": close}.items()
    }
    volume = rng.poisson(40.0 * np.exp(0.7 * rng.standard_normal(len(opened)))).astype(float)
    frame = frame_of("MGC", opened, closed, day, prices, volume, np.ones(len(opened)))
    begin = int(np.searchsorted(day, calendar.trade_day[before - 1])) + 3
    assert begin >= max(spec.warmup_bars(width) for spec in SPECS)
    assert begin + STRETCH_BARS + 30 < len(frame)
    return frame, begin


def at_one_price(frame, rows, price):
    for name in ("open", "high", "low", "close"):
        frame.loc[rows, name] = price
    return frame


def zero_volume(frame, rows):
    return frame.assign(volume=np.where(frame.index.isin(rows), 0.0, frame["volume"]))


def flat(frame, rows):
    return at_one_price(frame, rows, frame["close"].iloc[rows[0]])


def flat_without_volume(frame, rows):
    return zero_volume(flat(frame, rows), rows)


def single_trades(frame, rows):
    """One contract a bar, at one price: open = high = low = close, moving from bar to bar."""
    frame.loc[rows, "volume"] = 1.0
    return at_one_price(frame, rows, frame["close"].iloc[rows].to_numpy())


def bid_ask_bounce(frame, rows):
    """Single trades a tick apart, in turn: each move undoes the last."""
    frame.loc[rows, "volume"] = 1.0
    return at_one_price(frame, rows, 1900.0 + TICK * (np.arange(len(rows)) % 2))


def moved_after(frame, kept, factor):
    """Without the bars that are not kept, prices moved by a factor from the first one missing on."""
    later = np.arange(len(frame)) >= int(np.argmin(kept))
    for name in ("open", "high", "low", "close"):
        frame[name] = np.where(later, np.round(frame[name] * factor / TICK) * TICK, frame[name])
    return frame[kept].reset_index(drop=True)


def gap_inside_a_session(frame, rows):
    """From the fifth bar of a session on a third of it is missing; the price is elsewhere when it comes back."""
    day = dates_days(frame["trade_date"])
    of_session = np.flatnonzero(day == day[rows[STRETCH_BARS // 2]])
    kept = np.ones(len(frame), dtype=bool)
    kept[of_session[4 : 4 + len(of_session) // 3]] = False
    return moved_after(frame, kept, 0.97)


def gap_over_a_weekend(frame, rows):
    """Friday's last hours and Monday's first are missing, and the price is elsewhere on Monday."""
    day = dates_days(frame["trade_date"])
    monday = next(d for d in np.unique(day[rows[0] :])[1:] if (d + 3) % 7 == 0)
    begin = int(np.flatnonzero(day == monday)[0])
    kept = np.ones(len(frame), dtype=bool)
    kept[begin - 3 : begin + 2] = False
    assert times_us(frame["open_time"])[begin] - times_us(frame["close_time"])[begin - 1] > 40 * 60 * MINUTE_US
    return moved_after(frame, kept, 1.04)


def sessions_of_one_bar(frame, rows):
    """Three sessions in a row with a single bar each, and one without any between them."""
    day = dates_days(frame["trade_date"])
    kept = np.ones(len(frame), dtype=bool)
    for k, each in enumerate(np.unique(day[rows[0] :])[1:5]):
        of_session = np.flatnonzero(day == each)
        kept[of_session] = False
        kept[of_session[len(of_session) // 2]] = k != 2
    return frame[kept].reset_index(drop=True)


SITUATIONS = (
    zero_volume,
    flat,
    flat_without_volume,
    single_trades,
    bid_ask_bounce,
    gap_inside_a_session,
    gap_over_a_weekend,
    sessions_of_one_bar,
)


@cache
def values_in(situation, width):
    frame, begin = ordinary(width)
    made = situation(frame.copy(), np.arange(begin, begin + STRETCH_BARS))
    return compute(made, minutes=width), begin


def unusable(values, spec, width):
    """Rows after the warm-up, and infinite ones before, that no model could take."""
    column = values[spec.name].to_numpy()
    wrong = ~np.isfinite(column)
    wrong[: spec.warmup_bars(width)] = np.isinf(column[: spec.warmup_bars(width)])
    return np.flatnonzero(wrong).tolist()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_finite_in_every_hostile_situation(spec):
    for situation in SITUATIONS:
        for width in WIDTHS:
            values, begin = values_in(situation, width)
            bad = unusable(values, spec, width)
            assert bad == [], (
                f"{spec.name}, {situation.__name__}, {width} min: rows {bad[:5]} (the situation begins at row {begin}, "
                f"warm-up {span_text(spec.warmup)})"
            )


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_situation_is_there_and_every_feature_has_a_value_before_it(situation, width):
    frame, begin = ordinary(width)
    made = situation(frame.copy(), np.arange(begin, begin + STRETCH_BARS))
    values, _ = values_in(situation, width)
    assert values[[spec.name for spec in SPECS]].iloc[begin - 1].notna().all()
    assert values["hmm_is_known"].iloc[begin - 1] == 1.0
    inside = made.iloc[begin : begin + STRETCH_BARS]
    one_price = (inside["high"] == inside["low"]).all()
    if situation in {flat, flat_without_volume}:
        assert inside["close"].nunique() == 1
    if situation in {single_trades, bid_ask_bounce}:
        assert one_price
        assert inside["close"].nunique() > 1
        assert (inside["volume"] == 1.0).all()
    if situation in {zero_volume, flat_without_volume}:
        assert (inside["volume"] == 0.0).all()
    if situation is gap_inside_a_session:
        assert largest_gap_bars(made, width, same_session=True) >= 7
    if situation is gap_over_a_weekend:
        assert largest_gap_bars(made, width, same_session=False) > 40 * 60 / width
    if situation is sessions_of_one_bar:
        assert sorted(made.groupby("trade_date").size())[:3] == [1, 1, 1]


def largest_gap_bars(frame, width, *, same_session):
    opened, closed, day = times_us(frame["open_time"]), times_us(frame["close_time"]), dates_days(frame["trade_date"])
    gap = (opened[1:] - closed[:-1]) / (width * MINUTE_US)
    return gap[(day[1:] == day[:-1]) == same_session].max()


@pytest.mark.parametrize(
    "situation", [zero_volume, flat, flat_without_volume, single_trades, bid_ask_bounce], ids=lambda each: each.__name__
)
def test_finite_where_there_was_never_anything_else(situation):
    frame, _ = ordinary(60)
    values = compute(situation(frame.copy(), np.arange(len(frame))), minutes=60)
    found = {spec.name: unusable(values, spec, 60)[:5] for spec in SPECS if unusable(values, spec, 60)}
    assert found == {}


NAIVE = {
    "close location": (lambda f: (f["close"] - f["low"]) / (f["high"] - f["low"]), (flat, single_trades)),
    "move a contract": (lambda f: f["close"].diff() / f["volume"], (zero_volume, flat_without_volume)),
    "rank of a bar in its session": (
        lambda f: f["close"] / f.groupby("trade_date")["close"].transform("std"),
        (sessions_of_one_bar,),
    ),
}


@pytest.mark.parametrize("name", NAIVE)
def test_a_formula_without_a_neutral_value_is_caught(name):
    formula, situations = NAIVE[name]
    frame, begin = ordinary(60)
    naive = dataclasses.replace(SPECS[0], name=name, warmup=Span(bars=1))
    assert unusable(pd.DataFrame({name: formula(frame)}), naive, 60) == []
    with np.errstate(all="ignore"):
        for situation in situations:
            made = situation(frame.copy(), np.arange(begin, begin + STRETCH_BARS))
            assert unusable(pd.DataFrame({name: formula(made)}), naive, 60), situation.__name__


def test_minutes_of_one_trade_among_ordinary_ones_leave_every_feature_finite():
    """One-minute bars, most of them a single trade, some of no volume, with minutes missing: a quiet night."""
    calendar = sessions_of("MGC", 30)
    rng = np.random.default_rng(5)
    times = np.concatenate(
        [np.arange(a, b, MINUTE_US) for a, b in zip(calendar.open_us, calendar.close_us, strict=True)]
    )
    day = np.repeat(calendar.trade_day, (calendar.close_us - calendar.open_us) // MINUTE_US).astype(np.int32)
    kept = rng.random(len(times)) < 0.8
    times, day = times[kept], day[kept]
    close = 1900.0 + TICK * np.cumsum(rng.integers(-1, 2, len(times)))
    spread = np.where(rng.random(len(times)) < 0.9, 0.0, TICK * rng.integers(1, 4, len(times)))
    prices = {"open": close, "high": close + spread, "low": close - spread, "close": close}
    volume = rng.choice([0.0, 1.0, 1.0, 2.0], len(times))
    values = compute(frame_of("MGC", times, times + MINUTE_US, day, prices, volume, np.ones(len(times))), minutes=1)
    short = [spec for spec in SPECS if spec.warmup_bars(1) < len(values)]
    assert len(short) > 0.9 * len(SPECS)
    found = {spec.name: unusable(values, spec, 1)[:5] for spec in short if unusable(values, spec, 1)}
    assert found == {}
