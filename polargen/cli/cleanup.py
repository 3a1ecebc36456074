"""`polargen cleanup`: what polargen made in a database, shown or removed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from polargen.cli import database as databases
from polargen.cli import options, output
from polargen.errors import ConfigError

if TYPE_CHECKING:
    from polargen.cleanup import CleanupResult
    from polargen.database import Database


@click.command()
@databases.database_options
@click.option("--confirm", is_flag=True, help="Remove it; without this it is only shown.")
@click.option("--stale", is_flag=True, help="Only what killed loads left.")
@click.option("--job", metavar="ID", help="Only the rows of one run; the tables stay.")
@options.common_options
@click.pass_context
def cleanup(
    ctx: click.Context,
    database: str | None,
    schema: str | None,
    confirm: bool,
    stale: bool,
    job: str | None,
    as_json: bool,
) -> None:
    """Show what polargen made in a database, exit 3; with --confirm remove it.

    Only its own tables and views, records of runs, and what killed loads left; all of it or
    nothing. What others put beside it stays, and so does then the schema.

    \b
    Example:
      polargen cleanup --database embedded --stale --confirm
      polargen cleanup --database embedded --confirm
    """
    if stale and job is not None:
        raise ConfigError("--job: --stale is given too, leave out one of them")
    missing = "cleanup: name a database with --database"
    place = databases.chosen(database, schema, note=not as_json, missing=missing)
    result = _result(place, confirm, stale, job)
    if as_json:
        where = {"database": place.place, "schema": place.schema}
        output.show_json({"removed": confirm, **where, **result.to_json()})
    else:
        output.show(_lines(result, place, confirm, job))
    ctx.exit(0 if confirm or result.is_empty else databases.REFUSED)


def _result(place: Database, confirm: bool, stale: bool, job: str | None) -> CleanupResult:
    from polargen import cleanup as core
    from polargen import cleanup_run as of_run

    if job is not None:
        if confirm:
            return of_run.remove_run(place, os.environ, job)
        return of_run.preview_run(place, job)
    return core.clean(place, os.environ, stale) if confirm else core.preview(place, stale)


def _lines(result: CleanupResult, place: Database, confirm: bool, job: str | None) -> list[str]:
    if result.is_empty:
        return [f"{place.place}: {place.schema} holds nothing to remove"]
    lines = []
    if result.tables:
        rows = [[name, f"{count:,}"] for name, count in result.tables.items()]
        rows.append(["total", f"{sum(result.tables.values()):,}"])
        lines += [*output.table(["table", "rows"], rows, "lr"), ""]
    for what, names in (
        ("views", result.views),
        ("runs", result.runs),
        ("schemas", result.schemas),
        ("stays", result.kept),
    ):
        lines += [f"{what}: {', '.join(names)}"] if names else []
    lines += [""] if lines and lines[-1] else []
    if job is not None:
        lines.append(
            f"the rows of {job} {'were' if confirm else 'would be'} deleted; tables stay, polargen "
            "cleanup without --job drops them"
        )
    if confirm:
        return [*lines, f"removed from {place.place}"] if job is None else lines
    return [*lines, "nothing was removed: repeat it with --confirm"]
