"""Purged K-fold against the definitions of leakage, against wrong splitters, and under scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_assets.splits import PurgedKFold
from factory_assets.splits.roles import ROLES, role_names
from factory_assets.vocabulary.errors import BadInputError, ConfigurationError, TooLittleHistoryError
from factory_assets.vocabulary.frames import from_us
from factory_assets_tests.splits.worlds import STEP_US, clock_of, leaking_rows


@st.composite
def _cases(draw):
    """Rows at closes of a clock with gaps, in any order, with repeated starts and any lengths."""
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 7]), min_size=12, max_size=60))
    clock = np.cumsum(steps).astype(np.int64)
    places = draw(st.lists(st.integers(0, len(clock) - 1), min_size=8, max_size=50))
    t0 = clock[np.array(places)]
    lengths = draw(st.lists(st.integers(0, 15), min_size=len(places), max_size=len(places)))
    counts = draw(st.tuples(st.integers(2, 5), st.integers(0, 6), st.integers(0, 6), st.integers(0, 4)))
    return t0, t0 + np.array(lengths, dtype=np.int64), clock, counts


@settings(max_examples=300, deadline=None)
@given(_cases())
def test_training_rows_are_exactly_those_that_do_not_leak(case):
    t0, t1, clock, (n_splits, purge, embargo, window) = case
    folds = PurgedKFold(n_splits, purge=purge, embargo=embargo, window=window)
    tested: list[int] = []
    previous_last = -1
    try:
        pairs = list(folds.split(t0, t1, clock))
    except TooLittleHistoryError:
        # allowed only if by the definitions some block really leaves nothing
        pairs = []
        order = np.lexsort((t1, t0))
        assert any(
            _clean_rows(block, t0, t1, purge, embargo + window, clock) == set() for block in _blocks(order, n_splits)
        )
        return
    assert len(pairs) == n_splits
    for train, test in pairs:
        assert len(test) in {len(t0) // n_splits, len(t0) // n_splits + 1}
        assert t0[test].min() >= previous_last
        previous_last = t0[test].max()
        assert set(train.tolist()) == _clean_rows(test, t0, t1, purge, embargo + window, clock)
        assert len(train) == len(set(train.tolist())) > 0
        tested += test.tolist()
    assert sorted(tested) == list(range(len(t0)))


def _blocks(order, n_splits):
    size, more = divmod(len(order), n_splits)
    ends = np.cumsum([size + (fold < more) for fold in range(n_splits)])
    return [order[end - size - (fold < more) : end] for fold, end in enumerate(ends)]


def _clean_rows(test, t0, t1, purge, after, clock):
    rest = np.setdiff1d(np.arange(len(t0)), test)
    return set(rest.tolist()) - leaking_rows(rest, test, t0, t1, purge=purge, after=after, clock_us=clock)


def test_known_split_by_hand():
    clock = np.arange(20) * 10
    t0, t1 = clock, clock + 10
    pairs = list(PurgedKFold(4, purge=2, embargo=3, window=1).split(t0, t1, clock))
    assert [test.tolist() for _, test in pairs] == [list(range(s, s + 5)) for s in (0, 5, 10, 15)]
    # block 5..9: latest t1 is the close of bar 10, bars 11..14 are embargo + window, bars 3 and 4 are purge
    assert pairs[1][0].tolist() == [0, 1, 2, 15, 16, 17, 18, 19]
    assert pairs[0][0].tolist() == list(range(10, 20))
    assert pairs[3][0].tolist() == list(range(13))
    roles = next(iter(PurgedKFold(4, purge=2, embargo=3, window=1).split_roles(t0, t1, clock)))
    assert role_names(roles).tolist() == ["test"] * 5 + ["purged"] + ["embargoed"] * 4 + ["train"] * 10


def test_values_0_and_1_mean_what_the_docstring_says():
    clock = np.arange(10) * 10
    t0, t1 = clock, clock + 5  # every trade is closed before the next decision
    assert next(iter(PurgedKFold(2).split(t0, t1)))[0].tolist() == [5, 6, 7, 8, 9]
    assert next(iter(PurgedKFold(2, embargo=1).split(t0, t1, clock)))[0].tolist() == [6, 7, 8, 9]
    assert list(PurgedKFold(2).split(t0, t1))[1][0].tolist() == [0, 1, 2, 3, 4]
    assert list(PurgedKFold(2, purge=1).split(t0, t1, clock))[1][0].tolist() == [0, 1, 2, 3]


def test_bars_are_counted_on_the_clock_and_not_on_rows():
    clock = clock_of(10)
    t0 = clock[::20]  # two rows a session: 40 bars are two rows
    pairs = list(PurgedKFold(5, purge=40, embargo=40).split(t0, t0, clock))
    assert [len(train) for train, _ in pairs] == [14, 12, 12, 12, 14]


def test_embargo_follows_the_latest_end_not_the_last_one():
    clock = np.arange(30) * 10
    t0, t1 = clock.copy(), clock + 5
    t1[3] = 175  # the fourth trade stays open long after the block of 10 has ended
    train = next(iter(PurgedKFold(3, embargo=2).split(t0, t1, clock)))[0]
    assert train.tolist() == list(range(20, 30))


def _wrong_splits(t0, t1, clock, n_splits, purge, embargo):
    """Training sets of splitters with one well-known mistake each."""
    order = np.argsort(t0, kind="stable")
    closes = np.searchsorted(clock, t0)
    for block in np.array_split(order, n_splits):
        rest = np.setdiff1d(order, block)
        first, last_end, latest_end = t0[block].min(), t1[block[-1]], t1[block].max()
        place, end_place = np.searchsorted(clock, first), np.searchsorted(clock, latest_end, side="right")
        early = rest[(t1[rest] < first) & (closes[rest] < place - purge)]
        late = rest[(t0[rest] > latest_end) & (closes[rest] >= end_place + embargo)]
        last_place = np.searchsorted(clock, last_end, side="right")
        yield (
            block,
            {
                "right": np.r_[early, late],
                "no purge": np.r_[rest[t1[rest] < first], late],
                "no embargo": np.r_[early, rest[t0[rest] > latest_end]],
                "last end": np.r_[early, rest[(t0[rest] > last_end) & (closes[rest] >= last_place + embargo)]],
                "rows, not bars": np.r_[rest[t0[rest] < first][:-purge], rest[t0[rest] > latest_end][embargo:]],
                "half open": np.r_[
                    early,
                    rest[(t0[rest] >= latest_end) & ((closes[rest] >= end_place + embargo) | (t0[rest] == latest_end))],
                ],
                "purge by start": np.r_[rest[(t0[rest] < first) & (closes[rest] < place - purge)], late],
            },
        )


@pytest.mark.parametrize(
    "mistake", ["no purge", "no embargo", "last end", "rows, not bars", "half open", "purge by start"]
)
def test_the_brute_force_check_catches_wrong_splitters(mistake):
    clock = clock_of(12)
    random = np.random.default_rng(5)
    t0 = np.sort(random.choice(clock, 150, replace=False))
    # ends fall on closes, so that half-open reading matters; some trades stay open for 50 bars
    places = np.searchsorted(clock, t0)
    lengths = np.where(np.arange(150) % 14 == 0, 50, random.integers(1, 8, 150))
    t1 = clock[np.minimum(places + lengths, len(clock) - 1)]
    caught = 0
    for (block, trains), (train, test) in zip(
        _wrong_splits(t0, t1, clock, 5, 10, 20), PurgedKFold(5, purge=10, embargo=20).split(t0, t1, clock), strict=True
    ):
        check = {"t0_us": t0, "t1_us": t1, "purge": 10, "after": 20, "clock_us": clock}
        caught += len(leaking_rows(trains[mistake], block, **check))
        assert leaking_rows(trains["right"], block, **check) == set()
        assert sorted(trains["right"]) == train.tolist()
        assert sorted(block) == test.tolist()
    assert caught > 0


def test_kinds_of_time_give_the_same_folds():
    clock = clock_of(6)
    t0, t1 = clock[::3], clock[::3] + 4 * STEP_US
    folds = PurgedKFold(3, purge=5, embargo=7)
    expected = [(a.tolist(), b.tolist()) for a, b in folds.split(t0, t1, clock)]
    chicago = [from_us(values).tz_convert("America/Chicago") for values in (t0, t1, clock)]
    naive_numpy = [values.view("M8[us]") for values in (t0, t1, clock)]
    for given_times in (chicago, naive_numpy, [pd.Series(times) for times in chicago]):
        assert [(a.tolist(), b.tolist()) for a, b in folds.split(*given_times)] == expected


def test_a_pandas_index_of_its_own_changes_nothing():
    clock = clock_of(6)
    t0 = pd.Series(from_us(clock[::3]), index=np.arange(80, 0, -1) * 3)
    t1 = t0 + pd.Timedelta(minutes=20)
    by_label = [a.tolist() for a, _ in PurgedKFold(3, purge=5).split(t0, t1, clock)]
    assert by_label == [a.tolist() for a, _ in PurgedKFold(3, purge=5).split(t0.to_numpy(), t1.to_numpy(), clock)]


def test_empty_folds_and_bad_counts_are_named():
    clock = np.arange(30) * 10
    with pytest.raises(TooLittleHistoryError, match=r"fold 0: no training row left of 30 \(10 test, 0 purged, 20 emb"):
        list(PurgedKFold(3, embargo=100).split(clock, clock, clock))
    with pytest.raises(TooLittleHistoryError, match="fold 2: no test row; 2 rows cannot fill 3 folds"):
        PurgedKFold(3).split(clock[:2], clock[:2])
    with pytest.raises(ConfigurationError, match="clock is None"):
        PurgedKFold(3, window=1).split(clock, clock)
    for wrong in ({"n_splits": 1}, {"purge": -1}, {"embargo": 2.5}, {"window": True}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            PurgedKFold(**wrong)
    assert ROLES[:4] == ("train", "test", "purged", "embargoed")


def test_scikit_learn_scores_with_the_folds():
    from sklearn.dummy import DummyClassifier
    from sklearn.model_selection import GridSearchCV, cross_val_score

    clock = clock_of(10)
    random = np.random.default_rng(0)
    samples, y = random.standard_normal((len(clock), 3)), random.integers(0, 2, len(clock))
    splitter = PurgedKFold(5, purge=10, embargo=20).for_sklearn(clock, clock + STEP_US, clock)
    assert splitter.get_n_splits() == 5
    scores = cross_val_score(DummyClassifier(), samples, y, cv=splitter)
    expected = []
    for train, test in PurgedKFold(5, purge=10, embargo=20).split(clock, clock + STEP_US, clock):
        majority = int(np.bincount(y[train]).argmax())
        expected.append(float((y[test] == majority).mean()))
    assert scores.tolist() == pytest.approx(expected)
    search = GridSearchCV(DummyClassifier(), {"strategy": ["prior", "uniform"]}, cv=splitter).fit(samples, y)
    assert search.n_splits_ == 5
    with pytest.raises(BadInputError, match="X has 399 rows"):
        splitter.split(samples[1:])
