"""The roster: someone is on duty at every hour of orders, and nobody acts outside a session."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from master_rows import plan_of

from polargen import calendar, time_series
from polargen.generators.world import World, build_world
from polargen.plan import Plan
from polargen.schema.masters import ROLES
from polargen.streams import stream

HOUR_US = 3_600_000_000
NIGHT = {"timeSeries": {"hourWeights": [1.0] * 24}}
EVENING = {"timeSeries": {"hourWeights": {**{str(hour): 0.0 for hour in range(24)}, "21": 1.0}}}
SALES = ROLES.index("Sales")


def _world(users: int = 20, **profile: Any) -> tuple[Plan, World]:
    # March and April 2024: Ramadan from March 11, the Eid, and the change to summer time.
    plan = plan_of("2024-02-20", "2024-05-10", entityRates={"users": users}, **profile)
    return plan, build_world(plan)


def _order_instants(plan: Plan) -> np.ndarray:
    """Return instants in every hour of every day that can have orders, first and last minutes."""
    parts = []
    days = np.arange(plan.first_day, plan.last_day + 1, dtype=np.int32)
    for ramadan in (False, True):
        mine = days[calendar.is_ramadan(days) == ramadan]
        hours = np.flatnonzero(time_series.hour_profile(plan.time_series, ramadan))
        for hour in hours.tolist():
            for minute in (0, 20, 44 if hour == 23 else 59):
                parts.append(calendar.to_utc(mine, hour * HOUR_US + minute * 60_000_000))
    return np.concatenate(parts)


@pytest.mark.parametrize("profile", [{}, NIGHT, EVENING], ids=["usual", "night", "evening"])
@pytest.mark.parametrize("users", [4, 5, 7, 9, 20, 200])
def test_sales__someone_is_on_duty_at_every_hour(users: int, profile: dict[str, Any]) -> None:
    plan, world = _world(users, **profile)
    us = _order_instants(plan)
    assert (calendar.is_ramadan(calendar.local_day(us))).any()
    for seed in range(3):
        user_id = world.roster.sales_on_duty(us, stream(seed, "test").u32(len(us)))
        assert (world.users.role[user_id - 1] == SALES).all()
        assert world.users.is_active[user_id - 1].all()
        assert world.roster.in_session(user_id, us).all()


def test_sales__a_single_one_has_both_shifts_on_all_days() -> None:
    plan, world = _world(4)
    user = np.flatnonzero(world.users.role == SALES) + 1
    assert len(user) == 1
    user_id, login, logout = world.roster.sessions(plan.first_day, plan.last_day)
    mine = user_id == user[0]
    assert mine.sum() == plan.days
    assert (logout[mine] - login[mine] > 13 * HOUR_US).all()


def test_sales__two_shifts_and_two_days_off() -> None:
    plan, world = _world(20)
    user_id, login, logout = world.roster.sessions(plan.first_day, plan.last_day)
    sales = world.users.role[user_id - 1] == SALES
    assert (logout - login).max() < 8 * HOUR_US + 60 * 60_000_000
    days = np.bincount(user_id[sales])
    days = days[days > 0]
    assert days.min() >= plan.days * 5 // 7 - 3
    assert days.max() <= plan.days * 5 // 7 + 3


def test_sales__duty_is_shared_out() -> None:
    plan, world = _world(20)
    us = _order_instants(plan)
    user_id = world.roster.sales_on_duty(us, stream(1, "test").u32(len(us)))
    served = np.bincount(user_id, minlength=plan.users + 1)[1:]
    sales = world.users.is_active & (world.users.role == SALES)
    assert (served[sales] > 0.4 * len(us) / sales.sum()).all()
    assert served[~sales].sum() == 0


@pytest.mark.parametrize("roles", [("Admin",), ("Manager", "Admin"), ("Support",)])
def test_office__is_in_session_on_working_days(roles: tuple[str, ...]) -> None:
    plan, world = _world(20)
    days = np.arange(plan.first_day, plan.last_day + 1, dtype=np.int32)
    days = np.repeat(days[calendar.is_working(days)], 30)
    user_id = world.roster.office(days, stream(1, "test").u32(len(days)), roles)
    codes = [ROLES.index(role) for role in roles]
    able = np.flatnonzero(world.users.is_active & np.isin(world.users.role, codes)) + 1
    assert set(user_id.tolist()) == set(able.tolist())
    for us_of_day in (9 * HOUR_US, 13 * HOUR_US, 17 * HOUR_US - 1):
        assert world.roster.in_session(user_id, calendar.to_utc(days, us_of_day)).all()


def test_office__nobody_on_fridays_and_holidays() -> None:
    plan, world = _world(20)
    user_id, login, _ = world.roster.sessions(plan.first_day, plan.last_day)
    office = world.users.role[user_id - 1] != SALES
    assert calendar.is_working(calendar.local_day(login[office])).all()


def test_sessions__are_those_of_in_session() -> None:
    plan, world = _world(20)
    user_id, login, logout = world.roster.sessions(plan.first_day, plan.last_day)
    roster = world.roster
    assert roster.in_session(user_id, login).all()
    assert roster.in_session(user_id, logout - 1).all()
    assert not roster.in_session(user_id, login - 1).any()
    assert not roster.in_session(user_id, logout).any()
    assert not roster.in_session(np.zeros(len(login), dtype=np.int64), login).any()
    assert world.users.is_active[user_id - 1].all()


@pytest.mark.parametrize("profile", [{}, NIGHT], ids=["usual", "night"])
def test_sessions__lie_inside_their_day_and_the_window(profile: dict[str, Any]) -> None:
    plan, world = _world(20, **profile)
    _, login, logout = world.roster.sessions(plan.first_day, plan.last_day)
    assert (login < logout).all()
    assert login.min() >= plan.start_us
    assert logout.max() < plan.as_of_us
    assert (calendar.local_day(login) == calendar.local_day(logout)).all()


def test_sessions__same_for_any_split() -> None:
    plan, world = _world(20)
    middle = plan.first_day + 17
    whole = world.roster.sessions(plan.first_day, plan.last_day)
    parts = [
        world.roster.sessions(plan.first_day, middle),
        world.roster.sessions(middle + 1, plan.last_day),
    ]
    for column, (first, second) in zip(whole, zip(*parts, strict=True), strict=True):
        assert np.array_equal(column, np.concatenate([first, second]))
