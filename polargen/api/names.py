"""Names of tables and columns: camelCase outside, snake_case inside; both are understood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic.alias_generators import to_camel

from polargen.api.problems import invalid
from polargen.config import one_of
from polargen.generators import all_tables


def entity(table: str) -> str:
    """Return the JSON name of a table; what is no table stays."""
    known = all_tables()
    return known[table].json_name if table in known else table


def entities(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts by JSON name."""
    return {entity(name): rows for name, rows in counts.items()}


def column(name: str) -> str:
    """Return the JSON name of a column."""
    return to_camel(name)


def tables(given: Iterable[str] | None, known: Iterable[str], path: str) -> tuple[str, ...]:
    """Return the tables that are meant, in the order of the schema.

    Args:
        given: names in either spelling; None for all.
        known: tables there are.
        path: of the names in the request.

    Raises:
        ApiProblem: one is unknown, or none is named.
    """
    names = tuple(known)
    if given is None:
        return names
    read, found, errors = one_of(names, "table"), set(), []
    for number, name in enumerate(given):
        try:
            found.add(read(name))
        except ValueError as error:
            errors.append({"path": f"{path}.{number}", "message": str(error)})
    if not found and not errors:
        errors.append({"path": path, "message": "names no table, leave it out for all"})
    if errors:
        raise invalid(errors)
    return tuple(name for name in names if name in found)
