"""Values of the regime group worked out by hand."""

import numpy as np
import pytest

from factory_assets.features.hmm import filtered, stationary
from factory_assets.features.regime_kernels import session_rank, slot_rank

from .test_feature_known_values import hourly, last


def test_rank_among_the_sessions_before():
    # Sessions of 2, 3, 2 and 3 rows; the first may have begun earlier and is not ranked against.
    number = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 3])
    values = np.array([9.0, 9.0, 1.0, 2.0, 3.0, 2.0, 5.0, 0.5, 2.0, 7.0])
    share, third = session_rank(values, number, 1)
    # Against session 1 = {1, 2, 3}: 2 is above one and ties with one, (1 + 0.5) / 3; 5 is above all.
    np.testing.assert_allclose(share[5:7], [0.5, 1.0])
    # Against session 2 = {2, 5}: 0.5 above none, 2 ties with one, 7 above both.
    np.testing.assert_allclose(share[7:], [0.0, 0.25, 1.0])
    assert np.isnan(share[:5]).all()
    np.testing.assert_array_equal(third[5:], [0.0, 1.0, -1.0, -1.0, 1.0])


def test_rank_among_two_sessions_forgets_the_third():
    number = np.array([0, 1, 1, 2, 2, 3, 4])
    values = np.array([0.0, 1.0, 3.0, 2.0, 4.0, 3.0, 3.0])
    share, third = session_rank(values, number, 2)
    # Session 3 against {1, 3, 2, 4}: above two, ties with one. Session 4 against {2, 4, 3}: above one, ties with one.
    np.testing.assert_allclose(share[5:], [2.5 / 4, 1.5 / 3])
    # 5/8 lies between a third and two thirds, and so does a half.
    np.testing.assert_array_equal(third[5:], [0.0, 0.0])


def test_a_session_whose_first_rows_have_no_value_is_not_ranked_against():
    number = np.array([0, 1, 1, 2, 2, 3, 3])
    values = np.array([np.nan, np.nan, 1.0, 2.0, 3.0, 2.5, 4.0])
    share, _ = session_rank(values, number, 1)
    # Session 1 lacks its first value, so session 2 has none to rank against; session 3 ranks against {2, 3}.
    assert np.isnan(share[:5]).all()
    np.testing.assert_allclose(share[5:], [0.5, 1.0])


def test_thirds_are_counted_exactly():
    number = np.repeat([0, 1, 2], [1, 3, 4])
    values = np.array([9.0, 1.0, 2.0, 3.0, 1.5, 2.5, 0.5, 9.0])
    share, third = session_rank(values, number, 1)
    # One of three below is exactly a third, two of three exactly two thirds: neither low nor high.
    np.testing.assert_allclose(share[4:], [1 / 3, 2 / 3, 0.0, 1.0])
    np.testing.assert_array_equal(third[4:], [0.0, 0.0, -1.0, 1.0])


def test_values_within_a_billionth_are_ties():
    number = np.repeat([0, 1, 2], [1, 2, 2])
    values = np.array([1.0, 4.0, 4.0 * (1 + 1e-12), 4.0 * (1 - 1e-12), 4.0 * (1 + 1e-6)])
    np.testing.assert_allclose(session_rank(values, number, 1)[0][3:], [0.5, 1.0])


def test_rank_among_the_same_slot():
    # Three sessions of slots 0 and 1 after the first; session 2 has no bar in slot 1.
    number = np.array([0, 0, 1, 1, 2, 3, 3])
    slot = np.array([0, 1, 0, 1, 0, 0, 1])
    values = np.array([1.0, 1.0, 3.0, 6.0, 5.0, 4.0, 7.0])
    # Slot 0 against 3 and 5: above one of two. Slot 1 against 6 and a missing one, which counts half.
    np.testing.assert_allclose(slot_rank(values, slot, number, 2, 2)[5:], [0.5, 0.75])
    assert np.isnan(slot_rank(values, slot, number, 2, 2)[:5]).all()


def test_a_calm_hour_after_lively_sessions_is_in_the_low_state():
    rng = np.random.default_rng(3)
    lively = 1900.0 + np.cumsum(rng.choice([-2.0, 2.0], 23 * 26))
    frame = hourly([*lively, *([lively[-1]] * 20)])
    # The last 20 returns are 0, and no bar of the 20 sessions before was as calm. One of these, Martin Luther King's
    # day, had closed by that time of the session: it counts half.
    assert last(frame, "volatility_percentile_20s") == 0.0
    assert last(frame, "volatility_percentile_slot_20s") == 0.5 / 20
    assert last(frame, "volatility_state") == -1.0
    flat = hourly([1900.0] * (23 * 24))
    assert [last(flat, name) for name in ("volatility_percentile_20s", "volatility_state")] == [0.5, 0.0]
    assert last(flat, "volatility_percentile_slot_20s") == 0.5


def test_trend_state_needs_close_and_both_averages_in_order():
    rising = [1900.0 + k for k in range(60)]
    # Close 1959, SMA20 = mean of 1940..1959 = 1949.5, SMA50 = mean of 1910..1959 = 1934.5.
    assert last(hourly(rising), "trend_state") == 1.0
    assert last(hourly(rising[::-1]), "trend_state") == -1.0
    # A fall by 15 takes the close below its SMA20 = 1949.5 - (59 - 44) / 20 = 1948.75, which stays above SMA50.
    assert last(hourly([*rising[:-1], 1944.0]), "trend_state") == 0.0
    assert last(hourly([1900.0] * 60), "trend_state") == 0.0


@pytest.mark.parametrize(
    ("high", "low", "expected"),
    [(1.0, 1.0, 1.0), (-1.0, -1.0, -1.0), (1.0, -1.0, 0.0), (-1.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0)],
)
def test_structure_state_compares_the_extremes_of_two_blocks(high, low, expected):
    close = np.full(40, 1900.0)
    tops, bottoms = np.full(40, 1905.0), np.full(40, 1895.0)
    # One bar of the newer 20 sets its high, another its low.
    tops[20:] -= 3.0
    bottoms[20:] += 3.0
    tops[25], bottoms[30] = 1905.0 + high, 1895.0 + low
    assert last(hourly(close, high=tops, low=bottoms), "structure_state") == expected


def test_two_steps_of_the_filter_by_hand():
    # Every state is as likely as any other next: the long-run shares are thirds, and the past is forgotten.
    even = np.full((3, 3), 1 / 3)
    np.testing.assert_allclose(stationary(even), 1 / 3)
    variance = np.array([1.0, 4.0, 16.0])
    # Return 0: densities are proportional to 1 / deviation, 1 : 1/2 : 1/4, so 4/7, 2/7, 1/7.
    runs, first = np.array([[0, 0, 2]]), np.zeros(1, dtype=np.int64)
    said = filtered(np.array([0.0, 32.0]), runs, first, variance[None], even[None])
    np.testing.assert_allclose(said[:, 0], [4 / 7, 2 / 7, 1 / 7])
    # Squared return 32: exp(-16) : exp(-4) / 2 : exp(-1) / 4.
    weights = np.exp([-16.0, -4.0, -1.0]) * [1.0, 0.5, 0.25]
    np.testing.assert_allclose(said[:, 1], weights / weights.sum())


def test_long_run_shares_by_hand():
    # Out of low 1 in 10 bars, to mid alone; out of mid 2 in 10, half to each side; out of high 1 in 10, to mid alone.
    # Low and high each meet mid in balance: low x 0.1 = mid x 0.1 = high x 0.1, so thirds.
    chain = np.array([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]])
    np.testing.assert_allclose(stationary(chain), 1 / 3)
    # Leaving low only half as often doubles its share: low x 0.05 = mid x 0.1, so 2 : 1 : 1.
    chain[0] = [0.95, 0.05, 0.0]
    np.testing.assert_allclose(stationary(chain), [0.5, 0.25, 0.25])
