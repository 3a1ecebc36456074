"""A real server for tests: `polargen serve` in a process of its own, with its own state folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from polargen.guard import ENVIRONMENT_VARIABLES

API = "/api/mock-data"
QUARTER = {"startDate": "2024-01-01", "endDate": "2024-03-31", "seed": 12345}
DAYS = {"startDate": "2024-01-01", "endDate": "2024-01-10", "seed": 7, "workers": 1}
LONG = {"startDate": "2024-01-01", "endDate": "2024-12-31", "seed": 1, "volumeMultiplier": 40}
ENDED = ("completed", "failed", "cancelled")
PATIENCE_S = 60.0


@dataclass
class ApiServer:
    """A server.

    Attributes:
        home: its state folder.
        url: without a path.
        process: that serves.
        log: what it writes to stderr.
    """

    home: Path
    url: str
    process: subprocess.Popen[str]
    log: Path
    token: str | None = None
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET a path below the API's prefix."""
        return self.client.get(API + path, **more)

    def post(self, path: str, document: Any = None, **more: Any) -> httpx.Response:
        """POST JSON to a path below the API's prefix."""
        return self.client.post(API + path, json=document, **more)

    def start(self, scenario: str = "normal-ops", **config: Any) -> str:
        """Start a job; return its id."""
        answer = self.post("/generate", {"scenario": scenario, "config": {**DAYS, **config}})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobId"])

    def status(self, job: str) -> dict[str, Any]:
        """Return a job's status."""
        answer = self.get("/status", params={"jobId": job})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait(self, job: str, until: tuple[str, ...] = ENDED) -> dict[str, Any]:
        """Wait until a job has one of some statuses; return its status."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            found = self.status(job)
            if found["status"] in until:
                return found
            assert found["status"] not in ENDED, found
            time.sleep(0.05)
        raise AssertionError(f"{job} is {found['status']} still")

    def finished(self, scenario: str = "normal-ops", **config: Any) -> str:
        """Run a job to its end; return its id."""
        job = self.start(scenario, **config)
        found = self.wait(job)
        assert found["status"] == "completed", found
        return job

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop the server; return its exit code."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def logged(self) -> str:
        """Return what the server has written to stderr."""
        return self.log.read_text(encoding="utf-8")


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nothing is set that decides about a server."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("POLARGEN_", "MOCK_DATA", "DATABASE_URL"))
        and name not in ENVIRONMENT_VARIABLES
    }
    return {**kept, "POLARGEN_HOME": str(home), "PYTHONUNBUFFERED": "1", **(more or {})}


def start(
    home: Path, *options: str, token: str | None = None, more: Mapping[str, str] | None = None
) -> ApiServer:
    """Start a server on a free port and wait until it listens."""
    home.mkdir(parents=True, exist_ok=True)
    env = environment(home, more)
    if token is not None:
        env["POLARGEN_API_TOKEN"] = token
    log = home / "serve.log"
    with log.open("a", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "polargen", "serve", "--port", "0", "--json", *options],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("}"):
            return ApiServer(home, json.loads(said)["url"], process, log, token)
    raise AssertionError(f"exit {process.wait()}: {log.read_text()}")


@contextmanager
def running(home: Path, *options: str, **how: Any) -> Iterator[ApiServer]:
    """Start a server and stop it at the end."""
    server = start(home, *options, **how)
    try:
        yield server
    finally:
        server.stop()
