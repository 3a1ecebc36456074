"""Rules of stock: R30 to R33."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from polargen import calendar
from polargen.checks.base import Context, Findings, Found, rule
from polargen.checks.days import MarkedDays
from polargen.checks.group import NEVER, Group
from polargen.checks.rows import I64, Array, Bool, Rows, counts, pick, sums

_MAIN = 0  # code of the location
_MOVEMENT = "quantity previous_stock new_stock"


@rule("R30", "stock after a movement", {"inventory_movements": _MOVEMENT}, in_block=True)
def new_stock(group: Group) -> Findings:
    """R30: new = previous + quantity."""
    rows = group["inventory_movements"]
    bad = rows["new_stock"] != rows["previous_stock"] + rows["quantity"]
    yield Found(rows, bad, "new_stock is not previous_stock + quantity", tuple(_MOVEMENT.split()))


@rule(
    "R31",
    "stock from movement to movement",
    {
        "inventory_movements": f"{_MOVEMENT} created_at",
        "products": "opening_stock stock",
    },
)
class StockChain:
    """R31: per (product, location) in order of (created_at, movement_id) previous = last new.

    The first previous is opening_stock (returns: 0), the last new of main is products.stock
    (returns: 0); a product without movement has stock = opening_stock. Groups come in time order;
    goods that come back lie in the group of their order, later than others, and leave at once.
    """

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        self._masters = masters
        products = masters["products"]
        # slot = product row x 2 + location
        self._stock = np.zeros(2 * len(products), dtype=np.int64)
        self._stock[0::2] = products["opening_stock"]
        self._at = np.full(2 * len(products), NEVER, dtype=np.int64)
        self._id = np.full(2 * len(products), NEVER, dtype=np.int64)

    def check(self, group: Group) -> Findings:
        rows = group["inventory_movements"]
        product = group.at("inventory_movements", "product_id")
        kept = np.flatnonzero(product >= 0)
        slot = (product * 2 + rows["location"])[kept]
        created, key = rows["created_at"][kept], rows.key[kept]
        order = _in_time(slot, created, key)
        slot, created, key, kept = slot[order], created[order], key[order], kept[order]
        previous, new = rows["previous_stock"][kept], rows["new_stock"][kept]
        first = np.ones(len(slot), dtype=bool)
        first[1:] = slot[1:] != slot[:-1]
        expected = np.empty(len(slot), dtype=np.int64)
        expected[1:] = new[:-1]
        expected[first] = self._stock[slot[first]]
        bad = np.zeros(len(rows), dtype=bool)
        bad[kept] = previous != expected
        shown = ("product_id", "location", "previous_stock")
        what = "previous_stock is not what the last movement left"
        yield Found(rows, bad, what, shown, part_of="products")
        starts = np.flatnonzero(first)
        here = slot[starts]
        early = created[starts] < self._at[here]
        early |= (created[starts] == self._at[here]) & (key[starts] <= self._id[here])
        early &= here % 2 == _MAIN
        # Goods leave the returns location as they come (R33), so groups may interleave there.
        early &= here % 2 == 0
        bad = np.zeros(len(rows), dtype=bool)
        bad[kept[starts[early]]] = True
        what = "comes before a movement of an earlier group"
        yield Found(rows, bad, what, shown, part_of="products")
        ends = np.append(starts[1:], len(slot))[: len(starts)] - 1
        self._stock[here] = new[ends]
        self._at[here], self._id[here] = created[ends], key[ends]

    def finish(self) -> Findings:
        products = self._masters["products"]
        bad = products["stock"] != self._stock[0::2]
        yield Found(products, bad, "stock is not what the last movement left", ("stock",))
        bad = self._stock[1::2] != 0
        yield Found(products, bad, "goods are left at the returns location")


@rule("R32", "stock is never negative", {"inventory_movements": _MOVEMENT}, in_block=True)
def never_negative(group: Group) -> Findings:
    """R32: stock is never negative."""
    rows = group["inventory_movements"]
    bad = (rows["new_stock"] < 0) | (rows["previous_stock"] < 0)
    yield Found(rows, bad, "stock is negative", ("previous_stock", "new_stock"))


@rule(
    "R33",
    "every movement has its reason",
    {
        "inventory_movements": f"{_MOVEMENT} movement_type location created_at",
        "order_items": "quantity",
        "orders": "status status_history cancellation_reason",
        "refunds": "status processed_at returned_items",
    },
)
def movements(group: Group) -> Findings:
    """R33: a fulfilment for each line of each accepted order whose stock was committed.

    A RETURN for each item that came back, and no other: of a completed refund when it was
    processed, of a committed order that ended Cancelled or Delivery Failed on the next working
    day, if that lies before T. What comes back leaves at once by an ADJUSTMENT.
    """
    rows = group["inventory_movements"]
    sold = rows.has("movement_type", "ORDER_FULFILLMENT")
    back = rows.has("movement_type", "RETURN")
    at_main = rows.has("location", "main")
    odd = (back & at_main) | (~at_main & ~back & ~rows.has("movement_type", "ADJUSTMENT"))
    yield Found(rows, odd, "this kind of movement is not booked here", ("movement_type",))
    signs = (sold & (rows["quantity"] >= 0)) | (back & (rows["quantity"] <= 0))
    signs |= rows.has("movement_type", "RESTOCK") & (rows["quantity"] <= 0)
    signs |= rows["quantity"] == 0
    yield Found(rows, signs, "quantity has the wrong sign", ("movement_type", "quantity"))
    yield from _references(rows, sold, back)
    yield from _fulfilments(group, sold)
    yield from _refunded(group, back)
    yield from _failed(group, back)
    yield from _leave_at_once(rows, back, at_main)


def committed(group: Group) -> Bool:
    """Return which orders have a fulfilment."""
    rows = group["inventory_movements"]
    order = np.where(
        rows.has("movement_type", "ORDER_FULFILLMENT"),
        group.at("inventory_movements", "order_id"),
        NEVER,
    )
    return np.asarray(counts(order, len(group["orders"])) > 0)


def short_of_stock(group: Group) -> Bool:
    """Return which orders are labelled stock_shortage, or repeat one that is."""
    orders, labels = group["orders"], group["anomaly_labels"]
    chosen = labels.has("anomaly_type", "stock_shortage") & labels.has("entity", "orders")
    short = np.zeros(len(orders) + 1, dtype=bool)
    short[orders.index.find(labels["entity_id"][chosen])] = True
    short[-1] = False
    return short[:-1] | short[group.at("orders", "duplicate_of_order_id")]


def _references(rows: Rows, sold: Bool, back: Bool) -> Findings:
    has_order, has_item = rows.valid("order_id"), rows.valid("order_item_id")
    bad = has_order != (sold | back)
    bad |= has_item & ~has_order
    bad |= (sold | back) & ~has_item
    bad |= rows.valid("refund_id") & ~back
    # what leaves the returns location may name the order that it came from
    bad &= ~(rows.has("location", "returns") & rows.has("movement_type", "ADJUSTMENT"))
    shown = ("movement_type", "order_id", "order_item_id", "refund_id")
    what = "order_id and order_item_id belong to fulfilments and returns, refund_id to returns"
    yield Found(rows, bad, what, shown)


def _fulfilments(group: Group, sold: Bool) -> Findings:
    rows, items, orders = group["inventory_movements"], group["order_items"], group["orders"]
    line = np.where(sold, group.at("inventory_movements", "order_item_id"), NEVER)
    known = line >= 0
    yield Found(rows, sold & ~known, "fulfils no line", ("order_item_id",))
    other = (pick(items["order_id"], line) != rows["order_id"]) | (
        pick(items["product_id"], line) != rows["product_id"]
    )
    shown = ("order_id", "order_item_id", "product_id", "quantity")
    other |= pick(items["quantity"], line) != -rows["quantity"]
    yield Found(rows, known & other, "is not what its line says", shown)
    number = counts(line, len(items))
    yield Found(items, number > 1, "is fulfilled more than once")
    order = group.at("order_items", "order_id")
    accepted = group.entered("Processing")
    full = sums(order, number > 0, len(orders))
    some, none = full > 0, full == 0
    all_ = full == counts(order, len(orders))
    short = short_of_stock(group)
    unaccepted = (accepted == NEVER) & some
    yield Found(orders, unaccepted, "stock was committed, but it was never accepted", ("status",))
    may_wait = (
        short
        & none
        & (orders.has("status", "Processing") | orders.has("cancellation_reason", "Out of stock"))
    )
    lacking = (accepted != NEVER) & ~all_ & ~may_wait
    yield Found(orders, lacking, "accepted, but not every line is fulfilled", ("status",))
    owner = group.at("inventory_movements", "order_id")
    when = pick(accepted, owner)
    at = rows["created_at"]
    early = sold & (owner >= 0) & (when != NEVER)
    early &= np.where(pick(short, owner), at < when, at != when)
    yield Found(rows, early, "not booked when the order was accepted", ("order_id", "created_at"))


def _refunded(group: Group, back: Bool) -> Findings:
    rows, refunds = group["inventory_movements"], group["refunds"]
    mine = back & rows.valid("refund_id")
    refund = np.where(mine, group.at("inventory_movements", "refund_id"), NEVER)
    done = refunds.valid("processed_at")
    unasked = mine & ~((refund >= 0) & pick(done, refund))
    yield Found(rows, unasked, "comes back without a completed refund", ("refund_id",))
    late = mine & ~unasked & (rows["created_at"] != pick(refunds["processed_at"], refund))
    what = "not booked when the refund was processed"
    yield Found(rows, late, what, ("refund_id", "created_at"))
    items = refunds.lists("returned_items")
    wanted = done[items.parent]
    asked = np.stack(
        [refunds.key[items.parent], items["order_item_id"], items["quantity"]], axis=1
    )[wanted]
    booked = np.stack([rows["refund_id"], rows["order_item_id"], rows["quantity"]], axis=1)[mine]
    lacking = np.zeros(len(items), dtype=bool)
    lacking[np.flatnonzero(wanted)] = missing(asked, booked)
    yield Found(refunds, items.of_rows(lacking), "a returned item was not booked in")
    extra = np.zeros(len(rows), dtype=bool)
    extra[np.flatnonzero(mine)] = missing(booked, asked)
    shown = ("refund_id", "order_item_id", "quantity")
    yield Found(rows, extra & ~unasked, "is no item of its refund", shown)
    yield from _same_product(group, back)


def _same_product(group: Group, back: Bool) -> Findings:
    rows, items = group["inventory_movements"], group["order_items"]
    line = np.where(back, group.at("inventory_movements", "order_item_id"), NEVER)
    other = (pick(items["product_id"], line) != rows["product_id"]) | (
        pick(items["order_id"], line) != rows["order_id"]
    )
    shown = ("order_id", "order_item_id", "product_id")
    yield Found(rows, back & (line >= 0) & other, "is another line's product or order", shown)


def _failed(group: Group, back: Bool) -> Findings:
    rows, items, orders = group["inventory_movements"], group["order_items"], group["orders"]
    context = group.context
    mine = back & ~rows.valid("refund_id")
    ended = orders.has("status", "Cancelled", "Delivery Failed") & committed(group)
    working = MarkedDays.working(context.first_day, context.last_day)
    last = orders.lists("status_history").last("at")
    day = working.after(calendar.local_day(last))
    comes = ended & (day <= context.last_day)
    order = group.at("inventory_movements", "order_id")
    unasked = mine & ~((order >= 0) & pick(comes, order))
    yield Found(rows, unasked, "comes back from an order that did not fail", ("order_id",))
    booked_day = calendar.local_day(rows["created_at"][mine])
    late = np.zeros(len(rows), dtype=bool)
    late[mine] = booked_day != pick(day, order[mine])
    shown = ("order_id", "created_at")
    yield Found(rows, late & ~unasked, "does not come back on the next working day", shown)
    wanted = pick(comes, group.at("order_items", "order_id"))
    wanted &= group.at("order_items", "order_id") >= 0
    asked = np.stack([items.key, items["quantity"]], axis=1)[wanted]
    booked = np.stack([rows["order_item_id"], rows["quantity"]], axis=1)[mine]
    lacking = np.zeros(len(items), dtype=bool)
    lacking[np.flatnonzero(wanted)] = missing(asked, booked)
    yield Found(items, lacking, "did not come back from an order that failed", ("order_id",))
    extra = np.zeros(len(rows), dtype=bool)
    extra[np.flatnonzero(mine)] = missing(booked, asked)
    shown = ("order_item_id", "quantity")
    yield Found(rows, extra & ~unasked, "is not what its line says, or comes back twice", shown)


def _leave_at_once(rows: Rows, back: Bool, at_main: Bool) -> Findings:
    """Each RETURN is followed by an ADJUSTMENT that takes the goods away again."""
    away = ~at_main & rows.has("movement_type", "ADJUSTMENT")
    after = rows.index.find(np.where(back, rows.key + 1, NEVER)) if len(rows) else rows.key
    paired = back & (after >= 0) & pick(away, after)
    for column in ("created_at", "product_id"):
        paired &= pick(rows[column], after) == rows[column]
    paired &= pick(rows["quantity"], after) == -rows["quantity"]
    paired &= (rows["previous_stock"] == 0) & (pick(rows["new_stock"], after) == 0)
    what = "does not leave at once by an ADJUSTMENT with the next movement_id"
    yield Found(rows, back & ~paired, what, ("product_id", "quantity", "created_at"))
    taken = np.zeros(len(rows) + 1, dtype=bool)
    taken[np.where(paired, after, NEVER)] = True
    what = "leaves the returns location without a RETURN before it"
    yield Found(rows, away & ~taken[:-1], what, ("product_id", "quantity", "created_at"))


def missing(wanted: Array, given: Array) -> Bool:
    """Return which rows of ``wanted`` (int64, n x k) have no match left in ``given`` (m x k)."""
    both = np.concatenate([wanted, given]).astype(np.int64, copy=False)
    side = np.concatenate([np.zeros(len(wanted), dtype=np.int8), np.ones(len(given), np.int8)])
    order = np.lexsort((side, *both.T[::-1]))
    both, side = both[order], side[order]
    first = np.ones(len(both), dtype=bool)
    first[1:] = (both[1:] != both[:-1]).any(axis=1)
    start = np.maximum.accumulate(np.where(first, np.arange(len(both)), 0))
    block = np.cumsum(first) - 1
    supply = sums(block, side, int(block[-1]) + 1 if len(block) else 0)
    place = np.arange(len(both)) - start
    lacking = (side == 0) & (place >= pick(supply, block))
    result = np.zeros(len(wanted), dtype=bool)
    result[order[lacking]] = True
    return result


def _in_time(slot: I64, created: I64, key: I64) -> I64:
    """Return the order by (slot, created, key), quick where rows already lie in time order."""
    order = np.argsort(slot, kind="stable")
    by_slot, by_time, by_key = slot[order], created[order], key[order]
    same = by_slot[1:] == by_slot[:-1]
    back = by_time[1:] < by_time[:-1]
    back |= (by_time[1:] == by_time[:-1]) & (by_key[1:] <= by_key[:-1])
    if not np.any(same & back):
        return order
    return np.lexsort((key, created, slot))
