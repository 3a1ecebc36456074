"""Orders and their lines: shares, popularity, promises, terms, money, rhythm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import reduce

import numpy as np
import polars as pl
import pytest
from runs import QUARTER, SCENARIOS, Made, cairo, cents, day, run

from polargen import calendar

Quarter = Callable[[str], Made]
STATUSES = ("Pending", "Processing", "Shipped", "Delivered", "Cancelled", "Delivery Failed")
HORIZON_DAYS = 90


def restored(made: Made, field: str) -> pl.DataFrame:
    """Return the orders without duplicates, with a labelled field set back to what it was."""
    labels = made["anomaly_labels"].filter(
        (pl.col("entity").cast(pl.String) == "orders")
        & (pl.col("field") == field)
        & (pl.col("anomaly_type").cast(pl.String) != "duplicate_orders")
    )
    was = labels.select(order_id="entity_id", was="original_value")
    orders = made["orders"].filter(pl.col("duplicate_of_order_id").is_null())
    return orders.join(was, on="order_id", how="left").with_columns(
        pl.coalesce("was", pl.col(field).cast(pl.String)).alias(field)
    )


def half_up(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def off_in_deviations(found: int, of: int, share: float) -> float:
    return (found - of * share) / float(np.sqrt(of * share * (1 - share)))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_orders__are_as_many_as_planned_and_rise_in_time(quarter: Quarter, scenario: str) -> None:
    made = quarter(scenario)
    orders = made["orders"].sort("order_id")
    rates = made.plan.scenario.entity_rates
    assert orders.height == round(rates.orders_per_day * made.plan.config.volume_multiplier * 90)
    assert orders["order_id"].to_list() == list(range(1, orders.height + 1))
    assert orders["order_date"].is_sorted()
    assert orders["order_date"].n_unique() > 0.999 * orders.height
    daily = orders.group_by(day("order_date").alias("day")).len().sort("day")
    assert daily["day"].min() >= date(2024, 2, 1)
    assert daily["day"].max() <= date(2024, 4, 30)
    by_day = dict(daily.iter_rows())
    wanted = {
        date(2024, 2, 1) + timedelta(n): int(c) for n, c in enumerate(made.plan.orders_per_day)
    }
    assert by_day == {when: number for when, number in wanted.items() if number}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_orders__statuses_have_the_scenarios_shares(quarter: Quarter, scenario: str) -> None:
    """Of the base world, over the horizon, within 2 points."""
    made = quarter(scenario)
    status = restored(made, "status")["status"]
    shares = made.plan.scenario.distributions.order_status.shares()
    found = [(status == name).sum() / len(status) for name in STATUSES]
    assert found == pytest.approx(shares, abs=0.02)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_orders__payments_of_delivered_ones_have_the_scenarios_shares(
    quarter: Quarter, scenario: str
) -> None:
    """Of the base world, over the horizon, within 2 points; an outage leaves few deliveries."""
    made = (
        run(scenario, multiplier=40.0, **QUARTER)
        if scenario == "warehouse-outage"
        else quarter(scenario)
    )
    delivered = restored(made, "status").filter(pl.col("status") == "Delivered").select("order_id")
    paid = restored(made, "payment_status").join(delivered, on="order_id")["payment_status"]
    shares = made.plan.scenario.distributions.payment_status.shares()
    found = [(paid == name).sum() / len(paid) for name in ("Paid", "Pending", "Overdue")]
    assert found == pytest.approx(shares, abs=0.02)


def test_orders__payment_crisis_shows_about_32_percent_overdue(quarter: Quarter) -> None:
    orders = quarter("payment-crisis")["orders"].filter(pl.col("status") == "Delivered")
    assert (orders["payment_status"] == "Overdue").mean() == pytest.approx(0.32, abs=0.025)


def test_orders__older_than_the_horizon_are_finished_and_paid(base: Made) -> None:
    last = date(2024, 6, 28)
    old = base["orders"].filter(day("order_date") <= last - timedelta(days=HORIZON_DAYS))
    shares = {name: (old["status"] == name).mean() for name in STATUSES}
    assert old.height > 10_000
    assert shares["Pending"] == shares["Processing"] == shares["Shipped"] == 0.0
    assert shares["Delivered"] == pytest.approx(0.70 / 0.75, abs=0.01)
    delivered = old.filter(pl.col("status") == "Delivered")
    assert (delivered["payment_status"] == "Paid").all()


def test_orders__the_young_are_open_and_fewer_with_age(base: Made) -> None:
    """P(open | age) is 1 at first, falls, and reaches 0 inside the horizon."""
    age = (pl.lit(date(2024, 6, 28)) - day("order_date")).dt.total_days()
    is_open = pl.col("status").cast(pl.String).is_in(["Pending", "Processing", "Shipped"])
    by_age = base["orders"].group_by(age.alias("age")).agg(is_open.mean()).sort("age")
    opened = by_age["status"].to_numpy()
    assert (opened[:2] == 1.0).all()
    weekly = opened[:84].reshape(12, 7).mean(axis=1)
    assert (np.diff(weekly) < 0.04).all()
    assert weekly[0] > 0.8
    assert (opened[50:] == 0.0).all()


def test_orders__companies_follow_zipf_with_exponent_0_8(base: Made) -> None:
    """Slope of log count over log place of the Active companies, of 40,000 orders or so."""
    active = base["companies"].filter(pl.col("status") == "Active")
    orders = base["orders"].join(active.select("company_id"), on="company_id")
    counts = orders.group_by("company_id").len().sort("len", descending=True)["len"].to_numpy()
    place = np.arange(1, 101)
    slope = np.polyfit(np.log(place), np.log(counts[:100]), 1)[0]
    assert slope == pytest.approx(-0.8, abs=0.1)
    # Ranks are permuted: early keys do not order more.
    by_key = orders.group_by("company_id").len().sort("company_id")["len"].rank().to_numpy()
    assert abs(np.corrcoef(np.arange(len(by_key)), by_key)[0, 1]) < 4 / np.sqrt(len(by_key))


def test_orders__of_companies_with_branches_go_to_one_in_30_percent(base: Made) -> None:
    """Where all branches of the company were open; within 4.5 binomial deviations."""
    latest = base["branches"].group_by("company_id").agg(pl.col("created_at").max().alias("open"))
    orders = (
        base["orders"].join(latest, on="company_id").filter(pl.col("open") < pl.col("order_date"))
    )
    found = orders["branch_id"].is_not_null().sum()
    assert abs(off_in_deviations(found, orders.height, 0.3)) < 4.5
    number = base["branches"].group_by("company_id").len().filter(pl.col("len") == 3)
    of_three = orders.join(number, on="company_id").drop_nulls("branch_id")
    place = (
        of_three["branch_id"]
        - of_three.join(
            base["branches"].group_by("company_id").agg(pl.col("branch_id").min().alias("first")),
            on="company_id",
            maintain_order="left",
        )["first"]
    )
    counts = np.bincount(place.to_numpy(), minlength=3)
    assert len(counts) == 3
    assert max(abs(off_in_deviations(int(c), int(counts.sum()), 1 / 3)) for c in counts) < 4.5


def test_orders__of_a_site_follow_its_region(base: Made) -> None:
    site = base["branches"].select("branch_id", site="region")
    own = base["companies"].select("company_id", own="region")
    orders = base["orders"].join(site, on="branch_id", how="left").join(own, on="company_id")
    region = pl.coalesce("site", "own")
    assert orders.filter(pl.col("delivery_schedule") != region).height == 0


@pytest.mark.parametrize("region", ["A", "B"])
def test_orders__are_promised_for_the_next_schedule_day(base: Made, region: str) -> None:
    """The first Sunday, Tuesday, Thursday (A) or Monday, Wednesday, Saturday (B), no holiday."""
    weekdays = {"A": (7, 2, 4), "B": (1, 3, 6)}[region]  # ISO: Monday = 1
    days = pl.date_range(date(2024, 1, 1), date(2024, 8, 1), eager=True).alias("promise")
    epoch = days.to_physical().to_numpy()
    served = days.filter(
        days.dt.weekday().is_in(weekdays) & ~pl.Series(calendar.is_holiday(epoch))
    ).to_frame()
    orders = base["orders"].filter(pl.col("delivery_schedule") == region)
    placed = orders.with_columns((day("order_date") + pl.duration(days=1)).alias("from")).sort(
        "from"
    )
    found = placed.join_asof(
        served.with_columns(next=pl.col("promise")).sort("promise"),
        left_on="from",
        right_on="promise",
        strategy="forward",
    )
    assert found.height > 5000
    assert (found["delivery_date"] == found["next"]).all()


def test_orders__are_due_by_the_companies_terms(base: Made) -> None:
    terms = base["companies"].select("company_id", "payment_due_type", "payment_due_days")
    orders = (
        base["orders"].join(terms, on="company_id").with_columns(day("order_date").alias("day"))
    )
    kind = pl.col("payment_due_type").cast(pl.String)
    month = pl.col("day").dt.truncate("1mo").dt.offset_by("1mo")
    quarter_end = pl.col("day").dt.truncate("1q").dt.offset_by("1q")
    wanted = (
        pl.when(kind == "immediate")
        .then(pl.col("day"))
        .when(kind == "days_after_order")
        .then(pl.col("day") + pl.duration(days=pl.col("payment_due_days")))
        .when(kind == "monthly_date")
        .then(month)
        .otherwise(quarter_end)
    )
    assert orders["payment_due_type"].n_unique() == 4
    assert orders.filter(pl.col("payment_due_date") != wanted).height == 0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_orders__payment_terms_hold_by_orders(quarter: Quarter, scenario: str) -> None:
    """Within 3 points: companies are whole, the largest orders 5 % of all."""
    made = quarter(scenario)
    kind, days = pl.col("payment_due_type").cast(pl.String), pl.col("payment_due_days")
    term = (
        pl.when(kind == "immediate")
        .then(pl.lit("immediate"))
        .when(kind == "days_after_order")
        .then(pl.format("net{}", days))
        .when(kind == "monthly_date")
        .then(pl.lit("monthly"))
        .otherwise(pl.lit("bulk"))
    )
    orders = made["orders"].join(
        made["companies"].select("company_id", term.alias("term")), on="company_id"
    )
    found = dict(orders.group_by("term").agg(pl.len() / orders.height).iter_rows())
    wanted = made.plan.scenario.distributions.payment_terms
    names = ("immediate", "net15", "net30", "net60", "net90", "monthly", "bulk")
    assert [found[name] for name in names] == pytest.approx(
        [getattr(wanted, name) for name in names], abs=0.03
    )


def test_orders__hours_have_the_profile_and_ramadan_comes_two_hours_later(base: Made) -> None:
    """Chi-square of the 13 hours with weight within 5 deviations of its mean."""
    weights = np.array([0.5, 1.0, 1.3, 1.1, 0.7, 0.5, 0.8, 1.1, 1.2, 0.9, 0.6, 0.4, 0.2])
    fasting = (pl.col("day") >= date(2024, 3, 11)) & (pl.col("day") <= date(2024, 4, 9))
    hours = base["orders"].select(
        day("order_date").alias("day"), cairo("order_date").dt.hour().alias("hour")
    )
    for first, part in ((8, ~fasting), (10, fasting)):
        counts = np.bincount(hours.filter(part)["hour"].to_numpy(), minlength=24)
        assert not np.delete(counts, np.arange(first, first + 13)).any()
        expected = counts.sum() * weights / weights.sum()
        statistic = float(((counts[first : first + 13] - expected) ** 2 / expected).sum())
        assert statistic - 12 < 5 * np.sqrt(24)


def test_orders__enter_processing_at_the_next_quarter_of_an_hour(base: Made) -> None:
    steps = (
        base["orders"]
        .select("order_id", "order_date", "status_history")
        .explode("status_history", empty_as_null=True, keep_nulls=True)
        .unnest("status_history")
        .filter(pl.col("status") == "Processing")
    )
    assert steps.height > 20_000
    quarter_us = 15 * 60 * 10**6
    at, placed = (steps[name].dt.epoch("us") for name in ("at", "order_date"))
    assert (at % quarter_us == 0).all()
    assert ((at - placed > 0) & (at - placed <= quarter_us)).all()


def test_orders__are_cancelled_before_acceptance_in_the_base_world(base: Made) -> None:
    cancelled = base["orders"].filter(pl.col("status") == "Cancelled")
    assert (cancelled["status_history"].list.len() == 2).all()
    assert (cancelled["cancelled_at"] > cancelled["order_date"]).all()
    assert cancelled["cancellation_reason"].n_unique() == 5  # nothing is out of stock here
    assert "Out of stock" not in cancelled["cancellation_reason"].unique().to_list()


def test_orders__of_a_scenario_with_failures_end_so_after_two_or_three_attempts(
    dataset: Callable[..., Made],
) -> None:
    made = dataset("anomaly-heavy", {"anomalyConfig.rate": 0.0}, multiplier=3.0)
    failed = made["orders"].filter(pl.col("status") == "Delivery Failed")
    assert failed.height / made["orders"].height == pytest.approx(0.05, abs=0.01)
    attempts = made["shipments"].join(failed.select("order_id"), on="order_id")["attempt_count"]
    assert set(attempts.unique()) == {2, 3}
    assert (attempts == 3).mean() == pytest.approx(0.5, abs=0.1)


def test_order_items__are_one_to_seven_distinct_products_alike(base: Made) -> None:
    """Lines an order and pieces a line are uniform: chi-square within 5 deviations."""
    items = base["order_items"]
    lines = items.group_by("order_id").agg(pl.len(), pl.col("product_id").n_unique().alias("kinds"))
    assert (lines["len"] == lines["kinds"]).all()
    for values, low, high in ((lines["len"], 1, 7), (items["quantity"], 1, 19)):
        counts = np.bincount(values.to_numpy() - low)
        assert len(counts) == high - low + 1
        expected = len(values) / len(counts)
        statistic = float(((counts - expected) ** 2).sum() / expected)
        assert abs(statistic - (len(counts) - 1)) < 5 * np.sqrt(2 * len(counts))


def test_order_items__show_the_product(base: Made) -> None:
    product = base["products"].select("product_id", "name", "warehouse", price="unit_price")
    items = base["order_items"].join(product, on="product_id")
    assert items.height == base["order_items"].height
    assert (items["product_name"] == items["name"]).all()
    assert (items["unit_price"] == items["price"]).all()


@pytest.mark.parametrize("multiplier", [1.0, 6.0])
def test_order_items__the_top_fifth_of_the_products_get_80_percent(
    dataset: Callable[..., Made], multiplier: float
) -> None:
    """Within 3 points, with one warehouse of 200 products and with two of 600."""
    made = dataset(changes={"anomalyConfig.rate": 0.0}, multiplier=multiplier)
    assert made.plan.warehouses == (1 if multiplier == 1.0 else 2)
    top = made["products"].filter(pl.col("popularity_rank") <= made.plan.products // 5)
    items = made["order_items"].join(top.select("product_id"), on="product_id")
    assert items.height / made["order_items"].height == pytest.approx(0.8, abs=0.03)


def test_order_items__come_from_the_orders_warehouse_served_in_turn(
    dataset: Callable[..., Made],
) -> None:
    made = dataset(changes={"anomalyConfig.rate": 0.0}, multiplier=6.0)
    orders = made["orders"].select("order_id", served="warehouse")
    assert (orders["served"] == (orders["order_id"] - 1) % 2).all()
    stocked = made["products"].select("product_id", "warehouse", "popularity_rank")
    assert (stocked["warehouse"] == (stocked["popularity_rank"] - 1) % 2).all()
    items = made["order_items"].join(orders, on="order_id").join(stocked, on="product_id")
    assert (items["served"] == items["warehouse"]).all()


def test_order_items__discounts_have_their_chance_kind_and_range(base: Made) -> None:
    """P .1; percentage .4 of 5..14, fixed .6 of 10..99, at most half the line."""
    items = base["order_items"]
    found = items.drop_nulls("discount_type")
    assert abs(off_in_deviations(found.height, items.height, 0.1)) < 4.5
    part = found.filter(pl.col("discount_type") == "percentage")
    assert abs(off_in_deviations(part.height, found.height, 0.4)) < 4.5
    fixed = found.filter(pl.col("discount_type") == "fixed")
    for values, low, high in ((part["discount_value"], 5, 14), (fixed["discount_value"], 10, 99)):
        counts = np.bincount(values.cast(pl.Int64).to_numpy() - low)
        assert len(counts) == high - low + 1
        assert (
            max(abs(off_in_deviations(int(c), len(values), 1 / len(counts))) for c in counts) < 4.5
        )
    assert (items.filter(pl.col("discount_type").is_null())["discount_amount"] == 0).all()


def test_orders__discounts_have_their_chance_kind_and_range(base: Made) -> None:
    """P .2; half percentage of 5..19, half fixed of 50..499, at most half the net."""
    orders = base["orders"]
    found = orders.drop_nulls("discount_type")
    assert abs(off_in_deviations(found.height, orders.height, 0.2)) < 4.5
    part = found.filter(pl.col("discount_type") == "percentage")
    assert abs(off_in_deviations(part.height, found.height, 0.5)) < 4.5
    fixed = found.filter(pl.col("discount_type") == "fixed")["discount_value"]
    for values, low, high in ((part["discount_value"], 5, 19), (fixed, 50, 499)):
        numbers = values.cast(pl.Int64).to_numpy()
        assert (numbers.min(), numbers.max()) == (low, high)
        mean, spread = (low + high) / 2, (high - low + 1) / np.sqrt(12 * len(numbers))
        assert abs(numbers.mean() - mean) < 4.5 * spread


def test_order_items__money_is_what_decimal_arithmetic_gives(base: Made) -> None:
    """Half up to the piastre, line by line, by Python's Decimal."""
    discounted = base["order_items"].drop_nulls("discount_type").head(4000)
    plain = base["order_items"].filter(pl.col("discount_type").is_null()).head(4000)
    capped = 0
    for row in pl.concat([discounted, plain]).iter_rows(named=True):
        gross = row["quantity"] * row["unit_price"]
        off = Decimal(0)
        if row["discount_type"] == "percentage":
            off = half_up(gross * row["discount_value"] / 100)
        elif row["discount_type"] == "fixed":
            half = (gross / 2).quantize(Decimal("0.01"), rounding="ROUND_FLOOR")
            off = min(row["discount_value"], half)
            capped += off < row["discount_value"]
        assert row["discount_amount"] == off
        assert row["line_total"] == gross - off
        assert row["tax_amount"] == half_up(row["line_total"] * Decimal("0.14"))
        assert row["tax_rate"] == 14
    assert capped > 0  # a capped discount keeps its value and shows what was cut


def test_orders__money_is_what_decimal_arithmetic_gives(base: Made) -> None:
    orders = base["orders"].head(5000)
    lines = base["order_items"].join(orders.select("order_id"), on="order_id")
    sums = {
        row["order_id"]: row
        for row in lines.group_by("order_id")
        .agg(
            (pl.col("quantity") * cents("unit_price")).sum().alias("gross"),
            cents("discount_amount").sum().alias("off"),
            cents("tax_amount").sum().alias("tax"),
            pl.len(),
        )
        .iter_rows(named=True)
    }
    for row in orders.iter_rows(named=True):
        mine = sums[row["order_id"]]
        subtotal, off = Decimal(mine["gross"]) / 100, Decimal(mine["off"]) / 100
        net, cut = subtotal - off, Decimal(0)
        if row["discount_type"] == "percentage":
            cut = half_up(net * row["discount_value"] / 100)
        elif row["discount_type"] == "fixed":
            half = (net / 2).quantize(Decimal("0.01"), rounding="ROUND_FLOOR")
            cut = min(row["discount_value"], half)
        tax = Decimal(mine["tax"]) / 100 - half_up(cut * Decimal("0.14"))
        found = [row[name] for name in ("subtotal", "item_discount_total", "discount_amount",
                                        "tax_total", "grand_total", "item_count")]  # fmt: skip
        assert found == [subtotal, off, cut, tax, net - cut + tax, mine["len"]]


@pytest.mark.parametrize("kind", ["zipf", "normal", "uniform"])
def test_order_items__popularity_falls_with_the_rank_by_its_kind(
    dataset: Callable[..., Made], kind: str
) -> None:
    made = dataset(changes={"distributions.productPopularity": kind}, multiplier=2.0)
    lines = made["order_items"].group_by("product_id").len()
    sold = made["products"].join(lines, on="product_id", how="left").sort("popularity_rank")
    fifths = sold["len"].fill_null(0).to_numpy().reshape(5, -1).sum(axis=1)
    shares = fifths / fifths.sum()
    # normal: half a bell of deviation n / 3, so fifths of about .43, .32, .17, .06, .02
    x = np.linspace(0, 3, 3001)
    bell = np.exp(-x * x / 2)
    halves = [bell[n * 600 : (n + 1) * 600].sum() / bell[:3000].sum() for n in range(5)]
    wanted = {"normal": halves, "uniform": [0.2] * 5}
    if kind == "zipf":
        assert shares[0] == pytest.approx(0.8, abs=0.03)
        assert (np.diff(shares) < 0).all()
    else:
        assert shares == pytest.approx(wanted[kind], abs=0.02)


def test_orders__history_is_of_the_steps_an_order_takes(base: Made) -> None:
    seen = base["orders"].select(
        pl.col("status_history")
        .list.eval(pl.element().struct["status"].cast(pl.String))
        .list.join(">")
    )
    counts = dict(seen["status_history"].value_counts().iter_rows())
    assert set(counts) == {
        "Pending",
        "Pending>Cancelled",
        "Pending>Processing>Shipped",
        "Pending>Processing>Shipped>Delivered",
    }


def test_orders__no_two_choices_repeat_each_others_draws(base: Made) -> None:
    """What is drawn for an order by itself is uncorrelated: within 5 / sqrt(n).

    Over delivered orders of 15 days and more to pay, whose deliveries and payments had time.
    """
    items = base["order_items"].sort("order_item_id").group_by("order_id", maintain_order=True)
    lines = items.agg(
        pl.col("quantity").first(),
        pl.col("discount_type").first().is_null().alias("line_discount"),
        (pl.col("product_id").first() % 2).alias("product"),
    )
    first = pl.col("attempts").list.first().struct["attempted_at"]
    sent = base["shipments"].select(
        "order_id",
        "attempt_count",
        first=first.dt.convert_time_zone("Africa/Cairo").dt.date(),
        first_minute=first.dt.minute(),
        sent_minute=pl.col("dispatched_at").dt.minute(),
        driver=pl.col("driver_name").hash() % 2,
    )
    paid = (
        base["payments"]
        .group_by("order_id")
        .agg(
            pl.len().alias("parts"),
            (pl.col("method").last() == "Card").alias("card"),
            (pl.col("days_from_due").last() > 0).alias("late"),
            pl.col("payment_date").last().dt.minute().alias("paid_minute"),
            pl.col("recorded_by_user_id").last().is_null().alias("feed"),
        )
    )
    asked = base["refunds"].select("order_id", asked=pl.lit(1))
    orders = base["orders"].filter(
        (pl.col("status") == "Delivered")
        & (pl.col("payment_due_date") >= day("order_date") + pl.duration(days=15))
        & (pl.col("payment_due_date") < date(2024, 5, 10))
    )
    rows = (
        orders.join(lines, on="order_id")
        .join(sent, on="order_id")
        .join(paid, on="order_id")
        .join(asked, on="order_id", how="left")
    )
    drawn = rows.select(
        "item_count", "quantity", "line_discount", "product", "attempt_count", "first_minute",
        "sent_minute", "driver", "card", "late", "paid_minute", "parts",
        branch=pl.col("branch_id").is_null(),
        discount=pl.col("discount_type").is_null(),
        note=pl.col("delivery_notes").is_null(),
        slipped=pl.col("first") > pl.col("delivery_date"),
        minute=pl.col("order_date").dt.minute(),
        seller=pl.col("created_by_user_id") % 2,
    ).cast(pl.Float64)  # fmt: skip
    assert rows.height > 8000
    off = np.triu(np.abs(np.corrcoef(drawn.to_numpy().T)), 1)
    found = [
        (drawn.columns[one], drawn.columns[other], round(float(off[one, other]), 3))
        for one, other in np.argwhere(off > 5 / np.sqrt(rows.height))
    ]
    assert found == []


def test_orders__blocks_do_not_repeat_each_other(dataset: Callable[..., Made]) -> None:
    """Two segments' draws, order by order, agree no more often than by chance."""
    changes = {"entityRates.ordersPerDay": 1300, "entityRates.products": 800}
    made = dataset(changes=changes, start="2024-02-01", end="2024-03-31")
    assert len(made.plan.segments) == 2
    orders = made["orders"].sort("order_id")
    cut = made.plan.segments[1].first_order
    n = min(cut, orders.height - cut)
    for column, values in (("item_count", 7), ("company_id", 0), ("discount_type", 0)):
        one, other = orders[column][:n], orders[column][cut : cut + n]
        shares = orders[column].value_counts(normalize=True)["proportion"]
        chance = float((shares**2).sum()) if not values else 1 / values
        found = int(one.eq_missing(other).sum())
        assert abs(off_in_deviations(found, n, chance)) < 5


def test_orders__updated_at_is_the_last_thing_that_happened(base: Made) -> None:
    last = pl.col("status_history").list.last().struct["at"]
    latest = reduce(lambda a, b: pl.max_horizontal(a, b), [last, pl.col("paid_at")])
    assert base["orders"].filter(pl.col("updated_at") != latest).height == 0
    assert (base["orders"]["created_at"] == base["orders"]["order_date"]).all()
