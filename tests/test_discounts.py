"""Discounts: a row for each discounted order and line, with exactly its kind, value, amount."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from runs import SCENARIOS, Made

Quarter = Callable[[str], Made]
WHAT = ("discount_type", "discount_value", "discount_amount")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_discounts__are_those_of_the_orders(quarter: Quarter, scenario: str) -> None:
    made = quarter(scenario)
    orders = made["orders"].drop_nulls("discount_type").select("order_id", *WHAT)
    rows = made["discounts"].filter(pl.col("scope") == "order")
    found = rows.select("order_id", "type", "value", "amount").sort("order_id")
    assert found.rows() == orders.sort("order_id").rows()
    assert rows["order_item_id"].is_null().all()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_discounts__are_those_of_the_lines(quarter: Quarter, scenario: str) -> None:
    made = quarter(scenario)
    items = made["order_items"].drop_nulls("discount_type")
    items = items.select("order_item_id", "order_id", *WHAT).sort("order_item_id")
    rows = made["discounts"].filter(pl.col("scope") == "item").sort("order_item_id")
    found = rows.select("order_item_id", "order_id", "type", "value", "amount")
    assert found.rows() == items.rows()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_discounts__are_granted_with_the_order_by_its_seller(
    quarter: Quarter, scenario: str
) -> None:
    made = quarter(scenario)
    orders = made["orders"].select("order_id", "order_date", "created_by_user_id")
    rows = made["discounts"].join(orders, on="order_id")
    assert rows.height == made["discounts"].height
    assert (rows["applied_by_user_id"] == rows["created_by_user_id"]).all()
    assert (rows["applied_at"] == rows["order_date"]).all()


def test_discounts__have_ten_reasons_and_keys_of_their_own(base: Made) -> None:
    rows = base["discounts"]
    assert rows["reason"].n_unique() == 10
    assert rows["discount_id"].n_unique() == rows.height
    assert (rows["reason"].value_counts()["count"] > 0.03 * rows.height).all()


def test_discounts__an_orders_values_are_percents_and_pounds(base: Made) -> None:
    ranges = (
        base["discounts"]
        .group_by("scope", "type")
        .agg(pl.col("value").min().alias("low"), pl.col("value").max().alias("high"))
        .with_columns(pl.col("scope", "type").cast(pl.String), pl.col("low", "high").cast(pl.Int64))
    )
    assert set(ranges.rows()) == {
        ("order", "percentage", 5, 19),
        ("order", "fixed", 50, 499),
        ("item", "percentage", 5, 14),
        ("item", "fixed", 10, 99),
    }


def test_discounts__never_take_more_than_half_when_fixed(base: Made) -> None:
    fixed = base["discounts"].filter(pl.col("type") == "fixed")
    orders = base["orders"].select(
        "order_id", net=pl.col("subtotal") - pl.col("item_discount_total")
    )
    of_order = fixed.filter(pl.col("scope") == "order").join(orders, on="order_id")
    assert (of_order["amount"] * 2 <= of_order["net"]).all()
    gross = pl.col("quantity") * pl.col("unit_price")
    items = base["order_items"].select("order_item_id", gross=gross)
    of_item = fixed.filter(pl.col("scope") == "item").join(items, on="order_item_id")
    assert (of_item["amount"] * 2 <= of_item["gross"]).all()
    assert (fixed["amount"] <= fixed["value"]).all()
    assert (fixed["amount"] < fixed["value"]).any()
