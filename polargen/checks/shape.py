"""Shapes S1 to S6: shares of the base world against the scenario. They warn, they never fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from polargen import calendar
from polargen.checks.base import HOUR_US, Context, Findings, Said, rule
from polargen.checks.days import MarkedDays
from polargen.checks.group import NEVER, ORDER_FAMILY, Group
from polargen.checks.rows import I64, Array, Bool, Rows, counts, pick
from polargen.schema.masters import ROLES
from polargen.schema.sales import ORDER_STATUSES, PAYMENT_STATUSES

HORIZON_DAYS = 90
MIN_ORDERS = 10_000
MIN_DAYS = 60
MIN_TIMED = 500
STATUS_TOLERANCE = 0.02
TOP_TOLERANCE = 0.03
RATE_TOLERANCE = 0.01
TIMING_TOLERANCE = 0.03
MIN_PRODUCTS_PER_WAREHOUSE = 100
ROLE_SHARES = (0.05, 0.15, 0.50, 0.30)
# Payment timing: the order's day, then ranges of days from the due date.
TIMING_RANGES = ((-14, -3), (-2, 0), (1, 13), (14, 44))
TIMING_SHARES = (0.10, 0.30, 0.30, 0.20, 0.10)
TIMING_NAMES = ("the order's day", "-14..-3", "-2..0", "1..13", "14..44")
SAME_DAY_HOUR = 16
_LATE_HOURS = 2  # in Ramadan


class _Shape:
    """What the shapes have in common: the context and the masters."""

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        self.masters, self.context = masters, context

    def check(self, group: Group) -> Findings:
        yield from ()

    @property
    def days(self) -> int:
        """Days of the window."""
        return self.context.last_day - self.context.first_day + 1


@rule("S1", "status shares of the horizon", warning=True)
class StatusShares(_Shape):
    """S1: status shares of the horizon's orders within 2 points (10,000 orders, 60 days)."""

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        super().__init__(masters, context)
        self._status = np.zeros(len(ORDER_STATUSES), dtype=np.int64)
        self._payment = np.zeros(len(PAYMENT_STATUSES), dtype=np.int64)

    def check(self, group: Group) -> Findings:
        orders = group["orders"]
        first = self.context.last_day - min(self.days, HORIZON_DAYS) + 1
        chosen = is_base(orders) & (calendar.local_day(orders["order_date"]) >= first)
        status = base_codes(group, "status")[chosen]
        self._status += np.bincount(status, minlength=len(ORDER_STATUSES))
        delivered = status == orders.table["status"].code("Delivered")
        payment = base_codes(group, "payment_status")[chosen][delivered]
        self._payment += np.bincount(payment, minlength=len(PAYMENT_STATUSES))
        yield from ()

    def finish(self) -> Findings:
        shares, unmet = self.context.scenario["distributions"], self.context.unmet
        judged = bool(self._status.sum() >= MIN_ORDERS and self.days >= MIN_DAYS)
        expected = [float(shares["orderStatus"].get(name, 0.0)) for name in ORDER_STATUSES]
        possible = not any(name.startswith("orderStatus") for name in unmet)
        yield compare(
            "orders",
            "status",
            ORDER_STATUSES,
            self._status,
            expected,
            STATUS_TOLERANCE,
            judged and possible,
        )
        wanted = dict(shares["paymentStatus"])
        for name in ("Paid", "Overdue"):
            wanted[name] = unmet.get(f"paymentStatus.{name}", wanted.get(name, 0.0))
        wanted["Pending"] = max(0.0, 1.0 - wanted["Paid"] - wanted["Overdue"])
        expected = [float(wanted[name]) for name in PAYMENT_STATUSES]
        # delivered orders can be few where most are still open
        noise = 2 * np.sqrt(np.multiply(expected, np.subtract(1.0, expected)))
        margin = STATUS_TOLERANCE + noise / np.sqrt(max(self._payment.sum(), 1))
        title = "payment of delivered"
        yield compare("orders", title, PAYMENT_STATUSES, self._payment, expected, margin, judged)


@rule("S2", "top 20 % of products", warning=True)
class TopProducts(_Shape):
    """S2: top 20 % of products get 80 % +- 3 of the lines (zipf without exponent).

    Judged with 100 products a warehouse or more.
    """

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        super().__init__(masters, context)
        self._lines = np.zeros(len(masters["products"]) + 1, dtype=np.int64)

    def check(self, group: Group) -> Findings:
        order = group.at("order_items", "order_id")
        kept = (order >= 0) & pick(is_base(group["orders"]), order)
        np.add.at(self._lines, group.at("order_items", "product_id")[kept], 1)
        yield from ()

    def finish(self) -> Findings:
        products = self.masters["products"]
        popularity = self.context.scenario["distributions"]["productPopularity"]
        total = int(self._lines.sum())
        if popularity.get("kind") != "zipf" or not total:
            return
        wanted = popularity.get("topShare")
        wanted = 0.8 if wanted is None else float(wanted)
        top = products["popularity_rank"] <= max(1, round(len(products) * 0.2))
        share = float(self._lines[:-1][top].sum()) / total
        warehouses = int(products["warehouse"].max()) + 1
        judged = len(products) // warehouses >= MIN_PRODUCTS_PER_WAREHOUSE
        judged &= popularity.get("exponent") is None and total >= MIN_ORDERS
        off = judged and abs(share - wanted) > TOP_TOLERANCE
        what = f"top 20 % of products: {share:.3f} of the lines, wanted {wanted:.3f}"
        yield said("products", total, [what], [what] if off else [])


@rule("S3", "weekdays and hours", warning=True)
class Profile(_Shape):
    """S3: weekday and hour profile of the time series."""

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        super().__init__(masters, context)
        self._by_day = np.zeros(self.days, dtype=np.int64)
        self._by_hour = np.zeros((2, 24), dtype=np.int64)  # outside and in Ramadan

    def check(self, group: Group) -> Findings:
        orders = group["orders"]
        placed = orders["order_date"][is_base(orders)]
        day, hour = calendar.local_day(placed), calendar.local_us(placed) // HOUR_US
        inside = (day >= self.context.first_day) & (day <= self.context.last_day)
        day, hour = day[inside], hour[inside]
        self._by_day += np.bincount(day - self.context.first_day, minlength=self.days)
        slot = calendar.is_ramadan(day).astype(np.int64) * 24 + hour
        self._by_hour += np.bincount(slot, minlength=48).reshape(2, 24)
        yield from ()

    def finish(self) -> Findings:
        series = self.context.scenario["timeSeries"]
        judged = self._by_day.sum() >= MIN_ORDERS
        days = np.arange(self.context.first_day, self.context.last_day + 1, dtype=np.int32)
        weekday = calendar.weekday(days)
        weight = _day_weights(series, days)
        weight = weight / max(weight.sum(), 1e-12)
        expected = np.bincount(weekday, weights=weight, minlength=7)
        # the jitter of single days: uniform, so its deviation is its half width / sqrt(3)
        spread = float(series["dailyJitter"]) / np.sqrt(3.0)
        mine = np.bincount(weekday, weights=weight * weight, minlength=7)
        off = mine * (1 - 2 * expected) + mine.sum() * expected * expected
        tolerance = RATE_TOLERANCE + 4 * spread * np.sqrt(np.maximum(off, 0.0))
        names = tuple(series["weekdayWeights"])
        count = np.bincount(weekday, weights=self._by_day, minlength=7).astype(np.int64)
        yield compare("orders", "weekdays", names, count, expected, tolerance, judged)
        hours = np.array(list(series["hourWeights"].values()), dtype=np.float64)
        shifted = np.zeros(24)
        np.add.at(shifted, np.minimum(np.arange(24) + _LATE_HOURS, 23), hours)
        for title, counted, weights in (
            ("hours", self._by_hour[0], hours),
            ("hours in Ramadan", self._by_hour[1], shifted),
        ):
            total = counted.sum()
            if total:
                share = weights / weights.sum()
                margin = RATE_TOLERANCE + 4 * np.sqrt(share * (1 - share) / total)
                names = tuple(f"{hour} h" for hour in range(24))
                yield compare("orders", title, names, counted, share, margin, judged)


@rule("S4", "labelled rows", warning=True)
class LabelledShare(_Shape):
    """S4: labelled / eligible = rate within 1 point.

    A row without a label shows its base world, so its eligibility is read from it.
    """

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        super().__init__(masters, context)
        self._labelled = self._eligible = 0

    def check(self, group: Group) -> Findings:
        orders = group["orders"]
        if len(orders) and self.context.scenario:
            labelled = labelled_orders(group, (*_BEFALL, "invalid_data"))
            repeated = group.at("orders", "duplicate_of_order_id")
            labelled[repeated[repeated >= 0]] = True
            eligible = labelled | self._eligible_orders(group)
            mine = is_base(orders)
            self._labelled += int(np.count_nonzero(labelled & mine))
            self._eligible += int(np.count_nonzero(eligible & mine))
        yield from ()

    def _eligible_orders(self, group: Group) -> Bool:
        orders, types = group["orders"], _types(self.context)
        result = np.zeros(len(orders), dtype=bool)
        if "payment_delay" in types:
            due = orders["payment_due_date"] < self.context.last_day
            result |= orders.has("status", "Delivered") & due
        if "delivery_delay" in types:
            sent = group["shipments"].valid("dispatched_at")
            order = np.where(sent, group.at("shipments", "order_id"), NEVER)
            result |= counts(order, len(orders)) > 0
        if "order_cancellation" in types:
            result |= ~orders.has("status", "Cancelled", "Delivery Failed")
        if "invalid_data" in types or "duplicate_orders" in types:
            result[:] = True
        return result

    def finish(self) -> Findings:
        types = _types(self.context)
        rate = _rate(self.context)
        figures = [
            f"{name}: {labelled:,} labelled of {eligible:,} eligible, says the manifest"
            for name, (eligible, labelled) in self.context.eligible.items()
        ]
        share = self._labelled / max(self._eligible, 1)
        what = f"orders: {share:.3f} of {self._eligible:,} eligible are labelled, wanted {rate:.3f}"
        wrong = []
        if set(types) - {"maintenance_failure"} and self._eligible >= MIN_ORDERS:
            off = abs(share - rate) - 3 * float(np.sqrt(rate * (1 - rate) / self._eligible))
            wrong = [what] if off > RATE_TOLERANCE else []
        yield said("anomaly_labels", self._eligible, [what, *figures], wrong)


@rule("S5", "roles and regions", warning=True)
class RolesAndRegions(_Shape):
    """S5: roles and regions have their shares."""

    def finish(self) -> Findings:
        users, companies = self.masters["users"], self.masters["companies"]
        count = np.bincount(users["role"], minlength=len(ROLES))
        tolerance = 2.0 / max(len(users), 1)  # largest remainder, and one of each at least
        yield compare("users", "roles", ROLES, count, ROLE_SHARES, tolerance, len(users) >= 20)
        wanted = self.context.scenario["distributions"]["regionDistribution"]
        names = companies.table["region"].values
        share = np.array([float(wanted.get(name, 0.0)) for name in names])
        margin = RATE_TOLERANCE + 3 * np.sqrt(share * (1 - share) / max(len(companies), 1))
        count = np.bincount(companies["region"], minlength=len(names))
        judged = len(companies) >= 100
        yield compare("companies", "regions", names, count, share, margin, judged)


@rule("S6", "payment timing", warning=True)
class Timing(_Shape):
    """S6: payment timing classes within 3 points.

    Over unlabelled non-bulk Paid orders with one payment, due at least 15 days after the order and
    45 before T. Classes that hold no working day for an order are left out of what is expected.
    """

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        super().__init__(masters, context)
        self._count = np.zeros(len(TIMING_SHARES), dtype=np.int64)
        self._wanted = np.zeros(len(TIMING_SHARES), dtype=np.float64)
        self._working = MarkedDays.working(context.first_day, context.last_day + 400)

    def check(self, group: Group) -> Findings:
        orders = group["orders"]
        if not len(orders):
            return
        due = orders["payment_due_date"]
        placed = calendar.local_day(orders["order_date"])
        bulk = group.target("companies").has("payment_due_type", "bulk_schedule")
        chosen = orders.has("payment_status", "Paid") & orders.valid("paid_at") & is_base(orders)
        chosen &= ~pick(bulk, group.at("orders", "company_id")) & ~labelled_orders(group, ())
        chosen &= counts(group.at("payments", "order_id"), len(orders)) == 1
        chosen &= (due - placed >= 15) & (due <= self.context.last_day - 45)
        due, placed = due[chosen], placed[chosen]
        paid = calendar.local_day(orders["paid_at"][chosen])
        days = paid - due
        kind = np.searchsorted([low for low, _ in TIMING_RANGES], days, "right")
        kind = np.where(paid == placed, 0, np.maximum(kind, 1))
        self._count += np.bincount(kind, minlength=len(self._count))
        hour = calendar.local_us(orders["order_date"][chosen])
        possible = [self._working.has(placed) & (hour < SAME_DAY_HOUR * HOUR_US)]
        possible += [self._working.between(due + lo, due + hi) > 0 for lo, hi in TIMING_RANGES]
        weight = np.stack(possible, axis=1) * np.array(TIMING_SHARES)
        self._wanted += (weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)).sum(axis=0)
        yield from ()

    def finish(self) -> Findings:
        total = self._count.sum()
        expected = self._wanted / max(self._wanted.sum(), 1e-12)
        margin = TIMING_TOLERANCE + 2 * np.sqrt(expected * (1 - expected) / max(total, 1))
        judged = total >= MIN_TIMED
        yield compare(
            "payments", "days from due", TIMING_NAMES, self._count, expected, margin, judged
        )


_BEFALL = ("payment_delay", "delivery_delay", "order_cancellation", "stock_shortage")


def is_base(orders: Rows) -> Bool:
    """Return which orders are in the base world: those that repeat no other."""
    return ~orders.valid("duplicate_of_order_id")


def base_codes(group: Group, column: str) -> Array:
    """Return an enumeration column of orders with labelled values set back."""

    def find() -> Array:
        orders, labels = group["orders"], group["anomaly_labels"]
        codes = orders[column].copy()
        if not len(labels):
            return codes
        named = (labels.text("field") == column).fill_null(False).to_numpy()
        index = np.flatnonzero(named & labels.has("entity", "orders"))
        row = orders.index.find(labels["entity_id"][index])
        values = {name: code for code, name in enumerate(orders.table[column].values)}
        for text in labels.text("original_value").gather(index).unique():
            if text in values:
                here = labels.text("original_value").gather(index).eq(text).to_numpy()
                codes[row[here & (row >= 0)]] = values[text]
        return codes

    return group.cached(("base", column), find)


def labelled_orders(group: Group, types: Sequence[str]) -> Bool:
    """Return which orders have a label of some types, on any row of theirs; () means any type."""
    orders, labels = group["orders"], group["anomaly_labels"]
    marked = np.zeros(len(orders) + 1, dtype=bool)
    index = np.arange(len(labels))
    if types:
        index = np.flatnonzero(labels.has("anomaly_type", *types))
    for table, row, _ in group.entities("anomaly_labels", index) if len(index) else ():
        if table in ORDER_FAMILY:
            ids = group[table]["order_id"][row[row >= 0]]
            marked[orders.index.find(ids)] = True
    return marked[:-1]


def compare(
    table: str,
    title: str,
    names: Sequence[str],
    count: I64,
    expected: Any,
    tolerance: Any,
    judged: bool,
) -> Said:
    """Set counted shares against expected ones; all shares are shown, those off are breaches."""
    total = int(count.sum())
    share = count / max(total, 1)
    wanted = np.asarray(expected, dtype=np.float64)
    off = np.abs(share - wanted) > np.broadcast_to(tolerance, share.shape)
    shown = [
        f"{name} {part:.3f} ({want:.3f})"
        for name, part, want in zip(names, share, wanted, strict=True)
        if part or want
    ]
    wrong = list(_words(title, names, share, wanted, off)) if judged and total else []
    return said(table, total, [f"{title}: {', '.join(shown)}"], wrong)


def said(table: str, looked: int, figures: Sequence[str], wrong: Sequence[str]) -> Said:
    """Return figures, and those that are off."""
    return Said(table, looked, len(wrong), tuple((None, what) for what in wrong), tuple(figures))


def _words(
    title: str, names: Sequence[str], share: Array, wanted: Array, off: Bool
) -> Iterator[str]:
    for place in np.flatnonzero(off).tolist():
        yield f"{title}: {names[place]} is {share[place]:.3f}, wanted {wanted[place]:.3f}"


def _types(context: Context) -> Sequence[str]:
    return tuple(context.scenario["anomalyConfig"]["types"]) if _rate(context) > 0 else ()


def _rate(context: Context) -> float:
    own = context.scenario["anomalyConfig"].get("rate")
    return float(context.scenario["anomalyRate"] if own is None else own)


def _day_weights(series: Mapping[str, Any], days: Array) -> Array:
    """Return each day's intensity without jitter, from the scenario's own words."""
    by_weekday = np.array(list(series["weekdayWeights"].values()), dtype=np.float64)
    by_month = np.array(list(series["monthWeights"].values()), dtype=np.float64)
    month = calendar.month_index(days) % 12
    weight = by_weekday[calendar.weekday(days)] * by_month[month]
    weight = weight * np.where(calendar.is_holiday(days), float(series["holidayWeight"]), 1.0)
    weight = weight * np.where(calendar.is_ramadan(days), float(series["ramadanWeight"]), 1.0)
    growth = 1.0 + float(series["growthPerMonth"])
    return np.asarray(weight * growth ** ((days - days[0]) / 30.44))
