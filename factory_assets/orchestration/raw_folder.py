"""Taking a user's vendor files into FACTORY_HOME/raw: read first, copied only if all of them can be read."""

import hashlib
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from factory_assets.market.readers import RawRead, read_folder
from factory_assets.market.readers.folder import declaration_of
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument


def accept_raw(source: Path, contract: str, home: FactoryHome) -> tuple[RawRead, int]:
    """Validate a folder of raw files and copy what is new.

    Parameters
    ----------
    source : Path
        Folder with the vendor's files (and a ``source.toml`` where the format does not describe itself).
    contract : str
        Contract the files belong to.
    home : FactoryHome
        Home whose ``raw/<contract>/`` receives the copies.

    Returns
    -------
    RawRead, int
        What was read, and how many files were copied (a file already there with equal content is not).

    Raises
    ------
    BadInputError
        Wrong path, unreadable or foreign files, or a file that would overwrite another of the same name. Nothing was
        copied then.
    """
    if not source.is_dir():
        found = "a file" if source.exists() else "nothing"
        raise BadInputError(f"--raw {source}: expected a folder of vendor files, found {found}.")
    read = read_folder(source, instrument(contract))
    target = home.raw / contract
    files = sorted(path for path in source.iterdir() if path.is_file())
    clashes = [p.name for p in files if (target / p.name).exists() and _digest(p) != _digest(target / p.name)]
    if clashes:
        raise BadInputError(
            f"{target} already holds other content under {clashes}. Raw files are never overwritten: rename new ones."
        )
    new = [path for path in files if not (target / path.name).exists()]
    home.raw.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".incoming-{contract}-", dir=home.raw) as folder:
        incoming = Path(folder)
        for path in new:
            shutil.copyfile(path, incoming / path.name)
        _refuse_mixture(incoming, target, contract)
        target.mkdir(exist_ok=True)
        for path in new:
            (incoming / path.name).replace(target / path.name)
    return read, len(new)


def _refuse_mixture(incoming: Path, target: Path, contract: str) -> None:
    """Old and new files together have to make one readable folder, or every later run would fail."""
    held = sorted(target.iterdir()) if target.is_dir() else []
    for path in held:
        (incoming / path.name).symlink_to(path)
    try:
        declaration_of(incoming, instrument(contract))
    except BadInputError as problem:
        told = str(problem).replace(str(incoming), "both together")
        raise BadInputError(f"the new files do not fit those in {target}: {told} Nothing was copied.") from problem
    finally:
        for path in held:
            (incoming / path.name).unlink()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
