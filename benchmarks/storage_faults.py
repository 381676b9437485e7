"""Prints what the store survives: kills, flipped bits, failing calls, full disks, many writers, hostile SQL.

``python benchmarks/storage_faults.py`` runs every experiment at full size (minutes); ``--quick`` a tenth of it.
"""

import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from factory_assets_tests.faults.storage_experiments import run_all


def main() -> None:
    logging.getLogger("factory_assets").setLevel(logging.ERROR)
    sizes = {"kills": 20, "flips_each": 10, "updates_each": 3, "limits": 8} if "--quick" in sys.argv else {}
    for line in run_all(**sizes):
        print(line, flush=True)


if __name__ == "__main__":
    main()
