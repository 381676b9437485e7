"""Bundles: same release same bytes, nothing parsed before it is verified, and a corpus of tampered ones."""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest

from factory_assets.deployment import bundle as bundle_module
from factory_assets.deployment import load_bundle, write_bundle
from factory_assets.deployment.golden import golden_differences, golden_file, golden_inputs, tolerances
from factory_assets.features import catalogue
from factory_assets.stacking import FittedMember
from factory_assets.vocabulary.errors import BadInputError, IntegrityError
from factory_assets_tests.deployment.conftest import NOW
from factory_assets_tests.deployment.release_world import WINDOW_BARS, without_windows

FILES = {
    "config.json",
    "feature_columns.json",
    "golden.json",
    "manifest.json",
    "regimes.json",
    "scalers/lightgbm.json",
    "scalers/logistic.json",
    "scalers/tcn.json",
    "models/lightgbm/member.json",
    "models/lightgbm/model.json",
    "models/lightgbm/booster.txt",
    "models/logistic/member.json",
    "models/logistic/model.json",
    "models/logistic/coefficients.json",
    "models/tcn/member.json",
    "models/tcn/model.json",
    "models/tcn/network.safetensors",
    "ensemble/meta.json",
    "ensemble/model.json",
    "ensemble/coefficients.json",
}


def names_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def copied(bundle, tmp_path):
    """A copy under another name: nothing but an expected digest says which bundle it has to be."""
    return shutil.copytree(bundle[0], tmp_path / "copy")


def rehash(folder):
    """What an attacker does who can recompute every hash; returns the new digest."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in names_below(folder)
        if name != "manifest.json"
    }
    data = (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode()
    (folder / "manifest.json").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def test_layout_and_digest(world, bundle, tmp_path):
    folder, digest = bundle
    assert names_below(folder) == FILES
    assert digest == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert folder.parts[-3:] == ("SIM", "20", digest)
    again, same = write_bundle(world.release, tmp_path, clock=lambda: NOW + timedelta(days=9), code_version="test")
    assert same == digest
    assert {n: (again / n).read_bytes() for n in FILES} == {n: (folder / n).read_bytes() for n in FILES}


def test_digest_says_what_differs(world, bundle, tmp_path):
    release = dataclasses.replace(world.release, theta=0.5)
    assert write_bundle(release, tmp_path, clock=lambda: NOW, code_version="test")[1] != bundle[1]
    assert write_bundle(world.release, tmp_path, clock=lambda: NOW, code_version="other")[1] != bundle[1]


def test_loaded_release_is_the_written_one(world, bundle):
    loaded, release = load_bundle(*bundle), world.release
    for name in (
        "contract",
        "horizon",
        "barriers",
        "labels",
        "market",
        "has_volume",
        "theta",
        "m0_long",
        "m0_short",
        "study",
    ):
        assert getattr(loaded, name) == getattr(release, name), name
    assert (dict(loaded.pool), dict(loaded.inputs), dict(loaded.metrics)) == (
        dict(release.pool),
        dict(release.inputs),
        dict(release.metrics),
    )
    assert loaded.sequence == release.sequence
    inputs = world.batch.take(np.arange(len(world.batch))[-500:]).inputs
    assert {*inputs} == {"tabular", "sequence"}
    np.testing.assert_array_equal(loaded.probabilities(inputs), release.probabilities(inputs))


def test_a_metric_without_a_value_is_none(world, tmp_path):
    release = dataclasses.replace(world.release, metrics={"sharpe": float("nan"), "trades": 0})
    loaded = load_bundle(*write_bundle(release, tmp_path, clock=lambda: NOW, code_version="test"))
    assert dict(loaded.metrics) == {"sharpe": None, "trades": 0}


def test_golden_inputs_try_masked_cells_and_cut_windows(world):
    inputs = golden_inputs(world.release)
    windows = inputs["sequence"]
    assert windows.shape == (24, WINDOW_BARS, len(world.release.sequence.names))
    assert (windows.last - windows.first + 1)[:4].tolist() == [WINDOW_BARS // 2, 1, WINDOW_BARS, WINDOW_BARS // 2]
    for rows in (inputs["tabular"], windows.store):
        masked = np.isnan(rows)
        assert masked[1].all()
        assert not masked[0].any()
        assert 0.05 < masked[2:].mean() < 0.15
    for said in world.release.member_probabilities(inputs).values():
        assert np.ptp(said[:, 2]) > 0.01  # inputs that all give one answer would not tell models apart


def test_golden_tolerance_follows_the_declared_determinism(world):
    assert tolerances(world.release) == {"lightgbm": 1e-12, "logistic": 1e-12, "tcn": 1e-5, "stack": 1e-5}
    assert tolerances(without_windows(world))["stack"] == 1e-12
    kept = golden_file(world.release)
    assert set(golden_differences(world.release, kept).values()) == {0.0}
    moved = json.loads(kept)
    moved["members"]["logistic"][3][0] += 1e-9
    found = golden_differences(world.release, json.dumps(moved).encode())
    assert found["logistic"] == pytest.approx(1e-9, rel=1e-6)
    assert (found["tcn"], found["stack"]) == (0.0, 0.0)


def test_a_small_error_of_a_bitwise_member_is_refused_beside_a_looser_one(bundle, tmp_path):
    """The network's tolerance is its own: nobody else's outputs may be a hundred-millionth off."""
    folder = copied(bundle, tmp_path)
    golden = json.loads((folder / "golden.json").read_bytes())
    for name, refused in (("tcn", False), ("logistic", True)):
        changed = json.loads(json.dumps(golden))
        changed["members"][name][5][1] += 1e-8
        (folder / "golden.json").write_text(json.dumps(changed))
        rehash(folder)
        if refused:
            with pytest.raises(IntegrityError, match="logistic by 1e-08, limit 1e-12"):
                load_bundle(folder)
        else:
            load_bundle(folder)


def test_a_bundle_of_tabular_members_has_no_windows(world, tmp_path):
    release = without_windows(world)
    folder, digest = write_bundle(release, tmp_path, clock=lambda: NOW, code_version="test")
    assert names_below(folder) == {name for name in FILES if "tcn" not in name}
    assert json.loads((folder / "config.json").read_bytes())["sequence"] is None
    loaded = load_bundle(folder, digest)
    assert loaded.sequence is None
    inputs = world.batch.inputs
    np.testing.assert_array_equal(loaded.probabilities(inputs), release.probabilities(inputs))


def test_torch_is_loaded_only_by_a_bundle_that_needs_it(world, bundle, tmp_path):
    folder, _ = write_bundle(without_windows(world), tmp_path, clock=lambda: NOW, code_version="test")
    code = "import sys; from factory_assets.deployment import Predictor; Predictor.load(sys.argv[1])"
    code += "; print('torch' in sys.modules)"
    for path, loaded in ((folder, "False"), (bundle[0], "True")):
        ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        assert ended.stdout.split() == [loaded]


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_changed_bit_is_refused(bundle, tmp_path, name, place):
    folder = copied(bundle, tmp_path)
    data = bytearray((folder / name).read_bytes())
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[place]] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(IntegrityError):
        load_bundle(folder)
    with pytest.raises(IntegrityError):
        load_bundle(folder, bundle[1])


@pytest.mark.parametrize("name", sorted(FILES))
def test_missing_file_is_refused(bundle, tmp_path, name):
    folder = copied(bundle, tmp_path)
    (folder / name).unlink()
    with pytest.raises(IntegrityError, match=r"missing|no manifest"):
        load_bundle(folder)


def unlisted(folder):
    (folder / "models/lightgbm/extra.json").write_text("{}")


def unlisted_code(folder):
    (folder / "models/run.py").write_text("raise SystemExit")


def unlisted_tensors(folder):
    shutil.copy(folder / "models/tcn/network.safetensors", folder / "models/lightgbm/network.safetensors")


def pickled_tensors(folder):
    (folder / "models/tcn/network.pt").write_bytes(b"\x80\x04.")


def hidden(folder):
    (folder / ".hidden").write_text("x")


def linked_file(folder):
    target = folder.parent / "elsewhere.json"
    shutil.move(folder / "config.json", target)
    (folder / "config.json").symlink_to(target)


def linked_folder(folder):
    target = folder.parent / "elsewhere"
    shutil.move(folder / "ensemble", target)
    (folder / "ensemble").symlink_to(target, target_is_directory=True)


def pipe(folder):
    os.mkfifo(folder / "scalers/pipe.json")


def _listed_as(folder, name):
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = hashlib.sha256(b"{}").hexdigest()
    (folder / "manifest.json").write_bytes((json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode())


def dotdot(folder):
    (folder.parent / "outside.json").write_text("{}")
    _listed_as(folder, "../outside.json")


def absolute(folder):
    (folder.parent / "outside.json").write_text("{}")
    _listed_as(folder, str(folder.parent / "outside.json"))


def nested_manifest(folder):
    (folder / "manifest.json").write_bytes(b"[" * 100_000)


def manifest_without_files(folder):
    (folder / "manifest.json").write_bytes(b'{\n "format": 4\n}\n')


def other_format(folder):
    data = (folder / "manifest.json").read_bytes().replace(b'"format": 4', b'"format": 3')
    (folder / "manifest.json").write_bytes(data)


def respelled(folder):
    (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes() + b"\n")


def swapped(folder):
    a, b = folder / "scalers/lightgbm.json", folder / "scalers/logistic.json"
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)


TAMPERINGS = (
    unlisted, unlisted_code, unlisted_tensors, pickled_tensors, hidden, linked_file, linked_folder, pipe, dotdot,
    absolute, nested_manifest, manifest_without_files, other_format, respelled, swapped,
)  # fmt: skip


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_tampered_bundle_is_refused_before_parsing(bundle, tmp_path, monkeypatch, tamper):
    folder = copied(bundle, tmp_path)
    assert load_bundle(folder).contract == "SIM"
    tamper(folder)

    def never(*_):
        raise AssertionError("a parser saw unverified bytes")

    monkeypatch.setattr(bundle_module, "_release_of", never)
    with pytest.raises(IntegrityError):
        load_bundle(folder)


def test_nothing_but_the_manifest_is_parsed_before_verification(bundle, tmp_path, monkeypatch):
    folder = copied(bundle, tmp_path)
    (folder / "models/lightgbm/booster.txt").write_bytes(b"tree")
    seen, real = [], json.loads
    monkeypatch.setattr(bundle_module.json, "loads", lambda data: seen.append(data) or real(data))
    monkeypatch.setattr(FittedMember, "from_files", lambda files: seen.append(files))
    with pytest.raises(IntegrityError, match="booster"):
        load_bundle(folder)
    assert seen == [(folder / "manifest.json").read_bytes()]


def test_rehashed_bundle_is_refused_by_digest_and_by_name(bundle, tmp_path):
    folder = copied(bundle, tmp_path)
    config = (folder / "config.json").read_bytes()
    (folder / "config.json").write_bytes(config.replace(b'"theta": 0.25', b'"theta": 0.0'))
    digest = rehash(folder)
    assert load_bundle(folder).theta == 0.0  # intact, and another bundle
    with pytest.raises(IntegrityError, match=bundle[1]):
        load_bundle(folder, bundle[1])
    named = folder.rename(tmp_path / bundle[1])
    with pytest.raises(IntegrityError, match=bundle[1]):
        load_bundle(named)
    assert load_bundle(named.rename(tmp_path / digest), digest).theta == 0.0


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("golden.json", b'"stack": [[0.', b'"stack": [[1.'),
        ("golden.json", b'"tabular": [[', b'"tabular": [["x", '),
        ("golden.json", b'"store": [[', b'"store": [[1.0, '),
        ("golden.json", b'"last": [23', b'"last": [230'),
        ("golden.json", b'"first": [', b'"first": [0, '),
        ("golden.json", b'"sequence": {', b'"other": {}, "sequence": {'),
        ("config.json", b'"horizon": 20', b'"horizon": 21'),
        ("config.json", b'"theta": 0.25', b'"theta": NaN'),
        ("config.json", b'"profile"', b'"profiles"'),
        ("config.json", b'"k_up"', b'"k_upper"'),
        ("config.json", b'"window_bars": 24', b'"window_bars": 25'),
        ("config.json", b'"outage_minutes_max": 30', b'"outage_minutes_max": -1'),
        ("config.json", b'"outage_minutes_max"', b'"outage_minutes"'),
        ("config.json", b'"minutes": 5', b'"minutes": 15'),
        ("config.json", b'"day_of_week_sin"', b'"day_of_week_tan"'),
        ("models/tcn/model.json", b'"tcn"', b'"logistic"'),
        ("config.json", b'"contract": "SIM"', b'"contract": "MES"'),
        ("feature_columns.json", b'"day_of_week_sin"', b'"day_of_week_tan"'),
        ("feature_columns.json", b'"day_of_week_sin"', b'"day_of_week_cos"'),
        ("feature_columns.json", b'"day_of_week_sin"', b'"close_time"'),
        ("models/tcn/member.json", b'"day_of_week_sin"', b'"is_winter"'),
        ("regimes.json", b'"minutes": 15', b'"minutes": 30'),
        ("regimes.json", b'"contract": "SIM"', b'"contract": "MGC"'),
        ("regimes.json", b'"valid_to"', b'"valid_until"'),
        ("regimes.json", b'"tables": [', b'"tables": [{}, '),
        ("regimes.json", b'"variance": [', b'"variance": [1.0, '),
        ("scalers/logistic.json", b'"center": [', b'"center": [1.0, '),
        ("models/logistic/model.json", b'"logistic"', b'"os.system"'),
        ("ensemble/meta.json", b'"lightgbm"', b'"lightgbn"'),
    ],
)
def test_rehashed_nonsense_is_refused(bundle, tmp_path, name, old, new):
    folder = copied(bundle, tmp_path)
    data = (folder / name).read_bytes()
    assert old in data
    (folder / name).write_bytes(data.replace(old, new, 1))
    rehash(folder)
    with pytest.raises(IntegrityError):
        load_bundle(folder)


@pytest.mark.parametrize(("name", "data"), [("extra.json", b"{}"), ("models/other/model.json", b"{}")])
def test_a_listed_file_no_release_has_is_refused(bundle, tmp_path, name, data):
    folder = copied(bundle, tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    rehash(folder)
    with pytest.raises(IntegrityError, match="not those this release is written as"):
        load_bundle(folder)


def test_a_config_key_nothing_reads_is_refused(bundle, tmp_path):
    folder = copied(bundle, tmp_path)
    config = json.loads((folder / "config.json").read_bytes()) | {"leverage": 3}
    (folder / "config.json").write_bytes(json.dumps(config).encode())
    rehash(folder)
    with pytest.raises(IntegrityError, match="not those this release is written as"):
        load_bundle(folder)


def test_a_changed_model_does_not_reproduce_the_golden_outputs(world, bundle, tmp_path):
    """The release of one member's files exchanged for another fit, every seal and hash made good."""
    folder = copied(bundle, tmp_path)
    member = world.release.members["logistic"]
    scaler = dataclasses.replace(member.scaler, center=tuple(c + 0.1 for c in member.scaler.center))
    for name, data in dataclasses.replace(member, scaler=scaler).to_files().items():
        place = "scalers/logistic.json" if name == "scaler.json" else f"models/logistic/{name}"
        (folder / place).write_bytes(data)
    rehash(folder)
    with pytest.raises(IntegrityError, match="golden inputs give other outputs"):
        load_bundle(folder)


def test_existing_bundle_is_verified_and_left_alone(world, bundle, tmp_path):
    folder, _ = write_bundle(world.release, tmp_path, clock=lambda: NOW, code_version="test")
    before = {name: (folder / name).stat().st_mtime_ns for name in FILES}
    assert write_bundle(world.release, tmp_path, clock=lambda: NOW, code_version="test")[0] == folder
    assert {name: (folder / name).stat().st_mtime_ns for name in FILES} == before
    (folder / "config.json").write_bytes(b"{}")
    with pytest.raises(IntegrityError, match=r"config\.json"):
        write_bundle(world.release, tmp_path, clock=lambda: NOW, code_version="test")


def test_crashed_write_leaves_no_bundle_and_is_swept(world, tmp_path, monkeypatch):
    real, count = bundle_module._write_new, []

    def failing(path, data):
        count.append(path)
        if len(count) == 6:
            raise OSError("disk full")
        real(path, data)

    monkeypatch.setattr(bundle_module, "_write_new", failing)
    with pytest.raises(OSError, match="disk full"):
        write_bundle(world.release, tmp_path, clock=lambda: NOW, code_version="test")
    monkeypatch.undo()
    parent = tmp_path / "SIM" / "20"
    (left,) = parent.iterdir()
    assert left.name.startswith(".partial-")
    moved = left.rename(parent / ".partial-1-of-another-process")
    os.utime(moved, (NOW.timestamp(), NOW.timestamp()))
    folder, _ = write_bundle(world.release, tmp_path, clock=lambda: NOW + timedelta(minutes=59), code_version="test")
    assert {path.name for path in parent.iterdir()} == {moved.name, folder.name}
    write_bundle(world.release, tmp_path, clock=lambda: NOW + timedelta(minutes=61), code_version="test")
    assert {path.name for path in parent.iterdir()} == {folder.name}


def test_no_such_folder(tmp_path, bundle):
    with pytest.raises(BadInputError, match="expected the folder"):
        load_bundle(tmp_path / "nothing")
    (tmp_path / "link").symlink_to(bundle[0], target_is_directory=True)
    with pytest.raises(BadInputError, match="expected the folder"):
        load_bundle(tmp_path / "link")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"theta": float("nan")}, "theta"),
        ({"theta": -1.0}, "theta"),
        ({"pool": {}}, "empty pool"),
        ({"members": {}}, "members"),
        ({"contract": "MES"}, "a study of SIM"),
        ({"sequence": None}, "member 'tcn' reads 'sequence', which this release does not have"),
    ],
)
def test_release_of_parts_that_do_not_fit(world, change, message):
    with pytest.raises(BadInputError, match=message):
        dataclasses.replace(world.release, **change)


def unread(release, minutes):
    """A feature of the catalogue that the release does not read of a timeframe; none of a regime's parameters."""
    return next(s.name for s in catalogue() if s.group == "returns" and s.name not in release.reads[minutes])


def test_release_members_have_to_fit_the_windows_they_read(world):
    release, sequence = world.release, world.release.sequence
    other, read = (*sequence.names[1:], sequence.names[0]), len(sequence.names)
    assert 40 <= read <= 60  # neural_optimal
    with pytest.raises(BadInputError, match=f"member 'tcn' reads other columns than some of the {read} of its input"):
        dataclasses.replace(release, sequence=dataclasses.replace(sequence, names=other))
    with pytest.raises(BadInputError, match=rf"samples of \(24, {read}\), expected \(25, {read}\)"):
        dataclasses.replace(release, sequence=dataclasses.replace(sequence, window_bars=25))
    idle = unread(release, 5)
    with pytest.raises(BadInputError, match=f"1 columns of 'sequence' that no member reads, such as {idle}"):
        dataclasses.replace(release, sequence=dataclasses.replace(sequence, names=(*sequence.names, idle)))
    with pytest.raises(BadInputError, match="an input 'sequence' that no member reads"):
        dataclasses.replace(without_windows(world), sequence=sequence)
    for change in ({"minutes": 15}, {"names": ()}, {"window_bars": 0}, {"outage_minutes_max": -1}):
        with pytest.raises(BadInputError, match="sequence input: "):
            dataclasses.replace(sequence, **change)
    assert release.reads[5] == (*release.pool[5], *(name for name in sequence.names if name not in release.pool[5]))
    assert release.reads[15] == release.pool[15]


def test_each_member_takes_its_own_columns_of_the_shared_input(world):
    """Every member reads fewer columns than the release hands over, found by name; nobody else's are looked at."""
    release, batch = world.release, world.batch
    inputs = batch.take(np.arange(len(batch))[-60:]).inputs
    said = release.member_probabilities(inputs)
    union = {*release.members["lightgbm"].feature_names, *release.members["logistic"].feature_names}
    assert union == {*release.columns}
    for name in ("lightgbm", "logistic"):
        member = release.members[name]
        own = np.array([release.columns.index(column) for column in member.feature_names])
        assert len(own) < len(release.columns)
        np.testing.assert_array_equal(said[name], member.predict_proba(inputs["tabular"][:, own]))
        strangers = np.setdiff1d(np.arange(len(release.columns)), own)
        spoilt = inputs["tabular"].copy()
        spoilt[:, strangers] = 1e6
        again = release.member_probabilities({**inputs, "tabular": spoilt})
        np.testing.assert_array_equal(again[name], said[name])
    narrow = inputs["tabular"][:, :-1]
    with pytest.raises(BadInputError, match=rf"'tabular': {narrow.shape[1]}.*expected .*{len(release.columns)}"):
        release.member_probabilities({**inputs, "tabular": narrow})


def test_a_column_that_no_member_reads_is_refused(world):
    idle = unread(world.release, 15)
    pool = {**world.release.pool, 15: (*world.release.pool[15], idle)}
    with pytest.raises(BadInputError, match=f"1 columns of 'tabular' that no member reads, such as {idle}__15min"):
        dataclasses.replace(world.release, pool=pool)
