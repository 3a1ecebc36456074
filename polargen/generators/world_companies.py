"""Companies and branches as facts see them: who orders how much, where, since when, on terms."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polargen import calendar, streams
from polargen.calendar import DayCount
from polargen.draw import (
    F64,
    I32,
    I64,
    U8,
    Bool,
    chance,
    choose,
    integers,
    largest_remainder,
    permute,
    zipf_weights,
)
from polargen.generators.world_days import history_start, office_us, working_days
from polargen.plan import branches_of_rank
from polargen.plan.shares import HORIZON_DAYS, NET_DAYS, TERMS
from polargen.pools import AREAS
from polargen.schema.masters import COMPANY_STATUSES, DUE_TYPES, INDUSTRIES, REGIONS
from polargen.streams import U64

if TYPE_CHECKING:
    from polargen.plan import Plan

I16 = NDArray[np.int16]

FAR_US = 2**62  # the closing of a company that is open
ZIPF_STEPS = 819  # .8 in 1/1024; Source: DOMAIN, orders.company_id
STATUS_SHARES = (0.75, 0.10, 0.15)  # Source: DOMAIN, companies
MACHINE_OWNED_SHARE = 0.6  # Source: DOMAIN, companies
FEW_COMPANIES = 20  # ASSUMED; among more, one without a machine in 0.24**20 runs
MACHINE_LEASED_SHARE = 0.4  # of the others
# By `INDUSTRIES`; ASSUMED: mostly those who serve coffee.
INDUSTRY_SHARES = (0.06, 0.17, 0.27, 0.12, 0.06, 0.12, 0.07, 0.05, 0.04, 0.04)
CLOSED_IN_WINDOW_SHARE = 0.5  # of the Inactive ones; ASSUMED
NEW_DAYS = 180  # a New company began at most so long before the as-of instant; ASSUMED
SAME_REGION_SHARE = 0.75  # of branches, the others by the regions' shares; ASSUMED
MAX_BRANCHES = 3  # Source: DOMAIN, branches
GREEDY_COMPANIES = 1024  # Source: DOMAIN, payment terms are dealt largest first
_ACTIVE, _NEW, _INACTIVE = range(len(COMPANY_STATUSES))
_OPENED_WITHIN_DAYS = 3 * 365  # a branch after its company; ASSUMED
_NEVER_DAY = 2**30
_DUE_TYPE = np.array([0, 1, 1, 1, 1, 2, 3], dtype=np.uint8)  # by `TERMS`, codes of `DUE_TYPES`
_DUE_DAYS = np.array([*NET_DAYS, 0, 0], dtype=np.int32)
AREAS_OF_REGION = tuple(
    np.array([i for i, area in enumerate(AREAS) if area.region == region], dtype=np.int16)
    for region in REGIONS
)
assert len(_DUE_TYPE) == len(TERMS)
assert len(INDUSTRY_SHARES) == len(INDUSTRIES)
assert DUE_TYPES[3] == "bulk_schedule"


@dataclass(frozen=True)
class Companies:
    """Companies by company_id - 1.

    Attributes:
        rank: int32, 1 = orders most.
        weight: float64, chance to be the company of an order; sums to 1.
        size, industry, region, status, due_type, method: uint8 codes.
        area: int16, index into `pools.AREAS`.
        created_at: int64, µs UTC; New ones inside the window, others before it.
        closed_at: int64, µs UTC; `FAR_US` where not Inactive.
        due_days: int32; 0 where the terms have none.
        account_manager: int64 user_id.
        branch_offset: int32 (n + 1); branches of company i are offset[i]:offset[i + 1].
        machine: bool, owned or leased.
    """

    rank: I32
    weight: F64
    size: U8
    industry: U8
    region: U8
    area: I16
    status: U8
    created_at: I64
    closed_at: I64
    due_type: U8
    due_days: I32
    method: U8
    account_manager: I64
    branch_offset: I32
    machine: Bool


@dataclass(frozen=True)
class Branches:
    """Branches by branch_id - 1, in the order of their companies.

    Attributes:
        company: int32 index of the company.
        area: int16, index into `pools.AREAS`; branches of a company lie in different areas.
        region: uint8.
        created_at: int64, µs UTC; not before the company's, before the as-of instant.
        machine: bool, owned or leased.
    """

    company: I32
    area: I16
    region: U8
    created_at: I64
    machine: Bool


def build_companies(plan: Plan, sales: I64) -> tuple[Companies, Branches]:
    """Return all companies and branches.

    Args:
        sales: int64 user_id of the active Sales users.
    """
    n = plan.companies
    index = np.arange(n, dtype=np.int64)
    overrides = plan.scenario.overrides
    rank = permute(index, n, plan.name_key("companies.rank")) + 1
    weight = zipf_weights(n, ZIPF_STEPS)
    weight = (weight / np.cumsum(weight)[-1])[rank - 1]
    region = _dealt(plan, "companies.region", _region_shares(plan))
    status = _dealt(plan, "companies.status", STATUS_SHARES)
    created_day, closed_day = _lifetimes(plan, index, status)
    term = _terms(plan, _expected(plan, weight, status, created_day, closed_day))
    closed_at = np.full(n, FAR_US, dtype=np.int64)
    closed = np.flatnonzero(status == _INACTIVE)
    bits = plan.keyed("companies.status_changed_at.time", closed)
    closed_at[closed] = office_us(closed_day[closed], bits)
    counts = branch_counts(plan.seed, n, plan.scenario.entity_rates.branch_ratio)
    owned, leased = machines(plan, "companies", index)
    manager = integers(plan.keyed("companies.account_manager", index), 0, len(sales) - 1)
    companies = Companies(
        rank=rank.astype(np.int32),
        weight=weight,
        size=_sizes(plan, rank, overrides.company_size_distribution.shares()),
        industry=choose(_u16(plan.keyed("companies.industry", index)), INDUSTRY_SHARES),
        region=region,
        area=_areas(plan, index, region),
        status=status,
        created_at=office_us(created_day, plan.keyed("companies.created_at.time", index)),
        closed_at=closed_at,
        due_type=_DUE_TYPE[term],
        due_days=_DUE_DAYS[term],
        method=_dealt(plan, "companies.payment_method", overrides.payment_methods.shares()),
        account_manager=sales[manager].astype(np.int64),
        branch_offset=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        machine=owned | leased,
    )
    return companies, _build_branches(plan, companies, created_day, closed_day)


def branch_counts(seed: int, companies: int, ratio: float) -> I32:
    """Return how many branches each company has: int32 (companies,).

    Exactly floor(companies x ratio) companies, by keyed permutation, have one to three.
    """
    position = permute(np.arange(companies), companies, streams.name_key(seed, "branches.company"))
    having = int(companies * Fraction(repr(float(ratio))))
    return np.where(position < having, branches_of_rank(seed, position), 0).astype(np.int32)


def machines(plan: Plan, table: str, index: I64) -> tuple[Bool, Bool]:
    """Return which companies or branches own a machine, and which of the others lease one.

    In a run of a few companies they all have one, so that technicians have somewhere to go.
    """
    owned = chance(plan.keyed(table + ".machine_owned", index), MACHINE_OWNED_SHARE)
    leased = chance(plan.keyed(table + ".machine_leased", index), MACHINE_LEASED_SHARE)
    if plan.companies <= FEW_COMPANIES:
        leased = np.ones(len(index), dtype=bool)
    return owned, leased & ~owned


def deal_terms(plan: Plan, expected: F64, shares: tuple[float, ...]) -> U8:
    """Deal payment terms so that their shares hold by orders.

    Args:
        expected: float64, each company's expected share of the orders; sums to 1.
        shares: of `TERMS`.

    Returns:
        uint8 codes of `TERMS`.

    Model: the 1,024 largest, in turn, get the term with the largest deficit; the others, in
    permuted order, fill what is left. Those without orders are dealt by the shares.
    """
    term = choose(_u16(plan.keyed("companies.payment_terms", np.arange(len(expected)))), shares)
    order = np.argsort(-expected, kind="stable")
    order = order[expected[order] > 0.0]
    large = order[:GREEDY_COMPANIES]
    deficit = list(shares)
    for company, weight in zip(large.tolist(), expected[large].tolist(), strict=True):
        chosen = deficit.index(max(deficit))
        deficit[chosen] -= weight
        term[company] = chosen
    rest = np.sort(order[GREEDY_COMPANIES:])
    if len(rest):
        lot = rest[permute(np.arange(len(rest)), len(rest), plan.name_key("companies.terms"))]
        ends = np.cumsum(np.maximum(deficit, 0.0))
        weights = np.cumsum(expected[lot])
        middle = (weights - expected[lot] * 0.5) * (ends[-1] / weights[-1])
        term[lot] = np.minimum(np.searchsorted(ends, middle, side="right"), len(TERMS) - 1)
    return term


def _terms(plan: Plan, expected: F64) -> U8:
    return deal_terms(plan, expected, plan.scenario.distributions.payment_terms.shares())


def _region_shares(plan: Plan) -> tuple[float, ...]:
    return tuple(plan.scenario.distributions.region_distribution.shares())


def _dealt(plan: Plan, name: str, shares: tuple[float, ...]) -> U8:
    """Deal codes to companies: exact by largest remainder, in permuted order."""
    n = plan.companies
    codes = np.repeat(np.arange(len(shares), dtype=np.uint8), largest_remainder(shares, n))
    return codes[permute(np.arange(n, dtype=np.int64), n, plan.name_key(name))]


def _sizes(plan: Plan, rank: I64, shares: tuple[float, ...]) -> U8:
    """Deal sizes; who orders more tends to be larger."""
    n = plan.companies
    noise = integers(plan.keyed("companies.size", np.arange(n)), 0, n - 1)
    codes = np.arange(len(shares), dtype=np.uint8)
    size = np.empty(n, dtype=np.uint8)
    order = np.argsort(-(rank + noise), kind="stable")
    size[order] = np.repeat(codes, largest_remainder(shares, n))
    return size


def _areas(plan: Plan, index: I64, region: U8) -> I16:
    bits = _u16(plan.keyed("companies.area", index))
    area = np.empty(len(index), dtype=np.int16)
    for code, members in enumerate(AREAS_OF_REGION):
        weights = np.array([AREAS[i].weight for i in members], dtype=np.float64)
        there = np.flatnonzero(region == code)
        area[there] = members[choose(bits[there], tuple(weights / np.cumsum(weights)[-1]))]
    return area


def _lifetimes(plan: Plan, index: I64, status: U8) -> tuple[I32, I32]:
    """Return the days on which companies begin and end; `_NEVER_DAY` where they do not end."""
    first, stop, start = plan.first_day, plan.last_day + 1, history_start(plan)
    count = DayCount(start, stop, calendar.is_working)
    inactive, new = status == _INACTIVE, status == _NEW
    inside = chance(plan.keyed("companies.closed_inside", index), CLOSED_IN_WINDOW_SHARE)
    low = np.where(inside, first, max(first - 365, (start + first) // 2))
    bits = plan.keyed("companies.status_changed_at.day", index)
    closed = working_days(bits, low, np.where(inside, stop, first), count)
    closed = np.where(inactive, closed, _NEVER_DAY).astype(np.int32)
    bits = plan.keyed("companies.created_at.day", index)
    low = np.where(new, max(first, stop - NEW_DAYS), start)
    high = np.where(new, stop, np.minimum(first, closed - 30))
    return working_days(bits, low, high, count), closed


def _expected(plan: Plan, weight: F64, status: U8, created: I32, closed: I32) -> F64:
    """Return each company's expected share of the horizon's orders.

    What falls on a company that is not open goes to those that are Active all the time.
    """
    days = min(plan.days, HORIZON_DAYS)
    start = plan.last_day + 1 - days
    orders = np.concatenate([[0], np.cumsum(plan.orders_per_day[-days:])])
    total = max(int(orders[-1]), 1)
    until, since = np.clip(closed - start, 0, days), np.clip(created - start, 0, days)
    open_share = np.maximum(orders[until] - orders[since], 0) / total
    if orders[-1] == 0:
        open_share = np.where(status == _INACTIVE, 0.0, 1.0)
    own = weight * open_share
    active = np.where(status == _ACTIVE, weight, 0.0)
    lost = 1.0 - float(np.cumsum(own)[-1])
    return np.asarray(own + active * (max(lost, 0.0) / float(np.cumsum(active)[-1])))


def _build_branches(plan: Plan, companies: Companies, created: I32, closed: I32) -> Branches:
    counts = np.diff(companies.branch_offset)
    company = np.repeat(np.arange(plan.companies, dtype=np.int32), counts)
    index = np.arange(len(company), dtype=np.int64)
    turn = index - companies.branch_offset[company]
    same = chance(plan.keyed("branches.same_region", index), SAME_REGION_SHARE)
    drawn = choose(_u16(plan.keyed("branches.region", index)), _region_shares(plan))
    region = np.where(same, companies.region[company], drawn).astype(np.uint8)
    owned, leased = machines(plan, "branches", index)
    # A branch opens on a working day after the company's first, or together with it.
    cap = np.where(created[company] < plan.first_day, plan.first_day, plan.last_day + 1)
    cap = np.minimum(cap, np.minimum(closed, created + _OPENED_WITHIN_DAYS)[company])
    low = created[company].astype(np.int64)
    count = DayCount(history_start(plan), plan.last_day + 1, calendar.is_working)
    day = working_days(plan.keyed("branches.created_at.day", index), low, cap, count)
    later = office_us(day, plan.keyed("branches.created_at.time", index))
    return Branches(
        company=company,
        area=_branch_areas(plan, company, companies, region, turn),
        region=region,
        created_at=np.where(day > low, later, companies.created_at[company]),
        machine=owned | leased,
    )


def _branch_areas(plan: Plan, company: I32, companies: Companies, region: U8, turn: I64) -> I16:
    """Draw areas by their weights, without the company's own and those of its earlier branches."""
    taken = np.left_shift(np.int32(1), companies.area.astype(np.int32))
    bits = plan.keyed("branches.area", company, turn)
    area = np.empty(len(company), dtype=np.int16)
    for number in range(MAX_BRANCHES):
        for code, members in enumerate(AREAS_OF_REGION):
            there = np.flatnonzero((turn == number) & (region == code))
            owner = company[there]
            is_free = (taken[owner][:, None] >> members.astype(np.int32)) & 1 == 0
            weights = np.array([AREAS[i].weight for i in members], dtype=np.int32)
            ends = np.cumsum(is_free * weights, axis=1, dtype=np.int32)
            pick = integers(bits[there], 0, ends[:, -1] - 1)
            area[there] = members[np.argmax(ends > pick[:, None], axis=1)]
            taken[owner] |= np.left_shift(np.int32(1), area[there].astype(np.int32))
    return area


def _u16(words: U64) -> streams.U16:
    return (words >> np.uint64(48)).astype(np.uint16)
