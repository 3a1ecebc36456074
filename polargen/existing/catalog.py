"""What PostgreSQL's catalog says of the tables in a schema: columns, types, rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from polargen import ddl
from polargen.database import Session

TABLE_KINDS = ("r", "p")  # plain and partitioned
KINDS = {"v": "view", "m": "materialized view", "f": "foreign table"}


@dataclass(frozen=True)
class TableColumn:
    """A column.

    Attributes:
        name: as it is, not quoted.
        type: as psql shows it.
        base: the type below all domains, qualified, without length or precision.
        family: "enum", "enum[]", "citext", else ``base``.
        modifier: length, precision or scale, as PostgreSQL encodes it; -1 for none.
        labels: of an enumeration, or of a list's elements.
        required: may hold no null.
        has_default: of its own, or of its domain.
        is_identity, is_generated: the server makes the values.
        sequence: that the table owns for this column, quoted and qualified.
        draws: sequence of another schema that the default draws from.
    """

    name: str
    type: str
    base: str
    family: str
    modifier: int
    labels: tuple[str, ...]
    required: bool
    has_default: bool
    is_identity: bool
    is_generated: bool
    sequence: str | None
    draws: str | None


@dataclass(frozen=True)
class Unique:
    """A unique index over columns, for all rows."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """A foreign key; ``relation`` is qualified."""

    name: str
    columns: tuple[str, ...]
    relation: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """A check; ``rule`` names its columns without the table."""

    name: str
    columns: tuple[str, ...]
    rule: str


@dataclass(frozen=True)
class Relation:
    """A table, view or foreign table; partitions are part of their table.

    Attributes:
        name: as it is, not quoted.
        full: qualified as PostgreSQL shows it, to compare with a `Reference`.
        kind: letter; see `TABLE_KINDS` and `KINDS`.
        is_polargens: by its comment.
        is_mine: this user has its owner's rights.
        owner: name.
        columns: in their order.
        primary_key: its columns, empty for none.
        uniques, references, checks: its rules.
    """

    name: str
    full: str
    kind: str
    is_polargens: bool
    is_mine: bool
    owner: str
    columns: tuple[TableColumn, ...]
    primary_key: tuple[str, ...]
    uniques: tuple[Unique, ...]
    references: tuple[Reference, ...]
    checks: tuple[Check, ...]


def relations(session: Session) -> list[Relation]:
    """Return what stands in the target schema, by name."""
    schema = ddl.literal(session.database.schema)
    columns = _grouped(session.rows(_COLUMNS.format(schema)))
    indexes = _grouped(session.rows(_INDEXES.format(schema)))
    rules = _grouped(session.rows(_RULES.format(schema)))
    return [
        Relation(
            name=name,
            full=full,
            kind=kind,
            is_polargens=is_polargens,
            is_mine=is_mine,
            owner=owner,
            columns=tuple(_column(*row) for row in columns.get(oid, [])),
            primary_key=next((tuple(keys) for _, own, keys in indexes.get(oid, []) if own), ()),
            uniques=tuple(Unique(index, tuple(keys)) for index, _, keys in indexes.get(oid, [])),
            references=tuple(
                Reference(rule, tuple(keys), other, tuple(others))
                for letter, rule, keys, _, other, others in rules.get(oid, [])
                if letter == "f"
            ),
            checks=tuple(
                Check(rule, tuple(keys), text)
                for letter, rule, keys, text, _, _ in rules.get(oid, [])
                if letter == "c"
            ),
        )
        for oid, name, full, kind, is_polargens, is_mine, owner in session.rows(
            _RELATIONS.format(schema)
        )
    ]


_IN_TARGET = (
    "c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {0}) "
    "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition"
)
_RELATIONS = (
    "SELECT c.oid::bigint, c.relname::text, c.oid::regclass::text, c.relkind::text, "
    f"coalesce(obj_description(c.oid, 'pg_class') LIKE {ddl.literal('%' + ddl.MADE_BY)}, false), "
    "pg_has_role(c.relowner, 'USAGE'), c.relowner::regrole::text "
    f"FROM pg_class c WHERE {_IN_TARGET} ORDER BY 2"
)
# A domain's base type may be a domain again; a default or NOT NULL on the way counts.
_COLUMNS = f"""
WITH RECURSIVE layer AS (
    SELECT oid AS type, oid AS base, -1 AS modifier, false AS required, false AS has_default
    FROM pg_type
    UNION ALL
    SELECT l.type, d.typbasetype, d.typtypmod, l.required OR d.typnotnull,
        l.has_default OR d.typdefault IS NOT NULL
    FROM layer l JOIN pg_type d ON d.oid = l.base AND d.typtype = 'd'
)
SELECT c.oid::bigint, a.attname::text, format_type(a.atttypid, a.atttypmod),
    format_type(b.oid, NULL),
    CASE WHEN b.typtype = 'e' THEN 'enum' WHEN e.typtype = 'e' THEN 'enum[]'
        WHEN b.typname = 'citext' THEN 'citext' ELSE format_type(b.oid, NULL) END,
    CASE WHEN l.base = l.type THEN a.atttypmod ELSE l.modifier END,
    ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid IN (b.oid, e.oid)
        ORDER BY enumsortorder),
    a.attnotnull OR l.required, a.atthasdef OR l.has_default,
    a.attidentity <> '', a.attgenerated <> '',
    CASE WHEN c.relkind IN ('r', 'p')
        THEN pg_get_serial_sequence(c.oid::regclass::text, a.attname::text) END,
    (SELECT s.oid::regclass::text FROM pg_attrdef f
        JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
            AND d.refclassid = 'pg_class'::regclass
        JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
            AND s.relnamespace <> c.relnamespace
        WHERE f.adrelid = c.oid AND f.adnum = a.attnum LIMIT 1)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN layer l ON l.type = a.atttypid
JOIN pg_type b ON b.oid = l.base AND b.typtype <> 'd'
LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
WHERE {_IN_TARGET} ORDER BY c.oid, a.attnum
"""
# Columns of a rule, by the numbers in an array.
_NAMES = (
    "ARRAY(SELECT attname::text FROM unnest({keys}) WITH ORDINALITY listed (number, place) "
    "JOIN pg_attribute ON attrelid = {relation} AND attnum = number ORDER BY place)"
)
_INDEX_COLUMNS = _NAMES.format(keys="i.indkey::int2[]", relation="c.oid")
_INDEXES = (
    f"SELECT c.oid::bigint, x.relname::text, i.indisprimary, ({_INDEX_COLUMNS})[1:i.indnkeyatts] "
    "FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid "
    f"WHERE {_IN_TARGET} AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL ORDER BY 2"
)
_RULES = (
    "SELECT c.oid::bigint, k.contype::text, k.conname::text, "
    f"{_NAMES.format(keys='k.conkey', relation='c.oid')}, pg_get_expr(k.conbin, k.conrelid), "
    "k.confrelid::regclass::text, "
    f"{_NAMES.format(keys='k.confkey', relation='k.confrelid')} "
    "FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
    f"WHERE {_IN_TARGET} AND k.contype IN ('f', 'c') AND k.conparentid = 0 ORDER BY 3"
)


def _column(name: str, shown: str, base: str, family: str, modifier: int, labels: Sequence[str],
            *facts: Any) -> TableColumn:  # fmt: skip
    return TableColumn(name, shown, base, family, modifier, tuple(labels), *facts)


def _grouped(rows: list[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    """Return rows without their first value, by it."""
    result: dict[int, list[tuple[Any, ...]]] = {}
    for first, *rest in rows:
        result.setdefault(first, []).append(tuple(rest))
    return result
