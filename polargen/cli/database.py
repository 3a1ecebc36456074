"""`--database` and the commands around it: guard, toggle, server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from polargen.cli import options, output

if TYPE_CHECKING:
    from polargen.database import Database, LoadMode
    from polargen.guard import Check

OWN_VARIABLE, COMMON_VARIABLE = "POLARGEN_DATABASE_URL", "DATABASE_URL"
_SUPABASE = ("NEXT_PUBLIC_SUPABASE_URL", "SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY")
REFUSED = 3
_MISSING = "--database: is missing, give a URL, or embedded"
_F = TypeVar("_F", bound=Callable[..., Any])


def database_options(command: _F) -> _F:
    """Add --database and --schema."""
    for option in (
        click.option("--schema", metavar="NAME", help="Of the tables.  [default: mock_data]"),
        click.option(
            "--database",
            metavar="URL|embedded",
            help="PostgreSQL: postgresql://user@host/database, or embedded (a private server).  "
            "[default: POLARGEN_DATABASE_URL, else DATABASE_URL]",
        ),
    ):
        command = option(command)
    return command


def load_options(command: _F) -> _F:
    """Add what decides how a database is loaded."""
    for option in (
        click.option("--wait", is_flag=True, help="For another load of the same schema."),
        click.option(
            "--views",
            type=click.Choice(["camel"]),
            help="Views with camelCase columns in the schema NAME_camel.",
        ),
        click.option("--grant", metavar="A,B", help="Roles that may read the tables and views."),
        click.option(
            "--unlogged", is_flag=True, help="Tables without write-ahead log: lost in a crash."
        ),
        click.option(
            "--id-type",
            type=click.Choice(["bigint", "uuid"]),
            help="Of keys in tables that the load makes.  [default: bigint]",
        ),
        click.option(
            "--load-mode",
            type=click.Choice(["replace", "append", "existing"]),
            help="Replace what polargen loaded before, add to it, or fill tables that were made "
            "by others.  [default: replace]",
        ),
    ):
        command = option(command)
    return command


def loading(how: Mapping[str, Any], note: bool, missing: str) -> Database:
    """Return the database that --database means, and how it is to be loaded; see `chosen`.

    Raises:
        ConfigError: no URL is given or set, or the options contradict each other.
    """
    from polargen.errors import ConfigError

    mode: LoadMode = how["load_mode"] or "replace"
    if mode != "replace":
        for option in ("unlogged", "views", "id_type"):
            if how[option]:
                raise ConfigError(
                    f"--{option.replace('_', '-')}: the tables are there already with --load-mode "
                    f"{mode}, leave it out"
                )
    grants = tuple(role.strip() for role in (how["grant"] or "").split(","))
    if how["grant"] is not None and not all(grants):
        raise ConfigError(f"--grant: {how['grant']!r} names no roles, write them like anon,reader")
    database = chosen(how["database"], how["schema"], note=note, missing=missing)
    return replace(
        database,
        unlogged=how["unlogged"],
        id_type=how["id_type"] or "bigint",
        load_mode=mode,
        grants=grants if how["grant"] is not None else (),
        views=how["views"],
        wait=how["wait"],
    )


def chosen(
    given: str | None,
    schema: str | None = None,
    note: bool = True,
    missing: str = _MISSING,
) -> Database:
    """Return the database that --database means; starts the embedded server.

    Args:
        given: URL or ``embedded``; None for the one that the environment names.
        schema: None for the default.
        note: say on stderr which it is.
        missing: what to say where no database is named anywhere.

    Raises:
        ConfigError: no URL is given or set.
    """
    from polargen import embedded
    from polargen.database import SCHEMA, Database

    url, source = _url(given, os.environ, missing)
    if url == embedded.NAME:
        url = embedded.start()
    database = Database(url, SCHEMA if schema is None else schema)
    if note:
        output.note(f"database {database.place}, schema {database.schema}{source}")
    return database


def _url(given: str | None, environment: Mapping[str, str], missing: str) -> tuple[str, str]:
    """Return the URL and where it comes from, in words."""
    from polargen.errors import ConfigError

    if given is not None:
        if not given.strip():
            raise ConfigError("--database: is empty, give a URL, or embedded")
        return given.strip(), ""
    for variable in (OWN_VARIABLE, COMMON_VARIABLE):
        if environment.get(variable, "").strip():
            return environment[variable].strip(), f" (from {variable})"
    if any(environment.get(variable) for variable in _SUPABASE):
        raise ConfigError(
            f"{missing}; neither {OWN_VARIABLE} nor {COMMON_VARIABLE} is set, "
            "Supabase's URL and keys are for its REST interface, copy the connection string "
            "(direct or session pooler) from the project's Connect dialog"
        )
    raise ConfigError(f"{missing} (neither {OWN_VARIABLE} nor {COMMON_VARIABLE} is set)")


@click.command("guard")
@database_options
@load_options
@options.common_options
@click.pass_context
def guard_command(ctx: click.Context, /, as_json: bool, **how: Any) -> None:
    """Make the checks of a database load and show each, without writing; exit 3 if one refuses.

    \b
    Example:
      polargen guard --database embedded
      polargen guard --database embedded --schema mock_data_team --views camel --json
    """
    from polargen import guard_database

    place = loading(
        how, note=not as_json, missing="--database: is missing, give a URL, or embedded"
    )
    checks = guard_database.checks_of(place, os.environ)
    refused = any(check.result == "error" for check in checks)
    if as_json:
        document = {"ok": not refused, "database": place.place, "schema": place.schema}
        output.show_json({**document, "checks": [_shown(check) for check in checks]})
    else:
        output.show(lines(checks))
        output.show([f"{place.place}: {'refused' if refused else 'may be loaded'}"])
    ctx.exit(REFUSED if refused else 0)


def lines(checks: list[Check]) -> list[str]:
    """Return checks with what came of them, as aligned lines."""
    rows = []
    for check in checks:
        said = [f"{failure.reason}; {failure.remedy}" for failure in check.failures]
        rows += [
            [check.result, check.name, text] for text in said or [check.unknown or check.holds]
        ]
    return output.table(["result", "check", "what holds, or reason and remedy"], rows)


def _shown(check: Check) -> dict[str, Any]:
    failures = [{"reason": found.reason, "remedy": found.remedy} for found in check.failures]
    return {
        "check": check.name,
        "result": check.result,
        "severity": check.severity,
        "holds": check.holds,
        "unknown": check.unknown,
        "failures": failures,
    }


@click.command()
@click.option(
    "--enable/--disable", default=None, help="Allow or refuse database loads from now on."
)
@options.common_options
def toggle(enable: bool | None, as_json: bool) -> None:
    """Allow or refuse database loads; without an option show which it is, and why.

    MOCK_DATA_ENABLED in the environment wins over what is stored.

    \b
    Example:
      polargen toggle --enable
      polargen toggle --json
    """
    from polargen import guard, state

    failures = guard.environment_failures(os.environ)
    if enable:
        guard.refuse(failures)
    if enable is not None:
        state.store_toggle(enable)
    on, why = state.enabled(os.environ)
    if as_json:
        output.show_json({"enabled": on, "reason": why, "canEnable": not failures})
    else:
        output.show([f"database loads are {'enabled' if on else 'disabled'}: {why}"])


@click.command()
@click.option("--stop", is_flag=True, help="Stop it; its data stays.")
@click.option("--psql", is_flag=True, help="Open psql on it.")
@options.common_options
def server(stop: bool, psql: bool, as_json: bool) -> None:
    """Start the embedded PostgreSQL and show how to connect; it runs until it is stopped.

    \b
    Example:
      polargen server
      polargen server --psql
      polargen server --stop
    """
    from polargen import embedded

    if psql:
        url, program = embedded.start(), str(embedded.programs() / "psql")
        os.execv(program, [program, url])

    if stop:
        was = embedded.stop()
        if as_json:
            output.show_json({"running": False, "stopped": was, "folder": str(embedded.folder())})
        else:
            output.show(["stopped" if was else "it was not running"])
        return
    url = embedded.start()
    if as_json:
        output.show_json({"running": True, "url": url, "folder": str(embedded.folder())})
    else:
        output.show(connect_lines(url))


def connect_lines(url: str) -> list[str]:
    """Return how to use the embedded server."""
    from polargen import embedded

    return [
        f"PostgreSQL runs in {embedded.folder()}. To connect, and to stop it:",
        f"  {embedded.psql()}",
        "  polargen server --stop",
    ]
