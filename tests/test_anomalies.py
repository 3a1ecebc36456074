"""Anomalies: exactly the labelled rows differ from the base world, as often as the rate says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from runs import ENOUGH, QUARTER, SCENARIOS, Made, cairo, day

from polargen import calendar
from polargen.schema import ENTITIES, TABLES

Factory = Callable[..., Made]
LAST = date(2024, 4, 30)
CAN_CHANGE = (
    "status",
    "payment_status",
    "paid_at",
    "days_overdue",
    "cancellation_reason",
    "cancelled_at",
    "updated_at",
)
FOLLOWS = ("status_history",)
OF_ORDERS = ("payment_delay", "delivery_delay", "order_cancellation", "stock_shortage")


@pytest.fixture(scope="module")
def both(dataset: Factory) -> Callable[[str], tuple[Made, Made]]:
    """Return a scenario's data set and its base world: the same with a rate of 0."""

    def make(scenario: str) -> tuple[Made, Made]:
        asked = {"multiplier": ENOUGH[scenario], **QUARTER}
        calm = dataset(scenario, {"anomalyConfig.rate": 0.0}, **asked)
        return dataset(scenario, **asked), calm

    return make


def text(frame: pl.DataFrame, column: str) -> pl.Expr:
    """Return a column as labels write it."""
    dtype = frame.schema[column]
    if dtype == pl.Datetime("us", "UTC"):
        return pl.col(column).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return pl.col(column).cast(pl.String)


def labels_of(made: Made, *types: str) -> pl.DataFrame:
    """Return labels with plain text in place of enumerations."""
    rows = made["anomaly_labels"].with_columns(pl.col("anomaly_type", "entity").cast(pl.String))
    return rows.filter(pl.col("anomaly_type").is_in(types)) if types else rows


def befallen(made: Made) -> pl.DataFrame:
    """Return the orders that carry a label, on any row of theirs, with its type."""
    rows = labels_of(made, *OF_ORDERS)
    assert set(rows["entity"].unique()) <= {"orders", "shipments"}
    return rows.select(order_id="entity_id", kind="anomaly_type").unique()


def others(frame: pl.DataFrame, made: Made) -> pl.DataFrame:
    """Return the rows of orders without a label."""
    return frame.join(befallen(made), on="order_id", how="anti")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_worlds__agree_in_all_that_no_anomaly_touches(
    both: Callable[[str], tuple[Made, Made]], scenario: str
) -> None:
    made, calm = both(scenario)
    free = [name for name in made["orders"].columns if name not in (*CAN_CHANGE, *FOLLOWS)]
    assert_frame_equal(made["orders"].select(free), calm["orders"].select(free))
    assert_frame_equal(made["order_items"], calm["order_items"])
    assert_frame_equal(made["discounts"], calm["discounts"])
    assert_frame_equal(made["users"], calm["users"])
    assert_frame_equal(made["branches"], calm["branches"])
    sums = ("payment_score", "payment_status", "total_unpaid_orders", "total_outstanding_amount",
            "pending_bulk_payment_amount", "last_12_months_revenue", "is_suspended",
            "suspension_reason", "suspended_at", "updated_at")  # fmt: skip
    assert_frame_equal(made["companies"].drop(sums), calm["companies"].drop(sums))
    stock = ("stock", "total_sold", "is_active")  # what never sells may be off the list
    assert_frame_equal(made["products"].drop(stock), calm["products"].drop(stock))


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("table", ["orders", "shipments", "payments", "refunds"])
def test_worlds__agree_on_orders_without_a_label(
    both: Callable[[str], tuple[Made, Made]], scenario: str, table: str
) -> None:
    made, calm = both(scenario)
    mine, theirs = others(made[table], made), others(calm[table], made)
    assert mine.height > 0
    assert_frame_equal(mine, theirs)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_worlds__agree_on_what_orders_without_a_label_took_from_stock(
    both: Callable[[str], tuple[Made, Made]], scenario: str
) -> None:
    made, calm = both(scenario)
    shown = ("order_item_id", "product_id", "movement_type", "quantity", "created_at", "refund_id")
    mine, theirs = (
        others(world["inventory_movements"].drop_nulls("order_id"), made)
        .select(shown)
        .sort((*shown[:4], "created_at"))
        for world in (made, calm)
    )
    assert_frame_equal(mine, theirs)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_worlds__agree_on_visits_without_a_failure(
    both: Callable[[str], tuple[Made, Made]], scenario: str
) -> None:
    made, calm = both(scenario)
    labelled = labels_of(made, "maintenance_failure").filter(
        pl.col("entity") == "maintenance_visits"
    )
    key = pl.coalesce("root_visit_id", "visit_id").alias("chain")
    visits = [world["maintenance_visits"].with_columns(key) for world in (made, calm)]
    failed = visits[0].join(labelled.select(visit_id="entity_id"), on="visit_id").select("chain")
    mine, theirs = (v.join(failed.unique(), on="chain", how="anti") for v in visits)
    assert_frame_equal(mine, theirs)
    assert (failed.height > 0) == (scenario == "anomaly-heavy")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_labels__are_exactly_the_fields_that_differ_and_restore_the_base_world(
    both: Callable[[str], tuple[Made, Made]], scenario: str
) -> None:
    made, calm = both(scenario)
    labels = labels_of(made, *OF_ORDERS)
    for table, column in [("orders", name) for name in CAN_CHANGE] + [
        ("shipments", "scheduled_delivery_date")
    ]:
        now, was = (
            world[table].select("order_id", text(world[table], column).alias(name))
            for world, name in ((made, "now"), (calm, "was"))
        )
        pair = now.join(was, on="order_id", how="inner")
        differ = pair.filter(pl.col("now").ne_missing(pl.col("was"))).sort("order_id")
        mine = labels.filter((pl.col("entity") == table) & (pl.col("field") == column))
        mine = mine.sort("entity_id").select(
            order_id="entity_id", now="injected_value", was="original_value"
        )
        if table == "shipments":  # a shipment that is gone has no date to show
            mine = mine.join(pair.select("order_id"), on="order_id", how="semi")
        assert_frame_equal(mine, differ, check_dtypes=False)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_labels__are_one_a_row_and_field_inside_the_window(
    both: Callable[[str], tuple[Made, Made]], scenario: str
) -> None:
    made, calm = both(scenario)
    rows = made["anomaly_labels"]
    assert rows.unique(["entity", "entity_id", "field"]).height == rows.height
    assert rows.filter(pl.col("field").is_not_null()).filter(
        pl.col("original_value").eq_missing(pl.col("injected_value"))
    ).height == 0  # fmt: skip
    days = rows.select(day("event_at")).to_series()
    assert date(2024, 2, 1) <= days.min() <= days.max() <= LAST
    kinds = befallen(made).group_by("order_id").len()
    assert (kinds["len"] == 1).all()
    assert calm["anomaly_labels"].height == 0
    assert not any(count.labelled for count in calm.result.manifest.labels.values())


def eligible(calm: Made, types: tuple[str, ...]) -> dict[str, set[int]]:
    """Return the orders of the base world that each type can befall, by DOMAIN's words."""
    orders = calm["orders"].with_columns(pl.col("status").cast(pl.String))
    sent = calm["shipments"].drop_nulls("dispatched_at")
    delivered = pl.col("status") == "Delivered"
    can = {
        "payment_delay": orders.filter(delivered & (pl.col("payment_due_date") < LAST)),
        "delivery_delay": sent,
        "order_cancellation": orders.filter(
            ~pl.col("status").is_in(["Cancelled", "Delivery Failed"])
        ),
    }
    return {name: set(can[name]["order_id"]) for name in types}


@pytest.mark.parametrize("rate", [0.05, 0.25, 0.6])
@pytest.mark.parametrize(
    "types",
    [
        ("payment_delay",),
        ("delivery_delay",),
        ("order_cancellation",),
        ("payment_delay", "delivery_delay", "order_cancellation"),
    ],
    ids=lambda types: "+".join(types),
)
def test_rate__is_the_share_of_eligible_orders_and_types_are_alike(
    dataset: Factory, types: tuple[str, ...], rate: float
) -> None:
    """Within a point; the type uniform among those an order is eligible for, 4.5 deviations."""
    asked = {"multiplier": 3.0, **QUARTER}
    calm = dataset("normal-ops", {"anomalyConfig.rate": 0.0}, **asked)
    made = dataset("normal-ops", {"anomalyRate": rate, "anomalyConfig.types": types}, **asked)
    can, hit = eligible(calm, types), befallen(made)
    anyone = set().union(*can.values())
    assert set(hit["order_id"]) <= anyone
    assert hit.height / len(anyone) == pytest.approx(
        rate, abs=0.01 + 1.5 * (rate / len(anyone)) ** 0.5
    )
    stated = made.result.manifest.labels["orders"]
    assert (stated.eligible, stated.labelled) == (len(anyone), hit.height)
    for name in types:
        mine = hit.filter(pl.col("kind") == name)
        assert set(mine["order_id"]) <= can[name]
        count = made.result.manifest.labels[name]
        assert (count.eligible, count.labelled) == (len(can[name]), mine.height)
        number = {order: sum(order in some for some in can.values()) for order in hit["order_id"]}
        expected = np.array([1 / number[order] for order in hit["order_id"] if order in can[name]])
        spread = np.sqrt((expected * (1 - expected)).sum())
        assert abs(mine.height - expected.sum()) <= 4.5 * spread


def test_rate__of_zero_or_no_types_makes_no_anomaly(dataset: Factory) -> None:
    none = dataset("anomaly-heavy", {"anomalyRate": 0.0})
    empty = dataset("anomaly-heavy", {"anomalyConfig.types": []})
    assert none["anomaly_labels"].height == empty["anomaly_labels"].height == 0
    assert_frame_equal(none["orders"], empty["orders"])


def test_payment_delay__comes_15_to_89_days_after_the_due_date(dataset: Factory) -> None:
    changes = {"anomalyRate": 0.5, "anomalyConfig.types": ["payment_delay"]}
    made = dataset("normal-ops", changes, start="2023-11-01", end="2024-04-30", multiplier=3.0)
    hit = befallen(made)
    paid = made["payments"].join(hit, on="order_id")
    assert paid.height > 1000
    assert (paid["days_from_due"].min(), paid["days_from_due"].max()) == (15, 89)
    assert paid["order_id"].n_unique() == paid.height
    unpaid = made["orders"].join(hit, on="order_id").filter(pl.col("payment_status") != "Paid")
    assert unpaid.height > 100
    assert (unpaid["payment_status"] == "Overdue").all()
    # After a due date long past, the delay is uniform over its working days.
    old = paid.join(made["orders"].select("order_id", "payment_due_date"), on="order_id")
    old = old.filter(pl.col("payment_due_date") < LAST - timedelta(days=90))
    unit = (old["days_from_due"] - 15 + 0.5) / 75
    assert abs(unit.mean() - 0.5) < 0.01 + 4.5 / np.sqrt(12 * old.height)


def test_delivery_delay__slips_by_3_to_13_days_to_a_schedule_day(dataset: Factory) -> None:
    changes = {"anomalyRate": 0.5, "anomalyConfig.types": ["delivery_delay"]}
    made = dataset("normal-ops", changes, multiplier=3.0, **QUARTER)
    hit = befallen(made).join(made["orders"], on="order_id")
    rows = hit.join(made["shipments"], on="order_id", suffix="_sent")
    assert rows.height == hit.height > 3000
    days = np.arange(19_700, 19_900)
    wanted = {"A": (0, 2, 4), "B": (1, 3, 6)}
    for region in "AB":
        mine = rows.filter(pl.col("delivery_schedule") == region)
        promise = mine["delivery_date"].to_physical().to_numpy()
        moved = mine["scheduled_delivery_date"].to_physical().to_numpy()
        served = days[np.isin((days + 4) % 7, wanted[region]) & ~calendar.is_holiday(days)]
        reached = served[np.searchsorted(served, promise[:, None] + np.arange(3, 14))]
        assert (reached == moved[:, None]).any(axis=1).all()
    arrived = rows.filter(pl.col("actual_delivery_at").is_not_null())
    assert (
        arrived.select(day("actual_delivery_at")).to_series() >= arrived["scheduled_delivery_date"]
    ).all()
    late = rows.filter(pl.col("scheduled_delivery_date") > LAST)
    assert late.height > 50
    assert (late["status"] == "Shipped").all()
    assert (late["attempt_count"] == 0).all()


def test_order_cancellation__ends_an_order_before_its_delivery(dataset: Factory) -> None:
    changes = {"anomalyRate": 0.3, "anomalyConfig.types": ["order_cancellation"]}
    made = dataset("normal-ops", changes, multiplier=3.0, **QUARTER)
    hit = befallen(made).join(made["orders"], on="order_id")
    assert (hit["status"] == "Cancelled").all()
    assert hit["cancellation_reason"].is_not_null().all()
    assert (hit["payment_status"] == "Pending").all()
    steps = hit["status_history"].list.len() - 1
    assert set(steps) == {1, 2, 3}
    counts = np.bincount(steps.to_numpy())[1:] / hit.height
    assert (counts > 0.2).all()
    assert made["payments"].join(hit.select("order_id"), on="order_id").height == 0
    sent = made["shipments"].join(hit.select("order_id"), on="order_id")
    assert (sent["status"] == "failed").all()
    assert sent["actual_delivery_at"].is_null().all()
    assert set(sent["order_id"]) == set(
        hit.filter(pl.col("status_history").list.len() == 4)["order_id"]
    )


def test_stock_shortage__lets_orders_wait_or_cancels_them(
    both: Callable[[str], tuple[Made, Made]],
) -> None:
    made, calm = both("anomaly-heavy")
    hit = (
        befallen(made)
        .filter(pl.col("kind") == "stock_shortage")
        .join(made["orders"], on="order_id")
    )
    assert hit.height > 200
    cancelled = hit.filter(pl.col("status") == "Cancelled")
    assert 0.2 < cancelled.height / hit.height < 0.8
    assert (cancelled["cancellation_reason"] == "Out of stock").all()
    others_of = made["orders"].join(hit.select("order_id"), on="order_id", how="anti")
    assert "Out of stock" not in others_of["cancellation_reason"].cast(pl.String).to_list()
    taken = made["inventory_movements"].filter(pl.col("movement_type") == "ORDER_FULFILLMENT")
    assert taken.join(cancelled.select("order_id"), on="order_id").height == 0
    waited = taken.join(hit.select("order_id"), on="order_id").select("order_id", "created_at")
    before = calm["inventory_movements"].filter(pl.col("movement_type") == "ORDER_FULFILLMENT")
    pair = waited.unique().join(before.select("order_id", was="created_at").unique(), on="order_id")
    assert (pair["created_at"] > pair["was"]).all()
    clock = pair.select(cairo("created_at").dt.time()).to_series().cast(pl.String).str.slice(0, 8)
    assert clock.unique().to_list() == ["06:15:00"]  # a quarter of an hour after the window's end


def test_stock_shortage__gets_its_part_of_the_rate(
    both: Callable[[str], tuple[Made, Made]],
) -> None:
    """A quarter of the rate of .4 of the orders, within 3 points: whole products are short."""
    made, calm = both("anomaly-heavy")
    hit = befallen(made).filter(pl.col("kind") == "stock_shortage")
    assert hit.height / calm["orders"].height == pytest.approx(0.4 / 4, abs=0.03)


@pytest.fixture(scope="module")
def doubled(dataset: Factory) -> tuple[Made, Made]:
    """A run with duplicates, and the same without."""
    asked = {"multiplier": 3.0, **QUARTER}
    changes = {"anomalyRate": 0.1, "anomalyConfig.types": ["duplicate_orders"]}
    calm = {"anomalyRate": 0.1, "anomalyConfig.types": []}
    return dataset("normal-ops", changes, **asked), dataset("normal-ops", calm, **asked)


def test_duplicate_orders__copy_the_items_minutes_later(doubled: tuple[Made, Made]) -> None:
    made, _ = doubled
    orders = made["orders"]
    again = orders.drop_nulls("duplicate_of_order_id")
    assert again.height == made.plan.duplicates == 1350
    assert sorted(again["order_id"]) == list(range(13_501, 13_501 + 1350))
    assert again["duplicate_of_order_id"].n_unique() == again.height
    pair = again.join(orders, left_on="duplicate_of_order_id", right_on="order_id", suffix="_first")
    assert pair.height == again.height
    gap = pair["order_date"] - pair["order_date_first"]
    assert gap.min() > timedelta(0)
    assert gap.max() <= timedelta(minutes=15)
    same = ("company_id", "branch_id", "warehouse", "subtotal", "grand_total", "discount_type",
            "discount_value", "item_count", "tax_total")  # fmt: skip
    for column in same:
        assert pair[column].eq_missing(pair[f"{column}_first"]).all()
    shown = ("line_no", "product_id", "quantity", "unit_price", "discount_type", "discount_value",
             "discount_amount", "line_total", "tax_amount")  # fmt: skip
    items = made["order_items"].select("order_id", *shown)
    copies = items.join(again.select("order_id", "duplicate_of_order_id"), on="order_id")
    originals = items.join(
        again.select(order_id="duplicate_of_order_id", copy="order_id"), on="order_id"
    )
    assert_frame_equal(
        copies.sort("order_id", "line_no").select(shown),
        originals.sort("copy", "line_no").select(shown),
    )


def test_duplicate_orders__leave_all_others_as_they_were(doubled: tuple[Made, Made]) -> None:
    made, calm = doubled
    for table in ("orders", "shipments", "payments", "refunds"):
        mine = made[table].filter(pl.col("order_id") <= 13_500)
        assert_frame_equal(mine, calm[table], check_row_order=table != "orders")
    shown = [name for name in calm["order_items"].columns if name != "order_item_id"]
    mine = made["order_items"].filter(pl.col("order_id") <= 13_500).sort("order_id", "line_no")
    assert_frame_equal(mine.select(shown), calm["order_items"].select(shown))


def test_duplicate_orders__are_labelled(doubled: tuple[Made, Made]) -> None:
    made, _ = doubled
    labels = labels_of(made, "duplicate_orders")
    again = made["orders"].drop_nulls("duplicate_of_order_id")
    assert set(labels["entity_id"]) == set(again["order_id"])
    assert labels["field"].unique().to_list() == ["duplicate_of_order_id"]
    pair = labels.join(again, left_on="entity_id", right_on="order_id")
    assert (pair["injected_value"] == pair["duplicate_of_order_id"].cast(pl.String)).all()
    assert labels["original_value"].is_null().all()
    assert made.report.ok


@pytest.fixture(scope="module")
def invalid(dataset: Factory) -> tuple[Made, Made]:
    """A run with invalid fields, and the same without."""
    asked = {"multiplier": 3.0, **QUARTER}
    changes = {"anomalyRate": 0.1, "anomalyConfig.types": ["invalid_data"]}
    calm = {"anomalyRate": 0.1, "anomalyConfig.types": []}
    return dataset("normal-ops", changes, **asked), dataset("normal-ops", calm, **asked)


def test_invalid_data__changes_labelled_fields_alone_and_never_keys(
    invalid: tuple[Made, Made],
) -> None:
    made, calm = invalid
    labels = labels_of(made, "invalid_data")
    assert labels.height > 500
    keys = {
        (name, column.name)
        for name, table in TABLES.items()
        for column in table.columns
        if column.kind == "key"
    }
    assert not set(labels.select("entity", "field").unique().rows()) & keys
    for table in ENTITIES[:-1]:  # all but the audit logs
        mine, theirs = made[table], calm[table]
        key = mine.columns[0]
        for column in mine.columns:
            if mine[column].equals(theirs[column], null_equal=True):
                continue
            pair = mine.select(key, text(mine, column).alias("now")).join(
                theirs.select(key, text(theirs, column).alias("was")), on=key
            )
            differ = pair.filter(pl.col("now").ne_missing(pl.col("was"))).sort(key)
            wanted = labels.filter((pl.col("entity") == table) & (pl.col("field") == column))
            wanted = wanted.sort("entity_id").select(
                pl.col("entity_id").alias(key), now="injected_value", was="original_value"
            )
            assert_frame_equal(differ, wanted, check_dtypes=False)


def test_invalid_data__is_found_by_the_rules_and_excused(invalid: tuple[Made, Made]) -> None:
    made, calm = invalid
    assert made.report.ok, "\n".join(made.report.lines())
    assert sum(result.excused for result in made.report.results.values()) > 500
    assert not any(result.excused for result in calm.report.results.values())


def test_invalid_data__is_off_unless_a_scenario_names_it(
    both: Callable[[str], tuple[Made, Made]],
) -> None:
    for scenario in SCENARIOS:
        assert labels_of(both(scenario)[0], "invalid_data").height == 0


def daily(made: Made, calm: Made, types: tuple[str, ...]) -> pl.DataFrame:
    """Return eligible and befallen orders by Cairo day."""
    anyone = set().union(*eligible(calm, types).values())
    orders = made["orders"].filter(pl.col("order_id").is_in(list(anyone)))
    return (
        orders.join(befallen(made), on="order_id", how="left")
        .group_by(day("order_date").alias("day"))
        .agg(pl.len().alias("eligible"), pl.col("kind").is_not_null().sum().alias("hit"))
        .sort("day")
    )


@pytest.mark.parametrize("length", [7, 14])
def test_burst__gathers_nine_of_ten_rows_of_its_windows(dataset: Factory, length: int) -> None:
    types, rate = ("payment_delay", "delivery_delay"), 0.3
    changes = {
        "anomalyRate": rate,
        "anomalyConfig.types": types,
        "anomalyConfig.clustering": "burst",
        "anomalyConfig.window": length,
    }
    asked = {"multiplier": 3.0, **QUARTER}
    made = dataset("normal-ops", changes, **asked)
    calm = dataset("normal-ops", {"anomalyConfig.rate": 0.0}, **asked)
    days = daily(made, calm, types).filter(pl.col("eligible") >= 20)
    share = (days["hit"] / days["eligible"]).to_numpy()
    inside = share > 0.5
    assert ((share > 0.6) | (share < 0.15)).all()
    total = days.filter(inside).sum()
    assert total["hit"][0] / total["eligible"][0] == pytest.approx(0.9, abs=0.03)
    total = days.filter(~inside).sum()
    assert total["hit"][0] / total["eligible"][0] == pytest.approx(0.02, abs=0.01)
    # windows cover (rate - .02) / .88 of the days, within two days
    assert inside.sum() == pytest.approx(90 * (rate - 0.02) / 0.88, abs=4)
    dates = days.filter(inside)["day"].to_physical().to_numpy()
    runs = np.split(dates, np.flatnonzero(np.diff(dates) > 2) + 1)
    assert max(len(run) for run in runs) >= length - 3
    labelled = labels_of(made).filter(pl.col("cluster_id").is_not_null())
    assert 1 <= labelled["cluster_id"].n_unique() <= len(runs) + 2


def test_spread__is_even_over_the_weeks(dataset: Factory) -> None:
    types = ("payment_delay", "delivery_delay")
    asked = {"multiplier": 3.0, **QUARTER}
    made = dataset("normal-ops", {"anomalyRate": 0.25, "anomalyConfig.types": types}, **asked)
    calm = dataset("normal-ops", {"anomalyConfig.rate": 0.0}, **asked)
    days = daily(made, calm, types)
    weekly = days.group_by_dynamic("day", every="1w").agg(pl.col("eligible", "hit").sum())
    weekly = weekly.filter(pl.col("eligible") > 100)
    spread = (0.25 * 0.75 / weekly["eligible"]) ** 0.5
    assert ((weekly["hit"] / weekly["eligible"] - 0.25) / spread).abs().max() < 4.5
    assert made["anomaly_labels"]["cluster_id"].is_null().all()


def test_labels__are_high_where_money_or_goods_are_lost(
    both: Callable[[str], tuple[Made, Made]],
) -> None:
    made, _ = both("anomaly-heavy")
    ends = made["orders"].select(
        entity_id="order_id",
        lost=(pl.col("status") == "Cancelled") | (pl.col("payment_status") == "Overdue"),
    )
    rows = labels_of(made, *OF_ORDERS).join(ends, on="entity_id")
    assert (rows.filter(pl.col("lost"))["severity"] == "high").all()
    assert (rows.filter(~pl.col("lost"))["severity"] != "high").all()
