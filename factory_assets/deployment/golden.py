"""Golden rows: a few inputs whose outputs are kept in the bundle, so that a loaded model proves it is the saved one.

The inputs are made from the members' scalers alone (training centers, spreads and masked cells), so a bundle needs no
row of data for them.
"""

import json

import numpy as np

from factory_assets.deployment.release import Release
from factory_assets.vocabulary.errors import IntegrityError

ROWS = 24
TOLERANCE = 1e-12
_SEED = 20
_SPREADS = 3.0
_MASKED_SHARE = 0.1


def golden_rows(release: Release) -> np.ndarray:
    """Inputs, float32, shape (:data:`ROWS`, F): rows around the training centers, cells masked, one row all masked."""
    scalers = [member.scaler for _, member in sorted(release.members.items())]
    # A model that scales nothing has no centers; then the training medians stand in.
    center = np.array(next((s.center for s in scalers if any(s.center)), scalers[0].fill))
    scale = np.array(next((s.scale for s in scalers if any(s.center)), scalers[0].scale))
    rng = np.random.default_rng(_SEED)
    rows = center + scale * rng.uniform(-_SPREADS, _SPREADS, size=(ROWS, len(center)))
    rows[rng.random(rows.shape) < _MASKED_SHARE] = np.nan
    rows[0], rows[1] = center, np.nan
    return rows.astype(np.float32)


def golden_file(release: Release) -> bytes:
    """Inputs and outputs (members and stack) as JSON; every float keeps every bit, a masked cell is null."""
    rows = golden_rows(release)
    members = {name: member.predict_proba(rows).tolist() for name, member in sorted(release.members.items())}
    content = {
        "inputs": [[None if np.isnan(value) else float(value) for value in row] for row in rows],
        "members": members,
        "stack": release.probabilities(rows).tolist(),
    }
    return (json.dumps(content, sort_keys=True, allow_nan=False) + "\n").encode()


def golden_difference(release: Release, content: bytes) -> float:
    """Largest difference between what the release says now and what the file kept.

    Parameters
    ----------
    release : Release
        As loaded.
    content : bytes
        Verified ``golden.json``.

    Raises
    ------
    IntegrityError
        If the file does not hold golden rows of these members and columns.
    """
    try:
        kept = json.loads(content)
        # None becomes NaN
        rows = np.array(kept["inputs"], dtype=np.float64).astype(np.float32)
        outputs = {name: np.array(values, dtype=np.float64) for name, values in kept["members"].items()}
        stack = np.array(kept["stack"], dtype=np.float64)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as problem:
        raise IntegrityError(
            f"golden.json: expected inputs, members and stack as tables of numbers: {problem}"
        ) from problem
    shapes = {name: values.shape for name, values in (*outputs.items(), ("stack", stack))}
    width = len(release.columns)
    if {*outputs} != {*release.members} or rows.shape != (ROWS, width) or {*shapes.values()} != {(ROWS, 3)}:
        raise IntegrityError(
            f"golden.json: inputs {rows.shape}, outputs {shapes}; expected inputs {(ROWS, width)} and {(ROWS, 3)} of "
            f"the stack and of {sorted(release.members)}"
        )
    differences = [np.abs(release.members[name].predict_proba(rows) - values) for name, values in outputs.items()]
    return float(np.max([*differences, np.abs(release.probabilities(rows) - stack)]))
