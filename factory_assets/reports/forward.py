"""The forward page: what champion and challenger earned and said on sessions after both were frozen."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from factory_assets.reports.figure import Figure
from factory_assets.reports.metric_table import METRIC_GROUPS, metric_table
from factory_assets.reports.page import Section
from factory_assets.reports.style import ACCENT, FLAT, MUTED, canvas, drawn

_COLOURS = {"champion": ACCENT, "challenger": FLAT}
_SCOPES = {
    "paired": "Sessions that both scored, the only ones on which they are compared",
    "all": "All sessions a role scored since the promotion",
    "before_promotion": "Known before the promotion: no forward evidence",
}


def forward_figures(daily: pd.DataFrame, *, simulated: bool) -> list[Figure]:
    """Running net P&L and log loss a session, by role.

    Parameters
    ----------
    daily : DataFrame
        scope, role, trade_date, net_dollars, log_loss: one row a role and session. The sessions of scope
        ``before_promotion`` are left out.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    daily = daily[daily["scope"] == "all"] if len(daily) else daily
    if not len(daily):
        return []
    with canvas(1, 2, width=11.0, height=3.4, simulated=simulated) as (figure, axes):
        for role, rows in daily.groupby("role", sort=True):
            ordered = rows.sort_values("trade_date")
            style = {"color": _COLOURS[str(role)], "label": str(role), "marker": "o", "markersize": 3}
            axes.flat[0].step(ordered["trade_date"], ordered["net_dollars"].cumsum(), where="post", **style)
            axes.flat[1].plot(ordered["trade_date"], ordered["log_loss"], **style)
        axes.flat[0].axhline(0, color=MUTED, linewidth=0.8)
        axes.flat[0].set_ylabel("net P&L, dollars", fontsize=8)
        axes.flat[1].set_ylabel("log loss, nats a decision", fontsize=8)
        for axis in axes.flat:
            axis.legend(fontsize=8, frameon=False)
            axis.tick_params(axis="x", rotation=30)
        sessions = len(np.unique(daily["trade_date"]))
        return [
            drawn(
                figure,
                "Forward period",
                f"Running net P&L of one contract after costs, and log loss, by session ({sessions}). The champion is "
                "frozen; the challenger of a session is the newest refit that ended before it.",
                simulated=simulated,
            )
        ]


def forward_sections(
    table: pd.DataFrame, said: Sequence[str], releases: pd.DataFrame, daily: pd.DataFrame, *, simulated: bool
) -> list[Section]:
    """The page's parts in reading order.

    Parameters
    ----------
    table : DataFrame
        Schema ``forward_report``.
    said : sequence of str
        What so many sessions can and cannot tell.
    releases : DataFrame
        Which release scored which sessions, as it is shown.
    daily : DataFrame
        As for :func:`forward_figures`.
    simulated : bool
        Whether the page has to say SIMULATED.
    """
    sections = [Section(title="What this can and cannot say", paragraphs=list(said))]
    plain = table.rename(columns={"role": "model", "scope": "period"}).astype({"model": str, "period": str})
    for scope, title in _SCOPES.items():
        if not len(plain[plain["period"] == scope]):
            continue
        note = "difference: challenger less champion; a negative one of log loss is a gain."
        sections.append(
            Section(
                title=title,
                paragraphs=[note] if scope == "paired" else [],
                tables=[_without_empty(metric_table(plain, scope, group)) for group in METRIC_GROUPS],
            )
        )
    if figures := forward_figures(daily, simulated=simulated):
        sections.append(Section(title="Session by session", figures=figures))
    if len(releases):
        sections.append(Section(title="Who scored which session", tables=[releases]))
    return sections


def _without_empty(shown: pd.DataFrame) -> pd.DataFrame:
    """Metrics that nobody has here (skill needs the baselines' fits, which no release holds) take no column."""
    return shown.loc[:, (shown != "").any()]
