"""A factory that finds an edge where none is, or misses a planted one, fails here: six null and two planted worlds.

Run by ``make worlds`` and ``make test-full``.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

WORLDS = [("null", seed) for seed in range(1, 7)] + [("planted", seed) for seed in (7, 8)]
CORES = 2


@pytest.fixture(scope="module")
def skills(request, tmp_path_factory):
    """Direction skill of the stack with its 98 % interval, by selected world; each in a process and home of its own."""
    chosen = [item.callspec.params["world"] for item in request.session.items if item.fspath == request.node.fspath]

    def run(world):
        kind, seed = world
        home = tmp_path_factory.mktemp(f"{kind}_{seed}")
        environment = {
            **os.environ,
            "FACTORY_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "1",
        }
        done = subprocess.run(
            [sys.executable, "-m", "factory_assets_tests.worlds.run_world", kind, str(seed), str(home)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    with ThreadPoolExecutor(CORES) as pool:
        return dict(zip(chosen, pool.map(run, chosen), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: f"{world[0]}-{world[1]}")
def test_direction_is_found_exactly_where_it_was_planted(skills, world, record_property):
    skill = skills[world]
    record_property("direction_skill", f"{skill['value']:.4f} [{skill['low']:.4f}, {skill['high']:.4f}]")
    sys.stdout.write(f"\n{world}: {skill['value']:+.4f} [{skill['low']:+.4f}, {skill['high']:+.4f}]\n")
    assert skill["rows"] > 1000
    assert skill["low"] < skill["high"]
    if world[0] == "null":
        assert skill["low"] <= 0
    else:
        assert skill["low"] > 0
