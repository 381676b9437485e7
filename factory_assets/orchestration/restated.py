"""The record of restatements: what an ingestion found that the stored raw minutes tell otherwise."""

from typing import Any

import pandas as pd

from factory_assets.market.readers import RawRead
from factory_assets.market.restatement import find_restatements, in_order
from factory_assets.orchestration.materialization import Materialization
from factory_assets.orchestration.provenance import CONVENTIONS, conventions_of
from factory_assets.storage import Loaded
from factory_assets.vocabulary.errors import MissingPartitionError, RemoteStoreError, StorageError
from factory_assets.vocabulary.frames import to_frame
from factory_assets.vocabulary.schemas import RAW_MINUTES, RESTATEMENTS, TableSchema


def restatement_record(part: Materialization, read: RawRead) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Everything restated so far, and what to say about this ingestion.

    Readings by other conventions are not compared: a corrected time zone moves every row, which is no restatement of
    the vendor's. A stored reading that is damaged cannot be compared either; that is said, and the run goes on, since
    it is what repairs the reading.

    Parameters
    ----------
    part : Materialization
        The partition of ``raw_minutes`` being made; what is stored of it is the earlier reading.
    read : RawRead
        The present reading.
    """
    kept, problem = _stored(part, RESTATEMENTS)
    earlier, other = _stored(part, RAW_MINUTES)
    problems = [text for text in (problem, other) if text]
    if earlier is None:
        old = read.minutes.iloc[:0]
    elif earlier.manifest.meta.get(CONVENTIONS) != conventions_of(read.declaration):
        problems.append("the stored raw minutes were read by other conventions, so they are not compared")
        old = read.minutes.iloc[:0]
    else:
        old = to_frame(earlier.table)
    found = find_restatements(old, read.minutes, part.factory.clock())
    record = found
    if kept is not None and kept.table.num_rows:
        text = dict.fromkeys(("expiry", "old_source_file", "new_source_file"), str)
        before = to_frame(kept.table).drop(columns="contract")
        both = pd.concat([before.astype(text), found.astype(text)], ignore_index=True) if len(found) else before
        record = in_order(both.drop_duplicates(list(RESTATEMENTS.order_by)))
    figures: dict[str, Any] = {"restated_now": len(found), "restated_ever": len(record)}
    if problems:
        figures["not_compared"] = "; ".join(problems)
    return record, figures


def _stored(part: Materialization, schema: TableSchema) -> tuple[Loaded | None, str]:
    """A table of this partition as it is stored, and why it cannot be read if it is there and cannot."""
    try:
        return part.factory.store.read_table(schema, part.key), ""
    except MissingPartitionError:
        return None, ""
    except RemoteStoreError:
        raise
    except StorageError as problem:
        return None, f"{schema.name} as stored cannot be read: {problem}"
