"""Payments: the money received for Paid orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from polargen import calendar
from polargen.blocks import BlockContext
from polargen.columns import Array, Frame, Gather, Nullable, fixed_text
from polargen.draw import chance, choose
from polargen.generators.base import BaseGenerator
from polargen.generators.book import Book, book_of
from polargen.generators.life import NEVER_US
from polargen.generators.paying import PAID
from polargen.schema.sales import PAYMENTS

CHANNEL_SHARES = {0: (0.92, 0.0, 0.05, 0.03), 1: (0.0, 0.92, 0.03, 0.05)}  # ASSUMED
TRANSFER, CHECK = 0, 1
FEED_SHARE = 0.5  # ASSUMED: bank transfers booked by the bank's feed
RECORDERS = ("Support", "Admin", "Manager")


class PaymentGenerator(BaseGenerator):
    """Makes one or two payments for each Paid order."""

    name = "payments"
    tables = (PAYMENTS,)
    depends_on = ("orders",)
    rows_per_unit: ClassVar[Mapping[str, float]] = {"payments": 0.6}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> dict[str, Frame]:
        """Return the payments, in the order of the orders; payment_id follows from order_id."""
        book = book_of(ctx)
        paying, placing = book.paying, book.placing
        paid = np.flatnonzero(paying.status == PAID)
        split = paying.first_us[paid] < NEVER_US
        at = np.repeat(paid, 1 + split)
        number = np.ones(len(at), dtype=np.int32)
        second = np.cumsum(1 + split)[split] - 1
        number[second] = 2
        of_two = np.repeat(split, 1 + split)
        first = of_two & (number == 1)
        us = np.where(first, paying.first_us[at], paying.last_us[at])
        grand = book.basket.grand_total[at]
        part = paying.first_cents[at]
        amount = np.where(first, part, np.where(of_two, grand - part, grand))
        day = calendar.local_day(us)
        method = _method(ctx, book, at)
        bulk = paying.bulk[at]
        user = _recorder(ctx, book, at, day, number, method, bulk)
        key = (placing.order_id[at] - 1) * 2 + number
        cycle, cycles, cycle_number = _cycles(ctx, book, at, bulk)
        reference = fixed_text(f"PMT{ctx.plan.base.mark}-", np.where(bulk, cycle_number, key), 12)
        frame = Frame(
            PAYMENTS,
            {
                "payment_id": key,
                "order_id": placing.order_id[at],
                "company_id": placing.company[at].astype(np.int64) + 1,
                "amount": amount,
                "method": method,
                "reference": _bulk_prefix(reference, bulk),
                "installment_no": number,
                "bulk_cycle_id": Nullable(Gather(cycle, cycles), bulk),
                "payment_date": us,
                "days_from_due": day - placing.due[at],
                "recorded_by_user_id": Nullable(user, user > 0),
                "created_at": us,
            },
        )
        return {"payments": frame}


def _method(ctx: BlockContext, book: Book, at: Array) -> Array:
    usual = ctx.world.companies.method[book.placing.company[at]]
    bits = book.draws.u16("payments.method")[at]
    method = np.where(usual == TRANSFER, choose(bits, CHANNEL_SHARES[TRANSFER]),
                      choose(bits, CHANNEL_SHARES[CHECK]))  # fmt: skip
    return np.where(book.paying.bulk[at], usual, method).astype(np.uint8)


def _recorder(
    ctx: BlockContext, book: Book, at: Array, day: Array, number: Array, method: Array, bulk: Array
) -> Array:
    """Return who recorded each payment, 0 for the bank's feed; one person for a bulk cycle."""
    bits = book.draws.u32("payments.recorded_by_user_id")[at] ^ (number << 16).astype(np.uint32)
    company, due = book.placing.company[at], book.placing.due[at]
    shared = (ctx.plan.keyed("payments.bulk_recorder", company, due) >> np.uint64(32)).astype(
        np.uint32
    )
    bits = np.where(bulk, shared, bits)
    feed = (method == TRANSFER) & chance(bits * np.uint32(2654435761), FEED_SHARE)
    return np.where(feed, 0, ctx.world.roster.office(day, bits, RECORDERS))


def _cycles(ctx: BlockContext, book: Book, at: Array, bulk: Array) -> tuple[Array, pa.Array, Array]:
    """Return each row's cycle among the block's, their ids, and each row's cycle number.

    A cycle is a company's quarter; its number is quarter x companies + company.
    """
    quarter = calendar.month_index(book.placing.due[at]) // 3 - 1
    number = quarter.astype(np.int64) * (ctx.plan.companies + 1) + book.placing.company[at] + 1
    distinct, place = np.unique(np.where(bulk, number, 0), return_inverse=True)
    year_quarter = distinct // (ctx.plan.companies + 1)
    company = distinct % (ctx.plan.companies + 1)
    text = pa.array(
        [
            f"BC{ctx.plan.base.mark}-{yq // 4}Q{yq % 4 + 1}-{c:06d}"
            for yq, c in zip(year_quarter.tolist(), company.tolist(), strict=True)
        ]
    )
    return place.astype(np.int32), text, np.where(bulk, number, 0)


def _bulk_prefix(reference: pa.Array, bulk: Array) -> pa.Array:
    """Write "BLK-" instead of "PMT-" on rows of a bulk cycle."""
    if not bulk.any():
        return reference
    width = len(reference[0].as_py())
    text = np.frombuffer(reference.buffers()[2], dtype=np.uint8).reshape(-1, width).copy()
    text[bulk, :3] = np.frombuffer(b"BLK", dtype=np.uint8)
    return pa.StringArray.from_buffers(len(reference), reference.buffers()[1], pa.py_buffer(text))
