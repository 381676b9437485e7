"""The sessions that statistics of features may look at: those a study trains on."""

from datetime import date

import numpy as np
import pandas as pd

from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration.closed_sessions import closed_sessions
from factory_assets.splits.study import Study, day_text, train_last_day
from factory_assets.storage import Store, StudyFiles
from factory_assets.vocabulary.errors import BadInputError, IntegrityError, MissingPartitionError
from factory_assets.vocabulary.frames import dates_days
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import SplitSettings
from factory_assets.vocabulary.timeframes import BASE_MINUTES, features_name

TRAIN_LAST_DAY = "train_last_day"
"""Key in the manifest of the base bars' features: the last train session of a study opened on those bars."""


def train_cut(bars: pd.DataFrame, calendar: SessionCalendar, settings: SplitSettings) -> str:
    """ISO date of the last train session of a study opened on these base bars.

    Parameters
    ----------
    bars : DataFrame
        ``trade_date`` and ``close_time`` of the base bars, at least one.
    calendar : SessionCalendar
        The contract's.
    settings : SplitSettings
        Shares.
    """
    closed, _ = closed_sessions(bars, calendar)
    return day_text(train_last_day(closed if len(closed) else np.unique(dates_days(bars["trade_date"])), settings))


def train_sessions_now(home: FactoryHome, store: Store, key: PartitionKey) -> str:
    """ISO date of the last session that statistics of features may look at; empty while there are no features.

    The open study's last train session; without a study, that of one opened on the bars the features were made of.
    Opening a study on those bars therefore changes nothing.

    Raises
    ------
    IntegrityError
        The study file is damaged.
    """
    files = StudyFiles(home.studies)
    text = files.read(key.contract)
    if text is not None:
        try:
            return day_text(Study.from_json(text).train_last_day)
        except BadInputError as problem:
            raise IntegrityError(f"{files.path(key.contract)}: {problem}") from problem
    name = features_name(BASE_MINUTES)
    try:
        return str(store.manifest(name, "features", key.of_contract).meta.get(TRAIN_LAST_DAY, ""))
    except MissingPartitionError:
        return ""


def day_number(text: str) -> int:
    """Days since 1970 of an ISO date."""
    return (date.fromisoformat(text) - date(1970, 1, 1)).days
