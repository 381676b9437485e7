"""Replay of recorded minutes through the predictor: what ``factory predict`` does, and what parity is proven with.

``python -m factory_assets.deployment.replay --bundle FOLDER --bars FILE`` needs a bundle and bars and nothing else of
the factory: no home, no store, no study.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.deployment.bundle import MANIFEST
from factory_assets.deployment.minute import Minute, moment_us, require_zone
from factory_assets.deployment.prediction import Prediction
from factory_assets.deployment.predictor import Predictor
from factory_assets.vocabulary.errors import BadInputError, FactoryError, NaiveTimestampError
from factory_assets.vocabulary.frames import times_us

_NUMBERS = ("open", "high", "low", "close", "volume")
_COLUMNS = ("expiry", "open_time", *_NUMBERS)
# A time of day, then Z or a UTC offset; a date alone also ends in "-05".
_ZONED = r"[T ]\d{2}.*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$"
_NAIVE = "has a naive open_time {found!r}; expected ISO 8601 with a UTC offset, e.g. 2023-01-05T23:00:00+00:00"
_TEXTS = {"expiry": str, "open_time": str}


def replay_file(
    bundle: Path | str,
    bars_path: Path | str,
    expected_digest: str | None = None,
    *,
    decide_from: datetime | None = None,
    features: bool = False,
    windows_path: Path | None = None,
    tell: Callable[[str], object] | None = None,
) -> list[dict[str, Any]]:
    """Every prediction over recorded minutes, each from the minutes before it.

    Parameters
    ----------
    bundle : Path or str
        Release bundle.
    bars_path : Path or str
        ``.parquet`` or ``.csv`` with the columns ``expiry``, ``open_time`` (with a time zone), ``open``, ``high``,
        ``low``, ``close``, ``volume``: all delivery months, in any order. ``volume`` may be absent for a release of a
        series without volume.
    expected_digest : str, optional
        Digest the bundle has to have.
    decide_from : datetime, optional
        Minutes that open before this moment are history only; predictions begin after it. All are predicted by default.
    features : bool
        Whether each prediction carries its feature row.
    windows_path : Path, optional
        New file for the windows the sequence members saw: little-endian float32, C order, T x F values a prediction.
        Nothing is written by a release without such members.
    tell : callable, optional
        Told once, at the end, what became of the minutes: how many were fed, the predictor's counts, whether it is
        warm, and why there is no prediction if there is none.

    Returns
    -------
    list of dict
        :meth:`Prediction.to_plain` in time order.

    Raises
    ------
    BadInputError, ForeignContractError, IntegrityError, NaiveTimestampError
        As :class:`factory_assets.deployment.predictor.Predictor`; a folder that is no bundle, or bars that cannot be
        read.
    """
    if not (Path(bundle) / MANIFEST).is_file():
        raise BadInputError(
            f"--bundle {bundle}: no release bundle there (no {MANIFEST}); give a folder "
            "releases/CONTRACT/HORIZON/DIGEST, which the command factory report names."
        )
    predictor = Predictor.load(bundle, expected_digest)
    minutes = read_minutes(Path(bars_path), has_volume=predictor.release.has_volume)
    predictions = []
    # Windows go out one by one: those of a long replay do not fit into memory.
    with nullcontext() if windows_path is None else windows_path.open("xb") as windows:
        for prediction in replay_minutes(predictor, minutes, decide_from=decide_from):
            predictions.append(prediction.to_plain(features=features))
            if windows is not None and prediction.window is not None:
                windows.write(prediction.window.astype("<f4").tobytes())
    if tell is not None:
        tell(_account(predictor, minutes, len(predictions)))
    return predictions


def replay_minutes(
    predictor: Predictor, minutes: pd.DataFrame, *, decide_from: datetime | None = None
) -> Iterator[Prediction]:
    """Feed minutes as a live run would: in time order, within one minute the front month last.

    Parameters
    ----------
    predictor : Predictor
        Fed; usually fresh.
    minutes : DataFrame
        As in :func:`replay_file`.
    decide_from : datetime, optional
        As in :func:`replay_file`.

    Yields
    ------
    Prediction
        In time order; late ones are those whose last minute did not trade.
    """
    open_us = times_us(minutes["open_time"], "open_time")
    if decide_from is not None:
        require_zone(decide_from, "decide_from")
        history = open_us < moment_us(decide_from)
        predictor.warm_up(minutes[history])
        minutes, open_us = minutes[~history], open_us[~history]
    minutes = minutes.iloc[np.argsort(open_us, kind="stable")]
    at_once: list[Minute] = []
    for minute in _minutes_of(minutes):
        if at_once and at_once[0].open_time != minute.open_time:
            yield from _updates(predictor, at_once)
            at_once = []
        at_once.append(minute)
    yield from _updates(predictor, at_once)


def read_minutes(path: Path, *, has_volume: bool = True) -> pd.DataFrame:
    """Recorded minutes of a ``.parquet`` or ``.csv`` file.

    Parameters
    ----------
    path : Path
        The file.
    has_volume : bool
        Whether it has to have the column ``volume``; without, an absent one is NaN on every row.

    Raises
    ------
    BadInputError
        No such file, another kind of file, no rows, columns missing, or a row without a time.
    NaiveTimestampError
        Times without a time zone.
    """
    if not path.is_file() or path.suffix not in {".parquet", ".csv"}:
        raise BadInputError(f"bars {path}: expected an existing .parquet or .csv file")
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype=_TEXTS)
        if not has_volume and "volume" not in frame.columns:
            frame = frame.assign(volume=np.nan)
        missing = [name for name in _COLUMNS if name not in frame.columns]
        if missing:
            raise BadInputError(f"bars {path}: columns {missing} missing; expected {list(_COLUMNS)}")
        if frame.empty:
            raise BadInputError(f"bars {path}: the file has no rows; give at least one traded minute")
        times = frame["open_time"]
        _require(times.notna(), frame, f"bars {path}", "has no open_time; fill it in, or remove the row", BadInputError)
        if path.suffix == ".csv":
            zoned = times.str.contains(_ZONED, regex=True)
            _require(zoned, frame, f"bars {path}", _NAIVE, NaiveTimestampError)
            times = pd.to_datetime(times, format="ISO8601", utc=True)  # offsets may differ: each says its own
        frame = frame.astype(dict.fromkeys(_NUMBERS, np.float64)).astype({"expiry": str})
    except (ValueError, TypeError, OSError) as problem:
        raise BadInputError(f"bars {path}: cannot be read: {problem}") from problem
    if not isinstance(times.dtype, pd.DatetimeTZDtype | np.dtypes.DateTime64DType):
        raise BadInputError(f"bars {path}: open_time of type {times.dtype}; expected timezone-aware times")
    times_us(times, f"bars {path}: open_time")
    return frame.assign(open_time=times)[list(_COLUMNS)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one JSON line a prediction; exit code 2 for bad input, 1 for any other refusal."""
    parser = argparse.ArgumentParser(prog="python -m factory_assets.deployment.replay", description=__doc__)
    parser.add_argument("--bundle", required=True, type=Path, help="folder of the release bundle")
    parser.add_argument("--bars", required=True, type=Path, help=".parquet or .csv of traded minutes, all expiries")
    parser.add_argument("--expected-digest", help="sha256 the bundle's manifest has to have")
    parser.add_argument("--decide-from", type=datetime.fromisoformat, help="earlier minutes are history only")
    parser.add_argument("--features", action="store_true", help="print the feature row of each prediction too")
    parser.add_argument("--windows", type=Path, help="new file for the windows seen, raw float32")
    parser.add_argument("--output", type=Path, help="file for the JSON lines; standard output by default")
    chosen = parser.parse_args(arguments)
    try:
        found = replay_file(
            chosen.bundle,
            chosen.bars,
            chosen.expected_digest,
            decide_from=chosen.decide_from,
            features=chosen.features,
            windows_path=chosen.windows,
            tell=lambda text: sys.stderr.write(f"{text}\n"),
        )
    except FactoryError as problem:
        sys.stderr.write(f"{type(problem).__name__}: {problem}\n")
        return problem.exit_code
    lines = "".join(json.dumps(prediction, allow_nan=False) + "\n" for prediction in found)
    if chosen.output is None:
        sys.stdout.write(lines)
    else:
        chosen.output.write_text(lines, encoding="utf-8")
    return 0


def _require(fine: pd.Series, frame: pd.DataFrame, where: str, what: str, error: type[FactoryError]) -> None:
    """Refuse the first row that is not fine, by its place in the file."""
    if not fine.all():
        row = int(np.argmin(fine.to_numpy(dtype=bool)))
        found = frame["open_time"].iloc[row]
        raise error(f"{where}: row {row + 1} (of {len(frame)}, the header not counted) {what.format(found=found)}")


def _account(predictor: Predictor, minutes: pd.DataFrame, predictions: int) -> str:
    """What became of the minutes, for the person who gave them."""
    counted = ", ".join(f"{name} {count}" for name, count in predictor.counts.items() if count) or "none counted"
    state = "warm" if predictor.warm else "not warm"
    text = (
        f"{len(minutes)} minutes fed ({counted}); {predictions} predictions; predictor {state} at the end, it "
        f"needs {predictor.sessions_needed} full sessions of history"
    )
    if predictor.front is not None and predictor.outdated is not None:
        text += f"; not traded at the end: {predictor.outdated}"
    if predictions:
        return text
    if predictor.front is None:
        return f"{text}. No prediction: the first session only tells the front month, give minutes of a second one."
    return f"{text}. No prediction: after the first session no minute of {predictor.front} came to a base-bar close."


def _minutes_of(minutes: pd.DataFrame) -> Iterator[Minute]:
    columns = [minutes[name].astype(str) if name == "expiry" else minutes[name] for name in _COLUMNS]
    for values in zip(*columns, strict=True):
        yield Minute(**dict(zip(_COLUMNS, values, strict=True)))


def _updates(predictor: Predictor, at_once: list[Minute]) -> Iterator[Prediction]:
    # The front of a new session is known after its first minute; until then yesterday's is a good guess.
    for minute in sorted(at_once, key=lambda minute: minute.expiry == predictor.front):
        prediction = predictor.update(minute)
        if prediction is not None:
            if prediction.earlier is not None:
                yield prediction.earlier
            yield prediction


if __name__ == "__main__":
    raise SystemExit(main())
