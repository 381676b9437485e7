"""One hostile case: made from its name, read, and judged. Either right rows, or one typed error that helps."""

import hashlib
import math
import os
import random
import re
import shutil
import signal
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from factory_assets.market.canonical import build_canonical
from factory_assets.market.open_interest import read_open_interest
from factory_assets.market.readers import Declaration, declaration_from, propose, read_file, read_folder
from factory_assets.market.readers.declaration import DECLARATION_FILE
from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration.raw_folder import accept_raw
from factory_assets.vocabulary.errors import BadInputError, FactoryError, UserError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import Instrument, instrument
from factory_assets.vocabulary.settings import MarketSettings
from factory_assets_tests.market.hostile.bases import DBN, LEAN, PARQUET, Base, Hostile
from factory_assets_tests.market.hostile.open_interest_mutations import FILE, plain_open_interest
from factory_assets_tests.market.hostile.plain_binary import (
    ZSTD_MAGIC,
    plain_dbn,
    plain_lean,
    plain_parquet,
    unpacked_zstd,
)
from factory_assets_tests.market.hostile.plain_reading import plain_databento_csv, plain_delimited, plain_json
from factory_assets_tests.market.hostile.rows import NoMeaningError, Row

DEADLINE_S = 20.0
MESSAGE_CHARACTERS_MAX = 4_000
PROPOSAL_CHARACTERS_MAX = 12_000
_REMEDY = re.compile(
    r"\b(correct|export|download|remove|declare|check|save|ask|give|add|request|keep|put|restore|convert|split|take|"
    r"set|name|rename|move|use|let|write|make|edit|repeat|number|needs?)\b",
    re.IGNORECASE,
)
_RAW = "raw"
_JUDGED: dict[tuple[str, str, bool, bool], str] = {}
FILE_LEVEL, FOLDER_LEVEL, HOME_LEVEL, DETECT_LEVEL = "file", "folder", "home", "detect"


class CaseFailedError(AssertionError):
    """A reader did what it must not do."""


class _DeadlineError(BaseException):
    """A case took too long; no part of the factory may catch it."""


@dataclass(frozen=True)
class Outcome:
    """How a case ended: ``accepted``, ``refused`` or ``proposed``, and the error or what was judged."""

    verdict: str
    detail: str


def run_case(name: str, made: Hostile, level: str, workspace: Path, *, deadline_s: float = DEADLINE_S) -> Outcome:
    """Read a hostile folder and judge what came of it.

    Parameters
    ----------
    name : str
        Name of the case, for the message.
    made : Hostile
        The folder.
    level : str
        ``file`` reads its data files one by one, ``folder`` reads the folder, ``home`` ingests it into a home,
        ``detect`` has a declaration proposed for it.
    workspace : Path
        Empty folder of one's own.
    deadline_s : float
        Seconds after which the case counts as hung.

    Raises
    ------
    CaseFailedError
        Another error than a typed one, a message that does not help, a warning, a hang, wrong rows or bars, a trace in
        the home after a refusal.
    """
    folder = workspace / _RAW
    try:
        _write(made, folder)
        with _deadline(deadline_s), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            outcome = _judged(made, level, folder, workspace)
        _check_end(made, level, outcome, told)
    except CaseFailedError as problem:
        raise CaseFailedError(f"{name} ({level}): {problem}") from problem
    except (Exception, _DeadlineError) as problem:
        raise CaseFailedError(f"{name} ({level}): {type(problem).__name__}: {str(problem)[:600]}") from problem
    finally:
        _clean(workspace)
    return outcome


def _check_end(made: Hostile, level: str, outcome: Outcome, told: list[warnings.WarningMessage]) -> None:
    """No word but the error's, and the only right end where there is one; a home may refuse what can be read."""
    if told:
        raise CaseFailedError(f"warned: {told[0].category.__name__}: {str(told[0].message)[:300]}")
    wanted = {"accept": "accepted", "refuse": "refused"}.get(made.must, outcome.verdict)
    if outcome.verdict != wanted and level != DETECT_LEVEL and not (level == HOME_LEVEL and made.must == "accept"):
        raise CaseFailedError(f"expected to be {wanted}, was {outcome.verdict}: {outcome.detail[:600]}")


def _write(made: Hostile, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, content in {**made.files, **made.extra}.items():
        (folder / file_name).write_bytes(content)
    (folder / DECLARATION_FILE).write_bytes(made.declaration)
    if made.arrange is not None:
        made.arrange(folder)


def _clean(workspace: Path) -> None:
    """Take everything away but the raw folder itself: making one costs as much as reading a file."""
    for path in [*workspace.iterdir()]:
        if not path.is_dir() or path.is_symlink():
            path.unlink()
        elif path.name != _RAW:
            shutil.rmtree(path)
        else:
            _clean(path)


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    def late(number: int, frame: object) -> None:
        raise _DeadlineError(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _judged(made: Hostile, level: str, folder: Path, workspace: Path) -> Outcome:
    product = instrument(made.base.product)
    if made.extra:
        return _open_interest(made, folder, product, level, workspace)
    try:
        if level == DETECT_LEVEL:
            return Outcome("proposed", _proposed(folder, product))
        if level == HOME_LEVEL:
            rows, declaration = _ingested(folder, product, workspace)
        elif level == FOLDER_LEVEL:
            read = read_folder(folder, product)
            rows, declaration = read.minutes, read.declaration
        else:
            declaration = _declared(made.base.declaration)
            parts = [read_file(folder / file_name, product, declaration) for file_name in sorted(made.files)]
            rows = (
                pd.concat([part.minutes for part in parts], ignore_index=True) if len(parts) > 1 else parts[0].minutes
            )
    except FactoryError as problem:
        _check_message(problem, made, folder)
        return Outcome("refused", type(problem).__name__ + ": " + str(problem))
    judged = _check_rows(rows, made, product) if made.known else "rows unknown"
    return Outcome("accepted", f"{judged}, {_bars_of(rows, product, declaration)}")


def _proposed(folder: Path, product: Instrument) -> str:
    """Format of a proposal; whatever stood in the files, it is TOML that nothing is read by until a person confirms."""
    proposal = propose(folder, product)
    content = tomllib.loads(proposal.text)
    if content.get("confirmed") is not False or content.get("format") != proposal.format:
        raise CaseFailedError(f"a proposal that counts as confirmed: {proposal.text[:300]}")
    if len(proposal.text) > PROPOSAL_CHARACTERS_MAX:
        raise CaseFailedError(f"a proposal of {len(proposal.text):,} characters")
    return proposal.format


@cache
def _declared(text: str) -> Declaration:
    return declaration_from(tomllib.loads(text), "base")


def _check_message(problem: FactoryError, made: Hostile, folder: Path) -> None:
    text = str(problem)
    if not isinstance(problem, UserError):
        raise CaseFailedError(f"an error that is not the user's: {type(problem).__name__}: {text[:300]}")
    if len(text) > MESSAGE_CHARACTERS_MAX:
        raise CaseFailedError(f"a message of {len(text):,} characters: {text[:200]}")
    names = [*made.files, *made.extra, DECLARATION_FILE, str(folder)]
    if not any(form in text for name in names for form in (name, repr(name)[1:-1], ascii(name)[1:-1])):
        raise CaseFailedError(f"the message names no file: {text[:300]}")
    if _REMEDY.search(text) is None:
        raise CaseFailedError(f"the message says no remedy: {text[:300]}")
    if "Traceback (most recent" in text:
        raise CaseFailedError("a traceback in the message")


def _open_interest(made: Hostile, folder: Path, product: Instrument, level: str, workspace: Path) -> Outcome:
    try:
        if level == HOME_LEVEL:
            _ingested(folder, product, workspace)
        table = read_open_interest(folder, product)
    except FactoryError as problem:
        _check_message(problem, made, folder)
        return Outcome("refused", type(problem).__name__ + ": " + str(problem))
    try:
        wanted = plain_open_interest(made.extra[FILE], product.symbol)
    except NoMeaningError as problem:
        raise CaseFailedError(f"accepted what says no one thing ({problem})") from problem
    got = [
        (str(row.trade_date.date()), str(row.expiry), int(row.open_interest)) for row in table.itertuples(index=False)
    ]
    if len(got) != len(set(got)) or set(got) != wanted:
        raise CaseFailedError(f"figures differ: {sorted(set(got) ^ wanted)[:5]}")
    return Outcome("accepted", "figures equal")


def _plain_rows(made: Hostile, product: str) -> dict[str, list[Row]]:
    try:
        declared = tomllib.loads(made.declaration.decode())
        plain = _plain_reader(declared["format"], made.base)
        packed = declared["format"] == "databento_csv"
        return {
            name: plain(_unpacked(content) if packed else content, declared, product, name)
            for name, content in made.files.items()
        }
    except NoMeaningError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise NoMeaningError(f"{type(problem).__name__}: {problem}") from problem


def _unpacked(content: bytes) -> bytes:
    return unpacked_zstd(content) if content.startswith(ZSTD_MAGIC) else content


def _plain_reader(format_name: str, base: Base):  # type: ignore[no-untyped-def]
    if base.family in (DBN, LEAN, PARQUET):
        return {DBN: plain_dbn, LEAN: plain_lean, PARQUET: plain_parquet}[base.family]
    return {"databento_csv": plain_databento_csv, "projectx": plain_json}.get(format_name, plain_delimited)


def _check_rows(got: pd.DataFrame, made: Hostile, product: Instrument) -> str:
    """Every row is what the bytes say, file by file and in their order; none is lost and none is added."""
    try:
        wanted = _plain_rows(made, product.symbol)
    except NoMeaningError as problem:
        raise CaseFailedError(f"accepted {len(got)} rows of what has no one meaning ({problem})") from problem
    frame = got.sort_values(["source_file", "source_row"], kind="stable") if "source_row" in got.columns else got
    rows: dict[str, list[Row]] = {name: [] for name in wanted}
    open_us = frame["open_time"].astype("int64").tolist()
    values = frame[["open", "high", "low", "close", "volume"]].to_numpy().tolist()
    for name, expiry, stamp, numbers in zip(
        frame["source_file"].astype(str), frame["expiry"].astype(str), open_us, values, strict=True
    ):
        rows[name].append(Row(expiry, stamp, tuple(numbers)))
    for name, expected in wanted.items():
        if len(rows[name]) != len(expected):
            raise CaseFailedError(f"{name}: {len(rows[name])} rows, the file says {len(expected)}")
        for place, (row, other) in enumerate(zip(rows[name], expected, strict=True)):
            if not row.is_same(other):
                raise CaseFailedError(f"{name}, row {place + 1}: read {row}, the file says {other}")
    return "rows equal"


def _bars_of(rows: pd.DataFrame, product: Instrument, declaration: Declaration) -> str:
    """:func:`_check_bars`, once for the same rows: many mutations leave them as they were."""
    parts = (rows["open_time"].astype("int64"), *(rows[name] for name in ("open", "high", "low", "close", "volume")))
    content = b"".join(part.to_numpy().tobytes() for part in parts) + "|".join(rows["expiry"].astype(str)).encode()
    key = (hashlib.sha256(content).hexdigest(), product.symbol, declaration.has_volume, declaration.is_continuous)
    if key not in _JUDGED:
        _JUDGED[key] = _check_bars(rows, product, declaration)
    return _JUDGED[key]


def _check_bars(rows: pd.DataFrame, product: Instrument, declaration: Declaration) -> str:
    """Canonical bars made of the rows satisfy the contract, and every other row is accounted for."""
    try:
        made = build_canonical(
            rows,
            product,
            SessionCalendar.of(product),
            MarketSettings(),
            joins_without_overlap=declaration.is_continuous,
            has_volume=declaration.has_volume,
        )
    except BadInputError as problem:
        if _REMEDY.search(str(problem)) is None and len(rows):
            raise CaseFailedError(f"the message says no remedy: {str(problem)[:300]}") from problem
        return "no bar"
    tick = product.tick_size
    raw = {
        (expiry, stamp, *map(float, numbers)) if declaration.has_volume else (expiry, stamp, *map(float, numbers[:4]))
        for expiry, stamp, numbers in zip(
            rows["expiry"].astype(str),
            rows["open_time"].astype("int64"),
            rows[["open", "high", "low", "close", "volume"]].to_numpy().tolist(),
            strict=True,
        )
    }
    last = None
    for bar in made.bars.itertuples(index=False):
        stamp = bar.open_time.value // 1_000
        prices = (bar.open, bar.high, bar.low, bar.close)
        key = (str(bar.expiry), stamp, *prices, *((bar.volume,) if declaration.has_volume else ()))
        good = (
            all(
                math.isfinite(price)
                and price > 0
                and 0.5 < price / tick < 1e9
                and abs(price / tick - round(price / tick)) < 1e-5
                for price in prices
            )
            and bar.low <= min(bar.open, bar.close)
            and max(bar.open, bar.close) <= bar.high
            and (bar.volume >= 0 and math.isfinite(bar.volume) if declaration.has_volume else math.isnan(bar.volume))
            and stamp % 60_000_000 == 0
            and (last is None or stamp > last)
            and bar.close_time.value // 1_000 == stamp + 60_000_000
            and key in raw
        )
        if not good:
            raise CaseFailedError(f"a canonical bar breaks its contract: {bar}")
        last = stamp
    counts = made.counts
    told = counts["exact_duplicates"] + counts["quarantined"] + counts["other_expiry_rows"] + len(made.bars)
    if told != len(rows) or counts["quarantined"] != len(made.quarantine):
        raise CaseFailedError(f"{len(rows)} rows, {told} accounted for")
    return "bars" if not len(made.quarantine) else "bars and quarantine"


def _tree(home: Path) -> dict[str, bytes | None]:
    """Every file of a home with its bytes."""
    found: dict[str, bytes | None] = {}
    for root, folders, files in os.walk(home):
        for name in files:
            found[str(Path(root, name))] = Path(root, name).read_bytes()
        for name in folders:
            found[str(Path(root, name))] = None
    return found


def _ingested(folder: Path, product: Instrument, workspace: Path) -> tuple[pd.DataFrame, Declaration]:
    """The folder taken into a fresh home; a refusal may leave nothing in it, an ingest nothing but the files."""
    home = FactoryHome(workspace / "home")
    home.root.mkdir()
    before = _tree(home.root)
    try:
        read, copied = accept_raw(folder, product.symbol, home, MarketSettings())
    except FactoryError as problem:
        left = sorted(path for path, content in _tree(home.root).items() if path not in before and content is not None)
        left += [str(path) for path in (home.raw.glob("**/*") if home.raw.exists() else ())]
        if left:
            raise CaseFailedError(f"refused ({problem}), but the home holds {left[:5]}") from problem
        raise
    plain = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    held = {path.name: path.read_bytes() for path in (home.raw / product.symbol).iterdir()}
    if plain != held or copied != len(plain) or [path.name for path in home.raw.iterdir()] != [product.symbol]:
        raise CaseFailedError(f"copied {sorted(held)} of {sorted(plain)}")
    return read.minutes, read.declaration


def seeded(name: str) -> random.Random:
    """The generator of a case: its name is its seed."""
    return random.Random(name)
