"""Products as facts see them: price, popularity, warehouse, stock policy, families of variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polargen import calendar, popularity
from polargen.calendar import DayCount
from polargen.draw import I32, I64, U8, half_up, integers, largest_remainder, permute
from polargen.generators.catalogue import CATALOGUE, Category
from polargen.generators.world_days import history_start, office_us, working_days

if TYPE_CHECKING:
    from polargen.plan import Plan

I8 = NDArray[np.int8]

VARIANT_TENTHS = 4  # 40 % of all products; Source: DOMAIN, products
VARIANTS_EACH = 2  # at most, of one parent; ASSUMED
MIN_REORDER_POINT = 38  # Source: DOMAIN, the largest line plus the largest count
MAX_QUANTITY = 19  # Source: DOMAIN, order_items; also the largest correction of a count
MEAN_QUANTITY = 10  # of a line; Source: DOMAIN, order_items
COVER_DAYS = (10, 14)  # of expected demand at the reorder point; ASSUMED
_PARTS = 1 << 31
_LAST_PARENT_DAYS = 30  # before the window; variants are listed later


@dataclass(frozen=True)
class Products:
    """Products by product_id - 1.

    Attributes:
        category: uint8 code.
        price_cents: int64, piastres.
        rank: int32, 1 = most popular.
        warehouse: int32, 0-based.
        reorder_point, reorder_quantity: int32 pieces; opening stock is their sum.
        created_at: int64, µs UTC, before the window; a variant's after its parent's.
        parent: int32 index of the product varied; -1 for parents.
        ordinal: int32, place among the parents of the category; a variant has its parent's.
        parents: int64 (categories,), how many products of each are no variants.
        size: int8, index of the category's sizes; -1 where it has none.
        option: int8, index of the category's options, for variants by roast or grind; else -1.
        by_rank: int32, index of the product of each rank - 1.
        warehouses: W.
    """

    category: U8
    price_cents: I64
    rank: I32
    warehouse: I32
    reorder_point: I32
    reorder_quantity: I32
    created_at: I64
    parent: I32
    ordinal: I32
    parents: I64
    size: I8
    option: I8
    by_rank: I32
    warehouses: int

    def of_warehouse(self, warehouse: int) -> I32:
        """Return the product indices of a warehouse by local rank: int32."""
        return self.by_rank[warehouse :: self.warehouses]


def build_products(plan: Plan) -> Products:
    """Return all products."""
    n = plan.products
    index = np.arange(n, dtype=np.int64)
    rank = permute(index, n, plan.name_key("products.popularity_rank")) + 1
    by_rank = np.empty(n, dtype=np.int32)
    by_rank[rank - 1] = index
    category = _categories(plan, rank)
    parent, turn, ordinal = _families(plan, category)
    price, size, option = _prices(plan, category, parent, turn)
    point, quantity = _stock_policy(plan, rank, price)
    return Products(
        category=category,
        price_cents=price,
        rank=rank.astype(np.int32),
        warehouse=((rank - 1) % plan.warehouses).astype(np.int32),
        reorder_point=point,
        reorder_quantity=quantity,
        created_at=_created(plan, index, parent),
        parent=parent,
        ordinal=ordinal,
        parents=np.bincount(category[parent < 0], minlength=len(CATALOGUE)),
        size=size,
        option=option,
        by_rank=by_rank,
        warehouses=plan.warehouses,
    )


def _categories(plan: Plan, rank: I64) -> U8:
    """Deal categories: exact by largest remainder; machines tend to be ordered seldom."""
    n = plan.products
    counts = largest_remainder(plan.scenario.overrides.product_categories.shares(), n)
    machine = np.array([not category.sizes for category in CATALOGUE])
    noise = integers(plan.keyed("products.machine", np.arange(n)), 0, n - 1)
    seldom_last = np.argsort(rank + noise, kind="stable")
    others = int(counts[~machine].sum())
    codes = np.arange(len(CATALOGUE), dtype=np.uint8)
    category = np.empty(n, dtype=np.uint8)
    category[seldom_last[others:]] = np.repeat(codes[machine], counts[machine])
    if others:
        lot = permute(np.arange(others), others, plan.name_key("products.category"))
        dealt = np.repeat(codes[~machine], counts[~machine])[lot]
        category[np.sort(seldom_last[:others])] = dealt
    return category


def variant_counts(products: I64) -> I64:
    """Return the variants of each category, given its products: int64.

    40 % of all products, as far as categories that have variants can hold them.
    """
    able = np.array([len(category.sizes) > 0 for category in CATALOGUE])
    counts = np.where(able, products, 0)
    if counts.sum() == 0:
        return np.zeros(len(products), dtype=np.int64)
    most = counts * VARIANTS_EACH // (VARIANTS_EACH + 1)
    wanted = int(half_up(VARIANT_TENTHS * int(products.sum()), 10))
    return np.asarray(np.minimum(largest_remainder(counts, wanted), most))


def _families(plan: Plan, category: U8) -> tuple[I32, I8, I32]:
    """Return each product's parent (-1: none), turn among the variants, and `Products.ordinal`.

    The first products of a category are the parents, the later ones their variants.
    """
    parent = np.full(len(category), -1, dtype=np.int32)
    turn = np.zeros(len(category), dtype=np.int8)
    ordinal = np.zeros(len(category), dtype=np.int32)
    counts = np.bincount(category, minlength=len(CATALOGUE)).astype(np.int64)
    for code, variants in enumerate(variant_counts(counts).tolist()):
        members = np.flatnonzero(category == code)
        parents = len(members) - variants
        ordinal[members[:parents]] = np.arange(parents)
        if variants == 0:
            continue
        key = plan.name_key("products.parent", code)
        slot = permute(np.arange(variants), parents * VARIANTS_EACH, key)
        parent[members[parents:]] = members[slot // VARIANTS_EACH]
        turn[members[parents:]] = slot % VARIANTS_EACH
        ordinal[members[parents:]] = slot // VARIANTS_EACH
    return parent, turn, ordinal


def _prices(plan: Plan, category: U8, parent: I32, turn: I8) -> tuple[I64, I8, I8]:
    """Return price, size and option of every product."""
    n = len(category)
    steps = np.array([(c.high - c.low) * 100 // c.step_cents for c in CATALOGUE])[category]
    low = np.array([c.low * 100 for c in CATALOGUE])[category]
    step = np.array([c.step_cents for c in CATALOGUE])[category]
    drawn = integers(plan.keyed("products.unit_price", np.arange(n)), 0, steps)
    price = low + step * drawn
    sizes = np.array([len(c.sizes) for c in CATALOGUE])[category]
    size = np.where(sizes > 0, drawn * sizes // (steps + 1), -1).astype(np.int8)
    option = np.full(n, -1, dtype=np.int8)
    for code, kind in enumerate(CATALOGUE):
        variant = np.flatnonzero((category == code) & (parent >= 0))
        if len(variant) == 0:
            continue
        base = parent[variant]
        start = plan.keyed("products.variant", base)
        chosen, cost = variants_of(kind, price[base], size[base], turn[variant], start)
        by_size = chosen < len(kind.sizes)
        price[variant] = cost
        size[variant] = np.where(by_size, chosen, size[base])
        option[variant] = np.where(by_size, -1, chosen - len(kind.sizes))
    return price, size, option


def variants_of(
    kind: Category, price: I64, size: I8, turn: I8, start: NDArray[np.uint64]
) -> tuple[I64, I64]:
    """Choose what varies: another size whose price stays in the range, or a roast or grind.

    Args:
        price, size: of the parents.
        turn: 0 or 1; variants of one parent differ in it and get different choices.
        start: keyed word of the parent.

    Returns:
        The choice (index into sizes, then options) and the price in piastres.
    """
    relative = np.array([percent for _, percent in kind.sizes], dtype=np.int64)
    base = relative[size]
    choices = len(kind.sizes) + len(kind.options)
    cost = np.repeat(price[:, None], choices, axis=1)
    scaled = half_up(price[:, None] * relative, base[:, None] * kind.step_cents)
    cost[:, : len(relative)] = scaled * kind.step_cents
    fits = (cost >= kind.low * 100) & (cost <= kind.high * 100)
    fits[np.arange(len(price)), size] = False
    first = (start % np.uint64(choices)).astype(np.int64)
    turned = (first[:, None] + np.arange(choices)) % choices
    seen = np.cumsum(np.take_along_axis(fits, turned, axis=1), axis=1)
    chosen = turned[np.arange(len(price)), np.argmax(seen > turn[:, None], axis=1)]
    return chosen, cost[np.arange(len(price)), chosen]


def _stock_policy(plan: Plan, rank: I64, price: I64) -> tuple[I32, I32]:
    """Return reorder point and quantity: 10 to 14 days of expected demand, in tens."""
    n, count = plan.products, plan.warehouses
    warehouse, local = (rank - 1) % count, (rank - 1) // count
    kind = plan.scenario.distributions.product_popularity.kind
    part = np.zeros(n, dtype=np.int64)  # of the warehouse's lines, in 2**-31
    for size in {n // count, n // count + 1}:
        there = np.flatnonzero(np.where(warehouse < n % count, n // count + 1, n // count) == size)
        if len(there):
            weights = popularity.weights(kind, size, plan.zipf_steps)
            part[there] = largest_remainder(weights, _PARTS)[local[there]]
    # An order has a product at most once: 1 - (1 - part)**4 for the mean of four lines.
    without = (_PARTS - part) ** 2 >> 31
    lines = _PARTS - (without**2 >> 31)
    days = integers(plan.keyed("products.reorder_point", np.arange(n)), *COVER_DAYS)
    daily = plan.orders * MEAN_QUANTITY // (plan.days * count)
    demand = (lines * days * max(daily, 1)) >> 31
    largest = _largest_line(plan, price)
    point = np.maximum(np.maximum(demand, largest + MAX_QUANTITY), MIN_REORDER_POINT)
    point = -(-point // 10) * 10
    return point.astype(np.int32), point.astype(np.int32)


def _largest_line(plan: Plan, price: I64) -> I64:
    value = plan.scenario.overrides.order_value_range
    if value is None:
        return np.full(len(price), MAX_QUANTITY, dtype=np.int64)
    return np.maximum(value.max_cents // price, MAX_QUANTITY)


def _created(plan: Plan, index: I64, parent: I32) -> I64:
    start, stop = history_start(plan), plan.first_day
    count = DayCount(start, stop, calendar.is_working)
    bits = plan.keyed("products.created_at.day", index)
    day = working_days(bits, start, stop - _LAST_PARENT_DAYS, count)
    variant = np.flatnonzero(parent >= 0)
    day[variant] = working_days(bits[variant], day[parent[variant]] + 1, stop, count)
    return office_us(day, plan.keyed("products.created_at.time", index))
