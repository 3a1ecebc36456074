"""Audit rows: each has its fact, each fact has its row, and users act inside their sessions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import polars as pl
import pytest

from polargen import calendar
from polargen.blocks import BlockContext, blocks_of
from polargen.columns import Frame, Nullable
from polargen.config import MockGeneratorConfig
from polargen.executors.work import make_block
from polargen.generators import all_tables
from polargen.generators.audit_logs import MAX_ADDRESSES, AuditLogGenerator, _addresses, _holds
from polargen.generators.labels import Labels
from polargen.generators.totals import Totals
from polargen.generators.world import build_world
from polargen.plan import Plan, make_plan
from polargen.scenario import resolve_scenario
from polargen.schema import TABLES
from polargen.schema.service import ACTIONS, AUDIT_LOGS, Action

# (scenario, start, end, seed)
RUNS = {
    "usual": ("normal-ops", "2024-01-01", "2024-03-15", 1),
    "heavy": ("anomaly-heavy", "2024-02-20", "2024-04-30", 2),
    "outage": ("warehouse-outage", "2023-11-05", "2023-12-20", 3),
    "short": ("growth-phase", "2024-05-01", "2024-05-03", 4),
}


@dataclass(frozen=True)
class Made:
    plan: Plan
    tables: dict[str, pl.DataFrame]

    @property
    def logs(self) -> pl.DataFrame:
        return self.tables["audit_logs"]


@lru_cache(maxsize=8)
def made(name: str) -> Made:
    scenario, start, end, seed = RUNS[name]
    config = MockGeneratorConfig(
        start_date=date.fromisoformat(start), end_date=date.fromisoformat(end), seed=seed
    )
    plan = make_plan(config, resolve_scenario(scenario))
    totals = Totals.zero(plan.companies, plan.products)
    parts: dict[str, list[pl.DataFrame]] = {table: [] for table in all_tables()}
    for block in blocks_of(plan):
        frames, _ = make_block(plan, block, totals, {})
        for table, frame in frames.items():
            parts[table].append(frame.to_polars())
    tables = {
        table: pl.concat(some) if some else pl.DataFrame(schema=all_tables()[table].polars_schema)
        for table, some in parts.items()
    }
    return Made(plan, tables)


@pytest.fixture(params=list(RUNS))
def run(request: pytest.FixtureRequest) -> Made:
    return made(request.param)


def facts_of(run: Made, action: Action) -> pl.DataFrame:
    """Select an action's facts from the finished tables: entity_id, user_id, created_at, row."""
    rows = run.tables[action.table].with_row_index("row")
    for column, wanted in action.where:
        values = pl.col(column)
        if wanted is None:
            rows = rows.filter(values.is_not_null())
        else:
            rows = rows.filter(values.cast(pl.String).is_in(wanted))
    _, key = action.entity or (action.table, TABLES[action.table].primary_key)
    actor = pl.lit(None, pl.Int64) if action.actor is None else pl.col(action.actor)
    if action.nested is not None:
        later = pl.col(action.nested).list.slice(1)
        rows = rows.with_columns(later.alias("step")).explode("step", empty_as_null=False)
        at = pl.col("step").struct.field(action.time)
    else:
        at = pl.col(action.time)
    if action.since_start:
        rows = rows.filter(at.to_physical() >= run.plan.start_us)
    return rows.select("row", entity_id=key, user_id=actor, created_at=at)


def shown(run: Made, action: str) -> pl.DataFrame:
    return run.logs.filter(pl.col("action") == action)


@pytest.mark.parametrize("action", ACTIONS, ids=[action.name for action in ACTIONS])
def test_facts__have_exactly_one_row_each(run: Made, action: Action) -> None:
    columns = ["entity_id", "user_id", "created_at"]
    facts = facts_of(run, action).select(columns).sort(columns)
    rows = shown(run, action.name)
    assert rows.select(columns).sort(columns).equals(facts)
    entity_type = action.entity[0] if action.entity else action.table
    assert (rows["entity_type"] == entity_type).all()


def test_facts__of_every_kind_occur() -> None:
    seen = set().union(*(set(made(name).logs["action"].unique()) for name in RUNS))
    assert seen >= {action.name for action in ACTIONS} - {"company.suspended"}


def test_details__show_what_is_declared(run: Made) -> None:
    for action in ACTIONS:
        rows = shown(run, action.name)
        keys = ["from", "to"] if action.nested else list(action.details)
        for text in rows["details"].unique():
            assert list(json.loads(text)) == keys, action.name


@pytest.mark.parametrize(
    "action",
    [action for action in ACTIONS if action.details],
    ids=[action.name for action in ACTIONS if action.details],
)
def test_details__hold_the_fact_s_values(run: Made, action: Action) -> None:
    facts = facts_of(run, action)
    table = run.tables[action.table]
    rows = shown(run, action.name).sort("entity_id")
    told = [json.loads(text) for text in rows["details"]]
    true = table[facts["row"]].with_columns(entity=facts["entity_id"]).sort("entity")
    for name in action.details:
        assert [item[name] for item in told] == true[name].cast(pl.String).to_list()


def test_status_changes__tell_the_steps_of_the_history() -> None:
    run = made("heavy")
    steps = (
        run.tables["orders"]
        .select("order_id", "status_history")
        .explode("status_history", empty_as_null=False)
        .unnest("status_history")
        .with_columns(before=pl.col("status").shift(1).over("order_id"))
        .filter(pl.col("before").is_not_null())
        .sort("order_id", "at")
    )
    rows = shown(run, "order.status_changed").sort("entity_id", "created_at")
    told = [json.loads(text) for text in rows["details"]]
    assert [item["from"] for item in told] == steps["before"].cast(pl.String).to_list()
    assert [item["to"] for item in told] == steps["status"].cast(pl.String).to_list()


def test_keys__are_unique_and_rows_lie_in_the_window(run: Made) -> None:
    assert run.logs["audit_log_id"].is_unique().all()
    at = run.logs["created_at"].to_physical()
    assert at.min() >= run.plan.start_us
    assert at.max() < run.plan.as_of_us
    assert (run.logs["entity_id"].drop_nulls() > 0).all()


def test_addresses__belong_to_one_user_each_and_to_no_system(run: Made) -> None:
    logs = run.logs
    assert (logs["user_id"].is_null() == logs["ip_address"].is_null()).all()
    used = logs.select("user_id", "ip_address").drop_nulls().unique()
    assert used["user_id"].is_unique().all()
    assert used["ip_address"].is_unique().all()
    assert used["ip_address"].str.contains(r"^10\.20\.\d{1,3}\.\d{1,3}$").all()


def test_addresses__are_distinct_and_valid_to_the_last() -> None:
    pool = _addresses(MAX_ADDRESSES).to_pylist()
    assert len(set(pool)) == MAX_ADDRESSES
    assert (pool[0], pool[-1]) == ("10.20.0.1", "10.20.255.254")


def test_users__act_inside_one_of_their_sessions(run: Made) -> None:
    day = pl.col("created_at").dt.convert_time_zone("Africa/Cairo").dt.date()
    logs = run.logs.with_columns(day=day)
    start = logs.filter(pl.col("action") == "user.login")
    end = logs.filter(pl.col("action") == "user.logout")
    acts = logs.filter(
        pl.col("user_id").is_not_null() & ~pl.col("action").is_in(["user.login", "user.logout"])
    )
    both = acts.join(start, on=["user_id", "day"], how="left", suffix="_login").join(
        end, on=["user_id", "day"], how="left", suffix="_logout"
    )
    assert len(acts) > 100
    assert both["created_at_login"].is_not_null().all()
    assert (both["created_at"] >= both["created_at_login"]).all()
    assert (both["created_at"] <= both["created_at_logout"]).all()  # null: still open


def test_sessions__are_those_of_the_roster(run: Made) -> None:
    plan = run.plan
    user, login, logout = build_world(plan).roster.sessions(plan.first_day, plan.last_day)
    rows = shown(run, "user.login").sort("created_at", "user_id")
    order = np.lexsort((user, login))
    assert rows["user_id"].to_list() == user[order].tolist()
    assert rows["created_at"].to_physical().to_list() == login[order].tolist()
    ends = shown(run, "user.logout")["created_at"].to_physical().sort()
    assert ends.to_list() == np.sort(logout[logout >= 0]).tolist()
    for name in ("user.login", "user.logout"):
        assert (shown(run, name)["entity_type"] == "users").all()
        assert (shown(run, name)["entity_id"] == shown(run, name)["user_id"]).all()


def test_system__backs_up_each_night_reports_each_working_day_and_invoices_monthly() -> None:
    for name in ("usual", "heavy"):
        run = made(name)
        plan = run.plan
        days = [calendar.date_of(plan.first_day) + timedelta(days=i) for i in range(plan.days)]
        numbers = np.arange(plan.first_day, plan.last_day + 1, dtype=np.int32)
        working = calendar.is_working(numbers)
        wanted = {
            "system.backup_completed": ("02:30", days),
            "system.stock_report_sent": (
                "07:00",
                [day for day, works in zip(days, working, strict=True) if works],
            ),
            "system.invoices_sent": ("06:00", [day for day in days if day.day == 1]),
        }
        for action, (hour, due) in wanted.items():
            rows = shown(run, action).sort("created_at")
            at = rows["created_at"].dt.convert_time_zone("Africa/Cairo")
            assert at.dt.date().to_list() == due
            assert set(at.dt.strftime("%H:%M:%S")) == {f"{hour}:00"}
            assert rows["user_id"].is_null().all()
            assert rows["entity_id"].is_null().all()


def test_pool__holds_each_text_once() -> None:
    run = made("short")
    block = blocks_of(run.plan)[0]
    ctx = BlockContext(run.plan, block, build_world(run.plan), Labels())
    details = AuditLogGenerator().generate(ctx, {})["audit_logs"].columns["details"]
    pool = details.pool.to_pylist()
    assert len(pool) == len(set(pool))


def test_rows__are_none_where_nothing_happened() -> None:
    run = made("short")
    block = next(block for block in blocks_of(run.plan) if block.kind == "masters")
    ctx = BlockContext(run.plan, block, build_world(run.plan), Labels())
    frame = AuditLogGenerator().generate(ctx, {})["audit_logs"]
    assert len(frame) == 0
    assert frame.to_polars().schema == AUDIT_LOGS.polars_schema


def test_conditions__can_exclude_values() -> None:
    table = TABLES["shipments"]
    frame = Frame.__new__(Frame)
    frame.table, frame._rows = table, 4
    frame.columns = {
        "status": np.array([0, 3, 4, 3], dtype=np.uint8),
        "attempt_count": Nullable(
            np.array([0, 1, 2, 1], dtype=np.int32), np.array([1, 1, 1, 0], dtype=bool)
        ),
    }
    assert _holds(frame, table["status"], ("!delivered",)).tolist() == [True, False, True, False]
    assert _holds(frame, table["attempt_count"], ("1", "2")).tolist() == [False, True, True, False]
