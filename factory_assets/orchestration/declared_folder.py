"""Declarations of raw folders from outside: a proposal written for a person, and a file that lies elsewhere.

Belongs here: what ``factory ingest --detect`` writes, and a vendor's folder that cannot hold a ``source.toml`` of its
own. Does not: what a proposal says (:mod:`factory_assets.market.readers.detection`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from factory_assets.market.readers import Proposal, RawRead, load_declaration_file, propose
from factory_assets.market.readers.declaration import DECLARATION_FILE
from factory_assets.orchestration.raw_folder import accept_raw
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings


def write_proposal(source: Path, contract: str, out: Path | None = None) -> tuple[Proposal, Path | None]:
    """Propose a declaration for a raw folder and write it, unconfirmed; never over an existing file.

    Parameters
    ----------
    source : Path
        Folder with the vendor's files.
    contract : str
        Contract the files belong to.
    out : Path, optional
        File to write; ``source.toml`` in the folder if not given.

    Returns
    -------
    Proposal, Path or None
        What is proposed, and the file written; None if the files need no declaration and ``out`` names no file.

    Raises
    ------
    AmbiguousFormatError
        Several vendors write such files with different meanings. Nothing is written.
    BadInputError
        Nothing to propose for, a file is already there, or the folder cannot be written to.
    """
    product, target = instrument(contract), out or source / DECLARATION_FILE
    if target.exists() or target.is_symlink():
        raise BadInputError(
            f"{target}: already there, and a declaration is never overwritten. Move it away, or give --out another "
            "file."
        )
    proposal = propose(source, product)
    if out is None and not proposal.needed:
        return proposal, None
    try:
        with target.open("x", encoding="utf-8") as stream:
            stream.write(proposal.text)
    except OSError as problem:
        raise BadInputError(f"{target}: cannot be written: {problem}. Give --out a file elsewhere.") from problem
    return proposal, target


def accept_declared(
    source: Path, declaration: Path, contract: str, home: FactoryHome, settings: MarketSettings | None = None
) -> tuple[RawRead, int]:
    """:func:`~factory_assets.orchestration.raw_folder.accept_raw` for a folder whose declaration lies elsewhere.

    Parameters
    ----------
    source : Path
        Folder with the vendor's files and no ``source.toml``.
    declaration : Path
        File that declares it; a copy of it becomes the ``source.toml`` beside the copied files.
    contract, home, settings
        As :func:`~factory_assets.orchestration.raw_folder.accept_raw`.

    Raises
    ------
    BadInputError
        The folder has a declaration of its own, or as ``accept_raw``. Nothing was copied then.
    """
    with declared_together(source, declaration) as together:
        return accept_raw(together, contract, home, settings)


@contextmanager
def declared_together(source: Path, declaration: Path) -> Iterator[Path]:
    """A folder that shows the vendor's files and their declaration as if they lay together; errors name the true paths.

    Parameters
    ----------
    source : Path
        Folder with the vendor's files and no ``source.toml``.
    declaration : Path
        File that declares it.

    Raises
    ------
    BadInputError
        No such folder or file, the folder has a declaration of its own, or what is done with it raises one.
    """
    if not source.is_dir() or (source / DECLARATION_FILE).exists():
        found = f"{source / DECLARATION_FILE}" if source.is_dir() else "no folder"
        raise BadInputError(
            f"--raw {source}: expected a folder of vendor files without a declaration, found {found}. Leave out the "
            f"file that declares it ({declaration}), or move the other away."
        )
    load_declaration_file(declaration)
    with TemporaryDirectory(prefix="factory-declared-") as folder:
        together = Path(folder)
        for path in sorted(source.iterdir()):
            (together / path.name).symlink_to(path.absolute())
        (together / DECLARATION_FILE).symlink_to(declaration.resolve())
        try:
            yield together
        except BadInputError as problem:
            told = str(problem).replace(str(together / DECLARATION_FILE), str(declaration)).replace(folder, str(source))
            raise type(problem)(told) from problem
