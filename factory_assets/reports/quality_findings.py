"""Whether a contract's bars are fit for use, in words: what a reader of the quality page looks for first."""

from collections.abc import Mapping, Sequence

import pandas as pd

from factory_assets.market.finding import Finding

UNEXPLAINED_SHARE_GRAVE = 0.005
"""Share of scheduled minutes in gaps nobody can explain from which the bars should not be used unseen."""

EMPTY_SESSIONS_SHARE_GRAVE = 0.01
"""Share of scheduled sessions without any bar from which the same holds."""

_ORDINARY_GAPS_MIN = 60
_THIN_SHARE = 0.5


def verdict_sentence(findings: Sequence[Finding], *, simulated: bool) -> str:
    """One sentence: fit, fit with remarks, or not fit as it is."""
    grave = sum(finding.grave for finding in findings)
    known = len(findings) - grave
    if grave:
        said = f"Not fit for use as it is: {_things(grave)} to settle first."
    elif known:
        said = f"Fit for use: every check holds. {_things(known).capitalize()} to know, below."
    else:
        said = "Fit for use: every check holds, and nothing below asks for a decision."
    if simulated:
        said = f"SIMULATED, not a market: good for testing the factory and for nothing else. As test data: {said}"
    return said


def gap_findings(gaps: pd.DataFrame, coverage: pd.DataFrame) -> list[Finding]:
    """What missing bars mean for use.

    Parameters
    ----------
    gaps, coverage : DataFrame
        The tables of those names.
    """
    scheduled = int(coverage["scheduled_minutes"].sum())
    unexplained = gaps[gaps["explanation"].astype(str) == "unexplained"]
    missing = int(unexplained["missing_minutes"].sum())
    found = []
    if missing:
        share = missing / max(1, scheduled)
        longest = unexplained.loc[unexplained["missing_minutes"].idxmax()]
        text = (
            f"{counted(len(unexplained), 'gap')} without an explanation: {counted(missing, 'minute')}, {share:.3%} of "
            f"those scheduled; the longest lasts {counted(int(longest['missing_minutes']), 'minute')} from "
            f"{longest['start_time']:%Y-%m-%d %H:%M} UTC. "
            "Windows do not cross an outage of more than 30 minutes, and no bar was invented."
        )
        found.append(Finding(grave=share >= UNEXPLAINED_SHARE_GRAVE, text=text))
    empty = coverage[coverage["traded_minutes"] == 0]
    if len(empty):
        share = len(empty) / len(coverage)
        text = (
            f"No trade in {len(empty):,} of {len(coverage):,} scheduled sessions ({_days(empty['trade_date'])}): a "
            "feed that was off, files that are missing, or a holiday the calendar does not know."
        )
        found.append(Finding(grave=share >= EMPTY_SESSIONS_SHARE_GRAVE, text=text))
    thin = coverage[(coverage["traded_minutes"] > 0) & (coverage["share"] < _THIN_SHARE)]
    # Files begin and end within a session.
    thin = thin[~thin["trade_date"].isin(coverage["trade_date"].iloc[[0, -1]])]
    if len(thin):
        text = f"{counted(len(thin), 'session')} traded in less than half of the minutes ({_days(thin['trade_date'])})."
        found.append(Finding(grave=False, text=text))
    return found


def quarantine_findings(quarantine: pd.DataFrame, share: float, share_max: float) -> list[Finding]:
    """What refused rows mean for use.

    Parameters
    ----------
    quarantine : DataFrame
        Table of that name.
    share, share_max : float
        Quarantined share of the rows of months that were ever front, and the ceiling that would block the partition.
    """
    if quarantine.empty:
        return []
    reasons = quarantine["reason"].astype(str).value_counts()
    listed = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
    text = (
        f"{counted(len(quarantine), 'raw row')} in quarantine ({listed}); in the months used {share:.4%} of the "
        f"rows, where {share_max:.2%} would block the partition."
    )
    return [Finding(grave=False, text=text)]


def roll_findings(jumps: pd.DataFrame, ordinary_gaps: int) -> list[Finding]:
    """What the rolls mean for use.

    Parameters
    ----------
    jumps : DataFrame
        As :func:`factory_assets.market.roll_jumps.roll_jumps`.
    ordinary_gaps : int
        Session gaps without a roll; a few of them tell nothing of what is ordinary.
    """
    found = []
    odd = jumps[jumps["ordinary_share"] == 0.0]
    if len(odd) and ordinary_gaps >= _ORDINARY_GAPS_MIN:
        text = (
            f"{len(odd)} of {len(jumps)} rolls leave a jump after adjustment that none of {ordinary_gaps:,} ordinary "
            f"session gaps reaches ({_days(odd['trade_date'])}): news over the break, or a doubtful ratio."
        )
        found.append(Finding(grave=False, text=text))
    blind = jumps[jumps["paired_minutes"] == 0]
    if len(blind):
        text = (
            f"{len(blind)} of {len(jumps)} rolls join months that share no minute ({_days(blind['trade_date'])}): the "
            "move over the break is lost, and the ratio is that of one close to the next open."
        )
        found.append(Finding(grave=False, text=text))
    return found


def source_findings(provenance: Mapping[str, str], restated: int) -> list[Finding]:
    """What the vendor's conventions and later corrections mean for use.

    Parameters
    ----------
    provenance : mapping of str to str
        ``volume_meaning`` and ``series`` of the partition's manifest.
    restated : int
        Rows of the table ``restatements``.
    """
    found = []
    volume = provenance.get("volume_meaning", "contracts")
    if volume == "none":
        text = "The series has no volume: features that need it are masked in every row."
        found.append(Finding(grave=False, text=text))
    if volume == "ticks":
        text = "Volume counts trades, not contracts: compare it with nothing but itself."
        found.append(Finding(grave=False, text=text))
    if provenance.get("series") == "continuous":
        text = "The vendor joined the delivery months; which month a stretch is was declared, not read from the rows."
        found.append(Finding(grave=False, text=text))
    if restated:
        text = (
            f"The vendor restated {counted(restated, 'minute')} after the first reading: results made before then "
            "were made of other values."
        )
        found.append(Finding(grave=False, text=text))
    return found


def counted(count: int, noun: str) -> str:
    """Number and noun, the noun in the plural unless there is one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def share_within(coverage: pd.DataFrame) -> float:
    """Traded share of the scheduled minutes without the first and the last session, which raw files may cut in two.

    Of all sessions if there are not more than two.
    """
    inner = coverage.iloc[1:-1] if len(coverage) > 2 else coverage
    return float(inner["traded_minutes"].sum() / max(1, int(inner["scheduled_minutes"].sum())))


def _things(count: int) -> str:
    return "one thing" if count == 1 else f"{count} things"


def _days(dates: pd.Series) -> str:
    texts = pd.DatetimeIndex(dates).strftime("%Y-%m-%d").tolist()
    more = f" and {len(texts) - 5} more" if len(texts) > 5 else ""
    return f"{', '.join(texts[:5])}{more}"
