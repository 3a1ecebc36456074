"""Rules of keys: R01 to R06."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import polars as pl

from polargen.checks.base import Context, Findings, Found, Said, rule
from polargen.checks.group import MASTERS, Group
from polargen.checks.rows import Array, Bool, Lists, Rows
from polargen.checks.seen import KeySet, TextSet, hashes
from polargen.schema import Column, Kind

_TEXTS = ("text", "label")
_MONEY = ("money", "money_total")
_PATTERNS = {
    # what the meaning of a column promises about its text
    "email": (r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "is no e-mail address"),
    "tax_number": (r"^\d{3}-\d{3}-\d{3}$", "is not of the form 123-456-789"),
    "phone": (r"^\+[1-9]\d{6,14}$", "is no number in E.164"),
}
_PLANNED = {
    "duplicates": ("orders", "duplicated orders"),
    "root_visits": ("maintenance_visits", "first visits"),
}


@rule("R01", "primary keys are unique and not null", in_block=True)
class PrimaryKeys:
    """R01: primary keys are unique, over all groups, and not null."""

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        self._seen: dict[str, KeySet] = defaultdict(KeySet)

    def check(self, group: Group) -> Findings:
        for table in group.tables:
            rows = group[table]
            valid = rows.valid(rows.table.primary_key)
            bad = ~valid
            bad[valid] = self._seen[table].add(rows.key[valid].astype(np.int64, copy=False))
            yield Found(rows, bad, "the primary key is null or occurs twice")

    def finish(self) -> Findings:
        yield from ()


@rule("R02", "every foreign key resolves")
def foreign_keys(group: Group) -> Findings:
    """R02: every foreign key resolves: to a master, or to a fact of the same group."""
    for table in group.tables:
        rows = group[table]
        for column, target in rows.table.foreign_keys:
            lost = (group.at(table, column) < 0) & rows.valid(column)
            yield Found(rows, lost, f"{column} points to no row of {target}", (column,))
        for outer in rows.table.columns:
            for item in outer.fields:
                if item.references:
                    lists = rows.lists(outer.name)
                    found = group.target(item.references).index.find(lists[item.name])
                    lost = lists.of_rows((found < 0) & lists.valid(item.name))
                    what = f"{outer.name}.{item.name} points to no row of {item.references}"
                    yield Found(rows, lost, what)


@rule("R03", "a branch belongs to the company")
def branches(group: Group) -> Findings:
    """R03: the branch of an order or visit belongs to its company."""
    for table in ("orders", "maintenance_visits"):
        rows = group[table]
        found = group.at(table, "branch_id") >= 0
        other = group.of(table, "branch_id", "company_id") != rows["company_id"]
        yield Found(
            rows,
            found & other,
            "the branch belongs to another company",
            ("company_id", "branch_id"),
        )


@rule("R04", "declared uniques are unique")
class Uniques:
    """R04: declared uniques are unique.

    E-mails, SKUs, names, tax numbers, order numbers, payment references outside bulk cycles (one
    reference for all rows of a cycle), and pairs such as (order, product).
    """

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        self._texts: dict[tuple[str, str], TextSet] = defaultdict(TextSet)
        self._numbers: dict[tuple[str, str], KeySet] = defaultdict(KeySet)
        self._looked: dict[tuple[str, str], int] = defaultdict(int)

    def check(self, group: Group) -> Findings:
        for table in group.tables:
            rows = group[table]
            for column in rows.table.columns:
                if column.unique and column.kind in _TEXTS:
                    self._add_text(group, rows, column)
                elif column.unique:
                    valid = rows.valid(column.name)
                    twice = np.zeros(len(rows), dtype=bool)
                    keys = rows[column.name][valid].astype(np.int64)
                    twice[valid] = self._numbers[table, column.name].add(keys)
                    yield Found(rows, twice, f"{column.name} occurs twice", (column.name,))
            for names in rows.table.unique_together:
                yield Found(rows, _twice(rows, names), f"({', '.join(names)}) occurs twice", names)
        self._add_references(group)

    def _add_text(self, group: Group, rows: Rows, column: Column) -> None:
        keep = rows.valid(column.name) & ~group.excuses.labelled(rows, column.name)
        texts = rows.text(column.name).filter(pl.Series(keep))
        self._texts[rows.table.name, column.name].add(texts, rows.key[keep])
        self._looked[rows.table.name, column.name] += len(texts)

    def _add_references(self, group: Group) -> None:
        payments = group["payments"]
        if not len(payments):
            return
        in_cycle = payments.valid("bulk_cycle_id")
        texts = payments.text("reference")
        cycles = payments.text("bulk_cycle_id").filter(pl.Series(in_cycle))
        # The who of a reference: its cycle, as a negative number, or its row.
        who = payments.key.copy()
        who[in_cycle] = _negative(hashes(cycles, 3))
        self._texts["payments", "reference"].add(texts, who)
        pairs = pl.DataFrame({"cycle": cycles, "reference": texts.filter(pl.Series(in_cycle))})
        pairs = pairs.unique()
        self._texts["payments", "bulk_cycle_id"].add(
            pairs["cycle"], _negative(hashes(pairs["reference"], 4))
        )
        self._looked["payments", "reference"] += len(payments)

    def finish(self) -> Findings:
        for (table, column), texts in self._texts.items():
            count, keys = texts.repeated()
            texts.close()
            what = f"{column} occurs twice"
            if column == "bulk_cycle_id":
                what = "a bulk cycle has more than one reference"
            examples = tuple((key if key >= 0 else None, what) for key in keys)
            yield Said(table, self._looked[table, column], count, examples)


@rule("R05", "planned counts are actual counts")
class Counts:
    """R05: planned counts are actual counts, and so are the manifest's."""

    def __init__(self, masters: Mapping[str, Rows], context: Context) -> None:
        self._context = context
        self._counts: dict[str, int] = dict.fromkeys((*context.tables, *_PLANNED), 0)

    def check(self, group: Group) -> Findings:
        for table in group.tables:
            self._counts[table] += len(group[table])
        doubled = group["orders"].valid("duplicate_of_order_id")
        self._counts["duplicates"] += int(np.count_nonzero(doubled))
        followed = group["maintenance_visits"].valid("root_visit_id")
        self._counts["root_visits"] += int(np.count_nonzero(~followed))
        yield from ()

    def finish(self) -> Findings:
        for source, wanted in (
            ("planned", self._context.planned),
            ("in the manifest", self._context.recorded),
        ):
            for name, count in wanted.items():
                table, words = _PLANNED.get(name, (name, "rows"))
                actual = self._counts[name]
                what = f"{actual:,} {words}, {count:,} {source}"
                examples = () if actual == count else ((None, what),)
                yield Said(table, 1, int(actual != count), examples)


@rule("R06", "enumerations, ranges and null rules", in_block=True)
def schema_rules(group: Group) -> Findings:
    """R06: enumerations, ranges and null rules of the schema, and texts that say something."""
    for table in group.tables:
        rows = group[table]
        yield Found(rows, None, "")
        for column in rows.table.columns:
            yield from _nulls(rows, column)
            if column.kind in ("ints", "enums", "structs"):
                lists = rows.lists(column.name)
                items = column.fields or (_item_of(column),)
                for item in items:
                    yield from _range(rows, column, item, lists)
            elif column.kind not in ("text", "label", "json"):
                yield from _range(rows, column, column, None)
        if table in MASTERS:
            yield from _texts(rows)
        yield from _pairs(rows)


def _nulls(rows: Rows, column: Column) -> Findings:
    name = column.name
    pair = (rows.table.name, name)
    if not column.nullable:
        if rows.null_count(name):
            valid = rows.series(name).is_not_null().to_numpy()
            yield Found(rows, ~valid, f"{name} is null", reads=(pair,))
        return
    if column.present_when is not None:
        other, values = column.present_when
        wanted = rows.has(other, *values)
        bad = wanted != rows.valid(name)
        what = f"{name} must be there exactly where {other} is {' or '.join(values)}"
        yield Found(rows, bad, what, (name, other), (pair, (rows.table.name, other)))


def _range(rows: Rows, column: Column, item: Column, lists: Lists | None) -> Findings:
    plain = rows.plain(column.name) if lists is None else lists.plain(item.name)
    name = column.name if lists is None else f"{column.name}.{item.name}"
    reads = ((rows.table.name, column.name),)
    if lists is not None and not item.nullable and plain.mask is not None:
        yield Found(rows, lists.of_rows(~plain.mask), f"{name} is null", reads=reads)
    low, high = _bounds(item)
    below = low is not None and len(plain.raw) and plain.raw.min() < low
    above = high is not None and len(plain.raw) and plain.raw.max() > high
    if not below and not above:
        return
    bad = _outside(plain.raw, low, high) & plain.valid
    what = f"{name} is out of range"
    if lists is None:
        yield Found(rows, bad, what, (name,), reads)
    else:
        yield Found(rows, lists.of_rows(bad), what, reads=reads)


def _bounds(item: Column) -> tuple[float | None, float | None]:
    """Return the inclusive range of a column in the units of `Rows`."""
    if item.kind in ("enum", "enums"):
        return None, len(item.values) - 1
    factor = 100 if item.kind in _MONEY else 1
    low = None if item.low is None else round(item.low * factor, 6)
    high = None if item.high is None else round(item.high * factor, 6)
    return low, high


def _outside(values: Array, low: float | None, high: float | None) -> Bool:
    bad = np.zeros(len(values), dtype=bool)
    if low is not None:
        bad |= values < low
    if high is not None:
        bad |= values > high
    return bad


def _texts(rows: Rows) -> Findings:
    """Check all texts of a table in one pass."""
    checks: dict[str, str] = {}
    expressions = []
    for column in rows.table.columns:
        if column.kind not in _TEXTS:
            continue
        text = pl.col(column.name)
        empty = text.str.strip_chars().str.len_bytes() == 0
        checks[f"{column.name} is empty"] = column.name
        expressions.append(empty.fill_null(False).alias(f"{column.name} is empty"))
        if column.name in _PATTERNS:
            pattern, what = _PATTERNS[column.name]
            bad = ~text.str.contains(pattern) & ~empty
            checks[f"{column.name} {what}"] = column.name
            expressions.append(bad.fill_null(False).alias(f"{column.name} {what}"))
    shown = pl.DataFrame({name: rows.text(name) for name in checks.values()})
    found = shown.select(expressions)
    for what, name in checks.items():
        reads = ((rows.table.name, name),)
        yield Found(rows, found[what].to_numpy(), what, (name,), reads)


# Columns that are there together, or as a flag says: (table, nullable column, flag or other column)
_TOGETHER = (
    ("companies", "lease_monthly_cost", "machine_leased"),
    ("companies", "suspension_reason", "is_suspended"),
    ("companies", "suspended_at", "is_suspended"),
    ("products", "parent_product_id", "is_variant"),
    ("products", "variant_name", "is_variant"),
    ("orders", "discount_type", "discount_value"),
    ("order_items", "discount_type", "discount_value"),
)


def _pairs(rows: Rows) -> Findings:
    table = rows.table.name
    for where, name, other in _TOGETHER:
        if where != table:
            continue
        flag = rows[other] if rows.table[other].kind == "bool" else rows.valid(other)
        what = f"{name} and {other} do not go together"
        reads = ((table, name), (table, other))
        yield Found(rows, rows.valid(name) != flag, what, (name, other), reads)
    if table in ("orders", "order_items"):
        without = ~rows.valid("discount_type") & (rows["discount_amount"] != 0)
        reads = ((table, "discount_type"), (table, "discount_amount"))
        yield Found(rows, without, "discount_amount without a discount", reads=reads)
    if table == "companies":
        both = rows["machine_owned"] & rows["machine_leased"]
        yield Found(rows, both, "a machine both owned and leased", reads=())
    if table == "maintenance_visits":
        root = rows["visit_number"] == 1
        bad = root == rows.valid("root_visit_id")
        yield Found(rows, bad, "root_visit_id must be there for follow-ups only", reads=())


def _item_of(column: Column) -> Column:
    kind: Kind = "enum" if column.kind == "enums" else "int"
    return Column("item", kind, "", values=column.values, low=column.low, high=column.high)


def _none(rows: Rows) -> Bool:
    return np.zeros(len(rows), dtype=bool)


def _twice(rows: Rows, names: tuple[str, ...]) -> Bool:
    """Return which rows repeat an earlier row in all of some key or int columns."""
    parts = [rows[name] for name in names]
    order = np.lexsort(parts[::-1])
    same = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for part in parts:
        sorted_part = part[order]
        same &= sorted_part[1:] == sorted_part[:-1]
    result = _none(rows)
    result[order[1:][same]] = True
    return result


def _negative(values: Array) -> Array:
    """Return hashes as negative int64, so that they are told from keys."""
    return -1 - (values >> np.uint64(2)).astype(np.int64)
