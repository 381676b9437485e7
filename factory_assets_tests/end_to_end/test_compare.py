"""``factory compare``: two folders of one contract, what is printed and kept, and what is refused."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from factory_assets.market.synthetic import write_world
from factory_assets.orchestration.kept_comparison import comparison_path, last_comparison
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets_tests.end_to_end.command_line import factory, snapshot
from factory_assets_tests.end_to_end.sim_factory import environment_of
from factory_assets_tests.market.vendor_worlds import later, market

DECLARED = """
format = "csv"
contract = "MES"
bar_label = "{label}"
timezone = "{zone}"
time_format = "%Y-%m-%d %H:%M:%S"
volume = "contracts"
expiry = "MESH4"

[columns]
time = "time"
open = "open"
high = "high"
low = "low"
close = "close"
volume = "volume"
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    root = tmp_path / "home"
    for name, value in environment_of(root).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FACTORY_STORE_URL", raising=False)
    return root


@pytest.fixture
def vendors(tmp_path) -> tuple[Path, Path]:
    """One market as two vendors write it: UTC and stamped at the open, New York time and stamped at the close."""
    minutes = market().iloc[:3000]
    folders = tmp_path / "first", tmp_path / "second"
    for folder, rows, label, zone in zip(
        folders, (minutes, later(minutes, 1)), ("open", "close"), ("UTC", "America/New_York"), strict=True
    ):
        folder.mkdir()
        wall = rows["open_time"].dt.tz_convert(zone).dt.strftime("%Y-%m-%d %H:%M:%S")
        bars = pd.DataFrame({"time": wall, **{name: rows[name] for name in ("open", "high", "low", "close")}})
        bars.assign(volume=rows["volume"].astype(int)).to_csv(folder / "bars.csv", index=False)
        (folder / "source.toml").write_text(DECLARED.format(label=label, zone=zone), encoding="utf-8")
    return folders


def compare(*folders: Path, more: tuple[str, ...] = ()):
    raws = [word for folder in folders for word in ("--raw", str(folder))]
    return factory("compare", "--contract", "MES", *raws, *more)


def test_two_conventions_of_one_market_have_no_difference(home, vendors):
    answer = compare(*vendors)
    assert answer.code == 0, answer.err
    assert "No difference: 3,000 of 3,000 minutes" in answer.out
    page = home / "reports" / "MES_compare.html"
    assert str(page) in answer.out
    text = page.read_text(encoding="utf-8")
    assert "No difference: 3,000 of 3,000 minutes" in text
    assert {source.partition(";")[0] for source in re.findall(r'(?:src|href)="([^"]{0,30})', text)} == {
        "data:image/png"
    }
    assert {path.name for path in home.iterdir()} == {"reports"}, "the folders were read, and nothing ingested"


def test_a_wrong_label_is_told_and_json_is_what_is_kept(home, vendors):
    first, second = vendors
    text = (second / "source.toml").read_text(encoding="utf-8")
    (second / "source.toml").write_text(text.replace('"close"', '"open"', 1), encoding="utf-8")
    answer = compare(first, second, more=("--json",))
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert answer.out == (home / "reports" / "MES_compare.json").read_text(encoding="utf-8")
    (finding,) = told["findings"]
    assert finding["grave"]
    assert "B looks stamped at the close of its bars (it declares open)" in finding["text"]
    assert told["minutes"]["equal_shifted"] == told["minutes"]["both_shifted"] == 2999


def test_a_declaration_may_lie_elsewhere(home, vendors, tmp_path):
    first, second = vendors
    (second / "source.toml").rename(tmp_path / "second.toml")
    refused = compare(first, second)
    assert refused.code == 2
    before = snapshot(second)
    answer = compare(first, second, more=("--declaration-b", str(tmp_path / "second.toml")))
    assert answer.code == 0, answer.err
    assert "No difference" in answer.out
    assert snapshot(second) == before
    both = compare(first, second, more=("--declaration-a", str(tmp_path / "second.toml")))
    assert f"without a declaration, found {first / 'source.toml'}" in both.message


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("once", "--raw twice"),
        ("twice", "given twice"),
        ("nowhere", "expected a folder of vendor files"),
        ("no declaration", "none.toml: cannot be read"),
        ("broken", "second.toml"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_one_message(case, says, home, vendors, tmp_path):
    first, second = vendors
    missing, broken = tmp_path / "none.toml", tmp_path / "second.toml"
    broken.write_text("format = csv", encoding="utf-8")
    if case in {"broken", "no declaration"}:
        (second / "source.toml").unlink()
    answer = {
        "once": lambda: compare(first),
        "twice": lambda: compare(first, first),
        "nowhere": lambda: compare(first, tmp_path / "nowhere"),
        "no declaration": lambda: compare(first, second, more=("--declaration-b", str(missing))),
        "broken": lambda: compare(first, second, more=("--declaration-b", str(broken))),
    }[case]()
    assert answer.code == 2
    assert answer.err.count("factory: ") == 1
    assert says in answer.message
    assert "Traceback" not in answer.err
    assert not (home / "reports").exists()


def test_a_damaged_comparison_names_its_file(tmp_path):
    home = FactoryHome(tmp_path / "home")
    assert last_comparison(home, "MES") is None
    path = comparison_path(home, "MES")
    path.parent.mkdir(parents=True)
    for damaged in (b"{", b"\xff", b"{}"):
        path.write_bytes(damaged)
        with pytest.raises(BadInputError, match=re.escape(str(path))):
            last_comparison(home, "MES")


def test_a_contract_without_bars_has_no_quality_page_yet(home):
    answer = factory("report", "--contract", "MES")
    assert answer.code == 2
    assert "factory run --contract MES --until bars" in answer.message


@pytest.mark.slow
def test_a_comparison_stands_on_the_quality_page_after_the_next_run(home, tmp_path):
    world, other = tmp_path / "world", tmp_path / "other"
    for folder in (world, other):
        write_world(folder, world="null", seed=3, sessions_count=30)
    for file in other.glob("*.csv"):
        rows = pd.read_csv(file)
        late = pd.to_datetime(rows["open_time"], utc=True) + pd.Timedelta(minutes=60)
        rows.assign(open_time=late.dt.strftime("%Y-%m-%d %H:%M:%SZ")).to_csv(file, index=False)
    page = home / "reports" / "SIM_quality.html"
    assert factory("ingest", "--contract", "SIM", "--raw", str(world)).code == 0
    first = page.read_bytes()
    assert b"Not compared with another vendor yet" in first
    assert factory("run", "--contract", "SIM", "--until", "bars").code == 0
    assert page.read_bytes() == first, "equal tables, equal bytes"
    answer = factory("compare", "--contract", "SIM", "--raw", str(world), "--raw", str(other))
    assert "shifted by +60 min" in answer.out
    assert "SIMULATED" in (home / "reports" / "SIM_compare.html").read_text(encoding="utf-8").partition("<h1>")[0]
    stale = json.loads(factory("status", "--json").out)
    assert "vendor comparison" in json.dumps(stale)
    assert factory("run", "--contract", "SIM", "--until", "bars").code == 0
    text = page.read_text(encoding="utf-8")
    assert "Compared with another vendor (these bars are A): B is shifted by +60 min" in text
    assert "speak against B" in text
    assert "Not fit for use as it is" not in text
