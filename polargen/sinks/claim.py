"""The claim of a database load: the target's lock, and what earlier runs in it used up.

It comes before the plan, because an appended run's keys and codes follow from what is there; the
lock is held until the run ends, so what was read stays true.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from polargen import ddl, existing
from polargen.blocks import last_key
from polargen.database import Database, Session
from polargen.errors import ConfigError, TargetError
from polargen.keys import Base, Keys
from polargen.plan import Plan
from polargen.runs import runs
from polargen.schema import TABLES, Table

_LOCK_SPACE = 0x706F6C61  # "pola"; the first key of polargen's advisory locks
_WAIT_S = 0.5


@dataclass(frozen=True)
class Claim:
    """A target that this run alone loads.

    Attributes:
        session: holds the lock until it is closed.
        keys: how keys are stored.
        mapping: into which tables rows go; None where the load makes them.
    """

    session: Session
    keys: Keys
    mapping: existing.Mapping | None = None

    def tables(self, wanted: Sequence[Table]) -> tuple[Table, ...]:
        """Return the tables of those wanted that the target takes."""
        if self.mapping is None:
            return tuple(wanted)
        mapped = {item.table.name for item in self.mapping.tables}
        return tuple(table for table in wanted if table.name in mapped)

    def check(self, plan: Plan) -> None:
        """Refuse a plan whose keys do not fit into the target's columns.

        Raises:
            ConfigError: names the columns.
        """
        if self.mapping is None:
            return
        base = self.keys.base
        names = {*TABLES, *(item.table.name for item in self.mapping.tables)}
        ends = {name: base.offset(name) + last_key(plan, name) for name in names}
        problems = existing.too_narrow(self.mapping, ends)
        if problems:
            raise ConfigError("; ".join(problems))


def claim(
    database: Database,
    application: str,
    tables: Sequence[Table],
    lenient: bool,
    tell: Callable[[str], None],
) -> Claim:
    """Take a target for one run.

    Args:
        database: where and how to load.
        application: name of the session.
        tables: that are to be loaded.
        lenient: rows break some rules of the schema on purpose.
        tell: hears that another run is waited for.

    Raises:
        ConfigError: rows do not fit into the tables that are there.
        TargetError: another run loads the schema, or the server cannot be reached.
    """
    session = database.connect(application)
    try:
        lock(session, database.wait, tell)
        if database.load_mode == "replace":
            return Claim(session, Keys(all_uuid=database.id_type == "uuid"))
        mapping = mapping_of(session, tables)
        mapping.refuse()
        if lenient:
            _refuse_strict_rules(session, mapping)
        return Claim(session, next_keys(session, mapping), mapping)
    except BaseException:
        session.close()
        raise


def lock(session: Session, wait: bool = False, tell: Callable[[str], None] | None = None) -> None:
    """Take the target's advisory lock, which the session holds until it ends.

    Raises:
        TargetError: another run has it, and this one is not to wait.
    """
    database = session.database
    key = f"{_LOCK_SPACE}, hashtext({ddl.literal(database.schema)})"
    told = False
    while not session.value(f"SELECT pg_try_advisory_lock({key})"):
        if not wait:
            raise TargetError(
                f"{database.place}: another run loads {database.schema}; wait until it is done "
                "(--wait), or load into another schema"
            )
        if tell is not None and not told:
            tell(f"waiting for another run on {database.schema}")
        told = True
        time.sleep(_WAIT_S)


def mapping_of(session: Session, tables: Sequence[Table]) -> existing.Mapping:
    """Return into which tables of the session's schema rows of an append or existing load go."""
    own = session.database.load_mode == "append"
    return (existing.map_own if own else existing.map_existing)(session, tables)


def next_keys(session: Session, mapping: existing.Mapping) -> Keys:
    """Return keys above all that is in the target or was promised to earlier runs."""
    records = runs(session)
    offsets = existing.largest_keys(session, mapping)
    taken = existing.taken_run(session, mapping)
    for record in records:
        taken = max(taken, record.number)
        for table, (_, end) in record.ranges.items():
            offsets[table] = max(offsets.get(table, 0), end)
    if not taken and not all(_is_empty(session, item) for item in mapping.tables):
        taken = 1
    seed = records[0].text_seed if records else None
    mapped = {item.table.name for item in mapping.tables}
    base = Base(
        run=taken + 1,
        text_seed=seed,
        offsets=tuple((name, end) for name, end in sorted(offsets.items()) if end),
    )
    return Keys(base, mapping.uuid_tables, bool(mapped) and mapped <= mapping.uuid_tables)


def _is_empty(session: Session, item: existing.TableMap) -> bool:
    table = ddl.where(session.database.schema, item.target_name)
    return session.value(f"SELECT true FROM {table} LIMIT 1") is None


def _refuse_strict_rules(session: Session, mapping: existing.Mapping) -> None:
    """Refuse rows that break rules on purpose for tables that keep these rules."""
    for item in mapping.tables:
        for column in item.columns:
            if (item.table.name, column.name) not in ddl.BREAKABLE:
                continue
            table = ddl.literal(ddl.where(mapping.schema, item.target_name))
            found = session.value(
                "SELECT conname::text FROM pg_constraint k JOIN pg_attribute a "
                "ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) "
                f"WHERE k.conrelid = {table}::regclass AND k.contype IN ('c', 'u') "
                f"AND a.attname = {ddl.literal(column.target)} LIMIT 1"
            )
            if found is not None:
                raise ConfigError(
                    f"anomalyConfig.types: invalid_data breaks {item.table.name}.{column.name}, "
                    f"but the rule {found} stands there; load with --load-mode replace, or leave "
                    "invalid_data out"
                )
