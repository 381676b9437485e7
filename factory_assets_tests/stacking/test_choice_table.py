"""The table of choices holds every fit and says of the released ones what their files say."""

import numpy as np
import pandas as pd
import pytest

from factory_assets.adapters.feature_choice import choose_columns
from factory_assets.adapters.feature_sets import Candidates, ChoiceLimits
from factory_assets.reports.feature_choice import choice_figures, groups_table, stability_table
from factory_assets.stacking import choice_rows, choices_verdict
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.frames import to_frame, to_table
from factory_assets.vocabulary.schemas import FEATURE_CHOICE

NAMES = ("rsi_7", "rsi_14", "rsi_21", "adx_14", "minutes_to_flat", "log_return_1")


def _choices(model, suffix=""):
    names = tuple(f"{name}{suffix}" for name in NAMES)
    wanted = Candidates(
        set_name=f"set_of_{model}", columns=names, kept=names[4:5], columns_min=3, columns_max=4, limits=ChoiceLimits()
    )
    found = {}
    for seed, fit in enumerate(("fold_0", "fold_1", "train")):
        rng = np.random.default_rng(seed)
        values = np.column_stack(
            [rng.normal(size=(200, 1)) + 0.1 * rng.normal(size=(200, 3)), rng.normal(size=(200, 3))]
        )
        values[:, 5] = values[:, 5] if fit == "train" else 1.0
        found[fit] = choose_columns(values, names, wanted)
    return found


CHOICES = {"tree": _choices("tree", "__15min"), "net": _choices("net")}
SPLITS = pd.DataFrame({"scheme": ["purged_kfold"] * 3 + ["hold_out"], "fold": [0, 1, 1, 0]})
RELEASED = {model: fits["train"].columns for model, fits in CHOICES.items()}


def test_one_row_a_model_fold_and_candidate_and_the_store_takes_it():
    rows = choice_rows(CHOICES)
    assert len(rows) == 2 * 3 * 6
    stored = to_table(rows.assign(contract="SIM", horizon=20), FEATURE_CHOICE)
    assert stored.num_rows == 36
    back = to_frame(stored)
    net = back[(back["model"] == "net") & (back["fold"] == -1)].set_index("column_name")
    assert {*net.index} == {*NAMES}
    for fate in CHOICES["net"]["train"].fates:
        row = net.loc[fate.column]
        told = (row["reason"], row["cluster"], row["representative"], row["correlation"], row["masked_share"])
        assert told == (fate.reason, fate.cluster, fate.representative, fate.correlation, fate.masked_share)
        assert row["chosen"] == (fate.column in CHOICES["net"]["train"].columns)
        assert row["feature_set"] == "set_of_net"
    assert set(rows.loc[(rows["fold"] >= 0) & rows["column_name"].str.startswith("log_return"), "reason"]) == {
        "constant"
    }


def test_the_verdict_counts_fits_and_compares_the_released_ones():
    rows = choice_rows(CHOICES)
    verdict = choices_verdict(rows, SPLITS, RELEASED)
    assert verdict.passed, verdict.summary
    assert verdict.details == {"rows": 36, "fits": 6, "lacking": 0, "repeated": 0}
    net = rows[rows["model"] == "net"]
    released = rows["chosen"] & (rows["fold"] == -1) & (rows["model"] == "tree")
    faults = {
        "3 fits lacking": (rows[rows["model"] != "net"], SPLITS, RELEASED),
        "2 fits lacking": (rows, pd.concat([SPLITS, SPLITS.assign(fold=2)]), RELEASED),
        "3 too many": (rows, SPLITS, {"tree": RELEASED["tree"]}),
        "18 rows repeated": (pd.concat([rows, net]), SPLITS, RELEASED),
        "other columns: net": (rows, SPLITS, RELEASED | {"net": NAMES}),
        "other columns: tree": (rows.assign(chosen=rows["chosen"] & ~released), SPLITS, RELEASED),
    }
    for told, given in faults.items():
        verdict = choices_verdict(*given)
        assert not verdict.passed, told
        assert told in verdict.summary, verdict.summary
    assert not choices_verdict(rows.iloc[:0], SPLITS.iloc[:0], {}).passed


def test_fits_of_unknown_names_are_refused():
    with pytest.raises(BadInputError, match="a fit named 'canary_0'"):
        choice_rows({"tree": {"canary_0": CHOICES["tree"]["train"]}})
    with pytest.raises(BadInputError, match="no fit chose"):
        choice_rows({})


def test_stability_by_hand():
    """Of three fits: two read the same three columns, the released one a fourth beside them or in their place."""
    table = stability_table(choice_rows(CHOICES)).set_index("model")
    read = [{*fit.columns} for fit in CHOICES["net"].values()]
    overlaps = [len(a & b) / len(a | b) for a, b in ((read[0], read[1]), (read[0], read[2]), (read[1], read[2]))]
    row = table.loc["net"]
    assert (row["feature_set"], row["candidates"], row["fits"]) == ("set_of_net", 6, 3)
    assert (row["columns_min"], row["columns_max"]) == (min(map(len, read)), max(map(len, read))) == (3, 4)
    assert row["in_every_fit"] == len(read[0] & read[1] & read[2])
    assert row["in_any_fit"] == len(read[0] | read[1] | read[2])
    assert row["overlap"] == pytest.approx(sum(overlaps) / 3, abs=5e-4)
    assert 0 < row["overlap"] < 1


def test_groups_of_the_released_fits():
    table = groups_table(choice_rows(CHOICES)).set_index("group")
    assert list(table.columns) == ["net", "tree"]
    assert table.loc["calendar"].tolist() == ["1 of 1", "1 of 1"]
    assert table.loc["trend", "net"] == "1 of 1"
    assert table.loc["returns", "net"] == "2 of 4"


def test_the_figure_is_small_and_says_simulated():
    (figure,) = choice_figures(choice_rows(CHOICES), simulated=True)
    assert len(figure.png) < 200_000
    assert "SIMULATED" in figure.caption
    assert choice_figures(choice_rows(CHOICES), simulated=True)[0].png == figure.png


def test_a_feature_that_left_the_catalogue_is_said_to_have_left_it():
    rows = choice_rows(CHOICES)
    rows["column_name"] = rows["column_name"].str.replace("adx_14", "adx_15")
    table = groups_table(rows).set_index("group")
    assert table.index[-1] == "no longer in the catalogue"
    assert table.iloc[-1].tolist() == ["1 of 1", "1 of 1"]
    assert "trend" not in table.index
