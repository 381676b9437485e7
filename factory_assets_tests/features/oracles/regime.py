"""Oracles of the regime group: ranks by counting, and the hidden Markov model as a textbook writes it."""

import functools
import math

from .past import TIE, snapped

ITERATIONS = {1: 50, 5: 50, 10: 60, 15: 90, 20: 120, 25: 150, 30: 181, 45: 200, 60: 200}
STATES = range(3)


def energy(p, k):
    return sum(snapped(p.c[j], p.c[j - 1]) ** 2 for j in range(k - 19, k + 1))


def rank(value, others):
    """Values below, and half of those within 1e-9 of it."""
    below = sum(other < value * (1 - TIE) for other in others)
    ties = sum(value * (1 - TIE) <= other <= value * (1 + TIE) for other in others)
    return below + ties / 2


def percentile(p):
    others = [energy(p, k) for rows in p.blocks()[-21:-1] for k in rows]
    return rank(energy(p, p.i), others) / len(others)


def slot(p, k):
    return math.ceil(p.elapsed(k) / (60 * p.minutes))


def slot_percentile(p):
    there = [[k for k in rows if slot(p, k) == slot(p, p.i)] for rows in p.blocks()[-21:-1]]
    others = [energy(p, rows[0]) for rows in there if rows]
    return (rank(energy(p, p.i), others) + (20 - len(others)) / 2) / 20


def volatility_state(p):
    share = percentile(p)
    return -1.0 if share < 1 / 3 else (1.0 if share > 2 / 3 else 0.0)


def trend_state(p):
    fast, slow = (sum(p.c[-k:]) / k for k in (20, 50))
    signs = {tied(p.c[-1], fast, p.c[-1]), tied(fast, slow, p.c[-1])}
    return float(signs.pop()) if len(signs) == 1 else 0.0


def tied(a, b, price):
    return 0 if abs(a - b) <= TIE * price else (1 if a > b else -1)


def structure_state(p):
    signs = {
        tied(max(p.h[-20:]), max(p.h[-40:-20]), p.c[-1]),
        tied(min(p.l[-20:]), min(p.l[-40:-20]), p.c[-1]),
    }
    return float(signs.pop()) if len(signs) == 1 else 0.0


def squares(p, rows):
    """Squared returns of one session: the first bar from its open, the others from the close before."""
    return tuple(snapped(p.c[k], p.o[k] if k == rows[0] else p.c[k - 1]) ** 2 for k in rows)


def quarter(day):
    return day.year, (day.month - 1) // 3


def states(p):
    """Probabilities of the three states at the last row, and whether they are known."""
    blocks = p.blocks()
    earlier = [rows for rows in blocks[1:] if quarter(p.day[rows[0]]) < quarter(p.day[-1])]
    if len(earlier) < 120 or len(blocks) < 3:
        return 1 / 3, 1 / 3, 1 / 3, 0.0
    step = 4 if p.minutes == 1 else 1
    sequences = tuple(squares(p, rows) for rows in earlier[-120:][::-1][::step][::-1])
    variance, transition = baum_welch(sequences, ITERATIONS[p.minutes])[:2]
    return (*forward(squares(p, blocks[-2]) + squares(p, blocks[-1]), variance, transition), 1.0)


def forward(sequence, variance, transition):
    """Filtered probabilities after the last return, from the long-run shares of the chain."""
    share = [1 / 3] * 3
    for _ in range(5000):
        share = [sum(share[i] * transition[i][j] for i in STATES) for j in STATES]
    for at, square in enumerate(sequence):
        if at:
            share = [sum(share[i] * transition[i][j] for i in STATES) for j in STATES]
        share = [share[i] * density(square, variance[i]) for i in STATES]
        share = [value / sum(share) for value in share]
    return share


def density(square, variance):
    return math.exp(-square / (2 * variance)) / math.sqrt(2 * math.pi * variance)


def quantile(values, q):
    place = q * (len(values) - 1)
    low = math.floor(place)
    return values[low] + (place - low) * (values[min(low + 1, len(values) - 1)] - values[low])


@functools.lru_cache(maxsize=8)
def baum_welch(sequences, iterations):
    """Variances, transition matrix and the log likelihood before each iteration and after the last."""
    flat = sorted(value for sequence in sequences for value in sequence)
    floor = max(0.01 * sum(flat) / len(flat), 1e-18)
    variance = [max(quantile(flat, q), floor * least) for q, least in ((0.4, 1), (0.7, 2), (0.95, 4))]
    variance = [max(variance[: i + 1]) for i in STATES]
    transition = [[0.95 if i == j else 0.025 for j in STATES] for i in STATES]
    begin, likelihoods = [1 / 3] * 3, []
    for _ in range(iterations):
        likelihood, weight, energies, moved, opened = expectation(sequences, variance, transition, begin)
        likelihoods.append(likelihood)
        variance = [max(energies[i] / weight[i], floor) for i in STATES]
        transition = [likeliest(moved[i]) for i in STATES]
        begin = likeliest(opened)
        order = sorted(STATES, key=lambda i: variance[i])
        variance, begin = [variance[i] for i in order], [begin[i] for i in order]
        transition = [[transition[i][j] for j in order] for i in order]
    likelihoods.append(expectation(sequences, variance, transition, begin)[0])
    return variance, transition, likelihoods


def likeliest(counts):
    """Probabilities proportional to counts, none below a millionth."""
    free = set(STATES)
    while True:
        unit = (1 - 1e-6 * (3 - len(free))) / sum(counts[i] for i in free)
        low = {i for i in free if counts[i] * unit <= 1e-6}
        if not low:
            return [counts[i] * unit if i in free else 1e-6 for i in STATES]
        free -= low


def expectation(sequences, variance, transition, begin):
    """Rabiner's scaled forward-backward pass over independent sequences."""
    likelihood, weight, energies, opened = 0.0, [0.0] * 3, [0.0] * 3, [0.0] * 3
    moved = [[0.0] * 3 for _ in STATES]
    for sequence in sequences:
        seen = [[density(square, variance[i]) for i in STATES] for square in sequence]
        alphas, scales = [], []
        for at in range(len(sequence)):
            before = begin if at == 0 else [sum(alphas[-1][i] * transition[i][j] for i in STATES) for j in STATES]
            raw = [before[i] * seen[at][i] for i in STATES]
            scales.append(sum(raw))
            alphas.append([value / scales[-1] for value in raw])
        likelihood += sum(math.log(scale) for scale in scales)
        beta = [1.0] * 3
        for at in range(len(sequence) - 1, -1, -1):
            gamma = [alphas[at][i] * beta[i] for i in STATES]
            for i in STATES:
                weight[i] += gamma[i]
                energies[i] += gamma[i] * sequence[at]
                opened[i] += gamma[i] if at == 0 else 0.0
            if at:
                ahead = [seen[at][j] * beta[j] / scales[at] for j in STATES]
                for i in STATES:
                    for j in STATES:
                        moved[i][j] += alphas[at - 1][i] * transition[i][j] * ahead[j]
                beta = [sum(transition[i][j] * ahead[j] for j in STATES) for i in STATES]
    return likelihood, weight, energies, moved, opened


ORACLES = {
    "volatility_percentile_20s": percentile,
    "volatility_percentile_slot_20s": slot_percentile,
    "volatility_state": volatility_state,
    "trend_state": trend_state,
    "structure_state": structure_state,
    "hmm_low": lambda p: states(p)[0],
    "hmm_mid": lambda p: states(p)[1],
    "hmm_high": lambda p: states(p)[2],
    "hmm_is_known": lambda p: states(p)[3],
}
