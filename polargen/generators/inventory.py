"""Inventory movements: every change of stock, as a path that never goes below zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from polargen import calendar
from polargen.blocks import BlockContext
from polargen.columns import Array, Frame, Gather, Nullable, fixed_text
from polargen.draw import I32, I64, chance, integers
from polargen.generators import stock
from polargen.generators.base import BaseGenerator
from polargen.generators.book import Book, book_of
from polargen.generators.life import CANCELLED, FAILED, NEVER_US
from polargen.generators.market import uniform_instants
from polargen.schema import TABLES
from polargen.schema.sales import INVENTORY_MOVEMENTS

MAIN, RETURNS = 0, 1
COUNT_PIECES = (1, 19)  # Source: DOMAIN, inventory_movements
COUNT_HOURS = (16.0, 17.0)
COUNTERS = ("Manager", "Support")
RETURN_HOURS = (9.0, 16.0)
CLOSING_US = 86_340_000_000  # 23:59 Cairo, after the last acceptance of a day
NOTES = (
    "reorder point reached",
    "stock count",
    "batch recalled",
    "stock renewed after recall",
    "period closing",
    "returned by the customer",
    "inspected, credited by the supplier",
)
_RETURNED, _CREDITED = 5, 6
_NO_NOTE = -1


@dataclass
class _Rows:
    """Movements as plain arrays; 0 in a key column stands for null."""

    product: I32
    location: int
    kind: Array
    quantity: I64
    previous: I64
    new: I64
    order: I64
    item: I64
    refund: I64
    order_at: I64
    user: I64
    note: Array
    us: I64

    def __len__(self) -> int:
        return len(self.product)


class InventoryGenerator(BaseGenerator):
    """Makes the movements of a block's products, and counts what masters need."""

    name = "inventory"
    tables = (INVENTORY_MOVEMENTS,)
    depends_on = ("orders", "order_items", "refunds")
    rows_per_unit: ClassVar[Mapping[str, float]] = {"inventory_movements": 4.2}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> dict[str, Frame]:
        """Return the movements: main by product and instant, then returns by instant of cause."""
        book = book_of(ctx)
        main = _main(ctx, book)
        back = _returns(ctx, book, upstream["refunds"])
        return {"inventory_movements": _frame(ctx, book, (main, back))}


def _main(ctx: BlockContext, book: Book) -> _Rows:
    products = book.befallen.shortage.products
    local = np.zeros(ctx.plan.products, dtype=np.int32)
    local[products] = np.arange(len(products), dtype=np.int32)
    basket, shortage = book.basket, book.befallen.shortage
    committed = book.life.committed_us.take(basket.order)
    line = np.flatnonzero(committed < NEVER_US)
    count_product, count_us, count_net, count_user = _counts(ctx, book, products)
    sold_product, pieces = local.take(basket.product.take(line)), basket.quantity.take(line)
    product = np.concatenate([sold_product, count_product])
    us = np.concatenate([committed.take(line), count_us])
    net = np.concatenate([pieces.astype(np.int64), count_net])
    order = np.arange(len(us))
    if np.any(us[1:] < us[:-1]):
        order = np.argsort(us, kind="stable")
    order = order.take(stock.sort_by_product(product.take(order), len(products)))
    cut_product, cut_start, cut_end = shortage.pairs()
    s = ctx.world.products.reorder_point[products].astype(np.int64)
    q = ctx.world.products.reorder_quantity[products].astype(np.int64)
    path = stock.follow(
        stock.Demand(product.take(order), us.take(order), net.take(order)),
        s,
        q,
        (local[cut_product], cut_start, cut_end),
        None if ctx.block.is_last_segment else _closing_us(ctx),
    )
    _add_totals(ctx, products, sold_product, pieces, path)
    rows = len(path.us)
    at, inserted, sold = path.demand_at, path.inserted_at, order < len(line)
    kind = np.empty(rows, dtype=np.uint8)
    kind[at] = np.where(sold, stock.FULFILLMENT, stock.ADJUSTMENT)
    rises = path.quantity[inserted] > 0
    kind[inserted] = np.where(rises, stock.RESTOCK, stock.ADJUSTMENT)
    note = np.full(rows, _NO_NOTE, dtype=np.int32)
    note[at[~sold]] = stock.COUNT
    note[inserted] = path.why
    sold_at, own = at[sold], line.take(order[sold])
    own_order = basket.order.take(own)
    result = _Rows(
        product=products.take(path.product),
        location=MAIN,
        kind=kind,
        quantity=path.quantity,
        previous=path.previous,
        new=path.new,
        order=np.zeros(rows, dtype=np.int64),
        item=np.zeros(rows, dtype=np.int64),
        refund=np.zeros(rows, dtype=np.int64),
        order_at=np.full(rows, -1, dtype=np.int64),
        user=np.zeros(rows, dtype=np.int64),
        note=note,
        us=path.us,
    )
    result.order[sold_at] = book.placing.order_id.take(own_order)
    result.item[sold_at] = book.order_item_id.take(own)
    result.order_at[sold_at] = own_order
    result.user[at[~sold]] = count_user[order[~sold] - len(line)]
    return result


def _counts(ctx: BlockContext, book: Book, products: I32) -> tuple[I32, I64, I64, I64]:
    """Return stock counts: product in the block, instant, net demand, user; by instant."""
    days = book.market.days
    window = np.arange(ctx.block.first_day, ctx.block.last_day + 1, dtype=np.int32)
    worked = window[days.working[window - days.first]]
    month = calendar.month_index(worked)
    following = days.next_working[worked - days.first]
    last = worked[calendar.month_index(following) != month]
    month = calendar.month_index(last)
    rate = ctx.plan.scenario.anomaly_rate / 2
    word = ctx.plan.keyed("inventory.count", month[:, None], products)
    row, at = np.nonzero(chance(word, rate))
    picked = products[at]
    words = ctx.plan.keyed("inventory.count_pieces", month[row], picked)
    pieces = integers(words, *COUNT_PIECES)
    found_more = (words & np.uint64(1)) == 1
    time = ctx.plan.keyed("inventory.count_time", month[row], picked) >> np.uint64(32)
    us = uniform_instants(ctx.plan, last[row], time, *COUNT_HOURS)
    bits = ctx.plan.keyed("inventory.count_user", month[row], picked) >> np.uint64(32)
    user = ctx.world.roster.office(last[row], bits.astype(np.uint32), COUNTERS)
    keep = ~book.befallen.shortage.short_lines(picked, us)
    order = np.flatnonzero(keep)[np.argsort(us[keep], kind="stable")]
    net = np.where(found_more, -pieces, pieces)
    return at.astype(np.int32)[order], us[order], net[order], user[order]


def _returns(ctx: BlockContext, book: Book, refunds: Frame) -> _Rows:
    """Return goods that came back: in by RETURN, out at once by ADJUSTMENT."""
    line, us, refund, pieces = _come_back(ctx, book, refunds)
    n = len(line)

    def pairs(first: Array, second: Array) -> Array:
        return np.stack([first, second], axis=1).reshape(-1)

    zero = np.zeros(n, dtype=np.int64)
    order = book.basket.order[line]
    return _Rows(
        product=np.repeat(book.basket.product[line], 2),
        location=RETURNS,
        kind=np.tile(np.array([stock.RETURN, stock.ADJUSTMENT], dtype=np.uint8), n),
        quantity=pairs(pieces, -pieces),
        previous=pairs(zero, pieces),
        new=pairs(pieces, zero),
        order=np.repeat(book.placing.order_id[order], 2),
        item=np.repeat(book.order_item_id[line], 2),
        refund=np.repeat(refund, 2),
        order_at=np.repeat(order.astype(np.int64), 2),
        user=np.zeros(2 * n, dtype=np.int64),
        note=np.tile(np.array([_RETURNED, _CREDITED], dtype=np.int32), n),
        us=np.repeat(us, 2),
    )


def _come_back(ctx: BlockContext, book: Book, refunds: Frame) -> tuple[I64, I64, I64, I64]:
    """Return line, instant, refund_id (0 for none) and pieces of everything that comes back."""
    life, basket, days = book.life, book.basket, book.market.days
    ended = np.where(life.status == CANCELLED, life.cancelled_us, life.failed_us)
    gone = ((life.status == CANCELLED) | (life.status == FAILED)) & (life.committed_us < NEVER_US)
    at = np.flatnonzero(gone)
    day = days.next_working[calendar.local_day(ended[at]) - days.first]
    bits = book.draws.u32("inventory.return_time")[at]
    when = np.full(len(gone), NEVER_US)
    when[at] = uniform_instants(ctx.plan, day, bits, *RETURN_HOURS)
    when[when >= ctx.plan.as_of_us] = NEVER_US
    line_us = when.take(basket.order)
    line = np.flatnonzero(line_us < NEVER_US)
    us = line_us[line]
    pieces = basket.quantity[line].astype(np.int64)
    offsets, items = refunds.nested("returned_items")
    done = refunds.valid("processed_at")
    of = np.repeat(np.arange(len(refunds)), np.diff(offsets))
    chosen = np.flatnonzero(done[of])
    of = of[chosen]
    refund_line = np.searchsorted(book.order_item_id, items["order_item_id"][chosen])
    return (
        np.concatenate([line, refund_line]),
        np.concatenate([us, refunds.array("processed_at")[of]]),
        np.concatenate([np.zeros(len(line), dtype=np.int64), refunds.array("refund_id")[of]]),
        np.concatenate([pieces, items["quantity"][chosen].astype(np.int64)]),
    )


def _closing_us(ctx: BlockContext) -> int:
    day = np.array([ctx.block.last_day], dtype=np.int32)
    return int(calendar.to_utc(day, CLOSING_US)[0])


def _add_totals(
    ctx: BlockContext, products: I32, product: I32, quantity: I32, path: stock.Path
) -> None:
    """Add what was sold and what is left; `product` counts within the block."""
    assert ctx.totals is not None
    sold = np.bincount(product, weights=quantity, minlength=len(products))
    ctx.totals.total_sold[products] += sold.astype(np.int64)
    if ctx.block.is_last_segment:
        touched = np.flatnonzero(path.touched)
        ctx.totals.closing_stock[products[touched]] = path.closing[touched]


def _frame(ctx: BlockContext, book: Book, parts: tuple[_Rows, _Rows]) -> Frame:
    main, back = parts
    n = len(main) + len(back)

    def both(name: str) -> Array:
        return np.concatenate([getattr(main, name), getattr(back, name)])

    key = ctx.key_start("inventory_movements") + np.arange(n, dtype=np.int64)
    order, refund, user, note = both("order"), both("refund"), both("user"), both("note")
    order_at = both("order_at")
    own = np.flatnonzero(order_at < 0)
    documents = fixed_text(f"ST{ctx.plan.base.mark}-", key[own], 12)
    order_at[own] = len(book.order_numbers) + np.arange(len(own))
    references = pa.concat_arrays([book.order_numbers, documents])
    location = np.zeros(n, dtype=np.uint8)
    location[len(main) :] = RETURNS
    return Frame(
        TABLES["inventory_movements"],
        {
            "movement_id": key,
            "product_id": both("product").astype(np.int64) + 1,
            "location": location,
            "movement_type": both("kind"),
            "quantity": both("quantity").astype(np.int32),
            "previous_stock": both("previous").astype(np.int32),
            "new_stock": both("new").astype(np.int32),
            "order_id": Nullable(order, order > 0),
            "order_item_id": Nullable(both("item"), order > 0),
            "refund_id": Nullable(refund, refund > 0),
            "reference": Gather(order_at.astype(np.int32), references),
            "created_by_user_id": Nullable(user, user > 0),
            "notes": Nullable(
                Gather(np.maximum(note, 0).astype(np.int32), pa.array(NOTES)), note != _NO_NOTE
            ),
            "created_at": both("us"),
        },
    )
