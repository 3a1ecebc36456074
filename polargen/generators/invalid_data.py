"""invalid_data: single fields that break a business rule on purpose, never a key.

Applied to a block's finished frames, so that everything else is as if the field were right.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polargen import anomalies
from polargen.anomalies import NO_ANOMALY
from polargen.blocks import BlockContext
from polargen.columns import Array, Frame, Values
from polargen.draw import chance, integers
from polargen.generators.book import Book
from polargen.generators.paying import PAID

DAY_US = 86_400_000_000
BAD_EMAIL = "not-an-address"


def inject(ctx: BlockContext, frames: dict[str, Frame]) -> None:
    """Change fields of some orders' lines and payments, or of some companies."""
    if "invalid_data" not in ctx.plan.anomaly_types:
        return
    if ctx.block.kind == "orders" and ctx.book is not None:
        _orders(ctx, ctx.book, frames)
    if ctx.block.kind == "masters" and ctx.block.table == "companies":
        _companies(ctx, frames)


def _orders(ctx: BlockContext, book: Book, frames: dict[str, Frame]) -> None:
    """A negative quantity, or a payment a day before its order."""
    placing = book.placing
    free = (book.befallen.anomaly == NO_ANOMALY) & ~placing.is_duplicate
    free[placing.original] = False
    rate = np.where(placing.is_duplicate, 0.0, anomalies.row_rate(ctx.plan, placing.day))
    eligible, labelled = ctx.tally["orders"]
    room = float(np.cumsum(np.where(free, rate, 0.0))[-1]) if free.any() else 0.0
    left = max(0.0, float(np.cumsum(rate)[-1]) - labelled) if len(rate) else 0.0
    scale = left / room if room else 0.0
    hit = free & chance(book.draws.u32("invalid_data.orders"), np.minimum(rate * scale, 1.0))
    late = chance(book.draws.u32("invalid_data.kind"), 0.5) & (book.paying.status == PAID)
    items, payments = frames["order_items"], frames["payments"]
    lines = book.basket.offsets[:-1][hit & ~late]
    quantity = items.array("quantity").copy()
    original = quantity[lines]
    quantity[lines] = -original
    frames["order_items"] = _with(items, "quantity", quantity)
    ctx.labels.add("invalid_data", "order_items", "quantity", book.order_item_id[lines],
                   original, -original, "medium", placing.order_us[hit & ~late])  # fmt: skip
    chosen = np.flatnonzero(hit & late)
    order_id = payments.array("order_id")
    row = np.searchsorted(order_id, placing.order_id[chosen])
    us = payments.array("payment_date").copy()
    before = us[row]
    us[row] = placing.order_us[chosen] - DAY_US
    frames["payments"] = _with(payments, "payment_date", us)
    ctx.labels.add("invalid_data", "payments", "payment_date", payments.array("payment_id")[row],
                   before, us[row], "high", placing.order_us[chosen])  # fmt: skip
    number = int(np.count_nonzero(hit))
    ctx.tally["invalid_data"] = (placing.base, number)
    ctx.tally["orders"] = (eligible, labelled + number)


def _companies(ctx: BlockContext, frames: dict[str, Frame]) -> None:
    """An empty name, or an impossible e-mail."""
    frame = frames["companies"]
    index = np.arange(ctx.block.first, ctx.block.stop)
    rate = ctx.plan.anomaly_rate * anomalies.type_share(ctx.plan)
    hit = chance(ctx.plan.keyed("invalid_data.companies", index), rate)
    kind = integers(ctx.plan.keyed("invalid_data.companies.kind", index), 0, 1)
    event = ctx.plan.as_of_us - 1
    for number, (name, text) in enumerate((("name", ""), ("email", BAD_EMAIL))):
        at = np.flatnonzero(hit & (kind == number))
        column = frame[name]
        assert isinstance(column, pa.Array)
        mask = np.zeros(len(index), dtype=bool)
        mask[at] = True
        changed = pc.replace_with_mask(column, pa.array(mask), pa.repeat(text, len(at)))
        frame = _with(frame, name, changed)
        ctx.labels.add("invalid_data", "companies", name, index[at] + 1,
                       column.take(pa.array(at)), pa.repeat(text, len(at)), "low",
                       np.full(len(at), event))  # fmt: skip
    frames["companies"] = frame


def _with(frame: Frame, name: str, values: Values | Array) -> Frame:
    return Frame(frame.table, {**frame.columns, name: values})
