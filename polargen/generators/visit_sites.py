"""Where maintenance visits go: companies and branches that have a machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polargen.blocks import BlockContext
from polargen.draw import I64, integers
from polargen.schema.masters import COMPANY_STATUSES


@dataclass(frozen=True)
class _Sites:
    """Sites that can be drawn.

    Attributes:
        company, branch: int64 indices; -1 for the company's own site.
        since_us, until_us: int64 µs UTC, from opening to closing.
        always: int64 places of the sites that are open from before the window on.
    """

    company: I64
    branch: I64
    since_us: I64
    until_us: I64
    always: I64


def draw_sites(ctx: BlockContext, from_us: I64, until_us: I64) -> tuple[I64, I64, I64]:
    """Draw the site of each root visit.

    Args:
        from_us, until_us: int64 µs UTC, between which the site must be open.

    Returns:
        int64 company_id, int64 branch_id (0 for none), int64 µs UTC since when the site exists,
        which is before the window where it is after ``from_us``.

    Model: uniform over the sites with a machine. A site that is not open all the time gives way
    to a second draw over those that are. Where nobody has a machine, the technicians go to
    companies as such.
    """
    sites, n = _sites(ctx), len(from_us)
    site = integers(ctx.stream("maintenance_visits.site").u32(n), 0, len(sites.company) - 1)
    second = sites.always[
        integers(ctx.stream("maintenance_visits.second_site").u32(n), 0, len(sites.always) - 1)
    ]
    fits = (sites.since_us[site] <= from_us) & (sites.until_us[site] >= until_us)
    site = np.where(fits, site, second)
    return sites.company[site] + 1, sites.branch[site] + 1, sites.since_us[site]


def _sites(ctx: BlockContext) -> _Sites:
    companies, branches = ctx.world.companies, ctx.world.branches
    active = companies.status == COMPANY_STATUSES.index("Active")
    own, other = np.flatnonzero(companies.machine), np.flatnonzero(branches.machine)
    company = np.concatenate([own, branches.company[other]]).astype(np.int64)
    branch = np.concatenate([np.full(len(own), -1), other]).astype(np.int64)
    since = np.concatenate([companies.created_at[own], branches.created_at[other]])
    always = np.flatnonzero(active[company] & (since < ctx.plan.start_us))
    if len(always) == 0:
        plain = np.flatnonzero(active)
        always = len(company) + np.arange(len(plain))
        company = np.concatenate([company, plain])
        branch = np.concatenate([branch, np.full(len(plain), -1)])
        since = np.concatenate([since, companies.created_at[plain]])
    return _Sites(company, branch, since, companies.closed_at[company], always)
