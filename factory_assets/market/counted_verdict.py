"""A verdict from counts of what is wrong."""

from collections.abc import Mapping

from factory_assets.vocabulary.verdict import Scalar, Verdict


def counted_verdict(name: str, problems: Mapping[str, int], good: str, **details: Scalar) -> Verdict:
    """Passed if every count of problems is zero; the counts travel with the verdict.

    Parameters
    ----------
    name : str
        Invariant.
    problems : mapping of str to int
        How often each thing was found that may not be.
    good : str
        Summary if nothing was found.
    **details : scalar
        Further figures for the UI.
    """
    found = {what: int(number) for what, number in problems.items() if number}
    summary = good if not found else "; ".join(f"{what}: {number}" for what, number in found.items())
    return Verdict(name=name, passed=not found, summary=summary, details={**details, **found})
