"""Each rule finds what breaks it, and only sensible neighbours find it too."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import ledger
import polars as pl
import pytest
from breaking import Mutation, broken, having, repeated, verify, without
from ledger import instant

from polargen.checks import Report, check_block, rules
from polargen.columns import Frame, polars_to_arrow
from polargen.errors import VerificationError
from polargen.schema import TABLES, Column, Table


def at(text: str) -> Any:
    return instant(text)


def element(place: int, **values: Any) -> Callable[[Any], Any]:
    """Return a change of one element of a list of structs."""

    def change(old: list[dict[str, Any]]) -> list[dict[str, Any]]:
        new = [dict(item) for item in old]
        new[place].update(values)
        return new

    return change


def more(amount: Any) -> Callable[[Any], Any]:
    """Return a change that adds to a number."""
    return lambda old: old + amount


def both(*mutations: Mutation) -> Mutation:
    def mutate(table: str, frame: pl.DataFrame) -> pl.DataFrame:
        for mutation in mutations:
            frame = mutation(table, frame)
        return frame

    return mutate


def check(*changes: tuple[str, Mutation], **context: Any) -> Report:
    groups = ledger.groups()
    for table, mutation in changes:
        groups = broken(groups, table, mutation)
    return verify(groups, ledger.context(**context))


def test_checks__hold_on_a_consistent_data_set() -> None:
    report = check()
    assert report.ok, "\n".join(report.lines())
    assert all(result.rows for result in report.results.values())


# rule, table, mutation, other rules that may well see it
CASES: list[tuple[str, str, Mutation, set[str]]] = [
    ("R01", "payments", repeated(3), {"R15", "R04", "R50"}),
    ("R01", "orders", repeated(5), {"R04", "R05", "R12", "R13", "R16", "R33", "R50"}),
    ("R01", "users", repeated(4), {"R04", "R05"}),
    ("R01", "audit_logs", having(2001, audit_log_id=1001), set()),
    ("R02", "orders", having(12, company_id=99), {"D01", "D02"}),
    ("R02", "orders", having(12, branch_id=99), set()),
    ("R02", "orders", having(12, created_by_user_id=99), {"R50"}),
    ("R02", "order_items", having(14, product_id=99), set()),
    ("R02", "order_items", having(14, order_id=99), {"R12", "R13"}),
    ("R02", "payments", having(3, order_id=99), {"R15", "R24", "D05"}),
    ("R02", "payments", having(3, order_id=12), {"R15", "D05"}),
    ("R02", "companies", having(1, account_manager_user_id=99), set()),
    ("R02", "products", having(2, parent_product_id=99), set()),
    ("R02", "refunds", having(1, returned_items=element(0, order_item_id=99)), {"R33"}),
    ("R02", "maintenance_visits", having(3, root_visit_id=99), {"D08"}),
    ("R02", "orders", having(13, duplicate_of_order_id=99), {"R51"}),
    ("R03", "orders", having(9, branch_id=1), set()),
    ("R03", "maintenance_visits", having(4, branch_id=1), set()),
    ("R04", "users", having(4, email="sara@example.com"), set()),
    ("R04", "companies", having(2, name="Cafe One"), set()),
    ("R04", "companies", having(2, tax_number="100-000-001"), set()),
    ("R04", "products", having(2, sku="CB-0001"), set()),
    ("R04", "products", having(2, popularity_rank=2), set()),
    ("R04", "orders", having(9, order_number="SO-000001"), set()),
    ("R04", "payments", having(4, reference="PAY-000003"), set()),
    ("R04", "payments", having(2, reference="BULK-3-other"), set()),
    ("R04", "payments", having(3, reference="BULK-3-2024Q1"), set()),
    ("R04", "order_items", having(6, line_no=2), set()),
    ("R04", "order_items", having(6, product_id=2), {"D03", "R33"}),
    ("R04", "shipments", having(2, order_id=1), {"R22", "R42", "R50", "D06", "D07"}),
    ("R05", "users", without(4), set()),
    ("R06", "companies", having(1, latitude=50.0), set()),
    ("R06", "companies", having(1, delivery_days=[0, 9]), {"D10"}),
    ("R06", "companies", having(2, name="  "), set()),
    ("R06", "companies", having(2, email="nobody"), set()),
    ("R06", "companies", having(2, tax_number="1"), set()),
    ("R06", "companies", having(2, phone="0100"), set()),
    ("R06", "companies", having(2, contacts=element(0, name=None)), set()),
    ("R06", "companies", having(1, payment_due_days=None), {"D02"}),
    ("R06", "companies", having(2, payment_due_days=15), set()),
    ("R06", "companies", having(3, status_changed_at=None), {"R43", "R50"}),
    ("R06", "companies", having(1, lease_monthly_cost=5), set()),
    ("R06", "companies", having(1, suspended_at=at("2024-06-01 00:00")), {"R50"}),
    ("R06", "companies", having(1, machine_leased=True, lease_monthly_cost=5), set()),
    ("R06", "products", having(1, reorder_point=10), {"D10"}),
    ("R06", "products", having(1, variant_name="1 kg"), set()),
    ("R06", "orders", having(12, item_count=8), {"R12"}),
    ("R06", "orders", having(12, discount_value=5), set()),
    ("R06", "orders", having(12, order_number=None), set()),
    ("R06", "orders", having(5, cancellation_reason=None), {"R41"}),
    ("R06", "orders", having(4, paid_at=None), {"R19"}),
    ("R06", "order_items", having(14, tax_rate=5), set()),
    ("R06", "shipments", having(1, actual_delivery_at=None), {"R22", "D07", "R50"}),
    ("R06", "refunds", having(1, rejection_reason="Goods already used"), set()),
    ("R06", "refunds", having(1, returned_items=element(0, quantity=0)), {"R17", "R33"}),
    ("R06", "maintenance_visits", having(1, visit_number=2), {"D08", "R50"}),
    ("R06", "discounts", having(2, order_item_id=5), {"R16"}),
    ("R10", "order_items", having(9, line_total=999), {"R11"}),
    ("R10", "order_items", having(9, quantity=9), {"R12", "R33"}),
    ("R11", "order_items", having(9, tax_amount=139), {"R13"}),
    ("R12", "orders", having(7, subtotal=999), {"R14"}),
    ("R12", "orders", having(7, item_count=2), set()),
    ("R12", "orders", having(4, item_discount_total=29), {"R14", "D04"}),
    ("R13", "orders", having(7, tax_total=139), {"R14"}),
    ("R14", "orders", having(7, grand_total=1139), {"R19"}),
    ("R14", "orders", having(12, grand_total=0), {"R06"}),
    ("R15", "payments", having(3, amount=799), set()),
    ("R15", "payments", without(4), {"R02", "R24", "R50"}),
    ("R15", "orders", having(4, payment_status="Pending"), {"R06", "R19", "R25"}),
    ("R16", "discounts", without(3), {"R50"}),
    ("R16", "discounts", having(2, amount=156), set()),
    ("R16", "discounts", having(2, type="fixed"), set()),
    ("R16", "discounts", having(3, order_item_id=5), set()),
    ("R16", "discounts", having(3, order_id=3), set()),
    ("R16", "discounts", repeated(3, discount_id=99), {"R50"}),
    ("R17", "refunds", having(1, amount=200), set()),
    ("R17", "refunds", having(1, returned_items=element(0, quantity=4)), {"R33"}),
    ("R17", "refunds", having(1, returned_items=element(0, order_item_id=3)), {"R33"}),
    ("R17", "refunds", having(1, returned_items=element(1, amount=31), amount=215.68), set()),
    ("R17", "refunds", having(1, returned_items=element(1, order_item_id=4)), {"R33"}),
    ("R18", "maintenance_visits", having(2, parts_cost=150), set()),
    ("R18", "maintenance_visits", having(3, services_cost=100), set()),
    ("R18", "maintenance_visits", having(3, total_cost=301), set()),
    ("R19", "companies", having(2, total_unpaid_orders=0), set()),
    ("R19", "companies", having(2, total_outstanding_amount=1), set()),
    ("R19", "companies", having(3, pending_bulk_payment_amount=0), set()),
    ("R19", "companies", having(3, last_12_months_revenue=0), set()),
    ("R19", "companies", having(3, payment_score=86.02), set()),
    ("R19", "companies", having(3, payment_status="excellent"), set()),
    ("R19", "companies", having(2, is_suspended=False, suspended_at=None), {"R06", "R50"}),
    ("R19", "products", having(2, total_sold=20), set()),
    ("R20", "companies", having(1, created_at=at("2024-04-16 09:41")), {"R50", "D10"}),
    ("R20", "branches", having(1, created_at=at("2024-05-09 00:00")), set()),
    ("R20", "users", having(1, created_at=at("2024-03-06 00:00")), {"D10"}),
    ("R20", "products", having(3, created_at=at("2024-04-15 00:00")), {"D10"}),
    (
        "R21",
        "orders",
        having(5, status_history=element(0, at=at("2024-05-08 15:19"))),
        set(),
    ),
    ("R21", "orders", having(12, status_history=[]), set()),
    (
        "R21",
        "orders",
        having(7, status_history=element(2, at=at("2024-05-28 10:15"))),
        {"R42", "R50"},
    ),
    ("R21", "orders", having(9, status="Pending"), {"R42", "D06", "R33"}),
    ("R22", "shipments", having(4, dispatched_at=at("2024-04-18 10:31")), {"R42"}),
    ("R22", "shipments", having(2, attempt_count=1), set()),
    ("R22", "shipments", having(2, attempts=element(1, attempt_number=1)), set()),
    (
        "R22",
        "shipments",
        having(2, attempts=element(0, attempted_at=at("2024-03-24 10:30"))),
        {"R41", "D07"},
    ),
    ("R22", "shipments", having(4, actual_delivery_at=at("2024-04-18 10:31")), {"R50"}),
    ("R22", "shipments", having(2, attempts=element(0, status="success")), set()),
    ("R22", "orders", having(4, status_history=element(3, at=at("2024-04-18 10:31"))), {"R50"}),
    (
        "R23",
        "shipments",
        having(5, attempts=element(0, attempted_at=at("2024-05-14 11:00"))),
        {"D07"},
    ),
    (
        "R23",
        "shipments",
        having(5, attempts=element(1, attempted_at=at("2024-05-15 20:01"))),
        set(),
    ),
    ("R24", "payments", having(3, payment_date=at("2024-04-16 09:30")), {"R50", "D05"}),
    ("R24", "orders", having(4, paid_at=at("2024-05-15 13:01")), set()),
    ("R25", "orders", having(3, days_overdue=76), {"R19", "R51"}),
    ("R25", "orders", having(3, payment_status="Pending"), {"R19", "R51"}),
    ("R25", "orders", having(7, payment_status="Overdue"), {"R19"}),
    ("R25", "orders", having(4, days_overdue=1), set()),
    ("R26", "refunds", having(1, requested_at=at("2024-05-15 12:00")), {"R50"}),
    ("R26", "refunds", having(1, reviewed_at=at("2024-05-20 09:00")), {"R44", "R50"}),
    ("R26", "refunds", having(1, processed_at=at("2024-05-22 10:00")), {"R33", "R50"}),
    ("R26", "refunds", having(1, payment_id=3), set()),
    ("R26", "refunds", having(1, order_id=3), {"R17", "R33"}),
    ("R27", "maintenance_visits", having(1, scheduled_date=date(2024, 3, 13)), {"D08"}),
    ("R27", "maintenance_visits", having(1, resolution_at=at("2024-03-12 09:59")), {"R50"}),
    ("R27", "maintenance_visits", having(1, resolution_at=None), {"R50"}),
    ("R27", "maintenance_visits", having(3, branch_id=None), set()),
    ("R27", "maintenance_visits", having(3, company_id=3), {"R03"}),
    ("R27", "maintenance_visits", having(3, created_at=at("2024-04-01 09:00")), {"R50"}),
    ("R28", "orders", having(12, updated_at=at("2024-07-01 00:00")), set()),
    ("R28", "companies", having(1, updated_at=at("2024-07-02 00:00")), set()),
    (
        "R28",
        "shipments",
        having(8, attempts=element(0, attempted_at=at("2024-07-01 10:00"))),
        {"D07"},
    ),
    ("R30", "inventory_movements", having(25, quantity=-3), set()),
    ("R31", "inventory_movements", having(25, previous_stock=127, new_stock=125), set()),
    ("R31", "inventory_movements", having(3, created_at=at("2024-04-16 09:46")), {"R33"}),
    ("R31", "products", having(1, opening_stock=139), {"D10"}),
    ("R31", "products", having(1, stock=124), set()),
    ("R32", "inventory_movements", having(30, quantity=-51, new_stock=-1), {"R06", "R31"}),
    ("R33", "inventory_movements", without(31), {"R19", "R31"}),
    ("R33", "inventory_movements", having(31, order_id=12), set()),
    ("R33", "inventory_movements", having(31, order_item_id=14), set()),
    ("R33", "inventory_movements", having(31, order_item_id=None), set()),
    ("R33", "inventory_movements", having(31, created_at=at("2024-06-30 15:01")), set()),
    ("R33", "inventory_movements", having(27, created_at=at("2024-06-10 09:00")), {"R31"}),
    ("R33", "inventory_movements", without(27, 28), set()),
    ("R33", "inventory_movements", without(12, 13), set()),
    ("R33", "inventory_movements", without(27), {"R31"}),
    ("R33", "inventory_movements", without(28), {"R31"}),
    ("R33", "inventory_movements", having(12, refund_id=None), set()),
    ("R33", "inventory_movements", having(30, location="returns"), {"R31", "R50"}),
    ("R33", "anomaly_labels", without(8, 9), set()),
    ("R40", "orders", having(11, payment_status="Overdue"), {"R25", "R19"}),
    ("R41", "orders", having(5, cancelled_at=at("2024-05-08 15:27")), {"R50"}),
    ("R41", "orders", having(11, cancellation_reason="Out of stock"), {"R06"}),
    (
        "R41",
        "shipments",
        having(7, attempts=element(0, attempted_at=at("2024-06-06 12:00"))),
        {"R23", "D07"},
    ),
    ("R42", "shipments", having(9, status="dispatched"), set()),
    ("R42", "shipments", without(9), set()),
    ("R42", "shipments", having(10, order_id=12), {"D06"}),
    ("R42", "shipments", having(8, dispatched_at=at("2024-06-27 08:01")), set()),
    ("R42", "shipments", having(5, attempts=lambda old: old[:1], attempt_count=1), set()),
    ("R43", "companies", having(3, status_changed_at=at("2024-05-01 00:00")), {"R50"}),
    ("R44", "users", having(1, role="Support"), set()),
    ("R44", "users", having(3, role="Support"), set()),
    ("R44", "users", having(5, is_active=False), set()),
    ("R44", "companies", having(1, account_manager_user_id=4), set()),
    ("R44", "audit_logs", having(2, created_at=at("2024-03-05 09:59:59")), set()),
    ("R44", "audit_logs", having(1, created_at=at("2024-03-05 10:00:31")), set()),
    ("R44", "audit_logs", without(1, 2), set()),
    ("R50", "audit_logs", without(2001), set()),
    ("R50", "audit_logs", having(2001, user_id=2), {"R44"}),
    ("R50", "audit_logs", having(2001, created_at=at("2024-03-05 10:01")), set()),
    ("R50", "audit_logs", having(2002, user_id=1), set()),
    ("R50", "audit_logs", having(2001, entity_type="payments"), set()),
    ("R50", "audit_logs", repeated(2001, audit_log_id=9000), set()),
    ("R50", "audit_logs", having(2003, action="order.cancelled"), set()),
    ("R50", "audit_logs", without(4001), set()),
    ("R50", "audit_logs", having(1, entity_id=2), set()),
    ("R50", "audit_logs", without(2), set()),
    ("R50", "audit_logs", without(1), {"R44"}),
    ("R51", "anomaly_labels", having(1, entity_id=99), set()),
    ("R51", "anomaly_labels", having(1, field="nothing"), set()),
    ("R51", "anomaly_labels", having(1, field="status_history"), set()),
    ("R51", "anomaly_labels", having(2, injected_value="76"), set()),
    ("R51", "anomaly_labels", having(4, injected_value=None), set()),
    ("R51", "anomaly_labels", having(2, original_value="77"), set()),
    ("R51", "anomaly_labels", having(6, injected_value="2024-06-06 07:00:00"), set()),
    ("D01", "orders", having(12, delivery_schedule="B"), set()),
    ("D01", "orders", having(12, created_at=at("2024-06-30 20:39")), set()),
    ("D02", "companies", having(4, payment_due_type="immediate", payment_due_day=None), set()),
    ("D03", "order_items", having(14, product_name="Tea"), set()),
    ("D03", "products", having(2, warehouse=1), set()),
    ("D04", "orders", having(4, discount_value=11), {"R16"}),
    ("D04", "orders", having(6, discount_value=40), {"R16"}),
    ("D05", "payments", having(3, days_from_due=-8), set()),
    ("D05", "payments", having(3, company_id=3), set()),
    ("D05", "payments", having(3, method="Check"), set()),
    ("D05", "payments", having(3, bulk_cycle_id="1-2024Q2"), set()),
    ("D06", "orders", having(5, status_history=element(0, status="Delivered")), {"R21", "R42"}),
    ("D06", "shipments", having(10, created_at=at("2024-06-30 15:01")), set()),
    ("D07", "anomaly_labels", without(7), set()),
    ("D07", "shipments", having(2, delay_days=2), set()),
    ("D07", "shipments", having(2, vehicle_id="V-02"), set()),
    ("D08", "maintenance_visits", having(2, delay_days=3, is_significant_delay=False), set()),
    ("D08", "maintenance_visits", having(2, delay_reason=None), set()),
    ("D08", "maintenance_visits", having(3, visit_number=3), set()),
    ("D08", "maintenance_visits", having(5, report="Nothing."), set()),
    (
        "D09",
        "orders",
        having(2, payment_status="Overdue", paid_at=None, days_overdue=90),
        {"R15", "R19"},
    ),
    ("D09", "payments", having(2, payment_date=at("2024-04-15 10:00")), {"R24", "R50", "D05"}),
    ("D10", "companies", having(1, delivery_days=[0, 2]), set()),
    ("D10", "companies", having(1, city="Alexandria"), set()),
    ("D10", "companies", having(3, created_at=at("2024-03-02 00:00")), {"R50"}),
    ("D10", "branches", having(1, created_at=at("2023-01-31 00:00")), set()),
    ("D10", "users", having(4, created_at=at("2024-03-01 00:00")), set()),
    ("D10", "products", having(3, reorder_quantity=11), set()),
    ("D10", "products", having(2, category="Tea"), set()),
    ("D10", "products", having(3, popularity_rank=4), set()),
    ("D08", "companies", having(3, machine_leased=False, lease_monthly_cost=None), set()),
]


@pytest.mark.parametrize(
    ("number", "table", "mutation", "neighbours"),
    CASES,
    ids=[f"{number}-{table}-{place}" for place, (number, table, _, _) in enumerate(CASES)],
)
def test_rule__finds_what_breaks_it(
    number: str, table: str, mutation: Mutation, neighbours: set[str]
) -> None:
    report = check((table, mutation))
    assert number in report.failed, report.failed
    assert set(report.failed) <= {number} | neighbours, "\n".join(report.lines())
    assert report[number].breaches
    assert report[number].examples


def test_cases__cover_every_rule() -> None:
    assert {case[0] for case in CASES} == {r.number for r in rules() if not r.warning}


def test_rules__read_columns_that_exist() -> None:
    for item in rules():
        for table, column in item.reads:
            assert column in TABLES[table].polars_schema, (item.number, table, column)


def test_verifier__refuses_frames_of_another_schema() -> None:
    with pytest.raises(VerificationError, match=r"payments.amount: type is Float64"):
        check(("payments", lambda _, frame: frame.with_columns(pl.col("amount").cast(pl.Float64))))


def test_counts__must_be_those_of_the_manifest_too() -> None:
    assert check(recorded={"orders": 13}).ok
    report = check(recorded={"orders": 14, "payments": 4})
    assert report.failed == ["R05"]
    assert report["R05"].examples[0].what == "13 rows, 14 in the manifest"


def labelled(table: str, key: int, column: str, before: str, now: str) -> Mutation:
    """Return a mutation that labels one field as invalid on purpose."""
    event = "2024-06-01 10:00"
    row = ledger.label(99, "invalid_data", table, key, event, column, before, now)

    def mutate(_: str, frame: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([frame, ledger.frame("anomaly_labels", [row])])

    return mutate


def check_labelled(
    table: str, key: int, column: str, new: Any, before: str, now: str, label_of: int | None = None
) -> Report:
    """Return the report where a field is wrong and a label says so, in the row's own group."""
    groups = broken(ledger.groups(), table, having(key, **{column: new}))
    for frames in groups:
        rows = frames.get(table)
        if rows is not None and (rows[TABLES[table].primary_key] == key).any():
            labels = frames.get("anomaly_labels", ledger.frame("anomaly_labels", []))
            add = labelled(table, label_of or key, column, before, now)
            frames["anomaly_labels"] = add("anomaly_labels", labels)
    return verify(groups, ledger.context())


INVALID: list[tuple[str, int, str, Any, str, str, set[str]]] = [
    ("companies", 4, "email", "no address", "four@example.org", "no address", {"R06"}),
    ("companies", 4, "name", "", "Bakery Four", "", {"R06"}),
    ("order_items", 14, "quantity", -1, "1", "-1", {"R06", "R10", "R12"}),
    ("order_items", 13, "quantity", -1, "1", "-1", {"R06", "R10", "R12", "R33"}),
    (
        "payments",
        3,
        "payment_date",
        at("2024-04-15 11:00"),
        "2024-05-07T08:00:00.000000Z",
        "2024-04-15T09:00:00.000000Z",
        {"R24", "R50", "D05"},
    ),
    (
        "companies",
        1,
        "created_at",
        at("2024-04-30 10:00"),
        "2023-02-01T08:00:00.000000Z",
        "2024-04-30T07:00:00.000000Z",
        {"R20", "D10", "R50"},
    ),
    ("orders", 7, "grand_total", -5, "1140.00", "-5.00", {"R06", "R14", "R19"}),
    ("inventory_movements", 31, "quantity", 1, "-1", "1", {"R30", "R33", "R19"}),
]


@pytest.mark.parametrize(("table", "key", "column", "new", "before", "now", "excused"), INVALID)
def test_label__excuses_the_rules_that_read_the_field(
    table: str, key: int, column: str, new: Any, before: str, now: str, excused: set[str]
) -> None:
    report = check_labelled(table, key, column, new, before, now)
    assert report.ok, "\n".join(report.lines())
    assert {number for number in report.results if report[number].excused} == excused


def test_label__of_another_row_excuses_nothing() -> None:
    report = check_labelled("order_items", 14, "quantity", -1, "1", "-1", label_of=13)
    assert {"R10", "R12", "R51"} <= set(report.failed)


def test_label__of_another_field_excuses_nothing() -> None:
    groups = broken(ledger.groups(), "order_items", having(14, quantity=-1))
    add = labelled("order_items", 14, "product_name", "Tea", "Baladi Beans 250 g")
    groups[3]["anomaly_labels"] = add("anomaly_labels", groups[3]["anomaly_labels"])
    report = verify(groups, ledger.context())
    assert set(report.failed) == {"R06", "R10", "R12"}


def blocks(table: str = "", mutation: Mutation | None = None) -> Report:
    """Return what the cheap rules say of the groups, handed over as generators do."""
    groups = ledger.groups()
    if mutation is not None:
        groups = broken(groups, table, mutation)
    report = Report()
    for frames in groups:
        block = {name: Frame.from_polars(TABLES[name], rows) for name, rows in frames.items()}
        report.merge(check_block(block, ledger.context()))
    return report


def test_block__is_checked_without_masters() -> None:
    report = blocks()
    assert report.ok, "\n".join(report.lines())
    assert report["R10"].rows == len(ledger.ITEMS)


CHEAP = {r.number for r in rules() if r.in_block}
BLOCK_CASES = [case for case in CASES if case[0] in CHEAP and case[1] != "audit_logs"]


@pytest.mark.parametrize(("number", "table", "mutation", "neighbours"), BLOCK_CASES)
def test_block__breaks_the_same_cheap_rules(
    number: str, table: str, mutation: Mutation, neighbours: set[str]
) -> None:
    groups = broken(ledger.groups(), table, mutation)
    declared = True
    for frames in groups:
        for name, rows in frames.items():
            for column in TABLES[name].columns:
                declared &= column.nullable or rows[column.name].null_count() == 0
    if not declared:
        pytest.skip("a Frame holds no null where none is declared")
    report = blocks(table, mutation)
    assert number in report.failed
    assert set(report.failed) <= {number} | neighbours


def test_block__accepts_every_kind_of_frame() -> None:
    frames = broken(ledger.groups(), "order_items", having(9, line_total=999))[3]
    arrow = {name: polars_to_arrow(TABLES[name], rows) for name, rows in frames.items()}
    plain = {name: Frame.from_polars(TABLES[name], rows) for name, rows in frames.items()}
    reports = [check_block(kind, ledger.context()).to_dict() for kind in (frames, arrow, plain)]
    assert reports[0] == reports[1] == reports[2]
    assert reports[0]["failed"] == ["R10", "R11"]


def test_report__shows_a_line_for_each_rule_and_examples_of_what_is_wrong() -> None:
    report = check(("payments", having(3, amount=799)))
    lines = report.lines()
    first = next(place for place, line in enumerate(lines) if line.startswith("R15 "))
    assert lines[first].split() == [
        "R15",
        "payments",
        "sum",
        "to",
        "the",
        "order",
        "rows",
        "13",
        "breaches",
        "1",
    ]
    assert lines[first + 1].strip() == (
        "orders 4: Paid, but payments do not sum to grand_total (grand_total 1605.18)"
    )
    document = json.loads(json.dumps(report.to_dict()))
    assert document["ok"] is False
    assert document["failed"] == ["R15"]
    assert document["rules"][0]["rule"] == "R01"


def test_report__counts_a_row_once() -> None:
    report = check(("orders", having(7, subtotal=999, item_count=2)))
    assert report["R12"].breaches == 1


NOTES = Table(
    "order_notes",
    "orderNotes",
    "What was said about orders.",
    "note_id",
    (
        Column("note_id", "key", "Key.", low=1),
        Column("order_id", "key", "The order.", references="orders"),
        Column("stars", "int", "How it went.", low=1, high=5),
    ),
)


@pytest.mark.parametrize(
    ("note", "wrong"),
    [
        ({"note_id": 1, "order_id": 5, "stars": 3}, []),
        ({"note_id": 1, "order_id": 99, "stars": 3}, ["R02"]),
        ({"note_id": 1, "order_id": 5, "stars": 6}, ["R06"]),
        ({"note_id": None, "order_id": 5, "stars": 3}, ["R01", "R06"]),
    ],
)
def test_table_of_a_plug_in__keeps_the_rules_of_keys(
    note: dict[str, Any], wrong: list[str]
) -> None:
    groups: list[Any] = ledger.groups()
    groups[3]["order_notes"] = pl.DataFrame([note], schema=NOTES.polars_schema)
    report = verify(groups, ledger.context(tables={**TABLES, "order_notes": NOTES}))
    assert report.failed == wrong
