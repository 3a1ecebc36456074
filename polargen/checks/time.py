"""Rules of time: R20 to R28."""

from __future__ import annotations

import numpy as np

from polargen import calendar
from polargen.checks.base import HOUR_US, Findings, Found, rule
from polargen.checks.group import NEVER, Group
from polargen.checks.rows import I64, Bool, pick

FIRST_DELIVERY_HOUR = 8
LAST_DELIVERY_HOUR = 20
# Weekdays of delivery by region, 0 = Sunday.
SCHEDULES = {"A": (0, 2, 4), "B": (1, 3, 6)}


@rule(
    "R20",
    "orders follow what they rest on",
    {
        "orders": "order_date created_at",
        "companies": "created_at",
        "branches": "created_at",
        "users": "created_at",
        "products": "created_at",
    },
)
def order_of_creation(group: Group) -> Findings:
    """R20: order >= company.created_at, branch, user, product created_at."""
    orders, items = group["orders"], group["order_items"]
    placed = orders["order_date"]
    for column in ("company_id", "branch_id", "created_by_user_id"):
        found = group.at("orders", column) >= 0
        early = found & (placed < group.of("orders", column, "created_at"))
        what = f"placed before its {column} was created"
        yield Found(orders, early, what, ("order_date", column))
    early = pick(placed, group.at("order_items", "order_id"))
    early = early < group.of("order_items", "product_id", "created_at")
    known = group.at("order_items", "product_id") >= 0
    yield Found(items, known & early, "ordered before the product was created", ("product_id",))


@rule(
    "R21",
    "histories",
    {"orders": "order_date status status_history"},
    in_block=True,
)
def histories(group: Group) -> Findings:
    """R21: history starts with the order, increases, ends with the status, nothing after T."""
    orders = group["orders"]
    history = orders.lists("status_history")
    pending = orders.table["status"].code("Pending")
    starts = (history.first("status") == pending) & (history.first("at") == orders["order_date"])
    yield Found(orders, ~starts, "the history does not start with Pending at order_date")
    back = np.zeros(len(history), dtype=bool)
    back[1:] = (history["at"][1:] <= history["at"][:-1]) & (history.position[1:] > 0)
    yield Found(orders, history.of_rows(back), "the history does not increase")
    ends = history.last("status") == orders["status"]
    yield Found(orders, ~ends, "the history does not end with the status", ("status",))
    late = history.last("at") >= group.context.as_of_us
    yield Found(orders, late, "the history goes on after T")


@rule(
    "R22",
    "delivery attempts in order",
    {
        "shipments": "dispatched_at attempts attempt_count actual_delivery_at status",
        "orders": "status_history status",
    },
)
def attempts(group: Group) -> Findings:
    """R22: dispatched < attempts < ... ; the successful attempt is the delivery, everywhere.

    actual_delivery_at = the successful attempt = the history's Delivered; R50 finds the audit
    row of the same instant.
    """
    rows = group["shipments"]
    tried = rows.lists("attempts")
    wrong = (tried.counts != rows["attempt_count"]) | tried.of_rows(
        tried["attempt_number"] != tried.position + 1
    )
    yield Found(rows, wrong, "attempts are not counted 1, 2, ...", ("attempt_count",))
    some = tried.counts > 0
    early = some & ~(
        rows.valid("dispatched_at") & (rows["dispatched_at"] < tried.first("attempted_at"))
    )
    yield Found(rows, early, "attempted before it was dispatched", ("dispatched_at",))
    back = np.zeros(len(tried), dtype=bool)
    back[1:] = tried["attempted_at"][1:] <= tried["attempted_at"][:-1]
    back &= tried.position > 0
    yield Found(rows, tried.of_rows(back), "attempts do not increase")
    success = _success(group)
    misplaced = tried.of_rows(success & ~tried.is_last)
    yield Found(rows, misplaced, "attempted again after a success")
    delivered_at = tried.total(np.where(success, tried["attempted_at"], 0))
    actual = np.where(rows.valid("actual_delivery_at"), rows["actual_delivery_at"], 0)
    what = "actual_delivery_at is not the successful attempt"
    yield Found(rows, (actual != delivered_at) & ~misplaced, what, ("actual_delivery_at",))
    order = group.at("shipments", "order_id")
    entered = np.maximum(pick(group.entered("Delivered"), order), 0)
    yield Found(
        rows,
        (order >= 0) & (entered != actual),
        "actual_delivery_at is not the history's Delivered",
        ("actual_delivery_at",),
    )


@rule(
    "R23",
    "delivery days and hours",
    {"shipments": "attempts", "orders": "delivery_schedule"},
)
def delivery_days(group: Group) -> Findings:
    """R23: attempts on schedule days, 8-20 h Cairo, never on Fridays or public holidays."""
    rows = group["shipments"]
    tried = rows.lists("attempts")
    day = calendar.local_day(tried["attempted_at"])
    hour = calendar.local_us(tried["attempted_at"])
    region = pick(group["orders"]["delivery_schedule"], group.at("shipments", "order_id"))
    off = ~is_schedule_day(region[tried.parent], day)
    yield Found(rows, tried.of_rows(off), "attempted on a day without deliveries")
    off = (hour < FIRST_DELIVERY_HOUR * HOUR_US) | (hour > LAST_DELIVERY_HOUR * HOUR_US)
    yield Found(rows, tried.of_rows(off), "attempted outside 8-20 h")


@rule(
    "R24",
    "payments in time",
    {"payments": "payment_date", "orders": "order_date paid_at payment_status"},
    in_block=True,
)
def payment_times(group: Group) -> Findings:
    """R24: payment_date >= order_date and <= T; paid_at = last payment."""
    rows, orders = group["payments"], group["orders"]
    order = group.at("payments", "order_id")
    early = (order >= 0) & (rows["payment_date"] < pick(orders["order_date"], order))
    yield Found(rows, early, "paid before the order", ("payment_date",))
    late = rows["payment_date"] >= group.context.as_of_us
    yield Found(rows, late, "paid after T", ("payment_date",))
    last = last_payment(group)
    wrong = orders.valid("paid_at") & (orders["paid_at"] != last)
    yield Found(orders, wrong, "paid_at is not the last payment", ("paid_at",))


@rule(
    "R25",
    "overdue orders",
    {"orders": "status payment_status payment_due_date days_overdue"},
    in_block=True,
)
def overdue(group: Group) -> Findings:
    """R25: Overdue <=> unpaid, delivered, due before T's date; days_overdue as defined, else 0."""
    orders = group["orders"]
    last_day = group.context.last_day
    due = orders["payment_due_date"]
    open_ = orders.has("status", "Delivered") & ~orders.has("payment_status", "Paid")
    wanted = open_ & (due < last_day)
    marked = orders.has("payment_status", "Overdue")
    shown = ("status", "payment_status", "payment_due_date")
    what = "Overdue must be said of unpaid, delivered orders that are due, and of no other"
    yield Found(orders, marked != wanted, what, shown)
    days = np.where(marked, last_day - due, 0)
    yield Found(
        orders,
        orders["days_overdue"] != days,
        "days_overdue is not the as-of date less the due date, or 0",
        ("payment_status", "payment_due_date", "days_overdue"),
    )


@rule(
    "R26",
    "refunds in time",
    {
        "refunds": "requested_at reviewed_at processed_at status",
        "payments": "payment_date",
        "orders": "status_history status payment_status",
    },
)
def refund_times(group: Group) -> Findings:
    """R26: refund after delivery and after the payment it refunds; reviewed, processed in order.

    The payment is the order's last one; nothing comes after T.
    """
    rows = group["refunds"]
    order, payment = group.at("refunds", "order_id"), group.at("refunds", "payment_id")
    asked = rows["requested_at"]
    delivered = pick(group.entered("Delivered"), order)
    yield Found(
        rows,
        (order >= 0) & ((delivered == NEVER) | (asked <= delivered)),
        "asked for before the delivery",
        ("requested_at",),
    )
    paid = pick(group["payments"]["payment_date"], payment)
    early = (payment >= 0) & (asked <= paid)
    yield Found(rows, early, "asked for before the payment", ("requested_at", "payment_id"))
    strange = (payment >= 0) & (order >= 0)
    strange &= (pick(group["payments"]["order_id"], payment) != rows["order_id"]) | (
        paid != pick(last_payment(group), order)
    )
    what = "payment_id is not the last payment of the order"
    yield Found(rows, strange, what, ("order_id", "payment_id"))
    reviewed = rows.valid("reviewed_at")
    early = reviewed & (rows["reviewed_at"] <= asked)
    yield Found(rows, early, "reviewed before it was asked for", ("requested_at", "reviewed_at"))
    done = rows.valid("processed_at")
    early = done & ~(reviewed & (rows["processed_at"] > rows["reviewed_at"]))
    yield Found(rows, early, "processed before it was reviewed", ("reviewed_at", "processed_at"))
    late = np.maximum(np.maximum(asked, rows["reviewed_at"]), rows["processed_at"])
    yield Found(rows, late >= group.context.as_of_us, "goes on after T", ("requested_at",))


@rule(
    "R27",
    "visits in time",
    {
        "maintenance_visits": (
            "scheduled_date actual_arrival_at resolution_at status created_at company_id branch_id"
        )
    },
)
def visit_times(group: Group) -> Findings:
    """R27: arrival >= scheduled, resolution >= arrival, Completed has both.

    A follow-up comes after its root, at the same site.
    """
    visits = group["maintenance_visits"]
    arrived, resolved = visits.valid("actual_arrival_at"), visits.valid("resolution_at")
    day = calendar.local_day(visits["actual_arrival_at"])
    shown = ("scheduled_date", "actual_arrival_at", "resolution_at")
    early = arrived & (day < visits["scheduled_date"])
    yield Found(visits, early, "arrived before the scheduled day", shown)
    early = resolved & ~(arrived & (visits["resolution_at"] >= visits["actual_arrival_at"]))
    yield Found(visits, early, "resolved before the arrival", shown)
    lacking = visits.has("status", "Completed") & ~(arrived & resolved)
    yield Found(visits, lacking, "Completed without arrival and resolution", shown)
    root = group.at("maintenance_visits", "root_visit_id")
    follows = root >= 0
    early = visits["scheduled_date"] <= pick(visits["scheduled_date"], root)
    early |= visits["created_at"] <= pick(visits["created_at"], root)
    yield Found(visits, follows & early, "a follow-up not after its root", ("root_visit_id",))
    moved = np.zeros(len(visits), dtype=bool)
    for column in ("company_id", "branch_id"):
        values = np.where(visits.valid(column), visits[column], NEVER)
        moved |= values != pick(values, root)
    shown = ("root_visit_id", "company_id", "branch_id")
    yield Found(visits, follows & moved, "a follow-up at another site", shown)


@rule("R28", "nothing after T", in_block=True)
def as_of(group: Group) -> Findings:
    """R28: no instant after T (scheduled and due dates aside)."""
    limit = group.context.as_of_us
    for table in group.tables:
        rows = group[table]
        for column in rows.table.columns:
            pair = ((table, column.name),)
            if column.kind == "instant":
                late = _late(rows[column.name], limit)
                yield Found(rows, late, f"{column.name} lies after T", (column.name,), pair)
            for item in column.fields:
                if item.kind == "instant":
                    lists = rows.lists(column.name)
                    late = lists.of_rows(_late(lists[item.name], limit))
                    yield Found(rows, late, f"{column.name} goes on after T", reads=pair)


def is_schedule_day(region: np.ndarray, day: np.ndarray) -> Bool:
    """Return which days see deliveries in a region (its code)."""
    table = np.zeros((len(SCHEDULES), 7), dtype=bool)
    for code, weekdays in enumerate(SCHEDULES.values()):
        table[code, list(weekdays)] = True
    return np.asarray(table[region, calendar.weekday(day)] & ~calendar.is_holiday(day))


def last_payment(group: Group) -> I64:
    """Return each order's last payment, µs UTC, -1 without one."""

    def find() -> I64:
        last = np.full(len(group["orders"]) + 1, NEVER, dtype=np.int64)
        np.maximum.at(last, group.at("payments", "order_id"), group["payments"]["payment_date"])
        return last[:-1]

    return group.cached("last_payment", find)


def _success(group: Group) -> Bool:
    tried = group["shipments"].lists("attempts")
    fields = {item.name: item for item in group["shipments"].table["attempts"].fields}
    return np.asarray(tried["status"] == fields["status"].code("success"))


def _late(values: I64, limit: int) -> Bool:
    if not len(values) or values.max() < limit:
        return np.zeros(len(values), dtype=bool)
    return np.asarray(values >= limit)
