"""Taking a user's vendor files into FACTORY_HOME/raw: read and judged first, copied only if all of it will do."""

from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import pandas as pd

from factory_assets.market.canonical import build_canonical
from factory_assets.market.open_interest import (
    OPEN_INTEREST_FILE,
    open_interest_files,
    read_open_interest,
    require_extension,
)
from factory_assets.market.readers import RawRead, data_files, file_sha256
from factory_assets.market.readers.declaration import DECLARATION_FILE
from factory_assets.market.rolls import OPEN_INTEREST
from factory_assets.market.sessions import SessionCalendar
from factory_assets.orchestration.parsed_folder import ParsedFolder
from factory_assets.orchestration.provenance import ROLLED_BY
from factory_assets.orchestration.resources import settings_in_force
from factory_assets.storage import Store
from factory_assets.vocabulary.clock import system_clock
from factory_assets.vocabulary.errors import BadInputError, MissingPartitionError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import Instrument, instrument
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.schemas import CANONICAL_BARS
from factory_assets.vocabulary.settings import MarketSettings


def accept_raw(
    source: Path, contract: str, home: FactoryHome, settings: MarketSettings | None = None
) -> tuple[RawRead, int]:
    """Read and judge a folder of raw files, and copy what is new.

    Parameters
    ----------
    source : Path
        Folder with the vendor's files (and a ``source.toml`` where the format does not describe itself).
    contract : str
        Contract the files belong to.
    home : FactoryHome
        Home whose ``raw/<contract>/`` receives the copies.
    settings : MarketSettings, optional
        Ceiling of the quarantine; those in force in ``home`` if not given.

    Returns
    -------
    RawRead, int
        What was read, and how many files were copied (a file already there with equal content is not). A changed
        ``source.toml`` replaces the old one if ``source`` holds every data file that was read by it, and counts.

    Raises
    ------
    BadInputError
        Wrong path, unreadable or foreign files, no outright row, more quarantined rows than the ceiling allows, or a
        file that would overwrite another of the same name; open interest that takes back what was there, or that
        stored bars were rolled without (a file with later trade dates replaces the old one). Nothing was copied then.
    """
    if not source.is_dir():
        found = "a file" if source.exists() else "nothing"
        raise BadInputError(
            f"--raw {source}: expected a folder of vendor files, found {found}. Give the folder that holds them."
        )
    product, target = instrument(contract), home.raw / contract
    market = settings or settings_in_force("fast", home.settings_file).market  # the market is the same in all profiles
    for path in (home.raw, target):
        if path.exists() and not path.is_dir():
            raise BadInputError(f"{path}: expected a folder of raw files, found a file. Move it away, then repeat.")
    store = Store(home.store_url, clock=system_clock, locks_folder=home.root / "locks")
    reader = ParsedFolder(store.parsed, product)
    read = reader.read(source)
    files = sorted(path for path in source.iterdir() if path.is_file())
    new = _new_files(files, source, target)
    open_interest = _open_interest(source, target, product, _rolled_until_day(store, contract, market))
    held = sorted(path for path in target.iterdir() if path.is_file()) if target.is_dir() else []
    names = {path.name for path in files}
    others = [path for path in held if path.name not in names]
    together = _with(others, files, target, reader) if others else read
    _refuse_unusable(together, open_interest, product, market, source)
    reader.keep()
    _copy(new, target)
    return read, len(new)


def _copy(new: Sequence[Path], target: Path) -> None:
    """Copy files beside the target first, so that a full disk leaves none of them half written there."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".incoming-{target.name}-", dir=target.parent) as folder:
            for path in new:
                copyfile(path, Path(folder) / path.name)
            target.mkdir(exist_ok=True)
            for path in new:
                (Path(folder) / path.name).replace(target / path.name)
    except OSError as problem:
        raise BadInputError(
            f"{target}: the raw files cannot be copied there: {problem}. Make room or correct its permissions, then "
            "repeat."
        ) from problem


def _new_files(files: Sequence[Path], source: Path, target: Path) -> list[Path]:
    """Files the target lacks, and a declaration that may replace the one there; refuses to overwrite anything else."""
    changed = [p for p in files if (target / p.name).exists() and not _equal(p, target / p.name)]
    clashes = [path.name for path in changed if path.name not in (DECLARATION_FILE, OPEN_INTEREST_FILE)]
    if clashes:
        raise BadInputError(
            f"{target} already holds other content under {clashes}. Raw files are never overwritten: rename new ones."
        )
    if any(path.name == DECLARATION_FILE for path in changed):
        names = {path.name for path in files}
        # A declaration gives every row its meaning: it may only change together with all the files it speaks of.
        absent = [path.name for path in _data_files(target) if path.name not in names]
        if absent:
            raise BadInputError(
                f"{source / DECLARATION_FILE} differs from {target / DECLARATION_FILE}, by which {absent[:5]} "
                f"({len(absent)} files that {source} lacks) are read. Edit {target / DECLARATION_FILE} if those were "
                "declared wrongly, or make the new declaration equal to it."
            )
    return [path for path in files if path in changed or not (target / path.name).exists()]


def _rolled_until_day(store: Store, contract: str, market: MarketSettings) -> int | None:
    """Last session of stored bars rolled by open interest, days since 1970; None without any, or by another rule."""
    if market.roll_rule != OPEN_INTEREST:
        return None
    try:
        bars = store.manifest(CANONICAL_BARS.name, CANONICAL_BARS.group, PartitionKey(contract))
    except MissingPartitionError:
        return None
    return bars.sessions[-1][0] if bars.sessions and bars.meta.get(ROLLED_BY) == OPEN_INTEREST else None


def _open_interest(source: Path, target: Path, product: Instrument, rolled_until_day: int | None) -> pd.DataFrame:
    """Open interest as it will be: a new file may add trade dates to the one there, and move no roll made before."""
    held, new = read_open_interest(target, product), read_open_interest(source, product)
    if not open_interest_files(source):
        return held
    require_extension(held, new, str(source / OPEN_INTEREST_FILE), rolled_until_day=rolled_until_day)
    return new


def _data_files(target: Path) -> list[Path]:
    try:
        return data_files(target)[1]
    except BadInputError:  # no data file yet, so nothing that a new declaration could change
        return []


def _with(others: Sequence[Path], files: Sequence[Path], target: Path, reader: ParsedFolder) -> RawRead:
    """Old and new files read as the one folder they will be, or every later run would fail."""
    with TemporaryDirectory(prefix="factory-ingest-") as folder:
        for path in (*others, *files):
            (Path(folder) / path.name).symlink_to(path.resolve())
        try:
            return reader.read(Path(folder))
        except BadInputError as problem:
            told = str(problem).replace(folder, "both together")
            raise BadInputError(f"the new files do not fit those in {target}: {told} Nothing was copied.") from problem


def _refuse_unusable(
    read: RawRead, open_interest: pd.DataFrame, product: Instrument, market: MarketSettings, source: Path
) -> None:
    """What the graph would refuse after the copy is refused before it, so that a wrong declaration leaves no trace."""
    remedy = (
        f"Check timezone, bar_label, time_format, expiry and [columns] in {source / DECLARATION_FILE}, then repeat. "
        "Nothing was copied."
    )
    if len(read.minutes) == 0:
        raise BadInputError(
            f"{source}: no row of an outright delivery month among {read.counts['rows_read']} rows "
            f"({read.counts['spread_rows']} of spreads). {remedy}"
        )
    try:
        made = build_canonical(
            read.minutes,
            product,
            SessionCalendar.of(product),
            market,
            open_interest=open_interest,
            joins_without_overlap=read.declaration.is_continuous,
            has_volume=read.declaration.has_volume,
        )
    except BadInputError as problem:
        raise BadInputError(f"{source}: {problem} {remedy}") from problem
    share, counts = float(made.counts["quarantined_share"]), made.counts
    if share > market.quarantined_share_max:
        reasons = made.quarantine["reason"].astype(str).value_counts()
        listing = ", ".join(f"{name}: {number}" for name, number in reasons.items())
        raise BadInputError(
            f"{source}: {counts['kept_expiry_quarantined']} of {counts['kept_expiry_rows']} rows would be quarantined "
            f"({share:.1%}, at most {market.quarantined_share_max:.1%} may be): {listing}. {remedy}"
        )


def _equal(first: Path, second: Path) -> bool:
    return second.is_file() and file_sha256(first) == file_sha256(second)
