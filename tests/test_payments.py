"""Payments: when they come, in how many parts, by which channel, in which cycle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from runs import SCENARIOS, Made, cairo, cents, day

from polargen import calendar

LAST = date(2024, 6, 28)
CLASSES = ((-14, -3, 0.30), (-2, 0, 0.30), (1, 13, 0.20), (14, 44, 0.10))
Quarter = Callable[[str], Made]


def off_in_deviations(found: int, of: int, share: float) -> float:
    return (found - of * share) / float(np.sqrt(of * share * (1 - share)))


def epoch(column: pl.Series) -> np.ndarray:
    return column.to_physical().to_numpy()


def joined(made: Made) -> pl.DataFrame:
    """Return payments with their order and company."""
    orders = made["orders"].select(
        "order_id", "order_date", "payment_due_date", "payment_status", "grand_total", "paid_at"
    )
    companies = made["companies"].select(
        "company_id",
        usual=pl.col("payment_method").cast(pl.String),
        term=pl.col("payment_due_type").cast(pl.String),
    )
    return made["payments"].join(orders, on="order_id").join(companies, on="company_id")


@pytest.fixture(scope="module")
def payments(base: Made) -> pl.DataFrame:
    """Payments of the base world."""
    return joined(base)


def test_payments__come_in_classes_around_the_due_date(payments: pl.DataFrame) -> None:
    """Over orders for which every class was possible, within 3 points."""
    days = np.arange(19_600, 20_200)
    rank = np.concatenate([[0], np.cumsum(calendar.is_working(days))])
    chosen = payments.filter(
        (pl.col("term") != "bulk_schedule")
        & (pl.len().over("order_id") == 1)
        & (pl.col("payment_due_date") >= day("order_date") + pl.duration(days=15))
        & (pl.col("payment_due_date") <= LAST - timedelta(days=45))
        & (cairo("order_date").dt.hour() < 16)
    )
    placed = epoch(chosen.select(day("order_date"))["order_date"])
    due = epoch(chosen["payment_due_date"])
    paid = epoch(chosen.select(day("payment_date"))["payment_date"])
    possible = calendar.is_working(placed)
    for low, high, _ in CLASSES:
        possible &= rank[due + high + 1 - 19_600] > rank[due + low - 19_600]
    placed, due, paid = placed[possible], due[possible], paid[possible]
    assert len(due) > 3000
    same = paid == placed
    found = [same.mean()]
    found += [
        (~same & (paid - due >= low) & (paid - due <= high)).mean() for low, high, _ in CLASSES
    ]
    assert found == pytest.approx([0.10, 0.30, 0.30, 0.20, 0.10], abs=0.03)
    assert sum(found) == pytest.approx(1.0)


@pytest.mark.parametrize("number", range(4))
def test_payments__are_uniform_over_the_working_days_of_a_class(
    payments: pl.DataFrame, number: int
) -> None:
    """The place among the class's possible days has the mean of a uniform one, 4.5 deviations."""
    low, high, _ = CLASSES[number]
    days = np.arange(19_600, 20_200)
    rank = np.concatenate([[0], np.cumsum(calendar.is_working(days))])
    chosen = payments.filter(
        (pl.col("term") != "bulk_schedule")
        & (pl.len().over("order_id") == 1)
        & (pl.col("payment_due_date") <= LAST - timedelta(days=45))
        & (pl.col("days_from_due") >= low)
        & (pl.col("days_from_due") <= high)
        & (day("payment_date") > day("order_date"))
    )
    due = epoch(chosen["payment_due_date"]) - 19_600
    placed = epoch(chosen.select(day("order_date"))["order_date"]) - 19_600
    paid = epoch(chosen.select(day("payment_date"))["payment_date"]) - 19_600
    first, last = np.maximum(due + low, placed + 1), due + high
    count = rank[last + 1] - rank[first]
    unit = (rank[paid] - rank[first] + 0.5) / count
    assert abs(unit.mean() - 0.5) < 4.5 / np.sqrt(12 * len(unit))
    # By thirds, where the days can be cut in three.
    third = count % 3 == 0
    counts = np.bincount((unit[third] * 3).astype(int), minlength=3)
    total = int(counts.sum())
    assert total < 50 or max(abs(off_in_deviations(int(c), total, 1 / 3)) for c in counts) < 4.5


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_payments__come_at_the_office_on_working_days(quarter: Quarter, scenario: str) -> None:
    payments = quarter(scenario)["payments"]
    hour = payments.select(cairo("payment_date").dt.hour())["payment_date"]
    assert (hour.min(), hour.max()) == (9, 16)
    assert calendar.is_working(epoch(payments.select(day("payment_date"))["payment_date"])).all()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_payments__never_precede_their_order_and_are_exact(quarter: Quarter, scenario: str) -> None:
    made = quarter(scenario)
    payments = joined(made)
    assert payments.filter(pl.col("payment_date") <= pl.col("order_date")).height == 0
    sums = payments.group_by("order_id").agg(
        cents("amount").sum(), cents("grand_total").first(), pl.col("payment_date").max(),
        pl.col("paid_at").first(),
    )  # fmt: skip
    assert (sums["amount"] == sums["grand_total"]).all()
    assert (sums["payment_date"] == sums["paid_at"]).all()
    paid = made["orders"].filter(pl.col("payment_status") == "Paid")
    assert set(sums["order_id"]) == set(paid["order_id"])
    days = (day("payment_date") - pl.col("payment_due_date")).dt.total_days()
    assert payments.filter(pl.col("days_from_due") != days).height == 0


def test_payments__are_not_moved_onto_the_last_days(payments: pl.DataFrame) -> None:
    """The last working days before T have no more payments than usual."""
    daily = payments.group_by(day("payment_date").alias("day")).len().sort("day")["len"].to_numpy()
    usual = daily[-30:-3]
    assert daily[-3:].max() <= usual.mean() + 4.5 * usual.std()


def test_payments__five_percent_come_in_two_parts(payments: pl.DataFrame) -> None:
    """Of orders outside bulk that had a working day between the order and the payment."""
    days = np.arange(19_600, 20_200)
    rank = np.concatenate([[0], np.cumsum(calendar.is_working(days))])
    single = payments.filter(pl.col("term") != "bulk_schedule")
    last = single.sort("installment_no").group_by("order_id").last()
    placed = epoch(last.select(day("order_date"))["order_date"]) - 19_600
    paid = epoch(last.select(day("payment_date"))["payment_date"]) - 19_600
    could = rank[paid] - rank[np.minimum(placed + 1, paid)] > 0
    two = (last["installment_no"] == 2).to_numpy()
    assert not two[~could].any()
    assert abs(off_in_deviations(int(two[could].sum()), int(could.sum()), 0.05)) < 4.5
    pairs = single.filter(pl.len().over("order_id") == 2).sort("order_id", "installment_no")
    assert pairs["installment_no"].to_list() == [1, 2] * (pairs.height // 2)
    when = pairs["payment_date"].to_physical().to_numpy().reshape(-1, 2)
    assert (when[:, 0] < when[:, 1]).all()
    part = pairs.select(cents("amount") / cents("grand_total"))["amount"].to_numpy()[::2]
    assert part.min() > 0.295
    assert part.max() < 0.705


def test_payments__mostly_use_the_companys_method(payments: pl.DataFrame) -> None:
    for usual, channel in (("transfer", "Bank Transfer"), ("check", "Check")):
        mine = payments.filter((pl.col("usual") == usual) & (pl.col("term") != "bulk_schedule"))
        shares = {name: (mine["method"] == name).mean() for name in mine["method"].unique()}
        assert shares[channel] == pytest.approx(0.92, abs=0.02)
        assert 0 < shares["Card"] < 0.08
        assert 0 < shares["Cash"] < 0.08
        assert len(shares) == 3


def test_payments__have_their_own_reference_outside_bulk(payments: pl.DataFrame) -> None:
    single = payments.filter(pl.col("bulk_cycle_id").is_null())
    assert single["reference"].n_unique() == single.height
    assert single.filter(pl.col("term") == "bulk_schedule").height == 0


@pytest.mark.parametrize("scenario", ["normal-ops", "payment-crisis"])
def test_payments__of_a_bulk_cycle_are_one_day_one_reference(
    quarter: Quarter, base: Made, scenario: str
) -> None:
    made = base if scenario == "normal-ops" else quarter(scenario)
    bulk = joined(made).filter(pl.col("bulk_cycle_id").is_not_null())
    cycles = bulk.group_by("company_id", "payment_due_date").agg(
        pl.col("bulk_cycle_id").n_unique().alias("ids"),
        pl.col("bulk_cycle_id").first(),
        pl.col("reference").n_unique().alias("references"),
        pl.col("reference").first(),
        day("payment_date").n_unique().alias("days"),
        pl.col("days_from_due").first().alias("late"),
        pl.col("recorded_by_user_id").n_unique().alias("users"),
        pl.len(),
    )
    assert cycles.height > 3
    for column in ("ids", "references", "days", "users"):
        assert (cycles[column] == 1).all()
    assert cycles["bulk_cycle_id"].n_unique() == cycles["reference"].n_unique() == cycles.height
    assert ((cycles["late"] >= 0) & (cycles["late"] <= 44)).all()
    assert (bulk["installment_no"] == 1).all()
    assert cycles["len"].max() > 1


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_payments__a_bulk_cycle_is_paid_pending_or_overdue_as_a_whole(
    quarter: Quarter, scenario: str
) -> None:
    made = quarter(scenario)
    bulk = made["companies"].filter(pl.col("payment_due_type") == "bulk_schedule")
    late = made["anomaly_labels"].filter(pl.col("anomaly_type") == "payment_delay")
    delivered = (
        made["orders"]
        .filter(pl.col("status") == "Delivered")
        .join(bulk.select("company_id"), on="company_id")
        .join(late.select(order_id="entity_id"), on="order_id", how="anti")
    )
    kinds = delivered.group_by("company_id", "payment_due_date").agg(
        pl.col("payment_status").n_unique()
    )
    assert kinds.height > 0
    assert (kinds["payment_status"] == 1).all()


def test_payments__may_precede_the_delivery(base: Made, payments: pl.DataFrame) -> None:
    arrived = base["shipments"].select("order_id", "actual_delivery_at")
    both = payments.join(arrived, on="order_id")
    before = (both["payment_date"] < both["actual_delivery_at"]).mean()
    assert 0.05 < before < 0.6


def test_payments__days_overdue_count_from_the_due_date(quarter: Quarter) -> None:
    orders = quarter("payment-crisis")["orders"]
    late = (pl.lit(date(2024, 4, 30)) - pl.col("payment_due_date")).dt.total_days()
    wanted = pl.when(pl.col("payment_status") == "Overdue").then(late).otherwise(0)
    assert orders.filter(pl.col("days_overdue") != wanted).height == 0
    overdue = orders.filter(pl.col("payment_status") == "Overdue")
    assert overdue.height > 1000
    assert overdue["days_overdue"].min() >= 1
    assert (overdue["status"] == "Delivered").all()
