"""Study files on disk: ``<folder>/<contract>.json``, written once. What they say is :mod:`factory_assets.splits`'s."""

from pathlib import Path

from factory_assets.storage.files import write_text_once
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets.vocabulary.partition import PartitionKey


class StudyFiles:
    """The frozen studies of a home folder.

    Parameters
    ----------
    folder : Path
        ``FactoryHome.studies``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, contract: str) -> Path:
        """Where a contract's study lies; an unknown contract is an UnknownNameError."""
        return self._folder / f"{PartitionKey(contract).contract}.json"

    def read(self, contract: str) -> str | None:
        """Text of a contract's study; None if none was opened.

        Raises
        ------
        IntegrityError
            If the file is not UTF-8 text.
        """
        try:
            return self.path(contract).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as problem:
            raise IntegrityError(f"{self.path(contract)}: damaged ({problem}); restore it from a backup") from problem

    def write(self, contract: str, text: str) -> Path:
        """Freeze a study. Writing the same text again changes nothing.

        Raises
        ------
        BadInputError
            If another study of the contract is there: its cut dates are frozen, results refer to them.
        """
        path = self.path(contract)
        if not write_text_once(path, text.encode("utf-8")) and self.read(contract) != text:
            raise BadInputError(
                f"{path}: a study of {contract} is open already and its cut dates stay frozen. "
                "To begin another one, move this file away by hand; the results made under it stay tied to it."
            )
        return path
