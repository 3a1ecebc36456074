"""`polargen generate`: make a data set, or try a run without writing anything."""

from __future__ import annotations

import gc
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polargen.cli import database as databases
from polargen.cli import options, output
from polargen.cli.request import Request
from polargen.cli.watch import listener, watching

if TYPE_CHECKING:
    from polargen.config import MockGeneratorConfig, ResolvedConfig
    from polargen.jobs import JobStore
    from polargen.orchestrator import GenerationResult, MockDataOrchestrator, RunOptions
    from polargen.scenario import ScenarioProfile
    from polargen.workers import Workers

_ROWS_AN_ORDER = 17  # of all tables, about


@click.command()
@options.run_options
@click.option(
    "out", "-o", "--out", metavar="DIR", type=click.Path(), help="Write files into this folder."
)
@click.option(
    "format_name",
    "--format",
    type=click.Choice(options.FORMATS),
    help="Of the files; json is NDJSON.  [default: parquet]",
)
@click.option(
    "--compression",
    metavar="CODEC",
    help="parquet: zstd (default), snappy, gzip, lz4, none; csv, json: none (default), gzip, zstd.",
)
@click.option("--compression-level", metavar="N", help="Of the codec, where it has levels.")
@click.option("--target-file-size", metavar="SIZE", help="Join or split files to about 128MB, say.")
@click.option(
    "--tables",
    metavar="A,B",
    shell_complete=options.complete_table,
    help="Write only these; all are computed.",
)
@databases.database_options
@databases.load_options
@options.workers_option
@click.option("--resume", is_flag=True, help="Continue a killed run into the same folder.")
@click.option("--verify", is_flag=True, help="Check every rule before the files take their place.")
@click.option("--no-check", is_flag=True, help="Leave out the quick checks of each block.")
@options.max_records_option
@click.option(
    "--dry-run/--no-dry-run",
    default=None,
    help="Make and check everything, write nothing; a load of a database needs --no-dry-run.  "
    "[default: dry run unless -o is given]",
)
@options.quiet_option
@options.common_options
def generate(**given: Any) -> None:
    """Make a data set.

    Without -o this is a dry run: everything is made and checked, nothing is written, and the
    result says how many rows there would be and how fast they came.

    \b
    Compression, measured: speed and size of a run, those of the format's default as 1.
      codec     parquet       csv           json
                speed  size   speed  size   speed  size
      none       1.1   1.26    1.0   1.00    1.0   1.00
      zstd       1.0   1.00    1.0   0.17    1.2   0.09
      lz4        1.0   1.05
      snappy     1.2   1.05
      gzip       0.5   1.00    0.7   0.22    0.8   0.12

    \b
    Example:
      polargen generate
      polargen generate --scenario peak-season --from 2024-01-01 --to 2024-03-31 \\
        --seed 12345 -o out/peak --verify
      polargen generate --set anomalyRate=0.2 --format csv --compression gzip -o out/csv
      polargen toggle --enable
      polargen generate --no-dry-run --database embedded
    """
    request = Request(
        **{name: given.pop(name) for name in ("as_json", "quiet", "dry_run", "out", "format_name")},
        asked=options.Asked(
            **{name: given.pop(name) for name in options.Asked.__dataclass_fields__}
        ),
        how=given,
    )
    from polargen.workers import Workers

    request.check()
    with Workers() as workers:  # those of a large run import while this process does
        workers.prepare(request.asked.rows_at_a_glance(), request.workers())
        request = request.resumed()
        resolved, profile = request.asked.resolve(dry_run=not request.writes)
        workers.prepare(_rows(resolved.config, profile), request.workers())
        with _no_collection():
            run_options = request.run_options()
            if run_options.check:
                import polargen.checks  # noqa: F401 - before the run's clock starts
        result = _run(request, resolved, run_options, profile, workers)
    if request.as_json:
        output.show_json(_document(result, request, run_options))
    else:
        output.show(_lines(result, request, resolved, run_options))


def _rows(config: MockGeneratorConfig, profile: ScenarioProfile) -> int:
    """Return how many rows a run has, about; the plan counts them."""
    orders = profile.entity_rates.orders_per_day * config.volume_multiplier * config.days
    return int(orders * _ROWS_AN_ORDER)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Do not look for garbage while modules load: they leave none, and it takes a tenth longer."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _run(
    request: Request,
    resolved: ResolvedConfig,
    run_options: RunOptions,
    profile: ScenarioProfile,
    workers: Workers,
) -> GenerationResult:
    from polargen.orchestrator import MockDataOrchestrator
    from polargen.run_job import run_recorded

    note = _silent if request.quiet else output.note
    orchestrator = MockDataOrchestrator(
        resolved.config, run_options, scenario=profile, workers=workers
    )
    first = () if request.quiet else options.filled(resolved)
    store = _written_down(orchestrator, note)
    if store is not None and not request.quiet and not request.as_json:
        first = [*first, f"{orchestrator.job_id}, see polargen status"]
    with watching(request.quiet) as watch:
        return run_recorded(store, orchestrator, listener(watch, first), note)


def _written_down(
    orchestrator: MockDataOrchestrator, note: Callable[[str], None]
) -> JobStore | None:
    """Write the run down; where that cannot be done, the run goes on without."""
    from polargen.errors import ConfigError, TargetError
    from polargen.jobs import JobStore
    from polargen.run_job import write_down

    try:
        store = JobStore()
        write_down(store, orchestrator)
    except (ConfigError, TargetError) as error:
        note(f"the run is not written down: {error}")
        return None
    return store


def _silent(text: str) -> None:
    """Say nothing."""


def _document(
    result: GenerationResult, request: Request, run_options: RunOptions
) -> dict[str, Any]:
    document = result.to_dict()
    document["out"] = request.out
    document["format"] = result.manifest.format if request.writes else None
    document["bytes"] = sum(_bytes(result).values()) if request.writes else None
    if run_options.database is not None:
        document["database"] = run_options.database.place
        document["schema"] = run_options.database.schema
    if result.report is not None:
        document["verification"] = result.report.to_dict()
    return document


def _bytes(result: GenerationResult) -> dict[str, int]:
    return {
        name: sum(part.bytes for part in entry.parts)
        for name, entry in result.manifest.tables.items()
    }


def _lines(
    result: GenerationResult,
    request: Request,
    resolved: ResolvedConfig,
    run_options: RunOptions,
) -> list[str]:
    """Return the result: what was made, how fast, what could not be met, what to do next."""
    counts = {
        name: rows for name, rows in result.record_counts.items() if name in result.manifest.tables
    }
    sizes = _bytes(result) if request.writes else {}
    made, seconds = sum(result.record_counts.values()), max(result.duration_ms, 1) / 1000
    rows = [
        [name, f"{count:,}", *([output.size(sizes[name])] if sizes else [])]
        for name, count in counts.items()
    ]
    total = ["total", f"{sum(counts.values()):,}"]
    rows.append([*total, *([output.size(sum(sizes.values()))] if sizes else [])])
    header = ["table", "rows", *(["size"] if sizes else [])]
    lines = [options.heading(resolved, result.plan.scenario.name), ""]
    lines += output.table(header, rows, "lrr")
    lines += ["", f"{made:,} rows made in {output.duration(seconds)}, {made / seconds:,.0f} rows/s"]
    lines += [f"note: {text}" for text in result.manifest.notes]
    if result.report is not None:
        lines += _verified(result.report)
    return [*lines, "", *_next(request, resolved, result, run_options)]


def _verified(report: Any) -> list[str]:
    """Return a summary of a verification that found no breach, and its warnings."""
    rules = [item for item in report.results.values() if not item.warning]
    lines = [
        f"verified: {len(rules)} rules, {sum(item.breaches for item in rules):,} breaches; "
        f"{len(report.results) - len(rules)} shapes, {len(report.warnings)} off"
    ]
    for number in report.warnings:
        item = report[number]
        lines += [f"  {number} {item.title}: {text}" for text in item.figures]
    return lines


def _next(
    request: Request,
    resolved: ResolvedConfig,
    result: GenerationResult,
    run_options: RunOptions,
) -> list[str]:
    if run_options.database is not None:
        return _next_of_database(request, run_options)
    if request.out is None:
        again = request.asked.repeated(resolved)
        return [
            "Nothing was written (dry run). To write these rows:",
            f"  polargen generate {again} -o out",
        ]
    out = shlex.quote(request.out)
    lines = [f"Written to {request.out} as {result.manifest.format}. Next:"]
    if run_options.tables is None:
        lines.append(f"  polargen verify {out}")
    other = "parquet" if result.manifest.format != "parquet" else "csv"
    target = shlex.quote(request.out.rstrip("/") + f"-{other}")
    lines.append(f"  polargen export --from {out} --format {other} -o {target}")
    table = "orders" if "orders" in result.manifest.tables else next(iter(result.manifest.tables))
    if result.manifest.format == "parquet":
        code = f"import polars as pl; print(pl.read_parquet({str(Path(request.out) / table)!r}))"
        plain = shlex.quote(request.out) == request.out
        lines.append("  python -c " + (f'"{code}"' if plain else shlex.quote(code)))
    return lines


def _next_of_database(request: Request, run_options: RunOptions) -> list[str]:
    """Return where the rows are and what to do next; a URL with a password is never shown."""
    from polargen import embedded

    database = run_options.database
    assert database is not None
    lines = [f"Loaded into {database.place}, schema {database.schema}. Next:"]
    own = request.how["database"] == embedded.NAME
    if run_options.tables is None and database.load_mode != "existing":
        given = f" --database {embedded.NAME}" if own else " --database ..."
        given = "" if request.how["database"] is None else given
        schema = f" --schema {database.schema}" if request.how["schema"] else ""
        lines.append(f"  polargen verify{given}{schema}")
    if own:
        lines += ["  polargen server --psql", "  polargen server --stop"]
    return lines
