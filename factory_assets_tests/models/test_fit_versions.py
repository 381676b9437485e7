"""A fit depends on the sources its classes are from, wherever they live, and on what is installed."""

import importlib
import subprocess
import sys

import pytest

from factory_assets.models.fit_versions import fit_versions, versions_now
from factory_assets.models.registry import entry
from factory_assets.vocabulary.code_version import code_version, sources_on_disk, sources_version

NAME = "others_models_of_this_test"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A user's package: the model in one module, what it computes with in another."""
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "network.py").write_text("WIDTH = 3\n")
    (folder / "model.py").write_text(
        "from factory_assets.models.neural.tcn import Tcn\nfrom . import network\n\n\nclass Wider(Tcn):\n    pass\n"
    )
    installed = tmp_path / "others_models-1.5.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: others-models\nVersion: 1.5\nRequires-Dist: hypothesis>=6\n"
        'Requires-Dist: not-installed-anywhere[x]>1; extra == "more"\n'
    )
    (installed / "top_level.txt").write_text(f"{NAME}\n")
    (installed / "RECORD").write_text(f"{NAME}/__init__.py,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield folder, importlib.import_module(f"{NAME}.model").Wider
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]
    sources_version.cache_clear()


def test_own_models_depend_on_the_factory_and_what_it_computes_with():
    versions = fit_versions(entry("tcn").model_class)
    assert versions["sources of factory_assets"] == code_version()
    assert {"numpy", "scipy", "torch", "safetensors", "lightgbm", "scikit-learn", "numba", "python", "processor"} < {
        *versions
    }
    assert "absent" not in versions.values()
    assert [name for name in versions if name.startswith("sources of ")] == ["sources of factory_assets"]
    assert versions_now(entry("tcn").model_class) == versions


@pytest.mark.parametrize("file", ["network.py", "model.py", "__init__.py", "new.py", "kernel.abi3.so"])
def test_any_module_of_a_users_package_counts(package, file):
    folder, model = package
    first = fit_versions(model)
    assert first[f"sources of {NAME}"] == sources_on_disk(NAME)
    assert first["others-models"] == "1.5"
    assert first["hypothesis"] not in {"", "absent"}
    assert first["not-installed-anywhere"] == "absent"
    with (folder / file).open("a") as stream:
        stream.write("# edited\n")
    now = versions_now(model)
    assert [name for name in now if now[name] != first[name]] == [f"sources of {NAME}"]
    assert fit_versions(model) == first  # what is loaded has not changed


def test_what_python_leaves_beside_sources_does_not_count(package):
    folder, model = package
    first = versions_now(model)
    (folder / "__pycache__").mkdir(exist_ok=True)
    (folder / "__pycache__" / "network.cpython-311.pyc").write_bytes(b"compiled")
    (folder / "notes.txt").write_text("notes")
    assert versions_now(model) == first


def test_names_and_bytes_of_files_cannot_trade_places(package):
    folder, _ = package
    (folder / "network.py").write_text("one")
    (folder / "other.py").write_text("two")
    first = sources_on_disk(NAME)
    (folder / "network.py").write_text("two")
    (folder / "other.py").write_text("one")
    assert sources_on_disk(NAME) != first


def test_single_module_is_its_file(tmp_path, monkeypatch):
    (tmp_path / "alone_in_this_test.py").write_text("A = 1\n")
    (tmp_path / "beside.py").write_text("B = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("alone_in_this_test")
    first = sources_on_disk("alone_in_this_test")
    (tmp_path / "beside.py").write_text("B = 2\n")
    assert sources_on_disk("alone_in_this_test") == first
    (tmp_path / "alone_in_this_test.py").write_text("A = 2\n")
    assert sources_on_disk("alone_in_this_test") != first


def test_what_has_no_file_is_known_to_its_process_alone():
    code = "from factory_assets.vocabulary.code_version import sources_on_disk as s; print(s('__main__')); "
    code += "print(s('__main__')); print(s('of_no_module'))"
    told = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
        for _ in range(2)
    ]
    assert all(len(set(lines)) == 1 for lines in told)
    assert told[0] != told[1]
