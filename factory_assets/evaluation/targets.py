"""The specification's targets by horizon, reported as met or missed and never tuned to.

Missing one on real data is an honest result. Nothing in the factory reads the outcome.
"""

from types import MappingProxyType

import numpy as np
import pandas as pd

from factory_assets.vocabulary.errors import UnknownNameError

SHARPE_ANNUAL_MIN = MappingProxyType({5: 0.30, 10: 0.40, 15: 0.45, 20: 0.50})
MACRO_F1_MIN = MappingProxyType({5: 0.35, 10: 0.38, 15: 0.40, 20: 0.42})
DRAWDOWN_SHARE_MAX = MappingProxyType({5: 0.25, 10: 0.20, 15: 0.18, 20: 0.18})
SKILL_GAP_SHARE_MAX = 0.15


def targets_table(
    table: pd.DataFrame, *, model: str, horizon: int, account_dollars: float, val_skill: float | None = None
) -> pd.DataFrame:
    """One row a target of one model: ``target``, ``bound`` (at least / at most), ``limit``, ``value``, ``met``.

    Parameters
    ----------
    table : DataFrame
        Evaluation of one period (schema ``evaluation``).
    model : str
        Whose rows are read. A metric the table lacks, or leaves undefined, is not met.
    horizon : int
        Base bars.
    account_dollars : float
        Start balance; drawdown is a share of it.
    val_skill : float, optional
        Log-loss skill on ``val``; handed in when ``table`` is of the test, it adds the val-test gap: the share of
        val's skill that the test lost.

    Raises
    ------
    UnknownNameError
        If the horizon has no targets.
    """
    if horizon not in SHARPE_ANNUAL_MIN:
        raise UnknownNameError(f"targets of horizon {horizon}: known horizons are {sorted(SHARPE_ANNUAL_MIN)}")
    values = table[table["model"] == model].set_index("metric")["value"]

    def of(metric: str) -> float:
        return float(values[metric]) if metric in values.index else float("nan")

    rows: list[tuple[str, str, float, float]] = [
        ("sharpe_annual", "at least", SHARPE_ANNUAL_MIN[horizon], of("sharpe_annual")),
        ("macro_f1", "at least", MACRO_F1_MIN[horizon], of("macro_f1")),
        ("skill_log_loss", "above", 0.0, of("skill_log_loss")),
        ("max_drawdown_share", "at most", DRAWDOWN_SHARE_MAX[horizon], of("max_drawdown_dollars") / account_dollars),
    ]
    if val_skill is not None:
        # Without skill on val there is nothing of which a share could be lost: undefined, hence not met.
        gap = (val_skill - of("skill_log_loss")) / val_skill if val_skill > 0 else float("nan")
        rows.append(("val_test_skill_gap_share", "at most", SKILL_GAP_SHARE_MAX, gap))
    out = pd.DataFrame(rows, columns=["target", "bound", "limit", "value"])
    value, limit = out["value"].to_numpy(), out["limit"].to_numpy()
    kinds = out["bound"].to_numpy()
    out["met"] = np.where(kinds == "at most", value <= limit, np.where(kinds == "above", value > limit, value >= limit))
    return out
