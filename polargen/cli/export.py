"""`polargen export`: a finished data set in another format."""

from __future__ import annotations

import os
import shlex
import time

import click

from polargen.cli import options, output
from polargen.cli.watch import Look, watching

FORMATS = (*options.FORMATS, "sql")


@click.command()
@click.option(
    "source",
    "--from",
    required=True,
    metavar="DIR",
    type=click.Path(),
    help="Folder of a finished data set.",
)
@click.option("format_name", "--format", required=True, type=click.Choice(FORMATS), help="Wanted.")
@click.option(
    "out", "-o", "--out", required=True, metavar="PATH", type=click.Path(), help="New folder."
)
@click.option(
    "--tables", metavar="A,B", shell_complete=options.complete_table, help="Only these tables."
)
@click.option(
    "--compression",
    metavar="CODEC",
    help="parquet: zstd (default), snappy, gzip, lz4, none; csv, json: none (default), gzip, zstd.",
)
@options.quiet_option
@options.common_options
def export(
    source: str,
    format_name: str,
    out: str,
    tables: str | None,
    compression: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write a finished data set in another format, with the same content.

    sql is for psql: a file a table, numbered in the order in which they load.

    \b
    Example:
      polargen export --from out/demo --format csv -o out/demo-csv --tables orders,order_items
      polargen export --from out/demo --format sql -o out/demo-sql
    """
    from polargen import guard
    from polargen.dataset import Dataset
    from polargen.export import export as convert
    from polargen.generators import all_tables

    options.folder("-o", out)
    guard.check_file_write(os.environ)
    dataset = Dataset.open(source, all_tables())
    names = options.table_names("--tables", tables, dataset.tables)
    total = max(1, sum(dataset.manifest.tables[name].rows for name in names or dataset.tables))
    started, done = time.monotonic(), 0
    with watching(quiet) as watch:

        def hear(table: str, rows: int) -> None:
            nonlocal done
            done += rows
            rate = done / max(time.monotonic() - started, 1e-6)
            percent = min(99, 100 * done // total)
            watch(Look("exporting", percent, done, rate, table, (total - done) / rate))

        manifest = convert(dataset, format_name, out, names, compression, progress=hear)
    seconds = max(time.monotonic() - started, 1e-3)
    sizes = {n: sum(part.bytes for part in entry.parts) for n, entry in manifest.tables.items()}
    if as_json:
        output.show_json(
            {
                "from": source,
                "out": out,
                "format": format_name,
                "compression": manifest.compression,
                "recordCounts": {name: entry.rows for name, entry in manifest.tables.items()},
                "bytes": sizes,
                "durationMs": round(seconds * 1000),
            }
        )
        return
    rows = [[n, f"{manifest.tables[n].rows:,}", output.size(size)] for n, size in sizes.items()]
    rows.append(["total", f"{done:,}", output.size(sum(sizes.values()))])
    output.show(output.table(["table", "rows", format_name], rows, "lrr"))
    output.show(["", f"{done:,} rows in {output.duration(seconds)}, written to {out}"])
    if format_name == "sql":
        quoted = shlex.quote(out)
        output.show(["", "To load them:", f"  cat {quoted}/*.sql | psql -v ON_ERROR_STOP=1"])
