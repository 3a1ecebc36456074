"""R19: what companies and products show of their facts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from polargen import calendar
from polargen.checks.base import Context, Findings, Found, rule
from polargen.checks.group import Group
from polargen.checks.rows import Array, Bool, Rows, pick

SUSPENDED_AFTER_DAYS = 60
# Lowest scores of the grades, in the order of the enumeration.
_GRADES = (90.0, 75.0, 60.0, 40.0)
_SCORE_TOLERANCE = 0.005 + 1e-9

_READS = {
    "orders": (
        "status payment_status payment_due_date paid_at days_overdue grand_total order_date "
        "status_history"
    ),
    "companies": (
        "payment_due_type payment_score payment_status total_unpaid_orders "
        "total_outstanding_amount pending_bulk_payment_amount last_12_months_revenue is_suspended"
    ),
    "inventory_movements": "quantity movement_type",
    "products": "total_sold",
}


@rule("R19", "companies and products sum up their facts", _READS)
class Aggregates:
    """R19: company and product aggregates equal what the facts say.

    Unpaid: Delivered, not Paid. Pending bulk: of these, of companies that pay in bulk, not yet
    due. Revenue: Delivered in the 12 months to T. Score: 100 - 2 x mean days late over Paid and
    Overdue orders placed in these 12 months, at least 0, to two decimals. Suspended: an order is
    overdue by more than 60 days. Closing stock is R31's.
    """

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        self._masters, self._context = masters, context
        companies = len(masters["companies"]) + 1  # the last slot takes what has no company
        self._unpaid, self._outstanding, self._bulk, self._revenue, self._late, self._rated = (
            np.zeros(companies, dtype=np.int64) for _ in range(6)
        )
        self._suspended = np.zeros(companies, dtype=bool)
        self._sold = np.zeros(len(masters["products"]) + 1, dtype=np.int64)

    def check(self, group: Group) -> Findings:
        orders = group["orders"]
        if len(orders):
            self._add_orders(group, orders)
        rows = group["inventory_movements"]
        if len(rows):
            product = group.at("inventory_movements", "product_id")
            sold = rows.has("movement_type", "ORDER_FULFILLMENT")
            np.add.at(self._sold, product[sold], -rows["quantity"][sold].astype(np.int64))
        yield from ()

    def _add_orders(self, group: Group, orders: Rows) -> None:
        context, company = self._context, group.at("orders", "company_id")
        total, due = orders["grand_total"], orders["payment_due_date"]
        paid = orders.has("payment_status", "Paid")
        overdue = orders.has("payment_status", "Overdue")
        unpaid = orders.has("status", "Delivered") & ~paid
        in_bulk = pick(group.target("companies").has("payment_due_type", "bulk_schedule"), company)
        pending = unpaid & in_bulk & (due >= context.last_day)
        recent = group.entered("Delivered") >= context.year_ago_us
        recent &= orders.has("status", "Delivered")
        for target, mask, values in (
            (self._unpaid, unpaid, np.ones(len(orders), dtype=np.int64)),
            (self._outstanding, unpaid, total),
            (self._bulk, pending, total),
            (self._revenue, recent, total),
        ):
            np.add.at(target, company[mask], values[mask])
        rated = (paid | overdue) & (orders["order_date"] >= context.year_ago_us)
        np.add.at(self._late, company[rated], days_late(group)[rated])
        np.add.at(self._rated, company[rated], 1)
        long_due = overdue & (orders["days_overdue"] > SUSPENDED_AFTER_DAYS)
        self._suspended[company[long_due]] = True

    def finish(self) -> Findings:
        companies, products = self._masters["companies"], self._masters["products"]
        for column, sums in (
            ("total_unpaid_orders", self._unpaid),
            ("total_outstanding_amount", self._outstanding),
            ("pending_bulk_payment_amount", self._bulk),
            ("last_12_months_revenue", self._revenue),
            ("is_suspended", self._suspended),
        ):
            what = f"{column} is not what the orders say"
            yield Found(companies, companies[column] != sums[:-1], what, (column,))
        score, shown = self._score(), companies["payment_score"]
        off = np.abs(score - shown) > _SCORE_TOLERANCE
        yield Found(companies, off, "payment_score does not follow", ("payment_score",))
        columns = ("payment_score", "payment_status")
        bad = companies["payment_status"] != grade(shown)
        yield Found(companies, bad, "payment_status is not the grade of the score", columns)
        bad = products["total_sold"] != self._sold[:-1]
        yield Found(products, bad, "total_sold is not what was fulfilled", ("total_sold",))

    def _score(self) -> Array:
        mean = self._late[:-1] / np.maximum(self._rated[:-1], 1)
        return np.asarray(np.maximum(0.0, 100.0 - 2.0 * mean))


def days_late(group: Group) -> Array:
    """Return the days late of Paid and Overdue orders, int64; 0 for others."""
    orders = group["orders"]
    paid: Bool = orders.has("payment_status", "Paid") & orders.valid("paid_at")
    late = np.zeros(len(orders), dtype=np.int64)
    due = orders["payment_due_date"][paid].astype(np.int64)
    late[paid] = np.maximum(0, calendar.local_day(orders["paid_at"][paid]) - due)
    overdue = orders.has("payment_status", "Overdue")
    late[overdue] = orders["days_overdue"][overdue]
    return late


def grade(score: Array) -> Array:
    """Return the code of the grade of each score, uint8."""
    return np.asarray(np.sum([score < lowest for lowest in _GRADES], axis=0).astype(np.uint8))
