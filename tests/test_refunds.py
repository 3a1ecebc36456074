"""Refunds: who asks, how much, and how it goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from runs import SCENARIOS, Made, cairo, cents, day

from polargen import calendar

LAST = date(2024, 6, 28)
Quarter = Callable[[str], Made]


def off_in_deviations(found: int, of: int, share: float) -> float:
    return (found - of * share) / float(np.sqrt(of * share * (1 - share)))


def refundable(made: Made) -> pl.DataFrame:
    """Return paid and delivered orders whose last payment came in time, with the later instant."""
    arrived = made["shipments"].select("order_id", arrived="actual_delivery_at")
    return (
        made["orders"]
        .filter((pl.col("status") == "Delivered") & (pl.col("payment_status") == "Paid"))
        .join(arrived, on="order_id")
        .filter(pl.col("paid_at") - pl.col("arrived") <= pl.duration(days=30))
        .with_columns(later=pl.max_horizontal("arrived", "paid_at"))
    )


@pytest.fixture(scope="module")
def year(dataset: Callable[..., Made]) -> Made:
    """A year with 70,000 orders and more than 2,000 refunds, without anomalies."""
    changes = {"anomalyConfig.rate": 0.0}
    return dataset(changes=changes, start="2023-06-30", end="2024-06-28", multiplier=3.84)


@pytest.fixture(scope="module")
def refunds(year: Made) -> pl.DataFrame:
    """Refunds with the later instant of delivery and payment."""
    return year["refunds"].join(
        refundable(year).select("order_id", "later", "grand_total", "order_date"), on="order_id"
    )


@pytest.fixture(scope="module")
def settled(refunds: pl.DataFrame) -> pl.DataFrame:
    """Those whose every step had time before the as-of instant."""
    return refunds.filter(
        pl.col("later") < pl.lit(LAST - timedelta(days=45)).cast(pl.Datetime("us", "UTC"))
    )


def test_refunds__are_asked_for_five_percent_of_what_can_be_refunded(
    year: Made, settled: pl.DataFrame
) -> None:
    limit = pl.lit(LAST - timedelta(days=45)).cast(pl.Datetime("us", "UTC"))
    can = refundable(year).filter(pl.col("later") < limit)
    assert abs(off_in_deviations(settled.height, can.height, 0.05)) < 4.5


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_refunds__are_of_such_orders_only(quarter: Quarter, scenario: str) -> None:
    made = quarter(scenario)
    can = refundable(made)
    assert set(made["refunds"]["order_id"]) <= set(can["order_id"])
    rows = made["refunds"].join(can.select("order_id", "later"), on="order_id")
    assert (rows["requested_at"] > rows["later"]).all()
    assert made["refunds"]["order_id"].n_unique() == made["refunds"].height


def test_refunds__end_as_60_15_15_10_percent(settled: pl.DataFrame) -> None:
    status = settled["status"].cast(pl.String)
    shares = {"pending": 0.15, "approved": 0.10, "completed": 0.60, "rejected": 0.15}
    for name, share in shares.items():
        assert abs(off_in_deviations(int((status == name).sum()), len(status), share)) < 4.5


def test_refunds__what_would_come_after_t_has_not_happened(refunds: pl.DataFrame) -> None:
    late = refunds.filter(day("requested_at") >= LAST - timedelta(days=1))
    assert late.height > 0
    assert (late["status"].cast(pl.String) != "completed").all()
    end = refunds.select(
        pl.max_horizontal("requested_at", "reviewed_at", "processed_at")
    ).to_series()
    assert end.dt.convert_time_zone("Africa/Cairo").dt.date().max() <= LAST


@pytest.mark.parametrize(
    ("after", "step", "low", "high"),
    [
        ("later", "requested_at", 1, 14),
        ("requested_at", "reviewed_at", 1, 4),
        ("reviewed_at", "processed_at", 1, 6),
    ],
)
def test_refunds__steps_follow_within_days(
    settled: pl.DataFrame, after: str, step: str, low: int, high: int
) -> None:
    """The working day at or after UI{low..high} days: counted against its exact distribution."""
    rows = settled.drop_nulls(step)
    before, then = (
        rows.select(day(name)).to_series().to_physical().to_numpy() for name in (after, step)
    )
    days = np.arange(19_300, 20_300)
    worked = days[calendar.is_working(days)]
    reached = worked[np.searchsorted(worked, before[:, None] + np.arange(low, high + 1))]
    assert (reached == then[:, None]).any(axis=1).all()
    for gap in range(low, high + 4):
        chance = (reached - before[:, None] == gap).mean(axis=1)
        found, spread = int((then - before == gap).sum()), np.sqrt((chance * (1 - chance)).sum())
        assert abs(found - chance.sum()) <= 4.5 * spread
    hour = rows.select(cairo(step).dt.hour()).to_series()
    assert (hour.min(), hour.max()) == (9, 16)


def test_refunds__are_reviewed_by_managers_and_admins(year: Made, refunds: pl.DataFrame) -> None:
    roles = year["users"].select(reviewed_by_user_id="user_id", role=pl.col("role").cast(pl.String))
    rows = refunds.drop_nulls("reviewed_by_user_id").join(roles, on="reviewed_by_user_id")
    assert set(rows["role"].unique()) <= {"Manager", "Admin"}
    open_ones = refunds.filter(pl.col("status") == "pending")
    assert open_ones["reviewed_by_user_id"].is_null().all()


def test_refunds__give_reasons(settled: pl.DataFrame) -> None:
    assert settled["return_reason"].n_unique() == 8
    rejected = settled.filter(pl.col("status") == "rejected")
    assert rejected["rejection_reason"].n_unique() == 5
    assert rejected["rejection_reason"].is_not_null().all()
    others = settled.filter(pl.col("status") != "rejected")
    assert others["rejection_reason"].is_null().all()


def test_refunds__name_the_orders_last_payment(year: Made, refunds: pl.DataFrame) -> None:
    last = year["payments"].sort("payment_date").group_by("order_id").last()
    rows = refunds.join(last.select("order_id", last_id="payment_id"), on="order_id")
    assert (rows["payment_id"] == rows["last_id"]).all()


def test_refunds__thirty_percent_return_the_whole_order(year: Made, refunds: pl.DataFrame) -> None:
    """A partial return is whole by chance where an order has one line of one piece: left out."""
    pieces = year["order_items"].group_by("order_id").agg(pl.col("quantity").sum(), pl.len())
    came = refunds.select(
        "order_id",
        came=pl.col("returned_items").list.eval(pl.element().struct["quantity"]).list.sum(),
        lines=pl.col("returned_items").list.len(),
    )
    both = came.join(pieces, on="order_id").filter((pl.col("len") >= 4) & (pl.col("quantity") > 20))
    whole = both.filter(pl.col("came") == pl.col("quantity"))
    assert abs(off_in_deviations(whole.height, both.height, 0.3)) < 4.5
    assert (both["came"] <= both["quantity"]).all()
    assert (both["came"] >= 1).all()


def test_refunds__amounts_are_the_returned_part_of_what_was_paid(
    year: Made, refunds: pl.DataFrame
) -> None:
    """Each item within two piastres of exact rational arithmetic, the sum at most what was paid."""
    orders = {
        row["order_id"]: row
        for row in year["orders"]
        .join(refunds.select("order_id"), on="order_id")
        .select(
            "order_id",
            (cents("subtotal") - cents("item_discount_total")).alias("net"),
            cents("discount_amount").alias("off"),
            cents("grand_total").alias("paid"),
        )
        .iter_rows(named=True)
    }
    items = {
        row["order_item_id"]: row
        for row in year["order_items"]
        .join(refunds.select("order_id"), on="order_id")
        .select(
            "order_item_id",
            "order_id",
            "quantity",
            cents("line_total").alias("line"),
            cents("tax_amount").alias("tax"),
        )
        .iter_rows(named=True)
    }
    for row in refunds.head(1500).iter_rows(named=True):
        order, total = orders[row["order_id"]], 0
        for item in row["returned_items"]:
            line = items[item["order_item_id"]]
            assert line["order_id"] == row["order_id"]
            assert 1 <= item["quantity"] <= line["quantity"]
            share = Fraction(order["off"] * line["line"], order["net"])
            worth = line["line"] + line["tax"] - share - share * Fraction(14, 100)
            exact = Fraction(item["quantity"], line["quantity"]) * worth
            assert abs(int(item["amount"] * 100) - exact) <= 2
            total += int(item["amount"] * 100)
        assert total == int(row["amount"] * 100) <= order["paid"]


def test_refunds__of_the_whole_order_give_back_what_was_paid(
    year: Made, refunds: pl.DataFrame
) -> None:
    pieces = year["order_items"].group_by("order_id").agg(pl.col("quantity").sum(), pl.len())
    came = pl.col("returned_items").list.eval(pl.element().struct["quantity"]).list.sum()
    whole = refunds.join(pieces, on="order_id").filter(came == pl.col("quantity"))
    short = whole.select((cents("grand_total") - cents("amount")).alias("short"), "len")
    assert whole.height > 300
    assert short.filter((pl.col("short") < 0) | (pl.col("short") > 2 * pl.col("len"))).height == 0
