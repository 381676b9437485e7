"""The ladder against a plain loop over minutes, by hand, and from other starts of history."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.market.ladder import LEVEL_BELOW_MINUTES, build_ladder
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.errors import BadInputError, UnknownNameError
from factory_assets.vocabulary.frames import times_us, to_table
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.schemas import table_schema
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, bars_name
from factory_assets_tests.market.ladder_worlds import bars_at, canonical_of, sessions_of_thanksgiving


def _naive(canonical, sessions, minutes):
    """One dictionary a bin, filled minute by minute with datetime arithmetic."""
    spans = [
        (
            datetime.fromtimestamp(int(start) // 10**6, tz=UTC),
            datetime.fromtimestamp(int(end) // 10**6, tz=UTC),
            date(1970, 1, 1) + timedelta(days=int(day)),
        )
        for start, end, day in zip(sessions.open_us, sessions.close_us, sessions.trade_day, strict=True)
    ]
    bins: dict[datetime, dict] = {}
    for row in canonical.itertuples():
        moment = row.open_time.to_pydatetime()
        start, end, day = next(span for span in spans if span[0] <= moment < span[1])
        begin = start + timedelta(minutes=minutes) * ((moment - start) // timedelta(minutes=minutes))
        bar = bins.get(begin)
        if bar is None:
            bins[begin] = {
                "expiry": row.expiry,
                "open_time": begin,
                "close_time": min(begin + timedelta(minutes=minutes), end),
                "trade_date": day,
                "open": row.open,
                "high": row.high,
                "low": row.low,
                "close": row.close,
                "volume": row.volume,
                "minutes": 1,
                "adjustment_ratio": row.adjustment_ratio,
            }
        else:
            bar["high"], bar["low"] = max(bar["high"], row.high), min(bar["low"], row.low)
            bar["close"], bar["volume"], bar["minutes"] = row.close, bar["volume"] + row.volume, bar["minutes"] + 1
    return pd.DataFrame(list(bins.values()))


def _plain(frame):
    out = frame.copy()
    out["expiry"] = out["expiry"].astype(str)
    out["open_time"], out["close_time"] = (
        out[name].astype("datetime64[us, UTC]") for name in ("open_time", "close_time")
    )
    out["trade_date"] = pd.to_datetime(out["trade_date"]).astype("datetime64[ms]")
    return out


@pytest.mark.parametrize("minutes", TIMEFRAMES_MINUTES)
@pytest.mark.parametrize("kept_share", [0.03, 0.9])
def test_equals_the_plain_loop(minutes, kept_share):
    sessions = sessions_of_thanksgiving()
    canonical = canonical_of(sessions, kept_share, seed=minutes)
    bars = build_ladder(canonical, sessions)[minutes]
    pd.testing.assert_frame_equal(_plain(bars), _plain(_naive(canonical, sessions, minutes)))


def test_bars_fit_their_schema_and_own_their_memory():
    sessions = sessions_of_thanksgiving()
    canonical = canonical_of(sessions)
    ladder = build_ladder(canonical, sessions)
    assert tuple(ladder) == TIMEFRAMES_MINUTES
    for minutes, bars in ladder.items():
        stored = to_table(bars, table_schema(bars_name(minutes)))
        assert stored.column_names == [column.name for column in table_schema(bars_name(minutes)).columns]
    before = canonical["open"].copy()
    ladder[1].loc[:, "open"] = 0.0
    pd.testing.assert_series_equal(canonical["open"], before)


def test_by_hand_at_an_early_close():
    """Friday 2023-11-24 closes at 12:15 Chicago, 1155 minutes after the open: the last 45-minute bin has 30."""
    sessions = SessionCalendar.of(instrument("MES")).between(date(2023, 11, 24), date(2023, 11, 24))
    canonical = bars_at(sessions, np.zeros(3, dtype=int), np.array([1124, 1126, 1153]), np.random.default_rng(0))
    canonical[["open", "high", "low", "close"]] = [
        [10.0, 12.0, 9.0, 11.0],
        [11.0, 15.0, 11.0, 14.0],
        [14.0, 14.0, 8.0, 9.0],
    ]
    canonical["volume"] = [5.0, 6.0, 7.0]
    bars = build_ladder(canonical, sessions)[45]
    assert bars["open_time"].dt.strftime("%H:%M").tolist() == ["17:00", "17:45"]
    assert bars["close_time"].dt.strftime("%H:%M").tolist() == ["17:45", "18:15"]
    assert bars[["open", "high", "low", "close", "volume", "minutes"]].to_numpy().tolist() == [
        [10.0, 12.0, 9.0, 11.0, 5.0, 1.0],
        [11.0, 15.0, 8.0, 9.0, 13.0, 2.0],
    ]


def test_trailing_whole_sessions_give_the_batch_rows():
    sessions = sessions_of_thanksgiving()
    canonical = canonical_of(sessions)
    batch = build_ladder(canonical, sessions)
    for skipped in (1, 3, 5):
        rest = sessions.take(np.arange(skipped, len(sessions)))
        tail = canonical[sessions.locate(times_us(canonical["open_time"])) >= skipped]
        # The longer list of sessions changes nothing either.
        for known in (rest, sessions):
            live = build_ladder(tail, known)
            for minutes, bars in live.items():
                whole = batch[minutes]
                expected = whole[whole["trade_date"] >= tail["trade_date"].iloc[0]].reset_index(drop=True)
                pd.testing.assert_frame_equal(_plain(bars), _plain(expected))
                assert bars["volume"].sum() == tail["volume"].sum()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_nothing_is_lost_and_levels_agree_whatever_traded(data):
    sessions = sessions_of_thanksgiving()
    spans = (sessions.close_us - sessions.open_us) // 60_000_000
    chosen = sorted(
        data.draw(
            st.sets(
                st.integers(0, len(spans) - 1).flatmap(
                    lambda s: st.tuples(st.just(s), st.integers(0, int(spans[s]) - 1))
                ),
                min_size=1,
                max_size=40,
            )
        )
    )
    session, minute = (np.array(column) for column in zip(*chosen, strict=True))
    canonical = bars_at(sessions, session, minute, np.random.default_rng(1))
    ladder = build_ladder(canonical, sessions)
    for bars in ladder.values():
        assert bars["volume"].sum() == canonical["volume"].sum()
        assert bars["minutes"].sum() == len(canonical)
        assert bars["close_time"].is_monotonic_increasing
        assert bars["close_time"].is_unique
        assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
    for minutes, below in LEVEL_BELOW_MINUTES.items():
        assert minutes % below == 0
        assert len(ladder[minutes]) <= len(ladder[below])


@given(wanted=st.sets(st.sampled_from(TIMEFRAMES_MINUTES)))
@settings(max_examples=25, deadline=None)
def test_bars_of_a_timeframe_do_not_depend_on_the_others_wanted(wanted):
    sessions = sessions_of_thanksgiving()
    canonical = canonical_of(sessions, kept_share=0.6, seed=3)
    whole, some = build_ladder(canonical, sessions), build_ladder(canonical, sessions, wanted)
    assert {*some} == wanted
    for minutes in wanted:
        pd.testing.assert_frame_equal(some[minutes], whole[minutes])
    with pytest.raises(UnknownNameError):
        build_ladder(canonical, sessions, {*wanted, 7})


def test_refuses_minutes_it_cannot_place():
    sessions = sessions_of_thanksgiving()
    canonical = canonical_of(sessions)
    swapped = canonical.iloc[[1, 0, 2]].reset_index(drop=True)
    with pytest.raises(BadInputError, match="does not increase at row 1"):
        build_ladder(swapped, sessions)
    with pytest.raises(BadInputError, match=r"no whole minute of any of the 1 sessions given"):
        build_ladder(canonical, sessions.take(np.array([0])))
    odd = canonical.assign(open_time=canonical["open_time"] + pd.Timedelta(seconds=1))
    with pytest.raises(BadInputError, match=r"row 0 .* is no whole minute"):
        build_ladder(odd, sessions)
    foreign = canonical.assign(trade_date=canonical["trade_date"] + np.timedelta64(1, "D"))
    with pytest.raises(BadInputError, match=f"{len(canonical)} rows carry a trade_date"):
        build_ladder(foreign, sessions)
    mixed = canonical.copy()
    mixed.loc[2, "expiry"] = "MESH4"
    with pytest.raises(BadInputError, match="two expiries within one bin of trade date 2023-11-20"):
        build_ladder(mixed, sessions)


def test_no_bars_give_empty_levels():
    sessions = sessions_of_thanksgiving()
    ladder = build_ladder(canonical_of(sessions).head(0), sessions)
    assert {len(bars) for bars in ladder.values()} == {0}
