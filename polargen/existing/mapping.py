"""Which of our rows go into which tables and columns."""

from __future__ import annotations

from dataclasses import dataclass

from polargen.config import Problem, refusal
from polargen.schema import Table


@dataclass(frozen=True)
class ColumnMap:
    """One of our columns and where it goes.

    Attributes:
        name: of ours.
        target: name of theirs.
        sql: over the staged column.
        type: of theirs.
        most: largest key that theirs holds, None where every one fits.
        keys_of: the tables whose keys these are.
    """

    name: str
    target: str
    sql: str
    type: str
    most: int | None = None
    keys_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableMap:
    """One of our tables and where it goes.

    Attributes:
        table: ours.
        target_name: name of theirs.
        columns: that get our values.
        left: (their column, what it gets instead).
        unused: our columns that theirs has no place for.
        key_kind: "number", "uuid", or "text" that holds numbers.
        has_identity: a matched column is an identity.
        sequences: (their column, the sequence that theirs owns for it), of matched columns.
    """

    table: Table
    target_name: str
    columns: tuple[ColumnMap, ...]
    left: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]
    key_kind: str
    has_identity: bool
    sequences: tuple[tuple[str, str], ...]

    def target(self, column: str) -> str | None:
        """Return the name of the column that takes one of ours, None if there is none."""
        return next((item.target for item in self.columns if item.name == column), None)

    @property
    def key_name(self) -> str:
        """Name of the column that takes our primary key; "" if there is none, a problem."""
        return self.target(self.table.primary_key) or ""


@dataclass(frozen=True)
class Mapping:
    """Which tables get our rows.

    Attributes:
        schema: that they are in.
        tables: parents first.
        foreign: others made them.
        uuid_tables: tables whose keys are uuids, also of those that are only referred to.
        text_tables: tables whose keys are numbers in text columns.
        problems: why rows do not fit, a sentence each.
        notes: what else is worth knowing.
    """

    schema: str
    tables: tuple[TableMap, ...]
    foreign: bool
    uuid_tables: frozenset[str]
    text_tables: frozenset[str]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def refuse(self) -> None:
        """Refuse rows that do not fit.

        Raises:
            ConfigError: names every problem.
        """
        if self.problems:
            raise refusal(Problem("", text) for text in self.problems)
