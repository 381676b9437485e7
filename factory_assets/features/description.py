"""What the catalogue says of itself: rows for the command line, and the page FEATURES.md.

Belongs here: words. Both are made from the registry, so they cannot say anything else than the code does;
``scripts/feature_page.py`` writes the page, and a test holds it against the registry.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from factory_assets.features.family import TOLERANCE, FeatureFamily
from factory_assets.features.registry import registry
from factory_assets.features.spec import SESSION_MINUTES_MAX, FeatureSpec, Span
from factory_assets.vocabulary.errors import UnknownNameError
from factory_assets.vocabulary.timeframes import BASE_MINUTES, TIMEFRAMES_MINUTES

PAGE_COMMAND = "python scripts/feature_page.py"

_INTRODUCTION = f"""# The feature catalogue

Generated from the registry by `{PAGE_COMMAND}`; do not edit. `factory features` prints the same,
`--json` with every field. Every feature is computed on every timeframe
({", ".join(str(each) for each in TIMEFRAMES_MINUTES)} minutes).
"""
_CONVENTIONS = f"""## How to read it

- A value is known at the `close_time` of its bar and depends on that bar and earlier ones only: proven on every
  partition (`feature_certificate`).
- *Look-back*: trailing bars, the row included, from which the value is the same as from all history, within a relative
  tolerance of {TOLERANCE:g} (or less, where the table says so). *Warm-up*: bars at the start of history without a
  value; they are masked (NaN), never dropped. "2 sessions + 1 bar" counts whole sessions of up to
  {SESSION_MINUTES_MAX // 60} hours, and a bar of the one before: it proves that the first is seen from its beginning.
- *Unit*: `log` is a log return, `ATR` the average true range of 14 bars, `share` a part of something, `flag` 0 or 1.
- *Scaling*: `robust` for unbounded values, `minmax` for bounded ones, `none` for flags.
- Prices are adjusted for rolls, and multiplying all of them by a constant changes nothing, except in group `traded`.
- *Volume*: the feature reads contract counts and is masked throughout in a series without them.
"""


def catalogue_rows(group: str | None = None) -> list[dict[str, Any]]:
    """Every field of every feature as plain values, in catalogue order.

    Parameters
    ----------
    group : str, optional
        One group alone.

    Raises
    ------
    UnknownNameError
        The catalogue has no such group.
    """
    specs = registry().select(None)
    groups = list(dict.fromkeys(spec.group for spec in specs))
    if group is not None and group not in groups:
        raise UnknownNameError(f"feature group {group!r}: the catalogue has {', '.join(groups)}")
    return [_row(spec) for spec in specs if group in {None, spec.group}]


def _row(spec: FeatureSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "group": spec.group,
        "formula": spec.formula,
        "inputs": list(spec.inputs),
        "reads_volume": spec.reads_volume,
        "reads_regimes": spec.reads_regimes,
        "unit": spec.unit,
        "scaling": spec.scaling,
        "scale_invariant": spec.scale_invariant,
        "look_back": span_text(spec.lookback),
        "lookback": _span(spec.lookback),
        "lookback_bars": {str(minutes): spec.lookback_bars(minutes) for minutes in TIMEFRAMES_MINUTES},
        "warm_up": span_text(spec.warmup),
        "warmup": _span(spec.warmup),
        "warmup_bars": {str(minutes): spec.warmup_bars(minutes) for minutes in TIMEFRAMES_MINUTES},
        "tolerance": spec.tolerance,
        "reference": spec.source,
    }


def _span(span: Span) -> dict[str, int]:
    return {"bars": span.bars, "sessions": span.sessions, "settle_bars": span.settle_bars}


def span_text(span: Span) -> str:
    """A stretch of history in words: "61 bars", "2 sessions + 1 bar", or the longer of the two.

    Examples
    --------
    >>> span_text(Span(bars=61))
    '61 bars'
    >>> span_text(Span(bars=500, sessions=2))
    '500 bars or 2 sessions + 1 bar, the longer'
    """
    if not span.sessions:
        return _counted(span.bars, "bar") if span.bars else "none"
    in_sessions = f"{_counted(span.sessions, 'session')} + {_counted(1 + span.settle_bars, 'bar')}"
    return f"{_counted(span.bars, 'bar')} or {in_sessions}, the longer" if span.bars else in_sessions


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def catalogue_page() -> str:
    """FEATURES.md: counts by group, then a table, the formulas and the references of each group."""
    by_group: dict[str, list[FeatureFamily]] = {}
    for family in registry().families:
        by_group.setdefault(family.specs[0].group, []).append(family)
    return "\n".join([_INTRODUCTION, _counts(by_group), _CONVENTIONS, *(_group(*each) for each in by_group.items())])


def _counts(by_group: Mapping[str, Sequence[FeatureFamily]]) -> str:
    rows, everything = [], [spec for families in by_group.values() for family in families for spec in family.specs]
    for group, families in by_group.items():
        specs = [spec for family in families for spec in family.specs]
        rows.append((f"[{group}](#{group})", *_sums(specs)))
    rows.append(("**all**", *_sums(everything)))
    head = ("group", "features", "read volume", f"longest look-back, {BASE_MINUTES}-minute bars")
    return _table(head, rows)


def _sums(specs: Sequence[FeatureSpec]) -> tuple[str, str, str]:
    longest = max(spec.lookback_bars(BASE_MINUTES) for spec in specs)
    return str(len(specs)), str(sum(spec.reads_volume for spec in specs)), f"{longest:,}"


def _group(group: str, families: Sequence[FeatureFamily]) -> str:
    specs = [spec for family in families for spec in family.specs]
    head = ("feature", "unit", "scaling", "look-back", "warm-up", "volume")
    rows = [
        (
            f"`{spec.name}`",
            spec.unit,
            spec.scaling,
            span_text(spec.lookback) + (f", within {spec.tolerance:g}" if spec.tolerance != TOLERANCE else ""),
            span_text(spec.warmup),
            "yes" if spec.reads_volume else "",
        )
        for spec in specs
    ]
    formulas = [
        f"- {', '.join(f'`{spec.name}`' for spec in family.specs)}: {_plain(family.specs[0].formula)}\n"
        f"  *Inputs: {', '.join(family.specs[0].inputs)}. Reference: {_plain(family.specs[0].source)}*"
        for family in families
    ]
    return "\n".join([f"## {group}", "", _table(head, rows), *formulas, ""])


def _plain(text: str) -> str:
    """Text that means nothing to Markdown: a product sign starts no emphasis, a comparison no tag."""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("<", "\\<")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped, since it would end it."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *escaped]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
