"""Rows of a staging schema into mapped tables: statements, and what is used up there."""

from __future__ import annotations

from collections.abc import Mapping as Readable

from polargen import ddl
from polargen.database import Session
from polargen.existing.mapping import Mapping, TableMap
from polargen.schema import Column, Table

_MOST_INTEGER = 2**31 - 1
# Texts that carry a run's number: nothing for the first, then 2, 3, ...
_MARKED = (("orders", "order_number", "SO"), ("payments", "reference", "PM[A-Z]"))


def insert_statements(item: TableMap, staging_schema: str, target_schema: str) -> list[str]:
    """Return what moves a table's staged rows, then what moves its own sequences past them."""
    target = ddl.where(target_schema, item.target_name)
    names = ", ".join(ddl.name(column.target) for column in item.columns)
    values = ", ".join(column.sql for column in item.columns)
    override = "OVERRIDING SYSTEM VALUE " if item.has_identity else ""
    insert = (
        f"INSERT INTO {target} ({names}) {override}"
        f"SELECT {values} FROM {ddl.where(staging_schema, item.table.name)}"
    )
    return [insert, *(_restart(target, *owned) for owned in item.sequences)]


def _restart(target: str, column: str, sequence: str) -> str:
    """Return the statement that lets a sequence go on above a column's largest value.

    Unlike setval it is undone with the transaction.
    """
    quoted = ddl.literal(sequence)
    alter = ddl.literal("ALTER SEQUENCE " + sequence.replace("%", "%%") + " RESTART WITH %s")
    return "DO " + ddl.literal(
        "DECLARE last bigint; next bigint; BEGIN "
        f"SELECT max({ddl.name(column)}) INTO last FROM {target}; "
        "SELECT coalesce(pg_sequence_last_value(seqrelid) + 1, seqstart) INTO next "
        f"FROM pg_sequence WHERE seqrelid = {quoted}::regclass; "
        f"IF last >= next THEN EXECUTE format({alter}, last + 1); END IF; END"
    )


def too_narrow(mapping: Mapping, largest: Readable[str, int]) -> list[str]:
    """Return what is wrong where keys go beyond a column's type.

    Args:
        mapping: where they go.
        largest: table -> largest key that the run can give it.
    """
    problems = []
    for item in mapping.tables:
        theirs = f"{mapping.schema}.{item.target_name}"
        for column in item.columns:
            last = max((largest.get(table, 0) for table in column.keys_of), default=0)
            if column.most is not None and last > column.most:
                problems.append(
                    f"{theirs}.{column.target}: is {column.type}, but {item.table.name}."
                    f"{column.name} goes up to {last:,}; make it wider"
                )
        last = largest.get(item.table.name, 0)
        if last > _MOST_INTEGER:
            problems += [
                f"{theirs}: has keys up to {last:,}, above which {item.table.name}.{column.name} "
                "would go on, an integer; empty the table, or leave it out with --tables"
                for column in _ranks(item.table)
            ]
    return problems


def largest_keys(session: Session, mapping: Mapping) -> dict[str, int]:
    """Return the largest number that is used up in each mapped table, 0 for none.

    A key that is a uuid uses up none; a unique rank does.
    """
    largest, queries = {item.table.name: 0 for item in mapping.tables}, []
    for item in mapping.tables:
        ranks = [item.target(column.name) for column in _ranks(item.table)]
        used = [f"max({ddl.name(rank)})::bigint" for rank in ranks if rank is not None]
        used += _largest_key(item)
        if used:
            queries.append(
                f"SELECT {ddl.literal(item.table.name)}, greatest(0, {', '.join(used)}) "
                f"FROM {ddl.where(mapping.schema, item.target_name)}"
            )
    return {**largest, **dict(session.rows(" UNION ALL ".join(queries)))} if queries else largest


def _largest_key(item: TableMap) -> list[str]:
    key = ddl.name(item.key_name)
    if not item.key_name or item.key_kind == "uuid":
        return []
    if item.key_kind == "text":
        return [f"max(CASE WHEN {key} ~ '^[0-9]{{1,18}}$' THEN {key}::text::bigint END)"]
    return [f"max({key})::bigint"]


def taken_run(session: Session, mapping: Mapping) -> int:
    """Return the largest run number that texts in the mapped tables carry, 0 for none."""
    queries = []
    for table, column, letters in _MARKED:
        for item in mapping.tables:
            target = item.target(column)
            if item.table.name == table and target is not None:
                mark = f"substring({ddl.name(target)}::text FROM '^{letters}([0-9]{{0,8}})-')"
                queries.append(
                    f"SELECT max(CASE {mark} WHEN '' THEN 1 ELSE {mark}::integer END) "
                    f"FROM {ddl.where(mapping.schema, item.target_name)}"
                )
    found = session.rows(" UNION ALL ".join(queries)) if queries else []
    return max((row[0] or 0 for row in found), default=0)


def _ranks(table: Table) -> list[Column]:
    """Return a table's unique whole numbers, which go on above its largest key."""
    return [column for column in table.columns if column.kind == "int" and column.unique]
