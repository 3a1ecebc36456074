"""A small, whole and consistent data set, written by hand: what the rules are tested on.

Nothing here comes from a generator. Times are Cairo's wall time; `zoneinfo` turns them into UTC.
The window is 2024-03-01..2024-06-30; public holidays in it: 10, 11 and 25 April, 5 and 6 May,
15 to 18 June, 30 June.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from polargen.checks import Context
from polargen.schema import TABLES, Column

CAIRO = ZoneInfo("Africa/Cairo")
EPOCH = date(1970, 1, 1)
FIRST, LAST = date(2024, 3, 1), date(2024, 6, 30)
Row = dict[str, Any]
Frames = dict[str, pl.DataFrame]


def instant(text: str) -> datetime:
    """Return Cairo's wall time "2024-03-05 10:00" (seconds optional) in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=CAIRO).astimezone(UTC)


def value(column: Column, given: Any) -> Any:
    """Return what is written here as the value of a column's type."""
    if given is None:
        return None
    if column.kind in ("money", "money_total"):
        return Decimal(given)
    if column.kind == "instant":
        return instant(given) if isinstance(given, str) else given
    if column.kind == "date":
        return date.fromisoformat(given) if isinstance(given, str) else given
    if column.kind == "structs":
        return [{c.name: value(c, item.get(c.name)) for c in column.fields} for item in given]
    return given


def frame(table: str, rows: list[Row]) -> pl.DataFrame:
    """Return rows as a frame of the declared schema; what a row leaves out is its default."""
    columns = TABLES[table].columns
    data = {
        c.name: pl.Series(
            c.name,
            [value(c, row.get(c.name, DEFAULTS.get(table, {}).get(c.name))) for row in rows],
            dtype=c.polars_type,
        )
        for c in columns
    }
    return pl.DataFrame(data)


DEFAULTS: dict[str, Row] = {
    "users": {
        "is_active": True,
        "created_at": "2023-01-01 09:00",
        "updated_at": "2023-01-01 09:00",
    },
    "companies": {
        "industry": "Cafe",
        "size": "small",
        "area": "Maadi",
        "city": "Cairo",
        "governorate": "Cairo",
        "address": "1 Road 9",
        "latitude": 29.96,
        "longitude": 31.25,
        "status": "Active",
        "phone": "+201001234567",
        "manager_name": "Mona Adel",
        "contacts": [{"name": "Mona Adel", "position": "Owner", "phone": "+201001234567"}],
        "machine_owned": False,
        "machine_leased": False,
        "maintenance_location": "inside_cairo",
        "payment_method": "transfer",
        "payment_score": 100.0,
        "payment_status": "excellent",
        "total_unpaid_orders": 0,
        "total_outstanding_amount": "0",
        "pending_bulk_payment_amount": "0",
        "last_12_months_revenue": "0",
        "is_suspended": False,
        "account_manager_user_id": 2,
        "created_at": "2023-02-01 10:00",
        "updated_at": "2023-02-01 10:00",
    },
    "branches": {
        "area": "Dokki",
        "city": "Giza",
        "governorate": "Giza",
        "address": "7 Tahrir Street",
        "latitude": 30.03,
        "longitude": 31.21,
        "phone": "+201001234568",
        "manager_name": "Omar Said",
        "machine_owned": True,
        "machine_leased": False,
        "created_at": "2023-06-01 10:00",
    },
    "products": {
        "description": "Good coffee.",
        "category": "Coffee Beans",
        "unit_cost": "10.00",
        "is_variant": False,
        "manufacturer": "Nile Roasters",
        "warehouse": 0,
        "reorder_point": 38,
        "is_active": True,
        "created_at": "2023-01-01 09:00",
        "updated_at": "2023-01-01 09:00",
    },
    "orders": {
        "warehouse": 0,
        "created_by_user_id": 1,
        "payment_status": "Pending",
        "item_count": 1,
        "item_discount_total": "0",
        "discount_amount": "0",
        "days_overdue": 0,
    },
    "order_items": {"line_no": 1, "discount_amount": "0", "tax_rate": 14},
    "payments": {"method": "Bank Transfer", "installment_no": 1},
    "refunds": {},
    "inventory_movements": {"location": "main", "reference": "document"},
    "shipments": {
        "attempts": [],
        "delay_days": 0,
        "driver_name": "Hany Fouad",
        "vehicle_id": "V-01",
    },
    "discounts": {"reason": "Loyal customer", "applied_by_user_id": 1},
    "maintenance_visits": {
        "visit_number": 1,
        "visit_type": "periodic",
        "delay_days": 0,
        "is_significant_delay": False,
        "technician_name": "Sameh Nour",
        "problem_occurred": False,
        "problem_reasons": [],
        "spare_parts": [],
        "services": [],
        "parts_cost": "0",
        "services_cost": "0",
        "labor_cost": "0",
        "total_cost": "0",
    },
    "audit_logs": {"details": "{}"},
    "anomaly_labels": {"severity": "medium"},
}

USERS: list[Row] = [
    {"user_id": 1, "email": "sara@example.com", "display_name": "Sara", "role": "Sales"},
    {"user_id": 2, "email": "ali@example.com", "display_name": "Ali", "role": "Sales"},
    {"user_id": 3, "email": "nadia@example.com", "display_name": "Nadia", "role": "Manager"},
    {"user_id": 4, "email": "adel@example.com", "display_name": "Adel", "role": "Admin"},
    {"user_id": 5, "email": "hoda@example.com", "display_name": "Hoda", "role": "Support"},
    {
        "user_id": 6,
        "email": "gone@example.com",
        "display_name": "Gone",
        "role": "Sales",
        "is_active": False,
    },
]

COMPANIES: list[Row] = [
    {
        "company_id": 1,
        "name": "Cafe One",
        "email": "one@example.org",
        "tax_number": "100-000-001",
        "region": "A",
        "delivery_days": [0, 2, 4],
        "machine_owned": True,
        "payment_due_type": "days_after_order",
        "payment_due_days": 30,
        "last_12_months_revenue": "1605.18",
    },
    {
        "company_id": 2,
        "name": "Hotel Two",
        "area": "Dokki",
        "city": "Giza",
        "governorate": "Giza",
        "email": "two@example.org",
        "tax_number": "100-000-002",
        "region": "B",
        "delivery_days": [1, 3, 6],
        "payment_method": "check",
        "payment_due_type": "immediate",
        "payment_score": 0.0,
        "payment_status": "critical",
        "total_unpaid_orders": 1,
        "total_outstanding_amount": "1368.00",
        "last_12_months_revenue": "1368.00",
        "is_suspended": True,
        "suspension_reason": "An order is overdue by more than 60 days",
        "suspended_at": "2024-06-14 00:00",
    },
    {
        "company_id": 3,
        "name": "Office Three",
        "email": "three@example.org",
        "tax_number": "100-000-003",
        "region": "A",
        "delivery_days": [0, 2, 4],
        "status": "Inactive",
        "status_changed_at": "2024-06-10 12:00",
        "machine_leased": True,
        "lease_monthly_cost": "500.00",
        "payment_due_type": "bulk_schedule",
        "bulk_payment_frequency": "quarterly",
        "payment_score": 86.0,
        "payment_status": "good",
        "total_unpaid_orders": 1,
        "total_outstanding_amount": "1140.00",
        "pending_bulk_payment_amount": "1140.00",
        "last_12_months_revenue": "1846.80",
    },
    {
        "company_id": 4,
        "name": "Bakery Four",
        "area": "Dokki",
        "city": "Giza",
        "governorate": "Giza",
        "email": "four@example.org",
        "tax_number": "100-000-004",
        "region": "B",
        "delivery_days": [1, 3, 6],
        "status": "New",
        "payment_due_type": "monthly_date",
        "payment_due_day": 1,
        "created_at": "2024-06-02 10:00",
        "updated_at": "2024-06-02 10:00",
    },
]

BRANCHES: list[Row] = [
    {
        "branch_id": 1,
        "company_id": 1,
        "name": "Cafe One Dokki",
        "region": "B",
        "email": "dokki@example.org",
        "delivery_days": [1, 3, 6],
    }
]

PRODUCTS: list[Row] = [
    {
        "product_id": 1,
        "sku": "CB-0001",
        "name": "Baladi Beans 1 kg",
        "unit_price": "100.00",
        "popularity_rank": 2,
        "reorder_quantity": 100,
        "opening_stock": 138,
        "stock": 123,
        "total_sold": 21,
    },
    {
        "product_id": 2,
        "sku": "CB-0002",
        "name": "Baladi Beans 250 g",
        "unit_price": "30.00",
        "is_variant": True,
        "parent_product_id": 1,
        "variant_name": "250 g",
        "popularity_rank": 1,
        "reorder_quantity": 100,
        "opening_stock": 138,
        "stock": 125,
        "total_sold": 19,
    },
    {
        "product_id": 3,
        "sku": "EQ-0003",
        "name": "Steel Grinder",
        "category": "Equipment",
        "unit_price": "1234.50",
        "popularity_rank": 3,
        "reorder_quantity": 12,
        "opening_stock": 50,
        "stock": 0,
        "total_sold": 2,
    },
]


def order(
    key: int,
    company: int,
    at: str,
    schedule: str,
    promise: str,
    due: str,
    steps: list[tuple[str, str]],
    subtotal: str,
    tax: str,
    total: str,
    **other: Any,
) -> Row:
    """Return an order; its steps after Pending are (status, instant)."""
    history = [{"status": "Pending", "at": at}]
    history += [{"status": status, "at": when} for status, when in steps]
    return {
        "order_id": key,
        "order_number": f"SO-{key:06d}",
        "company_id": company,
        "order_date": at,
        "created_at": at,
        "updated_at": other.get("paid_at") or history[-1]["at"],
        "delivery_schedule": schedule,
        "delivery_date": promise,
        "payment_due_date": due,
        "status": history[-1]["status"],
        "status_history": history,
        "subtotal": subtotal,
        "tax_total": tax,
        "grand_total": total,
        **other,
    }


FOURTH: Row = {
    # the sums of order 4, and of order 13, which repeats it
    "item_count": 3,
    "item_discount_total": "30.00",
    "discount_type": "percentage",
    "discount_value": "10.00",
    "discount_amount": "156.45",
}

ORDERS: list[Row] = [
    order(
        1, 3, "2024-03-05 10:00:30", "A", "2024-03-07", "2024-04-01",
        [("Processing", "2024-03-05 10:15"), ("Shipped", "2024-03-07 07:30"),
         ("Delivered", "2024-03-07 11:00")],
        "500.00", "70.00", "570.00", payment_status="Paid", paid_at="2024-04-08 10:00",
    ),
    order(
        2, 3, "2024-03-20 12:10", "A", "2024-03-21", "2024-04-01",
        [("Processing", "2024-03-20 12:15"), ("Shipped", "2024-03-21 08:10"),
         ("Delivered", "2024-03-24 09:30")],
        "120.00", "16.80", "136.80", payment_status="Paid", paid_at="2024-04-08 10:00",
    ),
    order(
        3, 2, "2024-04-14 11:05", "B", "2024-04-15", "2024-04-14",
        [("Processing", "2024-04-14 11:15"), ("Shipped", "2024-04-15 08:00"),
         ("Delivered", "2024-04-15 12:00")],
        "1234.50", "168.00", "1368.00", payment_status="Overdue", days_overdue=77,
        item_discount_total="34.50",
    ),
    order(
        4, 1, "2024-04-16 09:40", "A", "2024-04-18", "2024-05-16",
        [("Processing", "2024-04-16 09:45"), ("Shipped", "2024-04-18 08:00"),
         ("Delivered", "2024-04-18 10:30")],
        "1594.50", "197.13", "1605.18", payment_status="Paid", paid_at="2024-05-15 13:00",
        **FOURTH,
    ),
    order(
        5, 1, "2024-05-08 15:20", "B", "2024-05-11", "2024-06-07",
        [("Cancelled", "2024-05-08 15:26")],
        "100.00", "14.00", "114.00", branch_id=1,
        cancellation_reason="Customer request", cancelled_at="2024-05-08 15:26",
    ),
    order(
        6, 2, "2024-05-12 13:01", "B", "2024-05-13", "2024-05-12",
        [("Processing", "2024-05-12 13:15"), ("Shipped", "2024-05-13 08:00"),
         ("Delivery Failed", "2024-05-15 11:30")],
        "90.00", "6.30", "51.30",
        discount_type="fixed", discount_value="60.00", discount_amount="45.00",
    ),
    order(
        7, 3, "2024-05-28 10:00", "A", "2024-05-30", "2024-07-01",
        [("Processing", "2024-05-28 10:15"), ("Shipped", "2024-05-29 08:00"),
         ("Delivered", "2024-05-30 10:00")],
        "1000.00", "140.00", "1140.00",
    ),
    order(
        8, 1, "2024-06-04 10:30", "B", "2024-06-05", "2024-07-04",
        [("Processing", "2024-06-04 10:45"), ("Shipped", "2024-06-05 07:45"),
         ("Cancelled", "2024-06-06 10:00")],
        "200.00", "28.00", "228.00", branch_id=1,
        cancellation_reason="Customer unreachable", cancelled_at="2024-06-06 10:00",
    ),
    order(
        9, 4, "2024-06-20 16:00:10", "B", "2024-06-22", "2024-07-01",
        [("Processing", "2024-06-20 16:15"), ("Shipped", "2024-06-27 08:00")],
        "300.00", "42.00", "342.00",
    ),
    order(
        10, 2, "2024-06-25 09:00:01", "B", "2024-06-26", "2024-06-25",
        [("Processing", "2024-06-25 09:15")],
        "2469.00", "345.66", "2814.66",
    ),
    order(
        11, 1, "2024-06-30 14:50", "A", "2024-07-02", "2024-07-30",
        [("Processing", "2024-06-30 15:00")],
        "100.00", "14.00", "114.00",
    ),
    order(
        12, 1, "2024-06-30 20:40", "A", "2024-07-02", "2024-07-30", [],
        "30.00", "4.20", "34.20",
    ),
    order(
        13, 1, "2024-04-16 09:47", "A", "2024-04-18", "2024-05-16",
        [("Cancelled", "2024-04-16 09:52")],
        "1594.50", "197.13", "1605.18", duplicate_of_order_id=4,
        cancellation_reason="Duplicate order", cancelled_at="2024-04-16 09:52",
        **FOURTH,
    ),
]  # fmt: skip

NAMES = {1: "Baladi Beans 1 kg", 2: "Baladi Beans 250 g", 3: "Steel Grinder"}
PRICES = {1: "100.00", 2: "30.00", 3: "1234.50"}


def item(key: int, of: int, product: int, quantity: int, net: str, tax: str, **other: Any) -> Row:
    """Return a line of an order."""
    return {
        "order_item_id": key,
        "order_id": of,
        "product_id": product,
        "product_name": NAMES[product],
        "quantity": quantity,
        "unit_price": PRICES[product],
        "line_total": net,
        "tax_amount": tax,
        **other,
    }


TENTH = {"discount_type": "percentage", "discount_value": "10.00", "discount_amount": "30.00"}
ITEMS: list[Row] = [
    item(1, 1, 1, 5, "500.00", "70.00"),
    item(2, 2, 2, 4, "120.00", "16.80"),
    item(
        3, 3, 3, 1, "1200.00", "168.00",
        discount_type="fixed", discount_value="34.50", discount_amount="34.50",
    ),
    item(4, 4, 1, 3, "270.00", "37.80", **TENTH),
    item(5, 4, 2, 2, "60.00", "8.40", line_no=2),
    item(6, 4, 3, 1, "1234.50", "172.83", line_no=3),
    item(7, 5, 1, 1, "100.00", "14.00"),
    item(8, 6, 2, 3, "90.00", "12.60"),
    item(9, 7, 1, 10, "1000.00", "140.00"),
    item(10, 8, 1, 2, "200.00", "28.00"),
    item(11, 9, 2, 10, "300.00", "42.00"),
    item(12, 10, 3, 2, "2469.00", "345.66"),
    item(13, 11, 1, 1, "100.00", "14.00"),
    item(14, 12, 2, 1, "30.00", "4.20"),
    item(15, 13, 1, 3, "270.00", "37.80", **TENTH),
    item(16, 13, 2, 2, "60.00", "8.40", line_no=2),
    item(17, 13, 3, 1, "1234.50", "172.83", line_no=3),
]  # fmt: skip


def discount(key: int, of: int, line: int | None, kind: str, worth: str, amount: str) -> Row:
    """Return a discount of an order, or of one of its lines."""
    return {
        "discount_id": key,
        "order_id": of,
        "order_item_id": line,
        "scope": "order" if line is None else "item",
        "type": kind,
        "value": worth,
        "amount": amount,
        "applied_at": next(row["order_date"] for row in ORDERS if row["order_id"] == of),
    }


ALL_DISCOUNTS: list[Row] = [
    discount(1, 3, 3, "fixed", "34.50", "34.50"),
    discount(2, 4, None, "percentage", "10.00", "156.45"),
    discount(3, 4, 4, "percentage", "10.00", "30.00"),
    discount(4, 6, None, "fixed", "60.00", "45.00"),
    discount(5, 13, None, "percentage", "10.00", "156.45"),
    discount(6, 13, 15, "percentage", "10.00", "30.00"),
]


def payment(key: int, of: int, company: int, amount: str, at: str, days: int, **other: Any) -> Row:
    """Return a payment."""
    return {
        "payment_id": key,
        "order_id": of,
        "company_id": company,
        "amount": amount,
        "reference": f"PAY-{key:06d}",
        "payment_date": at,
        "created_at": at,
        "days_from_due": days,
        **other,
    }


CYCLE = {"reference": "BULK-3-2024Q1", "bulk_cycle_id": "3-2024Q1"}
PAYMENTS: list[Row] = [
    payment(1, 1, 3, "570.00", "2024-04-08 10:00", 7, **CYCLE),
    payment(2, 2, 3, "136.80", "2024-04-08 10:00", 7, **CYCLE),
    payment(3, 4, 1, "800.00", "2024-05-07 11:00", -9, recorded_by_user_id=3),
    payment(4, 4, 1, "805.18", "2024-05-15 13:00", -1, recorded_by_user_id=3, installment_no=2),
]

REFUNDS: list[Row] = [
    {
        "refund_id": 1,
        "order_id": 4,
        "payment_id": 4,
        "return_reason": "Quality complaint",
        "returned_items": [
            {"order_item_id": 4, "quantity": 2, "amount": "184.68"},
            {"order_item_id": 5, "quantity": 1, "amount": "30.78"},
        ],
        "amount": "215.46",
        "status": "completed",
        "requested_at": "2024-05-20 10:00",
        "reviewed_by_user_id": 3,
        "reviewed_at": "2024-05-22 11:00",
        "processed_at": "2024-05-26 12:00",
        "created_at": "2024-05-20 10:00",
        "updated_at": "2024-05-26 12:00",
    }
]


def attempt(number: int, at: str, status: str, reason: str | None = None) -> Row:
    """Return a delivery attempt."""
    return {
        "attempt_number": number,
        "attempted_at": at,
        "status": status,
        "failure_reason": reason,
    }


def shipment(
    key: int, of: int, status: str, scheduled: str, sent: str | None, tries: list[Row], **other: Any
) -> Row:
    """Return a shipment."""
    history = next(row["status_history"] for row in ORDERS if row["order_id"] == of)
    return {
        "shipment_id": key,
        "order_id": of,
        "status": status,
        "scheduled_delivery_date": scheduled,
        "dispatched_at": sent,
        "actual_delivery_at": tries[-1]["attempted_at"] if status == "delivered" else None,
        "attempt_count": len(tries),
        "attempts": tries,
        "created_at": history[1]["at"],
        "updated_at": history[-1]["at"],
        **other,
    }


SHIPMENTS: list[Row] = [
    shipment(
        1, 1, "delivered", "2024-03-07", "2024-03-07 07:30",
        [attempt(1, "2024-03-07 11:00", "success")],
    ),
    shipment(
        2, 2, "delivered", "2024-03-21", "2024-03-21 08:10",
        [attempt(1, "2024-03-21 10:00", "failed", "Customer not present"),
         attempt(2, "2024-03-24 09:30", "success")],
        delay_days=3,
    ),
    shipment(
        3, 3, "delivered", "2024-04-15", "2024-04-15 08:00",
        [attempt(1, "2024-04-15 12:00", "success")],
    ),
    shipment(
        4, 4, "delivered", "2024-04-18", "2024-04-18 08:00",
        [attempt(1, "2024-04-18 10:30", "success")],
    ),
    shipment(
        5, 6, "failed", "2024-05-13", "2024-05-13 08:00",
        [attempt(1, "2024-05-13 11:00", "failed", "Site closed"),
         attempt(2, "2024-05-15 11:30", "failed", "Refused at the door")],
    ),
    shipment(
        6, 7, "delivered", "2024-05-30", "2024-05-29 08:00",
        [attempt(1, "2024-05-30 10:00", "success")],
    ),
    shipment(
        7, 8, "failed", "2024-06-05", "2024-06-05 07:45",
        [attempt(1, "2024-06-05 12:00", "failed", "Customer not present")],
    ),
    shipment(
        8, 9, "in_transit", "2024-06-29", "2024-06-27 08:00",
        [attempt(1, "2024-06-29 10:00", "rescheduled", "Traffic delay")],
    ),
    shipment(9, 10, "pending", "2024-06-26", None, []),
    shipment(10, 11, "pending", "2024-07-02", None, []),
]  # fmt: skip


def movement(
    key: int, product: int, kind: str, quantity: int, before: int, at: str, **other: Any
) -> Row:
    """Return a movement of stock."""
    return {
        "movement_id": key,
        "product_id": product,
        "movement_type": kind,
        "quantity": quantity,
        "previous_stock": before,
        "new_stock": before + quantity,
        "created_at": at,
        **other,
    }


def sold(key: int, product: int, quantity: int, before: int, at: str, of: int, line: int) -> Row:
    """Return the fulfilment of a line."""
    return movement(
        key, product, "ORDER_FULFILLMENT", -quantity, before, at, order_id=of, order_item_id=line
    )


def back(
    key: int, product: int, quantity: int, at: str, of: int, line: int, refund: int | None = None
) -> list[Row]:
    """Return goods that come back, and leave at once."""
    came = movement(
        key, product, "RETURN", quantity, 0, at,
        location="returns", order_id=of, order_item_id=line, refund_id=refund,
    )  # fmt: skip
    left = movement(key + 1, product, "ADJUSTMENT", -quantity, quantity, at, location="returns")
    return [came, left]


MOVEMENTS_EARLY: list[Row] = [
    sold(1, 1, 5, 138, "2024-03-05 10:15", 1, 1),
    sold(2, 2, 4, 138, "2024-03-20 12:15", 2, 2),
    sold(3, 3, 1, 50, "2024-04-14 11:15", 3, 3),
    sold(4, 1, 3, 133, "2024-04-16 09:45", 4, 4),
    sold(5, 2, 2, 134, "2024-04-16 09:45", 4, 5),
    sold(6, 3, 1, 49, "2024-04-16 09:45", 4, 6),
    movement(7, 1, "RESTOCK", 8, 130, "2024-04-30 18:00"),
    movement(8, 2, "RESTOCK", 6, 132, "2024-04-30 18:00"),
    movement(9, 3, "RESTOCK", 2, 48, "2024-04-30 18:00"),
    *back(10, 1, 2, "2024-05-26 12:00", 4, 4, 1),
    *back(12, 2, 1, "2024-05-26 12:00", 4, 5, 1),
]
MOVEMENTS_LATE: list[Row] = [
    sold(21, 2, 3, 138, "2024-05-12 13:15", 6, 8),
    *back(22, 2, 3, "2024-05-16 09:00", 6, 8),
    sold(24, 1, 10, 138, "2024-05-28 10:15", 7, 9),
    movement(25, 1, "ADJUSTMENT", -2, 128, "2024-05-30 14:00", created_by_user_id=5),
    sold(26, 1, 2, 126, "2024-06-04 10:45", 8, 10),
    *back(27, 1, 2, "2024-06-09 09:00", 8, 10),
    sold(29, 2, 10, 135, "2024-06-20 16:15", 9, 11),
    movement(30, 3, "ADJUSTMENT", -50, 50, "2024-06-24 08:00", notes="batch recalled"),
    sold(31, 1, 1, 124, "2024-06-30 15:00", 11, 13),
]

VISITS: list[Row] = [
    {
        "visit_id": 1,
        "company_id": 1,
        "status": "Completed",
        "scheduled_date": "2024-03-12",
        "actual_arrival_at": "2024-03-12 10:00",
        "resolution_at": "2024-03-12 11:30",
        "services": [{"name": "Cleaning", "cost": "200.00", "quantity": 1, "paid_by": "company"}],
        "services_cost": "200.00",
        "labor_cost": "150.00",
        "total_cost": "350.00",
        "report": "Cleaned.",
        "report_signed_by": "Mona Adel",
        "created_at": "2024-03-01 09:00",
        "updated_at": "2024-03-12 11:30",
    },
    {
        "visit_id": 2,
        "company_id": 1,
        "branch_id": 1,
        "visit_type": "customer_request",
        "status": "Follow-up Required",
        "scheduled_date": "2024-04-02",
        "actual_arrival_at": "2024-04-06 10:00",
        "resolution_at": "2024-04-06 12:00",
        "delay_days": 4,
        "delay_reason": "Vehicle breakdown",
        "is_significant_delay": True,
        "problem_occurred": True,
        "problem_reasons": ["Pump failure"],
        "resolution_status": "not_solved",
        "non_resolution_reason": "Needs a specialist",
        "spare_parts": [
            {"name": "Gasket", "quantity": 2, "unit_price": "75.50", "paid_by": "customer"}
        ],
        "services": [{"name": "Repair", "cost": "300.00", "quantity": 1, "paid_by": "customer"}],
        "parts_cost": "151.00",
        "services_cost": "300.00",
        "labor_cost": "200.00",
        "total_cost": "651.00",
        "report": "Pump must be changed.",
        "created_at": "2024-04-01 10:00",
        "updated_at": "2024-04-06 12:00",
    },
    {
        "visit_id": 3,
        "company_id": 1,
        "branch_id": 1,
        "root_visit_id": 2,
        "visit_number": 2,
        "visit_type": "customer_request",
        "status": "Completed",
        "scheduled_date": "2024-04-14",
        "actual_arrival_at": "2024-04-14 09:30",
        "resolution_at": "2024-04-14 10:30",
        "problem_occurred": True,
        "problem_reasons": ["Pump failure"],
        "resolution_status": "solved",
        "services": [{"name": "Repair", "cost": "100.00", "quantity": 2, "paid_by": "company"}],
        "services_cost": "200.00",
        "labor_cost": "100.00",
        "total_cost": "300.00",
        "report": "Pump changed.",
        "created_at": "2024-04-06 12:00:01",
        "updated_at": "2024-04-14 10:30",
    },
    {
        "visit_id": 4,
        "company_id": 3,
        "status": "Scheduled",
        "scheduled_date": "2024-07-03",
        "created_at": "2024-06-20 10:00",
        "updated_at": "2024-06-20 10:00",
    },
    {
        "visit_id": 5,
        "company_id": 1,
        "status": "Cancelled",
        "scheduled_date": "2024-05-09",
        "created_at": "2024-05-02 10:00",
        "updated_at": "2024-05-08 12:00",
    },
]


def label(key: int, kind: str, entity: str, of: int, at: str, *values: str | None) -> Row:
    """Return a label; its values are field, original and injected value."""
    field, original, injected = values if values else (None, None, None)
    return {
        "label_id": key,
        "anomaly_type": kind,
        "entity": entity,
        "entity_id": of,
        "field": field,
        "original_value": original,
        "injected_value": injected,
        "event_at": at,
    }


LABELS_EARLY: list[Row] = [
    label(1, "payment_delay", "orders", 3, "2024-04-15 12:00", "payment_status", "Paid", "Overdue"),
    label(2, "payment_delay", "orders", 3, "2024-04-15 12:00", "days_overdue", "0", "77"),
    label(
        3, "payment_delay", "orders", 3, "2024-04-15 12:00",
        "paid_at", "2024-04-14T11:30:00.000000Z", None,
    ),
    label(4, "duplicate_orders", "orders", 13, "2024-04-16 09:47",
          "duplicate_of_order_id", None, "4"),
]  # fmt: skip
LABELS_LATE: list[Row] = [
    label(5, "order_cancellation", "orders", 8, "2024-06-06 10:00",
          "status", "Delivered", "Cancelled"),
    label(6, "order_cancellation", "orders", 8, "2024-06-06 10:00",
          "cancelled_at", None, "2024-06-06T07:00:00.000000Z"),
    label(7, "delivery_delay", "shipments", 8, "2024-06-22 08:00",
          "scheduled_delivery_date", "2024-06-22", "2024-06-29"),
    label(8, "stock_shortage", "orders", 10, "2024-06-25 09:15",
          "status", "Delivered", "Processing"),
    label(9, "stock_shortage", "orders", 10, "2024-06-25 09:15", "status_history", None, None)
    | {"field": None},
]  # fmt: skip
LABELS_VISITS: list[Row] = [
    label(10, "maintenance_failure", "maintenance_visits", 2, "2024-04-06 12:00",
          "status", "Completed", "Follow-up Required"),
    label(11, "maintenance_failure", "maintenance_visits", 2, "2024-04-06 12:00",
          "total_cost", "500.00", "651.00"),
]  # fmt: skip

# (user, day, login, logout); the last one is open at T
SESSIONS: list[tuple[int, str, str, str | None]] = [
    (1, "2024-03-05", "07:50", "21:10"),
    (1, "2024-03-20", "07:50", "21:10"),
    (1, "2024-04-14", "07:50", "21:10"),
    (1, "2024-04-16", "07:50", "21:10"),
    (1, "2024-05-08", "07:50", "21:10"),
    (1, "2024-05-12", "07:50", "21:10"),
    (1, "2024-05-28", "07:50", "21:10"),
    (1, "2024-06-04", "07:50", "21:10"),
    (1, "2024-06-20", "07:50", "21:10"),
    (1, "2024-06-25", "07:50", "21:10"),
    (3, "2024-05-07", "08:45", "17:20"),
    (3, "2024-05-15", "08:45", "17:20"),
    (3, "2024-05-22", "08:45", "17:20"),
    (5, "2024-05-30", "08:50", "17:10"),
    (1, "2024-06-30", "07:50", None),
]

# (action, entity_type, entity_id, user, instant), of each group
LOGS_VISITS = [
    ("maintenance.scheduled", "maintenance_visits", 1, None, "2024-03-01 09:00"),
    ("maintenance.started", "maintenance_visits", 1, None, "2024-03-12 10:00"),
    ("maintenance.completed", "maintenance_visits", 1, None, "2024-03-12 11:30"),
    ("maintenance.scheduled", "maintenance_visits", 2, None, "2024-04-01 10:00"),
    ("maintenance.started", "maintenance_visits", 2, None, "2024-04-06 10:00"),
    ("maintenance.follow_up_created", "maintenance_visits", 3, None, "2024-04-06 12:00:01"),
    ("maintenance.started", "maintenance_visits", 3, None, "2024-04-14 09:30"),
    ("maintenance.completed", "maintenance_visits", 3, None, "2024-04-14 10:30"),
    ("maintenance.scheduled", "maintenance_visits", 4, None, "2024-06-20 10:00"),
    ("maintenance.scheduled", "maintenance_visits", 5, None, "2024-05-02 10:00"),
    ("maintenance.cancelled", "maintenance_visits", 5, None, "2024-05-08 12:00"),
]
LOGS_EARLY = [
    ("order.created", "orders", 1, 1, "2024-03-05 10:00:30"),
    ("order.status_changed", "orders", 1, None, "2024-03-05 10:15"),
    ("order.status_changed", "orders", 1, None, "2024-03-07 07:30"),
    ("order.status_changed", "orders", 1, None, "2024-03-07 11:00"),
    ("order.delivery_confirmed", "orders", 1, None, "2024-03-07 11:00"),
    ("order.payment_marked", "payments", 1, None, "2024-04-08 10:00"),
    ("order.created", "orders", 2, 1, "2024-03-20 12:10"),
    ("order.status_changed", "orders", 2, None, "2024-03-20 12:15"),
    ("order.status_changed", "orders", 2, None, "2024-03-21 08:10"),
    ("order.status_changed", "orders", 2, None, "2024-03-24 09:30"),
    ("order.delivery_confirmed", "orders", 2, None, "2024-03-24 09:30"),
    ("order.payment_marked", "payments", 2, None, "2024-04-08 10:00"),
    ("order.created", "orders", 3, 1, "2024-04-14 11:05"),
    ("discount.applied", "discounts", 1, 1, "2024-04-14 11:05"),
    ("order.status_changed", "orders", 3, None, "2024-04-14 11:15"),
    ("order.status_changed", "orders", 3, None, "2024-04-15 08:00"),
    ("order.status_changed", "orders", 3, None, "2024-04-15 12:00"),
    ("order.delivery_confirmed", "orders", 3, None, "2024-04-15 12:00"),
    ("order.created", "orders", 4, 1, "2024-04-16 09:40"),
    ("discount.applied", "discounts", 2, 1, "2024-04-16 09:40"),
    ("discount.applied", "discounts", 3, 1, "2024-04-16 09:40"),
    ("order.status_changed", "orders", 4, None, "2024-04-16 09:45"),
    ("order.status_changed", "orders", 4, None, "2024-04-18 08:00"),
    ("order.status_changed", "orders", 4, None, "2024-04-18 10:30"),
    ("order.delivery_confirmed", "orders", 4, None, "2024-04-18 10:30"),
    ("order.payment_marked", "payments", 3, 3, "2024-05-07 11:00"),
    ("order.payment_marked", "payments", 4, 3, "2024-05-15 13:00"),
    ("refund.requested", "refunds", 1, None, "2024-05-20 10:00"),
    ("refund.approved", "refunds", 1, 3, "2024-05-22 11:00"),
    ("refund.completed", "refunds", 1, None, "2024-05-26 12:00"),
    ("order.created", "orders", 13, 1, "2024-04-16 09:47"),
    ("discount.applied", "discounts", 5, 1, "2024-04-16 09:47"),
    ("discount.applied", "discounts", 6, 1, "2024-04-16 09:47"),
    ("order.status_changed", "orders", 13, None, "2024-04-16 09:52"),
    ("order.cancelled", "orders", 13, None, "2024-04-16 09:52"),
    ("product.restocked", "inventory_movements", 7, None, "2024-04-30 18:00"),
    ("product.restocked", "inventory_movements", 8, None, "2024-04-30 18:00"),
    ("product.restocked", "inventory_movements", 9, None, "2024-04-30 18:00"),
]
LOGS_LATE = [
    ("order.created", "orders", 5, 1, "2024-05-08 15:20"),
    ("order.status_changed", "orders", 5, None, "2024-05-08 15:26"),
    ("order.cancelled", "orders", 5, None, "2024-05-08 15:26"),
    ("order.created", "orders", 6, 1, "2024-05-12 13:01"),
    ("discount.applied", "discounts", 4, 1, "2024-05-12 13:01"),
    ("order.status_changed", "orders", 6, None, "2024-05-12 13:15"),
    ("order.status_changed", "orders", 6, None, "2024-05-13 08:00"),
    ("order.status_changed", "orders", 6, None, "2024-05-15 11:30"),
    ("order.created", "orders", 7, 1, "2024-05-28 10:00"),
    ("order.status_changed", "orders", 7, None, "2024-05-28 10:15"),
    ("order.status_changed", "orders", 7, None, "2024-05-29 08:00"),
    ("order.status_changed", "orders", 7, None, "2024-05-30 10:00"),
    ("order.delivery_confirmed", "orders", 7, None, "2024-05-30 10:00"),
    ("product.stock_adjusted", "inventory_movements", 25, 5, "2024-05-30 14:00"),
    ("order.created", "orders", 8, 1, "2024-06-04 10:30"),
    ("order.status_changed", "orders", 8, None, "2024-06-04 10:45"),
    ("order.status_changed", "orders", 8, None, "2024-06-05 07:45"),
    ("order.status_changed", "orders", 8, None, "2024-06-06 10:00"),
    ("order.cancelled", "orders", 8, None, "2024-06-06 10:00"),
    ("order.created", "orders", 9, 1, "2024-06-20 16:00:10"),
    ("order.status_changed", "orders", 9, None, "2024-06-20 16:15"),
    ("order.status_changed", "orders", 9, None, "2024-06-27 08:00"),
    ("product.stock_adjusted", "inventory_movements", 30, None, "2024-06-24 08:00"),
    ("order.created", "orders", 10, 1, "2024-06-25 09:00:01"),
    ("order.status_changed", "orders", 10, None, "2024-06-25 09:15"),
    ("order.created", "orders", 11, 1, "2024-06-30 14:50"),
    ("order.status_changed", "orders", 11, None, "2024-06-30 15:00"),
    ("order.created", "orders", 12, 1, "2024-06-30 20:40"),
]
LOGS_MASTERS = [
    ("company.created", "companies", 4, None, "2024-06-02 10:00"),
    ("company.status_changed", "companies", 3, None, "2024-06-10 12:00"),
    ("company.suspended", "companies", 2, None, "2024-06-14 00:00"),
]


def logs(first_key: int, rows: list[tuple[str, str | None, int | None, int | None, str]]) -> Any:
    """Return audit rows as a frame, with keys from ``first_key`` on."""
    return frame(
        "audit_logs",
        [
            {
                "audit_log_id": first_key + place,
                "action": action,
                "entity_type": entity,
                "entity_id": key,
                "user_id": user,
                "created_at": at,
            }
            for place, (action, entity, key, user, at) in enumerate(rows)
        ],
    )


def session_logs() -> list[tuple[str, str | None, int | None, int | None, str]]:
    """Return the audit rows of the sessions and of the system."""
    rows: list[tuple[str, str | None, int | None, int | None, str]] = []
    for user, day, login, logout in SESSIONS:
        rows.append(("user.login", "users", user, user, f"{day} {login}"))
        if logout is not None:
            rows.append(("user.logout", "users", user, user, f"{day} {logout}"))
    rows.append(("system.backup_completed", "audit_logs", None, None, "2024-03-02 02:00"))
    return rows


def _of(rows: list[Row], orders: set[int]) -> list[Row]:
    return [row for row in rows if row["order_id"] in orders]


def _order_group(
    orders: set[int], moved: list[Row], labelled: list[Row], audit: pl.DataFrame
) -> Frames:
    return {
        "orders": frame("orders", _of(ORDERS, orders)),
        "order_items": frame("order_items", _of(ITEMS, orders)),
        "payments": frame("payments", _of(PAYMENTS, orders)),
        "refunds": frame("refunds", _of(REFUNDS, orders)),
        "inventory_movements": frame("inventory_movements", moved),
        "shipments": frame("shipments", _of(SHIPMENTS, orders)),
        "discounts": frame("discounts", _of(ALL_DISCOUNTS, orders)),
        "audit_logs": audit,
        "anomaly_labels": frame("anomaly_labels", labelled),
    }


EARLY = {1, 2, 3, 4, 13}
LATE = {5, 6, 7, 8, 9, 10, 11, 12}
MASTERS = ("users", "companies", "branches", "products")


def groups() -> list[Frames]:
    """Return the groups: sessions, visits, orders to April, orders from May on, masters."""
    return [dict(frames) for frames in _groups()]


@cache
def _groups() -> tuple[Frames, ...]:
    return (
        {"audit_logs": logs(1, session_logs())},
        {
            "maintenance_visits": frame("maintenance_visits", VISITS),
            "audit_logs": logs(1001, LOGS_VISITS),
            "anomaly_labels": frame("anomaly_labels", LABELS_VISITS),
        },
        _order_group(EARLY, MOVEMENTS_EARLY, LABELS_EARLY, logs(2001, LOGS_EARLY)),
        _order_group(LATE, MOVEMENTS_LATE, LABELS_LATE, logs(3001, LOGS_LATE)),
        {
            "users": frame("users", USERS),
            "companies": frame("companies", COMPANIES),
            "branches": frame("branches", BRANCHES),
            "products": frame("products", PRODUCTS),
            "audit_logs": logs(4001, LOGS_MASTERS),
        },
    )


def context(**other: Any) -> Context:
    """Return what is known of the run besides its rows."""
    as_of = datetime(2024, 7, 1, tzinfo=CAIRO)
    return Context(
        first_day=(FIRST - EPOCH).days,
        last_day=(LAST - EPOCH).days,
        as_of_us=int(as_of.timestamp()) * 1_000_000,
        **{
            "planned": {
                "users": 6,
                "companies": 4,
                "branches": 1,
                "products": 3,
                "orders": 13,
                "duplicates": 1,
                "root_visits": 4,
            },
            **other,
        },
    )
