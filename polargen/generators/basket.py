"""Baskets: the lines of orders, and the totals that are sums of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polargen.blocks import BlockContext
from polargen.draw import I32, I64, U8, Table, chance, choose, half_up, integers
from polargen.errors import ConfigError
from polargen.generators.market import Market
from polargen.generators.placing import Placing
from polargen.popularity import MAX_LINES
from polargen.streams import U32

MAX_QUANTITY = 19  # Source: DOMAIN, order_items
VAT_PCT = 14  # Source: DOMAIN, Egypt's standard rate
ITEM_DISCOUNT_SHARE = 0.1  # Source: DOMAIN, discounts
ITEM_PERCENTAGE_SHARE = 0.4
ORDER_DISCOUNT_SHARE = 0.2
ORDER_PERCENTAGE_SHARE = 0.5
NO_DISCOUNT = 255
_WEIGHT = (1 << 32) - 1
PERCENTAGE, FIXED = 0, 1


@dataclass
class Discount:
    """Discounts of orders or lines.

    Attributes:
        kind: uint8, PERCENTAGE, FIXED or NO_DISCOUNT.
        value_cents: int64, percent x 100 or piastres; shown as ``money``.
        amount_cents: int64, what comes off.
    """

    kind: U8
    value_cents: I64
    amount_cents: I64

    def take(self, index: np.ndarray) -> Discount:
        """Return the discounts at ``index``."""
        return Discount(self.kind[index], self.value_cents[index], self.amount_cents[index])


@dataclass
class Basket:
    """Lines of a block's orders, and their totals in piastres (int64).

    Attributes:
        offsets: int32 (orders + 1), lines of order i are offsets[i]:offsets[i + 1].
        order: int32, order of each line. line_no: int32, from 1.
        product: int32 index. quantity: int32. price_cents: int64.
        discount: of the lines. line_total, tax: of the lines.
        order_discount: of the orders.
        subtotal, item_discount, tax_total, grand_total: of the orders.
    """

    offsets: I32
    order: I32
    line_no: I32
    product: I32
    quantity: I32
    price_cents: I64
    discount: Discount
    line_total: I64
    tax: I64
    order_discount: Discount
    subtotal: I64
    item_discount: I64
    tax_total: I64
    grand_total: I64

    def __len__(self) -> int:
        return len(self.order)


def fill(ctx: BlockContext, market: Market, placing: Placing) -> Basket:
    """Draw the baskets of a block's orders; duplicates repeat their original's."""
    n = placing.base
    product, order, counts = _products(ctx, market, placing.warehouse[:n])
    lines = len(product)
    price = ctx.world.products.price_cents.take(product)
    quantity = integers(ctx.stream("order_items.quantity").u16(lines), 1, MAX_QUANTITY)
    value_range = ctx.plan.scenario.overrides.order_value_range
    if value_range is not None:
        low, high = round(value_range.min * 100), round(value_range.max * 100)
        product, quantity, order, counts = _bounded(
            ctx, placing, product, quantity, order, low, high
        )
        price = ctx.world.products.price_cents[product]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    gross = quantity * price
    discount = _item_discounts(ctx, gross)
    order_kind, order_value = _order_discounts(ctx, n)
    if len(placing.original):
        chosen = placing.original
        take = _lines_of(offsets, chosen)
        sizes = np.diff(offsets)[chosen]
        order = np.append(order, np.repeat(np.arange(n, len(placing), dtype=np.int32), sizes))
        product, quantity, price, gross = (
            np.append(a, a[take]) for a in (product, quantity, price, gross)
        )
        again = discount.take(take)
        discount = Discount(
            np.append(discount.kind, again.kind),
            np.append(discount.value_cents, again.value_cents),
            np.append(discount.amount_cents, again.amount_cents),
        )
        order_kind = np.append(order_kind, order_kind[chosen])
        order_value = np.append(order_value, order_value[chosen])
        offsets = np.append(offsets, offsets[-1] + np.cumsum(sizes)).astype(np.int32)
    return _totals(offsets, order, product, quantity, price, gross, discount,
                   order_kind, order_value)  # fmt: skip


def _totals(
    offsets: I32,
    order: I32,
    product: I32,
    quantity: I64,
    price: I64,
    gross: I64,
    discount: Discount,
    order_kind: U8,
    order_value: I64,
) -> Basket:
    first = offsets[:-1]
    line_total = gross - discount.amount_cents
    tax = half_up(line_total * VAT_PCT, 100)
    subtotal, item_discount, taxes = (
        _sums(values, offsets) for values in (gross, discount.amount_cents, tax)
    )
    net = subtotal - item_discount
    amount = np.zeros(len(net), dtype=np.int64)
    part = np.flatnonzero(order_kind == PERCENTAGE)
    amount[part] = half_up(net[part] * order_value[part], 10_000)
    fixed = np.flatnonzero(order_kind == FIXED)
    amount[fixed] = np.minimum(order_value[fixed], net[fixed] // 2)
    tax_total = taxes - half_up(amount * VAT_PCT, 100)
    return Basket(
        offsets=offsets,
        order=order,
        line_no=np.arange(len(order), dtype=np.int32) - first.take(order) + np.int32(1),
        product=product,
        quantity=quantity.astype(np.int32),
        price_cents=price,
        discount=discount,
        line_total=line_total,
        tax=tax,
        order_discount=Discount(order_kind, order_value, amount),
        subtotal=subtotal,
        item_discount=item_discount,
        tax_total=tax_total,
        grand_total=net - amount + tax_total,
    )


def _sums(values: I64, offsets: I32) -> I64:
    """Return the sum of each order's lines; a third of the time of `np.add.reduceat`."""
    return np.diff(np.cumsum(values).take(offsets[1:] - 1), prepend=np.int64(0))


def _products(ctx: BlockContext, market: Market, warehouse: I32) -> tuple[I32, I32, I64]:
    """Draw distinct products for each order.

    Returns:
        Product and order of each line (int32), lines of each order.
    """
    n, stocked = len(warehouse), ctx.plan.warehouses
    bits = ctx.stream("order_items.product_id").u32(n * MAX_LINES).reshape(MAX_LINES, n)
    counts = integers(ctx.stream("orders.item_count").u16(n), 1, MAX_LINES)
    extra = ctx.plan.products % stocked
    local = np.empty((MAX_LINES, n), dtype=np.int32)
    for size, table in market.baskets.items():
        larger = warehouse < extra
        mine = larger if size > ctx.plan.products // stocked else ~larger
        if len(market.baskets) == 1 or mine.all():
            local = _distinct(table, counts, bits)
            break
        chosen = np.flatnonzero(mine)
        local[:, chosen] = _distinct(table, counts[chosen], bits[:, chosen])
    order = np.repeat(np.arange(n, dtype=np.int32), counts)
    line = np.arange(len(order)) - (np.cumsum(counts) - counts).take(order)
    rank = local.reshape(-1).take(line * n + order) * np.int32(stocked) + warehouse.take(order)
    return market.by_rank.take(rank), order, counts


def _distinct(table: Table, counts: I64, bits: U32) -> I32:
    """Draw up to seven distinct ranks for each order, one after the other without replacement.

    Each draw is uniform over the weight that is left; stepping over the weight already taken, in
    rising order, finds the rank without a retry.

    Returns:
        int32, shape (7, orders); entries beyond an order's count are arbitrary.
    """
    order = np.argsort((-counts).astype(np.int8), kind="stable")  # eight bits: by radix
    # What a rank covers, in one word that sorts by rank: where it starts, and its weight.
    covers = (table.ends - table.counts) << 32 | table.counts
    drawn = np.zeros((MAX_LINES, len(counts)), dtype=np.int32)
    taken: list[I64] = []
    left = np.full(len(counts), Table.TOTAL, dtype=np.int64)
    reach = np.searchsorted(-counts[order], -np.arange(1, MAX_LINES + 1), side="right")
    for line, m in enumerate(reach):
        if m == 0:
            break
        position = (bits[line].take(order[:m]) * left[:m]) >> 32
        for cover in taken:
            held = cover[:m]
            position += (held & _WEIGHT) * (position >= held >> 32)
        rank = table.locate(position)
        drawn[line, order[:m]] = rank
        found = covers.take(rank)
        left[:m] -= found & _WEIGHT
        for place, cover in enumerate(taken):
            taken[place] = np.minimum(cover[:m], found)
            found = np.maximum(cover[:m], found)
        taken.append(found)
    return drawn


def _item_discounts(ctx: BlockContext, gross: I64) -> Discount:
    n = len(gross)
    at = np.flatnonzero(chance(ctx.stream("order_items.discount").u32(n), ITEM_DISCOUNT_SHARE))
    shares = (ITEM_PERCENTAGE_SHARE, 1.0 - ITEM_PERCENTAGE_SHARE)
    which = choose(ctx.stream("order_items.discount_type").u16(len(at)), shares)
    bits = ctx.stream("order_items.discount_value").u32(len(at))
    value = 100 * integers(bits, np.where(which == FIXED, 10, 5), np.where(which == FIXED, 99, 14))
    cut = np.minimum(value, gross[at] // 2)
    result = Discount(
        np.full(n, NO_DISCOUNT, dtype=np.uint8),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
    )
    result.kind[at] = which
    result.value_cents[at] = value
    result.amount_cents[at] = np.where(which == FIXED, cut, half_up(gross[at] * value, 10_000))
    return result


def _order_discounts(ctx: BlockContext, n: int) -> tuple[U8, I64]:
    at = np.flatnonzero(chance(ctx.stream("orders.discount").u32(n), ORDER_DISCOUNT_SHARE))
    shares = (ORDER_PERCENTAGE_SHARE, 1.0 - ORDER_PERCENTAGE_SHARE)
    which = choose(ctx.stream("orders.discount_type").u16(n)[at], shares)
    bits = ctx.stream("orders.discount_value").u32(n)[at]
    kind, value = np.full(n, NO_DISCOUNT, dtype=np.uint8), np.zeros(n, dtype=np.int64)
    kind[at] = which
    low, high = np.where(which == FIXED, 50, 5), np.where(which == FIXED, 499, 19)
    value[at] = 100 * integers(bits, low, high)
    return kind, value


def _lines_of(offsets: I32, orders: I32) -> I64:
    sizes = np.diff(offsets)[orders].astype(np.int64)
    shift = np.cumsum(sizes) - sizes
    first = np.repeat(offsets[orders] - shift, sizes)
    return np.asarray(np.arange(int(sizes.sum()), dtype=np.int64) + first)


def _bounded(
    ctx: BlockContext,
    placing: Placing,
    product: I32,
    quantity: I64,
    order: I32,
    low: int,
    high: int,
) -> tuple[I32, I64, I32, I64]:
    """Bring every subtotal into low..high piastres by one integer ratio an order.

    Lines that do not fit even with one piece each are left out, the last first; an order whose
    only line is dearer than the limit takes its warehouse's cheapest product instead.
    """
    price = ctx.world.products.price_cents
    n = placing.base
    by_warehouse = _cheapest(ctx)
    if price[by_warehouse].max() > high:
        raise ConfigError(
            f"overrides.orderValueRange: max is {high / 100:g} EGP, but a warehouse's cheapest "
            f"product costs {price[by_warehouse].max() / 100:g}; raise max or add categories"
        )
    cheapest = by_warehouse[placing.warehouse[:n]]
    first = np.searchsorted(order, np.arange(n, dtype=np.int32))
    swap = price[product[first]] > high
    product[first[swap]] = cheapest[swap]
    running = np.cumsum(price[product])
    within = running - (running[first] - price[product[first]])[order]
    keep = within <= high
    keep &= ~((product == cheapest[order]) & swap[order] & (np.arange(len(order)) != first[order]))
    product, quantity, order = product[keep], quantity[keep], order[keep]
    first = np.searchsorted(order, np.arange(n, dtype=np.int32))
    units = np.add.reduceat(price[product], first)
    subtotal = np.add.reduceat(price[product] * quantity, first)
    over = subtotal > high
    room, excess = high - units, np.maximum(subtotal - units, 1)
    cut = 1 + (quantity - 1) * room[order] // excess[order]
    quantity = np.where(over[order], cut, quantity)
    subtotal = np.add.reduceat(price[product] * quantity, first)
    quantity = quantity * np.maximum(-(-low // subtotal), 1)[order]
    return product, quantity, order, np.bincount(order, minlength=n).astype(np.int64)


def _cheapest(ctx: BlockContext) -> I32:
    products, count = ctx.world.products, ctx.plan.warehouses
    order = np.lexsort((products.rank, products.price_cents, products.warehouse))
    first = np.searchsorted(products.warehouse[order], np.arange(count))
    return order[first].astype(np.int32)
