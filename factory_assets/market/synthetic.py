"""Seeded simulated markets: raw one-minute bars of ``SIM`` with nothing to find, or with something planted.

Two worlds. In ``null`` up and down are exactly symmetric, so whatever claims to predict direction there is wrong. In
``planted`` the drift of a minute is 0.15 of its sigma times a hidden AR(1) with a half-life of 70 minutes, so a
pipeline that finds nothing there is broken. Everything else is meant to look like an index future: exchange sessions,
volatility and volume that cluster and follow the hour, minutes without a trade, feed gaps, quarterly expiries that
overlap and hand their volume over.

Belongs here: raw bars and raw files. Does not: the prices themselves (:mod:`factory_assets.market.synthetic_path`) or
reading files back (:mod:`factory_assets.market.readers`).
"""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from factory_assets.market.expiry import MONTH_CODES, last_holding_limit
from factory_assets.market.readers.declaration import DECLARATION_FILE, Declaration
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.market.synthetic_path import MinutePath, minute_path
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import from_us
from factory_assets.vocabulary.instruments import Instrument, instrument
from factory_assets.vocabulary.schemas import RAW_MINUTES
from factory_assets.vocabulary.timeframes import MINUTE_US

CONTRACT = "SIM"
MARKER_FILE = "SIMULATED"
_FILE_PREFIX = "SIMULATED_"
_FIRST_DATE = date(2023, 1, 2)
_EPOCH = date(1970, 1, 1)

# Contracts a minute by minute since the 17:00 open, and share of minutes in which nothing trades.
_VOLUME_MINUTES = (0, 30, 480, 540, 600, 900, 930, 960, 1080, 1200, 1300, 1320, 1335, 1380)
_VOLUME_CONTRACTS = (150, 90, 60, 120, 220, 200, 2200, 1600, 800, 800, 1700, 1400, 250, 80)
_SILENT_MINUTES = (0, 60, 480, 600, 900, 930, 1320, 1335, 1380)
_SILENT_SHARES = (0.005, 0.03, 0.04, 0.01, 0.008, 0.0005, 0.0005, 0.01, 0.02)
_SESSION_LOG_VOLUME_SD = 0.25
_VOLUME_SHAPE = 4.0
_OUTAGE_SHARE = 1.0 / 30.0
_OUTAGE_MINUTES = (5, 40)
# Volume of the next month over the front's, by sessions left to the front's last trading day: equal about five and a
# half sessions before, growing threefold a session; a trickle while the next month is listed.
_EVEN_SESSIONS, _HANDOVER_SPEED, _HANDOVER_SD = 5.5, 1.1, 0.15
_TRICKLE, _LISTED_SESSIONS = 5e-4, 25
# Distance between neighbouring months in ticks; its sign is a coin, because a steady sign would be a drift.
_BASIS_TICKS = (80, 240)


def simulate(world: str, seed: int, sessions_count: int, first_date: date = _FIRST_DATE) -> pd.DataFrame:
    """Raw one-minute bars of a simulated market. SIMULATED: nothing here happened.

    Parameters
    ----------
    world : str
        ``"null"`` (no direction to find) or ``"planted"`` (a hidden drift).
    seed : int
        Same arguments, same bars.
    sessions_count : int
        Sessions to trade, at least 1.
    first_date : date
        First trade date, or the next session if there is none on it.

    Returns
    -------
    DataFrame
        Table ``raw_minutes`` without ``contract``, sorted by expiry name and ``open_time``: on-tick traded prices of
        every listed month, in minutes that traded.

    Raises
    ------
    UnknownNameError
        If there is no such world.
    BadInputError
        If no session was asked for.
    """
    if sessions_count < 1:
        raise BadInputError(f"simulate: expected at least 1 session, got {sessions_count}")
    product = instrument(CONTRACT)
    calendar = SessionCalendar.of(product)
    # Seven calendar days hold four sessions even at Christmas.
    upcoming = calendar.between(first_date, first_date + timedelta(days=7 * (sessions_count // 4 + 2)))
    sessions = upcoming.take(np.arange(sessions_count))
    path = minute_path(world, seed, sessions, product.tick_size)
    # Children 0 to 3 of the seed belong to the path.
    children = np.random.SeedSequence(seed).spawn(7)[4:]
    rng_volume, rng_gaps, rng_months = (np.random.default_rng(child) for child in children)
    contracts = _contracts(path, rng_volume)
    contracts[~_traded(path, rng_gaps)] = 0
    return _by_expiry(path, contracts, sessions, product, rng_months)


def write_world(
    folder: Path, world: str, seed: int, sessions_count: int, first_date: date = _FIRST_DATE
) -> tuple[Path, ...]:
    """Write a simulated market as raw files: one CSV an expiry, its declaration, and a ``SIMULATED`` marker.

    Parameters
    ----------
    folder : Path
        Made if it is not there. A world written here before is replaced; a folder with anything else is refused.
    world, seed, sessions_count, first_date
        As in :func:`simulate`.

    Returns
    -------
    tuple of Path
        The CSV files. Same arguments, same bytes.

    Raises
    ------
    BadInputError
        If the folder holds files that no simulated world wrote.
    """
    import pyarrow as pa
    from pyarrow import csv

    marker = folder / MARKER_FILE
    if folder.exists():
        foreign = [path.name for path in sorted(folder.iterdir()) if not _is_ours(path)]
        if foreign:
            raise BadInputError(
                f"{folder} holds files that no simulated world wrote ({foreign[:5]}); "
                "give an empty folder, so that simulated and real bars never meet"
            )
    bars = simulate(world, seed, sessions_count, first_date)
    folder.mkdir(parents=True, exist_ok=True)
    about = (
        f"SIMULATED market, not a single bar of it ever traded.\nworld = {world}\nseed = {seed}\n"
        f"sessions_count = {sessions_count}\nfirst_date = {first_date.isoformat()}\n"
    )
    marker.write_text(about, encoding="utf-8")
    for stale in folder.glob(f"{_FILE_PREFIX}*.csv"):
        stale.unlink()
    written = []
    options = csv.WriteOptions(quoting_style="none")
    for name, rows in bars.groupby("source_file", observed=True, sort=True):
        table = pa.table(
            {
                "expiry": pa.array(rows["expiry"].astype(str)),
                "open_time": pa.array(rows["open_time"]).cast(pa.timestamp("s", tz="UTC")),
                **{column: pa.array(rows[column]) for column in ("open", "high", "low", "close")},
                "volume": pa.array(rows["volume"].astype(np.int64)),
            }
        )
        written.append(folder / str(name))
        csv.write_csv(table, written[-1], options)
    comment = "".join(f"# {line}\n" for line in about.splitlines())
    (folder / DECLARATION_FILE).write_text(comment + _DECLARATION.to_toml(), encoding="utf-8")
    return tuple(written)


_DECLARATION = Declaration(
    format="csv",
    contract=CONTRACT,
    bar_label="open",
    volume="contracts",
    columns={
        "expiry": "expiry",
        "time": "open_time",
        "open": "open",
        "high": "high",
        "low": "low",
        "close": "close",
        "volume": "volume",
    },
)


def _is_ours(path: Path) -> bool:
    return path.name in {MARKER_FILE, DECLARATION_FILE} or (
        path.name.startswith(_FILE_PREFIX) and (path.parent / MARKER_FILE).is_file()
    )


def _contracts(path: MinutePath, rng: np.random.Generator) -> np.ndarray:
    """Contracts of all months in each minute: time of day, the session, and how much the price moved about."""
    by_session = np.exp(_SESSION_LOG_VOLUME_SD * rng.standard_normal(int(path.session[-1]) + 1))
    activity = np.sqrt((path.moves + 1.0) / (path.usual_sigma_ticks**2 + 1.0))
    mean = np.interp(path.minute, _VOLUME_MINUTES, _VOLUME_CONTRACTS) * by_session[path.session] * activity
    return rng.poisson(mean * rng.standard_gamma(_VOLUME_SHAPE, len(mean)) / _VOLUME_SHAPE)


def _traded(path: MinutePath, rng: np.random.Generator) -> np.ndarray:
    """Minutes with a trade: single silent minutes, and now and then a feed gap."""
    traded = rng.random(len(path.minute)) >= np.interp(path.minute, _SILENT_MINUTES, _SILENT_SHARES)
    starts = np.searchsorted(path.session, np.arange(int(path.session[-1]) + 2))
    for first, stop in pairwise(starts):
        out, length = rng.random() < _OUTAGE_SHARE, int(rng.integers(*_OUTAGE_MINUTES, endpoint=True))
        begin = int(rng.integers(first, stop))
        if out:
            traded[begin : min(begin + length, stop)] = False
    return traded


def _by_expiry(
    path: MinutePath, contracts: np.ndarray, sessions: Sessions, product: Instrument, rng: np.random.Generator
) -> pd.DataFrame:
    """Split each minute between the front and the next month and put every month on its own price level."""
    months = _quarters(product, int(sessions.trade_day[0]), int(sessions.trade_day[-1]))
    last_days = np.array([(last_holding_limit(product, month) - _EPOCH).days for month in months])
    basis = rng.integers(*_BASIS_TICKS, size=len(months), endpoint=True) * rng.choice([-1, 1], size=len(months))
    level_ticks = np.concatenate(([0], np.cumsum(basis)[:-1]))
    front = np.searchsorted(last_days, sessions.trade_day, side="left")
    sessions_left = _sessions_left(product, sessions, last_days[front])
    ratio = np.exp(_HANDOVER_SPEED * (_EVEN_SESSIONS - sessions_left) + _HANDOVER_SD * rng.standard_normal(len(front)))
    ratio = np.where(sessions_left <= _LISTED_SESSIONS, np.maximum(ratio, _TRICKLE), 0.0)
    next_contracts = rng.binomial(contracts, (ratio / (1.0 + ratio))[path.session])
    open_us = sessions.open_us[path.session] + path.minute.astype(np.int64) * MINUTE_US
    parts = []
    for number, month in enumerate(months):
        volume = np.where(front[path.session] == number, contracts - next_contracts, 0)
        volume = np.where(front[path.session] == number - 1, next_contracts, volume)
        rows = np.flatnonzero(volume)
        if len(rows) == 0:
            continue
        name = f"{CONTRACT}{MONTH_CODES[month % 12]}{month // 12 % 10}"
        ticks = (path.open_ticks, path.high_ticks, path.low_ticks, path.close_ticks)
        prices = [(column[rows] + level_ticks[number]) * product.tick_size for column in ticks]
        parts.append((name, open_us[rows], prices, volume[rows].astype(np.float64)))
    parts.sort(key=lambda part: part[0])
    names = [name for name, *_ in parts]
    codes = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    columns = {
        "source_row": np.concatenate([np.arange(len(part[1])) for part in parts]),
        "source_file": pd.Categorical.from_codes(codes, [f"{_FILE_PREFIX}{name}.csv" for name in names]),
        "expiry": pd.Categorical.from_codes(codes, names),
        "open_time": from_us(np.concatenate([part[1] for part in parts])),
        **{
            price: np.concatenate([part[2][k] for part in parts])
            for k, price in enumerate(("open", "high", "low", "close"))
        },
        "volume": np.concatenate([part[3] for part in parts]),
    }
    assert float(columns["low"].min()) > 0.0, "a simulated price fell to zero"
    return pd.DataFrame({column.name: columns[column.name] for column in RAW_MINUTES.columns})


def _quarters(product: Instrument, first_day: int, last_day: int) -> list[int]:
    """Delivery months (12 x year + month - 1) alive from the first session to one beyond the last session's front."""
    first = _EPOCH + timedelta(days=first_day)
    month = 12 * first.year + first.month - 1
    found: list[int] = []
    beyond = 0
    while beyond < 2:
        if MONTH_CODES[month % 12] in product.delivery_months:
            last_trading = (last_holding_limit(product, month) - _EPOCH).days
            if last_trading >= first_day:
                found.append(month)
            beyond += last_trading >= last_day
        month += 1
    return found


def _sessions_left(product: Instrument, sessions: Sessions, last_days: np.ndarray) -> np.ndarray:
    """Sessions from each session to its front's last trading day."""
    ahead = SessionCalendar.of(product).between(
        _EPOCH + timedelta(days=int(sessions.trade_day[0])), _EPOCH + timedelta(days=int(last_days[-1]))
    )
    return np.searchsorted(ahead.trade_day, last_days) - np.searchsorted(ahead.trade_day, sessions.trade_day)
