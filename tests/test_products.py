"""Products: prices in their ranges, families of variants, and stock that covers the demand."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pytest
from master_rows import assert_same_for_any_split, frame_of, plan_of, rows_of, usual_plan

from polargen import pools
from polargen.draw import largest_remainder
from polargen.generators.catalogue import CATALOGUE
from polargen.generators.products import product_names
from polargen.generators.totals import Totals
from polargen.generators.world import build_world
from polargen.generators.world_products import variants_of
from polargen.schema.masters import CATEGORIES

# Source: DOMAIN, products, EGP
RANGES = {
    "Coffee Beans": (150, 800),
    "Ground Coffee": (120, 600),
    "Espresso": (200, 900),
    "Cold Brew": (80, 250),
    "Tea": (50, 300),
    "Syrups": (100, 350),
    "Milk & Alternatives": (30, 120),
    "Equipment": (500, 15000),
    "Accessories": (50, 800),
    "Consumables": (30, 200),
}


def _many(**profile: Any) -> pl.DataFrame:
    return rows_of(plan_of(entityRates={"products": 20_000, "users": 4}, **profile), "products")


def test_prices__lie_in_the_range_of_their_category() -> None:
    made = _many()
    for category, (low, high) in RANGES.items():
        prices = made.filter(pl.col("category") == category)["unit_price"].cast(pl.Float64)
        assert prices.min() >= low  # type: ignore[operator]
        assert prices.max() <= high  # type: ignore[operator]
        quarter = (high - low) / 4
        assert prices.quantile(0.25) < low + 1.5 * quarter  # type: ignore[operator]
        assert prices.quantile(0.75) > low + 2.2 * quarter  # type: ignore[operator]
    assert [(c.name, (c.low, c.high)) for c in CATALOGUE] == list(RANGES.items())


def test_prices__of_parents_are_uniform() -> None:
    plan = plan_of(entityRates={"products": 50_000, "users": 4})
    made = build_world(plan).products
    for code, (low, high) in enumerate(RANGES.values()):
        prices = made.price_cents[(made.category == code) & (made.parent < 0)] / 100
        middle, spread = (low + high) / 2, (high - low) / np.sqrt(12)
        assert prices.mean() == pytest.approx(middle, abs=4.5 * spread / np.sqrt(len(prices)))


def test_prices__are_in_whole_5_or_half_pounds() -> None:
    made = frame_of(usual_plan(), "products")
    steps = np.array([category.step_cents for category in CATALOGUE])
    assert set(steps.tolist()) == {50, 500}
    assert (made.array("unit_price") % steps[made.array("category")] == 0).all()
    cost, price = made.array("unit_cost"), made.array("unit_price")
    assert (cost >= price * 0.55 - 1).all()
    assert (cost <= price * 0.80 + 1).all()


@pytest.mark.parametrize("category", [c for c in CATALOGUE if c.sizes], ids=lambda c: c.name)
def test_variants__two_fit_at_every_price(category: Any) -> None:
    step = category.step_cents
    price = np.arange(category.low * 100, category.high * 100 + 1, step)
    size = (np.arange(len(price)) * len(category.sizes) // len(price)).astype(np.int8)
    for start in range(len(category.sizes) + len(category.options)):
        word = np.full(len(price), start, dtype=np.uint64)
        first, cost = variants_of(category, price, size, np.zeros(len(price), np.int8), word)
        second, other = variants_of(category, price, size, np.ones(len(price), np.int8), word)
        assert (first != second).all()
        assert (first != size).all()
        assert (second != size).all()
        for amount in (cost, other):
            assert amount.min() >= category.low * 100
            assert amount.max() <= category.high * 100
            assert (amount % step == 0).all()


def test_variants__are_two_fifths_and_have_a_parent() -> None:
    made = _many()
    variants = made.filter(pl.col("is_variant"))
    assert len(variants) == 8000
    for column in ("parent_product_id", "variant_name"):
        assert made.select((pl.col(column).is_not_null() == pl.col("is_variant")).all()).item()
    family = variants.join(made, left_on="parent_product_id", right_on="product_id", suffix="_of")
    assert len(family) == len(variants)
    assert not family["is_variant_of"].any()
    for column in ("category", "manufacturer"):
        assert (family[column] == family[column + "_of"]).all()
    assert (family["created_at"] > family["created_at_of"]).all()
    assert not (variants["category"] == "Equipment").any()
    twins = variants.group_by("parent_product_id", "variant_name").len()
    assert twins["len"].max() == 1


def test_variants__sizes_scale_the_price_and_roasts_do_not() -> None:
    made = _many()
    variants = made.filter(pl.col("is_variant"))
    family = variants.join(made, left_on="parent_product_id", right_on="product_id", suffix="_of")
    same = family.filter(pl.col("variant_name").str.contains("Roast|Grind"))
    assert len(same) > 1000
    assert (same["unit_price"] == same["unit_price_of"]).all()
    smaller = family.filter(
        pl.col("variant_name").is_in(["250 g", "20 Bags", "200 ml", "Small", "x25"])
        & ~pl.col("name_of").str.contains("250 g|20 Bags|200 ml|Small|x25")
    )
    assert len(smaller) > 1000
    assert (smaller["unit_price"] < smaller["unit_price_of"]).all()


def test_variants__fit_into_a_list_of_machines_only() -> None:
    made = rows_of(plan_of(overrides={"productCategories": ["Equipment"]}), "products")
    assert not made["is_variant"].any()
    assert set(made["category"]) == {"Equipment"}
    mixed = {"Equipment": 0.9, "Tea": 0.1}
    made = rows_of(plan_of(overrides={"productCategories": mixed}), "products")
    assert 0 < made["is_variant"].sum() <= 0.1 * len(made) * 2 / 3


def test_categories__follow_the_override() -> None:
    shares = {"Tea": 0.5, "Syrups": 0.3, "Equipment": 0.2}
    made = rows_of(plan_of(overrides={"productCategories": shares}), "products")
    counts = {row[0]: row[1] for row in made.group_by("category").len().iter_rows()}
    assert counts == {"Tea": 100, "Syrups": 60, "Equipment": 40}
    usual = build_world(plan_of(entityRates={"products": 203})).products.category
    expected = largest_remainder(np.ones(len(CATEGORIES)), 203)
    assert np.bincount(usual).tolist() == expected.tolist()


def test_machines__are_ordered_seldom() -> None:
    made = _many()
    machines = made.filter(pl.col("category") == "Equipment")["popularity_rank"]
    assert machines.mean() > 0.75 * len(made)  # type: ignore[operator]


def test_products__are_unique_at_a_million() -> None:
    plan = plan_of(multiplier=20, entityRates={"products": 50_000, "users": 1, "companies": 10})
    names = product_names(plan, build_world(plan).products, np.arange(plan.products))
    assert len(names) == 1_000_000
    assert pc.count_distinct(names).as_py() == len(names)
    parts = [rows_of(plan, "products", i, i + 65_536) for i in (0, 65_536, 500_000)]
    skus = pl.concat(parts)["sku"].to_list()
    assert len(set(skus)) == len(skus)


def test_names__say_what_the_product_is() -> None:
    made = rows_of(usual_plan(), "products")
    assert made["name"].n_unique() == len(made)
    for category, word in (
        ("Coffee Beans", r" Beans (250 g|500 g|1 kg)(, \w+ Roast)?$"),
        ("Ground Coffee", r" Ground Coffee (250 g|500 g|1 kg)(, [\w ]+ Grind)?$"),
        ("Espresso", r" Espresso (250 g|500 g|1 kg)(, \w+ Roast)?$"),
        ("Cold Brew", r"Cold Brew (250 ml|330 ml|500 ml|1 L)$"),
        ("Tea", r" Tea.* \d+ Bags$"),
        ("Syrups", r" Syrup (250 ml|500 ml|700 ml|1 L)$"),
        ("Milk & Alternatives", r"(Milk|Cream|Drink).* (200 ml|500 ml|1 L|1\.5 L)$"),
        ("Equipment", r" \d{3}$"),
        ("Accessories", r", (Small|Medium|Large)$"),
        ("Consumables", r" \(x(25|50|100|200)\)$"),
    ):
        names = made.filter(pl.col("category") == category)["name"]
        assert len(names) == 40
        assert names.str.contains(word).all(), category
    named = made.filter(pl.col("is_variant"))
    shown = pl.col("name").str.contains(pl.col("variant_name"), literal=True)
    assert named.select(shown.all()).item()


def test_machines__names_go_with_their_price() -> None:
    made = _many().filter(pl.col("category") == "Equipment")
    cheap, _, dear = (tuple(kinds) for kinds in pools.packaged()["machines"])
    for name, price in made.select("name", "unit_price").iter_rows():
        assert not (price > 2500 and name.startswith(cheap))
        assert not (price < 7000 and name.startswith(dear))


def test_popularity__is_a_permutation_over_the_warehouses() -> None:
    plan = plan_of(entityRates={"products": 1030, "ordersPerDay": 1500})
    assert plan.warehouses == 10
    made = build_world(plan).products
    assert sorted(made.rank.tolist()) == list(range(1, plan.products + 1))
    assert np.array_equal(made.warehouse, (made.rank - 1) % plan.warehouses)
    for warehouse in range(plan.warehouses):
        there = made.of_warehouse(warehouse)
        assert (made.warehouse[there] == warehouse).all()
        assert (np.diff(made.rank[there]) == plan.warehouses).all()
    hot = np.flatnonzero(made.rank <= 50)
    assert hot.mean() == pytest.approx(plan.products / 2, abs=plan.products / 6)


@pytest.mark.parametrize("kind", ["zipf", "normal", "uniform"])
def test_stock__covers_ten_days_of_demand(kind: str) -> None:
    plan = plan_of(
        entityRates={"products": 400, "ordersPerDay": 300},
        distributions={"productPopularity": kind},
    )
    made = build_world(plan).products
    assert made.reorder_point.min() >= 38
    assert (made.reorder_quantity >= made.reorder_point).all()
    by_rank = made.reorder_point[made.by_rank].astype(float)
    if kind == "uniform":
        assert by_rank.sum() >= 10 * 40 * 300 * 0.95
    else:
        assert by_rank[:20].mean() > 2 * by_rank[-200:].mean()
    assert by_rank.max() <= 14 * 10 * 300 / plan.warehouses + 10


def test_stock__holds_the_largest_line_of_an_order_value_range() -> None:
    plan = plan_of(overrides={"orderValueRange": {"min": 1000, "max": 2_000_000}})
    made = build_world(plan).products
    largest = np.maximum(19, 200_000_000 // made.price_cents)
    assert (made.reorder_point >= largest + 19).all()
    assert (made.reorder_quantity >= largest).all()


def test_stock__opens_at_point_plus_quantity_and_closes_as_the_facts_say() -> None:
    plan = usual_plan()
    totals = Totals.zero(plan.companies, plan.products)
    totals.closing_stock[:3] = 0, 17, -1
    totals.total_sold[:3] = 5, 5_000_000_000, 0
    made = rows_of(plan, "products", totals=totals)
    opening = made["reorder_point"] + made["reorder_quantity"]
    assert (made["opening_stock"] == opening).all()
    assert made["stock"][:3].to_list() == [0, 17, opening[2]]
    assert made["total_sold"][:3].to_list() == [5, 5_000_000_000, 0]
    assert made["is_active"][:2].all()


def test_products__at_least_ten_and_older_than_the_window() -> None:
    for start in ("1990-05-01", "2024-01-01"):
        plan = plan_of(start, start, entityRates={"products": 1})
        made = rows_of(plan, "products")
        assert len(made) == 10
        before = pl.lit(plan.start_us).cast(pl.Datetime("us", "UTC"))
        assert made.select((pl.col("updated_at") < before).all()).item()
        assert made.select((pl.col("created_at") <= pl.col("updated_at")).all()).item()


def test_products__same_rows_for_any_split() -> None:
    assert_same_for_any_split(usual_plan(), "products")


def test_products__sku_begins_with_the_category() -> None:
    made = rows_of(usual_plan(), "products")
    codes = {category.name: category.code for category in CATALOGUE}
    for sku, category in made.select("sku", "category").iter_rows():
        assert sku.startswith(codes[category] + "-")
    assert made["sku"].n_unique() == len(made)
