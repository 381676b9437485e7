"""Regime parameters: when they are estimated and from what, how they are stored, and that no leak goes unseen."""

import dataclasses
import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from factory_assets.features import RegimeTable, catalogue, certify, compute, regimes_of
from factory_assets.features import bars as bars_module
from factory_assets.features import regime_estimation as estimation
from factory_assets.features.bars import Bars
from factory_assets.features.compute import evaluate
from factory_assets.features.controls import ESTIMATOR_CONTROLS
from factory_assets.features.examination import Examination, perturbed, rescaled
from factory_assets.features.health import examine_health
from factory_assets.features.regime import FAMILIES
from factory_assets.features.regime_causality import examined_quarters, known_rows, moved_quarters, regime_verdict
from factory_assets.features.regime_invariants import regime_invariants
from factory_assets.features.regime_table import RegimeQuarter
from factory_assets.vocabulary.errors import BadInputError, ForeignContractError
from factory_assets.vocabulary.frames import dates_days, to_frame, to_table
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.schemas import REGIME_PARAMETERS
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES

from .feature_worlds import bars, hostile, sessions_of
from .oracles import ORACLES, Past
from .oracles import regime as oracle
from .regime_samples import invented_regimes

FIRST = date(2023, 1, 2)
HMM = ["hmm_low", "hmm_mid", "hmm_high", "hmm_is_known"]
SPECS = {spec.name: spec for spec in catalogue()}


def day(text):
    return int(np.datetime64(text, "D").astype(np.int64))


@pytest.fixture(scope="module")
def frame():
    """Hourly bars of 200 sessions: January to October 2023."""
    return bars(60, sessions=200, seed=17, first=FIRST, roll_every=40)


@pytest.fixture(scope="module")
def table(frame):
    return regimes_of(frame)


@pytest.fixture(scope="module")
def values(frame, table):
    return compute(frame, HMM, regimes=table)


def same(first, second):
    """Parameters equal to the bit."""
    return (first.variance, first.transition) == (second.variance, second.transition)


def test_quarters_begin_with_their_first_scheduled_session(frame, table):
    assert [str(np.datetime64(q.valid_from, "D")) for q in table.quarters] == [
        "2023-01-03", "2023-04-03", "2023-07-03", "2023-10-02",
    ]  # fmt: skip
    assert str(np.datetime64(table.quarters[-1].valid_to, "D")) == "2024-01-02"
    # April has 64 sessions before it, less the first; July has 120 of more.
    assert [(q.estimated, q.sessions) for q in table.quarters] == [(False, 0), (False, 63), (True, 120), (True, 120)]
    held = np.unique(dates_days(frame["trade_date"]))
    for quarter in table.quarters[2:]:
        before = held[held < quarter.valid_from]
        assert (quarter.first_day, quarter.known_day) == (before[-120], before[-1])
        assert quarter.rows == int(np.isin(dates_days(frame["trade_date"]), before[-120:]).sum())
        assert list(quarter.variance) == sorted(quarter.variance)


def test_the_first_session_seen_never_counts_as_complete(frame, table):
    """With 121 sessions before the quarter the first one may be a stump; with 120 the quarter has no parameters."""
    held = np.unique(dates_days(frame["trade_date"]))
    july = table.quarters[2]
    place = int(np.searchsorted(held, july.valid_from))
    for earlier, estimated in ((121, True), (120, False)):
        short = frame[dates_days(frame["trade_date"]) >= held[place - earlier]].iloc[9:]
        quarter = {q.valid_from: q for q in regimes_of(short).quarters}[july.valid_from]
        assert quarter.estimated is estimated
        assert not estimated or same(quarter, july)
        assert quarter.sessions == earlier - 1


@pytest.mark.parametrize("kept", [0.3, 0.62, 0.66, 0.9, 1.0])
def test_history_is_append_only(frame, table, kept):
    part = regimes_of(frame.iloc[: int(kept * len(frame))], 60)
    assert part.quarters == table.quarters[: len(part.quarters)]


def test_the_next_quarter_is_there_once_the_last_session_before_it_has_closed(frame, table):
    june = frame[dates_days(frame["trade_date"]) < table.quarters[2].valid_from]
    assert regimes_of(june).quarters == table.quarters[:3]
    assert regimes_of(june.iloc[:-1]).quarters == table.quarters[:2]
    # A session in the middle of a quarter proves nothing.
    may = frame[dates_days(frame["trade_date"]) <= day("2023-05-12")]
    assert regimes_of(may).quarters == table.quarters[:2]


def test_every_weekday_enters_on_one_minute_bars():
    frame = bars(1, sessions=190, seed=2, first=FIRST, traded_share=0.02)
    quarter = next(q for q in regimes_of(frame, 1).quarters if q.estimated)
    days = dates_days(frame["trade_date"])
    held = np.unique(days[(days >= quarter.first_day) & (days < quarter.valid_from)])
    used = held[::-1][::4][::-1]
    assert len(held) == 120
    assert quarter.rows == int(np.isin(days, used).sum())
    assert set(((used + 3) % 7).tolist()) == {0, 1, 2, 3, 4}


def test_iterations_follow_the_timeframe_alone():
    assert {minutes: estimation.iterations_of(minutes) for minutes in TIMEFRAMES_MINUTES} == oracle.ITERATIONS


def test_features_equal_the_textbook(frame, monkeypatch):
    """Estimate and filter in plain Python; a tenth of the iterations, which are the textbook's only cost."""
    monkeypatch.setattr(estimation, "iterations_of", lambda _: 20)
    monkeypatch.setitem(oracle.ITERATIONS, 60, 20)
    values = compute(frame, HMM)
    sessions = sessions_of("MGC", 210, FIRST)
    days = sessions.trade_day.astype("datetime64[D]").tolist()
    times = zip(days, sessions.open_us, sessions.flat_us, sessions.close_us, strict=True)
    spans = {each: (o / 1e6, f / 1e6, c / 1e6) for each, o, f, c in times}
    july, october = (
        int(np.searchsorted(dates_days(frame["trade_date"]), day(d))) for d in ("2023-07-03", "2023-10-02")
    )
    for row in (july - 1, july, july + 400, october - 1, october, october + 7, len(frame) - 1):
        past = Past(frame, row, instrument("MGC"), spans)
        for name in HMM:
            assert values[name].iloc[row] == pytest.approx(ORACLES[name](past), rel=1e-7), (name, row)


def test_cells_are_masked_until_the_first_quarter_with_parameters(frame, values, table):
    july = int(np.searchsorted(dates_days(frame["trade_date"]), table.quarters[2].valid_from))
    assert values[HMM].notna().all(axis=None)
    assert (values[HMM[:3]].iloc[:july] == 1 / 3).all(axis=None)
    assert (values["hmm_is_known"] == (np.arange(len(frame)) >= july)).all()
    known = values.iloc[july:]
    np.testing.assert_allclose(known[HMM[:3]].sum(axis=1), 1.0, atol=1e-12)
    assert (known[HMM[:3]].std() > 0.05).all()


def test_the_first_two_sessions_of_a_window_are_masked_whatever_the_table_says(frame, table):
    window = frame.iloc[-200:]
    values = compute(window, HMM, minutes=60, regimes=table)
    number = Bars.from_frame(window, 60).session_number
    np.testing.assert_array_equal(values["hmm_is_known"], number >= 2)
    assert (values.loc[number < 2, HMM[:3]] == 1 / 3).all(axis=None)


def test_the_look_back_gives_the_very_same_bits(frame, values, table):
    needed = SPECS["hmm_low"].lookback_bars(60)
    assert needed == 2 * 23 + 1
    for row in np.random.default_rng(4).integers(len(frame) // 2, len(frame), 40):
        alone = compute(frame.iloc[row - needed + 1 : row + 1], HMM, minutes=60, regimes=table)
        np.testing.assert_array_equal(alone[HMM].iloc[-1], values[HMM].iloc[row])


def test_without_the_table_a_window_is_masked_and_says_so(frame):
    assert (compute(frame.iloc[-200:], HMM, minutes=60)["hmm_is_known"] == 0.0).all()


@pytest.mark.parametrize("factor", [1.37, 0.731, 1e-3, 517.0])
def test_parameters_and_probabilities_do_not_depend_on_the_price_level(frame, table, factor):
    scaled = rescaled(Bars.from_frame(frame), factor).replaced(regimes=None)
    for quarter, other in zip(table.quarters[2:], scaled.regime_table.quarters[2:], strict=True):
        np.testing.assert_allclose(other.variance, quarter.variance, rtol=1e-8)
        np.testing.assert_allclose(other.transition, quarter.transition, rtol=1e-7)
    wild = hostile(np.random.default_rng(6), 700)
    invented = invented_regimes(wild)
    late = wild.assign(trade_date=wild["trade_date"])
    plain = evaluate(Bars.from_frame(late, regimes=invented), FAMILIES, HMM)
    other = evaluate(rescaled(Bars.from_frame(late, regimes=invented), factor), FAMILIES, HMM)
    for name in HMM:
        np.testing.assert_allclose(other[name], plain[name], rtol=1e-8, atol=1e-12)
        assert np.isfinite(plain[name]).all()


def test_derived_bars_keep_the_table_in_force_and_estimate_only_when_asked(frame, table, monkeypatch):
    calls = []
    real = bars_module.estimate_regimes
    monkeypatch.setattr(bars_module, "estimate_regimes", lambda b: calls.append(len(b)) or real(b))
    arrays = Bars.from_frame(frame)
    parts = [arrays.rows(100, 900), arrays.replaced(volume=arrays.volume), arrays.rows(0, 50).rows(3, 9)]
    assert calls == []
    assert all(part.regime_table is arrays.regime_table for part in parts)
    assert calls == [len(frame)]
    assert parts[0].replaced(regimes=None).regime_table != table
    assert Bars.from_frame(frame, regimes=table).rows(0, 10).regime_table is table


def test_parameters_of_other_bars_are_refused(frame, table):
    with pytest.raises(ForeignContractError, match="regime parameters of MGC"):
        compute(frame.assign(contract="SIM"), HMM, regimes=table)
    with pytest.raises(BadInputError, match="60-minute bars for bars of 30"):
        compute(bars(30, sessions=3), HMM, regimes=table)


def test_two_spellings_keep_every_bit(table):
    assert RegimeTable.from_plain(json.loads(json.dumps(table.to_plain()))) == table
    other = RegimeTable(contract="MGC", minutes=5, quarters=table.quarters[:2])
    rows = pd.concat([table.to_frame(), other.to_frame()]).sort_values(list(REGIME_PARAMETERS.order_by))
    stored = to_frame(to_table(rows.reset_index(drop=True), REGIME_PARAMETERS))
    assert RegimeTable.from_frame(stored, contract="MGC", minutes=60) == table
    assert RegimeTable.from_frame(stored, contract="MGC", minutes=5) == other
    assert RegimeTable.from_frame(stored, contract="MGC", minutes=15).quarters == ()
    with pytest.raises(BadInputError, match="three states a quarter"):
        RegimeTable.from_frame(stored[stored["minutes"] == 60].iloc[1:], contract="MGC", minutes=60)


def test_the_table_ends_where_it_ends(table):
    first, end = table.quarters[0].valid_from, table.quarters[-1].valid_to
    assert [table.covers(d) for d in (first - 1, first, end - 1, end)] == [False, True, True, False]
    known = table.quarters[2].valid_from
    days = np.array([first - 1, first, known - 1, known, end - 1, end], dtype=np.int32)
    np.testing.assert_array_equal(table.positions(days), [-1, -1, -1, 2, 3, -1])
    assert "to before the session of 2024-01-02" in table.validity
    nothing = RegimeTable(contract="MGC", minutes=60, quarters=())
    assert not nothing.covers(known)
    np.testing.assert_array_equal(nothing.positions(days), -1)
    assert nothing.validity == "hold in no session"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variance": (3.0, 2.0, 1.0)}, "increasing order"),
        ({"variance": (0.0, 2.0, 3.0)}, "positive"),
        ({"variance": (1.0, 2.0)}, "expected 3"),
        ({"variance": (1.0, 2.0, float("nan"))}, "expected 3 positive"),
        ({"transition": ((0.5, 0.5, 0.5),) * 3}, "sum to 1"),
        ({"transition": ((0.0, 0.5, 0.5),) * 3}, "sum to 1"),
        ({"transition": None}, "expected 3 rows"),
        ({"rows": 0}, "estimated from 0 bars"),
        ({"known_day": 10**6}, "expected sessions before"),
        ({"variance": None}, "no variances, but"),
        ({"valid_to": 0}, "valid from"),
    ],
)
def test_parameters_no_estimate_has_are_refused(table, change, message):
    last = dataclasses.replace(table.quarters[-1], **change)
    with pytest.raises(BadInputError, match=message):
        RegimeTable(contract="MGC", minutes=60, quarters=(*table.quarters[:-1], last))


def test_quarters_with_a_gap_are_refused(table):
    with pytest.raises(BadInputError, match="the one before ends"):
        RegimeTable(contract="MGC", minutes=60, quarters=(*table.quarters[:2], table.quarters[3]))


# --- what the certificate says ----------------------------------------------------------------------------------------


def red(frame, values=None, regimes=None):
    verdicts = certify(frame, 60, cut_points=12, seed=3, names=HMM, values=values, regimes=regimes)
    return {v.name: v for v in verdicts if not v.passed}


def test_honest_parameters_are_certified(frame, values, table):
    assert red(frame, values, table) == {}
    verdicts = {v.name: v for v in certify(frame, 60, cut_points=12, seed=3, names=HMM)}
    found = verdicts["regimes_from_earlier_sessions"].details
    assert (found["quarters"], found["quarters_estimated"], found["quarters_examined"]) == (4, 2, 2)
    assert found["estimates_compared"] == 4
    controls = verdicts["positive_controls_caught"].details
    assert {controls[name] for name in ESTIMATOR_CONTROLS} == {"caught by estimating again"}
    assert verdicts["no_constant_feature"].details["features"] == len(HMM)


@pytest.mark.parametrize("name", list(ESTIMATOR_CONTROLS))
def test_a_leaking_estimate_turns_the_certificate_red(frame, monkeypatch, name):
    leak = ESTIMATOR_CONTROLS[name]
    monkeypatch.setattr(estimation, "estimate_quarter", leak)  # what regimes_of calls; the proof has the honest one
    found = red(frame)
    assert "regimes_from_earlier_sessions" in found
    assert found["regimes_from_earlier_sessions"].details["differing"]


def test_a_leaking_estimate_moves_published_values_too(frame, monkeypatch):
    """Estimated anew from the perturbed partition, as it was published, a leak changes values before the cut."""
    specs, cut = [SPECS[name] for name in HMM], len(frame) - 300
    for leak, moved in ((None, set()), ("regimes_of_all_bars", set(HMM[:3]))):
        if leak is not None:
            monkeypatch.setattr(estimation, "estimate_quarter", ESTIMATOR_CONTROLS[leak])
        published = Bars.from_frame(frame)
        history = evaluate(published, FAMILIES, HMM)
        examination = Examination(bars=published, families=FAMILIES[-1:], specs=specs, history=history)
        assert examination.whole_partition(cut, np.random.default_rng(0)).failed == moved


@pytest.mark.parametrize("name", list(ESTIMATOR_CONTROLS))
def test_each_estimator_control_is_caught_on_every_quarter(frame, name):
    arrays = Bars.from_frame(frame)
    quarters = examined_quarters(arrays)
    assert len(quarters) == 2
    moved = moved_quarters(arrays, ESTIMATOR_CONTROLS[name], quarters, np.random.default_rng(0))
    assert moved == {begin for begin, _ in quarters}
    assert not moved_quarters(arrays, estimation.estimate_quarter, quarters, np.random.default_rng(0))


def test_an_estimator_control_that_slips_through_turns_the_verdict_red(frame, monkeypatch):
    from factory_assets.features import controls

    monkeypatch.setattr(controls, "ESTIMATOR_CONTROLS", {"harmless": estimation.estimate_quarter})
    assert red(frame)["positive_controls_caught"].details["missed"] == "harmless"


def test_published_parameters_that_are_not_estimated_from_these_bars_are_caught(frame, table):
    july = table.quarters[2]
    off = dataclasses.replace(july, variance=(july.variance[0], july.variance[1], np.nextafter(july.variance[2], 1.0)))
    other = dataclasses.replace(table, quarters=(*table.quarters[:2], off, table.quarters[3]))
    found = red(frame, None, other)
    assert found["regimes_from_earlier_sessions"].details["differing"] == "2023-07-03"
    short = dataclasses.replace(table, quarters=table.quarters[:3])
    assert "are not those the bars reach into" in red(frame, None, short)["regimes_from_earlier_sessions"].summary


@pytest.mark.parametrize("name", HMM)
def test_a_cell_masked_or_known_at_the_wrong_row_is_caught(frame, values, table, name):
    arrays, rng = Bars.from_frame(frame, regimes=table), np.random.default_rng(0)
    history = {each: values[each].to_numpy() for each in HMM}
    specs = [SPECS[each] for each in HMM]
    assert regime_verdict(arrays, specs, history, rng).passed
    wrong = history[name].copy()
    wrong[300] = 0.5
    verdict = regime_verdict(arrays, specs, {**history, name: wrong}, rng)
    assert not verdict.passed
    assert verdict.details["not_masked_as_known"] == name
    everywhere = {**history, name: np.full(len(frame), 0.0 if name == "hmm_is_known" else 1 / 3)}
    assert regime_verdict(arrays, specs, everywhere, rng).details["not_masked_as_known"] == name


def test_known_rows_follow_from_trade_dates_alone(frame, values):
    np.testing.assert_array_equal(known_rows(Bars.from_frame(frame)), values["hmm_is_known"] == 1.0)


def test_features_without_regime_parameters_are_not_examined_for_them(frame):
    verdicts = {v.name: v for v in certify(frame, 60, cut_points=10, seed=3, names=["trend_state"])}
    assert verdicts["regimes_from_earlier_sessions"].summary == "no feature examined reads regime parameters"
    assert not {*ESTIMATOR_CONTROLS} & {*verdicts["positive_controls_caught"].details}


def test_too_few_sessions_are_reported_and_not_red():
    few = bars(60, sessions=40, seed=1)
    verdicts = {v.name: v for v in certify(few, 60, cut_points=10, seed=3, names=["trend_state", *HMM])}
    assert [v.summary for v in verdicts.values() if not v.passed] == []
    constant = verdicts["no_constant_feature"]
    assert constant.details["without_regime_parameters"] == ", ".join(sorted(HMM))
    assert constant.details["features"] == 1
    assert "4 of them because no quarter has regime parameters yet" in constant.summary
    assert verdicts["regimes_from_earlier_sessions"].details["quarters_estimated"] == 0


def test_a_probability_that_stands_still_where_it_is_known_is_red(frame, values):
    """The masked rows before are no excuse, though with them the column does change."""
    specs = [SPECS[name] for name in HMM]
    known = known_rows(Bars.from_frame(frame))
    history = {name: values[name].to_numpy().copy() for name in HMM}
    still = {**history, "hmm_low": np.where(known, 0.2, 1 / 3)}
    found = {v.name: v for v in examine_health(specs, (), still, 60, known).verdicts}
    assert found["no_constant_feature"].details["failed"] == "hmm_low"
    never = {**history, "hmm_is_known": np.zeros(len(frame))}
    assert not {v.name: v for v in examine_health(specs, (), never, 60, known).verdicts}["no_constant_feature"].passed
    passed = {v.name: v for v in examine_health(specs, (), history, 60, known).verdicts}
    assert passed["no_constant_feature"].passed


def test_perturbed_bars_after_a_quarter_began_leave_its_parameters(frame, table):
    arrays = Bars.from_frame(frame)
    for quarter in table.quarters[2:]:
        row = int(np.searchsorted(arrays.trade_day, quarter.valid_from))
        wild = perturbed(arrays, row, np.random.default_rng(1)).replaced(regimes=None)
        assert same(wild.regime_table.quarters[table.quarters.index(quarter)], quarter)
        earlier = perturbed(arrays, row - 1, np.random.default_rng(1)).replaced(regimes=None)
        assert not same(earlier.regime_table.quarters[table.quarters.index(quarter)], quarter)


# --- what the table's own invariants say ------------------------------------------------------------------------------


@pytest.fixture
def rows(table):
    return table.to_frame()


def failed(rows, frame):
    return {v.name: v for v in regime_invariants(rows, {60: dates_days(frame["trade_date"])}) if not v.passed}


def test_an_honest_table_passes_its_invariants(rows, frame):
    assert failed(rows, frame) == {}
    verdicts = regime_invariants(rows, {60: dates_days(frame["trade_date"])})
    assert [v.name for v in verdicts] == ["regimes_proper", "regimes_known_before"]
    assert verdicts[0].details["quarters"] == 4
    assert verdicts[0].details["quarters_estimated"] == 2


def with_cell(rows, at, name, value):
    changed = rows.copy()
    changed.loc[at, name] = value
    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: with_cell(r, 6, "variance", 1.0), "variances not in order"),
        (lambda r: with_cell(r, 6, "variance", -1.0), "variances not in order"),
        (lambda r: with_cell(r, 7, "to_low", 0.9), "do not sum to 1"),
        (lambda r: with_cell(r, 7, "to_low", -0.1), "outside 0 to 1"),
        (lambda r: with_cell(r, 7, "to_low", np.nan), "of some states only"),
        (lambda r: with_cell(r, 1, "variance", 1.0), "of some states only"),
        (lambda r: with_cell(r, 7, "valid_from", pd.Timestamp("2023-07-04")), "three states a quarter"),
        (lambda r: with_cell(r, 7, "trade_date", pd.Timestamp("2023-06-29")), "with different dates"),
        (lambda r: with_cell(r, [3, 4, 5], "valid_to", pd.Timestamp("2023-07-10")), "do not follow each other"),
        (lambda r: r.drop(index=[3, 4, 5]).reset_index(drop=True), "do not follow each other"),
        (lambda r: r.drop(index=8).reset_index(drop=True), "three states a quarter"),
        (lambda r: r.iloc[:9], "sessions outside the quarters"),
        (lambda r: r.assign(minutes=30), "60 minutes: no rows"),
    ],
)
def test_an_improper_table_is_caught(rows, frame, change, said):
    assert said in failed(change(rows), frame)["regimes_proper"].summary


@pytest.mark.parametrize(
    "change",
    [
        # dated with its own first session, one session early, estimated from other sessions
        lambda r: with_cell(r, [6, 7, 8], "trade_date", pd.Timestamp("2023-07-03")),
        lambda r: with_cell(r, [6, 7, 8], "trade_date", pd.Timestamp("2023-06-29")),
        lambda r: with_cell(r, [6, 7, 8], "first_session", pd.Timestamp("2023-01-03")),
        # none although there could be some, some although there may be none
        lambda r: with_cell(r, [6, 7, 8], ["variance", "to_low", "to_mid", "to_high"], np.nan),
        lambda r: with_cell(r, [3, 4, 5], ["variance", "to_low", "to_mid", "to_high"], 0.5),
    ],
)
def test_parameters_of_the_wrong_sessions_are_caught(rows, frame, change):
    assert "regimes_known_before" in failed(change(rows), frame)


def test_a_quarter_without_parameters_says_nothing_else():
    nothing = RegimeQuarter(
        valid_from=1, valid_to=2, known_day=1, sessions=0, rows=0, first_day=None, variance=None, transition=None
    )
    assert not nothing.estimated
    assert nothing.problems() == []
    assert RegimeTable(contract="MGC", minutes=60, quarters=(nothing,)).variances.tolist() == [[1.0, 1.0, 1.0]]
