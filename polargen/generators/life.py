"""Lives of orders: acceptance, dispatch, attempts, delivery or cancellation, up to the as-of date.

`draw_life` draws the base world; anomalies rewrite single orders of it afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from polargen import calendar
from polargen.blocks import BlockContext
from polargen.draw import I32, I64, U8, chance, choose, integers
from polargen.generators.market import Days, Market, uniform_instants
from polargen.generators.placing import QUARTER_US, Draws, Placing

PENDING, PROCESSING, SHIPPED, DELIVERED, CANCELLED, FAILED = range(6)
NEVER_US = 2**62  # an instant that does not come
NO_REASON = 255
OUT_OF_STOCK = 2  # code of cancellation_reason
DUPLICATE_ORDER = 1
MAX_ATTEMPTS = 3
ATTEMPT_SHARES = (0.80, 0.15, 0.05)  # Source: DOMAIN, shipments
FAILED_THIRD_SHARE = 0.5  # ASSUMED: 2 or 3 failed attempts alike
SHIPPED_SHARES = (0.6, 0.3, 0.1)  # ASSUMED: attempts so far of a Shipped order
DISPATCH_SHARES = (0.6, 0.25, 0.15)  # ASSUMED: working days before the first attempt
EXTRA_DELAY_DAYS = (1, 4)  # Source: DOMAIN, deliveryDelays
REASON_SHARES = (0.4, 0.1, 0.0, 0.2, 0.15, 0.15)  # ASSUMED; "Out of stock" is a shortage's
ATTEMPT_HOURS = (8.0, 20.0)  # Source: DOMAIN
DISPATCH_HOURS = (6.0, 7.9)
CANCEL_US = (60_000_000, 8 * 3_600_000_000)  # ASSUMED: cancelled within a shift
CANCEL_UNTIL_US = 21 * 3_600_000_000


@dataclass
class Life:
    """What became of a block's orders.

    Attributes:
        status: uint8 code.
        accepted_us: int64, NEVER_US while Pending or cancelled before.
        committed_us: int64, when stock was taken; NEVER_US if it was not.
        scheduled: int32 day of delivery: the promise, unless moved.
        dispatched_us: int64 or NEVER_US.
        first_day: int32 day of the first attempt, also of one that is still to come.
        attempts: int8, attempts so far.
        attempt_us: int64 (3, n); the first `attempts` of them have happened.
        delivered_us, failed_us, cancelled_us: int64 or NEVER_US.
        reason: uint8 code of cancellation_reason, NO_REASON without.
    """

    status: U8
    accepted_us: I64
    committed_us: I64
    scheduled: I32
    dispatched_us: I64
    first_day: I32
    attempts: np.ndarray
    attempt_us: I64
    delivered_us: I64
    failed_us: I64
    cancelled_us: I64
    reason: U8

    def copy(self) -> Life:
        """Return a copy whose arrays can be changed."""
        return Life(**{item.name: getattr(self, item.name).copy() for item in fields(self)})

    def take(self, at: np.ndarray) -> Life:
        """Return the lives of orders ``at``."""
        return Life(**{item.name: getattr(self, item.name)[..., at] for item in fields(self)})


@dataclass(frozen=True)
class Slots:
    """What is drawn for an order's delivery, whatever its status: used again by anomalies.

    Attributes:
        attempt_bits: uint32 (3, n), time of day of each attempt.
        dispatch_bits: uint32, time of day of the dispatch.
        dispatch_lead: uint8, working days between dispatch and first attempt.
        needed: uint8, attempts until delivery, 1..3.
    """

    attempt_bits: np.ndarray
    dispatch_bits: np.ndarray
    dispatch_lead: U8
    needed: U8


def draw_life(
    ctx: BlockContext, market: Market, placing: Placing, draws: Draws
) -> tuple[Life, Slots]:
    """Draw the lives of the base world."""
    n, days, plan = len(placing), market.days, ctx.plan
    status = _statuses(ctx, days, placing, draws)
    slots = Slots(
        attempt_bits=np.stack([draws.u32(f"shipments.attempt_{k}") for k in (1, 2, 3)]),
        dispatch_bits=draws.u32("shipments.dispatched_at"),
        dispatch_lead=choose(draws.u16("shipments.dispatch_lead"), DISPATCH_SHARES),
        needed=choose(draws.u16("shipments.attempts"), ATTEMPT_SHARES) + np.uint8(1),
    )
    first = _first_days(ctx, days, placing, draws)
    needed = slots.needed.copy()
    failed = status == FAILED
    needed[failed] = 2 + chance(draws.u32("shipments.failed_attempts"), FAILED_THIRD_SHARE)[failed]
    first, needed = _in_time(days, plan.last_day, placing, status, first, needed)
    done = (status == DELIVERED) | failed
    attempts = np.where(done, needed, 0).astype(np.int8)
    shipped = np.flatnonzero(status == SHIPPED)
    if len(shipped):
        first[shipped], attempts[shipped] = _under_way(days, plan.last_day, placing, draws, shipped)
    accepted = np.where(
        (status == PENDING) | (status == CANCELLED),
        NEVER_US,
        (placing.order_us // QUARTER_US + 1) * QUARTER_US,
    )
    life = Life(
        status=status,
        accepted_us=accepted,
        committed_us=accepted.copy(),
        scheduled=placing.promise.copy(),
        dispatched_us=np.full(n, NEVER_US),
        first_day=first,
        attempts=attempts,
        attempt_us=np.full((MAX_ATTEMPTS, n), NEVER_US),
        delivered_us=np.full(n, NEVER_US),
        failed_us=np.full(n, NEVER_US),
        cancelled_us=np.full(n, NEVER_US),
        reason=np.full(n, NO_REASON, dtype=np.uint8),
    )
    sent = np.flatnonzero(done | (status == SHIPPED))
    schedule_attempts(ctx, days, placing, life, slots, sent)
    dispatch(ctx, days, placing, life, slots, sent)
    finish(life, sent)
    _cancel(ctx, placing, life, draws)
    return life, slots


def schedule_attempts(
    ctx: BlockContext, days: Days, placing: Placing, life: Life, slots: Slots, at: np.ndarray
) -> None:
    """Set the instants of the attempts of orders ``at``, on their first and the next days."""
    life.attempt_us[:, at] = NEVER_US
    day = life.first_day[at]
    for number in range(MAX_ATTEMPTS):
        tried = np.flatnonzero(life.attempts[at] > number)
        at, day = at.take(tried), day.take(tried)
        life.attempt_us[number, at] = uniform_instants(
            ctx.plan, day, slots.attempt_bits[number].take(at), *ATTEMPT_HOURS
        )
        day = days.served(placing.region[at], day)


def dispatch(
    ctx: BlockContext, days: Days, placing: Placing, life: Life, slots: Slots, at: np.ndarray
) -> None:
    """Set the dispatch of orders ``at``: on the first attempt's morning or up to two before.

    A morning that is not after the order's day, or not before the as-of date, gives way to the
    nearest that is.
    """
    first = life.first_day[at]
    ready = np.maximum(placing.day[at], calendar.local_day(life.committed_us[at]))
    before = days.working_before[first - days.first]
    second = days.working_before[before - days.first]
    lead = slots.dispatch_lead[at]
    day = np.where(lead == 0, first, np.where(lead == 1, before, second))
    day = np.where(day > ctx.plan.last_day, before, day)
    day = np.where(day > ctx.plan.last_day, second, day)
    day = np.where(day <= ready, before, day)
    day = np.where(day <= ready, first, day).astype(np.int32)
    life.dispatched_us[at] = uniform_instants(ctx.plan, day, slots.dispatch_bits[at],
                                              *DISPATCH_HOURS)  # fmt: skip


def finish(life: Life, at: np.ndarray) -> None:
    """Set the instants that end the lives of orders ``at``: the last attempt's."""
    last = life.attempt_us[np.maximum(life.attempts[at], 1) - 1, at]
    life.delivered_us[at] = np.where(life.status[at] == DELIVERED, last, NEVER_US)
    life.failed_us[at] = np.where(life.status[at] == FAILED, last, NEVER_US)


def _statuses(ctx: BlockContext, days: Days, placing: Placing, draws: Draws) -> U8:
    plan, chances = ctx.plan, ctx.plan.status
    at = placing.day - plan.first_day
    deliverable = chances.deliverable[placing.region, at]
    is_open = chance(draws.u32("orders.open"), chances.open_chance[at]) | ~deliverable
    done = choose(draws.u16("orders.status.finished"), chances.finished)
    finished = np.array([DELIVERED, CANCELLED, FAILED], dtype=np.uint8)[done]
    second = days.served(placing.region, placing.promise)
    finished[(finished == FAILED) & (second > plan.last_day)] = DELIVERED
    ships = chance(draws.u32("orders.status.shipped"), chances.shipped_chance)
    ships &= chances.shippable[placing.region, at]
    waits = chance(draws.u32("orders.status.pending"), chances.pending_chance)
    waiting = np.where(waits, PENDING, PROCESSING)
    late = placing.order_us // QUARTER_US * QUARTER_US + QUARTER_US >= plan.as_of_us
    opened = np.where(ships, SHIPPED, np.where(late, PENDING, waiting))
    return np.where(is_open, opened, finished).astype(np.uint8)


def _first_days(ctx: BlockContext, days: Days, placing: Placing, draws: Draws) -> I32:
    """Return the day of the first attempt: the promise, or later by a delay of the road."""
    share = ctx.plan.scenario.distributions.delivery_delays
    delayed = chance(draws.u32("shipments.delay"), share)
    by = integers(draws.u32("shipments.delay_days"), *EXTRA_DELAY_DAYS)
    first = placing.promise.copy()
    at = np.flatnonzero(delayed)
    first[at] = days.served(placing.region[at], first[at] + by[at] - 1)
    return first


def _in_time(
    days: Days, last_day: int, placing: Placing, status: U8, first: I32, needed: U8
) -> tuple[I32, U8]:
    """Take back delays and attempts that would end after the as-of date."""
    second = days.served(placing.region, first)
    third = days.served(placing.region, second)
    last = np.where(needed == 1, first, np.where(needed == 2, second, third))
    late = last > last_day
    least = np.where(status == FAILED, 2, 1)
    first = np.where(late, placing.promise, first).astype(np.int32)
    return first, np.where(late, least, needed).astype(np.uint8)


def _under_way(
    days: Days, last_day: int, placing: Placing, draws: Draws, at: np.ndarray
) -> tuple[I32, np.ndarray]:
    """Return first attempt's day and attempts so far of Shipped orders ``at``."""
    coming = days.schedule[:, last_day - days.first]
    recent = np.empty((2, 2), dtype=np.int32)  # by attempts so far - 1, region
    for code in (0, 1):
        back = np.arange(last_day, last_day - 30, -1, dtype=np.int32)
        served = back[days.schedule[code, back - 1 - days.first] == back]
        recent[:, code] = served[:2]
    so_far = choose(draws.u16("shipments.attempts_so_far")[at], SHIPPED_SHARES).astype(np.int8)
    region, promise = placing.region[at], placing.promise[at]
    so_far[(so_far == 2) & (recent[1, region] < promise)] = 1
    so_far[(so_far == 1) & (recent[0, region] < promise)] = 0
    before = days.working_before[coming - days.first]
    second = days.working_before[before - days.first]
    latest = np.where(before <= last_day, before, second)[region]
    sendable = (latest <= last_day) & (latest > placing.day[at])
    so_far[(so_far == 0) & ~sendable] = 1
    first = np.where(so_far == 0, coming[region], recent[np.maximum(so_far, 1) - 1, region])
    return first.astype(np.int32), so_far


def _cancel(ctx: BlockContext, placing: Placing, life: Life, draws: Draws) -> None:
    """Cancel orders of the base world, before acceptance and while the office is open."""
    at = np.flatnonzero(life.status == CANCELLED)
    bits = draws.u32("orders.cancelled_at")[at]
    order_us = placing.order_us[at]
    local = calendar.local_us(order_us)
    room = np.maximum(CANCEL_UNTIL_US - local, 10 * CANCEL_US[0])
    most = np.minimum(np.minimum(room, CANCEL_US[1]), ctx.plan.as_of_us - 1 - order_us)
    least = np.minimum(CANCEL_US[0], most)
    life.cancelled_us[at] = order_us + integers(bits, least // 1000, most // 1000) * 1000
    life.reason[at] = choose(draws.u16("orders.cancellation_reason"), REASON_SHARES)[at]
