"""Jobs over HTTP: queue, cancel, idempotency, events, restart; real servers, real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from api_server import API, ENDED, LONG, ApiServer, running, start

from polargen.api import events as event_streams
from polargen.api.events import Look

FILES = {"dryRun": False, "target": "files"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running(tmp_path_factory.mktemp("jobs"), "--queue", "2", "--workers", "1") as server:
        yield server


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stop what a test has started."""
    yield
    if "server" in request.fixturenames:
        stop_all(request.getfixturevalue("server"))


def stop_all(server: ApiServer) -> None:
    for job in server.get("/jobs").json()["jobs"]:
        if job["status"] not in ENDED:
            server.post("/cancel", {"jobId": job["jobId"]})
            server.wait(job["jobId"])


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"].endswith(f":{kind}")
    return found


def folders(server: ApiServer) -> list[str]:
    folder = server.home / "jobs"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def children(server: ApiServer) -> list[psutil.Process]:
    """Return the processes of jobs, and of their workers."""
    return psutil.Process(server.process.pid).children(recursive=True)


def begun(server: ApiServer, job: str) -> None:
    """Wait until a job makes rows."""
    while not server.status(job)["progress"]["recordsGenerated"]:
        assert server.status(job)["status"] not in ENDED
        time.sleep(0.05)


def test_dry_run__writes_nothing_and_has_no_rows(server: ApiServer) -> None:
    job = server.finished()
    assert folders(server) == []
    for path in ("tables", "rows?table=orders", "charts"):
        said = problem(server.get(f"/jobs/{job}/{path}"), 409, "no-rows")
        assert "dry run" in said["detail"]
    problem(server.post("/export", {"format": "csv", "jobId": job}), 409, "no-rows")


def test_defaults__are_those_of_the_command_line(server: ApiServer) -> None:
    answer = server.post("/generate", {})
    config = answer.json()["config"]
    assert config["scenario"] == "normal-ops"
    assert config["dryRun"] is True
    assert config["batchSize"] == 1000
    assert 0 <= config["seed"] < 2**53
    assert server.wait(answer.json()["jobId"])["config"] == config


def test_wrong_values__are_all_named(server: ApiServer) -> None:
    config = {"startDate": "2024-13-01", "seed": -1, "batchSize": 1, "foo": 1}
    said = problem(server.post("/generate", {"config": config}), 422, "invalid")
    paths = {error["path"] for error in said["errors"]}
    assert paths == {"config.startDate", "config.seed", "config.batchSize", "config.foo"}


def test_unknown_scenario__names_those_there_are(server: ApiServer) -> None:
    said = problem(server.post("/generate", {"scenario": "normal-opps"}), 404, "unknown-scenario")
    assert "normal-ops" in said["availableScenarios"]
    assert "did you mean normal-ops?" in said["detail"]


def test_snake_case__is_understood_too(server: ApiServer) -> None:
    config = {"start_date": "2024-01-01", "end_date": "2024-01-05", "volume_multiplier": 0.5}
    answer = server.post("/generate", {"config": config})
    assert answer.json()["config"]["endDate"] == "2024-01-05"
    assert answer.json()["config"]["volumeMultiplier"] == 0.5


def test_job__is_what_the_command_line_would_make(server: ApiServer) -> None:
    from runs import run

    job = server.finished(seed=99)
    made = run(start="2024-01-01", end="2024-01-10", seed=99)
    assert server.status(job)["result"]["digests"] == made.digests


def test_key__gives_the_same_job_again(server: ApiServer) -> None:
    body = {
        "scenario": "normal-ops",
        "config": {"startDate": "2024-01-01", "endDate": "2024-01-03"},
    }
    key = {"Idempotency-Key": "deploy-4711"}
    first = server.post("/generate", body, headers=key)
    again = server.post("/generate", body, headers=key)
    assert first.status_code == again.status_code == 202
    assert again.json()["jobId"] == first.json()["jobId"]
    assert again.json()["config"] == first.json()["config"]  # its drawn seed too
    server.wait(first.json()["jobId"])
    assert server.post("/generate", body, headers=key).json()["jobId"] == first.json()["jobId"]
    other = {**body, "scenario": "peak-season"}
    said = problem(server.post("/generate", other, headers=key), 422, "key-reused")
    assert said["jobId"] == first.json()["jobId"]


def test_key__of_requests_at_once_gives_one_job(server: ApiServer) -> None:
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(server.post("/generate", {}, headers={"Idempotency-Key": "at-once"}))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["jobId"] for answer in answers}) == 1


def test_queue__runs_one_holds_two_and_refuses_more(server: ApiServer) -> None:
    first, *waiting = (server.post("/generate", {"config": LONG}) for _ in range(3))
    assert first.json()["status"] == "started"
    assert [one.json()["status"] for one in waiting] == ["queued", "queued"]
    refused = server.post("/generate", {"config": LONG})
    problem(refused, 503, "queue-full")
    assert int(refused.headers["retry-after"]) > 0
    job = waiting[0].json()["jobId"]
    assert server.status(job)["status"] == "queued"
    assert server.post("/cancel", {"jobId": job}).json()["status"] == "cancelled"
    begun(server, first.json()["jobId"])
    assert server.status(waiting[1].json()["jobId"])["status"] == "queued"
    assert server.post("/generate", {"config": LONG}).status_code == 202  # there is room again


def test_next_job__begins_when_one_ends(server: ApiServer) -> None:
    first = server.start(**LONG)
    second = server.start()
    assert server.status(second)["status"] == "queued"
    server.post("/cancel", {"jobId": first})
    assert server.wait(second)["status"] == "completed"


def test_cancel__rolls_a_running_job_back(server: ApiServer) -> None:
    job = server.start(**LONG, **FILES)
    begun(server, job)
    answer = server.post("/cancel", {"jobId": job})
    assert answer.status_code == 202
    assert server.wait(job)["status"] == "cancelled"
    assert folders(server) == []
    problem(server.post("/cancel", {"jobId": job}), 409, "conflict")
    problem(server.get(f"/jobs/{job}/tables"), 409, "no-rows")


def test_cancel__at_once_is_heard(server: ApiServer) -> None:
    job = server.start(**LONG, **FILES)
    server.post("/cancel", {"jobId": job})
    assert server.wait(job)["status"] == "cancelled"
    assert folders(server) == []


def test_killed_job__reads_as_failed_and_the_next_one_runs(server: ApiServer) -> None:
    job = server.start(**LONG, **FILES)
    begun(server, job)
    for process in children(server):
        process.kill()
    found = server.wait(job)
    assert found["status"] == "failed"
    assert found["message"]
    assert server.get("/jobs").status_code == 200
    server.finished()
    text = server.client.get("/metrics").text
    assert 'polargen_jobs_total{status="failed"} 1.0' in text
    assert "polargen_job_errors_total 1.0" in text


def test_unknown_job__is_not_found(server: ApiServer) -> None:
    for path in ("/status?jobId=job-abc123", "/events?jobId=x", "/jobs/job-00000000/tables"):
        problem(server.get(path), 404, "unknown-job")
    problem(server.get("/status"), 400, "missing-parameter")
    problem(server.post("/cancel", {"jobId": "job-abc123"}), 404, "unknown-job")


def test_jobs__lists_the_newest_first(server: ApiServer) -> None:
    jobs = [server.start(), server.start()]
    listed = server.get("/jobs", params={"limit": 2}).json()["jobs"]
    assert [job["jobId"] for job in listed] == jobs[::-1]
    problem(server.get("/jobs", params={"limit": 0}), 422, "invalid")


def events(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield id and data of each event."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, text = line.partition(": ")
        if line:
            fields[name] = text
        elif "data" in fields:
            yield fields["id"], json.loads(fields["data"])
            fields = {}


def watch(server: ApiServer, job: str, last: str | None = None) -> Any:
    headers = {} if last is None else {"Last-Event-ID": last}
    return server.client.stream("GET", f"{API}/events", params={"jobId": job}, headers=headers)


def test_events__tell_all_until_the_end(server: ApiServer) -> None:
    job = server.start(**{**LONG, "volumeMultiplier": 2})
    with watch(server, job) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = list(events(answer))  # the stream ends by itself
    ids = [id for id, _ in told]
    assert ids == sorted(set(ids))
    assert told[-1][1] == server.status(job)
    assert told[-1][1]["status"] == "completed"
    assert all(status["status"] not in ENDED for _, status in told[:-1])
    percents = [status["progress"]["progressPercent"] for _, status in told]
    assert percents == sorted(percents)
    assert len(told) > 2


def test_events__go_on_where_the_client_was(server: ApiServer) -> None:
    job = server.start(**LONG)
    begun(server, job)
    with watch(server, job) as answer:
        last = next(id for id, status in events(answer) if status["status"] == "generating")
    with watch(server, job, last) as answer:
        first = next(events(answer))
        assert first[0] > last  # not told twice
    server.post("/cancel", {"jobId": job})
    server.wait(job)
    with watch(server, job, last) as answer:
        ((end, status),) = events(answer)
    assert status["status"] == "cancelled"
    assert end > last
    with watch(server, job, end) as answer:
        assert answer.status_code == 204  # nothing more to tell


def test_metrics__count_what_was_made(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        job = server.finished()
        made = sum(server.status(job)["result"]["recordCounts"].values())
        server.start(**LONG)  # takes the place of the one that ended, which is counted then
        end = time.monotonic() + 30
        while "polargen_job_memory_bytes{" not in (text := server.client.get("/metrics").text):
            assert time.monotonic() < end, text
            time.sleep(0.1)
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        assert float(values["polargen_records_total"]) == made
        assert float(values['polargen_jobs_total{status="completed"}']) == 1
        assert float(values['polargen_job_duration_seconds_count{status="completed"}']) == 1
        assert float(values["polargen_jobs_running"]) == 1
        (memory,) = (v for k, v in values.items() if k.startswith("polargen_job_memory_bytes"))
        assert float(memory) > 1_000_000


def test_stop__rolls_back_what_runs_and_keeps_the_history(tmp_path: Path) -> None:
    server = start(tmp_path)
    done = server.finished()
    job, waiting = server.start(**LONG, **FILES), server.start()
    begun(server, job)
    processes = children(server)
    with watch(server, job) as answer:
        told = events(answer)
        next(told)
        assert server.stop(signal.SIGTERM) == 0
    assert not any(process.is_running() for process in processes)
    assert folders(server) == []
    with running(tmp_path) as again:
        found = {one["jobId"]: one["status"] for one in again.get("/jobs").json()["jobs"]}
    assert found == {done: "completed", job: "cancelled", waiting: "cancelled"}
    assert "Traceback" not in server.logged()


def test_crash__loses_what_waited_and_the_next_server_says_so(tmp_path: Path) -> None:
    server = start(tmp_path)
    job, waiting = server.start(**LONG), server.start()
    begun(server, job)
    runner, *_ = children(server)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    runner.kill()
    with running(tmp_path) as again:
        found = {one["jobId"]: one["status"] for one in again.get("/jobs").json()["jobs"]}
        assert found == {job: "failed", waiting: "failed"}
        again.finished()


def test_two_hundred_questions_a_second__are_all_answered(server: ApiServer) -> None:
    job = server.start(**LONG)
    wrong: list[Any] = []

    def ask(until: float) -> None:
        with httpx.Client(base_url=server.url) as client:
            while time.monotonic() < until:
                answer = client.get(f"{API}/status", params={"jobId": job})
                if answer.status_code != 200 or answer.json()["jobId"] != job:
                    wrong.append(answer.text)
                counted.append(1)
                time.sleep(0.01)

    counted: list[int] = []
    until = time.monotonic() + 2
    threads = [threading.Thread(target=ask, args=(until,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert counted
    assert server.status(job)["status"] not in ("failed", "cancelled")


def test_events__without_news_are_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "HEARTBEAT_SECONDS", 0.3)

    async def same() -> Look:
        return Look("1", {"status": "generating"}, ended=False)

    async def told() -> list[bytes]:
        closing = asyncio.Event()
        chunks = []
        async for chunk in event_streams.stream(same, None, closing):
            chunks.append(chunk)
            if len(chunks) == 4:
                closing.set()  # as a server that stops does
        return chunks

    first, event, *beats = asyncio.run(told())
    assert first.endswith(b"retry: 1000\n\n")
    assert event == b'data: {"status": "generating"}\nid: 1\n\n'
    assert [beat[:2] for beat in beats] == [b": ", b": "]
