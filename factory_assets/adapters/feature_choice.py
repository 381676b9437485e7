"""Choice of a set's columns on one training part: what has no variance goes, then one column speaks for each cluster.

1. Rows: at most ``rows_max`` of the part, spread evenly; of windows their newest row, which closes at the decision.
2. A column is left out when most of its cells are missing, or nearly all the others hold one value.
3. Columns the set keeps in any case are taken. The distance of two others is 1 - |rank correlation|; a missing cell
   stands at the column's middle rank, as the scaler fills it with the median. They are merged by average linkage while
   two clusters correlate by ``correlation_min`` or more on average, and no further than leaves as many clusters as the
   set needs.
4. Of each cluster the medoid speaks: the column with the highest mean |rank correlation| to the others. Of equal ones
   (always so in a cluster of two) it is the one with fewer missing cells, then the one the pool prefers.
5. Where more clusters are left than the set may read, those are taken whose medoids explain most: the sum, over all
   columns compared, of the squared rank correlation with the medoid. Merging on instead would let a column speak for
   others it hardly resembles, and would spend a small set on columns that resemble nothing.

No label, weight or time is looked at, and nothing is drawn at random. Ranks are whole numbers, so every correlation is
the same to the last bit on any number of threads.

References
----------
Spearman (1904), The Proof and Measurement of Association between Two Things, AJP 15(1), 72-101.
Sokal & Michener (1958), A Statistical Method for Evaluating Systematic Relationships, Univ. Kansas Sci. Bull. 38,
1409-1438 (average linkage).
Lopez de Prado (2020), Machine Learning for Asset Managers, sections 4 and 6.5 (clusters of features).
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from factory_assets.adapters.choice_record import CHOSEN, ColumnFate, FeatureChoice
from factory_assets.adapters.feature_sets import Candidates
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.windows import LazyWindows


def choose_columns(
    X: np.ndarray | LazyWindows,  # noqa: N803
    names: Sequence[str],
    candidates: Candidates,
    *,
    rows: np.ndarray | None = None,
) -> FeatureChoice:
    """Choose a set's columns from the rows of one training part, and from nothing else.

    Parameters
    ----------
    X : ndarray of float32, shape (N, F), or LazyWindows, shape (N, T, F)
        Rows in time order; cells that are not finite are missing.
    names : sequence of str, length F
        Column names.
    candidates : Candidates
        The set as the series offers it.
    rows : ndarray of int64, optional
        Positions of the training part in ``X``, increasing; no other row is looked at. None takes all.

    Returns
    -------
    FeatureChoice
        Between ``columns_min`` and ``columns_max`` columns; all candidates for a set without bounds.

    Raises
    ------
    BadInputError
        No row, candidates that are no columns of ``X``, or fewer columns with variance than the set's least.
    """
    place_of = {name: place for place, name in enumerate(names)}
    if lacking := [name for name in candidates.columns if name not in place_of]:
        raise BadInputError(
            f"feature set {candidates.set_name!r}: {len(lacking)} candidates are no columns of the rows, the first "
            f"{lacking[:5]}; make both from one pool"
        )
    count = len(X) if rows is None else len(rows)
    if count == 0 or not candidates.columns:
        raise BadInputError(
            f"feature set {candidates.set_name!r}: {count} rows and {len(candidates.columns)} candidates to choose "
            "from; expected some of both"
        )
    places = _spread(count, candidates.limits.rows_max)
    looked_at = X[places if rows is None else rows[places]]
    shown = looked_at.newest() if isinstance(looked_at, LazyWindows) else looked_at
    values = shown[:, [place_of[name] for name in candidates.columns]]
    fates = _whole(values, candidates) if candidates.columns_max is None else _chosen(values, candidates)
    taken = {fate.column for fate in fates if fate.reason in CHOSEN}
    return FeatureChoice(
        set_name=candidates.set_name,
        rows=len(values),
        columns=tuple(name for name in names if name in taken),
        fates=tuple(fates),
    )


def _spread(rows: int, rows_max: int) -> np.ndarray:
    """Positions of at most ``rows_max`` of some rows, evenly spread from the first on."""
    count = min(rows, rows_max)
    return np.arange(count, dtype=np.int64) * rows // count


def _whole(values: np.ndarray, candidates: Candidates) -> list[ColumnFate]:
    masked = 1.0 - np.isfinite(values).mean(axis=0)
    return [
        ColumnFate(column=name, reason="whole", cluster=-1, representative="", correlation=0.0, masked_share=float(of))
        for name, of in zip(candidates.columns, masked, strict=True)
    ]


def _chosen(values: np.ndarray, candidates: Candidates) -> list[ColumnFate]:
    limits, names = candidates.limits, candidates.columns
    ranks, same = np.zeros(values.shape, dtype=np.float64, order="F"), np.ones(len(names))
    missing = np.empty(len(names), dtype=np.int64)
    for place in range(len(names)):
        ranks[:, place], same[place], missing[place] = centred_ranks(values[:, place])
    masked = missing / len(values)
    left_out = {
        place: "masked" if masked[place] > limits.masked_share_max else "constant"
        for place in range(len(names))
        if masked[place] > limits.masked_share_max or same[place] > limits.same_share_max
    }
    _refuse_too_few(len(names) - len(left_out), left_out, candidates)
    always = {*candidates.kept}
    fates = {
        place: ColumnFate(
            column=name,
            reason=left_out.get(place, "kept"),
            cluster=-1,
            representative="",
            correlation=0.0,
            masked_share=float(masked[place]),
        )
        for place, name in enumerate(names)
        if place in left_out or name in always
    }
    others = np.array([place for place in range(len(names)) if place not in fates], dtype=np.int64)
    if not len(others):
        return [fates[place] for place in range(len(names))]
    correlation = _absolute_correlation(ranks[:, others])
    spoken_for = _taken(correlation, missing[others], candidates, kept=len(fates) - len(left_out))
    for number, (medoid, members, taken) in enumerate(spoken_for):
        for member in members.tolist():
            reason = ("medoid" if len(members) > 1 else "alone") if member == medoid else "represented"
            place = int(others[member])
            fates[place] = ColumnFate(
                column=names[place],
                reason=reason if taken else "surplus",
                cluster=number,
                representative=names[others[medoid]] if taken else "",
                correlation=float(correlation[member, medoid]) if taken else 0.0,
                masked_share=float(masked[place]),
            )
    return [fates[place] for place in range(len(names))]


def _taken(
    correlation: np.ndarray, missing: np.ndarray, candidates: Candidates, *, kept: int
) -> list[tuple[int, np.ndarray, bool]]:
    """Medoid and members of each cluster, and whether the set has room for it beside the ``kept`` columns."""
    assert candidates.columns_min is not None
    assert candidates.columns_max is not None
    cluster = _clusters(correlation, candidates.limits.correlation_min, least=candidates.columns_min - kept)
    members = [np.flatnonzero(cluster == number) for number in range(int(cluster.max()) + 1)]
    medoids = [_medoid(own, correlation, missing) for own in members]
    explained = np.array([np.square(correlation[medoid]).sum() for medoid in medoids])
    room = max(candidates.columns_max - kept, 0)
    taken = {int(number) for number in np.lexsort((np.array(medoids), -explained))[:room]}
    return [(medoid, own, number in taken) for number, (medoid, own) in enumerate(zip(medoids, members, strict=True))]


def centred_ranks(column: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Ranks of a column as whole numbers around 0, twice the distance from the middle; ties share their mean rank.

    Parameters
    ----------
    column : ndarray of float, shape (n,)
        Values; those that are not finite are missing.

    Returns
    -------
    ranks : ndarray of float64, shape (n,)
        Whole numbers within -n and n; 0 where the value is missing. Below 8e6 rows a sum of their products is exact.
    same_share : float
        Share of the most frequent value among the finite ones; 1 if there is none.
    missing : int
        Cells that are not finite.
    """
    ranks = np.zeros(len(column), dtype=np.float64)
    present = np.flatnonzero(np.isfinite(column))
    count = len(present)
    if count == 0:
        return ranks, 1.0, len(column)
    values = column[present]
    order = np.argsort(values)
    ordered = values[order]
    begins = np.concatenate([[0], 1 + np.flatnonzero(ordered[1:] != ordered[:-1])])
    ends = np.append(begins[1:], count)
    # ranks begin + 1 to end share their mean (begin + 1 + end) / 2; the middle of all is (count + 1) / 2
    ranks[present[order]] = np.repeat(begins + ends - count, ends - begins)
    return ranks, float((ends - begins).max()) / count, len(column) - count


def _absolute_correlation(ranks: np.ndarray) -> np.ndarray:
    """Absolute rank correlations of columns of centred ranks, shape (F, F)."""
    products = ranks.T @ ranks  # whole numbers below 2^53: exact in any order of summation
    norm = np.sqrt(np.diag(products))
    found = np.minimum(np.abs(products) / (norm[:, None] * norm[None, :]), 1.0)
    np.fill_diagonal(found, 1.0)
    return found


def _clusters(correlation: np.ndarray, correlation_min: float, *, least: int) -> np.ndarray:
    """Number of each column's cluster, from 0 in the order of the columns, int64 of shape (F,); ``least`` or more."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    columns = len(correlation)
    if columns == 1:
        return np.zeros(1, dtype=np.int64)
    merges = linkage(squareform(1.0 - correlation, checks=False), method="average")
    close = int(np.count_nonzero(merges[:, 2] <= 1.0 - correlation_min))
    # merge k joins two of the clusters made so far into cluster number columns + k
    parent = np.arange(2 * columns - 1, dtype=np.int64)
    for made, pair in enumerate(merges[: min(close, max(columns - least, 0)), :2].astype(np.int64)):
        parent[pair] = columns + made
    for node in range(len(parent) - 1, -1, -1):
        parent[node] = parent[parent[node]]
    _, first, number = np.unique(parent[:columns], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number]


def _medoid(members: np.ndarray, correlation: np.ndarray, missing: np.ndarray) -> int:
    """The member with the highest mean correlation to the others; then fewer missing cells, then the earlier one."""
    total = correlation[np.ix_(members, members)].sum(axis=1)
    best = np.lexsort((members, missing[members], -total))
    return int(members[best[0]])


def _refuse_too_few(usable: int, left_out: Mapping[int, str], candidates: Candidates) -> None:
    if candidates.columns_min is not None and usable >= candidates.columns_min:
        return
    counts = Counter(left_out.values())
    examples = [candidates.columns[place] for place in list(left_out)[:5]]
    raise BadInputError(
        f"feature set {candidates.set_name!r}: {usable} of {len(candidates.columns)} candidates vary in this training "
        f"part, expected at least {candidates.columns_min}; {counts['masked']} are mostly masked, {counts['constant']} "
        f"nearly constant, among them {examples}. Give it more sessions, or name another set under [models.inputs]."
    )
