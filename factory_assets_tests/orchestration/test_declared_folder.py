"""A proposal is written once and unconfirmed; a declaration may lie outside the vendor's folder."""

import errno
import tomllib
from pathlib import Path

import pytest

from factory_assets.orchestration import raw_folder
from factory_assets.orchestration.declared_folder import accept_declared, write_proposal
from factory_assets.vocabulary.errors import AmbiguousFormatError, BadInputError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.market.samples import sample_minutes, write_sample

MES = instrument("MES")


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    """A vendor's folder of one FirstRateData file, without a declaration."""
    folder = tmp_path / "vendor"
    folder.mkdir()
    write_sample("firstrate", folder, sample_minutes(), MES)
    return folder


def test_a_proposal_is_written_unconfirmed_and_never_over_a_file(vendor: Path, tmp_path: Path) -> None:
    proposal, written = write_proposal(vendor, "MES")
    assert written == vendor / "source.toml"
    assert written.read_text(encoding="utf-8") == proposal.text
    found = tomllib.loads(proposal.text)
    assert (found["format"], found["confirmed"]) == ("firstrate", False)
    assert "# Evidence:" in proposal.text
    assert "of 30 minutes lie in MES sessions" in proposal.text
    with pytest.raises(BadInputError, match="already there, and a declaration is never overwritten"):
        write_proposal(vendor, "MES")
    out = tmp_path / "mine.toml"
    assert write_proposal(vendor, "MES", out)[1] == out
    assert out.read_text(encoding="utf-8") == proposal.text
    out.unlink()
    out.symlink_to(tmp_path / "absent")
    with pytest.raises(BadInputError, match="already there"):
        write_proposal(vendor, "MES", out)
    with pytest.raises(BadInputError, match="cannot be written"):
        write_proposal(vendor, "MES", tmp_path / "no" / "folder.toml")


def test_nothing_is_written_where_nothing_can_be_chosen(tmp_path: Path) -> None:
    write_sample("ninjatrader8", tmp_path, sample_minutes(), MES)
    with pytest.raises(AmbiguousFormatError, match="none is made"):
        write_proposal(tmp_path, "MES")
    assert not (tmp_path / "source.toml").exists()


def test_files_that_prove_everything_are_only_written_for_on_demand(tmp_path: Path) -> None:
    write_sample("databento_dbn", tmp_path, sample_minutes(), MES)
    assert write_proposal(tmp_path, "MES")[1] is None
    assert not (tmp_path / "source.toml").exists()
    assert write_proposal(tmp_path, "MES", tmp_path / "out.toml")[1] == tmp_path / "out.toml"


def test_a_declaration_elsewhere_is_kept_beside_the_copies(vendor: Path, tmp_path: Path) -> None:
    home, outside = FactoryHome(tmp_path / "home"), tmp_path / "mes.toml"
    text = write_proposal(vendor, "MES", outside)[0].text
    with pytest.raises(BadInputError, match=r"missing|expiry: give either") as caught:
        accept_declared(vendor, outside, "MES", home)
    assert str(outside) in str(caught.value)
    text = text.replace("# expiry = ", "expiry = ").replace("MESH6", "MESZ3")
    outside.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match="set confirmed = true") as caught:
        accept_declared(vendor, outside, "MES", home)
    assert str(outside) in str(caught.value), "the message names the user's file, not a copy of it"
    assert not (home.raw / "MES").exists()
    outside.write_text(text.replace("confirmed = false", "confirmed = true"), encoding="utf-8")
    read, copied = accept_declared(vendor, outside, "MES", home)
    assert (len(read.minutes), copied) == (30, 2)
    kept = home.raw / "MES"
    assert sorted(path.name for path in kept.iterdir()) == ["mesz3.txt", "source.toml"]
    assert not any(path.is_symlink() for path in kept.iterdir())
    assert (kept / "source.toml").read_bytes() == outside.read_bytes()
    assert sorted(path.name for path in vendor.iterdir()) == ["mesz3.txt"], "the vendor's folder is left as it was"
    assert accept_declared(vendor, outside, "MES", home)[1] == 0


def test_two_declarations_are_one_too_many(vendor: Path, tmp_path: Path) -> None:
    write_proposal(vendor, "MES")
    outside = tmp_path / "mes.toml"
    write_proposal(vendor, "MES", outside)
    home = FactoryHome(tmp_path / "home")
    with pytest.raises(BadInputError, match=r"without a declaration, found .*source\.toml"):
        accept_declared(vendor, outside, "MES", home)
    (vendor / "source.toml").unlink()
    with pytest.raises(BadInputError, match="cannot be read"):
        accept_declared(vendor, tmp_path / "absent.toml", "MES", home)
    with pytest.raises(BadInputError, match="no folder"):
        accept_declared(tmp_path / "absent", outside, "MES", home)


def test_damage_is_told_with_the_users_paths(vendor: Path, tmp_path: Path) -> None:
    outside = tmp_path / "mes.toml"
    outside.write_text('format = "firstrate"\ncontract = "MES"\nexpiry = "MESZ3"\n', encoding="utf-8")
    (path,) = vendor.iterdir()
    path.write_text(path.read_text(encoding="utf-8") + "2023-11-20 10:00:00,1,1,1,1,many\n", encoding="utf-8")
    with pytest.raises(BadInputError) as caught:
        accept_declared(vendor, outside, "MES", FactoryHome(tmp_path / "home"))
    assert f"{path}, line 31: volume = 'many' is no number" in str(caught.value)
    assert "factory-declared-" not in str(caught.value)


def test_a_full_disk_is_one_message_and_leaves_no_raw_file(
    vendor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, outside = FactoryHome(tmp_path / "home"), tmp_path / "mes.toml"
    outside.write_text('format = "firstrate"\ncontract = "MES"\nexpiry = "MESZ3"\n', encoding="utf-8")

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(source))

    monkeypatch.setattr(raw_folder, "copyfile", full)
    with pytest.raises(BadInputError, match=r"cannot be copied there: .*No space left"):
        accept_declared(vendor, outside, "MES", home)
    assert list(home.raw.iterdir()) == []
