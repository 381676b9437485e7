"""What is stale, why, and what stays fresh: on a small graph with every kind of reader, and on the finished factory."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from factory_assets.orchestration import freshness
from factory_assets.orchestration.freshness import AssetState, partition_freshness
from factory_assets.vocabulary.errors import ConfigurationError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets_tests.orchestration import freshness_probe as graph
from factory_assets_tests.orchestration.freshness_probe import DAYS, NAMES

SIM, SIM_20 = PartitionKey("SIM"), PartitionKey("SIM", 20)
BY_HORIZON = ("fresh_labels", "fresh_model", "fresh_page")
CONTRACT = tuple(name for name in NAMES if name not in BY_HORIZON)


class Graph:
    """One home; ``run`` materializes some assets of it."""

    def __init__(self, root: Path) -> None:
        self.home = FactoryHome(root)
        self.instance = dg.DagsterInstance.ephemeral()
        self.job = graph.definitions().resolve_implicit_global_asset_job_def()

    def run(self, *names: str) -> bool:
        key = SIM_20 if names[0] in BY_HORIZON else SIM
        return self.job.execute_in_process(
            instance=self.instance,
            partition_key=str(key),
            asset_selection=[dg.AssetKey(["probes", name]) for name in names],
            raise_on_error=False,
            run_config={
                "resources": {"factory": {"config": {"home": str(self.home.root)}}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        ).success

    def states(self, **how: str) -> dict[str, AssetState]:
        found = {}
        for key in (SIM, SIM_20):
            found |= partition_freshness(self.home, key, names=NAMES, **how)
        return found

    def not_fresh(self, **how: str) -> dict[str, set[tuple[str, str]]]:
        """Cause and place of every reason, of each output that is not fresh."""
        return {
            name: {(reason.cause, reason.at) for reason in state.reasons}
            for name, state in self.states(**how).items()
            if state.state != "fresh"
        }

    def set(self, text: str) -> None:
        self.home.settings_file.write_text(text, encoding="utf-8")


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.delenv("FACTORY_PROFILE", raising=False)
    graph.reset()
    found = Graph(tmp_path)
    with found.instance:
        assert found.run(*CONTRACT)
        assert found.run(*BY_HORIZON)
        yield found
    graph.reset()


def test_what_was_just_made_is_fresh_and_nothing_else_is_listed(made):
    states = made.states()
    assert list(states) == list(NAMES)
    assert {state.state for state in states.values()} == {"fresh"}
    assert not any(state.needs_run or state.reasons for state in states.values())
    other = partition_freshness(made.home, PartitionKey("SIM", 5), names=NAMES)
    assert {name: state.state for name, state in other.items()} == dict.fromkeys(BY_HORIZON, "missing")
    assert all(state.needs_run for state in other.values())


def test_appended_sessions_leave_readers_of_the_slice_fresh(made):
    DAYS.values.append(5.0)
    assert made.run("fresh_raw")
    # Readers of whole histories are stale at once, all the way down; readers of the study's slice are not.
    assert made.not_fresh() == {
        "fresh_bars": {("input", "fresh_bars")},
        "fresh_features": {("input", "fresh_bars")},
    }
    assert made.run("fresh_bars")
    assert made.not_fresh() == {"fresh_features": {("input", "fresh_features")}}
    assert made.run("fresh_features")
    assert made.not_fresh() == {}


def test_a_restated_session_makes_everything_made_of_it_stale(made):
    DAYS.values[1] = 20.0
    assert made.run("fresh_raw", "fresh_bars")
    found = made.not_fresh()
    assert set(found) == {"fresh_features", "fresh_study", "fresh_labels", "fresh_model", "fresh_page"}
    assert found["fresh_labels"] == {("input", "fresh_labels"), ("input", "fresh_study")}
    # The model read features of the slice: they are stale within it, although nobody made them again yet.
    assert ("input", "fresh_features") in found["fresh_model"]
    assert made.run("fresh_features", "fresh_study")
    assert made.run("fresh_labels")
    found = made.not_fresh()
    assert found == {"fresh_model": {("input", "fresh_model")}, "fresh_page": {("input", "fresh_model")}}
    details = {reason.detail for reason in made.states()["fresh_model"].reasons}
    assert details == {"fresh_labels changed", "fresh_features changed within the sessions that were read"}


def test_a_restatement_after_the_slice_is_no_business_of_the_study(made):
    DAYS.values[3] = 40.0
    assert made.run("fresh_raw", "fresh_bars", "fresh_features")
    assert made.not_fresh() == {}


def test_an_input_made_again_with_equal_bytes_leaves_its_readers_fresh(made):
    before = {name: state.manifest.sha256 for name, state in made.states().items()}
    assert made.run("fresh_raw", "fresh_bars")
    after = {name: state.manifest.sha256 for name, state in made.states().items()}
    assert before["fresh_bars"] != after["fresh_bars"]
    assert made.not_fresh() == {}


def test_another_answer_from_outside_makes_its_readers_stale_and_the_old_one_fresh_again(made):
    assert made.states()["fresh_model"].manifest.meta["outside.champion"] == "first"
    DAYS.champion = "second"
    found = made.not_fresh()
    assert found == {"fresh_model": {("input", "fresh_model")}, "fresh_page": {("input", "fresh_model")}}
    (reason,) = made.states()["fresh_model"].reasons
    assert reason.detail == "champion changed"
    assert made.states()["fresh_page"].needs_run
    assert made.run("fresh_model")
    assert made.run("fresh_page")
    assert made.not_fresh() == {}
    DAYS.champion = "first"
    assert set(made.not_fresh()) == {"fresh_model", "fresh_page"}
    DAYS.champion = "touched"
    (reason,) = made.states()["fresh_model"].reasons
    assert (reason.cause, reason.at) == ("damaged", "fresh_model")
    assert "champion: " in reason.detail
    assert not made.run("fresh_model"), "what cannot be asked for cannot be written down"


@pytest.mark.parametrize(
    ("settings", "at", "stale"),
    [
        ("[evaluation]\nresamples = 500", "fresh_page", ("fresh_page",)),
        ("[models]\nseed = 12", "fresh_model", ("fresh_model", "fresh_page")),
        ("[barriers.SIM.20]\nk_up = 3.0", "fresh_labels", BY_HORIZON),
        ("[barriers.SIM.10]\nk_up = 3.0", "", ()),
        ("[splits]\nfolds = 4", "fresh_study", ("fresh_study", *BY_HORIZON)),
        ("[features]\ncertificate_seed = 8", "fresh_features", ("fresh_features", "fresh_model", "fresh_page")),
        ("[market]\nroll_volume_share = 0.3", "fresh_bars", NAMES[1:]),
        ("[tracking]\nenabled = false", "", ()),
    ],
)
def test_an_edited_setting_makes_exactly_its_dependents_stale(made, settings, at, stale):
    made.set(settings)
    assert made.not_fresh() == {name: {("settings", at)} for name in stale}
    states = made.states()
    assert all(states[name].needs_run for name in stale)
    made.home.settings_file.unlink()
    assert made.not_fresh() == {}


def test_the_profile_an_output_was_made_under_is_named(made):
    assert set(made.not_fresh(profile="full")) == {"fresh_features", "fresh_labels", "fresh_model", "fresh_page"}
    (reason,) = made.states(profile="full")["fresh_features"].reasons
    assert reason.detail == "made under profile fast, full is in force"
    with pytest.raises(ConfigurationError, match="profile 'huge'"):
        made.states(profile="huge")


def test_other_code_is_a_reason_of_its_own_that_needs_no_run(made, monkeypatch):
    monkeypatch.setattr(freshness, "code_version", lambda: "another")
    states = made.states()
    assert {state.state for state in states.values()} == {"stale"}
    assert all(state.only_code and not state.needs_run for state in states.values())
    made.set("[evaluation]\nresamples = 500")
    page = made.states()["fresh_page"]
    assert {reason.cause for reason in page.reasons} == {"code", "settings"}
    assert page.needs_run
    assert not page.only_code


def test_a_blocked_output_is_blocked_whatever_else_is_true_and_blocks_its_readers_freshness(made):
    DAYS.holds = False
    made.set("[market]\nroll_volume_share = 0.3")
    assert not made.run("fresh_bars")
    states = made.states()
    assert states["fresh_bars"].state == "blocked"
    assert [(r.cause, r.at, r.detail) for r in states["fresh_bars"].reasons] == [
        ("blocked", "fresh_bars", "bars_hold: looked at")
    ]
    assert {name for name, state in states.items() if state.state == "stale"} == set(NAMES[2:])
    assert {reason.cause for reason in states["fresh_page"].reasons} == {"blocked"}
    DAYS.holds = True
    assert made.run("fresh_bars")
    assert made.not_fresh() == {}


def test_a_missing_and_a_damaged_ancestor_are_told(made):
    folder = made.home.root / "store" / "probes"
    manifest = folder / "fresh_labels" / "SIM" / "20" / "manifest.json"
    kept = manifest.read_bytes()
    manifest.write_bytes(kept[:-9])
    states = made.states()
    assert states["fresh_labels"].state == "damaged"
    assert {(r.cause, r.at) for r in states["fresh_page"].reasons} == {("damaged", "fresh_labels")}
    manifest.write_bytes(kept)
    shutil.rmtree(folder / "fresh_study")
    found = made.not_fresh()
    assert found["fresh_study"] == set()
    assert found["fresh_labels"] == {("missing", "fresh_study")}
    assert "fresh_features" not in found
