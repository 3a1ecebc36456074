"""A loaded schema, read back block by block with the declared types, and verified.

Which rows belong to a block follows from the plan, which the run's record in the database gives;
so rules see the same groups as in files, in flat memory.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from polargen import ddl
from polargen.blocks import (
    KEYS_PER_UNIT,
    MASTERS,
    OTHER_KEYS_PER_UNIT,
    Block,
    blocks_of,
)
from polargen.checks import MASTER_COLUMNS, Report, Verifier, context_of
from polargen.config import MockGeneratorConfig
from polargen.database import Database, Session
from polargen.errors import ConfigError, VerificationError
from polargen.generators.visits import CHAIN
from polargen.manifest import Manifest
from polargen.owned import RUNS
from polargen.plan import Plan, make_plan
from polargen.reading import nested_from_json
from polargen.scenario import ScenarioProfile
from polargen.schema import NESTED, TABLES, Column, Table

# Whose rows lie in the block of their order.
_OF_ORDERS = ("orders", "order_items", "payments", "refunds", "shipments", "discounts")
Tell = Callable[[int, int], None]


class DatabaseSet:
    """The data set in a schema.

    Args:
        session: on the database; its `Database.schema` names the schema.

    Attributes:
        manifest: of the run that loaded it.
        plan: of that run.

    Raises:
        ConfigError: no finished load is there.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._schema = session.database.schema
        self.manifest = _manifest(session)
        config = MockGeneratorConfig.model_validate(dict(self.manifest.config))
        scenario = ScenarioProfile.model_validate(dict(self.manifest.scenario))
        self.plan: Plan = make_plan(config, scenario)

    def read(self, table: Table, block: Block) -> pl.DataFrame:
        """Return a block's rows of a table in the order of their keys."""
        rule = condition(self.plan, block, table)
        return self._read(table, table.columns, rule)

    def column_rows(self, table: Table, names: tuple[str, ...]) -> pl.DataFrame:
        """Return some columns of a whole table."""
        return self._read(table, tuple(table[name] for name in names), "true")

    def where(self, table: Table, rule: str) -> pl.DataFrame:
        """Return the rows of a table that a condition holds on."""
        return self._read(table, table.columns, rule)

    def count(self, table: str) -> int:
        """Return a table's rows."""
        return int(self._session.value(f"SELECT count(*) FROM {ddl.where(self._schema, table)}"))

    def _read(self, table: Table, columns: tuple[Column, ...], rule: str) -> pl.DataFrame:
        if rule == "false":
            return pl.DataFrame(schema={c.name: c.polars_type for c in columns})
        shown = ", ".join(_shown(column) for column in columns)
        rows = self._session.fetch(
            f"SELECT {shown} FROM {ddl.where(self._schema, table.name)} WHERE {rule} "
            f"ORDER BY {ddl.name(table.primary_key)}"
        )
        frame = pl.DataFrame([pl.Series(c.name, rows.column(c.name)) for c in columns])
        return frame.select(_typed(column) for column in columns)


def verify_database(database: Database, tell: Tell | None = None) -> Report:
    """Check every rule on a loaded schema.

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
        with session.transaction():
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return _verify(DatabaseSet(session), tell)
    finally:
        session.close()


def _verify(data: DatabaseSet, tell: Tell | None) -> Report:
    manifest, plan = data.manifest, data.plan
    absent = [name for name in TABLES if name not in manifest.tables]
    if absent:
        raise ConfigError(f"no table {absent[0]}; rules join all tables, load without --tables")
    masters = {name: data.column_rows(TABLES[name], MASTER_COLUMNS[name]) for name in MASTERS}
    labels = None
    if "invalid_data" in plan.anomaly_types:
        listed = ", ".join(map(ddl.literal, MASTERS))
        labels = data.where(TABLES["anomaly_labels"], f'"entity" IN ({listed})')
    verifier = Verifier(masters, context_of(manifest, TABLES), labels)
    seen = dict.fromkeys(TABLES, 0)
    blocks = blocks_of(plan)
    for number, block in enumerate(blocks, 1):
        frames = {name: data.read(table, block) for name, table in TABLES.items()}
        for name, frame in frames.items():
            seen[name] += frame.height
        verifier.check_group(frames)
        if tell is not None:
            tell(number, len(blocks))
    for name, rows in seen.items():
        there = data.count(name)
        if there != rows:
            raise VerificationError(
                f"{name}: {there:,} rows are there, {rows:,} of them with keys of the run; the "
                "table was changed, load it again"
            )
    return verifier.finish()


def condition(plan: Plan, block: Block, table: Table) -> str:
    """Return the condition that a block's rows of a table keep; "false" where it has none."""
    key = ddl.name(table.primary_key)
    if table.name in MASTERS:
        if block.kind != "masters" or block.table != table.name:
            return "false"
        return f"{key} BETWEEN {block.first + 1} AND {block.stop}"
    if table.name in _OF_ORDERS:
        return _orders(plan, block) if block.kind == "orders" else "false"
    if table.name == "maintenance_visits":
        if block.kind != "visits":
            return "false"
        return f"{key} BETWEEN {CHAIN * block.first + 1} AND {CHAIN * block.stop}"
    each = KEYS_PER_UNIT.get(table.name, OTHER_KEYS_PER_UNIT)
    start = each * block.units_before
    return f"{key} BETWEEN {start + 1} AND {start + each * block.units}"


def _orders(plan: Plan, block: Block) -> str:
    """Return the condition on order_id: the block's orders, and duplicates after all others."""
    assert block.segment is not None
    first, stop = block.segment.first_order, block.segment.stop_order
    rule = f"order_id BETWEEN {first + 1} AND {stop}"
    if plan.warehouses > 1:
        rule += (
            f" AND (order_id - 1) % {plan.warehouses} "
            f"BETWEEN {block.first_warehouse} AND {block.stop_warehouse - 1}"
        )
    if not block.duplicates:
        return rule
    start = plan.orders + block.duplicates_before
    return f"({rule} OR order_id BETWEEN {start + 1} AND {start + block.duplicates})"


def _manifest(session: Session) -> Manifest:
    schema, place = session.database.schema, session.database.place
    table = ddl.where(schema, RUNS)
    if session.value(f"SELECT to_regclass({ddl.literal(table)})::text") is None:
        raise ConfigError(f"{place}: {schema} holds no data set of polargen; load one first")
    found = session.value(f"SELECT manifest::text FROM {table} WHERE replaced_at IS NULL")
    if found is None:
        raise ConfigError(f"{place}: {schema} holds no finished load; load it again")
    return Manifest.from_json(found, f"{place}: {schema}.{RUNS}")


def _shown(column: Column) -> str:
    """Return how a column is asked for, so that the driver gives a type that Arrow has."""
    shown = ddl.name(column.name)
    if column.kind in ("money", "money_total"):
        return f"({shown} * 100)::bigint AS {shown}"
    if column.kind in ("json", "structs", "enums"):
        return f"{shown}::text AS {shown}"
    return shown


def _typed(column: Column) -> pl.Expr:
    """Return a column as read with its declared type."""
    value = pl.col(column.name)
    if column.kind in ("money", "money_total"):
        # cents; a division of decimals would round
        return (value.cast(pl.Decimal(38, 2)) / 100).cast(column.polars_type)
    if column.kind in NESTED and column.kind != "ints":
        return nested_from_json(column, value)
    return value.cast(column.polars_type)
