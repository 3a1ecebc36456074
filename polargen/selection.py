"""Which rows an export of some days takes.

Masters are whole. A row that belongs to a document goes with it, whatever its own date: lines,
payments, shipments, refunds, discounts and stock movements with their order, a duplicate with the
order that it repeats, a follow-up visit with the first visit of its chain. All other rows go by
their table's main date. So no exported row refers to one that is not, and ranges that follow each
other share no row and leave none out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from polargen import calendar, ddl
from polargen.blocks import MASTERS
from polargen.errors import ConfigError
from polargen.schema import Table

_EARLIEST, _LATEST = date(1990, 1, 1), date(2050, 12, 31)  # what `polargen.calendar` knows
_RANGE = re.compile(r"\s*(\d{4}-\d{2}-\d{2})?\s*\.\.\s*(\d{4}-\d{2}-\d{2})?\s*")
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Days:
    """Days of Cairo's calendar, both ends inclusive; None: open.

    Raises:
        ConfigError: the last day comes before the first, or the calendar does not know one.
    """

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        for day in (self.first, self.last):
            if day is not None and not _EARLIEST <= day <= _LATEST:
                raise ConfigError(f"date range: {day} is not in {_EARLIEST}..{_LATEST}")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ConfigError(f"date range: {self} ends before it begins; swap the days")

    def __str__(self) -> str:
        return f"{self.first or ''}..{self.last or ''}"

    @classmethod
    def parse(cls, text: str) -> Days:
        """Read ``2024-01-01..2024-01-31``; one of the days may be left out.

        Raises:
            ConfigError: the text is no such range.
        """
        found = _RANGE.fullmatch(text)
        try:
            if found is None or not any(found.groups()):
                raise ValueError("no range")
            first, last = (
                None if day is None else date.fromisoformat(day) for day in found.groups()
            )
        except ValueError:
            raise ConfigError(
                f"date range: {text!r} is none, write it like 2024-01-01..2024-01-31, or "
                "2024-01-01.. for all days from then on"
            ) from None
        return cls(first, last)

    def rule(self, table: Table, column: str) -> str:
        """Return the condition that a date, or an instant's Cairo day, is one of these."""
        shown = f"t.{ddl.name(column)}"
        rules = []
        if table[column].kind == "date":
            rules += [] if self.first is None else [f"{shown} >= DATE '{self.first}'"]
            rules += [] if self.last is None else [f"{shown} <= DATE '{self.last}'"]
        else:
            rules += [] if self.first is None else [f"{shown} >= {_midnight(self.first)}"]
            rules += [] if self.last is None else [f"{shown} < {_midnight(self.last, 1)}"]
        return " AND ".join(rules)


def rules(schema: str, tables: Mapping[str, Table], name: str, days: Days | None) -> list[str]:
    """Return the conditions on a table's rows, ``t``; no row keeps two of them.

    Several come apart, and not with OR, so that each can be answered by a join.

    Args:
        schema: that the tables are in.
        tables: all that are there.
        name: of the table.
        days: None: all rows.

    Raises:
        ConfigError: rows of the table go by documents in a table that is not there.
    """
    table = tables[name]
    if days is None or name in MASTERS:
        return ["true"]
    own = "true" if table.main_date is None else days.rule(table, table.main_date)
    document = next(((c, t) for c, t in table.foreign_keys if t not in MASTERS), None)
    if document is None:
        return [own]
    column, other = document
    if other not in tables:
        raise ConfigError(
            f"date range: rows of {name} go with those of {other}, which is not there; leave "
            f"{name} out, or the range"
        )
    theirs = [own] if other == name else rules(schema, tables, other, days)
    key = ddl.name(tables[other].primary_key)
    chosen = " UNION ALL ".join(
        f"SELECT t.{key} FROM {ddl.where(schema, other)} AS t WHERE {rule}" for rule in theirs
    )
    shown = f"t.{ddl.name(column)}"
    with_document = f"{shown} IN ({chosen})"
    if not table[column].nullable:
        return [with_document]
    return [with_document, f"{shown} IS NULL AND {own}"]


def _midnight(day: date, later: int = 0) -> str:
    """Return the instant at which a day begins in Cairo, or another so many days later."""
    us = int(calendar.to_utc(np.int32(calendar.day_of(day) + later), 0))
    return f"TIMESTAMPTZ '{(_UNIX + timedelta(microseconds=us)).isoformat()}'"
