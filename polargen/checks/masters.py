"""Details D09 and D10: bulk cycles, and what masters say of themselves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from polargen import calendar
from polargen.checks.base import Context, Findings, Found, rule
from polargen.checks.group import NEVER, Group
from polargen.checks.rows import Bool, Rows, pick
from polargen.checks.shape import labelled_orders
from polargen.checks.time import SCHEDULES, last_payment

_MONTHS = 3


@rule(
    "D09",
    "bulk cycles",
    {
        "orders": "status payment_status payment_due_date",
        "payments": "payment_date",
        "companies": "payment_due_type",
    },
)
class BulkCycles:
    """D09: a company's orders of a quarter are Paid, Overdue or Pending as a whole, on one day.

    Of companies that pay in bulk, over Delivered orders without a payment_delay.
    """

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        self._companies = masters["companies"]
        bulk = self._companies.has("payment_due_type", "bulk_schedule")
        self._place = np.where(bulk, np.cumsum(bulk) - 1, NEVER)
        edges = np.array([context.first_day, context.last_day], dtype=np.int32)
        self._first, last = (calendar.month_index(edges) // _MONTHS).tolist()
        shape = (int(np.count_nonzero(bulk)), last - self._first + 1)
        self._statuses = np.zeros(shape, dtype=np.uint8)  # one bit a payment status
        self._early = np.full(shape, np.iinfo(np.int32).max, dtype=np.int32)
        self._late = np.full(shape, NEVER, dtype=np.int32)

    def check(self, group: Group) -> Findings:
        orders = group["orders"]
        yield Found(orders, None, "")
        if not len(orders):
            return
        company = group.at("orders", "company_id")
        place = np.where(company >= 0, pick(self._place, company), NEVER)
        chosen = (place >= 0) & orders.has("status", "Delivered")
        chosen &= ~labelled_orders(group, ("payment_delay", "invalid_data"))
        placed = calendar.month_index(calendar.local_day(orders["order_date"])) // _MONTHS
        quarter = placed - self._first
        chosen &= (quarter >= 0) & (quarter < self._statuses.shape[1])
        cell = (place[chosen], quarter[chosen])
        bit = (1 << orders["payment_status"][chosen].astype(np.int64)).astype(np.uint8)
        np.bitwise_or.at(self._statuses, cell, bit)
        paid = chosen & orders.has("payment_status", "Paid")
        cell = (place[paid], quarter[paid])
        day = calendar.local_day(last_payment(group)[paid])
        np.minimum.at(self._early, cell, day)
        np.maximum.at(self._late, cell, day)

    def finish(self) -> Findings:
        several = (self._statuses & (self._statuses - 1)) != 0
        apart = (self._late != NEVER) & (self._late != self._early)
        for cells, what in (
            (several, "a bulk cycle is not Paid, Overdue or Pending as a whole"),
            (apart, "a bulk cycle is paid on several days"),
        ):
            bad = np.zeros(len(self._companies), dtype=bool)
            bad[np.flatnonzero(self._place >= 0)[cells.any(axis=1)]] = True
            yield Found(self._companies, bad, what)


@rule(
    "D10",
    "masters in detail",
    {
        "users": "created_at",
        "companies": "created_at status status_changed_at area region city delivery_days",
        "branches": "created_at area region city delivery_days",
        "products": "created_at category opening_stock reorder_point reorder_quantity",
    },
)
class Masters:
    """D10: sites deliver on their region's days, an area lies in one region and city.

    Users, products and companies are older than the window, New companies begin in it; branches
    are not older than their company; opening stock is reorder point and quantity; a variant's
    parent is no variant, of the same category; popularity ranks are 1..n.
    """

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        self._masters, self._start = masters, context.start_us
        self._areas: dict[str, tuple[str, str, str]] = {}

    def check(self, group: Group) -> Findings:
        for table in ("companies", "branches"):
            if len(group[table]):
                yield from self._sites(group[table])
        for table in ("users", "products"):
            late = group[table]["created_at"] >= self._start
            yield Found(group[table], late, "is not older than the window", ("created_at",))
        companies, branches = group["companies"], group["branches"]
        inside = companies["created_at"] >= self._start
        bad = inside != companies.has("status", "New")
        what = "begins in the window exactly if it is New"
        yield Found(companies, bad, what, ("status", "created_at"))
        early = companies.valid("status_changed_at")
        early &= companies["status_changed_at"] < companies["created_at"]
        yield Found(companies, early, "stopped before it began", ("status_changed_at",))
        older = branches["created_at"] < group.of("branches", "company_id", "created_at")
        known = group.at("branches", "company_id") >= 0
        yield Found(branches, known & older, "is older than its company", ("created_at",))
        yield from self._products(group["products"])

    def _sites(self, rows: Rows) -> Findings:
        days = rows.lists("delivery_days")
        bad = np.zeros(len(rows), dtype=bool)
        for code, weekdays in enumerate(SCHEDULES.values()):
            other = days.of_rows(~np.isin(days["item"], weekdays))
            bad |= (rows["region"] == code) & (other | (days.counts != len(weekdays)))
        yield Found(rows, bad, "delivery_days are not those of the region", ("region",))
        columns = ["region", "city", "governorate"]
        shown = pl.DataFrame([rows.text("area"), *(rows.series(name) for name in columns)])
        shown = shown.with_columns(pl.col("region").cast(pl.String))
        for area, *place in shown.unique(maintain_order=True).drop_nulls().iter_rows():
            self._areas.setdefault(area, (place[0], place[1], place[2]))
        for place_of, name in enumerate(columns):
            usual = {area: place[place_of] for area, place in self._areas.items()}
            wanted = shown["area"].replace_strict(usual, default=None)
            bad = wanted.ne_missing(shown[name]).to_numpy()
            yield Found(rows, bad, f"the area lies in another {name}", ("area", name))

    def _products(self, rows: Rows) -> Findings:
        opening = rows["reorder_point"] + rows["reorder_quantity"]
        shown = ("opening_stock", "reorder_point", "reorder_quantity")
        bad = rows["opening_stock"] != opening
        yield Found(rows, bad, "opening_stock is not reorder point and quantity", shown)
        parents = self._masters["products"]
        parent = parents.index.find(rows["parent_product_id"])
        known = (parent >= 0) & rows.valid("parent_product_id")
        other = pick(parents["category"], parent) != rows["category"]
        other |= pick(parents["is_variant"], parent)
        what = "the parent is a variant itself, or of another category"
        yield Found(rows, known & other, what, ("parent_product_id", "category"))

    def finish(self) -> Findings:
        products = self._masters["products"]
        bad: Bool = products["popularity_rank"] > len(products)
        yield Found(products, bad, "popularity_rank is above the number", ("popularity_rank",))
