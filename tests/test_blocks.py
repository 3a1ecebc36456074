"""Blocks share out the plan: every order, visit, day and master row once, keys never twice."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import numpy as np
import pytest

from polargen.blocks import (
    BLOCK_ORDERS,
    KEYS_PER_UNIT,
    MASTERS,
    OTHER_KEYS_PER_UNIT,
    Block,
    BlockContext,
    blocks_of,
    order_indices,
)
from polargen.config import MockGeneratorConfig
from polargen.executors import groups_of, joined_blocks
from polargen.generators.labels import Labels
from polargen.plan import Plan, make_plan
from polargen.scenario import ScenarioProfile

DUPLICATES = {
    "anomalyRate": 0.3,
    "anomalyConfig": {"types": ["duplicate_orders"]},
    "entityRates": {"ordersPerDay": 900, "products": 500},
}
# start, end, multiplier, scenario
RUNS: dict[str, tuple[str, str, float, dict[str, Any]]] = {
    "usual": ("2024-01-01", "2024-03-30", 1.0, {}),
    "tiny": ("2024-01-01", "2024-01-01", 0.001, {}),
    "one segment, two blocks": (
        "2024-01-01",
        "2024-02-15",
        1.0,
        {"entityRates": {"ordersPerDay": 1400, "products": 700}},
    ),
    "months": ("2024-01-10", "2024-06-20", 40.0, {}),
    "weeks": (
        "2024-01-10",
        "2024-03-20",
        1.0,
        {"entityRates": {"ordersPerDay": 8000, "products": 100}},
    ),
    "uneven warehouses": (
        "2024-01-01",
        "2024-04-30",
        1.0,
        {"entityRates": {"ordersPerDay": 1117, "products": 777}},
    ),
    "duplicates": ("2024-01-01", "2024-04-30", 1.0, DUPLICATES),
    "many users": ("2024-01-01", "2024-01-20", 1000.0, {"entityRates": {"ordersPerDay": 1}}),
}


def plan_of(name: str) -> Plan:
    start, end, multiplier, scenario = RUNS[name]
    config = MockGeneratorConfig(
        start_date=date.fromisoformat(start),
        end_date=date.fromisoformat(end),
        seed=5,
        volume_multiplier=multiplier,
    )
    return make_plan(config, ScenarioProfile.model_validate({"name": "test", **scenario}))


@pytest.fixture(scope="module", params=list(RUNS))
def run(request: pytest.FixtureRequest) -> tuple[Plan, tuple[Block, ...]]:
    plan = plan_of(request.param)
    return plan, blocks_of(plan)


def of_kind(blocks: tuple[Block, ...], kind: str) -> list[Block]:
    return [block for block in blocks if block.kind == kind]


Run = tuple[Plan, tuple[Block, ...]]


def test_orders__of_all_blocks_are_the_runs(run: Run) -> None:
    plan, blocks = run
    indices = [order_indices(plan, block) for block in of_kind(blocks, "orders")]
    assert np.array_equal(np.sort(np.concatenate(indices)), np.arange(plan.orders))
    for block, index in zip(of_kind(blocks, "orders"), indices, strict=True):
        assert len(index) == block.orders <= max(BLOCK_ORDERS, 65_536)
        assert (np.diff(index) > 0).all()


def test_orders__of_a_block_are_served_by_its_warehouses_in_its_days(run: Run) -> None:
    plan, blocks = run
    day = np.repeat(np.arange(plan.days), plan.orders_per_day) + plan.first_day
    for block in of_kind(blocks, "orders"):
        index = order_indices(plan, block)
        warehouse = index % plan.warehouses
        assert ((warehouse >= block.first_warehouse) & (warehouse < block.stop_warehouse)).all()
        assert ((day[index] >= block.first_day) & (day[index] <= block.last_day)).all()


def test_orders__blocks_come_in_time_order_and_the_last_segment_knows_it(run: Run) -> None:
    plan, blocks = run
    orders = of_kind(blocks, "orders")
    firsts = [block.first_day for block in orders]
    assert firsts == sorted(firsts)
    assert {block.first_day for block in orders if block.is_last_segment} == {
        plan.segments[-1].first_day
    }
    for segment in plan.segments:
        mine = [block for block in orders if block.segment == segment]
        edges = [(block.first_warehouse, block.stop_warehouse) for block in mine]
        assert edges[0][0] == 0
        assert edges[-1][1] == plan.warehouses
        assert all(one[1] == other[0] for one, other in itertools.pairwise(edges))


def test_duplicates__of_all_blocks_are_the_planned_ones(run: Run) -> None:
    plan, blocks = run
    before = 0
    for block in of_kind(blocks, "orders"):
        assert block.duplicates_before == before
        assert 0 <= block.duplicates <= block.orders
        before += block.duplicates
    assert before == plan.duplicates


def test_keys__reserved_for_blocks_never_overlap(run: Run) -> None:
    _, blocks = run
    for room in (*KEYS_PER_UNIT.values(), OTHER_KEYS_PER_UNIT):
        stop = 1
        for block in blocks:
            first = room * block.units_before + 1
            assert first == stop
            stop = first + room * block.units
        assert stop < 2**62


def test_keys__of_lines_have_room_for_seven_an_order(run: Run) -> None:
    _, blocks = run
    for block in of_kind(blocks, "orders"):
        assert block.units >= block.orders + block.duplicates
    assert KEYS_PER_UNIT["order_items"] == 7


def test_blocks__are_numbered_by_their_place(run: Run) -> None:
    _, blocks = run
    assert [block.number for block in blocks] == list(range(len(blocks)))


def test_streams__of_a_block_are_its_own(run: Run) -> None:
    plan, blocks = run
    names = ("orders.status", "orders.open", "order_items.quantity")
    words = [
        int(BlockContext(plan, block, None, Labels()).stream(name).u64(1)[0])  # type: ignore[arg-type]
        for block in blocks[:200]
        for name in names
    ]
    assert len(set(words)) == len(words)


def test_user_days__cover_each_day_once(run: Run) -> None:
    plan, blocks = run
    days = [
        day
        for block in of_kind(blocks, "user_days")
        for day in range(block.first_day, block.last_day + 1)
    ]
    assert days == list(range(plan.first_day, plan.last_day + 1))


def test_visits__cover_each_root_once(run: Run) -> None:
    plan, blocks = run
    roots = [n for block in of_kind(blocks, "visits") for n in range(block.first, block.stop)]
    assert roots == list(range(plan.visits))


def test_masters__come_last_and_cover_each_row_once(run: Run) -> None:
    plan, blocks = run
    masters = of_kind(blocks, "masters")
    assert blocks[-len(masters) :] == tuple(masters)
    for table in MASTERS:
        edges = [(block.first, block.stop) for block in masters if block.table == table]
        rows = getattr(plan, table)
        assert sum(stop - first for first, stop in edges) == rows
        if rows:
            assert edges[0][0] == 0
            assert edges[-1][1] == rows


@pytest.mark.parametrize("joined", [1, 3, 1000])
def test_groups__hold_every_block_once_in_order(run: Run, joined: int) -> None:
    plan, blocks = run
    groups = groups_of(plan, joined)
    assert [block for group in groups for block in group] == list(blocks)
    for group in groups:
        kinds = {block.kind for block in group}
        assert len(kinds & {"orders", "masters"}) == len(kinds) or not kinds & {"orders", "masters"}
        if kinds == {"orders"}:
            assert len(group) <= joined


def test_joined_blocks__are_more_in_large_runs_only(run: Run) -> None:
    assert joined_blocks(run[0]) == 1


@pytest.mark.parametrize(("multiplier", "joined"), [(400.0, 1), (500.0, 2), (9000.0, 8)])
def test_joined_blocks__leave_enough_groups(multiplier: float, joined: int) -> None:
    config = MockGeneratorConfig(
        start_date=date(2024, 1, 1),
        end_date=date(2024, 3, 31),
        seed=5,
        volume_multiplier=multiplier,
    )
    plan = make_plan(config, ScenarioProfile(name="test"))
    assert joined_blocks(plan) == joined
    orders = [group for group in groups_of(plan, joined) if group[0].kind == "orders"]
    assert len(orders) >= 24
