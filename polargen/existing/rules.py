"""Rules of the target that our rows cannot keep: unique indexes, foreign keys, checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polargen import ddl
from polargen.database import Session
from polargen.existing.catalog import Check, Reference, Relation, TableColumn
from polargen.schema import Column, Table

_TEXTS = ("text", "character varying", "citext")


@dataclass(frozen=True)
class Pair:
    """One of our tables, theirs, and the columns that match: ours -> theirs."""

    table: Table
    relation: Relation
    columns: dict[str, TableColumn]

    def ours(self, name: str) -> str | None:
        """Return our column that matches one of theirs."""
        return next((ours for ours, c in self.columns.items() if c.name == name), None)


def problems(session: Session, pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield what rows would break, a sentence each."""
    for pair in pairs:
        yield from _uniques(pair)
        for reference in pair.relation.references:
            if not _is_kept(pair, reference, pairs):
                yield (
                    f"{pair.relation.full}.{', '.join(reference.columns)}: must be in "
                    f"{reference.relation}, which does not get the keys of our rows; drop the "
                    f"foreign key {reference.name}"
                )
    yield from _checks(session, pairs)


def _uniques(pair: Pair) -> Iterator[str]:
    """Yield each unique index on columns whose values may repeat in our rows."""
    table = pair.table
    ours = [{table.primary_key}, *map(set, table.unique_together)]
    ours += [{column.name} for column in table.columns if column.unique]
    for unique in pair.relation.uniques:
        names = [pair.ours(column) for column in unique.columns]
        if None in names or any(kept <= set(names) for kept in ours):
            continue
        listed = ", ".join(unique.columns)
        yield (
            f"{pair.relation.full}: {listed} must be unique, but is not in our rows; drop the "
            f"unique index {unique.name}"
        )


def _is_kept(pair: Pair, reference: Reference, pairs: Sequence[Pair]) -> bool:
    """Return whether a foreign key holds: it leads to the key of the table that we refer to."""
    names = [pair.ours(column) for column in reference.columns]
    if not any(names):
        return True
    other = next((p for p in pairs if p.relation.full == reference.relation), None)
    if other is None or len(names) != 1:
        return False
    assert names[0] is not None
    key = other.columns.get(other.table.primary_key)
    return (
        pair.table[names[0]].references == other.table.name
        and key is not None
        and reference.to_columns == (key.name,)
    )


def _checks(session: Session, pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield each check of one column that refuses values of our enumeration."""
    found = [
        (pair, check, pair.columns[name], pair.table[name])
        for pair in pairs
        for check in pair.relation.checks
        for name in map(pair.ours, check.columns[:1])
        if name is not None and len(check.columns) == 1 and pair.table[name].kind == "enum"
    ]
    queries = [
        _refused(number, check, theirs, ours)
        for number, (_, check, theirs, ours) in enumerate(found)
        if theirs.family in _TEXTS or set(ours.values) <= set(theirs.labels)
    ]
    refused: dict[int, list[str]] = {}
    for number, value in session.rows(" UNION ALL ".join(queries)) if queries else ():
        refused.setdefault(number, []).append(value)
    for number, values in refused.items():
        pair, check, theirs, ours = found[number]
        yield (
            f"{pair.relation.full}.{theirs.name}: refuses {', '.join(map(repr, values))} of "
            f"{pair.table.name}.{ours.name}; drop the check {check.name}, or let it take them"
        )


def _refused(number: int, check: Check, theirs: TableColumn, ours: Column) -> str:
    """Return the query for the values that a check refuses."""
    values = ", ".join(map(ddl.literal, ours.values))
    column = f"value::{theirs.base} AS {ddl.name(theirs.name)}"
    return (
        f"SELECT {number}, value FROM (SELECT value, {column} FROM unnest(ARRAY[{values}]) value) "
        f"v WHERE NOT ({check.rule})"
    )
