"""Raw Databento files to canonical bars: rows a second after the vendor's decode, memory, and a second ingestion.

    python benchmarks/market.py [FOLDER]

FOLDER holds the DBN files of MGC; by default the real ones beside the project. The peer is Databento's own library,
which decompresses and decodes the same files in the same run; its time is taken off the factory's, so that what is left
is the factory's work: naming the months, joining the files, judging every row, choosing fronts and chaining them. Both
run in one thread; times are CPU seconds, so that other work on the machine stays out. Medians of the repeats.

The checks of the result (``canonical_invariants``) are timed beside it. Memory is the peak of a process of its own that
reads, judges and checks five years, ladder included: the real files, and DBN files made of them with every record moved
on by two and by four years. The ingestions are whole commands in processes of their own, the start of Python included;
the second meets files it knows.
"""

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from factory_assets.market.canonical import build_canonical
from factory_assets.market.canonical_invariants import canonical_invariants
from factory_assets.market.expiry import MONTH_CODES
from factory_assets.market.ladder import build_ladder
from factory_assets.market.ladder_invariants import ladder_invariants
from factory_assets.market.readers import read_folder
from factory_assets.market.sessions import SessionCalendar
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings

REPEATS = 5
MGC = instrument("MGC")
CALENDAR = SessionCalendar.of(MGC)
SETTINGS = MarketSettings()
DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "MGC_databento"
WEEK = timedelta(weeks=1)
WEEKS, MONTHS = 104, 48
"""How far on a made copy lies: whole weeks keep sessions, whole years deliveries, no month of it is listed before."""
OUTRIGHT = re.compile(rf"MGC([{MONTH_CODES}])([0-9])")
INGEST = "import sys; from factory_assets.cli import main; sys.argv = ['factory', *sys.argv[1:]]; main()"


def median_s(call: Callable[[], object]) -> float:
    """Median CPU seconds of a call, after one that warms it up."""
    call()
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return statistics.median(found)


def vendor_decode(files: list[Path]) -> None:
    """Decompress and decode every record by the vendor's library."""
    import databento_dbn

    for path in files:
        decoder = databento_dbn.DBNDecoder(compression=databento_dbn.Compression.ZSTD)
        decoder.write(path.read_bytes())
        decoder.decode()


def moved_on(content: bytes, times: int) -> bytes:
    """A DBN file of the twenties whose records, months and mappings lie so many times further on."""
    import databento_dbn

    def name(found: re.Match[str]) -> str:
        month = 12 * (2020 + int(found[2])) + MONTH_CODES.index(found[1]) + MONTHS * times
        return f"MGC{MONTH_CODES[month % 12]}{month // 12 % 100}"

    start = 8 + int.from_bytes(content[4:8], "little")
    old = databento_dbn.Metadata.decode(content[:start])
    mappings = []
    for symbol, intervals in old.mappings.items():
        later = [
            SimpleNamespace(
                start_date=each["start_date"] + WEEK * WEEKS * times,
                end_date=each["end_date"] + WEEK * WEEKS * times,
                symbol=each["symbol"],
            )
            for each in intervals
        ]
        mappings.append(SimpleNamespace(raw_symbol=OUTRIGHT.sub(name, symbol), intervals=later))
    metadata = databento_dbn.Metadata(
        dataset=old.dataset,
        start=old.start,
        stype_in=old.stype_in,
        stype_out=old.stype_out,
        schema=old.schema,
        symbols=old.symbols,
        partial=[],
        not_found=[],
        mappings=mappings,
        version=old.version,
        ts_out=old.ts_out,
    )
    records = np.frombuffer(content[start:], dtype=np.uint64).reshape(-1, 7).copy()
    records[:, 1] += np.uint64(times * WEEKS * 7 * 86_400 * 10**9)
    return metadata.encode() + records.tobytes()


def write_five_years(source: Path, folder: Path) -> None:
    """Two years of real files, two years made of them, and one year more."""
    for path in sorted(source.glob("*.dbn.zst")):
        (folder / path.name).symlink_to(path)
        with pa.CompressedInputStream(path, "zstd") as stream:
            content = stream.read()
        for times in (1, 2):
            if times == 1 or path.name < "glbx-mdp3-20211231":
                (folder / f"{path.name.split('.')[0]}-{times}.ohlcv-1m.dbn").write_bytes(moved_on(content, times))


def five_years(folder: Path) -> None:
    """Read, join and judge a folder, build and check its bars, and say what it took; run in a process of its own."""
    raw = read_folder(folder, MGC).minutes
    made = build_canonical(raw, MGC, CALENDAR, SETTINGS)
    canonical_invariants(raw, made, MGC, CALENDAR, SETTINGS)
    sessions = CALENDAR.covering(times_us(made.bars["open_time"]))
    ladder_invariants(made.bars, build_ladder(made.bars, sessions), sessions)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"five years: {len(raw):,} raw minutes from {made.bars['open_time'].iloc[0].date()} to "
        f"{made.bars['open_time'].iloc[-1].date()}, {len(made.bars):,} canonical; peak {peak:.2f} GB (limit 2)"
    )


def speed(source: Path) -> None:
    files = sorted(source.glob("*.dbn.zst"))
    read = read_folder(source, MGC)
    made = build_canonical(read.minutes, MGC, CALENDAR, SETTINGS)
    records, rows = int(read.counts["rows_read"]), len(read.minutes)
    decode_s = median_s(lambda: vendor_decode(files))
    read_s = median_s(lambda: read_folder(source, MGC))
    build_s = median_s(lambda: build_canonical(read.minutes, MGC, CALENDAR, SETTINGS))
    check_s = median_s(lambda: canonical_invariants(read.minutes, made, MGC, CALENDAR, SETTINGS))
    ours_s = read_s + build_s - decode_s
    print(f"{len(files)} files, {records:,} records, {rows:,} of outright months, {len(made.bars):,} canonical bars")
    print(f"  vendor's decode      {decode_s * 1e3:8.0f} ms")
    print(f"  read folder          {read_s * 1e3:8.0f} ms")
    print(f"  canonical bars       {build_s * 1e3:8.0f} ms")
    print(f"  checks of them       {check_s * 1e3:8.0f} ms")
    print(
        f"  after the decode {records / ours_s / 1e6:.2f} M records/s, {rows / ours_s / 1e6:.2f} M outright rows/s "
        "(limit 1.5)"
    )


def ingest_twice(source: Path) -> None:
    """CPU seconds of the first and of the second ingestion, each a command of its own."""
    found = []
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "FACTORY_HOME": home, "DAGSTER_HOME": f"{home}/dagster"}
        command = [sys.executable, "-c", INGEST, "ingest", "--contract", "MGC", "--raw", str(source)]
        for _ in range(2):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "nothing new" in done.stderr, done.stderr
    print(f"first ingestion {found[0]:.1f} CPU s, second {found[1]:.2f}: {found[1] / found[0]:.1%} (limit 5 %)")


def main() -> None:
    if sys.argv[1:2] == ["--five-years"]:
        five_years(Path(sys.argv[2]))
        return
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    if not source.is_dir():
        print(f"no Databento files at {source}: give their folder")
        return
    speed(source)
    with tempfile.TemporaryDirectory() as folder:
        write_five_years(source, Path(folder))
        subprocess.run([sys.executable, __file__, "--five-years", folder], check=True)
    ingest_twice(source)


if __name__ == "__main__":
    main()
