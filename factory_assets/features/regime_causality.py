"""That no parameter of the hidden Markov model knows its own quarter: estimation examined by itself.

At the certificate's cuts features are recomputed with the published parameters, as live does; what remains to be shown
is that these come from earlier sessions. Belongs here: that proof, on a partition's own bars. Does not: the estimate
(:mod:`factory_assets.features.regime_estimation`), what has to be caught (:mod:`factory_assets.features.controls`).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from factory_assets.features.bars import Bars
from factory_assets.features.examination import perturbed
from factory_assets.features.hmm import UNIFORM
from factory_assets.features.listed import listed
from factory_assets.features.regime_estimation import HISTORY_SESSIONS, estimate_quarter, quarters_of
from factory_assets.features.regime_table import RegimeQuarter
from factory_assets.features.restart import SESSIONS_MASKED
from factory_assets.features.spec import FLAG, FeatureSpec
from factory_assets.vocabulary.verdict import Verdict

NAME = "regimes_from_earlier_sessions"
QUARTERS_EXAMINED = 3

Estimator = Callable[[Bars, int, int], RegimeQuarter]
"""Bars, first session of a quarter and of the next, to its parameters: :func:`estimate_quarter` or a leaking one."""


def known_rows(bars: Bars) -> np.ndarray:
    """Rows whose state probabilities the rule makes known, from trade dates alone, bool of shape (N,).

    Known are sessions of quarters that :data:`HISTORY_SESSIONS` sessions precede, the first one seen not counted, and
    of them those with a complete session before. Nothing of the table or of its calendar is looked at.
    """
    days, place = np.unique(bars.trade_day, return_inverse=True)
    quarter = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) // 3
    earlier = np.searchsorted(quarter, quarter, side="left") - 1
    known = (earlier >= HISTORY_SESSIONS) & (np.arange(len(days)) >= SESSIONS_MASKED)
    return np.asarray(known[place], dtype=np.bool_)


def regime_verdict(
    bars: Bars, specs: Sequence[FeatureSpec], history: Mapping[str, np.ndarray], rng: np.random.Generator
) -> Verdict:
    """Estimate the parameters of some quarters again: from bars that end before them, and from bars wild from then on.

    Parameters
    ----------
    bars : Bars
        The partition, with the published parameters in force.
    specs : sequence of FeatureSpec
        Features examined.
    history : mapping of str to ndarray
        Their published values.
    rng : numpy Generator
        Source of the wild bars.

    Returns
    -------
    Verdict
        ``regimes_from_earlier_sessions``: the table has exactly the quarters the bars reach into; up to three of those
        with parameters (first, middle, last) come out the same, bit by bit; and probabilities are uniform and flagged
        on exactly the rows where the rule knows none.
    """
    reading = [spec for spec in specs if spec.reads_regimes]
    if not reading:
        return Verdict(name=NAME, passed=True, summary="no feature examined reads regime parameters")
    table = bars.regime_table
    complete = [(quarter.valid_from, quarter.valid_to) for quarter in table.quarters] == quarters_of(bars)
    estimated = [quarter for quarter in table.quarters if quarter.estimated]
    chosen = examined_quarters(bars)
    moved = moved_quarters(bars, estimate_quarter, chosen, rng, published=True) if complete else set()
    wrong = {spec.name for spec in reading if not _masked_as_known(spec, history[spec.name], known_rows(bars))}
    said = "" if complete else "; the table's quarters are not those the bars reach into"
    return Verdict(
        name=NAME,
        passed=complete and not moved and not wrong,
        summary=f"{len(estimated)} of {len(table.quarters)} quarters have parameters, {len(chosen)} of them estimated "
        f"again without and with wild bars of their own: {len(moved)} differ; {len(wrong)} features are masked on "
        f"other rows than those before them{said}",
        details={
            "quarters": len(table.quarters),
            "quarters_estimated": len(estimated),
            "quarters_examined": len(chosen),
            "estimates_compared": 2 * len(chosen),
            "differing": listed({_text(day) for day in moved}),
            "not_masked_as_known": listed(wrong),
        },
    )


def examined_quarters(bars: Bars) -> list[tuple[int, int]]:
    """Quarters to estimate again: the first, the middle and the last with parameters that have bars of their own."""
    reached = int(bars.trade_day[-1])
    spans = [(q.valid_from, q.valid_to) for q in bars.regime_table.quarters if q.estimated and q.valid_from <= reached]
    places = sorted({0, (len(spans) - 1) // 2, len(spans) - 1})[:QUARTERS_EXAMINED] if spans else []
    return [spans[place] for place in places]


def moved_quarters(
    bars: Bars,
    estimator: Estimator,
    quarters: Sequence[tuple[int, int]],
    rng: np.random.Generator,
    *,
    published: bool = False,
) -> set[int]:
    """First sessions of the quarters whose parameters depend on bars of their own or later sessions.

    Parameters
    ----------
    bars : Bars
        The partition.
    estimator : callable
        What is examined.
    quarters : sequence of (int, int)
        First session of each quarter and of the next.
    rng : numpy Generator
        Source of the wild bars.
    published : bool
        Compare with the table in force instead of the estimator's own word about all the bars.
    """
    in_force = {quarter.valid_from: quarter for quarter in bars.regime_table.quarters}
    moved = set()
    for valid_from, valid_to in quarters:
        row = int(np.searchsorted(bars.trade_day, valid_from))
        expected = in_force[valid_from] if published else estimator(bars, valid_from, valid_to)
        for other in (bars.rows(0, row), perturbed(bars, row, rng)):
            found = estimator(other, valid_from, valid_to)
            if (found.variance, found.transition) != (expected.variance, expected.transition):
                moved.add(valid_from)
    return moved


def _masked_as_known(spec: FeatureSpec, values: np.ndarray, known: np.ndarray) -> bool:
    """Whether a flag is exactly the known rows, or a probability uniform exactly outside them (as stored)."""
    if spec.unit == FLAG:
        return bool(np.array_equal(values == 1.0, known) and np.array_equal(values == 0.0, ~known))
    masked = values.astype(np.float32) == np.float32(UNIFORM)
    return bool(masked[~known].all() and (masked[known].mean() < 1.0 if known.any() else True))


def _text(day: int) -> str:
    return str(np.datetime64(day, "D"))
