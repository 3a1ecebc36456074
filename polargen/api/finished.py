"""What finished jobs made, found again by their ids."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polargen.api.charts import charts
from polargen.api.database_results import DatabaseResults
from polargen.api.file_days import FileDays
from polargen.api.problems import ApiProblem
from polargen.api.requests import Target
from polargen.api.results import FileResults, Results
from polargen.database import Database
from polargen.database_export import Snapshot
from polargen.errors import ConfigError
from polargen.export import DatasetSource, Source
from polargen.jobs import JobRecord, JobStore
from polargen.selection import Days

_MOST_KEPT = 32
_MOST_SEARCHED = 1000


class Finished:
    """Results of the jobs in a store.

    Args:
        store: of the jobs.
        database: of the server; None: files only.
    """

    def __init__(self, store: JobStore, database: Database | None) -> None:
        self._store = store
        self._database = database
        self._charts: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def results(self, record: JobRecord) -> Results:
        """Return what a job made.

        Raises:
            ApiProblem: 409, it made nothing that is there.
        """
        self._check(record)
        if target(record) == "database":
            return DatabaseResults(self._loaded(record), record.job_id)
        try:
            results = FileResults(Path(str(_options(record).get("out", ""))))
        except ConfigError as error:
            raise ApiProblem("no-rows", f"{record.job_id}: its files are gone ({error})") from None
        if results.manifest.plan_hash != (record.result or {}).get("planHash"):
            raise ApiProblem(
                "no-rows", f"{record.job_id}: its files are gone, another run took their place"
            )
        return results

    def charts(self, record: JobRecord) -> dict[str, Any]:
        """Return a job's charts; they are counted once, one job at a time."""
        results = self.results(record)  # also where they are known: the rows may be gone
        with self._lock:
            if record.job_id not in self._charts:
                self._charts[record.job_id] = charts(results)
                if len(self._charts) > _MOST_KEPT:
                    self._charts.popitem(last=False)
            return self._charts[record.job_id]

    def source(self, record: JobRecord | None, days: Days | None) -> Source:
        """Return the rows to export; whoever asks closes it.

        Args:
            record: of a finished job; None for the database, else the last job with files.
            days: only these; None for all.

        Raises:
            ApiProblem: 409, nothing is there.
            TargetError: the server failed.
        """
        if record is None:
            record = None if self._database is not None else self._last()
        if record is None:
            assert self._database is not None
            return self._snapshot(self._database, days)
        results = self.results(record)
        if isinstance(results, FileResults):
            dataset = results.dataset
            return DatasetSource(dataset) if days is None else FileDays(dataset, days)
        return self._snapshot(self._loaded(record), days)

    def _snapshot(self, database: Database, days: Days | None) -> Snapshot:
        try:
            return Snapshot(database, days)
        except ConfigError as error:
            raise ApiProblem("no-rows", str(error)) from None

    def _check(self, record: JobRecord) -> None:
        why = _why_without_rows(record)
        if why:
            raise ApiProblem("no-rows", f"{record.job_id} {why}")

    def _loaded(self, record: JobRecord) -> Database:
        """Return the database that a job loaded, if it is the server's."""
        if self._database is None:
            raise ApiProblem(
                "no-database",
                f"{record.job_id} loaded a database, start the server with --database",
            )
        return self._database

    def _last(self) -> JobRecord:
        for record in self._store.list(_MOST_SEARCHED, "completed"):
            if target(record) == "files" and not _why_without_rows(record):
                return record
        raise ApiProblem("no-rows", "no finished job has files; run one with dryRun: false")


def target(record: JobRecord) -> Target:
    """Return where a job's rows go; of a dry run, where they would."""
    if _options(record).get("database") is not None:
        return "database"
    asked: Target = (record.config or {}).get("target", "files")
    return asked


def _options(record: JobRecord) -> Mapping[str, Any]:
    options: Mapping[str, Any] = (record.request or {}).get("options", {})
    return options


def _why_without_rows(record: JobRecord) -> str:
    if record.status != "completed":
        return f"is {record.status}, only a completed job has rows"
    if _options(record).get("format", "none") in ("none", "memory"):
        return "was a dry run, it wrote nothing; run it with dryRun: false"
    return ""
