"""The queue of a server's jobs: each runs in a process of its own, some at once, others wait."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from polargen.api import shown
from polargen.api.metrics import Live, Metrics
from polargen.api.problems import ApiProblem
from polargen.api.settings import DATABASE_VARIABLES, TOKEN_VARIABLE, Settings
from polargen.errors import ConfigError
from polargen.jobs import JobRecord, JobStore

TICK_SECONDS = 0.1
SETTLE_SECONDS = 2.0
GRACE_SECONDS = 8.0
RETRY_SECONDS = 10
_USUAL = (0, 1, 2, 3, 4, 130, -signal.SIGTERM)  # what is written down in the record
_log = logging.getLogger("polargen.api")


@dataclass
class _Running:
    """A job's process, and when it was started."""

    process: subprocess.Popen[bytes]
    since: float = field(default_factory=time.monotonic)
    cancelled: bool = False


class JobQueue:
    """Starts, watches and stops jobs. Methods may be called by any thread.

    Args:
        settings: of the server.
        store: where jobs are written down.
    """

    def __init__(self, settings: Settings, store: JobStore) -> None:
        self._settings = settings
        self._store = store
        self._lock = threading.RLock()
        self._waiting: deque[str] = deque()
        self._running: dict[str, _Running] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._watch, name="polargen jobs", daemon=True)
        self.metrics = Metrics(self._live, lambda: len(self._waiting))

    def start(self) -> None:
        """Begin to run jobs; those that an earlier server left have failed."""
        self._store.fail_lost()
        self._thread.start()

    def submit(self, write_down: Callable[[], JobRecord]) -> tuple[JobRecord, bool]:
        """Take a job in.

        Args:
            write_down: puts it into the store, as one that waits.

        Returns:
            the job, and whether it runs already.

        Raises:
            ApiProblem: 503, too many wait.
        """
        with self._lock:
            self._settle()
            free = self._settings.running - len(self._running)
            if self._closing or len(self._waiting) >= self._settings.queue + max(free, 0):
                said = f"{len(self._waiting)} jobs wait already, try again later"
                if self._closing:
                    said = "the server is stopping, try again later"
                raise ApiProblem("queue-full", said, {"Retry-After": str(RETRY_SECONDS)})
            record = write_down()
            self._waiting.append(record.job_id)
            self._launch()
            return record, record.job_id in self._running

    def cancel(self, job: str) -> None:
        """Stop a job: one that waits never begins, one that runs is told to roll back.

        Raises:
            ConfigError: it has ended.
        """
        with self._lock:
            record = self._store.get(job)
            if job in self._running and record is not None and not record.ended:
                self._running[job].cancelled = True  # it may not have begun to write down
                self._running[job].process.terminate()
                return
            if job in self._waiting:
                self._waiting.remove(job)
            self._store.cancel(job)

    def close(self) -> None:
        """Stop all jobs: those that wait do not begin, those that run are rolled back."""
        with self._lock:
            self._closing = True
            jobs = [*self._waiting, *self._running]
        for job in jobs:
            with suppress(ConfigError):  # it has ended just now
                self.cancel(job)
        end = time.monotonic() + GRACE_SECONDS
        while self._running and time.monotonic() < end:
            time.sleep(TICK_SECONDS)
        with self._lock:
            for one in self._running.values():
                one.process.kill()
        self._thread.join(GRACE_SECONDS)

    def _watch(self) -> None:
        """Notice what ended and begin what waits, until all is over."""
        while not (self._closing and not self._running):
            with self._lock:
                self._reap()
                self._launch()
            time.sleep(TICK_SECONDS)

    def _settle(self) -> None:
        """Wait for processes that have done their work and are about to end."""
        for job, one in self._running.items():
            record = self._store.get(job)
            if record is not None and record.ended:
                with suppress(subprocess.TimeoutExpired):
                    one.process.wait(SETTLE_SECONDS)
        self._reap()

    def _launch(self) -> None:
        while self._waiting and len(self._running) < self._settings.running and not self._closing:
            job = self._waiting.popleft()
            self._running[job] = _Running(self._process(job))

    def _process(self, job: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "polargen.run_job", job],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the server, which tells its jobs
        )

    def _environment(self) -> Mapping[str, str]:
        """Return a job's environment: no token, and the server's database only."""
        hidden = (*DATABASE_VARIABLES, TOKEN_VARIABLE)
        environment = {name: text for name, text in os.environ.items() if name not in hidden}
        if self._settings.database is not None:
            environment[DATABASE_VARIABLES[0]] = self._settings.database.url
        return environment

    def _reap(self) -> None:
        for job, one in list(self._running.items()):
            code = one.process.poll()
            if code is None:
                continue
            del self._running[job]
            record = self._store.get(job)
            if record is not None and not record.ended:
                record = self._store.finish(job, *_how(one, code))
            status = "failed" if record is None else record.status
            self.metrics.ended(status, time.monotonic() - one.since, shown.records(record))
            if code not in _USUAL:
                _log.warning("%s: its process ended with code %s", job, code)

    def _live(self) -> dict[str, Live]:
        with self._lock:
            running = {job: one.process.pid for job, one in self._running.items()}
        live = {}
        for job, pid in running.items():
            record = self._store.get(job)
            progress = {} if record is None else record.progress or {}
            live[job] = Live(pid, shown.records(record), float(progress.get("throughput", 0)))
        return live


def _how(one: _Running, code: int) -> tuple[str, str]:
    """Return how a process ended that did not write it down: status, sentence."""
    if one.cancelled:
        return "cancelled", "cancelled before it began"
    return "failed", f"its process ended with code {code}; what it had not finished was not kept"
