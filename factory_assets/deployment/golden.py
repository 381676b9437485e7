"""Golden rows: a few inputs whose outputs are kept in the bundle, so that a loaded model proves it is the saved one.

The inputs are made from the members' scalers alone (training centers, spreads and masked cells), so a bundle needs no
row of data for them. They are JSON: a few hundred kilobytes that nothing but a JSON parser reads.
"""

import json
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from factory_assets.adapters import FittedScaler
from factory_assets.deployment.release import SEQUENCE, TABULAR, Inputs, Release
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets.vocabulary.windows import LazyWindows

ROWS = 24
TOLERANCES = MappingProxyType({"bitwise": 1e-12, "bitwise_per_processor": 1e-5})
"""Largest difference of a probability by a model's declared determinism; another processor sums in another order."""
_SEED = 20
_SPREADS = 3.0
_MASKED_SHARE = 0.1


def golden_inputs(release: Release) -> Inputs:
    """Inputs of :data:`ROWS` made-up decisions, float32: around the training centers, cells masked, one row all masked.

    Windows slide over one store of rows of that kind; every third one begins late, as behind an outage, the second one
    at its last row.
    """
    rng = np.random.default_rng(_SEED)
    rows = _rows(_scalers(release, TABULAR), release.columns, ROWS, rng)
    if release.sequence is None:
        return {TABULAR: rows}
    length = release.sequence.window_bars
    last = np.arange(length - 1, length - 1 + ROWS, dtype=np.int64)
    first = last - length + 1
    first[::3] += length // 2
    first[1] = last[1]
    store = _rows(_scalers(release, SEQUENCE), release.sequence.names, ROWS + length - 1, rng)
    return {TABULAR: rows, SEQUENCE: _windows(store, last, first, length)}


def golden_file(release: Release) -> bytes:
    """Inputs and outputs (members and stack) as JSON; every float keeps every bit, a masked cell is null."""
    inputs = golden_inputs(release)
    content = {
        "inputs": {name: _plain(values) for name, values in inputs.items()},
        "members": {name: values.tolist() for name, values in release.member_probabilities(inputs).items()},
        "stack": release.probabilities(inputs).tolist(),
    }
    return (json.dumps(content, sort_keys=True, allow_nan=False) + "\n").encode()


def golden_differences(release: Release, content: bytes) -> dict[str, float]:
    """Largest difference of each member and of ``stack`` between what they say now and what the file kept.

    Parameters
    ----------
    release : Release
        As loaded.
    content : bytes
        Verified ``golden.json``.

    Raises
    ------
    IntegrityError
        If the file does not hold golden rows of these members and inputs.
    """
    try:
        kept = json.loads(content)
        inputs = _inputs(release, kept["inputs"])
        outputs = {name: np.array(values, dtype=np.float64) for name, values in kept["members"].items()}
        outputs["stack"] = np.array(kept["stack"], dtype=np.float64)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, BadInputError) as problem:
        raise IntegrityError(
            f"golden.json: expected inputs, members and stack as tables of numbers: {problem}"
        ) from problem
    shapes = {name: values.shape for name, values in outputs.items()}
    widths = {name: values.shape for name, values in inputs.items()}
    wanted = {name: values.shape for name, values in golden_inputs(release).items()}
    if {*outputs} != {*release.members, "stack"} or widths != wanted or {*shapes.values()} != {(ROWS, 3)}:
        raise IntegrityError(
            f"golden.json: inputs {widths}, outputs {shapes}; expected inputs {wanted} and {(ROWS, 3)} of the stack "
            f"and of {sorted(release.members)}"
        )
    said = {**release.member_probabilities(inputs), "stack": release.probabilities(inputs)}
    return {name: float(np.max(np.abs(said[name] - values))) for name, values in outputs.items()}


def tolerances(release: Release) -> dict[str, float]:
    """Largest difference allowed of each member, by its determinism class, and of ``stack``: its loosest member's."""
    allowed = {name: TOLERANCES[member.model.entry.determinism] for name, member in release.members.items()}
    return {**allowed, "stack": max(allowed.values())}


def _scalers(release: Release, adapter: str) -> list[FittedScaler]:
    """Scalers of the adapter's members, those that scale before those that only fill."""
    scalers = [member.scaler for _, member in sorted(release.members.items()) if member.model.entry.adapter == adapter]
    return sorted(scalers, key=lambda scaler: not any(scaler.center))


def _rows(scalers: Sequence[FittedScaler], columns: Sequence[str], count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows around the training centers, each column's from the first scaler that knows it."""
    known: dict[str, tuple[float, float]] = {}
    for scaler in scalers:
        # A model that scales nothing has no centers; then the training medians stand in.
        middles = scaler.center if any(scaler.center) else scaler.fill
        for name, middle, scale in zip(scaler.names, middles, scaler.scale, strict=True):
            known.setdefault(name, (middle, scale))
    center = np.array([known[name][0] for name in columns])
    spread = np.array([known[name][1] for name in columns])
    rows = center + spread * rng.uniform(-_SPREADS, _SPREADS, size=(count, len(center)))
    rows[rng.random(rows.shape) < _MASKED_SHARE] = np.nan
    rows[0], rows[1] = center, np.nan
    return rows.astype(np.float32)


def _windows(store: np.ndarray, last: np.ndarray, first: np.ndarray, length: int) -> LazyWindows:
    pad = np.full(store.shape[1], np.nan, dtype=np.float32)
    return LazyWindows(store=store, last=last, first=first, length=length, pad=pad)


def _plain(values: np.ndarray | LazyWindows) -> Any:
    if isinstance(values, LazyWindows):
        return {"store": _plain(values.store), "last": values.last.tolist(), "first": values.first.tolist()}
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]


def _inputs(release: Release, kept: dict[str, Any]) -> Inputs:
    inputs: dict[str, np.ndarray | LazyWindows] = {TABULAR: _table(kept[TABULAR])}
    if release.sequence is not None:
        windows = kept[SEQUENCE]
        last, first = (np.array(windows[name], dtype=np.int64) for name in ("last", "first"))
        inputs[SEQUENCE] = _windows(_table(windows["store"]), last, first, release.sequence.window_bars)
    if {*inputs} != {*kept}:
        raise BadInputError(f"inputs {sorted(kept)}, expected {sorted(inputs)}")
    return inputs


def _table(rows: list[list[float | None]]) -> np.ndarray:
    # None becomes NaN
    return np.array(rows, dtype=np.float64).astype(np.float32)
