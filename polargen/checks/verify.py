"""The verifier: runs the rules over groups, in flat memory, and gives a report.

`verify_dataset` proves a finished data set; `check_block` runs the cheap rules on one block while
it is being made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from polargen.checks.base import (
    MAX_EXAMPLES,
    RULES,
    Context,
    Example,
    Found,
    Report,
    Rule,
    RuleResult,
    Said,
)
from polargen.checks.group import MASTERS, Excuses, Group
from polargen.checks.rows import I64, Bool, Rows, Source
from polargen.errors import ConfigError
from polargen.schema import TABLES, Table

if TYPE_CHECKING:
    from polargen.dataset import Dataset
    from polargen.manifest import Manifest

# What rules ask of masters; `Verifier` needs at least these columns.
MASTER_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "users": ("user_id", "role", "is_active", "created_at"),
    "companies": (
        "company_id",
        "region",
        "status",
        "status_changed_at",
        "machine_owned",
        "machine_leased",
        "payment_method",
        "payment_due_type",
        "payment_due_days",
        "payment_score",
        "payment_status",
        "total_unpaid_orders",
        "total_outstanding_amount",
        "pending_bulk_payment_amount",
        "last_12_months_revenue",
        "is_suspended",
        "created_at",
    ),
    "branches": (
        "branch_id",
        "company_id",
        "region",
        "machine_owned",
        "machine_leased",
        "created_at",
    ),
    "products": (
        "product_id",
        "name",
        "category",
        "unit_price",
        "is_variant",
        "popularity_rank",
        "warehouse",
        "opening_stock",
        "stock",
        "total_sold",
        "created_at",
    ),
}
_KINDS = "RDS"
# Importing them registers their rules.
_MODULES = (
    "keys",
    "money",
    "aggregates",
    "time",
    "stock",
    "statuses",
    "logs",
    "details",
    "masters",
    "shape",
)
Frames = Mapping[str, Source]


class Verifier:
    """Checks every rule over the groups of one data set.

    Groups with sessions come before those in which users act, and groups of orders in time order.

    Args:
        masters: users, companies, branches and products, whole tables with `MASTER_COLUMNS`.
        context: of the run.
        master_labels: anomaly labels of masters, so that what they excuse is known from the start.
    """

    def __init__(
        self,
        masters: Mapping[str, pl.DataFrame],
        context: Context,
        master_labels: pl.DataFrame | None = None,
    ) -> None:
        self._masters = {name: Rows(TABLES[name], masters[name]) for name in MASTERS}
        self._context = context
        self._closing = Group.of_masters(self._masters, context)
        self._excuses = Excuses()
        if master_labels is not None:
            labelled = Group.of_masters(self._masters, context)
            labelled.add("anomaly_labels", master_labels)
            self._excuses.add_group(labelled)
        self._rules = [r for r in rules() if r.number[0] != "S" or context.scenario]
        self._bodies: dict[str, Any] = {
            r.number: r.body(self._masters, context) if r.is_stateful else r.body
            for r in self._rules
        }
        self._at_end = tuple(pair for r in self._rules if r.is_stateful for pair in r.reads)
        self._report = Report({r.number: RuleResult(r.number, r.title) for r in self._rules})
        for r in self._rules:
            self._report[r.number].warning = r.warning

    def check_group(self, frames: Frames) -> None:
        """Look at one group.

        Args:
            frames: by table, of the declared schema; tables left out have no rows.

        Raises:
            VerificationError: a column has another type than declared.
        """
        group = Group(frames, self._masters, self._context)
        group.excuses.add(self._excuses)
        group.excuses.add_group(group)
        for item in self._rules:
            body = self._bodies[item.number]
            findings = body.check(group) if item.is_stateful else body(group)
            self._report[item.number].add(_judge(item, findings, group))
        if group.excuses:
            self._closing.excuses.add(group.excuses.of_masters(self._at_end))

    def finish(self) -> Report:
        """Judge what all groups sum up to, and return the report."""
        self._closing.excuses.add(self._excuses)
        for item in self._rules:
            if item.is_stateful:
                findings = self._bodies[item.number].finish()
                self._report[item.number].add(_judge(item, findings, self._closing))
        return self._report


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """Return all rules: R by number, then D, then S."""
    for module in _MODULES:
        import_module(f"polargen.checks.{module}")
    return tuple(
        sorted(RULES.values(), key=lambda r: (_KINDS.index(r.number[0]), int(r.number[1:])))
    )


def check_block(frames: Frames, context: Context) -> Report:
    """Run the cheap rules on one block: what needs no other block and no masters.

    Args:
        frames: of the block's generators, by table, as `Frame`, Arrow or Polars.
        context: of the run; its days and T are enough.
    """
    group = Group({k: v for k, v in frames.items() if k in context.tables}, {}, context)
    group.excuses.add_group(group)
    report = Report()
    for item in rules():
        if item.in_block:
            body = item.body({}, context).check if item.is_stateful else item.body
            report.results[item.number] = _judge(item, body(group), group)
    return report


def verify_dataset(folder: str | Path, tables: Mapping[str, Table] = TABLES) -> Report:
    """Check every rule on a finished data set.

    Args:
        folder: of the data set, with its manifest.
        tables: all declarations, those of plug-ins too.

    Raises:
        ConfigError: the folder is no finished data set, or one without some of the tables or rows.
        VerificationError: a column has another type than declared.
    """
    from polargen.dataset import Dataset

    dataset = Dataset.open(folder, tables)
    if dataset.manifest.partial:
        raise ConfigError(
            f"{folder}: it {dataset.manifest.partial}; rules join all rows of one run, verify the "
            "database that it comes from"
        )
    absent = [name for name in TABLES if name not in dataset.tables]
    if absent:
        raise ConfigError(
            f"{folder}: no table {absent[0]}; rules join all tables, generate without --tables"
        )
    context = context_of(dataset.manifest, dataset.tables)
    master_labels = None
    if "invalid_data" in context.scenario["anomalyConfig"]["types"]:
        master_labels = _labels_of_masters(dataset)
    verifier = Verifier(_masters(dataset), context, master_labels)
    for group in dataset.groups:
        verifier.check_group({name: dataset.read(name, group) for name in dataset.tables})
    return verifier.finish()


def context_of(manifest: Manifest, tables: Mapping[str, Table] = TABLES) -> Context:
    """Return what a manifest tells of its run; the plan is made anew from it."""
    from polargen.config import MockGeneratorConfig
    from polargen.plan import make_plan
    from polargen.scenario import ScenarioProfile

    config = MockGeneratorConfig.model_validate(dict(manifest.config))
    plan = make_plan(config, ScenarioProfile.model_validate(dict(manifest.scenario)))
    return Context(
        first_day=plan.first_day,
        last_day=plan.last_day,
        as_of_us=plan.as_of_us,
        scenario=manifest.scenario,
        planned={
            "users": plan.users,
            "companies": plan.companies,
            "branches": plan.branches,
            "products": plan.products,
            "orders": plan.orders + plan.duplicates,
            "duplicates": plan.duplicates,
            "root_visits": plan.visits,
        },
        recorded={name: entry.rows for name, entry in manifest.tables.items()},
        eligible={name: (c.eligible, c.labelled) for name, c in manifest.labels.items()},
        unmet={share.name: share.expected for share in plan.unmet},
        tables=tables,
    )


def _masters(dataset: Dataset) -> dict[str, pl.DataFrame]:
    return {
        name: pl.concat(
            [dataset.read(name, group).select(MASTER_COLUMNS[name]) for group in dataset.groups]
        )
        for name in MASTERS
    }


def _labels_of_masters(dataset: Dataset) -> pl.DataFrame:
    of_master = pl.col("entity").cast(pl.String).is_in(MASTERS)
    return pl.concat(
        [dataset.read("anomaly_labels", group).filter(of_master) for group in dataset.groups]
    )


def _judge(item: Rule, findings: Iterable[Found | Said], group: Group) -> RuleResult:
    """Count what a rule found: each row once, excused ones apart."""
    result = RuleResult(item.number, item.title, item.warning)
    looked: dict[str, int] = {}
    bad: dict[str, Bool] = {}
    for found in findings:
        if isinstance(found, Said):
            result.rows += found.looked
            result.breaches += found.breaches
            result.examples += [Example(found.table, key, what) for key, what in found.examples]
            result.figures += found.figures
            continue
        table = found.rows.table.name
        looked[table] = len(found.rows)
        if found.bad is None or not found.bad.any():
            continue
        index = np.flatnonzero(found.bad)
        if group.excuses:
            reads = item.reads if found.reads is None else found.reads
            excused = group.excuses.covers(reads, group, table, index, found.part_of)
            result.excused += int(np.count_nonzero(excused))
            index = index[~excused]
        if len(index):
            known = bad.setdefault(table, np.zeros(len(found.rows), dtype=bool))
            result.examples += _examples(found, index[~known[index]])
            known[index] = True
    result.rows += sum(looked.values())
    result.breaches += sum(int(np.count_nonzero(mask)) for mask in bad.values())
    result.examples = result.examples[:MAX_EXAMPLES]
    return result


def _examples(found: Found, index: I64) -> list[Example]:
    table = found.rows.table
    examples = []
    for row in index[:MAX_EXAMPLES].tolist():
        shown = ", ".join(f"{name} {found.rows.series(name)[row]}" for name in found.show)
        what = f"{found.what} ({shown})" if shown else found.what
        examples.append(Example(table.name, int(found.rows.key[row]), what))
    return examples
