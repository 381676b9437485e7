"""The choice of columns from its definition, in plain loops: ranks by counting, clusters by trying every pair."""

import math


def ranks(values):
    """Rank of each value among the finite ones, 1 to n, ties at their mean; None where it is not finite."""
    finite = [value for value in values if math.isfinite(value)]
    found = []
    for value in values:
        if not math.isfinite(value):
            found.append(None)
            continue
        below = sum(other < value for other in finite)
        same = sum(other == value for other in finite)
        found.append(below + (same + 1) / 2)
    return found


def correlation(one, two):
    """Absolute correlation of the ranks; a missing cell stands at its column's middle rank."""
    centred = []
    for values in (one, two):
        found = ranks(values)
        known = [rank for rank in found if rank is not None]
        middle = (len(known) + 1) / 2
        centred.append([0.0 if rank is None else rank - middle for rank in found])
    left, right = centred
    product = sum(a * b for a, b in zip(left, right, strict=True))
    return abs(product) / math.sqrt(sum(a * a for a in left) * sum(b * b for b in right))


def choice(columns, *, kept, least, most, masked_share_max, same_share_max, correlation_min):
    """Chosen names, and of every name in a cluster the one that speaks for it.

    ``columns``: name to list of values, in the order of preference.
    """
    usable = {}
    for name, values in columns.items():
        finite = [value for value in values if math.isfinite(value)]
        if 1 - len(finite) / len(values) > masked_share_max:
            continue
        if not finite or max(finite.count(value) for value in finite) / len(finite) > same_share_max:
            continue
        usable[name] = values
    taken = [name for name in usable if name in kept]
    rest = [name for name in usable if name not in kept]
    between = {(a, b): correlation(usable[a], usable[b]) for a in rest for b in rest if a != b}
    clusters = [[name] for name in rest]

    def apart(one, two):
        return sum(1 - between[a, b] for a in one for b in two) / (len(one) * len(two))

    while len(clusters) > 1:
        pairs = [(apart(a, b), i, j) for i, a in enumerate(clusters) for j, b in enumerate(clusters) if i < j]
        nearest, i, j = min(pairs)
        if len(clusters) + len(taken) <= least or nearest > 1 - correlation_min:
            break
        clusters[i] = clusters[i] + clusters.pop(j)
    found = []
    for members in clusters:
        missing = {name: sum(not math.isfinite(value) for value in usable[name]) for name in members}
        mean = {
            name: sum(between[name, other] for other in members if other != name) / max(1, len(members) - 1)
            for name in members
        }
        best = min(members, key=lambda name: (-round(mean[name], 12), missing[name], rest.index(name)))
        found.append((1 + sum(between[best, other] ** 2 for other in rest if other != best), best, members))
    found.sort(key=lambda one: (-round(one[0], 12), rest.index(one[1])))
    speaker = {name: best for _, best, members in found[: most - len(taken)] for name in members}
    return {*taken, *speaker.values()}, speaker
