"""What a comparison of two vendors comes to, in sentences a person can act on."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from factory_assets.market.finding import Finding

_HOUR = 60
# Below these shares vendors differ by late corrections and odd lots; above, somebody should look.
_DIFFERENT_SHARE_REMARK = 0.001
_MISSING_SHARE_REMARK = 0.001
_VOLUME_RATIO_REMARK = 0.01
_OFFSET_TICKS_MIN = 0.5
# How many times as many minutes outside the exchange's sessions make one side the likelier one to be wrong.
_OUTSIDE_MULTIPLE = 5

Side = Mapping[str, str | int]


def vendor_findings(
    sides: Mapping[str, Side],
    minutes: Mapping[str, int],
    months: pd.DataFrame,
    weeks: pd.DataFrame,
    volume: Mapping[str, float],
) -> tuple[Finding, ...]:
    """Sentences on clock, coverage, prices and volume, gravest first.

    Parameters
    ----------
    sides, minutes, months, weeks, volume
        As the fields of :class:`factory_assets.market.vendor_comparison.VendorComparison`.

    Returns
    -------
    tuple of Finding
        Never empty: two equal records are said to be equal.
    """
    found = _clock(sides, minutes, weeks)
    if not (weeks["shift_minutes"].fillna(0.0) != 0).any():
        # Under a shifted clock unequal minutes are compared: what they differ in says nothing.
        found += [*_offsets(months), *_coverage(minutes), *_prices(minutes), *_volume(sides, volume)]
    if not found:
        alike = minutes["equal"] == minutes["both"] and not minutes["only_a"] and not minutes["only_b"]
        text = (
            f"{'No difference' if alike else 'No difference to speak of'}: {minutes['equal']:,} of "
            f"{minutes['both']:,} minutes both hold have equal prices, {minutes['only_a']:,} stand only in A and "
            f"{minutes['only_b']:,} only in B; the clocks agree in all {len(weeks)} weeks."
        )
        found = [Finding(grave=False, text=text)]
    return tuple(sorted(found, key=lambda each: not each.grave))


def shift_meaning(shift_minutes: int, sides: Mapping[str, Side]) -> str:
    """What a constant shift looks like, given what the two declare.

    Parameters
    ----------
    shift_minutes : int
        How many minutes later B stamps the bars that A holds; not 0.
    sides : mapping of str to mapping
        ``A`` and ``B`` with ``bar_label``, ``timezone`` and ``outside_sessions``.
    """
    hours, rest = divmod(shift_minutes + _HOUR // 2, _HOUR)
    rest -= _HOUR // 2
    direction = "later" if shift_minutes > 0 else "earlier"
    said = [f"B is shifted by {shift_minutes:+d} min: it stamps its bars {abs(shift_minutes)} min {direction} than A"]
    if abs(rest) > 1:
        said.append("that is no whole hour, so neither a zone nor a bar label explains it: another cause")
        return "; ".join(said)
    wrong = side_out_of_sessions(sides)
    if hours:
        said.append(
            f"{abs(hours)} h of it come from a clock: a time zone is declared wrongly (A {sides['A']['timezone']}, "
            f"B {sides['B']['timezone']})"
        )
    if rest:
        said.append(_label_cause(rest, sides, wrong))
    return "; ".join([*said, _sessions_say(sides)])


def _label_cause(rest: int, sides: Mapping[str, Side], wrong: str) -> str:
    """Which declared label, if it were wrong, would put B one minute later (+1) or earlier (-1)."""
    late, early = ("B", "A") if rest > 0 else ("A", "B")
    causes = {}
    if sides[late]["bar_label"] == "open":
        causes[late] = f"{late} looks stamped at the close of its bars (it declares open)"
    if sides[early]["bar_label"] == "close":
        causes[early] = f"{early} looks stamped at the open of its bars (it declares close)"
    if wrong in causes:
        return causes[wrong]
    return " or ".join(causes.values()) or "one minute of it is a bar label, though neither declared one explains it"


def _sessions_say(sides: Mapping[str, Side]) -> str:
    wrong = side_out_of_sessions(sides)
    counts = ", ".join(f"{name} {int(side['outside_sessions']):,}" for name, side in sides.items())
    decided = f"speak against {wrong}" if wrong else "do not decide which of the two is wrong"
    return f"the exchange's sessions {decided} (minutes outside them: {counts})"


def side_out_of_sessions(sides: Mapping[str, Side]) -> str:
    """The side with far more minutes outside the exchange's sessions; empty if neither stands out."""
    outside = {name: int(side["outside_sessions"]) for name, side in sides.items()}
    for name, other in (("A", "B"), ("B", "A")):
        if outside[name] > _OUTSIDE_MULTIPLE * max(1, outside[other]):
            return name
    return ""


def _clock(sides: Mapping[str, Side], minutes: Mapping[str, int], weeks: pd.DataFrame) -> list[Finding]:
    known = weeks[weeks["shift_minutes"].notna()]
    if known.empty:
        why = f"in none of {len(weeks)} weeks do the moves agree at any shift: this is not one market"
        why = why if len(weeks) else "no week has 30 minutes that moved in both"
        return [Finding(grave=len(weeks) > 0, text=f"The clocks could not be compared: {why}.")]
    counts = known["shift_minutes"].astype(int).value_counts()
    found = []
    lost = len(weeks) - len(known)
    if lost:
        text = (
            f"In {lost} of {len(weeks)} weeks the moves of the minutes agree at no shift; those clocks are not known."
        )
        found.append(Finding(grave=lost > len(known), text=text))
    if set(counts.index) == {0}:
        return found
    after = (
        f"With each week moved back {minutes['equal_shifted']:,} of {minutes['both_shifted']:,} shared minutes have "
        f"equal prices; as declared {minutes['equal']:,} of {minutes['both']:,}."
    )
    if len(counts) == 1:
        text = f"{shift_meaning(int(counts.index[0]), sides)}. {after}"
        return [Finding(grave=True, text=text), *found]
    ordered = sorted(int(shift) for shift in counts.index)
    listed = ", ".join(f"{shift:+d} minutes in {counts[shift]} weeks" for shift in ordered)
    season = len(ordered) == 2 and ordered[1] - ordered[0] == _HOUR
    meaning = (
        "an hour that comes and goes with the season is daylight saving, which one of the two clocks keeps and the "
        f"other does not (A {sides['A']['timezone']}, B {sides['B']['timezone']}): EST is not America/New_York"
        if season
        else "the two clocks do not keep one distance"
    )
    first = known["week"].astype(str).tolist()[_first_change(known["shift_minutes"].to_numpy())]
    text = f"The shift of B changes: {listed}, first in the week of {first}; {meaning}; {_sessions_say(sides)}. {after}"
    return [Finding(grave=True, text=text), *found]


def _first_change(shifts: np.ndarray) -> int:
    return int(np.flatnonzero(np.diff(shifts))[0]) + 1


def _offsets(months: pd.DataFrame) -> list[Finding]:
    offset, spread = months["close_offset_ticks"].abs(), months["offset_spread_ticks"]
    moved = months[(offset >= _OFFSET_TICKS_MIN) & (spread < offset)]
    if moved.empty:
        return []
    listed = ", ".join(f"{row.expiry} {row.close_offset_ticks:+.1f}" for row in moved.head(6).itertuples())
    more = f" and {len(moved) - 6} more" if len(moved) > 6 else ""
    text = (
        f"B's prices lie a steady distance off A's in {len(moved)} of {len(months)} delivery months (ticks: {listed}"
        f"{more}): one of the two is adjusted, or holds another month."
    )
    return [Finding(grave=True, text=text)]


def _coverage(minutes: Mapping[str, int]) -> list[Finding]:
    found = []
    everything = minutes["both"] + minutes["only_a"] + minutes["only_b"]
    for name, other in (("a", "b"), ("b", "a")):
        only = minutes[f"only_{name}"]
        if only > _MISSING_SHARE_REMARK * everything:
            text = (
                f"{only:,} minutes ({only / everything:.2%}) stand only in {name.upper()}; {other.upper()} lacks them."
            )
            found.append(Finding(grave=False, text=text))
    return found


def _prices(minutes: Mapping[str, int]) -> list[Finding]:
    different = minutes["both"] - minutes["equal"]
    if different <= _DIFFERENT_SHARE_REMARK * minutes["both"]:
        return []
    share = different / minutes["both"]
    text = f"{different:,} of {minutes['both']:,} shared minutes ({share:.2%}) differ in a price."
    return [Finding(grave=False, text=text)]


def _volume(sides: Mapping[str, Side], volume: Mapping[str, float]) -> list[Finding]:
    meanings = sides["A"]["volume"], sides["B"]["volume"]
    if meanings[0] != meanings[1]:
        text = f"Volume means {meanings[0]} in A and {meanings[1]} in B; the two are not comparable."
        return [Finding(grave=False, text=text)]
    if not volume or abs(volume["total_ratio"] - 1.0) <= _VOLUME_RATIO_REMARK:
        return []
    text = (
        f"B counts {volume['total_ratio']:.3f} times the volume of A over the minutes both hold "
        f"(median minute {volume['ratio_p50']:.3f})."
    )
    return [Finding(grave=False, text=text)]
