"""Wavelet features: values worked out by hand, and equality with PyWavelets."""

import math

import numpy as np
import pytest
import pywt

from factory_assets.features import catalogue, compute
from factory_assets.features.wavelet_kernels import COUNTS, FIRST_A3, HIGH, LAST, LOW, WINDOW_BARS, trailing_wavelets

from .feature_worlds import bars
from .test_feature_known_values import hourly

NAMES = [spec.name for spec in catalogue() if spec.group == "wavelets"]
BANDS = ("d1", "d2", "d3", "a3")
RNG = np.random.default_rng(5)


def wavedec(window):
    """D1, D2, D3 and A3 of PyWavelets."""
    return pywt.wavedec(window, "db4", mode="zero", level=3, axis=0)[::-1]


def last(frame):
    return compute(frame, NAMES, minutes=60)[NAMES].iloc[-1]


def closes(returns):
    return 2000.0 * np.exp(np.cumsum([0.0, *returns]))


def test_group_has_twelve_features_of_returns_and_twelve_of_volume():
    assert len(NAMES) == 24
    assert sum(name.startswith("wavelet_return_") for name in NAMES) == 12
    volume = [spec for spec in catalogue() if spec.group == "wavelets" and spec.reads_volume]
    assert {spec.name for spec in volume} == {name for name in NAMES if name.startswith("wavelet_volume_")}


def test_filter_meets_the_equations_that_define_db4_and_is_the_library_s():
    # Sum sqrt 2, orthonormal to its own shifts by 2, and four vanishing moments.
    n = np.arange(8)
    assert LOW.sum() == pytest.approx(math.sqrt(2.0), abs=1e-14)
    assert [LOW[: 8 - 2 * s] @ LOW[2 * s :] for s in range(4)] == pytest.approx([1.0, 0.0, 0.0, 0.0], abs=1e-14)
    assert [(HIGH * n**m).sum() for m in range(4)] == pytest.approx([0.0] * 4, abs=1e-11)
    np.testing.assert_allclose(LOW, pywt.Wavelet("db4").dec_lo[::-1], rtol=0.0, atol=1e-15)
    np.testing.assert_allclose(HIGH, pywt.Wavelet("db4").dec_hi[::-1], rtol=0.0, atol=1e-15)


def test_last_coefficients_are_the_last_ones_seen_at_least_half_by_the_window():
    weights = wavedec(np.eye(WINDOW_BARS))
    inside = [(band**2).sum(axis=1) for band in weights]
    assert tuple(len(each) for each in inside) == (*COUNTS, COUNTS[2])
    assert tuple(int(np.flatnonzero(each >= 0.5)[-1]) for each in inside) == LAST
    assert int(np.flatnonzero(inside[3] >= 0.5)[0]) == FIRST_A3
    # Every row of the window counts once: the squares of its weights add up to 1.
    np.testing.assert_allclose(sum((band**2).sum(axis=0) for band in weights), 1.0, rtol=1e-14)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("rows", [64, 65, 191, 192, 500])
def test_every_window_equals_the_library(centred, rows):
    values = RNG.standard_t(3, rows) * 1e-3
    values[rows // 2] += 0.5
    coefficients, energy, net, gross = trailing_wavelets(values, 0, centred)
    assert np.isnan(energy[:, :63]).all()
    for i in range(63, rows):
        window = values[i - 63 : i + 1]
        bands = wavedec(window - window.mean() if centred else window)
        size = math.sqrt(sum(float(band @ band) for band in bands))
        assert coefficients[:, i] == pytest.approx([b[k] for b, k in zip(bands, LAST, strict=True)], abs=1e-13 * size)
        assert energy[:, i] == pytest.approx([float(band @ band) for band in bands], rel=1e-12)
        steps = np.diff(bands[3][5:12]) if centred else bands[3][5:13]
        assert net[i] == pytest.approx(steps.sum(), abs=1e-13 * size)
        assert gross[i] == pytest.approx(np.abs(steps).sum(), abs=1e-13 * size)


@pytest.mark.parametrize("centred", [False, True])
def test_a_window_is_the_same_to_the_bit_wherever_history_starts_and_whatever_else_it_holds(centred):
    values = RNG.standard_normal(900)
    whole = trailing_wavelets(values, 0, centred)
    for start, stop in ((0, 900), (1, 300), (130, 194), (77, 642)):
        around = np.concatenate([values[start:stop], np.full(70, 1e300), [np.nan]])
        for all_history, short in zip(whole, trailing_wavelets(around, 0, centred), strict=True):
            kept = slice(63, stop - start)
            np.testing.assert_array_equal(all_history[..., start:stop][..., kept], short[..., kept])


def test_one_move_at_the_newest_bar_meets_the_newest_taps():
    # 63 bars without a move, then ln 1.1: sigma = ln 1.1 / sqrt 64, so coefficients / sigma are 8 x the weights.
    got = last(hourly([2000.0] * 64 + [2200.0]))
    # D1 number 31 reads rows 56 to 63: the newest meets HIGH[7] = -h0.
    assert got["wavelet_return_d1_sigma"] == pytest.approx(8 * -0.2303778133088965)
    # The row enters A1 31, 32, 33, 34 with taps 7, 5, 3, 1, of which D2 number 17 reads 28 to 35.
    h, g = LOW, HIGH
    weight = g[3] * h[7] + g[4] * h[5] + g[5] * h[3] + g[6] * h[1]
    assert weight == pytest.approx(0.526, abs=1e-3)
    assert got["wavelet_return_d2_sigma"] == pytest.approx(8 * weight)
    # D1 sees it with taps 7, 5, 3, 1: that is the band's share of the energy.
    assert got["wavelet_return_share_d1"] == pytest.approx((g[1::2] ** 2).sum())
    assert got["wavelet_return_energy_d1"] == pytest.approx(
        math.log(1 + (g[1::2] ** 2).sum() * math.log(1.1) ** 2 / 64 * 1e8)
    )
    energies = [math.expm1(got[f"wavelet_return_energy_{band}"]) * 1e-8 for band in BANDS]
    assert sum(energies) == pytest.approx(math.log(1.1) ** 2 / 64)


def test_alternating_returns_are_the_finest_scale():
    # +r, -r, ...: g[n] (-1)^n = h[7 - n], so every inner coefficient of D1 is r sqrt 2 and of A1 is 0.
    got = last(hourly(closes([1e-3, -1e-3] * 32)))
    assert got["wavelet_return_d1_sigma"] == pytest.approx(math.sqrt(2.0))
    # 29 inner coefficients of D1 alone hold 29 x 2 of the 64 r^2.
    assert 58 / 64 <= got["wavelet_return_share_d1"] < 1.0
    assert got["wavelet_return_energy_d1"] == pytest.approx(math.log(1 + got["wavelet_return_share_d1"] * 100.0))


def test_a_steady_rise_is_all_approximation():
    # Each level multiplies a constant by sqrt 2: inner coefficients of A3 are r 2^1.5, those of D1 are 0.
    rise, fall = last(hourly(closes([1e-3] * 64))), last(hourly(closes([-1e-3] * 64)))
    assert rise["wavelet_return_trend_strength"] == pytest.approx(1.0, abs=1e-12)
    assert fall["wavelet_return_trend_strength"] == pytest.approx(-1.0, abs=1e-12)
    assert rise["wavelet_return_d1_sigma"] == pytest.approx(0.0, abs=1e-8)
    coefficients, energy, net, _ = trailing_wavelets(np.full(64, 1e-3), 0, False)
    assert energy[3, 63] / (64e-6) > 0.9
    # Number 7 of A3 lies inside the window: 5 to 8 do nearly, and the sum of eight is near 8 x 2^1.5 x 1e-3.
    assert wavedec(np.full(64, 1e-3))[3][7] == pytest.approx(2**1.5 * 1e-3)
    assert net[63] == pytest.approx(8 * 2**1.5 * 1e-3, rel=0.05)
    assert coefficients[3, 63] > 0.0


def test_returns_on_a_cubic_leave_no_detail_inside_the_window():
    # Four vanishing moments: whatever is a cubic of time is smooth.
    x = np.linspace(-1.0, 1.0, 64)
    coefficients = trailing_wavelets(1.0 + x - 2.0 * x**2 + 0.5 * x**3, 0, False)[0]
    assert coefficients[0, 63] == pytest.approx(0.0, abs=1e-12)


def test_flat_prices_and_constant_volume_are_exactly_zero():
    for volume in (0.0, 1.0, 7.0, 123_457.0):
        got = last(hourly([1843.7] * 70, volume=[volume] * 70))
        assert (got == 0.0).all()


def test_moves_that_are_one_detail_have_no_trend():
    # Returns shaped as D1's filter number 20 (rows 34 to 41), orthogonal to all others: A3 is rounding, and so is the
    # sum of its absolute values; the floor keeps their quotient at 0 instead of anything from -1 to 1.
    window = np.zeros(64)
    window[34:42] = 1e-3 * HIGH
    got = last(hourly(closes(window)))
    assert got["wavelet_return_share_d1"] == pytest.approx(1.0)
    assert got["wavelet_return_energy_d1"] == pytest.approx(math.log(1 + 1e-6 / 64 * 1e8))
    assert got["wavelet_return_trend_strength"] == pytest.approx(0.0, abs=1e-8)


def test_volume_is_blind_to_a_common_factor_and_to_prices():
    # ln(1 + v) moves by ln k when 1 + v is multiplied by k; the window's mean takes it out.
    counts = RNG.integers(0, 200, 64).astype(float)
    prices = 2000.0 + RNG.standard_normal(64)
    plain = last(hourly([2000.0] * 64, volume=counts))
    scaled = last(hourly(prices, volume=3.0 * (1.0 + counts) - 1.0))
    of_volume = [name for name in NAMES if name.startswith("wavelet_volume_")]
    np.testing.assert_allclose(scaled[of_volume], plain[of_volume], rtol=1e-9, atol=1e-12)


def test_volume_that_doubles_every_eight_bars_has_the_strongest_trend():
    counts = np.round(10.0 * 2.0 ** (np.arange(64) / 8.0))
    rising = last(hourly([2000.0] * 64, volume=counts))
    falling = last(hourly([2000.0] * 64, volume=counts[::-1]))
    assert rising["wavelet_volume_trend_strength"] == pytest.approx(1.0, abs=1e-12)
    assert falling["wavelet_volume_trend_strength"] == pytest.approx(-1.0, abs=1e-12)
    assert rising["wavelet_volume_a3_sigma"] > 0.0 > falling["wavelet_volume_a3_sigma"]


def test_features_of_a_market_equal_those_made_of_the_library_s_coefficients():
    frame = bars(30, sessions=12, seed=6, roll_every=5)
    values = compute(frame, NAMES)
    adjusted = (frame["close"] * frame["adjustment_ratio"]).to_numpy()
    change, logs = np.diff(np.log(adjusted), prepend=np.nan), np.log1p(frame["volume"].to_numpy())
    for row in (64, 65, 200, len(frame) - 1):
        window = logs[row - 63 : row + 1]
        for of, x, unit, kept in (
            ("return", change[row - 63 : row + 1], 1e-4, slice(5, 13)),
            ("volume", window - window.mean(), 1.0, slice(5, 12)),
        ):
            bands = wavedec(x)
            energy = np.array([band @ band for band in bands]) / 64
            sigma = math.sqrt((x @ x) / 64)
            steps = bands[3][kept] if of == "return" else np.diff(bands[3][kept])
            expected = [
                *(band[k] / sigma for band, k in zip(bands, LAST, strict=True)),
                *np.log1p(energy / unit**2),
                *(energy[:3] / sigma**2),
                steps.sum() / np.abs(steps).sum(),
            ]
            mine = [name for name in NAMES if name.startswith(f"wavelet_{of}_")]
            np.testing.assert_allclose(values.loc[row, mine].to_numpy(dtype=float), expected, rtol=1e-9, atol=1e-12)


def test_first_values_stand_where_the_first_window_is_full():
    values = compute(bars(60, sessions=6, seed=1), NAMES)
    for name in NAMES:
        first = 64 if name.startswith("wavelet_return_") else 63
        assert values[name].isna().sum() == first
        assert values[name].notna().to_numpy().argmax() == first
