"""Paying of orders: who has paid, when, in how many installments."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from polargen import calendar
from polargen.blocks import BlockContext
from polargen.draw import I32, I64, U8, Bool, chance, half_up, integers
from polargen.generators.life import DELIVERED, NEVER_US, Life
from polargen.generators.market import BULK, Days, Market, uniform_instants
from polargen.generators.placing import Draws, Placing
from polargen.plan.shares import BULK_LATEST_DAYS

PAID, PENDING_PAYMENT, OVERDUE = range(3)
INSTALLMENT_SHARE = 0.05  # Source: DOMAIN, payments
FIRST_PART_PCT = (30, 70)  # ASSUMED: part of the first of two installments
OFFICE_HOURS = (9.0, 17.0)  # Source: DOMAIN, payments
SAME_DAY_UNTIL_US = 16 * 3_600_000_000  # an order placed later is not paid on its own day
OFFICE_CLOSE_MS = 17 * 3_600_000
MIN_PAYMENT_MS = 300_000  # ASSUMED: nobody pays sooner after ordering
# Days from the due date and their weight. Source: DOMAIN, payments. The first class, the order's
# own day (weight 10), has no window.
SAME_DAY_WEIGHT = 10
CLASSES = ((-14, -3, 30), (-2, 0, 30), (1, 13, 20), (14, 44, 10))


@dataclass
class Paying:
    """What has been paid for a block's orders.

    Attributes:
        status: uint8 code of payment_status.
        first_us: int64, first of two installments, NEVER_US where there are fewer.
        last_us: int64, last payment, NEVER_US without one.
        first_cents: int64, amount of the first of two installments, else 0.
        bulk: bool, in a quarterly cycle.
    """

    status: U8
    first_us: I64
    last_us: I64
    first_cents: I64
    bulk: Bool

    def copy(self) -> Paying:
        """Return a copy whose arrays can be changed."""
        return Paying(**{item.name: getattr(self, item.name).copy() for item in fields(self)})

    def take(self, at: np.ndarray) -> Paying:
        """Return the payments of orders ``at``."""
        return Paying(**{item.name: getattr(self, item.name)[at] for item in fields(self)})


def draw_paying(
    ctx: BlockContext,
    market: Market,
    placing: Placing,
    life: Life,
    grand_total: I64,
    draws: Draws,
) -> Paying:
    """Draw the payments of the base world: what is possible first, then the shares."""
    plan, days = ctx.plan, market.days
    n = len(placing)
    bulk = placing.term == BULK
    bits = {
        name: draws.u32(f"payments.{name}")
        for name in ("overdue", "paid", "class", "day", "time", "installments", "first_part")
    }
    past = placing.due < plan.last_day
    young = placing.day >= plan.payment.horizon_start
    overdue = young & chance(bits["overdue"], plan.payment.overdue)
    early = ~young | chance(bits["paid"], plan.payment.paid)
    wants = (life.status == DELIVERED) & ~bulk & np.where(past, ~overdue, early)
    last_us = np.full(n, NEVER_US)
    at = np.flatnonzero(wants)
    last_us[at] = _single(ctx, days, placing, at, bits)
    cycles = np.flatnonzero(bulk & (life.status == DELIVERED))
    last_us[cycles] = bulk_pay_us(ctx, days, placing.company[cycles], placing.due[cycles])
    last_us[last_us >= plan.as_of_us] = NEVER_US
    paying = Paying(
        status=payment_status(life, placing, last_us, plan.last_day),
        first_us=np.full(n, NEVER_US),
        last_us=last_us,
        first_cents=np.zeros(n, dtype=np.int64),
        bulk=bulk,
    )
    _installments(ctx, days, placing, paying, grand_total, bits)
    return paying


def payment_status(life: Life, placing: Placing, last_us: I64, last_day: int) -> U8:
    """Return Paid where there is a payment, Overdue where a delivered order should have one."""
    owing = (life.status == DELIVERED) & (last_us == NEVER_US)
    status = np.where(owing & (placing.due < last_day), OVERDUE, PENDING_PAYMENT)
    return np.where(last_us != NEVER_US, PAID, status).astype(np.uint8)


def bulk_pay_us(ctx: BlockContext, days: Days, company: I32, due: I32) -> I64:
    """Return when a company pays its cycle: one keyed working day 0..44 days after it is due."""
    word = ctx.plan.keyed("payments.bulk_day", company, due)
    count = days.count_working(due, due + np.int32(BULK_LATEST_DAYS))
    day = days.nth_working(due, integers(word, 0, count - 1))
    time = ctx.plan.keyed("payments.bulk_time", company, due) >> np.uint64(32)
    return uniform_instants(ctx.plan, day, time, *OFFICE_HOURS)


def _single(
    ctx: BlockContext, days: Days, placing: Placing, at: np.ndarray, bits: dict[str, np.ndarray]
) -> I64:
    """Draw the payment of single orders: a class that is possible, then one of its days."""
    day, due = placing.day[at], placing.due[at]
    order_us = placing.order_us[at]
    placed = calendar.local_us(order_us)
    same_day = days.working[day - days.first] & (placed < SAME_DAY_UNTIL_US)
    total = same_day * np.int64(SAME_DAY_WEIGHT)
    lows, numbers, ends = [], [], []
    for low, high, weight in CLASSES:
        first = np.maximum(due + np.int32(low), day + np.int32(1))
        last = np.minimum(due + np.int32(high), np.int32(ctx.plan.last_day))
        number = days.count_working(np.minimum(first, last + np.int32(1)), last)
        total = total + (number > 0) * np.int64(weight)
        lows.append(first)
        numbers.append(number)
        ends.append(total)
    lot = (bits["class"][at].astype(np.int64) * total) >> 32
    chosen = same_day & (lot < SAME_DAY_WEIGHT)
    first, number = day.copy(), np.ones(len(at), dtype=np.int32)
    open_ = ~chosen
    for low_day, count, end in zip(lows, numbers, ends, strict=True):
        mine = open_ & (lot < end)
        first = np.where(mine, low_day, first)
        number = np.where(mine, count, number)
        open_ &= ~mine
    k = (bits["day"][at].astype(np.int64) * number) >> 32
    pay_day = np.where(chosen, day, days.nth_working(first, k))
    result = uniform_instants(ctx.plan, pay_day, bits["time"][at], *OFFICE_HOURS)
    own = np.flatnonzero(chosen)
    opening = np.int64(OFFICE_HOURS[0] * 3_600_000)
    start = np.maximum(placed[own] // 1000 + MIN_PAYMENT_MS, opening)
    within = integers(bits["time"][at[own]], start, OFFICE_CLOSE_MS - 1)
    result[own] = order_us[own] // 1000 * 1000 + (within - placed[own] // 1000) * 1000
    result[total == 0] = NEVER_US
    return result


def _installments(
    ctx: BlockContext,
    days: Days,
    placing: Placing,
    paying: Paying,
    grand_total: I64,
    bits: dict[str, np.ndarray],
) -> None:
    """Split some payments in two; the first comes on an earlier working day."""
    at = np.flatnonzero(
        (paying.status == PAID) & ~paying.bulk & chance(bits["installments"], INSTALLMENT_SHARE)
    )
    last_day = calendar.local_day(paying.last_us[at])
    low = placing.day[at] + np.int32(1)
    count = days.count_working(np.minimum(low, last_day), last_day - np.int32(1))
    at, low, count = at[count > 0], low[count > 0], count[count > 0]
    k = (bits["first_part"][at].astype(np.int64) * count) >> 32
    day = days.nth_working(low, k)
    paying.first_us[at] = uniform_instants(ctx.plan, day, bits["time"][at] ^ np.uint32(0x5A5A5A5A),
                                           *OFFICE_HOURS)  # fmt: skip
    percent = integers(bits["first_part"][at] * np.uint32(2654435761), *FIRST_PART_PCT)
    paying.first_cents[at] = half_up(grand_total[at] * percent, 100)
