"""Every rule holds on real runs of all scenarios, and sees what is broken in them on purpose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from breaking import Mutation, broken, having, repeated, verify, without
from runs import SCENARIOS, TABLES, Made, run

from polargen.checks import Report, context_of, rules

Factory = Callable[..., Made]
PIASTRE = Decimal("0.01")
Frames = dict[str, pl.DataFrame]
Change = tuple[str, Mutation]


def said(report: Report) -> str:
    return "\n".join(line for line in report.lines() if "breaches 0" not in line)


@pytest.mark.parametrize("seed", [0, 1, 12345])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_rules__hold_in_every_scenario(dataset: Factory, scenario: str, seed: int) -> None:
    window = {0: ("2024-03-20", "2024-04-28"), 1: ("2023-10-05", "2023-11-25"),
              12345: ("2024-01-01", "2024-03-30")}[seed]  # fmt: skip
    made = dataset(scenario, start=window[0], end=window[1], seed=seed)
    assert made.report.failed == [], said(made.report)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_rules__hold_and_shapes_fit_a_full_quarter(
    quarter: Callable[[str], Made], scenario: str
) -> None:
    report = quarter(scenario).report
    assert report.failed == [], said(report)
    assert report.warnings == [], said(report)


@pytest.mark.parametrize("day", ["2024-03-05", "2024-03-08", "2024-04-10", "2024-12-31"])
@pytest.mark.parametrize("scenario", ["normal-ops", "anomaly-heavy", "warehouse-outage"])
def test_rules__hold_on_a_single_day(dataset: Factory, scenario: str, day: str) -> None:
    """A Tuesday, a Friday, a feast day, the last of a year."""
    made = dataset(scenario, start=day, end=day)
    assert made.report.failed == [], said(made.report)
    assert made["orders"].height == made.plan.scenario.entity_rates.orders_per_day


@pytest.mark.parametrize("hours", [(0, 1), (1, 2), (22, 23), tuple(range(24))], ids=str)
@pytest.mark.parametrize(
    "window", [("2024-04-20", "2024-05-02"), ("2024-10-25", "2024-11-05")], ids=["spring", "autumn"]
)
def test_rules__hold_when_the_clocks_change_at_business_hours(
    dataset: Factory, window: tuple[str, str], hours: tuple[int, ...]
) -> None:
    """Summer time begins on 26 April 2024 at 0 h and ends on 31 October at 24 h."""
    weights = [1.0 if hour in hours else 0.0 for hour in range(24)]
    changes = {"timeSeries.hourWeights": weights, "timeSeries.weekdayWeights": [1.0] * 7}
    made = dataset("anomaly-heavy", changes, start=window[0], end=window[1])
    assert made.report.failed == [], said(made.report)


def test_rules__hold_over_three_years(dataset: Factory) -> None:
    changes = {"entityRates.ordersPerDay": 6, "entityRates.maintenanceVisitsPerWeek": 3}
    made = dataset("anomaly-heavy", changes, start="2022-05-17", end="2025-05-16")
    assert made["orders"].height == 6 * 1096
    assert made.report.failed == [], said(made.report)


@pytest.mark.parametrize("multiplier", [0.001, 0.1])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_rules__hold_in_small_worlds(dataset: Factory, scenario: str, multiplier: float) -> None:
    made = dataset(scenario, multiplier=multiplier, seed=3)
    assert made.report.failed == [], said(made.report)


@pytest.mark.slow
def test_rules__hold_in_a_large_world_of_many_segments(dataset: Factory) -> None:
    """225,000 orders, 16 warehouses, three segments, several million rows."""
    made = dataset("anomaly-heavy", multiplier=50.0, options={"workers": 2})
    assert len(made.plan.segments) == 3
    assert made.report.failed == [], said(made.report)
    assert made.report.warnings == [], said(made.report)


@pytest.mark.parametrize("clustering", ["spread", "burst"])
@pytest.mark.parametrize(
    "types",
    [
        ["stock_shortage"],
        ["stock_shortage", "duplicate_orders"],
        ["order_cancellation", "invalid_data"],
        ["payment_delay", "delivery_delay", "order_cancellation", "maintenance_failure",
         "stock_shortage", "duplicate_orders", "invalid_data"],
    ],
    ids="+".join,
)  # fmt: skip
@pytest.mark.parametrize("rate", [0.3, 1.0])
def test_rules__hold_under_every_anomaly(
    dataset: Factory, types: list[str], rate: float, clustering: str
) -> None:
    changes = {"anomalyRate": rate, "anomalyConfig.types": types,
               "anomalyConfig.clustering": clustering}  # fmt: skip
    made = dataset("normal-ops", changes, seed=4)
    assert made.report.failed == [], said(made.report)


@pytest.fixture(scope="module")
def real() -> Made:
    """A small run with anomalies, bulk cycles and refunds, in memory."""
    asked = {"start": "2024-02-01", "end": "2024-05-15", "seed": 1, "multiplier": 0.3}
    types = ["payment_delay", "delivery_delay", "order_cancellation", "maintenance_failure"]
    return run("normal-ops", {"anomalyRate": 0.1, "anomalyConfig.types": types}, **asked)


def judged(made: Made, *changes: Change) -> Report:
    groups = [{name: made[name] for name in TABLES}]
    for table, mutation in changes:
        groups = broken(groups, table, mutation)
    return verify(groups, context_of(made.result.manifest))


def plain(frames: Frames, table: str) -> pl.DataFrame:
    """Return rows of orders without a label."""
    labels = frames["anomaly_labels"].select(order_id="entity_id")
    return frames[table].join(labels, on="order_id", how="anti")


def pick(frame: pl.DataFrame, *conditions: pl.Expr) -> dict[str, Any]:
    """Return a row in the middle of those that fit."""
    rows = frame.filter(*conditions) if conditions else frame
    return rows.row(rows.height // 2, named=True)


def status(name: str) -> pl.Expr:
    return pl.col("status").cast(pl.String) == name


def nudge(frames: Frames, table: str, column: str, by: Any, *conditions: pl.Expr) -> list[Change]:
    """Return the change that adds to one value of a row that fits."""
    row = pick(frames[table], *conditions)
    return [(table, having(row[frames[table].columns[0]], **{column: row[column] + by}))]


def put(frames: Frames, table: str, column: str, value: Any, *conditions: pl.Expr) -> list[Change]:
    """Return the change that sets one value of a row that fits."""
    row = pick(frames[table], *conditions)
    return [(table, having(row[frames[table].columns[0]], **{column: value}))]


def gone(frames: Frames, table: str, *conditions: pl.Expr) -> list[Change]:
    """Return the change that drops a row that fits."""
    return [(table, without(pick(frames[table], *conditions)[frames[table].columns[0]]))]


def another_branch(f: Frames) -> list[Change]:
    row = pick(f["orders"], pl.col("branch_id").is_not_null())
    other = pick(f["branches"], pl.col("company_id") != row["company_id"])
    return [("orders", having(row["order_id"], branch_id=other["branch_id"]))]


def same_number(f: Frames) -> list[Change]:
    one, other = f["orders"].row(10, named=True), f["orders"].row(500, named=True)
    return [("orders", having(one["order_id"], order_number=other["order_number"]))]


def early_company(f: Frames) -> list[Change]:
    order = f["orders"].row(0, named=True)
    late = order["order_date"] + timedelta(days=3)
    return [("companies", having(order["company_id"], created_at=late))]


def history_backwards(f: Frames) -> list[Change]:
    row = pick(f["orders"], status("Delivered"))
    steps = [dict(step) for step in row["status_history"]]
    steps[1]["at"], steps[2]["at"] = steps[2]["at"], steps[1]["at"]
    return [("orders", having(row["order_id"], status_history=steps))]


def attempt_at_night(f: Frames) -> list[Change]:
    row = pick(f["shipments"], status("failed") | (pl.col("attempt_count") > 1))
    attempts = [dict(item) for item in row["attempts"]]
    attempts[0]["attempted_at"] = attempts[0]["attempted_at"].replace(hour=20, minute=59)
    return [("shipments", having(row["shipment_id"], attempts=attempts))]


def attempt_on_a_friday(f: Frames) -> list[Change]:
    row = pick(f["shipments"], pl.col("attempt_count") == 2)
    attempts = [dict(item) for item in row["attempts"]]
    at = attempts[0]["attempted_at"]
    attempts[0]["attempted_at"] = at - timedelta(days=(at.isoweekday() - 5) % 7)
    return [("shipments", having(row["shipment_id"], attempts=attempts))]


def too_early_to_refund(f: Frames) -> list[Change]:
    row = f["refunds"].row(3, named=True)
    order = pick(f["orders"], pl.col("order_id") == row["order_id"])
    return [("refunds", having(row["refund_id"], requested_at=order["order_date"]))]


def left_before_coming(f: Frames) -> list[Change]:
    row = pick(f["maintenance_visits"], status("Completed"))
    early = row["actual_arrival_at"] - timedelta(minutes=5)
    return [("maintenance_visits", having(row["visit_id"], resolution_at=early))]


def lifted_stock(f: Frames) -> list[Change]:
    row = pick(f["inventory_movements"], pl.col("location") == "main", pl.col("new_stock") > 60)
    levels = {name: row[name] + 1 for name in ("previous_stock", "new_stock")}
    return [("inventory_movements", having(row["movement_id"], **levels))]


def sunk_stock(f: Frames) -> list[Change]:
    row = pick(f["inventory_movements"], pl.col("location") == "main", pl.col("new_stock") > 60)
    levels = {name: row[name] - 1000 for name in ("previous_stock", "new_stock")}
    return [("inventory_movements", having(row["movement_id"], **levels))]


def closed_too_early(f: Frames) -> list[Change]:
    closed = f["companies"].drop_nulls("status_changed_at").select("company_id")
    orders = f["orders"].join(closed, on="company_id").sort("order_date")
    row = orders.row(0, named=True)
    return [("companies", having(row["company_id"], status_changed_at=row["order_date"]))]


def sold_by_support(f: Frames) -> list[Change]:
    user = pick(f["users"], pl.col("role") == "Support", pl.col("is_active"))
    return put(f, "orders", "created_by_user_id", user["user_id"])


def seller_not_at_work(f: Frames) -> list[Change]:
    logins = f["audit_logs"].filter(pl.col("action") == "user.login")
    row = pick(f["orders"])
    mine = logins.filter(
        (pl.col("user_id") == row["created_by_user_id"])
        & (pl.col("created_at").dt.date() == row["order_date"].date())
    )
    return [("audit_logs", without(mine["audit_log_id"][0]))]


def wrong_label(f: Frames) -> list[Change]:
    row = pick(f["anomaly_labels"], pl.col("field") == "cancelled_at")
    return [
        ("anomaly_labels", having(row["label_id"], injected_value="2024-03-01T00:00:00.000000Z"))
    ]


def other_discount(f: Frames) -> list[Change]:
    row = pick(f["discounts"], pl.col("scope") == "order", pl.col("type") == "percentage")
    value = row["value"] + 1
    return [
        ("discounts", having(row["discount_id"], value=value)),
        ("orders", having(row["order_id"], discount_value=value)),
    ]


def two_vehicles(f: Frames) -> list[Change]:
    row = pick(f["shipments"])
    other = pick(f["shipments"], pl.col("vehicle_id") != row["vehicle_id"])
    return [("shipments", having(row["shipment_id"], vehicle_id=other["vehicle_id"]))]


def cycle_torn(f: Frames) -> list[Change]:
    bulk = f["payments"].filter(pl.col("bulk_cycle_id").is_not_null())
    row = pick(bulk, pl.len().over("bulk_cycle_id") > 2)
    return [
        (
            "payments",
            having(row["payment_id"], payment_date=row["payment_date"] - timedelta(days=1)),
        )
    ]


END = timedelta(days=400)
US = timedelta(microseconds=1)
MUTATIONS: list[tuple[str, Callable[[Frames], list[Change]]]] = [
    ("R01", lambda f: [("order_items", repeated(pick(f["order_items"])["order_item_id"]))]),
    ("R02", lambda f: put(f, "orders", "created_by_user_id", 10**6)),
    ("R02", lambda f: put(f, "inventory_movements", "order_item_id", 10**9,
                          pl.col("movement_type") == "ORDER_FULFILLMENT")),
    ("R03", another_branch),
    ("R04", same_number),
    ("R05", lambda f: gone(f, "products")),
    ("R06", lambda f: put(f, "order_items", "quantity", 0)),
    ("R06", lambda f: put(f, "companies", "email", "nobody")),
    ("R10", lambda f: nudge(f, "order_items", "line_total", PIASTRE)),
    ("R11", lambda f: nudge(f, "order_items", "tax_amount", PIASTRE)),
    ("R12", lambda f: nudge(f, "orders", "subtotal", PIASTRE)),
    ("R13", lambda f: nudge(f, "orders", "tax_total", PIASTRE)),
    ("R14", lambda f: nudge(f, "orders", "grand_total", PIASTRE)),
    ("R15", lambda f: nudge(f, "payments", "amount", -PIASTRE)),
    ("R15", lambda f: gone(f, "payments")),
    ("R16", lambda f: gone(f, "discounts", pl.col("scope") == "item")),
    ("R17", lambda f: nudge(f, "refunds", "amount", PIASTRE)),
    ("R18", lambda f: nudge(f, "maintenance_visits", "total_cost", PIASTRE, status("Completed"))),
    ("R19", lambda f: nudge(f, "companies", "total_unpaid_orders", 1)),
    ("R19", lambda f: nudge(f, "companies", "last_12_months_revenue", PIASTRE)),
    ("R19", lambda f: nudge(f, "products", "total_sold", 1)),
    ("R20", early_company),
    ("R21", history_backwards),
    ("R22", lambda f: nudge(f, "shipments", "actual_delivery_at", US, status("delivered"))),
    ("R23", attempt_at_night),
    ("R23", attempt_on_a_friday),
    ("R24", lambda f: nudge(f, "payments", "payment_date", -END)),
    ("R25", lambda f: nudge(f, "orders", "days_overdue", 1, pl.col("payment_status") == "Overdue")),
    ("R25", lambda f: put(f, "orders", "payment_status", "Overdue",
                          pl.col("payment_status") == "Pending")),
    ("R26", too_early_to_refund),
    ("R27", left_before_coming),
    ("R28", lambda f: nudge(f, "users", "updated_at", END * 9)),
    ("R28", lambda f: nudge(f, "audit_logs", "created_at", END)),
    ("R30", lambda f: nudge(f, "inventory_movements", "new_stock", 1)),
    ("R31", lifted_stock),
    ("R31", lambda f: nudge(f, "products", "stock", 1)),
    ("R32", sunk_stock),
    ("R33", lambda f: gone(f, "inventory_movements",
                           pl.col("movement_type") == "ORDER_FULFILLMENT")),
    ("R33", lambda f: gone(f, "inventory_movements", pl.col("movement_type") == "RETURN")),
    ("R40", lambda f: put(f, "orders", "payment_status", "Paid", status("Cancelled"))),
    ("R41", lambda f: put(f, "orders", "cancelled_at", None, status("Cancelled"))),
    ("R42", lambda f: put(f, "shipments", "status", "in_transit", status("delivered"))),
    ("R43", closed_too_early),
    ("R44", sold_by_support),
    ("R44", seller_not_at_work),
    ("R50", lambda f: gone(f, "audit_logs", pl.col("action") == "order.payment_marked")),
    ("R50", lambda f: gone(f, "audit_logs", pl.col("action") == "order.status_changed")),
    ("R50", lambda f: nudge(f, "audit_logs", "created_at", US,
                            pl.col("action") == "refund.requested")),
    ("R51", wrong_label),
    ("R51", lambda f: put(f, "anomaly_labels", "entity_id", 10**9)),
    ("D01", lambda f: nudge(f, "orders", "delivery_date", timedelta(days=7))),
    ("D02", lambda f: nudge(f, "orders", "payment_due_date", timedelta(days=1))),
    ("D03", lambda f: put(f, "order_items", "product_name", "Another product")),
    ("D04", other_discount),
    ("D05", lambda f: nudge(f, "payments", "days_from_due", 1)),
    ("D07", lambda f: nudge(f, "shipments", "delay_days", 1, status("delivered"))),
    ("D07", two_vehicles),
    ("D08", lambda f: nudge(f, "maintenance_visits", "delay_days", 1, status("Completed"))),
    ("D09", cycle_torn),
]  # fmt: skip


def test_mutations__the_run_is_sound_before(real: Made) -> None:
    report = judged(real)
    assert report.failed == [], said(report)
    seen = {number for number, result in report.results.items() if result.rows}
    assert seen >= {rule.number for rule in rules() if rule.number[0] == "R"}


@pytest.mark.parametrize(
    ("rule", "mutation"),
    MUTATIONS,
    ids=[f"{number}-{place}" for place, (number, _) in enumerate(MUTATIONS)],
)
def test_mutations__are_found(
    real: Made, rule: str, mutation: Callable[[Frames], list[Change]]
) -> None:
    report = judged(real, *mutation({name: real[name] for name in TABLES}))
    assert rule in report.failed, said(report)
    assert report[rule].examples


def test_mutations__are_planted_for_every_rule() -> None:
    planted = {number for number, _ in MUTATIONS}
    assert {rule.number for rule in rules() if rule.number[0] == "R"} <= planted
