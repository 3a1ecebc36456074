"""The table ``polargen_runs``: what was loaded into a schema, with which keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from polargen import ddl
from polargen.database import Session
from polargen.keys import Keys
from polargen.manifest import Manifest
from polargen.owned import RUNS

LIVE = "replaced_at IS NULL AND removed_at IS NULL"


@dataclass(frozen=True)
class Run:
    """One load.

    Attributes:
        job_id: of the run.
        number: 1 for a run that replaced what was there, then 2, 3, ... for those appended.
        load_mode: replace, append or existing.
        seed: of the run.
        rows: of all tables.
        live: its rows are there.
        keys: how its keys are stored.
        ranges: table -> (first, last) key that the run may use, before it becomes a uuid.
        targets: table -> name of the table that holds its rows, and of its key column; only where
            the tables were made by others.
    """

    job_id: str
    number: int
    load_mode: str
    seed: int
    rows: int
    live: bool
    keys: Keys
    ranges: Mapping[str, tuple[int, int]]
    targets: Mapping[str, tuple[str, str]]

    @property
    def text_seed(self) -> int:
        """Seed of what is one permutation for all runs in the same tables."""
        return self.seed if self.keys.base.text_seed is None else self.keys.base.text_seed


def has_runs(session: Session, schema: str | None = None) -> bool:
    """Return whether the table is there."""
    table = ddl.where(schema or session.database.schema, RUNS)
    return session.value(f"SELECT to_regclass({ddl.literal(table)})::text") is not None


def runs(session: Session) -> list[Run]:
    """Return the loads of the target since it was last replaced, in their order."""
    if not has_runs(session):
        return []
    rows = session.rows(
        f"SELECT job_id, number, load_mode, seed, rows, {LIVE}, keys::text "
        f"FROM {ddl.where(session.database.schema, RUNS)} "
        "WHERE replaced_at IS NULL ORDER BY number, finished_at"
    )
    return [_run(*row) for row in rows]


def manifest_of(session: Session, job_id: str) -> Manifest:
    """Return a load's manifest."""
    table = ddl.where(session.database.schema, RUNS)
    text = session.value(f"SELECT manifest::text FROM {table} WHERE job_id = {ddl.literal(job_id)}")
    return Manifest.from_json(text, f"{session.database.place}: {session.database.schema}.{RUNS}")


def create_table(schema: str) -> str:
    """Return the statement that makes the table if it is not there."""
    return (
        f"CREATE TABLE IF NOT EXISTS {ddl.where(schema, RUNS)} (\n"
        "    job_id text PRIMARY KEY,\n"
        "    number integer NOT NULL,\n"
        "    load_mode text NOT NULL,\n"
        "    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),\n"
        "    replaced_at timestamptz,\n"
        "    removed_at timestamptz,\n"
        "    polargen text NOT NULL,\n"
        "    scenario text NOT NULL,\n"
        "    seed bigint NOT NULL,\n"
        "    plan_hash text NOT NULL,\n"
        "    rows bigint NOT NULL,\n"
        "    keys jsonb NOT NULL,\n"
        "    manifest json NOT NULL\n)"
    )


def insert(
    schema: str,
    job_id: str,
    load_mode: str,
    manifest: Manifest,
    keys: Keys,
    ranges: Mapping[str, tuple[int, int]],
    targets: Mapping[str, tuple[str, str]],
) -> str:
    """Return the statement that records a load."""
    rows = sum(entry.rows for entry in manifest.tables.values())
    document = {
        **keys.to_json(),
        "ranges": {table: list(ends) for table, ends in ranges.items()},
        "targets": {table: list(names) for table, names in targets.items()},
    }
    values = (
        ddl.literal(job_id),
        str(keys.base.run),
        ddl.literal(load_mode),
        ddl.literal(manifest.polargen),
        ddl.literal(str(manifest.scenario["name"])),
        str(manifest.seed),
        ddl.literal(manifest.plan_hash),
        str(rows),
        ddl.literal(json.dumps(document)),
        ddl.literal(manifest.to_json()),
    )
    return (
        f"INSERT INTO {ddl.where(schema, RUNS)} (job_id, number, load_mode, polargen, scenario, "
        f"seed, plan_hash, rows, keys, manifest) VALUES ({', '.join(values)})"
    )


def _run(
    job_id: str, number: int, load_mode: str, seed: int, rows: int, live: bool, text: str
) -> Run:
    keys = json.loads(text)
    return Run(
        job_id=job_id,
        number=number,
        load_mode=load_mode,
        seed=seed,
        rows=rows,
        live=live,
        keys=Keys.from_json(keys),
        ranges={table: (first, last) for table, (first, last) in keys["ranges"].items()},
        targets={table: (name, key) for table, (name, key) in keys["targets"].items()},
    )
