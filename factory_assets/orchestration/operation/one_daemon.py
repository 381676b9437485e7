"""One daemon a home: whoever asks for work holds a kernel lock for as long as it lives.

Two daemons would look at the same run list at the same moment, and ask for and start the same work side by side. The
lock is of this host and of the commands ``factory daemon`` and ``factory ui``; a deployment that starts Dagster's own
daemon keeps it to one replica itself.
"""

import fcntl
import os
from pathlib import Path

from factory_assets.vocabulary.home import FactoryHome


def daemon_lock_path(home: FactoryHome) -> Path:
    """Lock file of the home's daemon; it is never removed, so no two processes lock different files."""
    return home.root / "locks" / "daemon.lock"


def become_daemon(home: FactoryHome) -> bool:
    """Take the home's daemon lock for the rest of this process, and of the program it turns into; False if it is taken.

    The descriptor stays open across ``exec`` and is handed to no child, so the kernel drops the lock when the daemon
    ends, however it ends.
    """
    path = daemon_lock_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    os.set_inheritable(descriptor, True)
    return True


def daemon_process(home: FactoryHome) -> str:
    """Number of the process that took the lock last, for messages."""
    try:
        return daemon_lock_path(home).read_text(encoding="ascii", errors="replace").strip() or "unknown"
    except FileNotFoundError:
        return "unknown"
