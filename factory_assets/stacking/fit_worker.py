"""A process that fits: task files in on stdin, one a line; one line of JSON out on stdout for each.

Run as ``python -m factory_assets.stacking.fit_worker``. It ends when stdin ends, also in the middle of a fit: a parent
that was killed leaves no fit behind it, and what the fit had come to lies in its checkpoints.
"""

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path

from factory_assets.stacking.fit_files import perform
from factory_assets.vocabulary.errors import FactoryError


def main() -> None:
    """Fit task after task; a defect ends the process with its traceback on stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is not an answer
    tasks: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(tasks,), daemon=True).start()
    while True:
        task = tasks.get()
        try:
            perform(Path(task))
            answer = {"task": task}
        except FactoryError as problem:
            answer = {"task": task, "error": type(problem).__name__, "message": str(problem)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _read(tasks: "queue.SimpleQueue[str]") -> None:
    """Hand lines over until stdin ends, then end the process, whatever it is doing."""
    for line in sys.stdin:
        tasks.put(line.rstrip("\n"))
    os._exit(0)


if __name__ == "__main__":
    main()
