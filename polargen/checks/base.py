"""What a rule is, what it finds, and the report that gathers it.

A rule is a function of a group, or a class with ``check(group)`` for each group and ``finish()``
at the end where it needs sums or keys of all groups. Both yield `Found` (rows of a table and which
of them are wrong) or `Said` (something wrong that is no row).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from polargen import calendar
from polargen.checks.rows import Bool, Rows
from polargen.schema import TABLES, Table

if TYPE_CHECKING:
    from polargen.checks.group import Group

MAX_EXAMPLES = 5
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Context:
    """What is known of a run besides its rows.

    Attributes:
        first_day, last_day: epoch days of Cairo's calendar, inclusive.
        as_of_us: T, µs UTC; every instant lies before it.
        scenario: resolved, camelCase keys; empty: shapes are not judged.
        planned: rows by table, as planned; also "duplicates" (of orders) and "root_visits".
        recorded: rows by table, as the manifest states them.
        unmet: shares that the plan says cannot hold in this window -> what it expects instead.
        tables: declarations of all tables, those of plug-ins too.
        eligible: rows that an anomaly could befall, as the manifest states them, by what it names.
    """

    first_day: int
    last_day: int
    as_of_us: int
    scenario: Mapping[str, Any] = field(default_factory=dict)
    planned: Mapping[str, int] = field(default_factory=dict)
    recorded: Mapping[str, int] = field(default_factory=dict)
    eligible: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unmet: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=lambda: TABLES)

    @cached_property
    def start_us(self) -> int:
        """The window's first instant, µs UTC."""
        return midnight_us(self.first_day)

    @cached_property
    def year_ago_us(self) -> int:
        """Twelve months before T: the same midnight of Cairo a year earlier, µs UTC."""
        end = calendar.date_of(self.last_day + 1)
        leap_day = end.month == 2 and end.day == 29
        return midnight_us(
            calendar.day_of(end.replace(year=end.year - 1, day=28 if leap_day else end.day))
        )


def midnight_us(day: int) -> int:
    """Return the first instant of a day of Cairo's calendar, µs UTC."""
    return int(calendar.to_utc(np.array([day], dtype=np.int32), 0)[0])


@dataclass(frozen=True)
class Found:
    """Rows looked at, and which of them are wrong.

    Attributes:
        rows: of one table.
        bad: bool, shape (len(rows),); None: all rows are right.
        what: what is wrong with such a row, in words.
        show: columns whose values an example shows.
        reads: (table, column) pairs that this finding rests on; None: those of the rule.
        part_of: kind of document whose labels excuse the rows, if not their own.
    """

    rows: Rows
    bad: Bool | None
    what: str
    show: tuple[str, ...] = ()
    reads: tuple[tuple[str, str], ...] | None = None
    part_of: str | None = None


@dataclass(frozen=True)
class Said:
    """A finding that is no row of a frame at hand.

    Attributes:
        table: it is about, or "".
        looked: rows or figures looked at.
        breaches: how many are wrong.
        examples: (key, what) of some of them.
        figures: numbers worth showing, also where nothing is wrong.
    """

    table: str
    looked: int
    breaches: int = 0
    examples: tuple[tuple[int | None, str], ...] = ()
    figures: tuple[str, ...] = ()


Findings = Iterator["Found | Said"]


class Stateful(Protocol):
    """A rule that needs all groups."""

    def check(self, group: Group) -> Findings:
        """Look at one group."""
        ...

    def finish(self) -> Findings:
        """Judge what the groups summed up to."""
        ...


@dataclass(frozen=True)
class Rule:
    """One rule of the data.

    Attributes:
        number: R01..R51, S1..S6, D01.. .
        title: a few words.
        reads: table -> columns whose labelled invalid values excuse the rule.
        body: function or class.
        in_block: cheap enough for every block of a run, and needs nothing but the block.
        warning: a breach is shown, but is no failure.
    """

    number: str
    title: str
    reads: tuple[tuple[str, str], ...]
    body: Any
    in_block: bool = False
    warning: bool = False

    @property
    def is_stateful(self) -> bool:
        """Whether the body is a class."""
        return isinstance(self.body, type)


RULES: dict[str, Rule] = {}
_Body = TypeVar("_Body", bound=Callable[..., Any])


def rule(
    number: str,
    title: str,
    reads: Mapping[str, str] | None = None,
    *,
    in_block: bool = False,
    warning: bool = False,
) -> Callable[[_Body], _Body]:
    """Register a function of a group, or a class made of (masters, context), as a rule.

    Args:
        number: of the rule.
        title: a few words, for the report.
        reads: table -> its columns that the rule reads, separated by spaces.
        in_block: also checked on every block of a run.
        warning: breaches do not fail.
    """
    pairs = tuple(
        (table, column) for table, columns in (reads or {}).items() for column in columns.split()
    )

    def register(body: _Body) -> _Body:
        RULES[number] = Rule(number, title, pairs, body, in_block, warning)
        return body

    return register


@dataclass(frozen=True)
class Example:
    """One row in breach: its table, its key (None: no single row) and what is wrong."""

    table: str
    key: int | None
    what: str

    def __str__(self) -> str:
        key = "" if self.key is None else f" {self.key}"
        return f"{self.table}{key}: {self.what}"


@dataclass
class RuleResult:
    """What came of one rule.

    Attributes:
        rule, title: of the rule.
        warning: breaches do not fail.
        rows: looked at.
        breaches: rows in breach.
        excused: rows that would be, but rest on a field labelled invalid_data.
        examples: the first few.
        figures: numbers worth showing.
    """

    rule: str
    title: str
    warning: bool = False
    rows: int = 0
    breaches: int = 0
    excused: int = 0
    examples: list[Example] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    def add(self, other: RuleResult) -> None:
        """Add what came of the same rule elsewhere."""
        self.rows += other.rows
        self.breaches += other.breaches
        self.excused += other.excused
        self.examples = (self.examples + other.examples)[:MAX_EXAMPLES]
        self.figures += other.figures

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "rule": self.rule,
            "title": self.title,
            "warning": self.warning,
            "rows": self.rows,
            "breaches": self.breaches,
            "excused": self.excused,
            "examples": [
                {"table": item.table, "key": item.key, "what": item.what} for item in self.examples
            ],
            "figures": list(self.figures),
        }


@dataclass
class Report:
    """The results of all rules that were checked, by number."""

    results: dict[str, RuleResult] = field(default_factory=dict)

    def __getitem__(self, number: str) -> RuleResult:
        return self.results[number]

    @property
    def ok(self) -> bool:
        """Whether no rule is broken; shapes only warn."""
        return not any(self.failed)

    @property
    def failed(self) -> list[str]:
        """Numbers of the rules that are broken."""
        return [r.rule for r in self.results.values() if r.breaches and not r.warning]

    @property
    def warnings(self) -> list[str]:
        """Numbers of the shapes that are off."""
        return [r.rule for r in self.results.values() if r.breaches and r.warning]

    def merge(self, other: Report) -> None:
        """Add another report, of other rows."""
        for number, result in other.results.items():
            if number in self.results:
                self.results[number].add(result)
            else:
                self.results[number] = result

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "ok": self.ok,
            "failed": self.failed,
            "warnings": self.warnings,
            "rules": [result.to_dict() for result in self.results.values()],
        }

    def lines(self) -> list[str]:
        """Return the report as text: a line a rule, examples below what is broken."""
        if not self.results:
            return []
        titles = max(len(result.title) for result in self.results.values())
        counts = max(len(f"{result.rows:,}") for result in self.results.values())
        text: list[str] = []
        for result in self.results.values():
            kind = "warnings" if result.warning else "breaches"
            line = (
                f"{result.rule:<4} {result.title:<{titles}}  rows {result.rows:>{counts},}  "
                f"{kind} {result.breaches:,}"
            )
            text.append(line + (f"  excused {result.excused:,}" if result.excused else ""))
            text.extend(f"       {figure}" for figure in result.figures)
            text.extend(f"       {item}" for item in result.examples)
        return text
