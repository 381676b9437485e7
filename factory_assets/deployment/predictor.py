"""The live predictor: traded minutes in, one prediction a base bar out, by the batch functions on trailing bars.

Neighbours: :mod:`factory_assets.deployment.series` turns minutes into finished bars of the front month,
:mod:`factory_assets.deployment.decision` turns finished bars into a prediction. This file decides *when*.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from factory_assets.deployment.bundle import load_bundle
from factory_assets.deployment.decision import Decider
from factory_assets.deployment.minute import Minute, moment_us, require_zone
from factory_assets.deployment.needs import rows_needed, sessions_needed
from factory_assets.deployment.prediction import Prediction
from factory_assets.deployment.release import Release
from factory_assets.deployment.series import LiveSeries
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.timeframes import MINUTE_US


class Predictor:
    """Predicts at every base-bar close of one contract, from the minutes it has been given and nothing else.

    Give it every traded minute of every delivery month, in time order, each once it is over: the other months decide
    when the series rolls. Within one minute, the front month (:attr:`front`) comes last, so that the bad-print rule
    sees what the other months did. The first session it sees only tells which month is the front; predictions begin
    with the second, and are ``warm`` once every look-back is filled (:attr:`sessions_needed`). :meth:`warm_up` takes
    that history in one go. A release made of a vendor's continuous series takes that series: one month a session, and
    the first minute of another month is the roll.

    Bars that break one of the market's rules (:data:`factory_assets.market.quality.REASONS`) are set aside and counted
    in :attr:`counts`, exactly as in history; calls that make no sense (a naive time, another product, a minute of the
    past) raise. Neither changes anything else. A bar without volume (NaN) breaks such a rule, unless the release was
    made of a series without volume; then a bar with one raises. Three things history knows and a live run cannot: of
    two different bars for one minute the first is used and the second set aside (history sets aside both); a bar that
    arrives after its base bar was decided is set aside; and a month that comes before the front within a minute is
    judged without it.

    Parameters
    ----------
    release : Release
        What to predict with.
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        self._series = LiveSeries(
            release.instrument,
            release.market,
            rows_needed(release),
            has_volume=release.has_volume,
            joins_without_overlap=release.joins_without_overlap,
        )
        self._decider = Decider(release)

    @classmethod
    def load(cls, path: Path | str, expected_digest: str | None = None) -> "Predictor":
        """Predictor of a release bundle, verified before anything in it is parsed.

        Raises
        ------
        BadInputError, IntegrityError
            As :func:`factory_assets.deployment.bundle.load_bundle`.
        """
        return cls(load_bundle(path, expected_digest))

    @property
    def front(self) -> str | None:
        """Front month of the current session; None while the first session is going on."""
        return self._series.front

    @property
    def warm(self) -> bool:
        """Whether every look-back is filled."""
        return self._series.warm

    @property
    def outdated(self) -> str | None:
        """Why decisions of the current session are not traded: parameters of the release that have run out; or None."""
        return self.release.outdated(int(self._series.current_session.trade_day[0]))

    @property
    def sessions_needed(self) -> int:
        """Full sessions of history that make the predictor warm; more where sessions were short or thin."""
        return sessions_needed(self.release)

    @property
    def counts(self) -> Mapping[str, int]:
        """Bars by what became of them: ``front``, ``other_expiry``, ``exact_duplicates``, ``quarantined_<reason>``."""
        return dict(self._series.counts)

    def update(self, bar: Minute | Mapping[str, Any]) -> Prediction | None:
        """Take one traded minute, once it is over.

        Parameters
        ----------
        bar : Minute or mapping
            ``expiry``, ``open_time`` (timezone-aware), ``open``, ``high``, ``low``, ``close``, ``volume``; the last NaN
            or absent for a release of a series without volume.

        Returns
        -------
        Prediction or None
            If the minute completes a base bar of the front month, the decision at its close. If it is the first sign
            that an earlier base bar is over, that decision, ``late``. If it is both, the former, with the latter as
            ``earlier``. Else None.

        Raises
        ------
        NaiveTimestampError
            ``open_time`` has no time zone.
        ForeignContractError
            An expiry of another product, or a name that is no outright month.
        BadInputError
            Fields missing or of another kind; a volume given to a release of a series without; a minute before the last
            one of its month or of a past session; a roll between months that share no minute.
        """
        minute = Minute.of(bar, has_volume=self.release.has_volume)
        accepted = self._series.judge(minute)
        if accepted is None:
            return None
        overdue_us = self._series.overdue_us(accepted)
        late = None if overdue_us is None else self._decide(overdue_us, late=True)
        self._series.append(accepted)
        completed_us = self._series.completed_us(accepted)
        if completed_us is not None:
            return self._decide(completed_us, late=False, earlier=late)
        return late

    def advance(self, now: datetime) -> Prediction | None:
        """Say what time it is: a base bar whose last minute did not trade is over at its close all the same.

        Call it at every scheduled base-bar close, after the minutes that ended with it.

        Parameters
        ----------
        now : datetime
            Timezone-aware. A decision that is a minute old or older by now is ``late``.

        Returns
        -------
        Prediction or None
            The decision that was due, if there was one.

        Raises
        ------
        NaiveTimestampError
            Without a time zone.
        """
        require_zone(now, "now")
        now_us = moment_us(now)
        pending_us = self._series.pending_us
        if pending_us is None or pending_us > now_us:
            return None
        return self._decide(pending_us, late=now_us - pending_us >= MINUTE_US)

    def warm_up(self, minutes: pd.DataFrame) -> None:
        """Take history without predicting: the same steps as :meth:`update`, quicker.

        Parameters
        ----------
        minutes : DataFrame
            Columns as the fields of :class:`Minute`; any order of rows. ``volume`` may be absent for a release of a
            series without volume.

        Raises
        ------
        BadInputError, ForeignContractError, NaiveTimestampError
            As :meth:`update`; rows before the offending one have been taken.
        """
        self._series.take_history(minutes)

    def _decide(self, decision_us: int, *, late: bool, earlier: Prediction | None = None) -> Prediction:
        bars = self._series.close_bars(decision_us)
        front = self._series.front
        if front is None:
            raise BadInputError("a decision without a front month: the series has lost its first session")
        return self._decider.decide(
            bars,
            decision_us,
            self._series.current_session,
            expiry=front,
            late=late,
            warm=self._series.warm,
            traded_minutes=self._series.base_bar_minutes,
            earlier=earlier,
        )
