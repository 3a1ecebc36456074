"""Orders and their lines, with everything that becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from polargen.blocks import BlockContext
from polargen.columns import Array, Frame, Gather, Nested, Nullable, fixed_text
from polargen.draw import I32, I64, choose
from polargen.generators import basket as baskets
from polargen.generators import market as markets
from polargen.generators import order_labels
from polargen.generators.base import BaseGenerator
from polargen.generators.basket import NO_DISCOUNT, VAT_PCT, Basket, Discount
from polargen.generators.book import Book, happened
from polargen.generators.life import (
    CANCELLED,
    DELIVERED,
    FAILED,
    NEVER_US,
    NO_REASON,
    PENDING,
    PROCESSING,
    SHIPPED,
    Life,
    draw_life,
)
from polargen.generators.order_anomalies import befall
from polargen.generators.order_totals import add_totals
from polargen.generators.paying import OVERDUE, Paying, draw_paying
from polargen.generators.placing import Draws, Placing, place
from polargen.generators.products import product_names
from polargen.schema.sales import ORDER_ITEMS, ORDERS

ORDER_NUMBER_DIGITS = 10
DELIVERY_NOTES = (
    "Call before arrival",
    "Deliver to the back entrance",
    "Leave with the receptionist",
    "Unload at the service gate",
    "Deliver before noon",
    "Lift is out of order, second floor",
    "Ask for the store keeper",
    "Bring the invoice in two copies",
)
NOTE_SHARES = (0.76, *(0.03,) * 8)  # ASSUMED: one order in four has a note
_FINAL = (DELIVERED, CANCELLED, FAILED)


class OrderGenerator(BaseGenerator):
    """Makes orders and order_items, and opens the book that the order's family reads."""

    name = "orders"
    tables = (ORDERS, ORDER_ITEMS)
    depends_on = ("companies", "products")
    rows_per_unit: ClassVar[Mapping[str, float]] = {"orders": 1.0, "order_items": 4.0}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> dict[str, Frame]:
        """Return the orders of a block, in time order, duplicates last, and their lines."""
        market = markets.market_of(ctx)
        placing = place(ctx, market)
        basket = baskets.fill(ctx, market, placing)
        draws = Draws(ctx, placing.base, len(placing.original))
        life, slots = draw_life(ctx, market, placing, draws)
        paying = draw_paying(ctx, market, placing, life, basket.grand_total, draws)
        after = befall(ctx, market, placing, basket, (life, slots), paying, draws)
        ctx.book = Book(
            market=market,
            placing=placing,
            basket=basket,
            befallen=after,
            draws=draws,
            order_item_id=ctx.key_start("order_items") + np.arange(len(basket), dtype=np.int64),
            order_numbers=fixed_text(
                f"SO{ctx.plan.base.mark}-", placing.order_id, ORDER_NUMBER_DIGITS
            ),
        )
        order_labels.add_labels(ctx, ctx.book)
        add_totals(ctx, ctx.book)
        return {"orders": _orders(ctx, ctx.book), "order_items": _items(ctx, ctx.book)}


def _orders(ctx: BlockContext, book: Book) -> Frame:
    placing, basket, life, paying = book.placing, book.basket, book.life, book.paying
    n = len(placing)
    cancelled = life.status == CANCELLED
    original = np.zeros(n, dtype=np.int64)
    original[placing.base :] = placing.order_id[placing.original]
    note = choose(book.draws.u16("orders.delivery_notes"), NOTE_SHARES).astype(np.int32)
    discount = basket.order_discount
    return Frame(
        ORDERS,
        {
            "order_id": placing.order_id,
            "order_number": book.order_numbers,
            "company_id": placing.company.astype(np.int64) + 1,
            "branch_id": Nullable(placing.branch.astype(np.int64) + 1, placing.branch >= 0),
            "warehouse": placing.warehouse,
            "created_by_user_id": placing.user_id,
            "order_date": placing.order_us,
            "delivery_schedule": placing.region,
            "delivery_date": placing.promise,
            "payment_due_date": placing.due,
            "status": life.status,
            "payment_status": paying.status,
            "item_count": np.diff(basket.offsets),
            "subtotal": basket.subtotal,
            "item_discount_total": basket.item_discount,
            **_discount(discount),
            "tax_total": basket.tax_total,
            "grand_total": basket.grand_total,
            "paid_at": Nullable(paying.last_us, happened(paying.last_us)),
            "days_overdue": days_overdue(placing.due, paying, ctx.plan.last_day),
            "cancellation_reason": Nullable(np.where(cancelled, life.reason, 0).astype(np.uint8),
                                            cancelled & (life.reason != NO_REASON)),
            "cancelled_at": Nullable(life.cancelled_us, cancelled),
            "delivery_notes": Nullable(
                Gather(np.maximum(note - 1, 0), pa.array(DELIVERY_NOTES)), note > 0
            ),
            "duplicate_of_order_id": Nullable(original, original > 0),
            "status_history": _history(placing, life),
            "created_at": placing.order_us,
            "updated_at": updated_us(placing.order_us, life, paying),
        },
    )  # fmt: skip


def days_overdue(due: I32, paying: Paying, last_day: int) -> Array:
    """Return the days from the due date to the as-of date where Overdue, else 0: int32."""
    late = np.int32(last_day) - due
    return np.where(paying.status == OVERDUE, late, 0).astype(np.int32)


def updated_us(order_us: I64, life: Life, paying: Paying) -> I64:
    """Return the instant of each order's last step or payment."""
    latest = order_us
    for us in (
        life.accepted_us,
        life.dispatched_us,
        life.delivered_us,
        life.failed_us,
        life.cancelled_us,
        paying.last_us,
    ):
        latest = np.maximum(latest, np.where(us < NEVER_US, us, 0))
    return latest


def _history(placing: Placing, life: Life) -> Nested:
    """Return each order's statuses with their instants: Pending first, the status last."""
    n = len(placing)
    ended = np.minimum(np.minimum(life.delivered_us, life.failed_us), life.cancelled_us)
    us = np.empty((n, 4), dtype=np.int64)
    there = np.empty((n, 4), dtype=bool)
    number = np.zeros(n, dtype=np.int32)
    for step, step_us in enumerate((placing.order_us, life.accepted_us, life.dispatched_us, ended)):
        us[:, step] = step_us
        there[:, step] = happened(step_us)
        number += there[:, step]
    status = np.empty((n, 4), dtype=np.uint8)
    status[:] = (PENDING, PROCESSING, SHIPPED, DELIVERED)
    status[:, 3] = life.status
    offsets = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(number, out=offsets[1:])
    at = np.flatnonzero(there)
    return Nested(offsets, {"status": status.reshape(-1).take(at), "at": us.reshape(-1).take(at)})


def _discount(discount: Discount) -> dict[str, Nullable | Array]:
    has = discount.kind != NO_DISCOUNT
    return {
        "discount_type": Nullable(np.where(has, discount.kind, 0).astype(np.uint8), has),
        "discount_value": Nullable(discount.value_cents, has),
        "discount_amount": discount.amount_cents,
    }


def _items(ctx: BlockContext, book: Book) -> Frame:
    basket: Basket = book.basket
    n = len(basket)
    names, at = _names(ctx, book)
    return Frame(
        ORDER_ITEMS,
        {
            "order_item_id": book.order_item_id,
            "order_id": book.placing.order_id.take(basket.order),
            "line_no": basket.line_no,
            "product_id": basket.product.astype(np.int64) + 1,
            "product_name": Gather(at, names),
            "quantity": basket.quantity,
            "unit_price": basket.price_cents,
            **_discount(basket.discount),
            "line_total": basket.line_total,
            "tax_rate": np.full(n, VAT_PCT, dtype=np.int32),
            "tax_amount": basket.tax,
        },
    )


def _names(ctx: BlockContext, book: Book) -> tuple[pa.Array, Array]:
    """Return the names of the block's products, and each line's place among them."""
    products = book.befallen.shortage.products
    place = np.zeros(ctx.plan.products, dtype=np.int32)
    place[products] = np.arange(len(products), dtype=np.int32)
    every = book.market.product_names
    if every is None:
        names = product_names(ctx.plan, ctx.world.products, products.astype(np.int64))
    else:
        names = every.take(pa.array(products))
    return names, place.take(book.basket.product)
