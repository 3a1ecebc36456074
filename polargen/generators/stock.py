"""Stock of one block in one pass: a continuous-review (s, Q) policy without loops over rows.

Per product, D is the cumulative net demand and M its running maximum; M // Q restocks of Q have
been booked so far, each right after the movement that brought stock down to s. Stock is
S0 - D + Q (M // Q) with S0 = s + Q, and never negative because s covers the largest line and the
largest count together. Shortage windows and segment ends cut the path; it starts at S0 again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polargen.draw import I32, I64, Bool

FULFILLMENT, RETURN, RESTOCK, ADJUSTMENT = range(4)
POLICY, COUNT, RECALL, NEW_DELIVERY, CLOSING = range(5)  # why a row was inserted or counted
_FAR = 1 << 40


@dataclass(frozen=True)
class Demand:
    """What asks for stock of a block's products, in order of instants.

    Attributes:
        product: int32, 0..products - 1 within the block.
        us: int64, instant, rising within each product.
        net: int64 pieces, positive takes, negative adds (a count that found more).
    """

    product: I32
    us: I64
    net: I64


@dataclass(frozen=True)
class Path:
    """Movements of a block's main location, by product and instant.

    Attributes:
        demand_at: int64, row of each demand.
        inserted_at: int64, row of each further movement.
        product, us, quantity, previous, new: of every row.
        why: uint8 of the further movements.
        touched: bool (products,).
        closing: int64 (products,), stock after the last row; meaningful where touched.
    """

    demand_at: I64
    inserted_at: I64
    product: I32
    us: I64
    quantity: I64
    previous: I64
    new: I64
    why: np.ndarray
    touched: Bool
    closing: I64


def sort_by_product(product: I32, products: int) -> I64:
    """Return the stable order by product (radix sort where the numbers fit 16 bits)."""
    if products <= 65_536:
        return np.argsort(product.astype(np.uint16), kind="stable")
    return np.argsort(product, kind="stable")


def follow(
    demand: Demand,
    reorder_point: I64,
    reorder_quantity: I64,
    cuts: tuple[I32, I64, I64],
    close_us: int | None,
) -> Path:
    """Follow the stock of every product of a block.

    Args:
        demand: sorted by product, then instant.
        reorder_point, reorder_quantity: s and Q, int64 (products,).
        cuts: product, start and end of shortage windows, by product and start.
        close_us: instant at which touched products are brought back to S0, or None.
    """
    s, q = reorder_point, reorder_quantity
    n, products = len(demand.product), len(s)
    ends = np.searchsorted(demand.product, np.arange(products), side="right")
    cut_product, cut_start, cut_end = cuts
    cut_pos = _positions(demand, ends, cut_product, cut_start)
    first, group = _groups(demand.product, cut_pos)
    total = np.cumsum(demand.net)
    before = (total - demand.net).take(first)
    d = total - before.take(group)
    lift = group * _FAR
    peak = np.maximum.accumulate(d + lift) - lift if n else d
    each = q.take(demand.product)
    restocks = (np.maximum(peak, 0) / each).astype(np.int64)  # exact: all far below 2**52
    earlier = np.empty_like(restocks)
    earlier[1:] = restocks[:-1]
    earlier[first] = 0
    level = (s + q).take(demand.product) - d + each * earlier
    new_at = np.flatnonzero(restocks > earlier)
    after = level.copy()
    after[new_at] += each[new_at] * (restocks[new_at] - earlier[new_at])
    touched = ends > np.concatenate([[0], ends[:-1]])
    touched[cut_product] = True
    opening = s + q
    recall_level = _level_before(after, opening, demand, cut_pos, cut_product)
    parts = [
        _rows(new_at + 1, demand.product[new_at], 0, demand.us[new_at],
              after[new_at] - level[new_at], level[new_at], POLICY),
        _rows(cut_pos, cut_product, 2, cut_start, -recall_level, recall_level, RECALL),
        _rows(cut_pos, cut_product, 1, cut_end, opening[cut_product], 0 * recall_level,
              NEW_DELIVERY),
    ]  # fmt: skip
    closing = opening.copy()
    last = _last_level(after, opening, demand, ends, cut_product, cut_pos)
    closing[touched] = last[touched]
    if close_us is not None:
        back = np.flatnonzero(touched & (closing != opening))
        parts.append(
            _rows(ends[back], back.astype(np.int32), 3, np.full(len(back), close_us),
                  (opening - closing)[back], closing[back], CLOSING)
        )  # fmt: skip
        closing = opening.copy()
    return _merge(demand, level, parts, touched, closing)


def _groups(product: I32, cut_pos: I64) -> tuple[I64, I64]:
    """Return the first demand of each stretch without a cut, and each demand's stretch."""
    fresh = np.ones(len(product), dtype=bool)
    fresh[1:] = product[1:] != product[:-1]
    fresh[cut_pos[cut_pos < len(product)]] = True
    return np.flatnonzero(fresh), np.cumsum(fresh) - 1


def _rows(
    position: I64, product: I32, rank: int, us: I64, quantity: I64, previous: I64, why: int
) -> tuple[np.ndarray, ...]:
    n = len(position)
    return (
        np.asarray(position, dtype=np.int64),
        product,
        np.full(n, rank, dtype=np.int8),
        us,
        quantity,
        previous,
        np.full(n, why, dtype=np.uint8),
    )


def _positions(demand: Demand, ends: I64, product: I32, us: I64) -> I64:
    """Return, for each cut, the first demand of its product at or after it."""
    if not len(product):
        return np.zeros(0, dtype=np.int64)
    base = int(us.min()) if not len(demand.us) else min(int(us.min()), int(demand.us.min()))
    key = demand.product.astype(np.int64) << 40 | (demand.us - base) // 1000
    at = np.searchsorted(key, product.astype(np.int64) << 40 | (us - base) // 1000)
    starts = np.concatenate([[0], ends[:-1]])
    return np.clip(at, starts[product], ends[product])


def _level_before(after: I64, opening: I64, demand: Demand, position: I64, product: I32) -> I64:
    """Return the stock just before each cut: of the demand before it, or a fresh S0."""
    level = opening[product].copy()
    has = position > 0
    prior = np.maximum(position - 1, 0)
    if len(after):
        has &= demand.product[prior] == product
        # A cut right behind another cut of the product starts from the delivery in between.
        same = np.zeros(len(position), dtype=bool)
        same[1:] = (product[1:] == product[:-1]) & (position[1:] == position[:-1])
        has &= ~same
        level[has] = after[prior[has]]
    return level


def _last_level(
    after: I64, opening: I64, demand: Demand, ends: I64, cut_product: I32, cut_pos: I64
) -> I64:
    """Return each product's stock after its last demand or cut."""
    level = opening.copy()
    starts = np.concatenate([[0], ends[:-1]])
    moved = ends > starts
    level[moved] = after[ends[moved] - 1]
    renewed = cut_product[cut_pos == ends[cut_product]]
    level[renewed] = opening[renewed]
    return level


def _merge(
    demand: Demand, level: I64, parts: list[tuple[np.ndarray, ...]], touched: Bool, closing: I64
) -> Path:
    """Put inserted rows between the demands, where they belong."""
    position, product, rank, us, quantity, previous, why = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    order = np.lexsort((rank, us, product, position))
    n, m = len(demand.product), len(position)
    inserted_at = position[order] + np.arange(m)
    earlier = np.cumsum(np.bincount(position, minlength=n + 1))[:n]
    demand_at = np.arange(n, dtype=np.int64) + earlier

    def woven(own: np.ndarray, other: np.ndarray) -> np.ndarray:
        column = np.empty(n + m, dtype=own.dtype)
        column[demand_at] = own
        column[inserted_at] = other[order]
        return column

    taken = woven(-demand.net, quantity)
    before = woven(level + demand.net, previous)
    return Path(
        demand_at=demand_at,
        inserted_at=inserted_at,
        product=woven(demand.product, product),
        us=woven(demand.us, us),
        quantity=taken,
        previous=before,
        new=before + taken,
        why=why[order],
        touched=touched,
        closing=closing,
    )
