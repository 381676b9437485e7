"""Saved networks: tensors that hash to their header and still are not the network it describes are refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from factory_assets.models import create, model_from_files
from factory_assets.models.checks.worlds import planted
from factory_assets.models.files import seal, unseal
from factory_assets.models.neural.tensors import tensor_bytes, tensors_from
from factory_assets.vocabulary.errors import IntegrityError

FILE = "network.safetensors"


@pytest.fixture(scope="module")
def files():
    world = planted("tcn", rows=100, later=10)
    return create("tcn", epochs_max=1).fit(world.features, world.labels).to_files()


def _resealed(files, data, **changes):
    header, _ = unseal(files)
    kept = {key: value for key, value in header.items() if key not in {"files", "digest", "format"}}
    return seal({**kept, **changes}, {FILE: data})


def _changed(files, change):
    tensors = load(files[FILE])
    change(tensors)
    return _resealed(files, save(tensors))


def _rename(tensors):
    tensors["network.head.scale"] = tensors.pop("network.head.bias")


def _turn(tensors):
    tensors["network.head.weight"] = tensors["network.head.weight"].T.contiguous()


def _double(tensors):
    tensors["network.head.bias"] = tensors["network.head.bias"].double()


def _hole(tensors):
    tensors["log_prior"][1] = float("nan")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (_rename, r"missing \['network.head.bias'\].*not have \['network.head.scale'\]"),
        (_turn, r"head.weight is torch.float32 of \(32, 3\), expected torch.float32 of \(3, 32\)"),
        (_double, "head.bias is torch.float64"),
        (_hole, "log_prior holds NaN"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "extra"),
        (lambda tensors: tensors.clear(), "missing"),
    ],
)
def test_tensors_of_another_network(files, change, word):
    with pytest.raises(IntegrityError, match=word):
        model_from_files(_changed(files, change))


@pytest.mark.parametrize("data", [b"", b"\x00" * 8, b"\xff" * 64, b'\x10\x00\x00\x00\x00\x00\x00\x00{"a": 1}        '])
def test_bytes_that_hash_but_are_no_tensors(files, data):
    with pytest.raises(IntegrityError, match=r"no readable safetensors|missing"):
        model_from_files(_resealed(files, data))


@pytest.mark.parametrize(
    "changes",
    [{"shape": [8, 7]}, {"shape": [40, 6]}, {"shape": [6]}, {"classes": [0, 1]}, {"shape": [8, 0]}, {"shape": [-1, 6]}],
)
def test_header_of_another_shape(files, changes):
    with pytest.raises(IntegrityError):
        model_from_files(_resealed(files, files[FILE], **changes))


@pytest.mark.parametrize(
    "changes",
    [
        *({"shape": shape} for shape in ([8, 10**16], [10**30, 6], [8, 10**19], [8, True], [8, 6.0], ["8", 6], "86")),
        *({"classes": classes} for classes in ([0, 1, 10**30], [-1, False, 1], [-1, 0, 1.5], None)),
    ],
)
def test_header_of_sizes_or_classes_that_are_none(files, changes):
    with pytest.raises(IntegrityError, match="header is incomplete"):
        model_from_files(_resealed(files, files[FILE], **changes))


@pytest.mark.parametrize(
    "dtype", ["float8_e4m3fn", "float8_e5m2", "complex64", "bool", "int8", "int64", "float16", "bfloat16", "float64"]
)
def test_dtype_that_is_not_the_networks(dtype):
    data = save({"a": torch.zeros(2).to(getattr(torch, dtype))})
    with pytest.raises(IntegrityError, match=r"a is \S+ of \(2,\), expected torch.float32 of \(2,\)"):
        tensors_from(data, {"a": torch.zeros(2)}, "here")


def _respelled(data, change):
    length = int.from_bytes(data[:8], "little")
    head = change(data[8 : 8 + length])
    return len(head).to_bytes(8, "little") + head + data[8 + length :]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda head: head.rstrip()[:-1] + b',"__metadata__":{"x":"y"}}', "__metadata__"),
        (lambda head: head.rstrip()[:-1] + b',"__metadata__":{}}', "__metadata__"),
        (lambda head: head + b" " * 8, "not the bytes"),
        (lambda head: head.replace(b":", b": ", 1), "not the bytes|no readable"),
        (lambda _: b"[" * 100_000, "no readable"),
        (lambda _: b'{"log_prior":{"dtype":"F64","shape":[10000000000000000000],"data_offsets":[0,24]}}', "missing"),
    ],
)
def test_header_of_tensors_spelled_another_way(files, change, word):
    with pytest.raises(IntegrityError, match=word):
        model_from_files(_resealed(files, _respelled(files[FILE], change)))


def test_bytes_after_the_tensors(files):
    with pytest.raises(IntegrityError, match=r"no readable|not the bytes"):
        model_from_files(_resealed(files, files[FILE] + b"more"))


def test_dtype_that_could_not_be_read_again_is_not_saved():
    with pytest.raises(IntegrityError, match=r"float8_e4m3fn.*nothing was saved"):
        tensor_bytes({"a": torch.zeros(2).to(torch.float8_e4m3fn)})


def test_bytes_do_not_depend_on_the_order_of_names_and_read_back_bit_for_bit():
    tensors = {"b": torch.randn(3, 4).T, "a": torch.tensor([1.0, -0.0, 1e-40])}
    data = tensor_bytes(tensors)
    assert data == tensor_bytes(dict(reversed(tensors.items())))
    back = tensors_from(data, tensors, "here")
    for name, tensor in tensors.items():
        assert np.array_equal(back[name].numpy().view(np.int32), tensor.contiguous().numpy().view(np.int32))
