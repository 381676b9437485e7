"""A release beside the predictions that were stored when its parts were fitted and judged."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from factory_assets.deployment.batch import PROBABILITIES, BatchRows
from factory_assets.deployment.golden import tolerances
from factory_assets.deployment.release import Release
from factory_assets.vocabulary.verdict import Verdict

STACK_CHECK = "bundle_equals_stack"


def stack_verdict(release: Release, rows: BatchRows, stack: pd.DataFrame, val: Mapping[str, pd.DataFrame]) -> Verdict:
    """Whether the release says of every val decision what the stack and each base were evaluated by.

    Parity sets a bundle beside itself, live and in batch; only this sets it beside what was evaluated: a member of
    another fit, or windows of other decisions, would pass there.

    Parameters
    ----------
    release : Release
        As bundled.
    rows : BatchRows
        Its batch rows, those of val among them.
    stack : DataFrame
        The ``stack`` table; its rows of origin ``val`` are compared.
    val : mapping of str to DataFrame
        ``val_*`` tables by base.

    Returns
    -------
    Verdict
        ``bundle_equals_stack``. Differences up to :data:`factory_assets.deployment.golden.TOLERANCES` are allowed, for
        a bundle made on another processor than its fits; on the same one they are 0.
    """
    kept = {"stack": stack[stack["origin"] == "val"], **val}
    place = pd.Index(rows.frame["decision_time"])
    compared, worst, missing = 0, dict.fromkeys(kept, 0.0), 0
    for name, stored in kept.items():
        found = place.get_indexer(pd.Index(stored["decision_time"]))
        missing += int((found < 0).sum())
        inputs = rows.take(found[found >= 0]).inputs
        said = release.probabilities(inputs) if name == "stack" else release.member_probabilities(inputs)[name]
        gap = np.abs(said - stored[list(PROBABILITIES)].to_numpy()[found >= 0])
        worst[name] = float(gap.max(initial=0.0))
        compared += len(gap)
    allowed = tolerances(release)
    shown = ", ".join(f"{name} {gap:.2g} (bound {allowed[name]:g})" for name, gap in worst.items())
    return Verdict(
        name=STACK_CHECK,
        passed=compared > 0 and not missing and all(gap <= allowed[name] for name, gap in worst.items()),
        summary=f"{compared} stored val predictions recomputed by the bundle, {missing} without a decision in it; "
        f"largest differences: {shown}",
        details={"rows": compared, "rows_missing": missing, "largest_difference": max(worst.values())},
    )
