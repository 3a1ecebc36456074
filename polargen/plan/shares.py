"""The chances that make the scenario's shares hold over the horizon.

An order's age decides what it can be: too young to have been delivered, too old to be open. The
plan knows how many orders each day has and which days deliver, so it can solve for the chances
with which the shares come out, and say which cannot.

Model: DOMAIN section 2. All arithmetic is + - * / on float64 and bisection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from polargen import calendar
from polargen.draw import F64, I64, Bool

HORIZON_DAYS = 90
MIN_OPEN_DAYS = 2.0
TERMS = ("immediate", "net15", "net30", "net60", "net90", "monthly", "bulk")
NET_DAYS = (0, 15, 30, 60, 90)
BULK_LATEST_DAYS = 44  # a bulk cycle is paid 0..44 days after it is due
OFFICE_SHARE_HOUR = 16  # an order placed before 16 h can be paid on its own day
EARLIEST_PAYMENT_DAYS = 14  # before the due date
_BISECTIONS = 60


@dataclass(frozen=True)
class StatusChances:
    """What decides an order's status, by day of the run.

    Attributes:
        open_chance: float64 (days,), for an order that could have been delivered.
        shipped_chance: of an open order that can have been dispatched.
        pending_chance: of the other open ones; the rest is Processing.
        finished: shares of Delivered, Cancelled, Delivery Failed among finished ones.
        deliverable, shippable: bool (2, days), by region.
    """

    open_chance: F64
    shipped_chance: float
    pending_chance: float
    finished: tuple[float, float, float]
    deliverable: Bool
    shippable: Bool


@dataclass(frozen=True)
class PaymentChances:
    """What decides a delivered order's payment, bulk cycles aside.

    Attributes:
        horizon_start: first day of the horizon; delivered orders before it are Paid.
        overdue: chance of an order that is due before the as-of date.
        paid: chance of one that is not yet due and can have been paid.
    """

    horizon_start: int
    overdue: float
    paid: float


@dataclass(frozen=True)
class Unmet:
    """A share that cannot hold in this window, and what it is expected to be."""

    name: str
    wanted: float
    expected: float

    def __str__(self) -> str:
        return (
            f"{self.name}: the scenario wants {self.wanted:.3f}, this window allows "
            f"{self.expected:.3f}"
        )


def status_chances(
    first_day: int, orders: I64, shares: tuple[float, ...], region_shares: tuple[float, ...]
) -> tuple[StatusChances, F64, list[Unmet]]:
    """Solve for the status shares (Pending, Processing, Shipped, Delivered, Cancelled, Failed).

    Args:
        first_day: epoch day of the window's start.
        orders: int64 (days,), orders a day.
        shares: six, in the order of the enumeration.
        region_shares: of regions A and B.

    Returns:
        The chances, the expected Delivered orders a day (float64), and shares that cannot hold.
    """
    days = np.arange(first_day, first_day + len(orders), dtype=np.int32)
    last_day = int(days[-1])
    deliverable, shippable = _reach(days, last_day)
    by_region = np.asarray(region_shares, dtype=np.float64)[:, None]
    can_deliver = _sum(by_region * deliverable)
    can_ship = _sum(by_region * shippable)
    horizon = days > last_day - min(len(days), HORIZON_DAYS)
    weight = np.where(horizon, orders, 0).astype(np.float64)
    total = max(float(np.cumsum(weight)[-1]), 1.0)
    pending, processing, shipped, delivered, cancelled, failed = shares
    wanted = pending + processing + shipped
    opened = _solve_open(days, last_day, weight, can_deliver, wanted, total)
    opened = np.where(horizon, opened, 1.0 - can_deliver)
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = np.where(can_deliver > 0, 1.0 - (1.0 - opened) / can_deliver, 1.0)
    unmet = []
    is_open = float(np.cumsum(weight * opened)[-1]) / total
    if abs(is_open - wanted) > 0.01:
        unmet.append(Unmet("orderStatus, open orders", wanted, is_open))
    shippable_mass = float(np.cumsum(weight * opened * can_ship)[-1]) / total
    ship = min(1.0, shipped / shippable_mass) if shippable_mass > 0 else 0.0
    if abs(ship * shippable_mass - shipped) > 0.01:
        unmet.append(Unmet("orderStatus.Shipped", shipped, ship * shippable_mass))
    waiting = pending + processing
    done = delivered + cancelled + failed
    finished = (delivered / done, cancelled / done, failed / done) if done > 0 else (1.0, 0.0, 0.0)
    chances = StatusChances(
        open_chance=np.clip(chance, 0.0, 1.0),
        shipped_chance=ship,
        pending_chance=pending / waiting if waiting > 0 else 1.0,
        finished=finished,
        deliverable=deliverable,
        shippable=shippable,
    )
    return chances, orders * (1.0 - opened) * finished[0], unmet


def payment_chances(
    first_day: int,
    delivered: F64,
    shares: tuple[float, ...],
    terms: tuple[float, ...],
    early_share: tuple[float, float],
) -> tuple[PaymentChances, list[Unmet]]:
    """Solve for the payment shares (Paid, Pending, Overdue) of the horizon's delivered orders.

    Args:
        first_day: epoch day of the window's start.
        delivered: float64 (days,), expected delivered orders a day.
        shares: three, in the order of the enumeration.
        terms: shares of `TERMS` by orders.
        early_share: part of a day's orders placed before 16 h, in and outside Ramadan.
    """
    days = np.arange(first_day, first_day + len(delivered), dtype=np.int32)
    last_day = int(days[-1])
    start = last_day - min(len(days), HORIZON_DAYS) + 1
    mass = np.where(days >= start, delivered, 0.0)
    total = float(np.cumsum(mass)[-1])
    if total <= 0.0:
        return PaymentChances(start, 0.0, 0.0), [
            Unmet(f"paymentStatus.{name}", share, 0.0)
            for name, share in zip(("Paid", "Overdue"), (shares[0], shares[2]), strict=True)
            if share > 0.01
        ]
    past = payable = bulk_paid = bulk_overdue = 0.0
    for term, share in zip(TERMS, terms, strict=True):
        due = due_days(days, term)
        is_past = due < last_day
        here = mass * share
        if term == "bulk":
            late = np.clip(BULK_LATEST_DAYS - (last_day - due), 0, BULK_LATEST_DAYS + 1)
            late_share = np.where(is_past, late / (BULK_LATEST_DAYS + 1), 0.0)
            bulk_overdue += float(np.cumsum(here * late_share)[-1])
            bulk_paid += float(np.cumsum(here * (is_past - late_share))[-1])
            continue
        past += float(np.cumsum(here * is_past)[-1])
        can_pay = _can_pay(days, due, last_day, early_share)
        payable += float(np.cumsum(here * ~is_past * can_pay)[-1])
    paid_wanted, _, overdue_wanted = shares
    overdue = _ratio(overdue_wanted * total - bulk_overdue, past)
    paid_past = past * (1.0 - overdue) + bulk_paid
    paid = _ratio(paid_wanted * total - paid_past, payable)
    unmet = []
    expected_overdue = (past * overdue + bulk_overdue) / total
    expected_paid = (paid_past + payable * paid) / total
    if abs(expected_overdue - overdue_wanted) > 0.01:
        unmet.append(Unmet("paymentStatus.Overdue", overdue_wanted, expected_overdue))
    if abs(expected_paid - paid_wanted) > 0.01:
        unmet.append(Unmet("paymentStatus.Paid", paid_wanted, expected_paid))
    return PaymentChances(start, overdue, paid), unmet


def due_days(days: np.ndarray, term: str) -> np.ndarray:
    """Return the due day of orders placed on ``days`` under a payment term (int32)."""
    if term == "monthly":
        return calendar.next_month(days)
    if term == "bulk":
        return calendar.quarter_end(days)
    return (days + NET_DAYS[TERMS.index(term)]).astype(np.int32)


def _reach(days: np.ndarray, last_day: int) -> tuple[Bool, Bool]:
    deliverable = np.zeros((2, len(days)), dtype=bool)
    shippable = np.zeros((2, len(days)), dtype=bool)
    for region in (0, 1):
        promise = calendar.next_schedule_day(region, days)
        coming = int(calendar.next_schedule_day(region, np.array([last_day], dtype=np.int32))[0])
        before = np.arange(coming - 1, coming - 15, -1, dtype=np.int32)
        vans = before[calendar.is_working(before)][:2]
        latest_van = int(vans[vans <= last_day].max()) if (vans <= last_day).any() else -1
        deliverable[region] = promise <= last_day
        shippable[region] = deliverable[region] | (days < latest_van)
    return deliverable, shippable


def _solve_open(
    days: np.ndarray, last_day: int, weight: F64, can_deliver: F64, wanted: float, total: float
) -> F64:
    age = (last_day - days + 0.5).astype(np.float64)
    horizon = float(min(len(days), HORIZON_DAYS))
    full = max(MIN_OPEN_DAYS, (2.0 * wanted - 1.0) * horizon)

    def opened(until: float, zero: float) -> F64:
        slope = (zero - age) / max(zero - until, 1e-9)
        part = np.clip(np.where(age <= until, 1.0, slope), 0.0, 1.0)
        return np.asarray(np.maximum(part, 1.0 - can_deliver))

    def share(values: F64) -> float:
        return float(np.cumsum(weight * values)[-1]) / total

    if share(opened(full, full)) >= wanted:
        edge = _bisect(lambda x: share(opened(x, x + 1.0)), -1.0, full, wanted)
        return np.asarray(opened(edge, edge + 1.0))
    zero = _bisect(lambda x: share(opened(full, x)), full, 20.0 * horizon + full, wanted)
    return np.asarray(opened(full, zero))


def _bisect(function: Callable[[float], float], low: float, high: float, wanted: float) -> float:
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if function(middle) < wanted:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _can_pay(
    days: np.ndarray, due: np.ndarray, last_day: int, early_share: tuple[float, float]
) -> F64:
    working = calendar.DayCount(int(days[0]), last_day + 1, calendar.is_working)
    low = np.maximum(days + 1, due - EARLIEST_PAYMENT_DAYS)
    high = np.full(len(days), last_day, dtype=np.int32)
    later = (low <= high) & (working.count(np.minimum(low, high), high) > 0)
    ramadan = calendar.is_ramadan(days)
    same_day = np.where(ramadan, early_share[0], early_share[1]) * calendar.is_working(days)
    return np.asarray(np.where(later, 1.0, same_day))


def _ratio(part: float, whole: float) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0.0 else 0.0


def _sum(values: F64) -> F64:
    return np.asarray(values[0] + values[1])
