"""The feature page: what it says, what it may look at, its pictures and their bytes."""

import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from factory_assets.features import catalogue
from factory_assets.features.certificate import CONTROL_GROUP
from factory_assets.features.controls import CONTROLS, ESTIMATOR_CONTROLS
from factory_assets.reports.feature_correlations import correlations
from factory_assets.reports.feature_figures import distribution_figure, over_time_figure, standardised
from factory_assets.reports.feature_proofs import (
    WORDS,
    aspect_table,
    complete_rows,
    control_table,
    verdict_figure,
    worst_table,
)
from factory_assets.reports.features import feature_page
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.verdict import Verdict
from factory_assets_tests.reports.feature_inputs import (
    SESSIONS,
    TRAIN_SESSIONS,
    feature_inputs,
    few_features,
    with_values,
)

IMAGE_BYTES_MAX = 200_000
TITLES = [
    "Verdicts by timeframe",
    "Rounding against tolerance",
    "Warm-up by group",
    "Distributions",
    "Correlation map",
    "Groups over time",
]
GROUPS = {spec.name: spec.group for spec in catalogue()}


@pytest.fixture(scope="module")
def inputs():
    return feature_inputs()


@pytest.fixture(scope="module")
def page(inputs):
    return feature_page(inputs)


@pytest.fixture(scope="module")
def few(inputs):
    return few_features(inputs)


def text_of(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", html))


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG whose every chunk has its checksum and that names no time and no program."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, kinds, header = 8, set(), b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0]
        header = body if kind == b"IHDR" else header
        kinds.add(kind)
        at += 12 + length
    assert kinds <= {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"pHYs"}
    return struct.unpack(">II", header[:8])


# --- words -------------------------------------------------------------------------------------------------------


def test_the_page_says_whether_the_features_can_be_trusted(page, inputs):
    verdicts = sum(len(each) for each in inputs.verdicts.values())
    assert page.verdict == (
        f"{len(catalogue())} features on 2 timeframes: none reads the future, each keeps to its look-back and warm-up, "
        f"and all {verdicts} verdicts hold on these bars."
    )
    assert page.verdict in text_of(page.html)
    assert "broken" not in text_of(page.html).partition("Checks of the 5-minute features")[2].replace(
        "a broken one writes nothing", ""
    )


def test_it_says_which_sessions_it_looks_at(page, inputs):
    first, last = inputs.values["trade_date"].iloc[[0, -1]]
    assert (
        f"look at the train sessions alone: {TRAIN_SESSIONS} of {SESSIONS}, {first:%Y-%m-%d} to {last:%Y-%m-%d}. "
        "Whatever comes later is neither drawn nor counted there."
    ) in page.known[0]
    assert page.known[0] in text_of(page.html)


def test_a_broken_verdict_is_said_first_and_drawn_in_red(inputs, few):
    bad = Verdict(name="scale_invariant", passed=False, summary="3 differ", details={"comparisons": 9})
    verdicts = {
        minutes: [bad if verdict.name == bad.name and minutes == 5 else verdict for verdict in each]
        for minutes, each in inputs.verdicts.items()
    }
    made = feature_page(replace(few, verdicts=verdicts))
    assert made.verdict.startswith("Not fit for use: 1 of ")
    assert ">broken<" in made.html
    assert "holds" in made.html
    red, green = verdict_figure(verdicts, simulated=False), verdict_figure(inputs.verdicts, simulated=False)
    assert red.png != green.png
    total = sum(len(each) for each in verdicts.values())
    assert red.caption.startswith(f"{total - 1} of {total} verdicts hold")


def test_every_verdict_of_the_features_has_words(inputs):
    assert {verdict.name for verdict in inputs.verdicts[5]} == set(WORDS)


def test_simulated_is_said_everywhere(few):
    page = feature_page(replace(few, instrument=instrument("SIM")))
    assert page.verdict.startswith("SIMULATED, not a market: good for testing the factory and for nothing else.")
    assert "SIMULATED" in page.html.partition("<h1>")[0]
    assert all(figure.caption.startswith("SIMULATED. ") for figure in page.figures)
    assert page.html.count("SIMULATED. ") == len(page.figures)
    plain = feature_page(few)
    assert all(marked.png != without.png for marked, without in zip(page.figures, plain.figures, strict=True))


def test_the_page_stands_alone(page):
    assert set(re.findall(r'src="([^"]{0,22})', page.html)) == {"data:image/png;base64,"}
    for other in ("<script", "href", "http", "@import", "url("):
        assert other not in page.html


def test_equal_input_gives_equal_bytes(few):
    first, second = feature_page(few), feature_page(few)
    assert first.html == second.html
    assert [figure.png for figure in first.figures] == [figure.png for figure in second.figures]


# --- pictures ----------------------------------------------------------------------------------------------------


def test_every_picture_is_there_and_fits_into_the_ui(page):
    assert [figure.title for figure in page.figures] == TITLES
    for figure in page.figures:
        assert len(figure.png) < IMAGE_BYTES_MAX, f"{figure.title}: {len(figure.png)} bytes"
        width, height = size_of(figure.png)
        assert 1200 <= width <= 1230
        assert height >= 200
        assert len(figure.caption.split()) > 20


def test_pictures_of_noise_from_a_larger_catalogue_fit_too():
    """Noise compresses worst; more features than there are, of as many groups."""
    rng = np.random.default_rng(0)
    groups = {f"feature_of_some_length_{k}": f"group_{k % 13}" for k in range(240)}
    values = pd.DataFrame({name: rng.standard_normal(500).cumsum() for name in groups}).astype("float32")
    days = pd.date_range("2019-01-04", periods=500, freq="2D")
    figures = [
        distribution_figure(values, groups, simulated=True),
        correlations(values, groups, simulated=True).figure,
        over_time_figure(values, days, groups, simulated=True)[0],
    ]
    assert max(len(figure.png) for figure in figures) < IMAGE_BYTES_MAX


@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_few_features_are_drawn_as_well(count):
    rng = np.random.default_rng(1)
    groups = {f"f{k}": f"g{k % 2}" for k in range(count)}
    values = pd.DataFrame({name: rng.standard_normal(200) for name in groups}).astype("float32")
    days = pd.DatetimeIndex(np.repeat(pd.date_range("2021-01-04", periods=2, freq="D"), 100))
    alike = correlations(values, groups, simulated=False)
    assert len(alike.pairs) == min(25, count * (count - 1) // 2)
    figure, moved = over_time_figure(values, days, groups, simulated=False)
    for each in (distribution_figure(values, groups, simulated=False), alike.figure, figure):
        assert size_of(each.png)[0] >= 1200
    assert {each.feature for each in moved} == set(groups)


# --- only what may be looked at ----------------------------------------------------------------------------------


def test_nothing_that_is_drawn_depends_on_later_sessions(inputs, page):
    """The page has the train rows and no others: later ones may be anything."""
    assert inputs.values["trade_date"].nunique() == TRAIN_SESSIONS < SESSIONS
    counted = f"{len(inputs.values):,} bars of 5 minutes in {TRAIN_SESSIONS} train sessions"
    assert counted in text_of(page.html)
    for title in ("Distributions", "Correlation map"):
        caption = next(figure.caption for figure in page.figures if figure.title == title)
        assert f"over {len(inputs.values):,} bars" in caption


# --- numbers -----------------------------------------------------------------------------------------------------


def test_a_planted_pair_leads_the_list(inputs):
    planted = -0.5 * inputs.values["rsi_14"] + np.float32(1e-3) * inputs.values["log_return_1"]
    found = correlations(inputs.values[[*GROUPS]].assign(minutes_to_flat=planted.to_numpy()), GROUPS, simulated=False)
    first = found.pairs.iloc[0]
    assert {first["feature"], first["and"]} == {"rsi_14", "minutes_to_flat"}
    assert first["r"] == "-1.0000"
    assert first["groups"] in {"returns · calendar", "calendar · returns"}
    assert found.above[0.999] >= 1
    assert found.above[0.9] >= found.above[0.95] >= found.above[0.99] >= found.above[0.999]


def test_the_list_holds_the_correlations_of_the_pairs_it_names(inputs):
    values = inputs.values[[*GROUPS]]
    for row in correlations(values, GROUPS, simulated=False).pairs.head(5).itertuples():
        pair = values[[row.feature, row[3]]].dropna().to_numpy(dtype=np.float64)
        assert float(row.r) == pytest.approx(np.corrcoef(pair.T)[0, 1], abs=6e-5)


def test_a_feature_that_moves_leads_the_movements_and_one_that_stands_does_not():
    rng = np.random.default_rng(2)
    days = pd.DatetimeIndex(np.repeat(pd.date_range("2020-01-01", "2021-12-31", freq="D"), 10))
    month = days.to_period("M")
    steady, shifted = rng.standard_normal((2, len(days)))
    shifted += np.where(month == pd.Period("2020-05"), 4.0, 0.0) - np.where(month == pd.Period("2021-10"), 3.0, 0.0)
    values = pd.DataFrame({"steady": steady, "shifted": 1e-5 * shifted}).astype("float32")
    figure, moved = over_time_figure(values, days, {"steady": "a", "shifted": "b"}, simulated=False)
    assert [each.feature for each in moved] == ["shifted", "steady"]
    assert (moved[0].highest, moved[0].lowest) == ("2020-05", "2021-10")
    assert moved[0].distance == pytest.approx(7.0, rel=0.15)
    assert moved[1].distance < 0.6
    assert "by month" in figure.caption
    few = days < "2020-05-01"
    assert (
        "by week"
        in over_time_figure(values[few], days[few], {"steady": "a", "shifted": "b"}, simulated=False)[0].caption
    )


def test_standardised_is_robust_to_outliers_and_to_flags():
    rng = np.random.default_rng(3)
    normal = rng.standard_normal(10_000) * 5.0 + 100.0
    normal[:10] = 1e6
    flag = (np.arange(10_000) % 10 == 0).astype(float)
    values = np.stack([normal, flag, np.full(10_000, 3.0)], axis=1).astype(np.float32)
    values[:20, 2] = np.nan
    found = standardised(values)
    assert found.dtype == np.float32
    assert np.median(found[:, 0]) == pytest.approx(0.0, abs=1e-5)
    assert found[10:, 0].std() == pytest.approx(1.0, rel=0.05)
    assert set(np.round(found[:, 1], 3)) == {0.0, np.float32(np.round(1.0 / flag.std(), 3))}
    assert (found[20:, 2] == 0.0).all()
    assert np.isnan(found[:20, 2]).all()


def test_masked_cells_and_complete_rows_are_those_of_the_tables(inputs, page):
    values = inputs.values[[*GROUPS]]
    masked, cells = int(values.isna().to_numpy().sum()), values.size
    assert f"{masked:,} of {cells:,} ({masked / cells:.2%}), warm-up alone" in text_of(page.html)
    arranged = {group: [n for n in GROUPS if GROUPS[n] == group] for group in dict.fromkeys(GROUPS.values())}
    complete = complete_rows(inputs.health, arranged)
    assert list(complete.index) == list(arranged)
    for group, names in arranged.items():
        assert complete.loc[group, 5] == max(
            int(np.flatnonzero(values[name].isna())[-1]) + 1 if values[name].isna().any() else 0 for name in names
        )


def test_the_certificate_is_told_as_it_is(inputs, page):
    table = aspect_table(inputs.certificate)
    features = inputs.certificate[inputs.certificate["group"] != CONTROL_GROUP]
    assert table["comparisons"].sum() == features["comparisons"].sum()
    assert table["values compared"].sum() == features["cells"].sum()
    assert table["failed"].tolist() == [0] * 5
    assert table["allowed"].tolist() == ["bit-identical"] * 3 + ["1e-09"] * 2
    assert f"{features['cells'].sum():,}" in text_of(page.html)
    worst = worst_table(inputs.certificate)
    assert worst["feature"].is_unique
    top = features[features["aspect"].isin(["lookback", "scale"])].sort_values("worst_error", ascending=False).iloc[0]
    assert worst["feature"].iloc[0] == top["feature"]


def test_failed_features_are_counted(inputs):
    table = inputs.certificate.copy()
    chosen = (table["feature"] == "rsi_14") & (table["aspect"] == "truncation") & (table["minutes"] == 5)
    table.loc[chosen, ["passed", "worst_error"]] = [False, np.inf]
    row = aspect_table(table).iloc[0]
    assert (row["failed"], row["worst error"], row["of"]) == (1, "inf", "rsi_14, 5 min")


def test_controls_are_named_with_what_caught_them(inputs):
    table = control_table(inputs.certificate, inputs.verdicts).set_index("deliberately bad feature")
    assert set(CONTROLS) <= set(table.index) <= {*CONTROLS, *ESTIMATOR_CONTROLS}
    assert (table.loc[list(CONTROLS), "caught"] == "on 2 of 2 timeframes").all()
    assert table.loc["price_in_points", "tests that saw it"].startswith("scale 2")
    missed = inputs.certificate.copy()
    missed.loc[(missed["feature"] == "negative_shift") & (missed["minutes"] == 60), "passed"] = True
    caught = control_table(missed, inputs.verdicts).set_index("deliberately bad feature")["caught"]
    assert caught["negative_shift"] == "on 1 of 2 timeframes"


def test_controls_of_the_estimators_stand_there_where_there_was_something_to_estimate(inputs):
    name = next(iter(ESTIMATOR_CONTROLS))

    def told(words):
        verdict = Verdict(name="positive_controls_caught", passed=True, summary="x", details={name: words})
        return control_table(inputs.certificate, {5: [verdict]}).set_index("deliberately bad feature")["caught"]

    assert told("caught by estimating again")[name] == "on 1 of 1 timeframes"
    assert told("NOT caught")[name] == "on 0 of 1 timeframes"


# --- series unlike others ----------------------------------------------------------------------------------------


def test_a_series_without_volume_says_so_and_draws_the_rest():
    bare = few_features(feature_inputs(with_volume=False), every=4)
    page = feature_page(bare)
    reading = sum(spec.reads_volume for spec in bare.specs)
    assert reading > 5
    assert f"The series has no volume: {reading} features that read it are masked in every row." in page.known
    caption = next(figure.caption for figure in page.figures if figure.title == "Distributions")
    assert caption.startswith(f"{len(bare.specs) - reading} features over")
    assert not any("Still warming up" in each for each in page.known)
    groups = [all(s.reads_volume for s in bare.specs if s.group == group) for group in {s.group for s in bare.specs}]
    assert len(re.findall(r">never<", page.html)) >= sum(groups) > 0


def test_a_feature_without_any_value_in_the_train_sessions_is_named(few):
    late = [spec.name for spec in few.specs[3:5]]
    page = feature_page(with_values(few, **dict.fromkeys(late, np.float32(np.nan))))
    assert f"Still warming up through all train sessions, so not drawn: {', '.join(late)}." in page.known
    caption = next(figure.caption for figure in page.figures if figure.title == "Distributions")
    assert caption.startswith(f"{len(few.specs) - 2} features over")


def test_what_moves_far_is_said_in_words(few):
    rows, name = len(few.values), few.specs[0].name
    moved = np.random.default_rng(0).standard_normal(rows).astype(np.float32)
    moved[: rows // 6] += 9.0
    page = feature_page(with_values(few, **{name: moved}))
    (said,) = [each for each in page.known if each.startswith("Features whose level moves")]
    assert re.search(rf"another \(\d+\): {name}\b", said), "the furthest stands first"
