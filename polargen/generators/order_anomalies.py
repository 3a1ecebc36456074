"""Anomalies of orders: each rewrites single lives of the base world, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from polargen import anomalies, calendar
from polargen.anomalies import CODE, NO_ANOMALY
from polargen.blocks import BlockContext
from polargen.draw import I32, I64, U8, Bool, chance, choose, integers
from polargen.generators.basket import Basket
from polargen.generators.life import (
    CANCELLED,
    DELIVERED,
    NEVER_US,
    OUT_OF_STOCK,
    PROCESSING,
    REASON_SHARES,
    SHIPPED,
    Life,
    Slots,
    dispatch,
    finish,
    schedule_attempts,
)
from polargen.generators.market import Market, uniform_instants
from polargen.generators.paying import OFFICE_HOURS, Paying, payment_status
from polargen.generators.placing import Draws, Placing
from polargen.generators.shortage import Shortage, commit_after, draw_shortage

PAYMENT_DELAY_DAYS = (15, 89)  # Source: DOMAIN section 4
DELIVERY_DELAY_DAYS = (3, 13)
SHORTAGE_CANCELLED_SHARE = 0.3  # ASSUMED: customers who do not wait
CANCEL_WITHIN_US = 20 * 86_400_000_000  # ASSUMED: no cancellation later than this


@dataclass
class Befallen:
    """The lives after anomalies.

    Attributes:
        life, paying: with anomalies; `base_life`, `base_paying` without.
        anomaly: uint8 code of each order's type, NO_ANOMALY without.
        cluster: int64, burst or shortage window, 0 for none.
        delay_days: int32, drawn delay of payment or delivery, 0 for none.
        waits: bool, orders that meet a shortage; a duplicate can besides being one.
        shortage: windows of the block.
    """

    life: Life
    paying: Paying
    base_life: Life
    base_paying: Paying
    anomaly: U8
    cluster: I64
    delay_days: I32
    waits: Bool
    shortage: Shortage


@dataclass
class _Work:
    ctx: BlockContext
    market: Market
    placing: Placing
    slots: Slots
    draws: Draws
    now: Befallen


def befall(
    ctx: BlockContext,
    market: Market,
    placing: Placing,
    basket: Basket,
    base: tuple[Life, Slots],
    base_paying: Paying,
    draws: Draws,
) -> Befallen:
    """Choose the orders that carry an anomaly, and rewrite their lives."""
    life, slots = base
    n, plan = len(placing), ctx.plan
    rate = anomalies.row_rate(plan, placing.day) if plan.anomaly_types else np.zeros(n)
    rate[placing.base :] = 0.0
    eligible = _eligible(ctx, placing, life, base_paying)
    wanted = int(plan.anomaly_rate * anomalies.type_share(plan) * np.count_nonzero(rate))
    shortage = draw_shortage(ctx, market, basket, life, wanted)
    waits, window = _waiting(basket, life, shortage)
    now = Befallen(
        life=life if not plan.anomaly_types else life.copy(),
        paying=base_paying if not plan.anomaly_types else base_paying.copy(),
        base_life=life,
        base_paying=base_paying,
        anomaly=np.full(n, NO_ANOMALY, dtype=np.uint8),
        cluster=anomalies.window_of(plan, placing.day).astype(np.int64),
        delay_days=np.zeros(n, dtype=np.int32),
        waits=waits,
        shortage=shortage,
    )
    if not plan.anomaly_types:
        return now
    _choose(ctx, placing, draws, eligible, rate, waits, now)
    _tally(ctx, placing, eligible, waits, now)
    work = _Work(ctx, market, placing, slots, draws, now)
    for name, change in _CHANGES.items():
        at = np.flatnonzero(now.anomaly == CODE[name])
        if name in eligible and len(at):
            change(work, at)
    _wait(work, basket, np.flatnonzero(waits), window)
    gone = now.life.status != DELIVERED
    now.paying.last_us[gone] = NEVER_US
    now.paying.first_us[gone] = NEVER_US
    now.paying.status = payment_status(now.life, placing, now.paying.last_us, plan.last_day)
    now.anomaly[placing.base :] = CODE["duplicate_orders"]
    return now


def _eligible(ctx: BlockContext, placing: Placing, life: Life, paying: Paying) -> dict[str, Bool]:
    """Return what can befall each order, by listed type; shortages befall by their windows."""
    can = {
        "payment_delay": (life.status == DELIVERED) & (placing.due < ctx.plan.last_day),
        "delivery_delay": life.dispatched_us < NEVER_US,
        "order_cancellation": (life.status <= DELIVERED),
    }
    return {name: can[name] for name in anomalies.order_types(ctx.plan) if name in can}


def _waiting(basket: Basket, life: Life, shortage: Shortage) -> tuple[Bool, I32]:
    """Return which orders have a line that is short at their acceptance, and the window."""
    n = len(life.status)
    if not shortage.short.any():
        return np.zeros(n, dtype=bool), np.full(n, -1, dtype=np.int32)
    accepted = life.accepted_us
    short = shortage.short_lines(basket.product, accepted[basket.order])
    waits = np.logical_or.reduceat(short, basket.offsets[:-1])
    return waits, shortage.window_at(accepted)


def _choose(
    ctx: BlockContext,
    placing: Placing,
    draws: Draws,
    eligible: dict[str, Bool],
    rate: np.ndarray,
    waits: Bool,
    now: Befallen,
) -> None:
    """Give each order its type; orders that must wait count towards the rate.

    Duplicates and invalid data can befall any order, and get their part of the rate elsewhere.
    """
    types = anomalies.order_types(ctx.plan)
    any_type = waits.copy()
    for mask in eligible.values():
        any_type |= mask
    free = any_type & ~waits & (rate > 0.0)
    free[placing.original] = False  # a repeated order carries that anomaly
    own = [name for name in types if name in anomalies.OWN_WAY]
    target = _sum(rate) if own else _sum(np.where(any_type, rate, 0.0))
    if "invalid_data" in own:
        target -= _sum(rate) * anomalies.type_share(ctx.plan)
    target -= len(placing) - placing.base + int(np.count_nonzero(waits[: placing.base]))
    room = _sum(np.where(free, rate, 0.0))
    scale = max(0.0, target / room) if room else 0.0
    hit = free & chance(draws.u32("anomalies.orders"), np.minimum(rate * scale, 1.0))
    at = np.flatnonzero(hit)
    possible = {name: mask[at] for name, mask in eligible.items()}
    now.anomaly[at] = anomalies.choose_type(possible, draws.u32("anomalies.orders.type")[at])
    now.anomaly[waits] = CODE["stock_shortage"]


def _sum(values: np.ndarray) -> float:
    """Return a sum that every processor rounds alike."""
    return float(np.cumsum(values)[-1]) if len(values) else 0.0


def _tally(
    ctx: BlockContext, placing: Placing, eligible: dict[str, Bool], waits: Bool, now: Befallen
) -> None:
    base = ~placing.is_duplicate
    any_type = waits.copy()
    for name, mask in eligible.items():
        any_type |= mask
        labelled = int(np.count_nonzero(now.anomaly == CODE[name]))
        ctx.tally[name] = (int(np.count_nonzero(mask & base)), labelled)
    if "stock_shortage" in ctx.plan.anomaly_types:
        number = int(np.count_nonzero(waits))
        ctx.tally["stock_shortage"] = (number, number)
    again = len(placing) - placing.base
    if "duplicate_orders" in ctx.plan.anomaly_types:
        ctx.tally["duplicate_orders"] = (placing.base, again)
    if any(name in anomalies.OWN_WAY for name in anomalies.order_types(ctx.plan)):
        any_type |= True
    labelled = int(np.count_nonzero((now.anomaly != NO_ANOMALY) & base)) + again
    ctx.tally["orders"] = (int(np.count_nonzero(any_type & base)), labelled)


def _delay_payment(work: _Work, at: np.ndarray) -> None:
    """The payment comes 15-89 days after the due date; after the as-of date there is none.

    An order of a bulk cycle is then paid apart from it. Where an order that is Overdue anyway
    stays so, its label speaks of the row as a whole.
    """
    days, paying = work.market.days, work.now.paying
    due = work.placing.due[at]
    low, high = due + np.int32(PAYMENT_DELAY_DAYS[0]), due + np.int32(PAYMENT_DELAY_DAYS[1])
    count = days.count_working(low, high)
    pay_day = days.nth_working(low, integers(work.draws.u32("anomalies.payment_day")[at], 0,
                                             count - 1))  # fmt: skip
    when = uniform_instants(work.ctx.plan, pay_day, work.draws.u32("anomalies.payment_time")[at],
                            *OFFICE_HOURS)  # fmt: skip
    paying.last_us[at] = np.where(pay_day <= work.ctx.plan.last_day, when, NEVER_US)
    paying.first_us[at] = NEVER_US
    paying.first_cents[at] = 0
    paying.bulk[at] = False
    work.now.delay_days[at] = pay_day - due


def _delay_delivery(work: _Work, at: np.ndarray) -> None:
    """The delivery slips by 3-13 days to a schedule day; after the as-of date it is under way."""
    days, life, placing = work.market.days, work.now.life, work.placing
    by = integers(work.draws.u32("anomalies.delivery_days")[at], *DELIVERY_DELAY_DAYS)
    promise = placing.promise[at]
    scheduled = days.served(placing.region[at], promise + by - 1)
    life.scheduled[at] = scheduled
    work.now.delay_days[at] = scheduled - promise
    sent = life.dispatched_us[at].copy()
    _replay(work, at, np.maximum(scheduled, life.first_day[at]))
    late = life.dispatched_us[at] >= work.ctx.plan.as_of_us
    life.dispatched_us[at] = np.where(late, sent, life.dispatched_us[at])


def _replay(work: _Work, at: np.ndarray, first: I32) -> None:
    """Attempt the delivery of orders ``at`` again, from another first day on."""
    days, life, placing, last = (
        work.market.days,
        work.now.life,
        work.placing,
        work.ctx.plan.last_day,
    )
    wanted = life.attempts[at]
    second = days.served(placing.region[at], first)
    third = days.served(placing.region[at], second)
    happened = (first <= last).astype(np.int8) + (second <= last) + (third <= last)
    life.first_day[at] = first
    life.attempts[at] = np.minimum(wanted, happened)
    cut = (happened < wanted) & (life.status[at] != SHIPPED)
    life.status[at[cut]] = SHIPPED
    life.delivered_us[at] = NEVER_US
    life.failed_us[at] = NEVER_US
    schedule_attempts(work.ctx, days, placing, life, work.slots, at)
    dispatch(work.ctx, days, placing, life, work.slots, at)
    finish(life, at)


def _cancel(work: _Work, at: np.ndarray) -> None:
    """Cancel at one of the steps before delivery that the order reached, chosen alike."""
    life, placing, as_of = work.now.life, work.placing, work.ctx.plan.as_of_us
    accepted, sent = life.accepted_us[at], life.dispatched_us[at]
    ended = np.minimum(np.minimum(life.delivered_us[at], life.failed_us[at]), as_of)
    steps = 1 + (accepted < NEVER_US).astype(np.int64) + (sent < NEVER_US)
    step = integers(work.draws.u32("anomalies.cancel_step")[at], 0, steps - 1)
    low = np.where(step == 0, placing.order_us[at], np.where(step == 1, accepted, sent))
    high = np.where(step == 0, accepted, np.where(step == 1, sent, ended))
    high = np.minimum(np.minimum(high, as_of), low + CANCEL_WITHIN_US)
    lot = work.draws.u16("anomalies.cancel_time")[at].astype(np.int64)
    when = low + 1 + np.maximum((high - low - 2) >> 16, 0) * lot
    life.status[at] = CANCELLED
    life.cancelled_us[at] = when
    life.reason[at] = choose(work.draws.u16("anomalies.cancel_reason")[at], REASON_SHARES)
    life.accepted_us[at] = np.where(accepted < when, accepted, NEVER_US)
    life.committed_us[at] = np.where(accepted < when, life.committed_us[at], NEVER_US)
    life.dispatched_us[at] = np.where(sent < when, sent, NEVER_US)
    life.attempts[at] = (life.attempt_us[:, at] < when).sum(axis=0).astype(np.int8)
    life.delivered_us[at] = NEVER_US
    life.failed_us[at] = NEVER_US


def _wait(work: _Work, basket: Basket, at: np.ndarray, window: I32) -> None:
    """Let orders with short lines wait for the window's end, or be cancelled."""
    if not len(at):
        return
    now, shortage, plan = work.now, work.now.shortage, work.ctx.plan
    life, placing, days = now.life, work.placing, work.market.days
    end = shortage.ends[window[at]]
    commit = commit_after(end)
    committed = np.full(len(placing), NEVER_US)
    committed[at] = commit
    again = shortage.short_lines(basket.product, committed[basket.order])
    again = np.logical_or.reduceat(again, basket.offsets[:-1])[at]
    leaves = chance(work.draws.u32("anomalies.shortage_cancel")[at], SHORTAGE_CANCELLED_SHARE)
    cancelled = again | leaves
    lot = work.draws.u16("anomalies.shortage_cancel_time")[at].astype(np.int64)
    accepted = life.accepted_us[at]
    when = accepted + 1 + np.maximum((end - accepted - 2) >> 16, 0) * lot
    life.committed_us[at] = np.where(cancelled, NEVER_US, commit)
    now.cluster[at] = shortage.cluster[window[at]]
    moves = at[~cancelled & (life.status[at] != PROCESSING)]
    ready = calendar.local_day(life.committed_us[moves])
    first = days.served(placing.region[moves], ready)
    _replay(work, moves, np.maximum(first, life.first_day[moves]))
    stuck = moves[life.dispatched_us[moves] >= plan.as_of_us]
    life.status[stuck] = PROCESSING
    life.dispatched_us[stuck] = NEVER_US
    life.attempts[stuck] = 0
    out = at[cancelled]
    life.status[out] = CANCELLED
    life.reason[out] = OUT_OF_STOCK
    life.cancelled_us[out] = when[cancelled]
    for instants in (life.dispatched_us, life.delivered_us, life.failed_us):
        instants[out] = NEVER_US
    life.attempts[out] = 0


_CHANGES: dict[str, Callable[[_Work, np.ndarray], None]] = {
    "payment_delay": _delay_payment,
    "delivery_delay": _delay_delivery,
    "order_cancellation": _cancel,
}
