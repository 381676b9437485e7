"""ProjectX Gateway API (TopstepX and others): saved answers of ``History/retrieveBars``, JSON.

``{"bars": [{"t", "o", "h", "l", "c", "v"}, ...], "success": true, "errorCode": 0, "errorMessage": null}``; times in ISO
8601 with an offset, newest bar first, at most 20,000 bars an answer, volume in contracts. The documentation does not
say whether ``t`` is the start or the end of a bar, so ``bar_label`` is asked. The answer names neither contract nor
interval: the month is declared, and bars of another interval are recognised by their spacing. An answer asked with
``includePartialBar`` may end with an unfinished minute; ask without it.

References
----------
ProjectX Gateway API documentation, "Market data: Retrieve bars" (parameters, example of an answer, limit of bars).
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from factory_assets.market.readers.columns import minutes_of_columns
from factory_assets.market.readers.declaration import Declaration
from factory_assets.market.readers.raw import FileRead
from factory_assets.market.readers.strict_json import load_strict_json
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import Instrument
from factory_assets.vocabulary.timeframes import MINUTE_US

_NUMBERS = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
_KEYS = ("t", *_NUMBERS)


def read_projectx(path: Path, instrument: Instrument, declaration: Declaration) -> FileRead:
    """Minutes of one saved answer, in the order of the file.

    Parameters
    ----------
    path : Path
        ``.json`` file.
    instrument : Instrument
        Product the declared month has to be of.
    declaration : Declaration
        Of format ``projectx``: bar label and delivery month.

    Raises
    ------
    BadInputError
        No such answer, an answer that reports an error, bars that lack a value or hold something else than numbers,
        times without an offset, or bars that are not of one minute; the message names the bar by its place from 1.
    ForeignContractError
        The declared month is of another product.
    """
    bars = _bars(load_strict_json(path, "projectx"), path)
    columns = {key: [bar[key] for bar in bars] for key in _KEYS}
    numbers = {name: np.array(columns[key], dtype=np.float64) for key, name in _NUMBERS.items()}
    found = minutes_of_columns(
        path, instrument, declaration, pd.Series(columns["t"], dtype=object), numbers, None, lambda row: row + 1
    )
    within = np.flatnonzero(times_us(found.minutes["open_time"]) % MINUTE_US)
    if len(within):
        raise BadInputError(
            f"{path}, bar {within[0] + 1}: t = {columns['t'][within[0]]!a} is no whole minute ({len(within)} such "
            "bars): not bars of one minute. Ask with unit 2 (minute) and unitNumber 1."
        )
    return found


def _bars(answer: Any, path: Path) -> list[dict[str, Any]]:
    """The bars of an answer, each with all its values."""
    if not isinstance(answer, dict) or not isinstance(answer.get("bars"), list):
        failed = isinstance(answer, dict) and answer.get("success") is False
        what = f"an answer without bars that reports {_report(answer)}" if failed else "no answer with a list 'bars'"
        raise BadInputError(f"{path}: {what}. Save the whole answer of History/retrieveBars.")
    if answer.get("success", True) is not True or answer.get("errorCode", 0) != 0:
        raise BadInputError(f"{path}: the answer reports {_report(answer)}. Ask again, and save the answer then.")
    for place, bar in enumerate(answer["bars"], start=1):
        if problem := _problem_of(bar):
            raise BadInputError(f"{path}, bar {place}: {problem}. Ask again, and save the answer then.")
    return list(answer["bars"])


def _report(answer: dict[str, Any]) -> str:
    said = ("success", "errorCode", "errorMessage")
    return ", ".join(f"{key} {str(answer[key])[:80]!a}" for key in said if key in answer)


def _problem_of(bar: Any) -> str | None:
    if not isinstance(bar, dict):
        return f"expected an object with the keys {', '.join(_KEYS)}, got {str(bar)[:40]!a}"
    if missing := [key for key in _KEYS if key not in bar]:
        return f"no {', '.join(missing)}; it has {', '.join(sorted(bar))[:80]!a}"
    if not isinstance(bar["t"], str):
        return f"t = {str(bar['t'])[:40]!a}, expected a time as '2024-12-20T14:00:00+00:00'"
    for key in _NUMBERS:
        number = bar[key]
        # A truth value is an integer to Python, and an integer may be longer than any float.
        if isinstance(number, bool) or not isinstance(number, (int, float)) or abs(number) > 1e15:
            return f"{key} = {str(number)[:40]!a}, expected a number"
    return None
