"""The user's file: what is refused, how it is told, and what a digest covers."""

import dataclasses
import json
from pathlib import Path

import pytest

from factory_assets.features import traded
from factory_assets.vocabulary.errors import ConfigurationError
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import (
    PROFILES,
    Barriers,
    FactorySettings,
    LabelSettings,
    load_settings,
)

SECTIONS = [f for f in dataclasses.fields(FactorySettings) if dataclasses.is_dataclass(f.type)]


@pytest.fixture
def load(tmp_path: Path):
    def _load(text: str, profile: str = "fast", **more) -> FactorySettings:
        path = tmp_path / "factory.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(profile, path, **more)

    return _load


REFUSED = [
    # section, line, what the message says of it
    ("models", "parameters = 3", "[models.parameters] has to be a section, got 3"),
    (
        "models.parameters",
        "lightgbm = 3",
        "[models.parameters] lightgbm: expected a section [models.parameters.lightgbm]",
    ),
    ("models.parameters.lightgbm", "num_leaves = nan", "[models.parameters.lightgbm] num_leaves: expected one finite"),
    ("models.parameters.lightgbm", "num_leaves = [3]", "num_leaves: expected one finite number"),
    ("models.parameters.lightgbm", f"num_leaves = 1{'0' * 400}", "num_leaves: expected one finite number"),
    ("models", "seed = -1", "seed >= 0 and <= 2147483647"),
    ("evaluation", 'thetas = ["a"]', "[evaluation] thetas: expected float, got 'a'"),
    ("evaluation", "thetas = []", "expected thetas to be at least 1 values, all different, got []"),
    ("evaluation", "thetas = [0.5, 0.5]", "all different, got [0.5, 0.5]"),
    ("evaluation", "thetas = [0.0, -0.5]", "expected each of thetas >= 0 and <= 1000, got [-0.5]"),
    ("evaluation", "thetas = [nan]", "[evaluation] thetas: expected a finite number, got nan"),
    ("evaluation", "thetas = [true]", "[evaluation] thetas: expected float, got True"),
    ("evaluation", "thetas = 0.5", "[evaluation] thetas: expected a list of float, got 0.5"),
    ("evaluation", "resamples = 0", "[evaluation] expected resamples >= 100"),
    ("evaluation", "resamples = 1e3", "[evaluation] resamples: expected int, got 1000.0"),
    ("evaluation", "confidence = 1.0", "confidence > 0 and < 1, got 1.0"),
    ("evaluation", "account_dollars = -5", "account_dollars > 0"),
    ("evaluation", "account_dollars = inf", "account_dollars: expected a finite number, got inf"),
    ("evaluation", f"account_dollars = 1{'0' * 400}", "account_dollars: expected a finite number"),
    ("evaluation", "account_dollars = true", "account_dollars: expected float, got True"),
    ("labels", "cusum_sigma_multiple = -1", "cusum_sigma_multiple > 0"),
    ("labels", "cusum_sigma_multiple = nan", "cusum_sigma_multiple: expected a finite number, got nan"),
    ("labels", "cusum_span_bars = 1", "cusum_span_bars >= 2"),
    ("labels", "cost_history_sessions = 0", "cost_history_sessions is fixed at 20, got 0"),
    ("labels", "cost_history_sessions = 40", "cost convention"),
    ("labels", "events = 'every'", "expected events to be one of ['cusum', 'all'], got 'every'"),
    ("labels", "events = 3", "events: expected str, got 3"),
    ("market", "roll_volume_share = -3", "roll_volume_share > 0"),
    ("market", "roll_volume_share = nan", "expected a finite number, got nan"),
    ("market", 'roll_rule = "yesterday"', "roll_rule to be one of ['volume', 'open_interest', 'calendar']"),
    ("market", "roll_open_interest_share = 1.5", "roll_open_interest_share > 0 and <= 1"),
    ("market", "roll_calendar_sessions = -1", "roll_calendar_sessions >= 0 and <= 60"),
    ("market", "roll_calendar_sessions = 2.5", "roll_calendar_sessions"),
    ("market", "quarantined_share_max = 7", "quarantined_share_max >= 0 and <= 1, got 7.0"),
    ("market", "spike_scale_multiple = 0", "spike_scale_multiple >= 1"),
    ("splits", "early_stop_tail_share = 9", "early_stop_tail_share > 0 and < 1, got 9.0"),
    ("splits", "folds = 1", "folds >= 2"),
    ("splits", "purge_bars = -1", "purge_bars >= 0"),
    ("splits", "embargo_bars = -1", "embargo_bars >= 0"),
    ("splits", "sessions_min = 0", "sessions_min >= 1"),
    ("splits", "train_share = 0.9", "shares that leave some test, got 0.9 and 0.15"),
    ("splits", "val_share = 0.0", "val_share > 0"),
    ("deployment", "parity_minutes = -1", "parity_minutes >= 1"),
    ("adapters", "tabular_other_minutes = [7]", "each of tabular_other_minutes to be one of [1, 5, 10"),
    ("adapters", "tabular_other_minutes = [5.0]", "tabular_other_minutes: expected int, got 5.0"),
    ("adapters", "tabular_other_minutes = [5, 5]", "all different, got [5, 5]"),
    ("adapters", "tabular_other_minutes = [15]", "without the primary 15, got [15]"),
    ("adapters", "tabular_primary_minutes = 7", "tabular_primary_minutes to be one of"),
    ("adapters", "sequence_window_bars = 1", "sequence_window_bars >= 2 and <= 1000"),
    ("adapters", "sequence_outage_minutes_max = -5", "sequence_outage_minutes_max >= 0"),
    ("features", "certificate_cut_points = 9", "certificate_cut_points >= 10"),
    ("features", "certificate_seed = -1", "certificate_seed >= 0"),
    ("barriers.SIM.20", "k_up = 0.0", "[barriers.SIM.20] expected k_up > 0"),
    ("barriers.SIM.20", "k_down = nan", "[barriers.SIM.20] k_down: expected a finite number, got nan"),
    ("barriers.SIM.20", "max_bars = 19", "[barriers.SIM.20] expected max_bars >= 20, got 19"),
    ("barriers.SIM.20", "k_left = 1.0", "[barriers.SIM.20] unknown key 'k_left'"),
    ("barriers.SIM", "7 = 1", "[barriers.SIM.7]: expected a horizon of"),
    ("label", "events = 'all'", "unknown section [label]"),
    ("labels", "event = 'all'", "[labels] unknown key 'event'; known: "),
]


@pytest.mark.parametrize(("section", "line", "says"), REFUSED)
def test_a_value_that_makes_no_sense_is_refused_by_name(load, tmp_path, section, line, says):
    with pytest.raises(ConfigurationError) as caught:
        load(f"[{section}]\n{line}\n")
    told = str(caught.value)
    assert says in told
    assert told.startswith(str(tmp_path / "factory.toml"))
    assert told.endswith("Nothing was changed; correct the file.")
    assert told.count(";") <= 2, "one mistake is told once"


def test_all_mistakes_are_told_at_once_with_what_other_packages_found(load):
    by_section: dict[str, list[tuple[str, str]]] = {}
    for section, line, says in REFUSED:
        name = line.split(" = ")[0]
        if "." not in section and name not in {taken.split(" = ")[0] for taken, _ in by_section.get(section, [])}:
            by_section.setdefault(section, []).append((line, says))
    text = "\n".join(f"[{section}]\n" + "\n".join(line for line, _ in lines) for section, lines in by_section.items())
    with pytest.raises(ConfigurationError) as caught:
        load(text, more_problems=lambda settings: [f"seen from elsewhere: seed {settings.models.seed}"])
    expected = [says for lines in by_section.values() for _, says in lines]
    assert len(expected) > 20
    assert [says for says in expected if says not in str(caught.value)] == []
    assert "seen from elsewhere: seed 11" in str(caught.value), "a refused value kept its default"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_default_and_profile_lies_within_what_the_file_may_say(load, profile):
    settings = load_settings(profile)
    lines = []
    for section in SECTIONS:
        values = getattr(settings, section.name)
        lines.append(f"[{section.name}]")
        for each in dataclasses.fields(values):
            value = getattr(values, each.name)
            if each.name not in ("parameters", "inputs"):
                lines.append(f"{each.name} = {json.dumps(value)}")
    for contract, rows in settings.barriers.items():
        for horizon, chosen in rows.items():
            lines += [f"[barriers.{contract}.{horizon}]"]
            lines += [f"{name} = {value}" for name, value in dataclasses.asdict(chosen).items()]
    assert load("\n".join(lines), profile) == settings


def test_every_field_says_what_it_may_be():
    classes = [type(getattr(FactorySettings(), section.name)) for section in SECTIONS]
    bare = [
        f"{cls.__name__}.{each.name}"
        for cls in [*classes, Barriers]
        for each in dataclasses.fields(cls)
        if "allowed" not in each.metadata
    ]
    assert bare == ["ModelSettings.parameters", "ModelSettings.inputs"]


def test_accepted_values_arrive_as_their_types(load):
    settings = load(
        "[evaluation]\nthetas = [0, 1]\nresamples = 100\naccount_dollars = 25000\n"
        "[adapters]\ntabular_other_minutes = []\n[labels]\ncost_history_sessions = 20\n"
        "[models.parameters.lightgbm]\nnum_leaves = 15\n[barriers.SIM.5]\nk_up = 3\n"
    )
    assert settings.evaluation.thetas == (0.0, 1.0)
    assert all(type(theta) is float for theta in settings.evaluation.thetas)
    assert type(settings.evaluation.account_dollars) is float
    assert settings.adapters.tabular_other_minutes == ()
    # what the profile sets of other models stays
    of_profile = PROFILES["fast"]["models"]["parameters"]
    assert settings.models.parameters == {**of_profile, "lightgbm": {"num_leaves": 15}}
    assert settings.barriers_of("SIM", 5) == Barriers(k_up=3.0, k_down=1.2, max_bars=12)


@pytest.mark.parametrize(("content", "says"), [(b"[labels\n", "not valid TOML"), (b"\xff", "not valid TOML")])
def test_a_file_that_is_no_toml(tmp_path, content, says):
    path = tmp_path / "factory.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=says):
        load_settings("fast", path)


def test_a_folder_where_the_file_should_be(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings("fast", tmp_path)


def test_the_cost_feature_and_the_charged_cost_look_back_on_the_same_sessions(load):
    assert load("").labels.cost_history_sessions == LabelSettings().cost_history_sessions == traded.COST_SESSIONS
    with pytest.raises(ConfigurationError, match="fixed at 20"):
        load(f"[labels]\ncost_history_sessions = {traded.COST_SESSIONS + 1}\n")


def test_a_digest_moves_with_its_sections_only(load):
    plain, changed = load(""), load("[evaluation]\nresamples = 100\n")
    assert plain.digest("evaluation") != changed.digest("evaluation")
    assert plain.digest("splits", "evaluation") != changed.digest("splits", "evaluation")
    assert plain.digest("splits", "labels") == changed.digest("splits", "labels")
    assert plain.digest("profile") != load("", "standard").digest("profile")


def test_barriers_of_another_partition_do_not_enter_a_partitions_digest(load):
    plain, changed = load(""), load("[barriers.MGC.10]\nk_up = 3.0\n")

    def digests(settings: FactorySettings) -> dict[str, str]:
        keys = [PartitionKey("MGC", 10), PartitionKey("MGC", 20), PartitionKey("MES", 10), PartitionKey("MGC")]
        return {str(key): settings.of_partition(key).digest("barriers") for key in keys}

    before, after = digests(plain), digests(changed)
    assert len(set(before.values())) == 4
    assert {key for key in before if before[key] != after[key]} == {"MGC|10", "MGC"}
    assert plain.of_partition(PartitionKey("MGC", 10)).digest("labels") == plain.digest("labels")
