"""The sentence a reader looks for first: whether anything here speaks of an edge."""

import pandas as pd

EDGE_METRICS = (
    ("direction_skill", "direction skill", "{:+.3f}"),
    ("net_pnl_dollars", "net P&L in dollars", "{:+,.0f}"),
)


def edge_sentences(table: pd.DataFrame, model: str) -> list[str]:
    """One sentence a period and metric, then what they add up to.

    Parameters
    ----------
    table : DataFrame
        The ``evaluation`` table.
    model : str
        Model the page is about.

    Returns
    -------
    list of str
        An edge is spoken of only where the whole interval of direction skill *and* of net P&L lies above zero.
    """
    sentences, above = [], {}
    for period in pd.unique(table["period"]):
        rows = table[(table["model"] == model) & (table["period"] == period)].set_index("metric")
        for metric, name, form in EDGE_METRICS:
            if metric not in rows.index:
                continue
            value, low, high = (float(rows.loc[metric, column]) for column in ("value", "low", "high"))
            above[str(period), metric] = low > 0
            if pd.isna([value, low, high]).any():
                sentences.append(f"{period}: {name} of {model} is not known: too few outcomes for an interval.")
                continue
            side = "lies above zero" if low > 0 else "lies below zero" if high < 0 else "contains zero"
            sentences.append(
                f"{period}: {name} of {model} is {form.format(value)}; its interval "
                f"[{form.format(low)}, {form.format(high)}] {side}."
            )
    periods = sorted({period for period, _ in above})
    shown = [p for p in periods if all(above.get((p, metric), False) for metric, *_ in EDGE_METRICS)]
    if periods and shown == periods:
        sentences.append("Both speak of an edge in every period shown; the sealed test has the last word.")
    elif shown:
        sentences.append(f"Both speak of an edge in {', '.join(shown)} only; that is not enough to trade on.")
    else:
        sentences.append("No period shows an edge in direction and in money at once. That is the finding.")
    return sentences
