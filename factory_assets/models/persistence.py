"""From saved files back to a fitted model: the header's name is looked up in the closed registry, never imported."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from factory_assets.models import registry
from factory_assets.models.files import read_folder, unseal
from factory_assets.vocabulary.errors import IntegrityError

if TYPE_CHECKING:
    from factory_assets.models.base import BaseModel


def model_from_files(files: Mapping[str, bytes]) -> "BaseModel":
    """Fitted model of a sealed set of files.

    Raises
    ------
    IntegrityError
        Files missing, extra, damaged or not what their header says.
    UnknownNameError
        A model no registry holds.
    """
    header, payload = unseal(files)
    name = header.get("model")
    if not isinstance(name, str):
        raise IntegrityError(f"saved model: expected the model's name, got {name!r}. Save the model again.")
    return registry.entry(name).model_class.restored(header, payload)


def load_model(folder: Path) -> "BaseModel":
    """Fitted model saved by :meth:`factory_assets.models.base.BaseModel.save`.

    Raises
    ------
    BadInputError
        If the folder does not exist.
    IntegrityError
        Symlinks, files missing, extra, damaged or not what their header says.
    UnknownNameError
        A model no registry holds.
    """
    return model_from_files(read_folder(folder))
