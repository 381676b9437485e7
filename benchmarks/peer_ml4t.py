"""The peer's side of ``features_beside_ml4t.py``: run by the Python of an environment that has ml4t-engineer.

    python peer_ml4t.py BARS.parquet FEATURES.json OUT.parquet

Prints one JSON object, CPU seconds of each feature (median of three after one call that compiles); writes the values.
"""

import json
import statistics
import sys
import time
import warnings
from pathlib import Path

import polars as pl

warnings.filterwarnings("ignore")
from ml4t.engineer import compute_features  # noqa: E402  (its import warns)

REPEATS = 3


def main() -> None:
    bars_path, wanted_path, out_path = sys.argv[1:]
    bars = pl.read_parquet(bars_path)
    wanted = json.loads(Path(wanted_path).read_text(encoding="utf-8"))
    seconds, columns = {}, {}
    for label, request in wanted.items():
        made = compute_features(bars, [request])
        spent = []
        for _ in range(REPEATS):
            start = time.process_time()
            made = compute_features(bars, [request])
            spent.append(time.process_time() - start)
        seconds[label] = statistics.median(spent)
        added = [name for name in made.columns if name not in bars.columns]
        columns[label] = made[added[0]].cast(pl.Float64)
    pl.DataFrame(columns).write_parquet(out_path)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
