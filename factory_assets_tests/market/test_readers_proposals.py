"""What ``--detect`` proposes: a vendor's format by its shape, what is left open as comments, never a choice of two."""

import re
import tomllib
from pathlib import Path

import pytest

from factory_assets.market.readers import declaration_from, propose, read_folder
from factory_assets.market.readers.conventions import CONVENTIONS
from factory_assets.vocabulary.errors import AmbiguousFormatError, BadInputError
from factory_assets.vocabulary.instruments import instrument
from factory_assets_tests.market.samples import SAMPLE_WRITERS, sample_minutes, write_sample

MES = instrument("MES")
SAME_SHAPE = ("histdata", "ninjatrader8")


def sample(folder: Path, format_name: str, minutes: int = 30) -> dict:
    """Data files of one format without a declaration; what would declare them."""
    return tomllib.loads(write_sample(format_name, folder, sample_minutes("MES", minutes=minutes), MES))


@pytest.mark.parametrize("format_name", sorted(set(SAMPLE_WRITERS) - set(SAME_SHAPE)))
def test_a_format_is_proposed_by_its_shape_and_completed_by_what_it_asks(tmp_path: Path, format_name: str) -> None:
    truth = sample(tmp_path, format_name)
    expected = read_folder_as(tmp_path, truth)
    proposal = propose(tmp_path, MES)
    found = tomllib.loads(proposal.text)
    assert proposal.format == found["format"] == format_name
    assert found["confirmed"] is False
    assert found["contract"] == "MES"
    assert set(found) <= {*truth, "confirmed", "delimiter", "header", "time_format"}, "nothing beyond what is declared"
    for key, value in found.items():
        if key in truth and key != "expiry_of_file":
            assert value == truth[key], "what is filled in is true"
    for key in CONVENTIONS[format_name].asked if format_name in CONVENTIONS else ():
        assert f"# {key} = " in proposal.text
    (tmp_path / "source.toml").write_text(proposal.text, encoding="utf-8")
    with pytest.raises(BadInputError, match=r"confirmed = true|missing key|expiry: give either"):
        read_folder(tmp_path, MES)
    completed = found | truth | {"confirmed": True}
    assert read_folder_as(tmp_path, completed).minutes.equals(expected.minutes)


def read_folder_as(folder: Path, content: dict):
    (folder / "source.toml").write_text(declaration_from(content, "test").to_toml(), encoding="utf-8")
    found = read_folder(folder, MES)
    (folder / "source.toml").unlink()
    return found


@pytest.mark.parametrize("format_name", SAME_SHAPE)
def test_two_vendors_of_one_shape_are_both_told_and_neither_is_chosen(tmp_path: Path, format_name: str) -> None:
    truth = sample(tmp_path, format_name)
    with pytest.raises(AmbiguousFormatError) as caught:
        propose(tmp_path, MES)
    said = str(caught.value)
    assert "NinjaTrader 8 (UTC, stamped at the close)" in said
    assert "HistData (fixed EST, stamped at the open)" in said
    assert "of 30 minutes lie in MES sessions" in said
    assert f'format = "{format_name}"' in said
    assert len(read_folder_as(tmp_path, truth).minutes) == 30


def test_evidence_counts_minutes_in_sessions_under_every_zone(tmp_path: Path) -> None:
    # In New York the day's first bar opens at 18:00; in UTC that is the middle of the session.
    rows = "".join(f"2023-11-20 18:0{minute}:00,1,1,1,1,{minute}\n" for minute in range(6))
    (tmp_path / "nq.txt").write_text(rows, encoding="utf-8")
    evidence = " ".join(propose(tmp_path, MES).evidence)
    assert "as settled: 6 of 6 minutes lie in MES sessions" in evidence
    assert "as America/New_York, stamped at the open: 6 of 6" in evidence
    assert "as America/New_York, stamped at the close: 5 of 6" in evidence, "18:00 as an end began in the break"
    assert "as UTC, stamped at the open: 6 of 6" in evidence
    best = [int(number) for number in re.findall(r"the (?:open|close): (\d+) of 6", evidence)]
    assert best == sorted(best, reverse=True)


def test_metatrader_is_weighed_under_server_clocks(tmp_path: Path) -> None:
    sample(tmp_path, "metatrader5")
    evidence = " ".join(propose(tmp_path, MES).evidence)
    assert "as America/New_York+07:00, stamped at the open: 30 of 30" in evidence
    assert "stamped at the close" not in evidence, "the bar label is settled"


def test_a_file_named_after_its_month_is_declared_by_it(tmp_path: Path) -> None:
    for name in ("MES 12-23.Last.txt", "other.txt"):
        (tmp_path / name).write_text("2023-11-20 18:00:00,1,1,1,1,1\n", encoding="utf-8")
    proposal = propose(tmp_path, MES)
    assert tomllib.loads(proposal.text)["expiry_of_file"] == {"MES 12-23.Last.txt": "MESZ23"}
    assert '# "other.txt" = ...' in proposal.text


def test_a_line_of_a_file_cannot_escape_its_comment(tmp_path: Path) -> None:
    text = 'Date,Open,High,Low,Close,Volume\n"2023\u2028confirmed = true\x0b\x85",1,1,1,1,1\n'
    (tmp_path / "bars.csv").write_text(text, encoding="utf-8")
    found = tomllib.loads(propose(tmp_path, MES).text)
    assert found["confirmed"] is False
    assert set(found) == {"format", "contract", "confirmed", "delimiter", "header", "columns"}


def test_a_packed_text_file_can_only_be_databentos(tmp_path: Path) -> None:
    (tmp_path / "bars.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    assert propose(tmp_path, MES).format == "databento_csv"


def test_files_that_prove_everything_need_no_declaration(tmp_path: Path) -> None:
    sample(tmp_path, "databento_dbn")
    assert not propose(tmp_path, MES).needed
    assert len(read_folder(tmp_path, MES).minutes) == 30


def test_doubtful_columns_are_said_to_be_doubtful(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(
        "Time,Bid,Open,High,Low,Close\n2024-01-02 15:00:00,1,1,1,1,5,7\n", encoding="utf-8"
    )
    text = propose(tmp_path, MES).text
    assert 'volume = "Bid"   # by its place, not by its name: check\n' in text
    assert 'close = "Close"\n' in text
    assert "Its header names 6 columns, a row holds 7 fields" in text
    assert "skip_lines = 1" in text
