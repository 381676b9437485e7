"""What has to be true of a ladder, recomputed from its one-minute bars without the kernel that built it.

Bins are found here by wall-clock arithmetic in Chicago and pandas grouping, one timeframe at a time, each straight
from the minutes.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from factory_assets.market.sessions import Sessions
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES
from factory_assets.vocabulary.verdict import Verdict

_WALL_CLOCK = "America/Chicago"
_COMPARED = ("open", "high", "low", "close", "volume", "minutes", "adjustment_ratio")


def ladder_invariants(canonical: pd.DataFrame, ladder: Mapping[int, pd.DataFrame], sessions: Sessions) -> list[Verdict]:
    """Judge all timeframes of one partition.

    Parameters
    ----------
    canonical : DataFrame
        Table ``canonical_bars``.
    ladder : mapping of int to DataFrame
        What :func:`factory_assets.market.ladder.build_ladder` made of it.
    sessions : Sessions
        Sessions that cover the bars.

    Returns
    -------
    list of Verdict
        ``ladder_equals_minutes``: every bar of every timeframe equals its minutes, and no bin that traded lacks a
        bar. ``known_at_close``: every ``close_time`` is a scheduled bin end and no minute of the bar closes after
        it. ``volume_conserved``: each session's volume and traded minutes are the same on every timeframe.
    """
    minutes = _located_minutes(canonical, sessions)
    return [_equals_minutes(minutes, ladder), _known_at_close(minutes, ladder, sessions), _conserved(minutes, ladder)]


def _located_minutes(canonical: pd.DataFrame, sessions: Sessions) -> pd.DataFrame:
    """Minutes with the wall-clock minute they open at, counted from the wall clock of their trade date's open.

    No session holds a change of clocks (they fall on Sunday mornings), so wall-clock differences are durations.
    """
    wall_open = pd.Series(_wall(sessions.open_us), index=_dates(sessions))
    wall_close = pd.Series(_wall(sessions.close_us), index=_dates(sessions))
    frame = canonical.loc[:, ["open", "high", "low", "close", "volume", "adjustment_ratio", "open_time"]].copy()
    frame["expiry"] = canonical["expiry"].astype(str)
    frame["trade_date"] = pd.DatetimeIndex(canonical["trade_date"]).as_unit("ns")
    frame["wall"] = canonical["open_time"].dt.tz_convert(_WALL_CLOCK).dt.tz_localize(None)
    frame["wall_open"] = frame["trade_date"].map(wall_open)
    frame["wall_close"] = frame["trade_date"].map(wall_close)
    frame["minute"] = (frame["wall"] - frame["wall_open"]) // pd.Timedelta(minutes=1)
    return frame.sort_values("open_time", kind="stable")


def _equals_minutes(minutes: pd.DataFrame, ladder: Mapping[int, pd.DataFrame]) -> Verdict:
    problems, details = [], {}
    if tuple(sorted(ladder)) != TIMEFRAMES_MINUTES:
        problems.append(f"timeframes {sorted(ladder)}, expected {list(TIMEFRAMES_MINUTES)}")
    for timeframe in sorted(ladder):
        found, expected = ladder[timeframe], _regrouped(minutes, timeframe)
        details[f"bars_{timeframe}min"] = len(found)
        if len(found) != len(expected):
            problems.append(f"{timeframe} min: {len(found)} bars, minutes give {len(expected)}")
            continue
        times = {
            "close_time": (found["close_time"], expected["close_time"]),
            "open_time": (found["open_time"], expected["open_time"]),
        }
        unequal = {name: int((_clock(a) != b.to_numpy()).sum()) for name, (a, b) in times.items()}
        unequal["trade_date"] = int(
            (pd.DatetimeIndex(found["trade_date"]).as_unit("ns") != pd.DatetimeIndex(expected["trade_date"])).sum()
        )
        unequal["expiry"] = int((found["expiry"].astype(str).to_numpy() != expected["first_expiry"].to_numpy()).sum())
        unequal["expiries within a bin"] = int((expected["first_expiry"] != expected["last_expiry"]).sum())
        for name in _COMPARED:
            a, b = found[name].to_numpy(dtype=np.float64), expected[name].to_numpy(dtype=np.float64)
            # Sums may round differently by the order of adding; every other column is a value that was there.
            same = np.isclose(a, b, rtol=1e-12, atol=0.0, equal_nan=True) if name == "volume" else a == b
            unequal[name] = int((~same).sum())
        problems += [f"{timeframe} min: {count} rows differ in {name}" for name, count in unequal.items() if count]
    return Verdict(
        name="ladder_equals_minutes",
        passed=not problems,
        summary="; ".join(problems)
        if problems
        else f"{sum(details.values())} bars of {len(ladder)} timeframes equal their {len(minutes)} minutes",
        details=details,
    )


def _regrouped(minutes: pd.DataFrame, timeframe: int) -> pd.DataFrame:
    grouped = minutes.groupby(["trade_date", minutes["minute"] // timeframe], sort=True)
    bars = grouped.agg(
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        minutes=("open", "size"),
        adjustment_ratio=("adjustment_ratio", "first"),
        first_expiry=("expiry", "first"),
        last_expiry=("expiry", "last"),
        wall_open=("wall_open", "first"),
        wall_close=("wall_close", "first"),
    )
    # without a minimum, pandas' sum of no volume at all is 0
    bars["volume"] = grouped["volume"].sum(min_count=1)
    bars = bars.reset_index()
    start = bars["wall_open"] + bars["minute"] * pd.Timedelta(minutes=timeframe)
    bars["open_time"] = start
    bars["close_time"] = np.minimum(start + pd.Timedelta(minutes=timeframe), bars["wall_close"])
    return bars


def _known_at_close(minutes: pd.DataFrame, ladder: Mapping[int, pd.DataFrame], sessions: Sessions) -> Verdict:
    wall_open = pd.Series(_wall(sessions.open_us), index=_dates(sessions))
    wall_close = pd.Series(_wall(sessions.close_us), index=_dates(sessions))
    minute_opens = np.sort(_clock(minutes["open_time"]))
    problems, bars = [], 0
    for timeframe, frame in sorted(ladder.items()):
        bars += len(frame)
        dates = pd.DatetimeIndex(frame["trade_date"]).as_unit("ns")
        start, end = _clock(frame["open_time"]), _clock(frame["close_time"])
        opens, closes = wall_open.reindex(dates).to_numpy(), wall_close.reindex(dates).to_numpy()
        step = np.timedelta64(timeframe, "m")
        on_grid = ((start - opens) % step == np.timedelta64(0)) & (start >= opens)
        scheduled = on_grid & (end == np.minimum(start + step, closes)) & (end > start)
        # The last minute that opens before the bar's close is its last one: it has to open inside the bar and be over.
        last = np.searchsorted(minute_opens, end, side="left") - 1
        last_open = minute_opens[np.maximum(last, 0)]
        over = (last >= 0) & (last_open >= start) & (last_open + np.timedelta64(1, "m") <= end)
        counts = {
            "close_time is no scheduled bin end": int((~scheduled).sum()),
            "a minute inside is not over at close_time": int((~over).sum()),
            "close_time does not increase": int((np.diff(end) <= np.timedelta64(0)).sum()),
        }
        problems += [f"{timeframe} min: {count} bars: {what}" for what, count in counts.items() if count]
    return Verdict(
        name="known_at_close",
        passed=not problems,
        summary="; ".join(problems)
        if problems
        else f"{bars} bars close on the schedule, none before its last minute is over",
        details={"bars": bars},
    )


def _conserved(minutes: pd.DataFrame, ladder: Mapping[int, pd.DataFrame]) -> Verdict:
    sessions = minutes.groupby("trade_date")["volume"]
    expected = pd.DataFrame({"volume": sessions.sum(min_count=1), "minutes": sessions.size()})
    unknown = int(minutes["volume"].isna().sum())
    problems = []
    if 0 < unknown < len(minutes):
        problems.append(f"{unknown} of {len(minutes)} minutes have no volume; expected it on all of them or on none")
    for timeframe, frame in sorted(ladder.items()):
        dates = pd.DatetimeIndex(frame["trade_date"]).as_unit("ns")
        found = frame[["volume", "minutes"]].groupby(dates).sum(min_count=1).reindex(expected.index)
        lost = ~np.isclose(found["volume"], expected["volume"], rtol=1e-12, atol=0.0, equal_nan=True)
        lost |= (found["minutes"] != expected["minutes"]).to_numpy()
        extra = len(dates.unique().difference(expected.index))
        if lost.any() or extra:
            first = f", the first {expected.index[lost][0].date()}" if lost.any() else ""
            problems.append(
                f"{timeframe} min: {int(lost.sum())} sessions differ{first}, {extra} are not in the minutes"
            )
    return Verdict(
        name="volume_conserved",
        passed=not problems,
        summary="; ".join(problems)
        if problems
        else f"{len(expected)} sessions hold the same {'minutes, and no volume,' if unknown else 'volume and minutes'} "
        f"on {len(ladder)} timeframes",
        details={"sessions": len(expected), "contracts": float(expected["volume"].sum()), "has_volume": not unknown},
    )


def _wall(times_us: np.ndarray) -> pd.DatetimeIndex:
    return pd.to_datetime(times_us, unit="us", utc=True).tz_convert(_WALL_CLOCK).tz_localize(None)


def _clock(times: pd.Series) -> np.ndarray:
    return times.dt.tz_convert(_WALL_CLOCK).dt.tz_localize(None).to_numpy()


def _dates(sessions: Sessions) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(sessions.trade_day.astype("datetime64[D]")).as_unit("ns")
