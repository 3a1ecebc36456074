"""A loaded run, read back block by block with the declared types and generated keys, and verified.

Which rows belong to a block follows from the plan, which the run's record in the database gives;
so rules see the same groups as in files, in flat memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa

from polargen import ddl, runs
from polargen.blocks import (
    KEYS_PER_UNIT,
    KEYS_PER_VISIT,
    MASTERS,
    OTHER_KEYS_PER_UNIT,
    Block,
    blocks_of,
    order_indices,
)
from polargen.checks import MASTER_COLUMNS, Report, Verifier, context_of
from polargen.config import MockGeneratorConfig
from polargen.database import Database, Session
from polargen.draw import I64
from polargen.errors import ConfigError, VerificationError
from polargen.generators import all_tables
from polargen.keys import Keys
from polargen.owned import freeze
from polargen.plan import Plan, make_plan
from polargen.reading import nested_from_json
from polargen.rekey import (
    generated_key,
    generated_key_by,
    generated_label_values,
    generated_structs,
)
from polargen.scenario import ScenarioProfile
from polargen.schema import NESTED, TABLES, Column, Table

_NONE = (1, 0)
# Whose rows lie in the block of their order.
_OF_ORDERS = ("orders", "order_items", "payments", "refunds", "shipments", "discounts")
# Whose keys are the first of those reserved for a block, without gaps.
_WITHOUT_GAPS = ("inventory_movements", "audit_logs", "anomaly_labels")
_WANTED = "pg_temp.polargen_wanted"
Tell = Callable[[int, int], None]


class DatabaseSet:
    """One run in a schema.

    Args:
        session: on the database; its `Database.schema` names the schema.
        run: one of its loads.

    Attributes:
        manifest: of the run.
        plan: of the run.
        tables: that the run filled.
    """

    def __init__(self, session: Session, run: runs.Run) -> None:
        self._session = session
        self._schema = session.database.schema
        self._keys: Keys = run.keys
        self.manifest = runs.manifest_of(session, run.job_id)
        config = MockGeneratorConfig.model_validate(dict(self.manifest.config))
        scenario = ScenarioProfile.model_validate(dict(self.manifest.scenario))
        self.plan: Plan = make_plan(config, scenario, run.keys.base)
        self.tables: Mapping[str, Table] = {
            name: table for name, table in all_tables().items() if name in self.manifest.tables
        }
        self._ranges = run.ranges

    def read(self, table: Table, block: Block) -> pl.DataFrame:
        """Return a block's rows of a table in the order of their keys."""
        of_orders = table.name in _OF_ORDERS
        target = "orders" if of_orders else table.name
        column = f"t.{ddl.name('order_id' if of_orders else table.primary_key)}"
        first, last = self._range(table, block)
        if last < first:
            return pl.DataFrame(schema=table.polars_schema)
        if self._keys.is_uuid(target):
            keys = np.arange(first, last + 1, dtype=np.int64)
            self._want(target, _orders(self.plan, block) if of_orders else keys)
            return self._read(table, table.columns, f"{column} IN (SELECT key FROM {_WANTED})")
        offset = self._keys.base.offset(target)
        if of_orders:
            return self._read(table, table.columns, orders_rule(self.plan, block, column, offset))
        rule = f"{column} BETWEEN {first + offset} AND {last + offset}"
        return self._read(table, table.columns, rule)

    def column_rows(self, table: Table, names: tuple[str, ...]) -> pl.DataFrame:
        """Return some columns of a master table's rows, in the order of their keys."""
        columns = tuple(table[name] for name in names)
        if self._keys.is_uuid(table.name):
            frame = self._read(table, columns, "true")
            return frame.filter(pl.col(table.primary_key).is_between(1, self._last(table)))
        first, last = self._ranges[table.name]
        key = ddl.name(table.primary_key)
        return self._read(table, columns, f"t.{key} BETWEEN {first} AND {last}")

    def labels_of_masters(self) -> pl.DataFrame:
        """Return the labels of rows of master tables."""
        table = self.tables["anomaly_labels"]
        listed = ", ".join(map(ddl.literal, MASTERS))
        frame = self._read(table, table.columns, f't."entity" IN ({listed})')
        return frame.filter(pl.col(table.primary_key).is_between(1, self._last(table)))

    def count(self, table: str) -> int:
        """Return a table's rows, of all runs."""
        return int(self._session.value(f"SELECT count(*) FROM {ddl.where(self._schema, table)}"))

    def _want(self, table: str, keys: I64) -> None:
        self._session.execute(f"DELETE FROM {_WANTED}")
        schema, _, name = _WANTED.partition(".")
        self._session.copy(schema, name, pa.table({"key": self._keys.stored(table, keys)}))

    def _last(self, table: Table) -> int:
        first, last = self._ranges[table.name]
        return last - first + 1

    def _range(self, table: Table, block: Block) -> tuple[int, int]:
        """Return the first and last generated key of a block's rows of a table.

        Rows that belong to an order are found by its key: then only whether there are any counts.
        """
        if table.name in MASTERS:
            here = block.kind == "masters" and block.table == table.name
            return (block.first + 1, block.stop) if here else _NONE
        if table.name in _OF_ORDERS:
            return (1, 1) if block.kind == "orders" else _NONE
        if table.name in KEYS_PER_VISIT:
            each = KEYS_PER_VISIT[table.name]
            here = block.kind == "visits"
            return (each * block.first + 1, each * block.stop) if here else _NONE
        each = KEYS_PER_UNIT.get(table.name, OTHER_KEYS_PER_UNIT)
        start, rows = each * block.units_before, each * block.units
        if table.name in _WITHOUT_GAPS:
            entries = self.manifest.tables[table.name].blocks
            rows = sum(entry.rows for entry in entries if entry.block == block.number)
        return start + 1, start + rows

    def _read(self, table: Table, columns: tuple[Column, ...], rule: str) -> pl.DataFrame:
        shown = ", ".join(_shown(column) for column in columns)
        rows = self._session.fetch(
            f"SELECT {shown} FROM {ddl.where(self._schema, table.name)} AS t WHERE {rule}"
        )
        arrow = self._generated(table, columns, rows)
        frame = pl.DataFrame([pl.Series(c.name, arrow.column(c.name)) for c in columns])
        typed = frame.select(_typed(c, isinstance(frame.schema[c.name], pl.List)) for c in columns)
        return typed.sort(table.primary_key)

    def _generated(self, table: Table, columns: tuple[Column, ...], rows: pa.Table) -> pa.Table:
        """Return rows as read with generated keys in place of stored ones."""
        keys = self._keys
        if keys.are_generated:
            return rows
        for place, column in enumerate(columns):
            array = rows.column(place).combine_chunks()
            if column.references_by is not None:
                naming = table[column.references_by]
                codes = rows.column(naming.name).combine_chunks().cast(pa.string())
                array = generated_key_by(naming, codes, array, keys)
            elif table.is_key(column):
                array = generated_key(column.references or table.name, array, keys)
            elif column.kind == "structs" and any(item.references for item in column.fields):
                array = self._structs(column, array)
            elif column.kind == "int" and column.unique:
                offset = keys.base.offset(table.name)
                array = pa.array(array.to_numpy() - np.int32(offset))
            rows = rows.set_column(place, column.name, array)
        if table.name == "anomaly_labels":
            rows = generated_label_values(rows, keys)
        return rows

    def _structs(self, column: Column, text: pa.Array) -> pa.Array:
        """Return lists of structs with keys in them, of JSON text with stored keys."""
        uuids = {item.name for item in column.fields if self._keys.is_uuid(item.references or "")}
        stored = replace(
            column,
            fields=tuple(
                replace(item, kind="text") if item.references and item.name in uuids else item
                for item in column.fields
            ),
        )
        frame = pl.DataFrame({column.name: pl.Series(text)})
        lists = frame.select(nested_from_json(stored, pl.col(column.name))).to_series()
        return generated_structs(column, lists.to_arrow(), self._keys)


def make_wanted(session: Session) -> None:
    """Make the temporary table through which rows with uuids are asked for."""
    session.execute(f"CREATE TEMPORARY TABLE {_WANTED.rpartition('.')[2]} (key uuid)")


def verify_database(database: Database, tell: Tell | None = None) -> Report:
    """Check every rule on a loaded schema, on each run in it.

    Args:
        database: with the schema.
        tell: hears blocks done and blocks in all.

    Raises:
        ConfigError: no finished load is there, or one of only some tables.
        TargetError: the server failed.
        VerificationError: rows were added or removed since the load.
    """
    session = database.connect("polargen verify")
    try:
        make_wanted(session)
        freeze(session)
        loads = [run for run in runs.runs(session) if run.live]
        place = f"{database.place}: {database.schema}"
        if not loads:
            raise ConfigError(f"{place} holds no data set of polargen; load one first")
        if any(run.targets for run in loads):
            raise ConfigError(
                f"{place} has tables of others, which keep their own rules; to prove rows before "
                "they are inserted, load with --verify"
            )
        return _verify([DatabaseSet(session, run) for run in loads], tell)
    finally:
        session.close()


def _verify(sets: list[DatabaseSet], tell: Tell | None) -> Report:
    report = Report()
    seen: dict[str, int] = {}
    total, done = sum(len(blocks_of(data.plan)) for data in sets), 0
    for data in sets:
        absent = [name for name in TABLES if name not in data.tables]
        if absent:
            raise ConfigError(f"no table {absent[0]}; rules join all tables, load without --tables")
        masters = {n: data.column_rows(data.tables[n], MASTER_COLUMNS[n]) for n in MASTERS}
        labels = None
        if "invalid_data" in data.plan.anomaly_types:
            labels = data.labels_of_masters()
        verifier = Verifier(masters, context_of(data.manifest, data.tables), labels)
        for block in blocks_of(data.plan):
            frames = {name: data.read(table, block) for name, table in data.tables.items()}
            for name, frame in frames.items():
                seen[name] = seen.get(name, 0) + frame.height
            verifier.check_group(frames)
            done += 1
            if tell is not None:
                tell(done, total)
        report.merge(verifier.finish())
    for name, rows in seen.items():
        there = sets[0].count(name)
        if there != rows:
            raise VerificationError(
                f"{name}: {there:,} rows are there, {rows:,} of them with keys of a run; the "
                "table was changed, load it again"
            )
    return report


def orders_rule(plan: Plan, block: Block, column: str, offset: int) -> str:
    """Return the condition that a column holds the key of one of a block's orders.

    Args:
        plan: of the run.
        block: of orders.
        column: as SQL.
        offset: of stored keys past generated ones.
    """
    assert block.segment is not None
    first, stop = block.segment.first_order + offset, block.segment.stop_order + offset
    rule = f"{column} BETWEEN {first + 1} AND {stop}"
    if plan.warehouses > 1:
        rule += (
            f" AND ({column} - {offset + 1}) % {plan.warehouses} "
            f"BETWEEN {block.first_warehouse} AND {block.stop_warehouse - 1}"
        )
    if not block.duplicates:
        return rule
    start = plan.orders + block.duplicates_before + offset
    return f"({rule} OR {column} BETWEEN {start + 1} AND {start + block.duplicates})"


def _orders(plan: Plan, block: Block) -> I64:
    """Return the generated keys of a block's orders, duplicates after all others."""
    start = plan.orders + block.duplicates_before + 1
    duplicates = np.arange(start, start + block.duplicates, dtype=np.int64)
    return np.concatenate([order_indices(plan, block) + 1, duplicates])


def _shown(column: Column) -> str:
    """Return how a column is asked for, so that the driver gives a type that Arrow has."""
    shown = ddl.name(column.name)
    if column.kind in ("money", "money_total"):
        return f"(t.{shown} * 100)::bigint AS {shown}"
    if column.kind in ("json", "structs", "enums"):
        return f"t.{shown}::text AS {shown}"
    return f"t.{shown}"


def _typed(column: Column, is_list: bool) -> pl.Expr:
    """Return a column as read with its declared type; ``is_list``: no longer JSON text."""
    value = pl.col(column.name)
    if column.kind in ("money", "money_total"):
        # cents; a division of decimals would round
        return (value.cast(pl.Decimal(38, 2)) / 100).cast(column.polars_type)
    if column.kind in NESTED:
        # where keys in it were read back, it is a list already
        return value.cast(column.polars_type) if is_list else nested_from_json(column, value)
    return value.cast(column.polars_type)
