"""How often each product is ordered: weights by rank, and the exponent that gives a wanted share.

An order has 1 to 7 lines with distinct products, so a product's share of the lines is its chance
to be among them, not its weight. The inclusion chance of drawing k distinct products is close to
1 - exp(-t w) with t such that the chances sum to k (Rosén 1972); exp is built from squarings,
which every processor rounds alike.
"""

from __future__ import annotations

import numpy as np

from polargen.draw import EXPONENT_STEPS, F64, I64, Bool, zipf_weights

MAX_LINES = 7  # Source: DOMAIN, order_items
TOP_PART = 0.2
DEFAULT_TOP_SHARE = 0.8  # Source: SPECIFICATION, the 80/20 rule
MAX_EXPONENT_STEPS = 2 * EXPONENT_STEPS  # ASSUMED: steeper puts the same products in every order
_SQUARINGS = 12


def weights(kind: str, n: int, exponent_steps: int) -> F64:
    """Return the weights of ranks 1..n.

    Args:
        kind: "zipf" (rank**-a), "normal" (half a bell whose standard deviation is n / 3) or
            "uniform".
        n: products of the warehouse.
        exponent_steps: a in 1/1024, for zipf.

    Returns:
        float64, shape (n,), positive, falling.
    """
    if kind == "uniform":
        return np.ones(n, dtype=np.float64)
    if kind == "normal":
        sigmas = np.arange(n, dtype=np.float64) * (3.0 / n)
        return _exp_minus(sigmas * sigmas * 0.5)
    return zipf_weights(n, exponent_steps)


def top_share(weight: F64) -> float:
    """Return the part of order lines that the top 20 % of ranks get, distinct in an order."""
    n = len(weight)
    top = max(1, round(n * TOP_PART))
    lines = np.zeros(n, dtype=np.float64)
    for chances in _inclusion(weight, np.minimum(np.arange(1, MAX_LINES + 1), n)):
        lines = lines + chances
    total = np.cumsum(lines)
    return float(total[top - 1] / total[-1])


def solve_exponent(n: int, wanted: float = DEFAULT_TOP_SHARE) -> int:
    """Return the Zipf exponent, in 1/1024, whose top 20 % of ranks get ``wanted`` of the lines.

    0..2048: where the share cannot be reached, the nearest end.
    """
    low, high = 0, MAX_EXPONENT_STEPS
    while low < high:
        middle = (low + high) // 2
        if top_share(zipf_weights(n, middle)) < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def _inclusion(weight: F64, draws: I64) -> F64:
    """Return each rank's chance to be among k distinct draws, for each k: (k, n); a row sums to k.

    Found by bisection: draws that come as a Poisson process, watched until k ranks have come.
    """
    scale = weight * (1.0 / float(np.cumsum(weight)[-1]))
    wanted = draws.astype(np.float64)

    def chances(until: F64) -> F64:
        return 1.0 - _exp_minus(scale * until[:, None])

    def too_few(until: F64) -> Bool:
        return np.asarray(np.cumsum(chances(until), axis=1)[:, -1] < wanted)

    some = draws < len(weight)
    low, high = np.zeros(len(draws), dtype=np.float64), wanted.copy()
    while (short := too_few(high) & some).any():
        low[short] = high[short]
        high[short] *= 2.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        short = too_few(middle)
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.where(some[:, None], chances(high), 1.0)


def _exp_minus(x: F64) -> F64:
    """Return exp(-x) for x >= 0 from (1 - y + y**2 / 2)**4096 with y = x / 4096."""
    y = np.minimum(x, 700.0) * (1.0 / (1 << _SQUARINGS))
    value = 1.0 - y + y * y * 0.5
    for _ in range(_SQUARINGS):
        value = value * value
    return np.asarray(value)
