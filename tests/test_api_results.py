"""What a finished job made, over HTTP: tables, rows, charts, verification, exports, cleanup."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil
import pytest
from api_server import API, QUARTER, ApiServer, environment, running
from runs import TABLES, Made, day, run

from polargen.manifest import Manifest
from polargen.schema import TABLES as DECLARED

WAIT_S = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running(tmp_path_factory.mktemp("results"), "--workers", "1") as server:
        yield server


@pytest.fixture(scope="module")
def job(server: ApiServer) -> str:
    return server.finished("anomaly-heavy", **QUARTER, dryRun=False, verify=True)


@pytest.fixture(scope="module")
def made() -> Made:
    """The same run, in memory."""
    return run("anomaly-heavy", start="2024-01-01", end="2024-03-31")


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    assert found["type"].endswith(f":{kind}")
    return found


def test_tables__are_those_of_the_run(server: ApiServer, job: str, made: Made) -> None:
    listed = server.get(f"/jobs/{job}/tables").json()["tables"]
    assert [one["name"] for one in listed] == [DECLARED[name].json_name for name in DECLARED]
    assert {one["name"]: one["rows"] for one in listed} == {
        DECLARED[name].json_name: made[name].height for name in TABLES
    }


@pytest.mark.parametrize("table", TABLES)
def test_rows__are_those_of_the_run(table: str, server: ApiServer, job: str, made: Made) -> None:
    frame, offset = made[table], made[table].height // 2
    page = server.get(
        f"/jobs/{job}/rows", params={"table": table, "offset": offset, "limit": 7}
    ).json()
    assert page["table"] == DECLARED[table].json_name
    assert page["total"] == frame.height
    assert [column["kind"] for column in page["columns"]] == [
        c.kind for c in DECLARED[table].columns
    ]
    assert len(page["columns"]) == len(page["rows"][0])
    keys = frame[DECLARED[table].primary_key].slice(offset, 7).to_list()
    assert [row[0] for row in page["rows"]] == keys


def test_rows__show_money_and_instants_exactly(server: ApiServer, job: str, made: Made) -> None:
    page = server.get(f"/jobs/{job}/rows", params={"table": "orders", "limit": 1}).json()
    row = dict(zip((c["name"] for c in page["columns"]), page["rows"][0], strict=True))
    first = made["orders"].row(0, named=True)
    assert row["orderId"] == 1
    assert row["grandTotal"] == str(first["grand_total"])
    assert row["orderDate"] == first["order_date"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert row["deliveryDate"] == str(first["delivery_date"])
    assert row["statusHistory"][0]["status"] == "Pending"


def test_rows__end_where_the_table_ends(server: ApiServer, job: str) -> None:
    total = server.get(f"/jobs/{job}/rows", params={"table": "users"}).json()["total"]
    for offset, rows in ((total - 3, 3), (total, 0), (10**12, 0)):
        page = server.get(
            f"/jobs/{job}/rows", params={"table": "users", "offset": offset, "limit": 200}
        )
        assert len(page.json()["rows"]) == rows


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ({}, 400, "missing-parameter"),
        ({"table": "ordrs"}, 422, "invalid"),
        ({"table": "orders", "limit": 201}, 422, "invalid"),
        ({"table": "orders", "offset": -1}, 422, "invalid"),
    ],
)
def test_rows__refuse(
    query: dict[str, Any], status: int, kind: str, server: ApiServer, job: str
) -> None:
    problem(server.get(f"/jobs/{job}/rows", params=query), status, kind)


def test_charts__say_what_the_rows_say(server: ApiServer, job: str, made: Made) -> None:
    charts = server.get(f"/jobs/{job}/charts").json()
    orders = charts["ordersPerDay"]
    days = [str(date(2024, 1, 1).fromordinal(date(2024, 1, 1).toordinal() + n)) for n in range(91)]
    assert orders["dates"] == days
    assert orders["weekday"][:7] == [1, 2, 3, 4, 5, 6, 0]  # 1 January 2024 was a Monday
    assert "2024-01-07" in orders["holidays"]  # Coptic Christmas
    counted = Counter(
        made["orders"].select(day("order_date").cast(str), pl.col("status").cast(str)).iter_rows()
    )
    shown = {
        (at, status): count
        for status, counts in orders["byStatus"].items()
        for at, count in zip(days, counts, strict=True)
        if count
    }
    assert shown == counted
    lines = Counter(made["order_items"]["product_id"].to_list())
    popular = charts["productPopularity"]
    assert popular["lines"] == sorted(lines.values(), reverse=True)
    assert popular["ranks"] == list(range(1, len(lines) + 1))
    delays = Counter(made["payments"]["days_from_due"].to_list())
    shown_delays = charts["paymentDelay"]
    assert dict(zip(shown_delays["days"], shown_delays["payments"], strict=True)) == delays
    labels = Counter(made["anomaly_labels"]["anomaly_type"].cast(str).to_list())
    found = {kind: sum(counts) for kind, counts in charts["anomaliesOverTime"]["byType"].items()}
    assert found == labels


def test_verification__is_the_report(server: ApiServer, job: str) -> None:
    report = server.get(f"/jobs/{job}/verification").json()
    assert report["ok"] is True
    assert {"R01", "R31", "R50"} <= {rule["rule"] for rule in report["rules"]}
    other = server.finished(dryRun=False)
    problem(server.get(f"/jobs/{other}/verification"), 409, "no-rows")
    assert server.status(job)["result"]["verified"] is True
    assert server.status(other)["result"]["verified"] is False


def export(server: ApiServer, **asked: Any) -> httpx.Response:
    answer = server.post("/export", asked)
    assert answer.status_code == 200, answer.text
    return answer


def named(answer: httpx.Response) -> str:
    return answer.headers["content-disposition"].removeprefix('attachment; filename="')[:-1]


def test_export__of_one_table_is_a_plain_file(server: ApiServer, job: str, made: Made) -> None:
    csv = export(server, format="csv", entities=["orderItems"], jobId=job)
    assert named(csv) == "order_items.csv"
    assert csv.headers["content-type"].startswith("text/csv")
    assert pl.read_csv(csv.content)["order_item_id"].equals(made["order_items"]["order_item_id"])
    parquet = export(server, format="parquet", entities=["payments"], jobId=job)
    assert pl.read_parquet(parquet.content).equals(made["payments"])
    lines = export(server, format="json", entities=["users"], jobId=job).text.splitlines()
    assert [json.loads(line)["email"] for line in lines] == made["users"]["email"].to_list()
    sql = export(server, format="sql", entities=["branches"], jobId=job).text
    assert "CREATE TABLE" in sql
    assert sql.count("\n") > made["branches"].height


@pytest.mark.parametrize("format", ["parquet", "csv", "json", "sql"])
def test_export__of_several_tables_is_a_zip(format: str, server: ApiServer, job: str) -> None:
    answer = export(server, format=format, jobId=job, includeMetadata=True)
    assert named(answer) == f"polargen-{job}.zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    *files, last = archive.namelist()
    ending = {"json": "ndjson"}.get(format, format)
    order = [f"{n:02d}_" if format == "sql" else "" for n in range(1, len(DECLARED) + 1)]
    assert files == [f"{o}{name}.{ending}" for o, name in zip(order, DECLARED, strict=True)]
    assert last == "manifest.json"
    manifest = Manifest.from_json(archive.read(last).decode())
    assert manifest.seed == 12345


def test_export__of_some_days_keeps_documents_whole(
    server: ApiServer, job: str, made: Made
) -> None:
    days = {"startDate": "2024-02-01", "endDate": "2024-02-10"}
    answer = export(server, format="parquet", jobId=job, dateRange=days)
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    frames = {name: pl.read_parquet(archive.read(f"{name}.parquet")) for name in TABLES}
    inside = made["orders"].filter(
        day("order_date").is_between(date(2024, 2, 1), date(2024, 2, 10))
    )
    assert 0 < inside.height < made["orders"].height
    assert frames["orders"].equals(inside)
    lines = made["order_items"].join(inside.select("order_id"), on="order_id", how="semi")
    assert frames["order_items"].equals(lines)
    assert frames["companies"].equals(made["companies"])
    for name, table in DECLARED.items():
        for column, other in table.foreign_keys:
            known = frames[other][DECLARED[other].primary_key].implode()
            assert frames[name][column].drop_nulls().is_in(known).all(), (name, column)


def test_export__of_the_last_job_needs_no_id(server: ApiServer) -> None:
    server.finished("normal-ops", dryRun=False)
    server.finished("normal-ops")  # a dry run, which has nothing
    text = export(server, format="csv", entities=["orders"]).text
    assert len(text.splitlines()) == 1 + 500


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "format"),
        ({"format": "xlsx"}, "format"),
        ({"format": "csv", "entities": []}, "entities"),
        ({"format": "csv", "entities": ["users", "ordrs"]}, "entities.1"),
        ({"format": "csv", "dateRange": {"startDate": "yesterday"}}, "dateRange.startDate"),
        ({"format": "csv", "path": "/etc"}, "path"),
    ],
)
def test_export__refuses(body: dict[str, Any], path: str, server: ApiServer, job: str) -> None:
    body = {"jobId": job, **body} if "format" in body else body
    said = problem(server.post("/export", body), 422, "invalid")
    assert [error["path"] for error in said["errors"]] == [path]


def test_export__swapped_days_are_refused(server: ApiServer, job: str) -> None:
    days = {"startDate": "2024-02-10", "endDate": "2024-02-01"}
    answer = server.post("/export", {"format": "csv", "dateRange": days, "jobId": job})
    assert "ends before it begins" in problem(answer, 422, "invalid")["detail"]


def test_client_that_goes_away__leaves_nothing(server: ApiServer) -> None:
    job = server.finished(**{**QUARTER, "volumeMultiplier": 4}, dryRun=False)
    process = psutil.Process(server.process.pid)
    before = {str(path) for path in server.home.rglob("*")}
    body = json.dumps({"format": "sql", "jobId": job}).encode()
    head = (
        f"POST {API}/export HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    end = time.monotonic() + WAIT_S
    left = 0
    while left < 6:  # more than may go on at once
        with socket.create_connection(server.address, timeout=WAIT_S) as connection:
            connection.sendall(head + body)
            answer = connection.recv(4096)
            if answer.startswith(b"HTTP/1.1 503 ") and time.monotonic() < end:
                time.sleep(0.05)  # the server has yet to see that the others are gone
                continue
            assert answer.startswith(b"HTTP/1.1 200 ")
            connection.recv(65536)
            left += 1
    end = time.monotonic() + WAIT_S
    while open_parts(process) and time.monotonic() < end:
        time.sleep(0.05)
    assert open_parts(process) == []
    assert {str(path) for path in server.home.rglob("*")} == before
    whole = export(server, format="csv", entities=["orders"], jobId=job)
    assert len(whole.text.splitlines()) == 1 + 4 * 4550
    assert "Traceback" not in server.logged()


def open_parts(process: psutil.Process) -> list[str]:
    return [file.path for file in process.open_files() if "/part-" in file.path]


def test_too_many_exports__are_told_to_come_back(server: ApiServer) -> None:
    job = server.finished(**{**QUARTER, "volumeMultiplier": 4}, dryRun=False)
    asked = {"format": "sql", "jobId": job}
    streams = [server.client.stream("POST", f"{API}/export", json=asked) for _ in range(4)]
    answers = [stream.__enter__() for stream in streams]
    assert [answer.status_code for answer in answers] == [200] * 4
    refused = server.post("/export", asked)
    problem(refused, 503, "busy")
    assert refused.headers["retry-after"]
    for stream in streams:
        stream.__exit__(None, None, None)
    end = time.monotonic() + WAIT_S
    while server.post("/export", {**asked, "entities": ["users"]}).status_code != 200:
        assert time.monotonic() < end


def test_damaged_files__break_the_stream_off(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "1") as server:
        job = server.finished(dryRun=False)
        (part,) = (server.home / "jobs" / job / "orders").iterdir()
        part.write_bytes(part.read_bytes()[:-2000])
        answer = server.post("/export", {"format": "csv", "entities": ["orders"], "jobId": job})
        assert "make it again" in problem(answer, 503, "target")["detail"]
        with pytest.raises(httpx.RemoteProtocolError):  # users are sent before
            server.post("/export", {"format": "csv", "jobId": job})
        assert server.client.get("/healthz").status_code == 200
        assert "Traceback" not in server.logged()
        assert "export broken off" in server.logged()


def test_cleanup__removes_one_job_or_all(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "1") as server:
        first, second, third = (server.finished(seed=seed, dryRun=False) for seed in (1, 2, 3))
        foreign = server.home / "jobs" / "notes.txt"
        foreign.write_text("mine")
        word = {"confirm": "DELETE_ALL_MOCK_DATA"}
        shown = server.get("/cleanup", params={"jobId": first}).json()
        assert shown["results"]["orders"] == 500
        removed = server.client.delete(f"{API}/cleanup", params={**word, "jobId": first}).json()
        assert removed["results"] == shown["results"]
        assert removed["jobs"] == [first]
        problem(server.get(f"/jobs/{first}/tables"), 409, "no-rows")
        again = server.client.delete(f"{API}/cleanup", params={**word, "jobId": first})
        problem(again, 409, "no-rows")
        assert server.get(f"/jobs/{second}/tables").status_code == 200
        assert server.get("/cleanup").json()["results"]["orders"] == 1000
        problem(server.client.delete(f"{API}/cleanup"), 400, "not-confirmed")
        removed = server.client.delete(f"{API}/cleanup", params=word).json()
        assert removed["results"]["orders"] == 1000
        assert set(removed["jobs"]) == {second, third}
        assert [path.name for path in (server.home / "jobs").iterdir()] == ["notes.txt"]
        assert server.client.delete(f"{API}/cleanup", params=word).json()["results"] == {}


def test_cleanup__waits_for_jobs_that_write(server: ApiServer) -> None:
    job = server.start(**{**QUARTER, "volumeMultiplier": 40}, dryRun=False)
    word = {"confirm": "DELETE_ALL_MOCK_DATA"}
    problem(server.client.delete(f"{API}/cleanup", params=word), 409, "conflict")
    problem(server.client.delete(f"{API}/cleanup", params={**word, "jobId": job}), 409, "conflict")
    server.post("/cancel", {"jobId": job})
    assert server.wait(job)["status"] == "cancelled"


def polargen(server: ApiServer, *words: str) -> str:
    """Run the command line with the server's state folder."""
    done = subprocess.run(
        [sys.executable, "-m", "polargen", *words],
        env=environment(server.home), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_command_line__and_server_see_the_same_jobs(
    server: ApiServer, job: str, tmp_path: Path
) -> None:
    assert job in polargen(server, "jobs", "--limit", "100")
    run = ("generate", "--from", "2024-01-01", "--to", "2024-01-03", "--format", "csv", "--json")
    first = json.loads(polargen(server, *run, "--seed", "1", "-o", str(tmp_path / "out")))["jobId"]
    assert server.status(first)["status"] == "completed"
    asked = {"table": "users", "offset": 18, "limit": 10}
    assert len(server.get(f"/jobs/{first}/rows", params=asked).json()["rows"]) == 2
    charts = server.get(f"/jobs/{first}/charts").json()
    assert sum(map(sum, charts["ordersPerDay"]["byStatus"].values())) == 150
    polargen(server, *run, "--seed", "2", "-o", str(tmp_path / "out"))  # takes its place
    said = problem(server.get(f"/jobs/{first}/tables"), 409, "no-rows")
    assert "another run" in said["detail"]
