"""`polargen describe`: the data dictionary, an ER diagram, or a scenario's values and sources."""

from __future__ import annotations

import json
from typing import Any

import click

from polargen.cli import dictionary, options, output


@click.command()
@click.option(
    "names",
    "--table",
    "--tables",
    metavar="A,B",
    shell_complete=options.complete_table,
    help="Only these tables.",
)
@click.option("--mermaid", is_flag=True, help="Print an ER diagram in Mermaid's language.")
@click.option(
    "--scenario",
    metavar="NAME|FILE",
    shell_complete=options.complete_scenario,
    help="Show each value of a scenario, and the file and line it came from.",
)
@click.option(
    "sets",
    "--set",
    multiple=True,
    metavar="KEY=VALUE",
    help="With --scenario: change a value; may be repeated.",
)
@options.common_options
def describe(
    names: str | None,
    mermaid: bool,
    scenario: str | None,
    sets: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the data dictionary: every table and column with type, null rule, range and meaning.

    \b
    Example:
      polargen describe --table orders
      polargen describe --mermaid > er.mmd
      polargen describe --scenario peak-season --set entityRates.ordersPerDay=500
    """
    from polargen.errors import ConfigError

    if scenario is not None:
        if names is not None or mermaid:
            raise ConfigError("--scenario: shows a scenario, leave out --table and --mermaid")
        _scenario(scenario, sets, as_json)
        return
    if sets:
        raise ConfigError("--set: changes a scenario, name one with --scenario")
    if mermaid and as_json:
        raise ConfigError("--mermaid: is no JSON, leave out --json")

    from polargen.generators import all_tables

    known = all_tables()
    chosen = options.table_names("--table", names, known) or tuple(known)
    tables = [known[name] for name in chosen]
    if mermaid:
        output.show(dictionary.mermaid(tables))
    elif as_json:
        output.show_json({"tables": [dictionary.document(table) for table in tables]})
    else:
        for number, table in enumerate(tables):
            output.show([*([""] if number else []), *dictionary.lines(table)])


def _scenario(name: str, sets: tuple[str, ...], as_json: bool) -> None:
    from polargen.scenario import profile_with_sources

    profile, values = profile_with_sources(name, sets)
    if as_json:
        output.show_json(
            {
                "scenario": profile.to_dict(),
                "values": [
                    {"key": v.key, "value": v.value, "source": v.source, "line": v.line}
                    for v in values
                ],
            }
        )
        return
    rows = [
        [v.key, v.source if v.line is None else f"{v.source}:{v.line}", _text(v.value)]
        for v in values
    ]
    output.show(output.table(["key", "from", "value"], rows))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
