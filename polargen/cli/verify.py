"""`polargen verify`: prove every rule on a finished data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import click

from polargen.cli import database as databases
from polargen.cli import options, output
from polargen.cli.watch import Look, watching
from polargen.errors import ConfigError

if TYPE_CHECKING:
    from polargen.database import Database

BROKEN = 1


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(), required=False)
@databases.database_options
@options.quiet_option
@options.common_options
@click.pass_context
def verify(
    ctx: click.Context,
    folder: str | None,
    database: str | None,
    schema: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Check every rule of the data, a line each; exit 1 if one is broken.

    Also checks that the files are as they were written. Without DIR the rows of a database are
    checked.

    \b
    Example:
      polargen verify out/demo
      polargen verify out/demo --json
      polargen verify --database embedded
    """
    if folder is None:
        missing = "verify: name a folder, or a database with --database"
        chosen = databases.chosen(database, schema, note=not quiet, missing=missing)
        _verify_database(ctx, chosen, quiet, as_json)
    if database is not None or schema is not None:
        raise ConfigError(f"--database: {folder} is named too, leave out one of them")

    from polargen.checks import verify_dataset
    from polargen.dataset import Dataset
    from polargen.generators import all_tables

    tables = all_tables()
    with watching(quiet) as watch:
        watch(Look(f"reading the files of {folder}"))
        damage = Dataset.open(folder, tables).check_files()
        watch(Look(f"verifying {folder}"))
        report = None if damage else verify_dataset(folder, tables)
    ok = report is not None and report.ok
    if as_json:
        document = {"ok": ok, "failed": [], "warnings": [], "rules": []}
        output.show_json({**(report.to_dict() if report else document), "files": damage})
    else:
        output.show(f"files: {line}" for line in damage)
        output.show(report.lines() if report else [])
        output.show(["", _verdict(folder, len(damage), report.failed if report else [])])
    ctx.exit(0 if ok else BROKEN)


def _verify_database(
    ctx: click.Context, database: Database, quiet: bool, as_json: bool
) -> NoReturn:
    from polargen.database_set import verify_database

    where = f"{database.place}, schema {database.schema}"
    with watching(quiet) as watch:

        def tell(block: int, blocks: int) -> None:
            watch(Look(f"verifying {where}", min(99, 100 * block // blocks)))

        report = verify_database(database, tell)
    if as_json:
        output.show_json({**report.to_dict(), "database": database.place})
    else:
        output.show(report.lines())
        output.show(["", _verdict(where, 0, report.failed)])
    ctx.exit(0 if report.ok else BROKEN)


def _verdict(folder: str, damaged: int, failed: list[str]) -> str:
    if damaged:
        return (
            f"{folder} is not as it was written ({damaged:,} findings), its rules were not "
            "checked; generate it again"
        )
    if failed:
        return f"{folder} breaks {', '.join(failed)}"
    return f"{folder} keeps every rule"
