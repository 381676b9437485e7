"""Sizes, bombs and names: refused by one message, before the memory is spent. All files are made.

Memory is measured in a process of its own: its peak may not come near what the file would unpack to.
"""

import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from factory_assets.market.readers import archives, limits, read_file
from factory_assets.market.readers.archives import zip_entries
from factory_assets.market.readers.declaration import FORMATS, Declaration
from factory_assets.market.readers.limits import FILE_BYTES_MAX, MIB, read_unpacked
from factory_assets.vocabulary.errors import BadInputError, UserError
from factory_assets.vocabulary.instruments import instrument

MES = instrument("MES")
NAME = "20131007_mes_minute_trade_201312.csv"


def entries(path: Path) -> dict[str, bytes]:
    return dict(zip_entries(path, "lean"))


def archive(path: Path, *, name: str | zipfile.ZipInfo = NAME, content: bytes = b"x" * 100, method: int = 8) -> Path:
    with zipfile.ZipFile(path, "w", method) as target:
        target.writestr(name, content)
    return path


def test_every_format_has_a_limit() -> None:
    assert set(FILE_BYTES_MAX) == set(FORMATS)


def test_plain_and_packed_content_is_the_same(tmp_path: Path) -> None:
    content = bytes(range(256)) * 50_000
    (tmp_path / "plain").write_bytes(content)
    # Two frames one after the other, as parallel compressors write them.
    halves = (content[: 6 * MIB], content[6 * MIB :])
    (tmp_path / "packed").write_bytes(b"".join(pa.compress(half, codec="zstd", asbytes=True) for half in halves))
    assert read_unpacked(tmp_path / "plain", "csv") == content
    assert read_unpacked(tmp_path / "packed", "csv") == content
    (tmp_path / "empty").write_bytes(b"")
    assert read_unpacked(tmp_path / "empty", "csv") == b""


def test_a_file_over_its_limit_is_not_opened(tmp_path: Path) -> None:
    for name, limit in FILE_BYTES_MAX.items():
        path = tmp_path / ("20131007_trade.zip" if name == "lean" else f"a.{name}")
        with path.open("wb") as stream:
            stream.truncate(limit + 1)  # a hole: no disk is used
        with pytest.raises(BadInputError, match=f"{limit + 1:,} bytes; a {name} file may have {limit:,}"):
            read_unpacked(path, name)
        form = {"columns": {"time": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}}
        with pytest.raises(BadInputError, match="split it by months"):
            read_file(path, MES, Declaration(format=name, contract="MES", expiry="MESZ3", **form))


def test_no_plain_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent", Path("/dev/zero")):
        with pytest.raises(BadInputError, match="no plain file"):
            read_unpacked(path, "csv")


def test_limits_hold_at_the_byte(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limits, "RATIO_FREE_BYTES", 1_000)
    monkeypatch.setattr(limits, "UNPACKED_BYTES_MAX", 5_000)
    limits.refuse_bomb(1_000, 1, "a")
    limits.refuse_bomb(5_000, 50, "a")
    for unpacked, packed in ((1_001, 10), (5_001, 5_000)):
        with pytest.raises(BadInputError, match=f"unpacks to more than {unpacked:,} bytes from {packed:,}"):
            limits.refuse_bomb(unpacked, packed, "a")


_PROBE = """
import resource, sys
from pathlib import Path
from factory_assets.market.readers import archives, limits
from factory_assets.vocabulary.errors import BadInputError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in map(Path, sys.argv[1:]):
    try:
        dict(archives.zip_entries(path, "lean")) if path.suffix == ".zip" else limits.read_unpacked(path, "csv")
    except BadInputError as problem:
        print(problem)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_unpacking_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stated sizes and names are honest here: what stops it is the counting of what comes out."""
    monkeypatch.setattr(limits, "RATIO_FREE_BYTES", 5 * MIB)
    path = archive(tmp_path / "a.zip", content=bytes(12 * MIB))
    with pytest.raises(BadInputError, match=rf"a\.zip, entry {NAME}: unpacks to more than {6 * MIB:,} bytes"):
        entries(path)
    with zipfile.ZipFile(path, "w", 8) as target:
        for number in range(12):
            target.writestr(f"{number}.csv", bytes(MIB))
    with pytest.raises(BadInputError, match=rf"entry 5\.csv: unpacks to more than {6 * MIB:,} bytes"):
        entries(path)
    (tmp_path / "a.zst").write_bytes(pa.compress(bytes(12 * MIB), codec="zstd", asbytes=True))
    with pytest.raises(BadInputError, match=rf"a\.zst: unpacks to more than {8 * MIB:,} bytes"):
        read_unpacked(tmp_path / "a.zst", "csv")
    assert len(read_unpacked(archive(tmp_path / "plain.zip", content=bytes(12 * MIB)), "csv")) < MIB


@pytest.mark.slow
def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    chunks, zeros = 100, bytes(4 * MIB)
    paths = [tmp_path / "20131007_trade.zip", tmp_path / "a.csv.zst"]
    with zipfile.ZipFile(paths[0], "w", 8, compresslevel=1) as target, target.open(NAME, "w") as entry:
        for _ in range(chunks):
            entry.write(zeros)
    with pa.CompressedOutputStream(str(paths[1]), "zstd") as sink:
        for _ in range(chunks):
            sink.write(zeros)
    assert all(path.stat().st_size < 3 * MIB for path in paths)
    done = subprocess.run([sys.executable, "-c", _PROBE, *map(str, paths)], capture_output=True, text=True, check=True)
    *messages, grown = done.stdout.strip().split("\n")
    assert [path.name in message for path, message in zip(paths, messages, strict=True)] == [True, True]
    assert all("unpacks to more than" in message for message in messages)
    assert int(grown) * 1024 < 260 * MIB, "kibibytes on Linux; either of them would be 400 MiB"


def test_an_archive_that_understates_its_content_is_counted_all_the_same(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", content=b"0" * 10_000)
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    struct.pack_into("<L", content, directory + 24, 10)  # stated size in the list of entries
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"a\.zip: no whole zip archive"):
        entries(path)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.csv",
        "/etc/passwd",
        "a/b.csv",
        "..\\evil.csv",
        "C:\\a.csv",
        "C:a.csv",
        "..",
        ".",
        "a\nb.csv",
        "a\x1b[2J.csv",
        "folder/",
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    info = zipfile.ZipInfo(NAME)
    info.filename = name  # past the constructor, which turns some of them round
    with pytest.raises(BadInputError, match="expected a plain file name without folders"):
        entries(archive(tmp_path / "a.zip", name=info))
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_name_cut_at_a_null_byte_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", name="good.csv_evil.exe")
    path.write_bytes(path.read_bytes().replace(b"good.csv_", b"good.csv\0"))
    with pytest.raises(BadInputError, match=r"a\.zip"):
        entries(path)


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, mode: int) -> None:
    info = zipfile.ZipInfo(NAME)
    info.external_attr = (mode | 0o777) << 16
    with pytest.raises(BadInputError, match="is a link or no plain file"):
        entries(archive(tmp_path / "a.zip", name=info, content=b"/etc/passwd"))


@pytest.mark.parametrize("name", ["a.zip", "A.ZIP", "b.csv.gz", "c.tar", "d.zst"])
def test_nested_archives_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="is an archive inside the archive"):
        entries(archive(tmp_path / "outer.zip", name=name))


def test_encrypted_entries_and_other_methods_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="is encrypted"):
        entries(path)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(BadInputError, match="neither stored nor deflated"):
            entries(archive(path, method=method))


def test_entries_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as target:
        for number in range(archives.ENTRIES_MAX + 1):
            target.writestr(f"{number}.csv", "")
    with pytest.raises(BadInputError, match="501 entries, at most 500"):
        entries(path)
    with zipfile.ZipFile(path, "w") as target:
        for number in range(1_000):
            target.writestr(f"{number:01200d}.csv", "")
    with pytest.raises(BadInputError, match=r"a list of entries of 1,\d\d\d,\d\d\d bytes"):
        entries(path)
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(BadInputError, match="without entries"):
        entries(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr(NAME, "1")
        target.writestr(NAME, "2")
    with pytest.raises(BadInputError, match="stand in it twice"):
        entries(path)


def test_overlapping_entries_are_refused(tmp_path: Path) -> None:
    """Many names over one block of data, as a bomb without nesting does."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", 8) as target:
        for number in range(50):
            target.writestr(f"{number:02d}.csv", bytes(MIB))
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\x01\x02")
    at = first
    while (at := content.find(b"PK\x01\x02", at + 1)) > 0:
        struct.pack_into("<L", content, at + 42, 0)  # all of them begin where the first does
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"a\.zip"):
        entries(path)


def test_no_archive_and_cut_archives_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip")
    whole = path.read_bytes()
    for content in (b"", b"PK", b"PK\x05\x06", b"\x00" * 100, whole[:-1], whole[: len(whole) // 2], whole[10:]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"a\.zip"):
            entries(path)


def test_content_comes_out_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    wanted = {"a.csv": b"1\n" * 3_000_000, "b.csv": b"", "ä.csv": b"2\n"}
    with zipfile.ZipFile(path, "w", 8) as target:
        for name, content in wanted.items():
            target.writestr(name, content)
    assert entries(path) == wanted
