"""Every registered format reads its own sample back, value for value; no format is without one."""

from pathlib import Path

import numpy as np
import pytest

from factory_assets.market.expiry import delivery_indices
from factory_assets.market.readers import load_declaration, read_folder
from factory_assets.market.readers.conventions import CONVENTIONS
from factory_assets.market.readers.declaration import FORMATS
from factory_assets.market.readers.registry import READERS
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.timeframes import DAY_US
from factory_assets_tests.market.samples import PRICES, SAMPLE_WRITERS, sample_minutes, write_sample_folder

VALUES = ["open_time", *PRICES]


def test_every_format_has_a_reader_a_sample_and_a_place() -> None:
    assert set(SAMPLE_WRITERS) == set(READERS)
    assert set(CONVENTIONS) <= set(READERS)
    assert {CONVENTIONS[name].reader if name in CONVENTIONS else name for name in READERS} <= set(FORMATS)


@pytest.mark.parametrize("product", ["MES", "NQ", "MGC"])
@pytest.mark.parametrize("format_name", sorted(READERS))
def test_a_sample_is_read_back_as_it_was_written(tmp_path: Path, format_name: str, product: str) -> None:
    minutes = sample_minutes(product, months=2)
    found = read_folder(write_sample_folder(format_name, tmp_path, minutes, instrument(product)), instrument(product))
    declaration = load_declaration(tmp_path)
    assert declaration is not None
    assert declaration.vendor_name
    expected = minutes.sort_values(["expiry", "open_time"], ignore_index=True)
    got = found.minutes.assign(expiry=found.minutes["expiry"].astype(str))
    # Lean's names carry the year in full, and come out with two digits of it: the month is what has to agree.
    days = (expected["open_time"].astype("int64") // DAY_US).to_numpy()
    assert delivery_indices(got["expiry"], days).tolist() == delivery_indices(expected["expiry"], days).tolist()
    assert got[VALUES].equals(expected[VALUES])
    assert str(got["open_time"].dtype) == "datetime64[us, UTC]"
    if declaration.has_volume:
        assert got["volume"].tolist() == expected["volume"].tolist()
    else:
        assert np.isnan(got["volume"]).all()
    assert found.counts["volume_meaning"] == declaration.volume
    assert found.counts["rows_read"] == len(minutes)
