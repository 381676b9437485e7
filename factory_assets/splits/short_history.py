"""What stands in place of a study while a contract has too few sessions for one."""

import dataclasses
import json
from dataclasses import dataclass
from datetime import date, timedelta

from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.partition import PartitionKey

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class ShortHistory:
    """A contract that cannot have a study yet: what it has, what it needs, and how far it may be labelled.

    Attributes
    ----------
    contract : str
        Futures product.
    sessions : int
        Closed sessions with bars.
    sessions_needed : int
        Fewest sessions a study can be opened with, as far as can be known now.
    labels_until_day : int or None
        Last trade day that may be labelled without a study, days since 1970: a day that the shares of the study to
        come put into train or val, never into test. None if no session has closed.
    message : str
        All of it for the user, with what to do.
    """

    contract: str
    sessions: int
    sessions_needed: int
    labels_until_day: int | None
    message: str

    def __post_init__(self) -> None:
        """Refuse unknown contracts and counts that lack nothing."""
        PartitionKey(self.contract)
        if not 0 <= self.sessions < self.sessions_needed:
            raise BadInputError(
                f"history of {self.contract}: {self.sessions} sessions of {self.sessions_needed} are not too few"
            )

    @property
    def sessions_lacking(self) -> int:
        """Sessions that have to be added."""
        return self.sessions_needed - self.sessions

    def to_json(self) -> str:
        """One spelling of it, the day as ISO text."""
        day = self.labels_until_day
        plain = dataclasses.asdict(self)
        plain["labels_until_day"] = None if day is None else (_EPOCH + timedelta(days=day)).isoformat()
        return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "ShortHistory":
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        BadInputError
            Not that text.
        """
        try:
            plain = json.loads(text)
            day = plain["labels_until_day"]
            plain["labels_until_day"] = None if day is None else (date.fromisoformat(day) - _EPOCH).days
            return cls(**plain)
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as problem:
            raise BadInputError(f"short history: {problem}; materialize the study again") from problem
