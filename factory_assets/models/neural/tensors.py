"""Tensors to safetensors bytes and back; what is read is checked against the network it is for."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from factory_assets.vocabulary.errors import IntegrityError

if TYPE_CHECKING:
    import torch

_DTYPES = {"F32": "torch.float32", "F64": "torch.float64", "I64": "torch.int64"}
"""What a saved network may hold, by safetensors' own names: weights, prior corrections, counters."""
_LENGTH_BYTES = 8


def tensor_bytes(tensors: "Mapping[str, torch.Tensor]") -> bytes:
    """Named tensors as one safetensors file: names, dtypes, shapes and numbers, nothing executable.

    Raises
    ------
    IntegrityError
        A dtype that would not be read again.
    """
    from safetensors.torch import save

    if wrong := {name: str(t.dtype) for name, t in tensors.items() if str(t.dtype) not in _DTYPES.values()}:
        raise IntegrityError(f"tensors of dtype {wrong}: expected one of {sorted(_DTYPES.values())}; nothing was saved")
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
        Bytes that are no safetensors file or not the one spelling of one, that hold anything but tensors, or other
        names, shapes or dtypes, or NaN and infinities.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    described = _described(data, what)
    missing, extra = sorted({*like} - {*described}), sorted({*described} - {*like})
    if missing or extra:
        raise IntegrityError(f"{what}: tensors missing {missing}, tensors the network does not have {extra}")
    problems = [
        f"{name} is {described[name]}, expected {wanted.dtype} of {tuple(wanted.shape)}"
        for name, wanted in sorted(like.items())
        if described[name] != f"{wanted.dtype} of {tuple(wanted.shape)}"
    ]
    if problems:
        raise IntegrityError(f"{what}: {'; '.join(problems)}")
    try:
        found = load(data)
    except (SafetensorError, ValueError, KeyError) as problem:
        raise IntegrityError(f"{what}: no readable safetensors: {problem}") from problem
    problems = [f"{name} holds NaN or infinities" for name in sorted(found) if not torch.isfinite(found[name]).all()]
    if problems:
        raise IntegrityError(f"{what}: {'; '.join(problems)}")
    if tensor_bytes(found) != data:
        raise IntegrityError(f"{what}: not the bytes these tensors are saved as; something was changed or added")
    return found


def _described(data: bytes, what: str) -> dict[str, str]:
    """Dtype and shape of each tensor as the file's own header says, before anything makes tensors of them."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    try:
        header = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
    except (UnicodeDecodeError, ValueError, RecursionError) as problem:
        raise IntegrityError(f"{what}: no readable safetensors: {problem}") from problem
    if not isinstance(header, dict):
        raise IntegrityError(f"{what}: no readable safetensors: the header lists no tensors")
    return {name: _one_described(value) for name, value in header.items()}


def _one_described(value: Any) -> str:
    shape, dtype = (value.get("shape"), value.get("dtype")) if isinstance(value, dict) else (None, None)
    if not isinstance(shape, list) or any(type(size) is not int for size in shape) or not isinstance(dtype, str):
        return "no tensor"
    return f"{_DTYPES.get(dtype, dtype)} of {tuple(shape)}"
