"""Checkpoints of a fit: one sealed set of files in a folder, replaced after each epoch, used by the very same fit only.

The header is written last and names the file of tensors with its sha256, so that a kill at any moment leaves either
the earlier checkpoint or the later one.
"""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_assets.models.files import seal, unseal
from factory_assets.models.neural.tensors import tensor_bytes, tensors_from
from factory_assets.models.samples import Samples
from factory_assets.vocabulary.errors import IntegrityError

if TYPE_CHECKING:
    import torch

_HEADER = "checkpoint.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a fit needs to go on as if it had never stopped; everything random follows from seed and epoch.

    Attributes
    ----------
    curves : mapping of str to list of float
        Losses by epoch; their length is the number of epochs done.
    tensors : mapping of str to Tensor
        Weights, moments of the optimizer, and the best epoch's weights.
    """

    curves: Mapping[str, list[float]]
    tensors: "Mapping[str, torch.Tensor]"


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The checkpoint of one fit.

    Attributes
    ----------
    folder : Path
        Where it lies; made when the first one is written.
    identity : str
        Digest of everything the fit depends on (:func:`identity_of_fit`).
    """

    folder: Path
    identity: str

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; after a kill the folder holds the earlier or the later one, whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        epochs = max(len(curve) for curve in checkpoint.curves.values())
        name = f"epoch_{epochs}.safetensors"
        header = {"identity": self.identity, "curves": dict(checkpoint.curves)}
        files = seal(header, {name: tensor_bytes(checkpoint.tensors)}, _HEADER)
        for file in (name, _HEADER):
            _write_whole(self.folder / file, files[file])
        for old in [*self.folder.glob("epoch_*.safetensors"), *self.folder.glob(".*.partial")]:
            if old.name != name:
                old.unlink()

    def read(self, like: "Mapping[str, torch.Tensor]") -> Checkpoint | None:
        """The checkpoint of this very fit, or None; one of another fit or a damaged one is logged and left alone.

        Parameters
        ----------
        like : mapping of str to Tensor
            Names, shapes and dtypes the fit can go on from.
        """
        if not (self.folder / _HEADER).is_file():
            return None
        try:
            header = json.loads((self.folder / _HEADER).read_bytes())
            files = {name: (self.folder / name).read_bytes() for name in (_HEADER, *header["files"])}
            header, payload = unseal(files, _HEADER)
            if header["identity"] != self.identity:
                _log.warning("%s: the checkpoint is another fit's (data, parameters or versions); beginning anew", self)
                return None
            (data,) = payload.values()
            return Checkpoint(curves=header["curves"], tensors=tensors_from(data, like, str(self)))
        except (IntegrityError, OSError, KeyError, TypeError, ValueError, AttributeError) as problem:
            _log.warning("%s: the checkpoint is damaged (%s); beginning anew", self, problem)
            return None

    def __str__(self) -> str:
        """Where it lies."""
        return f"checkpoint in {self.folder}"


def identity_of_fit(described: Mapping[str, Any], sets: Mapping[str, Samples | None]) -> str:
    """Digest of a fit's description (JSON values) and of every byte of its samples.

    Parameters
    ----------
    described : mapping
        Model, parameters, shapes, versions, runtime.
    sets : mapping of str to Samples or None
        What is fitted on and what is watched.
    """
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name, samples in sorted(sets.items()):
        if samples is None:
            continue
        windows = samples.windows.compacted()
        for part in (windows.store, windows.pad, windows.last, windows.first, samples.target, samples.weight):
            array = np.ascontiguousarray(part)
            digest.update(f"{name} {array.dtype} {array.shape} {windows.length};".encode())
            digest.update(array.data)
    return digest.hexdigest()


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
