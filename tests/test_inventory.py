"""Inventory: every movement has its cause, every level follows from the last one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import numpy as np
import polars as pl
import pytest
from runs import QUARTER, SCENARIOS, Made, cairo, day

from polargen import calendar

Factory = Callable[..., Made]
Quarter = Callable[[str], Made]


def main(made: Made) -> pl.DataFrame:
    """Return the movements of the location main, in order."""
    return (
        made["inventory_movements"]
        .filter(pl.col("location") == "main")
        .sort("product_id", "created_at", "movement_id")
    )


def off_in_deviations(found: int, of: float, share: float) -> float:
    return (found - of * share) / float(np.sqrt(of * share * (1 - share)))


@pytest.fixture(scope="module")
def long(dataset: Factory) -> Made:
    """Several segments: 72,000 orders of three months in two warehouses."""
    made = dataset("anomaly-heavy", multiplier=6.0, start="2024-01-01", end="2024-09-30")
    assert len(made.plan.segments) == 9
    assert made.plan.warehouses == 2
    return made


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_movements__chain_from_the_opening_to_the_closing_stock(
    quarter: Quarter, scenario: str
) -> None:
    made = quarter(scenario)
    rows = main(made)
    assert (rows["previous_stock"] + rows["quantity"] == rows["new_stock"]).all()
    chain = rows.with_columns(last=pl.col("new_stock").shift(1).over("product_id"))
    opening = made["products"].select("product_id", "opening_stock", "stock")
    chain = chain.join(opening, on="product_id", maintain_order="left")
    before = pl.coalesce("last", "opening_stock")
    assert chain.filter(pl.col("previous_stock") != before).height == 0
    end = rows.group_by("product_id").agg(pl.col("new_stock").last())
    closing = opening.join(end, on="product_id", how="left")
    wanted = pl.coalesce("new_stock", "opening_stock")
    assert closing.filter(pl.col("stock") != wanted).height == 0
    assert rows["new_stock"].min() >= 0
    assert rows.group_by("product_id").agg(pl.col("movement_id").is_sorted())["movement_id"].all()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_movements__products_open_with_reorder_point_and_quantity(
    quarter: Quarter, scenario: str
) -> None:
    products = quarter(scenario)["products"]
    assert (
        products["opening_stock"] == products["reorder_point"] + products["reorder_quantity"]
    ).all()
    assert products["reorder_point"].min() >= 38


def test_movements__a_restock_comes_exactly_when_stock_is_down(base: Made) -> None:
    """By hand, movement after movement: at or below s, as many Q as it takes to stand above s."""
    policy = {
        row["product_id"]: (row["reorder_point"], row["reorder_quantity"])
        for row in base["products"].iter_rows(named=True)
    }
    stock: dict[int, int] = {}
    due: tuple[int, datetime, int] | None = None
    for row in main(base).head(60_000).iter_rows(named=True):
        product, kind = row["product_id"], str(row["movement_type"])
        s, q = policy[product]
        before = stock.get(product, s + q)
        assert row["previous_stock"] == before
        if due is not None:
            assert (product, row["created_at"], kind) == (due[0], due[1], "RESTOCK")
            assert row["quantity"] == due[2]
            assert row["notes"] == "reorder point reached"
        else:
            assert kind != "RESTOCK"
        stock[product] = row["new_stock"]
        missing = 0
        while row["new_stock"] + missing <= s:
            missing += q
        due = (product, row["created_at"], missing) if missing else None


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_movements__each_line_of_a_committed_order_is_fulfilled_once(
    quarter: Quarter, scenario: str
) -> None:
    made = quarter(scenario)
    sold = made["inventory_movements"].filter(pl.col("movement_type") == "ORDER_FULFILLMENT")
    assert sold["order_item_id"].n_unique() == sold.height
    lines = made["order_items"].select(
        "order_item_id", line_order="order_id", line_product="product_id", pieces="quantity"
    )
    both = sold.join(lines, on="order_item_id")
    assert both.height == sold.height
    assert (both["line_order"] == both["order_id"]).all()
    assert (both["line_product"] == both["product_id"]).all()
    assert (both["pieces"] == -both["quantity"]).all()
    labelled = made["anomaly_labels"].filter(
        pl.col("anomaly_type").cast(pl.String).is_in(["stock_shortage", "order_cancellation"])
    )
    plain = (
        made["order_items"]
        .join(made["orders"].select("order_id", "status"), on="order_id")
        .join(labelled.select(order_id="entity_id"), on="order_id", how="anti")
        .filter(~pl.col("status").cast(pl.String).is_in(["Pending", "Cancelled"]))
    )
    free = sold.join(labelled.select(order_id="entity_id"), on="order_id", how="anti")
    assert set(free["order_item_id"]) == set(plain["order_item_id"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_movements__what_a_product_sold_is_what_it_fulfilled(
    quarter: Quarter, scenario: str
) -> None:
    made = quarter(scenario)
    sold = (
        made["inventory_movements"]
        .filter(pl.col("movement_type") == "ORDER_FULFILLMENT")
        .group_by("product_id")
        .agg(-pl.col("quantity").cast(pl.Int64).sum())
    )
    both = made["products"].join(sold, on="product_id", how="left")
    assert (both["total_sold"] == both["quantity"].fill_null(0)).all()


def test_movements__fulfilments_come_at_acceptance(base: Made) -> None:
    accepted = base["orders"].select(
        "order_id", at=pl.col("status_history").list.get(1, null_on_oob=True).struct["at"]
    )
    sold = base["inventory_movements"].filter(pl.col("movement_type") == "ORDER_FULFILLMENT")
    both = sold.join(accepted, on="order_id")
    assert (both["created_at"] == both["at"]).all()


def test_movements__are_counted_on_the_months_last_working_day(dataset: Factory) -> None:
    """P anomalyRate / 2 a product and month, UI{1..19} pieces up or down, 16-17 h."""
    made = dataset(changes={"anomalyRate": 0.4, "anomalyConfig.types": []}, end="2024-06-30",
                   multiplier=3.0)  # fmt: skip
    counts = made["inventory_movements"].filter(pl.col("notes") == "stock count")
    days = np.arange(19_700, 19_950)
    working = days[calendar.is_working(days)]
    month = working.astype("datetime64[D]").astype("datetime64[M]")
    last = working[np.flatnonzero(month[1:] != month[:-1])].astype("datetime64[D]")
    found = set(counts.select(day("created_at")).to_series())
    assert found == {d for d in last.tolist() if date(2024, 1, 1) <= d <= date(2024, 6, 30)}
    assert counts.unique(["product_id", pl.col("created_at").dt.month()]).height == counts.height
    assert abs(off_in_deviations(counts.height, made.plan.products * 6, 0.2)) < 4.5
    pieces = counts["quantity"].to_numpy()
    assert set(np.abs(pieces)) == set(range(1, 20))
    assert abs(off_in_deviations(int((pieces > 0).sum()), len(pieces), 0.5)) < 4.5
    assert counts.select(cairo("created_at").dt.hour()).to_series().unique().to_list() == [16]
    assert (counts["movement_type"] == "ADJUSTMENT").all()


def test_movements__without_anomalies_nothing_is_counted(dataset: Factory) -> None:
    made = dataset(changes={"anomalyRate": 0.0}, multiplier=3.0)
    kinds = set(made["inventory_movements"]["movement_type"].cast(pl.String).unique())
    assert kinds == {"ORDER_FULFILLMENT", "RESTOCK", "RETURN", "ADJUSTMENT"}
    adjusted = made["inventory_movements"].filter(pl.col("movement_type") == "ADJUSTMENT")
    assert (adjusted["location"] == "returns").all()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_movements__what_comes_back_leaves_at_once(quarter: Quarter, scenario: str) -> None:
    made = quarter(scenario)
    rows = made["inventory_movements"].filter(pl.col("location") == "returns").sort("movement_id")
    back, out = rows[::2], rows[1::2]
    assert (back["movement_type"] == "RETURN").all()
    assert (out["movement_type"] == "ADJUSTMENT").all()
    assert (back["movement_id"] + 1 == out["movement_id"]).all()
    for column in ("product_id", "created_at", "order_id", "order_item_id"):
        assert (back[column] == out[column]).all()
    assert (back["previous_stock"] == 0).all()
    assert (out["new_stock"] == 0).all()
    assert (back["quantity"] == -out["quantity"]).all()
    assert (out["notes"] == "inspected, credited by the supplier").all()


@pytest.mark.parametrize("scenario", ["normal-ops", "anomaly-heavy"])
def test_movements__completed_refunds_and_lost_orders_come_back(
    quarter: Quarter, scenario: str
) -> None:
    made = quarter(scenario)
    back = made["inventory_movements"].filter(pl.col("movement_type") == "RETURN")
    refunded = (
        made["refunds"]
        .filter(pl.col("status") == "completed")
        .select("refund_id", "processed_at", "returned_items")
        .explode("returned_items", empty_as_null=False)
        .unnest("returned_items")
    )
    of_refunds = back.drop_nulls("refund_id").select(
        "refund_id", "order_item_id", "quantity", "created_at"
    )
    wanted = refunded.select("refund_id", "order_item_id", "quantity", created_at="processed_at")
    assert set(of_refunds.rows()) == set(wanted.rows())
    taken = made["inventory_movements"].filter(pl.col("movement_type") == "ORDER_FULFILLMENT")
    lost = made["orders"].filter(
        pl.col("status").cast(pl.String).is_in(["Cancelled", "Delivery Failed"])
    )
    ended = pl.col("status_history").list.last().struct["at"]
    goods = taken.join(lost.select("order_id", ended=ended), on="order_id")
    others = back.filter(pl.col("refund_id").is_null()).join(
        lost.select("order_id", ended=ended), on="order_id"
    )
    assert others.height == back["refund_id"].is_null().sum()
    assert set(others["order_item_id"]) <= set(goods["order_item_id"])
    # The next working day, if it is not after T: what ended earlier is all back.
    early = goods.filter(day("ended") < date(2024, 4, 20))
    assert set(early["order_item_id"]) <= set(others["order_item_id"])
    came = others.select(day("created_at").alias("came"), day("ended").alias("ended"))
    came_day, end_day = (came[name].to_physical().to_numpy() for name in ("came", "ended"))
    days = np.arange(19_700, 19_950)
    working = days[calendar.is_working(days)]
    assert np.array_equal(came_day, working[np.searchsorted(working, end_day, side="right")])


def test_movements__a_segments_end_brings_every_touched_product_back(long: Made) -> None:
    rows = main(long).with_columns(month=day("created_at").dt.month())
    opening = long["products"].select("product_id", "opening_stock")
    level = rows.group_by("product_id", "month").agg(pl.col("new_stock").last())
    closed = level.filter(pl.col("month") < 9).join(opening, on="product_id")
    assert closed.height > 5000
    assert (closed["new_stock"] == closed["opening_stock"]).all()
    last = level.filter(pl.col("month") == 9).join(opening, on="product_id")
    assert (last["new_stock"] != last["opening_stock"]).any()
    closing = rows.filter(pl.col("notes") == "period closing")
    assert (closing.select(cairo("created_at").dt.hour()).to_series() == 23).all()
    up = closing["quantity"] > 0
    assert (closing.filter(up)["movement_type"] == "RESTOCK").all()
    assert (closing.filter(~up)["movement_type"] == "ADJUSTMENT").all()
    assert closing.height < 0.06 * rows.height


def shortages(made: Made) -> pl.DataFrame:
    """Return product, start and end of each shortage."""
    rows = main(made).filter(
        pl.col("notes").is_in(["batch recalled", "stock renewed after recall"])
    )
    start, end = rows[::2], rows[1::2]
    assert (start["product_id"] == end["product_id"]).all()
    assert (start["notes"] == "batch recalled").all()
    assert (end["notes"] == "stock renewed after recall").all()
    return start.select(
        "product_id", "new_stock", "movement_type", start="created_at"
    ).with_columns(end=end["created_at"], delivered=end["quantity"], restock=end["movement_type"])


@pytest.mark.parametrize("scenario", ["anomaly-heavy", "warehouse-outage"])
def test_shortages__write_the_stock_off_and_renew_it(quarter: Quarter, scenario: str) -> None:
    made = quarter(scenario)
    found = shortages(made).join(
        made["products"].select("product_id", "opening_stock"), on="product_id"
    )
    assert found.height > 10
    assert (found["new_stock"] == 0).all()
    assert (found["movement_type"] == "ADJUSTMENT").all()
    assert (found["restock"] == "RESTOCK").all()
    assert (found["delivered"] == found["opening_stock"]).all()
    hours = found.select(cairo("start").dt.hour().alias("s"), cairo("end").dt.hour().alias("e"))
    assert set(hours["s"]) == set(hours["e"]) == {6}


@pytest.mark.parametrize("scenario", ["anomaly-heavy", "warehouse-outage"])
def test_shortages__let_nothing_move_between_start_and_end(quarter: Quarter, scenario: str) -> None:
    made = quarter(scenario)
    found = shortages(made).select("product_id", "start", "end")
    moved = (
        main(made)
        .filter(~pl.col("notes").is_in(["batch recalled", "stock renewed after recall"])
                | pl.col("notes").is_null())
        .join(found, on="product_id")
        .filter((pl.col("created_at") > pl.col("start")) & (pl.col("created_at") < pl.col("end")))
    )  # fmt: skip
    assert moved.height == 0


def test_shortages__of_a_burst_are_one_warehouses_products(dataset: Factory) -> None:
    made = dataset("warehouse-outage", multiplier=11.0, **QUARTER)
    assert made.plan.warehouses == 3
    stocked = made["products"].select("product_id", "warehouse")
    found = shortages(made).join(stocked, on="product_id")
    by_window = found.group_by("start").agg(pl.col("warehouse").n_unique())
    assert by_window.height >= 1
    assert (by_window["warehouse"] == 1).all()


def test_movements__rise_in_time_within_a_products_keys(long: Made) -> None:
    rows = main(long).sort("movement_id")
    step = rows.group_by("product_id", maintain_order=True).agg(pl.col("created_at").is_sorted())
    assert step["created_at"].all()
    keys = long["inventory_movements"]["movement_id"]
    assert keys.n_unique() == len(keys)
