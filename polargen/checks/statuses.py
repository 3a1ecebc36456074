"""Rules of statuses and roles: R40 to R44."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from polargen import calendar
from polargen.checks.base import Context, Findings, Found, rule
from polargen.checks.group import MASTERS, NEVER, Group
from polargen.checks.rows import Array, Bool, Rows, counts, pick

_IN_MEMORY_BYTES = 1 << 27
_MS = 1000


@rule("R40", "who can be Paid", {"orders": "status payment_status"}, in_block=True)
def never_paid(group: Group) -> Findings:
    """R40: Cancelled and Delivery Failed are never Paid; only Delivered is Paid or Overdue."""
    orders = group["orders"]
    bad = ~orders.has("status", "Delivered") & ~orders.has("payment_status", "Pending")
    yield Found(orders, bad, "Paid or Overdue, but not Delivered", ("status", "payment_status"))


@rule(
    "R41",
    "cancellations",
    {
        "orders": "status cancellation_reason cancelled_at status_history",
        "shipments": "dispatched_at actual_delivery_at attempts",
    },
)
def cancellations(group: Group) -> Findings:
    """R41: Cancelled <=> reason and time; nothing dispatched or delivered after it."""
    orders, shipments = group["orders"], group["shipments"]
    cancelled = orders.has("status", "Cancelled")
    shown = ("status", "cancellation_reason", "cancelled_at")
    for column in ("cancellation_reason", "cancelled_at"):
        bad = cancelled != orders.valid(column)
        yield Found(orders, bad, "Cancelled must be said with reason and time", shown)
    other = orders.valid("cancelled_at") & (orders["cancelled_at"] != group.entered("Cancelled"))
    yield Found(orders, other, "cancelled_at is not the history's", ("cancelled_at",))
    order = group.at("shipments", "order_id")
    ended = (order >= 0) & pick(cancelled, order)
    at = pick(orders["cancelled_at"], order)
    tried = shipments.lists("attempts").last("attempted_at")
    late = shipments.valid("dispatched_at") & (shipments["dispatched_at"] >= at)
    late |= (tried >= at) | shipments.valid("actual_delivery_at")
    yield Found(
        shipments, ended & late, "dispatched or tried after the cancellation", ("dispatched_at",)
    )


@rule(
    "R42",
    "shipments agree with orders",
    {
        "orders": "status status_history",
        "shipments": "status dispatched_at attempts",
    },
)
def shipments(group: Group) -> Findings:
    """R42: shipment status agrees with order status.

    Accepted orders have a shipment, unless cancelled before dispatch; it is pending while the
    order is Processing, dispatched or in_transit while Shipped, delivered, or failed after two or
    three attempts; an order cancelled after dispatch has a failed one.
    """
    orders, rows = group["orders"], group["shipments"]
    order = group.at("shipments", "order_id")
    known = order >= 0
    shipped = group.entered("Shipped")
    accepted = group.entered("Processing") != NEVER
    early = orders.has("status", "Cancelled") & (shipped == NEVER)
    wanted = (accepted & ~early).astype(np.int64)
    wrong = counts(order, len(orders)) != wanted
    what = "accepted orders have one shipment, others and those cancelled before dispatch none"
    yield Found(orders, wrong, what, ("status",))
    agrees = np.zeros(len(rows), dtype=bool)
    for status, of_shipment in _AGREE.items():
        agrees |= pick(orders.has("status", status), order) & rows.has("status", *of_shipment)
    yield Found(rows, known & ~agrees, "does not agree with the order's status", ("status",))
    dispatched = np.where(rows.valid("dispatched_at"), rows["dispatched_at"], NEVER)
    other = known & (dispatched != pick(shipped, order))
    yield Found(rows, other, "dispatched_at is not the history's Shipped", ("dispatched_at",))
    yield from _attempts(rows, known & pick(orders.has("status", "Delivery Failed"), order))


# order status -> shipment statuses
_AGREE = {
    "Processing": ("pending",),
    "Shipped": ("dispatched", "in_transit"),
    "Delivered": ("delivered",),
    "Cancelled": ("failed",),
    "Delivery Failed": ("failed",),
}


def _attempts(rows: Rows, failed: Bool) -> Findings:
    tried = rows.lists("attempts")
    code = {item.name: item for item in rows.table["attempts"].fields}["status"].code
    success = tried.of_rows(tried["status"] == code("success"))
    bad = success != rows.has("status", "delivered")
    yield Found(rows, bad, "a success must be there exactly where delivered", ("status",))
    number = tried.counts
    few = failed & ((number < 2) | (number > 3))
    yield Found(rows, few, "Delivery Failed after other than two or three attempts", ("status",))
    going = rows.has("status", "dispatched", "in_transit") & (number > 2)
    yield Found(rows, going, "still under way after three attempts", ("status",))
    idle = rows.has("status", "pending") & ((number > 0) | rows.valid("dispatched_at"))
    yield Found(rows, idle, "pending, but dispatched or tried", ("status",))


@rule(
    "R43",
    "Inactive companies order nothing",
    {"orders": "order_date", "companies": "status status_changed_at"},
)
def inactive(group: Group) -> Findings:
    """R43: Inactive companies order nothing after status_changed_at."""
    orders = group["orders"]
    company = group.at("orders", "company_id")
    companies = group.target("companies")
    stopped = companies.has("status", "Inactive") & companies.valid("status_changed_at")
    late = orders["order_date"] > pick(companies["status_changed_at"], company)
    bad = (company >= 0) & pick(stopped, company) & late
    yield Found(orders, bad, "ordered after the company stopped", ("order_date", "company_id"))


# (table, user column) -> roles; None: any
_ROLES: dict[tuple[str, str], tuple[str, ...] | None] = {
    ("orders", "created_by_user_id"): ("Sales",),
    ("refunds", "reviewed_by_user_id"): ("Manager", "Admin"),
    ("companies", "account_manager_user_id"): ("Sales",),
    ("payments", "recorded_by_user_id"): None,
    ("discounts", "applied_by_user_id"): None,
    ("inventory_movements", "created_by_user_id"): None,
    ("audit_logs", "user_id"): None,
}


@rule(
    "R44",
    "roles and sessions",
    {"users": "role is_active", "audit_logs": "created_at"},
)
class Roles:
    """R44: roles do what roles may (Sales create orders, Managers or Admins review), in a session.

    Inactive users never act. What a user did lies between login and logout of one session of the
    same day in Cairo; without a logout the session is open at T. Groups with sessions come first.
    """

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        self._first_day = context.first_day
        self._days = context.last_day - context.first_day + 1
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        users = len(masters["users"])
        # ms of the day, by day and user; NEVER without a session
        self._login = self._array("login", users)
        self._logout = self._array("logout", users)

    def check(self, group: Group) -> Findings:
        for (table, column), roles in _ROLES.items():
            if len(group[table]):
                yield from self._roles(group, table, column, roles)
        logs = group["audit_logs"]
        user = group.at("audit_logs", "user_id")
        login = logs.has("action", "user.login")
        logout = logs.has("action", "user.logout")
        acts = np.flatnonzero((user >= 0) & ~login & ~logout)
        for mask, target in ((login, self._login), (logout, self._logout)):
            rows = np.flatnonzero(mask & (user >= 0))
            day, at = self._when(logs["created_at"][rows])
            inside = (day >= 0) & (day < self._days)
            target[day[inside], user[rows][inside]] = at[inside]
        day, at = self._when(logs["created_at"][acts])
        inside = (day >= 0) & (day < self._days)
        day = np.clip(day, 0, self._days - 1)
        start, end = self._login[day, user[acts]], self._logout[day, user[acts]]
        inside &= (start != NEVER) & (at >= start) & ((end == NEVER) | (at <= end))
        bad = np.zeros(len(logs), dtype=bool)
        bad[acts[~inside]] = True
        yield Found(logs, bad, "outside the user's session", ("action", "user_id", "created_at"))

    def finish(self) -> Findings:
        if self._folder is not None:
            del self._login, self._logout
            self._folder.cleanup()
        yield from ()

    def _roles(
        self, group: Group, table: str, column: str, roles: tuple[str, ...] | None
    ) -> Findings:
        rows, user, users = group[table], group.at(table, column), group.target("users")
        found = user >= 0
        if table not in MASTERS:
            idle = found & ~pick(users["is_active"], user)
            yield Found(rows, idle, f"{column} is an inactive user", (column,))
        if roles is not None:
            may = pick(users.has("role", *roles), user)
            what = f"{column} is not of the role {' or '.join(roles)}"
            yield Found(rows, found & ~may, what, (column,))

    def _when(self, instant: Array) -> tuple[Array, Array]:
        day = calendar.local_day(instant).astype(np.int64) - self._first_day
        return day, (calendar.local_us(instant) // _MS).astype(np.int32)

    def _array(self, name: str, users: int) -> Array:
        shape = (self._days, max(users, 1))
        if shape[0] * shape[1] * 4 <= _IN_MEMORY_BYTES:
            return np.full(shape, NEVER, dtype=np.int32)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="polargen-verify-")
        path = Path(self._folder.name) / name
        array = np.memmap(path, dtype=np.int32, mode="w+", shape=shape)
        array[:] = NEVER
        return array
