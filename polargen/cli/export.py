"""`polargen export`: rows that are there already, from files or a database, in another format."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from polargen.cli import database as databases
from polargen.cli import options, output
from polargen.cli.watch import Look, watching
from polargen.errors import ConfigError

if TYPE_CHECKING:
    from polargen.manifest import Manifest
    from polargen.schema import Table

FORMATS = (*options.FORMATS, "sql")


@dataclass(frozen=True)
class _Asked:
    """What to write, and how.

    Attributes:
        format, out, compression, quiet, as_json: as typed.
        option: that names the tables.
        names: its text; None for all.
    """

    format: str
    out: str
    option: str
    names: str | None
    compression: str | None
    quiet: bool
    as_json: bool


@click.command()
@click.option(
    "source", "--from", metavar="DIR", type=click.Path(), help="Folder of a finished data set."
)
@databases.database_options
@click.option("format_name", "--format", required=True, type=click.Choice(FORMATS), help="Wanted.")
@click.option(
    "out", "-o", "--out", required=True, metavar="PATH", type=click.Path(), help="New folder."
)
@click.option(
    "--tables", metavar="A,B", shell_complete=options.complete_table, help="Only these tables."
)
@click.option("--entities", metavar="A,B", help="The same by their names in JSON: orderItems.")
@click.option(
    "--date-range",
    metavar="A..B",
    help="Only these days, of a database: 2024-01-01..2024-01-31, or 2024-01-01.. on.",
)
@click.option(
    "--compression",
    metavar="CODEC",
    help="parquet: zstd (default), snappy, gzip, lz4, none; csv, json: none (default), gzip, zstd.",
)
@options.quiet_option
@options.common_options
def export(
    source: str | None,
    database: str | None,
    schema: str | None,
    format_name: str,
    out: str,
    tables: str | None,
    entities: str | None,
    date_range: str | None,
    compression: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write a finished data set, or what a database holds, in another format.

    sql is for psql: a file a table, numbered in the order in which they load.

    A database is read at one instant. With --date-range, what belongs to an order goes by the
    order's day, a follow-up visit by the first visit's, all else by its own; users, companies,
    branches and products are whole. Keys that are uuids are text in parquet, csv and json.

    \b
    Example:
      polargen export --from out/demo --format csv -o out/demo-csv --tables orders,order_items
      polargen export --from out/demo --format sql -o out/demo-sql
      polargen export --database embedded --format parquet -o out/january \\
        --date-range 2024-01-01..2024-01-31
    """
    from polargen import guard

    options.folder("-o", out)
    if tables is not None and entities is not None:
        raise ConfigError("--entities: --tables is given too, leave out one of them")
    option = "--entities" if entities is not None else "--tables"
    names = tables if entities is None else entities
    asked = _Asked(format_name, out, option, names, compression, quiet, as_json)
    guard.check_file_write(os.environ)
    if source is None:
        _from_database(asked, database, schema, date_range)
        return
    for name, value in (("database", database), ("schema", schema), ("date-range", date_range)):
        if value is not None:
            raise ConfigError(f"--{name}: does not go with --from, leave out one of them")
    _from_files(asked, source)


def _from_files(asked: _Asked, folder: str) -> None:
    from polargen.dataset import Dataset
    from polargen.export import export as convert
    from polargen.generators import all_tables

    dataset = Dataset.open(folder, all_tables())
    names = _names(asked, dataset.tables)
    total = sum(dataset.manifest.tables[name].rows for name in names or dataset.tables)

    def run(hear: Callable[[str, int], None]) -> Manifest:
        return convert(dataset, asked.format, asked.out, names, asked.compression, progress=hear)

    _show(asked, {"from": folder}, *_watched(asked, total, run))


def _from_database(
    asked: _Asked, url: str | None, schema: str | None, date_range: str | None
) -> None:
    from polargen.database_export import Snapshot
    from polargen.export import write
    from polargen.selection import Days

    days = None
    if date_range is not None:
        try:
            days = Days.parse(date_range)
        except ConfigError as error:
            raise ConfigError(f"--{str(error).replace(' ', '-', 1)}") from None
    missing = "export: name a data set's folder with --from, or a database with --database"
    place = databases.chosen(url, schema, note=not asked.quiet, missing=missing)
    with Snapshot(place, days) as snapshot:
        names = _names(asked, snapshot.tables)
        total = None if days is not None else snapshot.expected_rows(names)

        def run(hear: Callable[[str, int], None]) -> Manifest:
            return write(snapshot, asked.format, asked.out, names, asked.compression, progress=hear)

        done = _watched(asked, total, run)
    where = {"database": place.place, "schema": place.schema}
    _show(asked, {**where, "dateRange": None if days is None else str(days)}, *done)


def _names(asked: _Asked, tables: Mapping[str, Table]) -> tuple[str, ...] | None:
    """Return the wanted tables' names; names in JSON are understood too."""
    text = asked.names
    if text is not None:
        known = {table.json_name: name for name, table in tables.items()}
        given = [name.strip() for name in text.split(",")]
        text = ",".join(known.get(name, name) for name in given)
    return options.table_names(asked.option, text, tables)


def _watched(
    asked: _Asked, total: int | None, run: Callable[[Callable[[str, int], None]], Manifest]
) -> tuple[Manifest, float]:
    """Export with its progress shown; return the manifest and the seconds it took."""
    started, done = time.monotonic(), 0
    with watching(asked.quiet) as watch:

        def hear(table: str, rows: int) -> None:
            nonlocal done
            done += rows
            rate = done / max(time.monotonic() - started, 1e-6)
            if total is None:
                watch(Look("exporting", None, done, rate, table))
                return
            percent = min(99, 100 * done // max(1, total))
            watch(Look("exporting", percent, done, rate, table, max(0, total - done) / rate))

        manifest = run(hear)
    return manifest, max(time.monotonic() - started, 1e-3)


def _show(
    asked: _Asked, source: Mapping[str, str | None], manifest: Manifest, seconds: float
) -> None:
    sizes = {n: sum(part.bytes for part in entry.parts) for n, entry in manifest.tables.items()}
    counts = {name: entry.rows for name, entry in manifest.tables.items()}
    if asked.as_json:
        output.show_json(
            {
                **source,
                "out": asked.out,
                "format": asked.format,
                "compression": manifest.compression,
                "recordCounts": counts,
                "bytes": sizes,
                "durationMs": round(seconds * 1000),
            }
        )
        return
    total = sum(counts.values())
    rows = [[name, f"{counts[name]:,}", output.size(size)] for name, size in sizes.items()]
    rows.append(["total", f"{total:,}", output.size(sum(sizes.values()))])
    output.show(output.table(["table", "rows", asked.format], rows, "lrr"))
    output.show(["", f"{total:,} rows in {output.duration(seconds)}, written to {asked.out}"])
    if asked.format == "sql":
        quoted = shlex.quote(asked.out)
        output.show(["", "To load them:", f"  cat {quoted}/*.sql | psql -v ON_ERROR_STOP=1"])
