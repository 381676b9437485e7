"""Child processes that fit side by side: started when needed, fed one task at a time, never left behind."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Self

import factory_assets
from factory_assets.vocabulary import errors
from factory_assets.vocabulary.errors import FactoryError, FitError

_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_TOLD_CHARACTERS = 3000


class FitProcesses:
    """Children of one thread each, started when the first tasks come; ended by leaving the ``with`` block.

    Parameters
    ----------
    folder : Path
        Folder of the tasks (:mod:`factory_assets.stacking.fit_files`).
    processes : int
        Most children at a time, at least 1.
    """

    def __init__(self, folder: Path, processes: int) -> None:
        self._folder = folder
        self._processes = processes
        self._children: list[_Child] = []

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End every child."""
        self._close()

    def perform(self, tasks: Sequence[Path]) -> None:
        """Fit tasks side by side and return when every result is there.

        The first problem ends all children; what they had finished stays, and what resumes goes on from its checkpoint
        next time. The next tasks are given to new children.

        Parameters
        ----------
        tasks : sequence of Path
            Task files of :func:`factory_assets.stacking.fit_files.write_tasks` in this folder.

        Raises
        ------
        FactoryError
            Whatever a fit raised, as it raised it.
        FitError
            A child that was killed, by the kernel for want of memory for instance.
        RuntimeError
            A child that ended by a defect; with its traceback.
        """
        if not tasks:
            return
        waiting: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for task in tasks:
            waiting.put(task)
        for number in range(len(self._children), min(self._processes, len(tasks))):
            self._children.append(_Child(self._folder, number))
        finished = False
        try:
            with ThreadPoolExecutor(len(self._children)) as threads:
                try:
                    work = [threads.submit(child.perform_all, waiting) for child in self._children]
                    done, _ = wait(work, return_when=FIRST_EXCEPTION)
                    finished = not any(one.exception() for one in done)
                finally:  # a thread waits for its child's answer: without this, an interrupt would wait for the fit
                    if not finished:
                        for child in self._children:
                            child.end()
        finally:
            if not finished:
                self._close()
        for one in (*done, *work):
            one.result()

    def _close(self) -> None:
        for child in self._children:
            child.close()
        self._children.clear()


class _Child:
    """One child process and what it said."""

    def __init__(self, folder: Path, number: int) -> None:
        self._told = folder / f"worker_{number}.txt"
        self._ended = threading.Event()
        limits = dict.fromkeys(_THREAD_LIMITS, "1")
        package = str(Path(factory_assets.__file__).resolve().parents[1])
        paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
        with self._told.open("wb") as told:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "factory_assets.stacking.fit_worker"],
                cwd=folder,
                env={**os.environ, **limits, "PYTHONPATH": paths},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=told,
                text=True,
            )

    def perform_all(self, waiting: "queue.SimpleQueue[Path]") -> None:
        """Take tasks until none is left."""
        while not self._ended.is_set():
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                return
            self._perform(task)

    def _perform(self, task: Path) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(f"{task}\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):  # nothing, or what a kill left of an answer
            if not self._ended.is_set():
                self._raise_death(task)
            return
        answer = json.loads(line)
        if "error" in answer:
            known = getattr(errors, answer["error"], FactoryError)
            raise known(answer["message"])

    def _raise_death(self, task: Path) -> None:
        code = self._process.wait()
        told = self._told.read_text(encoding="utf-8", errors="replace").strip()[-_TOLD_CHARACTERS:]
        if code < 0:
            raise FitError(
                f"{task.stem}: the process that fitted it was killed by {signal.Signals(-code).name}. If memory was "
                "short, set fit_processes = 1 under [models]. Run it again: finished fits are kept and a resumable "
                f"one goes on from its last checkpoint. It said: {told or 'nothing'}"
            )
        raise RuntimeError(f"{task.stem}: the process that fitted it ended with exit {code}: {told}")

    def end(self) -> None:
        """Kill it, whether it fits or waits; its results are safe once it has answered."""
        self._ended.set()
        self._process.kill()

    def close(self) -> None:
        """Wait for its end and close the pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
