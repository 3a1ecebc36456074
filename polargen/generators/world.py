"""The world: what facts need to know of the masters, as small arrays by key - 1.

Made once in each process from the plan. Everything is keyed by the entity's index, so every
process has the same world; names, addresses and the like are made when the masters are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from polargen.draw import I64, U8, Bool, largest_remainder, permute
from polargen.generators.roster import Roster
from polargen.generators.world_companies import Branches, Companies, branch_counts, build_companies
from polargen.generators.world_days import before_window, history_start
from polargen.generators.world_products import Products, build_products
from polargen.schema.masters import ROLES

if TYPE_CHECKING:
    from polargen.plan import Plan

ROLE_SHARES = (0.05, 0.15, 0.50, 0.30)  # Source: DOMAIN, users
INACTIVE_USERS_SHARE = 0.05  # ASSUMED
_SALES = ROLES.index("Sales")


@dataclass(frozen=True)
class Users:
    """Users by user_id - 1.

    Attributes:
        role: uint8, code of `ROLES`.
        is_active: bool; each role has at least one active user.
        created_at: int64, µs UTC, before the window.
    """

    role: U8
    is_active: Bool
    created_at: I64


@dataclass(frozen=True)
class World:
    """The masters as facts see them."""

    users: Users
    companies: Companies
    branches: Branches
    products: Products
    roster: Roster


_WORLDS: dict[str, World] = {}


def build_world(plan: Plan) -> World:
    """Return the plan's world; made once in each process."""
    if plan.hash not in _WORLDS:
        _WORLDS.clear()
        _WORLDS[plan.hash] = _build(plan)
    return _WORLDS[plan.hash]


def role_counts(users: int) -> I64:
    """Return the number of users of each role: int64 (4,), at least one of each; users >= 4."""
    counts = largest_remainder(ROLE_SHARES, users)
    while counts.min() == 0:
        counts[counts.argmax()] -= 1
        counts[counts.argmin()] += 1
    return counts


def _build(plan: Plan) -> World:
    users = _build_users(plan)
    sales = np.flatnonzero(users.is_active & (users.role == _SALES)) + 1
    companies, branches = build_companies(plan, sales)
    return World(users, companies, branches, build_products(plan), Roster(plan, users))


def _build_users(plan: Plan) -> Users:
    index = np.arange(plan.users, dtype=np.int64)
    counts = role_counts(plan.users)
    position = permute(index, plan.users, plan.name_key("users.role"))
    role = np.repeat(np.arange(len(ROLES), dtype=np.uint8), counts)[position]
    inactive = largest_remainder(counts, int(plan.users * INACTIVE_USERS_SHARE))
    # A role keeps one active user; Sales keep one for each shift where they can.
    kept = np.where(np.arange(len(ROLES)) == _SALES, np.minimum(2, counts), 1)
    inactive = np.minimum(inactive, counts - kept)
    is_active = position < (np.cumsum(counts) - inactive)[role]
    created_at = before_window(plan, "users.created_at", index, history_start(plan), plan.first_day)
    return Users(role, is_active, created_at)


__all__ = [
    "Branches",
    "Companies",
    "Products",
    "Users",
    "World",
    "branch_counts",
    "build_world",
    "role_counts",
]
