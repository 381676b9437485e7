"""Something a person has to know about the data before using it, in one sentence."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One remark on a contract's bars.

    Attributes
    ----------
    grave : bool
        True if the bars should not be used before somebody has looked; False for what is merely worth knowing.
    text : str
        What was found, with its counts, and what follows from it.
    """

    grave: bool
    text: str
