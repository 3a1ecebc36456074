"""Audit logs: one row for each thing that happened in the other tables, besides sessions.

Which fact makes which row is declared in `polargen.schema.service.ACTIONS`; nothing here knows a
table by name. This is the largest table: output arrays are made once and filled action by action.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import ClassVar

import numpy as np
import pyarrow as pa

from polargen import calendar
from polargen.blocks import KINDS, BlockContext, BlockKind
from polargen.columns import Array, Frame, Gather, Nested, Nullable
from polargen.draw import I32, I64, U8, Bool
from polargen.generators.base import BaseGenerator
from polargen.schema import TABLES, Column, Table
from polargen.schema.service import ACTION_NAMES, ACTIONS, AUDIT_LOGS, ENTITY_TYPES, Action

MAX_ADDRESSES = 65_024  # 10.20.0.1 .. 10.20.255.254; beyond, users share
_MINUTE = 60_000_000
# action -> (entity_type, Cairo time of day in µs, details); ASSUMED.
_NIGHTLY = {
    "system.backup_completed": ("audit_logs", 150 * _MINUTE, {"scope": "full"}),
    "system.stock_report_sent": ("products", 420 * _MINUTE, {"report": "stock_levels"}),
    "system.invoices_sent": ("companies", 360 * _MINUTE, {"period": "previous_month"}),
}


class AuditLogGenerator(BaseGenerator):
    """Makes the audit rows of a block's facts; of days, the sessions and the system's rows."""

    name: ClassVar[str] = "audit_logs"
    tables: ClassVar[tuple[Table, ...]] = (AUDIT_LOGS,)
    depends_on: ClassVar[tuple[str, ...]] = tuple(dict.fromkeys(a.table for a in ACTIONS))
    kinds: ClassVar[tuple[BlockKind, ...]] = KINDS
    rows_per_unit: ClassVar[Mapping[str, float]] = {"audit_logs": 5.5}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> Mapping[str, Frame]:
        """Return the rows of one block: by action, then in the order of the facts."""
        facts = [
            _select(action, upstream[action.table], ctx.plan.start_us)
            for action in ACTIONS
            if action.table in upstream
        ]
        happened = _days(ctx) if ctx.block.kind == "user_days" else []
        rows = _Rows.empty(sum(fact.rows for fact in facts) + sum(len(e.at_us) for e in happened))
        first = 0
        for fact in facts:
            _fill(rows, slice(first, first + fact.rows), fact)
            first += fact.rows
        for event in happened:
            _fill_event(rows, slice(first, first + len(event.at_us)), event)
            first += len(event.at_us)
        return {AUDIT_LOGS.name: rows.frame(ctx)}


@dataclass(frozen=True)
class _Facts:
    """The facts of one action.

    Attributes:
        at: int64, rows of the frame, or elements of its list; None: all rows.
        rows: how many.
        owner: int64, row of the frame of each fact; None: all rows.
    """

    action: Action
    frame: Frame
    at: I64 | None
    rows: int
    owner: I64 | None


@dataclass(frozen=True)
class _Events:
    """Rows of one action that no table holds a fact for; 0 stands for no user or entity."""

    action: str
    entity_type: str
    at_us: I64
    user_id: I64 | None


@dataclass(frozen=True)
class _Rows:
    """The table's columns before keys; user 0 and entity 0 mean null."""

    user: I64
    action: U8
    entity_type: U8
    entity: I64
    details: I32
    created_us: I64

    @classmethod
    def empty(cls, n: int) -> _Rows:
        return cls(
            user=np.zeros(n, dtype=np.int64),
            action=np.empty(n, dtype=np.uint8),
            entity_type=np.empty(n, dtype=np.uint8),
            entity=np.empty(n, dtype=np.int64),
            details=np.empty(n, dtype=np.int32),
            created_us=np.empty(n, dtype=np.int64),
        )

    def frame(self, ctx: BlockContext) -> Frame:
        """Return the rows as a frame, with keys reserved for the block."""
        n, addresses = len(self.user), min(ctx.plan.users, MAX_ADDRESSES)
        has_user = self.user > 0
        place = self.user.astype(np.int32)
        place -= has_user
        if ctx.plan.users > addresses:
            place %= addresses
        key = ctx.key_start(AUDIT_LOGS.name)
        return Frame(
            AUDIT_LOGS,
            {
                "audit_log_id": np.arange(key, key + n, dtype=np.int64),
                "user_id": Nullable(self.user, has_user),
                "action": self.action,
                "entity_type": self.entity_type,
                "entity_id": Nullable(self.entity, self.entity > 0),
                "details": Gather(self.details, _details().pool),
                "ip_address": Nullable(Gather(place, _addresses(addresses)), has_user),
                "created_at": self.created_us,
            },
        )


def _select(action: Action, frame: Frame, start_us: int) -> _Facts:
    """Find the facts of an action: its conditions hold, and it lies in the window."""
    if action.nested is not None:
        steps = _nested(frame, action.nested)
        later = np.ones(int(steps.offsets[-1]), dtype=bool)
        later[steps.offsets[:-1]] = False
        at = np.flatnonzero(later)
        counts = np.diff(steps.offsets) - 1
        owner = np.repeat(np.arange(len(frame), dtype=np.int64), counts)
        return _Facts(action, frame, at, len(at), owner)
    mask: Bool | None = None
    for name, wanted in action.where:
        mask = _and(mask, _holds(frame, TABLES[action.table][name], wanted))
    if action.since_start:
        mask = _and(mask, frame.array(action.time) >= start_us)
    if mask is None:
        return _Facts(action, frame, None, len(frame), None)
    at = np.flatnonzero(mask)
    return _Facts(action, frame, at, len(at), at)


def _holds(frame: Frame, column: Column, wanted: tuple[str, ...] | None) -> Bool:
    """Return the rows in which a column has a wanted value (not null, where None is wanted)."""
    if wanted is None:
        return frame.valid(column.name)
    excludes = wanted[0].startswith("!")
    named = [value.removeprefix("!") for value in wanted]
    values = frame.array(column.name)
    codes = [column.code(value) if column.kind == "enum" else int(value) for value in named]
    found: Bool = np.asarray(values == codes[0])
    for code in codes[1:]:
        found |= values == code
    if isinstance(frame[column.name], Nullable):
        found &= frame.valid(column.name)
    return np.asarray(~found if excludes else found)


def _fill(rows: _Rows, here: slice, facts: _Facts) -> None:
    """Write the rows of one action into their slice of the output."""
    action, frame = facts.action, facts.frame
    entity_type, key = action.entity or (action.table, frame.table.primary_key)
    rows.action[here] = ACTION_NAMES.index(action.name)
    rows.entity_type[here] = ENTITY_TYPES.index(entity_type)
    _take(frame.array(key), facts.owner, rows.entity[here])
    if action.nested is None:
        _take(frame.array(action.time), facts.at, rows.created_us[here])
    else:
        steps = _nested(frame, action.nested)
        _take(_plain(steps.fields[action.time]), facts.at, rows.created_us[here])
    if action.actor is not None:
        _take(frame.array(action.actor), facts.owner, rows.user[here])
        if isinstance(frame[action.actor], Nullable):
            present = frame.valid(action.actor)
            rows.user[here] *= present if facts.owner is None else present[facts.owner]
    _fill_details(rows.details[here], facts)


def _fill_details(out: I32, facts: _Facts) -> None:
    action, frame = facts.action, facts.frame
    first = _details().first[action.name]
    if action.nested is not None:
        assert facts.at is not None
        codes = _plain(_nested(frame, action.nested).fields[_STEP])
        pairs = codes[:-1] * np.uint8(len(_steps(action))) + codes[1:]
        _take(pairs, facts.at - 1, out)
        out += np.int32(first)
        return
    out[:] = 0
    for name in action.details:
        column = TABLES[action.table][name]
        codes = frame.array(name)
        if isinstance(frame[name], Nullable):
            codes = np.where(frame.valid(name), codes, np.uint8(len(column.values)))
        out *= np.int32(len(_choices(column)))
        out += codes if facts.at is None else codes[facts.at]
    out += np.int32(first)


def _fill_event(rows: _Rows, here: slice, events: _Events) -> None:
    rows.action[here] = ACTION_NAMES.index(events.action)
    rows.entity_type[here] = ENTITY_TYPES.index(events.entity_type)
    rows.details[here] = _details().first[events.action]
    rows.created_us[here] = events.at_us
    rows.entity[here] = 0 if events.user_id is None else events.user_id
    if events.user_id is not None:
        rows.user[here] = events.user_id


def _days(ctx: BlockContext) -> list[_Events]:
    """Return sessions and the system's own rows of the block's days, all before the as-of."""
    block, as_of_us = ctx.block, ctx.plan.as_of_us
    user, login, logout = ctx.world.roster.sessions(block.first_day, block.last_day)
    began = login < as_of_us
    ended = (logout >= 0) & (logout < as_of_us)
    result = [
        _Events("user.login", "users", login[began], user[began]),
        _Events("user.logout", "users", logout[ended], user[ended]),
    ]
    days = np.arange(block.first_day, block.last_day + 1, dtype=np.int32)
    due = {
        "system.backup_completed": days,
        "system.stock_report_sent": days[calendar.is_working(days)],
        "system.invoices_sent": days[calendar.day_of_month(days) == 1],
    }
    for action, (entity_type, us_of_day, _) in _NIGHTLY.items():
        at = calendar.to_utc(due[action], us_of_day)
        result.append(_Events(action, entity_type, at, None))
    return result


@dataclass(frozen=True)
class _Details:
    """All details that rows can have, and where each action's begin."""

    pool: pa.Array
    first: Mapping[str, int]


_STEP = "status"  # the field of a nested history that details tell


@lru_cache(maxsize=1)
def _details() -> _Details:
    texts: list[str] = []
    begins: dict[tuple[str, ...], int] = {}

    def begin(some: list[str]) -> int:
        # Actions that show the same share their texts, so that the pool holds each text once.
        if tuple(some) not in begins:
            begins[tuple(some)] = len(texts)
            texts.extend(some)
        return begins[tuple(some)]

    first = {}
    for action in ACTIONS:
        if action.nested is not None:
            pairs = product(_steps(action), repeat=2)
            some = [json.dumps({"from": before, "to": after}) for before, after in pairs]
        else:
            choices = [_choices(TABLES[action.table][name]) for name in action.details]
            some = [
                json.dumps(dict(zip(action.details, values, strict=True)))
                for values in product(*choices)
            ]
        first[action.name] = begin(some)
    for name in ("user.login", "user.logout"):
        first[name] = begin(["{}"])
    for name, (_, _, details) in _NIGHTLY.items():
        first[name] = begin([json.dumps(details)])
    return _Details(pa.array(texts, type=pa.string()), first)


def _choices(column: Column) -> tuple[str | None, ...]:
    """Return what a column can show in details, in the order of codes, null last."""
    return (*column.values, None) if column.nullable else column.values


def _steps(action: Action) -> tuple[str, ...]:
    """Return the statuses of an action's nested history."""
    fields = TABLES[action.table][action.nested or ""].fields
    return next(field.values for field in fields if field.name == _STEP)


@lru_cache(maxsize=4)
def _addresses(n: int) -> pa.Array:
    """Return the addresses 10.20.x.y of the first ``n`` users."""
    return pa.array([f"10.20.{i // 254}.{i % 254 + 1}" for i in range(n)], type=pa.string())


def _nested(frame: Frame, name: str) -> Nested:
    column = frame[name]
    if not isinstance(column, Nested):
        raise TypeError(f"{frame.table.name}.{name} must be handed over as Nested")
    return column


def _plain(values: object) -> Array:
    values = values.values if isinstance(values, Nullable) else values
    assert isinstance(values, np.ndarray)
    return values


def _take(values: Array, at: I64 | None, out: Array) -> None:
    if at is None:
        out[:] = values
    elif values.dtype == out.dtype:
        values.take(at, out=out, mode="clip")  # "raise" would go through a buffer
    else:
        out[:] = values.take(at)


def _and(mask: Bool | None, other: Bool) -> Bool:
    return other if mask is None else mask & other
