"""Whether a series has volume: carried by manifests, refused where a release and its series disagree."""

from types import SimpleNamespace

import pandas as pd
import pytest

from factory_assets.features import catalogue
from factory_assets.orchestration.night import features_read_by
from factory_assets.orchestration.series_volume import HAS_VOLUME, has_volume, volume_note
from factory_assets.vocabulary.errors import BadInputError


class _Part:
    """A materialization whose upstream manifests say what they are told to."""

    key = "SIM|20"

    def __init__(self, meta):
        self.meta, self.asked = meta, []

    def meta_of(self, name):
        self.asked.append(name)
        return self.meta

    def read(self, name, *, columns):
        self.asked.append(name)
        return pd.DataFrame(columns=columns)


@pytest.mark.parametrize(("meta", "expected"), [({}, True), ({HAS_VOLUME: True}, True), ({HAS_VOLUME: False}, False)])
def test_a_table_made_before_the_question_was_asked_is_of_a_series_with_volume(meta, expected):
    part = _Part(meta)
    assert has_volume(part, "features_5min") is expected
    assert part.asked == ["features_5min"]


def test_the_note_counts_features_and_is_silent_where_there_is_volume():
    assert dict(volume_note(True, catalogue())) == {}
    assert dict(volume_note(False, catalogue())) == {"volume": "masked because the series has no volume: 46 features"}


@pytest.mark.parametrize("released", [True, False])
def test_a_champion_of_another_kind_of_series_is_refused_before_anything_is_read(released):
    release = SimpleNamespace(has_volume=released, reads={5: ("rsi_14",)})
    tables = features_read_by(_Part({HAS_VOLUME: released}), release)
    assert list(tables[5].columns) == ["close_time", "rsi_14"]
    one, other = ("with", "without") if released else ("without", "with")
    with pytest.raises(BadInputError, match=f"made of a series {one} volume, the series now is one {other}: "):
        features_read_by(_Part({HAS_VOLUME: not released}), release)
