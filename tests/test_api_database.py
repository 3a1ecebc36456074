"""Jobs that load a database over HTTP: guard, rows, charts, export and cleanup."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from api_server import API, DAYS, LONG, ApiServer, running
from runs import TABLES, Made, run
from server import PASSWORD, Server
from server import server as postgres

from polargen.database import Database
from polargen.schema import TABLES as DECLARED

LOAD = {"dryRun": False}
WORD = {"confirm": "DELETE_ALL_MOCK_DATA"}


@pytest.fixture(scope="module")
def home() -> Server:
    return postgres()


@pytest.fixture(scope="module")
def database(home: Server) -> Iterator[Database]:
    made = home.new()
    yield made
    home.drop(made)


@pytest.fixture(scope="module")
def server(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("database")
    with running(folder, "--workers", "1", more={"POLARGEN_DATABASE_URL": database.url}) as server:
        server.post("/toggle", {"enable": True})
        yield server


@pytest.fixture(scope="module")
def job(server: ApiServer) -> str:
    return server.finished(**LOAD, verify=True)


@pytest.fixture(scope="module")
def made() -> Made:
    """The same run, in memory."""
    return run(start=DAYS["startDate"], end=DAYS["endDate"], seed=DAYS["seed"])


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    assert found["type"].endswith(f":{kind}")
    return found


def test_load__goes_to_the_server_s_database(
    server: ApiServer, job: str, made: Made, database: Database
) -> None:
    status = server.status(job)
    assert status["target"] == "database"
    assert status["result"]["verified"] is True
    listed = server.get(f"/jobs/{job}/tables").json()["tables"]
    assert {one["name"]: one["rows"] for one in listed} == {
        DECLARED[name].json_name: made[name].height for name in TABLES
    }
    assert server.get("/config").json()["database"] == {
        "place": database.place, "schema": "mock_data",
    }  # fmt: skip


@pytest.mark.parametrize("table", ["users", "orders", "companies", "audit_logs"])
def test_rows__look_like_those_of_files(table: str, server: ApiServer, job: str) -> None:
    files = server.finished(**LOAD, target="files")
    asked = {"table": table, "offset": 5, "limit": 9}
    loaded, written = (server.get(f"/jobs/{j}/rows", params=asked).json() for j in (job, files))
    if table == "audit_logs":  # jsonb writes its text anew
        for page in (loaded, written):
            at = [column["name"] for column in page["columns"]].index("details")
            for row in page["rows"]:
                row[at] = json.loads(row[at])
    assert loaded == written


def test_charts__are_those_of_files(server: ApiServer, job: str) -> None:
    files = server.finished(**LOAD, target="files")
    assert server.get(f"/jobs/{job}/charts").json() == server.get(f"/jobs/{files}/charts").json()


def test_export__of_the_database_needs_no_job(server: ApiServer, job: str, made: Made) -> None:
    answer = server.post("/export", {"format": "parquet", "entities": ["payments"]})
    assert pl.read_parquet(answer.content).equals(made["payments"])
    days = {"startDate": "2024-01-03", "endDate": "2024-01-04"}
    asked = {"format": "csv", "dateRange": days, "jobId": job, "includeMetadata": True}
    archive = zipfile.ZipFile(io.BytesIO(server.post("/export", asked).content))
    assert archive.testzip() is None
    orders = pl.read_csv(archive.read("orders.csv"))
    assert 0 < orders.height < made["orders"].height
    lines = pl.read_csv(archive.read("order_items.csv"))
    assert set(lines["order_id"]) == set(orders["order_id"])
    assert "only the days" in json.loads(archive.read("manifest.json"))["partial"]


def test_export__that_nobody_reads_leaves_no_session(
    server: ApiServer, job: str, home: Server
) -> None:
    with server.client.stream("POST", f"{API}/export", json={"format": "sql"}) as answer:
        assert answer.status_code == 200
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'polargen export'"
    for _ in range(200):
        if home.query("postgres", sessions) == ["0"]:
            break
    assert home.query("postgres", sessions) == ["0"]


def test_guard__is_shown_and_refuses(server: ApiServer, job: str) -> None:
    server.post("/toggle", {"enable": False})
    try:
        said = problem(server.post("/generate", {"config": {**DAYS, **LOAD}}), 403, "safety")
        assert [failure["check"] for failure in said["failures"]] == ["toggle"]
        checks = server.post("/config", {"config": DAYS}).json()["safetyChecks"]
        assert [check["check"] for check in checks if not check["ok"]] == ["toggle"]
        assert {"environment", "schema", "protected"} <= {check["check"] for check in checks}
        cleanup = server.client.delete(f"{API}/cleanup", params=WORD)
        assert "toggle" in {f["check"] for f in problem(cleanup, 403, "safety")["failures"]}
        assert server.get(f"/jobs/{job}/tables").status_code == 200
    finally:
        server.post("/toggle", {"enable": True})


def test_too_many_records__are_refused_before_the_job(server: ApiServer) -> None:
    config = {**DAYS, **LOAD, "volumeMultiplier": 10_000}
    said = problem(server.post("/generate", {"config": config}), 422, "limit")
    assert "10,000,000" in said["detail"]
    judged = server.post("/config", {"config": config}).json()
    assert judged["valid"] is False
    assert judged["plan"]["rows"]["orders"] == 5_000_000


def test_cancel__leaves_the_earlier_load(server: ApiServer, job: str) -> None:
    before = server.get(f"/jobs/{job}/rows", params={"table": "orders"}).json()
    other = server.start(**{**LONG, "volumeMultiplier": 8}, **LOAD)
    while not server.status(other)["progress"]["recordsGenerated"]:
        pass
    server.post("/cancel", {"jobId": other})
    assert server.wait(other)["status"] == "cancelled"
    assert server.get(f"/jobs/{job}/rows", params={"table": "orders"}).json() == before


def test_cleanup__and_replacement_are_noticed(database: Database, server: ApiServer) -> None:
    first = server.finished(**LOAD)
    second = server.finished(**{**LOAD, "seed": 8})
    for path in ("tables", "charts", "rows?table=orders"):
        said = problem(server.get(f"/jobs/{first}/{path}"), 409, "no-rows")
        assert "later load" in said["detail"]
    server.finished(**LOAD, target="files")
    shown = server.get("/cleanup").json()
    assert second in shown["jobs"]
    removed = server.client.delete(f"{API}/cleanup", params=WORD).json()
    assert removed["success"] is True
    assert removed["results"] == shown["results"]
    assert removed["results"]["orders"] >= 1000  # of the database and of files
    problem(server.get(f"/jobs/{second}/tables"), 409, "no-rows")
    problem(server.post("/export", {"format": "csv"}), 409, "no-rows")


def test_password__is_nowhere(server: ApiServer, tmp_path: Path) -> None:
    texts = [server.logged(), server.get("/config").text, server.get("/jobs").text]
    stored = (server.home / "jobs.sqlite").read_bytes()
    assert not any(PASSWORD in text for text in texts)
    assert PASSWORD.encode() not in stored


def test_database__that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:1/nothing"
    more = {"POLARGEN_DATABASE_URL": url, "MOCK_DATA_ENABLED": "true"}
    with running(tmp_path, more=more) as server:
        answer = server.post("/generate", {"config": {**DAYS, **LOAD}})
        assert answer.status_code in (403, 503)
        assert PASSWORD not in answer.text
        answer = server.post("/export", {"format": "csv"})
        problem(answer, 503, "target")
        assert PASSWORD not in answer.text + server.logged()
        checks = server.post("/config", {"config": DAYS}).json()["safetyChecks"]
        assert "connection" in {check["check"] for check in checks if not check["ok"]}
        assert server.client.get("/healthz").status_code == 200
        server.finished()  # dry runs need no database
