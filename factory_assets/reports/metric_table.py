"""The evaluation as a person reads it: models down, metrics across, each number with its interval."""

from types import MappingProxyType

import pandas as pd

METRIC_GROUPS: MappingProxyType[str, tuple[tuple[str, str, str], ...]] = MappingProxyType(
    {
        "probabilities": (
            ("direction_skill", "direction skill", "{:+.3f}"),
            ("skill_log_loss", "skill over clock + ATR", "{:+.4f}"),
            ("log_loss", "log loss", "{:.4f}"),
            ("brier", "Brier", "{:.4f}"),
            ("calibration_error", "ECE", "{:.3f}"),
            ("macro_f1", "macro F1", "{:.3f}"),
        ),
        "money": (
            ("net_pnl_dollars", "net P&L, $", "{:+,.0f}"),
            ("sharpe_annual", "Sharpe", "{:+.2f}"),
            ("sortino_annual", "Sortino", "{:+.2f}"),
            ("max_drawdown_dollars", "drawdown, $", "{:,.0f}"),
            ("trades", "trades", "{:,.0f}"),
            ("turnover_contracts_per_session", "turnover a session", "{:.2f}"),
            ("hit_rate", "hit rate", "{:.1%}"),
        ),
    }
)
"""Metrics shown together: name in the table, heading, format."""


def metric_table(table: pd.DataFrame, period: str, group: str) -> pd.DataFrame:
    """One period's metrics of one group, as text.

    Parameters
    ----------
    table : DataFrame
        The ``evaluation`` table with plain text columns.
    period : str
        ``oof``, ``val`` or ``test``.
    group : str
        Key of :data:`METRIC_GROUPS`.

    Returns
    -------
    DataFrame
        First column the models (its heading says the period), then one column a metric: ``value [low, high]``; empty
        where a metric has no meaning for a model.
    """
    rows = table[table["period"] == period].set_index(["model", "metric"])
    wanted = METRIC_GROUPS[group]
    lines = []
    for model in dict.fromkeys(rows.index.get_level_values("model")):
        cells = [_cell(rows, model, metric, pattern) for metric, _, pattern in wanted]
        if any(cells):
            lines.append([model, *cells])
    return pd.DataFrame(lines, columns=[f"{period}: {group}", *(heading for _, heading, _ in wanted)])


def _cell(rows: pd.DataFrame, model: str, metric: str, pattern: str) -> str:
    if (model, metric) not in rows.index:
        return ""
    value, low, high = rows.loc[(model, metric), ["value", "low", "high"]]
    if pd.isna(value):
        return ""
    interval = "" if pd.isna(low) else f" [{pattern.format(low)}, {pattern.format(high)}]"
    return pattern.format(value) + interval
