"""Companies and branches: shares, places, terms, lifetimes, and what follows from their orders."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pytest
from master_rows import assert_same_for_any_split, plan_of, rows_of, usual_plan

from polargen import calendar
from polargen.draw import largest_remainder
from polargen.generators import contacts
from polargen.generators.companies import company_names, payment_score
from polargen.generators.totals import Totals
from polargen.generators.world import branch_counts, build_world
from polargen.generators.world_companies import FAR_US
from polargen.plan import Plan
from polargen.plan.shares import TERMS
from polargen.pools import AREAS
from polargen.schema.masters import COMPANY_STATUSES, REGIONS

PLACES = {a.name: (a.region, a.city, a.governorate, a.zone, a) for a in AREAS}
DELIVERY_DAYS = {"A": [0, 2, 4], "B": [1, 3, 6]}
UNUSUAL: dict[str, Any] = {
    "entityRates": {"companies": 997, "branchRatio": 0.7},
    "distributions": {"regionDistribution": {"A": 0.1, "B": 0.9}},
    "overrides": {
        "companySizeDistribution": {"small": 0.2, "medium": 0.3, "large": 0.5},
        "paymentMethods": {"transfer": 0.25, "check": 0.75},
    },
}


def _instant(us: int) -> pl.Expr:
    return pl.lit(us).cast(pl.Datetime("us", "UTC"))


def _terms(plan: Plan) -> np.ndarray:
    companies = build_world(plan).companies
    code = np.array([0, 0, TERMS.index("monthly"), TERMS.index("bulk")])[companies.due_type]
    for name in TERMS[1:5]:
        code[companies.due_days == int(name.removeprefix("net"))] = TERMS.index(name)
    return code


@pytest.mark.parametrize("profile", [{}, UNUSUAL], ids=["usual", "unusual"])
def test_companies__shares_are_exact(profile: dict[str, Any]) -> None:
    plan = plan_of(**profile)
    made = build_world(plan).companies
    scenario = plan.scenario
    for codes, shares in (
        (made.region, scenario.distributions.region_distribution.shares()),
        (made.size, scenario.overrides.company_size_distribution.shares()),
        (made.method, scenario.overrides.payment_methods.shares()),
        (made.status, (0.75, 0.10, 0.15)),
    ):
        counts = largest_remainder(shares, plan.companies)
        assert np.bincount(codes, minlength=len(shares)).tolist() == counts.tolist()


@pytest.mark.parametrize("companies", [1, 2, 3, 5, 9])
def test_companies__at_least_two_and_one_active(companies: int) -> None:
    made = rows_of(plan_of(entityRates={"companies": companies}), "companies")
    assert len(made) == max(companies, 2)
    assert (made["status"] == "Active").any()


@pytest.mark.parametrize("table", ["companies", "branches"])
def test_places__areas_fit_region_city_and_centre(table: str) -> None:
    made = rows_of(usual_plan(), table)
    columns = ("area", "region", "city", "governorate", "address", "latitude", "longitude",
               "delivery_days")  # fmt: skip
    for row in made.select(columns).iter_rows(named=True):
        region, city, governorate, _, area = PLACES[row["area"]]
        assert (row["region"], row["city"], row["governorate"]) == (region, city, governorate)
        assert row["delivery_days"] == DELIVERY_DAYS[region]
        assert row["address"].endswith(", " + area.address)
        assert abs(row["latitude"] - area.latitude) < 0.008
        assert abs(row["longitude"] - area.longitude) < 0.008
    assert made["area"].n_unique() == len(AREAS)


def test_companies__zone_and_warehouse_follow_the_area() -> None:
    made = rows_of(usual_plan(), "companies")
    there = made.select("area", "maintenance_location", "warehouse_address").iter_rows()
    for name, zone, warehouse in there:
        assert zone == PLACES[name][3]
        if warehouse is not None:
            tails = [a.address for a in AREAS if a.governorate == PLACES[name][2]]
            assert any(warehouse.endswith(", " + tail) for tail in tails)


def test_companies__are_unique_at_a_million() -> None:
    plan = plan_of(multiplier=20, entityRates={"companies": 50_000, "users": 1, "products": 10})
    index = np.arange(plan.companies)
    assert len(index) == 1_000_000
    names = company_names(plan, build_world(plan).companies, index)
    domains = contacts.slugs(names)
    taxes = contacts.tax_numbers(plan, index)
    for texts in (names, domains, taxes):
        assert pc.count_distinct(texts).as_py() == len(index)
    assert pc.all(pc.match_substring_regex(taxes, r"^\d{3}-\d{3}-\d{3}$")).as_py()
    assert pc.max(pc.utf8_length(domains)).as_py() <= 63  # longest label of an internet address


def test_companies__contacts_and_addresses_are_reserved() -> None:
    made = rows_of(usual_plan(), "companies")
    assert made["email"].str.contains(r"^[a-z]+@[a-z0-9-]+\.example$").all()
    assert made["contacts"].list.len().unique().sort().to_list() == [1, 2, 3]
    for people in made["contacts"].to_list():
        jobs = [person["position"] for person in people]
        assert len(set(jobs)) == len(jobs)
        assert all(re.fullmatch(r"\+201[0125]\d{8}", person["phone"]) for person in people)


def test_companies__name_fits_the_industry() -> None:
    made = rows_of(usual_plan(), "companies")
    cafes = made.filter(pl.col("industry") == "Cafe")["name"]
    assert cafes.str.contains("(Cafe|Coffee House|Coffee Bar|Espresso Bar|Coffee & Tea)$").all()
    assert made["name"].n_unique() == len(made)
    assert not made["name"].str.contains(r"\d").any()


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("1990-05-01", "1990-05-01"),
        ("1990-05-01", "1990-08-01"),
        ("2024-01-05", "2024-01-05"),
        ("2024-01-01", "2024-12-31"),
        ("2050-08-30", "2050-09-02"),
    ],
)
def test_companies__lifetimes_are_in_order(start: str, end: str) -> None:
    plan = plan_of(start, end, entityRates={"companies": 400})
    world = build_world(plan)
    made = world.companies
    status = np.array(COMPANY_STATUSES)[made.status]
    is_new = status == "New"
    assert (made.created_at[is_new] >= plan.start_us).all()
    assert (made.created_at[is_new] < plan.as_of_us).all()
    assert (made.created_at[~is_new] < plan.start_us).all()
    assert ((made.closed_at < FAR_US) == (status == "Inactive")).all()
    assert (made.created_at < made.closed_at).all()
    closed = made.closed_at[status == "Inactive"]
    assert (closed < plan.as_of_us).all()
    assert (closed < plan.start_us).any()
    assert (closed >= plan.start_us).any()
    opened = world.branches.created_at
    assert (opened >= made.created_at[world.branches.company]).all()
    assert (opened < np.minimum(made.closed_at[world.branches.company], plan.as_of_us)).all()
    rows = rows_of(plan, "companies")
    at_most = rows.select((pl.col("updated_at") < _instant(plan.as_of_us)).all()).item()
    assert at_most
    assert rows.select((pl.col("updated_at") >= pl.col("created_at")).all()).item()


def test_companies__weights_are_zipf_by_rank() -> None:
    made = build_world(usual_plan()).companies
    assert sorted(made.rank.tolist()) == list(range(1, len(made.rank) + 1))
    by_rank = made.weight[np.argsort(made.rank)]
    assert by_rank.sum() == pytest.approx(1)
    assert by_rank[0] / by_rank[99] == pytest.approx(100**0.8, rel=0.01)
    assert np.mean(made.rank[made.size == 2]) < np.mean(made.rank[made.size == 0])


@pytest.mark.parametrize(("companies", "error"), [(100, 0.03), (500, 0.004), (5000, 0.001)])
def test_terms__hold_by_orders(companies: int, error: float) -> None:
    wanted = {"immediate": 0.05, "net15": 0.05, "net30": 0.15, "net60": 0.4, "net90": 0.2,
              "monthly": 0.15, "bulk": 0.0}  # fmt: skip
    for seed in range(3):
        plan = plan_of(
            seed=seed,
            entityRates={"companies": companies},
            distributions={"paymentTerms": wanted},
        )
        made, terms = build_world(plan).companies, _terms(plan)
        # Expected orders by day: the open companies, and the always active ones for the others.
        days = calendar.to_utc(np.arange(plan.first_day, plan.last_day + 1, dtype=np.int32), 0)
        orders = np.zeros(companies)
        active = np.where(made.status == 0, made.weight, 0)
        for day, count in zip(days, plan.orders_per_day, strict=True):
            is_open = (made.created_at <= day) & (day < made.closed_at)
            own = np.where(is_open, made.weight, 0)
            orders += count * (own + active / active.sum() * (1 - own.sum()))
        shares = np.bincount(terms, weights=orders, minlength=7) / orders.sum()
        assert np.abs(shares - list(wanted.values())).max() < error
        assert (terms != TERMS.index("bulk")).all()


def test_terms__columns_agree() -> None:
    made = rows_of(usual_plan(), "companies")
    due = pl.col("payment_due_type")
    for column, kind in (
        ("payment_due_days", "days_after_order"),
        ("payment_due_day", "monthly_date"),
        ("bulk_payment_frequency", "bulk_schedule"),
    ):
        assert made.select((pl.col(column).is_not_null() == (due == kind)).all()).item()
    assert set(made["payment_due_days"].drop_nulls()) == {15, 30, 60, 90}


def test_machines__are_owned_or_leased() -> None:
    for table in ("companies", "branches"):
        plan = usual_plan()
        made = rows_of(plan, table)
        owned, leased = made["machine_owned"], made["machine_leased"]
        assert not (owned & leased).any()
        assert 0.5 < owned.mean() < 0.7  # type: ignore[operator]
        machine = getattr(build_world(plan), table).machine
        assert (owned | leased).to_numpy().tolist() == machine.tolist()
    made = rows_of(usual_plan(), "companies")
    lease = made.filter(pl.col("machine_leased"))["lease_monthly_cost"]
    assert lease.null_count() == 0
    assert made["lease_monthly_cost"].count() == len(lease)


def test_account_managers__are_active_sales_users() -> None:
    plan = usual_plan()
    users = build_world(plan).users
    managers = build_world(plan).companies.account_manager
    assert (users.role[managers - 1] == 2).all()
    assert users.is_active[managers - 1].all()


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.29, 1.0])
def test_branches__of_exactly_the_planned_companies(ratio: float) -> None:
    counts = branch_counts(5, 1000, ratio)
    assert np.count_nonzero(counts) == int(1000 * ratio + 1e-9)
    assert counts.max(initial=0) <= 3
    plan = plan_of(seed=5, entityRates={"companies": 1000, "branchRatio": ratio})
    branches = build_world(plan).branches
    assert plan.branches == counts.sum() == len(branches.company)
    assert np.array_equal(np.diff(build_world(plan).companies.branch_offset), counts)


def test_branches__of_a_company_lie_in_different_areas() -> None:
    plan = plan_of(entityRates={"companies": 5000, "branchRatio": 1.0})
    world = build_world(plan)
    company, area = world.branches.company, world.branches.area
    assert (area != world.companies.area[company]).all()
    assert len(np.unique(company.astype(np.int64) * len(AREAS) + area)) == len(company)
    regions = np.array([REGIONS.index(a.region) for a in AREAS])
    assert np.array_equal(regions[area], world.branches.region)
    share = np.mean(world.branches.region == 0)
    assert share == pytest.approx(0.6, abs=0.02)  # as the companies


def test_branches__bear_their_companys_name() -> None:
    plan = usual_plan()
    companies = rows_of(plan, "companies").select("company_id", "name", "email")
    made = rows_of(plan, "branches").join(companies, on="company_id", suffix="_of")
    assert made.select(pl.col("name").str.starts_with(pl.col("name_of") + " - ").all()).item()
    domain = pl.col("email").str.split("@").list.last()
    other = pl.col("email_of").str.split("@").list.last()
    assert made.select((domain == other).all()).item()
    assert made["name"].n_unique() == len(made)


@pytest.mark.parametrize("table", ["companies", "branches"])
def test_rows__same_for_any_split(table: str) -> None:
    assert_same_for_any_split(usual_plan(), table)


def test_branches__a_run_without_any_has_an_empty_table() -> None:
    plan = plan_of(entityRates={"branchRatio": 0.0})
    assert len(rows_of(plan, "branches")) == 0


def test_score__is_100_less_twice_the_mean_days_late() -> None:
    days, count = np.array([0, 0, 10, 1, 500, 5]), np.array([0, 3, 2, 3, 4, 7])
    assert payment_score(days, count).tolist() == [10_000, 10_000, 9000, 9933, 0, 9857]


def test_standing__follows_the_totals() -> None:
    plan = usual_plan()
    totals = Totals.zero(plan.companies, plan.products)
    totals.unpaid_orders[1], totals.outstanding_cents[1] = 3, 123_456
    totals.pending_bulk_cents[1], totals.revenue_12m_cents[1] = 23_456, 99_999_999_999
    totals.late_days_sum[1:5], totals.late_count[1:5] = [50, 75, 100, 150], 5
    totals.oldest_overdue_due_day[2:4] = plan.last_day - 60, plan.last_day - 61
    made = rows_of(plan, "companies", totals=totals)
    assert made["total_unpaid_orders"][:2].to_list() == [0, 3]
    assert [str(made[name][1]) for name in (
        "total_outstanding_amount", "pending_bulk_payment_amount", "last_12_months_revenue"
    )] == ["1234.56", "234.56", "999999999.99"]  # fmt: skip
    assert made["payment_score"][:5].to_list() == [100.0, 80.0, 70.0, 60.0, 40.0]
    assert made["payment_status"][:5].to_list() == ["excellent", "good", "fair", "fair", "poor"]
    assert made["is_suspended"].arg_true().to_list() == [3]
    assert made["suspension_reason"].is_not_null().arg_true().to_list() == [3]
    at = calendar.to_utc(np.array([plan.last_day], dtype=np.int32), 8 * 3_600_000_000)
    assert made["suspended_at"].is_not_null().arg_true().to_list() == [3]
    assert made.select((pl.col("suspended_at") == _instant(int(at[0]))).sum()).item() == 1
    assert made["updated_at"][3] >= made["suspended_at"][3]


def test_world__knows_what_the_rows_show() -> None:
    plan = usual_plan()
    world = build_world(plan)
    made = rows_of(plan, "companies")
    assert made["region"].to_physical().to_list() == world.companies.region.tolist()
    assert made["area"].to_list() == [AREAS[i].name for i in world.companies.area]
    assert made["created_at"].to_physical().to_list() == world.companies.created_at.tolist()
