"""What the routes of one app share."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi import Path as InPath
from starlette.concurrency import run_in_threadpool

from polargen.api import shown
from polargen.api.finished import Finished
from polargen.api.generation import Generation
from polargen.api.own_scenarios import OwnScenarios
from polargen.api.problems import ApiProblem
from polargen.api.queue import JobQueue
from polargen.api.removal import Removal
from polargen.api.settings import Settings
from polargen.api.streaming import Places
from polargen.jobs import JobRecord, JobStore

MOST_EXPORTS = 4
MOST_WATCHERS = 64
MOST_LOOKS = 256
LOOK_SECONDS = 0.1
_JOB = re.compile(r"job-[0-9a-z]{1,32}")


class Service:
    """One app.

    Attributes:
        settings: of the server.
        scenarios: known to it.
        store: of all jobs.
        queue: of its own jobs.
        generation: starts them.
        finished: what they made.
        removal: of what they made.
        exports, watchers: how many go on.
        looks: at jobs.
        closing: set when the server stops.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.scenarios = OwnScenarios()
        self.store = JobStore()
        self.queue = JobQueue(settings, self.store)
        self.generation = Generation(settings, self.scenarios, self.store, self.queue)
        self.finished = Finished(self.store, settings.database)
        self.removal = Removal(self.store, settings.database)
        self.exports = Places(MOST_EXPORTS, "exports")
        self.watchers = Places(MOST_WATCHERS, "event streams")
        self.closing = asyncio.Event()
        self.looks = Looks(lambda job_id: json.dumps(shown.status(self.job(job_id))).encode())

    def job(self, job_id: str) -> JobRecord:
        """Return a job.

        Raises:
            ApiProblem: 404, it is unknown.
        """
        record = self.store.get(job_id) if _JOB.fullmatch(job_id) else None
        if record is None:
            raise ApiProblem("unknown-job", f"no job {job_id[:60]!r} is known", jobId=job_id)
        return record


class Looks:
    """Jobs as they were a moment ago: who asks often costs little.

    Args:
        look: returns a job's answer.
    """

    def __init__(self, look: Callable[[str], bytes]) -> None:
        self._look = look
        self._kept: dict[str, tuple[float, bytes]] = {}

    async def at(self, job_id: str) -> bytes:
        """Return a job's answer; on the event loop only."""
        clock = asyncio.get_running_loop().time
        until, answer = self._kept.get(job_id, (0.0, b""))
        if clock() < until:
            return answer
        answer = await run_in_threadpool(self._look, job_id)
        if len(self._kept) >= MOST_LOOKS:
            self._kept.clear()
        self._kept[job_id] = (clock() + LOOK_SECONDS, answer)
        return answer


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Here = Annotated[Service, Depends(_service)]
JobPath = Annotated[str, InPath(alias="jobId", max_length=64)]
