"""Users: roles by their shares, someone active in each, accounts older than the window."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from master_rows import assert_same_for_any_split, plan_of, rows_of, usual_plan

from polargen import calendar
from polargen.generators.world import ROLE_SHARES, build_world, role_counts
from polargen.schema.masters import ROLES


@pytest.mark.parametrize(
    ("users", "expected"),
    [(4, [1, 1, 1, 1]), (5, [1, 1, 2, 1]), (20, [1, 3, 10, 6]), (101, [5, 15, 51, 30])],
)
def test_roles__by_largest_remainder_with_one_of_each(users: int, expected: list[int]) -> None:
    assert role_counts(users).tolist() == expected


def test_roles__counts_hold_for_every_size() -> None:
    for users in range(4, 400):
        counts = role_counts(users)
        assert counts.sum() == users
        assert counts.min() >= 1
        assert np.abs(counts - np.array(ROLE_SHARES) * users).max() < (2 if users < 40 else 1)


@pytest.mark.parametrize("users", [4, 5, 7, 20, 60, 1000])
def test_users__each_role_has_someone_active(users: int) -> None:
    plan = plan_of(entityRates={"users": users})
    made = build_world(plan).users
    assert np.bincount(made.role).tolist() == role_counts(users).tolist()
    active = np.bincount(made.role[made.is_active], minlength=len(ROLES))
    assert active.min() >= 1
    assert active[ROLES.index("Sales")] >= min(2, role_counts(users)[ROLES.index("Sales")])
    assert (~made.is_active).sum() == pytest.approx(0.05 * users, abs=1)


def test_users__at_least_four_however_few_are_asked_for() -> None:
    plan = plan_of(entityRates={"users": 1}, multiplier=0.01)
    assert len(rows_of(plan, "users")) == 4


def test_users__accounts_are_older_than_the_window() -> None:
    plan = usual_plan()
    made = rows_of(plan, "users")
    start = pl.lit(plan.start_us).cast(pl.Datetime("us", "UTC"))
    assert made.select((pl.col("updated_at") < start).all()).item()
    assert made.select((pl.col("created_at") <= pl.col("updated_at")).all()).item()
    days = calendar.local_day(build_world(plan).users.created_at)
    assert calendar.is_working(days).all()


def test_users__are_reached_in_reserved_domains() -> None:
    made = rows_of(usual_plan(), "users")
    assert made["email"].n_unique() == len(made)
    assert made["email"].str.contains(r"^[a-z]+\.[a-z]+@synergyflow\.example$").all()
    photo = made["photo_url"].drop_nulls()
    assert 0 < len(photo) < len(made)
    assert photo.str.contains(r"^https://photos\.synergyflow\.example/users/[0-9]+\.jpg$").all()


def test_users__same_rows_for_any_split() -> None:
    assert_same_for_any_split(usual_plan(), "users")


def test_users__follow_the_seed() -> None:
    first, second = (rows_of(usual_plan(seed), "users") for seed in (7, 8))
    assert first["email"].to_list() != second["email"].to_list()
    assert first["role"].to_list() != second["role"].to_list()


def test_users__of_another_locale() -> None:
    made = rows_of(plan_of(locale="de_DE", entityRates={"users": 50}), "users")
    assert made["email"].n_unique() == 50
    assert made["email"].str.contains(r"^[a-z]+\.[a-z]+@synergyflow\.example$").all()
