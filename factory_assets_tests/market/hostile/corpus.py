"""All hostile cases: which there are, and the run of many of them in a process of its own.

``python -m factory_assets_tests.market.hostile.corpus`` runs the whole corpus and prints its counts; names of cases as
arguments run those again and print how they end. The process may hold a bounded amount of memory, and writes a line
before each case, so that whoever started it knows which one hangs.
"""

import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from factory_assets.market.readers.registry import READERS
from factory_assets_tests.market.hostile.bases import DBN, JSON, LEAN, PARQUET, TEXT, Base, Hostile, bases
from factory_assets_tests.market.hostile.byte_mutations import BYTE_MUTATIONS, ByteMutation
from factory_assets_tests.market.hostile.dbn_mutations import DBN_MUTATIONS, zstd_bomb
from factory_assets_tests.market.hostile.declaration_mutations import DECLARATION_MUTATIONS
from factory_assets_tests.market.hostile.folder_mutations import FOLDER_MUTATIONS
from factory_assets_tests.market.hostile.json_mutations import JSON_MUTATIONS
from factory_assets_tests.market.hostile.one_case import (
    DETECT_LEVEL,
    FILE_LEVEL,
    FOLDER_LEVEL,
    HOME_LEVEL,
    CaseFailedError,
    Outcome,
    run_case,
    seeded,
)
from factory_assets_tests.market.hostile.open_interest_mutations import OPEN_INTEREST_MUTATIONS
from factory_assets_tests.market.hostile.packing import is_packed, with_file, with_inner
from factory_assets_tests.market.hostile.parquet_mutations import PARQUET_MUTATIONS, parquet_bomb
from factory_assets_tests.market.hostile.text_mutations import TEXT_MUTATIONS
from factory_assets_tests.market.hostile.zip_mutations import ZIP_MUTATIONS, zip_bomb

OPEN_INTEREST = "open_interest"
CASES_PER_KIND = 30
COSTLY_CASES = 3
MEMORY_MORE_BYTES = 3 << 30
"""Address space a run may add to what it holds after its imports; bombs of the corpus unpack to up to 200 GiB."""
_COSTLY = ("bomb", "long_line", "wide")
_FEWER = {"nothing": 12, "twice": 10, "no_folder": 8, "linked": 8, "unreadable": 8, "byte_order_mark": 8, "deep": 12}
_HOME_EVERY, _FOLDER_EVERY, _DETECT_EVERY = 37, 5, 15
Mutation = Callable[[Random, Base], Hostile]


def _bytes(change: ByteMutation, rng: Random, base: Base) -> Hostile:
    name = rng.choice(sorted(base.files))
    return with_file(base, name, change(rng, base.files[name]))


def _inner_bytes(change: ByteMutation, rng: Random, base: Base) -> Hostile:
    return with_inner(rng, base, partial(change, rng))


def kinds_of(format_name: str) -> Mapping[str, Mutation]:
    """Mutations that fit a format, by kind."""
    sample = bases(format_name)
    family = sample[0].family
    found: dict[str, Mutation] = {f"bytes_{kind}": partial(_bytes, change) for kind, change in BYTE_MUTATIONS.items()}
    if any(is_packed(base) for base in sample):
        found |= {f"inner_{kind}": partial(_inner_bytes, change) for kind, change in BYTE_MUTATIONS.items()}
        found["bomb"] = zip_bomb if family == LEAN else zstd_bomb
    by_family: Mapping[str, Mapping[str, Mutation]] = {
        TEXT: TEXT_MUTATIONS,
        LEAN: {**TEXT_MUTATIONS, **ZIP_MUTATIONS},
        JSON: JSON_MUTATIONS,
        DBN: DBN_MUTATIONS,
        PARQUET: {**PARQUET_MUTATIONS, "bomb": parquet_bomb},
    }
    return {**found, **by_family[family], **DECLARATION_MUTATIONS, **FOLDER_MUTATIONS}


def case_names(per_kind: int = CASES_PER_KIND) -> Iterator[str]:
    """Names of all cases, ``format/kind/number``, with up to ``per_kind`` numbers a kind."""
    for format_name in sorted(READERS):
        for kind in kinds_of(format_name):
            for number in range(_number_of(kind, per_kind)):
                yield f"{format_name}/{kind}/{number}"
    for kind in OPEN_INTEREST_MUTATIONS:
        for number in range(min(2 * per_kind, per_kind + 40)):
            yield f"{OPEN_INTEREST}/{kind}/{number}"


def _number_of(kind: str, per_kind: int) -> int:
    plain = kind.removeprefix("bytes_").removeprefix("inner_")
    if plain in _COSTLY:
        return min(COSTLY_CASES, per_kind)
    return min(_FEWER.get(plain, per_kind), per_kind)


def run_named(name: str, workspace: Path) -> Outcome:
    """Make and judge the case of this name.

    Raises
    ------
    CaseFailedError
        As :func:`~factory_assets_tests.market.hostile.one_case.run_case`.
    """
    format_name, kind, text = name.split("/")
    rng, number = seeded(name), int(text)
    if format_name == OPEN_INTEREST:
        level = HOME_LEVEL if number % _HOME_EVERY == 1 else FOLDER_LEVEL
        return run_case(name, OPEN_INTEREST_MUTATIONS[kind](rng), level, workspace)
    base = rng.choice(_fitting(format_name, kind))
    try:
        made = kinds_of(format_name)[kind](rng, base)
    except Exception as problem:
        raise CaseFailedError(f"{name}: the mutation itself failed: {type(problem).__name__}: {problem}") from problem
    folder_only = kind in DECLARATION_MUTATIONS or kind in FOLDER_MUTATIONS
    level = FOLDER_LEVEL if folder_only or number % _FOLDER_EVERY == 0 else FILE_LEVEL
    level = DETECT_LEVEL if number % _DETECT_EVERY == 4 else level
    return run_case(name, made, HOME_LEVEL if number % _HOME_EVERY == 1 else level, workspace)


def _fitting(format_name: str, kind: str) -> list[Base]:
    """Bases a kind applies to: what is inside a packed file only a packed one has."""
    found = [base for base in bases(format_name) if is_packed(base) or not kind.startswith("inner_")]
    if kind == "bomb" and found[0].family not in (PARQUET, LEAN):
        found = [base for base in found if is_packed(base)]
    return found


def bound_memory() -> None:
    """Let this process add no more than :data:`MEMORY_MORE_BYTES` to the address space it has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MEMORY_MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main(names: list[str]) -> int:
    """Run cases and print what became of them; the number of failed ones is the exit status."""
    say = partial(print, flush=True)
    replay, failed = bool(names), 0
    tally: Counter[tuple[str, str]] = Counter()
    started, used = time.monotonic(), time.process_time()
    with TemporaryDirectory(prefix="hostile-") as folder:
        workspace = Path(folder)
        run_named("csv/permuted_rows/0", workspace)
        bound_memory()
        for name in names or case_names():
            say(f"case {name}")
            try:
                outcome = run_named(name, workspace)
            except CaseFailedError as problem:
                failed += 1
                say(f"FAILED {problem}")
                tally[(name.split("/")[0], "failed")] += 1
                continue
            format_name, kind, _ = name.split("/")
            tally[(format_name, outcome.verdict)] += 1
            tally[(f"{format_name}/{kind}", outcome.verdict)] += 1
            if replay:
                say(f"{outcome.verdict}: {outcome.detail}")
    for (group, verdict), count in sorted(tally.items()):
        say(f"tally {group} {verdict} {count}")
    say(f"time {time.monotonic() - started:.1f} s, processor {time.process_time() - used:.1f} s")
    return min(failed, 100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
