"""Which history the horizons of a contract are made from: what has to change before making them anew can help."""

import hashlib
import json
from collections.abc import Sequence

from factory_assets.orchestration.operation.plan import DIGEST_CHARACTERS
from factory_assets.orchestration.study_artifact import short_history_in, study_in
from factory_assets.storage import Store
from factory_assets.vocabulary.errors import BlockedPartitionError, MissingPartitionError
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import RAW_MINUTES
from factory_assets.vocabulary.timeframes import BASE_MINUTES, bars_name

STUDY = "study"


def horizon_history(store: Store, key: PartitionKey, data_digest: str) -> tuple[str, str]:
    """Digest of the history that horizons are made from, and what is lacking for a study; empty if nothing is.

    With a study it is the slice up to the study's end, which appended sessions leave as it is.

    Parameters
    ----------
    store : Store
        Where study and bars lie.
    key : PartitionKey
        The contract.
    data_digest : str
        Digest of all its bars: what counts while there is no study.
    """
    try:
        study_files = store.read_files(STUDY, STUDY, key)
        short = short_history_in(study_files)
        if short is not None:
            return data_digest, short.message
        end_day, names = study_in(study_files).end_day, (bars_name(1), bars_name(BASE_MINUTES))
        bars = [store.manifest(name, RAW_MINUTES.group, key).digest_at(end_day) for name in names]
        frozen = store.manifest(STUDY, STUDY, key).content_digest
    except (MissingPartitionError, BlockedPartitionError):  # the contract is not current: no horizon is asked for
        return data_digest, ""
    return digest_of([frozen, *bars]), ""


def digest_of(texts: Sequence[str]) -> str:
    """One short digest of several."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:DIGEST_CHARACTERS]
