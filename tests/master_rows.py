"""Plans and master rows for the tests of the masters."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from polargen.blocks import Block, BlockContext
from polargen.columns import Frame
from polargen.config import MockGeneratorConfig
from polargen.generators.base import BaseGenerator
from polargen.generators.companies import CompanyGenerator
from polargen.generators.labels import Labels
from polargen.generators.products import ProductGenerator
from polargen.generators.totals import Totals
from polargen.generators.users import UserGenerator
from polargen.generators.world import build_world
from polargen.plan import Plan, make_plan
from polargen.scenario import ScenarioProfile

MAKERS: dict[str, type[BaseGenerator]] = {
    "users": UserGenerator,
    "companies": CompanyGenerator,
    "branches": CompanyGenerator,
    "products": ProductGenerator,
}


def plan_of(
    start: str = "2024-01-01",
    end: str = "2024-03-30",
    seed: int = 7,
    multiplier: float = 1.0,
    **profile: Any,
) -> Plan:
    """Return the plan of a scenario given by its keys."""
    return make_plan(
        MockGeneratorConfig.model_validate(
            {"startDate": start, "endDate": end, "seed": seed, "volumeMultiplier": multiplier}
        ),
        ScenarioProfile.model_validate({"name": "masters", **profile}),
    )


@lru_cache(maxsize=8)
def usual_plan(seed: int = 7) -> Plan:
    """Return a plan with some hundred masters."""
    rates = {"users": 60, "companies": 500, "products": 400, "ordersPerDay": 50}
    return plan_of(seed=seed, entityRates=rates)


def frame_of(
    plan: Plan, table: str, first: int = 0, stop: int | None = None, totals: Totals | None = None
) -> Frame:
    """Return the rows first..stop - 1 of a master as its generator makes them."""
    stop = getattr(plan, table) if stop is None else stop
    block = Block(0, "masters", stop - first, 0, first=first, stop=stop, table=table)
    context = BlockContext(plan, block, build_world(plan), Labels(), totals=totals)
    made = MAKERS[table]().generate(context, {})[table]
    assert isinstance(made, Frame)
    return made


def rows_of(
    plan: Plan, table: str, first: int = 0, stop: int | None = None, totals: Totals | None = None
) -> pl.DataFrame:
    """Return `frame_of` as a Polars frame."""
    return frame_of(plan, table, first, stop, totals).to_polars()


def assert_same_for_any_split(plan: Plan, table: str) -> None:
    """Check that blocks of one row, of a third, and of all rows give the same rows."""
    whole = rows_of(plan, table)
    n = len(whole)
    cuts = [0, 1, n // 3, n // 3 + 1, n]
    parts = [rows_of(plan, table, a, b) for a, b in pairwise(cuts)]
    assert_frame_equal(pl.concat(parts), whole)
