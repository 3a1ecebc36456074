"""Refunds: goods sent back after delivery and payment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from polargen import calendar
from polargen.blocks import BlockContext
from polargen.columns import Array, Frame, Nested, Nullable
from polargen.draw import I64, chance, choose, half_up, integers
from polargen.generators.base import BaseGenerator
from polargen.generators.basket import VAT_PCT
from polargen.generators.book import Book, book_of
from polargen.generators.life import DELIVERED, NEVER_US
from polargen.generators.market import uniform_instants
from polargen.generators.paying import OFFICE_HOURS, PAID
from polargen.schema.sales import REFUNDS

REFUND_SHARE = 0.05  # Source: DOMAIN, refunds
WHOLE_SHARE = 0.3
LINE_SHARE = 0.5  # ASSUMED: chance of each line to come back in a part refund
STATUS_SHARES = (0.15, 0.10, 0.60, 0.15)
STAYS_PENDING, STAYS_APPROVED, COMPLETED, REJECTED = range(4)
LATEST_PAYMENT_US = 30 * 86_400_000_000
REQUEST_DAYS, REVIEW_DAYS, PROCESS_DAYS = (1, 14), (1, 4), (1, 6)
REVIEWERS = ("Manager", "Admin")
REASON_SHARES = (0.25, 0.15, 0.15, 0.1, 0.1, 0.15, 0.05, 0.05)  # ASSUMED
REJECTION_SHARES = (0.3, 0.25, 0.2, 0.15, 0.1)  # ASSUMED


class RefundGenerator(BaseGenerator):
    """Makes refunds of some delivered and paid orders."""

    name = "refunds"
    tables = (REFUNDS,)
    depends_on = ("orders", "order_items", "payments")
    rows_per_unit: ClassVar[Mapping[str, float]] = {"refunds": 0.025}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> dict[str, Frame]:
        """Return the refunds, in the order of the orders; refund_id equals order_id."""
        book = book_of(ctx)
        life, paying, days = book.life, book.paying, book.market.days
        later = np.maximum(life.delivered_us, paying.last_us)
        can = (life.status == DELIVERED) & (paying.status == PAID)
        can &= paying.last_us - life.delivered_us <= LATEST_PAYMENT_US
        can &= chance(book.draws.u32("refunds.chance"), REFUND_SHARE)
        at = np.flatnonzero(can)

        def bits(name: str) -> Array:
            return book.draws.u32(f"refunds.{name}")[at]

        def office(after: Array, span: tuple[int, int], name: str) -> tuple[Array, I64]:
            # The working day at or after so many days; late in the window it may lie past T.
            soonest = (after + integers(bits(f"{name}_days"), *span)).astype(np.int32)
            day = days.nth_working(soonest, np.zeros(len(soonest), dtype=np.int64))
            return day, uniform_instants(ctx.plan, day, bits(f"{name}_time"), *OFFICE_HOURS)

        day, requested = office(calendar.local_day(later[at]), REQUEST_DAYS, "requested")
        keep = requested < ctx.plan.as_of_us
        at, day, requested = at[keep], day[keep], requested[keep]
        review_day, reviewed = office(day, REVIEW_DAYS, "reviewed")
        _, processed = office(review_day, PROCESS_DAYS, "processed")
        status = choose(book.draws.u16("refunds.status")[at], STATUS_SHARES)
        status[reviewed >= ctx.plan.as_of_us] = STAYS_PENDING
        status[(status == COMPLETED) & (processed >= ctx.plan.as_of_us)] = STAYS_APPROVED
        decided, done = status != STAYS_PENDING, status == COMPLETED
        rejected = status == REJECTED
        reviewer = np.zeros(len(at), dtype=np.int64)
        reviewer[decided] = ctx.world.roster.office(
            review_day[decided], bits("reviewed_by_user_id")[decided], REVIEWERS
        )
        items, amount = _items(book, at)
        reason = choose(book.draws.u16("refunds.rejection_reason")[at], REJECTION_SHARES)
        order_id = book.placing.order_id[at]
        split = paying.first_us[at] < NEVER_US
        latest = np.where(decided, reviewed, requested)
        frame = Frame(
            REFUNDS,
            {
                "refund_id": order_id,
                "order_id": order_id,
                "payment_id": (order_id - 1) * 2 + 1 + split,
                "return_reason": choose(book.draws.u16("refunds.return_reason")[at], REASON_SHARES),
                "returned_items": items,
                "amount": amount,
                "status": status,
                "requested_at": requested,
                "reviewed_by_user_id": Nullable(reviewer, decided),
                "reviewed_at": Nullable(reviewed, decided),
                "rejection_reason": Nullable(
                    np.where(rejected, reason, 0).astype(np.uint8), rejected
                ),
                "processed_at": Nullable(processed, done),
                "created_at": requested,
                "updated_at": np.where(done, processed, latest),
            },
        )
        return {"refunds": frame}


def _items(book: Book, at: Array) -> tuple[Nested, I64]:
    """Return what comes back of orders ``at``, and the amounts asked.

    All lines with P 0.3; else each line with P 0.5, at least the first, in part.
    An item's amount is quantity / bought x (line_total + tax - its part of the order's discount
    and of that part's tax), rounded half up.
    """
    basket, draws = book.basket, book.draws
    sizes = np.diff(basket.offsets)[at].astype(np.int64)
    of = np.repeat(np.arange(len(at)), sizes)
    first = np.cumsum(sizes) - sizes
    nth = np.arange(len(of)) - first[of]
    line = basket.offsets[at][of] + nth
    whole = chance(draws.u32("refunds.whole")[at], WHOLE_SHARE)[of]
    lots = draws.u32("refunds.lines")[at][of] * np.uint32(2654435761) + (
        (nth + 1) * 0x9E3779B1
    ).astype(np.uint32)
    lots = (lots ^ (lots >> np.uint32(15))) * np.uint32(0x85EBCA6B)
    lots = lots ^ (lots >> np.uint32(13))
    comes = whole | chance(lots, LINE_SHARE) | (nth == 0)
    of, line, whole, lots = of[comes], line[comes], whole[comes], lots[comes]
    bought = basket.quantity[line].astype(np.int64)
    part = integers(lots * np.uint32(0xC2B2AE35), 1, bought)
    pieces = np.where(whole, bought, part)
    order = basket.order[line]
    net = basket.subtotal[order] - basket.item_discount[order]
    off = basket.order_discount.amount_cents[order]
    share = half_up(off * basket.line_total[line], net)
    worth = basket.line_total[line] + basket.tax[line] - share - half_up(share * VAT_PCT, 100)
    amount = half_up(worth * pieces, bought)
    amount, total = _at_most(amount, of, len(at), basket.grand_total[at])
    offsets = np.zeros(len(at) + 1, dtype=np.int32)
    np.cumsum(np.bincount(of, minlength=len(at)), out=offsets[1:])
    fields = {
        "order_item_id": book.order_item_id[line],
        "quantity": pieces.astype(np.int32),
        "amount": amount,
    }
    return Nested(offsets, fields), total


def _at_most(amount: I64, of: Array, orders: int, paid: I64) -> tuple[I64, I64]:
    """Take what rounding put above the sum paid (a few piastres) evenly from the items."""
    total = np.bincount(of, weights=amount, minlength=orders).astype(np.int64)
    over = np.maximum(total - paid, 0)
    items = np.bincount(of, minlength=orders)
    nth = np.arange(len(of)) - (np.cumsum(items) - items)[of]
    each, rest = over // np.maximum(items, 1), over % np.maximum(items, 1)
    return amount - each[of] - (nth < rest[of]), total - over
