"""Companies and their branches: the customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from polargen import calendar, pools
from polargen.blocks import BlockContext, BlockKind
from polargen.columns import Array, Frame, Gather, Nested, Nullable, Values
from polargen.draw import F64, I64, U8, chance, half_up, integers
from polargen.generators import contacts
from polargen.generators.base import BaseGenerator
from polargen.generators.totals import NEVER_DAY, Totals
from polargen.generators.world_companies import Companies, machines
from polargen.generators.world_days import changed_later
from polargen.plan import Plan
from polargen.pools import AREAS
from polargen.schema import Table
from polargen.schema.masters import (
    BRANCHES,
    COMPANIES,
    COMPANY_STATUSES,
    DUE_TYPES,
    INDUSTRIES,
    MAINTENANCE_LOCATIONS,
    SIZES,
)

MAX_CONTACTS = 3  # Source: DOMAIN, companies
LEASE_STEP_CENTS, LEASE_STEPS = 5_000, (30, 120)  # 1,500 to 6,000 EGP a month; ASSUMED
WAREHOUSE_SHARES = (0.05, 0.25, 0.60)  # with a warehouse of their own, by size; ASSUMED
SUSPENDED_AFTER_DAYS = 60  # Source: DOMAIN, companies
SUSPENSION_US = 8 * 3_600_000_000  # of the day
SUSPENSION_REASON = "An order is overdue by more than 60 days"
SCORE_GRADES = (9000, 7500, 6000, 4000)  # in hundredths; Source: DOMAIN, payment_status
_NEXT_MONTHS_DAY = 1
_NEIGHBOURS = tuple(
    np.flatnonzero([b.governorate == a.governorate for b in AREAS]).astype(np.int16) for a in AREAS
)
_ZONES = np.array([MAINTENANCE_LOCATIONS.index(a.zone) for a in AREAS], dtype=np.uint8)


class CompanyGenerator(BaseGenerator):
    """Makes the rows of `companies` and `branches`."""

    name: ClassVar[str] = "companies"
    tables: ClassVar[tuple[Table, ...]] = (COMPANIES, BRANCHES)
    kinds: ClassVar[tuple[BlockKind, ...]] = ("masters",)
    rows_per_unit: ClassVar[Mapping[str, float]] = {"companies": 1.0, "branches": 1.0}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> Mapping[str, Frame]:
        """Return the companies or branches of the block; nothing for another table's."""
        index = np.arange(ctx.block.first, ctx.block.stop, dtype=np.int64)
        if ctx.block.table == COMPANIES.name:
            return {COMPANIES.name: _companies(ctx, index)}
        if ctx.block.table == BRANCHES.name:
            return {BRANCHES.name: _branches(ctx, index)}
        return {}


def company_names(plan: Plan, companies: Companies, index: I64) -> pa.Array:
    """Return the names of companies, distinct over all of them.

    Args:
        index: int64, company_id - 1, in any order.
    """
    words = pools.packaged()["companies"]
    first = pools.strings(*words["first"])
    texts: list[pa.Array] = []
    rows: list[Array] = []
    ordinal = _ordinals(companies.industry)
    for code, industry in enumerate(INDUSTRIES):
        here = np.flatnonzero(companies.industry[index] == code)
        second, kind = (pools.strings(*lists) for lists in words["industries"][industry])
        sizes = (len(first), len(second), len(kind))
        key = plan.name_key("companies.name", code)
        n = int(np.count_nonzero(companies.industry == code))
        *parts, turn = pools.combination(ordinal[index[here]], n, sizes, key)
        a, b, c = (
            pool.take(pa.array(p)) for pool, p in zip((first, second, kind), parts, strict=True)
        )
        texts.append(pools.numbered(pools.joined(a, " ", b, " ", c), turn, " "))
        rows.append(here)
    place = np.empty(len(index), dtype=np.int64)
    place[np.concatenate(rows)] = np.arange(len(index))
    names = pa.concat_arrays(texts).take(pa.array(place))
    return pools.marked(names, plan.base)


def _ordinals(codes: U8) -> I64:
    """Return each row's number among the rows of its code, from 0."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    starts = np.cumsum(counts) - counts
    ordinal = np.empty(len(codes), dtype=np.int64)
    ordinal[order] = np.arange(len(codes)) - np.repeat(starts, counts)
    return ordinal


def _companies(ctx: BlockContext, index: I64) -> Frame:
    plan, all_companies = ctx.plan, ctx.world.companies
    name = company_names(plan, all_companies, index)
    area = all_companies.area[index]
    latitude, longitude = contacts.coordinates(plan, "companies", index, area)
    owned, leased = machines(plan, "companies", index)
    mailbox = pools.strings(*pools.packaged()["mailboxes"])
    box = integers(plan.keyed("companies.email", index), 0, len(mailbox) - 1)
    lease = integers(plan.keyed("companies.lease_monthly_cost", index), *LEASE_STEPS)
    status = all_companies.status[index]
    closed = Nullable(all_companies.closed_at[index], status == COMPANY_STATUSES.index("Inactive"))
    columns: dict[str, Values] = {
        "company_id": index + 1,
        "name": name,
        "industry": all_companies.industry[index],
        "size": all_companies.size[index],
        "region": all_companies.region[index],
        "delivery_days": contacts.delivery_days(all_companies.region[index]),
        **contacts.places(area),
        "address": contacts.addresses(plan, "companies.address", index, area),
        "latitude": latitude,
        "longitude": longitude,
        "status": status,
        "status_changed_at": closed,
        "tax_number": contacts.tax_numbers(plan, index),
        "email": pools.joined(mailbox.take(pa.array(box)), "@", contacts.slugs(name), ".example"),
        "phone": contacts.site_phones(plan, "companies.phone", index, area),
        "manager_name": _people(plan, "companies.manager_name", index),
        "contacts": _contacts(plan, index),
        "machine_owned": owned,
        "machine_leased": leased,
        "lease_monthly_cost": Nullable(lease * LEASE_STEP_CENTS, leased),
        "maintenance_location": _ZONES[area],
        "warehouse_address": _warehouses(plan, all_companies, index),
        "payment_method": all_companies.method[index],
        "account_manager_user_id": all_companies.account_manager[index],
        "created_at": all_companies.created_at[index],
    }
    columns |= _terms(all_companies, index)
    totals = Totals.zero(plan.companies, plan.products) if ctx.totals is None else ctx.totals
    columns |= _standing(plan, totals, index)
    columns["updated_at"] = _updated(plan, index, columns)
    return Frame(COMPANIES, columns)


def _terms(companies: Companies, index: I64) -> dict[str, Values]:
    due_type = companies.due_type[index]
    n = len(index)
    monthly = due_type == DUE_TYPES.index("monthly_date")
    return {
        "payment_due_type": due_type,
        "payment_due_days": Nullable(
            companies.due_days[index], due_type == DUE_TYPES.index("days_after_order")
        ),
        "payment_due_day": Nullable(np.full(n, _NEXT_MONTHS_DAY, dtype=np.int32), monthly),
        "bulk_payment_frequency": Nullable(
            np.zeros(n, dtype=np.uint8), due_type == DUE_TYPES.index("bulk_schedule")
        ),
    }


def payment_score(late_days_sum: I64, late_count: I64) -> I64:
    """Return 100 less twice the mean days late, in hundredths, 0..10,000; 10,000 without any."""
    lost = half_up(200 * late_days_sum, np.maximum(late_count, 1))
    return np.where(late_count > 0, np.maximum(10_000 - lost, 0), 10_000)


def _standing(plan: Plan, totals: Totals, index: I64) -> dict[str, Values]:
    """Return the columns that follow from orders and payments."""
    score = payment_score(totals.late_days_sum[index], totals.late_count[index])
    grade = np.searchsorted(-np.array(SCORE_GRADES), -score, side="left")
    oldest = totals.oldest_overdue_due_day[index]
    suspended = (oldest != NEVER_DAY) & (
        plan.last_day - oldest.astype(np.int64) > SUSPENDED_AFTER_DAYS
    )
    day = np.where(suspended, oldest, plan.first_day) + np.int32(SUSPENDED_AFTER_DAYS + 1)
    day = np.minimum(day, plan.last_day).astype(np.int32)
    share: F64 = score / 100.0
    return {
        "payment_score": share,
        "payment_status": grade.astype(np.uint8),
        "total_unpaid_orders": totals.unpaid_orders[index].astype(np.int32),
        "total_outstanding_amount": totals.outstanding_cents[index],
        "pending_bulk_payment_amount": totals.pending_bulk_cents[index],
        "last_12_months_revenue": totals.revenue_12m_cents[index],
        "is_suspended": suspended,
        "suspension_reason": Nullable(
            Gather(np.zeros(len(index), dtype=np.int32), pools.strings(SUSPENSION_REASON)),
            suspended,
        ),
        "suspended_at": Nullable(calendar.to_utc(day, SUSPENSION_US), suspended),
    }


def _updated(plan: Plan, index: I64, columns: Mapping[str, Values]) -> I64:
    """Return the last change: a correction, else the end of an Inactive one, or a suspension."""
    created = columns["created_at"]
    assert isinstance(created, np.ndarray)
    until = np.full(len(index), plan.as_of_us)
    last = changed_later(plan, "companies.updated_at", index, created, until)
    for name in ("status_changed_at", "suspended_at"):
        mark = columns[name]
        assert isinstance(mark, Nullable)
        assert isinstance(mark.values, np.ndarray)
        if name == "status_changed_at":  # nobody corrects a company that has left
            last = np.where(mark.valid, mark.values, last)
        last = np.where(mark.valid, np.maximum(last, mark.values), last)
    return last


def _people(plan: Plan, name: str, index: I64) -> pa.Array:
    return pools.person_names(index, plan.name_key(name), plan.scenario.locale, plan.seed)


def _contacts(plan: Plan, index: I64) -> Nested:
    counts = integers(plan.keyed("companies.contacts", index), 1, MAX_CONTACTS)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    turn = np.arange(offsets[-1], dtype=np.int64) - np.repeat(offsets[:-1], counts)
    person = np.repeat(index, counts) * MAX_CONTACTS + turn
    positions = pools.strings(*pools.packaged()["positions"])
    # The contacts of one company have different jobs.
    start = np.repeat(
        integers(plan.keyed("companies.contacts.position", index), 0, len(positions) - 1), counts
    )
    return Nested(
        offsets,
        {
            "name": _people(plan, "companies.contacts.name", person),
            "position": Gather(((start + turn) % len(positions)).astype(np.int32), positions),
            "phone": contacts.mobiles(plan, "companies.contacts.phone", person),
        },
    )


def _warehouses(plan: Plan, companies: Companies, index: I64) -> Nullable:
    """Return addresses in the company's governorate; larger companies tend to have a warehouse."""
    share = np.array(WAREHOUSE_SHARES)[companies.size[index]]
    assert len(WAREHOUSE_SHARES) == len(SIZES)
    own = companies.area[index]
    bits = plan.keyed("companies.warehouse_address.area", index)
    counts = np.array([len(areas) for areas in _NEIGHBOURS])[own]
    starts = np.cumsum([0, *(len(areas) for areas in _NEIGHBOURS)])[own]
    area = np.concatenate(_NEIGHBOURS)[starts + integers(bits, 0, counts - 1)]
    text = contacts.addresses(plan, "companies.warehouse_address", index, area)
    return Nullable(text, chance(plan.keyed("companies.warehouse_address", index), share))


def _branches(ctx: BlockContext, index: I64) -> Frame:
    plan, branches = ctx.plan, ctx.world.branches
    area = branches.area[index]
    # Each company's name is made once, however many branches the block has of it.
    company, place = np.unique(branches.company[index], return_inverse=True)
    made = company_names(plan, ctx.world.companies, company.astype(np.int64))
    name = made.take(pa.array(place))
    short = pools.strings(*(a.name.removeprefix(a.city + " - ") for a in AREAS)).take(
        pa.array(area)
    )
    latitude, longitude = contacts.coordinates(plan, "branches", index, area)
    owned, leased = machines(plan, "branches", index)
    columns: dict[str, Values] = {
        "branch_id": index + 1,
        "company_id": branches.company[index].astype(np.int64) + 1,
        "name": pools.joined(name, " - ", short),
        **contacts.places(area),
        "region": branches.region[index],
        "address": contacts.addresses(plan, "branches.address", index, area),
        "latitude": latitude,
        "longitude": longitude,
        "phone": contacts.site_phones(plan, "branches.phone", index, area),
        "email": pools.joined(contacts.slugs(short), "@", contacts.slugs(name), ".example"),
        "manager_name": _people(plan, "branches.manager_name", index),
        "machine_owned": owned,
        "machine_leased": leased,
        "delivery_days": contacts.delivery_days(branches.region[index]),
        "created_at": branches.created_at[index],
    }
    return Frame(BRANCHES, columns)
