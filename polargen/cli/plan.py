"""`polargen plan`: what a run would make and need, and where it would go, before it begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from polargen.cli import database as databases
from polargen.cli import options, output

if TYPE_CHECKING:
    from polargen.config import ResolvedConfig
    from polargen.database import Database
    from polargen.estimate import Estimate
    from polargen.existing import Mapping
    from polargen.plan import Plan

MISFIT = 2


@click.command()
@options.run_options
@click.option(
    "format_name",
    "--format",
    type=click.Choice(options.FORMATS),
    default="parquet",
    show_default=True,
    help="Of the files whose size is estimated.",
)
@databases.database_options
@click.option(
    "--load-mode",
    type=click.Choice(["append", "existing"]),
    help="Show into which tables and columns of the database rows would go; exit 2 if some do not "
    "fit.",
)
@click.option(
    "--tables",
    metavar="A,B",
    shell_complete=options.complete_table,
    help="Only these would be loaded.",
)
@options.workers_option
@options.max_records_option
@options.common_options
@click.pass_context
def plan(ctx: click.Context, /, as_json: bool, format_name: str, workers: str | None,
         max_records: str | None, database: str | None, schema: str | None, load_mode: str | None,
         tables: str | None, **given: Any) -> None:  # fmt: skip
    """Show what a run would make: rows, bytes, blocks, memory, and shares that cannot hold.

    With --load-mode also into which tables of a database it would go; nothing is written.

    \b
    Example:
      polargen plan --from 2024-01-01 --to 2024-03-31 --seed 12345
      polargen plan --scenario growth-phase --multiplier 50 --json
    """
    target = _target(database, schema, load_mode, tables, note=not as_json)
    asked = options.Asked(**given)
    resolved, profile = asked.resolve()
    processes = options.whole_number("--workers", workers, 1, options.MOST_WORKERS)
    most = options.whole_number("--max-records", max_records, 1, options.MOST_ROWS)

    from polargen.estimate import estimate
    from polargen.orchestrator import RunOptions, planned_rows
    from polargen.plan import make_plan

    planned = make_plan(resolved.config, profile)
    expected = estimate(planned, format_name)
    expected.check(RunOptions(max_records=most))
    exact = planned_rows(planned)
    mapping = None if target is None else _mapping(target, tables, planned)
    if as_json:
        document = _document(planned, expected, exact, format_name)
        if mapping is not None:
            document["mapping"] = _mapping_document(mapping)
        output.show_json(document)
    else:
        for sentence in options.filled(resolved):
            output.note(sentence)
        rows = _rows(expected, exact)
        output.show(_lines(planned, expected, rows, resolved, format_name, processes))
        if mapping is not None:
            output.show(_mapping_lines(mapping, rows))
    ctx.exit(MISFIT if mapping is not None and mapping.problems else 0)


def _target(
    given: str | None, schema: str | None, load_mode: str | None, tables: str | None, note: bool
) -> Database | None:
    """Return the database whose tables are to be filled, None where none is asked for.

    Raises:
        ConfigError: options of a load without --load-mode, or no database.
    """
    from polargen.errors import ConfigError

    if load_mode is None:
        for option, value in (("database", given), ("schema", schema), ("tables", tables)):
            if value is not None:
                raise ConfigError(
                    f"--{option}: only tables that are there decide how rows go into them; add "
                    "--load-mode append or --load-mode existing"
                )
        return None
    database = databases.chosen(given, schema, note=note)
    return replace(database, load_mode="append" if load_mode == "append" else "existing")


def _mapping(database: Database, only: str | None, planned: Plan) -> Mapping:
    """Return where a plan's rows would go, with all that does not fit."""
    from polargen import existing
    from polargen.blocks import last_key
    from polargen.generators import all_tables
    from polargen.sinks.claim import mapping_of, next_keys

    known = all_tables()
    names = options.table_names("--tables", only, known) or tuple(known)
    tables = [known[name] for name in names]
    session = database.connect("polargen plan")
    try:
        session.execute("SET default_transaction_read_only = on")
        mapping = mapping_of(session, tables)
        base = next_keys(session, mapping).base
    finally:
        session.close()
    ends = {name: base.offset(name) + last_key(planned, name) for name in known}
    return replace(mapping, problems=(*mapping.problems, *existing.too_narrow(mapping, ends)))


def _mapping_document(mapping: Mapping) -> dict[str, Any]:
    return {
        "schema": mapping.schema,
        "ok": not mapping.problems,
        "tables": {
            item.table.name: {
                "target": item.target_name,
                "keys": item.key_kind,
                "columns": {column.name: column.target for column in item.columns},
                "left": dict(item.left),
                "unused": list(item.unused),
            }
            for item in mapping.tables
        },
        "notes": list(mapping.notes),
        "problems": list(mapping.problems),
    }


def _mapping_lines(mapping: Mapping, counts: dict[str, str]) -> list[str]:
    rows = [
        [
            item.table.name,
            item.target_name,
            counts[item.table.name],
            item.key_kind,
            f"{len(item.columns)} of {len(item.table.columns)}",
        ]
        for item in mapping.tables
    ]
    lines = ["", f"into {mapping.schema}:"]
    if rows:
        lines += output.table(["table", "into", "rows", "keys", "columns"], rows, "llrl")
    for item in mapping.tables:
        if item.left:
            left = ", ".join(f"{name} ({gets})" for name, gets in item.left)
            lines.append(f"{item.target_name}: left to the server: {left}")
        if item.unused:
            lines.append(f"{item.target_name}: has no place for {', '.join(item.unused)}")
    lines += [f"note: {text}" for text in mapping.notes]
    lines += [f"problem: {text}" for text in mapping.problems]
    said = f"{output.counted(len(mapping.problems), 'problem')}, the load would be refused"
    return [*lines, said if mapping.problems else "the rows fit"]


def _document(
    planned: Plan, expected: Estimate, exact: dict[str, int], format_name: str
) -> dict[str, Any]:
    from polargen.estimate import WORKER_BYTES

    return {
        "scenario": planned.scenario.name,
        "config": planned.config.to_dict(),
        "planHash": planned.hash,
        "format": format_name,
        "tables": {
            name: {
                "rows": exact.get(name, rows),
                "exact": name in exact,
                "bytes": expected.bytes[name],
            }
            for name, rows in expected.rows.items()
        },
        "totalRows": expected.total_rows,
        "totalBytes": expected.total_bytes,
        "days": planned.days,
        "warehouses": planned.warehouses,
        "segments": len(planned.segments),
        "blocks": expected.blocks,
        "memoryBytesPerWorker": WORKER_BYTES,
        "unmet": [
            {"share": item.name, "wanted": item.wanted, "expected": item.expected}
            for item in planned.unmet
        ],
        "notes": list(planned.notes),
    }


def _rows(expected: Estimate, exact: dict[str, int]) -> dict[str, str]:
    """Return how many rows each table gets, as shown."""
    return {
        name: f"{exact[name]:,}" if name in exact else f"about {count:,}"
        for name, count in expected.rows.items()
    }


def _lines(
    planned: Plan,
    expected: Estimate,
    counts: dict[str, str],
    resolved: ResolvedConfig,
    format_name: str,
    workers: int | None,
) -> list[str]:
    from polargen.estimate import WORKER_BYTES

    rows = [
        [name, count, f"about {output.size(expected.bytes[name])}"]
        for name, count in counts.items()
    ]
    total = f"about {expected.total_rows:,}", f"about {output.size(expected.total_bytes)}"
    lines = [options.heading(resolved, planned.scenario.name), ""]
    lines += output.table(["table", "rows", format_name], [*rows, ["total", *total]], "lrr")
    each = output.size(WORKER_BYTES)
    memory = f"at most {each} a worker"
    if workers is not None:
        memory += f", {output.size(workers * WORKER_BYTES)} for {workers}"
    lines += [
        "",
        f"{output.counted(planned.days, 'day')}, "
        f"{output.counted(planned.warehouses, 'warehouse')}, "
        f"{output.counted(len(planned.segments), 'segment')}, "
        f"{output.counted(expected.blocks, 'block')}; memory {memory}",
    ]
    return lines + [f"note: {text}" for text in (*planned.notes, *map(str, planned.unmet))]
