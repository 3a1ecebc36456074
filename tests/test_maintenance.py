"""Maintenance visits keep DOMAIN's rules on every row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from polargen import calendar
from polargen.anomalies import row_rate
from polargen.blocks import BlockContext, blocks_of
from polargen.config import MockGeneratorConfig
from polargen.draw import largest_remainder
from polargen.executors.work import make_block
from polargen.generators.labels import Labels
from polargen.generators.maintenance import MaintenanceGenerator
from polargen.generators.totals import Totals
from polargen.generators.visit_work import PARTS, SERVICES
from polargen.generators.visits import (
    IN_PROGRESS_DAYS,
    STATUS_SHARES,
    is_open,
    technician_count,
)
from polargen.generators.world import World, build_world
from polargen.plan import Plan, make_plan
from polargen.scenario import ScenarioProfile
from polargen.schema.service import ANOMALY_LABELS, MAINTENANCE_VISITS, VISIT_STATUSES

UNVISITED = ("Scheduled", "Cancelled")
UNRESOLVED = ("Follow-up Required", "Waiting for Parts")
FAILURES = {"anomalyConfig": {"types": ["maintenance_failure"]}}
# (start, end, seed, scenario): usual, long, short, around Ramadan and the Eid, bursts.
RUNS: dict[str, tuple[str, str, int, dict[str, Any]]] = {
    "quarter": ("2024-01-01", "2024-03-30", 1, {}),
    "year": ("2023-01-01", "2023-12-31", 2, {"entityRates": {"maintenanceVisitsPerWeek": 100}}),
    "week": ("2024-05-05", "2024-05-11", 3, {"entityRates": {"maintenanceVisitsPerWeek": 70}}),
    "day": ("2024-05-07", "2024-05-07", 4, {"entityRates": {"maintenanceVisitsPerWeek": 350}}),
    "eid": ("2024-03-01", "2024-04-14", 5, {"entityRates": {"maintenanceVisitsPerWeek": 200}}),
    "failures": (
        "2024-01-01",
        "2024-06-28",
        6,
        {"entityRates": {"maintenanceVisitsPerWeek": 150}, "anomalyRate": 0.4, **FAILURES},
    ),
    "bursts": (
        "2024-01-01",
        "2024-06-28",
        7,
        {
            "entityRates": {"maintenanceVisitsPerWeek": 150},
            "anomalyRate": 0.3,
            "anomalyConfig": {"types": ["maintenance_failure"], "clustering": "burst"},
        },
    ),
}


@dataclass(frozen=True)
class Made:
    plan: Plan
    world: World
    visits: pl.DataFrame
    labels: pl.DataFrame
    tally: tuple[int, int]


def plan_of(start: str, end: str, seed: int, scenario: dict[str, Any]) -> Plan:
    config = MockGeneratorConfig(
        start_date=date.fromisoformat(start), end_date=date.fromisoformat(end), seed=seed
    )
    return make_plan(config, ScenarioProfile.model_validate({"name": "test", **scenario}))


def make(plan: Plan, world: World | None = None) -> Made:
    world = build_world(plan) if world is None else world
    visits, labels, tally = [], [], np.zeros(2, dtype=np.int64)
    for block in blocks_of(plan):
        if block.kind == "visits":
            ctx = BlockContext(plan, block, world, Labels())
            visits.append(
                MaintenanceGenerator().generate(ctx, {})["maintenance_visits"].to_polars()
            )
            labels.append(ctx.labels.frame(ctx).to_polars())
            tally += ctx.tally.get("maintenance_failure", (0, 0))
    frame = with_days(pl.concat(visits) if visits else _no(MAINTENANCE_VISITS))
    label = pl.concat(labels) if labels else _no(ANOMALY_LABELS)
    return Made(plan, world, frame, label, (int(tally[0]), int(tally[1])))


def _no(table: Any) -> pl.DataFrame:
    return pl.DataFrame(schema=table.polars_schema)


@lru_cache(maxsize=16)
def made(name: str) -> Made:
    return make(plan_of(*RUNS[name]))


def with_days(visits: pl.DataFrame) -> pl.DataFrame:
    """Add Cairo days and hours, by Polars' own time zone data."""
    cairo = {
        name: pl.col(f"{name}_at").dt.convert_time_zone("Africa/Cairo")
        for name in ("actual_arrival", "resolution", "created", "updated")
    }
    return visits.with_columns(
        *(at.dt.date().alias(f"{name}_day") for name, at in cairo.items()),
        *(
            (at.dt.hour() + at.dt.minute() / 60.0).alias(f"{name}_hour")
            for name, at in cairo.items()
        ),
    )


def epoch_days(column: pl.Series) -> np.ndarray:
    return column.to_physical().to_numpy().astype(np.int32)


def pairs(visits: pl.DataFrame) -> pl.DataFrame:
    """Follow-ups beside the visit they follow (its columns with the suffix _before)."""
    later = visits.filter(pl.col("visit_number") > 1).with_columns(
        before=pl.col("visit_id") - 1  # keys of a chain are neighbours
    )
    return later.join(visits, left_on="before", right_on="visit_id", how="left", suffix="_before")


@pytest.fixture(params=list(RUNS))
def run(request: pytest.FixtureRequest) -> Made:
    return made(request.param)


def test_visits__are_as_many_as_planned_with_three_keys_a_chain(run: Made) -> None:
    roots = run.visits.filter(pl.col("visit_number") == 1)
    assert roots["visit_id"].to_list() == [3 * i + 1 for i in range(run.plan.visits)]
    assert run.visits["visit_id"].is_sorted()
    assert run.visits["visit_id"].is_unique().all()
    assert (roots["root_visit_id"].is_null()).all()
    later = run.visits.filter(pl.col("visit_number") > 1)
    assert (later["root_visit_id"] + later["visit_number"] - 1 == later["visit_id"]).all()
    assert later["visit_number"].is_between(2, 3).all()


def test_visits__have_the_scenario_s_status_shares_in_the_base_world(run: Made) -> None:
    plan = run.plan
    base = base_world(run)
    roots = base.filter(pl.col("visit_number") == 1)["status"].to_physical().to_numpy()
    older = int(plan.visits_per_day[: -min(plan.days, 90)].sum())
    wanted = largest_remainder(STATUS_SHARES, plan.visits - older)
    assert np.bincount(roots[older:], minlength=6).tolist() == wanted.tolist()
    assert not np.isin(roots[:older], [1, 2]).any()


def test_visits__that_are_scheduled_lie_in_the_fourteen_days_after_the_run(run: Made) -> None:
    days = epoch_days(run.visits["scheduled_date"])
    ahead = (run.visits["status"] == "Scheduled").to_numpy()
    assert ((days > run.plan.last_day) == ahead).all()
    assert days.max() <= run.plan.last_day + 14
    assert is_open(days).all()


def test_visits__that_did_not_take_place_have_no_arrival_cost_or_report(run: Made) -> None:
    visits = run.visits
    idle = visits.filter(pl.col("status").cast(pl.String).is_in(UNVISITED))
    for name in ("actual_arrival_at", "resolution_at", "delay_reason", "report"):
        assert idle[name].is_null().all()
    for name in ("report_signed_by", "resolution_status", "non_resolution_reason"):
        assert idle[name].is_null().all()
    assert (idle["total_cost"] == 0).all()
    assert (idle["spare_parts"].list.len() + idle["services"].list.len() == 0).all()
    assert (idle["delay_days"] == 0).all()
    others = visits.filter(~pl.col("status").cast(pl.String).is_in(UNVISITED))
    assert others["actual_arrival_at"].is_not_null().all()
    ended = others["status"] != "In Progress"
    assert (others["resolution_at"].is_not_null() == ended).all()
    assert (others["report"].is_not_null() == ended).all()
    assert (others["report_signed_by"].is_not_null() == ended).all()


def test_visits__arrive_on_or_after_their_day_and_end_the_same_day(run: Made) -> None:
    came = run.visits.filter(pl.col("actual_arrival_at").is_not_null())
    delay = (came["actual_arrival_day"] - came["scheduled_date"]).dt.total_days()
    assert (delay == came["delay_days"]).all()
    assert came["delay_days"].is_between(0, 6).all()
    assert (came["delay_reason"].is_not_null() == (came["delay_days"] > 0)).all()
    assert (came["is_significant_delay"] == (came["delay_days"] > 3)).all()
    days = epoch_days(came["actual_arrival_day"])
    assert is_open(days).all()
    assert (came["actual_arrival_day"].dt.weekday() != 5).all()
    assert not calendar.is_holiday(days).any()
    ended = came.filter(pl.col("resolution_at").is_not_null())
    assert (ended["resolution_day"] == ended["actual_arrival_day"]).all()
    assert (ended["resolution_at"] > ended["actual_arrival_at"]).all()
    assert came["actual_arrival_hour"].min() >= 9
    assert ended["resolution_hour"].max() < 17


def test_visits__are_late_one_time_in_five_by_up_to_six_days() -> None:
    visits = made("year").visits
    came = visits.filter(pl.col("actual_arrival_at").is_not_null() & (pl.col("visit_number") == 1))
    assert (came["delay_days"] > 0).mean() == pytest.approx(0.2, abs=0.02)
    assert set(came["delay_days"]) == set(range(7))


def test_visits__in_progress_began_on_the_last_days_of_visits(run: Made) -> None:
    current = run.visits.filter(pl.col("status") == "In Progress")
    days = epoch_days(current["scheduled_date"])
    open_since = [
        int(is_open(np.arange(day, run.plan.last_day + 1, dtype=np.int32)).sum())
        for day in np.unique(days)
    ]
    assert max(open_since, default=0) <= IN_PROGRESS_DAYS
    assert (epoch_days(current["actual_arrival_day"]) <= run.plan.last_day).all()


def test_visits__show_nothing_after_the_as_of_instant(run: Made) -> None:
    as_of = run.plan.as_of_us
    for name in ("created_at", "updated_at", "actual_arrival_at", "resolution_at"):
        assert (run.visits[name].drop_nulls().to_physical() < as_of).all(), name
    visits = run.visits
    assert (visits["created_at"] < visits["actual_arrival_at"]).all()
    assert (visits["updated_at"] >= visits["created_at"]).all()
    last = pl.coalesce("resolution_at", "actual_arrival_at")
    came = visits.filter(pl.col("actual_arrival_at").is_not_null())
    assert came.filter(pl.col("updated_at") != last).is_empty()
    assert (came["updated_at"].to_physical() >= run.plan.start_us).all()


def test_visits__are_called_off_inside_the_window_before_their_hour(run: Made) -> None:
    off = run.visits.filter(pl.col("status") == "Cancelled")
    assert (off["updated_at"].to_physical() >= run.plan.start_us).all()
    assert (off["updated_at"] > off["created_at"]).all()
    assert (off["updated_day"] <= off["scheduled_date"]).all()
    same_day = off.filter(pl.col("updated_day") == pl.col("scheduled_date"))
    assert same_day.filter(pl.col("updated_hour") >= 9).is_empty()


def test_roots__are_booked_on_working_days_before_their_day(run: Made) -> None:
    roots = run.visits.filter(pl.col("visit_number") == 1)
    assert (roots["created_day"] < roots["scheduled_date"]).all()
    assert calendar.is_working(epoch_days(roots["created_day"])).all()


def test_follow_ups__come_three_to_thirteen_days_after_an_unresolved_visit(run: Made) -> None:
    both = pairs(run.visits)
    assert both["status_before"].is_not_null().all()
    assert both["status_before"].cast(pl.String).is_in(UNRESOLVED).all()
    gap = (both["scheduled_date"] - both["created_day"]).dt.total_days()
    assert gap.is_between(3, 13).all()
    arrival_gap = (both["actual_arrival_day"] - both["actual_arrival_day_before"]).dt.total_days()
    assert arrival_gap.drop_nulls().is_between(3, 13).all()
    assert (both["created_at"] == both["resolution_at_before"]).all()
    assert (both["visit_number"] == both["visit_number_before"] + 1).all()
    for name in ("company_id", "visit_type", "technician_name"):
        assert (both[name] == both[f"{name}_before"]).all()
    assert both["branch_id"].eq_missing(both["branch_id_before"]).all()
    assert both["problem_reasons"].eq(both["problem_reasons_before"]).all()
    assert (both["problem_reasons"].list.len() > 0).all()
    assert not both["status"].is_in(["Cancelled", "In Progress"]).any()


def test_follow_ups__are_planned_for_seven_of_ten_unresolved_visits() -> None:
    visits = made("year").visits
    unresolved = visits.filter(
        pl.col("status").cast(pl.String).is_in(UNRESOLVED) & (pl.col("visit_number") < 3)
    )
    followed = unresolved["visit_id"].is_in((pairs(visits)["before"]).to_list())
    assert len(unresolved) > 500
    assert followed.mean() == pytest.approx(0.7, abs=0.06)


def test_outcomes__fit_the_status(run: Made) -> None:
    text = pl.col("status", "resolution_status", "non_resolution_reason").cast(pl.String)
    visits = run.visits.with_columns(text)
    allowed = {
        "Completed": {None, "solved"},
        "Follow-up Required": {"partial", "not_solved"},
        "Waiting for Parts": {"waiting_parts"},
        **{status: {None} for status in ("Scheduled", "In Progress", "Cancelled")},
    }
    for (status,), rows in visits.group_by("status"):
        assert set(rows["resolution_status"]) <= allowed[status]
    unresolved = visits["status"].is_in(UNRESOLVED)
    assert (visits["non_resolution_reason"].is_not_null() == unresolved).all()
    assert visits.filter(unresolved)["problem_occurred"].all()
    solved = visits.filter(pl.col("status") == "Completed")
    assert (solved["resolution_status"].is_not_null() == solved["problem_occurred"]).all()
    waiting = visits.filter(pl.col("status") == "Waiting for Parts")
    assert (waiting["non_resolution_reason"] == "Spare part not in stock").all()


def test_faults__occur_on_all_requests_and_two_of_five_periodic_visits(run: Made) -> None:
    visits = run.visits
    assert visits.filter(pl.col("visit_type") == "customer_request")["problem_occurred"].all()
    reasons = visits["problem_reasons"].list
    assert ((reasons.len() > 0) == visits["problem_occurred"]).all()
    assert (reasons.n_unique() == reasons.len()).all()
    roots = base_world(made("year")).filter(pl.col("visit_number") == 1)
    is_periodic = pl.col("visit_type") == "periodic"
    assert len(roots.filter(is_periodic)) / len(roots) == pytest.approx(0.7, abs=0.02)
    periodic = roots.filter(is_periodic & pl.col("actual_arrival_at").is_not_null())
    assert periodic["problem_occurred"].mean() == pytest.approx(0.4, abs=0.03)


def test_costs__add_up_from_the_price_lists(run: Made) -> None:
    parts = lines(run.visits, "spare_parts").with_columns(
        price=pl.col("name").replace_strict(dict(PARTS), return_dtype=pl.Int64)
    )
    assert (parts["unit_price"] == parts["price"]).all()
    assert parts["price"].is_between(50, 2500).all()
    services = lines(run.visits, "services").with_columns(
        price=pl.col("name").replace_strict(dict(SERVICES), return_dtype=pl.Int64)
    )
    assert (services["cost"] == services["price"]).all()
    assert services["price"].is_between(100, 1500).all()
    sums = (
        run.visits.select("visit_id", "parts_cost", "services_cost", "labor_cost", "total_cost")
        .join(summed(parts, "parts"), on="visit_id", how="left")
        .join(summed(services, "services"), on="visit_id", how="left")
        .fill_null(0)
    )
    assert (sums["parts_cost"] == sums["parts"]).all()
    assert (sums["services_cost"] == sums["services"]).all()
    total = sums["parts_cost"] + sums["services_cost"] + sums["labor_cost"]
    assert (sums["total_cost"] == total).all()


def test_work__has_services_on_each_visit_and_parts_only_with_a_fault(run: Made) -> None:
    came = run.visits.filter(pl.col("actual_arrival_at").is_not_null())
    assert came["services"].list.len().is_between(1, 3).all()
    assert came["labor_cost"].is_between(100, 500).all()
    assert came["spare_parts"].list.len().is_between(0, 3).all()
    assert (came.filter(~pl.col("problem_occurred"))["spare_parts"].list.len() == 0).all()
    for name in ("spare_parts", "services"):
        rows = lines(run.visits, name)
        assert not rows.select("visit_id", "name").is_duplicated().any()
    assert set(made("year").visits["spare_parts"].list.len()) == {0, 1, 2, 3}


def test_sites__have_a_machine_and_are_open(run: Made) -> None:
    companies, branches = run.world.companies, run.world.branches
    company = run.visits["company_id"].to_numpy() - 1
    at_branch = run.visits["branch_id"].is_not_null().to_numpy()
    branch = run.visits["branch_id"].fill_null(1).to_numpy() - 1
    created = run.visits["created_at"].to_physical().to_numpy()
    seen = run.visits["updated_at"].to_physical().to_numpy()
    assert companies.machine[company[~at_branch]].all()
    assert (companies.created_at[company] <= created).all()
    assert (companies.closed_at[company] > seen).all()
    open_at_end = companies.closed_at[company] >= run.plan.as_of_us
    assert open_at_end[(run.visits["status"] == "Scheduled").to_numpy()].all()
    if at_branch.any():
        assert branches.machine[branch[at_branch]].all()
        assert (branches.company[branch[at_branch]] == company[at_branch]).all()
        assert (branches.created_at[branch[at_branch]] <= created[at_branch]).all()


def test_reports__are_signed_by_who_runs_the_site() -> None:
    run = made("quarter")
    masters = {
        table: pl.concat(
            make_block(run.plan, block, Totals.zero(run.plan.companies, run.plan.products), {})[0][
                table
            ].to_polars()
            for block in blocks_of(run.plan)
            if block.table == table
        ).select(f"{key}_id", pl.col("manager_name").alias(key))
        for table, key in (("companies", "company"), ("branches", "branch"))
    }
    signed = run.visits.filter(pl.col("report_signed_by").is_not_null())
    sites = signed.join(masters["companies"], on="company_id", how="left")
    sites = sites.join(masters["branches"], on="branch_id", how="left")
    assert (
        sites["report_signed_by"] == sites.select(pl.coalesce("branch", "company"))["branch"]
    ).all()


def test_sites__are_companies_as_such_where_nobody_has_a_machine() -> None:
    plan = plan_of(*RUNS["week"])
    world = build_world(plan)
    bare = replace(
        world,
        companies=replace(world.companies, machine=np.zeros(plan.companies, dtype=bool)),
        branches=replace(world.branches, machine=np.zeros(plan.branches, dtype=bool)),
    )
    visits = make(plan, bare).visits
    assert len(visits) >= plan.visits
    assert visits["branch_id"].is_null().all()
    assert (world.companies.closed_at[visits["company_id"].to_numpy() - 1] > plan.as_of_us).all()


def test_visits__all_lie_ahead_where_the_window_has_no_open_day() -> None:
    friday = make(
        plan_of("2024-05-10", "2024-05-10", 1, {"entityRates": {"maintenanceVisitsPerWeek": 70}})
    )
    assert len(friday.visits) == friday.plan.visits == 10
    assert (friday.visits["status"] == "Scheduled").all()


def test_technicians__have_a_believable_number_of_visits_a_day() -> None:
    for name in ("year", "failures"):
        run = made(name)
        came = run.visits.filter(pl.col("actual_arrival_at").is_not_null())
        load = came.group_by("technician_name", "actual_arrival_day").len()["len"]
        assert run.visits["technician_name"].n_unique() <= technician_count(run.plan)
        assert load.mean() < 3.5
        assert load.quantile(0.99) <= 7


def test_failures__change_their_rows_and_nothing_else() -> None:
    start, end, seed, scenario = RUNS["failures"]
    run = made("failures")
    calm = make(plan_of(start, end, seed, {**scenario, "anomalyRate": 0.0}))
    assert calm.labels.is_empty()
    assert calm.tally == (0, 0)
    failed = run.labels["entity_id"].unique()
    same = pl.col("root_visit_id").fill_null(pl.col("visit_id")).is_in(failed.to_list()).not_()
    assert run.visits.filter(same).equals(calm.visits.filter(same))
    changed = {*run.labels["field"], "problem_reasons"}  # a list, follows from problem_occurred
    before = calm.visits.filter(pl.col("visit_id").is_in(failed.to_list()))
    after = run.visits.filter(pl.col("visit_id").is_in(failed.to_list()))
    for name in set(MAINTENANCE_VISITS.polars_schema) - changed:
        assert before[name].equals(after[name]), name
    assert (before["status"] == "Completed").all()
    assert (after["status"] == "Follow-up Required").all()
    assert (after["resolution_status"] == "not_solved").all()
    assert set(failed.to_list()) <= set(pairs(run.visits)["before"].to_list())


@pytest.mark.parametrize("name", ["failures", "bursts"])
def test_failures__are_labelled_field_by_field(name: str) -> None:
    run = made(name)
    start, end, seed, scenario = RUNS[name]
    calm = make(plan_of(start, end, seed, {**scenario, "anomalyRate": 0.0}))
    labels = run.labels
    assert not labels.select("entity_id", "field").is_duplicated().any()
    assert (labels["entity"] == "maintenance_visits").all()
    for (field,), rows in labels.group_by("field"):
        for text, frame in (("injected_value", run.visits), ("original_value", calm.visits)):
            shown = rows.join(frame, left_on="entity_id", right_on="visit_id", how="left")
            assert shown[text].eq_missing(as_text(shown[str(field)])).all(), (field, text)
        told = rows.join(calm.visits, left_on="entity_id", right_on="visit_id").with_columns(
            old=pl.col("original_value").fill_null("?"), new=pl.col("injected_value").fill_null("?")
        )
        assert (told["old"] != told["new"]).all(), field
    at = labels.join(run.visits, left_on="entity_id", right_on="visit_id")
    assert (at["event_at"] == at["resolution_at"]).all()
    asked = at["visit_type"] == "customer_request"
    assert ((at["severity"] == "high") == asked).all()


def test_failures__befall_eligible_visits_at_the_rate() -> None:
    for name in ("failures", "bursts"):
        run = made(name)
        eligible, labelled = run.tally
        roots = base_world(run).filter(pl.col("visit_number") == 1)
        assert eligible == (roots["status"] == "Completed").sum()
        assert labelled == run.labels["entity_id"].n_unique()
        rate = row_rate(run.plan, epoch_days(roots["scheduled_date"]))
        wanted = rate[(roots["status"] == "Completed").to_numpy()].mean()
        assert labelled / eligible == pytest.approx(wanted, abs=0.01)
    assert made("failures").tally[1] == round(0.4 * made("failures").tally[0])


def test_failures__gather_in_windows_when_they_come_in_bursts() -> None:
    run = made("bursts")
    day = (run.labels.filter(pl.col("field") == "status"))["cluster_id"]
    assert day.is_not_null().mean() > 0.8


def test_visits__are_the_same_when_made_again() -> None:
    run = made("week")
    again = make(plan_of(*RUNS["week"]))
    assert again.visits.equals(run.visits)


def base_world(run: Made) -> pl.DataFrame:
    """Set labelled statuses and faults back."""
    failed = run.labels.filter(pl.col("field") == "status")["entity_id"].to_list()
    found = run.labels.filter(pl.col("field") == "problem_occurred")["entity_id"].to_list()
    is_failed = pl.col("visit_id").is_in(failed)
    return run.visits.with_columns(
        status=pl.when(is_failed)
        .then(pl.lit("Completed"))
        .otherwise(pl.col("status").cast(pl.String))
        .cast(pl.Enum(VISIT_STATUSES)),
        problem_occurred=pl.col("problem_occurred") & ~pl.col("visit_id").is_in(found),
    )


def lines(visits: pl.DataFrame, name: str) -> pl.DataFrame:
    return visits.select("visit_id", name).explode(name, empty_as_null=False).unnest(name)


def summed(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.group_by("visit_id").agg(
        (pl.col("price") * pl.col("quantity")).sum().cast(pl.Decimal(12, 2)).alias(name)
    )


def as_text(column: pl.Series) -> pl.Series:
    return column.cast(pl.String)
