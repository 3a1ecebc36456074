"""Cleanup: what jobs of a server made, in its database and under its state folder."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from polargen import cleanup, cleanup_run, guard, state
from polargen.api.finished import target
from polargen.api.problems import ApiProblem
from polargen.cleanup import CleanupResult
from polargen.database import Database
from polargen.errors import ConfigError, TargetError
from polargen.jobs import JobRecord, JobStore
from polargen.manifest import Manifest

_FOLDER = "jobs"
_OURS = re.compile(r"(job-[0-9a-f]{8})(\.partial)?")


@dataclass
class Removed:
    """What is gone, or would go.

    Attributes:
        rows: by table.
        jobs: whose rows these are.
        kept: what others made in the schema.
    """

    rows: dict[str, int] = field(default_factory=dict)
    jobs: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def add(self, found: CleanupResult) -> None:
        """Add what a database held."""
        self._count(dict(found.tables))
        self.jobs += [job for job in found.runs if job not in self.jobs]
        self.kept += found.kept

    def add_files(self, folder: Path, job: str) -> None:
        """Add what a folder holds."""
        try:
            tables = Manifest.read(folder).tables
        except ConfigError:  # of a run that was killed
            return
        self._count({name: entry.rows for name, entry in tables.items()})
        self.jobs += [job]

    def _count(self, tables: dict[str, int]) -> None:
        for name, rows in tables.items():
            self.rows[name] = self.rows.get(name, 0) + rows


def folder_of(job: str) -> Path:
    """Return where a job of the server writes its files."""
    return state.home() / _FOLDER / job


class Removal:
    """Removes what jobs made.

    Args:
        store: of the jobs.
        database: of the server; None: files only.
    """

    def __init__(self, store: JobStore, database: Database | None) -> None:
        self._store = store
        self._database = database

    def all(self, confirmed: bool) -> Removed:
        """Remove everything, or tell what that would be.

        Raises:
            ApiProblem: 409, a job may be writing.
            GuardError, TargetError: nothing was removed from the database.
        """
        self._refuse_while_writing()
        removed = Removed()
        if confirmed:
            guard.check_file_write(os.environ)
        if self._database is not None:
            found = (
                cleanup.clean(self._database, os.environ)
                if confirmed
                else cleanup.preview(self._database)
            )
            removed.add(found)
        for path, job in _folders():
            removed.add_files(path, job)
            if confirmed:
                _delete(path)
        return removed

    def one(self, record: JobRecord, confirmed: bool) -> Removed:
        """Remove what one job made, or tell what that would be.

        Raises:
            ApiProblem: 409, its rows are not there, or it has not ended.
            GuardError, TargetError: nothing was removed.
        """
        if not record.ended:
            raise ApiProblem("conflict", f"{record.job_id} is {record.status}, cancel it first")
        removed = Removed()
        if target(record) == "database":
            removed.add(self._run(record.job_id, confirmed))
            return removed
        path = folder_of(record.job_id)
        if not path.is_dir():
            raise ApiProblem(
                "no-rows", f"{record.job_id} has no files below the server's state folder"
            )
        removed.add_files(path, record.job_id)
        if confirmed:
            guard.check_file_write(os.environ)
            _delete(path)
        return removed

    def _run(self, job: str, confirmed: bool) -> CleanupResult:
        if self._database is None:
            raise ApiProblem(
                "no-database", f"{job} loaded a database, start the server with --database"
            )
        try:
            if confirmed:
                return cleanup_run.remove_run(self._database, os.environ, job)
            return cleanup_run.preview_run(self._database, job)
        except ConfigError as error:
            raise ApiProblem("no-rows", str(error).removeprefix("--job: ")) from None

    def _refuse_while_writing(self) -> None:
        for record in self._store.list():
            if not record.ended and _writes(record):
                raise ApiProblem(
                    "conflict", f"{record.job_id} is {record.status}; cancel it, or wait"
                )


def _writes(record: JobRecord) -> bool:
    return bool((record.request or {}).get("options", {}).get("format", "none") != "none")


def _folders() -> Iterator[tuple[Path, str]]:
    """Yield the folders of jobs, and what killed ones left."""
    folder = state.home() / _FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        found = _OURS.fullmatch(path.name)
        if found and path.is_dir() and not path.is_symlink():
            yield path, found[1]


def _delete(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise TargetError(f"{path}: cannot be removed ({error.strerror})") from None
