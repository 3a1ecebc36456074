"""Truth of logs: R50 (audit rows and facts) and R51 (anomaly labels)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from polargen import calendar
from polargen.checks.base import Findings, Found, rule
from polargen.checks.group import NEVER, Group
from polargen.checks.rows import I64, Array, Bool, Rows
from polargen.schema import NESTED, TABLES, Column
from polargen.schema.service import ACTIONS, AUDIT_LOGS, FACTLESS_ACTIONS, Action

_U64 = np.uint64
# Odd constants of splitmix64 and its kin; they only spread bits.
_SPREAD = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class _Facts:
    """Audit rows that one action's facts call for: fact row, entity, instant, user (-1: none)."""

    action: Action
    row: I64
    entity: I64
    at: I64
    user: I64


def _audit_reads() -> dict[str, str]:
    reads: dict[str, set[str]] = {"audit_logs": {"created_at"}}
    for action in ACTIONS:
        time = action.nested or action.time
        columns = {time, *(name for name, _ in action.where)}
        reads.setdefault(action.table, set()).update(columns | {action.actor or time})
    return {table: " ".join(sorted(columns)) for table, columns in reads.items()}


@rule("R50", "audit rows and facts", _audit_reads())
def audit(group: Group) -> Findings:
    """R50: each audit row has its fact, each fact its row: same entity, instant and user.

    Logins and logouts come in pairs, a session a user and day, open only at T; the system's own
    rows have no entity.
    """
    logs = group["audit_logs"]
    code = AUDIT_LOGS["action"].code
    facts = [_facts(group, action) for action in ACTIONS]
    free = logs.has("action", *FACTLESS_ACTIONS)
    rows = np.flatnonzero(~free)
    user = np.where(logs.valid("user_id"), logs["user_id"], NEVER)
    entity = np.where(logs.valid("entity_id"), logs["entity_id"], NEVER)
    given = _hash(logs["action"][rows], entity[rows], logs["created_at"][rows], user[rows])
    wanted = [
        _hash(np.full(len(f.row), code(f.action.name)), f.entity, f.at, f.user) for f in facts
    ]
    lacking, extra = _difference(np.concatenate(wanted), given)
    start = 0
    for fact in facts:
        stop = start + len(fact.row)
        if stop > start or len(group[fact.action.table]):
            source = group[fact.action.table]
            bad = np.zeros(len(source), dtype=bool)
            bad[fact.row[lacking[start:stop]]] = True
            yield Found(source, bad, f"has no audit row {fact.action.name} of its instant and user")
        start = stop
    shown = ("action", "entity_type", "entity_id", "user_id", "created_at")
    bad = np.zeros(len(logs), dtype=bool)
    bad[rows[extra]] = True
    yield Found(logs, bad, "no fact stands behind it", shown)
    types = np.zeros(len(AUDIT_LOGS["action"].values), dtype=np.uint8)
    for action in ACTIONS:
        table = action.entity[0] if action.entity else action.table
        types[code(action.name)] = AUDIT_LOGS["entity_type"].code(table)
    other = ~free & (logs["entity_type"] != types[logs["action"]])
    yield Found(logs, other, "entity_type is not that of the action", shown)
    yield from _sessions(group, logs, shown)


def _sessions(group: Group, logs: Rows, shown: tuple[str, ...]) -> Findings:
    login, logout = logs.has("action", "user.login"), logs.has("action", "user.logout")
    of_user = login | logout
    own = logs.has("entity_type", "users") & (logs["entity_id"] == logs["user_id"])
    own &= logs.valid("user_id")
    yield Found(logs, of_user & ~own, "a session must be of its own user", shown)
    system = logs.has("action", *(name for name in FACTLESS_ACTIONS if name[:7] == "system."))
    signed = system & (logs.valid("user_id") | logs.valid("entity_id"))
    yield Found(logs, signed, "the system has neither user nor entity", shown)
    rows = np.flatnonzero(of_user)
    day = calendar.local_day(logs["created_at"][rows])
    user, at = logs["user_id"][rows], logs["created_at"][rows]
    order = np.lexsort((at, day, user))
    rows, day, user = rows[order], day[order], user[order]
    is_login = login[rows]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (user[1:] != user[:-1]) | (day[1:] != day[:-1])
    ends = np.append(new[1:], True)[: len(rows)]
    # a session is: a login that starts the user's day, then one logout that ends it
    wrong = np.where(is_login, ~new, new | ~ends)
    open_ = is_login & ends & (day != group.context.last_day)
    bad = np.zeros(len(logs), dtype=bool)
    bad[rows[wrong | open_]] = True
    yield Found(logs, bad, "logins and logouts do not pair up", shown)


def _facts(group: Group, action: Action) -> _Facts:
    """Return the audit rows that an action's facts call for."""
    rows = group[action.table]
    chosen = np.ones(len(rows), dtype=bool)
    for column, values in action.where:
        chosen &= _where(rows, column, values)
    key = action.entity[1] if action.entity else rows.table.primary_key
    if action.nested is None:
        index = np.flatnonzero(chosen & rows.valid(action.time))
        at = rows[action.time][index]
    else:
        lists = rows.lists(action.nested)
        elements = np.flatnonzero((lists.position > 0) & chosen[lists.parent])
        index, at = lists.parent[elements], lists[action.time][elements]
    if action.since_start:
        kept = at >= group.context.start_us
        index, at = index[kept], at[kept]
    user = np.full(len(index), NEVER, dtype=np.int64)
    if action.actor is not None:
        acted = rows.valid(action.actor)[index]
        user = np.where(acted, rows[action.actor][index], NEVER)
    return _Facts(action, index, rows[key][index], at, user)


def _where(rows: Rows, column: str, values: tuple[str, ...] | None) -> Bool:
    if values is None:
        return rows.valid(column)
    wanted = tuple(value for value in values if not value.startswith("!"))
    unwanted = tuple(value[1:] for value in values if value.startswith("!"))
    result = np.ones(len(rows), dtype=bool)
    if rows.table[column].kind == "enum":
        result = rows.has(column, *wanted) if wanted else rows.valid(column).copy()
        return result & ~rows.has(column, *unwanted) if unwanted else result
    if wanted:
        result &= np.isin(rows[column], [int(value) for value in wanted]) & rows.valid(column)
    if unwanted:
        result &= ~np.isin(rows[column], [int(value) for value in unwanted])
    return result


def _hash(*columns: Array) -> Array:
    """Return 64 bits of each row; equal rows give equal bits."""
    result = np.zeros(len(columns[0]), dtype=_U64)
    for column, odd in zip(columns, _SPREAD, strict=True):
        result ^= column.astype(np.int64).view(_U64)
        result *= _U64(odd)
        result ^= result >> _U64(29)
    return result


def _difference(wanted: Array, given: Array) -> tuple[Bool, Bool]:
    """Return which values of each side have no match on the other, as multisets."""
    lacking, extra = np.zeros(len(wanted), dtype=bool), np.zeros(len(given), dtype=bool)
    left, right = np.sort(wanted), np.sort(given)
    if len(left) == len(right) and np.array_equal(left, right):
        return lacking, extra
    for values, own, other, marks in (
        (wanted, left, right, lacking),
        (given, right, left, extra),
    ):
        mine = np.searchsorted(own, values, "right") - np.searchsorted(own, values, "left")
        theirs = np.searchsorted(other, values, "right") - np.searchsorted(other, values, "left")
        marks |= mine > theirs
    return lacking, extra


@rule("R51", "labels show what was injected")
def labels(group: Group) -> Findings:
    """R51: each label names an existing row, and the row shows the injected value.

    The value before differs from the injected one; lists are labelled as a whole, without values.
    """
    rows = group["anomaly_labels"]
    if not len(rows):
        return
    everything = np.arange(len(rows))
    lost, unknown = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    other, unchanged = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    injected, original = rows.text("injected_value"), rows.text("original_value")
    named = rows.text("field")
    for table, found, places in group.entities("anomaly_labels", everything):
        lost[places[found < 0]] = True
        for name, here in _by_field(named.gather(places)):
            at, row = places[here], found[here]
            column = _column(table, name)
            if column is None:
                unknown[at] = True
                continue
            at, row = at[row >= 0], row[row >= 0]
            shown = as_text(column, group[table].series(name).gather(row))
            other[at] = shown.ne_missing(injected.gather(at)).to_numpy()
            unchanged[at] = injected.gather(at).eq_missing(original.gather(at)).to_numpy()
    unnamed = named.is_null() & (injected.is_not_null() | original.is_not_null())
    shown_columns = ("anomaly_type", "entity", "entity_id", "field", "injected_value")
    for bad, what in (
        (lost, "names a row that is not there"),
        (unknown, "names a field that is no plain column"),
        (other, "the row does not show the injected value"),
        (unchanged, "original and injected value are the same"),
        (unnamed.to_numpy(), "has values but no field"),
    ):
        yield Found(rows, bad, what, shown_columns, reads=())


def as_text(column: Column, values: pl.Series) -> pl.Series:
    """Return a column's values as labels write them."""
    if column.kind == "instant":
        return values.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    if column.kind == "date":
        return values.dt.strftime("%Y-%m-%d")
    if column.kind == "bool":
        return values.cast(pl.String).str.to_lowercase()
    return values.cast(pl.String)


def _column(table: str, name: str) -> Column | None:
    column = next((c for c in TABLES[table].columns if c.name == name), None)
    return None if column is None or column.kind in NESTED else column


def _by_field(names: pl.Series) -> Iterator[tuple[str, I64]]:
    for name in names.drop_nulls().unique(maintain_order=True):
        yield name, np.flatnonzero((names == name).fill_null(False).to_numpy())
