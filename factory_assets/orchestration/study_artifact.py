"""What the ``study`` artifact holds: the frozen study, or what a contract lacks for one."""

from factory_assets.orchestration.resources import FactoryResource
from factory_assets.splits.short_history import ShortHistory
from factory_assets.splits.study import Study
from factory_assets.storage import LoadedFiles, Manifest
from factory_assets.vocabulary.errors import StorageError, TooLittleHistoryError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey

STUDY_FILE, SHORT_HISTORY_FILE = "study.json", "short_history.json"


def study_in(loaded: LoadedFiles) -> Study:
    """The frozen study.

    Raises
    ------
    TooLittleHistoryError
        The contract has none yet; the message says how many sessions it lacks.
    """
    short = short_history_in(loaded)
    if short is not None:
        raise TooLittleHistoryError(short.message)
    return Study.from_json(loaded.files[STUDY_FILE].decode())


def short_history_in(loaded: LoadedFiles) -> ShortHistory | None:
    """What the contract lacks for a study; None if it has one."""
    content = loaded.files.get(SHORT_HISTORY_FILE)
    return None if content is None else ShortHistory.from_json(content.decode())


def published_short_history(home: FactoryHome, contract: str) -> ShortHistory | None:
    """As :func:`short_history_in`, from the store of a home; None too if the artifact cannot be read there."""
    store = FactoryResource(home=str(home.root)).store
    try:
        return short_history_in(store.read_files("study", "study", PartitionKey(contract)))
    except StorageError:  # whoever needs it says what is wrong
        return None


def holds_study(manifest: Manifest) -> bool:
    """Whether a manifest of the artifact, blocked since or not, is that of an open study."""
    return any(part.name == STUDY_FILE for part in manifest.parts)
