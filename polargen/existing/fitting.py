"""How a staged column goes into a column of a table that others made: SQL, or why it does not.

A rule knows what we have and what the column takes. It gives the SQL over the staged column that
an INSERT assigns; nothing is cast explicitly to a length or precision, because such a cast cuts
or rounds where an assignment fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from polargen import ddl
from polargen.existing.catalog import TableColumn
from polargen.schema import Column

FREE_TEXT = 255  # characters that a column for free text must take
_UUID_TEXT = 36
_KEY_DIGITS = 19  # of the largest bigint
_HEADER = 4  # PostgreSQL adds it to the modifiers of varchar and numeric
_FLOAT_DECIMALS = 6  # Source: coordinates have six decimals, scores fewer
_WHOLE_DIGITS = {"int": 10, "count": 19, "money": 10, "money_total": 16}
_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1}
_INSTANT_PARTS = {-1: "", 6: "", 3: "milliseconds", 0: "second"}
_COUNTED = ("number key", "text key", "number keys", "text keys")

# Kinds of keys by the types of the columns that hold them.
KEY_KINDS: Mapping[str, str] = {
    "bigint": "number",
    "integer": "number",
    "smallint": "number",
    "uuid": "uuid",
    "text": "text",
    "character varying": "text",
}


class Misfit(Exception):
    """What we have does not go into a column.

    Attributes:
        why: continues "is numeric(5,2), ".
        remedy: continues "make it "; "" for the type that we have.
    """

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy


@dataclass(frozen=True)
class Given:
    """A staged column.

    Attributes:
        label: orders.status.
        kind: a key of `_RULES`.
        type: in SQL.
        column: the declaration.
        what: it holds, for messages; "" for "orders.status is text".
    """

    label: str
    kind: str
    type: str
    column: Column
    what: str = ""

    @property
    def sql(self) -> str:
        """The staged column."""
        return ddl.name(self.column.name)


_Rule = Callable[[Given, TableColumn], str]


def expression(given: Given, column: TableColumn) -> str:
    """Return the SQL over the staged column that goes into a column.

    Raises:
        Misfit: not every value would arrive as it is.
    """
    rule = _RULES[given.kind].get(column.family)
    if rule is None:
        raise Misfit(f"but {given.what or f'{given.label} is {given.type}'}")
    return rule(given, column)


def largest(given: Given, column: TableColumn) -> int | None:
    """Return the largest key that a column can hold, None for no key, and where every one fits."""
    if given.kind not in _COUNTED:
        return None
    if column.family == "character varying" and column.modifier >= 0:
        digits = column.modifier - _HEADER
        return int("9" * digits) if digits < _KEY_DIGITS else None
    return _LARGEST.get(column.family)


def _as_is(given: Given, column: TableColumn) -> str:
    return given.sql


def _cast(given: Given, column: TableColumn) -> str:
    return f"{given.sql}::{column.base}"


def _as_text(given: Given, column: TableColumn) -> str:
    return f"{given.sql}::text"


def _long_enough(given: Given, column: TableColumn) -> str:
    """Take a text where the column's length is enough for every value."""
    if column.modifier < 0:
        return given.sql
    room = column.modifier - _HEADER
    if given.kind not in ("enum", "enums"):
        longest = given.column.longest or FREE_TEXT
        if room < longest:
            length = given.column.longest or "any length"
            raise Misfit(f"but {given.label} is text of {length}", f"text, or varchar({longest})")
        return given.sql
    longest = max(map(len, given.column.values))
    if room < longest:
        raise Misfit(f"but {given.label} has texts of up to {longest} characters", "text")
    return given.sql


def _uuid_text(given: Given, column: TableColumn) -> str:
    if 0 <= column.modifier < _UUID_TEXT + _HEADER:
        raise Misfit(f"but {given.what}", f"text, or varchar({_UUID_TEXT})")
    return _as_text(given, column)


def _labels(given: Given, column: TableColumn) -> str:
    """Take an enumeration where the column's own has every value."""
    missing = [value for value in given.column.values if value not in column.labels]
    if missing:
        shown = ", ".join(map(repr, missing))
        raise Misfit(f"which lacks {shown} of {given.label}", _TEXTS_OF[given.kind])
    return f"{given.sql}::{column.base}"


def _elements(given: Given, column: TableColumn) -> str:
    """Take a JSON list of texts as a list of texts."""
    _long_enough(given, column)
    return f"ARRAY(SELECT jsonb_array_elements_text({given.sql}))"


def _label_elements(given: Given, column: TableColumn) -> str:
    _labels(given, column)
    return f"{_elements(given, column)}::{column.base}"


def _numeric(given: Given, column: TableColumn) -> str:
    """Take a number where the column's precision and scale keep it."""
    if column.modifier < 0:
        return given.sql
    packed = column.modifier - _HEADER
    scale = ((packed & 0x7FF) ^ 0x400) - 0x400  # eleven bits with a sign
    decimals = {"float": _FLOAT_DECIMALS, "int": 0, "count": 0}.get(given.kind, 2)
    if scale < decimals or (packed >> 16) - scale < _digits(given):
        raise Misfit(f"but {given.label} is {given.type}")
    return given.sql


def _digits(given: Given) -> int:
    """Return how many digits stand before the decimal point at most."""
    if given.kind != "float":
        return _WHOLE_DIGITS[given.kind]
    low, high = given.column.low, given.column.high
    if low is None or high is None:
        raise Misfit(f"but {given.label} is {given.type}")
    return len(str(int(max(abs(low), abs(high)))))


def _at_utc(given: Given, column: TableColumn) -> str:
    return _instant(given, column, f"{given.sql} AT TIME ZONE 'UTC'")


def _instant(given: Given, column: TableColumn, sql: str = "") -> str:
    """Take an instant; what the column cannot keep is cut off, so that no day changes."""
    part = _INSTANT_PARTS.get(column.modifier)
    if part is None:
        raise Misfit(f"but {given.label} has microseconds", f"{given.type}, or timestamp(3)")
    sql = sql or given.sql
    return f"date_trunc('{part}', {sql})" if part else sql


def _json_of(given: Given, column: TableColumn) -> str:
    return f"to_{column.family}({given.sql})"


_TEXTS: Mapping[str, _Rule] = {
    "text": _as_is,
    "character varying": _long_enough,
    "citext": _cast,
}
_TEXTS_OF = {"enum": "text", "enums": "text[]"}
_JSON: Mapping[str, _Rule] = {"jsonb": _as_is, "json": _cast, "text": _as_text}
_NUMBER_KEYS: Mapping[str, _Rule] = dict.fromkeys(("bigint", "integer", "smallint"), _as_is)
_TEXT_KEYS: Mapping[str, _Rule] = {"text": _as_text, "character varying": _as_text}
_UUID_TEXTS: Mapping[str, _Rule] = {"text": _as_text, "character varying": _uuid_text}

# What we have -> family of the column -> how.
_RULES: Mapping[str, Mapping[str, _Rule]] = {
    # A key, and a reference to one.
    "number key": _NUMBER_KEYS,
    "text key": _TEXT_KEYS,
    "uuid key": {"uuid": _as_is},
    # Keys of several tables in one column: all of one kind, or staged as text.
    "number keys": {**_NUMBER_KEYS, **_TEXT_KEYS},
    "text keys": _TEXT_KEYS,
    "uuid keys": {"uuid": _as_is, **_UUID_TEXTS},
    "mixed keys": _UUID_TEXTS,
    "int": {
        **dict.fromkeys(("integer", "bigint", "real", "double precision"), _as_is),
        "numeric": _numeric,
    },
    "count": {"bigint": _as_is, "numeric": _numeric},
    "money": {"numeric": _numeric},
    "money_total": {"numeric": _numeric},
    "float": {"double precision": _as_is, "numeric": _numeric},
    "bool": {"boolean": _as_is},
    "instant": {"timestamp with time zone": _instant, "timestamp without time zone": _at_utc},
    "date": {"date": _as_is, "timestamp without time zone": _cast},
    "enum": {**_TEXTS, "enum": _labels},
    "label": _TEXTS,
    "text": _TEXTS,
    "json": _JSON,
    "structs": _JSON,
    "enums": {
        **_JSON,
        "text[]": _elements,
        "character varying[]": _elements,
        "enum[]": _label_elements,
    },
    "ints": {
        **dict.fromkeys(("smallint[]", "integer[]", "bigint[]"), _as_is),
        **dict.fromkeys(("jsonb", "json"), _json_of),
    },
}
