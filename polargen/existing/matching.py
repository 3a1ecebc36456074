"""How tables and columns are found by name, and all that stands in the way of our rows.

``order_items`` is also ``orderItems`` or ``OrderItems``, ``created_at`` also ``createdAt``; a
table's key is also the column ``id`` of its primary key. What does not fit is found before the
first row is made, and said all at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from polargen import ddl
from polargen.database import Session
from polargen.existing import catalog, fitting, rules
from polargen.existing.catalog import Relation, TableColumn
from polargen.existing.fitting import Given, Misfit
from polargen.existing.mapping import ColumnMap, Mapping, TableMap
from polargen.existing.rules import Pair
from polargen.keys import Keys
from polargen.schema import Column, Table

_ID = "id"
_REPLACE = "load with --load-mode replace"
_Named = TypeVar("_Named", Relation, TableColumn)


def map_existing(session: Session, tables: Sequence[Table]) -> Mapping:
    """Find the tables of others in the target schema that our rows can go into.

    Args:
        session: only reads.
        tables: ours, parents first.
    """
    return _Matching(session, tables, foreign=True).mapping()


def map_own(session: Session, tables: Sequence[Table]) -> Mapping:
    """Find the tables that polargen made in the target schema; all of ours must be there.

    Args:
        session: only reads.
        tables: ours, parents first.
    """
    return _Matching(session, tables, foreign=False).mapping()


class _Matching:
    """Finds a mapping and gathers problems and notes."""

    def __init__(self, session: Session, tables: Sequence[Table], foreign: bool) -> None:
        self._session = session
        self._schema = session.database.schema
        self._tables = tables
        self._foreign = foreign
        self._problems: list[str] = []
        self._notes: list[str] = []

    def mapping(self) -> Mapping:
        """Return it."""
        pairs = list(self._pairs(catalog.relations(self._session)))
        if not pairs and self._foreign:
            self._notes.clear()
            names = ", ".join(table.name for table in self._tables[:3])
            self._problems.append(
                f"{self._schema}: holds no table named like one of ours ({names}, ...); make "
                f"them first, like CREATE TABLE {self._schema}.orders "
                "(LIKE public.orders INCLUDING ALL)"
            )
        kinds = _key_kinds(pairs, self._tables)
        keys = Keys(
            uuid_tables=frozenset(name for name, kind in kinds.items() if kind == "uuid"),
            all_uuid=bool(pairs) and all(kinds[pair.table.name] == "uuid" for pair in pairs),
        )
        found = tuple(self._table(pair, keys, kinds) for pair in pairs)
        self._problems += rules.problems(self._session, pairs)
        return Mapping(
            schema=self._schema,
            tables=found,
            foreign=self._foreign,
            uuid_tables=keys.uuid_tables,
            text_tables=frozenset(name for name, kind in kinds.items() if kind == "text"),
            problems=tuple(self._problems),
            notes=tuple(self._notes),
        )

    def _pairs(self, relations: Sequence[Relation]) -> Iterator[Pair]:
        for table in self._tables:
            found = self._named(table.name, relations, self._schema)
            if not found:
                self._missing(table)
            elif len(found) == 1 and self._is_usable(found[0]):
                yield Pair(table, found[0], self._matched(table, found[0]))

    def _missing(self, table: Table) -> None:
        if self._foreign:
            self._notes.append(f"{table.name}: {self._schema} has no such table, left out")
        else:
            self._problems.append(f"{self._schema}.{table.name}: is not there; {_REPLACE}")

    def _is_usable(self, relation: Relation) -> bool:
        if relation.kind not in catalog.TABLE_KINDS:
            kind = catalog.KINDS[relation.kind]
            self._problems.append(f"{relation.full}: is a {kind}; make it a table")
            return False
        if relation.is_polargens == self._foreign:
            self._problems.append(
                f"{relation.full}: was made by polargen; add to it with --load-mode append"
                if self._foreign
                else f"{relation.full}: was not made by polargen; {_REPLACE}"
            )
            return False
        return True

    def _named(self, wanted: str, among: Sequence[_Named], where: str) -> list[_Named]:
        """Return what is named so, in any spelling; several are a problem."""
        found = [item for item in among if _folded(item.name) == _folded(wanted)]
        if len(found) > 1:
            listed = ", ".join(item.name for item in found)
            self._problems.append(
                f"{where}: {listed} are all named like {wanted}; rename all but one"
            )
        return found

    def _matched(self, table: Table, relation: Relation) -> dict[str, TableColumn]:
        """Return the columns that get our values, by the names of ours."""
        matched = {}
        for column in table.columns:
            found = self._named(column.name, relation.columns, relation.full)
            if not found and column.name == table.primary_key:
                primary = [c for c in relation.columns if c.name in relation.primary_key]
                found = [c for c in primary if c.name.lower() == _ID]
            if found and not found[0].is_generated:
                matched[column.name] = found[0]
        if table.primary_key not in matched:
            self._problems.append(
                f"{relation.full}: has neither {table.primary_key} nor a primary key {_ID}; "
                f"{'add one of them' if self._foreign else _REPLACE}"
            )
        elif not self._foreign:
            self._problems += [
                f"{relation.full}: lacks {column.name}, another version made it; {_REPLACE}"
                for column in table.columns
                if column.name not in matched
            ]
        return matched

    def _table(self, pair: Pair, keys: Keys, kinds: dict[str, str]) -> TableMap:
        table, relation = pair.table, pair.relation
        written = pair.columns
        columns = [self._column(pair, table[name], c, keys, kinds) for name, c in written.items()]
        owned = tuple((c.name, c.sequence) for c in written.values() if c.sequence)
        if owned and not relation.is_mine:
            self._problems.append(
                f"{relation.full}: belongs to {relation.owner}, and its sequence must go on above "
                f"our keys; connect as {relation.owner}"
            )
        taken = {column.name for column in written.values()}
        return TableMap(
            table=table,
            target_name=relation.name,
            columns=tuple(column for column in columns if column is not None),
            left=tuple(
                (column.name, self._left(relation, column))
                for column in relation.columns
                if column.name not in taken
            ),
            unused=tuple(c.name for c in table.columns if c.name not in written),
            key_kind=kinds[table.name],
            has_identity=any(column.is_identity for column in written.values()),
            sequences=owned,
        )

    def _column(
        self, pair: Pair, column: Column, theirs: TableColumn, keys: Keys, kinds: dict[str, str]
    ) -> ColumnMap | None:
        place = f"{pair.relation.full}.{theirs.name}"
        given = _given(pair.table, column, keys, kinds)
        if column.nullable and theirs.required:
            self._problems.append(
                f"{place}: is NOT NULL, but {given.label} may be null; drop NOT NULL"
            )
        try:
            sql = fitting.expression(given, theirs)
        except Misfit as misfit:
            remedy = misfit.remedy or given.type
            self._problems.append(f"{place}: is {theirs.type}, {misfit.why}; make it {remedy}")
            return None
        most = fitting.largest(given, theirs)
        keys_of = () if most is None else _keys_of(pair.table, column)
        return ColumnMap(column.name, theirs.name, sql, theirs.type, most, keys_of)

    def _left(self, relation: Relation, column: TableColumn) -> str:
        """Return what a column gets that we have no values for."""
        place = f"{relation.full}.{column.name}"
        if column.is_generated:
            return "generated"
        if column.is_identity:
            return "identity"
        if column.draws is not None:
            self._problems.append(
                f"{place}: its default draws from {column.draws}, outside {self._schema}; drop the "
                "default, or give it another"
            )
        elif column.required and not column.has_default:
            self._problems.append(
                f"{place}: is NOT NULL without a default, and we have no values for it; give it a "
                "default, or drop NOT NULL"
            )
        return "default" if column.has_default else "null"


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _key_kinds(pairs: Sequence[Pair], tables: Sequence[Table]) -> dict[str, str]:
    """Return the kind of every table's keys: number, uuid or text.

    The kind of a table that gets no rows shows in what refers to it.
    """
    kinds = {pair.table.name: _kind(pair.columns.get(pair.table.primary_key)) for pair in pairs}
    if kinds and set(kinds.values()) == {"uuid"}:
        return {**{table.name: "uuid" for table in tables}, **kinds}
    for pair in pairs:
        for name, other in pair.table.foreign_keys:
            if name in pair.columns:
                kinds.setdefault(other, _kind(pair.columns[name]))
    return kinds


def _kind(column: TableColumn | None) -> str:
    return fitting.KEY_KINDS.get(column.family, "number") if column is not None else "number"


def _keys_of(table: Table, column: Column) -> tuple[str, ...]:
    if column.references_by is not None:
        return table[column.references_by].values
    return (column.references or table.name,)


def _given(table: Table, column: Column, keys: Keys, kinds: dict[str, str]) -> Given:
    """Return what is staged for a column."""
    label, staged = f"{table.name}.{column.name}", ddl.column_type(table, column, keys)
    if not table.is_key(column):
        return Given(label, "count" if column.kind == "key" else column.kind, staged, column)
    if column.references_by is None:
        other = column.references or table.name
        kind = kinds.get(other, "uuid" if keys.all_uuid else "number")
        what = {"number": "numbers", "uuid": "uuids", "text": "text"}[kind]
        shown = "text" if kind == "text" else staged
        return Given(label, f"{kind} key", shown, column, f"keys of {other} are {what}")
    if keys.mixed:
        return Given(label, "mixed keys", staged, column, "some tables have uuids, some have not")
    if keys.all_uuid:
        return Given(label, "uuid keys", staged, column, "keys are uuids")
    if "text" in kinds.values():
        return Given(label, "text keys", "text", column, "keys of some tables are text")
    return Given(label, "number keys", staged, column, "keys are numbers")
