"""Starting jobs: what is asked for is judged, guarded, planned and put into the queue."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from polargen import guard, guard_database
from polargen.api import planning
from polargen.api.own_scenarios import OwnScenarios
from polargen.api.problems import ApiProblem, errors_of, invalid
from polargen.api.queue import JobQueue
from polargen.api.removal import folder_of
from polargen.api.requests import GenerateRequest, RunConfig, Target
from polargen.api.settings import Settings
from polargen.config import MockGeneratorConfig, resolve_config
from polargen.errors import ConfigError
from polargen.jobs import JobRecord, JobStore
from polargen.options import RunOptions
from polargen.orchestrator import new_job_id
from polargen.run_job import request_of, target_of

ASKED = "asked"  # digest of the body that a key came with


class Generation:
    """What runs are asked for, and how they begin.

    Args:
        settings: of the server.
        scenarios: known to it.
        store: of all jobs.
        queue: that runs them.
    """

    def __init__(
        self, settings: Settings, scenarios: OwnScenarios, store: JobStore, queue: JobQueue
    ) -> None:
        self._settings = settings
        self._scenarios = scenarios
        self._store = store
        self._queue = queue
        self._lock = threading.Lock()

    def target(self, asked: Target | None) -> Target:
        """Return where a run writes.

        Raises:
            ApiProblem: 409, the server has no database.
        """
        if asked == "database" and self._settings.database is None:
            raise ApiProblem("no-database", "the server has no database, start it with --database")
        return asked or ("files" if self._settings.database is None else "database")

    def resolve(self, scenario: str, config: RunConfig) -> MockGeneratorConfig:
        """Return a run's complete configuration.

        Raises:
            ApiProblem: 422, with a path for each error.
        """
        given = config.model_dump(include=set(MockGeneratorConfig.model_fields))
        today = datetime.now(ZoneInfo("Africa/Cairo")).date()
        try:
            return resolve_config({**given, "scenario": scenario}, today=today).config
        except ConfigError as error:
            raise invalid(errors_of(error, "config")) from None

    def complete(self, config: MockGeneratorConfig, asked: RunConfig) -> dict[str, Any]:
        """Return a run's complete configuration as the API shows it.

        Raises:
            ApiProblem: the server has no database, or gives a job fewer processes.
        """
        most = self._settings.workers or os.cpu_count() or 1
        if asked.workers is not None and asked.workers > most:
            said = f"{asked.workers} are more than the {most} that the server gives a job"
            raise invalid([{"path": "config.workers", "message": said}])
        return {
            **config.to_dict(),
            "target": self.target(asked.target),
            "verify": asked.verify,
            "workers": asked.workers or self._settings.workers,
        }

    def start(self, given: GenerateRequest, key: str | None) -> dict[str, Any]:
        """Start a job, or return the one that was started with the same key.

        Raises:
            ApiProblem, GuardError, TargetError: it cannot be started.
        """
        if key is None:
            return self._start(given, None, "")
        asked = given.model_dump_json(by_alias=True, exclude_unset=True)
        digest = hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
        with self._lock:
            known = self._store.by_idempotency_key(key)
            if known is None:
                return self._start(given, key, digest)
        if (known.request or {}).get(ASKED) != digest:
            raise ApiProblem(
                "key-reused",
                f"the Idempotency-Key was used for {known.job_id}, with another body; draw a "
                "new one",
                jobId=known.job_id,
            )
        return _answer(known, known.status != "queued")

    def _start(self, given: GenerateRequest, key: str | None, digest: str) -> dict[str, Any]:
        profile = self._scenarios.find(given.scenario)
        config = self.resolve(given.scenario, given.config)
        complete = self.complete(config, given.config)
        self._guard(config, complete["target"])
        expected = planning.expected(config, profile, complete["target"])
        if expected.too_large:
            raise ApiProblem("limit", expected.too_large)
        options = self._options(job_id := new_job_id(), config, complete)
        request = {**request_of(config, profile, options), ASKED: digest}

        def write_down() -> JobRecord:
            return self._store.add(
                job_id,
                scenario=profile.name,
                target=target_of(options),
                config=complete,
                request=request,
                idempotency_key=key,
            )

        return _answer(*self._queue.submit(write_down))

    def _guard(self, config: MockGeneratorConfig, target: Target) -> None:
        if config.dry_run:
            return
        if target == "files":
            guard.check_file_write(os.environ)
        else:
            assert self._settings.database is not None
            guard_database.check_database_write(self._settings.database, os.environ)

    def _options(
        self, job_id: str, config: MockGeneratorConfig, complete: dict[str, Any]
    ) -> RunOptions:
        workers, verify = complete["workers"], complete["verify"]
        if config.dry_run:
            return RunOptions(workers=workers)
        if complete["target"] == "files":
            folder = folder_of(job_id)
            return RunOptions(format="parquet", out=str(folder), workers=workers, verify=verify)
        database = self._settings.database
        assert database is not None
        return RunOptions(
            format="postgresql",
            database=replace(database, wait=True),
            workers=workers,
            verify=verify,
        )


def _answer(record: JobRecord, runs: bool) -> dict[str, Any]:
    return {
        "jobId": record.job_id,
        "status": "started" if runs else "queued",
        "scenario": record.scenario,
        "config": record.config,
        "message": "it runs" if runs else "it waits for other jobs to end",
    }
