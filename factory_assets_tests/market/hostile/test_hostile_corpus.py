"""The whole hostile corpus, in a process of its own: its memory is bounded, and it is ended where a case hangs."""

import subprocess
import sys
from collections import Counter
from queue import Empty, Queue
from threading import Thread
from typing import IO

import pytest

from factory_assets.market.readers.registry import READERS
from factory_assets_tests.market.hostile.corpus import OPEN_INTEREST

SILENCE_S_MAX = 120.0
"""A case ends itself after 20 s; a library that does not let it is ended after this."""


def _lines_of(stream: IO[str], lines: "Queue[str | None]") -> None:
    for line in stream:
        lines.put(line.rstrip("\n"))
    lines.put(None)


@pytest.mark.slow
def test_the_whole_corpus_is_read_rightly_or_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-X", "faulthandler", "-m", "factory_assets_tests.market.hostile.corpus"]
    told: Queue[str | None] = Queue()
    last, failed, tally = "none", [], Counter[tuple[str, str]]()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
    ) as process:
        assert process.stdout is not None
        Thread(target=_lines_of, args=(process.stdout, told), daemon=True).start()
        other = []
        while True:
            try:
                line = told.get(timeout=SILENCE_S_MAX)
            except Empty:
                process.kill()
                pytest.fail(f"no word for {SILENCE_S_MAX} s: {last} hangs")
            if line is None:
                break
            kind, _, rest = line.partition(" ")
            if kind == "case":
                last = rest
            elif kind == "FAILED":
                failed.append(rest)
            elif kind == "tally":
                group, verdict, count = rest.rsplit(" ", 2)
                tally[(group, verdict)] = int(count)
            else:
                other.append(line)
    assert process.returncode is not None
    assert not failed, f"{len(failed)} cases failed; run one again with python -m ...corpus NAME:\n" + "\n".join(failed)
    assert process.returncode == 0, f"ended with {process.returncode} in {last}:\n" + "\n".join(other[-40:])
    formats = [*sorted(READERS), OPEN_INTEREST]
    cases = {name: tuple(tally[(name, verdict)] for verdict in ("accepted", "refused", "proposed")) for name in formats}
    table = [f"  {name:<14} {' '.join(f'{count:>8}' for count in counts)}" for name, counts in cases.items()]
    sums = [sum(counts) for counts in zip(*cases.values(), strict=True)]
    table += [f"  {'together':<14} {' '.join(f'{count:>8}' for count in sums)}", f"  {other[-1] if other else ''}"]
    with capsys.disabled():
        sys.stdout.write(
            "\nhostile corpus: format, accepted, refused, declaration proposed\n" + "\n".join(table) + "\n"
        )
    assert sum(map(sum, cases.values())) >= 20_000
    # Refusing everything would be safe, and of no use; so would be accepting everything.
    assert all(min(counts[:2]) >= 60 for counts in cases.values()), cases
