"""Labels of anomalies that befell orders: one row for each changed field."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from polargen.anomalies import CODE
from polargen.blocks import BlockContext
from polargen.columns import Array, Nullable
from polargen.draw import U8
from polargen.generators.book import Book, happened
from polargen.generators.life import CANCELLED, Life
from polargen.generators.paying import OVERDUE, Paying
from polargen.generators.placing import Placing
from polargen.schema.service import SEVERITIES

Shown: TypeAlias = "Array | Nullable | None"

LOW, MEDIUM, HIGH = range(len(SEVERITIES))
LONG_DELAY_DAYS = 7  # of a delivery; longer is of medium severity
_KINDS = [
    CODE[name]
    for name in ("payment_delay", "delivery_delay", "order_cancellation", "stock_shortage")
]


def add_labels(ctx: BlockContext, book: Book) -> None:
    """Add a label for each field that differs from the base world, of each labelled order."""
    if not ctx.plan.anomaly_types:
        return
    befallen, placing = book.befallen, book.placing
    severity = _severity(book)
    rows = np.flatnonzero(np.isin(befallen.anomaly, _KINDS))
    event = _event_us(ctx, book, rows)
    before = _shown(ctx, placing, befallen.base_life, befallen.base_paying, rows)
    after = _shown(ctx, placing, befallen.life, befallen.paying, rows)
    unchanged = np.ones(len(rows), dtype=bool)

    def add(entity: str, name: str | None, at: Array, was: Shown, now: Shown) -> None:
        row = rows[at]
        ctx.labels.add(
            befallen.anomaly[row],
            entity,
            name,
            placing.order_id[row],
            was,
            now,
            severity[row],
            event[at],
            befallen.cluster[row],
        )

    for name, now in after.items():
        was = before[name]
        changed = _differs(was, now)
        unchanged &= ~changed
        at = np.flatnonzero(changed)
        entity = "shipments" if name == "scheduled_delivery_date" else "orders"
        add(entity, name, at, _take(was, at), _take(now, at))
    # An order that waited and shows it nowhere is labelled as a whole.
    add("orders", None, np.flatnonzero(unchanged), None, None)
    at = np.arange(placing.base, len(placing))
    ctx.labels.add(
        "duplicate_orders",
        "orders",
        "duplicate_of_order_id",
        placing.order_id[at],
        Nullable(np.zeros(len(at), dtype=np.int64), np.zeros(len(at), dtype=bool)),
        placing.order_id[placing.original],
        "low",
        placing.order_us[at],
        befallen.cluster[at],
    )
    at = at[befallen.waits[at]]
    ctx.labels.add("stock_shortage", "orders", None, placing.order_id[at], None, None,
                   severity[at], placing.order_us[at], befallen.cluster[at])  # fmt: skip


def _shown(
    ctx: BlockContext, placing: Placing, life: Life, paying: Paying, rows: Array
) -> dict[str, Array | Nullable]:
    """Return the fields of orders ``rows`` (and their shipments) that an anomaly can change."""
    from polargen.generators.orders import days_overdue, updated_us

    life, paying = life.take(rows), paying.take(rows)
    cancelled = life.status == CANCELLED
    return {
        "status": life.status,
        "payment_status": paying.status,
        "paid_at": Nullable(paying.last_us, happened(paying.last_us)),
        "days_overdue": days_overdue(placing.due[rows], paying, ctx.plan.last_day),
        "cancellation_reason": Nullable(
            np.where(cancelled, life.reason, 0).astype(np.uint8), cancelled
        ),
        "cancelled_at": Nullable(life.cancelled_us, cancelled),
        "updated_at": updated_us(placing.order_us[rows], life, paying),
        "scheduled_delivery_date": life.scheduled,
    }


def _differs(was: Array | Nullable, now: Array | Nullable) -> Array:
    if isinstance(was, Nullable) and isinstance(now, Nullable):
        both = was.valid & now.valid
        return np.asarray((was.valid != now.valid) | (both & (was.values != now.values)))
    return np.asarray(was != now)


def _take(values: Array | Nullable, at: Array) -> Array | Nullable:
    if isinstance(values, Nullable):
        assert isinstance(values.values, np.ndarray)
        return Nullable(values.values[at], values.valid[at])
    return values[at]


def _severity(book: Book) -> U8:
    """Return high where money or goods are lost, medium for long delays, else low."""
    befallen = book.befallen
    level = np.where(befallen.delay_days > LONG_DELAY_DAYS, MEDIUM, LOW)
    lost = (befallen.life.status == CANCELLED) | (befallen.paying.status == OVERDUE)
    return np.where(lost, HIGH, level).astype(np.uint8)


def _event_us(ctx: BlockContext, book: Book, rows: Array) -> Array:
    """Return when an anomaly befell: the missed due day or promise, or the cancellation."""
    days, placing = book.market.days, book.placing
    late_payment = book.befallen.anomaly[rows] == CODE["payment_delay"]
    missed = np.where(late_payment, placing.due[rows], placing.promise[rows]) + 1
    us = np.minimum(days.midnight[missed - days.first], ctx.plan.as_of_us - 1)
    us = np.maximum(us, placing.order_us[rows])
    cancelled_us = book.life.cancelled_us[rows]
    return np.where(happened(cancelled_us), cancelled_us, us)
