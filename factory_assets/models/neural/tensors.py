"""Tensors to safetensors bytes and back; what is read is checked against the network it is for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from factory_assets.vocabulary.errors import IntegrityError

if TYPE_CHECKING:
    import torch


def tensor_bytes(tensors: "Mapping[str, torch.Tensor]") -> bytes:
    """Named tensors as one safetensors file: names, dtypes, shapes and numbers, nothing executable."""
    from safetensors.torch import save

    return save({name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)})


def tensors_from(data: bytes, like: "Mapping[str, torch.Tensor]", what: str) -> "dict[str, torch.Tensor]":
    """Tensors of :func:`tensor_bytes` with the very names, shapes and dtypes of ``like``, all finite.

    Parameters
    ----------
    data : bytes
        A safetensors file.
    like : mapping of str to Tensor
        Tensors of the network built from the header; their values are not looked at.
    what : str
        What is read, for messages.

    Raises
    ------
    IntegrityError
        Bytes that are no safetensors file, or other names, shapes or dtypes, or NaN and infinities.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        found = load(data)
    except (SafetensorError, ValueError, KeyError) as problem:
        raise IntegrityError(f"{what}: no readable safetensors: {problem}") from problem
    missing, extra = sorted({*like} - {*found}), sorted({*found} - {*like})
    if missing or extra:
        raise IntegrityError(f"{what}: tensors missing {missing}, tensors the network does not have {extra}")
    problems = [
        f"{name} is {found[name].dtype} of {tuple(found[name].shape)}, expected {wanted.dtype} of {tuple(wanted.shape)}"
        for name, wanted in sorted(like.items())
        if found[name].shape != wanted.shape or found[name].dtype != wanted.dtype
    ]
    problems += [f"{name} holds NaN or infinities" for name in sorted(found) if not torch.isfinite(found[name]).all()]
    if problems:
        raise IntegrityError(f"{what}: {'; '.join(problems)}")
    return found
