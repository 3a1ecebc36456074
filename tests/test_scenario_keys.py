"""Each key of a scenario does what it says: one test a key, on real rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from runs import Made, cairo, cents, day, run

WINDOW = {"start": "2024-02-01", "end": "2024-04-30"}
_KEPT: dict[str, Made] = {}


def with_key(key: str = "", value: Any = None, multiplier: float = 3.0) -> Made:
    """Return the quarter of normal-ops with one value replaced; made once for the same one."""
    asked = repr((key, value, multiplier))
    if asked not in _KEPT:
        changes = {key: value} if key else {}
        _KEPT[asked] = run("normal-ops", changes, multiplier=multiplier, **WINDOW)
    return _KEPT[asked]


def shares(values: pl.Series) -> dict[str, float]:
    counts = values.cast(pl.String).value_counts()
    return {name: count / len(values) for name, count in counts.iter_rows()}


def off_in_deviations(found: int, of: int, share: float) -> float:
    return (found - of * share) / float(np.sqrt(of * share * (1 - share)))


@pytest.mark.parametrize(
    ("key", "table", "value", "rows"),
    [
        ("users", "users", 37, 37),
        ("companies", "companies", 41, 41),
        ("products", "products", 123, 123),
        ("ordersPerDay", "orders", 17, 17 * 90),
    ],
)
def test_entityRates__are_the_rows(key: str, table: str, value: int, rows: int) -> None:
    assert with_key(f"entityRates.{key}", value, 1.0)[table].height == rows


def test_entityRates_maintenanceVisitsPerWeek__are_the_roots_a_week() -> None:
    visits = with_key("entityRates.maintenanceVisitsPerWeek", 70, 1.0)["maintenance_visits"]
    assert visits["root_visit_id"].is_null().sum() == 900
    none = with_key("entityRates.maintenanceVisitsPerWeek", 0, 1.0)["maintenance_visits"]
    assert none.height == 0


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.8])
def test_entityRates_branchRatio__is_the_share_of_companies_with_branches(ratio: float) -> None:
    made = with_key("entityRates.branchRatio", ratio)
    assert made["branches"]["company_id"].n_unique() == round(300 * ratio)


def test_distributions_orderStatus__is_the_share_of_each_status() -> None:
    wanted = {"Pending": 0.05, "Processing": 0.1, "Shipped": 0.1, "Delivered": 0.5,
              "Cancelled": 0.15, "Delivery Failed": 0.1}  # fmt: skip
    made = run("normal-ops", {"distributions.orderStatus": wanted, "anomalyRate": 0},
               multiplier=3.0, **WINDOW)  # fmt: skip
    assert shares(made["orders"]["status"]) == pytest.approx(wanted, abs=0.02)


def test_distributions_paymentStatus__is_the_share_of_delivered_orders() -> None:
    wanted = {"Paid": 0.5, "Pending": 0.3, "Overdue": 0.2}
    terms = {"immediate": 0.1, "net30": 0.3, "net60": 0.4, "net90": 0.2}
    changes = {"distributions.paymentStatus": wanted, "distributions.paymentTerms": terms}
    made = run("normal-ops", {**changes, "anomalyRate": 0}, multiplier=3.0, **WINDOW)
    delivered = made["orders"].filter(pl.col("status") == "Delivered")
    assert made.plan.unmet == ()
    assert shares(delivered["payment_status"]) == pytest.approx(wanted, abs=0.02)


def top_fifth(made: Made) -> float:
    top = made["products"].filter(pl.col("popularity_rank") <= made.plan.products // 5)
    return made["order_items"].join(top, on="product_id").height / made["order_items"].height


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("zipf", 0.77, 0.83),
        ("uniform", 0.18, 0.22),
        ("normal", 0.42, 0.47),  # half a bell: 45 % within 0.6 deviations
        ({"kind": "zipf", "topShare": 0.5}, 0.47, 0.53),
        ({"kind": "zipf", "exponent": 0.0}, 0.18, 0.22),
    ],
)
def test_distributions_productPopularity__decides_what_the_top_fifth_gets(
    value: Any, low: float, high: float
) -> None:
    assert low < top_fifth(with_key("distributions.productPopularity", value)) < high


def test_distributions_productPopularity__an_exponent_is_the_slope() -> None:
    """Slope of log lines over log rank of ranks 20..300, where distinctness costs little."""
    popularity = {"kind": "zipf", "exponent": 0.7}
    made = with_key("distributions.productPopularity", popularity)
    lines = made["order_items"].group_by("product_id").len()
    sold = made["products"].join(lines, on="product_id").sort("popularity_rank")
    rank, count = sold["popularity_rank"].to_numpy()[19:300], sold["len"].to_numpy()[19:300]
    assert np.polyfit(np.log(rank), np.log(count), 1)[0] == pytest.approx(-0.7, abs=0.06)


def test_distributions_regionDistribution__is_the_share_of_companies() -> None:
    made = with_key("distributions.regionDistribution", {"A": 0.25, "B": 0.75})
    assert shares(made["companies"]["region"]) == pytest.approx({"A": 0.25, "B": 0.75}, abs=0.005)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_distributions_deliveryDelays__is_the_chance_of_a_later_first_attempt(share: float) -> None:
    changes = {"distributions.deliveryDelays": share, "anomalyRate": 0}
    made = run("normal-ops", changes, multiplier=3.0, **WINDOW)
    orders = made["orders"].select("order_id", "delivery_date")
    rows = (
        made["shipments"]
        .join(orders, on="order_id")
        .filter((pl.col("status") == "delivered") & (pl.col("delivery_date") < pl.date(2024, 4, 1)))
    )
    first = pl.col("attempts").list.first().struct["attempted_at"]
    day_of_first = first.dt.convert_time_zone("Africa/Cairo").dt.date()
    later = rows.filter(day_of_first > pl.col("delivery_date")).height
    if share in (0.0, 1.0):
        assert later == share * rows.height
    else:
        assert abs(off_in_deviations(later, rows.height, share)) < 4.5


def test_distributions_paymentTerms__are_dealt_by_orders() -> None:
    made = with_key("distributions.paymentTerms", {"net15": 0.5, "bulk": 0.5})
    terms = made["companies"].select("company_id", "payment_due_type", "payment_due_days")
    orders = made["orders"].join(terms, on="company_id")
    found = shares(orders["payment_due_type"])
    assert found == pytest.approx({"days_after_order": 0.5, "bulk_schedule": 0.5}, abs=0.03)
    assert orders["payment_due_days"].drop_nulls().unique().to_list() == [15]


def by_weekday(made: Made) -> np.ndarray:
    days = made["orders"].select(day("order_date").dt.weekday()).to_series().to_numpy() % 7
    return np.bincount(days, minlength=7)


def test_timeSeries_weekdayWeights__close_and_open_days() -> None:
    weights = [1, 0, 0, 0, 0, 3, 0]
    counts = by_weekday(with_key("timeSeries.weekdayWeights", weights))
    assert counts[[1, 2, 3, 4, 6]].sum() == 0
    assert counts[5] / counts[0] == pytest.approx(3, rel=0.35)


def test_timeSeries_hourWeights__are_the_hours_of_orders() -> None:
    weights = [0] * 24
    weights[5], weights[11], weights[22] = 1, 2, 1
    made = with_key("timeSeries.hourWeights", weights)
    usual = made["orders"].filter(day("order_date") < pl.date(2024, 3, 10))
    hours = np.bincount(usual.select(cairo("order_date").dt.hour()).to_series(), minlength=24)
    assert np.flatnonzero(hours).tolist() == [5, 11, 22]
    assert hours / hours.sum() == pytest.approx(np.array(weights) / 4, abs=0.03)
    fasting = made["orders"].filter(
        day("order_date").is_between(pl.date(2024, 3, 11), pl.date(2024, 4, 9))
    )
    late = np.bincount(fasting.select(cairo("order_date").dt.hour()).to_series(), minlength=24)
    assert np.flatnonzero(late).tolist() == [7, 13, 23]


def test_timeSeries_monthWeights__are_the_months() -> None:
    weights = [1, 0, 1, 2] + [1] * 8
    made = with_key("timeSeries.monthWeights", weights)
    months = made["orders"].select(day("order_date").dt.month()).to_series()
    counts = np.bincount(months.to_numpy(), minlength=5)
    assert counts[2] == 0
    assert counts[4] > counts[3]


@pytest.mark.parametrize(
    ("key", "value", "days"),
    [
        ("holidayWeight", 0, [(4, 25)]),  # Sinai Liberation Day 2024, a Thursday
        ("ramadanWeight", 0, [(3, 11), (3, 12), (4, 3), (4, 9)]),
    ],
)
def test_timeSeries_holidayWeight_and_ramadanWeight__empty_those_days(
    key: str, value: float, days: list[tuple[int, int]]
) -> None:
    def on(made: Made) -> int:
        date = day("order_date")
        mine = pl.any_horizontal(
            (date.dt.month() == month) & (date.dt.day() == number) for month, number in days
        )
        return made["orders"].filter(mine).height

    assert on(with_key(f"timeSeries.{key}", value)) == 0
    assert on(with_key()) > 0


def test_timeSeries_dailyJitter__is_the_spread_of_days() -> None:
    def spread(made: Made) -> float:
        weekdays = made["orders"].filter(day("order_date").dt.weekday().is_in([1, 2, 3, 4, 7]))
        usual = weekdays.filter(day("order_date") < pl.date(2024, 3, 10))
        counts = usual.group_by(day("order_date")).len()["len"].to_numpy()
        return float(counts.std() / counts.mean())

    assert spread(with_key("timeSeries.dailyJitter", 0.0)) < 0.01
    # uniform +-90 % has a deviation of 0.9 / sqrt(3)
    wide = spread(with_key("timeSeries.dailyJitter", 0.9))
    assert wide == pytest.approx(0.9 / np.sqrt(3), abs=0.15)


def test_timeSeries_growthPerMonth__is_the_factor_of_thirty_days() -> None:
    changes = {"timeSeries.growthPerMonth": 0.5, "timeSeries.dailyJitter": 0.0,
               "timeSeries.ramadanWeight": 1.0, "timeSeries.holidayWeight": 1.0}  # fmt: skip
    made = run("normal-ops", changes, multiplier=3.0, **WINDOW)
    weeks = made.plan.orders_per_day[: 7 * 12].reshape(12, 7).sum(axis=1)
    assert np.polyfit(np.arange(12) * 7 / 30, np.log(weeks), 1)[0] == pytest.approx(
        np.log(1.5), abs=0.03
    )
    assert made["orders"].height == 13_500


def labelled(made: Made) -> int:
    return (
        made["anomaly_labels"]
        .filter(pl.col("entity") != "maintenance_visits")["entity_id"]
        .n_unique()
    )


def test_anomalyRate__is_the_share_of_labelled_rows() -> None:
    few, many = with_key("anomalyRate", 0.02), with_key("anomalyRate", 0.4)
    assert labelled(with_key("anomalyRate", 0)) == 0
    assert labelled(many) / labelled(few) == pytest.approx(20, rel=0.25)


def test_anomalyConfig_rate__wins_over_anomalyRate() -> None:
    made = with_key("anomalyConfig.rate", 0.4)
    counts = made.result.manifest.labels["orders"]
    assert counts.labelled / counts.eligible == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize(
    "kind",
    [
        "payment_delay",
        "delivery_delay",
        "order_cancellation",
        "maintenance_failure",
        "stock_shortage",
        "duplicate_orders",
        "invalid_data",
    ],
)
def test_anomalyConfig_types__are_the_types_of_labels(kind: str) -> None:
    changes = {"anomalyRate": 0.3, "anomalyConfig.types": [kind]}
    made = run("normal-ops", changes, multiplier=3.0, **WINDOW)
    assert made["anomaly_labels"]["anomaly_type"].cast(pl.String).unique().to_list() == [kind]


def test_anomalyConfig_clustering_and_window__gather_rows_in_windows() -> None:
    def days(made: Made) -> int:
        rows = made["anomaly_labels"].filter(pl.col("cluster_id").is_not_null())
        orders = made["orders"].join(rows.select(order_id="entity_id").unique(), on="order_id")
        return orders.select(day("order_date")).to_series().n_unique()

    def burst(window: int) -> Made:
        changes = {"anomalyRate": 0.2, "anomalyConfig.clustering": "burst",
                   "anomalyConfig.window": window}  # fmt: skip
        return run("normal-ops", changes, multiplier=3.0, **WINDOW)

    assert days(with_key("anomalyRate", 0.2)) == 0
    short, long = burst(3), burst(18)
    for made in (short, long):
        assert days(made) == pytest.approx(90 * 0.18 / 0.88, abs=4)
    ids = [made["anomaly_labels"]["cluster_id"].drop_nulls().n_unique() for made in (short, long)]
    assert ids[0] > ids[1]


def test_overrides_paymentMethods__are_the_companies_methods() -> None:
    made = with_key("overrides.paymentMethods", {"transfer": 0.1, "check": 0.9})
    found = shares(made["companies"]["payment_method"])
    assert found == pytest.approx({"transfer": 0.1, "check": 0.9}, abs=0.005)
    assert shares(made["payments"]["method"])["Check"] > 0.6


@pytest.mark.parametrize(("low", "high"), [(0, 300), (2000, 4000), (50_000, 120_000)])
def test_overrides_orderValueRange__bounds_the_subtotal(low: int, high: int) -> None:
    made = with_key("overrides.orderValueRange", {"min": low, "max": high})
    subtotal = made["orders"]["subtotal"]
    assert subtotal.max() <= high
    # one integer ratio an order: what it gives may fall short only where the maximum forbids more
    assert (subtotal >= min(low, high / 2)).all()
    assert (subtotal >= low).mean() > 0.95
    items = made["order_items"]
    assert (items["quantity"] >= 1).all()
    assert items.group_by("order_id").len().height == made["orders"].height


def test_overrides_orderValueRange__leaves_orders_that_fit_as_they_are() -> None:
    free = with_key()["orders"].select("order_id", cents("subtotal"))
    bound = with_key("overrides.orderValueRange", {"min": 2000, "max": 60_000})
    pair = free.join(bound["orders"].select("order_id", now=cents("subtotal")), on="order_id")
    fits = pair.filter(pl.col("subtotal").is_between(200_000, 6_000_000))
    assert fits.height > 5000
    assert (fits["subtotal"] == fits["now"]).all()


def test_overrides_productCategories__are_the_products_categories() -> None:
    made = with_key("overrides.productCategories", {"Tea": 0.75, "Equipment": 0.25})
    assert shares(made["products"]["category"]) == pytest.approx(
        {"Tea": 0.75, "Equipment": 0.25}, abs=0.003
    )
    tea = made["products"].filter(pl.col("category") == "Tea")["unit_price"]
    assert (tea.min() >= 50) & (tea.max() <= 300)


def test_overrides_companySizeDistribution__is_the_companies_sizes() -> None:
    wanted = {"small": 0.2, "medium": 0.3, "large": 0.5}
    made = with_key("overrides.companySizeDistribution", wanted)
    assert shares(made["companies"]["size"]) == pytest.approx(wanted, abs=0.005)


def test_locale__names_people_and_streets_of_another_country() -> None:
    made, usual = with_key("locale", "de_DE"), with_key()
    assert not set(made["users"]["display_name"]) & set(usual["users"]["display_name"])
    assert made["companies"]["address"].n_unique() > 100
    assert (made["companies"]["address"] != usual["companies"]["address"]).all()
    same = ("order_id", "company_id", "grand_total", "status", "order_date")
    assert made["orders"].select(same).equals(usual["orders"].select(same))


@pytest.mark.parametrize(
    ("key", "value"), [("name", "another-name"), ("description", "Some words.")]
)
def test_name_and_description__change_no_row(key: str, value: str) -> None:
    made: Callable[[str], pl.DataFrame] = with_key(key, value, 1.0).__getitem__
    for table in ("orders", "companies", "audit_logs", "maintenance_visits"):
        assert made(table).equals(with_key("", None, 1.0)[table])
