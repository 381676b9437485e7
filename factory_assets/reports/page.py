"""One self-contained HTML page: no script, no second file, no address of anywhere else."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import numpy as np
import pandas as pd

from factory_assets.reports.figure import Figure
from factory_assets.vocabulary.verdict import Verdict

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1f2933;max-width:78rem;margin:2rem auto;padding:0 1rem;background:#fff}
h1{font-size:1.7rem;margin:0 0 .2rem}h2{margin:2.4rem 0 .6rem;border-bottom:2px solid #e4e7eb;padding-bottom:.2rem}
h3{margin:1.4rem 0 .3rem;font-size:1rem}p{margin:.4rem 0}.lead{color:#52606d}
table{border-collapse:collapse;font-size:12px;margin:.6rem 0}
th,td{padding:.2rem .55rem;text-align:right;white-space:nowrap;
border-bottom:1px solid #e4e7eb;font-variant-numeric:tabular-nums}th{background:#f5f7fa}td:first-child,th:first-child,
td.text,th.text{text-align:left}th.prose{text-align:left}td.prose{min-width:18rem}td.prose{text-align:left;white-space:normal}
img{max-width:100%;height:auto;border:1px solid #e4e7eb;border-radius:4px}
.pass{color:#1a7f5a;font-weight:600}.fail{color:#c2412d;font-weight:600}.warn{color:#b58a1b;font-weight:600}
.simulated{background:#c2412d;color:#fff;padding:.5rem 1rem;font-weight:700;letter-spacing:.08em;border-radius:4px}
.wide{overflow-x:auto}
"""

_NUMBER = re.compile(r"(?:[+-]?[\d,]*\.?\d+(?:e[+-]?\d+)?%?)?|n/a")
_PROSE_CHARACTERS = 80


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a page.

    Attributes
    ----------
    title : str
        Heading.
    paragraphs : sequence of str
        Plain text.
    tables : sequence of DataFrame
        Shown as they are, numbers to four digits.
    figures : sequence of Figure
        Plots with their captions.
    verdicts : sequence of Verdict
        Invariants with their outcome.
    figures_first : bool
        Whether the plots stand above the tables.
    pages : mapping of str to str
        Further pages beside this one: file name to what it shows. Shown as links.
    """

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[pd.DataFrame] = ()
    figures: Sequence[Figure] = ()
    verdicts: Sequence[Verdict] = ()
    figures_first: bool = False
    pages: Mapping[str, str] = field(default_factory=dict)


def render_page(title: str, lead: str, sections: Sequence[Section], *, simulated: bool) -> str:
    """The page as one string of HTML.

    Parameters
    ----------
    title, lead : str
        Heading and the sentence under it.
    sections : sequence of Section
        In reading order.
    simulated : bool
        Puts SIMULATED above everything.
    """
    banner = '<p class="simulated">SIMULATED: no figure on this page is of a market</p>' if simulated else ""
    body = "".join(_section(section) for section in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>{banner}"
        f'<h1>{html.escape(title)}</h1><p class="lead">{html.escape(lead)}</p>{body}</body></html>\n'
    )


def _section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.title)}</h2>"]
    parts += [f"<p>{html.escape(text)}</p>" for text in section.paragraphs]
    parts += [
        f'<p><a href="{html.escape(quote(name))}">{html.escape(shown)}</a></p>' for name, shown in section.pages.items()
    ]
    tables = [_table(table) for table in section.tables]
    if section.verdicts:
        tables.append(_verdicts(section.verdicts))
    figures = [
        f"<h3>{html.escape(figure.title)}</h3>"
        f'<img alt="{html.escape(figure.title)}" src="{figure.data_uri}"><p>{html.escape(figure.caption)}</p>'
        for figure in section.figures
    ]
    return "".join([*parts, *figures, *tables] if section.figures_first else [*parts, *tables, *figures])


def _table(table: pd.DataFrame) -> str:
    kinds = [_kind(table[name]) for name in table.columns]
    head = "".join(f"<th{kind}>{html.escape(str(name))}</th>" for name, kind in zip(table.columns, kinds, strict=True))
    rows = []
    for row in table.itertuples(index=False):
        cells = "".join(f"<td{kind}>{html.escape(_cell(value))}</td>" for kind, value in zip(kinds, row, strict=True))
        rows.append(f"<tr>{cells}</tr>")
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for verdict in verdicts:
        state, word = (
            ("pass", "holds") if verdict.passed else ("fail", "broken") if verdict.blocking else ("warn", "warns")
        )
        rows.append(
            f'<tr><td class="text">{html.escape(verdict.name)}</td><td class="{state}">{word}</td>'
            f'<td class="prose">{html.escape(verdict.summary)}</td></tr>'
        )
    return f'<div class="wide"><table><tbody>{"".join(rows)}</tbody></table></div>'


def _kind(column: pd.Series) -> str:
    """Class of a column's cells: numbers, written out or not, stand to the right; long text may wrap."""
    if pd.api.types.is_numeric_dtype(column):
        return ""
    cells = [_cell(value) for value in column]
    if any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells):
        return ""
    return ' class="prose"' if max(map(len, cells), default=0) > _PROSE_CHARACTERS else ' class="text"'


def _cell(value: object) -> str:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        if value != value:  # noqa: PLR0124 - NaN is the one value that differs from itself
            return "n/a"
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return str(value)
