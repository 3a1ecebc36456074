"""The course of maintenance visits: where, when, by whom, and how far each has come.

A root visit and its follow-ups are a chain of at most three slots. Everything is drawn for all
three slots of every root, so that a chain grown by an anomaly moves no other row's draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from polargen import anomalies, calendar
from polargen.blocks import BlockContext
from polargen.calendar import DayCount
from polargen.draw import (
    F64,
    I32,
    I64,
    U8,
    Bool,
    chance,
    choose,
    integers,
    largest_remainder,
    permute,
)
from polargen.generators.visit_sites import draw_sites
from polargen.plan import Plan
from polargen.schema.service import VISIT_STATUSES, VISIT_TYPES
from polargen.streams import U32, Stream

ANOMALY = "maintenance_failure"
REQUESTED = VISIT_TYPES.index("customer_request")
COMPLETED, SCHEDULED, IN_PROGRESS, FOLLOW_UP, WAITING, CANCELLED = range(len(VISIT_STATUSES))
STATUS_SHARES = (0.60, 0.15, 0.10, 0.07, 0.05, 0.03)  # Source: DOMAIN, maintenance_visits
PERIODIC_SHARE = 0.7  # Source: DOMAIN
LATE_SHARE = 0.2  # Source: DOMAIN
MAX_LATE_DAYS = 6  # Source: DOMAIN
FOLLOW_UP_SHARE = 0.7  # of unresolved visits; Source: DOMAIN
FOLLOW_UP_DAYS = (3, 13)  # Source: DOMAIN
CHAIN = 3  # Source: DOMAIN
SCHEDULED_DAYS = 14  # after T; Source: DOMAIN
HORIZON_DAYS = 90  # Source: DOMAIN section 2
IN_PROGRESS_DAYS = 10  # ASSUMED: open work began on one of the last ten days of visits
VISITS_A_DAY = 3  # of a technician; ASSUMED
ROOTS_A_DAY = 2  # of a technician on average, follow-ups and late visits come on top; ASSUMED
MIN_TECHNICIANS = 3  # ASSUMED
LEAD_DAYS = ((5, 14), (1, 4))  # ASSUMED: booked before periodic visits, customer requests
LATEST_BOOKING_DAYS = 6  # ASSUMED: visits still to come were booked in the last week
CHAIN_DAYS = MAX_LATE_DAYS + 2 * FOLLOW_UP_DAYS[1] + 1  # a chain ends by then
_FRIDAY = 5
_HOUR = 3_600_000_000
_MINUTE = 60_000_000
_SHIFT_START = 9 * _HOUR  # ASSUMED: three visits in a working day, 9:00 to 16:50
_VISIT_EVERY = 160 * _MINUTE
_ARRIVAL_WITHIN = 40 * _MINUTE
_WORK_MINUTES = (30, 110)
_SLACK_DAYS = 60


@dataclass(frozen=True)
class Course:
    """Visits of one block in order of their keys; all arrays have one entry a visit.

    Attributes:
        slot: int64, 3 x (root within the block) + (0 root, 1 and 2 follow-ups).
        visit_id, root_id: int64 keys.
        company_id, branch_id: int64; 0 for no branch.
        kind: uint8, code of the visit type.
        base_status, status: uint8 codes without and with anomalies.
        failed: bool, befallen by maintenance_failure.
        scheduled_day, arrival_day: int32 epoch days.
        arrival_us, resolution_us, created_us, updated_us: int64 µs UTC; arrival and resolution
            mean nothing where `arrived` or `resolved` says no.
        technician: int64, 0-based; `technicians` in all.
    """

    slot: I64
    visit_id: I64
    root_id: I64
    company_id: I64
    branch_id: I64
    kind: U8
    base_status: U8
    status: U8
    failed: Bool
    scheduled_day: I32
    arrival_day: I32
    arrival_us: I64
    resolution_us: I64
    created_us: I64
    updated_us: I64
    technician: I64
    technicians: int

    @property
    def arrived(self) -> Bool:
        """Whether the technician came."""
        return np.asarray((self.status != SCHEDULED) & (self.status != CANCELLED))

    @property
    def resolved(self) -> Bool:
        """Whether the work on site has ended."""
        return np.asarray(self.arrived & (self.status != IN_PROGRESS))


@dataclass(frozen=True)
class _Slot:
    """One slot of every chain in the block; arrays of shape (roots,)."""

    exists: Bool
    base_status: U8
    status: U8
    failed: Bool
    scheduled_day: I32
    arrival_day: I32
    arrival_us: I64
    resolution_us: I64
    created_us: I64
    updated_us: I64


def is_open(day: I32) -> Bool:
    """Return whether technicians visit on a day: no Fridays, no public holidays."""
    return np.asarray((calendar.weekday(day) != _FRIDAY) & ~calendar.is_holiday(day))


def course(ctx: BlockContext) -> Course:
    """Draw the visits of one block.

    Returns:
        Roots ``ctx.block.first`` .. ``ctx.block.stop - 1`` and their follow-ups, by key.

    Model: statuses are dealt by exact shares over the horizon's roots; Scheduled ones move into
    the 14 days after the as-of instant, those In Progress to the last days before it. A
    follow-up lies 3-13 days after the visit it follows. Source: DOMAIN, maintenance_visits.
    """
    plan = ctx.plan
    index = np.arange(ctx.block.first, ctx.block.stop, dtype=np.int64)
    n = len(index)
    open_days = DayCount(plan.first_day - _SLACK_DAYS, plan.last_day + _SLACK_DAYS, is_open)
    ends = np.cumsum(plan.visits_per_day)
    planned = np.searchsorted(ends, index, side="right")
    rank = index - (ends - plan.visits_per_day)[planned]
    kind = (~chance(ctx.stream("maintenance_visits.visit_type").u32(n), PERIODIC_SHARE)).astype(
        np.uint8
    )
    technicians = technician_count(plan)
    root = _roots(ctx, open_days, index, planned, kind, rank // technicians)
    # A site has to be open from the booking until the last follow-up.
    until = calendar.to_utc(root.scheduled_day + CHAIN_DAYS, 0)
    company, branch, since = draw_sites(ctx, root.created_us, until)
    created = np.maximum(root.created_us, since)
    root = replace(root, created_us=created, updated_us=np.maximum(root.updated_us, created))
    slots = [root]
    for number in range(1, CHAIN):
        slots.append(_follow_up(ctx, open_days, slots[-1], number))
    exists = np.stack([slot.exists for slot in slots], axis=1).reshape(-1)
    kept = np.flatnonzero(exists)
    of_root = kept // CHAIN
    offset = (plan.keyed("maintenance_visits.round", planned) >> np.uint64(33)).astype(np.int64)

    def joined(name: str) -> np.ndarray:
        return np.stack([getattr(slot, name) for slot in slots], axis=1).reshape(-1)[kept]

    first_key = CHAIN * ctx.block.first + 1
    return Course(
        slot=kept,
        visit_id=first_key + kept,
        root_id=first_key + CHAIN * of_root,
        company_id=company[of_root],
        branch_id=branch[of_root],
        kind=kind[of_root],
        base_status=joined("base_status"),
        status=joined("status"),
        failed=joined("failed"),
        scheduled_day=joined("scheduled_day"),
        arrival_day=joined("arrival_day"),
        arrival_us=joined("arrival_us"),
        resolution_us=joined("resolution_us"),
        created_us=joined("created_us"),
        updated_us=joined("updated_us"),
        technician=((rank + offset) % technicians)[of_root],
        technicians=technicians,
    )


def technician_count(plan: Plan) -> int:
    """Return how many technicians there are: one for each two roots of an average open day."""
    days = np.arange(plan.first_day, plan.last_day + 1, dtype=np.int32)
    working_days = max(1, int(is_open(days).sum()))
    return max(MIN_TECHNICIANS, -(-plan.visits // (working_days * ROOTS_A_DAY)))


def root_statuses(plan: Plan, index: I64) -> tuple[U8, F64]:
    """Deal statuses to root visits, exactly by share over the horizon's roots.

    Args:
        index: int64, 0-based root visits of the run.

    Returns:
        Codes (uint8; roots before the horizon are neither Scheduled nor In Progress), and the
        luck of the Completed ones: float64 in 0..1, evenly spaced over them, so that a rate of
        anomalies is met as nearly as their number allows.
    """
    horizon = min(plan.days, HORIZON_DAYS)
    older = int(plan.visits_per_day[: plan.days - horizon].sum())
    finished = np.array(STATUS_SHARES)
    finished[[SCHEDULED, IN_PROGRESS]] = 0.0
    status = np.empty(len(index), dtype=np.uint8)
    luck = np.ones(len(index), dtype=np.float64)
    for first, stop, shares in (
        (0, older, finished),
        (older, plan.visits, np.array(STATUS_SHARES)),
    ):
        here = (index >= first) & (index < stop)
        if not here.any():
            continue
        ends = np.cumsum(largest_remainder(shares, stop - first))
        key = plan.name_key("maintenance_visits.status", first)
        place = permute(index[here] - first, stop - first, key)
        status[here] = np.searchsorted(ends, place, side="right").astype(np.uint8)
        luck[here] = (place + 0.5) / max(1, int(ends[COMPLETED]))
    return status, luck


def _roots(
    ctx: BlockContext, open_days: DayCount, index: I64, planned: I64, kind: U8, turn: I64
) -> _Slot:
    plan, n = ctx.plan, len(index)
    status, luck = root_statuses(plan, index)
    day = (plan.first_day + planned).astype(np.int32)
    # Truth before shares: where no day of the window is open, every visit is still to come.
    status[~is_open(day)] = SCHEDULED
    bits = _bits(ctx, "scheduled_date", 0, n)
    is_ahead, is_current = status == SCHEDULED, status == IN_PROGRESS
    day[is_ahead] = _one_of(
        open_days, plan.last_day + 1, plan.last_day + SCHEDULED_DAYS, bits[is_ahead]
    )
    if is_current.any():
        in_window = int(open_days.count(plan.first_day, plan.last_day))
        latest = in_window - integers(bits[is_current], 1, min(in_window, IN_PROGRESS_DAYS))
        day[is_current] = open_days.nth(plan.first_day, latest)
    booked_day = _booked(ctx, day, kind)
    created = calendar.to_utc(
        booked_day, _SHIFT_START + _within(ctx, "created_at", 0, n, 6 * _HOUR)
    )
    last = np.minimum(day + MAX_LATE_DAYS, plan.last_day)
    arrival_day = _arrival_day(ctx, open_days, 0, day, last)
    arrival, resolution = _at_work(ctx, 0, arrival_day, turn)
    failed = np.zeros(n, dtype=bool)
    if ANOMALY in plan.anomaly_types:
        failed = np.asarray((status == COMPLETED) & (luck < anomalies.row_rate(plan, day)))
        ctx.tally[ANOMALY] = (int((status == COMPLETED).sum()), int(failed.sum()))
    cancelled = _cancelled_at(ctx, open_days, booked_day, day)
    updated = np.select(
        [status == SCHEDULED, status == CANCELLED, status == IN_PROGRESS],
        [created, cancelled, arrival],
        resolution,
    )
    return _Slot(
        exists=np.ones(n, dtype=bool),
        base_status=status,
        status=np.where(failed, np.uint8(FOLLOW_UP), status),
        failed=failed,
        scheduled_day=day,
        arrival_day=arrival_day,
        arrival_us=arrival,
        resolution_us=resolution,
        created_us=created,
        updated_us=updated,
    )


def _follow_up(ctx: BlockContext, open_days: DayCount, before: _Slot, number: int) -> _Slot:
    last_day, n = ctx.plan.last_day, len(before.exists)
    unresolved = (before.base_status == FOLLOW_UP) | (before.base_status == WAITING)
    agreed = chance(_bits(ctx, "follow_up", number, n), FOLLOW_UP_SHARE)
    exists = before.exists & ((unresolved & agreed) | before.failed)
    # Within 3-13 days of the earlier visit's end, and where there is such a day, of its plan.
    nearest = before.arrival_day + FOLLOW_UP_DAYS[0]
    farthest = before.arrival_day + FOLLOW_UP_DAYS[1]
    wanted = before.scheduled_day + FOLLOW_UP_DAYS[1]
    last = np.where(open_days.count(nearest, wanted) > 0, wanted, farthest).astype(np.int32)
    day = _one_of(open_days, nearest, last, _bits(ctx, "scheduled_date", number, n))
    shares = np.array(STATUS_SHARES)[[COMPLETED, FOLLOW_UP, WAITING]]
    drawn = choose(
        _stream(ctx, "status", number).u16(n), (shares / float(np.cumsum(shares)[-1])).tolist()
    )
    status = np.array([COMPLETED, FOLLOW_UP, WAITING], dtype=np.uint8)[drawn]
    status = np.where(day > last_day, np.uint8(SCHEDULED), status)
    arrive_by = np.minimum(np.minimum(day + MAX_LATE_DAYS, farthest), last_day)
    arrival_day = _arrival_day(ctx, open_days, number, day, arrive_by)
    turn = integers(_bits(ctx, "turn", number, n), 0, VISITS_A_DAY - 1)
    arrival, resolution = _at_work(ctx, number, arrival_day, turn)
    return _Slot(
        exists=exists,
        base_status=status,
        status=status,
        failed=np.zeros(n, dtype=bool),
        scheduled_day=day,
        arrival_day=arrival_day,
        arrival_us=arrival,
        resolution_us=resolution,
        created_us=before.resolution_us,
        updated_us=np.where(status == SCHEDULED, before.resolution_us, resolution),
    )


def _booked(ctx: BlockContext, day: I32, kind: U8) -> I32:
    """Return the working day on which a root visit was booked: int32, before ``day``, before T."""
    last_day, n = ctx.plan.last_day, len(day)
    lead = np.array(LEAD_DAYS, dtype=np.int64)[kind]
    bits = _bits(ctx, "created_at", 0, n)
    target = day - integers(bits, lead[:, 0], lead[:, 1])
    lately = last_day - integers(bits, 0, LATEST_BOOKING_DAYS)
    target = np.where(target > last_day, lately, target).astype(np.int32)
    span = SCHEDULED_DAYS + _SLACK_DAYS
    working = DayCount(ctx.plan.first_day - span, last_day + span, calendar.is_working)
    earliest = target - SCHEDULED_DAYS
    return working.nth(earliest, working.count(earliest, target) - 1)


def _cancelled_at(ctx: BlockContext, open_days: DayCount, booked_day: I32, day: I32) -> I64:
    """Return when a visit was called off: in the window, after its booking, before its hour."""
    n = len(day)
    first = np.maximum(booked_day, ctx.plan.first_day).astype(np.int32)
    last = np.minimum(day, ctx.plan.last_day).astype(np.int32)
    called_off = _one_of(open_days, first, last, _bits(ctx, "cancelled", 0, n))
    # On its own day before 9 h, on the day of the booking after 15 h.
    start = np.where(called_off == day, _SHIFT_START - _HOUR, _SHIFT_START + 6 * _HOUR)
    return calendar.to_utc(called_off, start + _within(ctx, "cancelled", 0, n, _HOUR))


def _arrival_day(
    ctx: BlockContext, open_days: DayCount, number: int, day: I32, last: I32 | I64
) -> I32:
    """Return the day of arrival: the planned one, or a later open one up to ``last``."""
    n = len(day)
    choices = open_days.count(day + 1, np.maximum(last, day))
    late = chance(_bits(ctx, "delay", number, n), LATE_SHARE) & (choices > 0)
    place = integers(_bits(ctx, "delay_days", number, n), 0, np.maximum(choices, 1) - 1)
    arrival = day.copy()
    arrival[late] = open_days.nth(day[late] + 1, place[late])
    return arrival


def _at_work(ctx: BlockContext, number: int, day: I32, turn: I64) -> tuple[I64, I64]:
    """Return (arrival, end of work), µs UTC, on ``day`` in the turn-th part of it."""
    n = len(day)
    start = _SHIFT_START + (turn % VISITS_A_DAY) * _VISIT_EVERY
    arrival = calendar.to_utc(
        day, start + _within(ctx, "actual_arrival_at", number, n, _ARRIVAL_WITHIN)
    )
    low, high = _WORK_MINUTES
    worked = low * _MINUTE + _within(ctx, "resolution_at", number, n, (high - low) * _MINUTE)
    return arrival, arrival + worked


def _one_of(open_days: DayCount, first: I32 | I64 | int, last: I32 | I64 | int, bits: U32) -> I32:
    """Return one of the open days of ``first..last``, of which there is at least one."""
    choices = np.maximum(open_days.count(first, last), 1)
    low = np.broadcast_to(np.asarray(first, dtype=np.int32), bits.shape)
    return open_days.nth(low, integers(bits, 0, choices - 1))


def _within(ctx: BlockContext, name: str, number: int, n: int, span_us: int) -> I64:
    # In milliseconds, as a draw spans less than 2**32, and as many microseconds from other bits.
    bits = _stream(ctx, f"{name}_time", number).u64(n)
    micros = (bits % np.uint64(1000)).astype(np.int64)
    return integers(bits, 0, span_us // 1000 - 1) * 1000 + micros


def _bits(ctx: BlockContext, name: str, number: int, n: int) -> U32:
    return _stream(ctx, name, number).u32(n)


def _stream(ctx: BlockContext, name: str, number: int) -> Stream:
    return ctx.stream(f"maintenance_visits.{name}.{number}")


def visit_bits(ctx: BlockContext, visits: Course, name: str) -> U32:
    """Return one word a visit, drawn for every slot of every chain."""
    slots = CHAIN * (ctx.block.stop - ctx.block.first)
    return ctx.stream(f"maintenance_visits.{name}").u32(slots)[visits.slot]
