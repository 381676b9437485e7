"""JSON files, read strictly: what two parsers could understand in two ways is an error here."""

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from factory_assets.market.readers.limits import read_unpacked
from factory_assets.vocabulary.errors import BadInputError

DEPTH_MAX = 32
"""Nesting of objects and lists; bars need three."""


class _NotStrictError(ValueError):
    """Something JSON allows, or Python allows beyond JSON, that no vendor means."""


def load_strict_json(path: Path, format_name: str) -> Any:
    """Content of a JSON file.

    Objects come as dicts, lists as lists; numbers as int or float, never NaN or infinite.

    Parameters
    ----------
    path : Path
        The file, UTF-8.
    format_name : str
        Format whose size limit holds, a key of ``limits.FILE_BYTES_MAX``.

    Raises
    ------
    BadInputError
        Too large, no UTF-8, no JSON, cut off, nested deeper than :data:`DEPTH_MAX`, a key twice in one object, the
        literals NaN or Infinity, or a number beyond what a float holds.
    """
    content = read_unpacked(path, format_name)
    try:
        text = content.decode("utf-8-sig")
        loaded = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
        _refuse_depth(loaded)
    except RecursionError:
        raise BadInputError(_message(path, f"nested deeper than {DEPTH_MAX}")) from None
    except ValueError as problem:  # JSON, UTF-8, numbers of too many digits, and what is refused here
        raise BadInputError(_message(path, str(problem)[:200])) from problem
    return loaded


def _message(path: Path, problem: str) -> str:
    return f"{path}: no JSON this factory reads: {problem}. Download the file again."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _NotStrictError(f"key {twice[:40]!a} stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _NotStrictError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _NotStrictError(f"number {text[:40]} is beyond what a price can be")
    return number


def _refuse_depth(loaded: Any) -> None:
    """Walk level by level; the parser's own limit on recursion lies far deeper."""
    level, depth = [loaded], 0
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise _NotStrictError(f"nested deeper than {DEPTH_MAX}")
        inner: list[Any] = []
        for part in level:
            children = part.values() if isinstance(part, dict) else part
            inner += [child for child in children if isinstance(child, (dict, list))] if _holds(part) else []
        level = inner


def _holds(part: Any) -> bool:
    return isinstance(part, (dict, list))
