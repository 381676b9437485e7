"""One lock per partition: exclusive, re-entrant, freed by the kernel, never left behind in a child."""

import os
import subprocess
import sys
import threading
import time

import pytest

from factory_assets.storage.locks import file_lock
from factory_assets.vocabulary.errors import LockTimeoutError
from factory_assets_tests.storage.storage_samples import BARS, MADE_BY, MES, MGC, bars, local_store

HOLD = """
import sys, time
from pathlib import Path
from factory_assets.storage.locks import file_lock
with file_lock(Path(sys.argv[1]), 1):
    print("held", flush=True)
    time.sleep(60)
"""


def _holder(path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_named_and_its_death_frees_the_lock(tmp_path):
    path = tmp_path / "a.lock"
    holder = _holder(path)
    try:
        with pytest.raises(LockTimeoutError, match=f"process {holder.pid} kept the lock"), file_lock(path, 0.05):
            pytest.fail("two holders")
    finally:
        holder.kill()
        holder.wait()
    with file_lock(path, 0):
        assert path.read_text() == f"{os.getpid()}\n"
    assert path.exists()


def test_a_thread_enters_its_own_lock_again_and_another_thread_does_not(tmp_path):
    path, outcome = tmp_path / "a.lock", []

    def other():
        try:
            with file_lock(path, 0.02):
                outcome.append("entered")
        except LockTimeoutError:
            outcome.append("refused")

    with file_lock(path, 0):
        with file_lock(path, 0):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert outcome == ["refused"]
    with file_lock(path, 0):
        pass


def test_an_error_inside_frees_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), file_lock(tmp_path / "a.lock", 0):
        _ = 1 / 0
    with file_lock(tmp_path / "a.lock", 0):
        pass


def test_a_forked_child_does_not_keep_its_parents_lock(tmp_path):
    path = tmp_path / "a.lock"
    script = f"""
import os, time, sys
from pathlib import Path
from factory_assets.storage.locks import file_lock
path = Path({str(path)!r})
with file_lock(path, 0):
    child = os.fork()
    if child == 0:
        os.closerange(0, 3)
        time.sleep(30)
        os._exit(0)
print(child, flush=True)
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    child = int(out.stdout)
    try:
        with file_lock(path, 0):
            assert path.exists()
    finally:
        os.kill(child, 9)


def test_a_forked_child_does_not_believe_it_holds_its_parents_lock(tmp_path):
    script = f"""
import os
from pathlib import Path
from factory_assets.storage.locks import file_lock
from factory_assets.vocabulary.errors import LockTimeoutError
path = Path({str(tmp_path / "a.lock")!r})
with file_lock(path, 0):
    child = os.fork()
    if child == 0:
        try:
            with file_lock(path, 0):
                os._exit(1)
        except LockTimeoutError:
            os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout == "0\n"


def test_partitions_lock_independently_and_publishing_waits_for_the_lock(tmp_path):
    store = local_store(tmp_path, lock_timeout_seconds=0.05)
    holder = _holder(tmp_path / "store" / ".locks" / "market.bars_5min.MGC.lock")
    try:
        with pytest.raises(LockTimeoutError):
            store.publish_table(BARS, MGC, bars(), **MADE_BY)
        with pytest.raises(LockTimeoutError):
            store.block("bars_5min", "market", MGC, [], "x")
        store.publish_table(BARS, MES, bars(), **MADE_BY)
    finally:
        holder.kill()
        holder.wait()
    store.publish_table(BARS, MGC, bars(), **MADE_BY)


def test_sweep_leaves_a_locked_partition_alone(tmp_path):
    store = local_store(tmp_path)
    store.publish_table(BARS, MGC, bars(), **MADE_BY)
    orphan = tmp_path / "store" / "market" / "bars_5min" / "MGC" / "parts" / ".tmp-1-1"
    orphan.write_bytes(b"half a part")
    holder = _holder(tmp_path / "store" / ".locks" / "market.bars_5min.MGC.lock")
    try:
        swept = store.sweep()
        assert (swept.locked, swept.temporaries, orphan.exists()) == (1, 0, True)
    finally:
        holder.kill()
        holder.wait()
    time.sleep(0)
    swept = store.sweep()
    assert (swept.locked, swept.temporaries, swept.size_bytes, orphan.exists()) == (0, 1, 11, False)
