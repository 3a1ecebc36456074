"""Rules of money: R10 to R18. The sums over all groups, R19, are in `aggregates`."""

from __future__ import annotations

import numpy as np

from polargen.checks.base import Findings, Found, rule
from polargen.checks.group import Group
from polargen.checks.rows import I64, Array, Bool, Rows, counts, pick, sums

VAT_PCT = 14
_ITEM_TOLERANCE_CENTS = 2
_ITEM_MONEY = "quantity unit_price discount_amount line_total tax_amount"


def percent(amount_cents: Array, percent: int) -> I64:
    """Return a whole percentage of amounts in piastres, rounded half up."""
    return (amount_cents.astype(np.int64) * percent + 50) // 100


@rule(
    "R10",
    "line totals",
    {"order_items": "quantity unit_price discount_amount line_total"},
    in_block=True,
)
def line_totals(group: Group) -> Findings:
    """R10: line_total = quantity x unit_price - discount_amount."""
    items = group["order_items"]
    net = _gross(items) - items["discount_amount"]
    yield Found(
        items,
        items["line_total"] != net,
        "line_total is not quantity x unit_price less discount_amount",
        ("quantity", "unit_price", "discount_amount", "line_total"),
    )


@rule("R11", "VAT of lines", {"order_items": "line_total tax_amount"}, in_block=True)
def line_taxes(group: Group) -> Findings:
    """R11: tax_amount = 14 % of line_total, half up."""
    items = group["order_items"]
    yield Found(
        items,
        items["tax_amount"] != percent(items["line_total"], VAT_PCT),
        "tax_amount is not 14 % of line_total",
        ("line_total", "tax_amount"),
    )


@rule(
    "R12",
    "orders sum up their lines",
    {
        "orders": "subtotal item_discount_total item_count",
        "order_items": "quantity unit_price discount_amount",
    },
    in_block=True,
)
def order_sums(group: Group) -> Findings:
    """R12: subtotal = sum of quantity x unit_price; item_discount_total; item_count = lines."""
    orders, items = group["orders"], group["order_items"]
    order = group.at("order_items", "order_id")
    for column, total in (
        ("subtotal", sums(order, _gross(items), len(orders))),
        ("item_discount_total", sums(order, items["discount_amount"], len(orders))),
        ("item_count", counts(order, len(orders))),
    ):
        what = f"{column} is not what the lines sum to"
        yield Found(orders, orders[column] != total, what, (column,))


@rule(
    "R13",
    "VAT of orders",
    {"orders": "tax_total discount_amount", "order_items": "tax_amount"},
    in_block=True,
)
def order_taxes(group: Group) -> Findings:
    """R13: tax_total = sum of tax_amount - 14 % of discount_amount."""
    orders, items = group["orders"], group["order_items"]
    lines = sums(group.at("order_items", "order_id"), items["tax_amount"], len(orders))
    wanted = lines - percent(orders["discount_amount"], VAT_PCT)
    yield Found(
        orders,
        orders["tax_total"] != wanted,
        "tax_total is not the lines' VAT less that of the discount",
        ("tax_total", "discount_amount"),
    )


@rule(
    "R14",
    "grand totals",
    {"orders": "subtotal item_discount_total discount_amount tax_total grand_total"},
    in_block=True,
)
def grand_totals(group: Group) -> Findings:
    """R14: grand_total = subtotal - item_discount_total - discount_amount + tax_total, > 0."""
    orders = group["orders"]
    net = orders["subtotal"] - orders["item_discount_total"] - orders["discount_amount"]
    shown = ("subtotal", "item_discount_total", "discount_amount", "tax_total", "grand_total")
    bad = orders["grand_total"] != net + orders["tax_total"]
    yield Found(orders, bad, "grand_total does not add up", shown)
    yield Found(orders, orders["grand_total"] <= 0, "grand_total is not above 0", ("grand_total",))


@rule(
    "R15",
    "payments sum to the order",
    {
        "orders": "grand_total payment_status",
        "payments": "amount",
    },
    in_block=True,
)
def payments(group: Group) -> Findings:
    """R15: payments of an order sum to grand_total exactly if and only if it is Paid.

    No other order has payments.
    """
    orders = group["orders"]
    paid = orders.has("payment_status", "Paid")
    total = paid_total(group)
    count = counts(group.at("payments", "order_id"), len(orders))
    wrong = paid & (total != orders["grand_total"])
    yield Found(orders, wrong, "Paid, but payments do not sum to grand_total", ("grand_total",))
    odd = ~paid & (count > 0)
    yield Found(orders, odd, "has payments, but is not Paid", ("status", "payment_status"))


@rule(
    "R16",
    "discount rows",
    {
        "orders": "discount_type discount_value discount_amount",
        "order_items": "discount_type discount_value discount_amount",
        "discounts": "type value amount",
    },
)
def discounts(group: Group) -> Findings:
    """R16: discount rows = discounted orders and items, same type, value, amount."""
    rows = group["discounts"]
    on_item = rows.has("scope", "item")
    for table, column, chosen in (
        ("orders", "order_id", ~on_item),
        ("order_items", "order_item_id", on_item),
    ):
        target = group[table]
        at = np.where(chosen, group.at("discounts", column), -1)
        discounted = target.valid("discount_type")
        number = counts(at, len(target))
        what = "discounted, but not with exactly one discount row"
        yield Found(target, discounted & (number != 1), what, ("discount_type",))
        odd = chosen & ((at < 0) | ~pick(discounted, at))
        yield Found(rows, odd, f"no discounted row of {table} belongs to it", ("scope", column))
        other = np.zeros(len(rows), dtype=bool)
        for mine, theirs in (
            ("type", "discount_type"),
            ("value", "discount_value"),
            ("amount", "discount_amount"),
        ):
            other |= rows[mine] != pick(target[theirs], at)
        what = f"differs from the discount of {table}"
        yield Found(rows, chosen & ~odd & other, what, ("type", "value", "amount"))
    line_order = group.of("discounts", "order_item_id", "order_id")
    strange = on_item & (group.at("discounts", "order_item_id") >= 0)
    strange &= line_order != rows["order_id"]
    yield Found(rows, strange, "its line is of another order", ("order_id", "order_item_id"))


@rule(
    "R17",
    "refunds",
    {
        "refunds": "amount returned_items",
        "order_items": f"{_ITEM_MONEY}",
        "orders": "discount_amount grand_total",
        "payments": "amount",
    },
)
def refunds(group: Group) -> Findings:
    """R17: a refund's amount = sum of its returned items, <= paid; quantities <= bought.

    A returned item's amount lies within two piastres of
    quantity / bought x (line_total + tax_amount - the line's share of the order discount and its
    tax); no line comes back twice, and each is of the refund's order.
    """
    rows, items = group["refunds"], group["order_items"]
    back = rows.lists("returned_items")
    total = back.total(back["amount"])
    bad = (total != rows["amount"]) | (back.counts == 0)
    yield Found(rows, bad, "amount is not the sum of the returned items", ("amount",))
    order = group.at("refunds", "order_id")
    paid = pick(paid_total(group), order)
    yield Found(rows, (order >= 0) & (total > paid), "more than was paid", ("amount",))
    line = items.index.find(back["order_item_id"])
    known = line >= 0
    strange = known & (pick(items["order_id"], line) != rows["order_id"][back.parent])
    yield Found(rows, back.of_rows(strange), "a returned item is of another order")
    yield Found(rows, back.of_rows(_repeated(back.parent, line)), "a line comes back twice")
    more = known & (back["quantity"] > pick(items["quantity"], line))
    yield Found(rows, back.of_rows(more), "more comes back than was bought")
    wanted = back["quantity"] * pick(_unit_value(group), line)
    off = np.abs(wanted - back["amount"]) > _ITEM_TOLERANCE_CENTS + 1e-6
    yield Found(rows, back.of_rows(known & off), "an item's amount is not its part of the order")


@rule(
    "R18",
    "costs of visits",
    {"maintenance_visits": ("spare_parts services parts_cost services_cost labor_cost total_cost")},
)
def visit_costs(group: Group) -> Findings:
    """R18: visit costs add up: parts, services, and both with labor."""
    visits = group["maintenance_visits"]
    parts, services = visits.lists("spare_parts"), visits.lists("services")
    for column, total in (
        ("parts_cost", parts.total(parts["quantity"] * parts["unit_price"])),
        ("services_cost", services.total(services["quantity"] * services["cost"])),
    ):
        what = f"{column} is not what its rows sum to"
        yield Found(visits, visits[column] != total, what, (column,))
    total = visits["parts_cost"] + visits["services_cost"] + visits["labor_cost"]
    yield Found(
        visits,
        visits["total_cost"] != total,
        "total_cost is not parts, services and labor",
        ("parts_cost", "services_cost", "labor_cost", "total_cost"),
    )


def paid_total(group: Group) -> I64:
    """Return the sum of each order's payments, piastres."""
    return group.cached(
        "paid_total",
        lambda: sums(
            group.at("payments", "order_id"), group["payments"]["amount"], len(group["orders"])
        ),
    )


def _gross(items: Rows) -> I64:
    return items["quantity"] * items["unit_price"]


def _repeated(parent: I64, line: I64) -> Bool:
    order = np.lexsort((line, parent))
    same = (parent[order][1:] == parent[order][:-1]) & (line[order][1:] == line[order][:-1])
    result = np.zeros(len(line), dtype=bool)
    result[order[1:][same & (line[order][1:] >= 0)]] = True
    return result


def _unit_value(group: Group) -> Array:
    """Return what one piece of each line cost in the end, piastres, float64."""
    orders, items = group["orders"], group["order_items"]
    order = group.at("order_items", "order_id")
    net = sums(order, items["line_total"], len(orders))
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = orders["discount_amount"] * (100 + VAT_PCT) / 100 / net
        part = items["line_total"] * pick(np.where(net > 0, cut, 0.0), order)
        value = (items["line_total"] + items["tax_amount"] - part) / items["quantity"]
    return np.asarray(value)
