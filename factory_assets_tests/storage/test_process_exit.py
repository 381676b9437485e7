"""A process that has just read a table ends cleanly: Arrow's threads hold nothing that needs the interpreter."""

import subprocess
import sys

import pytest

_READ_AND_END = """
import numpy as np, pyarrow as pa, io
from factory_assets.storage.parquet import read_parquet, write_parquet
sink = io.BytesIO()
write_parquet(pa.table({f"f{k}": np.random.default_rng(k).random(20_000, dtype=np.float32) for k in range(60)}), sink)
for _ in range(3):
    read_parquet(sink.getvalue(), None, "probe")
"""


@pytest.mark.slow
def test_reading_a_table_never_aborts_the_exit():
    codes = [subprocess.run([sys.executable, "-c", _READ_AND_END], check=False).returncode for _ in range(40)]
    assert codes == [0] * 40
