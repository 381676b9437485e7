"""Saved folders: whole or absent, verified before they are parsed, and nothing but plain files."""

import json
import os

import numpy as np
import pytest

from factory_assets.models import create, load_model, model_from_files
from factory_assets.models.boosting.gradient_lightgbm import LightGbm
from factory_assets.models.classical.logistic import Logistic
from factory_assets.models.files import HEADER, read_folder, seal, unseal
from factory_assets.vocabulary.errors import BadInputError, IntegrityError, UnknownNameError


@pytest.fixture
def fitted():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    return create("logistic").fit(x, (x[:, 0] > 0).astype(int)), x


@pytest.fixture
def folder(fitted, tmp_path):
    fitted[0].save(tmp_path / "model")
    return tmp_path / "model"


def test_saved_folder_loads_by_name_and_by_class(fitted, folder):
    model, x = fitted
    for loaded in (load_model(folder), Logistic.load(folder)):
        assert np.array_equal(loaded.predict_proba(x), model.predict_proba(x))
        assert loaded.classes_.tolist() == [0, 1]
        assert dict(loaded.fit_report_) == dict(model.fit_report_)


def test_another_class_refuses(folder):
    with pytest.raises(IntegrityError, match="expected 'lightgbm'"):
        LightGbm.load(folder)


def test_symlink_in_the_folder_and_symlinked_folder_are_refused(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(BadInputError, match="expected the folder"):
        load_model(tmp_path / "link")
    target = tmp_path / "elsewhere.json"
    (folder / "coefficients.json").rename(target)
    (folder / "coefficients.json").symlink_to(target)
    with pytest.raises(IntegrityError, match="link"):
        load_model(folder)


@pytest.mark.parametrize("name", ["extra.txt", "MODEL.JSON", "x.pkl", ".hidden.json"])
def test_files_that_are_not_listed_are_refused(folder, name):
    (folder / name).write_bytes(b"{}")
    with pytest.raises(IntegrityError):
        load_model(folder)


def test_folder_inside_and_missing_folder(folder, tmp_path):
    (folder / "inner").mkdir()
    with pytest.raises(IntegrityError, match="inner"):
        read_folder(folder)
    with pytest.raises(BadInputError, match="nowhere"):
        load_model(tmp_path / "nowhere")


def test_saving_over_a_model_is_refused_and_changes_nothing(fitted, folder):
    before = read_folder(folder)
    with pytest.raises(BadInputError, match="not an empty folder"):
        fitted[0].save(folder)
    assert read_folder(folder) == before


def test_broken_off_save_leaves_no_folder(fitted, tmp_path, monkeypatch):
    def _fail(*arguments):
        raise OSError(5, "no")

    monkeypatch.setattr(os, "fsync", _fail)
    with pytest.raises(OSError, match="no"):
        fitted[0].save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    monkeypatch.undo()
    fitted[0].save(tmp_path / "model")
    assert load_model(tmp_path / "model").is_fitted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


@pytest.mark.parametrize("name", ["../up.txt", "/abs.txt", "a/b.txt", "a\\b.txt", "..", "x.pkl", "X.txt", ""])
def test_names_that_are_no_plain_names_cannot_be_sealed_or_listed(name):
    with pytest.raises(IntegrityError, match="file name"):
        seal({}, {name: b""})
    with pytest.raises(IntegrityError, match="file name"):
        unseal({**seal({}, {}), name: b""})


def test_every_bit_of_the_header_counts():
    files = seal({"a": 1, "b": [1.5, "x"]}, {"one.txt": b"payload"})
    data = files[HEADER]
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            with pytest.raises(IntegrityError):
                unseal({**files, HEADER: bytes(changed)})


def test_header_in_another_spelling_is_refused():
    files = seal({"a": 1}, {"one.txt": b"payload"})
    for other in (
        files[HEADER] + b"\n",
        files[HEADER].replace(b"\n", b" "),
        files[HEADER].replace(b'"a": 1', b'"a":1 '),
    ):
        with pytest.raises(IntegrityError, match="digest"):
            unseal({**files, HEADER: other})


def test_sealed_sets_nest():
    inner = seal({"inner": True}, {"one.txt": b"1"})
    outer = seal({"outer": True}, inner, "member.json")
    header, payload = unseal(outer, "member.json")
    assert header["outer"] is True
    assert unseal(payload)[1] == {"one.txt": b"1"}
    with pytest.raises(IntegrityError, match="header's name"):
        seal({}, {HEADER: b""})


def _resealed(files, **changes):
    header, payload = unseal(files)
    kept = {key: value for key, value in header.items() if key not in {"files", "digest", "format"}}
    return seal({**kept, **changes}, payload)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "no_such_model"}, UnknownNameError),
        ({"model": 3}, IntegrityError),
        ({"model": "lightgbm"}, IntegrityError),
        ({"classes": [1, 0]}, IntegrityError),
        ({"classes": [0, 1, 2]}, IntegrityError),
        ({"shape": [4]}, IntegrityError),
        ({"shape": None}, IntegrityError),
        ({"parameters": {"unknown": 1}}, IntegrityError),
    ],
)
def test_header_that_hashes_but_does_not_fit_the_payload(fitted, changes, error):
    with pytest.raises(error):
        model_from_files(_resealed(fitted[0].to_files(), **changes))


def test_coefficients_that_hash_but_are_wrong(fitted):
    header, payload = unseal(fitted[0].to_files())
    kept = {key: value for key, value in header.items() if key not in {"files", "digest", "format"}}
    values = json.loads(payload["coefficients.json"])
    for wrong in ({**values, "intercept": [0.0]}, {**values, "coefficients": "x"}, {"iterations": 1}, [1]):
        with pytest.raises(IntegrityError):
            model_from_files(seal(kept, {"coefficients.json": json.dumps(wrong).encode()}))
