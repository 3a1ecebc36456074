"""Shipments: dispatch, attempts, delays, drivers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from runs import SCENARIOS, Made, cairo, day

from polargen import calendar

LAST = date(2024, 6, 28)
WEEKDAYS = {"A": (0, 2, 4), "B": (1, 3, 6)}  # 0 = Sunday
Factory = Callable[..., Made]


def epoch(column: pl.Series) -> np.ndarray:
    return column.to_physical().to_numpy()


def off_in_deviations(found: int, of: int, share: float) -> float:
    return (found - of * share) / float(np.sqrt(of * share * (1 - share)))


def schedule(region: str) -> np.ndarray:
    """Return the region's delivery days around the window, as epoch days."""
    days = np.arange(19_600, 20_200)
    served = np.isin((days + 4) % 7, WEEKDAYS[region]) & ~calendar.is_holiday(days)
    return days[served]


@pytest.fixture(scope="module")
def shipments(base: Made) -> pl.DataFrame:
    """Shipments of the base world with their orders and days."""
    orders = base["orders"].select(
        "order_id",
        "order_date",
        "delivery_date",
        "delivery_schedule",
        order_status=pl.col("status").cast(pl.String),
    )
    return (
        base["shipments"]
        .join(orders, on="order_id", maintain_order="left")
        .with_columns(
            pl.col("status").cast(pl.String),
            pl.col("delivery_schedule").cast(pl.String),
            first_at=pl.col("attempts").list.first().struct["attempted_at"],
            last_at=pl.col("attempts").list.last().struct["attempted_at"],
        )
    )


@pytest.fixture(scope="module")
def settled(shipments: pl.DataFrame) -> pl.DataFrame:
    """Delivered ones whose every attempt had time before the as-of instant."""
    return shipments.filter(
        (pl.col("status") == "delivered") & (pl.col("delivery_date") <= LAST - timedelta(days=30))
    )


def test_shipments__need_80_15_5_percent_one_two_three_attempts(settled: pl.DataFrame) -> None:
    assert settled.height > 10_000
    counts = settled["attempt_count"].value_counts().sort("attempt_count")["count"].to_list()
    for found, share in zip(counts, (0.80, 0.15, 0.05), strict=True):
        assert abs(off_in_deviations(found, settled.height, share)) < 4.5


def test_shipments__are_attempted_on_following_schedule_days(settled: pl.DataFrame) -> None:
    for region in "AB":
        mine = settled.filter(pl.col("delivery_schedule") == region)
        attempts = mine["attempts"].list.eval(
            pl.element().struct["attempted_at"].dt.convert_time_zone("Africa/Cairo").dt.date()
        )
        served = schedule(region)
        place = [np.searchsorted(served, epoch(attempts.list.get(n, null_on_oob=True).drop_nulls()))
                 for n in range(3)]  # fmt: skip
        days = [epoch(attempts.list.get(n, null_on_oob=True).drop_nulls()) for n in range(3)]
        for number in range(3):
            assert np.array_equal(served[place[number]], days[number])
        count = mine["attempt_count"].to_numpy()
        two, three = count >= 2, count >= 3
        assert np.array_equal(place[1], place[0][two] + 1)
        assert np.array_equal(place[2], place[0][three] + 2)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_shipments__are_attempted_between_8_and_20(
    quarter: Callable[[str], Made], scenario: str
) -> None:
    attempts = (
        quarter(scenario)["shipments"].select("attempts").explode("attempts", empty_as_null=False)
    )
    hour = attempts.unnest("attempts").select(cairo("attempted_at").dt.hour().alias("hour"))["hour"]
    assert (hour.min(), hour.max()) == (8, 19)
    counts = np.bincount(hour.to_numpy())[8:]
    assert max(abs(off_in_deviations(int(c), len(hour), 1 / 12)) for c in counts) < 4.5


def test_shipments__first_attempts_slip_with_the_chance_of_deliveryDelays(
    settled: pl.DataFrame,
) -> None:
    slipped = settled.filter(pl.col("first_at").is_not_null()).filter(
        day("first_at") > pl.col("delivery_date")
    )
    assert abs(off_in_deviations(slipped.height, settled.height, 0.1)) < 4.5


def test_shipments__slip_to_the_first_schedule_day_1_to_4_days_later(settled: pl.DataFrame) -> None:
    """Against the distribution that the schedule gives to UI{1..4}, within 4.5 deviations."""
    for region in "AB":
        mine = settled.filter(
            (pl.col("delivery_schedule") == region) & (day("first_at") > pl.col("delivery_date"))
        )
        served = schedule(region)
        promise = epoch(mine["delivery_date"])
        first = epoch(mine.select(day("first_at"))["first_at"])
        later = served[np.searchsorted(served, promise[:, None] + np.arange(1, 5))]
        assert (later == first[:, None]).any(axis=1).all()
        gap = later - promise[:, None]
        for days in range(1, 8):
            chance = (gap == days).mean(axis=1)
            found = int((first - promise == days).sum())
            spread = np.sqrt((chance * (1 - chance)).sum())
            assert abs(found - chance.sum()) <= 4.5 * spread


def test_shipments__delay_days_are_actual_less_promised(shipments: pl.DataFrame) -> None:
    actual = (day("actual_delivery_at") - pl.col("delivery_date")).dt.total_days()
    late = pl.when(pl.col("status") == "delivered").then(actual).otherwise(0)
    assert shipments.filter(pl.col("delay_days") != late).height == 0
    assert (shipments["scheduled_delivery_date"] == shipments["delivery_date"]).all()


def test_shipments__only_the_last_attempt_of_a_delivery_succeeds(shipments: pl.DataFrame) -> None:
    attempts = shipments.select("shipment_id", "status", "attempts", "attempt_count").explode(
        "attempts", empty_as_null=False
    )
    rows = attempts.rename({"status": "end"}).unnest("attempts")
    last = pl.col("attempt_number") == pl.col("attempt_count")
    won = last & (pl.col("end") == "delivered")
    assert rows.filter((pl.col("status") == "success") != won).height == 0
    assert rows.filter(pl.col("failure_reason").is_null() != won).height == 0
    lost = rows.filter(~won)
    assert (lost["status"] == "rescheduled").mean() == pytest.approx(0.3, abs=0.03)
    assert lost["failure_reason"].n_unique() == 6


def test_shipments__leave_on_a_morning_at_most_two_working_days_before(
    settled: pl.DataFrame,
) -> None:
    """Shares of the lead, where the order was there three working days before: .6, .25, .15."""
    days = np.arange(19_600, 20_200)
    working = calendar.is_working(days)
    rank = np.concatenate([[0], np.cumsum(working)])  # working days before the day
    sent = epoch(settled.select(day("dispatched_at"))["dispatched_at"]) - 19_600
    first = epoch(settled.select(day("first_at"))["first_at"]) - 19_600
    placed = epoch(settled.select(day("order_date"))["order_date"]) - 19_600
    assert (working[sent] | (sent == first)).all()
    lead = np.where(sent == first, 0, rank[first] - rank[sent])
    assert set(lead) == {0, 1, 2}
    assert (sent > placed).all() | ((sent == first) | (sent > placed)).all()
    early = rank[first] - rank[placed + 1] >= 2
    counts = np.bincount(lead[early])
    for found, share in zip(counts, (0.60, 0.25, 0.15), strict=True):
        assert abs(off_in_deviations(int(found), int(counts.sum()), share)) < 4.5
    hour = settled.select(cairo("dispatched_at").dt.hour())["dispatched_at"]
    assert (hour.min(), hour.max()) == (6, 7)


def test_shipments__under_way_left_in_the_last_five_schedule_days(shipments: pl.DataFrame) -> None:
    shipped = shipments.filter(pl.col("order_status") == "Shipped")
    assert shipped.height > 1000
    for region in "AB":
        mine = shipped.filter(pl.col("delivery_schedule") == region)
        served = schedule(region)
        last = (LAST - date(1970, 1, 1)).days
        recent = served[served <= last][-5:]
        sent = epoch(mine.select(day("dispatched_at"))["dispatched_at"])
        assert (sent >= recent[0] - 5).all()  # up to two working days before the first attempt
        first = mine.drop_nulls("first_at").select(day("first_at"))["first_at"]
        assert np.isin(epoch(first), recent).all()
    counts = np.bincount(shipped["attempt_count"].to_numpy())
    assert len(counts) == 3
    assert set(shipped["status"].unique()) <= {"dispatched", "in_transit"}
    statuses = shipped["attempts"].list.eval(pl.element().struct["status"].cast(pl.String))
    assert "success" not in statuses.explode(empty_as_null=False).unique().to_list()


def test_shipments__are_one_for_each_accepted_order(base: Made, shipments: pl.DataFrame) -> None:
    accepted = base["orders"].filter(
        ~pl.col("status").cast(pl.String).is_in(["Pending", "Cancelled"])
    )
    assert set(shipments["order_id"]) == set(accepted["order_id"])
    assert shipments["order_id"].n_unique() == shipments.height


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_shipments__a_driver_has_one_vehicle_and_believable_days(
    quarter: Callable[[str], Made], scenario: str
) -> None:
    """About a dozen drops on a usual day, never more than 40."""
    made = quarter(scenario)
    drivers = made["shipments"].group_by("driver_name").agg(pl.col("vehicle_id").n_unique())
    assert (drivers["vehicle_id"] == 1).all()
    drops = (
        made["shipments"]
        .select("driver_name", "attempts")
        .explode("attempts", empty_as_null=False)
        .unnest("attempts")
        .group_by("driver_name", day("attempted_at").alias("day"))
        .len()
    )
    assert drops["len"].max() <= 40
    assert drops["len"].mean() < 20


def test_shipments__status_follows_the_order(dataset: Factory) -> None:
    made = dataset("anomaly-heavy", multiplier=3.0)
    both = made["shipments"].join(
        made["orders"].select("order_id", order=pl.col("status").cast(pl.String)), on="order_id"
    )
    pairs = set(both.select(pl.col("status").cast(pl.String), "order").unique().iter_rows())
    assert {("delivered", "Delivered"), ("failed", "Delivery Failed"), ("failed", "Cancelled"),
            ("pending", "Processing")} <= pairs  # fmt: skip
    assert pairs <= {
        ("delivered", "Delivered"),
        ("failed", "Delivery Failed"),
        ("failed", "Cancelled"),
        ("pending", "Processing"),
        ("dispatched", "Shipped"),
        ("in_transit", "Shipped"),
    }
