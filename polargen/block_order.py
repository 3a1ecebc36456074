"""SQL that reads a loaded run's tables in the order of its blocks, each row once.

A table whose keys rise from block to block is read by its key. Rows that belong to an order lie in
the block of its warehouse and segment, or, of a duplicate, in the block that made it; they are
sorted a segment at a time. A row that no block holds comes with a neighbouring one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from polargen import ddl
from polargen.blocks import (
    KEYS_PER_ORDER,
    KEYS_PER_UNIT,
    KEYS_PER_VISIT,
    MASTERS,
    OTHER_KEYS_PER_UNIT,
    Block,
    blocks_of,
)
from polargen.plan import Plan
from polargen.schema import Table

PLACE = "polargen_place"  # the column that says which of the blocks a row lies in, from 1


def queries(
    plan: Plan, table: Table, source: str, columns: str
) -> Iterator[tuple[str, tuple[Block, ...]]]:
    """Yield queries that give all rows, block after block, and the blocks that `PLACE` counts.

    Args:
        plan: of the run; keys are stored as generated.
        table: the declaration.
        source: the table's qualified name.
        columns: to ask for, of the table ``t``.
    """
    key = f"t.{ddl.name(table.primary_key)}"
    if table.name in KEYS_PER_ORDER:
        for place, rule, blocks in _segments(plan):
            yield (
                (
                    f"SELECT {place} AS {PLACE}, {columns} FROM {source} AS t WHERE {rule} "
                    f"ORDER BY {PLACE}, {key}"
                ),
                blocks,
            )
        return
    starts = _first_keys(plan, table)
    place = _bucket(key, [first for first, _ in starts])
    blocks = tuple(block for _, block in starts)
    yield f"SELECT {place} AS {PLACE}, {columns} FROM {source} AS t ORDER BY {key}", blocks


def _first_keys(plan: Plan, table: Table) -> list[tuple[int, Block]]:
    """Return the first key of each block that may hold rows of a table, rising."""
    blocks = blocks_of(plan)
    if table.name in MASTERS:
        return [(b.first + 1, b) for b in blocks if b.kind == "masters" and b.table == table.name]
    if table.name in KEYS_PER_VISIT:
        each = KEYS_PER_VISIT[table.name]
        found = [(each * b.first + 1, b) for b in blocks if b.kind == "visits"]
        return found or [(1, blocks[0])]
    each = KEYS_PER_UNIT.get(table.name, OTHER_KEYS_PER_UNIT)
    return [(each * b.units_before + 1, b) for b in blocks]


def _segments(plan: Plan) -> Iterator[tuple[str, str, tuple[Block, ...]]]:
    """Yield for each segment: a row's place, as SQL, the condition on its rows, its blocks."""
    count, key = plan.orders, 't."order_id"'
    found = [b for b in blocks_of(plan) if b.kind == "orders"]
    if not found:
        yield "1", "true", blocks_of(plan)[:1]
        return
    for segment, members in groupby(found, key=lambda block: block.segment):
        assert segment is not None
        blocks = tuple(members)
        by_warehouse = _bucket(
            f"(({key} - 1) % {plan.warehouses})", [b.first_warehouse for b in blocks]
        )
        repeats = [count + b.duplicates_before + 1 for b in blocks]
        last = blocks[-1].duplicates_before + blocks[-1].duplicates + count
        until = "" if segment is plan.segments[-1] else f" AND {key} <= {last}"
        since = "" if segment is plan.segments[0] else f" AND {key} > {segment.first_order}"
        rule = f"({key} <= {segment.stop_order}{since}) OR ({key} >= {repeats[0]}{until})"
        place = f"CASE WHEN {key} <= {count} THEN {by_warehouse} ELSE {_bucket(key, repeats)} END"
        yield place, rule, blocks


def _bucket(value: str, starts: Sequence[int]) -> str:
    """Return SQL of the place, from 1, of the last start that is not above a value."""
    if len(starts) == 1:
        return "1"
    listed = ",".join(map(str, starts))
    return f"greatest(1, width_bucket({value}, '{{{listed}}}'::bigint[]))"
