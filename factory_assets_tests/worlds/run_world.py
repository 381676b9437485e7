"""One simulated world through the real graph in a home of its own; prints the stack's direction skill as JSON.

Run as ``python -m factory_assets_tests.worlds.run_world null 1 HOME``.
"""

import json
import sys
from pathlib import Path

from factory_assets.market.synthetic import write_world
from factory_assets.orchestration.build import build_definitions
from factory_assets.orchestration.inspect_store import table_rows
from factory_assets.orchestration.run_contract import run_contract
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey

SESSIONS = 130
HORIZON = 20
CONFIDENCE = 0.98
# One thread a world: two worlds run side by side on two cores. The certificate has tests of its own; here few cuts do.
# A small network for few epochs: what is asked is whether the stack stays honest with one in it, not how good it is.
SETTINGS = f"""
[features]
certificate_cut_points = 10
[evaluation]
confidence = {CONFIDENCE}
[models]
fit_processes = 0
[models.parameters.lightgbm]
num_threads = 1
[models.parameters.tcn]
channels = 16
epochs_max = 4
"""


def run_world(world: str, seed: int, root: Path) -> dict[str, object]:
    """Bars to evaluation of one world; raises if any step fails."""
    home = FactoryHome(root)
    write_world(home.raw / "SIM", world=world, seed=seed, sessions_count=SESSIONS)
    home.settings_file.write_text(SETTINGS, encoding="utf-8")
    outcomes = run_contract(build_definitions(), "SIM", [HORIZON], home=home, profile="fast", until="evaluation")
    failures = [failure for each in outcomes for failure in each.outcome.failures]
    if failures or len(outcomes) != 2:
        raise SystemExit(f"{world} {seed}: {failures}")
    rows = table_rows(home, "evaluation", PartitionKey("SIM", HORIZON))
    (skill,) = [
        row for row in rows if row["model"] == "stack" and row["period"] == "oof" and row["metric"] == "direction_skill"
    ]
    return {"world": world, "seed": seed, **{name: skill[name] for name in ("value", "low", "high", "rows")}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run_world(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))) + "\n")
