"""Jobs: every run of this user, in one SQLite file, so that any process can look at any run.

The file lies in the state folder and is in WAL mode: a run writes while others read. It never
holds a connection string. A job whose process is gone reads as failed.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from polargen import state
from polargen.errors import ConfigError, TargetError
from polargen.progress import MOST_BEFORE_END_PCT, Progress

FILE = "jobs.sqlite"
QUEUED = "queued"
ENDED = ("completed", "failed", "cancelled")
MOST_JOBS = 1000  # ended ones beyond are forgotten, the oldest first
WRITE_SECONDS = 0.25
GONE = "its process is gone; what it had not finished was not kept"
_VERSION = 1
_LOCKED_SECONDS = 5.0
_LOOK_LOCKED_SECONDS = 0.1  # a look may be left out, a run must not wait for it
_SAME_START_SECONDS = 1.0
_JSON = ("config", "request", "progress", "result", "error")
_COLUMNS = (
    "job_id", "status", "scenario", "target", "created_at", "started_at", "completed_at",
    "updated_at", "pid", "process_started", "idempotency_key", *_JSON,
)  # fmt: skip


@dataclass(frozen=True)
class JobRecord:
    """What is known of a job.

    Attributes:
        job_id: ``job-`` and eight hex digits.
        status: queued, or as in `polargen.progress`.
        scenario: name.
        target: where rows go, in words, without credentials.
        created_at, started_at, completed_at, updated_at: ISO 8601, UTC; "" while there is none.
        pid, process_started: of the process that runs it, or that will start it.
        idempotency_key: that the job was asked for with.
        config: resolved, camelCase.
        request: what `polargen.run_job` runs.
        progress: the last look, as `Progress.to_dict` gives it.
        result: of a job that completed.
        error: {"message", "exitCode", "failures"} of one that did not.
    """

    job_id: str
    status: str
    scenario: str
    target: str
    created_at: str
    started_at: str = ""
    completed_at: str = ""
    updated_at: str = ""
    pid: int = 0
    process_started: float = 0.0
    idempotency_key: str | None = None
    config: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None
    progress: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ENDED

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form (camelCase), as commands and the API show it."""
        return {
            "jobId": self.job_id,
            "status": self.status,
            "scenario": self.scenario,
            "config": self.config,
            "target": self.target,
            "createdAt": self.created_at,
            "startedAt": self.started_at or None,
            "completedAt": self.completed_at or None,
            "progress": self.progress,
            "result": self.result,
            "error": self.error,
        }


class JobStore:
    """The jobs of one user. Safe for many processes and threads.

    Args:
        path: of the file; None for the one in the state folder.

    Raises:
        TargetError: the file cannot be opened.
        ConfigError: a newer polargen wrote it.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = state.made_home() / FILE if path is None else path
        with self._open() as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version > _VERSION:
                raise ConfigError(
                    f"{self._path}: a newer polargen wrote it (version {version}, this one reads "
                    f"{_VERSION}); use that one, or name another folder with {state.HOME_VARIABLE}"
                )
            if version == 0:
                db.execute("PRAGMA journal_mode = WAL")
                columns = ", ".join(f"{name} TEXT" for name in _COLUMNS[1:] if name not in _TYPED)
                typed = ", ".join(f"{name} {kind}" for name, kind in _TYPED.items())
                db.execute(
                    f"CREATE TABLE IF NOT EXISTS jobs (job_id TEXT PRIMARY KEY, {columns}, {typed})"
                )
                db.execute(f"PRAGMA user_version = {_VERSION}")
        self._stay_open()

    def _stay_open(self) -> None:
        """Hold a connection, unused: SQLite tidies up, slowly, whenever the last one closes."""
        with self._open():  # judges whether the file can be opened
            idle = sqlite3.connect(self._path, check_same_thread=False)
            weakref.finalize(self, idle.close)
            idle.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def add(
        self,
        job_id: str,
        *,
        scenario: str,
        target: str,
        config: Mapping[str, Any],
        request: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> JobRecord:
        """Write down a job that waits; this process will run or start it.

        Raises:
            ConfigError: a job with this idempotency key is there.
        """
        progress = {**Progress(job_id).to_dict(), "status": QUEUED}
        pid, started = _this_process()
        record = JobRecord(
            job_id, QUEUED, scenario, target, _now(), updated_at=_now(), pid=pid,
            process_started=started, idempotency_key=idempotency_key, config=config,
            request=request, progress=progress,
        )  # fmt: skip
        marks = ", ".join("?" * len(_COLUMNS))
        with self._open() as db:
            try:
                db.execute(f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({marks})",
                           _row(record))  # fmt: skip
            except sqlite3.IntegrityError:
                raise ConfigError(
                    f"{job_id}: a job with this id or idempotency key is there already"
                ) from None
            db.execute(
                "DELETE FROM jobs WHERE completed_at <> '' AND job_id NOT IN "
                "(SELECT job_id FROM jobs ORDER BY created_at DESC, rowid DESC LIMIT ?)",
                (MOST_JOBS,),
            )
        return record

    def begin(self, job_id: str) -> JobRecord | None:
        """Take over a job that waits, for this process; None if it does not wait (any more)."""
        pid, started = _this_process()
        with self._open() as db:
            taken = db.execute(
                "UPDATE jobs SET status = 'initializing', started_at = ?, updated_at = ?, "
                "pid = ?, process_started = ? WHERE job_id = ? AND status = ?",
                (_now(), _now(), pid, started, job_id, QUEUED),
            ).rowcount
        return self.get(job_id) if taken else None

    def look(self, progress: Mapping[str, Any]) -> None:
        """Keep a look at a running job, as `Progress.to_dict` gives it.

        Raises:
            TargetError: it cannot be written, or others have locked the file for too long.
        """
        with self._open(_LOOK_LOCKED_SECONDS) as db:
            db.execute(
                "UPDATE jobs SET status = ?, progress = ?, updated_at = ? WHERE job_id = ?",
                (progress["status"], json.dumps(progress), _now(), progress["jobId"]),
            )

    def finish(
        self,
        job_id: str,
        status: str,
        error: str | None = None,
        *,
        result: Mapping[str, Any] | None = None,
        exit_code: int | None = None,
        failures: Sequence[Mapping[str, Any]] | None = None,
    ) -> JobRecord:
        """Write down how a job ended: completed, failed or cancelled.

        Raises:
            ConfigError: there is no such job.
        """
        record = self._read("WHERE job_id = ?", job_id)
        if not record:
            raise ConfigError(f"{job_id}: there is no such job, see polargen jobs")
        wrong: dict[str, Any] | None = None
        if error is not None:
            wrong = {"message": error, "exitCode": exit_code}
        if wrong is not None and failures is not None:
            wrong["failures"] = [*failures]
        progress = {**(record[0].progress or {}), "status": status, "updatedAt": _now()}
        progress |= {"progressPercent": 100} if status == "completed" else {}
        self._change(
            job_id,
            status=status,
            completed_at=_now(),
            progress=json.dumps(progress),
            result=json.dumps(result),
            error=json.dumps(wrong),
        )
        return self._read("WHERE job_id = ?", job_id)[0]

    def get(self, job_id: str) -> JobRecord | None:
        """Return a job, None if there is none of this id."""
        found = self._read("WHERE job_id = ?", job_id)
        return self._judged(found[0]) if found else None

    def list(self, limit: int = 50, status: str | None = None) -> Sequence[JobRecord]:
        """Return jobs, the newest first."""
        newest = "ORDER BY created_at DESC, rowid DESC LIMIT ?"
        if status is None:
            return [self._judged(record) for record in self._read(newest, limit)]
        self.fail_lost()
        return self._read(f"WHERE status = ? {newest}", status, limit)

    def by_idempotency_key(self, key: str) -> JobRecord | None:
        """Return the job that was asked for with a key."""
        found = self._read("WHERE idempotency_key = ?", key)
        return self._judged(found[0]) if found else None

    def fail_lost(self) -> Sequence[str]:
        """Write down as failed every job whose process is gone, and return their ids."""
        marks = ", ".join("?" * len(ENDED))
        open_jobs = self._read(f"WHERE status NOT IN ({marks})", *ENDED)
        return [record.job_id for record in open_jobs if self._judged(record).ended]

    def cancel(self, job_id: str) -> JobRecord:
        """Stop a job: one that waits never begins, one that runs is told to roll back.

        Raises:
            ConfigError: there is no such job, or it has ended.
            TargetError: its process belongs to another user.
        """
        record = self._cancellable(job_id)
        if record.status == QUEUED:
            if self._never_begins(job_id):
                return self.finish(job_id, "cancelled", "cancelled before it began")
            record = self._cancellable(job_id)  # it began just now
        if record.status == "rolling_back":  # a second signal would break that off
            return record
        try:
            os.kill(record.pid, signal.SIGTERM)  # not SIGINT, which background jobs ignore
        except ProcessLookupError:  # it ends just now
            return record
        except PermissionError:
            raise TargetError(
                f"{job_id}: process {record.pid} belongs to another user, who can cancel it"
            ) from None
        return record

    def _cancellable(self, job_id: str) -> JobRecord:
        record = self.get(job_id)
        if record is None:
            raise ConfigError(f"{job_id}: there is no such job, see polargen jobs")
        if record.ended:
            raise ConfigError(f"{job_id}: is {record.status} already, nothing to cancel")
        return record

    def _never_begins(self, job_id: str) -> bool:
        """Take a job that waits away from whoever would begin it; False if it began."""
        with self._open() as db:
            changed = db.execute(
                "UPDATE jobs SET status = 'cancelled' WHERE job_id = ? AND status = ?",
                (job_id, QUEUED),
            ).rowcount
        return changed == 1

    def _judged(self, record: JobRecord) -> JobRecord:
        """Return a record that says failed if its process is gone, and write that down."""
        if record.ended or _is_alive(record.pid, record.process_started):
            return record
        again = self._read("WHERE job_id = ?", record.job_id)  # it may have ended meanwhile
        if not again or again[0].ended or again[0].pid != record.pid:
            return again[0] if again else record
        return self.finish(record.job_id, "failed", GONE)

    def _change(self, job_id: str, **values: Any) -> None:
        named = ", ".join(f"{name} = ?" for name in values)
        with self._open() as db:
            db.execute(
                f"UPDATE jobs SET {named}, updated_at = ? WHERE job_id = ?",
                (*values.values(), _now(), job_id),
            )

    def _read(self, rest: str, *values: Any) -> Sequence[JobRecord]:
        with self._open() as db:
            rows = db.execute(f"SELECT {', '.join(_COLUMNS)} FROM jobs {rest}", values).fetchall()
        return [_record(row) for row in rows]

    @contextmanager
    def _open(self, patience: float = _LOCKED_SECONDS) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=patience)) as db, db:
                db.execute("PRAGMA synchronous = NORMAL")  # safe with WAL
                yield db
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise TargetError(
                f"{self._path}: cannot be used ({error}); name another folder with "
                f"{state.HOME_VARIABLE}"
            ) from None


class Recorder:
    """Keeps a running job's progress: at most four looks a second, and each change of status.

    Args:
        store: where to.
        clock: seconds.
    """

    def __init__(self, store: JobStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._written = float("-inf")
        self._status = ""

    def hear(self, progress: Progress) -> None:
        """Keep a look. One that cannot be written is left out: the run matters more.

        Where that was a change of status, the next look, a quarter of a second later, tells it.
        """
        now = self._clock()
        if progress.status == self._status and now - self._written < WRITE_SECONDS:
            return
        self._written, self._status = now, progress.status
        document = progress.to_dict()
        if progress.status in ENDED:  # the job ends with its result, not with its last row
            document["status"] = "writing" if progress.status == "completed" else "rolling_back"
            document["progressPercent"] = min(MOST_BEFORE_END_PCT, progress.percent)
        with suppress(TargetError):
            self._store.look(document)


_TYPED = {
    "pid": "INTEGER NOT NULL",
    "process_started": "REAL NOT NULL",
    "idempotency_key": "TEXT UNIQUE",
}


def _row(record: JobRecord) -> Sequence[Any]:
    values = vars(record)
    return [json.dumps(values[c]) if c in _JSON else values[c] for c in _COLUMNS]


def _record(row: tuple[Any, ...]) -> JobRecord:
    values = dict(zip(_COLUMNS, row, strict=True))
    return JobRecord(**{c: json.loads(v) if c in _JSON else v for c, v in values.items()})


def _this_process() -> tuple[int, float]:
    return os.getpid(), psutil.Process().create_time()


def _is_alive(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < _SAME_START_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
