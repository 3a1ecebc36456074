"""Details D01 to D08: what section 1 of the data's description says of columns that follow."""

from __future__ import annotations

import numpy as np

from polargen import calendar
from polargen.checks.base import HOUR_US, Findings, Found, rule
from polargen.checks.days import MarkedDays
from polargen.checks.group import NEVER, Group
from polargen.checks.rows import Bool, counts, pick
from polargen.checks.shape import labelled_orders
from polargen.checks.time import SCHEDULES

QUARTER_HOUR_US = 900_000_000
OFFICE_HOURS = (9, 17)
VISITS_AHEAD_DAYS = 14
_TERMS = "payment_due_type payment_due_days"


@rule(
    "D01",
    "delivery promise",
    {
        "orders": "order_date created_at delivery_schedule delivery_date",
        "companies": "region",
        "branches": "region",
    },
)
def promise(group: Group) -> Findings:
    """D01: an order's schedule is its site's region, the promise the next schedule day after it.

    Orders lie in the window, created_at is order_date, and they increase with order_id.
    """
    orders, context = group["orders"], group.context
    branch = group.at("orders", "branch_id")
    region = np.where(
        branch >= 0,
        group.of("orders", "branch_id", "region"),
        group.of("orders", "company_id", "region"),
    )
    known = group.at("orders", "company_id") >= 0
    bad = known & (orders["delivery_schedule"] != region)
    yield Found(orders, bad, "delivery_schedule is not the site's region", ("delivery_schedule",))
    placed = orders["order_date"]
    outside = (placed < context.start_us) | (placed >= context.as_of_us)
    yield Found(orders, outside, "lies outside the window", ("order_date",))
    bad = orders["created_at"] != placed
    yield Found(orders, bad, "created_at is not order_date", ("order_date", "created_at"))
    day = np.clip(calendar.local_day(placed), context.first_day, context.last_day)
    bad = np.zeros(len(orders), dtype=bool)
    for code in range(len(SCHEDULES)):
        here = np.flatnonzero(orders["delivery_schedule"] == code)
        promised = calendar.next_schedule_day(code, day[here])
        bad[here] = orders["delivery_date"][here] != promised
    shown = ("order_date", "delivery_schedule", "delivery_date")
    yield Found(orders, bad & ~outside, "delivery_date is not the next schedule day", shown)
    own = np.flatnonzero(~orders.valid("duplicate_of_order_id"))
    own = own[np.argsort(orders.key[own], kind="stable")]
    bad = np.zeros(len(orders), dtype=bool)
    bad[own[1:][placed[own[1:]] < placed[own[:-1]]]] = True
    yield Found(orders, bad, "comes before an order with a smaller key", ("order_date",))


@rule(
    "D02",
    "due dates",
    {"orders": "order_date payment_due_date", "companies": _TERMS},
)
def due_dates(group: Group) -> Findings:
    """D02: payment_due_date follows from the order's day and the company's terms."""
    orders, companies = group["orders"], group.target("companies")
    company = group.at("orders", "company_id")
    first, last = group.context.first_day, group.context.last_day
    day = np.clip(calendar.local_day(orders["order_date"]), first, last)
    due = day.astype(np.int64)
    days = pick(companies["payment_due_days"], company)
    for kind, values in (
        ("days_after_order", day + days),
        ("monthly_date", calendar.next_month(day)),
        ("bulk_schedule", calendar.quarter_end(day)),
    ):
        due = np.where(pick(companies.has("payment_due_type", kind), company), values, due)
    bad = (company >= 0) & (orders["payment_due_date"] != due)
    shown = ("company_id", "order_date", "payment_due_date")
    yield Found(orders, bad, "payment_due_date does not follow from the terms", shown)


@rule(
    "D03",
    "lines show their product",
    {
        "order_items": "line_no product_name unit_price",
        "orders": "warehouse",
        "products": "name unit_price warehouse",
    },
)
def lines(group: Group) -> Findings:
    """D03: lines show their product's name and price, of the order's warehouse, counted from 1."""
    items, products = group["order_items"], group.target("products")
    product, order = group.at("order_items", "product_id"), group.at("order_items", "order_id")
    known = product >= 0
    if len(items) and len(products):
        names = products.text("name").gather(np.maximum(product, 0))
        bad = known & items.text("product_name").ne_missing(names).to_numpy()
        yield Found(items, bad, "product_name is not the product's name", ("product_name",))
    bad = known & (items["unit_price"] != pick(products["unit_price"], product))
    yield Found(items, bad, "unit_price is not the product's price", ("product_id", "unit_price"))
    warehouse = pick(group["orders"]["warehouse"], order)
    bad = known & (order >= 0) & (warehouse != pick(products["warehouse"], product))
    yield Found(items, bad, "the product is stocked in another warehouse", ("product_id",))
    number = counts(order, len(group["orders"]))
    bad = (order >= 0) & (items["line_no"] > pick(number, order))
    yield Found(items, bad, "line_no is above the number of lines", ("line_no",))


@rule(
    "D04",
    "discounts follow their value",
    {
        "orders": "subtotal item_discount_total discount_type discount_value discount_amount",
        "order_items": "quantity unit_price discount_type discount_value discount_amount",
    },
)
def discount_amounts(group: Group) -> Findings:
    """D04: a discount is its value, in percent of the net or in EGP, at most half the net."""
    orders, items = group["orders"], group["order_items"]
    for rows, net in (
        (orders, orders["subtotal"] - orders["item_discount_total"]),
        (items, items["quantity"] * items["unit_price"]),
    ):
        value, amount = rows["discount_value"], rows["discount_amount"]
        # the value of a percentage is in hundredths, as money is
        part = (net * value + 5_000) // 10_000
        asked = np.where(rows.has("discount_type", "percentage"), part, value)
        is_cut = asked * 2 > net
        wrong = np.where(is_cut, np.abs(2 * amount - net) > 1, amount != asked)
        shown = ("discount_type", "discount_value", "discount_amount")
        bad = rows.valid("discount_type") & wrong
        yield Found(rows, bad, "discount_amount does not follow from its value", shown)


@rule(
    "D05",
    "payments in detail",
    {
        "payments": "payment_date created_at days_from_due installment_no method",
        "orders": "payment_due_date",
        "companies": f"payment_method {_TERMS}",
    },
)
def payment_details(group: Group) -> Findings:
    """D05: payments are of the order's company, count from 1, 9-17 h of working days.

    days_from_due is the payment's day less the due date; the channel suits the company's method.
    """
    rows, companies = group["payments"], group.target("companies")
    order, company = group.at("payments", "order_id"), group.at("payments", "company_id")
    bad = (order >= 0) & (rows["company_id"] != pick(group["orders"]["company_id"], order))
    yield Found(rows, bad, "company_id is not the order's", ("order_id", "company_id"))
    bad = rows["created_at"] != rows["payment_date"]
    yield Found(rows, bad, "created_at is not payment_date", ("payment_date", "created_at"))
    day = calendar.local_day(rows["payment_date"])
    due = pick(group["orders"]["payment_due_date"], order)
    bad = (order >= 0) & (rows["days_from_due"] != day - due)
    yield Found(rows, bad, "days_from_due does not follow", ("payment_date", "days_from_due"))
    working = MarkedDays.working(group.context.first_day, group.context.last_day)
    hour = calendar.local_us(rows["payment_date"]) / HOUR_US
    bad = ~working.has(day) | (hour < OFFICE_HOURS[0]) | (hour > OFFICE_HOURS[1])
    yield Found(rows, bad, "not paid at 9-17 h of a working day", ("payment_date",))
    bad = rows["installment_no"] > pick(counts(order, len(group["orders"])), order)
    yield Found(rows, (order >= 0) & bad, "installment_no is above the number of payments")
    known = company >= 0
    for method, other in (("transfer", "Check"), ("check", "Bank Transfer")):
        bad = known & pick(companies.has("payment_method", method), company)
        yield Found(
            rows, bad & rows.has("method", other), "the company pays otherwise", ("method",)
        )
    bulk = pick(companies.has("payment_due_type", "bulk_schedule"), company)
    bad = known & rows.valid("bulk_cycle_id") & ~bulk
    yield Found(rows, bad, "in a bulk cycle of a company that has none", ("company_id",))


@rule(
    "D06",
    "steps of orders",
    {"orders": "status_history order_date", "shipments": "created_at"},
    in_block=True,
)
def steps(group: Group) -> Findings:
    """D06: statuses follow each other as they may; Processing begins at the next quarter hour."""
    orders, shipments = group["orders"], group["shipments"]
    history = orders.lists("status_history")
    code = orders.table["status"].code
    allowed = np.zeros((6, 6), dtype=bool)
    for before, afters in _STEPS.items():
        allowed[code(before), [code(after) for after in afters]] = True
    wrong = np.zeros(len(history), dtype=bool)
    steps_made = allowed[history["status"][:-1], history["status"][1:]]
    wrong[1:] = ~steps_made & (history.position[1:] > 0)
    yield Found(orders, history.of_rows(wrong), "a status that cannot follow the one before")
    accepted = group.entered("Processing")
    wait = accepted - orders["order_date"]
    bad = (wait <= 0) | (wait > QUARTER_HOUR_US) | (accepted % QUARTER_HOUR_US != 0)
    what = "not accepted at the next quarter of an hour"
    yield Found(orders, (accepted != NEVER) & bad, what, ("order_date",))
    order = group.at("shipments", "order_id")
    bad = (order >= 0) & (shipments["created_at"] != pick(accepted, order))
    yield Found(shipments, bad, "not created when the order was accepted", ("created_at",))


_STEPS = {
    "Pending": ("Processing", "Cancelled"),
    "Processing": ("Shipped", "Cancelled"),
    "Shipped": ("Delivered", "Cancelled", "Delivery Failed"),
}


@rule(
    "D07",
    "shipments in detail",
    {
        "shipments": "scheduled_delivery_date dispatched_at attempts delay_days status",
        "orders": "delivery_date status_history",
    },
)
def shipment_details(group: Group) -> Findings:
    """D07: scheduled for the promise unless delayed; sent on a working morning, in time.

    delay_days is the actual day less the promised one. A driver has one vehicle.
    """
    rows, orders = group["shipments"], group["orders"]
    order = group.at("shipments", "order_id")
    promised = pick(orders["delivery_date"], order)
    bad = (order >= 0) & (rows["scheduled_delivery_date"] != promised)
    bad &= ~pick(_delayed(group), order)
    what = "not scheduled for the promised day, and no delay is labelled"
    yield Found(rows, bad, what, ("scheduled_delivery_date",))
    delivered = rows.valid("actual_delivery_at")
    actual = calendar.local_day(rows["actual_delivery_at"])
    wanted = np.where(delivered, actual - promised, 0)
    bad = (order >= 0) & (rows["delay_days"] != wanted)
    yield Found(rows, bad, "delay_days is not the actual day less the promised", ("delay_days",))
    sent = np.flatnonzero(rows.valid("dispatched_at"))
    at = rows["dispatched_at"][sent]
    day = calendar.local_day(at)
    working = MarkedDays.working(group.context.first_day, group.context.last_day)
    bad = np.zeros(len(rows), dtype=bool)
    noon = calendar.local_us(at) >= 12 * HOUR_US
    first = rows.lists("attempts").first("attempted_at")[sent]
    tried = calendar.local_day(first)
    # working days from the dispatch on, up to the day before the first attempt
    early = (first != NEVER) & (working.between(day, tried - 1) > 2)
    served = calendar.next_schedule_day(0, day - 1) == day
    served |= calendar.next_schedule_day(1, day - 1) == day
    on_day = served & ((first == NEVER) | (tried == day))  # a day of deliveries is a van's workday
    bad[sent] = noon | early | (~working.has(day) & ~on_day)
    what = "not dispatched on a working morning, at most two working days before"
    yield Found(rows, bad, what, ("dispatched_at",))
    if len(rows):
        drivers, vehicles = rows.text("driver_name"), rows.text("vehicle_id")
        first_of = drivers.arg_unique()
        known = dict(zip(drivers.gather(first_of), vehicles.gather(first_of), strict=True))
        usual = drivers.replace_strict(known, default=None)
        bad = usual.ne_missing(vehicles).to_numpy()
        yield Found(rows, bad, "the driver has another vehicle", ("driver_name", "vehicle_id"))


@rule(
    "D08",
    "visits in detail",
    {
        "maintenance_visits": (
            "scheduled_date actual_arrival_at delay_days delay_reason is_significant_delay status "
            "problem_occurred problem_reasons total_cost report resolution_status visit_number"
        ),
        "companies": "machine_owned machine_leased",
        "branches": "machine_owned machine_leased",
    },
)
def visit_details(group: Group) -> Findings:
    """D08: delays, faults and costs of visits go together; sites have a machine; no Fridays.

    Scheduled ones lie in the 14 days after T; they and Cancelled ones have no arrival, cost or
    report. Numbers of a chain are 1, 2, 3.
    """
    visits = group["maintenance_visits"]
    arrived = visits.valid("actual_arrival_at")
    day = calendar.local_day(visits["actual_arrival_at"])
    delay = np.where(arrived, day - visits["scheduled_date"], 0)
    shown = ("scheduled_date", "actual_arrival_at", "delay_days")
    yield Found(visits, visits["delay_days"] != delay, "delay_days does not follow", shown)
    bad = visits["is_significant_delay"] != (visits["delay_days"] > 3)
    yield Found(visits, bad, "is_significant_delay does not follow", ("delay_days",))
    bad = visits.valid("delay_reason") != (visits["delay_days"] > 0)
    yield Found(visits, bad, "a delay without reason, or a reason without", ("delay_days",))
    ahead = visits.has("status", "Scheduled")
    last = group.context.last_day
    ahead_days = visits["scheduled_date"] - last
    bad = ahead & ((ahead_days < 1) | (ahead_days > VISITS_AHEAD_DAYS))
    yield Found(visits, bad, "Scheduled, but not in the 14 days after T", ("scheduled_date",))
    idle = ahead | visits.has("status", "Cancelled")
    done = arrived | visits.valid("resolution_at") | (visits["total_cost"] != 0)
    done |= visits.valid("report") | (visits.lists("spare_parts").counts > 0)
    yield Found(visits, idle & done, "has not taken place, but shows work", ("status",))
    bad = (visits.lists("problem_reasons").counts > 0) != visits["problem_occurred"]
    yield Found(visits, bad & ~idle, "faults and problem_occurred do not go together")
    asked = visits.has("visit_type", "customer_request") & ~idle & arrived
    yield Found(visits, asked & ~visits["problem_occurred"], "requested without a problem")
    friday = (calendar.weekday(day) == calendar.FRIDAY) & arrived
    friday |= calendar.weekday(visits["scheduled_date"]) == calendar.FRIDAY
    yield Found(visits, friday, "on a Friday", shown)
    yield Found(
        visits, ~_has_machine(group), "the site has no machine", ("company_id", "branch_id")
    )
    yield Found(visits, _misnumbered(group), "numbers of the chain are not 1, 2, 3")


def _has_machine(group: Group) -> Bool:
    result = np.zeros(len(group["maintenance_visits"]), dtype=bool)
    for table, column in (("companies", "company_id"), ("branches", "branch_id")):
        site = group.at("maintenance_visits", column)
        target = group.target(table)
        machine = pick(target["machine_owned"] | target["machine_leased"], site)
        result = np.where(site >= 0, machine, result)
    return result


def _misnumbered(group: Group) -> Bool:
    visits = group["maintenance_visits"]
    chain = group.chain()
    order = np.lexsort((visits["visit_number"], chain))
    first = np.ones(len(order), dtype=bool)
    first[1:] = chain[order][1:] != chain[order][:-1]
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    result = np.zeros(len(order), dtype=bool)
    result[order] = visits["visit_number"][order] != np.arange(len(order)) - start + 1
    return result


def _delayed(group: Group) -> Bool:
    """Return which orders have a delivery_delay or stock_shortage label on a row of theirs."""
    return labelled_orders(group, ("delivery_delay", "stock_shortage"))
