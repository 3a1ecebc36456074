"""Tables that are there already, made by others or by earlier runs, and how our rows go there."""

from polargen.existing.inserting import insert_statements, largest_keys, taken_run, too_narrow
from polargen.existing.mapping import ColumnMap, Mapping, TableMap
from polargen.existing.matching import map_existing, map_own

__all__ = [
    "ColumnMap",
    "Mapping",
    "TableMap",
    "insert_statements",
    "largest_keys",
    "map_existing",
    "map_own",
    "taken_run",
    "too_narrow",
]
