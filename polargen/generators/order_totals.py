"""What a block's orders say about their companies."""

from __future__ import annotations

import numpy as np

from polargen import calendar
from polargen.blocks import BlockContext
from polargen.draw import I64
from polargen.generators.book import Book
from polargen.generators.life import DELIVERED
from polargen.generators.paying import OVERDUE, PAID
from polargen.generators.totals import Totals


def year_before(ctx: BlockContext) -> int:
    """Return the instant 12 months before the as-of instant: the same day a year earlier."""
    after = calendar.date_of(ctx.plan.last_day + 1)
    day = 28 if (after.month, after.day) == (2, 29) else after.day
    start = calendar.day_of(after.replace(year=after.year - 1, day=day))
    return int(calendar.to_utc(np.array([start], dtype=np.int32), 0)[0])


def add_totals(ctx: BlockContext, book: Book) -> None:
    """Add the block's orders to ``ctx.totals``."""
    assert ctx.totals is not None
    totals: Totals = ctx.totals
    placing, life, paying = book.placing, book.life, book.paying
    company, grand = placing.company, book.basket.grand_total

    def add(target: I64, at: np.ndarray, values: np.ndarray | int = 1) -> None:
        # Values of another width than the target would go in one by one.
        np.add.at(target, company[at], np.asarray(values, dtype=np.int64))

    delivered = life.status == DELIVERED
    unpaid = np.flatnonzero(delivered & (paying.status != PAID))
    add(totals.unpaid_orders, unpaid)
    add(totals.outstanding_cents, unpaid, grand[unpaid])
    bulk = unpaid[paying.bulk[unpaid] & (paying.status[unpaid] != OVERDUE)]
    add(totals.pending_bulk_cents, bulk, grand[bulk])
    since = year_before(ctx)
    recent = np.flatnonzero(delivered & (life.delivered_us >= since))
    add(totals.revenue_12m_cents, recent, grand[recent])
    paid = np.flatnonzero((paying.status == PAID) & (placing.order_us >= since))
    late = np.maximum(calendar.local_day(paying.last_us[paid]) - placing.due[paid], 0)
    add(totals.late_days_sum, paid, late)
    add(totals.late_count, paid)
    overdue = np.flatnonzero(paying.status == OVERDUE)
    scored = overdue[placing.order_us[overdue] >= since]
    add(totals.late_days_sum, scored, ctx.plan.last_day - placing.due[scored])
    add(totals.late_count, scored)
    np.minimum.at(totals.oldest_overdue_due_day, company[overdue], placing.due[overdue])
